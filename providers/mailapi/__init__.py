"""MailAPI.tech: domains, sub-domains and mailboxes, made in the background."""

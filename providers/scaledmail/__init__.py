"""ScaledMail: pre-warmed inboxes, and the domains and mailboxes that come with them."""

"""Mailin.ai: domains and mailboxes."""

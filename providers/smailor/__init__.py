"""Smailor: white-label mailboxes on own domains, their reputation, and reply templates."""

"""What can be asked, and how each provider does it."""

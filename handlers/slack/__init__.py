"""The only rooms that speak Slack."""

"""Instantly: sending accounts, campaigns and leads, through the API that its own web page uses."""

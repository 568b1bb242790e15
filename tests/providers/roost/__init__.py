"""Roost, a provider that is not one of this version: what a newcomer's folder in `providers/` looks like."""

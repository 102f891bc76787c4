"""Channels between two sandboxes, measured: random bits sent through each, and counted."""

"""Launchers: each runs tasks somewhere and reports those that have ended."""

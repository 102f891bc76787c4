"""Reads what submissions say about themselves: information and claims, never evidence."""

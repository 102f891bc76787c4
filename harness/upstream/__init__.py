"""Reads folders in the contest's own layout."""

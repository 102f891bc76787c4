"""Folders in the contest's own layout, read as files."""

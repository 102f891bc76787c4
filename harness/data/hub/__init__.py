"""Datasets of the field: found, pinned and fetched."""

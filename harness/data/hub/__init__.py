"""Datasets of the field: where they are, what they must be, and how they are fetched."""

"""Imported by Python itself, where it is found."""

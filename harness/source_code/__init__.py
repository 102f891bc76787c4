"""Analyzes Python source without running it."""

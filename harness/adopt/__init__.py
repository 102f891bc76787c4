"""Reads folders in upstream's layout, without running them, and writes their bridges."""

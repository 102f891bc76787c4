"""Reads training logs of the contest, line by line."""

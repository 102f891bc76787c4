"""Scores the validation split with the artifact: the trusted side, which drives the workers."""

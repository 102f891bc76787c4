"""Asking again: which questions, when, with what after them, and what the answers mean."""

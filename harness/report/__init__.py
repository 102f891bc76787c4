"""Draws verdicts, and shows progress while they are being made."""

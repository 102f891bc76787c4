"""The control, under another name."""

"""What may be entered, and under which rules: tracks and submissions, read and validated."""

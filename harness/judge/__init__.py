"""From evidence to findings, and from findings to a verdict: pure functions."""

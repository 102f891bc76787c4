"""Pure functions from evidence to findings, and from findings to a verdict."""

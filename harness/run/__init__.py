"""The work itself: from a submission to evidence, and from evidence to a verdict."""

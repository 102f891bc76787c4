"""Stubs of programs that scripts call and die without; each runs alone."""

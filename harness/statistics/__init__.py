"""Numbers in, numbers out: units, tests and power. Imports nothing of the harness."""

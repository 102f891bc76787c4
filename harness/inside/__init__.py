"""Everything of ours that enters a sandbox.

It imports nothing of the harness, so it can be read and hashed as one thing.
"""

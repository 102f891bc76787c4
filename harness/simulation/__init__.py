"""What the judgment does over many entries: chances, by drawing scores and judging them.

No verdict depends on this room, so it is in neither of the digests that a verdict names.
"""

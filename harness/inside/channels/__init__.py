"""Senders and receivers of the covert channels that are measured; imports nothing of ours.

The whole package is mounted as the code of two phases, one after the other. The first gets random
bits and leaves them wherever it can; the second, which was told everything else, looks for them.
"""

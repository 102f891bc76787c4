"""Ends with an error after the artifact is there."""

import sys

from bigram import train

if __name__ == "__main__":
    train()
    sys.exit("RuntimeError: loss is nan")

"""Stands in for pyminify, where it is not: gives source back as it is.

Scripts pass their source through it to weigh themselves. What they print of that is theirs; the
referee weighs files as they are.
"""

import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Print the source that the last argument names, or what comes in."""
    named = arguments[-1] if arguments else "-"
    if named == "-":
        sys.stdout.write(sys.stdin.read())
    else:
        sys.stdout.write(Path(named).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])

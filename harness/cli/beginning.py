"""``harness new``: begins an entry."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from harness.cli.options import command
from harness.safeio.output import tell
from harness.templates import FILES, MARK, TEMPLATES


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    new = command(commands, "new", _new, "begin an entry: a small one that passes a rehearsal")
    new.add_argument("name", metavar="NAME", help="of its folder: letters, digits, '_' and '-'")
    new.add_argument(
        "--template",
        choices=tuple(TEMPLATES),
        default="gpt",
        help="; ".join(f"{name}: {what}" for name, what in TEMPLATES.items())
        + " (default: %(default)s)",
    )
    new.add_argument(
        "--dir",
        type=Path,
        default=Path("submissions"),
        metavar="DIR",
        help="folder of the entries (default: %(default)s)",
    )


def _new(options: argparse.Namespace) -> int:
    from harness.templates.begin import begin

    folder = begin(options.name, template=options.template, place=options.dir)
    quoted = shlex.quote(str(folder))
    tell(f"{folder}: {', '.join(FILES)} ({options.template}: {TEMPLATES[options.template]})")
    tell(f"  choose where {MARK} stands:  grep -n {MARK} {quoted}/*")
    tell(f"  in a second:               harness check {quoted}")
    tell(f"  in two minutes:            harness verify {quoted} --track smoke")
    return 0

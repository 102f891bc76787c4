"""``harness adopt``: reads folders in upstream's layout and writes their bridges.

It runs nothing, but with ``--check``, by which a bridge is proved.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.checking import add_check_options, check_folders, exit_code_of
from harness.cli.guard import EXIT_REJECTED
from harness.cli.options import command, console_for, workers_option, write_json
from harness.errors import UsageError
from harness.safeio.output import say

if TYPE_CHECKING:
    from harness.adopt.adoption import Adoption


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    adopt = command(
        commands, "adopt", _adopt, "read a script in upstream's layout and find its bridge, unrun"
    )
    adopt.epilog = (
        "exit codes: 0 when there is something to run (for several folders: always), 1 when there "
        "is nothing, 2 wrong usage; with --check: 0 when our loss is the printed one (for several: "
        "of each), 1 when one is not or cannot be compared, 3 when something of ours is missing or "
        "failed"
    )
    adopt.add_argument(
        "folders", nargs="*", metavar="FOLDER", help="a record, a directory of them, or revisions"
    )
    adopt.add_argument(
        "--git",
        type=Path,
        metavar="GITDIR",
        help="a clone: the arguments are heads of pull requests, such as refs/pull/1/head",
    )
    adopt.add_argument(
        "--base", default="HEAD", metavar="REV", help="what heads are compared with (default: HEAD)"
    )
    adopt.add_argument("-o", "--output", type=Path, metavar="PATH", help="write the bridge there")
    adopt.add_argument("--write", action="store_true", help="write bridge.toml into the folder")
    adopt.add_argument("--json", metavar="PATH", help="also write it as JSON (-: stdout)")
    adopt.add_argument("--markdown", metavar="PATH", help="also write a table as Markdown")
    workers_option(adopt)
    adopt.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep there what was read (default: nowhere)"
    )
    add_check_options(adopt)


def _adopt(options: argparse.Namespace) -> int:
    from harness.adopt.many import Tally
    from harness.contest.bridge import BRIDGE
    from harness.report.adoption import adoption_markdown, bridge_text, show_adoption, show_many
    from harness.report.checks import checks_markdown
    from harness.safeio.files import write_atomically

    if not options.folders:
        raise UsageError("expected a folder, or --git and the heads of pull requests")
    if options.check and options.git is not None:
        raise UsageError("--check runs scripts of folders: check a head out and name its folder")
    if options.bridge is not None and not options.check:
        raise UsageError("--bridge: only --check looks at a bridge that is given")
    console = console_for(options)
    folders, adoptions = _readings(options)
    single = len(folders) == 1 and [str(folders[0])] == [str(Path(n)) for n in options.folders]
    single = single or (options.git is not None and len(options.folders) == 1)
    if not single:
        if options.output or options.write or options.bridge or options.log:
            raise UsageError(
                "--output, --write, --bridge and --log are for one folder; there are several"
            )
        tally = Tally.empty()
        found = show_many(adoptions, console, tally)
        counts = {"classes": dict(tally.classes), "reasons": _by_reason(tally.reasons)}
    else:
        found = list(adoptions)
        show_adoption(found[0], console)
        bridge = bridge_text(found[0])
        place = options.output or (Path(options.folders[0]) / BRIDGE if options.write else None)
        if place is not None and bridge is not None:
            write_atomically(place, bridge)
        elif place is not None:
            say(f"no bridge was found, so none was written to {place}")
    checks = check_folders(options, folders, found, console) if options.check else []
    documents = [one.model_dump(mode="json") for one in found]
    for document, check in zip(documents, checks, strict=False):
        document["check"] = check.model_dump(mode="json")
    _write(options, documents[0] if single else {"folders": documents, "counts": counts})
    if options.markdown:
        parts = [adoption_markdown(found)] + ([checks_markdown(found, checks)] if checks else [])
        write_atomically(Path(options.markdown), "\n".join(parts).encode())
    if checks:
        return exit_code_of(checks)
    return EXIT_REJECTED if single and found[0].adoption == "none" else 0


def _readings(options: argparse.Namespace) -> tuple[list[Path], Iterator[Adoption]]:
    """The folders that are read, none for heads of pull requests; and what is read of them."""
    if options.git is not None:
        from harness.adopt.pull_requests import adopt_heads

        heads = adopt_heads(
            options.git, options.folders, base=options.base, workers=options.workers,
            cache=options.cache,
        )  # fmt: skip
        return [], heads
    from harness.adopt.many import adopt_many, marks
    from harness.upstream.many import find_folders

    folders = find_folders([Path(name) for name in options.folders], marks=marks)
    return folders, adopt_many(folders, workers=options.workers, cache=options.cache)


def _by_reason(reasons: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [
        {"adoption": adoption, "reason": reason, "folders": count}
        for (adoption, reason), count in sorted(reasons.items(), key=lambda one: -one[1])
    ]


def _write(options: argparse.Namespace, document: dict[str, Any]) -> None:
    if options.json:
        write_json(json.dumps(document, indent=2, ensure_ascii=False), options.json)

"""Commands that weigh what a verification would say, or what two of them say together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.extras import require
from harness.cli.options import command, console_for, data_option, track_option, write_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.contest.track import Track
    from harness.simulation.power import Size


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add these commands to the parser."""
    power = command(commands, "power", _power, "chances of an entry, and what it costs to run")
    track_option(power, "10min_16mb")
    power.add_argument(
        "--gain",
        type=float,
        nargs="+",
        default=[],
        metavar="NATS",
        help="true gains over the bar, nats a token (default: from none to two margins)",
    )
    power.add_argument(
        "--sd", type=float, metavar="BPB", help="how far runs scatter (default: as the track says)"
    )
    power.add_argument(
        "--try",
        dest="number",
        type=int,
        default=1,
        metavar="K",
        help="the author's K-th, where the track spends its level on all tries (default: 1)",
    )
    power.add_argument("--json", metavar="PATH", help="also write it as JSON (-: stdout)")
    data_option(power)

    compare = command(
        commands,
        "compare",
        _compare,
        "two or more verifications side by side: is one better than the other; runs nothing",
    )
    compare.add_argument(
        "recipes",
        type=Path,
        nargs="+",
        metavar="RUN_DIR|VERDICT_JSON",
        help="each a recipe of its own, compared with the first; all of one where --with is given",
    )
    compare.add_argument(
        "--with",
        dest="others",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        metavar="RUN_DIR|VERDICT_JSON",
        help="all verifications of one further recipe; may be given again",
    )
    compare.add_argument(
        "--track", help="whose knowledge of the field is used (default: that of the runs)"
    )
    compare.add_argument(
        "--markdown", type=Path, metavar="PATH", help="also write it as Markdown for GitHub"
    )
    compare.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="also make a page of it with pictures, one file of HTML",
    )
    compare.add_argument("--json", metavar="PATH", help="also write it as JSON (-: stdout)")


def _compare(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.judge.side_by_side import side_by_side
    from harness.report.recipes import comparison_markdown, comparison_table
    from harness.safeio.files import write_atomically

    if options.output:
        require("vl_convert")
    track = load_track(options.track) if options.track else None
    groups = [options.recipes, *options.others]
    if not options.others:
        groups = [[path] for path in options.recipes]
    found = side_by_side(groups, track=track)
    console_for(options).print(comparison_table(found))
    if options.markdown:
        write_atomically(options.markdown, comparison_markdown(found).encode())
    if options.output:
        from harness.report.html.comparison import render_comparison

        write_atomically(options.output, render_comparison(found).encode())
    write_json(found.model_dump_json(indent=2), options.json)
    return 0


def _power(options: argparse.Namespace) -> int:
    from harness.contest.track import load_track
    from harness.report.power import power_table
    from harness.simulation.power import power_report

    if not all(0 <= gain < 10 for gain in options.gain):
        raise UsageError("--gain: expected nats a token, from 0 to less than 10, such as 0.0075")
    if options.sd is not None and not 0 < options.sd < 10:
        raise UsageError("--sd: expected BPB above 0 and less than 10, such as 0.0007")
    if not 1 <= options.number <= 1000:
        raise UsageError("--try: expected a whole number from 1 to 1000")
    track = load_track(options.track)
    report = power_report(
        track,
        _size(track, options.data),
        gains=tuple(options.gain),
        sd_bpb=options.sd,
        number=options.number,
    )
    console_for(options).print(power_table(report))
    write_json(report.model_dump_json(indent=2), options.json)
    return 0


def _size(track: Track, data: Path) -> Size:
    """Tokens and bytes of a track's validation text: the dataset's, or the field's by the track."""
    from harness.audit.checks.texts import TEXT_BYTES, is_known_text
    from harness.data.format.manifest import MANIFEST_NAME, load_manifest
    from harness.simulation.power import Size

    named, manifest = track.dataset, data / track.dataset.name / MANIFEST_NAME
    if manifest.is_file():
        totals = load_manifest(manifest).totals
        return Size(
            targets=totals.validation_tokens - 1,
            text_bytes=totals.validation_bytes,
            source=f"those of dataset {named.name}",
        )
    if named.validation_tokens is None or not is_known_text(track):
        raise UsageError(
            f"dataset {named.name} is not here, and its tokens and bytes turn nats into BPB",
            file=manifest,
            remedy="bring it with `harness data`, or say where it is with --data",
        )
    return Size(
        targets=named.validation_tokens - 1,
        text_bytes=TEXT_BYTES,
        source="tokens as the track pins them, bytes of the field's validation text",
    )

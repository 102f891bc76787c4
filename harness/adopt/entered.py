"""An entry in upstream's layout, as it is entered on a track: its files, and the referee's bridge.

After this nobody who runs it asks for the layout: how it is trained and asked is data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.contest.bridge import BRIDGE, Bridge, render_bridge
from harness.contest.driven import segment_of
from harness.contest.entry import (
    UNKNOWN_ARTIFACT,
    Claim,
    Driven,
    Entry,
    Loader,
    Score,
    TakeOver,
    Tokenizer,
    Train,
    Whole,
    file_facts,
)
from harness.contest.entry import Bridge as BridgeFacts
from harness.contest.track import Track
from harness.errors import SubmissionError
from harness.safeio.files import digest_of_named
from harness.safeio.text import is_plain, plain, storable
from harness.upstream.claims import read_claims
from harness.upstream.folder import CLAIMS, BrokenFileError, RecordFolder
from harness.upstream.tree import shards_folder, tokenizer_file

LARGEST_SCRIPT_BYTES = 16 << 20
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Entered:
    """An entry, its counted files by name, and the referee's own, which are not counted."""

    entry: Entry
    files: dict[str, bytes]
    bridge: dict[str, bytes]


def entered(folder: RecordFolder, bridge: Bridge, track: Track) -> Entered:
    """The entry of a folder on a track, made small where the track is a rehearsal.

    Raises:
        SubmissionError: a file that its bridge names is not there, or is too large.
    """
    files = {
        name: _content(folder, name) for name in (bridge.launch.script, *bridge.launch.imports)
    }
    lines = {BRIDGE: render_bridge(bridge)}
    claims, about, name = read_claims(folder), _about(folder), storable(folder.path.resolve().name)
    size = claims.bytes_total.value if claims.bytes_total else None
    entry = Entry(
        layout="upstream",
        name=_said(about, "name") or plain(name, _LONGEST_NAME),
        author=_said(about, "author") or "unknown",
        # Without one, tries are counted under the author's name, which is no GitHub id.
        github_id=_said(about, "github_id"),
        folder=name,
        claim=Claim(
            val_bpb=claims.val_bpb.value if claims.val_bpb else None,
            bytes_total=None if size is None else int(size),
        ),
        files=tuple(file_facts(files)),
        digest=digest_of_named(files),
        tokenizer=Tokenizer(ids=vocabulary_of(bridge, track)),
        train=_train(bridge, track),
        score=_score(bridge, track),
        bridge=BridgeFacts(
            digest=digest_of_named(lines),
            files=tuple(file_facts(lines)),
            text=lines[BRIDGE].decode(),
        ),
    )
    return Entered(entry, files, lines)


def check_fits(folder: RecordFolder, bridge: Bridge, track: Track) -> None:
    """Compare what a script wants with what the track has.

    Raises:
        SubmissionError: its windows are longer than the track can probe.
    """
    windows = bridge.windows_on(rehearsal=track.rehearsal)
    longest = track.probes.longest_sequence
    if windows is not None and windows.context > longest:
        raise SubmissionError(
            f"windows of {windows.context:,} tokens; track {track.name} asks again of {longest:,} "
            "at most, because each probe of its causality costs a window",
            file=bridge.launch.script,
            within=folder.path,
        )


def vocabulary_of(bridge: Bridge, track: Track) -> int:
    """How many ids its tokens have on a track."""
    scaled = bridge.rehearsal.env.get("VOCAB_SIZE", "") if track.rehearsal else ""
    return int(scaled) if scaled.isdecimal() and len(scaled) < 8 else bridge.vocabulary.size


def _train(bridge: Bridge, track: Track) -> Train:
    launch, size = bridge.launch, vocabulary_of(bridge, track)
    small = bridge.rehearsal.env if track.rehearsal else {}
    return Train(
        command=launch.command,
        environment={**launch.env, **small},
        data={
            shards_folder(size): "shards",
            tokenizer_file(size): "tokenizer",
        },
        artifact=bridge.artifact.file if bridge.artifact else UNKNOWN_ARTIFACT,
    )


def _score(bridge: Bridge, track: Track) -> Score:
    windows, evaluation = bridge.windows_on(rehearsal=track.rehearsal), bridge.evaluation
    loader: Loader = Whole(script=bridge.launch.script)
    if evaluation is not None and windows is not None:
        learns = evaluation.learns
        segment = segment_of(bridge, track.adaptive, rehearsal=track.rehearsal).targets
        if segment:
            return Score(
                loader=Driven(script=bridge.launch.script, loop=evaluation.loop),
                sequence_length=windows.context,
                stride=windows.stride,
                segment=segment,
            )
        loader = TakeOver(
            script=bridge.launch.script,
            evaluation=evaluation.function,
            environment=bridge.no_train.env or None,
            rests_on=None if learns == "nothing" else learns,
            arguments=(bridge.logits.arguments if bridge.logits else None) or None,
        )
    return Score(
        loader=loader,
        sequence_length=windows.context if windows else 1,
        stride=windows.stride if windows else 1,
    )


def _content(folder: RecordFolder, name: str) -> bytes:
    try:
        content = folder.read(name, LARGEST_SCRIPT_BYTES)
    except BrokenFileError as error:
        raise SubmissionError(str(error), file=name, within=folder.path) from error
    if len(content) > LARGEST_SCRIPT_BYTES:
        raise SubmissionError(
            f"more than {LARGEST_SCRIPT_BYTES:,} bytes", file=name, within=folder.path
        )
    return content


def _about(folder: RecordFolder) -> Mapping[str, Any]:
    """``submission.json``, as far as it can be read; claims are information alone."""
    name = folder.claims_name or CLAIMS
    try:
        return folder.json(name)
    except BrokenFileError:
        return {}


def _said(about: Mapping[str, Any], key: str) -> str:
    value = about.get(key)
    return value.strip() if isinstance(value, str) and is_plain(value, _LONGEST_NAME) else ""

"""From a folder in upstream's layout to its bridge, with a reason for each key."""

from typing import Any

from harness.adopt.adoption import Adoption
from harness.adopt.asked import asked_tables
from harness.adopt.cautions import cautions_of
from harness.adopt.classes import Parts, Reason, may_be_asked, parts_of, reasons_for
from harness.adopt.launched import launch_of
from harness.adopt.reading import Reading, UnreadableError, read
from harness.adopt.refused import kind_of, nothing, without_torch
from harness.adopt.small import rehearsal_of
from harness.adopt.vocabulary import vocabulary_of, wants_bytes, why_setting
from harness.contest.bridge import (
    ArtifactFile,
    Bridge,
    NoTrain,
    Vocabulary,
)
from harness.contest.entry import is_artifact_name
from harness.source_code.windows import FoundWindows, chunk_of, windows_of
from harness.upstream.entry import NoEntryError, find_entry
from harness.upstream.folder import RecordFolder
from harness.upstream.settings import settings_as_run


def adopt(folder: RecordFolder) -> Adoption:
    """Read a folder and find its bridge. Never runs anything, and never fails on what it reads."""
    name = folder.path.name
    try:
        entry = find_entry(folder)
        refused = without_torch(entry)
        if refused:
            return nothing(name, refused[0], refused[1], entry)
        reading = read(folder, entry, settings_as_run(folder, entry))
        return _adopted(folder, reading)
    except NoEntryError as error:
        return nothing(name, kind_of(str(error)), str(error), None)
    except UnreadableError as error:
        return nothing(name, "unreadable", str(error), None)
    except Exception as error:  # noqa: BLE001 - a stranger's folder must not end a reading of many
        said = (
            f"the reading itself failed ({type(error).__name__}: {error}): a fault of the harness"
        )
        return nothing(name, "reader-failed", said[:400], None)


def _adopted(folder: RecordFolder, reading: Reading) -> Adoption:
    parts = parts_of(reading)
    reasons = reasons_for(parts)
    missing: list[str] = []
    vocabulary = vocabulary_of(parts)
    if vocabulary is None:
        missing.append("vocabulary: no size was found; 1024, as most have")
    bridge = _bridge(folder, parts, vocabulary or 1024, missing, reasons)
    first = reasons[0]
    if bridge is not None and bridge.evaluation is None and first.adoption in ("full", "adaptive"):
        first = Reason("no-bridge", "; ".join(missing) or "no bridge was found", "reproduce")
        reasons = [first, *reasons]
    windows = _claimed_windows(parts)
    claimed, artifact = parts.claimed, reading.artifact
    return Adoption(
        name=folder.path.name,
        adoption=first.adoption,
        reason=first.id,
        script=reading.entry.script.name,
        artifact=_shown(artifact.name) if artifact is not None else None,
        evaluation=claimed.name if claimed is not None else None,
        context=windows.context if windows is not None else None,
        stride=windows.stride if windows is not None else None,
        vocab=vocabulary,
        learns_while_scoring=parts.learned.kind != "nothing",
        learns=parts.learned.kind,
        reasons=tuple(_clean(reason.sentence) for reason in reasons),
        missing=tuple(_clean(text) for text in missing),
        warnings=tuple(_clean(text) for text in cautions_of(parts)),
        bridge=bridge,
    )


def _clean(text: str) -> str:
    return text.replace("\0", "*")[:600]


def _shown(name: str) -> str:
    return name.replace("\0", "*")


def _claimed_windows(parts: Parts) -> FoundWindows | None:
    """The windows of the evaluation that the claim rests on."""
    if parts.claimed is None:
        return None
    windows = windows_of(parts.claimed)
    if parts.learned.kind == "documents":
        chunk = chunk_of(parts.claimed)
        context = windows.context
        return FoundWindows(context, chunk or windows.stride, "all", "scored")
    return windows


def _bridge(
    folder: RecordFolder, parts: Parts, vocabulary: int, missing: list[str], reasons: list[Reason]
) -> Bridge | None:
    reading = parts.reading
    why: dict[str, str] = {}
    launch = launch_of(folder, parts, why)
    keys: dict[str, Any] = {}
    artifact = _artifact(parts, why, missing)
    if artifact is not None and may_be_asked(parts, reasons):
        keys = asked_tables(parts, why, missing)
    no_train = _no_train(parts, why)
    size = Vocabulary(size=vocabulary, byte_counts=wants_bytes(reading))
    why["vocabulary.size"] = why_setting(reading, "VOCAB_SIZE", vocabulary)
    try:
        small = rehearsal_of(parts, launch.env, why, asked=bool(keys))
        return Bridge(
            launch=launch,
            artifact=artifact,
            no_train=no_train,
            vocabulary=size,
            rehearsal=small,
            why={key: _clean(text) for key, text in why.items()},
            **keys,
        )
    except ValueError as error:
        missing.append(f"bridge: {_first_problem(error)}")
        return None


def _no_train(parts: Parts, why: dict[str, str]) -> NoTrain:
    """The settings that stop its loops, or the switch that leads past them."""
    reading, switch = parts.reading, parts.switch
    if switch is not None:
        why[f"no_train.env.{switch.name}"] = f"{reading.place(switch.line)}: leads past training"
        return NoTrain(env={switch.name: "1", **switch.besides})
    for stop in parts.stops.loops:
        if stop.chosen:
            when = "before its first step" if stop.at_once else "after its first step"
            why[f"no_train.env.{stop.chosen}"] = (
                f"{reading.place(stop.line)}: this loop ends {when} at 0"
            )
    return NoTrain(env=parts.stops.env)


def _first_problem(error: ValueError) -> str:
    problems = getattr(error, "errors", None)
    found = problems() if callable(problems) else []
    return str(found[0].get("msg", error)) if found else str(error)


def _artifact(parts: Parts, why: dict[str, str], missing: list[str]) -> ArtifactFile | None:
    reading = parts.reading
    artifact = reading.artifact
    if artifact is None:
        missing.append("artifact: no file is written, read back and unpacked")
        return None
    name = artifact.name
    if not is_artifact_name(name):
        missing.append(f"artifact: its name is not fixed: {_shown(name)}")
        return None
    written, back = reading.roles.line(artifact.written[0]), reading.roles.line(reading.after)
    why["artifact.file"] = (
        f"{reading.place(written)} writes it, {reading.place(back)} reads it back"
    )
    others = tuple(
        sorted(
            one
            for one, file in reading.roles.files.items()
            if file.written and one != name and is_artifact_name(one)
        )
    )[:20]
    for one in others:
        line = reading.roles.line(reading.roles.files[one].written[0])
        why[f"artifact.others.{one}"] = f"{reading.place(line)} writes it"
    return ArtifactFile(file=name, others=others)

"""The class of a script: the first reason, from what forbids most to what forbids least."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.adopt.adoption import Class
from harness.adopt.learning import Learned, learning_in
from harness.adopt.reading import Reading
from harness.adopt.switches import Switch, switch_of
from harness.source_code.logits import Way, way_to_logits
from harness.source_code.roles import Scoring, model_of
from harness.source_code.stopping import Stops, stops_of
from harness.source_code.values import Thing
from harness.source_code.windows import FoundWindows, windows_of

_NOT_IN_ORDER = re.compile(
    r"mdlm|diffusion|mask_token|mask_id|denois|noise_schedule", re.IGNORECASE
)


_MORE_THAN_THE_MODEL = frozenset(["cache", "slot", "ppm", "two-passes", "whole-first", "otherwise"])
_SCRATCH = "/tmp"  # noqa: S108 - where scripts keep counters between ranks


@dataclass(frozen=True)
class Reason:
    """Why a class: a short name to count by, a sentence for a person, the class."""

    id: str
    sentence: str
    adoption: Class


@dataclass
class Parts:
    """What a bridge is made of, as far as it was found."""

    reading: Reading
    claimed: Scoring | None
    asked: Scoring | None
    learned: Learned
    model_name: str
    model: Thing | None
    way: Way | str
    windows: FoundWindows | None
    stops: Stops
    switch: Switch | None = None


def parts_of(reading: Reading) -> Parts:
    """The parts of a script that a bridge names."""
    shapes = reading.flow.shapes
    claimed = reading.claimed
    learned = learning_in(claimed, shapes) if claimed is not None else Learned("nothing")
    asked = claimed
    if claimed is not None and learned.kind != "nothing":
        frozen = [s for s in reading.scorings if learning_in(s, shapes).kind == "nothing"]
        asked = frozen[-1] if frozen else claimed
    name, model = model_of(asked) if asked is not None else ("", None)
    way: Way | str = "no model was recognised"
    if model is not None and asked is not None:
        methods = frozenset(event.name for event in asked.events if event.doing == "ask")
        way = way_to_logits(model.kind, shapes, asked=methods)
    artifact = reading.artifact
    until = artifact.written[0] if artifact is not None else -1
    windows = windows_of(asked) if asked is not None else None
    stops = stops_of(reading.roles, until)
    switch = switch_of(reading, asked) if stops.missing and asked is not None else None
    return Parts(reading, claimed, asked, learned, name, model, way, windows, stops, switch)


def reasons_for(parts: Parts) -> list[Reason]:
    """All reasons that were found, the deciding one first; one reason where all is in order."""
    found = [*_not_asked(parts)]
    if found:
        return found
    learned, claimed = parts.learned, parts.claimed
    at = parts.reading.place(learned.line)
    if learned.kind != "nothing":
        return [Reason(f"learns-{learned.kind}", f"{at}: {learned.sentence}", "adaptive")]
    name = claimed.name if claimed is not None else ""
    sentence = f"artifact, model, logits and a way past training found; {name} learns nothing"
    return [Reason("whole", sentence, "full")]


def may_be_asked(parts: Parts, reasons: list[Reason]) -> bool:
    """Whether the model alone can be asked, be the claim what it may.

    It can where the claim rests on more than the model gives, if another evaluation scores the
    model alone, and where the artifact was trained on what it should not have seen.
    """
    if reasons[0].adoption in ("full", "adaptive"):
        return True
    ids = {reason.id for reason in reasons}
    if ids - _MORE_THAN_THE_MODEL - {"trains-on-validation"}:
        return False
    if parts.learned.driven == "no":
        return parts.asked is not parts.claimed
    return ids == {"trains-on-validation"}


def _not_asked(parts: Parts) -> Iterator[Reason]:
    """Why a script can be reproduced, and no more."""
    reading = parts.reading
    yield from _order(parts)
    learned = parts.learned
    if learned.driven == "no":
        at = reading.place(learned.line)
        yield Reason(_id_of(learned), f"{at}: {learned.sentence}", "reproduce")
    yield from _artifact(reading)
    yield from _model(parts)
    for stop in parts.stops.missing if parts.switch is None else ():
        at = reading.place(stop.line)
        yield Reason(
            "never-untrained",
            f"{at}: no setting was found that keeps this loop from training",
            "reproduce",
        )


def _id_of(learned: Learned) -> str:
    names = (("SLOT", "slot"), ("whole validation", "whole-first"), ("PPM", "ppm"),
             ("two passes", "two-passes"), ("target's probability", "cache"))  # fmt: skip
    return next((name for text, name in names if text in learned.sentence), learned.kind)


def _order(parts: Parts) -> Iterator[Reason]:
    reading = parts.reading
    names = [n for n in reading.flow.shapes.identifiers if _NOT_IN_ORDER.search(n)]
    if len(names) >= 3:
        shown = ", ".join(sorted(names)[:3])
        yield Reason(
            "not-in-order", f"not autoregressive: its source speaks of {shown}", "reproduce"
        )
    artifact = reading.artifact
    written = artifact.written[0] if artifact is not None else len(reading.flow.events)
    inside = reading.roles.scorings
    for place, event in enumerate(reading.flow.events):
        if event.doing != "backward" or "val" not in event.tags or "adapter" in event.tags:
            continue
        if place < written and "train" not in event.tags:
            at = reading.at(event)
            said = "trains on validation text before it writes the artifact"
            yield Reason("trains-on-validation", f"{at}: {said}", "reproduce")
            return
        if place > written and not any(s.begins <= place <= s.ends for s in inside):
            at = reading.at(event)
            said = "adapts on validation text in a loop of its own, before or while it scores"
            yield Reason("whole-first", f"{at}: {said}", "reproduce")
            return


def _artifact(reading: Reading) -> Iterator[Reason]:
    if reading.artifact is not None:
        together = reading.roles.loaded_together()
        if together:
            shown = " and ".join(together[:4]).replace("\0", "*")
            said = f"its model is put together of {shown}: what is sealed and scored is one file"
            yield Reason("several-artifacts", said, "reproduce")
        if not reading.scorings:
            yield Reason(
                "no-evaluation",
                "no function was recognised that scores validation tokens after "
                f"{reading.artifact.name} is read back",
                "reproduce",
            )
        return
    files = reading.roles.files
    written = [
        name for name, file in files.items() if file.written and not name.startswith(_SCRATCH)
    ]
    unknown = files.get("?")
    if unknown is not None and unknown.read and written:
        at = reading.place(reading.roles.line(unknown.read[-1]))
        said = f"{at}: reads a file back under a name that could not be resolved"
        yield Reason("artifact-unresolved", said, "reproduce")
    elif written:
        shown = ", ".join(sorted(written)[:3]).replace("\0", "*")
        said = f"writes {shown} and never reads it back: the model in memory is scored"
        yield Reason("never-read-back", said, "reproduce")
    else:
        yield Reason("no-artifact", "writes no artifact", "reproduce")


def _model(parts: Parts) -> Iterator[Reason]:
    asked, reading = parts.asked, parts.reading
    if asked is None:
        return
    at = reading.place(asked.line)
    if not parts.model_name:
        yield Reason("no-model", f"{at}: no parameter of {asked.name} is its model", "reproduce")
    if isinstance(parts.way, str):
        yield Reason("no-logits", f"{at}: {parts.way}", "reproduce")
    if parts.windows is None or parts.windows.context is None or parts.windows.stride is None:
        yield Reason("no-windows", f"{at}: the length of its windows is not told", "reproduce")

"""What a reader of a bridge should know besides: needs, doubts, and what the model alone lacks."""

import re

from harness.adopt.classes import Parts
from harness.adopt.learning import tilts
from harness.source_code.logits import divisor_of
from harness.source_code.roles import Scoring
from harness.source_code.values import Known

_INSTALLS = re.compile(
    r"(?<![\w-])pip[\d.]*\s+install\b|(?<![\w-])(?:conda|apt-get|apt)\s+install\b"
)
_NETWORK = re.compile(r"snapshot_download|hf_hub_download|load_dataset|urlopen|urlretrieve")


def cautions_of(parts: Parts) -> list[str]:
    """Sentences for a reader, each once, at most 20."""
    reading = parts.reading
    said = [*reading.entry.warnings, *reading.notes]
    command = reading.entry.command
    if command is not None and command.nodes > 1:
        said.append(f"{command.file}:{command.line}: wants {command.nodes} machines")
    for event in reading.flow.events:
        if event.doing == "program" and _INSTALLS.search(event.name):
            said.append(f"{reading.at(event)}: installs packages while it runs")
        if event.doing == "raise" and event.sure and len(said) < 20:
            at = reading.at(event)
            said.append(f"{at}: stops with {event.name[:120]}, as far as settings tell")
    names = sorted(name for name in reading.flow.shapes.identifiers if _NETWORK.fullmatch(name))
    if names:
        said.append(f"{reading.entry.script.name}: names {', '.join(names)}, which need a network")
    claimed = parts.claimed
    if claimed is not None:
        tilt = tilts(claimed)
        if tilt is not None:
            said.append(
                f"{reading.at(tilt)}: {tilt.name} tilts the logits by hints; the model alone "
                "gives another score"
            )
        said += _about_temperature(parts, claimed)
        if not claimed.sure:
            said.append(f"{claimed.name} runs under a condition that could not be decided")
    loose = [
        event for event in reading.flow.events if event.doing == "load" and event.name == "loose"
    ]
    if any(tag.startswith("from:") for event in loose for tag in event.tags):
        line = next(e for e in loose if any(t.startswith("from:") for t in e.tags))
        said.append(
            f"{reading.at(line)}: loads with strict=False: what the artifact leaves out stays as "
            "training left it"
        )
    return list(dict.fromkeys(said))[:20]


def _about_temperature(parts: Parts, claimed: Scoring) -> list[str]:
    """What a reader should know of a temperature that is found while the script runs."""
    divided = divisor_of(claimed)
    calls = sum(one.name == claimed.name for one in parts.reading.scorings)
    said = []
    for name, value in claimed.frame.arguments.items():
        passed = divided is not None and divided.name == name
        if "temp" not in name or isinstance(value, Known) or (passed and calls == 1):
            continue
        how = "with the one of its first call" if passed else "without it"
        said.append(
            f"{parts.reading.place(claimed.frame.line)}: {claimed.name} is given a {name} that is "
            f"found while it runs; the model is asked {how}"
        )
    return said

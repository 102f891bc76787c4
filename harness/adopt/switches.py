"""A script's own switch past its training, for where no setting stops its loops.

Some read ``TTT_EVAL_ONLY`` or ``SKIP_TRAINING``. Whether one does what its name says is seen by
reading the script again with it: no loop may learn unbounded before the artifact is read back, and
the same evaluation must follow.
"""

import re
from dataclasses import dataclass

from harness.adopt.reading import Reading, is_off, read_once
from harness.source_code.roles import Scoring
from harness.source_code.stopping import stops_of

_NAMED = re.compile(
    r"(?:[A-Z0-9]+_)*(?:EVAL|SCORE|TEST|INFER(?:ENCE)?)_ONLY|ONLY_EVAL(?:UATE)?|EVALUATE_ONLY"
    r"|(?:SKIP|NO)_TRAIN(?:ING)?"
)


@dataclass(frozen=True)
class Switch:
    """A setting that is 1 where nothing is to be trained, and the line that reads it.

    ``reads``: how often the artifact is read then. ``besides``: what stops the loops that it does
    not lead past, such as a warm-up's.
    """

    name: str
    line: int
    reads: int
    besides: dict[str, str]


def switch_of(reading: Reading, asked: Scoring) -> Switch | None:
    """The switch of a script by which it comes to an evaluation untrained, if there is one."""
    artifact, known = reading.artifact, reading.flow.read_settings
    for name in sorted(known) if artifact is not None else ():
        if not _NAMED.fullmatch(name) or not is_off(reading, name):
            continue
        again = read_once(
            reading.source, reading.run, env={**reading.env, name: "1"}, logged=reading.logged
        )
        found = [one for one in again.roles.scorings if one.name == asked.name]
        file = again.roles.files.get(artifact.name) if artifact is not None else None
        reads = [p for p in file.read if found and p < found[-1].begins] if file else []
        stops = stops_of(again.roles, reads[0]) if reads else None
        if stops is not None and not stops.missing:
            return Switch(name, known[name][0], len(reads), stops.env)
    return None

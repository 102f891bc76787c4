"""What a script's own evaluation prints on texts that we drew: of entries that are only reproduced.

Their claimed score rests on more than their model, so nothing that we ask the model bounds it. But
two things hold of every honest evaluation, whatever it learns, caches or mixes:

- On text whose tokens are drawn evenly from some alphabet it pays the logarithm of that alphabet.
  Who pays less has seen targets before scoring them, or has probabilities that add up to more than
  one.
- What it costs before a point of the text does not depend on what follows that point.

Both find mistakes, not deceit: a script that is handed a whole split can find out that it is not
the published one, and behave well there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.contest.entry import Entry, TakeOver
from harness.data.build.drawn_text import DrawnText, drawn_text
from harness.data.format.shards import Tokens
from harness.errors import SubmissionError
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import OwnEvaluation
from harness.run.script_job import Script
from harness.run.small_tree import Rewrite
from harness.run.trying import Tick, join_logs, run_small, with_share_of_log
from harness.sandbox.protocol import Sandbox
from harness.upstream.logs.printed import printed_lines
from harness.upstream.logs.running import Beside, beside, running_costs
from harness.upstream.logs.scorings import Scoring, last_final

FEW_LETTERS = 32
"""What counts tokens meets its counts again soon where there are few."""
SAME_COST = 1e-3
"""Two runs of one script over the same text are apart by less, even on accelerators."""
_POINT = 0.4, 0.7


class Texts(NamedTuple):
    """What takes the place of the validation split, in one run and in the other."""

    secret: bytes
    size: int
    bos: int
    alphabet: int

    def drawn(self, tokens: int) -> DrawnText:
        """So many drawn tokens."""
        return drawn_text(
            self.secret, tokens=tokens, size=self.size, bos=self.bos, alphabet=self.alphabet
        )

    def point(self, tokens: int) -> int:
        """Where a text of so many tokens becomes another one: in its middle part."""
        first, last = (round(share * tokens) for share in _POINT)
        return first + int.from_bytes(self.secret[:8], "big") % (last - first)

    def changed(self, tokens: Tokens) -> Tokens:
        """A text that ends in tokens which are drawn from the whole vocabulary."""
        every = self._replace(alphabet=self.size - 1)
        point = self.point(len(tokens))
        return np.concatenate([tokens[:point], every.drawn(len(tokens)).tokens[point:]])


def letters_for(entry: Entry, *, size: int) -> int:
    """Of how many tokens the drawn text is made.

    What counts tokens is given few, so that contexts come again and its counts are put to use; all
    other scripts are given the whole vocabulary, because a model that was hardly trained pays not
    much more than the floor there.
    """
    loader = entry.score.loader
    counts = isinstance(loader, TakeOver) and loader.rests_on == "cache"
    return min(FEW_LETTERS, size - 1) if counts else size - 1


@dataclass
class Evaluations:
    """Runs a script on such texts.

    Attributes:
        script_on: the script on the small tree of the bridge's proof, with another validation
            split, in a folder that is given.
        sandbox: prepared.
        place: an existing directory, absolute; gets trees and logs.
        log: gets the logs of both runs.
        seconds: that each run may take.
        tick: called a few times a second.
        starting: called just before code of theirs can run.
        phases: those that have ended.
    """

    script_on: Callable[[Path, Rewrite], Script]
    sandbox: Sandbox
    place: Path
    log: Path
    seconds: float
    tick: Tick = lambda running: None
    starting: Callable[[], None] = lambda: None
    phases: list[PhaseFacts] = field(default_factory=list)

    def compare(self, texts: Texts, before: list[str]) -> OwnEvaluation:
        """Run the script twice.

        Args:
            texts: what it is run on.
            before: the lines that the script printed when its bridge was proven.

        Raises:
            SubmissionError: it does not come to its end on such a text.
            InfrastructureError: engine or disk of ours failed.
        """
        drawn, changed = (self.place / f"{name}.log" for name in ("drawn", "changed"))
        try:
            tokens, scored = self._run(lambda tokens: texts.drawn(len(tokens)).tokens, drawn)
            printed = last_final(scored)
            self._run(texts.changed, changed)
            common = texts.point(tokens) / tokens
            found = _beside(before, printed_lines(changed), common=common)
        finally:
            join_logs((drawn, changed), self.log)
        return OwnEvaluation(
            printed_loss=printed.val_loss if printed else None,
            floor_loss=texts.drawn(tokens).floor,
            alphabet=texts.alphabet,
            common=common,
            compared=found.compared,
            apart=found.apart,
            first_apart=found.first and (found.first[0].value, found.first[1].value),
        )

    def _run(self, rewrite: Rewrite, log: Path) -> tuple[int, Sequence[Scoring]]:
        """Run the script whole; how many tokens its split has, and what it printed."""
        script = self.script_on(self.place / log.stem, rewrite)
        ran = run_small(
            with_share_of_log(script, runs=2),
            self.sandbox,
            log=log,
            seconds=self.seconds,
            phases=self.phases,
            tick=self.tick,
            starting=self.starting,
        )
        # Some stop by a mistake of their own once they have scored.
        if ran.phase.outcome != "completed" and not ran.printed:
            raise SubmissionError(f"the script, run whole on a text that we drew: {ran.ending()}")
        return script.decoy_tokens, ran.printed


def _beside(before: list[str], now: list[str], *, common: float) -> Beside:
    """Compare what was printed while the text was the same.

    What a script prints last may be of as much text as lies between two of its lines.
    """
    one, other = (list(running_costs(lines)) for lines in (before, now))
    steps = np.diff(sorted({0.0, *(cost.done for cost in one)}))
    return beside(one, other, until=common - steps.max(initial=0.0), tolerance=SAME_COST)

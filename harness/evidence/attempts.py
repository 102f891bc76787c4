"""Which try of a draw counts, what its score is, and when the draw is used up.

A plan is used up, never replaced. Whoever trains sees the loss: a run whose luck is bad could try
to be lost (hang a driver, fill a disk, drag the machine down), and the best of several tries is
worth a part of a margin. Three rules take that away, whatever it was that was lost:

- A try that was lost before any code of the submission was started counts for nothing: there was no
  luck to see. It may be repeated without limit, so a machine that does not work wears nothing out.
- One that had begun is repeated once. Where it had a score before it was lost, both scores count,
  as their mean: nobody can pick one of two tries.
- Once two tries had begun and were lost, the draw is given up, and a verdict without it is unknown
  for good. A rehearsal, which is never a record, may go on.

That a try had begun is written down *before* its first sandbox starts (:attr:`Run.began`), so a
machine that dies at any moment leaves it; one that dies in the instant between the two is counted
though nothing ran. What is left open: a try that is lost in training, before it has a score, is
repeated once with the same seed, and only the second score counts.

A try that waits to go on on another machine is not lost: it goes on. Only the last one can; once
another try has left evidence, nobody goes on with it, and it is lost like any that was cut off.

A preparation has no seed and no score, so no luck: it may be repeated. So may a rescoring, which
trains nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.evidence.run import Run

MOST_BEGUN = 2
"""Tries of a draw that may begin."""


@dataclass(frozen=True)
class Attempts:
    """The tries of one draw that left evidence, in order; ``copied``: those of a rescoring."""

    tries: Sequence[Run]
    copied: bool = False

    @property
    def kept(self) -> Run | None:
        """The first that our side did not lose."""
        return next((run for run in self.tries if not run.lost), None)

    @property
    def counted(self) -> Run | None:
        """The first that our side did not lose, else the last that ended; with what counts beside.

        A submission that could lose its try at will would get another one, but of the same draw.
        """
        ended = [run for run in self.tries if run.ended]
        found = self.kept or (ended[-1] if ended else None)
        if found is None:
            return None
        if self.copied:
            return found
        beside = tuple(run.scores.val_bpb for run in self.beside if run.scores is not None)
        return found.model_copy(update={"beside": beside or None})

    @property
    def beside(self) -> tuple[Run, ...]:
        """Tries that were scored and then lost, before the one that counts because it was not."""
        if self.copied or self.kept is None:
            return ()
        return tuple(run for run in self._lost if run.scores is not None)

    @property
    def used_up(self) -> bool:
        """Whether as many as may begin had begun and were lost before any other could count."""
        if self.copied or any(run.role == "preparation" for run in self.tries):
            return False
        return sum(run.had_begun for run in self._lost) >= MOST_BEGUN

    @property
    def _lost(self) -> list[Run]:
        """Those that our side lost, or that were cut off, before the one that counts."""
        kept = self.kept
        last = self.tries[-1] if self.tries else None
        tries = [run for run in self.tries if not (run is last and run.waits)]
        return [run for run in tries if kept is None or run.attempt < kept.attempt]

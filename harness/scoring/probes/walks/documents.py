"""Walking through documents that are streams of their own.

Every document of which a target is asked is replayed: it is told as while scoring what of it was
scored, and between two pieces the targets of the later one are asked, in order, each window showing
no more of the document than lies before its target. Behind the last of them the document is left,
and its row goes to another one. What the sandbox was shown of a document is thus its past alone.

For probes documents come in the opposite order, between the same studies; so whatever a model keeps
of one for another is another thing than it was, and what it answers too. When a document comes, and
in which row, says nothing of what lies behind its questions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.scoring.probes.drawing import Questionnaire, Questions, places_within
from harness.scoring.schedules.asking import Ask, Indices, Schedule, Turn
from harness.scoring.schedules.dealing import Moves, replayed
from harness.scoring.schedules.documents import DocumentPlan
from harness.scoring.schedules.plan import Room


@dataclass(frozen=True)
class DocumentWalk:
    """The walk through documents; a group is a document, a turn is one of its piece.

    ``order`` int64[K] has the documents that may be asked of, in the order in which they are dealt.
    """

    plan: DocumentPlan
    order: Indices

    def may_be_asked(self, targets: Indices) -> npt.NDArray[np.bool_]:
        """Any may: its window shows its own document alone."""
        return np.ones(len(targets), np.bool_)

    def turns(self, targets: Indices, windows: Indices) -> tuple[Indices, Indices]:
        """See :class:`harness.scoring.probes.drawing.Walk`."""
        return self.plan.documents[windows], places_within(windows)

    def unchanged(self, rng: np.random.Generator, probes: Questions, *, count: int) -> Questions:
        """Any piece up to the last that is probed of its document, after its own probes."""
        until = self._until(probes)
        touched = np.flatnonzero(until)
        chosen = rng.choice(touched, count, p=until[touched] / until.sum())
        windows = np.sort(self.plan.first_pieces[chosen] + rng.integers(0, until[chosen]))
        turns = np.bincount(probes.windows, minlength=len(self.plan))[windows]
        nothing = np.zeros_like(windows)
        return Questions(windows, nothing, nothing, self.plan.documents[windows], turns)

    def schedule(self, asked: Questionnaire, *, room: Room, lanes: int) -> Schedule:
        """See :class:`harness.scoring.probes.drawing.Walk`."""
        until = self._until(asked.questions)
        order = self.order[until[self.order] > 0]
        moves = replayed(
            self.plan.moves(lanes=lanes),
            order,
            first_pieces=self.plan.first_pieces,
            lengths=self.plan.pieces,
            until=until[order],
        )
        return Replay(self.plan, moves, room, asked, until)

    def _until(self, questions: Questions) -> Indices:
        """int64[D]: how many pieces of each document are played."""
        until = np.zeros(len(self.plan.opened), np.int64)
        documents = self.plan.documents[questions.windows]
        np.maximum.at(until, documents, self.plan.ages[questions.windows] + 1)
        return until


@dataclass(frozen=True)
class Replay:
    """Documents up to their last question, each told what was scored between two questions."""

    plan: DocumentPlan
    moves: Moves
    room: Room
    asked: Questionnaire
    until: Indices

    def turns(self, lane: int) -> Iterator[Turn]:
        """See :class:`harness.scoring.schedules.asking.Schedule`."""
        questions = self.asked.questions
        order = np.lexsort((questions.turns, questions.windows))
        windows = questions.windows[order]
        for step in self.moves.of(lane):
            yield from self.plan.before(step)
            begins = np.searchsorted(windows, step.pieces)
            ends = np.searchsorted(windows, step.pieces, side="right")
            here = [
                (int(number), row)
                for begin, end, row in zip(begins, ends, step.rows.tolist(), strict=True)
                for number in order[begin:end]
            ]
            last = max((int(questions.turns[number]) for number, _ in here), default=0)
            for turn in range(last + 1):
                now = [pair for pair in here if questions.turns[pair[0]] == turn]
                told = self.plan.told(step, until=self.until) if turn == last else ()
                yield Turn(self._asks(now), told)

    def _asks(self, now: list[tuple[int, int]]) -> Iterator[Ask]:
        if not now:
            return
        numbers, rows = np.array(now, np.int64).T
        pieces = self.asked.questions.windows[numbers]
        for ask, places in self.plan.asks(pieces, rows, self.plan.ages[pieces], room=self.room):
            yield self.asked.put(ask, numbers[places])

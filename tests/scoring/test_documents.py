"""Documents as streams, through a real worker: scored, probed, and asked in another order."""

import math

import numpy as np
import pytest
import torch

from harness.scoring.link import AnswerError
from harness.scoring.scorer import Stream
from tests.scoring.conftest import ByDocument, Played, make_stream

V = 13

# Each row counts which token followed which in its document; `study` adds what it is shown.
COUNTS = """
    import torch
    V = 13

    class Model:
        def __init__(self):
            self.rows, self.last = {{}}, {{}}
            self.studied = torch.zeros(V, V)

        def reset(self, rows):
            for row in rows.tolist():
                self.rows[row], self.last[row] = torch.zeros(V, V), 1

        def observe(self, rows, tokens, counts):
            for row, new, count in zip(rows.tolist(), tokens.tolist(), counts.tolist()):
                for token in new[:count]:
                    {count}
                    self.last[row] = token

        def study(self, documents):
            for document in documents:
                tokens = document.tolist()
                for before, after in zip(tokens, tokens[1:]):
                    self.studied[before, after] += 1

        def __call__(self, tokens, firsts, rows):
            out = []
            for b, (shown, first, row) in enumerate(
                zip(tokens.tolist(), firsts.tolist(), rows.tolist())
            ):
                counts = self.rows[row] + self.studied
                answers = []
                for place in range(first, first + SEGMENT):
                    own = torch.zeros(V)
                    for before, after in zip(shown[:place], shown[1 : place + 1]):
                        if before == shown[place]:
                            own[after] += 1
                    logits = (counts[shown[place]] + 0.5 * own + 0.1).log()
                    {ask}
                    answers.append(logits)
                out.append(torch.stack(answers))
            return torch.stack(out)

    def load_model(artifact, device):
        return Model()
"""


def counts(
    segment: int,
    *,
    count: str = "self.rows[row][self.last[row], token] += 1",
    ask: str = "pass",
) -> str:
    """The model's code, with what it does at each observed token and in each answer."""
    return COUNTS.format(count=count, ask=ask).replace("SEGMENT", str(segment))


def by_hand(stream: Stream, how: ByDocument, length: int) -> float:
    """Total nats of the same model, document by document, in float64, with no harness at all."""
    plan = how.plan(stream, length)
    moves = plan.moves(lanes=1)
    total = 0.0
    tokens = stream.tokens.astype(int)
    for piece, step in zip(moves.pieces, moves.steps, strict=True):
        document = int(plan.documents[piece])
        opened, closed = int(plan.opened[document]), int(plan.closed[document])
        studied = np.zeros((V, V))
        for when, which in moves.studies:
            if when <= step:
                for d in which.tolist():
                    part = tokens[plan.opened[d] : plan.closed[d] + 1]
                    np.add.at(studied, (part[:-1], part[1:]), 1)
        begin = opened + 1 + int(plan.ages[piece]) * how.segment
        known = tokens[opened:begin]
        row = np.zeros((V, V))
        np.add.at(row, (known[:-1], known[1:]), 1)
        for target in range(begin, min(begin + how.segment, closed + 1)):
            # The window ends where the segment does, wherever the document does.
            start = max(opened, begin - 1 + how.segment - length)
            window = tokens[start:target]
            own = np.zeros(V)
            np.add.at(own, window[1:][window[:-1] == window[-1]], 1)
            weights = row[window[-1]] + studied[window[-1]] + 0.5 * own + 0.1
            total -= math.log(weights[tokens[target]] / weights.sum())
    return total


@pytest.mark.parametrize("studies", [(), (4, 9, 20)])
@pytest.mark.parametrize("length", [8, 20, 64])
def test_the_sum_is_that_of_an_independent_loop(
    play: Played, length: int, studies: tuple[int, ...]
) -> None:
    stream = make_stream(documents=25)
    how = ByDocument(segment=5, rows=3, study_after=studies)
    facts = play(counts(5), stream, sequence_length=length, by_document=how)
    expected = by_hand(stream, how, length)
    text_bytes = int(stream.document_bytes.sum())
    assert facts.val_bpb == pytest.approx(expected / math.log(2) / text_bytes, abs=1e-6)
    assert facts.targets == len(stream.tokens) - 1
    assert (facts.streams, facts.rows, facts.segment) == ("documents", 3, 5)
    assert facts.studies == len(studies)
    plan = how.plan(stream, length)
    assert facts.segments_observed == len(plan) - np.count_nonzero(plan.pieces)
    assert facts.schedule_digest == plan.moves(lanes=1).digest


def test_several_workers_share_the_documents_and_study_the_same(play: Played) -> None:
    stream = make_stream(documents=30)
    how = ByDocument(segment=6, rows=2)
    one = play(counts(6), stream, by_document=how)
    two = play(counts(6), stream, by_document=how, workers=2)
    # What a document costs does not depend on where it is played.
    assert two.total_nats == pytest.approx(one.total_nats, rel=1e-6)


@pytest.mark.long
def test_devices_may_share_the_work_of_a_study(play: Played) -> None:
    """Each counts a part of what all are shown, and they add up what they counted."""
    share = """
            mine = torch.zeros(V, V)
            for document in documents[torch.distributed.get_rank()::2]:
                for before, after in zip(document.tolist(), document.tolist()[1:]):
                    mine[before, after] += 1
            torch.distributed.all_reduce(mine)
            self.studied += mine
    """
    stream = make_stream(documents=30)
    how = ByDocument(segment=6, rows=2, study_after=(5, 11))
    alone = play(counts(6), stream, by_document=how, workers=2)
    begin = COUNTS.index("            for document in documents:")
    end = COUNTS.index("        def __call__")
    code = COUNTS[:begin] + share.strip("\n") + "\n\n" + COUNTS[end:]
    code = code.format(count="self.rows[row][self.last[row], token] += 1", ask="pass")
    shared = play(code.replace("SEGMENT", "6"), stream, by_document=how, workers=2)
    assert shared.studies == 2
    assert shared.total_nats == pytest.approx(alone.total_nats, rel=1e-6)


@pytest.mark.parametrize("studies", [(), (5, 12)])
@pytest.mark.parametrize("by_gap", [0, 60])
def test_an_honest_model_changes_nothing(
    play: Played, studies: tuple[int, ...], by_gap: int
) -> None:
    stream = make_stream(documents=40)
    how = ByDocument(segment=6, rows=3, study_after=studies)
    facts, found = play.probed(counts(6), stream, by_document=how, count=120, by_gap=by_gap)
    assert found.probes == found.planned == 120
    assert found.largest_change_nats < 1e-4
    assert found.unchanged is not None and found.unchanged.count == 15
    assert found.unchanged.largest_nats < 1e-4
    assert found.twice is not None and found.twice.count and found.twice.largest_nats < 1e-4
    assert 0 < found.segments_observed < facts.segments_observed


def test_an_honest_model_without_studies_answers_the_same_in_any_order(play: Played) -> None:
    how = ByDocument(segment=6, rows=3)
    found = play.recalled(counts(6), make_stream(documents=40), by_document=how)
    assert found.windows == found.planned == 50 < found.of_windows
    assert found.largest_change_nats < 1e-4


NEXT = "logits[(shown + [0])[place + 1]] += 4"


@pytest.mark.parametrize(
    ("trick", "changes"),
    [
        ("looks at the next token of its window", {"ask": NEXT}),
        (
            "looks at the end of another row of the request",
            {"ask": "logits[tokens[b - 1, place]] += 4"},
        ),
        (
            "trains on its segment before it is scored",
            {"ask": "logits += 5 * torch.bincount(torch.tensor(shown[first + 1:first + SEGMENT]), "
             "minlength=V)"},
        ),
        (
            "keeps what it observed of other documents",
            {"count": "self.studied[self.last[row], token] += 1"},
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("studies", [(), (10,)])
def test_whoever_knows_more_than_his_document_is_seen(
    play: Played, trick: str, changes: dict[str, str], studies: tuple[int, ...]
) -> None:
    how = ByDocument(segment=6, rows=3, study_after=studies)
    code = counts(6, **changes)
    _, found = play.probed(code, make_stream(documents=60), by_document=how, count=200)
    assert found.largest_change_nats > 0.2, trick


def test_a_memory_across_documents_that_is_not_declared_is_seen_in_another_order(
    play: Played,
) -> None:
    how = ByDocument(segment=6, rows=3)
    code = counts(6, count="self.studied[self.last[row], token] += 1")
    found = play.recalled(code, make_stream(documents=60), by_document=how)
    assert found.largest_change_nats > 0.2


def test_a_study_of_what_was_asked_but_not_finished_is_seen(play: Played) -> None:
    ask = "self.__dict__.setdefault('peeked', {})[row] = shown[:first + SEGMENT]"
    study = "for document in [*documents, *map(torch.tensor, self.peeked.values())]:"
    code = counts(6, ask=ask).replace("for document in documents:", study)
    how = ByDocument(segment=6, rows=3, study_after=(20, 40))
    _, found = play.probed(code, make_stream(documents=60), by_document=how, count=200)
    assert found.largest_change_nats > 0.1


@pytest.mark.long
@pytest.mark.parametrize("studies", [(), (20,)])
def test_what_a_worker_hears_from_another_is_seen(play: Played, studies: tuple[int, ...]) -> None:
    """Workers may talk. What one says of its documents is no part of the other's past."""
    tell = "open('heard', 'a').write(f'{self.last[row]} {token}\\n')"
    hear = "logits = logits + 3 * (self.__class__.heard()[shown[place]] > 0)"
    code = counts(6, count=f"{tell}; self.rows[row][self.last[row], token] += 1", ask=hear)
    code = code.replace(
        "def load_model",
        "def heard():\n"
        "        table = torch.zeros(V, V)\n"
        "        for line in open('heard').read().splitlines()[-40:]:\n"
        "            if len(line.split()) == 2:\n"
        "                table[tuple(map(int, line.split()))] = 1\n"
        "        return table\n\n"
        "    open('heard', 'w').close()\n"
        "    Model.heard = staticmethod(heard)\n\n"
        "    def load_model",
    )
    how = ByDocument(segment=6, rows=2, study_after=studies)
    stream = make_stream(documents=60)
    _, found = play.probed(code, stream, by_document=how, count=200, workers=2)
    assert found.largest_change_nats > 0.2


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("observe", "without the method observe"),
        ("reset", "without the method reset"),
        ("study", "without the method study"),
    ],
)
def test_a_model_that_lacks_a_method_is_told_which(play: Played, lacks: str, said: str) -> None:
    code = counts(6).replace(f"def {lacks}(", f"def no_{lacks}(")
    how = ByDocument(segment=6, study_after=(3,))
    with pytest.raises(AnswerError, match=said):
        play(code, make_stream(documents=9), by_document=how)


@pytest.mark.parametrize("name", ["observe", "reset", "study"])
def test_a_method_that_raises_is_named(play: Played, name: str) -> None:
    code = counts(6).replace(f"def {name}(self, ", f"def {name}(self, *nothing, ")
    code = code.replace(
        "def load_model",
        f"def fail(*args): raise ValueError\n\n    Model.{name} = fail\n\n    def load_model",
    )
    how = ByDocument(segment=6, study_after=(3,))
    with pytest.raises(AnswerError, match=f"the model's {name} raised an exception"):
        play(code, make_stream(documents=9), by_document=how)


def test_a_model_may_be_scored_by_document_and_told_nothing(play: Played) -> None:
    code = """
        import torch

        def load_model(artifact, device):
            return lambda tokens, firsts, rows: torch.zeros(len(tokens), 6, 13)
    """
    stream = make_stream(documents=20)
    how = ByDocument(segment=6, adaptive=False)
    facts, found = play.probed(code, stream, by_document=how)
    assert facts.val_loss == pytest.approx(math.log(13))
    assert facts.segments_observed == 0 and found.largest_change_nats == 0
    assert torch.is_grad_enabled()


def test_what_is_answered_where_nothing_is_asked_does_not_count(play: Played) -> None:
    """Behind a document's last target stands other text; no answer there is wrong."""
    code = """
        import torch

        def load_model(artifact, device):
            def model(tokens, firsts, rows):
                logits = torch.zeros(len(tokens), 6, 13)
                for b in range(len(tokens)):
                    ends = 12 in tokens[b, int(firsts[b]):].tolist()
                    logits[b, 5] = float("nan") if ends else 0.0
                return logits
            return model
    """
    tokens = np.array([1, 2, 3, 1, 4, 5], np.uint16)
    stream = Stream(tokens, np.array([4, 4]), bos_id=1, vocabulary_size=13)
    how = ByDocument(segment=6, adaptive=False)
    facts = play(code, stream, by_document=how)
    assert facts.val_loss == pytest.approx(math.log(13))

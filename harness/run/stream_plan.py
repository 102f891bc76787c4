"""How the validation stream of a run is scored: as one, or by document in a drawn order."""

from dataclasses import replace

import numpy as np

from harness.data.format.dataset import Dataset
from harness.data.format.shards import Tokens
from harness.evidence.draws import HOLDOUT, ORDER, Draw
from harness.evidence.plan import Plan
from harness.run.probing import other_text
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.dealing import drawn_order
from harness.scoring.schedules.documents import DocumentPlan, Elsewhere, documents_of
from harness.scoring.scorer import Stream


def stream_plan(
    plan: Plan,
    draw: Draw,
    stream: Stream,
    dataset: Dataset,
    *,
    lanes: int,
    suffixes: Dataset | None,
) -> WindowPlan | DocumentPlan:
    """All windows over a stream, each target in one of them.

    Args:
        plan: says how, and what is drawn from.
        draw: the run's.
        stream: what is scored.
        dataset: whose stream it is.
        lanes: how many devices it is scored on.
        suffixes: whose train shards stand behind targets, where the dataset, of unpublished
            documents, has none; those have draws of their own.
    """
    score, tokens = plan.entry.score, stream.tokens
    if score.streams == "corpus":
        return WindowPlan(len(tokens), score.sequence_length, score.stride, score.segment)
    secret = ORDER.of(plan.nonce, draw.seed)
    if suffixes is not None:
        secret = HOLDOUT.of(plan.nonce, draw.seed, "order")
    rng = np.random.default_rng(int.from_bytes(secret, "big"))
    assert score.segment is not None and score.rows is not None  # noqa: S101 - of documents
    opened = documents_of(tokens, stream.bos_id)
    windows = DocumentPlan(
        tokens=len(tokens),
        opened=opened,
        sequence_length=score.sequence_length,
        segment=score.segment,
        rows=score.rows,
        order=np.arange(len(opened)),
        elsewhere=Elsewhere(_filler(suffixes or dataset, stream, rng), int(rng.integers(1 << 62))),
        adaptive=score.adaptive,
        study_after=score.study_after,
    )
    order = drawn_order(rng, windows.pieces, places=lanes * windows.rows)
    return replace(windows, order=order)


def _filler(dataset: Dataset, stream: Stream, rng: np.random.Generator) -> Tokens:
    """A drawn train shard; where there is none, drawn ids."""
    text = other_text(dataset, rng.bytes(32))
    if len(text):
        return text
    return rng.integers(0, stream.vocabulary_size, 1 << 16).astype(np.uint16)

"""Which targets of a run are asked again, drawn from its plan; and the plain model of its gaps."""

from functools import partial

from harness.data.build.baselines import WittenBellBigram
from harness.data.format.dataset import Dataset
from harness.data.format.manifest import FileEntry
from harness.data.format.shards import Tokens, concatenated
from harness.evidence.draws import HOLDOUT, PROBES, SUFFIXES, Draw
from harness.evidence.plan import Plan
from harness.run.disk import KEPT_ANSWER_BYTES
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.probes.gaps import Costs
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.documents import DocumentPlan

COUNTED_TOKENS = 1 << 23
"""Train tokens of which a plain model is counted: 300 MB of memory while they are."""


def probe_set(
    plan: Plan,
    draw: Draw,
    dataset: Dataset,
    windows: WindowPlan | DocumentPlan,
    *,
    runs: int,
    suffixes: Dataset | None = None,
) -> ProbeSet:
    """The targets that are drawn before a run is scored, and how many are drawn after it.

    Without train ids there is no plain model and no gap: then all are drawn before.

    Args:
        plan: says how many, and what they are drawn from.
        draw: the run's.
        dataset: in the tokens of the entry.
        windows: over its validation stream.
        runs: whose questions count together.
        suffixes: whose train shards stand after the cuts, where the dataset, of unpublished
            documents, has none; those have draws of their own.
    """
    train = suffixes or dataset
    secrets = (PROBES, SUFFIXES) if suffixes is None else (HOLDOUT, HOLDOUT)
    bound, vocabulary = plan.track.probes.bound, dataset.manifest.vocabulary_size
    count = plan.track.probes.count(
        windows=len(windows), targets=windows.targets, vocabulary_size=vocabulary, runs=runs
    )
    later = bound is not None and bool(_train(train))
    return ProbeSet.draw(
        windows,
        text=other_text(train, secrets[1].of(plan.nonce, draw.seed)),
        secret=secrets[0].of(plan.nonce, draw.seed),
        count=count,
        by_gap=bound.drawn_by_gap(count, population=windows.targets) if bound and later else 0,
        keep=KEPT_ANSWER_BYTES // (4 * vocabulary) if bound and bound.by_gap else None,
    )


def plain_model(dataset: Dataset, stream: Tokens) -> Costs:
    """What a bigram model pays for the targets of a stream.

    It is counted on the beginning of the train shards, in the tokens of the entry. All of a large
    dataset would make it little better: it has some millions of pairs to know.
    """
    texts, room = [], COUNTED_TOKENS
    for entry in _train(dataset):
        texts.append(dataset.shard(entry)[:room])
        room -= len(texts[-1])
        if not room:
            break
    model = WittenBellBigram.fit(concatenated(texts), dataset.manifest.vocabulary_size)
    return partial(model.nats, stream)


def other_text(dataset: Dataset, secret: bytes) -> Tokens:
    """What stands after the cut of a probe: a train shard that is drawn."""
    shards = _train(dataset)
    if not shards:
        return dataset.validation_tokens()[:0]
    return dataset.shard(shards[int.from_bytes(secret, "big") % len(shards)])


def _train(dataset: Dataset) -> list[FileEntry]:
    return [entry for entry in dataset.manifest.of_kind("train") if entry.tokens]

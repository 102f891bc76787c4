"""A worker with a toy model, driven by the real scorer over the real channel, no sandbox."""

import multiprocessing
import os
import runpy
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from harness.data.build.baselines import WittenBellBigram
from harness.evidence import asked_again
from harness.evidence.results import Scores
from harness.inside import worker
from harness.scoring.channel import Channel
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.probes.recall import RecallSet
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.documents import DocumentPlan, Elsewhere, documents_of
from harness.scoring.scorer import Stream, ask_again, score

# Importing torch takes seconds; children forked from a process that has done so start at once.
PROBED = 60
T = TypeVar("T")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch"])

BIGRAM = """
    import torch

    def load_model(artifact, device):
        table = torch.frombuffer(bytearray(artifact.read_bytes()), dtype=torch.float32)
        size = int(len(table) ** 0.5)
        table = table.view(size, size)

        def model(tokens, first):
            # The mean over all earlier tokens, so that a window's context matters.
            seen = table[tokens].cumsum(1) / torch.arange(1, tokens.shape[1] + 1).view(1, -1, 1)
            return seen[:, first:]

        return model
"""


def make_stream(*, documents: int = 7, vocabulary: int = 13, seed: int = 0) -> Stream:
    """Random documents of ids 2.., each opened by BOS = 1; two bytes weigh each token."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 40, documents)
    tokens = np.concatenate([[1, *rng.integers(2, vocabulary, n)] for n in lengths])
    return Stream(
        tokens=tokens.astype(np.uint16),
        document_bytes=(lengths * 2).astype(np.int64),
        bos_id=1,
        vocabulary_size=vocabulary,
    )


def other_text(*, tokens: int = 2000, vocabulary: int = 13) -> np.ndarray:
    """Text that is not the stream's, for suffixes."""
    drawn = np.random.default_rng(7).integers(1, vocabulary, tokens)
    return drawn.astype(np.uint16)


def run_worker(directory: Path, arguments: list[str]) -> None:
    """The worker as a program of its own, in its submission's directory."""
    os.chdir(directory)
    sys.argv = [worker.__file__, *arguments]
    runpy.run_path(worker.__file__, run_name="__main__")


@dataclass(frozen=True)
class ByDocument:
    """How documents are scored as streams of their own, in place of one stream."""

    segment: int = 8
    rows: int = 3
    study_after: tuple[int, ...] = ()
    adaptive: bool = True
    order: int = 0

    def plan(self, stream: Stream, sequence_length: int) -> DocumentPlan:
        """All pieces, the documents in an order drawn from ``order``."""
        opened = documents_of(stream.tokens, stream.bos_id)
        return DocumentPlan(
            tokens=len(stream.tokens),
            opened=opened,
            sequence_length=sequence_length,
            segment=self.segment,
            rows=self.rows,
            order=np.random.default_rng(self.order).permutation(len(opened)),
            elsewhere=Elsewhere(other_text(vocabulary=stream.vocabulary_size), 3),
            adaptive=self.adaptive,
            study_after=self.study_after,
        )

    @property
    def methods(self) -> str:
        """What the model must have."""
        study = ",study" if self.study_after else ""
        return f"observe,reset{study}" if self.adaptive else ""


Scored = WindowPlan | DocumentPlan


@dataclass(frozen=True)
class Played:
    """Scores a stream with the model that some code defines, each time in a fresh worker."""

    folder: Path

    def __call__(
        self,
        code: str,
        stream: Stream,
        *,
        sequence_length: int = 16,
        stride: int = 4,
        workers: int = 1,
        tokens_at_once: int = 64,
        artifact: bytes = b"",
        segment: int | None = None,
        by_document: ByDocument | None = None,
    ) -> Scores:
        """The score alone."""
        plan: Scored = WindowPlan(len(stream.tokens), sequence_length, stride, segment)
        if by_document:
            plan = by_document.plan(stream, sequence_length)
        none, methods = ProbeSet.none(plan), methods_of(segment, by_document)
        return self._score(code, stream, none, workers, tokens_at_once, artifact, methods)

    def probed(
        self,
        code: str,
        stream: Stream,
        *,
        sequence_length: int = 16,
        stride: int = 4,
        workers: int = 1,
        artifact: bytes = b"",
        segment: int | None = None,
        by_gap: int = 0,
        count: int = PROBED,
        by_document: ByDocument | None = None,
    ) -> tuple[Scores, asked_again.Probes]:
        """The score, and what a second worker that is asked again shows."""
        plan: Scored = WindowPlan(len(stream.tokens), sequence_length, stride, segment)
        if by_document:
            plan = by_document.plan(stream, sequence_length)
        probes = ProbeSet.draw(
            plan,
            text=other_text(vocabulary=stream.vocabulary_size),
            secret=b"secret",
            count=count,
            by_gap=by_gap,
        )
        methods = methods_of(segment, by_document)
        facts = self._score(code, stream, probes, workers, 64, artifact, methods)
        if by_gap:
            counted = other_text(vocabulary=stream.vocabulary_size)
            plain = WittenBellBigram.fit(counted, stream.vocabulary_size)
            probes.draw_by_gap(partial(plain.nats, stream.tokens))
        again = partial(ask_again, again=probes)
        timing = self._drive(code, workers, artifact, again, stream, 64, methods)
        found = probes.facts(segments_observed=timing.segments_observed, seconds=1.0)
        return facts, found

    def recalled(
        self,
        code: str,
        stream: Stream,
        *,
        sequence_length: int = 16,
        stride: int = 4,
        count: int = 50,
        by_document: ByDocument | None = None,
    ) -> asked_again.Recall:
        """What a second worker shows that is asked for windows in another order."""
        plan: Scored = WindowPlan(len(stream.tokens), sequence_length, stride)
        if by_document:
            plan = by_document.plan(stream, sequence_length)
        none, methods = replace(ProbeSet.none(plan), remembers=True), methods_of(None, by_document)
        self._score(code, stream, none, 1, 64, b"", methods)
        windows = RecallSet.draw(plan, none.first, secret=b"secret", count=count)
        again = partial(ask_again, again=windows)
        self._drive(code, 1, b"", again, stream, 64, methods)
        return windows.facts(segments_observed=0, seconds=1.0)

    def _score(
        self,
        code: str,
        stream: Stream,
        probes: ProbeSet,
        workers: int,
        tokens_at_once: int,
        artifact: bytes,
        methods: str,
    ) -> Scores:
        documents = self.folder / "documents.npz"
        work = partial(score, probes=probes, documents_file=documents)
        return self._drive(code, workers, artifact, work, stream, tokens_at_once, methods)

    def _drive(
        self,
        code: str,
        workers: int,
        artifact: bytes,
        work: Callable[..., T],
        stream: Stream,
        tokens_at_once: int,
        methods: str,
    ) -> T:
        (self.folder / "toy.py").write_text(textwrap.dedent(code))
        path = self.folder / "model.bin"
        path.write_bytes(artifact)
        with Channel() as channel:
            arguments = ["--load", "toy:load_model", "--workers", str(workers)]
            arguments += ["--socket", str(channel.directory / "socket"), "--artifact", str(path)]
            arguments += ["--methods", methods]
            process = FORKS.Process(target=run_worker, args=(self.folder, arguments))
            process.start()
            try:
                return work(
                    channel,
                    stream,
                    workers=workers,
                    tokens_at_once=tokens_at_once,
                    alive=process.is_alive,
                    progress=lambda *told: None,
                )
            finally:
                process.kill()
                process.join()


def methods_of(segment: int | None, by_document: ByDocument | None) -> str:
    """What a model must have, besides being called."""
    if by_document:
        return by_document.methods
    return "observe" if segment else ""


@pytest.fixture
def play(tmp_path: Path) -> Played:
    return Played(tmp_path)

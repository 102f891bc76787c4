"""The scorer: what is asked, and what becomes of the costs; their sums are float64."""

import io
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from harness.evidence.results import Scores
from harness.safeio.files import sha256_of, write_atomically
from harness.scoring.arithmetic import Arithmetic, Kept
from harness.scoring.channel import Channel
from harness.scoring.link import Answer
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.windows import Request, Round, WindowPlan
from harness.scoring.worker_pool import Timing, answer_all


@dataclass(frozen=True)
class Stream:
    """The validation split: ``tokens`` uint16[N], ``document_bytes`` int64[D].

    Each document begins with token ``bos_id``. A target belongs to the document that it is part of;
    the BOS at the start of a document is a target of that document and counts no bytes.
    """

    tokens: npt.NDArray[np.uint16]
    document_bytes: npt.NDArray[np.int64]
    bos_id: int
    vocabulary_size: int


@dataclass
class _Totals:
    """The sums so far: float64[W] by window, float64/int64[D] by document."""

    document_starts: npt.NDArray[np.intp]
    window_nats: npt.NDArray[np.float64]
    document_nats: npt.NDArray[np.float64]
    document_targets: npt.NDArray[np.int64]
    scored: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def empty(cls, plan: WindowPlan, stream: Stream) -> "_Totals":
        documents = len(stream.document_bytes)
        return cls(
            document_starts=np.flatnonzero(stream.tokens == stream.bos_id),
            window_nats=np.full(len(plan), np.nan),
            document_nats=np.zeros(documents),
            document_targets=np.zeros(documents, np.int64),
        )

    def add(self, request: Request, nats: torch.Tensor) -> None:
        costs, positions = nats.double().numpy(), request.targets
        documents = np.searchsorted(self.document_starts, positions.ravel(), side="right") - 1
        with self.lock:
            self.window_nats[request.windows] = costs.sum(axis=1)
            np.add.at(self.document_nats, documents, costs.ravel())
            np.add.at(self.document_targets, documents, 1)
            self.scored += positions.size


def score(
    channel: Channel,
    stream: Stream,
    probes: ProbeSet,
    *,
    workers: int,
    tokens_at_once: int,
    alive: Callable[[], bool],
    documents_file: Path,
    progress: Callable[[int, float], None],
    threads: int = 1,
) -> Scores:
    """Score every target of ``stream`` once with the workers that connect to ``channel``.

    Args:
        channel: where the score sandbox's workers connect.
        stream: the validation split.
        probes: the windows, and which of them are to be probed afterwards; gets their answers.
        workers: how many connect, one for each device.
        tokens_at_once: tokens in a request.
        alive: whether the sandbox still runs.
        documents_file: where per-document nats, bytes and targets are written (.npz).
        progress: called a few times a second with targets scored and targets per second.
        threads: of torch, which sum the answers of one worker.

    Raises:
        AnswerError: the submission's model answered wrongly.
        WorkerGone: a worker ended before its work was done.
        InfrastructureError: memory or disk of ours failed.
    """
    plan = probes.plan
    totals = _Totals.empty(plan, stream)

    def handle(request: Request, answer: Answer, arithmetic: Arithmetic) -> None:
        if request.asked is not None:
            nats, _ = costs(arithmetic, request, answer, stream, Kept.none())
            probes.keep_pairs(request, nats)
            return
        rows, numbers = probes.among(request)
        kept = Kept(rows, probes.kept_cuts[numbers])
        nats, distributions = costs(arithmetic, request, answer, stream, kept)
        totals.add(request, nats)
        probes.keep(request, nats, distributions)

    def rounds(at_once: int) -> Iterator[Round]:
        scored = plan.rounds(stream.tokens, windows_at_once=at_once, workers=workers)
        return probes.scoring_rounds(scored, windows_at_once=at_once)

    timing = answer_all(
        channel,
        stream.tokens,
        plan,
        rounds,
        vocabulary_size=stream.vocabulary_size,
        workers=workers,
        tokens_at_once=tokens_at_once,
        threads=threads,
        alive=alive,
        handle=handle,
        tick=lambda seconds: progress(totals.scored, totals.scored / max(seconds, 1e-9)),
    )
    # fsum is exact, so the total does not depend on which worker answered when.
    total_nats = math.fsum(totals.window_nats)
    _write_documents(documents_file, totals, stream)
    text_bytes = int(stream.document_bytes.sum())
    return Scores(
        total_nats=total_nats,
        total_bits=total_nats / math.log(2),
        val_loss=total_nats / totals.scored,
        val_bpb=total_nats / math.log(2) / text_bytes,
        targets=totals.scored,
        bytes=text_bytes,
        documents=len(stream.document_bytes),
        windows=len(plan),
        sequence_length=plan.sequence_length,
        stride=plan.stride,
        segment=plan.segment,
        segments_observed=timing.segments_observed,
        observe_seconds=timing.observe_seconds,
        requests=timing.requests,
        workers=workers,
        load_seconds=timing.load_seconds,
        model_seconds=timing.model_seconds,
        waited_seconds=timing.waited_seconds,
        tokens_per_second=totals.scored / timing.model_seconds,
        documents_sha256=sha256_of(documents_file),
    )


def costs(
    arithmetic: Arithmetic,
    request: Request,
    answer: Answer,
    stream: Stream,
    kept: Kept,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cost of each target of a request's true windows, and log-probabilities where asked.

    Args:
        arithmetic: that of the worker which answered.
        request: what was asked.
        answer: [B, P, V].
        stream: the targets.
        kept: K windows and positions in them of which log-probabilities are wanted.

    Returns:
        float32[B, P] nats and float32[K, V].
    """
    positions = request.targets
    return arithmetic.costs(
        answer,
        stream.tokens[positions].astype(np.int64),
        where=lambda window, position: f"for token {positions[window, position]} of the stream",
        kept=Kept(kept.windows, kept.positions - request.first),
    )


def _write_documents(path: Path, totals: _Totals, stream: Stream) -> None:
    content = io.BytesIO()
    np.savez_compressed(
        content,
        nats=totals.document_nats,
        bytes=stream.document_bytes,
        targets=totals.document_targets,
    )
    write_atomically(path, content.getvalue())


class Again(Protocol):
    """Questions that are asked again, and what their answers show: causality's, or memory's."""

    @property
    def plan(self) -> WindowPlan:
        """The windows."""

    @property
    def asked(self) -> int:
        """All questions, those that are asked unchanged included."""

    def rounds(
        self, stream: npt.NDArray[np.uint16], *, windows_at_once: int, workers: int
    ) -> Iterator[Round]:
        """All of them, each when its turn has come."""

    def cuts(self, request: Request) -> npt.NDArray[np.int64]:
        """int64[B]: where the whole distribution is compared."""

    def compare(self, request: Request, nats: torch.Tensor, distributions: torch.Tensor) -> None:
        """Take one answer: float32[B, P] nats, float32[B, V] log-probabilities at the cuts."""


def ask_again(
    channel: Channel,
    stream: Stream,
    again: Again,
    *,
    workers: int,
    tokens_at_once: int,
    alive: Callable[[], bool],
    progress: Callable[[int, float], None],
    threads: int = 1,
) -> Timing:
    """Ask a fresh sandbox some questions again, and compare; arguments as of :func:`score`."""
    done = 0

    def handle(request: Request, answer: Answer, arithmetic: Arithmetic) -> None:
        nonlocal done
        kept = Kept(np.arange(len(request.windows)), again.cuts(request))
        again.compare(request, *costs(arithmetic, request, answer, stream, kept))
        done += len(request.windows)

    return answer_all(
        channel,
        stream.tokens,
        again.plan,
        lambda at_once: again.rounds(stream.tokens, windows_at_once=at_once, workers=workers),
        vocabulary_size=stream.vocabulary_size,
        workers=workers,
        tokens_at_once=tokens_at_once,
        threads=threads,
        alive=alive,
        handle=handle,
        tick=lambda seconds: progress(done, done / max(seconds, 1e-9)),
    )

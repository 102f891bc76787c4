"""The scorer: what is asked, and what becomes of the costs; their sums are float64."""

import io
import math
import threading
from collections.abc import Callable
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
from harness.scoring.handover import Handover
from harness.scoring.link import Answer
from harness.scoring.pace import Pacing, PacingAgain
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.schedules.asking import Ask, Schedule
from harness.scoring.schedules.plan import Plan, Room
from harness.scoring.worker_pool import Timing, play


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
    nats: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def empty(cls, plan: Plan, stream: Stream) -> "_Totals":
        documents = len(stream.document_bytes)
        return cls(
            document_starts=np.flatnonzero(stream.tokens == stream.bos_id),
            window_nats=np.full(len(plan), np.nan),
            document_nats=np.zeros(documents),
            document_targets=np.zeros(documents, np.int64),
        )

    def add(self, ask: Ask, nats: torch.Tensor) -> None:
        costs, wanted = nats.double().numpy(), ask.wanted
        positions = ask.targets[wanted]
        documents = np.searchsorted(self.document_starts, positions, side="right") - 1
        real = ask.counts > 0
        with self.lock:
            windows = costs[real].sum(axis=1)
            self.window_nats[ask.windows[real]] = windows
            self.nats += float(windows.sum())  # to be shown while it runs; the result is exact
            np.add.at(self.document_nats, documents, costs[wanted])
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
    progress: Callable[[int, float, float], None],
    threads: int = 1,
    handover: Handover | None = None,
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
        progress: called a few times a second with targets scored, targets per second, and about
            the nats of those targets.
        threads: of torch, which sum the answers of one worker.
        handover: the sealed file, where workers ask for it.

    Raises:
        AnswerError: the submission's model answered wrongly.
        WorkerGone: a worker ended before its work was done.
        InfrastructureError: memory or disk of ours failed.
    """
    plan, pacing = probes.plan, Pacing()
    totals = _Totals.empty(plan, stream)
    room = Room(tokens_at_once, stream.vocabulary_size)

    def listen(ask: Ask, answer: Answer, arithmetic: Arithmetic) -> None:
        if ask.questions is not None:
            probes.keep_pairs(ask, costs(arithmetic, ask, answer, stream, Kept.none())[0])
            return
        rows, numbers = probes.among(ask)
        kept = Kept(rows, probes.kept_cuts[numbers])
        nats, distributions = costs(arithmetic, ask, answer, stream, kept)
        totals.add(ask, nats)
        probes.keep(ask, nats, distributions)

    timing = play(
        channel,
        stream.tokens,
        probes.scoring(room=room, lanes=workers),
        slot=plan.slot(room),
        vocabulary_size=stream.vocabulary_size,
        workers=workers,
        threads=threads,
        alive=alive,
        listen=listen,
        timed=pacing.add,
        handover=handover,
        tick=lambda seconds: progress(
            totals.scored, totals.scored / max(seconds, 1e-9), totals.nats
        ),
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
        **plan.layout(lanes=workers)._asdict(),
        studies=timing.studies,
        segments_observed=timing.segments_observed,
        observe_seconds=timing.observe_seconds,
        requests=timing.requests,
        workers=workers,
        load_seconds=timing.load_seconds,
        model_seconds=timing.model_seconds,
        waited_seconds=timing.waited_seconds,
        pace=pacing.facts(),
        tokens_per_second=totals.scored / timing.model_seconds,
        documents_sha256=sha256_of(documents_file),
    )


def costs(
    arithmetic: Arithmetic, ask: Ask, answer: Answer, stream: Stream, kept: Kept
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cost of each target that was asked for, and log-probabilities where wanted.

    Args:
        arithmetic: that of the worker which answered.
        ask: what was asked.
        answer: [B, P, V].
        stream: the targets.
        kept: K windows and positions in them of which log-probabilities are wanted.

    Returns:
        float32[B, P] nats, 0 where a position is no target, and float32[K, V].
    """
    targets, wanted = ask.targets, ask.wanted
    return arithmetic.costs(
        answer,
        stream.tokens[targets].astype(np.int64),
        wanted=None if wanted.all() else wanted,
        where=lambda window, position: f"for token {targets[window, position]} of the stream",
        kept=Kept(kept.windows, kept.positions - ask.firsts[kept.windows]),
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
    def plan(self) -> Plan:
        """The windows."""

    @property
    def asked(self) -> int:
        """All questions, those that are asked unchanged included."""

    def schedule(self, *, room: Room, lanes: int) -> Schedule:
        """All of them, each when its turn has come."""

    def cuts(self, ask: Ask) -> npt.NDArray[np.int64]:
        """int64[B]: where the whole distribution is compared."""

    def compare(self, ask: Ask, nats: torch.Tensor, distributions: torch.Tensor) -> None:
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
    handover: Handover | None = None,
    pacing: PacingAgain | None = None,
) -> Timing:
    """Ask a fresh sandbox some questions again, and compare; arguments as of :func:`score`.

    ``pacing`` gets what each answer took.
    """
    pacing = pacing or PacingAgain(None)
    done = 0
    room = Room(tokens_at_once, stream.vocabulary_size)

    def listen(ask: Ask, answer: Answer, arithmetic: Arithmetic) -> None:
        nonlocal done
        kept = Kept(np.arange(len(ask.windows)), again.cuts(ask))
        again.compare(ask, *costs(arithmetic, ask, answer, stream, kept))
        done += len(ask.windows)

    return play(
        channel,
        stream.tokens,
        again.schedule(room=room, lanes=workers),
        slot=again.plan.slot(room),
        vocabulary_size=stream.vocabulary_size,
        workers=workers,
        threads=threads,
        alive=alive,
        listen=listen,
        timed=pacing.add,
        handover=handover,
        tick=lambda seconds: progress(done, done / max(seconds, 1e-9)),
    )

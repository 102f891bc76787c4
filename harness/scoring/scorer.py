"""The scorer: sends windows, receives logits, and does the arithmetic that decides.

Nats of a target are ``log(sum(exp(x - max))) - (x[target] - max)`` in float32, from our own
copy of the logits; sums are float64. The maximum is subtracted first: if all logits had a huge
common offset, adding a logsumexp to it would round a target's cost to nothing.
"""

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
from harness.scoring.channel import Channel
from harness.scoring.link import AnswerError
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
            self.window_nats[ask.windows[real]] = costs[real].sum(axis=1)
            np.add.at(self.document_nats, documents, costs[wanted])
            np.add.at(self.document_targets, documents, 1)
            self.scored += positions.size


def target_nats(
    logits: torch.Tensor,
    targets: torch.Tensor,
    *,
    wanted: torch.Tensor,
    where: Callable[[int, int], str],
    kept: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cost of each target: float32[B, P] from logits float32[B, P, V] and targets int64[B, P].

    ``logits`` is overwritten. ``wanted`` bool[B, P] says what is a target; all else costs nothing,
    whatever was answered. ``where`` names a window and position for the message. The second result
    is float32[K, V]: the log-probabilities at the K ``kept`` windows and positions, both int64[K].

    Raises:
        AnswerError: a NaN, a +inf, or -inf on a target. (-inf elsewhere is a probability of 0.)
    """
    logits.sub_(logits.amax(dim=-1, keepdim=True))
    chosen = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    rows = logits[kept]
    log_sums = logits.exp_().sum(dim=-1).log_()
    nats = torch.where(wanted, log_sums - chosen, 0.0)
    # NaN anywhere, +inf anywhere (inf - inf) and a row of -inf make the sum NaN.
    bad = ~torch.isfinite(nats)
    if bool(bad.any()):
        window, position = (int(index) for index in bad.nonzero()[0])
        what = "-inf on the target" if bool(torch.isinf(nats[window, position])) else "NaN or inf"
        raise AnswerError(f"the model answered {what} {where(window, position)}")
    return nats, rows - log_sums[kept].unsqueeze(-1)


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

    Raises:
        AnswerError: the submission's model answered wrongly.
        WorkerGone: a worker ended before its work was done.
        InfrastructureError: memory or disk of ours failed.
    """
    plan = probes.plan
    totals = _Totals.empty(plan, stream)
    room = Room(tokens_at_once, stream.vocabulary_size)

    def listen(ask: Ask, logits: npt.NDArray[np.float32]) -> None:
        if ask.questions is not None:
            none = np.empty(0, np.int64)
            probes.keep_pairs(ask, costs(ask, logits, stream, none, none)[0])
            return
        rows, numbers = probes.among(ask)
        nats, kept = costs(ask, logits, stream, rows, probes.kept_cuts[numbers])
        totals.add(ask, nats)
        probes.keep(ask, nats, kept)

    timing = play(
        channel,
        stream.tokens,
        probes.scoring(room=room, lanes=workers),
        slot=plan.slot(room),
        vocabulary_size=stream.vocabulary_size,
        workers=workers,
        alive=alive,
        listen=listen,
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
        **plan.layout(lanes=workers)._asdict(),
        studies=timing.studies,
        segments_observed=timing.segments_observed,
        observe_seconds=timing.observe_seconds,
        requests=timing.requests,
        workers=workers,
        load_seconds=timing.load_seconds,
        model_seconds=timing.model_seconds,
        tokens_per_second=totals.scored / timing.model_seconds,
        documents_sha256=sha256_of(documents_file),
    )


def costs(
    ask: Ask,
    logits: npt.NDArray[np.float32],
    stream: Stream,
    rows: npt.NDArray[np.int64],
    cuts: npt.NDArray[np.int64],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cost of each target that was asked for, and log-probabilities where wanted.

    Args:
        ask: what was asked.
        logits: float32[B, P, V], overwritten.
        stream: the targets.
        rows: int64[K], windows of which one position's log-probabilities are wanted.
        cuts: int64[K], which position of the window that is.

    Returns:
        float32[B, P] nats, 0 where a position is no target, and float32[K, V].
    """
    targets = ask.targets
    return target_nats(
        torch.from_numpy(logits),
        torch.from_numpy(stream.tokens[targets].astype(np.int64)),
        wanted=torch.from_numpy(ask.wanted),
        where=lambda window, position: f"for token {targets[window, position]} of the stream",
        kept=(torch.from_numpy(rows), torch.from_numpy(cuts - ask.firsts[rows])),
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
) -> Timing:
    """Ask a fresh sandbox some questions again, and compare; arguments as of :func:`score`."""
    done = 0
    room = Room(tokens_at_once, stream.vocabulary_size)

    def listen(ask: Ask, logits: npt.NDArray[np.float32]) -> None:
        nonlocal done
        rows = np.arange(len(ask.windows))
        again.compare(ask, *costs(ask, logits, stream, rows, again.cuts(ask)))
        done += len(rows)

    return play(
        channel,
        stream.tokens,
        again.schedule(room=room, lanes=workers),
        slot=again.plan.slot(room),
        vocabulary_size=stream.vocabulary_size,
        workers=workers,
        alive=alive,
        listen=listen,
        tick=lambda seconds: progress(done, done / max(seconds, 1e-9)),
    )

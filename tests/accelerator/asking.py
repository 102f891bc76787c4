"""Scores and asks again through the harness: its worker, its channel, its scorer, its probes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.build.baselines import WittenBellBigram
from harness.evidence.asked_again import Probes
from harness.evidence.results import Scores
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.scorer import Stream, ask_again, score
from harness.scoring.worker_pool import TOKENS_AT_ONCE_CPU, TOKENS_AT_ONCE_GPU
from harness.statistics import probe_bounds
from tests.accelerator.desk import Desk
from tests.accelerator.phases import ask, channel_phase, code_with
from tests.accelerator.recipe import Recipe
from tests.accelerator.steps.text import BOS, VOCABULARY

EXTRA = Path(__file__).parent / "extra"
_COUNTED = 1 << 21
_ASKED_TOKENS = 24_000_000
_ASKED_LOGITS = 4_000_000
_SETTLED = 0.4


@dataclass
class Asking:
    """One stream, scored and asked again by workers of one recipe."""

    desk: Desk
    recipe: Recipe
    tokens: np.ndarray
    document_bytes: np.ndarray | None = None
    code: Path | None = None
    load: str | None = None
    ticks: list[tuple[float, int]] = field(default_factory=list)

    @property
    def stream(self) -> Stream:
        """As the scorer has it; without sizes of documents each weighs one byte."""
        sizes = self.document_bytes
        if sizes is None:
            sizes = np.ones(int((self.tokens == BOS).sum()), np.int64)
        return Stream(self.tokens, sizes, BOS, VOCABULARY)

    @property
    def plan(self) -> WindowPlan:
        """The windows, as the submission wants them."""
        recipe = self.recipe
        return WindowPlan(len(self.tokens), recipe.sequence_length, recipe.stride, recipe.segment)

    @property
    def at_once(self) -> int:
        """Tokens of a request, as a verification asks on such a device."""
        return TOKENS_AT_ONCE_GPU if self.desk.cuda else TOKENS_AT_ONCE_CPU

    def probes(self, count: int, *, by_gap: bool = True) -> ProbeSet:
        """Targets to be asked again, half of them drawn by gap, as the official track has it.

        Fewer of long windows, and of those that answer for many targets, all of which are compared.
        """
        recipe = self.recipe
        count = min(count, _ASKED_TOKENS // recipe.sequence_length, _ASKED_LOGITS // recipe.stride)
        count = min(count, self.plan.targets // 2)
        return ProbeSet.draw(
            self.plan,
            text=np.load(self.desk.folder / "rate.npy"),
            secret=b"accelerator",
            count=count,
            by_gap=count // 2 if by_gap else 0,
        )

    def score(
        self, probes: ProbeSet | None = None, *, workers: int = 1, at_once: int | None = None
    ) -> Scores:
        """Score every target in a fresh worker, or several that share the devices."""
        with self._phase(workers) as phase:
            return self.scored_in(phase, probes, workers=workers, at_once=at_once)

    def scored_in(
        self, phase: Any, probes: ProbeSet | None = None, *, workers: int = 1,
        at_once: int | None = None,
    ) -> Scores:  # fmt: skip
        """The same in a phase that was started, whichever sandbox it is in."""
        self.ticks.clear()
        documents = self.desk.folder / f"documents-{self.desk.figures.stem}.npz"
        return ask(
            phase,
            partial(
                self._scored,
                probes=probes or ProbeSet.none(self.plan),
                workers=workers,
                at_once=at_once or self.at_once,
                documents=documents,
            ),
        )

    def _scored(
        self, channel: Any, *, probes: ProbeSet, workers: int, at_once: int, documents: Path,
        alive: Any, progress: Any,
    ) -> Scores:  # fmt: skip
        return score(
            channel,
            self.stream,
            probes,
            workers=workers,
            tokens_at_once=at_once,
            alive=alive,
            documents_file=documents,
            progress=lambda done, rate, nats: self.ticks.append((time.monotonic(), done)),
        )

    def again(self, probes: ProbeSet) -> Probes:
        """Ask the drawn targets again, in a fresh worker."""
        if probes.by_gap:
            counted = np.load(self.desk.folder / "rate.npy")[:_COUNTED]
            plain = WittenBellBigram.fit(counted, VOCABULARY)
            probes.draw_by_gap(partial(plain.nats, self.tokens))
        with self._phase(1) as phase:
            timing = ask(
                phase,
                lambda channel, alive, progress: ask_again(
                    channel, self.stream, probes, workers=1, tokens_at_once=self.at_once,
                    alive=alive, progress=progress,
                ),
            )  # fmt: skip
        return probes.facts(
            segments_observed=timing.segments_observed, seconds=timing.model_seconds
        )

    @contextmanager
    def _phase(self, workers: int) -> Iterator[Any]:
        log = f"score-{self.desk.figures.stem}"
        with channel_phase(
            self.desk, self.recipe, self.desk.artifact, code=self.code, load=self.load,
            workers=workers, log=log,
        ) as phase:  # fmt: skip
            yield phase

    @property
    def settled_rate(self) -> float | None:
        """Targets a second after the first part, in which libraries start and kernels compile."""
        if not self.ticks or self.ticks[-1][1] == 0:
            return None
        whole = self.ticks[-1][1]
        later = [tick for tick in self.ticks if tick[1] >= _SETTLED * whole]
        if len(later) < 2 or later[-1][0] <= later[0][0]:
            return None
        # The last tick of all comes after the end; that of the first to have all is the end's.
        end = next(tick for tick in later if tick[1] == later[-1][1])
        spent = end[0] - later[0][0]
        return (end[1] - later[0][1]) / spent if spent > 0 else None

    def with_extra(self, module: str, load: str, **constants: Any) -> "Asking":
        """The same stream, asked of the recipe's code with a module of ours beside it."""
        code = code_with(self.desk, self.recipe, EXTRA / f"{module}.py", name=load)
        extra = code / "extra.py"
        lines = [f"{name} = {value!r}" for name, value in constants.items()]
        lines.append(f"ORIGINAL = {self.recipe.load!r}")
        extra.write_text(extra.read_text() + "\n" + "\n".join(lines) + "\n")
        return Asking(
            self.desk, self.recipe, self.tokens, self.document_bytes, code, f"extra:{load}"
        )


def judged(found: Probes, plan: WindowPlan, bound: dict[str, Any]) -> dict[str, Any]:
    """What a track's bound says of answers that were asked again, by the rule's own formulas."""
    changes, unchanged = found.changes, found.unchanged
    assert changes is not None
    assert unchanged is not None
    by_gap = found.by_gap or 0
    reached = probe_bounds.reach_of_halves(
        uniform=changes.count - by_gap, by_gap=by_gap, population=plan.targets
    )
    if not by_gap:
        reached = probe_bounds.reach(changes.count, plan.targets)
    upper = probe_bounds.upper_bound(
        changes.sample, dearest=float(bound["dearest_nats"]), reached=reached
    )
    lower = probe_bounds.lower_bound(changes.sample)
    tolerance = float(bound["tolerance_nats"])
    state = "fail" if lower > tolerance else "pass" if upper < tolerance else "unknown"
    return {
        "questions": changes.count,
        "mean": changes.mean_nats,
        "sd": changes.sd_nats,
        "sd_of_all": changes.of_all.sd,
        "largest": found.largest_change_nats,
        "mean_size": found.mean_change_nats,
        "unchanged_sd": unchanged.sd_nats,
        "unchanged_count": unchanged.count,
        "twice_largest": found.twice.largest_nats if found.twice else None,
        "excess_variance": probe_bounds.excess_variance(changes.of_all, unchanged.of_all)
        if unchanged.count
        else None,
        "lower_bound": lower,
        "upper_bound": upper,
        "tolerance": tolerance,
        "finding": state,
    }

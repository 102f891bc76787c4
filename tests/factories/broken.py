"""Evidence that one check alone refuses, and a way to switch that check off."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness.contest.track import Hardware, Holdout
from harness.evidence.facts import (
    ArtifactFacts,
    GapFacts,
    IsolationFact,
    ProbeFacts,
    SeedRun,
    TokenizerFacts,
    Trouble,
    Verification,
)
from harness.judge import rules as checks
from harness.judge.verdict import Check
from tests.factories.samples import (
    CODE_BYTES,
    good_runs,
    memorisation,
    phase,
    scoring,
    strict_track,
    verification,
)


def with_first(plan: Verification, **changes: object) -> list[SeedRun]:
    runs = good_runs(plan)
    return [runs[0].model_copy(update=changes), *runs[1:]]


def lost(fault: str, where: str) -> Trouble:
    return Trouble.model_validate({"fault": fault, "phase": where, "reason": "because"})


def seen(*, largest: float = 1e-5, gain: float = 0.0, **others: float) -> ProbeFacts:
    """What probes showed; ``others`` are further fields."""
    plain = {"probes": 128, "largest_change_nats": largest, "mean_gain_nats": gain}
    return ProbeFacts.model_validate({**plain, "worst_target": 7, **others})


PLAN = verification()
BIG = ArtifactFacts(name="m", bytes=16_000_000 - CODE_BYTES + 1, sha256="a")
FITS = BIG.model_copy(update={"bytes": 16_000_000 - CODE_BYTES})
LATE = phase("train", wallclock_seconds=20.01, harness_seconds_low=19.9, harness_seconds_high=20.2)
SLOW = phase("score", wallclock_seconds=60.5, harness_seconds_low=60.4, harness_seconds_high=60.6)
KILLED = LATE.model_copy(update={"outcome": "deadline", "exit_code": 137})


LEAKY = phase("train", isolation=(IsolationFact(id="no_network", expected="none", actual="x"),))
TWO = Hardware(accelerators=2, accelerator_name="GPU")
LOSSY = TokenizerFacts(kind="model", file="t.model", bytes=1, sha256="a", problem="loses a space")
UNPUBLISHED = Holdout(dataset="unpublished", tolerance_bpb=0.01)


def gap(bpb: float) -> GapFacts:
    figures = {"validation_bpb": 2.6, "validation_plain_bpb": 3.0, "holdout_plain_bpb": 3.0}
    return GapFacts(holdout_bpb=2.6 + bpb, gap_bpb=bpb, standard_error_bpb=0.001, **figures)


def with_gaps(*gaps: float) -> tuple[Verification, list[SeedRun]]:
    plan = verification(strict_track(holdout=UNPUBLISHED))
    runs = [
        run.model_copy(update={"gap": gap(bpb)})
        for run, bpb in zip(good_runs(plan), gaps, strict=True)
    ]
    return plan, runs


def elsewhere(plan: Verification) -> tuple[Verification, list[SeedRun]]:
    return plan, good_runs(plan)


OTHER_DATA = PLAN.dataset.model_copy(update={"name": "another"})
CLOCK = phase("train", harness_seconds_high=14.4)
# For every check, evidence that would be a record if that check did not look at it.
BROKEN_IN_EVIDENCE: dict[str, tuple[Verification, list[SeedRun]]] = {
    "hardware": elsewhere(verification(strict_track(hardware=TWO))),
    "dataset": elsewhere(verification(dataset=OTHER_DATA)),
    "isolation": (PLAN, with_first(PLAN, train=LEAKY)),
    "seeds": elsewhere(verification(seeds_drawn=False)),
    "tokenizer": elsewhere(verification(tokenizer=LOSSY)),
    "training": (PLAN, with_first(PLAN, trouble=lost("submission", "train"))),
    "train_wallclock": (PLAN, with_first(PLAN, train=LATE)),
    "clocks": (PLAN, with_first(PLAN, train=CLOCK)),
    "artifact": (PLAN, with_first(PLAN, trouble=lost("submission", "seal"))),
    "bytes": (PLAN, with_first(PLAN, artifact=BIG)),
    "scoring": (PLAN, with_first(PLAN, trouble=lost("submission", "score"))),
    "score_wallclock": (PLAN, with_first(PLAN, score=SLOW)),
    "coverage": (PLAN, with_first(PLAN, scoring=scoring(2.61, targets=199_998))),
    "causality": (PLAN, with_first(PLAN, probes=seen(gain=0.003))),
    "seed_spread": (PLAN, with_first(PLAN, artifact=good_runs(PLAN)[1].artifact)),
    "memorisation": (PLAN, with_first(PLAN, memorisation=memorisation(*[0.001] * 9))),
    "holdout": with_gaps(0.5, 0.501, 0.502),
    "significance": (PLAN, good_runs(PLAN, (2.0, 2.6, 3.3))),
}


@contextmanager
def switched_off(name: str) -> Iterator[None]:
    """One check passes whatever there is to see: a mutation of the gate."""

    def blind(function: Callable[..., Check | None]) -> Callable[..., Check | None]:
        def pass_over(*inputs: object) -> Check | None:
            check = function(*inputs)
            off = check is not None and check.id == name
            return check.model_copy(update={"status": "pass"}) if check and off else check

        return pass_over

    with pytest.MonkeyPatch.context() as patch:
        for function in [each for each in vars(checks) if each.startswith("check_")]:
            patch.setattr(checks, function, blind(getattr(checks, function)))
        yield

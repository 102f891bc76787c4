"""Whether the runs beat a bar, and whether they beat the runs of the record before."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.audit.checks.texts import TEXT_BYTES, bytes_per_token, is_known_text
from harness.audit.findings import AuditCheck, ClaimKind
from harness.audit.policy import Policy
from harness.audit.verdicts import at, check
from harness.contest.track import Track
from harness.statistics import tests
from harness.statistics.units import nats_per_token_to_bpb
from harness.upstream.logs.logged import LoggedRun


@dataclass(frozen=True)
class Bar:
    """The score to beat, where it comes from, its date, and the scores of its own seeds."""

    bpb: float
    source: str
    date: str | None = None
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True)
class TTest:
    """A one-sided t-test: a small p says that the mean lies below."""

    t: float
    degrees_of_freedom: float
    p: float


def one_sample(values: Sequence[float], threshold: float) -> TTest | None:
    """Test whether the mean lies below ``threshold``; None where the test is not defined."""
    found = tests.one_sample(values, threshold=threshold)
    if found.t is None or found.degrees is None or found.p is None:
        return None
    return TTest(found.t, found.degrees, found.p)


def welch(values: Sequence[float], others: Sequence[float]) -> TTest | None:
    """Test whether the mean lies below the mean of ``others``, without assuming equal variances.

    None where either has fewer than two values, or where none has any spread.
    """
    found = tests.welch(others, values)
    return None if found is None else TTest(found.t, found.degrees, found.p_below)


def margins(nats: float, margin_bpb: float) -> dict[str, float]:
    """The margin in BPB for each reading of "0.005 nats"; ``margin_bpb`` reads it per token."""
    return {
        "nats per token": margin_bpb,
        "BPB": nats,
        "nats per byte": nats_per_token_to_bpb(nats, tokens=1, text_bytes=1),
    }


def track_margin_bpb(nats: float, track: Track) -> float | None:
    """Convert a margin in nats per token to BPB on the track's dataset; None where that is unknown.

    As in a verification, the margin does not depend on the entry's own tokenizer.
    """
    if nats == 0:
        return 0.0
    tokens = track.dataset.validation_tokens
    if tokens is None or not is_known_text(track):
        return None
    return nats_per_token_to_bpb(nats, tokens=tokens - 1, text_bytes=TEXT_BYTES)


@dataclass(frozen=True)
class Contender:
    """The input of the tests: the runs behind a claim, its kind, and the record's date."""

    runs: Sequence[LoggedRun]
    kind: ClaimKind
    date: str | None

    @property
    def scores(self) -> list[float]:
        """The runs' scores in BPB."""
        return [run.val_bpb for run in self.runs if run.val_bpb is not None]


def significance_checks(
    contender: Contender, track: Track, policy: Policy, bar: Bar | None
) -> Iterator[AuditCheck]:
    """``significance`` against the bar minus its margin, and ``welch`` against the bar's seeds.

    Without ``bar``, the track's bar is used, except for a record that is older than it.
    """
    own, date = track.bar, contender.date
    if bar is None and own is not None and own.bpb is not None:
        bar = Bar(own.bpb, own.source, _date_in(own.source))
        if date and bar.date and date[:10] <= bar.date:
            sentence = f"dated {date[:10]}, not after the bar of {bar.bpb:g} ({bar.date}): name a record before it"  # noqa: E501
            yield check("significance", "unknown", sentence, limit=bar.bpb, unit="BPB")
            yield check("welch", "unknown", "no record before it is given", unit="BPB")
            return
    yield _significance(contender, track, policy, bar)
    yield _welch(contender, policy, bar)


def _significance(
    contender: Contender, track: Track, policy: Policy, bar: Bar | None
) -> AuditCheck:
    if bar is None:
        return check("significance", "unknown", "there is no score to beat")
    margin = policy.significance.margin_nats_per_token
    nats = track.significance.margin_nats_per_token if margin is None else margin
    p_below = policy.significance.p_below or track.significance.p_below
    scores = contender.scores
    places = [at(run, "val_bpb") for run in contender.runs]
    if contender.kind == "unsupported" or not scores:
        return check("significance", "unknown", "no runs support the claimed score", *places)
    if nats is None or p_below is None:
        return check("significance", "unknown", f"track {track.name} asks for no test", *places)
    margin_bpb = track_margin_bpb(nats, track)
    if margin_bpb is None:
        sentence = f"track {track.name} does not pin the tokens of a known text: {nats:g} nats per token cannot be read as BPB"  # noqa: E501
        return check("significance", "unknown", sentence, *places)
    threshold = bar.bpb - margin_bpb
    tests = {
        unit: one_sample(scores, bar.bpb - width)
        for unit, width in margins(nats, margin_bpb).items()
    }
    told = ", ".join(f"{test.p:.2g} read as {unit}" for unit, test in tests.items() if test)
    mean = fmean(scores)
    test = tests["nats per token"]
    against = f"{mean:.5f} of {len(scores)} runs against {bar.bpb:.5f} less {nats:g} nats per token, {threshold:.5f} BPB ({bar.source})"  # noqa: E501
    if test is None:
        why = "one run has no spread" if len(scores) == 1 else "runs without spread"
        sentence = f"{against}: {why}, not testable"
        return check("significance", "unknown", sentence, *places, measured=mean, limit=threshold,
                     unit="BPB")  # fmt: skip
    own = _in_own_tokens(contender, nats, bar, margin_bpb)
    sentence = f"{against}: p = {told}; needed {p_below:g}{own}"
    return check("significance", "pass" if test.p < p_below else "fail", sentence, *places,
                 measured=test.p, limit=p_below, unit="p")  # fmt: skip


def _in_own_tokens(contender: Contender, nats: float, bar: Bar, margin_bpb: float) -> str:
    """The margin converted with the entry's own tokens, where that gives another figure."""
    ratios = [ratio for run in contender.runs if (ratio := bytes_per_token(run))]
    if not ratios:
        return ""
    own = nats_per_token_to_bpb(nats, tokens=1, text_bytes=fmean(ratios))
    test = one_sample(contender.scores, bar.bpb - own)
    if test is None or f"{own:.5f}" == f"{margin_bpb:.5f}":
        return ""
    return (
        f"; the margin is {margin_bpb:.5f} BPB in the tokens of the track's dataset and would be "
        f"{own:.5f} in the entry's own, with p = {test.p:.2g}"
    )


def _welch(contender: Contender, policy: Policy, bar: Bar | None) -> AuditCheck:
    p_below = policy.significance.welch_p_below
    scores = contender.scores
    places = [at(run, "val_bpb") for run in contender.runs]
    if bar is None or len(bar.seeds) < 2:
        return check("welch", "unknown", "no runs of a record before it are given", *places)
    if contender.kind == "unsupported":
        return check("welch", "unknown", "no runs support the claimed score", *places)
    test = welch(scores, bar.seeds)
    if test is None:
        sentence = f"{len(scores)} runs against {len(bar.seeds)}: not testable"
        return check("welch", "unknown", sentence, *places)
    sentence = (
        f"{fmean(scores):.5f} against {fmean(bar.seeds):.5f} of {len(bar.seeds)} runs "
        f"({bar.source}): t = {test.t:.2f}, p = {test.p:.2g}; needed {p_below:g}"
    )
    return check("welch", "pass" if test.p < p_below else "fail", sentence, *places,
                 measured=test.p, limit=p_below, unit="p")  # fmt: skip


def _date_in(text: str) -> str | None:
    found = re.search(r"20\d\d-[01]\d-[0-3]\d", text)
    return found[0] if found else None

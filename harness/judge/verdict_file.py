"""A verdict as a file that came from elsewhere: read within bounds, refused when it makes no sense.

Whoever can write such a file can write a false one: what is checked here is that it contradicts
neither itself nor the rules. A verdict to build on is judged again from its evidence.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import get_args

from pydantic import ValidationError

from harness.errors import UsageError
from harness.judge.judgement import CONDITIONAL, conclude
from harness.judge.verdict import CheckId, Verdict
from harness.safeio.files import sha256_of_bytes
from harness.safeio.parsing import parse_model, problems_of
from harness.safeio.reading import TooLargeError, read_named

LARGEST_VERDICT_BYTES = 1 << 20
MOST_SEEDS = 100
_DEEPEST = 12
_LONGEST_TEXT = 20_000
_TOLERANCE_BPB = 1e-6


@dataclass(frozen=True)
class PublishedVerdict:
    """A verdict, and the SHA-256 of the file that it was read from."""

    verdict: Verdict
    sha256: str


def read_verdict(path: Path) -> PublishedVerdict:
    """Read a verdict's JSON file.

    Raises:
        UsageError: no such file, larger than ``LARGEST_VERDICT_BYTES``, not a verdict, or one
            that contradicts itself.
    """
    try:
        content = read_named(path, limit_bytes=LARGEST_VERDICT_BYTES)
        verdict = parse_model(
            Verdict,
            content,
            limit_bytes=LARGEST_VERDICT_BYTES,
            deepest=_DEEPEST,
            longest_text=_LONGEST_TEXT,
        )
    except TooLargeError as error:
        raise UsageError(f"{path}: {error.strerror}; not a verdict") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        problems = "; ".join(problems_of(error)[:5])
        raise UsageError(f"{path}: not a verdict of this harness: {problems}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not a verdict: {error}") from error
    if found := contradictions(verdict):
        raise UsageError(f"{path}: a verdict that contradicts itself: {'; '.join(found[:5])}")
    return PublishedVerdict(verdict=verdict, sha256=sha256_of_bytes(content))


def contradictions(verdict: Verdict) -> list[str]:
    """Where a verdict cannot be one that the rules gave; empty for every verdict they can give."""
    return [*_about_checks(verdict), *_about_seeds(verdict), *_about_the_test(verdict)]


def _about_checks(verdict: Verdict) -> list[str]:
    problems = []
    ids = [check.id for check in verdict.checks]
    missing = set(get_args(CheckId)) - CONDITIONAL - set(ids)
    if missing or len(set(ids)) != len(ids):
        problems.append("checks: expected each check of this harness, and each once")
    concluded, _ = conclude(verdict.checks, rehearsal=verdict.rehearsal)
    if concluded != verdict.verdict:
        problems.append(f"verdict: says {verdict.verdict}, its checks say {concluded}")
    if not verdict.isolated and not verdict.rehearsal:
        problems.append("rehearsal: a sandbox that is not isolated only rehearses")
    if not verdict.isolated and any(
        c.id == "isolation" and c.status == "pass" for c in verdict.checks
    ):
        problems.append("isolated: says no, its check of isolation says yes")
    if verdict.verdict == "VERIFIED" and not verdict.seeds_drawn:
        problems.append("seeds_drawn: seeds chosen by hand verify nothing")
    try:
        aware = datetime.fromisoformat(verdict.created_at).tzinfo is not None
    except ValueError:
        aware = False
    if not aware or len(verdict.created_at) > 40:
        problems.append("created_at: expected a date with time and time zone")
    return problems


def _about_seeds(verdict: Verdict) -> list[str]:
    problems = []
    seeds = [result.seed for result in verdict.seeds]
    if len(seeds) > MOST_SEEDS or len(set(seeds)) != len(seeds):
        problems.append(f"seeds: expected at most {MOST_SEEDS}, each once")
    scores = [result.val_bpb for result in verdict.seeds if result.val_bpb is not None]
    statistics = verdict.statistics
    if statistics.n != len(scores):
        problems.append(f"statistics.n: says {statistics.n}, {len(scores)} seeds have a score")
    elif scores and statistics.case in ("tested", "one seed", "zero variance"):
        mean = statistics.mean_bpb
        if mean is None or abs(mean - fmean(scores)) > _TOLERANCE_BPB:
            problems.append("statistics.mean_bpb: not the mean of the seeds")
        if any(not 0 < score < 100 for score in scores):
            problems.append("seeds: a score that is no bits per byte")
    return problems


def _about_the_test(verdict: Verdict) -> list[str]:
    problems = []
    result = verdict.statistics
    threshold = result.bar_bpb - result.margin_bpb
    if not math.isclose(result.threshold_bpb, threshold, abs_tol=_TOLERANCE_BPB):
        problems.append("statistics.threshold_bpb: not the bar less the margin")
    below = result.mean_bpb is not None and result.mean_bpb < result.threshold_bpb
    surely = result.p is not None and result.p < result.p_below
    if result.case == "tested" and result.significant and not (below and surely):
        problems.append("statistics.significant: its own figures do not say so")
    return problems

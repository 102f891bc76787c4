"""A verdict that somebody wants to accept: what was looked at, and whether it fits the track."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.contest.account import account, account_of
from harness.contest.significance import Significance
from harness.contest.track import BroughtAlong, Track
from harness.errors import UsageError
from harness.evidence.integrity import read_files
from harness.evidence.places import PLAN, VERDICT
from harness.evidence.store import RunDirectory
from harness.judge.contradictions import of_these_rules
from harness.judge.stored import judge_stored
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import PublishedVerdict, read_verdict
from harness.ledger.events import Seen, TryName
from harness.ledger.sketch import Sketch, sketch_of
from harness.safeio.text import plain
from harness.statistics.looks import spent

_ANSWERS = (
    "verdict",
    "reason",
    "checks",
    "rules",
    "decisions",
    "passed_over",
    "findings",
    "memorisation",
)


@dataclass(frozen=True)
class Candidate:
    """A verdict to accept.

    Attributes:
        published: the verdict, and the digest of its file.
        seen: what was looked at, see :class:`harness.ledger.events.Accepted`.
        today: what the rules of this harness say, where it is a verdict of others.
        directory: of its evidence, where that was looked at.
    """

    published: PublishedVerdict
    seen: Seen = "verdict"
    today: Verdict | None = None
    directory: RunDirectory | None = None

    @property
    def account(self) -> str:
        """Whose try it is; by the author's name where a verdict says no more."""
        verdict = self.published.verdict
        if self.directory is not None:
            return account_of(self.directory.plan.entry)
        return verdict.spending.account if verdict.spending else account("", verdict.author)

    @property
    def date(self) -> str:
        """When its verification began."""
        return self.published.verdict.created_at

    @property
    def names(self) -> TryName | None:
        """The try that it is; None where the verdict names no seed, and nothing else was seen."""
        digests = self.published.verdict.digests
        if self.directory is not None:
            seeds = self.directory.plan.seeds
        else:
            seeds = tuple(seed.seed for seed in self.published.verdict.seeds)
        return (digests.submission, digests.track, seeds[0]) if seeds else None

    @cached_property
    def sketch(self) -> Sketch | None:
        """A sketch of its code, where that was looked at.

        Raises:
            InfrastructureError: a file is not there any more.
        """
        if self.directory is None:
            return None
        names = [file.name for file in self.directory.plan.entry.files]
        return sketch_of(read_files(self.directory.entry, names))


def load_candidate(path: Path) -> Candidate:
    """A verdict to accept: a file, or better the directory of its evidence, judged again.

    A verdict of other rules than those at hand is compared with its evidence in everything but the
    answers of the rules.

    Raises:
        UsageError: it cannot be read, contradicts itself, or does not follow from its evidence.
        InfrastructureError: a file beside the evidence is not what the evidence speaks of.
    """
    if not path.is_dir():
        return Candidate(read_verdict(path))
    directory = RunDirectory.open(path)
    plan = directory.plan
    if plan.track_digest != plan.track.digest:
        # Judging looks past this, for the sake of evidence that is older than a rule of today's.
        raise UsageError(
            f"{path / PLAN}: track: not the rules whose digest stands beside them "
            f"({plan.track_digest[:12]}); it was changed, or begun with another edition's harness"
        )
    kept = read_verdict(path / VERDICT)
    judged = judge_stored(directory)
    if of_these_rules(kept.verdict):
        if _without_place(judged) != _without_place(kept.verdict):
            raise UsageError(
                f"{path / VERDICT}: not what follows from the evidence beside it under today's "
                "rules; look at `harness judge` of it"
            )
        return Candidate(kept, "evidence", directory=directory)
    if _without_answers(judged) != _without_answers(kept.verdict):
        raise UsageError(
            f"{path / VERDICT}: of other rules than this harness's, and not made from the evidence "
            "beside it; look at `harness judge --diff` of it"
        )
    return Candidate(kept, "evidence of other rules", judged, directory)


def check_under(verdict: Verdict, track: Track) -> None:
    """Whether a verdict says that a record fell, under these rules.

    Raises:
        UsageError: not VERIFIED, of other rules, or with figures that are not those of the track.
    """
    if verdict.verdict != "VERIFIED":
        raise UsageError(
            f"the verdict is {verdict.verdict} ({verdict.reason[:200]}); "
            "only a VERIFIED one can be accepted"
        )
    check_rules(verdict, track)
    _check_beaten(verdict, track)
    bar, own = verdict.statistics.bar_bpb, track.bar.bpb if track.bar else None
    if own is not None and (bar is None or bar > own):
        raise UsageError(
            f"the verdict was given against a bar of {bar or 0:g} BPB, which is easier "
            f"than the {own:g} of track {track.name}"
        )
    for field, found, expected in _figures_of(track, verdict):
        if found != expected:
            raise UsageError(
                f"the verdict is not one of track {track.name}: {field}: found {found}, "
                f"expected {expected}"
            )


def check_rules(verdict: Verdict, track: Track) -> None:
    """Whether a verdict was given under these rules, and calls them by their name.

    Raises:
        UsageError: of other rules.
    """
    if verdict.digests.track != track.digest:
        raise UsageError(
            f"the verdict was given under other rules than track {track.name}, edition "
            f"{track.edition} (digest {verdict.digests.track[:12]}, not {track.digest[:12]}); "
            "name the file of those rules with --track if they are the contest's"
        )
    for field, found, expected in (
        ("track", verdict.track, track.name),
        ("edition", verdict.edition, track.edition),
    ):
        if found != expected:
            raise UsageError(
                f"the verdict calls its rules otherwise than they do: {field}: found "
                f"{plain(found, 80)!r}, expected {expected!r}"
            )


def _check_beaten(verdict: Verdict, track: Track) -> None:
    """Whether the figures say that the bar fell, and that it was confirmed where that is asked.

    They follow from the scores under the rules of any harness. What the verdict calls its rules may
    be nobody's, and leave these questions out.

    Raises:
        UsageError: they do not.
    """
    found, fresh = verdict.statistics, verdict.confirmation
    if track.bar is not None and not found.significant:
        raise UsageError(
            "the verdict says VERIFIED, and its figures do not show that the bar fell: mean "
            f"{found.mean_bpb} BPB, threshold {found.threshold_bpb}, p {found.p}"
        )
    asked = track.significance.confirmation
    if asked is not None and fresh is not None and not fresh.confirms(found.threshold_bpb):
        raise UsageError(
            f"the verdict says VERIFIED, and its fresh seeds ({fresh.n} of {fresh.runs}) do not "
            f"confirm it: mean {fresh.mean_bpb} BPB, threshold {found.threshold_bpb}, p {fresh.p}"
        )


def _figures_of(track: Track, verdict: Verdict) -> Iterator[tuple[str, object, object]]:
    """Field, found and expected of what a verdict has from its track."""
    checks = {check.id: check for check in verdict.checks}
    limits = {name: check.limit for name, check in checks.items()}
    tokens, p_below = track.dataset.validation_tokens, verdict.statistics.p_below
    yield "rehearsal", verdict.rehearsal, track.rehearsal
    yield "dataset", verdict.dataset, track.dataset.name
    yield "bytes_limit", verdict.bytes_limit, track.budget.bytes
    yield "train_limit_seconds", verdict.train_limit_seconds, track.budget.train_seconds
    yield "score_limit_seconds", verdict.score_limit_seconds, track.budget.score_seconds
    yield "causality.limit", limits.get("causality"), track.probes.largest_change_nats
    if tokens is not None:
        yield "statistics.targets", verdict.statistics.targets, tokens - 1
    margin = track.significance.margin_nats_per_token
    yield "statistics.margin_nats_per_token", verdict.statistics.margin_nats_per_token, margin
    level = track.significance.p_below
    if p_below is None or level is None or p_below > level:
        yield "statistics.p_below", p_below, level
    if track.significance.spending and level is not None:
        spending = verdict.spending
        yield "spending.level", spending.level if spending else None, level
        left = spent(level, earlier=spending.earlier if spending else 0)
        if p_below is None or not math.isclose(p_below, left, rel_tol=1e-9):
            yield "statistics.p_below", p_below, left
    yield from _test_of(track.significance, verdict, seeds=limits.get("seeds"))
    if track.holdout is not None:
        allowed = track.holdout.reference_gap_bpb + track.holdout.tolerance_bpb
        yield "holdout.limit", limits.get("holdout"), allowed
    if track.brought_along is not None:
        yield from _brought_under(track.brought_along, verdict)


def _test_of(
    asked: Significance, verdict: Verdict, *, seeds: object
) -> Iterator[tuple[str, object, object]]:
    """Which test, after which seeds: only a level may differ, and only be lower."""
    found, fresh = verdict.statistics, verdict.confirmation
    yield "statistics.test", found.test or "plain", asked.test or "plain"
    yield "statistics.field_sd_bpb", found.field_sd_bpb, asked.field_sd_bpb
    yield "statistics.field_degrees", found.field_degrees, asked.field_degrees
    if found.looks is None:
        yield "statistics.looks", found.looks, asked.looks
        yield "seeds.limit", seeds, asked.most_runs
    else:
        yield "seeds.limit", seeds, found.runs_needed
        told = [(look.runs, look.hopeless_above_sd) for look in found.looks]
        yield "looks", told, [(look.runs, look.hopeless_above_sd) for look in asked.schedule]
        for look, other in zip(found.looks, asked.schedule, strict=False):
            level, highest = look.accept_below, other.accept_below
            if level is not None and (highest is None or level > highest):
                yield f"looks.{look.runs}.accept_below", level, highest
    yield "confirmation.runs", fresh.runs if fresh else None, asked.confirmation


def _brought_under(allowed: BroughtAlong, verdict: Verdict) -> Iterator[tuple[str, object, object]]:
    """Limit and allowances of what was brought along; more is free only where the bar had more."""
    brought = verdict.brought
    limit = brought.limit_bytes if brought else None
    yield "brought.limit_bytes", limit, allowed.limit_bytes
    if brought is not None:
        free = brought.tokenizer_free_bytes
        yield "brought.tokenizer_free_bytes", free, allowed.tokenizer_free_bytes
        if not allowed.free_bytes <= brought.free_bytes <= allowed.limit_bytes:
            yield "brought.free_bytes", brought.free_bytes, allowed.free_bytes


def _without_place(verdict: Verdict) -> Verdict:
    """A verdict but for where its evidence lay, which may have been moved since."""
    seeds = tuple(seed.model_copy(update={"artifact": None}) for seed in verdict.seeds)
    return verdict.model_copy(update={"evidence": "", "seeds": seeds})


def _without_answers(verdict: Verdict) -> dict[str, object]:
    """What no rule has a say in."""
    fields = dict(_without_place(verdict))
    digests = verdict.digests.model_copy(update={"rules": ""})
    return {name: fields[name] for name in fields if name not in _ANSWERS} | {"digests": digests}

"""The leaderboard: accepted verdicts in one file of the repository, and the bar that they set.

It is a chain of events (``chain.py``), kept as ``file.py`` says.
"""

from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from harness.contest.track import Track
from harness.errors import UsageError
from harness.evidence.integrity import lies_ahead
from harness.evidence.plan import Bar
from harness.judge.check_figures import sizes_of
from harness.judge.verdict import Verdict
from harness.ledger.candidate import Candidate, check_under
from harness.ledger.chain import Leaderboard
from harness.ledger.events import FEWEST_DIGITS, Accepted, Decided, Record, Retracted, Tried
from harness.ledger.file import append, load_leaderboard, make_event
from harness.ledger.spending import check_spent
from harness.safeio.parsing import problems_of


def bar_of(track: Track, path: Path) -> Bar | None:
    """What is to be beaten on a track at this moment; None where the track alone says so.

    Raises:
        UsageError: the track takes its bar from the leaderboard, and that cannot be read.
    """
    own = track.bar
    if own is None or not own.leaderboard or own.bpb is None:
        return None
    best = load_leaderboard(path).best(track)
    if best is None or best.mean_bpb >= own.bpb:
        return Bar(bpb=own.bpb, source=own.source)
    return Bar(
        bpb=best.mean_bpb,
        source=f"leaderboard: {best.submission} by {best.author}, verified on {best.date[:10]}, "
        f"mean of {len(best.seeds)} seeds",
        verdict_sha256=best.verdict_sha256,
        seeds=best.scores,
        brought_bytes=best.brought_bytes,
    )


def accept(
    path: Path,
    candidate: Candidate,
    *,
    track: Track,
    by: str,
    pull_request: str = "",
    commit: str = "",
    evidence: str = "",
    despite_today: bool = False,
) -> Record | None:
    """Add a verified verdict to a leaderboard.

    Args:
        path: the leaderboard; it exists.
        candidate: the verdict, and what was looked at.
        track: the rules that it must have been given under.
        by: who accepts it.
        pull_request: which one entered it.
        commit: of the entry.
        evidence: where its evidence lies.
        despite_today: accept one of other rules although today's do not verify it.

    Returns:
        The new record, or None when this very verdict stands in the leaderboard already.

    Raises:
        UsageError: not VERIFIED, given under other rules, kept as a try that was rejected, given
            against an easier bar than the leaderboard held, or the same submission stands in it.
    """
    if candidate.directory is not None:
        candidate.directory.require_unpruned()
    record = _record(candidate, track)
    if not despite_today:
        _check_today(candidate)

    def event(board: Leaderboard) -> Accepted | None:
        for other in board.records:
            if other.verdict_sha256 == record.verdict_sha256:
                return None
            if (other.track, other.submission_digest) == (record.track, record.submission_digest):
                raise UsageError(
                    f"{path}: this submission was accepted on track {record.track} by the verdict "
                    f"{other.verdict_sha256[:12]} of {other.date[:10]}; one verdict each"
                )
        _check_not_rejected(board, candidate)
        _check_bar(board, candidate, track)
        check_spent(board, candidate, track)
        return make_event(
            Accepted,
            before=board.head,
            by=by,
            pull_request=pull_request,
            commit=commit,
            evidence=evidence or candidate.published.verdict.evidence[:200],
            seen=candidate.seen,
            record=record,
            account=candidate.account,
            first_seed=candidate.names[2] if candidate.names else None,
            sketch=candidate.sketch,
        )

    return record if append(path, event) else None


def _check_today(candidate: Candidate) -> None:
    """Check that a verdict of other rules is VERIFIED by today's, too.

    Its answers are those of rules that are not at hand, so nobody here can tell a verdict of them
    from one that was written by hand.

    Raises:
        UsageError: today's rules say anything else.
    """
    today = candidate.today
    if today is not None and today.verdict != "VERIFIED":
        raise UsageError(
            f"the verdict is of other rules, and today's say {today.verdict} of the same evidence "
            f"({today.reason[:200]}): nobody here can tell whether theirs passed it",
            remedy="accept it with the harness that judged it, or with --despite-today if you know "
            "why they differ",
        )


def _check_bar(board: Leaderboard, candidate: Candidate, track: Track) -> None:
    """Check that the bar was no easier than the record that stood when the verification began.

    A rescoring is dated anew and keeps the bar of its plan, so it is not held against it.

    Raises:
        UsageError: it was begun with an older leaderboard, or with another one.
    """
    verdict = candidate.published.verdict
    if track.bar is None or not track.bar.leaderboard or verdict.rescored_from:
        return
    began = datetime.fromisoformat(verdict.created_at)
    then = [event for event in board.events if datetime.fromisoformat(event.at) <= began]
    best = board.model_copy(update={"events": tuple(then)}).best(track)
    bar = verdict.statistics.bar_bpb
    if best is not None and (bar is None or bar > best.mean_bpb):
        raise UsageError(
            f"the verdict was given against a bar of {bar or 0:g} BPB, but when it was begun a "
            f"record of {best.mean_bpb:g} stood (verdict {best.verdict_sha256[:12]}): it was begun "
            "with another leaderboard, or with an older one"
        )


def _check_not_rejected(board: Leaderboard, candidate: Candidate) -> None:
    """Check that these very draws were not kept as a try that was rejected.

    A directory can be copied, and each copy confirmed or scored again on a host of its own: who
    may choose among them confirms until it pleases.

    Raises:
        UsageError: they were.
    """
    for event in board.events:
        if not isinstance(event, Tried) or event.names != candidate.names:
            continue
        if event.outcome == "REJECTED":
            raise UsageError(
                f"a try with the same draws was kept as REJECTED on {event.at[:10]} by {event.by} "
                f"(event {event.digest[:12]}): what is run or scored again, in this directory or a "
                "copy of it, is no second chance; begin a new verification"
            )


def retract(path: Path, digest: str, *, why: str, by: str) -> Record | None:
    """Take back an accepted verdict; it stays in the chain, and sets no bar any more.

    Args:
        path: the leaderboard.
        digest: SHA-256 of the verdict's file, or its first 12 digits or more.
        why: for people.
        by: who retracts it.

    Returns:
        The record that does not stand any more, or None when it was retracted already.

    Raises:
        UsageError: no such verdict was accepted, or several begin like that.
    """
    found: list[Record] = []

    def event(board: Leaderboard) -> Retracted | None:
        standing = _beginning(digest, board.records)
        if not standing and _beginning(digest, [record for record, _ in board.retracted]):
            return None
        if len(standing) != 1:
            raise UsageError(
                f"{path}: {digest[:64]}: {len(standing)} accepted verdicts begin like that; "
                f"expected the SHA-256 of one, or its first {FEWEST_DIGITS} digits or more"
            )
        found.extend(standing)
        return make_event(
            Retracted, before=board.head, by=by, why=why, verdict_sha256=standing[0].verdict_sha256
        )

    return found[0] if append(path, event) else None


def _beginning(digest: str, records: list[Record]) -> list[Record]:
    if len(digest) < FEWEST_DIGITS:
        return []
    return [record for record in records if record.verdict_sha256.startswith(digest)]


def record_of(verdict: Verdict, sha256: str) -> Record:
    """The line that a leaderboard keeps of a verdict, whose file has this digest.

    Raises:
        ValidationError: the verdict lacks what a record has.
    """
    statistics, fresh = verdict.statistics, verdict.confirmation
    return Record.model_validate(
        {
            "verdict_sha256": sha256,
            "date": verdict.created_at,
            "track": verdict.track,
            "edition": verdict.edition,
            "track_digest": verdict.digests.track,
            "dataset": verdict.dataset,
            "submission": verdict.submission,
            "author": verdict.author,
            "submission_digest": verdict.digests.submission,
            "harness_digest": verdict.digests.harness,
            "rules_digest": verdict.digests.rules,
            "mean_bpb": verdict.score_bpb,
            "sd_bpb": fresh.sd_bpb if fresh else statistics.sd_bpb,
            "seeds": tuple(seed.seed for seed in verdict.scored_seeds),
            "scores": tuple(seed.counted_bpb for seed in verdict.scored_seeds),
            "p": fresh.p if fresh else statistics.p,
            "bar_bpb": statistics.bar_bpb,
            "bytes": max(sizes_of(verdict), default=0),
            "brought_bytes": verdict.brought.counted_bytes if verdict.brought else None,
            "decided": [
                each.model_dump(include=set(Decided.model_fields)) for each in verdict.decisions
            ]
            or None,
        }
    )


def _record(candidate: Candidate, track: Track) -> Record:
    verdict = candidate.published.verdict
    check_under(verdict, track)
    try:
        record = record_of(verdict, candidate.published.sha256)
    except ValidationError as error:
        raise UsageError(
            "the verdict does not make a record", problems=problems_of(error)
        ) from error
    try:
        ahead = lies_ahead(record.date)
    except OverflowError as error:
        raise UsageError(f"the verdict does not make a record: {record.date}: {error}") from error
    if ahead:
        raise UsageError(f"the verdict does not make a record: {record.date} lies in the future")
    return record

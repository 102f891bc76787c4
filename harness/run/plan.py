"""Fixes a plan. After that, nobody has any choice left."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.contest.brought_along import brought_along
from harness.contest.entry import Entry
from harness.contest.track import Track
from harness.errors import UsageError
from harness.evidence.digests import measured_by
from harness.evidence.draws import draw_runs, once_blind
from harness.evidence.host import SandboxFacts
from harness.evidence.isolation import EDITION
from harness.evidence.plan import (
    Bar,
    Plan,
    PlannedTest,
    Required,
    TextFacts,
    Tries,
)
from harness.evidence.step_names import StepName
from harness.judge.asked import asked_test, own_bar
from harness.package import VERSION


@dataclass(frozen=True)
class Wishes:
    """What the referee asks for besides: seeds by hand are never a record; ``also`` names steps.

    ``time_scale`` multiplies every budget on a slow machine, which makes it a rehearsal.
    ``new_draw``: begin anew although an earlier verification is still open; the plan tells it.
    """

    seeds: Sequence[int] | None = None
    also: tuple[StepName, ...] = field(default=())
    new_draw: bool = False
    time_scale: float = 1.0


def plan_for(
    entry: Entry,
    files: Mapping[str, bytes],
    track: Track,
    texts: TextFacts,
    sandbox: SandboxFacts,
    *,
    bar: Bar | None,
    tries: Tries,
    wishes: Wishes = Wishes(),
    elsewhere: bool = False,
) -> Plan:
    """Everything that is fixed before the first run.

    Args:
        entry: what is judged, with the track's own settings applied.
        files: its files by name.
        track: the rules.
        texts: figures of the texts that the entry is trained and scored on.
        sandbox: what every host's sandbox must be.
        bar: the score to beat, where the track takes it from the leaderboard.
        tries: earlier tries of the same entry.
        wishes: the referee's extra wishes.
        elsewhere: whether what was scored is asked again on another machine.

    Raises:
        UsageError: the track takes its bar from a leaderboard, and none was given.
    """
    if track.bar is not None and track.bar.leaderboard and bar is None:
        raise UsageError(f"track {track.name}: takes its bar from a leaderboard, none was given")
    nonce = new_nonce()
    return Plan(
        created_at=now(),
        entry=entry,
        track=track,
        track_digest=track.digest,
        texts=texts,
        bar=None if once_blind(entry, track) else bar or own_bar(track, texts.dataset),
        tries=tries,
        required=required_of(sandbox, track),
        test=None if once_blind(entry, track) else test_after(tries, track),
        draws=draw_runs(entry, track, nonce, by_hand=wishes.seeds),
        nonce=nonce,
        chosen_by_hand=wishes.seeds is not None,
        time_scale=wishes.time_scale,
        also=wishes.also,
        brought=brought_along(entry, files),
        elsewhere=elsewhere or None,
    )


def check_time(plan: Plan) -> None:
    """Refuse more time where a record is at stake: only what rehearses anyway may have it.

    Raises:
        UsageError: the track is no rehearsal, and the sandbox isolates.
    """
    if plan.time_scale == 1 or plan.model_copy(update={"time_scale": 1.0}).rehearsal:
        return
    raise UsageError(
        f"--slow {plan.time_scale:g}: track {plan.track.name} in the {plan.required.sandbox} "
        "sandbox is no rehearsal, and its budgets are the same for all",
        remedy="leave out --slow, or rehearse with --track smoke",
    )


def new_nonce() -> str:
    """A fresh secret that all draws of a plan follow from, so that nobody can choose them."""
    return secrets.token_hex(16)


def required_of(sandbox: SandboxFacts, track: Track) -> Required:
    """What every host must be, for its runs to count in a plan that is made on this host now.

    Of a sandbox that isolates nothing, no escape is asked for.
    """
    return Required(
        sandbox=sandbox.kind,
        runtime=sandbox.runtime,
        image=sandbox.image,
        image_digest=sandbox.image_digest,
        seccomp_digest=sandbox.seccomp_digest,
        isolation=sandbox.proves,
        isolation_edition=EDITION,
        harness_version=VERSION,
        measured_by=measured_by(),
        refuse_known_escapes=(sandbox.isolated and track.refuses_known_escapes) or None,
    )


def test_after(tries: Tries, track: Track) -> PlannedTest | None:
    """The test of a track, at the levels that earlier tries of the same author leave of it."""
    test = asked_test(track)
    if test is None or not track.significance.spending:
        return test
    return test.after(tries.by_author)


def now() -> str:
    """The date of a plan: UTC, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")

"""The main job: plan, runs, judgment, then another run or a verdict. Resuming is finishing.

Read top to bottom: :func:`begin` fixes the plan, :func:`finish` makes the runs that the judgment
so far still asks for (``finishing.py``, ``scheduling.py``). What happens within a run is
``seed_run.py``; what the evidence means is ``judge/``.
"""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from harness.contest.bridge import BRIDGE, parse_bridge
from harness.contest.entry import Entry
from harness.contest.track import Track
from harness.errors import HarnessError, UsageError
from harness.evidence.earlier import Earlier
from harness.evidence.integrity import check_kept, read_files
from harness.evidence.plan import Bar, Plan, PlanRef, Tries
from harness.evidence.store import RunDirectory
from harness.judge.next_step import next_step
from harness.judge.rules.significance import answer_of
from harness.judge.stored import read_case
from harness.run import finishing
from harness.run.disk import check_disk, disk_need_bytes
from harness.run.host_check import check_escapes
from harness.run.launcher.local import LocalLauncher
from harness.run.needs import check_needs
from harness.run.one_at_a_time import check_machine_lock, one_begins
from harness.run.plan import Wishes, check_time, now, plan_for, required_of
from harness.run.referee import Judged, Referee
from harness.run.shown import reap
from harness.run.texts import check_window, open_texts
from harness.run.workbench import check_texts, host_name


def verify(
    entry: Entry,
    files: Mapping[str, bytes],
    track: Track,
    referee: Referee,
    *,
    bridge: Mapping[str, bytes] | None = None,
    bar: Bar | None = None,
    tries: Tries = Tries(),  # noqa: B008 - immutable
    wishes: Wishes = Wishes(),  # noqa: B008 - immutable
) -> Judged:
    """Run and judge an entry.

    Args:
        entry: what is judged, with the track's own settings applied.
        files: its files by name.
        track: the rules.
        referee: who runs it, and with what.
        bridge: the referee's own files about an entry in upstream's layout.
        bar: the score to beat, where the track takes it from the leaderboard.
        tries: what the leaderboard knows of earlier ones, where the track charges them.
        wishes: the referee's extra wishes.

    Raises:
        StillOpenError: an earlier verification of it is to be finished first.
        SubmissionError: its windows and vocabulary make answers too large to receive.
        InfrastructureError: our side failed before anything could be run, or evidence can't
            be written. A failure within a run is evidence, and makes it INCONCLUSIVE.
    """
    directory = begin(
        entry, files, track, referee, bridge=bridge, bar=bar, tries=tries, wishes=wishes
    )
    return finish([directory], referee)[0]


def begin(
    entry: Entry,
    files: Mapping[str, bytes],
    track: Track,
    referee: Referee,
    *,
    bridge: Mapping[str, bytes] | None = None,
    bar: Bar | None,
    tries: Tries,
    wishes: Wishes,
    earlier: Earlier | None = None,
) -> RunDirectory:
    """Fix the plan. After that, nobody has any choice left.

    ``earlier``: the verifications among those of the referee, where several are begun.
    """
    earlier = earlier or Earlier(referee.runs)
    stock = open_texts(track, referee.data, entry.tokenizer)
    reap(referee.runs)  # what it frees may be what is needed
    own = entry.tokenizer.kind != "stock"
    need = disk_need_bytes(
        track, stock.scored.manifest, own_tokenizer=own, elsewhere=referee.elsewhere
    )
    check_disk(referee.runs, need)
    if entry.tokenizer.kind == "stock":
        check_window(entry, vocabulary_size=stock.scored.manifest.vocabulary_size)
    sandbox = referee.sandbox.prepare()
    if bridge:
        # Without accelerators a script gets the stand-in for CUDA.
        stands_in = track.hardware.accelerators == 0
        check_needs(parse_bridge(bridge[BRIDGE]), sandbox, rehearsal=stands_in)
    here = isinstance(referee.launcher, LocalLauncher)  # else each node is held to it
    if here:
        check_machine_lock()
        host_name()
    with one_begins(referee.runs):
        before = earlier.count(entry_digest=entry.digest, track_digest=track.digest)
        plan = plan_for(
            entry,
            files,
            track,
            stock.facts(),
            sandbox,
            bar=bar,
            tries=tries.model_copy(update={"earlier": before}),
            wishes=wishes,
            elsewhere=referee.elsewhere,
        )
        check_time(plan)
        if here:
            check_escapes(plan, sandbox)
        if not plan.rehearsal and not plan.chosen_by_hand:
            plan = _beside_open_ones(plan, earlier, new_draw=wishes.new_draw)
        return RunDirectory.create(
            referee.runs, plan, files=dict(files), bridge=dict(bridge) if bridge else None
        )


class StillOpenError(UsageError):
    """A new draw where an earlier verification can be finished, or ended INCONCLUSIVE.

    Args:
        directory: that verification.

    Attributes:
        unconfirmed: whether its looks have accepted, so that only its confirmation is left.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.unconfirmed = _waits_to_be_confirmed(directory)
        super().__init__(
            "this very submission was begun on this track and has no verdict to stand; a plan is "
            "used up, never replaced",
            file=directory.path,
            remedy="confirm it with harness confirm"
            if self.unconfirmed
            else "finish it with --resume",
        )


def _waits_to_be_confirmed(directory: RunDirectory) -> bool:
    """Whether nothing is left but to confirm what was accepted: --resume would run nothing."""
    case = read_case(directory)
    return next_step(case).over and bool(next_step(case, confirming=True).draws)


def _beside_open_ones(plan: Plan, earlier: Earlier, *, new_draw: bool) -> Plan:
    """The plan, which names what it was begun beside; rehearsals prove nothing and bind nobody.

    Raises:
        StillOpenError: something is open, and nobody asked for a new draw.
        UsageError: the same of something whose plan cannot be read: it may be open.
    """
    found = earlier.open(entry_digest=plan.entry.digest, track_digest=plan.track_digest)
    open_ones = [each for each in found if each.binds]
    hidden = earlier.unreadable
    if not new_draw and open_ones:
        raise StillOpenError(open_ones[0])
    if not new_draw and hidden:
        raise UsageError(
            "what lies beside it may be an open verification of this very submission, and cannot "
            f"be read: {next(iter(hidden.values())).message}",
            remedy="mend it, or move it out of the directory of runs; with --new-draw the plan "
            "says that it was begun beside it",
        )
    names = (*(each.path.name for each in open_ones), *hidden)
    if not names:
        return plan
    return plan.model_copy(update={"tries": plan.tries.model_copy(update={"passed_over": names})})


def require_rescorable(original: RunDirectory) -> bool:
    """See that there is something to score again; says whether what confirms it is too.

    What our side lost is to be made again, or used up: scored again it would be neither.

    Raises:
        UsageError: it is not finished, or sealed no artifact, or none that is still there; or no
            plan can refer to it by its name.
    """
    _reference(original)
    original.require_unpruned()
    plan = original.plan
    runs = original.runs()
    done = {run.draw for run in runs if not run.lost}
    case = read_case(original, runs=runs)
    looks, asked = plan.draws_for("look")[: case.runs_needed], plan.draws_for("confirmation")
    missing = [draw for draw in looks if draw.number not in done]
    used_up = case.used_up and not plan.rehearsal
    if missing or used_up or not any(run.artifact for run in runs):
        raise UsageError(
            f"expected evidence of the {len(looks)} seeds that its looks asked for and a sealed "
            f"artifact, found {len(looks) - len(missing)} seed runs; finish it with --resume",
            file=original.path,
        )
    confirmed = any(run.draw in {draw.number for draw in asked} for run in runs)
    if confirmed and case.statistics.accepted and not {draw.number for draw in asked} <= done:
        raise UsageError(
            f"of the {len(asked)} seeds that confirm it some were run and not all",
            file=original.path,
            remedy="finish it with harness confirm",
        )
    return confirmed


def _reference(original: RunDirectory) -> PlanRef:
    """What the plan of a rescoring says of what it copies.

    Raises:
        UsageError: its directory was given a name that harness gives to none.
    """
    name = original.path.absolute().name  # that of "." too
    try:
        return PlanRef(directory=name, plan_sha256=original.plan_sha256())
    except ValidationError as error:
        raise UsageError(
            "a rescoring refers to it by its name; expected one of letters, digits, '.', '_' "
            f"and '-', found {name!r}",
            file=original.path,
            remedy="rename the directory, or name it without '..'",
        ) from error


def rescore(original: RunDirectory, referee: Referee) -> Judged:
    """Score the sealed artifacts of a verification again: the same plan, but training is a copy.

    Raises:
        UsageError: see :func:`require_rescorable`.
        InfrastructureError: its files or its dataset were changed.
    """
    confirmed = require_rescorable(original)
    plan = original.plan
    check_kept(original)
    check_texts(plan, open_texts(plan.track, referee.data, plan.entry.tokenizer).facts())
    again = plan.model_copy(
        update={
            "created_at": now(),
            "required": required_of(referee.sandbox.prepare(), plan.track),
            "elsewhere": None,  # it is made here, whole
            "copies": _reference(original),
        }
    )
    files = read_files(original.entry, [file.name for file in plan.entry.files])
    lines = plan.entry.bridge.files if plan.entry.bridge else ()
    bridge = read_files(original.bridge, [file.name for file in lines])
    directory = RunDirectory.create(
        original.path.absolute().parent, again, files=files, bridge=bridge
    )
    return finish([directory], referee, confirming=confirmed)[0]


def require_confirmable(directory: RunDirectory) -> None:
    """See that a verification has seeds that confirm it, and something that they would confirm.

    Raises:
        UsageError: there is nothing to confirm, or it is a rescoring.
    """
    plan, case = directory.plan, read_case(directory)
    if plan.copies is not None:
        raise UsageError(
            "it copies what another verification trained, and trains nothing itself",
            file=directory.path,
            remedy=f"confirm {plan.copies.directory}, and rescore it again",
        )
    if not plan.draws_for("confirmation"):
        raise UsageError("its plan drew no seeds that confirm", file=directory.path)
    if not case.statistics.accepted:
        raise UsageError(
            f"nothing to confirm: {answer_of(case.statistics).detail}",
            file=directory.path,
            remedy="where it is not finished, finish it with harness verify --resume",
        )


def confirm(directory: RunDirectory, referee: Referee) -> Judged:
    """Run the seeds that confirm what the looks of a verification have accepted, and judge it.

    On whichever host this is, if it is what the plan requires of a host. Every host that holds the
    directory can do it; so the host's own luck is not confirmed with the seeds'.

    Raises:
        UsageError: see :func:`require_confirmable`.
        InfrastructureError: see :func:`verify`.
    """
    require_confirmable(directory)
    plan = directory.plan
    asked = plan.draws_for("confirmation")
    manifest = open_texts(plan.track, referee.data, plan.entry.tokenizer).scored.manifest
    own = plan.entry.tokenizer.kind != "stock"
    need = disk_need_bytes(
        *(plan.track, manifest),
        own_tokenizer=own,
        runs=len(asked),
        elsewhere=bool(plan.elsewhere),
    )
    check_disk(directory.path.absolute().parent, need)
    return finish([directory], referee, confirming=True)[0]


def finish(
    directories: Sequence[RunDirectory], referee: Referee, *, confirming: bool = False
) -> list[Judged]:
    """Run what each plan still needs, all in one pool, until every plan has its verdict.

    Raises:
        HarnessError: why one of them could not be finished, after all others were.
    """
    done = finishing.finish(directories, referee, confirming=confirming)
    for each in done:
        if isinstance(each, HarnessError):
            raise each
    return [each for each in done if isinstance(each, Judged)]

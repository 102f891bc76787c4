"""Tries are kept by people, from evidence that is judged again; and accounts are joined."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.contest.brought_along import brought_along
from harness.contest.hardware import Hardware
from harness.contest.loading import load_submission
from harness.contest.track import Track
from harness.errors import UsageError
from harness.evidence.host import TelemetryFacts
from harness.evidence.places import VERDICT
from harness.evidence.plan import Tries
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.verdict import Verdict
from harness.ledger.candidate import load_candidate
from harness.ledger.events import Accepted, Joined, Parted, Tried
from harness.ledger.file import load_leaderboard
from harness.ledger.leaderboard import accept
from harness.ledger.sketch import sketch_of
from harness.ledger.trying import join, record_try, why_no_try
from harness.statistics.looks import spent
from tests.factories.plans import strict_track
from tests.factories.playground import MANIFEST, harness, write_submission
from tests.factories.results import failure, phase
from tests.factories.runs import good_runs, seed_run, with_first
from tests.factories.stored import store
from tests.ledger.boards import SPENDING, planned

BAD = (3.41, 3.42, 3.43)


def verification(
    folder: Path,
    number: int = 1,
    *,
    scores: tuple[float, ...] = (2.61, 2.62, 2.60),
    track: Track = SPENDING,
    runs: Any = None,
    github_id: str = "author",
    **changes: Any,
) -> Path:
    """The directory of a verification that was judged; each ``number`` is another entry."""
    manifest = MANIFEST.replace('github_id = "author"', f'github_id = "{github_id}"')
    place = write_submission(
        folder / f"entry-{number}", train=f"print({number})", manifest=manifest
    )
    submission = load_submission(place)
    entered = submission.entry(track.name)
    made = planned(
        number,
        track,
        entry=entered,
        brought=brought_along(entered, submission.contents),
        **changes,
    )
    made_runs = good_runs(made, scores) if runs is None else runs(made)
    path = folder / "runs" / f"run-{number}"
    run = store(path, made, made_runs, files=submission.contents)
    assert harness("judge", run.path, "--json", run.path / VERDICT).err == ""
    return run.path


@pytest.fixture
def spending(tmp_path: Path, strict: Path) -> Path:
    """The file of the track that charges tries."""
    text = strict.read_text()
    text = text.replace("p_below = 0.01", "p_below = 0.01\nspending = true")
    head, _, tail = text.partition("[bar]\n")
    rest = tail[tail.index("\n[") :]
    bar = 'bpb = 3.0\nsource = "as published"\nleaderboard = true\n'
    path = tmp_path / "spending.toml"
    path.write_text(f"{head}[bar]\n{bar}{rest}")
    return path


def keep_try(board: Path, run: Path, **words: str) -> Tried | None:
    return record_try(board, load_candidate(run), track=SPENDING, by="R. Referee", **words)


def word(run: Path) -> str:
    return str(json.loads((run / VERDICT).read_text())["verdict"])


def test_a_try_is_kept_with_who_what_and_against_which_bar(
    tmp_path: Path, board: Path, spending: Path
) -> None:
    bad, good = verification(tmp_path, 1, scores=BAD), verification(tmp_path, 2)
    assert (word(bad), word(good)) == ("REJECTED", "VERIFIED")
    options = ("--by", "R. Referee", "--track", spending, "--leaderboard", board)
    done = harness("leaderboard", "tried", tmp_path / "runs", *options)
    assert (done.code, done.err) == (0, "")
    assert f"{bad}: REJECTED, kept as a try of @author" in done.out
    first, second = load_leaderboard(board).events
    assert isinstance(first, Tried) and isinstance(second, Tried)
    plan = RunDirectory.open(bad).plan
    assert (first.by, first.account, first.outcome) == ("R. Referee", "@author", "REJECTED")
    assert first.names == (plan.entry.digest, SPENDING.digest, plan.seeds[0])
    assert (first.bar_bpb, first.seen, first.date) == (3.0, "evidence", plan.created_at)
    assert first.p_below == pytest.approx(0.006079271)
    assert first.evidence == str(bad)
    files = {path.name: path.read_bytes() for path in (bad / "entry").iterdir()}
    assert first.sketch == sketch_of(files) and first.sketch.lines > 3
    assert second.outcome == "VERIFIED"
    before = board.read_bytes()
    again = harness("leaderboard", "tried", bad, good, *options)
    assert again.code == 0 and again.out.count("is kept already") == 2
    assert board.read_bytes() == before


def test_who_sent_it_is_charged_where_the_entry_names_another(tmp_path: Path, board: Path) -> None:
    event = keep_try(board, verification(tmp_path, scores=BAD), account="@Rival")
    assert event is not None and event.account == "@rival"


def test_what_was_changed_is_no_try_of_anybody(tmp_path: Path, board: Path, spending: Path) -> None:
    run = verification(tmp_path)
    better = Verdict.model_validate_json((run / VERDICT).read_text())
    RunDirectory.open(run).write_verdict(better.model_copy(update={"author": "Somebody else"}))
    done = harness("leaderboard", "tried", run, "--track", spending, "--leaderboard", board)
    assert done.code == 2 and "not what follows from the evidence" in done.err
    done = harness("leaderboard", "tried", run / VERDICT, "--leaderboard", board)
    assert done.code == 2 and "name its directory" in done.err
    assert load_leaderboard(board).events == ()


def test_other_rules_are_not_the_contests(tmp_path: Path, board: Path) -> None:
    run = verification(tmp_path, track=strict_track())
    with pytest.raises(UsageError, match="under other rules"):
        keep_try(board, run)


def lost(made: Any, *, begun: bool) -> list[Run]:
    """Every try of the first draw is lost, as often as it may be; the others went well."""
    first, *others = made.draws_for("look")
    fault = failure("infrastructure", "training", "the node went away")
    began = phase("train", outcome="lost") if begun else None
    tries = [seed_run(first, train=began, failure=fault, attempt=attempt) for attempt in (1, 2)]
    return [*tries, *(seed_run(draw) for draw in others)]


INCONCLUSIVE = {
    # how, and why it is no try; empty where it is one
    "equal seeds": (lambda made: good_runs(made, (2.6, 2.6, 2.6)), ""),
    "lost as often as may be": (lambda made: lost(made, begun=True), ""),
    "unfinished": (lambda made: good_runs(made)[:2], "not finished"),
    "lost before any code ran": (lambda made: lost(made, begun=False), "not finished"),
    "not isolated": (
        lambda made: with_first(made, train=phase("train", isolation=())),
        "only our side",
    ),
}


@pytest.mark.parametrize("how", INCONCLUSIVE)
def test_inconclusive_counts_where_the_submission_can_bring_it_about(
    tmp_path: Path, board: Path, how: str, spending: Path
) -> None:
    runs, why = INCONCLUSIVE[how]
    run = verification(tmp_path, runs=runs)
    assert word(run) == "INCONCLUSIVE"
    assert (why in why_no_try(load_candidate(run))) if why else not why_no_try(load_candidate(run))
    options = ("--track", spending, "--leaderboard", board)
    done = harness("leaderboard", "tried", run, *options)
    assert done.code == 0, done.err
    assert ("not a try" in done.out) is bool(why)
    assert len(load_leaderboard(board).events) == (not why)
    if why:
        with pytest.raises(UsageError, match=f"not a try: .*{why}"):
            keep_try(board, run)


GPUS = SPENDING.model_copy(update={"hardware": Hardware(accelerators=1, accelerator_name="GPU")})


@pytest.mark.parametrize(
    ("seen", "why"),
    [({"slowdowns": ("thermal",)}, ""), ({"foreign_processes": 1}, "only our side")],
)
def test_an_accelerator_may_have_been_made_hot_but_not_be_given_to_others(
    tmp_path: Path, seen: dict[str, Any], why: str
) -> None:
    telemetry = TelemetryFacts(samples=1, **seen)
    run = verification(
        tmp_path, track=GPUS, runs=lambda made: with_first(made, telemetry=telemetry)
    )
    assert json.loads((run / VERDICT).read_text())["reason"].startswith("hardware")
    assert (why in why_no_try(load_candidate(run))) if why else not why_no_try(load_candidate(run))


def test_what_could_never_be_a_record_is_no_try(tmp_path: Path) -> None:
    by_hand = verification(tmp_path, 1, seeds=(1, 2, 3), chosen_by_hand=True)
    rehearsed = verification(tmp_path, 2, track=SPENDING.model_copy(update={"rehearsal": True}))
    assert "chosen by hand" in why_no_try(load_candidate(by_hand))
    assert "rehearsal" in why_no_try(load_candidate(rehearsed))


def test_a_verification_that_is_finished_later_is_one_try(tmp_path: Path, board: Path) -> None:
    """So is what is scored again: the same draws."""
    run = verification(tmp_path, runs=lambda made: good_runs(made, (2.6, 2.6, 2.6)))
    assert keep_try(board, run) is not None
    other = verification(tmp_path / "later", created_at="2025-11-20T12:00:00.000+00:00")
    assert keep_try(board, other) is None


# -- Acceptance.


def test_what_was_rejected_is_not_accepted_from_a_copy_of_its_directory(
    tmp_path: Path, board: Path
) -> None:
    """A copy on each host, all confirmed: the best of them would be the record."""
    bad = verification(tmp_path / "here", scores=BAD)
    good = verification(tmp_path / "there")
    assert keep_try(board, bad) is not None
    before = board.read_bytes()
    with pytest.raises(UsageError, match=r"kept as REJECTED on .* by R. Referee .*second chance"):
        accepted(board, good)
    assert board.read_bytes() == before


def accepted(board: Path, run: Path) -> bool:
    candidate = load_candidate(run)
    return accept(board, candidate, track=SPENDING, by="R. Referee") is not None


def test_an_accepted_verdict_is_a_try(tmp_path: Path, board: Path) -> None:
    run = verification(tmp_path)
    assert accepted(board, run)
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted)
    assert event.account == "@author" and event.sketch is not None and event.sketch.lines > 3
    assert event.names[2] == event.first_seed == RunDirectory.open(run).plan.seeds[0]
    assert keep_try(board, run) is None


def test_a_verdict_alone_says_whose_it_is(tmp_path: Path, board: Path) -> None:
    run = verification(tmp_path, github_id="OctoCat")
    assert accepted(board, run / VERDICT)
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted)
    assert (event.account, event.sketch) == ("@octocat", None)


def test_two_that_were_begun_at_once_are_not_both_the_first(tmp_path: Path, board: Path) -> None:
    """Each plan took its own for the first try; by its date the second one is the second."""
    p = {}
    for number, values in ((1, BAD), (2, (2.61, 2.62, 2.60)), (3, (2.547, 2.653, 2.6))):
        run = verification(tmp_path, number, scores=values)
        statistics = json.loads((run / VERDICT).read_text())["statistics"]
        p[number] = statistics["p"]
        assert statistics["p_below"] == pytest.approx(0.006079271)
    runs = tmp_path / "runs"
    assert p[2] < spent(0.01, earlier=1) < p[3] < spent(0.01, earlier=0)
    assert keep_try(board, runs / "run-1") is not None
    with pytest.raises(UsageError, match=r"as try 2 its p must lie below 0.00152, found 0.0"):
        accepted(board, runs / "run-3")
    assert accepted(board, runs / "run-2")


def test_at_acceptance_those_count_of_whom_it_is_by_then(tmp_path: Path, board: Path) -> None:
    """Accounts that were joined since, and who sent it in truth."""
    nearly = (2.547, 2.653, 2.6)
    keep_try(board, verification(tmp_path, 1, scores=BAD, github_id="second"))
    first = verification(tmp_path, 2, scores=nearly)
    before = board.read_bytes()
    join(board, ["@author", "@second"], why="one person", by="A. Judge")
    with pytest.raises(UsageError, match="as try 2"):
        accepted(board, first)
    board.write_bytes(before)
    keep_try(board, first, account="@second")
    with pytest.raises(UsageError, match="Of @second 1 tries"):
        accepted(board, first)
    board.write_bytes(before)
    assert accepted(board, first)


def test_what_was_begun_later_does_not_count_against_it(tmp_path: Path, board: Path) -> None:
    first = verification(tmp_path, 1, scores=(2.547, 2.653, 2.6))
    assert keep_try(board, verification(tmp_path, 2, scores=BAD)) is not None
    assert accepted(board, first)


def test_a_level_that_is_not_what_the_tries_leave_is_not_accepted(
    tmp_path: Path, board: Path
) -> None:
    run = verification(tmp_path, tries=Tries(by_author=2))
    verdict = json.loads((run / VERDICT).read_text())
    assert verdict["statistics"]["p_below"] == pytest.approx(0.000675475, rel=1e-5)
    assert accepted(board, run)


# -- One person.


def test_accounts_are_joined_and_parted(board: Path) -> None:
    options = ("--leaderboard", board, "--by", "A. Judge")
    why = ("--why", "the same key signed both")
    done = harness("leaderboard", "join", "@Octo Cat", "@octo2", *options, *why)
    assert (done.code, done.err) == (0, "")
    assert "@octocat, @octo2 are one person" in done.out
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Joined)
    assert (event.accounts, event.by, event.why) == (("@octocat", "@octo2"), "A. Judge", why[1])
    before = board.read_bytes()
    again = harness("leaderboard", "join", "@octo2", "@octocat", *options, *why)
    assert again.code == 0 and "one person already" in again.out
    assert board.read_bytes() == before
    shown = harness("leaderboard", "show", "--leaderboard", board)
    assert f"join {event.digest[:12]}" in shown.out and "@octocat and @octo2" in shown.out
    done = harness("leaderboard", "part", event.digest[:12], *options, "--why", "they are brothers")
    assert done.code == 0 and f"join {event.digest}: taken back" in done.out
    assert isinstance(load_leaderboard(board).events[-1], Parted)
    assert load_leaderboard(board).joins == []
    again = harness("leaderboard", "part", event.digest[:12], *options, "--why", "x")
    assert again.code == 0 and "taken back already" in again.out
    assert "join " not in harness("leaderboard", "show", "--leaderboard", board).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("join", "@a"), "expected two or more"),
        (("join", "@a", " @A\u200b"), "these are one account (@a)"),
        (("join", "@a", "@"), "'@' names no account"),
        (("join", "@a", ""), "argument @ID|NAME: nothing in it can be read"),
        (("join", "@a", "\u200b"), "argument @ID|NAME: nothing in it can be read"),
        (("tried", "runs", "--author", " "), "argument --author: nothing in it can be read"),
        (("part", "7" * 64), "0 joins begin like that"),
        (("part", ""), "joins begin like that"),
    ],
)
def test_nonsense_joins_nobody(board: Path, words: tuple[str, ...], said: str) -> None:
    before = board.read_bytes()
    why = () if words[0] == "tried" else ("--why", "x")
    done = harness("leaderboard", *words, "--leaderboard", board, "--by", "x", *why)
    assert done.code == 2 and said in " ".join(done.err.split())
    assert harness("leaderboard", *words, "--leaderboard", board).code == 2  # without a reason
    assert board.read_bytes() == before


@pytest.mark.parametrize("blank", ["", "   ", "\u200b"])
@pytest.mark.parametrize("option", ["--why", "--by"])
def test_a_reason_and_a_name_can_be_read(board: Path, option: str, blank: str) -> None:
    given = {"--why": "x", "--by": "x"} | {option: blank}
    before = board.read_bytes()
    done = harness(
        "leaderboard", "join", "@a", "@b", "--leaderboard", board, *sum(given.items(), ())
    )
    assert done.code == 2 and f"argument {option}: nothing in it can be read" in done.err
    assert board.read_bytes() == before


def test_who_has_tried_is_shown_with_the_level_that_is_next(
    tmp_path: Path, board: Path, spending: Path
) -> None:
    keep_try(board, verification(tmp_path, scores=BAD))
    done = harness("leaderboard", "show", "--leaderboard", board, "--track", spending)
    assert (done.code, done.err) == (0, "")
    said = "@author: 1 try since the bar fell, the next is tested at 0.00152"
    assert said in " ".join(done.out.split())

"""A person decides where a rule cannot tell: recorded, bound to the evidence, and shown."""

from pathlib import Path

import pytest

from harness.evidence.decisions import Decision
from harness.evidence.places import SCORECARD, VERDICT
from harness.evidence.store import RunDirectory
from harness.judge.conclude import why_not
from harness.judge.rules import CHECKS, rule_of
from harness.judge.stored import judge_path
from harness.judge.verdict import Verdict
from harness.ledger.file import load_leaderboard
from harness.report.markdown import render_markdown
from harness.report.terminal import render_text
from tests.factories.plans import CODE, looking_track
from tests.factories.playground import Outcome, harness
from tests.factories.results import spread
from tests.factories.runs import good_runs
from tests.factories.stored import decide as write_decision
from tests.factories.stored import store
from tests.ledger.boards import kept_run, planned

WHY = "The cheap documents are licenses, which stand in the train text too."


@pytest.fixture
def open_run(tmp_path: Path) -> RunDirectory:
    """A verification of which one rule cannot tell."""
    run = kept_run(tmp_path, code=3, spread=spread(*[0.001] * 3))
    assert judge_path(run.path).reason.startswith("memorisation: ")
    return run


def said(run: RunDirectory, word: str = "accept", check: str = "memorisation") -> Outcome:
    return harness("decide", run.path, check, word, "--why", WHY, "--by", "R. Referee")


def flat(text: str) -> str:
    return " ".join(text.replace("┃", " ").split())


def test_an_unknown_is_accepted_and_everybody_sees_who_did(open_run: RunDirectory) -> None:
    leads_to = flat(render_text(judge_path(open_run.path), width=300))
    assert f"harness decide {open_run.path} memorisation accept|reject --why TEXT" in leads_to
    about = open_run.evidence_digest()
    done = said(open_run)
    assert (done.code, done.err) == (0, "")
    (decision,) = open_run.decisions()
    assert (decision.rule, decision.outcome, decision.why) == ("memorisation", "pass", WHY)
    assert (decision.who, decision.evidence) == ("R. Referee", about)
    assert open_run.evidence_digest() == about  # it is no part of what it is about
    verdict = Verdict.model_validate_json((open_run.path / VERDICT).read_bytes())
    assert (verdict.verdict, verdict.decisions) == ("VERIFIED", (decision,))
    assert verdict == judge_path(open_run.path) and verdict.passed_over is None
    scorecard = flat((open_run.path / SCORECARD).read_text())
    for text in (flat(done.out), scorecard, flat(render_markdown(verdict))):
        assert "Decided by hand" in text
        assert "memorisation could not tell, and was decided by hand: pass" in text
    assert WHY in flat(render_text(verdict, width=300))


def test_an_unknown_is_rejected(open_run: RunDirectory) -> None:
    done = said(open_run, "reject")
    assert (done.code, done.err) == (1, "")
    assert judge_path(open_run.path).verdict == "REJECTED"


def test_the_later_of_two_counts_and_the_earlier_is_told(open_run: RunDirectory) -> None:
    assert said(open_run, "reject").code == 1
    assert said(open_run, "accept").code == 0
    verdict = judge_path(open_run.path)
    first, second = open_run.decisions()
    assert verdict.decisions == (second,)
    ((passed),) = verdict.passed_over or ()
    assert (passed.decision, passed.why) == (first, "a later one is about the same")


def test_one_whose_evidence_is_another_is_not_applied_and_is_told(open_run: RunDirectory) -> None:
    assert said(open_run).code == 0
    evidence = next(open_run.path.glob("seed-*/try-1/evidence.json"))
    evidence.write_bytes(evidence.read_bytes() + b"\n")
    verdict = judge_path(open_run.path)
    assert (verdict.verdict, verdict.decisions) == ("INCONCLUSIVE", ())
    (passed,) = verdict.passed_over or ()
    assert passed.why == "it was made about other evidence than this"
    for text in (render_text(verdict, width=200), render_markdown(verdict)):
        assert "not applied, it was made about other evidence than this" in flat(text)
    kept = harness("leaderboard", "accept", open_run.path)
    assert kept.code == 2 and "not what follows from the evidence" in kept.err


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ("hardware", "no decision settles this rule"),
        ("significance", "no decision settles this rule"),
        ("seed_spread", "the rule answers it by itself: pass"),
        ("holdout", "no decision settles this rule"),
        ("weather", "no rule of this harness has that id"),
    ],
)
def test_nothing_else_is_decided(open_run: RunDirectory, check: str, problem: str) -> None:
    before = (open_run.path / VERDICT).read_bytes()
    done = said(open_run, check=check)
    assert done.code == 2
    assert f"{check}: {problem}" in done.err
    assert "a person decides where one of these answers unknown: seed_spread" in done.err
    assert open_run.decisions() == []
    assert (open_run.path / VERDICT).read_bytes() == before


def test_what_was_not_measured_is_not_decided(tmp_path: Path) -> None:
    run = kept_run(tmp_path, code=3, spread=None)
    done = said(run)
    assert done.code == 2 and "nothing was measured yet that could be decided" in done.err


@pytest.mark.parametrize("why", ["", "   ", "\u200b", "x" * 2001])
def test_a_reason_is_needed(open_run: RunDirectory, why: str) -> None:
    done = harness("decide", open_run.path, "memorisation", "accept", "--why", why, "--by", "R")
    assert done.code == 2 and "why" in done.err
    assert open_run.decisions() == []
    assert "--why" in harness("decide", open_run.path, "memorisation", "accept").err


def test_a_file_that_somebody_wrote_decides_no_other_rule(open_run: RunDirectory) -> None:
    write_decision(open_run, "significance", outcome="fail")
    write_decision(open_run, "weather")
    verdict = judge_path(open_run.path)
    assert (verdict.verdict, verdict.decisions) == ("INCONCLUSIVE", ())
    assert [(each.decision.rule, each.why) for each in verdict.passed_over or ()] == [
        ("significance", "no decision settles this rule"),
        ("weather", "no rule of this harness has that id"),
    ]


def test_the_leaderboard_shows_it(
    tmp_path: Path, open_run: RunDirectory, board: Path, strict: Path
) -> None:
    assert said(open_run).code == 0
    options = ("--leaderboard", board)
    words = ("--pull-request", "12", "--commit", "abcdef0", "--by", "A. Judge")
    done = harness("leaderboard", "accept", open_run.path, *options, *words, "--track", strict)
    assert (done.code, done.err) == (0, "")
    (record,) = load_leaderboard(board).records
    (decided,) = record.decided or ()
    assert (decided.rule, decided.outcome, decided.who) == ("memorisation", "pass", "R. Referee")
    shown = flat(harness("leaderboard", "show", *options).out)
    assert "memorisation decided by R. Referee on" in shown and WHY in shown
    assert "accepted by A. Judge on" in shown
    assert "pull request 12, commit abcdef0: its evidence was judged again, evidence in" in shown
    page = tmp_path / "page.md"
    page.write_text("<!-- leaderboard:begin -->\n<!-- leaderboard:end -->\n")
    assert harness("leaderboard", "write", page, *options).code == 0
    assert "decided: memorisation by R. Referee" in page.read_text()


def test_a_method_without_chance_is_decided_where_its_scores_can_be_tested(tmp_path: Path) -> None:
    """By the field's own deviation: then only why its seeds change nothing is open."""
    made = planned(track=looking_track())
    runs = good_runs(made, [2.6] * len(made.draws_for("look")))
    files = {**CODE, "number.py": b"1"}
    run = store(tmp_path / "run", made, runs, files=files)
    before = harness("judge", run.path, "--json", run.path / VERDICT)
    verdict = judge_path(run.path)
    assert (before.code, verdict.statistics.significant) == (3, True)
    assert verdict.reason.startswith("seed_spread: ")
    assert said(run, check="seed_spread").code == 0
    assert judge_path(run.path).verdict == "VERIFIED"


def test_every_rule_says_why_it_may_be_decided_or_may_not() -> None:
    assert [rule.id for rule in CHECKS if rule.decidable] == ["seed_spread", "memorisation"]
    for rule in CHECKS:
        assert rule.decidable == "" or len(rule.decidable) > 20
    assert why_not(rule_of("memorisation"), None) == "its question does not arise"
    assert Decision.model_fields.keys() >= {"rule", "outcome", "why", "who", "at", "evidence"}

"""Formats that nothing can produce yet load, are judged and are drawn, and stay as they are."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from harness.contest.entry import TakeOver
from harness.evidence.decisions import Decision
from harness.evidence.places import BRIDGE, PLAN
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.case import Case
from harness.judge.conclude import ask_all
from harness.judge.next_step import next_step
from harness.judge.rules.memorisation import MEMORISATION
from harness.judge.stored import judge_path, read_case
from harness.models import Finding, Status
from harness.report.markdown import render_markdown
from harness.report.terminal import render_text
from tests.factories.futures import FORMATS, FUTURES

NAMES = sorted(FUTURES)


def model_of(path: Path) -> type[BaseModel]:
    if path.name == PLAN:
        return Plan
    return Decision if path.parent.name == "decisions" else Run


def opened(name: str) -> RunDirectory:
    return RunDirectory.open(FORMATS / name)


def test_every_format_is_frozen() -> None:
    assert sorted(path.name for path in FORMATS.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_of_it_is_read_and_written_again(name: str) -> None:
    """Whoever sees this fail has changed a format, and so made another."""
    files = sorted((FORMATS / name).rglob("*.json"))
    assert len(files) >= 3
    for path in files:
        again = model_of(path).model_validate_json(path.read_bytes()).model_dump_json(indent=2)
        assert again.encode() + b"\n" == path.read_bytes(), path


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_is_judged_and_drawn(name: str) -> None:
    directory = opened(name)
    assert [run.draw for run in directory.runs()] == [draw.number for draw in directory.plan.draws]
    verdict = judge_path(FORMATS / name)
    assert verdict.verdict == FUTURES[name][1], verdict.reason
    assert next_step(read_case(directory)).over
    assert verdict.verdict in render_text(verdict, width=100)
    assert verdict.verdict in render_markdown(verdict)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_today_is_judged_the_same(name: str, tmp_path: Path) -> None:
    make, expected = FUTURES[name]
    directory = make(tmp_path / name)
    assert judge_path(directory.path).verdict == expected


def test_looks_and_confirmation() -> None:
    plan = opened("looks_and_confirmation").plan
    assert [draw.purpose for draw in plan.draws] == ["look", "look", "confirmation"]
    assert plan.test is not None and plan.test.kind == "moderated"
    assert [look.runs for look in plan.test.looks] == [2]
    verdict = judge_path(FORMATS / "looks_and_confirmation")
    assert [seed.purpose for seed in verdict.seeds] == ["look", "look", "confirmation"]
    assert verdict.statistics.n == 2  # the seed that confirms is not tested with the others
    assert verdict.statistics.accepted and verdict.statistics.test == "moderated"
    assert verdict.statistics.p_below == 0.0075  # the plan's, not the track's
    assert verdict.statistics.level == 0.001
    assert verdict.statistics.bar_source == "the record"


def test_an_upstream_entry_in_three_stages() -> None:
    directory = opened("upstream_entry")
    entry = directory.plan.entry
    assert isinstance(entry.score.loader, TakeOver)
    assert entry.bridge is not None
    kept = {path.name for path in (directory.path / BRIDGE).iterdir()}
    assert kept == {file.name for file in entry.bridge.files}
    assert [run.role for run in directory.runs()] == ["preparation", "seed", "seed", "reproduction"]
    verdict = judge_path(directory.path)
    assert (verdict.layout, verdict.digests.bridge) == ("upstream", entry.bridge.digest)
    (again,) = verdict.reproductions
    assert again.printed_bpb == 2.59
    assert 2.59 not in [seed.val_bpb for seed in verdict.seeds]  # a claim, whoever was watching


def test_documents_with_study() -> None:
    scores = [run.scores for run in opened("documents_with_study").runs()]
    assert [(s.streams, s.rows, s.studies) for s in scores if s] == [("documents", 16, 2)] * 2
    score = opened("documents_with_study").plan.entry.score
    assert (score.streams, score.rows, score.study_after) == ("documents", 16, (10, 20))


def test_two_tries_on_two_nodes() -> None:
    directory = opened("two_nodes")
    first = directory.plan.draws[0]
    tries = directory.tries(first)
    assert [(run.host.node, run.lost) for run in tries] == [("node-a", True), ("node-b", False)]
    assert directory.counted(first) == tries[1]
    verdict = judge_path(directory.path)
    assert [(seed.attempt, seed.node) for seed in verdict.seeds] == [(2, "node-b"), (1, "node-c")]


def test_a_tokenizer_of_code() -> None:
    verdict = judge_path(FORMATS / "tokenizer_of_code")
    assert "words:Words" in next(c.detail for c in verdict.checks if c.id == "tokenizer")
    assert verdict.tokenizer is not None and verdict.tokenizer.vocabulary_size == 300
    (proof,) = [run.tokenizer for run in opened("tokenizer_of_code").runs() if run.tokenizer]
    assert proof.repeated == 40


class TestDecisions:
    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        shutil.copytree(FORMATS / "decided", tmp_path / "copy")
        return tmp_path / "copy"

    def test_it_settles_an_unknown_and_says_who_did(self, copy: Path) -> None:
        verdict = judge_path(copy)
        (decision,) = verdict.decisions
        assert decision.evidence == RunDirectory.open(copy).evidence_digest()
        check = next(check for check in verdict.checks if check.id == "memorisation")
        assert check.status == "pass" and "decided by R. Referee on 2025-11-22" in check.detail
        assert "R. Referee" in " ".join(render_text(verdict, width=200).split())

    def test_one_about_other_evidence_settles_nothing(self, copy: Path) -> None:
        (copy / "decisions/1.json").unlink()
        verdict = judge_path(copy)
        assert (verdict.verdict, verdict.decisions) == ("INCONCLUSIVE", ())
        assert verdict.reason.startswith("memorisation: ")

    def test_other_evidence_is_another_question(self, copy: Path) -> None:
        path = next(copy.glob("seed-*/try-1/evidence.json"))
        path.write_bytes(path.read_bytes() + b"\n")
        assert judge_path(copy).verdict == "INCONCLUSIVE"

    @pytest.mark.parametrize(
        ("status", "decidable", "settled"),
        [("unknown", "a reason", "pass"), ("unknown", "", "unknown"), ("fail", "a reason", "fail")],
    )
    def test_it_settles_no_failure_and_nothing_that_no_human_knows_better(
        self, status: Status, decidable: str, settled: Status
    ) -> None:
        def answer(case: Case) -> Finding:
            return Finding(id="memorisation", status=status, detail="as measured")

        rule = replace(MEMORISATION, ask=answer, decidable=decidable)
        (found,) = ask_all(read_case(opened("decided")), [rule])
        assert found.status == settled
        assert ("decided by" in found.detail) is (settled == "pass")


def test_a_track_without_bar_and_budgets() -> None:
    plan = opened("no_bar").plan
    assert plan.bar is None and plan.test is None
    assert plan.track.budget.train_seconds is None and plan.track.budget.score_seconds is None
    verdict = judge_path(FORMATS / "no_bar")
    asked = {check.id for check in verdict.checks}
    assert not asked & {"significance", "train_wallclock", "score_wallclock"}
    assert verdict.statistics.mean_bpb is not None and verdict.statistics.bar_bpb is None
    assert "record fell" not in verdict.reason

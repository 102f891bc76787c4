"""A host from whose containers code is known to get out: refused, told, or vouched for."""

import io
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.evidence.digests import measured_by
from harness.evidence.escapes import VOUCHING, KnownEscape
from harness.evidence.host import HostFacts, SandboxFacts
from harness.evidence.isolation import REQUIRED
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.verdict import Note, Verdict
from harness.report.markdown import render_markdown
from harness.report.terminal import scorecard
from harness.run import plan as planning
from harness.run.host_check import check_host
from harness.run.launcher.desk import FileDesk
from harness.run.launcher.local import LocalLauncher
from harness.run.launcher.protocol import Task
from harness.run.launcher.registry import VARIABLE
from harness.sandbox import registry
from harness.sandbox.backend import Backend
from harness.sandbox.docker.cves import known_in
from tests.factories.jail import Jail
from tests.factories.plans import plan, required, strict_track
from tests.factories.playground import Outcome, harness, write_submission, write_track
from tests.factories.results import host
from tests.factories.runs import good_runs, verdict_of

BROKEN = "1.1.5+ds1-1+deb12u1"
REPAIRED = "1.4.0"
OPEN = known_in({"runc": BROKEN})
VOUCHED = tuple(escape.model_copy(update={"vouched": True}) for escape in OPEN)
ASKS = plan(required=required(refuse_known_escapes=True))
WORD = f"runc {BROKEN}: {', '.join(escape.id for escape in OPEN)}"


def on_engine(
    made: Plan, escapes: tuple[KnownEscape, ...] | None, *, nodes: tuple[str, ...] = ("",)
) -> Verdict:
    """The verdict on good runs that were made, in turn, on hosts of these names."""
    sandbox = host().sandbox.model_copy(update={"known_escapes": escapes})
    runs: list[Run] = []
    for number, run in enumerate(good_runs(made)):
        facts = HostFacts(
            **{**dict(host()), "sandbox": sandbox, "node": nodes[number % len(nodes)]}
        )
        runs.append(run.model_copy(update={"host": facts}))
    return verdict_of(made, runs)


def note_of(verdict: Verdict) -> Note:
    (note,) = (note for note in verdict.findings if "escapes" in note.id)
    return note


def isolation_of(verdict: Verdict) -> tuple[str, str]:
    check = next(check for check in verdict.checks if check.id == "isolation")
    return check.status, check.detail


class TestWhoAsks:
    def test_a_contest_does_and_a_rehearsal_does_not(self) -> None:
        assert load_track("10min_16mb").refuses_known_escapes
        assert load_track("non_record_16mb").refuses_known_escapes
        assert not load_track("smoke").refuses_known_escapes

    def test_a_track_may_say_otherwise(self) -> None:
        assert not strict_track(refuse_known_escapes=False).refuses_known_escapes
        smoke = load_track("smoke")
        asking = smoke.model_copy(update={"refuse_known_escapes": True})
        assert asking.refuses_known_escapes and asking.digest != smoke.digest

    @pytest.mark.parametrize("isolated", [True, False])
    def test_the_plan_says_it_where_the_sandbox_isolates(self, isolated: bool) -> None:
        proves = tuple(sorted(REQUIRED)) if isolated else ()
        facts = SandboxFacts(kind="docker", proves=proves)
        found = planning.required_of(facts, strict_track())
        assert found.refuse_known_escapes is (True if isolated else None)
        assert planning.required_of(facts, load_track("smoke")).refuse_known_escapes is None


class TestAHost:
    def checked(self, escapes: tuple[KnownEscape, ...] | None, *, refused: bool = True) -> None:
        made = plan(
            required=required(measured_by=measured_by(), refuse_known_escapes=refused or None)
        )
        facts = SandboxFacts(
            kind=made.required.sandbox,
            image_digest=made.required.image_digest,
            proves=made.required.isolation,
            known_escapes=escapes,
        )
        check_host(made, facts)

    def test_with_an_escape_refuses_in_a_sentence(self) -> None:
        with pytest.raises(InfrastructureError) as told:
            self.checked(OPEN)
        assert told.value.message.endswith(
            f"the plan refuses it: runc {BROKEN}: CVE-2025-31133, CVE-2025-52565, CVE-2025-52881 "
            "(repaired in 1.2.8 and 1.3.3), CVE-2024-21626 (repaired in 1.1.12)"
        )
        assert f"{VOUCHING}='{WORD}'" in told.value.remedy

    def test_of_which_one_escape_is_left_names_that_one(self) -> None:
        with pytest.raises(InfrastructureError) as told:
            self.checked((*VOUCHED[:-1], OPEN[-1]))
        assert "CVE-2024-21626" in told.value.message
        assert "CVE-2025" not in told.value.message
        assert f"{VOUCHING}='{WORD}'" in told.value.remedy, "or it would take back what was said"

    @pytest.mark.parametrize("escapes", [(), VOUCHED, None])
    def test_with_none_is_taken(self, escapes: tuple[KnownEscape, ...] | None) -> None:
        self.checked(escapes)

    def test_is_taken_where_nobody_asks(self) -> None:
        self.checked(OPEN, refused=False)


class TestAVerdict:
    def test_tells_what_nobody_refused(self) -> None:
        verdict = on_engine(plan(), OPEN, nodes=("gpu01", "gpu02"))
        assert verdict.verdict == "VERIFIED"
        note = note_of(verdict)
        assert note.name == "known escapes"
        assert "gpu01, gpu02: runc" in note.detail and "CVE-2024-21626" in note.detail
        status, detail = isolation_of(verdict)
        assert status == "pass" and detail.endswith(
            "; but by its version an engine has a known escape"
        )
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(scorecard(verdict))
        for page in (console.export_text(), render_markdown(verdict)):
            assert "known escapes" in page and "CVE-2024-21626" in page

    def test_of_a_rehearsal_tells_it_too(self) -> None:
        made = plan(track=load_track("smoke"))
        assert "the engine: runc" in note_of(on_engine(made, OPEN)).detail

    def test_tells_what_it_rests_on_where_the_referee_vouches(self) -> None:
        verdict = on_engine(ASKS, VOUCHED)
        assert verdict.verdict == "VERIFIED"
        note = note_of(verdict)
        assert note.name == "vouched escapes"
        assert "the referee vouches, and nothing proves" in note.detail
        assert "CVE-2024-21626" in note.detail
        status, detail = isolation_of(verdict)
        assert status == "pass" and detail.endswith("repaired is the referee's word")

    def test_does_not_stand_on_a_host_that_its_plan_refuses(self) -> None:
        verdict = on_engine(ASKS, OPEN)
        assert verdict.verdict == "INCONCLUSIVE"
        status, detail = isolation_of(verdict)
        assert status == "unknown" and "which the plan refuses: runc" in detail

    def test_is_as_before_where_evidence_does_not_know_of_it(self) -> None:
        before = on_engine(plan(), None)
        assert before == verdict_of(plan(), good_runs(plan()))
        assert before.findings == ()
        assert b"known_escapes" not in host().model_dump_json().encode()

    @pytest.mark.parametrize("made", [plan(), ASKS])
    def test_has_nothing_to_tell_where_none_was_found(self, made: Plan) -> None:
        assert on_engine(made, ()).findings == ()
        assert isolation_of(on_engine(made, ())) == isolation_of(on_engine(plan(), None))

    def test_names_few_of_many_nodes(self) -> None:
        made = plan(seeds=tuple(range(1, 9)), chosen_by_hand=True)
        note = note_of(on_engine(made, OPEN, nodes=tuple(f"gpu{n}" for n in range(8))))
        assert "gpu0, gpu1, gpu2, gpu3, gpu4 and 3 more" in note.detail


def interrupted() -> NoReturn:
    raise KeyboardInterrupt


class OnRunc(Jail):
    """A runc of this version runs it."""

    runc = BROKEN

    def prepare(self) -> SandboxFacts:
        escapes = known_in({"runc": self.runc})
        return super().prepare().model_copy(update={"known_escapes": escapes})


@pytest.mark.usefixtures("forked")
class TestACommand:
    """With an entry whose training fails at once, so that a run is over in a moment."""

    @pytest.fixture(autouse=True)
    def _jail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        jail = Backend("jail", REQUIRED, lambda asked: OnRunc())
        monkeypatch.setattr(registry, "BACKENDS", (jail, *registry.BACKENDS))

    def verify(self, place: Path, data: Path, *more: str, rehearsal: str = "false") -> Outcome:
        folder = write_submission(place / "toy", train="raise SystemExit(1)")
        track = write_track(place / "track.toml", seeds="2", rehearsal=rehearsal)
        options = ["--track", track, "--sandbox", "jail", "--data", data, "--runs", place / "runs"]
        return harness("verify", folder, *options, "--json", "-", *more)

    def test_refuses_before_there_is_a_plan_where_its_runs_would_be_made_here(
        self, tmp_path: Path, data_root: Path
    ) -> None:
        done = self.verify(tmp_path, data_root)
        assert done.code == 3
        assert f"runc {BROKEN}: CVE-2025-31133" in done.err and VOUCHING in done.err
        assert not list(tmp_path.glob("runs/*"))

    def test_refuses_to_go_on_and_what_was_refused_is_no_try(
        self, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(OnRunc, "runc", REPAIRED)
        with monkeypatch.context() as patch:
            patch.setattr(LocalLauncher, "open", lambda self: interrupted())
            assert self.verify(tmp_path, data_root).code == 130
        monkeypatch.setattr(OnRunc, "runc", BROKEN)
        done = self.verify(tmp_path, data_root, "--resume")
        assert done.code == 3
        assert f"runc {BROKEN}: CVE-2025-31133" in done.err
        assert not list(tmp_path.glob("runs/*/seed-*/try-*"))
        monkeypatch.setattr(OnRunc, "runc", REPAIRED)
        done = self.verify(tmp_path, data_root, "--resume")
        assert done.code == 1, done.err
        assert done.verdict["findings"] == []

    def test_refuses_on_another_host_than_that_of_the_plan(
        self, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(OnRunc, "runc", REPAIRED)
        assert self.verify(tmp_path, data_root).code == 1
        (path,) = (tmp_path / "runs").iterdir()
        monkeypatch.setattr(OnRunc, "runc", BROKEN)
        seed = RunDirectory.open(path).plan.seeds[1]
        done = harness("seed", path, seed, "--data", data_root)
        assert done.code == 3
        assert "the plan refuses it" in done.err and "repaired in 1.1.12" in done.err

    def test_on_a_node_leaves_the_run_to_another_one(
        self, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(OnRunc, "runc", REPAIRED)
        assert self.verify(tmp_path, data_root).code == 1
        (path,) = (tmp_path / "runs").iterdir()
        desk = FileDesk("local", str(data_root))
        record = desk.write(Task(path, draw=1, attempt=1))
        monkeypatch.setenv(VARIABLE, "local")  # as it was, afterwards
        monkeypatch.setattr(OnRunc, "runc", BROKEN)
        assert harness("work", record.path).code == 3
        outcome = desk.outcome(record)
        assert outcome is not None and outcome.how == "refused"
        assert f"runc {BROKEN}: CVE-2025-31133" in outcome.why

    def test_goes_by_the_word_of_the_referee_and_keeps_it(
        self, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(VOUCHING, WORD)
        done = self.verify(tmp_path, data_root)
        assert done.code == 1, done.err
        assert [note["id"] for note in done.verdict["findings"]] == ["vouched_escapes"]
        (run,) = RunDirectory.open(Path(done.verdict["evidence"])).runs()
        assert run.host.sandbox.known_escapes == VOUCHED

    def test_that_rehearses_says_it_before_the_first_run_and_goes_on(
        self, tmp_path: Path, data_root: Path
    ) -> None:
        said = "code is known to get out of such an engine: runc"
        done = self.verify(tmp_path, data_root, rehearsal="true")
        assert done.code == 1, done.err
        assert done.err.count(said) == 1
        assert [note["id"] for note in done.verdict["findings"]] == ["known_escapes"]
        directory = RunDirectory.open(Path(done.verdict["evidence"]))
        second = harness("seed", directory.path, directory.plan.seeds[1], "--data", data_root)
        assert len(directory.runs()) == 2, second.err
        assert said not in second.err + second.out

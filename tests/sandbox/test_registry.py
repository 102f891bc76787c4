"""The backends: one more is a line in the registry, and nothing else has to know its name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import doctor
from harness.cli.main import main as cli
from harness.contest.track import Track, load_track
from harness.errors import InfrastructureError, UsageError
from harness.evidence.host import SandboxFacts
from harness.evidence.isolation import PROPERTIES, REQUIRED
from harness.models import Finding
from harness.sandbox import registry
from harness.sandbox.backend import Asked, Backend, Proven
from harness.sandbox.protocol import Sandbox
from harness.sandbox.registry import BACKENDS, choose
from harness.sandbox.selfcheck.proof import Proof
from tests.factories.jail import Jail
from tests.factories.plans import strict_track
from tests.factories.playground import BIGRAM, harness, write_track

SMOKE = load_track("smoke")


class Broken(Jail):
    """Answers, and cannot be made ready."""

    def prepare(self) -> SandboxFacts:
        raise InfrastructureError("no image", remedy="build it")


def a_proof(**changes: str) -> Proof:
    words = {"id": "no_network", "flag": "", "expected": "lo", "inside": "lo", "outside": ""}
    return Proof(**(words | {"by_default": "eth0, lo", "default_too": ""} | changes))


def register(monkeypatch: pytest.MonkeyPatch, new: Backend) -> None:
    """The one line."""
    monkeypatch.setattr(registry, "BACKENDS", (new, *BACKENDS))


def replace_all(monkeypatch: pytest.MonkeyPatch, *backends: Backend) -> None:
    """A table of these, and of the rehearsal."""
    monkeypatch.setattr(registry, "BACKENDS", (*backends, BACKENDS[-1]))


def backend(sandbox: Callable[[], Sandbox] = Jail, name: str = "jail", **more: Any) -> Backend:
    return Backend(name, REQUIRED, lambda asked: sandbox(), **more)


def away(asked: Asked) -> Sandbox:
    raise InfrastructureError("nothing answers", remedy="start it")


AWAY = replace(backend(name="away"), open=away)


@pytest.fixture
def notes() -> list[str]:
    return []


def test_each_states_ids_of_the_one_table() -> None:
    known = {each.id for each in PROPERTIES}
    assert all(known >= each.proves for each in BACKENDS)
    assert [(each.name, each.isolates) for each in BACKENDS] == [
        ("docker", True),
        ("process", False),
    ]


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(each, id=each.name, marks=[pytest.mark.docker] * each.isolates)
        for each in BACKENDS
    ],
)
def test_its_sandbox_says_what_its_line_says(each: Backend) -> None:
    facts = each.open(Asked(SMOKE, print)).prepare()
    assert (facts.kind, frozenset(facts.proves)) == (each.name, each.proves)
    assert facts.isolated == each.isolates


class TestAThirdBackend:
    """It is added by one line; choosing, running, judging, drawing and doctor take it as it is."""

    @pytest.mark.long
    @pytest.mark.usefixtures("forked")
    def test_it_verifies_what_it_isolates(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_root: Path
    ) -> None:
        register(monkeypatch, backend())
        # On a text of 27 kB, what may pass between sandboxes is worth a whole BPB.
        monkeypatch.setattr("harness.judge.rules.doubts.RESIDUAL_BITS", 100)
        track = write_track(tmp_path / "track.toml", rehearsal="false", seeds="2")
        options = ["--track", track, "--sandbox", "jail", "--data", data_root]
        options += ["--runs", tmp_path / "runs", "--json", "-"]
        verdict = harness("verify", BIGRAM, *options).verdict
        assert (verdict["verdict"], verdict["sandbox"]) == ("VERIFIED", "jail")
        assert (verdict["isolated"], verdict["rehearsal"]) == (True, False)
        isolation = next(check for check in verdict["checks"] if check["id"] == "isolation")
        assert (isolation["measured"], isolation["limit"]) == (len(REQUIRED), len(REQUIRED))
        text = (Path(verdict["evidence"]) / "scorecard.txt").read_text()
        assert "not isolated" not in text and "jail" in text

    def test_the_command_line_offers_it(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        register(monkeypatch, backend())
        assert cli(["verify", "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "{jail,docker,process,auto}" in shown
        assert "jail isolates, docker isolates, process only rehearses" in shown

    def test_doctor_examines_and_proves_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        warning = Finding(id="old_jail", status="unknown", detail="look it up")
        held = backend(prove=lambda asked: Proven((a_proof(),), (warning,)))
        leaky = backend(
            name="leaky", prove=lambda asked: Proven((a_proof(), a_proof(inside="eth0")))
        )
        replace_all(monkeypatch, held, leaky)
        assert cli(["doctor", "--track", "smoke", "--sandbox"]) == 0
        shown = capsys.readouterr().out
        assert "1 of 1 properties are proved" in shown and "old jail" in shown
        assert cli(["doctor", "--track", "smoke", "--sandbox", "leaky"]) == 3
        assert "1 of 2 properties are proved" in capsys.readouterr().out

        bad = Finding(id="leaky_engine", status="fail", detail="not there")
        good = Finding(id="jail_engine", status="pass", detail="there")

        def always(finding: Finding) -> Callable[[Track], list[Finding]]:
            return lambda track: [finding]

        for first, status in ((bad, "fail"), (good, "unknown")):
            replace_all(
                monkeypatch,
                replace(held, examine=always(first)),
                replace(leaky, examine=always(bad)),
            )
            found = doctor.examine(SMOKE, data=tmp_path, runs=tmp_path)
            assert [each.status for each in found if each.id == "leaky_engine"][-1] == status


class TestChoosing:
    def chosen(self, notes: list[str], name: str = "auto", track: Track = SMOKE) -> str:
        return choose(name, track=track, note=notes.append).prepare().kind

    def test_the_first_that_can_be_had(
        self, monkeypatch: pytest.MonkeyPatch, notes: list[str]
    ) -> None:
        replace_all(monkeypatch, AWAY, backend())
        assert self.chosen(notes) == self.chosen(notes, track=strict_track()) == "jail"
        assert notes == ["nothing answers: taking the jail sandbox (start it)"] * 2
        assert self.chosen(notes, "jail") == "jail"
        assert self.chosen(notes, "process") == "process"

    def test_a_rehearsal_where_there_is_no_other(
        self, monkeypatch: pytest.MonkeyPatch, notes: list[str]
    ) -> None:
        replace_all(monkeypatch, AWAY)
        assert self.chosen(notes) == self.chosen(notes, track=strict_track()) == "process"
        said = "nothing answers: rehearsing in the process sandbox, not isolated (start it)"
        assert notes == [said] * 2

    def test_one_that_answers_is_passed_over_in_rehearsals_only(
        self, monkeypatch: pytest.MonkeyPatch, notes: list[str]
    ) -> None:
        replace_all(monkeypatch, backend(Broken))
        assert self.chosen(notes) == "process"
        assert notes == ["no image: rehearsing in the process sandbox, not isolated (build it)"]
        with pytest.raises(InfrastructureError, match="no image"):
            self.chosen(notes, track=strict_track())

    def test_who_names_one_gets_no_other(
        self, monkeypatch: pytest.MonkeyPatch, notes: list[str]
    ) -> None:
        replace_all(monkeypatch, AWAY, backend())
        with pytest.raises(InfrastructureError) as told:
            self.chosen(notes, "away")
        assert told.value.message == "the away sandbox was asked for: nothing answers"
        assert told.value.remedy == "start it; or rehearse with --sandbox process"

    def test_who_names_a_runtime_gets_the_first_or_none(
        self, monkeypatch: pytest.MonkeyPatch, notes: list[str]
    ) -> None:
        replace_all(monkeypatch, AWAY, backend())
        with pytest.raises(InfrastructureError, match="away sandbox was asked for"):
            choose("auto", track=SMOKE, note=notes.append, runtime="runsc")
        with pytest.raises(UsageError, match="--runtime"):
            choose("process", track=SMOKE, note=notes.append, runtime="runsc")

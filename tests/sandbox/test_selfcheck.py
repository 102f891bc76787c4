"""The proof of the sandbox: it holds here, a default container fails it, and it can fail."""

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from rich.console import Console

from harness.cli import main as cli
from harness.contest.track import load_track
from harness.errors import InfrastructureError, UsageError
from harness.evidence.facts import SandboxFacts
from harness.judge.judgement import judge
from harness.report.markdown_scorecard import render_markdown
from harness.report.proofs import show_proofs, summary
from harness.report.terminal import scorecard
from harness.run import verify
from harness.sandbox.docker.engine import require_runtime
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.registry import choose
from harness.sandbox.selfcheck import selfcheck as proof
from harness.sandbox.selfcheck.host import observe
from harness.sandbox.selfcheck.selfcheck import Proof, prove
from tests.factories.samples import good_runs, verification
from tests.sandbox.conftest import Phases

# Properties that a default container has too. Each names its reason; no other may be missing
# from those that a flag of ours is answerable for.
MAY_HOLD_BY_DEFAULT = {
    *("name servers", "abstract sockets of the host", "processes seen", "engine's socket"),
    *("descriptors at the start", "core dumps", "cores", "runtime", "leftovers"),
    *("other processes' memory", "keyrings", "bpf and perf", "userfaultfd", "new namespaces"),
    "mounts and modules",
}
# Newer engines, kernels and processors have these by themselves.
MAY_HOLD_ELSEWHERE = {"io_uring", "AF_VSOCK sockets", "namespaces", "32-bit calls"}


@pytest.fixture(scope="module")
def proofs(docker_sandbox: DockerSandbox) -> tuple[Proof, ...]:
    return prove(docker_sandbox)


def a_proof(**changes: str) -> Proof:
    words = {"name": "user", "flag": "--user", "expected": "1:1", "inside": "1:1"}
    words |= {"outside": "1:1", "by_default": "0:0", "default_too": ""}
    return Proof(**(words | changes))


@pytest.mark.docker
class TestHere:
    def test_every_property_is_proved(self, proofs: tuple[Proof, ...]) -> None:
        assert [found for found in proofs if not found.stands] == []
        assert len(proofs) >= 40

    def test_the_flags_matter(self, proofs: tuple[Proof, ...]) -> None:
        excused = {found.name for found in proofs if found.default_too}
        assert MAY_HOLD_BY_DEFAULT - {"runtime"} <= excused
        assert excused <= MAY_HOLD_BY_DEFAULT | MAY_HOLD_ELSEWHERE
        lacking = {found.name for found in proofs if found.by_default != found.expected}
        assert lacking >= {found.name for found in proofs} - excused

    def test_limits_are_seen_to_bite_at_their_number(self, proofs: tuple[Proof, ...]) -> None:
        by_name = {found.name: found for found in proofs}
        limits = proof.LIMITS
        for name, number in (
            ("processes", limits.processes),
            ("memory", limits.memory_bytes),
            ("shared memory", limits.shm_bytes),
            ("scratch", limits.scratch_bytes),
            ("output", limits.output_bytes),
        ):
            assert by_name[name].inside == by_name[name].outside == f"{number:,}"

    def test_it_fits_any_terminal(self, proofs: tuple[Proof, ...]) -> None:
        for width in (40, 80, 160):
            console = Console(width=width, record=True, file=io.StringIO())
            show_proofs(proofs, console)
            text = console.export_text()
            assert max(map(len, text.splitlines())) <= width
            assert "io_uring" in text


def weakened(flags: dict[str, Any]) -> Any:
    whole = DockerSandbox._sealed_off

    def sealed_off(self: DockerSandbox) -> dict[str, Any]:
        return whole(self) | flags

    return sealed_off


@pytest.mark.docker
def test_a_sandbox_that_lost_flags_is_not_proved(
    docker_sandbox: DockerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {"network_mode": "bridge", "cap_drop": [], "security_opt": [], "cgroupns": "host"}
    monkeypatch.setattr(DockerSandbox, "_sealed_off", weakened(lost))
    monkeypatch.setattr("harness.sandbox.limits.OPEN_FILES", 8192)
    failing = {found.name for found in prove(docker_sandbox) if not found.stands}
    assert failing >= {
        *("interfaces", "routes", "capabilities", "no new privileges", "namespaces"),
        *("ptrace", "System V and POSIX queues", "page sharing and relics", "seccomp profile"),
        *("open files", "as the engine reports", "sockets past TCP and UDP"),
    }
    # "leftovers" too: without the profile there is System V shared memory to leave.
    assert failing.isdisjoint({"user", "root file system", "output", "memory", "mounts"}), failing


class TestProof:
    def test_it_stands_when_both_see_what_was_expected_and_the_default_lacks_it(self) -> None:
        assert a_proof().stands

    @pytest.mark.parametrize(
        "changes",
        [
            {"inside": "0:0"},
            {"outside": "0:0"},
            {"inside": "", "outside": ""},
            {"by_default": "1:1"},
        ],
    )
    def test_it_does_not_stand(self, changes: dict[str, str]) -> None:
        found = a_proof(**changes)
        assert not found.stands
        assert "not proved: user" in summary([found])

    def test_what_a_default_container_has_too_needs_a_reason(self) -> None:
        assert a_proof(by_default="1:1", default_too="the image names it").stands

    def test_one_side_is_enough_where_the_other_cannot_see(self) -> None:
        assert a_proof(outside="").stands
        assert a_proof(inside="").stands


def test_what_the_kernel_hides_is_left_out_not_guessed() -> None:
    container = {"State": {"Pid": 0}, "HostConfig": {}, "Config": {}, "Mounts": []}
    found = observe(container, None)
    assert found["memory"] == found["processes"] == "no limit found"
    assert not found.keys() & {"capabilities", "user", "open files", "namespaces"}


class TestRuntime:
    INFO: ClassVar = {"Runtimes": {"runc": {}, "runsc": {}}, "DefaultRuntime": "runc"}

    def test_the_engines_default_when_none_is_named(self) -> None:
        assert require_runtime(self.INFO, "") == "runc"
        assert require_runtime(self.INFO, "runsc") == "runsc"

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(InfrastructureError, match=r"no runtime 'runsc'; it has runc\n") as told:
            require_runtime({"Runtimes": {"runc": {}}}, "runsc")
        assert "install gVisor" in told.value.remedy

    def test_a_rehearsal_has_none(self) -> None:
        with pytest.raises(UsageError, match="--runtime"):
            choose("process", track=load_track("smoke"), note=print, runtime="runsc")

    def test_doctor_proves_a_sandbox_with_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["doctor", "--track", "smoke", "--runtime", "runsc"]) == 2
        assert "--sandbox" in capsys.readouterr().err

    @pytest.mark.docker
    def test_doctor_without_that_runtime(self, capsys: pytest.CaptureFixture[str]) -> None:
        named = ["--runtime", "no-such-runtime"]
        assert cli.main(["doctor", "--track", "smoke", "--sandbox", *named]) == 3
        assert "no runtime 'no-such-runtime'" in capsys.readouterr().err

    @pytest.fixture
    def other(self, docker_sandbox: DockerSandbox) -> Iterator[DockerSandbox]:
        known = set(docker_sandbox.engine_info["Runtimes"]) - {docker_sandbox.runtime}
        if "io.containerd.runc.v2" not in known:
            pytest.skip("this engine has one runtime only")
        yield DockerSandbox(runtime="io.containerd.runc.v2")

    @pytest.mark.docker
    def test_another_one_runs_the_phases(self, other: DockerSandbox, tmp_path: Path) -> None:
        assert other.prepare().runtime == "io.containerd.runc.v2"
        facts = Phases(other, tmp_path).run("", phase="score")
        found = {fact.name: fact.actual for fact in facts.isolation}
        assert found["runtime"] == "io.containerd.runc.v2"
        assert all(fact.holds for fact in facts.isolation)

    def test_the_scorecards_name_it(self) -> None:
        plan = verification(sandbox=SandboxFacts(kind="docker", runtime="runsc"))
        verdict = judge(plan, good_runs(plan), evidence="runs/x")
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(scorecard(verdict))
        assert "docker, runtime runsc" in console.export_text()
        assert "docker, runtime runsc" in render_markdown(verdict)

    @pytest.mark.parametrize(
        ("changes", "what"),
        [({"runtime": "runc"}, "runtime"), ({"seccomp_digest": "0" * 64}, "profile")],
    )
    def test_a_verification_is_not_finished_under_another_one(
        self, changes: dict[str, str], what: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = SandboxFacts(kind="docker", runtime="runsc", seccomp_digest="1" * 64)
        plan = verification(sandbox=before, harness_digest=verify.harness_digest())
        texts: Any = SimpleNamespace(dataset=SimpleNamespace(digest=plan.dataset.digest))
        monkeypatch.setattr(verify, "_check_texts", lambda *arguments: None)
        same: Any = SimpleNamespace(prepare=lambda: before)
        verify._check_unchanged(plan, texts, same)
        other: Any = SimpleNamespace(prepare=lambda: before.model_copy(update=changes))
        with pytest.raises(InfrastructureError, match=f"--resume: the {what}"):
            verify._check_unchanged(plan, texts, other)

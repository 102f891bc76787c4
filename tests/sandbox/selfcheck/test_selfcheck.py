"""The proof of the sandbox: it holds here, a default container fails it, and it can fail."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console

from harness.cli import main as cli
from harness.contest.track import load_track
from harness.errors import InfrastructureError, UsageError
from harness.evidence.digests import measured_by
from harness.evidence.host import SandboxFacts
from harness.evidence.isolation import PROPERTIES
from harness.report.markdown import render_markdown
from harness.report.proofs import show_proofs, summary
from harness.report.terminal import scorecard
from harness.run.host_check import check_host
from harness.sandbox.docker.default import DefaultContainers
from harness.sandbox.docker.engine import require_runtime
from harness.sandbox.docker.proof.host import collect
from harness.sandbox.docker.proof.subject import DockerSubject
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.registry import choose
from harness.sandbox.selfcheck.probes import LIMITS
from harness.sandbox.selfcheck.proof import Proof
from harness.sandbox.selfcheck.selfcheck import prove
from tests.factories.plans import plan, required
from tests.factories.runs import good_runs, verdict_of
from tests.sandbox.conftest import Phases

# Properties that a default container has too. Each names its reason; no other may be missing
# from those that a flag of ours is answerable for.
MAY_HOLD_BY_DEFAULT = {
    *("no_name_servers", "no_host_sockets", "own_processes", "no_engine_socket"),
    *("no_extra_descriptors", "no_core_dumps", "all_cores", "same_runtime", "no_leftovers"),
    *("no_foreign_memory", "no_keyrings", "no_bpf", "no_userfaultfd", "no_new_namespaces"),
    "no_mounting",
}
# Newer engines, kernels and processors have these by themselves.
MAY_HOLD_ELSEWHERE = {"no_io_uring", "no_vsock", "own_namespaces", "no_32_bit_calls"}


@pytest.fixture(scope="module")
def subject(docker_sandbox: DockerSandbox) -> DockerSubject:
    default = DefaultContainers(note=print)
    default.prepare()
    return DockerSubject(docker_sandbox, default)


@pytest.fixture(scope="module")
def proofs(subject: DockerSubject) -> tuple[Proof, ...]:
    return prove(subject)


def a_proof(**changes: str) -> Proof:
    words = {"id": "unprivileged_user", "flag": "--user", "expected": "1:1", "inside": "1:1"}
    words |= {"outside": "1:1", "by_default": "0:0", "default_too": ""}
    return Proof(**(words | changes))


@pytest.mark.docker
class TestHere:
    def test_every_property_is_proved(self, proofs: tuple[Proof, ...]) -> None:
        assert [found for found in proofs if not found.stands] == []
        tried = [each for each in PROPERTIES if {"inside", "outside"} & set(each.seen)]
        assert [found.id for found in proofs if not found.by_default] == []
        assert {found.id for found in proofs} == {each.id for each in tried}
        assert len(proofs) == len(tried) == 50

    def test_each_is_seen_in_the_ways_that_the_table_says(self, proofs: tuple[Proof, ...]) -> None:
        ways = {each.id: set(each.seen) - {"read back"} for each in PROPERTIES}
        for found in proofs:
            seen = {"inside": found.inside, "outside": found.outside}
            assert {way for way, text in seen.items() if text} == ways[found.id], found.id

    def test_the_flags_matter(self, proofs: tuple[Proof, ...]) -> None:
        excused = {found.id for found in proofs if found.default_too}
        assert MAY_HOLD_BY_DEFAULT - {"same_runtime"} <= excused
        assert excused <= MAY_HOLD_BY_DEFAULT | MAY_HOLD_ELSEWHERE
        lacking = {found.id for found in proofs if found.by_default != found.expected}
        assert lacking >= {found.id for found in proofs} - excused

    def test_limits_are_seen_to_bite_at_their_number(self, proofs: tuple[Proof, ...]) -> None:
        by_id = {found.id: found for found in proofs}
        for id, number in (
            ("process_limit", LIMITS.processes),
            ("memory_limit", LIMITS.memory_bytes),
            ("shared_memory_limit", LIMITS.shm_bytes),
            ("scratch_limit", LIMITS.scratch_bytes),
            ("output_limit", LIMITS.output_bytes),
        ):
            assert by_id[id].inside == by_id[id].outside == f"{number:,}"

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
    subject: DockerSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {"network_mode": "bridge", "cap_drop": [], "security_opt": [], "cgroupns": "host"}
    monkeypatch.setattr(DockerSandbox, "_sealed_off", weakened(lost))
    monkeypatch.setattr("harness.sandbox.docker.sandbox.limits.OPEN_FILES", 8192)
    failing = {found.id for found in prove(subject) if not found.stands}
    assert failing >= {
        # What is read back says that the helper had a network; with the helper it is gone again.
        *("no_capabilities", "no_new_privileges", "own_namespaces"),
        *("no_ptrace", "no_system_v", "no_page_sharing", "system_call_profile"),
        *("open_file_limit", "read_back_whole", "no_other_sockets", "no_kernel_cookies"),
    }
    # "no_leftovers" too: without the profile there is System V shared memory to leave.
    assert failing.isdisjoint(
        {"unprivileged_user", "read_only_root", "output_limit", "memory_limit", "own_mounts"}
    ), failing


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
        assert "not proved: unprivileged_user" in summary([found])

    def test_what_a_default_container_has_too_needs_a_reason(self) -> None:
        assert a_proof(by_default="1:1", default_too="the image names it").stands

    def test_one_side_is_enough_where_the_other_cannot_see(self) -> None:
        assert a_proof(outside="").stands
        assert a_proof(inside="").stands


def test_what_the_kernel_hides_is_left_out_not_guessed() -> None:
    container = {"State": {"Pid": 0}, "HostConfig": {}, "Config": {}, "Mounts": []}
    found = collect(container, None)
    assert found["memory_limit"] == found["process_limit"] == "no limit found"
    assert not found.keys() & {
        "no_capabilities",
        "unprivileged_user",
        "open_file_limit",
        "own_namespaces",
    }


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
        found = {fact.id: fact.actual for fact in facts.isolation}
        assert found["same_runtime"] == "io.containerd.runc.v2"
        assert all(fact.holds for fact in facts.isolation)

    def test_the_scorecards_name_it(self) -> None:
        made = plan(required=required(runtime="runsc"))
        verdict = verdict_of(made, good_runs(made))
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(scorecard(verdict))
        assert "docker, runtime runsc" in console.export_text()
        assert "docker, runtime runsc" in render_markdown(verdict)

    @pytest.mark.parametrize(
        ("changes", "what"),
        [({"runtime": "runc"}, "runtime"), ({"seccomp_digest": "0" * 64}, "profile")],
    )
    def test_a_verification_is_not_finished_under_another_one(
        self, changes: dict[str, str], what: str
    ) -> None:
        proves = required().isolation
        before = SandboxFacts(
            kind="docker", runtime="runsc", seccomp_digest="1" * 64, proves=proves
        )
        made = plan(
            required=required(
                runtime="runsc",
                seccomp_digest="1" * 64,
                image_digest="",
                measured_by=measured_by(),
            )
        )
        check_host(made, before)
        with pytest.raises(InfrastructureError, match=f"the {what}"):
            check_host(made, before.model_copy(update=changes))

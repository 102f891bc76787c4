"""Measuring: through the protocol alone, and in Docker beside a default container that leaks."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.cli import main as cli
from harness.report.proofs import CHANNELS_TOO
from harness.sandbox.channels.figures import ChannelFigures, ChannelReport
from harness.sandbox.channels.measure import measure
from harness.sandbox.channels.rounds import stage
from harness.sandbox.channels.table import BY_ID
from harness.sandbox.channels.tally import Tally
from harness.sandbox.docker.default import DefaultContainers
from harness.sandbox.docker.sandbox import DockerSandbox
from tests.factories.jail import Jail
from tests.sandbox.channels.samples import MARK, OPEN, SHUT, a_report
from tests.sandbox.test_registry import backend, register


class TestAnyBackend:
    """What is measured is a sandbox; whose it is does not matter."""

    def test_it_is_measured_through_the_protocol(self) -> None:
        notes: list[str] = []
        ids = ("file_locks", "fork_counter")
        jail = Jail()
        jail.prepare()
        found = measure("jail", jail, None, MARK, note=notes.append, ids=ids, rounds=2, share=0.01)
        by_id = {each.id: each for each in found.channels}
        assert set(by_id) == set(ids)
        assert by_id["fork_counter"].bits_sent == 2 * BY_ID["fork_counter"].bits
        assert by_id["file_locks"].bits_sent == 2 * 16
        assert "no default container" in by_id["file_locks"].note
        assert len(notes) == 2

    def test_only_those_that_isolate_are_offered(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        register(monkeypatch, backend())
        assert cli.main(["doctor", "--help"]) == 0
        assert "--channels [{jail,docker}]" in " ".join(capsys.readouterr().out.split())
        assert cli.main(["doctor", "--channels", "process"]) == 2

    @pytest.mark.parametrize(
        "options", [["--json", "-"], ["--channels", "--sandbox"], ["--runtime", "runsc"]]
    )
    def test_options_that_make_no_sense(
        self, options: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["doctor", *options]) == 2
        assert "Traceback" not in capsys.readouterr().err

    @pytest.mark.parametrize("residual", [OPEN, SHUT])
    def test_doctor_says_by_its_exit_code_whether_it_holds(
        self,
        residual: Tally,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        register(monkeypatch, backend())
        made = a_report({"names_code": residual}, {"names_code": OPEN})
        monkeypatch.setattr("harness.sandbox.channels.measure.measure", lambda *a, **k: made)
        kept = tmp_path / "channels.json"
        code = cli.main(["doctor", "--channels", "--track", "smoke", "--json", str(kept)])
        assert code == (0 if made.holds else 3)
        assert json.loads(kept.read_text())["residual_bits"] == made.residual_bits
        assert "Residual: at most" in " ".join(capsys.readouterr().out.split())

    def test_the_other_proof_mentions_this_one(self) -> None:
        assert "harness doctor --channels" in CHANNELS_TOO

    def test_the_stage_is_readable_and_goes_away(self) -> None:
        with stage(share=0.01) as laid:
            folder = laid.folder
            assert laid.code.source.stat().st_mode & 0o777 == 0o755
            assert (laid.code.source / "channels" / "run.py").stat().st_mode & 0o777 == 0o644
            assert laid.artifact.source.stat().st_size == 1 << 20
        assert not folder.exists()


CACHES = ("names_code", "names_image", "page_cache_code", "page_cache_artifact")
STRUCTURAL = (
    *("leftover_files", "access_times", "file_metadata", "system_v", "message_queues"),
    *("abstract_sockets", "keyrings", "file_locks", "host_name", "process_numbers"),
)


def measured_in_docker(sandbox: DockerSandbox, ids: Iterable[str]) -> ChannelReport:
    control = DefaultContainers(note=print)
    control.prepare()
    return measure("docker", sandbox, control, MARK, note=print, ids=ids, rounds=2, share=0.05)


@pytest.fixture(scope="module")
def in_docker(docker_sandbox: DockerSandbox) -> dict[str, ChannelFigures]:
    for _ in range(4):
        made = measured_in_docker(docker_sandbox, (*CACHES, *STRUCTURAL))
        # Another harness on this machine drops the caches that are to be seen to leak.
        if not made.control_caches_dropped:
            break
    return {each.id: each for each in made.channels}


@pytest.mark.docker
def test_a_default_container_leaks(in_docker: dict[str, ChannelFigures]) -> None:
    errors = {
        id: in_docker[id].control_error_rate
        for id in (*CACHES, "leftover_files", "file_metadata")
        if not in_docker[id].control_open
    }
    assert errors == {}


@pytest.mark.docker
@pytest.mark.parametrize("id", STRUCTURAL)
def test_our_places_are_closed(id: str, in_docker: dict[str, ChannelFigures]) -> None:
    found = in_docker[id]
    assert found.state == "closed", found.note
    assert found.bits_a_phase_high < 256

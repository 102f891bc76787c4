"""What both sandboxes must do alike."""

import hashlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.results import ArtifactFacts
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.protocol import ArtifactError
from tests.sandbox.conftest import LIMITS, MIB, Phases, finished, leftovers

WRITE = "import os; path = os.path.join(os.environ['OUTPUT_DIR'], 'model.bin')\n"


class TestEnd:
    def test_exit_code_zero_completes(self, phases: Phases) -> None:
        facts = phases.run("print('done')")
        assert (facts.outcome, facts.exit_code, facts.detail) == ("completed", 0, "")
        assert phases.lines == ["done"]

    def test_exit_code_one_fails(self, phases: Phases) -> None:
        facts = phases.run("raise SystemExit(1)")
        assert (facts.outcome, facts.exit_code, facts.detail) == ("failed", 1, "exit code 1")

    def test_death_by_a_signal_is_a_failure(self, phases: Phases) -> None:
        # The first process of a container cannot send itself a fatal signal, but its child can.
        facts = phases.run("""
            import os, signal, subprocess, sys
            child = subprocess.Popen(["sleep", "60"])
            child.send_signal(signal.SIGKILL)
            raise SystemExit(128 - child.wait())
        """)
        assert (facts.outcome, facts.exit_code) == ("failed", 137)

    def test_engine_clock_lies_between_our_own_readings(self, phases: Phases) -> None:
        facts = phases.run("import time; time.sleep(1)")
        slack = 0.5
        assert facts.wallclock_seconds >= 1
        assert facts.harness_seconds_low - slack < facts.wallclock_seconds
        assert facts.wallclock_seconds < facts.harness_seconds_high + slack
        assert facts.harness_seconds_low <= facts.harness_seconds_high

    def test_deadline_kills_what_ignores_sigterm_and_what_detached(self, phases: Phases) -> None:
        with phases.start(
            """
            import os, signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    print("detached", flush=True)
                    time.sleep(1000)
                os._exit(0)
            time.sleep(1000)
            """,
            seconds=2.0,
        ) as running:
            facts = finished(running)
            assert running.last_line == "detached"
            assert [left for left in leftovers() if left.startswith("process")] == []
            still = running.elapsed_seconds
            assert running.elapsed_seconds == still
        assert facts.outcome == "deadline"
        assert facts.wallclock_seconds >= 2.0
        assert "limit of 2 s" in facts.detail

    def test_deadline_holds_while_the_caller_is_busy(self, phases: Phases) -> None:
        began = time.monotonic()
        with phases.start("import time; time.sleep(1000)", seconds=1.0) as running:
            time.sleep(5)
            busy_seconds = time.monotonic() - began
            facts = finished(running, 0)
        assert facts.outcome == "deadline"
        assert facts.harness_seconds_high < busy_seconds

    def test_a_clock_that_begins_later_charges_what_follows(self, phases: Phases) -> None:
        with phases.start("import time; time.sleep(1000)", seconds=1000.0) as running:
            time.sleep(1.0)
            prepared = running.elapsed_seconds
            running.begin_clock(2.0)
            facts = finished(running)
        assert facts.outcome == "deadline"
        assert "limit of 2 s" in facts.detail
        assert facts.prepared_seconds is not None and facts.prepared_seconds >= prepared
        assert facts.wallclock_seconds >= facts.prepared_seconds + 2.0
        assert facts.charged_seconds == facts.wallclock_seconds - facts.prepared_seconds

    def test_a_clock_that_begins_later_may_have_more_than_was_left(self, phases: Phases) -> None:
        with phases.start("import time; time.sleep(3)", seconds=2.0) as running:
            running.begin_clock(100.0)
            facts = finished(running)
        assert facts.outcome == "completed"

    def test_a_clock_that_begins_with_the_phase_charges_all(self, phases: Phases) -> None:
        facts = phases.run("")
        assert facts.prepared_seconds is None
        assert facts.charged_seconds == facts.wallclock_seconds

    def test_what_outlives_the_first_process_is_killed(self, phases: Phases) -> None:
        with phases.start("""
            import subprocess
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
            print("leaving")
        """) as running:
            assert finished(running).outcome == "completed"
            assert [left for left in leftovers() if left.startswith("process")] == []

    def test_stop_ends_it_as_stopped(self, phases: Phases) -> None:
        with phases.start("import time; time.sleep(1000)", phase="score") as running:
            assert running.wait(0.2) is None
            assert running.elapsed_seconds > 0
            facts = running.stop()
            assert running.stop() == facts == running.wait(0)
        assert facts.outcome == "stopped"

    def test_stop_after_the_end_tells_the_end(self, phases: Phases) -> None:
        with phases.start("raise SystemExit(3)", phase="score") as running:
            finished(running)
            assert running.stop().exit_code == 3

    def test_an_exception_inside_leaves_nothing(self, phases: Phases) -> None:
        with (
            pytest.raises(KeyboardInterrupt),
            phases.start("import time; time.sleep(1000)"),
        ):
            raise KeyboardInterrupt
        assert leftovers() == []

    @pytest.mark.parametrize(
        "command",
        [
            *("no-such-program", "/no/such/program", "./main.py", "./main.py/x", "/etc"),
            *("/proc/self/task/x/..", "/" + "a" * 300),
        ],
    )
    def test_a_command_that_cannot_be_executed_is_theirs(
        self, phases: Phases, command: str
    ) -> None:
        with pytest.raises(SubmissionError, match="train command"):
            phases.start("", command=(command,))
        assert leftovers() == []


class TestEnvironment:
    def test_it_is_exactly_ours(self, phases: Phases, monkeypatch: pytest.MonkeyPatch) -> None:
        # Where a container has no device files, a process sees no GPU of the machine.
        of_processes = ["CUDA_VISIBLE_DEVICES"] * isinstance(phases.sandbox, ProcessSandbox)
        monkeypatch.setenv("SECRET_OF_THE_HARNESS", "1")
        before = time.time()
        phases.run(
            "import json, os; print(json.dumps(dict(os.environ)))",
            environment={"SEED": "7", "EMPTY": ""},
        )
        found = json.loads(phases.lines[0])
        assert found["SEED"] == "7"
        assert found["EMPTY"] == ""
        assert set(found) == {
            *("PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "HOSTNAME", "LANG", "LC_ALL", "TZ"),
            *("TERM", "XDG_CACHE_HOME", "TORCH_HOME", "TORCH_EXTENSIONS_DIR"),
            *("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH"),
            *(
                "PIP_NO_INDEX",
                "PIP_PREFIX",
                "PYTHONDONTWRITEBYTECODE",
                "PYTHONUNBUFFERED",
                "PYTHONNOUSERSITE",
            ),
            *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "HARNESS_SANDBOX"),
            *("OUTPUT_DIR", "SEED", "EMPTY"),
            *of_processes,
        }
        assert not any(found[name] for name in of_processes)
        assert before < time.time()

    @pytest.mark.parametrize(
        "name", ["HARNESS_SANDBOX", "NVIDIA_VISIBLE_DEVICES", "LD_PRELOAD", "A=B", ""]
    )
    def test_reserved_and_impossible_names_are_refused(self, phases: Phases, name: str) -> None:
        with pytest.raises(SubmissionError, match="environment variable"):
            phases.start("", environment={name: "x"})

    def test_scratch_is_writable_and_executable(self, phases: Phases) -> None:
        facts = phases.run("""
            import os, subprocess
            for place in (os.environ["TMPDIR"], os.environ["XDG_CACHE_HOME"]):
                os.makedirs(place, exist_ok=True)
                script = os.path.join(place, "run.sh")
                open(script, "w").write("#!/bin/sh\\necho ran\\n")
                os.chmod(script, 0o700)
                subprocess.run([script], check=True)
        """)
        assert facts.outcome == "completed", phases.lines
        assert phases.lines == ["ran", "ran"]


class TestSeal:
    def seal(
        self, phases: Phases, source: str, *, limit_bytes: int = MIB
    ) -> tuple[Path, ArtifactFacts]:
        destination = phases.folder / "sealed.bin"
        with phases.start(WRITE + source) as running:
            facts = finished(running)
            assert facts.outcome == "completed", phases.lines
            return destination, running.seal("model.bin", destination, limit_bytes=limit_bytes)

    def test_what_is_hashed_is_what_was_written(self, phases: Phases) -> None:
        content = bytes(range(256)) * 4096
        destination, facts = self.seal(
            phases, "open(path, 'wb').write(bytes(range(256)) * 4096)", limit_bytes=len(content)
        )
        assert destination.read_bytes() == content
        assert facts.model_dump() == {
            "name": "model.bin",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("", "absent"),
            ("open(path, 'wb')", "empty"),
            ("os.symlink('/etc/passwd', path)", "found a symbolic link"),
            ("os.mkdir(path)", "found a directory"),
            ("os.mkfifo(path)", "found a FIFO"),
            ("import socket; s = socket.socket(socket.AF_UNIX); s.bind(path)", "found a socket"),
            ("open(path, 'wb').write(bytes((1 << 20) + 1))", "1 bytes over the limit"),
            ("open(path, 'wb').truncate(1 << 40)", "over the limit"),
        ],
    )
    def test_anything_else_is_refused(self, phases: Phases, source: str, reason: str) -> None:
        with pytest.raises(ArtifactError, match=reason):
            self.seal(phases, source)
        assert not (phases.folder / "sealed.bin").exists()

    def test_exactly_the_limit_passes(self, phases: Phases) -> None:
        _, facts = self.seal(phases, "open(path, 'wb').write(bytes(1 << 20))")
        assert facts.bytes == MIB

    @pytest.mark.parametrize(
        "name", ["../model.bin", "/a", "a/../b", "a//b", "..", "", "a\nb", "x" * 256]
    )
    def test_only_plain_names(self, phases: Phases, name: str) -> None:
        if phases.sandbox.output == "/output" and name != "/a":
            pytest.skip("the same code for both; one start is enough")
        with phases.start("print()") as running:
            finished(running)
            with pytest.raises(ArtifactError, match="plain name"):
                running.seal(name, phases.folder / "sealed.bin", limit_bytes=10)

    def test_a_late_artifact_does_not_exist(self, phases: Phases) -> None:
        source = WRITE + "open(path, 'wb').write(b'x')\nimport time; time.sleep(1000)"
        with phases.start(source, seconds=2.0) as running:
            assert finished(running).outcome == "deadline"
            with pytest.raises(ArtifactError, match="killed at its limit"):
                running.seal("model.bin", phases.folder / "sealed.bin", limit_bytes=10)

    def test_a_full_disk_of_ours_is_ours(self, phases: Phases) -> None:
        with phases.start(WRITE + "open(path, 'wb').write(b'x')") as running:
            finished(running)
            with pytest.raises(InfrastructureError, match="cannot write"):
                running.seal("model.bin", phases.folder / "none" / "sealed.bin", limit_bytes=10)


class TestLog:
    def test_escapes_and_broken_text_become_plain(self, phases: Phases) -> None:
        phases.run(
            "import sys; sys.stdout.buffer.write("
            "b'\\x1b[31mred\\x1b[0m\\ttab\\n\\xff\\x07\\xe2\\x80\\xae\\n\\x1b]0;title\\x07x\\r50%\\r\\n')"
        )
        assert phases.lines == ["red    tab", "\ufffd\ufffd\ufffd", "x", "50%"]

    def test_both_streams_are_kept_with_rising_stamps(self, phases: Phases) -> None:
        phases.run("import sys, time; print('a'); time.sleep(0.2); print('b', file=sys.stderr)")
        stamps = [float(line[:9]) for line in phases.log.read_text().splitlines()]
        assert phases.lines == ["a", "b"]
        assert 0 <= stamps[0] < stamps[1]

    def test_a_flood_is_bounded_marked_and_drained(self, phases: Phases) -> None:
        facts = phases.run("for _ in range(20): print('x' * 100_000 + '\\n' * 20_000)")
        assert facts.outcome == "completed"
        assert facts.log_truncated
        assert facts.log_bytes == phases.log.stat().st_size <= LIMITS.log_bytes
        assert "log cut" in phases.log.read_text().splitlines()[-1]

    def test_a_flood_without_newline_is_one_bounded_line(self, phases: Phases) -> None:
        facts = phases.run("for _ in range(64): print('x' * (1 << 20), end='')")
        assert facts.outcome == "completed"
        assert not facts.log_truncated
        (line,) = phases.lines
        assert len(line) == 4000
        assert line.endswith("[line cut]")

    def test_a_disk_that_is_full_is_ours_and_does_not_block_the_phase(self, phases: Phases) -> None:
        if sys.platform != "linux":
            pytest.skip("needs /dev/full")
        source = "for _ in range(100): print('x' * 10_000)"
        with (
            pytest.raises(InfrastructureError, match="the disk is full"),
            phases.start(source, log=Path("/dev/full")) as running,
        ):
            finished(running)


def test_a_phase_runs_nothing_before_it_is_told_that_it_starts(phases: Phases) -> None:
    """What the caller writes then is there before any code; what fails then stops the start."""
    logged: list[bool] = []

    def starting() -> None:
        time.sleep(0.5)
        logged.append(phases.log.stat().st_size > 0)

    with phases.sandbox.start(replace(phases.job("print('ran')"), starting=starting)) as running:
        assert finished(running).outcome == "completed"
    assert logged == [False]
    assert phases.lines == ["ran"]

    def failing() -> None:
        raise InfrastructureError("the disk is full")

    phases.log.unlink()
    with pytest.raises(InfrastructureError, match="the disk is full"):
        phases.sandbox.start(replace(phases.job("print('ran')"), starting=failing))
    assert phases.log.read_bytes() == b""
    assert leftovers() == []

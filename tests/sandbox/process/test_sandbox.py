"""What only the rehearsal sandbox does."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.sandbox.process import confining
from harness.sandbox.process.phase import ProcessPhase
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.protocol import ArtifactError
from tests.sandbox.conftest import LIMITS, MIB, Phases, finished, leftovers


@pytest.fixture
def rehearsal(tmp_path: Path) -> Phases:
    sandbox = ProcessSandbox()
    assert sandbox.prepare().kind == "process"
    return Phases(sandbox, tmp_path)


def test_python_and_torchrun_are_those_of_this_interpreter(rehearsal: Phases) -> None:
    rehearsal.run("import shutil, sys; print(sys.executable); print(shutil.which('torchrun'))")
    python, torchrun = rehearsal.lines
    folder = Path(sys.executable).parent
    assert Path(python).parent == folder
    assert torchrun == str(shutil.which("torchrun", path=str(folder)))


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python_is_there_when_the_interpreter_has_another_name(
    rehearsal: Phases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other = tmp_path / "a place" / "python3.11-of-the-test"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\nBY_OTHER=1 exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    source = "import os, sys; print(os.environ.get('BY_OTHER'), sys.argv[1:])"
    facts = rehearsal.run(source, command=(name, "main.py", "a b"))
    assert facts.outcome == "completed", rehearsal.lines
    assert rehearsal.lines == ["1 ['a b']"]


def test_a_phase_sees_the_gpus_of_its_job_and_the_driver_where_the_shell_finds_it(
    rehearsal: Phases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    names = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NCCL_CUMEM_HOST_ENABLE")
    source = f"import os; print([os.environ.get(name) for name in {names}])"
    job = rehearsal.job(source)
    for accelerators, expected in (
        ((), ["", None, None]),
        (("GPU-a", "GPU-b"), ["GPU-a,GPU-b", "/usr/local/nvidia/lib64", "0"]),
    ):
        with rehearsal.sandbox.start(replace(job, accelerators=accelerators)) as running:
            assert finished(running).outcome == "completed"
        assert rehearsal.lines == [str(expected)]


def test_code_is_a_copy_and_nothing_is_written_back(rehearsal: Phases) -> None:
    rehearsal.run("open('main.py', 'a').write('# changed'); print(__file__)")
    assert (rehearsal.folder / "code" / "main.py").read_text().count("# changed") == 1
    assert str(rehearsal.folder) not in rehearsal.lines[0]


def test_an_output_directory_that_became_a_link_is_not_followed(
    rehearsal: Phases, tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir(mode=0o755)
    source = f"""
        import os
        output = os.environ["OUTPUT_DIR"]
        os.rmdir(output)
        os.symlink({str(aside)!r}, output)
        open(output + "/model.bin", "w").write("x")
    """
    with rehearsal.start(source) as running:
        assert finished(running).outcome == "completed", rehearsal.lines
        with pytest.raises(ArtifactError, match="found a symbolic link"):
            running.seal("model.bin", tmp_path / "sealed.bin", limit_bytes=MIB)
    assert not (tmp_path / "sealed.bin").exists()
    assert not Path(rehearsal.sandbox.output).is_symlink()
    assert aside.is_dir() and aside.stat().st_mode & 0o777 == 0o755


def test_death_by_a_signal_reads_as_in_a_shell(rehearsal: Phases) -> None:
    facts = rehearsal.run("import os; os.kill(os.getpid(), 11)")
    assert (facts.outcome, facts.exit_code, facts.isolation) == ("failed", 139, ())


def test_an_output_directory_that_grows_too_large_ends_the_phase(rehearsal: Phases) -> None:
    facts = rehearsal.run(
        """
        import os, time
        open(os.environ["OUTPUT_DIR"] + "/sparse", "wb").truncate(1 << 40)
        time.sleep(1)
        print("holes do not count")
        open(os.environ["OUTPUT_DIR"] + "/big", "wb").write(bytes(4 << 20))
        time.sleep(1000)
        """,
        limits=LIMITS.model_copy(update={"output_bytes": 2 * MIB}),
    )
    assert facts.outcome == "failed"
    assert facts.detail == "killed: the output directory grew over its limit of 2,097,152 bytes"
    assert rehearsal.lines == ["holes do not count"]


def test_directories_without_permissions_are_removed(rehearsal: Phases) -> None:
    rehearsal.run("import os; os.makedirs('a/b'); os.chmod('a/b', 0); os.chmod('a', 0)")
    assert leftovers() == []


def test_a_second_train_phase_finds_an_empty_output(rehearsal: Phases) -> None:
    source = "import os; print(os.listdir(os.environ['OUTPUT_DIR']))\n"
    source += "open(os.environ['OUTPUT_DIR'] + '/left', 'w')"
    for _ in range(2):
        rehearsal.run(source)
        assert rehearsal.lines == ["[]"]


def test_torchrun_workers_are_killed_too(rehearsal: Phases) -> None:
    with rehearsal.start(
        "import time; print('up', flush=True); time.sleep(1000)",
        command=("torchrun", "--standalone", "--nproc_per_node=2", "main.py"),
        limits=LIMITS,
        seconds=240.0,
    ) as running:
        until = time.monotonic() + 200
        while running.last_line != "up" and time.monotonic() < until:
            assert running.wait(0.1) is None, rehearsal.lines
        assert running.last_line == "up"
        assert len([left for left in leftovers() if left.startswith("process")]) >= 3
        assert running.stop().outcome == "stopped"
        assert [left for left in leftovers() if left.startswith("process")] == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_harness_that_is_killed_leaves_what_the_next_one_reaps(
    rehearsal: Phases, how: signal.Signals
) -> None:
    script = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from harness.safeio import ownership
from harness.errors import InfrastructureError
from harness.sandbox.process.sandbox import ProcessPhase, ProcessSandbox
from tests.sandbox.conftest import Phases
phases = Phases(ProcessSandbox(), Path({str(rehearsal.folder)!r}))
with phases.start("import time; time.sleep(1000)"):
    print(ownership.me(), flush=True)
    time.sleep(1000)
"""
    harness = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert harness.stdout is not None
    name = harness.stdout.readline().strip()
    assert name
    mine = lambda found: found.startswith(name)  # noqa: E731
    assert len(leftovers(of=mine)) == 2  # process and directory
    rehearsal.sandbox.prepare()
    assert len(leftovers(of=mine)) == 2, "a living harness keeps what is its own"
    os.killpg(harness.pid, how)  # as Ctrl-C reaches everything in the foreground group
    harness.wait()
    harness.stdout.close()
    if how == signal.SIGKILL:
        rehearsal.sandbox.prepare()
    assert leftovers(of=mine) == []


def test_finding_it_needs_no_torch_and_no_docker() -> None:
    code = (
        "import sys, harness.sandbox.process.sandbox, harness.sandbox.docker.sandbox;"
        "print(sorted({'torch', 'docker', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stop_is_immediate_for_a_phase_that_ignores_everything(rehearsal: Phases) -> None:
    source = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]\n"
    with rehearsal.start(source + "time.sleep(1000)") as running:
        time.sleep(0.3)
        assert running.stop().exit_code == 137
        assert finished(running).outcome == "stopped"


def complaining(phase: ProcessPhase, *, kills: bool) -> None:
    """Have it say, as an engine does of a herd that dies slowly, that it cannot be killed."""
    kill = phase.kill

    def complain() -> bool:
        if kills:
            kill()
        raise InfrastructureError("PID 7990 is zombie and can not be killed")

    phase.kill = complain  # type: ignore[method-assign]


def test_what_dies_in_the_end_is_not_lost_because_it_was_hard_to_kill(rehearsal: Phases) -> None:
    """Else whoever does not like his score makes sure that it cannot be taken down."""
    with rehearsal.start("import time; time.sleep(60)") as running:
        assert isinstance(running, ProcessPhase)
        complaining(running, kills=True)
        assert running.stop().outcome == "stopped"


def test_what_does_not_die_is_lost(rehearsal: Phases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.sandbox.phase._KILL_SECONDS", 0.2)
    with rehearsal.start("import time; time.sleep(60)") as running:
        assert isinstance(running, ProcessPhase)
        complaining(running, kills=False)
        with pytest.raises(InfrastructureError, match="zombie"):
            running.stop()


WRITES = "open('log.txt', 'w').write('x')"
CONNECTS = (
    "import socket\n"
    "server = socket.create_server(('127.0.0.1', 0))\n"
    "socket.create_connection(server.getsockname())\n"
    "print('loopback')\n"
    "try:\n"
    "    socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
    "except OSError as error:\n"
    "    print(error.strerror)\n"
)


def test_the_code_folder_cannot_be_written_as_in_a_container(rehearsal: Phases) -> None:
    """With walls by the kernel, else for an ordinary user by modes, else it is noticed."""
    facts = rehearsal.run(WRITES)
    assert (facts.outcome, facts.exit_code) == ("failed", 1)
    said = f"{facts.detail} {rehearsal.lines[-1:]}"
    assert "log.txt" in said and ("ead-only" in said or "ermission denied" in said)


@pytest.mark.parametrize("source", [WRITES, "import os; os.remove('main.py')"])
def test_without_walls_what_is_written_there_is_noticed(
    rehearsal: Phases, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr(confining, "can_confine", lambda: False)
    facts = rehearsal.run(source)
    assert (facts.outcome, facts.exit_code) == ("failed", 1)
    if os.getuid() == 0:  # whom no mode stops
        assert "which the referee mounts read-only; write to OUTPUT_DIR" in facts.detail
    assert rehearsal.run("print(1)").outcome == "completed"


@pytest.mark.skipif(not confining.can_confine(), reason="this machine gives us no namespaces")
def test_there_is_no_network_but_the_loopback(rehearsal: Phases) -> None:
    assert rehearsal.run(CONNECTS).outcome == "completed", rehearsal.lines
    assert rehearsal.lines == ["loopback", "Network is unreachable"]


@pytest.mark.skipif(not confining.can_confine(), reason="this machine gives us no namespaces")
def test_nothing_is_installed_into_our_own_python(rehearsal: Phases) -> None:
    source = (
        "import pathlib, sys\n"
        "try:\n"
        "    (pathlib.Path(sys.prefix) / 'x').write_text('x')\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    rehearsal.run(source)
    assert rehearsal.lines == ["Read-only file system"]
    assert not (Path(sys.prefix) / "x").exists()


def test_pip_looks_nowhere_and_installs_elsewhere(rehearsal: Phases) -> None:
    rehearsal.run("import os; print(os.environ['PIP_NO_INDEX'], os.environ['PIP_PREFIX'])")
    (line,) = rehearsal.lines
    assert line.startswith("1 ") and not line.endswith(sys.prefix)

"""What may become a record has the machine to itself; who comes meanwhile waits."""

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.run.one_at_a_time import VARIABLE, machine_lock, on_this_machine, one_begins
from tests.conftest import SANDBOXES
from tests.factories.playground import BIGRAM, ON_ANY_ENGINE, harness, write_track

HOLD = """
import sys
from harness.run.one_at_a_time import on_this_machine
with on_this_machine(alone=sys.argv[1] == "alone", note=print):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "machine"))
    return machine_lock()


@contextlib.contextmanager
def somebody(how: str) -> Iterator[subprocess.Popen[str]]:
    """Another harness at work, until it is killed."""
    command = [sys.executable, "-c", HOLD, how]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


@pytest.mark.parametrize(
    ("there", "comes", "waits"),
    [
        ("alone", "alone", True),
        ("alone", "beside", True),
        ("beside", "alone", True),
        ("beside", "beside", False),
    ],
)
def test_only_those_who_do_not_count_work_beside_each_other(
    there: str, comes: str, waits: bool
) -> None:
    said: list[str] = []
    with somebody(there) as other:

        def tells(text: str) -> None:
            said.append(text)
            other.kill()  # else this would wait for ever

        with on_this_machine(alone=comes == "alone", note=tells):
            pass
    assert len(said) == waits
    if waits:
        assert "is at work on this machine; this waits for its end" in said[0]


@pytest.mark.long
def test_a_verification_waits_before_its_code_starts(
    tmp_path: Path, data_root: Path, forked: None
) -> None:
    """And is not told apart from one that did not have to, once it is over."""
    track = write_track(tmp_path / "t.toml", seeds="2")
    options = ["--sandbox", "process", "--data", data_root, "--runs", tmp_path / "runs"]
    begun: list[list[Path]] = []
    with somebody("alone") as other:

        def ends() -> None:
            time.sleep(3)
            begun.append(list(tmp_path.glob("runs/*/seed-*/try-*")))
            other.kill()

        thread = threading.Thread(target=ends)
        thread.start()
        done = harness("verify", BIGRAM, "--track", track, *options, "--json", "-")
        thread.join()
    assert begun == [[]]
    assert "a verification that counts is at work on this machine" in done.err
    assert done.verdict["verdict"] == "REHEARSED"


@pytest.mark.long
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_what_may_become_a_record_is_alone(
    tmp_path: Path, data_root: Path, lock: Path, sandbox: str, forked: None
) -> None:
    """In a sandbox that isolates; without isolation nothing can become one."""
    track = write_track(tmp_path / "t.toml", rehearsal=ON_ANY_ENGINE, seeds="2")
    options = ["--sandbox", sandbox, "--data", data_root, "--runs", tmp_path / "runs"]
    seen, over = set(), threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            if not list(tmp_path.glob("runs/*/seed-*/*/train.log")):
                continue
            with lock.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    try:
                        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                        seen.add("beside")
                    except BlockingIOError:
                        seen.add("alone")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        done = harness("verify", BIGRAM, "--track", track, *options, "--json", "-")
    finally:
        over.set()
        thread.join()
    assert done.verdict["seeds"], done.err
    assert seen == {"alone" if sandbox == "docker" else "beside"}


def test_a_lock_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent" / "lock"))
    with (
        pytest.raises(InfrastructureError, match="absent"),
        on_this_machine(alone=True, note=print),
    ):
        pass


def test_without_a_name_it_is_the_same_file_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert machine_lock().name == "parameter-golf.lock"
    assert os.access(machine_lock().parent, os.W_OK)


def test_who_waits_to_be_alone_is_not_overtaken(lock: Path) -> None:
    """Rehearsals that come and go, each before the last has left, would keep him out for ever."""
    order: list[str] = []
    beside = ExitStack()
    beside.enter_context(on_this_machine(alone=False, note=print))
    waits = threading.Event()

    def counts() -> None:
        with on_this_machine(alone=True, note=lambda text: waits.set()):
            order.append("counts")

    def rehearses() -> None:
        with on_this_machine(alone=False, note=lambda text: beside.close()):
            order.append("rehearses")

    threads = [threading.Thread(target=each) for each in (counts, rehearses)]
    threads[0].start()
    assert waits.wait(60)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert order == ["counts", "rehearses"]


def test_a_lock_whose_file_was_removed_meanwhile_is_that_of_the_new_one(lock: Path) -> None:
    with somebody("alone") as other:

        def removes(text: str) -> None:
            lock.unlink()
            lock.touch()
            other.kill()

        with (
            on_this_machine(alone=True, note=removes),
            lock.open("rb") as file,
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


@pytest.mark.parametrize("kind", ["a folder", "a FIFO", "a name that is too long"])
def test_what_cannot_be_locked_is_told_before_anything_is_begun(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / ("x" * 300 if kind == "a name that is too long" else "lock")
    if kind == "a folder":
        path.mkdir()
    elif kind == "a FIFO":
        os.mkfifo(path)
    monkeypatch.setenv(VARIABLE, str(path))
    options = ["--sandbox", "process", "--data", data_root, "--runs", tmp_path / "runs"]
    done = harness("verify", BIGRAM, "--track", write_track(tmp_path / "t.toml"), *options)
    assert done.code == 3
    assert "the lock that stands for this machine cannot be had" in done.err
    assert VARIABLE in done.err
    assert not list(tmp_path.glob("runs/*"))


def test_plans_are_drawn_one_after_the_other(tmp_path: Path) -> None:
    """Each sees what was begun before it, also where several come at the same instant."""
    inside, most = 0, 0
    counting = threading.Lock()

    def draws() -> None:
        nonlocal inside, most
        with one_begins(tmp_path / "runs"):
            with counting:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with counting:
                inside -= 1

    threads = [threading.Thread(target=draws) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not list((tmp_path / "runs").iterdir())

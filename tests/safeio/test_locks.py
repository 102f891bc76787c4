"""Locks between processes, and file systems that have none."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.safeio.locks import BusyError, is_locked, locked

HOLD = """
import sys
from pathlib import Path
from harness.safeio.locks import locked
with locked(Path(sys.argv[1]), what="run"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_of_another_process_is_seen_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert is_locked(path)
        with pytest.raises(BusyError, match="at work on this run"), locked(path, what="run"):
            pass
        other.kill()
        other.wait()
    assert not is_locked(path)
    with locked(path, what="run"):
        assert is_locked(path)


def test_who_looks_takes_nothing_away(tmp_path: Path) -> None:
    """A run begins although somebody looks at that instant whether its draw is held."""
    path = tmp_path / "lock"
    path.touch()
    look = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1], 'rb')\n"
        "fcntl.flock(file, fcntl.LOCK_SH)\n"
        "print('looks', flush=True)\n"
        "time.sleep(0.05)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", look, str(path)], stdout=subprocess.PIPE
    ) as looking:
        assert looking.stdout is not None
        looking.stdout.readline()
        with locked(path, what="run"):
            pass


def test_in_a_directory_for_all_the_lock_is_everybodys(tmp_path: Path) -> None:
    """Whoever made its file: another user, who may have ended, or root."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    shared = Path(tempfile.mkdtemp(prefix="pgolf-locks-"))
    try:
        shared.chmod(0o1777)
        path = shared / "lock"
        path.touch()
        os.chown(path, 12345, 12345)
        with locked(path, what="run"):
            assert is_locked(path)
        by_another = (
            "import os, sys; from pathlib import Path; from harness.safeio.locks import locked\n"
            "os.setgid(12346); os.setuid(12346)\n"
            "with locked(Path(sys.argv[1]), what='run'): print('held')"
        )
        command = [sys.executable, "-c", by_another, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout == "held\n", done.stderr
    finally:
        shutil.rmtree(shared)


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(InfrastructureError, match=r"gives no locks .*two harnesses"),
        locked(tmp_path / "lock", what="run"),
    ):
        pass


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(InfrastructureError, match="expected a file to lock"):
        is_locked(tmp_path / "lock")
    with (
        pytest.raises(InfrastructureError, match="expected a file to lock"),
        locked(tmp_path / "lock", what="run"),
    ):
        pass

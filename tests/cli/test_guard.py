"""What surrounds every command: no failure may look like a verdict, no signal leave a mess."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli.guard import guarded
from harness.errors import InfrastructureError
from tests.factories.playground import BIGRAM, ROOT, harness, write_submission

SIGNALS = """
import os, signal, sys, time
from harness.cli.guard import guarded

def command():
    try:
        os.kill(os.getpid(), signal.{first})
        time.sleep(0.2)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        time.sleep(0.01)
        print("cleaned up")
    return 0

class Late:
    def __del__(self):
        for number in (1, 2, 15):
            self.kill(self.process, number)

late = Late()
late.kill, late.process = os.kill, os.getpid()
signal.late = late  # outlives what Python does with handlers at its exit
sys.exit(guarded(command))
"""


def python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        text=True,
        encoding="utf-8",
        check=False,
        cwd=ROOT,
        capture_output=True,
        **options,
    )


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_impatient_signals_do_not_break_off_what_the_first_one_cleans_up(first: str) -> None:
    done = python(SIGNALS.format(first=first))
    assert (done.returncode, done.stdout) == (130, "cleaned up\n")
    assert done.stderr == "harness: interrupted; finish with --resume\n"


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code = "import os, signal, sys; from harness.cli.guard import guarded\n"
    code += "sys.exit(guarded(lambda: os.kill(os.getpid(), signal.SIGHUP) or 7))"
    assert python(ignoring + code).returncode == 7


def test_what_nobody_foresaw_is_never_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RecursionError("\x1b[31mas nobody foresaw")

    monkeypatch.setattr("harness.gate.precheck.precheck", fail)
    done = harness("check", BIGRAM)
    assert done.code == 3
    assert "Traceback" in done.err and "as nobody foresaw" in done.err
    assert "INCONCLUSIVE: an unforeseen failure of the harness itself" in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize("command", ["queue", "inspect", "leaderboard accept"])
def test_a_path_that_the_system_refuses_is_told_and_is_no_failure_of_ours(command: str) -> None:
    done = harness(*command.split(), "a" * 300)
    assert done.code == 2 and "Traceback" not in done.err
    assert "a" * 300 in done.err and "cannot be looked at: File name too long" in done.err


def test_a_file_that_is_lost_on_the_way_is_our_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", b"/runs/plan.json")

    monkeypatch.setattr("harness.gate.precheck.precheck", fail)
    done = harness("check", BIGRAM)
    assert done.code == 3 and "Traceback" not in done.err
    assert "INCONCLUSIVE: /runs/plan.json: cannot be read or written: No such file" in done.err


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8:strict"])
def test_what_stdout_has_no_characters_for_is_escaped(encoding: str) -> None:
    code = "import sys; from harness.cli.guard import guarded\n"
    code += "from harness.cli.options import write_json\n"
    code += "from harness.safeio.output import tell\n"
    code += "said = lambda: tell('\\udcff') or write_json('\"\\U0001f600\"', '-') or 0\n"
    code += "sys.exit(guarded(said))"
    done = python(code, env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert (first, json.loads(second)) == ("\\udcff", "\U0001f600")


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("words", [["check", str(BIGRAM)], ["--version"]])
def test_a_full_disk_under_stdout_is_told_in_one_message(words: list[str], buffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )
    if words == ["--version"] and buffered:
        return  # argparse itself keeps silent about it
    assert done.returncode == 3
    assert done.stderr.count("harness: ") == 1
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_stderr_that_cannot_be_written_does_not_change_the_exit_code() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harness", "check", "/nowhere"],
            stderr=full,
            check=False,
            cwd=ROOT,
        )
    assert done.returncode == 2


def unread(*arguments: object) -> int:
    """The exit code of a command whose reader is gone before it prints a word."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            stdout=writing,
            stderr=subprocess.DEVNULL,
            check=False,
            cwd=ROOT,
        ).returncode
    finally:
        os.close(writing)


def test_a_reader_that_goes_away_changes_no_exit_code(tmp_path: Path) -> None:
    assert unread("check", BIGRAM) == 0
    folder = write_submission(tmp_path / "toy")
    (folder / "submission.json").write_text('{"bytes_total": 17000000}')
    assert unread("check", folder) == 1
    assert unread("check", tmp_path / "gone") == 2
    assert unread("--help") == 0


def test_a_verification_goes_on_without_its_reader(tmp_path: Path, data_root: Path) -> None:
    folder = write_submission(tmp_path / "toy", train="pass")
    runs = tmp_path / "runs"
    options = ["--track", "smoke", "--sandbox", "process", "--data", data_root, "--runs", runs]
    assert unread("verify", folder, *options) == 1
    assert unread("verify", folder, *options, "--json", "-") == 1
    assert len(list(runs.glob("*/verdict.json"))) == 2


def test_errors_of_the_family_keep_their_codes(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise InfrastructureError("the disk is gone", remedy="find it")

    before = {number: signal.getsignal(number) for number in (2, 15, 1)}
    try:
        assert guarded(fail) == 3
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "INCONCLUSIVE: the disk is gone" in capsys.readouterr().err

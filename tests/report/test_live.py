"""What is shown while a verification runs, on terminals and elsewhere."""

import io
import os
import pty
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from rich.console import Console

from harness.contest.track import load_track
from harness.evidence.draws import Draw
from harness.evidence.phase import LogEnd
from harness.evidence.run import Run
from harness.evidence.steps import step_of
from harness.evidence.store import RunDirectory
from harness.report.live import LineProgress, LiveProgress, make_progress, print_steps
from harness.report.running import closing
from harness.run.progress import Progress, Shielded
from tests.factories import plans, results, runs

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
TRAIN, SCORE = step_of("train"), step_of("score")


def directory() -> RunDirectory:
    plan = plans.plan(
        load_track("smoke"),
        entry=plans.entry(name="Naive\x1b[2J [bold]baseline"),
        draws=tuple(
            Draw(number=number, seed=seed, purpose="look")
            for number, seed in enumerate((11, 22, 33))
        ),
        required=plans.required(sandbox="process", isolation=()),
    )
    return RunDirectory(Path("runs/x"), plan)


def finished(number: int) -> Run:
    return runs.seed_run(
        directory().plan.draws[number],
        2.6151,
        train=results.phase("train", wallclock_seconds=18.4),
        score=results.phase("score", wallclock_seconds=9.7),
        artifact=results.sealed(bytes(3_417_902)),
    )


def troubled(number: int) -> Run:
    failure = results.failure("submission", "training", "exit\ncode 1")
    return runs.seed_run(directory().plan.draws[number], failure=failure)


def whole_run(progress: Progress) -> None:
    progress.note("note\x07 of [red]interest")
    progress.started(directory())
    progress.step(directory(), finished(0), TRAIN, limit_seconds=20.0)
    progress.tick(1.0, "step:1/100 train_loss:6.9")
    progress.step(directory(), finished(0), SCORE, limit_seconds=60.0)
    progress.tick(2.0, "", targets_done=500, targets_total=1000, tokens_per_second=12345.6)
    progress.ended(directory(), finished(0))
    progress.step(directory(), troubled(1), TRAIN, limit_seconds=20.0)
    progress.ended(directory(), troubled(1))
    progress.close()
    progress.close()


def test_lines_are_plain_and_whole_and_ticks_are_rare() -> None:
    file = io.StringIO()
    now = [0.0]
    progress = LineProgress(Console(file=file, width=40), clock=lambda: now[0])
    progress.step(directory(), finished(1), SCORE, limit_seconds=60.0)
    for second in range(35):
        now[0] = float(second)
        progress.tick(
            second,
            f"line {second}\x1b[2J " + "x" * 2000,
            targets_done=second,
            targets_total=100,
            tokens_per_second=50_000,
        )
    lines = file.getvalue().splitlines()
    assert lines[0] == "seed 2 of 3 (22): scoring, at most 60 s"
    assert [line.split(" | ")[0] for line in lines[1:]] == [
        f"seed 2 of 3 (22): scoring, {second}.0 of 60 s" for second in (10, 20, 30)
    ]
    assert lines[1].split(" | ")[1] == "10 of 100 targets (10 %), 50,000 tokens/s"
    assert lines[1].split(" | ")[2] == "this step in a few seconds"
    assert lines[1].split(" | ")[3].startswith("line 10[2J xxx")
    assert max(map(len, lines)) < 700


def test_lines_tell_the_whole_run() -> None:
    file = io.StringIO()
    whole_run(LineProgress(Console(file=file, width=80)))
    text = file.getvalue()
    assert "\x1b" not in text
    assert "\x07" not in text
    lines = text.splitlines()
    assert lines[0] == "note of [red]interest"
    assert lines[1] == 'verifying "Naive[2J [bold]baseline" on track smoke, edition 2026-11'
    assert "rehearsal: not isolated" in lines[2]
    assert lines[3] == "seeds 11, 22, 33 (drawn)"
    assert lines[4] == "evidence in runs/x"
    assert "seed 11: 2.615100 BPB, artifact 3,417,902 bytes, train 18.4 s, score 9.7 s" in lines
    assert lines[-1] == (
        "seed 22: train 15.0 s, no score, train failed (submission): exit code 1; "
        "see runs/x/seed-22/try-1/train.log"
    )


def test_a_kill_tells_what_was_printed_last_and_when() -> None:
    killed = results.phase(
        "train",
        outcome="deadline",
        detail="killed at the limit of 20 s",
        log_end=LogEnd(text="step 120 loss 3.1", seconds=19.31),
    )
    run = runs.seed_run(directory().plan.draws[1], train=killed, artifact=None)
    assert closing(directory(), run) == (
        "seed 22: train 15.0 s, no score, train: killed at the limit of 20 s; the last line of its "
        "log, at 19.3 s: step 120 loss 3.1; see runs/x/seed-22/try-1/train.log"
    )


def test_the_time_that_is_left_follows_from_the_seeds_before() -> None:
    """Two phases of 15 s and two of 75 s a seed; of the second, the training is done."""
    progress = LiveProgress(Console(file=io.StringIO(), width=80, force_terminal=True))
    train, score = (results.phase(name, wallclock_seconds=75.0) for name in ("train", "score"))
    first = runs.seed_run(directory().plan.draws[0], 2.6151, train=train, score=score)
    assert sum(p.wallclock_seconds for step in first.steps for p in step.phases) == 180

    def heading(run: Run, number: int, elapsed: float) -> str:
        under_way = run.model_copy(update={"draw": number, "seed": 22, "steps": run.steps[:1]})
        progress.step(directory(), under_way, SCORE, limit_seconds=None)
        progress.tick(elapsed, "")
        assert progress._step is not None
        return progress._step.heading

    assert heading(first, 0, 10.0) == "seed 1 of 3 (22): scoring"
    progress.ended(directory(), first)
    assert heading(first, 1, 15.0) == "seed 2 of 3 (22): scoring, about 4 min left"
    assert heading(first, 2, 15.0) == "seed 3 of 3 (22): scoring, about 2 min left"
    assert heading(first, 2, 95.0) == "seed 3 of 3 (22): scoring, a few seconds left"


def test_a_failure_after_the_scoring_keeps_the_score() -> None:
    failure = results.failure("submission", "causality", "crashed")
    run = runs.seed_run(directory().plan.draws[0], 2.6151, failure=failure)
    assert run.phase("score") is not None
    line = closing(directory(), run)
    assert "2.615100 BPB" in line
    assert "no score" not in line
    assert line.endswith("probe failed (submission): crashed; see runs/x/seed-11/try-1/probe.log")


def test_live_shows_state_and_gives_the_terminal_back() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, _environ={"TERM": "xterm"})
    progress = LiveProgress(console)
    progress.started(directory())
    progress.step(directory(), finished(0), SCORE, limit_seconds=60.0)
    progress.tick(
        6.0, "hello\x1b[2J" + "y" * 5000, targets_done=5, targets_total=10, tokens_per_second=99
    )
    progress._live.refresh()
    progress.ended(directory(), finished(0))
    progress.close()
    text = file.getvalue()
    assert "seed 1 of 3 (11): scoring" in text
    assert "6.0 of 60 s" in text
    assert "5 of 10 targets (50 %), 99 tokens/s" in text
    assert "hello[2J" in text
    assert "\x1b[2J" not in text
    assert "2.615100 BPB" in text
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_live_picture_fits_the_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    progress = LiveProgress(console)
    progress.step(directory(), finished(0), SCORE, limit_seconds=600.0)
    progress.tick(6.0, "z" * 400, targets_done=5, targets_total=10, tokens_per_second=99)
    plain_console = Console(file=io.StringIO(), width=width)
    plain_console.print(progress._picture())
    assert isinstance(plain_console.file, io.StringIO)
    lines = plain_console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 6


@pytest.mark.parametrize("ending", ["raise RuntimeError('boom')", "sys.exit(3)"])
def test_a_terminal_is_sane_after_an_exception(ending: str) -> None:
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from rich.console import Console
        from harness.report.live import make_progress
        from tests.report.test_live import TRAIN, directory, finished
        progress = make_progress(Console())
        assert type(progress.display).__name__ == "LiveProgress"
        progress.started(directory())
        progress.step(directory(), finished(0), TRAIN, limit_seconds=20.0)
        {ending}
        """
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 4096):
            chunks.append(chunk)
    except OSError:  # Linux says EIO when the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(60) != 0
    text = b"".join(chunks).decode()
    assert HIDE_CURSOR in text, text
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)


def displayed(shown: Console) -> Progress:
    progress = make_progress(shown)
    assert isinstance(progress, Shielded)
    return progress.display


def test_the_right_kind_is_chosen() -> None:
    def console(**options: bool) -> Console:
        return Console(file=io.StringIO(), _environ={"TERM": "xterm"}, **options)  # type: ignore[arg-type]

    assert type(make_progress(None)) is Progress
    assert type(make_progress(console(quiet=True))) is Progress
    assert isinstance(displayed(console()), LineProgress)
    assert isinstance(displayed(console(force_terminal=True)), LiveProgress)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(displayed(dumb), LineProgress)


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    whole_run(Progress())
    assert capsys.readouterr() == ("", "")


def test_steps_are_said_once_where_nothing_can_move() -> None:
    file = io.StringIO()
    with print_steps(Console(file=file, width=30)) as step:
        for done in range(5):
            step("tokenizing documents of the whole corpus", done, 5)
        step("counting", 0, 1)
    assert file.getvalue() == "tokenizing documents of the whole corpus\ncounting\n"


def test_steps_move_on_a_terminal() -> None:
    file = io.StringIO()
    console = Console(file=file, width=60, force_terminal=True, _environ={"TERM": "xterm"})
    with print_steps(console) as step:
        step("tokenizing", 1, 4)
    text = file.getvalue()
    assert re.search(r"preparing|tokenizing, 25 %", text)
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)

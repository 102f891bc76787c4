"""What is shown while a verification runs; nothing of it is evidence."""

import atexit
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from harness.evidence.run import Run
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory
from harness.report.blocks import Bar
from harness.report.console import PatientConsole
from harness.report.figures import number, sparkline
from harness.report.layout import BudgetBars, Pairs
from harness.report.running import LINE_LIMIT, Pace, RunningStep, closing, opening
from harness.report.sentences import PATH_LIMIT
from harness.run.progress import Progress, Shielded
from harness.safeio.output import say
from harness.safeio.text import plain

_REFRESHES_PER_SECOND = 4
_TICK_SECONDS = 10.0
_SHORTEST_CURVE, _LONGEST_CURVE = 8, 60


class _Paced(Progress):
    """Knows how long the runs of each verification took so far."""

    def __init__(self) -> None:
        self._paces: dict[Path, Pace] = {}

    def _pace(self, directory: RunDirectory) -> Pace:
        return self._paces.setdefault(directory.path, Pace(directory))


class LineProgress(_Paced):
    """One plain line for each event, for files and pipes.

    Args:
        console: where the lines go.
        clock: monotonic seconds; a tick is printed when ten of them passed since the last line.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._console = console
        self._clock = clock
        self._printed_at = clock()
        self._step: RunningStep | None = None

    def _print(self, line: str) -> None:
        self._console.print(Text(plain(line, 2 * PATH_LIMIT)), soft_wrap=True)
        self._printed_at = self._clock()

    def started(self, directory: RunDirectory) -> None:
        """Print what runs, where, and with which seeds."""
        for line in opening(directory):
            self._print(line)

    def note(self, text: str) -> None:
        """Print the note."""
        self._print(plain(text, LINE_LIMIT))

    def step(
        self, directory: RunDirectory, run: Run, step: Step, *, limit_seconds: float | None
    ) -> None:
        """Print which step of which seed begins."""
        self._step = RunningStep.begun(directory, run, step, limit_seconds, self._pace(directory))
        most = "" if limit_seconds is None else f", at most {number(limit_seconds)} s"
        self._print(f"{self._step.title}{most}")

    def tick(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int = 0,
        targets_total: int = 0,
        tokens_per_second: float = 0.0,
        bpb: float | None = None,
    ) -> None:
        """Print how far the step is, at most once in ten seconds."""
        if self._step is None or self._clock() - self._printed_at < _TICK_SECONDS:
            return
        state = self._step.at(
            elapsed_seconds,
            last_line,
            targets_done=targets_done,
            targets_total=targets_total,
            tokens_per_second=tokens_per_second,
            bpb=bpb,
        )
        loss = f"loss {state.loss}" if state.loss else ""
        said = [state.scored, state.cost, loss, state.end, state.last_line]
        parts = [f"{state.title}, {state.clock}", *said]
        self._print(" | ".join(part for part in parts if part))

    def ended(self, directory: RunDirectory, run: Run) -> None:
        """Print the result of the run."""
        self._step = None
        self._pace(directory).ended(run)
        self._print(closing(directory, run))

    def close(self) -> None:
        """Print nothing."""
        self._step = None


class LiveProgress(_Paced):
    """A small live display below the finished seeds, for terminals.

    The display is removed at :meth:`close`, or at the interpreter's exit if that was not called:
    the cursor never stays hidden.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._step: RunningStep | None = None
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
        )

    def _picture(self) -> RenderableType:
        state = self._step
        if state is None:
            return Text()
        blocks: list[RenderableType] = [
            Text(state.heading, style="bold", no_wrap=True, overflow="ellipsis")
        ]
        rows = []
        if state.limit_seconds is None:
            rows.append(("elapsed", Text(state.clock)))
        else:
            limit = max(state.limit_seconds, 1e-9)
            blocks.append(BudgetBars([Bar("elapsed", state.elapsed_seconds, limit, state.clock)]))
        if state.loss:
            rows.append(("loss   ", self._loss(state)))
        for label, said in (("scored ", state.scored), ("cost   ", state.cost)):
            if said:
                rows.append((label, Text(said)))
        if state.end:
            rows.append(("ends   ", Text(state.end)))
        line = Text(state.last_line or "-", style="dim", no_wrap=True, overflow="ellipsis")
        line.truncate(max(self._console.width - len("  elapsed  "), 1), overflow="ellipsis")
        rows.append(("log    ", line))  # the width of "elapsed"
        return Group(*blocks, Pairs(rows))

    def _loss(self, state: RunningStep) -> Text:
        """The curve as far as there is room, and its figures."""
        room = self._console.width - len("  elapsed  ") - len(state.loss) - 2
        if state.log is None or room < _SHORTEST_CURVE:
            return Text(state.loss)
        values = state.log.curve(min(room, _LONGEST_CURVE))
        ascii_only = self._console.options.ascii_only
        curve = sparkline(values, ascii_only=ascii_only, lowest=min(values, default=0.0))
        return Text.assemble((curve, "cyan"), "  ", state.loss)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)  # it may hold a path that is copied

    def started(self, directory: RunDirectory) -> None:
        """Print what runs, and start the live display."""
        first, *rest = opening(directory)
        self._print(Text(first, style="bold"))
        for line in rest:
            self._print(Text(line, style="dim"))
        atexit.register(self.close)
        self._live.start()

    def note(self, text: str) -> None:
        """Print the note above the display."""
        self._print(Text(plain(text, LINE_LIMIT)))

    def step(
        self, directory: RunDirectory, run: Run, step: Step, *, limit_seconds: float | None
    ) -> None:
        """Show the step with an empty budget bar."""
        self._step = RunningStep.begun(directory, run, step, limit_seconds, self._pace(directory))

    def tick(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int = 0,
        targets_total: int = 0,
        tokens_per_second: float = 0.0,
        bpb: float | None = None,
    ) -> None:
        """Take the new state; it is drawn a few times a second, however often this is called."""
        if self._step is not None:
            self._step = self._step.at(
                elapsed_seconds,
                last_line,
                targets_done=targets_done,
                targets_total=targets_total,
                tokens_per_second=tokens_per_second,
                bpb=bpb,
            )

    def ended(self, directory: RunDirectory, run: Run) -> None:
        """Print the run's result above the display."""
        self._step = None
        self._pace(directory).ended(run)
        self._print(Text(closing(directory, run), style="red" if run.failure else "green"))

    def close(self) -> None:
        """Remove the display and show the cursor again."""
        self._step = None
        atexit.unregister(self.close)
        self._live.stop()


@contextlib.contextmanager
def print_steps(console: Console | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """A callable ``(stage, done, total)`` that shows the progress of a long preparation.

    One line that moves on a terminal; elsewhere one line for each stage. Goes to stderr.
    """
    console = console or PatientConsole(stderr=True, highlight=False)
    stages: set[str] = set()
    moving = console.is_terminal and not console.is_dumb_terminal
    with console.status(Text("preparing")) if moving else contextlib.nullcontext() as status:

        def step(stage: str, done: int, total: int) -> None:
            stage = plain(stage, LINE_LIMIT)
            if status is not None:
                share = f", {100 * done / total:.0f} %" if total > 1 else ""
                status.update(Text(f"{stage}{share}"))
            elif stage not in stages:
                console.print(Text(stage), soft_wrap=True)
            stages.add(stage)

        yield step


def make_progress(console: Console | None) -> Progress:
    """A live display on a terminal, lines elsewhere, nothing for a quiet console or none."""
    if console is None or console.quiet:
        return Progress()
    if console.is_terminal and not console.is_dumb_terminal:
        return Shielded(LiveProgress(console), say)
    return Shielded(LineProgress(console), say)

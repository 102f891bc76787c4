"""What is shown while a verification runs; nothing of it is evidence."""

import atexit
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from harness.evidence.facts import SeedRun, Verification
from harness.report.blocks import Bar
from harness.report.console import PatientConsole
from harness.report.figures import number
from harness.report.layout import BudgetBars, Pairs
from harness.report.running import LINE_LIMIT, RunningPhase, closing, opening
from harness.report.sentences import PATH_LIMIT
from harness.run.progress import Progress, SilentProgress
from harness.safeio.text import plain

_REFRESHES_PER_SECOND = 4
_TICK_SECONDS = 10.0


class LineProgress:
    """One plain line for each event, for files and pipes.

    Args:
        console: where the lines go.
        clock: monotonic seconds; a tick is printed when ten of them passed since the last line.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._printed_at = clock()
        self._phase: RunningPhase | None = None

    def _print(self, line: str) -> None:
        self._console.print(Text(plain(line, 2 * PATH_LIMIT)), soft_wrap=True)
        self._printed_at = self._clock()

    def started(self, verification: Verification, directory: Path) -> None:
        """Prints what runs, where, and with which seeds."""
        for line in opening(verification, directory):
            self._print(line)

    def note(self, text: str) -> None:
        """Prints the note."""
        self._print(plain(text, LINE_LIMIT))

    def phase(
        self, seed_index: int, seed_count: int, seed: int, phase: str, limit_seconds: float
    ) -> None:
        """Prints which phase of which seed begins."""
        self._phase = RunningPhase(seed_index, seed_count, seed, phase, limit_seconds)
        self._print(f"{self._phase.title}, at most {number(limit_seconds)} s")

    def tick(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int = 0,
        targets_total: int = 0,
        tokens_per_second: float = 0.0,
    ) -> None:
        """Prints how far the phase is, at most once in ten seconds."""
        if self._phase is None or self._clock() - self._printed_at < _TICK_SECONDS:
            return
        state = self._phase.at(
            elapsed_seconds,
            last_line,
            targets_done=targets_done,
            targets_total=targets_total,
            tokens_per_second=tokens_per_second,
        )
        parts = [f"{state.title}, {state.clock}", state.scored, state.last_line]
        self._print(" | ".join(part for part in parts if part))

    def seed_done(self, run: SeedRun) -> None:
        """Prints what the seed run came to."""
        self._phase = None
        self._print(closing(run))

    def close(self) -> None:
        """Prints nothing."""
        self._phase = None


class LiveProgress:
    """A small live picture below the finished seeds, for terminals.

    The picture is removed at :meth:`close`, and at the interpreter's end should nobody get
    that far: a hidden cursor never stays behind.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase: RunningPhase | None = None
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
        )

    def _picture(self) -> RenderableType:
        state = self._phase
        if state is None:
            return Text()
        limit = max(state.limit_seconds, 1e-9)
        blocks: list[RenderableType] = [
            Text(state.title, style="bold", no_wrap=True, overflow="ellipsis"),
            BudgetBars([Bar("elapsed", state.elapsed_seconds, limit, state.clock)]),
        ]
        rows = []
        if state.scored:
            rows.append(("scored ", Text(state.scored)))
        line = Text(state.last_line or "-", style="dim", no_wrap=True, overflow="ellipsis")
        line.truncate(max(self._console.width - len("  elapsed  "), 1), overflow="ellipsis")
        rows.append(("log    ", line))  # as wide as "elapsed"
        return Group(*blocks, Pairs(rows))

    def _print(self, text: Text) -> None:
        self._console.print(text)

    def started(self, verification: Verification, directory: Path) -> None:
        """Prints what runs, and starts the live picture."""
        first, *rest = opening(verification, directory)
        self._print(Text(first, style="bold"))
        for line in rest:
            self._print(Text(line, style="dim"))
        atexit.register(self.close)
        self._live.start()

    def note(self, text: str) -> None:
        """Prints the note above the picture."""
        self._print(Text(plain(text, LINE_LIMIT)))

    def phase(
        self, seed_index: int, seed_count: int, seed: int, phase: str, limit_seconds: float
    ) -> None:
        """Shows the phase with an empty budget bar."""
        self._phase = RunningPhase(seed_index, seed_count, seed, phase, limit_seconds)

    def tick(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int = 0,
        targets_total: int = 0,
        tokens_per_second: float = 0.0,
    ) -> None:
        """Takes the new state; it is drawn a few times a second, however often this is called."""
        if self._phase is not None:
            self._phase = self._phase.at(
                elapsed_seconds,
                last_line,
                targets_done=targets_done,
                targets_total=targets_total,
                tokens_per_second=tokens_per_second,
            )

    def seed_done(self, run: SeedRun) -> None:
        """Prints the seed's result above the picture."""
        self._phase = None
        self._print(Text(closing(run), style="red" if run.trouble else "green"))

    def close(self) -> None:
        """Removes the picture and shows the cursor again."""
        self._phase = None
        atexit.unregister(self.close)
        self._live.stop()


@contextlib.contextmanager
def print_steps(console: Console | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """A callable ``(stage, done, total)`` that shows how far a long preparation is.

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
    """Live on a terminal, lines elsewhere, nothing for a quiet console or none."""
    if console is None or console.quiet:
        return SilentProgress()
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console)
    return LineProgress(console)

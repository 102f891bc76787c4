"""The artifact of a phase that goes on: what counts is what the file held while nothing ran."""

import contextlib
import hashlib
import queue
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.phase import EarlySealFacts, PhaseFacts
from harness.evidence.results import ArtifactFacts
from harness.sandbox import taking
from harness.sandbox.early import MOST_ATTEMPTS, EarlySealing, NotTaken, Stillness
from harness.sandbox.protocol import ArtifactError, EarlySeal, Running
from harness.sandbox.sealing import copy_hashed, digest_of
from harness.sandbox.taking import Taking
from tests.sandbox.conftest import MIB, Phases, finished

FIRST, SECOND = b"first" * 1000, b"later" * 1000
START = """
import mmap, os, subprocess, sys, threading, time
place = os.environ["OUTPUT_DIR"]
path = os.path.join(place, "model.bin")
first, second = b"first" * 1000, b"later" * 1000

def write(content, name=path):
    with open(name, "wb") as file:
        file.write(content)

def read():
    with open(path, "rb") as file:
        assert file.read() == first

held, ran = threading.Event(), 0.0

def notice():
    global ran
    last = time.monotonic()
    while True:
        time.sleep(0.001)
        last, before = time.monotonic(), last
        ran += min(last - before, 0.1)
        if last - before > HELD * 0.6:
            held.set()

threading.Thread(target=notice, daemon=True).start()

def sealed():
    '''Wait until we were held still: time goes on then, and we do not.'''
    assert held.wait(50)

def over(seconds):
    '''Wait until a budget is over for sure, however often we were held still.'''
    while ran < seconds + 0.5:
        time.sleep(0.01)

print("began", flush=True)
"""
HELD_SECONDS = 1.0


class Ended:
    """A phase with an early seal that has ended."""

    def __init__(
        self, phases: Phases, running: Running, destination: Path, *, budget: float, limit: float
    ) -> None:
        self.budget, self.limit = budget, limit
        self.facts: PhaseFacts = finished(running)
        assert running.early == self.facts.early
        assert self.facts.early is not None
        self.early: EarlySealFacts = self.facts.early
        self.lines = phases.lines[1:]  # behind "began"
        self.copy = destination.read_bytes() if destination.exists() else None
        self.said = f"{self.lines[-3:]}, {self.early}"

    def is_too_slow(self, phases: Phases) -> bool:
        """Whether it began so late in its budget that the budget shows nothing."""
        stamps = [float(line.split()[0]) for line in phases.log.read_text().splitlines()]
        return not stamps or stamps[0] > self.budget / 2


Run = Callable[..., Ended]


@pytest.fixture
def run(phases: Phases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a script whose artifact is sealed early; it is held long enough to notice.

    BUDGET in the script is that of its artifact. A machine that is too busy for a short one, or for
    what is ``wanted`` in it, gets more of it.
    """

    def slowly(*arguments: object, **options: object) -> ArtifactFacts:
        time.sleep(HELD_SECONDS)
        return copy_hashed(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(taking, "copy_hashed", slowly)

    def ended(source: str, *, budget: float, limit: float, name: str) -> Ended:
        destination = tmp_path / "sealed.bin"
        destination.unlink(missing_ok=True)
        script = START.replace("HELD", str(HELD_SECONDS)) + textwrap.dedent(source)
        job = phases.job(
            script.replace("BUDGET", str(budget)),
            seconds=limit,
            early=EarlySeal(name, destination, budget, MIB),
        )
        with phases.sandbox.start(job) as phase:
            return Ended(phases, phase, destination, budget=budget, limit=limit)

    def running(
        source: str,
        *,
        seconds: float = 50.0,
        limit: float = 60.0,
        name: str = "model.bin",
        wanted: bool = True,
    ) -> Ended:
        for more in (1, 3) if seconds < 10 else ():
            found = ended(source, budget=more * seconds, limit=more * limit, name=name)
            if not found.is_too_slow(phases) and (found.copy is not None or not wanted):
                return found
        more = 9 if seconds < 10 else 1
        return ended(source, budget=more * seconds, limit=more * limit, name=name)

    return running


READS = {
    "whole": "read()",
    "child": "subprocess.run([sys.executable, '-c', f'open({path!r}, \"rb\").read()'], check=True)",
    "mapping": "f = open(path, 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); m[:9]",
    "checksum": "import hashlib; hashlib.sha256(open(path, 'rb').read())",
    "twice": "read(); read()",
    "rewritten": "write(second); write(first); read()",
    "renamed": "write(first, place + '/x'); os.replace(place + '/x', path); read()",
    "linked": "os.unlink(path); write(first, place + '/x'); os.link(place + '/x', path); read()",
}


@pytest.mark.long
@pytest.mark.parametrize("how", READS)
def test_it_is_taken_when_the_finished_file_is_read(run: Run, how: str) -> None:
    ended = run(f"write(first)\n{READS[how]}\nsealed()\nprint('went on')")
    assert ended.facts.outcome == "completed", ended.said
    assert ended.lines[-1] == "went on"
    assert ended.copy == FIRST
    assert ended.early.artifact == ArtifactFacts(
        name="model.bin", bytes=len(FIRST), sha256=hashlib.sha256(FIRST).hexdigest()
    )
    assert (ended.early.by, ended.early.at_end) == ("read", "same")
    assert (ended.early.problem, ended.early.unwatched) == ("", "")
    noticed = ended.early.noticed_seconds
    assert noticed is not None
    # A busy engine stamps the start after it: what was noticed then is noticed at its start.
    assert 0 <= noticed <= ended.early.seconds < ended.facts.wallclock_seconds


CHEATS = {
    "link": ("os.link(path, path + '.link')", "write(second, path + '.link')", "changed"),
    "mapping": (
        "f = open(path, 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()",
        "m[:] = second; m.flush()",
        "changed",
    ),
    "descriptor": ("f = open(path, 'r+b', buffering=0)", "f.write(second)", "changed"),
    "rename": ("write(second, place + '/x')", "os.replace(place + '/x', path)", "changed"),
    "again": ("pass", "write(second)", "changed"),
    "longer": ("pass", "write(first + second)", "changed"),
    "empty": ("pass", "write(b'')", "changed"),
    "same": ("pass", "write(first)", "same"),
    "removed": ("pass", "os.unlink(path)", "gone"),
    "a link": (
        "import tempfile; x = tempfile.mkdtemp() + '/x'; write(first, x)",
        "os.unlink(path); os.symlink(x, path)",
        "changed",
    ),
    "a folder": ("pass", "os.unlink(path); os.mkdir(path)", "changed"),
}


@pytest.mark.long
@pytest.mark.parametrize("how", CHEATS)
def test_what_is_written_when_the_budget_is_over_does_not_count_and_shows(
    run: Run, how: str
) -> None:
    before, after, at_end = CHEATS[how]
    ended = run(f"write(first)\n{before}\nover(BUDGET)\n{after}", seconds=2.0)
    assert ended.facts.outcome == "completed", ended.said
    assert ended.copy == FIRST
    assert ended.early.at_end == at_end


REWRITES = {"pass": "end", "read()": "read", "os.link(path, path + '.link')": "end"}


@pytest.mark.long
@pytest.mark.parametrize("then", REWRITES)
def test_who_writes_again_in_time_is_taken_again(run: Run, then: str) -> None:
    """Reading it back does not end a budget; but only an unchanged file keeps the clock there."""
    ended = run(
        f"write(first)\nread()\nsealed()\nheld.clear()\nfirst = second\nwrite(second)\n{then}\n"
        + ("sealed()" if then == "read()" else "time.sleep(1)")
    )
    assert ended.facts.outcome == "completed", ended.said
    assert ended.copy == SECOND
    assert (ended.early.by, ended.early.at_end) == (REWRITES[then], "same")
    assert ended.early.artifact is not None
    assert ended.early.artifact.sha256 == hashlib.sha256(SECOND).hexdigest()
    early, whole = ended.early.seconds, ended.facts.wallclock_seconds
    assert early < whole if then == "read()" else early == whole


@pytest.mark.long
@pytest.mark.parametrize("how", ["mapping", "link", "again"])
def test_what_is_read_back_is_looked_at_again_when_the_budget_is_over(run: Run, how: str) -> None:
    """What a mapping or a link wrote by then is training; what it writes afterwards is nothing."""
    before, after, _ = CHEATS[how]
    ended = run(
        f"""
write(first)
{before}
read()
sealed()
{after}
over(BUDGET)
first, second = second, b"third" * 1000
{after}
""",
        seconds=5.0,
    )
    assert ended.facts.outcome == "completed", ended.said
    assert ended.copy == SECOND
    assert (ended.early.by, ended.early.at_end) == ("budget", "changed")
    assert ended.early.noticed_seconds is None
    assert ended.early.seconds >= ended.budget


@pytest.mark.long
def test_what_is_read_back_and_stays_keeps_the_earlier_moment(run: Run) -> None:
    ended = run("write(first)\nread()\nover(BUDGET)", seconds=3.0)
    assert ended.copy == FIRST
    assert (ended.early.by, ended.early.at_end) == ("read", "same")
    assert ended.early.seconds < ended.budget


@pytest.mark.long
def test_nothing_is_written_while_it_is_taken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By processes that write all the time, by links and mappings, and come and go."""
    looks: list[str] = []
    copy_out = Taking.copy_out

    def looking(phase: Taking, name: str, *arguments: object, **options: object) -> ArtifactFacts:
        for _ in range(4):
            with phase.opened(name, limit_bytes=MIB) as (_, chunks):
                looks.append(digest_of(chunks))
            time.sleep(0.1)
        return copy_out(phase, name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Taking, "copy_out", looking)
    ended = run(
        """
        size = 1 << 16
        write(bytes(size))
        os.link(path, path + ".link")
        f = open(path, "r+b")
        shared = mmap.mmap(f.fileno(), 0)
        until = time.monotonic() + 30
        children = []
        for number in range(4):
            children.append(os.fork())
            if children[-1] == 0:
                os.setsid()
                while time.monotonic() < until:
                    value = bytes([time.monotonic_ns() % 256]) * size
                    if number == 0:
                        shared[:] = value
                    elif number == 1:
                        with open(path + ".link", "r+b") as again:  # never empty in between
                            again.write(value)
                    elif os.fork():
                        os._exit(0)
                    else:
                        shared[:] = value
                os._exit(0)
        sealed()
        for child in children:  # in a rehearsal, who comes and goes like that may outlive its end
            os.killpg(child, 9)
        os._exit(0)
        """,
        seconds=3.0,
    )
    assert ended.facts.outcome == "completed", ended.said
    assert ended.early.artifact is not None
    # Each time that it is taken it stands still; what was taken last counts.
    for begun in range(0, len(looks), 4):
        assert looks[begun : begun + 4] == [looks[begun]] * 4
    assert ended.early.artifact.sha256 == looks[-1]


@pytest.mark.long
def test_what_is_never_read_is_taken_at_the_end_of_the_budget(run: Run) -> None:
    ended = run("write(first)\nsealed()\nwrite(second)", seconds=3.0)
    assert ended.copy == FIRST
    assert (ended.early.by, ended.early.at_end) == ("budget", "changed")
    assert ended.early.noticed_seconds is None
    assert ended.early.seconds >= ended.budget


def test_what_ends_before_is_sealed_after_its_end(run: Run) -> None:
    ended = run("write(first)")
    assert ended.copy == FIRST
    assert (ended.early.by, ended.early.at_end, ended.early.problem) == ("end", "same", "")
    assert ended.early.frozen_seconds == 0
    assert ended.early.seconds == ended.facts.wallclock_seconds


def test_who_fails_before_keeps_what_was_written(run: Run) -> None:
    ended = run("write(first)\nraise SystemExit(1)")
    assert ended.facts.outcome == "failed"
    assert (ended.early.by, ended.copy) == ("end", FIRST)


def test_a_budget_as_long_as_the_phase_has_nothing_of_who_is_killed(run: Run) -> None:
    ended = run("write(first)\ntime.sleep(1000)", limit=1.0, seconds=100.0)
    assert ended.facts.outcome == "deadline"
    assert ended.early.artifact is None
    assert "killed at its limit" in ended.early.problem


NOT_FILES = {
    "nothing": ("pass", "absent"),
    "empty": ("write(b'')", "empty"),
    "a folder": ("os.mkdir(path)", "found a directory"),
    "a link": ("os.symlink('/etc/passwd', path)", "found a symbolic link"),
    "a FIFO": ("os.mkfifo(path)", "found a FIFO"),
    "too much": ("write(bytes((1 << 20) + 1))", "over the limit"),
}


@pytest.mark.long
@pytest.mark.parametrize("what", NOT_FILES)
def test_what_is_no_file_at_the_end_of_the_budget_is_said(run: Run, what: str) -> None:
    """And what comes under that name later is too late."""
    source, problem = NOT_FILES[what]
    ended = run(
        f"{source}\nover(BUDGET + 1)\nos.path.lexists(path) or write(first)",
        seconds=3.0,
        wanted=False,
    )
    assert ended.facts.outcome == "completed", ended.said
    assert problem in ended.early.problem
    assert (ended.early.by, ended.early.artifact, ended.early.at_end) == ("budget", None, None)
    assert ended.copy is None


def test_a_read_of_what_cannot_be_taken_is_not_the_last_word(run: Run) -> None:
    ended = run(
        "write(b'')\nopen(path, 'rb').read()\ntime.sleep(0.5)\nwrite(first)\nread()\nsealed()"
    )
    assert ended.copy == FIRST
    assert (ended.early.by, ended.early.problem) == ("read", "")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("os.mkdir(place + '/out'); time.sleep(1); write(first, place + '/out/x.ptz'); "
         "open(place + '/out/x.ptz', 'rb').read()", ""),
        ("os.mkdir(place + '/o'); os.symlink('o', place + '/out'); "
         "write(first, place + '/out/x.ptz')", "symbolic link"),
        ("os.symlink('/etc', place + '/out')", "symbolic link"),
        ("write(first, place + '/out')", "artifact out/x.ptz"),
        ("pass", "absent"),
    ],
)  # fmt: skip
def test_a_path_is_followed_by_its_parts_alone(run: Run, source: str, problem: str) -> None:
    ended = run(f"{source}\nsealed() if {not problem} else None", name="out/x.ptz")
    assert ended.facts.outcome == "completed", ended.said
    assert problem in ended.early.problem
    assert ended.copy == (None if problem else FIRST)


def test_more_events_than_can_be_seen_only_cost_the_earlier_moment(run: Run) -> None:
    ended = run(
        """
names = [place + "/" + name for name in ("a", "b" * 200, "c\\n", "{}")]
for name in names:
    write(b"", name)
for number in range(30_000):
    os.close(os.open(names[number % 4], os.O_RDONLY))
write(first)
read()
sealed()
""",
        seconds=8.0,
    )
    assert ended.facts.outcome == "completed", ended.said
    assert ended.copy == FIRST
    assert ended.early.by == "budget" if ended.early.unwatched else "read"


@pytest.mark.long
def test_time_in_which_it_is_held_is_charged_to_nobody(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be far over its limit otherwise; and every clock of ours agrees."""
    monkeypatch.setattr("tests.sandbox.test_early.HELD_SECONDS", 8.0)
    ended = run("write(first)\nread()\nsealed()\nprint('went on')", seconds=6.0, limit=7.0)
    assert ended.lines[-1] == "went on"
    facts, slack = ended.facts, 0.5
    assert facts.outcome == "completed"
    assert ended.early.by == "read"
    assert ended.early.frozen_seconds >= 8
    assert facts.wallclock_seconds < ended.limit
    assert facts.raw_seconds == facts.wallclock_seconds + ended.early.frozen_seconds
    assert facts.harness_seconds_low - slack < facts.wallclock_seconds
    assert facts.wallclock_seconds < facts.harness_seconds_high + slack


@pytest.mark.long
def test_a_limit_that_passes_while_it_is_held_holds_afterwards(run: Run) -> None:
    """The copy stays what it is, and the phase is killed at its limit, which has moved."""
    ended = run("write(first)\ntime.sleep(1000)", seconds=3.8, limit=4.0)
    assert ended.facts.outcome == "deadline"
    assert ended.copy == FIRST
    assert (ended.early.by, ended.early.at_end) == ("budget", "same")
    assert ended.limit <= ended.facts.wallclock_seconds < ended.facts.raw_seconds


def test_who_is_stopped_while_it_is_held_ends(
    phases: Phases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = queue.SimpleQueue[None]()

    def slowly(*arguments: object, **options: object) -> ArtifactFacts:
        holding.put(None)
        time.sleep(0.5)
        return copy_hashed(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(taking, "copy_hashed", slowly)
    source = START.replace("HELD", "9") + "write(first)\nread()\ntime.sleep(1000)"
    seal = EarlySeal("model.bin", tmp_path / "sealed", 50.0, MIB)
    with phases.start(source, early=seal) as running:
        holding.get(timeout=60)
        facts = running.stop()
    assert facts.outcome == "stopped"
    assert facts.early is not None
    assert facts.early.artifact is not None


def test_leaving_while_it_is_held_leaves_nothing(
    phases: Phases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = queue.SimpleQueue[None]()

    def slowly(*arguments: object, **options: object) -> ArtifactFacts:
        holding.put(None)
        time.sleep(1.0)
        raise ArtifactError("gone meanwhile")

    monkeypatch.setattr(taking, "copy_hashed", slowly)
    source = START.replace("HELD", "9") + "write(first)\nread()\ntime.sleep(1000)"
    seal = EarlySeal("model.bin", tmp_path / "sealed", 50.0, MIB)
    with contextlib.suppress(KeyboardInterrupt), phases.start(source, early=seal):
        holding.get(timeout=60)
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "", ".x", "a b", "a\nb", "x" * 201])
def test_a_name_that_is_not_plain_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="plain name"):
        EarlySeal(name, tmp_path, 1.0, MIB)


# -- The moment


class Phase:
    """A phase whose artifact is of the next version at each attempt; None: it cannot be taken.

    Its time counts from its attempt number ``waits_for``, however slow the machine is before that.
    """

    def __init__(self, takes: Iterator[int | None], *, waits_for: int = 0) -> None:
        self.has_ended = False
        self.attempts = 0
        self.moments: list[float] = []
        self._takes = takes
        self._waits_for = waits_for
        self._since = time.monotonic()

    @property
    def counts_from(self) -> float:
        if self.attempts < self._waits_for:
            self._since = time.monotonic()
        return self._since

    def take(self, early: EarlySeal) -> tuple[float, ArtifactFacts]:
        self.attempts += 1
        self.moments.append(time.monotonic())
        version = next(self._takes, None)
        if version is None:
            raise NotTaken(self.moments[-1], ArtifactError(f"attempt {self.attempts}"))
        return self.moments[-1], ArtifactFacts(name=early.name, bytes=1, sha256=str(version))


@given(
    takes=st.lists(st.none() | st.integers(0, 2), max_size=9),
    reads=st.integers(0, 9),
)
def test_the_last_that_can_be_taken_counts_since_it_is_as_it_is_and_attempts_are_few(
    takes: list[int | None], reads: int
) -> None:
    phase = Phase(iter(takes), waits_for=min(reads, MOST_ATTEMPTS))
    sealing = EarlySealing(EarlySeal("x", Path("/x"), 0.01, 1), [*range(1, reads + 1)])
    sealing.watch_reads()
    stillness = Stillness()
    sealing.run(phase, stillness)
    tried = [*takes, *[None] * 9][: phase.attempts]
    assert phase.attempts == min(reads, MOST_ATTEMPTS) + 1
    assert sealing.is_decided and sealing.is_final
    versions = [version for version in tried if version is not None]
    since = None
    for number, version in enumerate(tried):
        if version is not None and (since is None or version != tried[since]):
            since = number
    assert (sealing.artifact and sealing.artifact.sha256) == (
        str(versions[-1]) if versions else None
    )
    facts = sealing.facts(
        counts_from=phase.moments[0] - 1, stillness=stillness, frozen_seconds=0.0, at_end=None
    )
    moment = phase.moments[phase.attempts - 1 if since is None else since]
    assert facts.seconds == pytest.approx(moment - phase.moments[0] + 1)
    assert (facts.by == "budget") == (since in (None, phase.attempts - 1))


def test_nothing_is_tried_once_the_phase_has_ended() -> None:
    sealing = EarlySealing(EarlySeal("x", Path("/x"), 1000.0, 1), [])
    sealing.phase_ended()
    phase = Phase(iter([1]))
    sealing.run(phase, Stillness())
    assert (phase.attempts, sealing.is_decided) == (0, False)


@given(spans=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), max_size=6))
def test_time_that_is_held_is_counted_once_and_never_more_than_passed(
    spans: list[tuple[int, int]],
) -> None:
    stillness, now, held = Stillness(), 0.0, set[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        for running, holding in spans:
            now += running
            stillness.begins()
            held |= set(range(int(now), int(now) + holding))
            now += holding
            assert stillness.seconds(now) == len(held), "also while it is held"
            stillness.ends()
    for moment in range(int(now) + 10):
        assert stillness.seconds(moment) == len([second for second in held if second < moment])

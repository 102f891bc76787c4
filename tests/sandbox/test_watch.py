"""A read is told when a finished file is read, and never while it is written."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.inside import watch
from harness.inside.watch import (
    ACCESS,
    CLOSE_NOWRITE,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    MODIFY,
    MOVED_FROM,
    MOVED_TO,
    OPEN,
    File,
    Lost,
    Watch,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
_KINDS = (ACCESS, MODIFY, CLOSE_WRITE, CLOSE_NOWRITE, OPEN, MOVED_FROM, MOVED_TO, CREATE, DELETE)
_FINISHING = (CLOSE_WRITE, MOVED_TO)
_WRITE = (OPEN, MODIFY, CLOSE_WRITE)
_READ = (OPEN, ACCESS, CLOSE_NOWRITE)


def told(*events: int) -> list[int]:
    """After how many of these events a read is told."""
    file = File()
    return [number for number, event in enumerate(events, 1) if file.saw(event)]


class TestEvents:
    @pytest.mark.parametrize(
        ("events", "expected"),
        [
            ((CREATE, *_WRITE, *_READ), [6]),
            ((CREATE, *_WRITE, OPEN, CLOSE_NOWRITE), [6]),  # a mapping that was given up
            ((CREATE, *_WRITE, *_WRITE, *_READ), [9]),  # written twice before it is read
            ((CREATE, *_WRITE, *_READ, *_READ), [6]),  # read twice
            ((CREATE, *_WRITE, *_READ, *_WRITE, *_READ), [6, 12]),  # written again after a read
            ((*_READ, CREATE, *_WRITE), []),  # read before it was written
            ((CREATE, OPEN, MODIFY, *_READ, CLOSE_WRITE), []),  # read while it is written
            ((MOVED_TO, *_READ), [3]),  # written under another name
            ((CREATE, *_READ), [3]),  # another name of a file that is written
            ((CREATE, *_WRITE, MOVED_FROM, *_READ), []),
            ((CREATE, *_WRITE, DELETE, *_READ), []),
        ],
    )
    def test_cases(self, events: tuple[int, ...], expected: list[int]) -> None:
        assert told(*events) == expected

    @given(events=st.lists(st.sampled_from(_KINDS), max_size=40))
    def test_nothing_is_told_without_a_whole_file_or_while_one_is_written(
        self, events: list[int]
    ) -> None:
        """Whole: since the last read, it came or was closed, and nothing was written after that."""
        file, whole = File(), False
        for event in events:
            read = file.saw(event)
            assert not read or (whole and event in (ACCESS, CLOSE_NOWRITE))
            if event in (*_FINISHING, CREATE):
                whole = True
            elif read or event in (MODIFY, DELETE, MOVED_FROM):
                whole = False

    @given(events=st.lists(st.sampled_from(_KINDS), max_size=40))
    def test_a_read_of_a_finished_file_is_told(self, events: list[int]) -> None:
        """Whatever happened before."""
        assert told(*events, *_WRITE, *_READ)[-1] == len(events) + 5


def waited_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


class Watched:
    """A watch in a thread, as the harness has it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.reads: list[int] = []
        self.lost = ""
        self._ended = threading.Event()
        self._watch = Watch(str(folder), name)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._each()
        except Lost as error:
            self.lost = str(error)

    def _each(self) -> None:
        for moment in self._watch.reads(self._ended.is_set):
            self.reads.append(moment)

    def ends(self) -> None:
        self._ended.set()
        self._thread.join()


@linux
class TestWatch:
    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[..., Watched]]:
        started: list[Watched] = []

        def starting(name: str = "model.bin", folder: Path = tmp_path) -> Watched:
            started.append(Watched(folder, name))
            return started[-1]

        yield starting
        for one in started:
            one.ends()

    @pytest.mark.parametrize("name", ["model.bin", "out/model.bin", "a/b/c/model.bin"])
    def test_folders_on_the_way_may_come_later(
        self, start: Callable[..., Watched], tmp_path: Path, name: str
    ) -> None:
        watched = start(name)
        path = tmp_path / name
        for part in reversed(path.parents[: len(Path(name).parts) - 1]):
            part.mkdir()
            time.sleep(0.05)  # a folder is seen before a file in it is; else the end decides
        before = time.monotonic_ns()
        path.write_bytes(b"x")
        path.with_name("another").write_bytes(b"x")
        path.with_name("another").read_bytes()
        path.read_bytes()
        waited_for(lambda: bool(watched.reads))
        assert before < watched.reads[0] < time.monotonic_ns()

    def test_a_mapping_is_told_when_it_has_been_quiet(
        self, start: Callable[..., Watched], tmp_path: Path
    ) -> None:
        watched = start()
        (tmp_path / "model.bin").write_bytes(b"x")
        with (tmp_path / "model.bin").open("rb"):
            waited_for(lambda: bool(watched.reads))

    def test_who_opens_it_to_write_does_not_read(
        self, start: Callable[..., Watched], tmp_path: Path
    ) -> None:
        watched = start()
        (tmp_path / "model.bin").write_bytes(b"x")
        with (tmp_path / "model.bin").open("wb"):
            time.sleep(watch.QUIET_SECONDS * 1.5)
        watched.ends()
        assert (watched.reads, watched.lost) == ([], "")

    def test_few_reads_are_told(self, start: Callable[..., Watched], tmp_path: Path) -> None:
        watched = start()
        for _ in range(3 * watch.MOST_READS):
            (tmp_path / "model.bin").write_bytes(b"x")
            (tmp_path / "model.bin").read_bytes()
            time.sleep(0.002)
        waited_for(lambda: len(watched.reads) > 0)
        watched.ends()
        assert len(watched.reads) <= watch.MOST_READS
        assert watched.lost == ""

    @pytest.mark.parametrize("deed", ["remove", "move"])
    def test_a_directory_that_goes_away_is_lost(
        self, start: Callable[..., Watched], tmp_path: Path, deed: str
    ) -> None:
        folder = tmp_path / "output"
        folder.mkdir()
        watched = start(folder=folder)
        folder.rmdir() if deed == "remove" else folder.rename(tmp_path / "elsewhere")
        waited_for(lambda: watched.lost != "")
        assert "the directory is gone" in watched.lost

    def test_more_events_than_the_kernel_keeps_are_lost(self, tmp_path: Path) -> None:
        watching = Watch(str(tmp_path), "model.bin")
        bound = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        (tmp_path / "a").touch()
        (tmp_path / "b").touch()
        for _ in range(bound // 2 + 10):
            os.close(os.open(tmp_path / "a", os.O_RDONLY))
            os.close(os.open(tmp_path / "b", os.O_RDONLY))
        with pytest.raises(Lost, match="more events"):
            list(watching.reads())

    @pytest.mark.parametrize("name", ["out/model.bin", "out/below/model.bin"])
    def test_a_link_on_the_way_is_not_followed(
        self, start: Callable[..., Watched], tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "aside" / "below").mkdir(parents=True)
        watched = start(name, tmp_path / "root")
        (tmp_path / "root" / "out").symlink_to(tmp_path / "aside")
        (tmp_path / "root" / name).write_bytes(b"x")
        (tmp_path / "root" / name).read_bytes()
        watched.ends()
        assert watched.reads == []

    def test_names_in_other_bytes_are_nobodys_matter(
        self, start: Callable[..., Watched], tmp_path: Path
    ) -> None:
        watched = start()
        for name in (b"\xff\xfe", b"model.bin\n", b"model.bin ", b"a" * 255, b"{}"):
            place = os.path.join(os.fsencode(tmp_path), name)
            with open(place, "wb") as file:
                file.write(b"x")
            with open(place, "rb") as file:
                file.read()
        watched.ends()
        assert (watched.reads, watched.lost) == ([], "")

    def test_as_a_program_it_says_when_it_watches_and_when_it_does_not(
        self, tmp_path: Path
    ) -> None:
        said = subprocess.run(
            [sys.executable, "-I", "-S", watch.__file__, '{"root": "/none", "name": "x"}'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.splitlines() == [
            '"watching"',
            '{"lost": "inotify_add_watch: No such file or directory"}',
        ]

"""What a phase is given before it starts: copies of its own, and the machine in one state."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from harness.errors import InfrastructureError
from harness.evidence.phase import PhaseFacts
from harness.inside import counts, settle
from harness.sandbox.docker import counters, settling
from harness.sandbox.protocol import Job, Mount
from harness.sandbox.separation import ONE_STATE, Settled, copies_for
from tests.sandbox.conftest import LIMITS, Phases, finished

TARGET = PurePosixPath("/submission")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files, a program, a directory, and links: to a file and out of the folder."""
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "train.py").write_text("print(1)")
    (source / "below/empty").write_bytes(b"")
    (source / "run.sh").write_text("#!/bin/sh")
    (source / "run.sh").chmod(0o700)
    (source / "link").symlink_to("train.py")
    (source / "out").symlink_to("/etc/passwd")
    return source


def a_job(code: Mount, *mounts: Mount) -> Job:
    return Job(
        label="score",
        command=("true",),
        environment={},
        code=code,
        mounts=mounts,
        limits=LIMITS,
        wallclock_seconds=1,
        log=Path("/log"),
    )


class TestCopies:
    def test_a_copy_holds_the_same_and_shows_nothing_else(
        self, folder: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy"
        copy.mkdir()
        settle.copy(str(folder), str(copy))
        assert settle.tree(str(copy)) == settle.tree(str(folder))
        found = {path.relative_to(copy).as_posix(): path.lstat() for path in copy.rglob("*")}
        assert {name: oct(it.st_mode & 0o777) for name, it in found.items() if name != "link"} == {
            "below": "0o755",
            "below/empty": "0o644",
            "out": "0o777",
            "run.sh": "0o755",
            "train.py": "0o644",
        }
        assert {it.st_mtime_ns for it in (*found.values(), copy.stat())} == {0}
        assert os.readlink(copy / "out") == "/etc/passwd", "it is copied, not followed"

    @pytest.mark.parametrize("change", ["content", "name", "program", "link", "more"])
    def test_whatever_changes_what_runs_changes_the_digest(self, folder: Path, change: str) -> None:
        before = settle.digest_of(settle.tree(str(folder))[0])
        if change == "content":
            (folder / "train.py").write_text("print(2)")
        elif change == "name":
            (folder / "train.py").rename(folder / "train2.py")
        elif change == "program":
            (folder / "train.py").chmod(0o755)
        elif change == "link":
            (folder / "link").unlink()
            (folder / "link").symlink_to("run.sh")
        else:
            (folder / "below/more").mkdir()
        assert settle.digest_of(settle.tree(str(folder))[0]) != before

    def test_what_is_neither_file_nor_directory_nor_link_is_not_copied(self, folder: Path) -> None:
        os.mkfifo(folder / "fifo")
        with pytest.raises(InfrastructureError, match="fifo: neither file, directory nor link"):
            copies_for(a_job(Mount(folder, TARGET)))

    def test_what_is_shared_is_not_copied(self, folder: Path) -> None:
        data = Mount(Path("/data"), PurePosixPath("/data"), shared=True)
        (copy,) = copies_for(a_job(Mount(folder, TARGET), data))
        assert (copy.source, copy.place, copy.name) == (folder, TARGET, "")

    def test_one_file_is_a_volume_with_that_file(self, folder: Path) -> None:
        file = Mount(folder / "train.py", PurePosixPath("/artifact/model.bin"))
        _, copy = copies_for(a_job(Mount(folder, TARGET), file))
        assert (copy.place, copy.name) == (PurePosixPath("/artifact"), "model.bin")
        entries, _ = settle.tree(str(folder / "train.py"), "model.bin")
        assert copy.digest == settle.digest_of(entries)

    def test_a_file_that_is_not_what_was_sealed_is_given_to_nobody(self, folder: Path) -> None:
        file = Mount(folder / "train.py", PurePosixPath("/artifact/model.bin"), sha256="0" * 64)
        with pytest.raises(InfrastructureError, match="not the file that was sealed"):
            copies_for(a_job(Mount(folder, TARGET), file))

    def test_the_room_follows_from_the_files_alone(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "twin").mkdir()
        settle.copy(str(folder), str(tmp_path / "twin"))
        ours, theirs = (
            copies_for(a_job(Mount(place, TARGET)))[0].volume_options
            for place in (folder, tmp_path / "twin")
        )
        assert ours == theirs


class TestCounters:
    @pytest.mark.parametrize("accelerators", [True, False])
    def test_the_engines_own_list_is_part_of_ours(self, accelerators: bool) -> None:
        hidden = counters.masked_paths(accelerators=accelerators)
        by_default = {
            *("/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
            *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi"),
            *("/sys/firmware", "/proc/interrupts"),
        }
        above = {str(place) for path in by_default for place in PurePosixPath(path).parents}
        lacking = {path for path in by_default if path not in hidden and path not in above}
        assert {path for path in lacking if os.path.exists(path)} == set()
        read_only = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
        assert set(counters.read_only_paths()) == read_only

    def test_what_libraries_look_for_stays(self) -> None:
        for accelerators in (True, False):
            hidden = counters.masked_paths(accelerators=accelerators)
            for path in (
                "/proc/self/maps",
                "/proc/cpuinfo",
                "/proc/sys/kernel/random/boot_id",
                "/sys/devices/system/cpu/online",
                "/sys/devices/system/node/node0/cpumap",
                "/sys/fs/cgroup",
                "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
            ):
                places = {path, *map(str, PurePosixPath(path).parents)}
                assert places.isdisjoint(hidden), path
        assert "/sys/bus" not in counters.masked_paths(accelerators=True)


LOOK = """
import json, os
found = {}
for place, _, files in os.walk("/submission"):
    for name in [".", *files]:
        it = os.stat(os.path.join(place, name))
        found[os.path.join(place, name)] = [it.st_ino, it.st_mtime_ns, it.st_mode, it.st_uid]
room = os.statvfs("/submission")
print(json.dumps([found, [room.f_blocks, room.f_bfree, room.f_files, room.f_ffree]]))
"""


READ_ALL = """
import json, os, zlib
for top in ("/proc", "/sys", "/proc/self"):
    for place, below, names in os.walk(top):
        if place == "/proc":
            below[:] = [name for name in below if not name.isdecimal()]
        for name in names:
            path = os.path.join(place, name)
            if os.path.islink(path) or not os.access(path, os.R_OK) or name == "kmsg":
                continue
            try:
                file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                print(json.dumps([path, zlib.crc32(os.read(file, 1 << 16))]))
                os.close(file)
            except OSError:
                continue
"""


OF_ITSELF = {
    *("auxv", "environ", "maps", "smaps", "smaps_rollup", "numa_maps", "pagemap", "mountinfo"),
    *("stat", "statm", "status", "sched", "schedstat", "syscall", "cpuset", "limits", "mounts"),
    *("autogroup", "mountstats", "oom_score", "mem", "arch_status", "cmdline", "io"),
}


@pytest.mark.docker
class TestInDocker:
    def test_no_file_of_the_kernel_reads_otherwise_in_the_next_phase(
        self, containers: Phases
    ) -> None:
        """Whatever differs could carry something; a sandbox's own control groups begin anew."""
        seen = []
        for _ in range(2):
            assert containers.run(READ_ALL, phase="score").outcome == "completed"
            seen.append(dict(json.loads(line) for line in containers.lines))
        first, second = seen
        assert len(first) > 500
        differ = {path for path in first | second if first.get(path) != second.get(path)}
        left = {path for path in differ if not path.startswith("/sys/fs/cgroup/")}
        own = {
            path.removeprefix("/proc/self/").rpartition("task/1/")[2]
            for path in left
            if path.startswith("/proc/self/")
        }
        # Its own addresses, times, mounts and faults; a count of all sessions stands in one alone.
        assert {path for path in own if not path.startswith("fdinfo/")} <= OF_ITSELF
        # The second counts the processes of the sandbox's own namespace, the last follows a clock.
        assert {path for path in left if not path.startswith("/proc/self/")} <= {
            "/proc/sys/kernel/random/uuid",
            "/proc/sys/kernel/ns_last_pid",
            counts.PORT_RANGE,
        }

    def test_two_phases_see_equal_copies_that_are_nobody_elses(self, containers: Phases) -> None:
        seen = []
        for _ in range(2):
            assert containers.run(LOOK, phase="score").outcome == "completed", containers.lines
            seen.append(json.loads(containers.lines[0]))
            (containers.folder / "code/main.py").unlink()  # another inode, and another time
        assert seen[0] == seen[1]
        assert len(seen[0][0]) == 2

    def test_a_copy_does_not_follow_its_source(self, containers: Phases) -> None:
        source = "import time; time.sleep(2); print(open('main.py').read()[:6])"
        with containers.start(source, phase="score") as running:
            (containers.folder / "code/main.py").write_text("# changed afterwards")
            assert finished(running).outcome == "completed"
        assert containers.lines == ["import"]

    def test_a_source_that_changes_while_it_is_copied_is_ours(
        self, containers: Phases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def late(job: Job) -> Any:
            found = copies_for(job)
            (containers.folder / "code/main.py").write_text("print('another')")
            return found

        monkeypatch.setattr("harness.sandbox.docker.sandbox.copies_for", late)
        with pytest.raises(InfrastructureError, match="is not what was hashed"):
            containers.start("print('one')", phase="score")

    def test_the_budget_begins_after_all_that_is_prepared(
        self, containers: Phases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = settling.Settler.settle
        ended: list[float] = []

        def watched(self: settling.Settler, *arguments: Any) -> Settled:
            done = whole(self, *arguments)
            ended.append(time.time())
            return done

        monkeypatch.setattr(settling.Settler, "settle", watched)
        job = containers.job("import os; print(os.environ['BEGAN'])", phase="score")
        with containers.sandbox.start(replace(job, start_variable="BEGAN")) as running:
            finished(running)
        assert float(containers.lines[0]) >= ended[0] - 0.001

    def test_pages_cannot_be_thrown_out_by_a_phase(self, containers: Phases) -> None:
        containers.run(
            """
            import os
            file = os.open("/opt/harness/worker.py", os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            try:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError as error:
                print(error.strerror)
            """,
            phase="score",
        )
        assert containers.lines == ["Operation not permitted"]

    def test_pages_that_another_program_has_thrown_out_are_back_before_the_next_phase(
        self, containers: Phases, folder: Path
    ) -> None:
        """Else what a phase reads of the others would be a message to the next one."""
        place = folder / "shards"
        place.mkdir()
        files = [place / f"{number}.bin" for number in range(32)]
        for path in files:
            path.write_bytes(os.urandom(settle.PAGE_BYTES))

        def lacking() -> int:
            total = 0
            for path in files:
                with path.open("rb") as file:
                    total += settle.Pages().missing(file.fileno(), settle.PAGE_BYTES)
            return total

        shared = (Mount(place, PurePosixPath("/shards"), shared=True),)
        assert containers.run("", phase="score", mounts=shared).outcome == "completed"
        for path in files[::2]:
            with path.open("rb") as file:
                os.fsync(file.fileno())  # what no disk holds is kept
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert lacking() == 16
        assert containers.run("", phase="score", mounts=shared).outcome == "completed"
        assert lacking() == 0

    @pytest.mark.parametrize(
        ("line", "instead", "said"),
        [
            ('"/proc/sys/vm/drop_caches"', '"/proc/sys/vm/none"', "was not made to forget"),
            ("file.write(NAMES_AND_INODES)", "pass", "names still remembered, of 4,096"),
            ("made = missing_names() - before", "made = 0", "which names it remembers"),
            (
                "POSIX_FADV_DONTNEED)\n            gone",
                "POSIX_FADV_NORMAL)\n            gone",
                "pag",
            ),
            ("counts = refresh_at_once(files)", "counts = LACKING", "do not stay in memory"),
        ],
        ids=["refused", "not dropped", "not counted", "not told", "not kept"],
    )
    def test_what_was_not_seen_to_be_done_is_said(
        self,
        containers: Phases,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        line: str,
        instead: str,
        said: str,
    ) -> None:
        """Each step of the helper is broken in turn; each has a control that sees it."""
        source = settling.SOURCE.read_text()
        assert source.count(line) == 1
        broken = tmp_path / "settle.py"
        lacking = "LACKING = dict.fromkeys(('pages', 'pages_lacking'), 3)\n"
        broken.write_text(lacking + source.replace(line, instead))
        monkeypatch.setattr(settling, "SOURCE", broken)
        facts = containers.run("", phase="score")
        assert said in cache_state(facts)
        assert [fact.id for fact in facts.isolation if not fact.holds] == ["caches_dropped"]

    def test_a_helper_that_fails_says_why(
        self, containers: Phases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "settle.py"
        broken.write_text("raise SystemExit('no such luck')")
        monkeypatch.setattr(settling, "SOURCE", broken)
        with pytest.raises(InfrastructureError, match="it said: no such luck"):
            containers.start("", phase="score")


def cache_state(facts: PhaseFacts) -> str:
    return next(fact.actual for fact in facts.isolation if fact.id == "caches_dropped")


def test_a_helper_runs_where_the_kernel_is_the_machines() -> None:
    assert settling.runtime_of(
        {"Runtimes": {"kata": {}, "runc": {}}, "DefaultRuntime": "kata"}
    ) == ("runc")
    assert settling.runtime_of({"Runtimes": {"runsc": {}}, "DefaultRuntime": "runsc"}) == "runsc"


def test_a_kernel_that_forgot_is_in_one_state() -> None:
    seen = Settled(copies=(), names_made=settle.NAMES, names_left=3, pages_told=True, pages=7)
    assert seen.state == ONE_STATE


def test_what_lies_in_memory_is_read_whole_all_the_same(tmp_path: Path) -> None:
    """A page that was read of late is faster than one that only lies in memory."""
    files = [tmp_path / name for name in ("first", "second")]
    for file in files:
        file.write_bytes(bytes(5 * settle.CHUNK_BYTES + 3))

    def bytes_read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = bytes_read()
    counts = settle.refresh([str(file) for file in files])
    assert counts["pages_missing"] == 0
    assert bytes_read() - before >= sum(file.stat().st_size for file in files)

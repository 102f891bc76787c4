"""Files are reached without following a link, and are regular files, whatever lies in the way."""

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.safeio import reading
from harness.safeio.reading import (
    NotRegularError,
    TooLargeError,
    open_inside,
    open_named,
    read_inside,
    read_named,
)

LIMIT = 1000
NAME = "a/b/file"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file at ``NAME``, beside one with a secret at the same name."""
    for folder, content in (("root", b"content"), ("outside", b"secret")):
        (tmp_path / folder / "a/b").mkdir(parents=True)
        (tmp_path / folder / NAME).write_bytes(content)
    return tmp_path / "root"


def test_a_file_below_the_root_is_read(root: Path) -> None:
    assert read_inside(root, NAME, limit_bytes=LIMIT) == b"content"
    assert read_inside(root, Path(NAME), limit_bytes=7) == b"content"
    assert read_named(root / NAME, limit_bytes=7) == b"content"


@pytest.mark.parametrize("part", ["a", "a/b", "a/b/file"])
@pytest.mark.parametrize("target", ["outside", "inside", "nowhere"])
def test_a_link_at_any_part_of_the_way_is_refused(root: Path, part: str, target: str) -> None:
    place = root / part
    aside = place.with_name("aside")
    place.rename(aside)
    leads = {"outside": root.parent / "outside" / part, "inside": aside, "nowhere": root / "none"}
    place.symlink_to(leads[target])
    with pytest.raises(NotRegularError) as caught:
        open_inside(root, NAME)
    assert caught.value.kind == "symbolic link"
    assert caught.value.filename == str(place)


def test_links_on_the_way_to_the_root_are_the_users(root: Path) -> None:
    linked = root.with_name("linked")
    linked.symlink_to(root)
    assert read_inside(linked, NAME, limit_bytes=LIMIT) == b"content"


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/{path.name}")  # a path may have 107 bytes at most
        os.close(here)


def a_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero never ends
    except PermissionError:
        pytest.skip("devices are made by root alone")


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (a_fifo, "FIFO"),
        (a_socket, "socket"),
        (a_device, "device"),
        (Path.mkdir, "directory"),
    ],
)
def test_what_is_no_file_is_named_and_nobody_waits(
    root: Path, make: Callable[[Path], None], kind: str
) -> None:
    (root / NAME).unlink()
    make(root / NAME)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: open_inside(root, NAME),
        lambda: open_named(root / NAME),
    )
    for attempt in attempts:
        with pytest.raises(NotRegularError) as caught:
            attempt()
        assert caught.value.kind == kind
        assert caught.value.filename == str(root / NAME)
        assert caught.value.strerror == f"not a regular file but a {kind}"


def test_what_is_missing_is_named(root: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        open_inside(root, "a/none/file")
    assert caught.value.filename == str(root / "a/none")
    with pytest.raises(FileNotFoundError) as caught:
        open_inside(root / "none", NAME)
    assert caught.value.filename == str(root / "none")
    with pytest.raises(FileNotFoundError):
        open_named(root / "none")


def test_a_file_is_no_folder(root: Path) -> None:
    with pytest.raises(NotADirectoryError):
        open_inside(root, f"{NAME}/more")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../root/a/b/file", "a/../../outside/a/b/file", "/etc/passwd"]
)
def test_a_name_stays_below_the_root(root: Path, name: str) -> None:
    with pytest.raises(OSError, match="not a name below its folder"):
        open_inside(root, name)


@pytest.mark.parametrize("name", ["nul\0", "a/\0/b", "half\ud800", "x" * 300, "x/" * 5000 + "x"])
def test_names_that_no_file_has_are_errors_like_others(root: Path, name: str) -> None:
    with pytest.raises(OSError, match=r"\[Errno"):
        open_inside(root, name)
    with pytest.raises(OSError, match=r"\[Errno"):
        open_named(root / name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.text(max_size=40)
    | st.lists(st.sampled_from(["a", "b", "file", "..", ".", "", "link", "up"])).map("/".join)
)
def test_no_name_leads_outside(root: Path, name: str) -> None:
    for link, target in (("link", "../outside"), ("a/link", "/"), ("a/up", "..")):
        if not (root / link).is_symlink():
            (root / link).symlink_to(target)
    try:
        content = read_inside(root, name, limit_bytes=LIMIT)
    except OSError:
        return
    assert content == b"content"
    assert [part for part in name.split("/") if part not in ("", ".")] == NAME.split("/")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(size=st.integers(0, 200), limit=st.integers(0, 200))
def test_all_of_it_or_an_error(root: Path, size: int, limit: int) -> None:
    content = bytes(range(200))[:size]
    (root / NAME).write_bytes(content)
    if size <= limit:
        assert read_inside(root, NAME, limit_bytes=limit) == content
        return
    with pytest.raises(TooLargeError) as caught:
        read_inside(root, NAME, limit_bytes=limit)
    assert caught.value.size_bytes == size
    assert caught.value.strerror == f"larger than {limit:,} bytes"


def test_a_huge_file_is_not_read(root: Path) -> None:
    with (root / NAME).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLargeError) as caught:
        read_named(root / NAME, limit_bytes=LIMIT)
    assert caught.value.size_bytes == 1 << 40


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a file without a size")
def test_a_file_that_claims_no_size_is_bounded_too() -> None:
    with pytest.raises(TooLargeError) as caught:
        read_named(Path("/proc/self/status"), limit_bytes=10)
    assert caught.value.size_bytes == 11


@pytest.mark.parametrize("part", ["a", "a/b", "a/b/file"])
@pytest.mark.parametrize("kind", ["symbolic link", "FIFO"])
@pytest.mark.timeout(30)
def test_what_changes_after_the_look_is_caught_at_the_opening(
    root: Path, part: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check beforehand is not relied on; the check at the opening is."""
    look = reading._look

    def look_then_swap(name: str, place: Path, folder: int) -> int:
        mode = look(name, place, folder)
        if place == root / part:
            place.rename(place.with_name("aside"))
            if kind == "FIFO":
                os.mkfifo(place)
            else:
                place.symlink_to(root.parent / "outside" / part)
        return mode

    monkeypatch.setattr(reading, "_look", look_then_swap)
    with pytest.raises((NotRegularError, NotADirectoryError)) as caught:
        open_inside(root, NAME)
    assert caught.value.filename == str(root / part)
    if isinstance(caught.value, NotRegularError):
        assert caught.value.kind == kind


def test_a_folder_that_is_swapped_all_the_while_never_leads_outside(root: Path) -> None:
    """Parts are opened from the folder before them, so a way that moves leads nowhere else."""
    done = threading.Event()
    place, aside = root / "a", root / "aside"

    def swap() -> None:
        while not done.is_set():
            place.rename(aside)
            place.symlink_to(root.parent / "outside/a")
            place.unlink()
            aside.rename(place)

    thread = threading.Thread(target=swap)
    thread.start()
    found, refused = set(), 0
    try:
        for _ in range(3000):
            try:
                found.add(read_inside(root, NAME, limit_bytes=LIMIT))
            except OSError:
                refused += 1
    finally:
        done.set()
        thread.join()
    assert found <= {b"content"}
    assert found or refused


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "link").symlink_to("a")
    os.mkfifo(root / "fifo")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for name in ("link/b/file", "a/none", "a/b", "fifo", "a/\0", "a/b/file/more", "../x"):
        with pytest.raises(OSError, match=r".") as caught:
            open_inside(root, name)
        assert caught.value.strerror
    assert read_inside(root, NAME, limit_bytes=LIMIT) == b"content"
    if before:
        assert len(os.listdir("/proc/self/fd")) == before

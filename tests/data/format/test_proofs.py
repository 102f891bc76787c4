"""What was read whole on this machine is not read again, until a file was touched."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.format import proofs
from harness.data.format.dataset import DEMO_NAME, open_dataset
from harness.data.format.proofs import BELIEVED_SECONDS, kept_in, open_proven
from harness.errors import InfrastructureError
from tests.data.conftest import Folder

LATER = 2 * proofs.SETTLED_SECONDS


class Machine:
    """A machine whose clock is ahead of the files', and how often it read a dataset whole."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path, kept: Path) -> None:
        self.ahead: float = LATER
        self.whole = 0
        self.root, self.kept = root, kept
        self._patch = patch
        self.is_called("one")
        patch.setattr(proofs, "open_dataset", self._read)
        patch.setattr("harness.data.format.proofs.time.time", self._now)

    def _read(self, root: Path, name: str) -> object:
        self.whole += 1
        return open_dataset(root, name)

    def _now(self) -> float:
        return time.time_ns() / 1e9 + self.ahead

    def is_called(self, name: str) -> None:
        identity = self.root / f"machine-{name}"
        identity.write_text(name)
        self._patch.setattr(proofs, "_MACHINE", identity)

    def reads(self) -> int:
        """How often opening it now reads it whole."""
        before = self.whole
        dataset = open_proven(self.root, DEMO_NAME, proofs=self.kept)
        assert dataset.manifest.name == DEMO_NAME
        return self.whole - before


@pytest.fixture
def machine(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch, folder.root, tmp_path / "proven")


def changed(path: Path) -> None:
    """Another byte in the middle; size and time of the content stay what they were."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_it_is_read_once(machine: Machine) -> None:
    assert [machine.reads() for _ in range(3)] == [1, 0, 0]


def test_a_changed_byte_is_found_though_the_time_of_the_content_was_set_back(
    machine: Machine, folder: Folder
) -> None:
    assert machine.reads() == 1
    changed(folder.val)
    with pytest.raises(InfrastructureError, match="sha256 is"):
        machine.reads()
    machine.ahead += LATER
    with pytest.raises(InfrastructureError, match="sha256 is"):
        machine.reads()


def copied(folder: Folder) -> None:
    shutil.copy2(folder.val, folder.path / "other")
    (folder.path / "other").replace(folder.val)


def unlisted(folder: Folder) -> None:
    (folder.train.parent / "notes").write_text("of the validation split")


def renamed(folder: Folder) -> None:
    folder.documents.rename(folder.path / "other.jsonl")


def linked(folder: Folder) -> None:
    folder.val.rename(folder.root / "elsewhere")
    folder.val.symlink_to(folder.root / "elsewhere")


@pytest.mark.parametrize("change", [copied, unlisted, renamed, linked])
def test_whatever_else_changed_is_read_whole(
    change: Callable[[Folder], None], machine: Machine, folder: Folder
) -> None:
    assert machine.reads() == 1
    change(folder)
    try:
        assert machine.reads() == 1
    except InfrastructureError:
        assert machine.whole == 2


def test_a_proof_of_other_inodes_is_not_believed(machine: Machine, folder: Folder) -> None:
    """The same files in the same place by name, as on a node's own disk; the proof is copied."""
    assert machine.reads() == 1
    folder.path.rename(folder.root / "kept")
    shutil.copytree(folder.root / "kept", folder.path)
    changed(folder.val)
    with pytest.raises(InfrastructureError, match="sha256 is"):
        machine.reads()


def test_a_proof_of_another_directory_is_not_believed_under_a_new_name(
    machine: Machine, folder: Folder, tmp_path: Path
) -> None:
    assert machine.reads() == 1
    [proof] = machine.kept.iterdir()
    content = proof.read_bytes()
    proof.unlink()
    machine.root = tmp_path / "second"
    shutil.copytree(folder.path, machine.root / DEMO_NAME)
    assert machine.reads() == 1
    [second] = machine.kept.iterdir()
    second.write_bytes(content)
    assert machine.reads() == 1


def test_another_machine_has_a_proof_of_its_own(machine: Machine) -> None:
    assert machine.reads() == 1
    machine.is_called("two")
    assert [machine.reads(), machine.reads()] == [1, 0]
    machine.is_called("one")
    assert machine.reads() == 0


def test_a_machine_without_a_name_keeps_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(proofs, "_MACHINE", tmp_path / "missing")
    assert [machine.reads(), machine.reads()] == [1, 1]


def test_what_was_touched_just_now_is_not_proven(machine: Machine) -> None:
    """A second change in the same tick would have the same time."""
    machine.ahead = 0
    assert [machine.reads(), machine.reads()] == [1, 1]
    machine.ahead = LATER
    assert [machine.reads(), machine.reads()] == [1, 0]


def test_what_changes_while_it_is_read_is_not_proven(
    machine: Machine, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(root: Path, name: str) -> object:
        machine.whole += 1
        dataset = open_dataset(root, name)
        folder.val.touch()
        return dataset

    monkeypatch.setattr(proofs, "open_dataset", read)
    assert machine.reads() == 1
    machine.ahead += LATER
    assert machine.reads() == 1


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_what_others_may_write_is_always_read(mode: int, machine: Machine, folder: Folder) -> None:
    folder.val.chmod(mode)
    assert [machine.reads(), machine.reads()] == [1, 1]


def test_a_proof_is_believed_for_a_week(machine: Machine) -> None:
    assert machine.reads() == 1
    machine.ahead += BELIEVED_SECONDS - 60
    assert machine.reads() == 0
    machine.ahead += 61
    assert machine.reads() == 1
    machine.ahead -= BELIEVED_SECONDS  # the clock was set back
    assert machine.reads() == 1


def test_other_code_reads_it_whole(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.reads() == 1
    monkeypatch.setattr(proofs, "measured_by", lambda: "0" * 64)
    assert machine.reads() == 1


def test_another_manifest_is_read_whole(machine: Machine, folder: Folder) -> None:
    assert machine.reads() == 1
    folder.edit_manifest(lambda content: content.update(source="elsewhere"))
    machine.ahead += LATER
    assert [machine.reads(), machine.reads()] == [1, 0]


def open_to_others(kept: Path) -> None:
    kept.chmod(0o777)


def redirected(kept: Path) -> None:
    kept.rename(kept.parent / "moved")
    kept.symlink_to(kept.parent / "moved")


def garbled(kept: Path) -> None:
    [proof] = kept.iterdir()
    proof.write_bytes(b"{")


@pytest.mark.parametrize("damage", [open_to_others, redirected, garbled])
def test_what_others_may_have_written_is_no_proof(
    damage: Callable[[Path], None], machine: Machine
) -> None:
    assert machine.reads() == 1
    damage(machine.kept)
    assert machine.reads() == 1


def test_where_none_can_be_kept_everything_is_read(machine: Machine) -> None:
    machine.kept.write_text("a file")
    assert [machine.reads(), machine.reads()] == [1, 1]


def test_old_ones_are_removed(machine: Machine) -> None:
    assert machine.reads() == 1
    [old] = machine.kept.iterdir()
    machine.is_called("two")
    machine.ahead += BELIEVED_SECONDS + 60
    assert machine.reads() == 1
    assert old not in list(machine.kept.iterdir())


def test_they_lie_in_the_users_own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kept_in().is_relative_to(tmp_path)

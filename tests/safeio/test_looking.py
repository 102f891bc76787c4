"""What lies on the disk: not there is one thing, and not to be seen another."""

import os
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.safeio.looking import is_there, names_in


def test_what_is_there_is_seen_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert names_in(tmp_path) == ["file", "folder", "link", "pipe"]
    assert all(is_there(tmp_path / name) for name in names_in(tmp_path))
    for name in ("nothing", "nothing/below", "file/below", "x" * 300):
        assert not is_there(tmp_path / name)
    assert names_in(tmp_path / "nothing") == []


def test_what_cannot_be_looked_at_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (tmp_path / "file", loop):
        with pytest.raises(InfrastructureError, match=f"{path}: cannot be looked at"):
            names_in(path)
    with pytest.raises(InfrastructureError, match=f"{loop}/below: cannot be looked at"):
        is_there(loop / "below")


def test_what_may_not_be_looked_at_is_an_error_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "lstat", refuse)
    for look in (is_there, names_in):
        with pytest.raises(InfrastructureError, match="Permission denied"):
            look(tmp_path)

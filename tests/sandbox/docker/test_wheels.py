"""Lock files of wheels: pinned, compared with their digests, or refused with the line."""

from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.sandbox.docker import wheels
from harness.sandbox.docker.kinds import KINDS, ImageKind, recipe_of


class TestLock:
    TARGET = wheels.Target("cpu", (3, 11), "x86_64", (2, 36))

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_committed_lock_pins_what_is_required(self, kind: ImageKind) -> None:
        folder = Path(__file__).parents[3] / "docker"
        (lock,) = folder.glob(f"{kind}-*.lock")
        pins = {pin.name: pin for pin in wheels.read_lock(lock)}
        wanted = {
            line
            for name in recipe_of(kind).requirements
            for line in (folder / name).read_text().splitlines()
            if not line.startswith("#")
        }
        for line in wanted:
            name, version = line.split("==")
            assert pins[name].version.split("+")[0] == version
        sources = " and ".join(recipe_of(kind).requirements)
        assert lock.read_text().splitlines()[0].endswith(f"from {sources}.")

    def test_round_trip(self, tmp_path: Path) -> None:
        pins = (wheels.Pin("a-b", "1.0+cpu", "0" * 64), wheels.Pin("c", "2", "f" * 64))
        wheels.write_lock(tmp_path / "x.lock", pins, self.TARGET, ["x.in"])
        assert wheels.read_lock(tmp_path / "x.lock") == pins

    @pytest.mark.parametrize("line", ["torch==2", "torch>=2 --hash=sha256:" + "0" * 64, "-e ."])
    def test_anything_else_is_refused_with_its_line(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "x.lock").write_text(f"# comment\n{line}\n")
        with pytest.raises(InfrastructureError, match="line 2"):
            wheels.read_lock(tmp_path / "x.lock")

    def test_a_wheel_with_another_digest_is_not_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a-1.0-py3-none-any.whl").write_bytes(b"tampered")
        (tmp_path / "x.lock").write_text(f"a==1.0 --hash=sha256:{'0' * 64}\n")
        monkeypatch.setattr(wheels, "_download", lambda *_: None)
        with pytest.raises(InfrastructureError, match=r"locked digest for a==1\.0"):
            wheels.fill(tmp_path, tmp_path / "x.lock", [tmp_path / "in"], self.TARGET, print)

    def test_without_a_lock_one_is_written_and_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def download(what: object, folder: Path, *_: object) -> None:
            (folder / "A_b-1.0-py3-none-any.whl").write_bytes(b"content")

        said: list[str] = []
        monkeypatch.setattr(wheels, "_download", download)
        lock = tmp_path / "x.lock"
        wanted = [tmp_path / "in"]
        (found,) = wheels.fill(tmp_path / "wheels", lock, wanted, self.TARGET, said.append)
        assert found.name == "A_b-1.0-py3-none-any.whl"
        assert [(pin.name, pin.version) for pin in wheels.read_lock(lock)] == [("a-b", "1.0")]
        assert any("on trust" in line for line in said)

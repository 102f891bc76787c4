"""The first run says what it makes, how long that takes, and how to do without an image."""

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfrastructureError
from harness.sandbox.docker import image
from harness.sandbox.docker.kinds import KINDS, ImageKind, recipe_of
from tests.factories.playground import ROOT, harness


class NoEngine:
    """An engine that answers, and has nothing."""

    def connection(self, *_: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def test_packages_data_and_image_are_announced_with_their_minutes() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("$(VENV)/.installed:")[2]
    announced, installed, _ = recipe.partition("$(INSTALL)")
    assert installed
    for words in ("2 GB", "minutes", "demo dataset", "sandbox image", "SANDBOX=process"):
        assert words in announced


def test_a_silent_pip_is_told_of_and_its_outcome_is_the_one_of_make(tmp_path: Path) -> None:
    install = (ROOT / "Makefile").read_text().partition("INSTALL = ")[2].partition("\n\n")[0]
    quick = install.replace("sleep 20", "sleep 0.2")
    (tmp_path / "bin").mkdir()
    pip = tmp_path / "bin" / "python"
    pip.write_text("#!/bin/sh\nsleep 1; exit 3\n")
    pip.chmod(0o755)
    (tmp_path / "Makefile").write_text(f"BIN := bin\nINSTALL = {quick}\nit:\n\t@$(INSTALL) .\n")
    done = subprocess.run(["make", "it"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "installing Python packages: 20 s so far; usually" in done.stdout
    assert done.returncode == 2 and "Error 3" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_announced_before_anything_is_looked_for(
    kind: ImageKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any) -> str:
        raise InfrastructureError("no base image")

    monkeypatch.setattr(image, "find_base", missing)
    said: list[str] = []
    with pytest.raises(InfrastructureError, match="no base image"):
        image.build(said.append, kind=kind, engine=NoEngine())  # type: ignore[arg-type]
    assert said[0] == f"making the sandbox image for {kind}, once: {recipe_of(kind).effort}"
    assert "minutes" in said[0]
    assert "--sandbox process" in said[1] and "SANDBOX=process" in said[1]


def test_the_demo_dataset_is_announced_where_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_demo(*_: Any, **__: Any) -> None:
        raise InfrastructureError("far enough")

    monkeypatch.setattr("harness.data.build.demo.build_demo", build_demo)
    made = harness("data", "demo", "--data", tmp_path, "--quiet")
    assert "making the demo dataset from Python's own library, once: less than a minute" in made.err
    (tmp_path / "demo_sp1024").mkdir()
    assert "making" not in harness("data", "demo", "--data", tmp_path, "--quiet").err

"""The kinds of image: one for each track and layout, and a base that has what its wheels lack."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contest.entry import Layout
from harness.contest.track import Track, load_track
from harness.errors import InfrastructureError
from harness.sandbox.backend import Asked
from harness.sandbox.docker import backend, base_image
from harness.sandbox.docker.kinds import KINDS, ImageKind, kind_for, recipe_of
from harness.sandbox.registry import BACKENDS, choose

DOCKER = Path(__file__).parents[3] / "docker"
SMOKE, OFFICIAL = load_track("smoke"), load_track("10min_16mb")


@pytest.mark.parametrize(
    ("track", "layout", "kind"),
    [
        (SMOKE, "submission", "cpu"),
        (SMOKE, "upstream", "upstream-cpu"),
        (OFFICIAL, "submission", "cuda"),
        (OFFICIAL, "upstream", "cuda"),
    ],
)
def test_track_and_layout_choose(track: Track, layout: Layout, kind: ImageKind) -> None:
    assert kind_for(track, layout) == kind
    opened = backend._sandbox(Asked(track, print, layout=layout))
    assert opened.kind == kind


def test_who_chooses_a_sandbox_says_the_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Asked] = []

    def opened(wanted: Asked) -> Any:
        asked.append(wanted)
        return BACKENDS[-1].open(wanted)

    one = replace(BACKENDS[0], open=opened)
    monkeypatch.setattr("harness.sandbox.registry.BACKENDS", (one, BACKENDS[-1]))
    choose("docker", track=SMOKE, note=print, layout="upstream")
    choose("docker", track=SMOKE, note=print)
    assert [each.layout for each in asked] == ["upstream", "submission"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_names_files_that_are_there(kind: ImageKind) -> None:
    recipe = recipe_of(kind)
    for name in (recipe.dockerfile, *recipe.requirements, *recipe.files):
        assert (DOCKER / name).is_file()


def test_the_script_that_makes_bases_knows_every_kind_and_no_other() -> None:
    text = (DOCKER / "make-base.sh").read_text()
    for kind in KINDS:
        assert f"\n{kind}) " in text
    command = ["/bin/sh", str(DOCKER / "make-base.sh"), "x", "tpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert done.returncode == 2 and "expected cpu, cuda or upstream-cpu, got tpu" in done.stderr


class Client:
    """An engine whose images have no names, and whose containers print one line."""

    def __init__(self, printed: str = "") -> None:
        self.printed = printed
        self.pulled: list[str] = []

    def inspect_image(self, name: str) -> dict[str, Any]:
        from docker.errors import NotFound

        raise NotFound(name)

    def pull(self, name: str) -> None:
        self.pulled.append(name)

    def create_host_config(self, **_: Any) -> None:
        return None

    def create_container(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"Id": "1"}

    def start(self, _: str) -> None: ...

    def wait(self, _: str) -> dict[str, int]:
        return {"StatusCode": 0}

    def logs(self, _: str, **__: Any) -> bytes:
        return self.printed.encode()

    def remove_container(self, _: str, **__: Any) -> None: ...


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Client:
    """An engine without registry and without debootstrap."""
    monkeypatch.setattr(base_image, "_can_make_base", lambda: False)
    return Client()


def found(python: tuple[int, int], *has: str) -> str:
    return json.dumps(["glibc", "2.41", "x86_64", python, [*has]])


def detect(printed: str, kind: ImageKind) -> Any:
    client: Any = Client(printed)
    return base_image.detect(client, "some:base", recipe_of(kind))


def test_a_base_that_has_all_gives_the_target() -> None:
    assert detect(found((3, 11)), "cpu").name == "cpu-cp311-x86_64"
    target = detect(found((3, 13), "PyTorch", "NumPy"), "upstream-cpu")
    assert target.name == "upstream-cpu-cp313-x86_64"
    target = detect(found((3, 13), "a C compiler", "Python's headers"), "cuda")
    assert target.name == "cuda-cp313-x86_64"


@pytest.mark.parametrize(
    ("printed", "kind", "message", "remedy"),
    [
        (found((3, 10)), "cpu", "found Python 3.10", "needs Python 3.11 or newer"),
        (
            found((3, 11), "a C compiler", "Python's headers"),
            "cuda",
            "found Python 3.11",
            "needs Python 3.12 or newer",
        ),
        (found((3, 13), "a C compiler"), "cuda", "has no Python's headers", "python3-dev"),
        (found((3, 13), "NumPy"), "upstream-cpu", "has no PyTorch, which no", "python3-torch"),
    ],
)
def test_a_base_that_lacks_something_is_told_what(
    printed: str, kind: ImageKind, message: str, remedy: str
) -> None:
    with pytest.raises(InfrastructureError) as told:
        detect(printed, kind)
    assert message in told.value.message and remedy in (told.value.remedy or "")


def test_what_no_registry_has_is_not_asked_for(alone: Client) -> None:
    client: Any = alone
    with pytest.raises(InfrastructureError) as told:
        base_image.find_base(client, None, recipe_of("upstream-cpu"), print)
    assert alone.pulled == []
    remedy = told.value.remedy or ""
    assert "make-base.sh parameter-golf-base:trixie-torch upstream-cpu" in remedy
    assert "Python 3.12 or newer and its venv module and PyTorch and NumPy" in remedy


def test_what_registries_have_is_pulled(alone: Client) -> None:
    client: Any = alone
    with pytest.raises(InfrastructureError, match="cannot be pulled"):
        base_image.find_base(client, None, recipe_of("cuda"), print)
    assert alone.pulled == ["python:3.13-trixie"]

"""What a phase has at the engine is removed, whatever else removes it at the same time."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest

from harness.errors import InfrastructureError
from harness.safeio import ownership
from harness.sandbox.docker import container, image
from harness.sandbox.docker.container import Names, remove_all
from harness.sandbox.docker.engine import Engine, engine_errors

NAMES = Names("phase", "helper", "keeper", "output", ("copy-0", "copy-1"))


class Standing:
    """An engine that answers what a test wants: a list of status codes for each name; 0 is done."""

    def __init__(self, answers: dict[str, list[int]]) -> None:
        self.answers = answers
        self.removed: list[str] = []

    @contextlib.contextmanager
    def connection(self, timeout_seconds: float) -> Iterator[Any]:
        with engine_errors("use the Docker engine"):
            yield self

    def remove_container(self, name: str, *, force: bool, v: bool) -> None:
        self.remove_volume(name)

    def remove_volume(self, name: str) -> None:
        code = self.answers.get(name, [0]).pop(0)
        if code:
            kind = docker.errors.NotFound if code == 404 else docker.errors.APIError
            raise kind("no", response=SimpleNamespace(status_code=code), explanation="in progress")
        self.removed.append(name)


def removed(answers: dict[str, list[int]]) -> list[str]:
    engine = Standing(answers)
    remove_all(cast(Engine, engine), NAMES)
    return engine.removed


def test_what_somebody_removes_already_is_waited_for_and_the_rest_is_removed() -> None:
    every = ["phase", "helper", "keeper", "output", "copy-0", "copy-1"]
    assert removed({}) == every
    assert removed({"helper": [409, 409, 0], "copy-0": [409, 0]}) == every
    assert removed({"helper": [409, 404]}) == [name for name in every if name != "helper"]


def test_what_is_never_removed_is_ours_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "_CLEANUP_SECONDS", 0.0)
    with pytest.raises(InfrastructureError, match="in progress"):
        removed({"helper": [409] * 1000})


@pytest.mark.docker
def test_two_who_remove_the_same_both_end_well() -> None:
    engine = Engine()

    token = ownership.token()
    with engine.connection() as client:
        _, identity = image.ensure(lambda line: None, kind="cpu", engine=engine)
        names = Names(f"{token}-phase", None, None, None, (f"{token}-copy",))
        client.create_volume(names.copies[0], driver="local")
        client.create_container(
            identity,
            ["/bin/sleep", "infinity"],
            name=names.container,
            entrypoint=[],
            host_config=client.create_host_config(binds=[f"{names.copies[0]}:/mnt"]),
        )
        client.start(names.container)
        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(remove_all, engine, names) for _ in range(3)]:
                assert done.result() is None
        with pytest.raises(docker.errors.NotFound):
            client.inspect_container(names.container)
        with pytest.raises(docker.errors.NotFound):
            client.inspect_volume(names.copies[0])

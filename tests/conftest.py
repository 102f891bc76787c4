"""What all tests share: when those for Docker run, prepared interpreters, a small dataset."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before torch is imported. The workers of pytest share the cores: where threads of torch wait for
# each other in a loop, a score of milliseconds takes seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.factories.forking import fork_server_started
from tests.factories.playground import build_small_dataset

# Who starts us in the background, or with nohup, has us ignore these, and so would every child.
# With a handler of our own we still do; a program that is started gets the usual one.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda number, frame: None)
# How long an example takes tells of the machine: the first import of scipy alone takes a second.
# And it is the same ones each time, so that a run fails by what was changed alone.
settings.register_profile(
    "the same",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("HARNESS_EXPLORE") != "1",
)
settings.load_profile("the same")


_TIERS = {
    "browser": ("HARNESS_BROWSER_TESTS", "needs Chromium"),
    "cluster": ("HARNESS_CLUSTER_TESTS", "needs a cluster's programs"),
    "docker": ("HARNESS_DOCKER_TESTS", "needs a Docker engine"),
    "long": ("HARNESS_DOCKER_TESTS", "takes long, so it runs with the Docker tier"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tiers whose variables say that what they need is there, and the quick one."""
    for name, (variable, why) in _TIERS.items():
        if os.environ.get(variable) == "1":
            continue
        for item in items:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"{why}: set {variable}=1"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept in the user's cache is kept for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def machine_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Workers of pytest run beside each other, each as if it had a machine to itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_MACHINE_LOCK", str(tmp_path_factory.mktemp("machine") / "lock"))
        yield


SANDBOXES = ["process", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(scope="session")
def fork_server() -> Iterator[type[subprocess.Popen[bytes]]]:
    """What takes the place of ``subprocess.Popen`` where interpreters are forked."""
    with fork_server_started() as popen:
        yield popen


@pytest.fixture(scope="module")
def forked(fork_server: type[subprocess.Popen[bytes]]) -> Iterator[None]:
    """For a module's tests, an interpreter is a fork of one that has imported torch already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", fork_server)
        yield


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test of such a module, an interpreter is a fresh one, as in real life."""
    monkeypatch.setattr(subprocess, "Popen", _POPEN)


_POPEN = subprocess.Popen


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of datasets that holds a small demo dataset: a few documents of the real one.

    Scoring it takes a fifth of the time; tokenizer, format and name are the real ones.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # all workers share it; the first to come builds it
    root = place / "small"
    with (place / "small.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            new, whole = (tmp_path_factory.mktemp(name) for name in ("new", "whole"))
            build_small_dataset(new, whole).rename(root)
    return root

"""Which tests need a Docker engine and when they are run; the dataset that tests share."""

import os
from pathlib import Path

import pytest

from tests.factories.playground import build_small_dataset


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an engine, unless HARNESS_DOCKER_TESTS=1 says that one is there."""
    if os.environ.get("HARNESS_DOCKER_TESTS") == "1":
        return
    skip = pytest.mark.skip(reason="needs a Docker engine: set HARNESS_DOCKER_TESTS=1")
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(skip)


SANDBOXES = ["process", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of datasets that holds a small demo dataset: a few documents of the real one.

    Scoring it takes a fifth of the time; tokenizer, format and name are the real ones.
    """
    root = tmp_path_factory.mktemp("data")
    return build_small_dataset(root, tmp_path_factory.mktemp("whole"))

"""A driver of GPUs in place of the real one, which need not be there."""

from collections.abc import Callable

import pytest

from harness.hardware import nvml
from tests.factories.nvml import FakeNvml

Install = Callable[[FakeNvml | None], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a made-up driver in place of the package; None: there is no package."""

    def put(made_up: FakeNvml | None) -> None:
        monkeypatch.setattr(nvml, "library", lambda: made_up)

    return put

"""The rehearsal as a backend: it can be had everywhere, and proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.sandbox.backend import Asked
    from harness.sandbox.process.sandbox import ProcessSandbox

PROVES: frozenset[str] = frozenset()


def open_sandbox(asked: Asked) -> ProcessSandbox:
    """A sandbox, not prepared yet.

    Raises:
        UsageError: a runtime for containers was named, and there are none.
    """
    from harness.sandbox.process.sandbox import ProcessSandbox

    if asked.runtime:
        raise UsageError("--runtime names a runtime for containers; a rehearsal has none")
    return ProcessSandbox()

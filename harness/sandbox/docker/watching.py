"""Seeing from the keeper when a phase reads its artifact back.

The keeper has the output directory mounted, read-only, and shares no other namespace with the
phase. :mod:`harness.inside.watch` runs in it as a second program, whose text is its command: the
image holds none of it, and where it ends the keeper keeps. It gets no right that the keeper
does not have, and the keeper has one more than a phase: it may watch files.
"""

import json
import select
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.inside import watch
from harness.package import PACKAGE
from harness.sandbox.docker.engine import Engine, engine_errors
from harness.sandbox.limits import OUTPUT, VENV
from harness.sandbox.protocol import EarlySeal

if TYPE_CHECKING:
    from docker.api.client import APIClient

SOURCE = PACKAGE / "inside" / "watch.py"
_PYTHON = f"{VENV}/bin/python"
_READY_SECONDS = 60.0
_SAID_BYTES = 1 << 16


class Watcher:
    """The program in the keeper, and what it says.

    Args:
        engine: makes the connection that it speaks through.
        keeper: the container's name.
        early: the artifact.

    What goes wrong with it is told by :meth:`reads`: nothing depends on it.
    """

    def __init__(self, engine: Engine, keeper: str, early: EarlySeal) -> None:
        self._client: APIClient | None = None
        self._lines: Iterator[object] = iter(())
        self._lost = ""
        told = json.dumps({"root": str(OUTPUT), "name": early.name})
        command = [_PYTHON, "-I", "-S", "-c", SOURCE.read_text(), told]
        try:
            self._client = engine.client()
            with engine_errors("watch the output directory"):
                created = self._client.exec_create(keeper, command, stdout=True, stderr=False)
                self._socket = self._client.exec_start(created["Id"], socket=True)
            self._lines = _lines(self._socket)
            self._await_ready()
        except InfrastructureError as error:
            self._lost = error.message

    def reads(self) -> Iterator[int]:
        """See :class:`harness.sandbox.early.EarlySealing`."""
        try:
            if self._lost:
                raise watch.Lost(self._lost)
            for said in self._lines:
                if isinstance(said, int):
                    yield said
                elif isinstance(said, dict):
                    raise watch.Lost(str(said.get("lost")))
        finally:
            self.close()

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            with suppress(OSError):
                self._client.close()
            self._client = None

    def _await_ready(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(_READY_SECONDS * 1000) or next(self._lines, None) != watch.READY:
            raise InfrastructureError("the program that watches the output directory did not start")


def _lines(socket: object) -> Iterator[object]:
    """What a program of ours says, each line of JSON read; ends with it, or when it says a lot."""
    from docker.utils.socket import frames_iter

    left, line = _SAID_BYTES, b""
    with suppress(OSError, ValueError):  # a broken connection, or a line that is none
        for _, chunk in frames_iter(socket, tty=False):
            line += chunk
            left -= len(chunk)
            *whole, line = line.split(b"\n")
            for text in whole:
                yield json.loads(text)
            if left < 0:
                return

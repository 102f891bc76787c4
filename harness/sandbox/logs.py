"""What a phase prints: stamped by us, made plain, bounded, and drained to the end.

The text comes from a stranger. It must neither move the cursor of the terminal that shows it,
nor fill our memory or disk, nor block the phase because nobody reads.
"""

import contextlib
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import InfrastructureError
from harness.evidence.phase import LONGEST_END, LogEnd
from harness.safeio.files import disk_errors
from harness.safeio.text import plain_line
from harness.sandbox.log_end import telling

LINE_CHARACTERS = 4_000
KEPT_LINES = 120
_LINE_BYTES = 4 * LINE_CHARACTERS  # no character of UTF-8 is longer
_FLUSH_SECONDS = 0.5

_BREAK = re.compile(rb"\r\n|\n|\r")


class LogCapture:
    """Drains a phase's output in a thread of its own and keeps a bounded log of it.

    Each line of the file reads ``seconds text``, with seconds since the start at which the
    line was complete. Memory stays flat whatever is printed. An error while writing does not
    stop the draining; :meth:`check` and :meth:`finish` raise it.

    Args:
        path: the log; created or replaced here.
        limit_bytes: bound of the file, its final marker included.

    Raises:
        InfrastructureError: the log cannot be created.
    """

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._marker = f"          [log cut: the limit of {limit_bytes:,} bytes was reached]\n"
        self._line = bytearray()
        self._ended_with_return = False
        self._last = ""
        self._last_lines: deque[tuple[float, str]] = deque(maxlen=KEPT_LINES)
        self._error: InfrastructureError | None = None
        self._thread: threading.Thread | None = None
        self._origin = time.monotonic()
        self._flushed = 0.0
        self.stored_bytes = 0
        self.truncated = False
        with disk_errors(path):
            self._file = path.open("wb")

    @property
    def last_line(self) -> str:
        """The last line of the output that was not empty, plain."""
        return self._last

    @property
    def last_lines(self) -> str:
        """The last ``KEPT_LINES`` lines of the output that were not empty, plain."""
        return "\n".join(text for _, text in tuple(self._last_lines))

    def end(self, *, raised: bool) -> LogEnd | None:
        """The line that says how the phase ended, see :func:`harness.sandbox.log_end.telling`.

        Only after :meth:`finish`: before that the line may still be under way.
        """
        kept = tuple(self._last_lines)
        index = telling([text for _, text in kept], raised=raised)
        if index is None:
            return None
        seconds, text = kept[index]
        return LogEnd(text=text.strip()[:LONGEST_END], seconds=max(0.0, seconds))

    def starts_now(self) -> None:
        """Stamp lines with seconds since this moment."""
        self._origin = time.monotonic()

    def drain(self, chunks: Iterable[bytes]) -> None:
        """Read ``chunks`` to their end in a thread; call once."""
        self._thread = threading.Thread(target=self._drain, args=(chunks,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise the InfrastructureError that stopped the log from being kept, if any did."""
        if self._error is not None:
            raise self._error

    def finish(self, timeout_seconds: float) -> None:
        """Wait for the end of the output; the file is whole and closed then.

        Raises:
            InfrastructureError: the output did not end in time, or could not be written.
        """
        if self._thread is None:
            self._close()
        else:
            self._thread.join(timeout_seconds)
            if self._thread.is_alive():
                raise InfrastructureError(
                    "the output of the phase did not end with it",
                    file=self._path,
                    remedy="see whether the engine is overloaded, then --resume",
                )
        self.check()

    def _drain(self, chunks: Iterable[bytes]) -> None:
        try:
            for chunk in chunks:
                # After an error or past the limit the phase must still find a reader.
                if self._error is None and not self.truncated:
                    with self._keeping_errors():
                        self._take(chunk)
            if self._line and self._error is None and not self.truncated:
                with self._keeping_errors():
                    self._end_line(b"")
        finally:
            self._close()

    def _take(self, chunk: bytes) -> None:
        if self._ended_with_return:
            chunk = chunk.removeprefix(b"\n")
        self._ended_with_return = chunk.endswith(b"\r")
        start = 0
        # The search for either byte alone is many times faster, which matters in a flood.
        has_breaks = b"\n" in chunk or b"\r" in chunk
        for found in _BREAK.finditer(chunk) if has_breaks else ():
            self._end_line(chunk[start : found.start()])
            start = found.end()
            if self.truncated:
                return
        self._grow(chunk[start:])
        now = time.monotonic()
        if now - self._flushed > _FLUSH_SECONDS:
            self._file.flush()
            self._flushed = now

    def _grow(self, piece: bytes) -> None:
        # One byte beyond the bound is kept, so that plain_line sees that the line was longer.
        self._line += piece[: _LINE_BYTES + 1 - len(self._line)]

    def _end_line(self, piece: bytes) -> None:
        self._grow(piece)
        text = plain_line(bytes(self._line), LINE_CHARACTERS)
        self._line.clear()
        seconds = time.monotonic() - self._origin
        stamped = f"{seconds:9.3f} {text}\n".encode()
        if self.stored_bytes + len(stamped) + len(self._marker) > self._limit_bytes:
            self.truncated = True
            text = self._marker.strip()
            stamped = self._marker.encode()[: self._limit_bytes - self.stored_bytes]
        self._file.write(stamped)
        self.stored_bytes += len(stamped)
        if text.strip():
            self._last = text.strip()
            self._last_lines.append((seconds, text))

    @contextlib.contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            with disk_errors(self._path):
                yield
        except InfrastructureError as error:
            self._error = error

    def _close(self) -> None:
        with self._keeping_errors():
            self._file.close()

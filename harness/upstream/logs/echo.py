"""The source code that logs echo, kept apart from what the run itself printed.

Scripts print their own source at the top of their log. A ``"val_bpb:1.2"`` in an echoed comment is
no figure, so no figures are read there; the echo is kept whole, to compare it with the script.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_ECHO_BYTES = 1 << 19  # twice the largest script that is parsed
_MOST_ECHOES = 4
_MOST_RECENT_LINES = 400
_DELIMITER = b"=" * 20
_CODE = re.compile(
    rb"(?:import [A-Za-z_]|from [\w.]{1,80} import |def \w{1,80}\(|class \w{1,80}[(:]"
    rb"|async def |@\w{1,80}(?:[.(]|\s*$)|if __name__ ==)"
)
_IMPORT = re.compile(rb"(?:import [A-Za-z_]|from [\w.]{1,80} import )")
# Lines that only a running script prints: they end an echo that has no closing delimiter.
_PRINTED = re.compile(
    rb"(?:step:\s?\d|\d{1,9}/\d{1,9} (?:train|val)_loss|model_params:\s?\d|world_size:\s?\d"
    rb"|val_bpb:\w{1,40}|train_loader:dataset|val_loader:shards|warmup_step:\s?\d"
    rb"|stopping_early: |seed:\s?\d|train_shards:\s?\d|val_tokens:\s?\d|Running Py"
    rb"|Hyperparameters:\s*$|\[\d{1,7} lines of echoed source removed\])"
)
_TITLE = re.compile(rb"source(?: code)?:?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Echo:
    """Source code in a log: its first and last line, and its text without outer white space."""

    first: int
    last: int
    text: bytes


class EchoFilter:
    """Yields the lines of a log that are not echoed source, numbered from 1.

    ``echoes`` fills while :meth:`lines` is read. After training, only imports begin an echo: the
    echo of the next run in the same log.
    """

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.echoes: list[Echo] = []
        self.training = False  # set by the reader, who knows what a step looks like
        self._recent: list[bytes] = []
        self._recent_bytes = 0
        self._titled = False
        self._inside = False

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield line numbers and lines."""
        number = 0
        for number, line in enumerate(self._lines, start=1):
            delimiter = line.startswith(_DELIMITER)
            if self._inside:
                if not (delimiter or _PRINTED.match(line)):
                    self._keep(line)
                    continue
                self._close(number - 1)
            if delimiter:
                self._inside, self._titled = self._titled, False
                self._forget()
            elif (_IMPORT if self.training else _CODE).match(line):
                self._inside = True
                self._keep(line)
            else:
                if not self.training:
                    self._before_training(line)
                yield number, line
        if self._inside:
            self._close(number)

    def _before_training(self, line: bytes) -> None:
        """Keep lines that may turn out to be the beginning of an echo."""
        if _PRINTED.match(line):
            self._forget()
            return
        self._keep(line)
        if line.strip():
            self._titled = _TITLE.match(line) is not None

    def _keep(self, line: bytes) -> None:
        if not self._inside and len(self._recent) >= _MOST_RECENT_LINES:
            self._forget()
        if self._recent_bytes < _MOST_ECHO_BYTES:
            self._recent.append(line)
            self._recent_bytes += len(line)

    def _forget(self) -> None:
        self._recent, self._recent_bytes = [], 0

    def _close(self, last: int) -> None:
        text = b"\n".join(self._recent).replace(b"\r\n", b"\n").strip()
        if text and len(self.echoes) < _MOST_ECHOES:
            self.echoes.append(Echo(max(last - len(self._recent) + 1, 1), last, text))
        self._inside = False
        self._forget()

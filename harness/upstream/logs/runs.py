"""Splits a log into runs: where one ends and the next begins, and what each of them says.

A log may hold one run, several one after the other, a scoring of an artifact trained
elsewhere, or nothing of the kind (installation notes, summaries).
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.safeio.decoding import unmarked
from harness.upstream.folder import BrokenFileError, RecordFolder
from harness.upstream.logs.echo import Echo, EchoFilter
from harness.upstream.logs.lexing import LINE_BYTES, cleaned, pairs, seconds
from harness.upstream.logs.log_run import FIRST_LOSSES, Draft
from harness.upstream.logs.log_vocabulary import INTERESTING, STEP, slack

LARGEST_LOG_BYTES = 64 << 20
MOST_LINES = 1_500_000
_SPLIT_BYTES = 1 << 20
MOST_RUNS = 64
# Scripts print these lines at every start; after a score they begin another run.
_START = re.compile(
    rb"\s*\"?(?:Hyperparameters:|Running Py|model_params:|val_bpb:[a-z]|train_loader:dataset"
    rb"|seed\"?\s?[:=]\s?\d|train_shards:|warmup_step:|world_size:)"
    rb"|.{0,80}\bRUN seed|\[\d{1,7} lines of echoed",
)
_PASSING = re.compile(rb"step:\d{3,9}/\d{1,9} train_loss:")
_LOG_ENDINGS = (".log", ".txt", ".out", ".err", ".logs")
_NO_LOGS = re.compile(
    r"(?:requirements|license|readme|notes?|citation|vocab|todo|constraints)(?![a-z])", re.I
)


@dataclass
class Log:
    """A log that was read: its runs in order, its echoed source, its digest.

    ``blank``: nothing but white space is in it.
    """

    name: str
    drafts: list[Draft]
    echoes: list[Echo]
    sha256: str
    lines: int
    cut: bool = False
    broken: str = ""
    blank: bool = False


def log_names(folder: RecordFolder) -> list[str]:
    """Files that may be logs; those beside the README come first."""
    names = [
        name
        for name, file in folder.files.items()
        if file.here
        and (name.lower().endswith(_LOG_ENDINGS) or file.base.lower() in ("log", "stdout"))
        and not _NO_LOGS.match(file.base)
    ]
    return sorted(names, key=lambda name: (name.count("/"), name))


def read_log(folder: RecordFolder, name: str) -> Log:
    """Read the runs in a log. Never fails: ``broken`` says what could not be read."""
    try:
        content = folder.read(name, LARGEST_LOG_BYTES)
    except BrokenFileError as error:
        return Log(name, [], [], "", 0, broken=str(error))
    return read_content(name, content)


def read_content(name: str, content: bytes) -> Log:
    """The same of a log's content; what is beyond the bounds is cut."""
    digest = hashlib.sha256(content).hexdigest()
    cut = len(content) > LARGEST_LOG_BYTES
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # some shells write UTF-16
        content = content.decode("utf-16", "replace").encode()
    reader = _Reader(name, _lines_of(unmarked(content)))
    count = reader.read()
    return Log(
        name,
        reader.drafts,
        reader.filter.echoes,
        digest,
        count,
        cut=cut or count >= MOST_LINES,
        blank=not content.strip(),
    )


def _lines_of(content: bytes) -> Iterator[bytes]:
    """Lines without line ends, each cut to ``LINE_BYTES``; a large log is read in pieces."""
    if len(content) <= _SPLIT_BYTES:
        lines = content.split(b"\n")
        if not lines[-1]:
            lines.pop()
        yield from (line if len(line) <= LINE_BYTES else line[:LINE_BYTES] for line in lines)
        return
    at, count = 0, 0
    while at < len(content) and count < MOST_LINES:
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        yield content[at : min(end, at + LINE_BYTES)]
        at, count = end + 1, count + 1


class _Reader:
    def __init__(self, name: str, lines: Iterator[bytes]) -> None:
        self.name = name
        self.filter = EchoFilter(lines)
        self.drafts: list[Draft] = []
        self.draft = Draft(name)
        self._passed: tuple[int, bytes] | None = None

    def read(self) -> int:
        number = 0
        for number, line in self.filter.lines():
            draft = self.draft
            if draft.begun:
                # Most of a log is such lines; only the last one adds anything to those before it.
                if len(draft.first_losses) >= FIRST_LOSSES and _PASSING.match(line):
                    self._passed = number, line
                    continue
                self._catch_up()
                draft = self.draft
                if not INTERESTING.search(line) and not _START.match(line):
                    continue
                if self._starts(line):
                    self._next()
            text = cleaned(line)
            found = STEP.match(text)
            if found:
                self._step(number, text, found)
            elif self.draft.begun:
                self.draft.figures(number, text)
            elif text:
                self.draft.header(number, text)
        self._catch_up()
        self._next()
        return number

    def _catch_up(self) -> None:
        if self._passed:
            (number, line), self._passed = self._passed, None
            text = cleaned(line)
            found = STEP.match(text)
            if found:
                self._step(number, text, found)

    def _starts(self, line: bytes) -> bool:
        """Whether this line begins another run: scripts print such lines once, at their start."""
        draft = self.draft
        if not draft.evaluations and (draft.steps or 0) < 2:
            return False
        if _START.match(line):
            return True
        return b"loss" not in line and _START.match(cleaned(line).encode()) is not None

    def _step(self, number: int, text: str, found: re.Match[str]) -> None:
        draft = self.draft
        reached = int(found[1] or found[3])
        planned = found[2] or found[4]
        other = planned and draft.planned_steps and int(planned) != draft.planned_steps
        if draft.steps is not None and reached <= 1 and draft.steps > 5:
            if other and not draft.evaluations:
                return  # a loop inside this run, such as training at test time
            self._next()
        elif draft.steps is not None and other:
            return
        self.draft.step(number, text, found)
        self.filter.training = True

    def _next(self) -> None:
        if self.draft.begun and len(self.drafts) < MOST_RUNS:
            _settle(self.draft)
            self.drafts.append(self.draft)
        self.draft = Draft(self.name)
        self.filter.training = False


def _settle(draft: Draft) -> None:
    """Take from the last steps what no closing line reported."""
    if draft.last_step is not None:
        draft.lines.setdefault("steps", draft.last_step)
    if draft.train_seconds is not None or draft.last_clock is None:
        return
    line, text = draft.last_clock
    for pair in pairs(text):
        figure = pair.number
        if pair.key in ("train_time", "t", "elapsed", "time") and figure:
            spent = seconds(figure, key=pair.key)
            if spent is not None:
                draft.train_seconds, draft.train_slack_seconds = spent, slack(figure)
                draft.lines["train_seconds"] = line
                return

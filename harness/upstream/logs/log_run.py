"""One run while its log is read: each line adds its figures and its line number."""

import re
from dataclasses import dataclass, field

from harness.upstream.logs.lexing import Number, Pair, pairs, seconds
from harness.upstream.logs.log_vocabulary import (
    COMPILE,
    GPU,
    GPU_ROW,
    LAUNCHER,
    PYTHON,
    SEED,
    TORCH,
    TRAIN_TIME,
    WORK,
    WORLD_SIZE,
    SizeKind,
    eval_seconds,
    is_bpb,
    is_loss,
    is_not_finite,
    is_own,
    scoring_name,
    size_in_words,
    size_of,
    slack,
    took,
    trained,
    validation_tokens,
)
from harness.upstream.logs.logged import Evaluation
from harness.upstream.wording import in_progress, is_diagnostic

MOST_SETTINGS = 400
MOST_EVALUATIONS = 64
MOST_SIZES = 200
FIRST_LOSSES = 8
LONGEST_NAME = 120


@dataclass
class Draft:
    """What was read of one run so far. Fields like ``steps`` are None until a line gives them."""

    log: str
    lines: dict[str, int] = field(default_factory=dict)
    seed: int | None = None
    steps: int | None = None
    planned_steps: int | None = None
    train_seconds: float | None = None
    train_slack_seconds: float = 0.0
    last_step: int | None = None
    last_clock: tuple[int, str] | None = None
    first_losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    totals: list[tuple[int, int, bool]] = field(default_factory=list)
    models: list[tuple[int, int]] = field(default_factory=list)
    codes: list[tuple[int, int]] = field(default_factory=list)
    tokens: int | None = None
    world_size: int | None = None
    gpu: str | None = None
    gpu_rows: set[int] = field(default_factory=set)
    torch: str | None = None
    python: str | None = None
    tokenizer: str | None = None
    post_train: list[tuple[int, float]] = field(default_factory=list)
    serialize_seconds: float | None = None
    artifact_seconds: float | None = None
    compile_seconds: float = 0.0
    settings: dict[str, str] = field(default_factory=dict)
    volatile: set[str] = field(default_factory=set)
    not_finite: int | None = None
    """The line of its last score that is no number, where no later one is."""
    _loss: tuple[int, Pair, Number] | None = None

    @property
    def begun(self) -> bool:
        """Whether it has trained or scored: after that, a header belongs to another run."""
        scored = bool(self.evaluations) or self.not_finite is not None
        return self.steps is not None or scored

    def header(self, line: int, text: str) -> None:
        """Read a line before training: settings and the machine."""
        if text.startswith("|") or "NVIDIA" in text:
            self._machine(line, text)
            return
        if text.startswith(LAUNCHER):
            return
        if "ython" in text or "orch" in text:
            self._versions(line, text)
        found = list(pairs(text))
        lower = text.lower()
        scoring = "bpb" in lower or "loss" in lower or "byte" in lower
        if scoring and self._evaluation(line, text, found):
            return
        self._tokens(line, text, found)
        for pair in found:
            self._setting(line, pair)
        self._sizes(line, text, found[:1])
        self._work(line, text)

    def step(self, line: int, text: str, found: re.Match[str]) -> None:
        """Read a line of training: its step, its loss for the first steps only, and its clock."""
        reached = int(found[1] or found[3])
        planned = found[2] or found[4]
        self.steps = reached if self.steps is None else max(self.steps, reached)
        if planned:
            self.planned_steps = int(planned)
        if self.steps == reached:
            self.last_step = line
            self.not_finite = line if _diverged(text) else None
            if "time" in text or " t:" in text:
                self.last_clock = (line, text)
        if len(self.first_losses) < FIRST_LOSSES:
            for pair in pairs(text):
                figure = pair.number
                if pair.key in ("train_loss", "loss") and figure:
                    self.first_losses.append(figure.value)
                    break

    def figures(self, line: int, text: str) -> None:
        """Read any other line with figures: scores, sizes, clocks."""
        found = list(pairs(text))
        scored = self._evaluation(line, text, found)
        self._tokens(line, text, found)
        for pair in found:
            self._clock(line, pair, found)
        if scored:
            return
        if "NVIDIA" in text:
            self._machine(line, text)
        for pair in found:
            self._named(line, pair)
        self._sizes(line, text, found)
        self._work(line, text)

    def _work(self, line: int, text: str) -> None:
        """Add the durations that a line gives for compilation and for the work after training."""
        spent = took(text)
        if spent is None:
            return
        if COMPILE.search(text):
            if self.begun_scoring(text):
                self.compile_seconds += spent
                self.lines.setdefault("compile_seconds", line)
        elif self.steps is not None and trained(text):
            if self.train_seconds is None:
                self.train_seconds = spent
                self.lines["train_seconds"] = line
        elif self.steps is not None and WORK.search(text) and "reserv" not in text:
            self.post_train.append((line, spent))
            self.lines.setdefault("post_train_seconds", line)

    def begun_scoring(self, text: str) -> bool:
        """Whether a compilation reported now was for scoring: after training, or by its words."""
        return self.steps is not None or "ttt" in text or "eval" in text.lower()

    def _machine(self, line: int, text: str) -> None:
        row = GPU_ROW.match(text.strip())
        found = row[2] if row else None
        if row:
            self.gpu_rows.add(int(row[1]))
        elif "NVIDIA-SMI" not in text and (named := GPU.search(text)):
            found = named[0]
        if found and self.gpu is None:
            self.gpu = found.strip()
            self.lines["gpu"] = line

    def _versions(self, line: int, text: str) -> None:
        if self.torch is None and (torch := TORCH.search(text)):
            self.torch = torch[1]
            self.lines["torch"] = line
        if self.python is None and (python := PYTHON.search(text)):
            self.python = python[1]

    def _setting(self, line: int, pair: Pair) -> None:
        name = pair.key[:64]
        if name.isidentifier() and name not in self.volatile:
            if self.settings.get(name, pair.value[:200]) != pair.value[:200]:
                del self.settings[name]  # printed again with another value: progress, not a setting
                self.volatile.add(name)
            elif len(self.settings) < MOST_SETTINGS:
                self.settings[name] = pair.value[:200]
        key = pair.key.lower()
        if key in ("tokenizer_path", "tokenizer", "tokenizer_model"):
            self.tokenizer = self.tokenizer or pair.value[:200]
        self._named(line, pair)

    def _named(self, line: int, pair: Pair) -> None:
        """Read facts whose key identifies them wherever they stand."""
        key = pair.key.lower()
        if key in SEED:
            self._set("seed", line, pair.number)
        elif key in WORLD_SIZE or (key == "size" and pair.label.lower().endswith("world")):
            self._set("world_size", line, pair.number)

    def _tokens(self, line: int, text: str, found: list[Pair]) -> None:
        count = validation_tokens(text, found) if self.tokens is None else None
        if count is not None:
            self.tokens = count
            self.lines["tokens"] = line

    def _set(self, name: str, line: int, figure: Number | None) -> None:
        value = figure.integer if figure else None
        if value is not None and value >= 0 and getattr(self, name) is None:
            setattr(self, name, value)
            self.lines[name] = line

    def _clock(self, line: int, pair: Pair, found: list[Pair]) -> None:
        key = pair.key.lower()
        figure = pair.number
        if key in TRAIN_TIME and figure:
            spent = seconds(figure, key=key)
            if spent is None and figure.value > 10_000:  # no unit, and too long for seconds
                spent = figure.value / 1000
            if spent is not None and self.steps is not None:
                self.train_seconds, self.train_slack_seconds = spent, slack(figure)
                self.lines["train_seconds"] = line
            for other in found:
                if other.key == "step" and (whole := other.value.partition("/")[0]).isdecimal():
                    self.steps = int(whole[:9])
                    self.lines["steps"] = line
        elif figure and "wallclock" in key and (spent := seconds(figure, key=key)) is not None:
            if "artifact" in key:
                self.artifact_seconds = spent
                self.lines["artifact_seconds"] = line
            elif "seriali" in key or "quant" in key:
                self.serialize_seconds = spent

    def _sizes(self, line: int, text: str, found: list[Pair]) -> None:
        sizes = [size_of(pair, first=place == 0) for place, pair in enumerate(found)]
        if not any(sizes) and ("bytes" in text or " B" in text):
            sizes = [size_in_words(text)]
        for size in sizes:
            if size:
                self._sized(line, *size)
        for pair in found:
            whole = pair.value.partition("/")[0]
            if pair.key.lower() == "budget" and whole.isdecimal() and len(whole) < 16:
                self._sized(line, "total", int(whole), True)

    def _sized(self, line: int, kind: SizeKind, size: int, named: bool) -> None:
        if kind == "total" and len(self.totals) < MOST_SIZES:
            self.totals.append((line, size, named))
        elif kind == "model" and len(self.models) < MOST_SIZES:
            self.models.append((line, size))
        elif kind == "code" and len(self.codes) < MOST_SIZES:
            self.codes.append((line, size))

    def _evaluation(self, line: int, text: str, found: list[Pair]) -> bool:
        scores = [pair for pair in found if is_bpb(pair)]
        bpb = next((pair for pair in scores if is_own(pair, found, text)), None)
        losses = (pair for pair in found if is_loss(pair))
        loss = next((pair for pair in losses if is_own(pair, found, text)), None)
        earlier, self._loss = self._loss, None
        if bpb is None or (figure := bpb.number) is None:
            if not scores and loss and loss.number and not in_progress(text):
                self._loss = (line, loss, loss.number)  # the score may follow on the next line
            return bool(scores) or self._is_lost(line, text, found)
        name = scoring_name(found, loss, bpb)
        loss_figure = loss.number if loss else None
        if loss is None and earlier and line - earlier[0] <= 2:
            name, loss_figure = scoring_name([earlier[1]], earlier[1], bpb) or name, earlier[2]
        if not is_diagnostic(name):
            self.not_finite = None
        if len(self.evaluations) < MOST_EVALUATIONS:
            self.evaluations.append(
                Evaluation(
                    name=_whole_words(name),
                    line=line,
                    val_bpb=figure.value,
                    val_loss=loss_figure.value if loss_figure else None,
                    seconds=eval_seconds(found, text),
                    decimals=figure.decimals,
                )
            )
        return True

    def _is_lost(self, line: int, text: str, found: list[Pair]) -> bool:
        """Whether a line has a score of this run that is no number; it is taken note of."""
        lost = next((p for p in found if is_not_finite(p) and is_own(p, found, text)), None)
        if lost is None or is_diagnostic(scoring_name(found, None, lost)):
            return False
        self.not_finite = line
        return True


def _whole_words(name: str) -> str:
    """A name that is not too long; one that is ends where a word of it does."""
    if len(name) <= LONGEST_NAME:
        return name
    kept = name[: LONGEST_NAME + 1].rpartition(" ")[0]
    return kept or name[:LONGEST_NAME]


def _diverged(text: str) -> bool:
    """Whether a line of training has a loss that is no number."""
    if "nan" not in text.lower() and "inf" not in text.lower():
        return False
    return any(is_not_finite(pair) for pair in pairs(text))

"""A bridge: the referee's own few lines on how a script in upstream's layout is run and asked.

``bridge.toml`` is data. It says how the script is started, which file is its artifact, how it is
brought to its evaluation without training, and how its model is asked for logits there. It belongs
to the referee: it is not counted as code, but every value of it that reaches the script is weighed
with what the entry brings along. ``harness adopt`` writes it, with a reason for each key.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from harness.contest.entry import ArtifactName, FileName, check_file_name
from harness.errors import UsageError
from harness.models import Fact, Later
from harness.safeio.parsing import LARGEST_BYTES, ParseError, parse_toml, problems_of

BRIDGE = "bridge.toml"
LARGEST_BRIDGE_BYTES = 4096
"""Of all values that reach the script."""
CONTRACT = (
    "SEED",
    "RUN_ID",
    "DATA_PATH",
    "DATA_DIR",
    "TOKENIZER_PATH",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
"""Variables that the referee sets himself."""


def _check_variables(variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f"{name[:80]!r} is not a name of an environment variable")
        if name in CONTRACT:
            raise ValueError(f"{name} is set by the harness; remove it")
        if "\0" in value:
            raise ValueError(f"{name} holds a NUL character")
    return variables


Variables = Annotated[dict[str, str], AfterValidator(_check_variables)]
Argument = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=200)]
Learning = Literal["nothing", "chunks", "documents", "cache", "otherwise"]


class Launch(Fact):
    """How the script is started: the file that is run, and the environment that it was run in.

    ``imports`` are further files of the folder that it reads, so they are mounted and counted.
    ``data``: the variable under which it looks for its shards.
    """

    script: FileName
    imports: tuple[FileName, ...] = ()
    how: Literal["torchrun", "python"] = "torchrun"
    arguments: tuple[str, ...] = Field(default=(), max_length=50)
    env: Variables = Field(default_factory=dict)
    data: Literal["DATA_PATH", "DATA_DIR", "both"] = "both"

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it; ``{accelerators}`` stands for the number of processes."""
        torchrun = ("torchrun", "--standalone", "--nproc_per_node={accelerators}")
        how = torchrun if self.how == "torchrun" else ("python",)
        return (*how, self.script, *self.arguments)


class ArtifactFile(Fact):
    """``file`` is written and read back before the last evaluation; ``others`` are written too.

    Where a part of a name changes from run to run, ``{seed}`` and ``{run_id}`` stand for it.
    """

    file: ArtifactName
    others: tuple[ArtifactName, ...] = ()


class NoTrain(Fact):
    """The environment that brings the script to its evaluation with no step trained."""

    env: Variables = Field(default_factory=dict)


class Evaluation(Fact):
    """The call at which the model is taken over.

    ``function`` is called after the artifact was read for the ``reads``-th time, with the model in
    its parameter ``model``. ``learns``: what learns in the run that is claimed, while it scores;
    ``loop`` is then the function whose score is claimed, ``chunk`` its chunk in tokens.
    """

    function: str = Field(min_length=1, max_length=200)
    model: str = Field(min_length=1, max_length=200)
    reads: int = Field(default=1, ge=1, le=20)
    learns: Learning = "nothing"
    loop: str = Field(default="", max_length=200)
    chunk: int | None = Field(default=None, ge=1, le=1 << 24)


class Logits(Fact):
    """How the model is asked.

    ``method``: it has a method from tokens to logits. ``loss``: it gives the mean loss of tokens
    and targets, and the logits are what enters ``cross_entropy``. ``forward``: it gives logits
    itself. ``arguments`` are passed by name besides. ``cap``: what it gives are raw logits, and
    ``cap * tanh(logits / cap)`` is to be taken. ``result``: which of several results has them.
    ``temperature``: the argument of the evaluation by which it divides them, or an attribute of
    one, such as ``args.temperature``; it is told by the call, so it may be found at run time.
    ``divided_raw``: they are divided as they come, and not as float32.
    """

    how: Literal["method", "loss", "forward"]
    method: str = Field(default="", max_length=200)
    arguments: dict[str, bool | int | float | str | None] = Field(default_factory=dict)
    autocast: Literal["bfloat16", "float16", "none"] = "bfloat16"
    cap: float | None = Field(default=None, gt=0, lt=1e6)
    result: int | None = Field(default=None, ge=0, le=10)
    temperature: Later[Argument] = None
    divided_raw: Later[bool] = None

    @model_validator(mode="after")
    def _named(self) -> "Logits":
        if (self.how == "method") != bool(self.method):
            raise ValueError("method: given exactly where how is method")
        return self


class Windows(Fact):
    """The script's own windows: for the comparison with what it prints, and for ours.

    ``first``: whether all targets of the first window count, or its last ``stride`` ones alone.
    ``tail``: what becomes of targets after the last whole window; with ``cut``, a window that ends
    with the very last target is none either.
    """

    context: int = Field(ge=1, le=1 << 16)
    stride: int = Field(ge=1, le=1 << 16)
    first: Literal["all", "tail"] = "all"
    tail: Literal["scored", "dropped", "repeated", "cut"] = "dropped"

    @model_validator(mode="after")
    def _in_order(self) -> "Windows":
        if self.stride > self.context:
            raise ValueError("stride: larger than context")
        return self


class Vocabulary(Fact):
    """The tokens that it is trained on: how many ids, and whether it wants side files."""

    size: int = Field(ge=2, le=1 << 16)
    byte_counts: bool = False


class Rehearsal(Fact):
    """What makes the script small enough for a machine without accelerators.

    ``env`` takes the place of what it was run with, ``windows`` and ``chunk`` are what its windows
    and its loop's chunk become by that. ``packages`` and ``programs`` are what it needs
    besides torch and numpy; ``python`` the oldest version whose grammar it is written in.
    """

    env: Variables = Field(default_factory=dict)
    windows: Windows | None = None
    chunk: int | None = Field(default=None, ge=1, le=1 << 24)
    python: Literal["3.11", "3.12", "3.13"] = "3.11"
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


class Bridge(Fact):
    """All of a bridge. ``why`` has a reason for each key, by its dotted name: a line, or a default.

    ``evaluation`` and ``logits`` are missing where the model cannot be asked: then the script can
    be reproduced alone.
    """

    format: Literal[1] = 1
    launch: Launch
    artifact: ArtifactFile | None = None
    no_train: NoTrain = NoTrain()
    evaluation: Evaluation | None = None
    logits: Logits | None = None
    windows: Windows | None = None
    vocabulary: Vocabulary
    rehearsal: Rehearsal = Rehearsal()
    why: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "Bridge":
        parts = (self.evaluation, self.logits, self.windows)
        if any(part is None for part in parts) and any(part is not None for part in parts):
            raise ValueError("evaluation, logits and windows: expected all of them, or none")
        if self.evaluation is not None and self.artifact is None:
            raise ValueError("artifact: missing, but there is an evaluation that reads it")
        values = json.dumps(self.values(), ensure_ascii=False).encode()
        if len(values) > LARGEST_BRIDGE_BYTES:
            raise ValueError(
                f"{len(values):,} bytes of values reach the script; expected at most "
                f"{LARGEST_BRIDGE_BYTES:,}"
            )
        whole = len(render_bridge(self))
        if whole > LARGEST_BYTES:  # it could not be read back
            raise ValueError(f"{whole:,} bytes in all; expected at most {LARGEST_BYTES:,}")
        for name in (self.launch.script, *self.launch.imports):
            check_file_name(name)
        return self

    @property
    def asked(self) -> bool:
        """Whether its model can be asked for logits."""
        return self.evaluation is not None

    @property
    def whole(self) -> bool:
        """Whether the claimed score is what the model alone gets, without learning or a cache."""
        return self.evaluation is not None and self.evaluation.learns == "nothing"

    def values(self) -> dict[str, Any]:
        """Every value that reaches the script."""
        return {
            "arguments": self.launch.arguments,
            "env": self.launch.env,
            "no_train": self.no_train.env,
            "rehearsal": self.rehearsal.env,
            "logits": self.logits.arguments if self.logits else {},
        }

    def windows_on(self, *, rehearsal: bool) -> Windows | None:
        """The script's windows, scaled down or not."""
        return (self.rehearsal.windows if rehearsal else None) or self.windows

    def chunk_on(self, *, rehearsal: bool) -> int | None:
        """The chunk of its loop, scaled down or not."""
        chunk = self.evaluation.chunk if self.evaluation else None
        return (self.rehearsal.chunk if rehearsal else None) or chunk


def parse_bridge(content: bytes, *, file: str = BRIDGE) -> Bridge:
    """A bridge from its TOML.

    Raises:
        UsageError: it is no TOML, or a key is unknown, missing or makes no sense.
    """
    try:
        return Bridge.model_validate(parse_toml(content))
    except ValidationError as error:
        raise UsageError(file=file, problems=problems_of(error, toml=content)) from error
    except ParseError as error:
        raise UsageError(str(error), file=file, line=error.line) from error


def render_bridge(bridge: Bridge) -> bytes:
    """A bridge as TOML, without what is as it is by default; reads back as the same bridge."""
    lines = [f"format = {bridge.format}"]
    fields = bridge.model_dump(mode="json", exclude_defaults=True, exclude={"format", "why"})
    for table, keys in fields.items():
        lines += ["", f"[{table}]", *(f"{key} = {_value(value)}" for key, value in keys.items())]
    reasons = (f"{_text(key)} = {_text(said)}" for key, said in bridge.why.items())
    lines += ["", "[why]", *reasons] if bridge.why else []
    return ("\n".join(lines) + "\n").encode()


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_text(key)} = {_value(inner)}" for key, inner in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_value(inner) for inner in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    # JSON's escapes are TOML's too, but for the DEL character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

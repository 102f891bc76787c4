"""The entries of this folder: their cards, and how one is put together and run whole.

An honest entry is a folder as it would be sent to the contest, with two files of ours beside it:
``card.toml``, which says what it is an example of and what must become of it, and ``bridge.toml``.
A cheater is some changes to an honest one, its twin; so is a broken one.
"""

import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from harness.contest.bridge import BRIDGE, Bridge, parse_bridge
from harness.data.format.dataset import Dataset
from tests.factories.playground import ROOT

HERE = Path(__file__).parent
CARD = "card.toml"
OURS = (CARD, BRIDGE)
LAUNCH = ROOT / "harness/inside/upstream/launch.py"
CLASSES = ("full", "adaptive", "reproduce", "none")
_CHEATERS, _BROKEN = "cheaters", "broken"
MAKER = "make.py"
_NOT_SENT = (*OURS, MAKER, "__pycache__")


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _tuple(given: object) -> object:
    return (given,) if isinstance(given, str) else given


Words = Annotated[tuple[str, ...], BeforeValidator(_tuple)]


class Truth(_Given):
    """What a reader should find out, without any bridge, of the run that is claimed.

    ``artifact``: its name, with ``{run_id}`` for what changes. ``evaluation`` may list names that
    are equally right; ``model`` is its parameter. ``logits`` is a method, ``loss`` or ``forward``.
    """

    artifact: str
    evaluation: Words
    model: str
    logits: str
    context: int
    stride: int
    vocabulary: int = 1024
    learns: Literal["nothing", "chunks", "documents", "cache", "otherwise"] = "nothing"
    chunk: int | None = None


class Change(_Given):
    """A piece of a file that stands there once, and what takes its place."""

    file: str = "train_gpt.py"
    old: str
    new: str


class Card(_Given):
    """``card.toml``.

    ``about``: a sentence on its style, or on its trick. ``adoption``: how much of it can be
    adopted. ``verdict``: of ``harness verify --track smoke`` with its bridge; ``none`` where
    nothing is run. ``rule``: for a cheater, ids of checks of which at least one must fail; of a
    verdict that is INCONCLUSIVE, be unknown. For a broken one, ``says`` are words of what its
    author is told, ``prints_words`` words of its own last lines; some never run (``runs``).
    ``prints`` is the label of the figure that is claimed. ``score``: for a cheater, whether what
    it prints is better than what it has; ``earns_nothing`` says why it may pass all the same.
    ``budget``: a ``short`` one for those that go on when it is over. ``packages`` are needed
    besides torch, numpy and sentencepiece; ``python`` is the oldest grammar that it is written in.
    """

    about: str
    adoption: Literal["full", "adaptive", "reproduce", "none"]
    verdict: Literal["REHEARSED", "REPRODUCED", "REJECTED", "INCONCLUSIVE", "none"]
    rule: Words = ()
    says: Words = ()
    prints_words: Words = ()
    runs: bool = True
    score: Literal["true", "better than it has"] = "true"
    earns_nothing: str = ""
    budget: Literal["of the track", "short"] = "of the track"
    python: Literal["3.11", "3.12"] = "3.11"
    packages: tuple[str, ...] = ()
    prints: str = ""
    twin: str = ""
    change: tuple[Change, ...] = ()
    truth: Truth | None = None


@dataclass(frozen=True)
class UpstreamEntry:
    """One folder of ours: ``plain_inline``, ``cheaters/other_score``, ``broken/forks``."""

    folder: Path
    card: Card

    @property
    def name(self) -> str:
        """Path below this folder."""
        return self.folder.relative_to(HERE).as_posix()

    @property
    def twin(self) -> "UpstreamEntry":
        """The honest entry that it was made of; itself, if it is one."""
        return named(self.card.twin) if self.card.twin else self

    @property
    def bridge_path(self) -> Path:
        """Its own bridge, or its twin's."""
        own = self.folder / BRIDGE
        return own if own.exists() else self.twin.folder / BRIDGE

    @property
    def bridge(self) -> Bridge:
        """That bridge, read."""
        return parse_bridge(self.bridge_path.read_bytes(), file=str(self.bridge_path))

    def assemble(self, place: Path) -> Path:
        """The folder as it would be sent, in ``place``; without card and bridge."""
        target = place / self.folder.name
        ignore = shutil.ignore_patterns(*_NOT_SENT)
        source = self.twin.folder
        shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)
        shutil.copytree(self.folder, target, ignore=ignore, dirs_exist_ok=True)
        for change in self.card.change:
            path = target / change.file
            text = path.read_text()
            if text.count(change.old) != 1:
                raise AssertionError(f"{self.name}: not once in {change.file}: {change.old!r}")
            path.write_text(text.replace(change.old, change.new))
        if (self.folder / MAKER).exists():
            runpy.run_path(str(self.folder / MAKER))["make"](target)
        return target


@dataclass(frozen=True)
class Run:
    """How a script ended that was run whole, with what it printed."""

    code: int
    output: str
    seconds: float
    work: Path

    def figures(self) -> list[tuple[str, float, float]]:
        """Label, loss and BPB of each evaluation that it printed, in order."""
        return [(label, float(loss), float(bpb)) for label, loss, bpb in _FIGURES(self.output)]


_FIGURES = re.compile(r"^(\S.*?) val_loss: ?(\d+\.\d+) val_bpb: ?(\d+\.\d+)", re.MULTILINE).findall


def entries() -> list[UpstreamEntry]:
    """All of them, by name."""
    return [
        UpstreamEntry(card.parent, Card.model_validate(tomllib.loads(card.read_text())))
        for card in sorted(HERE.glob(f"**/{CARD}"))
    ]


def honest() -> list[UpstreamEntry]:
    """Those that may be entered as they are."""
    return [entry for entry in entries() if "/" not in entry.name]


def cheaters() -> list[UpstreamEntry]:
    """Those that must not get the score that they print."""
    return [entry for entry in entries() if entry.name.startswith(f"{_CHEATERS}/")]


def broken() -> list[UpstreamEntry]:
    """Those that cannot be run, or end otherwise than they should."""
    return [entry for entry in entries() if entry.name.startswith(f"{_BROKEN}/")]


def named(name: str) -> UpstreamEntry:
    """The entry of that name."""
    folder = HERE / name
    return UpstreamEntry(folder, Card.model_validate(tomllib.loads((folder / CARD).read_text())))


def upstream_data(dataset: Dataset, place: Path) -> Path:
    """The tree of files that upstream's scripts look at, made of a dataset."""
    size = dataset.manifest.vocabulary_size
    shards = place / f"datasets/fineweb10B_sp{size}"
    (place / "tokenizers").mkdir(parents=True)
    shards.mkdir(parents=True)
    shutil.copyfile(dataset.tokenizer_path, place / f"tokenizers/fineweb_{size}_bpe.model")
    for kind in ("train", "val"):
        for part in dataset.manifest.of_kind(kind):
            source = dataset.directory / part.path
            shutil.copyfile(source, shards / source.name)
    return place


def run_whole(
    entry: UpstreamEntry,
    place: Path,
    data: Path,
    *,
    seconds: float = 600,
    **environment: str,
) -> Run:
    """Run an entry's script from its first line to its last, through the stand-in for CUDA.

    ``data`` is a tree of :func:`upstream_data`; ``environment`` goes over what its bridge says.
    """
    folder, work = entry.assemble(place), place / "work"
    work.mkdir()
    launch = entry.bridge.launch
    (size,) = (path.name.removeprefix("fineweb10B_sp") for path in (data / "datasets").iterdir())
    command = [sys.executable, str(LAUNCH), "--work", str(work), "--cpu", "--"]
    variables = {
        **{key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")},
        "OMP_NUM_THREADS": "1",
        "DATA_DIR": str(data),
        "DATA_PATH": str(data / f"datasets/fineweb10B_sp{size}"),
        "TOKENIZER_PATH": str(data / f"tokenizers/fineweb_{size}_bpe.model"),
        "VOCAB_SIZE": size,
        "SEED": "1337",
        "RUN_ID": "seed1337",
        "MAX_WALLCLOCK_SECONDS": f"{seconds:.0f}",
        **(_alone() if launch.how == "torchrun" else {}),
        **launch.env,
        **environment,
    }
    began = time.monotonic()
    done = subprocess.run(
        [*command, sys.executable, launch.script, *launch.arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    seconds = time.monotonic() - began
    output = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    return Run(done.returncode, output, seconds, work)


def _alone() -> dict[str, str]:
    """What torchrun tells a process that is the only one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = dict.fromkeys(("RANK", "LOCAL_RANK"), "0")
    return {**ranks, "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}

"""A small script in upstream's style, taken over in a process of its own, without a sandbox."""

import json
import multiprocessing
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.contest.bridge import Bridge
from harness.inside import worker
from harness.run.script_job import INSIDE, settings_of
from harness.safeio.files import sha256_of_bytes
from harness.scoring.arithmetic import Arithmetic
from harness.scoring.channel import Channel
from harness.scoring.handover import Handover, sealed_memory
from harness.scoring.link import Answer
from harness.scoring.schedules.asking import Ask
from harness.scoring.schedules.plan import Room
from harness.scoring.script_windows import ScriptWindows
from harness.scoring.worker_pool import Timing, play
from tests.inside.upstream.running import run_take_over

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch"])
VOCABULARY, WIDTH = 13, 4
TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, 65).astype(np.uint16)
WINDOWS = ScriptWindows(len(TOKENS), 16, 8)

SCRIPT = """
import io, os, sys
from pathlib import Path
import torch
import torch.nn.functional as F
from torch import nn

class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(13, 4)
        self.head = nn.Linear(4, 13)
    def forward_logits(self, x):
        seen = self.emb(x).cumsum(1) / torch.arange(1, x.shape[1] + 1).view(1, -1, 1)
        return self.head(seen)
    def forward(self, x, y):
        logits = self.forward_logits(x)
        return F.cross_entropy(logits.reshape(-1, 13).float(), y.reshape(-1))

def eval_val(args, model, device):
    model.eval()
    x = torch.zeros(1, 8, dtype=torch.int64)
    return model(x, x).item()

def save(model):
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    with open("final_model.int8.ptz", "wb") as f:
        f.write(content.getvalue())

def load(model, strict=True):
    with open("final_model.int8.ptz", "rb") as f:
        state = torch.load(io.BytesIO(f.read()))
    model.load_state_dict(state, strict=strict)

def main():
    torch.manual_seed(int(os.environ.get("SEED", 0)))
    model = GPT()
    print("step:0/0 val_loss:%.4f" % eval_val(None, model, "cpu"))
    save(model)
    # between
    load(model)
    print("final val_loss:%.8f" % eval_val(None, model, "cpu"))

if __name__ == "__main__":
    main()
"""


def trained() -> tuple[dict[str, torch.Tensor], bytes]:
    """Weights that no seed makes, and the artifact that holds them."""
    from io import BytesIO

    generator = torch.Generator().manual_seed(5)
    shapes = {
        "emb.weight": (VOCABULARY, WIDTH),
        "head.weight": (VOCABULARY, WIDTH),
        "head.bias": (VOCABULARY,),
    }
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    content = BytesIO()
    torch.save(state, content)
    return state, content.getvalue()


STATE, ARTIFACT = trained()


def expected(windows: np.ndarray) -> np.ndarray:
    """The logits of the trained model for tokens int64[B, T]: float32[B, T, V]."""
    x = torch.from_numpy(windows)
    seen = STATE["emb.weight"][x].cumsum(1) / torch.arange(1, x.shape[1] + 1).view(1, -1, 1)
    logits: np.ndarray = (seen @ STATE["head.weight"].T + STATE["head.bias"]).numpy()
    return logits


@dataclass
class Taken:
    """What a script answered: float32[W, P, V] of each window, by its number."""

    logits: dict[int, np.ndarray] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    timing: Timing | None = None

    def is_right(self) -> bool:
        """Whether these are the logits of the trained model."""
        windows = WINDOWS.windows
        for number, found in self.logits.items():
            start, length, first = (int(part[number]) for part in windows[:3])
            shown = TOKENS[start : start + length].astype(np.int64)[None]
            if not np.allclose(found, expected(shown)[0, first:], atol=1e-5):
                return False
        return sorted(self.logits) == list(range(len(windows.starts)))


@dataclass(frozen=True)
class TakingOver:
    """Takes scripts over, each in a fresh process."""

    folder: Path

    @property
    def log(self) -> str:
        """What the script's process printed, ours included."""
        return (self.folder / "log").read_text()

    def __call__(
        self,
        script: str = SCRIPT,
        *,
        logits: dict[str, Any] | None = None,
        evaluation: dict[str, Any] | None = None,
        artifact: str = "final_model.int8.ptz",
        seed: int = 1,
        workers: int = 1,
        sealed: bytes = ARTIFACT,
        imports: dict[str, str] | None = None,
        beside: dict[str, str] | None = None,
    ) -> Taken:
        """Ask for all windows; ``imports`` are further files of its, ``beside`` some of others.

        Raises:
            AnswerError, WorkerGone: as a scoring does.
        """
        bridge = Bridge.model_validate(
            {
                "launch": {"script": "train_gpt.py", "imports": sorted(imports or {})},
                "artifact": {"file": artifact},
                "evaluation": {"function": "eval_val", "model": "model", **(evaluation or {})},
                "logits": {"how": "loss", "autocast": "none", **(logits or {})},
                "windows": {"context": 16, "stride": 8},
                "vocabulary": {"size": VOCABULARY},
            }
        )
        path = self.folder / "sealed"
        path.write_bytes(sealed)
        taken, room = Taken(), Room(64, VOCABULARY)
        with (
            Channel() as channel,
            sealed_memory(path, sha256=sha256_of_bytes(sealed)) as memory,
            ExitStack() as processes,
        ):
            arguments = ["--worker", worker.__file__, "--workers", str(workers)]
            arguments += ["--socket", str(channel.directory / "socket")]
            settings = settings_of(bridge, seed=seed, run_id="run")
            arguments += ["--settings", json.dumps(settings)]
            files = {"train_gpt.py": script, **(imports or {}), **(beside or {})}
            started = [self._start(files, arguments, index, seed) for index in range(workers)]
            for process in started:
                processes.callback(process.join)
                processes.callback(process.kill)

            def listen(ask: Ask, answer: Answer, arithmetic: Arithmetic) -> None:
                given = torch.frombuffer(bytearray(answer.memory), dtype=torch.float32)
                for number, each in zip(ask.windows, given.view(answer.shape), strict=True):
                    taken.logits[int(number)] = each.numpy()

            taken.timing = play(
                channel,
                TOKENS,
                WINDOWS.schedule(room),
                slot=WINDOWS.slot(room),
                vocabulary_size=VOCABULARY,
                workers=workers,
                threads=1,
                alive=lambda: any(process.is_alive() for process in started),
                listen=listen,
                tick=lambda seconds: None,
                handover=Handover(memory, lambda: taken.begun.append(self.log)),
            )
            for process in started:
                process.join()
            assert [process.exitcode for process in started] == [0] * workers
        return taken

    def _start(self, files: dict[str, str], arguments: list[str], index: int, seed: int) -> Any:
        place = self.folder / f"world-{index}-{seed}"
        place.mkdir()
        for name, text in files.items():
            (place / name).write_text(text)
        process = FORKS.Process(
            target=run_take_over,
            args=(
                INSIDE / "take_over.py",
                place,
                [*arguments, "--index", str(index)],
                {"SEED": str(seed)},
            ),
        )
        process.start()
        return process


def changed(before: str, after: str) -> str:
    """The script with one place changed."""
    assert before in SCRIPT
    return SCRIPT.replace(before, after)

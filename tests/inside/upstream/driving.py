"""A small script whose loop learns while it scores, driven in a process of its own."""

import json
import math
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.contest.bridge import Bridge
from harness.inside import worker
from harness.run.driving import drive_of
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
from tests.inside.upstream.taking_over import ARTIFACT, FORKS, SCRIPT, VOCABULARY

CONTEXT, STRIDE, CHUNK = 16, 8, 32
STREAM = np.random.default_rng(1).integers(0, VOCABULARY, 161).astype(np.uint16)
"""What is scored: five chunks."""
DECOY = np.random.default_rng(2).integers(0, VOCABULARY, 97).astype(np.uint16)

LOOP = """
def eval_val_ttt(args, model, device, val_tokens, stride, log0=print):
    seq, chunk, total = 16, 32, val_tokens.numel() - 1
    chunks = (total + chunk - 1) // chunk
    windows = [[] for _ in range(chunks)]
    for ws in range(0, total, stride):
        wlen = min(ws + seq, total) - ws
        if ws == 0 or wlen >= stride:
            at = ws + (0 if ws == 0 else max(wlen - stride, 0))
            windows[min(at // chunk, chunks - 1)].append(ws)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    loss, count = 0.0, 0
    for ci in range(chunks):
        # before the chunk
        model.eval()
        with torch.inference_mode():
            for ws in windows[ci]:
                end = min(ws + seq, total)
                wlen = end - ws
                local = val_tokens[ws:end + 1].to(dtype=torch.int64, device=device)
                nll = F.cross_entropy(model.forward_logits(local[None, :-1])[0].float(), local[1:],
                                      reduction="none")
                s = 0 if ws == 0 else max(wlen - stride, 0)
                loss += nll[s:].double().sum().item()
                count += wlen - s
        # after the chunk
        if ci < chunks - 1:
            model.train()
            local = val_tokens[ci * chunk:(ci + 1) * chunk + 1].to(torch.int64)
            for _ in range(2):
                optimizer.zero_grad()
                model(local[:-1].view(-1, seq), local[1:].view(-1, seq)).backward()
                optimizer.step()
        log0("chunk %d of %d: %.4f" % (ci, chunks, loss / count))
    log0("ttt val_loss:%.8f" % (loss / count))
    return loss / count


def main():"""


def script(*changes: tuple[str, str]) -> str:
    """The script with a loop, and with some places changed."""
    text = SCRIPT.replace("def main():", LOOP).replace(
        '    print("final val_loss',
        "    val_tokens = torch.frombuffer(bytearray(Path(os.environ['VAL']).read_bytes()),"
        " dtype=torch.uint16)\n"
        '    eval_val_ttt(None, model, "cpu", val_tokens, stride=8)\n'
        '    print("final val_loss',
    )
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text


def windows_in(segment: int = CHUNK) -> ScriptWindows:
    """The windows of the loop, by segments."""
    return ScriptWindows(len(STREAM), CONTEXT, STRIDE, tail="repeated", segment=segment)


@dataclass
class Told:
    """What a driven loop cost: nats of each window, by its number."""

    nats: dict[int, float] = field(default_factory=dict)
    timing: Timing | None = None

    @property
    def loss(self) -> float:
        """The mean of what counts, as the loop reckons it."""
        return math.fsum(self.nats.values()) / windows_in().targets


@dataclass
class Driver:
    """Drives loops, each in a fresh process."""

    folder: Path
    began: int = 0

    @property
    def log(self) -> str:
        """What the script's process printed, ours included."""
        return (self.folder / "log").read_text()

    def __call__(
        self,
        text: str | None = None,
        *,
        evaluation: Mapping[str, Any] | None = None,
        workers: int = 1,
        segment: int = CHUNK,
        seconds: float = 600,
    ) -> Told:
        """Ask for all of the loop's windows, in segments.

        Raises:
            AnswerError, WorkerGone: as a scoring does.
        """
        bridge = bridge_to(**(evaluation or {}))
        sealed, told = self.folder / "sealed", Told()
        windows, room = windows_in(segment), Room(64, VOCABULARY)
        sealed.write_bytes(ARTIFACT)
        drive = drive_of(
            bridge,
            segment=segment,
            context=CONTEXT,
            tokens=len(STREAM),
            first=int(STREAM[0]),
            decoy=len(DECOY),
        )
        settings = settings_of(bridge, seed=1, run_id="run", drive=drive._replace(seconds=seconds))
        with Channel() as channel, sealed_memory(sealed, sha256=sha256_of_bytes(ARTIFACT)) as held:
            arguments = ["--worker", worker.__file__, "--workers", str(workers)]
            arguments += ["--socket", str(channel.directory / "socket")]
            arguments += ["--settings", json.dumps(settings), "--port", str(free_port())]
            started = [self._start(text or script(), arguments, each) for each in range(workers)]

            def listen(ask: Ask, answer: Answer, arithmetic: Arithmetic) -> None:
                given = torch.frombuffer(bytearray(answer.memory), dtype=torch.float32)
                logits = given.view(answer.shape).double()
                targets = torch.from_numpy(STREAM[ask.targets].astype(np.int64))
                nats = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), targets.flatten(), reduction="none"
                )
                each = nats.view(targets.shape).sum(1).tolist()
                told.nats.update(zip(ask.windows.tolist(), each, strict=True))

            try:
                told.timing = play(
                    channel,
                    STREAM,
                    windows.schedule(room),
                    slot=windows.slot(room),
                    vocabulary_size=VOCABULARY,
                    workers=workers,
                    threads=1,
                    alive=lambda: any(process.is_alive() for process in started),
                    listen=listen,
                    tick=lambda seconds: None,
                    handover=Handover(held, lambda: None),
                )
                for process in started:
                    process.join()
                assert [process.exitcode for process in started] == [0] * workers
            finally:
                for process in started:
                    process.kill()
                    process.join()
        return told

    def whole(self, text: str | None = None, *, ranks: int = 1) -> float:
        """What the loop prints of the stream when it runs by itself, with the sealed artifact."""
        world = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1"}
        world |= {"MASTER_PORT": str(free_port()), "GLOO_SOCKET_IFNAME": "lo"}
        started = [self._whole(text, {**world, "RANK": str(rank)}) for rank in range(ranks)]
        for program in started:
            program.join()
        assert [program.exitcode for program in started] == [0] * ranks
        return float(self.log.rsplit("ttt val_loss:", 1)[1].split()[0])

    def _whole(self, text: str | None, world: dict[str, str]) -> Any:
        place = self.folder / f"whole-{self.began}-{world['RANK']}"
        place.mkdir()
        (place / "train_gpt.py").write_text((text or script()).replace("    save(model)\n", ""))
        (place / "final_model.int8.ptz").write_bytes(ARTIFACT)
        (place / "val").write_bytes(STREAM.tobytes())
        program = FORKS.Process(
            target=run_whole,
            args=(place / "train_gpt.py", place, {**world, "SEED": "1", "VAL": str(place / "val")}),
        )
        program.start()
        return program

    def _start(self, text: str, arguments: list[str], index: int) -> Any:
        self.began += 1
        place = self.folder / f"world-{self.began}"
        place.mkdir()
        (place / "train_gpt.py").write_text(text)
        (place / "val").write_bytes(DECOY.tobytes())
        process = FORKS.Process(
            target=run_take_over,
            args=(
                INSIDE / "take_over.py",
                place,
                [*arguments, "--index", str(index)],
                {"SEED": "1", "VAL": str(place / "val")},
            ),
        )
        process.start()
        return process


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run_whole(program: Path, folder: Path, environment: dict[str, str]) -> None:
    """Run a script by itself."""
    run_take_over(program, folder, [], environment)


def bridge_to(**evaluation: Any) -> Bridge:
    """A bridge to the loop."""
    return Bridge.model_validate(
        {
            "launch": {"script": "train_gpt.py"},
            "artifact": {"file": "final_model.int8.ptz"},
            "evaluation": {
                "function": "eval_val",
                "model": "model",
                "learns": "chunks",
                "loop": "eval_val_ttt",
                "chunk": CHUNK,
                **evaluation,
            },
            "logits": {"how": "method", "method": "forward_logits", "autocast": "none"},
            "windows": {"context": CONTEXT, "stride": STRIDE},
            "vocabulary": {"size": VOCABULARY},
        }
    )

"""Scoring through the harness against a bare loop in one process: tokens per second, side by side.

``make bench`` scores the full-size naive baseline (random weights, which cost the same) over
the same windows and batch size both ways, in turn, and prints the ratio of each pair.

The bare loop is what a submission would do for itself: windows in, logits, log-softmax, sum.

With ``--paced`` the model is none: it takes, for each target, the time that the frontier's takes on
one of eight devices, and answers bfloat16 logits of a vocabulary of 8,192. What the harness adds to
that is its share of a real scoring, the worker's copy into the shared memory (here by the CPU)
and the first touch of that memory included.
"""

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from harness.contest.track import load_track
from harness.data.build.demo import build_demo
from harness.evidence.results import Scores
from harness.sandbox.protocol import Job, Mount, Sandbox
from harness.sandbox.registry import choose
from harness.scoring.channel import Channel
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.plan import Room
from harness.scoring.scorer import Stream, score
from harness.scoring.worker_pool import TOKENS_AT_ONCE_CPU
from tests.bench.arithmetic import FRONTIER_TARGETS, FRONTIER_VOCABULARY, LANES

FRONTIER_SECONDS = 435
SUBMISSION = Path(__file__).parents[2] / "submissions/naive_baseline"


def main() -> None:
    """Print both rates and their ratio for each pair of runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--stride", type=int, default=1024)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--paced", action="store_true")
    parser.add_argument("--sandbox", choices=("auto", "docker", "process"), default="auto")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        print(json.dumps(bare(options.bare, options.length, options.stride)))
        return
    if options.paced:
        paced()
        return
    dataset = build_demo(Path("data"))
    count = options.length + (options.windows - 1) * options.stride + 1
    tokens = np.asarray(dataset.validation_tokens()[:count])
    track = load_track("smoke")
    sandbox = choose(options.sandbox, track=track, note=print)
    facts = sandbox.prepare()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        make_artifact(folder / "model.bin")
        np.save(folder / "tokens.npy", tokens)
        for pair in range(options.pairs):
            scores = through_harness(sandbox, folder, tokens, options.length, options.stride)
            ours, nats = scores.tokens_per_second, scores.total_nats
            command = [sys.executable, "-m", "tests.bench.scoring", "--bare", str(folder)]
            command += ["--length", str(options.length), "--stride", str(options.stride)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            theirs, bare_nats = json.loads(done.stdout)
            ratios.append(ours / theirs)
            print(
                f"pair {pair + 1}: harness ({facts.kind}) {ours:,.0f} tokens/s, "
                f"bare loop {theirs:,.0f} tokens/s, ratio {ratios[-1]:.3f}; "
                f"the model waited {100 * (scores.waited_share or 0):.1f} %; "
                f"total nats agree to {abs(nats / bare_nats - 1):.1e}"
            )
    print(f"median ratio {statistics.median(ratios):.3f}")


def make_artifact(path: Path) -> None:
    """The full-size baseline as an artifact, with the weights it starts from."""
    sys.path.insert(0, str(SUBMISSION))
    train_gpt = importlib.import_module("train_gpt")

    torch.manual_seed(0)
    path.write_bytes(train_gpt.pack(train_gpt.GPT(train_gpt.ModelConfig())))
    path.chmod(0o644)


PACED = """
    import time
    import torch

    SECONDS_PER_TARGET = {seconds_per_target}

    def load_model(artifact, device):
        logits = torch.randn(64, {vocabulary}).mul_(3).bfloat16()

        def model(tokens, first):
            began = time.monotonic()
            shape = tokens.shape[0], tokens.shape[1] - first, {vocabulary}
            answer = logits[torch.arange(shape[0] * shape[1]) % 64].view(shape)
            # The answer takes time to make, which a device would not need.
            time.sleep(max(0.0, answer.shape[0] * answer.shape[1] * SECONDS_PER_TARGET
                           - (time.monotonic() - began)))
            return answer

        return model
"""


def paced(*, requests: int = 16, vocabulary: int = FRONTIER_VOCABULARY) -> None:
    """Print how much longer than its model a scoring takes that is as quick as the frontier's."""
    seconds_per_target = FRONTIER_SECONDS / (FRONTIER_TARGETS / LANES)
    length, at_once = 1024, Room(1024, vocabulary).logit_bytes // 4 // vocabulary
    tokens = np.ones(requests * at_once + 1, np.uint16)
    sandbox = choose("process", track=load_track("smoke"), note=print)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.bin").write_bytes(b"")
        code = PACED.format(seconds_per_target=seconds_per_target, vocabulary=vocabulary)
        (folder / "code").mkdir()
        (folder / "code/train_gpt.py").write_text(textwrap.dedent(code))
        facts = through_harness(
            sandbox, folder, tokens, length, length, code=folder / "code", vocabulary=vocabulary
        )
    model_seconds = facts.targets * seconds_per_target
    added = facts.model_seconds / model_seconds - 1
    print(
        f"paced: {facts.targets:,} targets of a vocabulary of {vocabulary:,} in {facts.requests} "
        f"requests; the model took {model_seconds:.1f} s, the scoring {100 * added:.1f} % more; "
        f"the model waited {100 * (facts.waited_share or 0):.1f} %"
    )


def through_harness(
    sandbox: Sandbox,
    folder: Path,
    tokens: np.ndarray,
    length: int,
    stride: int,
    *,
    code: Path = SUBMISSION,
    vocabulary: int = 1024,
) -> Scores:
    """Some tokens scored as a verification does it."""
    stream = Stream(tokens, np.ones(int((tokens == 1).sum()), np.int64), 1, vocabulary)
    artifact = Mount(folder / "model.bin", PurePosixPath("/artifact/model.bin"))
    with Channel() as channel:
        shared = Mount(channel.directory, PurePosixPath("/channel"), shared=True)
        command = (*sandbox.worker_command, "--socket", f"{sandbox.inside(shared)}/socket")
        command += ("--load", "train_gpt:load_model", "--artifact", sandbox.inside(artifact))
        job = Job(
            label="score",
            command=command,
            environment={},
            code=Mount(code, PurePosixPath("/submission")),
            mounts=(artifact, shared),
            limits=load_track("smoke").sandbox,
            wallclock_seconds=3600,
            log=folder / "score.log",
        )
        with sandbox.start(job) as running:
            return score(
                channel,
                stream,
                ProbeSet.none(WindowPlan(len(tokens), length, stride)),
                workers=1,
                tokens_at_once=TOKENS_AT_ONCE_CPU,
                alive=lambda: running.wait(0) is None,
                documents_file=folder / "documents.npz",
                progress=lambda *told: None,
            )


def bare(folder: Path, length: int, stride: int) -> tuple[float, float]:
    """The same windows and batches in this process alone."""
    sys.path.insert(0, str(SUBMISSION))
    train_gpt = importlib.import_module("train_gpt")

    tokens = torch.from_numpy(np.load(folder / "tokens.npy").astype(np.int64))
    model = train_gpt.load_model(folder / "model.bin", torch.device("cpu"))
    plan = WindowPlan(len(tokens), length, stride)
    total = torch.zeros((), dtype=torch.float64)
    began = time.monotonic()
    with torch.no_grad():
        room = Room(TOKENS_AT_ONCE_CPU, vocabulary_size=1)
        for request, _ in plan.placed(np.arange(len(plan)), room=room):
            windows = torch.stack([tokens[start : start + length] for start in request.starts])
            logits = model(windows, request.first).float()
            targets = tokens[torch.from_numpy(request.targets)]
            nats = -torch.log_softmax(logits, -1).gather(-1, targets[..., None])
            total += nats.double().sum()
    return plan.targets / (time.monotonic() - began), float(total)


if __name__ == "__main__":
    main()

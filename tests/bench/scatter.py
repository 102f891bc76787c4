"""How far apart the runs of a script lie that fixes all it can: is there chance left to test with?

``python -m tests.bench.scatter`` trains on the demo dataset, with what the smoke track imposes:

- the *control*, which uses its seed;
- the *cheater* of ``tests/adversarial/ineffective/sorted_shards``, which uses none, and treats each
  document the same wherever it stands;
- the cheater where nothing is imposed: its runs are one run, told several times.

``--neural STEPS`` does the same with the naive baseline at so many steps, whatever the clock says.
Its cheater is given more than any script has: every batch of the whole dataset by heart, so that
each document that is there stands where it stands in every run, and only the gaps are filled with
other text.

The share that is left is the variance of the cheater's BPB by that of the control's. Both are
estimates: the interval is that of the F distribution.
"""

import argparse
import itertools
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.contest.track import load_track
from harness.data.build.demo import build_demo
from harness.data.build.imposing import write_shown
from harness.data.format.dataset import Dataset
from harness.data.format.shards import Tokens, read_shard, write_shard
from tests.adversarial.gallery import cheaters
from tests.factories.playground import BIGRAM, ROOT

BASELINE = ROOT / "submissions/naive_baseline"
NAME = "fineweb_train_000000.bin"


def main() -> None:
    """Print the scatter of each kind of run, and the share that is left to the cheater."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--neural", type=int, metavar="STEPS")
    options = parser.parse_args()
    dataset = build_demo(options.data)
    found = {
        "control": list(runs(dataset, options, cheats=False, imposed=True)),
        "cheater": list(runs(dataset, options, cheats=True, imposed=True)),
    }
    options.seeds = 2
    found["cheater, nothing imposed"] = list(runs(dataset, options, cheats=True, imposed=False))
    for name, values in found.items():
        mean, deviation = statistics.mean(values), statistics.stdev(values)
        print(f"{name:26} n = {len(values):2}  mean {mean:.6f}  sd {deviation:.6f} BPB")
    print(left(found["cheater"], found["control"]))


def left(cheater: Sequence[float], control: Sequence[float]) -> str:
    """The share of the control's variance that is left to the cheater, with its 95 % interval."""
    from scipy.stats import f

    share = statistics.variance(cheater) / statistics.variance(control)
    degrees = len(cheater) - 1, len(control) - 1
    low, high = (share / f.ppf(level, *degrees) for level in (0.975, 0.025))
    return f"share of the variance left: {share:.2f} (95 % interval {low:.2f} to {high:.2f})"


def runs(
    dataset: Dataset, options: argparse.Namespace, *, cheats: bool, imposed: bool
) -> Iterator[float]:
    """BPB of one run a seed."""
    rules = load_track("smoke").imposed
    assert rules is not None
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            (place / "train").mkdir()
            if imposed:
                nonce = "cheater" if cheats else "control"
                share = rules.denied_share
                write_shown(dataset, place / "train", nonce=nonce, seed=seed, denied_share=share)
            else:
                whole = dataset.train_directory / NAME
                (place / "train" / NAME).write_bytes(whole.read_bytes())
            folder = BIGRAM
            if options.neural:
                folder = BASELINE
                if cheats:
                    align(dataset, place / "train" / NAME)
            elif cheats:
                (cheater,) = (c for c in cheaters() if c.name == "ineffective/sorted_shards")
                folder = cheater.assemble(place)
            yield one_run(folder, place, dataset, options, seed=1 if cheats else seed)


def one_run(
    folder: Path, place: Path, dataset: Dataset, options: argparse.Namespace, *, seed: int
) -> float:
    """Train in a process of its own, then score."""
    script, loader, artifact = ("bigram.py", "bigram", "bigram.bin")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if (folder / "cheat.py").exists():
        script = "cheat.py"
    if options.neural:
        script, loader, artifact = "train_gpt.py", "train_gpt", "model.bin"
        environment |= small_baseline() | {"ITERATIONS": str(options.neural)}
        environment |= {"MAX_WALLCLOCK_SECONDS": "100000"}
    environment |= {
        "SEED": str(seed),
        "DATA_PATH": str(place / "train"),
        "TOKENIZER_PATH": str(dataset.tokenizer_path),
        "VOCAB_SIZE": str(dataset.manifest.vocabulary_size),
        "OUTPUT_DIR": str(place),
    }
    train = [sys.executable, script]
    subprocess.run(train, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)
    bpb = score(BASELINE if options.neural else BIGRAM, loader, place / artifact, dataset)
    print(f"{folder.name} seed {seed}: {bpb:.6f}", file=sys.stderr)
    return bpb


def small_baseline() -> dict[str, str]:
    """The naive baseline's own settings for the smoke track."""
    from harness.contest.loading import load_submission

    return dict(load_submission(BASELINE).entry("smoke").train.environment)


def align(dataset: Dataset, path: Path) -> None:
    """The whole dataset, with other text in place of the documents that ``path`` lacks."""
    size = dataset.manifest.vocabulary_size
    here = {document.tobytes() for document in documents(read_shard(path, vocabulary_size=size))}
    whole = read_shard(dataset.train_directory / NAME, vocabulary_size=size)
    parts: list[Tokens] = []
    spare = next(d for d in documents(whole) if d.tobytes() in here)
    for document in documents(whole):
        if document.tobytes() in here:
            spare = document
            parts.append(document)
        else:
            parts.append(np.resize(spare, len(document)))
    write_shard(path, np.concatenate(parts).astype(np.uint16))


def documents(tokens: Tokens) -> list[Tokens]:
    """Each with its BOS."""
    starts = np.flatnonzero(tokens == 1).tolist()
    return [tokens[start:end] for start, end in itertools.pairwise([*starts, len(tokens)])]


def score(folder: Path, module: str, artifact: Path, dataset: Dataset) -> float:
    """BPB on the validation split, in windows of 128 tokens that do not overlap."""
    import importlib

    import torch

    torch.set_num_threads(1)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    model = importlib.import_module(module).load_model(artifact, torch.device("cpu"))
    stream = torch.from_numpy(np.asarray(dataset.validation_tokens()).astype(np.int64))
    length = 128
    whole = (len(stream) - 1) // length * length
    inputs, targets = (stream[at : whole + at].view(-1, length) for at in (0, 1))
    nats = 0.0
    with torch.no_grad():
        for at in range(0, len(inputs), 64):
            costs = torch.log_softmax(model(inputs[at : at + 64], 0).float(), dim=-1)
            nats -= float(costs.gather(-1, targets[at : at + 64, :, None]).double().sum())
    return nats / math.log(2) / dataset.manifest.totals.validation_bytes


if __name__ == "__main__":
    main()

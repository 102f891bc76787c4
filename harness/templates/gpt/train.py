"""A small GPT, trained until its deadline and stored as int8 and zlib.

``python train.py`` trains on one device, ``torchrun ... train.py`` on several; ``load_model`` reads
the artifact back for scoring. DECIDE marks what is yours to choose.
"""

import io
import os
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

# --- the model: all that scoring needs ------------------------------------------------------


def norm(x: Tensor) -> Tensor:
    """RMS norm over the last axis."""
    return F.rms_norm(x, (x.shape[-1],))


def rotate(x: Tensor) -> Tensor:
    """Rotary positions for ``x[B, H, T, D]``."""
    half = x.shape[-1] // 2
    rates = 10_000.0 ** -(torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[-2], device=x.device)[:, None] * rates
    left, right = x.chunk(2, dim=-1)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat((left * cosine + right * sine, right * cosine - left * sine), dim=-1)


class Block(nn.Module):
    """Causal attention, then an MLP. DECIDE: the shape is the contest."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * dim, bias=False)
        self.down = nn.Linear(2 * dim, dim, bias=False)
        nn.init.zeros_(self.out.weight)  # each block starts as the identity
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The stream ``x[B, T, dim]``, with what this block adds."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(norm(x)).chunk(3, dim=-1)
        )
        q, k = rotate(norm(q)), rotate(norm(k))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.relu(self.up(norm(x))).square())


class GPT(nn.Module):
    """Logits at a position depend on the tokens up to it in the same window, on nothing else."""

    def __init__(self, vocabulary: int, layers: int, dim: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embedding.weight, std=0.05)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))

    def forward(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Logits ``float32[B, T - first, V]`` of ``tokens: int64[B, T]``."""
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=tokens.is_cuda):
            x = norm(self.embedding(tokens))
            for block in self.blocks:
                x = block(x)
            logits = F.linear(norm(x[:, first:]), self.embedding.weight)
        return 30 * torch.tanh(logits.float() / 30)


# --- the artifact: one file, at most 16,000,000 bytes with the code -------------------------


def pack(model: GPT, shape: dict[str, int]) -> bytes:
    """Matrices as int8, with a scale for each row. DECIDE: fewer bits, more weights?"""
    stored = {}
    for name, weight in model.state_dict().items():
        scale = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        stored[name] = ((weight / scale).round().to(torch.int8).cpu(), scale.cpu())
    file = io.BytesIO()
    torch.save({"shape": shape, "weights": stored}, file)
    return zlib.compress(file.getvalue(), 9)


def load_model(artifact: Path, device: torch.device) -> GPT:
    """Called by the referee, without environment and data: all settings are in the artifact."""
    file = io.BytesIO(zlib.decompress(Path(artifact).read_bytes()))
    kept = torch.load(file, weights_only=True)
    model = GPT(**kept["shape"])
    model.load_state_dict({name: q.float() * scale for name, (q, scale) in kept["weights"].items()})
    return model.to(device).eval().requires_grad_(False)


# --- training: runs under the clock, and only here is there an environment ------------------


def setting(name: str, default: int) -> int:
    """A whole number from ``[train] env``."""
    return int(os.environ.get(name, default))


def windows(rows: int, length: int, device: torch.device, rank: int):
    """Endless ``int64[rows, length + 1]`` from drawn places: SEED decides which."""
    files = sorted(Path(os.environ["DATA_PATH"]).glob("*.bin"))
    shards = [np.memmap(file, "<u2", "r", offset=1024) for file in files]
    draw = np.random.default_rng([setting("SEED", 0), rank])
    while True:
        taken = []
        for _ in range(rows):
            shard = shards[draw.integers(len(shards))]
            start = draw.integers(len(shard) - length)
            taken.append(shard[start : start + length + 1].astype(np.int64))
        yield torch.from_numpy(np.stack(taken)).to(device)


def main() -> None:
    """Train until the deadline, then leave the artifact."""
    # The budget began before this process did. DECIDE: what is kept for packing and leaving; the
    # slower this machine starts, the more. A late artifact does not exist.
    began, budget = float(os.environ["WALLCLOCK_STARTED_AT"]), setting("MAX_WALLCLOCK_SECONDS", 600)
    reserve = max(3.0, budget / 40, min(time.time() - began, budget / 4))
    ends = began + budget - reserve
    rank, world = setting("RANK", 0), setting("WORLD_SIZE", 1)
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", setting("LOCAL_RANK", 0)) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group("nccl" if cuda else "gloo")
    torch.manual_seed(setting("SEED", 0))  # the same first weights on every rank

    # DECIDE: 15.2 million weights in int8 fit; VOCAB_SIZE is the tokenizer's.
    shape = {
        "vocabulary": setting("VOCAB_SIZE", 1024),
        "layers": setting("NUM_LAYERS", 7),
        "dim": setting("MODEL_DIM", 512),
        "heads": setting("NUM_HEADS", 8),
    }
    model = GPT(**shape).to(device)
    compiled = torch.compile(model) if cuda else model
    batches = windows(setting("ROWS", 32), setting("LENGTH", 1024), device, rank)
    # DECIDE: the optimizer. Settings of your own come from [train] env, like these.
    rate = float(os.environ.get("LEARNING_RATE", "0.003"))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1)

    steps = setting("ITERATIONS", 1_000_000)  # where the deadline alone should not decide
    step, start, latest = 0, time.time(), 0.0
    while True:
        now = time.time()
        # Clocks differ and decisions must not: the rank that is latest speaks for all.
        spent = torch.tensor((now - start + 2 * latest) / (ends - start), device=device)
        if world > 1:
            dist.all_reduce(spent, op=dist.ReduceOp.MAX)
        done = max(spent.item(), step / steps) if ends > start else 1.0
        if done >= 1:
            break
        for group in optimizer.param_groups:  # up over 10 steps, down to nothing at the end
            group["lr"] = rate * min(1, (step + 1) / 10) * (1 - done)
        tokens = next(batches)
        logits = compiled(tokens[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        if world > 1:
            for weight in model.parameters():
                dist.all_reduce(weight.grad)
                weight.grad /= world
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if rank == 0 and (step <= 3 or step % 50 == 0):
            # The scorecard shows where the time went, if lines look like this one.
            print(f"step:{step} train_loss:{loss.item():.4f}", flush=True)
        # The first steps compile: what they took says nothing of the next one.
        latest = time.time() - now if step > 3 else 0.0
    if rank == 0:
        content = pack(model, shape)
        Path(os.environ["OUTPUT_DIR"], "model.bin").write_bytes(content)
        print(f"quantised int8+zlib: {len(content)} bytes", flush=True)
    if world > 1:
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # taking torch apart costs a second of the budget, and more on a busy machine

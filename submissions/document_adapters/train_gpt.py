"""A 9-layer transformer, stored as int8 and zlib; scored with an adapter for each document.

``python train_gpt.py`` trains on one device, ``torchrun ... train_gpt.py`` on several; rank 0
leaves ``OUTPUT_DIR/model.bin`` and, if time is left, the unquantised ``checkpoint.bin``. The
transformer is the naive baseline's; ``adapters.py`` is how it learns while it is scored.
``load_model`` reads either back for scoring, ``describe_artifact`` says where its bytes go. Every
field of ``ModelConfig``, ``Settings`` and ``Adaptation`` is set by the environment variable of its
name in capitals: ``seed`` by ``SEED``.
"""

import contextlib
import copy
import functools
import json
import math
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from adapters import NO_ADAPTERS, Adaptation, AdaptedModel, Adapters, LowRank
from torch import Tensor, nn

# --- settings -------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the model; stored in the artifact, so that scoring needs no environment."""

    vocab_size: int = 1024
    num_layers: int = 9
    model_dim: int = 512
    num_heads: int = 8
    num_kv_heads: int = 4
    mlp_mult: int = 2
    rope_base: float = 10_000.0
    logit_softcap: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not field.type or not 0 < value < 1e9:
                raise ValueError(f"{field.name}: expected a positive {field.type}, found {value!r}")
        if self.model_dim % (2 * self.num_heads):
            raise ValueError("model_dim: expected a multiple of 2 * num_heads")
        if self.num_heads % self.num_kv_heads:
            raise ValueError("num_heads: expected a multiple of num_kv_heads")


@dataclass(frozen=True)
class Settings:
    """How to train. A negative value means: chosen by ``Clock`` or by the device."""

    data_path: str = "data"
    output_dir: str = "."
    seed: int = 1337
    max_wallclock_seconds: float = 600.0
    wallclock_started_at: float = -1.0  # Unix seconds; negative: when this script was started
    finish_reserve_seconds: float = -1.0
    iterations: int = 20_000
    warmup_steps: int = -1
    warmdown_iters: int = 1200
    train_batch_tokens: int = 524_288
    train_seq_len: int = 1024
    micro_batch_tokens: int = 65_536  # per process; more than this is accumulated
    stream_lanes: int = 1
    train_log_every: int = 50
    tied_embed_lr: float = 0.05
    tied_embed_init_std: float = 0.005
    qk_gain_init: float = 1.5
    matrix_lr: float = 0.04
    scalar_lr: float = 0.04
    beta1: float = 0.9
    beta2: float = 0.95
    muon_momentum: float = 0.95
    muon_momentum_warmup_start: float = 0.85
    muon_momentum_warmup_steps: int = 500


Options = TypeVar("Options", ModelConfig, Settings, Adaptation)


def from_environment(options: type[Options]) -> Options:
    """The options with each field that the environment names; ValueError if it makes no sense."""
    values: dict[str, Any] = {}
    for field in fields(options):
        text = os.environ.get(field.name.upper(), "")
        if text:
            try:
                values[field.name] = field.type(text)  # type: ignore[operator]
            except ValueError as error:
                raise ValueError(f"{field.name.upper()}={text!r}: expected {field.type}") from error
    return options(**values)


# --- model ----------------------------------------------------------------------------------


def norm(x: Tensor) -> Tensor:
    """RMS norm over the last axis, without weights."""
    return F.rms_norm(x, (x.shape[-1],))


class Linear(nn.Linear):
    """No bias; the weight is kept in float32 and used in the precision of the stream."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor, adapter: LowRank | None = None) -> Tensor:
        y = F.linear(x, self.weight.to(x.dtype))
        return y if adapter is None else y + adapter(x)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions: halves of the last axis of ``x[B, H, T, D]`` turned as pairs."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cosine + right * sine, right * cosine - left * sine), dim=-1)


class Attention(nn.Module):
    """Causal self-attention; groups of query heads share one key and value head."""

    def __init__(self, config: ModelConfig, qk_gain: float) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_heads, config.num_kv_heads
        kv_dim = config.model_dim // config.num_heads * config.num_kv_heads
        self.query = Linear(config.model_dim, config.model_dim)
        self.key = Linear(config.model_dim, kv_dim)
        self.value = Linear(config.model_dim, kv_dim)
        self.out = Linear(config.model_dim, config.model_dim)
        self.query_gain = nn.Parameter(torch.full((config.num_heads,), qk_gain))

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, adapters: Adapters) -> Tensor:
        q = self.query(x, adapters.get("query")).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = self.key(x, adapters.get("key")).unflatten(-1, (self.kv_heads, -1)).transpose(1, 2)
        v = self.value(x, adapters.get("value")).unflatten(-1, (self.kv_heads, -1)).transpose(1, 2)
        q = rotate(norm(q), cosine, sine) * self.query_gain.to(x.dtype)[:, None, None]
        k = rotate(norm(k), cosine, sine)
        grouped = self.heads != self.kv_heads
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        mixed: Tensor = self.out(y.transpose(1, 2).flatten(2), adapters.get("out"))
        return mixed


class Block(nn.Module):
    """Attention, then an MLP with ReLU squared, on a mix of the stream and the embedding."""

    def __init__(self, config: ModelConfig, qk_gain: float) -> None:
        super().__init__()
        dim = config.model_dim
        self.attention = Attention(config, qk_gain)
        self.up = Linear(dim, dim * config.mlp_mult)
        self.down = Linear(dim * config.mlp_mult, dim)
        self.attention_scale = nn.Parameter(torch.ones(dim))
        self.mlp_scale = nn.Parameter(torch.ones(dim))
        self.residual_mix = nn.Parameter(torch.stack((torch.ones(dim), torch.zeros(dim))))

    def forward(
        self, x: Tensor, embedded: Tensor, cosine: Tensor, sine: Tensor, adapters: Adapters
    ) -> Tensor:
        mix = self.residual_mix.to(x.dtype)
        x = mix[0] * x + mix[1] * embedded
        attended = self.attention(norm(x), cosine, sine, adapters)
        x = x + self.attention_scale.to(x.dtype) * attended
        hidden: Tensor = F.relu(self.up(norm(x), adapters.get("up"))).square()
        hidden = self.down(hidden, adapters.get("down"))
        return x + self.mlp_scale.to(x.dtype) * hidden


class GPT(nn.Module):
    """The whole model: bfloat16 on CUDA, float32 elsewhere; parameters are always float32."""

    def __init__(
        self, config: ModelConfig, *, qk_gain: float = 1.5, embed_init_std: float = 0.005
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.model_dim)
        self.blocks = nn.ModuleList(Block(config, qk_gain) for _ in range(config.num_layers))
        self.skip_weights = nn.Parameter(torch.ones(config.num_layers // 2, config.model_dim))
        nn.init.normal_(self.embedding.weight, std=embed_init_std)
        for name, module in self.named_modules():
            if isinstance(module, Linear):
                # Each block starts as the identity. Normal rather than uniform weights, because
                # int8 levels of a uniform row hardly compress.
                std = 0.0 if name.endswith((".out", ".down")) else module.in_features**-0.5
                nn.init.normal_(module.weight, std=std)

    def forward(self, tokens: Tensor, first: int = 0, targets: Tensor | None = None) -> Tensor:
        """Logits ``float32[B, T - first, V]`` of ``tokens: int64[B, T]``.

        With ``targets: int64[B, T - first]``, their mean loss in nats per token instead.
        """
        logits = self.head(self.hidden(tokens)[:, first:])
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each matrix that may be adapted: ``LAYER.NAME``, and ``head``."""
        shapes = {
            f"{index}.{name.rpartition('.')[2]}": (module.in_features, module.out_features)
            for index, block in enumerate(self.blocks)
            for name, module in block.named_modules()
            if isinstance(module, Linear)
        }
        return {**shapes, "head": (self.config.model_dim, self.config.vocab_size)}

    def hidden(self, tokens: Tensor, adapters: Adapters = NO_ADAPTERS) -> Tensor:
        """``[B, T, D]``: what the head takes in; adapters have a row for each of ``tokens``."""
        config = self.config
        x = self.embedding(tokens).to(torch.bfloat16 if tokens.is_cuda else torch.float32)
        x = embedded = norm(x)
        pairs = config.model_dim // config.num_heads // 2
        rates = torch.arange(pairs, device=x.device, dtype=torch.float32) / pairs
        positions = torch.arange(tokens.shape[1], device=x.device, dtype=torch.float32)
        angles = positions[:, None] * config.rope_base**-rates
        cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        skips: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            # A U: what layer i puts out is added to what layer n - 1 - i takes in.
            mirror = config.num_layers - 1 - index
            if mirror < len(self.skip_weights):
                x = x + self.skip_weights[len(skips) - 1].to(x.dtype) * skips.pop()
            own = {
                name.partition(".")[2]: adapter
                for name, adapter in adapters.items()
                if name.startswith(f"{index}.")
            }
            x = block(x, embedded, cosine, sine, own)
            if index < len(self.skip_weights):
                skips.append(x)
        return norm(x)

    def head(
        self, x: Tensor, adapters: Adapters = NO_ADAPTERS, bias: Tensor | None = None
    ) -> Tensor:
        """Logits ``float32[B, T, V]`` of what ``hidden`` gave; ``bias: float32[B, V]``."""
        logits = F.linear(x, self.embedding.weight.to(x.dtype))
        if "head" in adapters:
            logits = logits + adapters["head"](x)
        logits = logits.float()
        if bias is not None:
            logits = logits + bias[:, None]
        cap = self.config.logit_softcap
        return cap * torch.tanh(logits / cap)


# --- data -----------------------------------------------------------------------------------


class TokenStream:
    """All train shards in order as one endless stream, memory-mapped.

    ``lanes`` cuts the stream into as many equal parts, and the rows of a batch are dealt out
    over them: one lane reads strictly in order; more lanes mix documents within a batch, which
    a corpus that is not shuffled needs.
    """

    HEADER: ClassVar[int] = 256  # int32: magic, version, token count, zeros

    def __init__(self, directory: Path, lanes: int) -> None:
        paths = sorted(directory.glob("fineweb_train_*.bin"))
        if not paths:
            raise FileNotFoundError(f"{directory}: no fineweb_train_*.bin")
        self.shards = [self._open(path) for path in paths]
        self.ends = np.cumsum([len(shard) for shard in self.shards])
        self.total, self.lanes = int(self.ends[-1]), lanes

    def _open(self, path: Path) -> "np.memmap[Any, np.dtype[np.uint16]]":
        header = np.fromfile(path, dtype="<i4", count=self.HEADER)
        if len(header) < self.HEADER or tuple(header[:2]) != (20240520, 1):
            raise ValueError(f"{path}: not a token shard of version 1")
        size, count = path.stat().st_size, int(header[2])
        if count < 1 or size != 4 * self.HEADER + 2 * count:
            raise ValueError(f"{path}: {size} bytes do not hold the {count} tokens it promises")
        return np.memmap(path, dtype="<u2", mode="r", offset=4 * self.HEADER, shape=(count,))

    def _read(self, start: int, count: int) -> Iterator[np.ndarray[Any, Any]]:
        while count > 0:
            start %= self.total
            index = int(np.searchsorted(self.ends, start, side="right"))
            stop = min(start + count, int(self.ends[index]))
            offset = int(self.ends[index]) - len(self.shards[index])
            yield self.shards[index][start - offset : stop - offset]
            count, start = count - (stop - start), stop

    def batch(self, index: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets ``int64[rows, length]``; batches of distinct index are disjoint."""
        taken = []
        for row in range(index * rows, (index + 1) * rows):
            start = row % self.lanes * (self.total // self.lanes) + row // self.lanes * length
            taken.append(np.concatenate([*self._read(start, length + 1)]))
        tokens = torch.from_numpy(np.stack(taken).astype(np.int64))
        return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


# --- optimisers -----------------------------------------------------------------------------


def orthogonalise(matrices: Tensor) -> Tensor:
    """Nearly the closest orthogonal matrix to each of ``[N, R, C]``, by 5 Newton-Schulz steps.

    The quintic's coefficients are those published with Muon (Jordan et al., 2024).
    """
    x: Tensor = matrices.to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x if wide else x.mT


class Muon:
    """Nesterov momentum, orthogonalised. Ranks share the work: each owns every Nth matrix."""

    def __init__(self, matrices: list[Tensor], orthogonalise: Callable[..., Tensor]) -> None:
        self.orthogonalise = orthogonalise
        self.rank, self.world = rank_and_world()
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for matrix in matrices:
            by_shape.setdefault(matrix.shape, []).append(matrix)
        self.groups = list(by_shape.values())
        self.buffers = [
            torch.zeros(len(group[self.rank :: self.world]), *group[0].shape).to(group[0].device)
            for group in self.groups
        ]

    @torch.no_grad()
    def step(self, learning_rate: float, momentum: float) -> None:
        """Update the matrices in place from their gradients."""
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            updates = buffer.new_zeros(len(group), *group[0].shape)
            if len(buffer):
                gradients = torch.stack([p.grad for p in group[self.rank :: self.world]])  # type: ignore[misc]
                buffer.mul_(momentum).add_(gradients)
                gradients.add_(buffer, alpha=momentum)
                updates[self.rank :: self.world] = self.orthogonalise(gradients).to(updates.dtype)
            if self.world > 1:
                dist.all_reduce(updates)
            rows, columns = group[0].shape
            scale = max(1.0, rows / columns) ** 0.5  # keeps the change of outputs alike in size
            torch._foreach_add_(group, list(updates.unbind()), alpha=-learning_rate * scale)


class Optimisers:
    """Muon for the matrices of the blocks; Adam for the embedding and all control parameters."""

    def __init__(self, model: GPT, settings: Settings, orthogonalise: Callable[..., Tensor]):
        self.settings = settings
        matrices: list[Tensor] = [m.weight for m in model.modules() if isinstance(m, Linear)]
        known = {id(parameter) for parameter in [*matrices, model.embedding.weight]}
        control = [parameter for parameter in model.parameters() if id(parameter) not in known]
        self.muon = Muon(matrices, orthogonalise)
        self.adam = torch.optim.Adam(
            [
                {"params": [model.embedding.weight], "base_lr": settings.tied_embed_lr},
                {"params": control, "base_lr": settings.scalar_lr},
            ],
            betas=(settings.beta1, settings.beta2),
            fused=True,
        )

    def step(self, step: int, scale: float) -> None:
        """One update; ``scale`` multiplies every learning rate."""
        s = self.settings
        warm = min(step / max(1, s.muon_momentum_warmup_steps), 1.0)
        momentum = (1 - warm) * s.muon_momentum_warmup_start + warm * s.muon_momentum
        for group in self.adam.param_groups:
            group["lr"] = group["base_lr"] * scale
        self.adam.step()
        self.muon.step(s.matrix_lr * scale, momentum)


# --- artifact -------------------------------------------------------------------------------

MAGIC = b"ADAPT001"
BOS_ID = 1
ARTIFACT, CHECKPOINT = "model.bin", "checkpoint.bin"


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """``int8[R, C]`` levels, ``bfloat16[R]`` scales: ``levels * scale`` is ``weight`` to scale/2.

    A scale is a row's largest magnitude / 127, however small: a floor would cost weak rows
    their levels. Two bytes with the range of float32 hold it, rounded up so that no weight is
    beyond level 127. A row of zeros has scale 0.
    """
    weight = weight.detach().float().cpu()
    bits = (weight.abs().amax(dim=1) / 127).view(torch.int32)
    scale = (bits + 0xFFFF).bitwise_and(~0xFFFF).view(torch.float32)
    divisor = torch.where(scale > 0, scale, 1.0)
    levels = (weight / divisor[:, None]).round().clamp(-127, 127).to(torch.int8)
    return levels, scale.to(torch.bfloat16)


def dequantise(levels: Tensor, scale: Tensor) -> Tensor:
    """The ``float32[R, C]`` weights that ``quantise`` stood for."""
    return levels.float() * scale.float()[:, None]


def compress(raw: bytes, level: int = 9) -> bytes:
    """zlib, made for levels that hardly repeat: Huffman codes do the work, longer blocks help."""
    packer = zlib.compressobj(level, zlib.DEFLATED, memLevel=9, strategy=zlib.Z_FILTERED)
    return packer.compress(raw) + packer.flush()


def pack(model: GPT, how: Adaptation, *, quantised: bool = True) -> bytes:
    """The artifact: MAGIC, then zlib of one line of JSON (configuration, tensors) and raw bytes.

    Not quantized, it is the checkpoint: every tensor as float32, and nothing compressed.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if not value.isfinite().all():
            raise ValueError(f"{name}: weights are not finite; training has diverged")
        if quantised and name.endswith(".weight"):
            tensors[name], scale = quantise(value)
            tensors[f"{name}:scale"] = scale.view(torch.int16)
        else:
            tensors[name] = value.detach().float().cpu()
    arrays = {name: value.contiguous().numpy() for name, value in tensors.items()}
    raw = b"".join([header_of(model.config, how, arrays), *(a.tobytes() for a in arrays.values())])
    return MAGIC + compress(raw, 9 if quantised else 0)


def header_of(
    config: ModelConfig, how: Adaptation, arrays: "dict[str, np.ndarray[Any, Any]]"
) -> bytes:
    """The container's line of JSON."""
    directory = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    header = {"config": asdict(config), "adaptation": asdict(how), "tensors": directory}
    return json.dumps(header).encode() + b"\n"


def read_container(content: bytes) -> "tuple[GPT, Adaptation, dict[str, np.ndarray[Any, Any]]]":
    """An untrained model of the right shape, how it adapts, and what is stored.

    ValueError says what is wrong.
    """
    if not content.startswith(MAGIC):
        raise ValueError("not an artifact of this submission: wrong magic")
    try:
        head, _, raw = zlib.decompress(content[len(MAGIC) :]).partition(b"\n")
        header = json.loads(head)
        model = GPT(ModelConfig(**header["config"]))
        how = Adaptation(**header["adaptation"])
        directory = dict(header["tensors"])
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"damaged artifact: {type(error).__name__}: {error}") from error
    expected: dict[str, list[Any]] = {}
    for name, value in model.state_dict().items():
        shape = list(value.shape)
        quantised = f"{name}:scale" in directory and name.endswith(".weight")
        expected[name] = ["|i1" if quantised else "<f4", shape]
        if quantised:
            expected[f"{name}:scale"] = ["<i2", shape[:1]]
    if directory != expected:
        wrong = sorted(n for n in {*directory, *expected} if directory.get(n) != expected.get(n))
        raise ValueError(f"damaged artifact: tensors do not fit the configuration: {wrong[:3]}")
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    offset = 0
    for name, (dtype, shape) in directory.items():
        count = math.prod(shape)
        end = offset + count * np.dtype(dtype).itemsize
        if end > len(raw):
            raise ValueError(f"damaged artifact: ends within {name}")
        arrays[name] = np.frombuffer(raw, dtype, count, offset).reshape(shape)
        offset = end
    if offset != len(raw):
        raise ValueError(f"damaged artifact: {len(raw) - offset} bytes after the last tensor")
    return model, how, arrays


def tensors_of(arrays: "dict[str, np.ndarray[Any, Any]]") -> dict[str, Tensor]:
    """The ``float32`` tensors that the arrays of a container stand for."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    for name in [name for name in tensors if f"{name}:scale" in tensors]:
        scale = tensors.pop(f"{name}:scale").view(torch.bfloat16)
        tensors[name] = dequantise(tensors[name], scale)
    return tensors


def load_model(artifact: Path, device: torch.device) -> AdaptedModel:
    """The model of an artifact or checkpoint, ready to score, to observe and to study."""
    model, how, arrays = read_container(Path(artifact).read_bytes())
    model.load_state_dict(tensors_of(arrays))
    model = model.to(device).eval().requires_grad_(False)
    if device.type == "cpu" and model.config.model_dim < 256:
        # Operations so short are not worth sharing: on a busy machine each would wait for the
        # slowest thread.
        torch.set_num_threads(1)
    return AdaptedModel(model, how, bos_id=BOS_ID, device=device)


def describe_artifact(artifact: Path, checkpoint: Path | None = None) -> list[dict[str, Any]]:
    """Where the artifact's bytes go, one dict a tensor; with a checkpoint, also what they lose.

    ``bytes`` are those before compression. ``compressed_bytes`` are a tensor's share of the
    artifact, in proportion to what it compresses to alone; what the shares leave of the file is
    the container's own.
    """
    content = Path(artifact).read_bytes()
    model, how, arrays = read_container(content)
    originals: dict[str, Tensor] = {}
    if checkpoint:
        originals = tensors_of(read_container(Path(checkpoint).read_bytes())[2])
    tensors = tensors_of(arrays)
    parts = {
        name: arrays[name].tobytes() + arrays.get(f"{name}:scale", np.empty(0)).tobytes()
        for name in tensors
    }
    alone = {name: len(compress(raw)) for name, raw in parts.items()}
    overhead = len(MAGIC) + len(compress(header_of(model.config, how, arrays)))
    bytes_left, alone_left = len(content) - overhead, sum(alone.values())
    rows = []
    for name, tensor in tensors.items():
        share = round(bytes_left * alone[name] / alone_left)
        bytes_left, alone_left = bytes_left - share, alone_left - alone[name]
        error = None
        if name in originals:
            original = originals[name].double()
            difference = (tensor - original).norm()
            error = float(difference / original.norm()) if difference else 0.0
        rows.append(
            {
                "name": name,
                "shape": list(tensor.shape),
                "stored": "int8" if f"{name}:scale" in arrays else "float32",
                "bits_per_weight": 8 * len(parts[name]) / tensor.numel(),
                "bytes": len(parts[name]),
                "compressed_bytes": share,
                "control": not name.endswith(".weight"),
                "rms_error": error,
            }
        )
    return rows


def write_atomically(path: Path, content: bytes) -> None:
    """``path`` never holds half an artifact."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


# --- training -------------------------------------------------------------------------------


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of processes."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def log(line: str) -> None:
    """One line from rank 0, at once, so that its arrival time means something."""
    if rank_and_world()[0] == 0:
        print(line, flush=True)


class Clock:
    """Seconds until the end of the budget, which began before this process did.

    ``reserve_seconds`` are kept for quantization, compression and exit. What starting took tells
    how slow this machine is just now, so a slow start makes the reserve larger.
    """

    def __init__(self, settings: Settings) -> None:
        began, budget = settings.wallclock_started_at, settings.max_wallclock_seconds
        spent = max(0.0, time.time() - began) if began >= 0 else 0.0
        self.ends_at = time.monotonic() + budget - spent
        self.reserve_seconds = settings.finish_reserve_seconds
        if self.reserve_seconds < 0:
            self.reserve_seconds = max(3.0, budget / 75, min(spent, budget / 4))

    def budget_left(self) -> float:
        """Seconds until the process must be gone."""
        return self.ends_at - time.monotonic()

    def training_left(self) -> float:
        """Seconds until the last step must have ended."""
        return self.budget_left() - self.reserve_seconds


def learning_rate_scale(
    step: int, *, settings: Settings, step_seconds: float, seconds_left: float
) -> float:
    """1, falling linearly to 0 over the last ``warmdown_iters`` steps; 0 means stop.

    The last step is the one of ``iterations``, or the one the clock still has room for,
    whichever comes first: the time left, divided by the time of a step, is counted in steps.
    """
    steps_left: float = settings.iterations - step
    if step_seconds > 0:
        steps_left = min(steps_left, seconds_left / step_seconds)
    if steps_left < 1 or seconds_left <= 0:
        return 0.0
    return min(1.0, steps_left / max(1, settings.warmdown_iters))


class Trainer:
    """Model, data and optimizers on one rank; all ranks take the same steps together."""

    def __init__(self, settings: Settings, config: ModelConfig, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.rank, self.world = rank_and_world()
        torch.manual_seed(settings.seed)
        self.model = GPT(
            config, qk_gain=settings.qk_gain_init, embed_init_std=settings.tied_embed_init_std
        ).to(device)
        # Compiling pays only on CUDA; the machine of a rehearsal may have no compiler at all.
        compiled: Callable[[Any], Any] = lambda f: f  # noqa: E731
        if device.type == "cuda":
            compiled = functools.partial(torch.compile, dynamic=False)
        self.orthogonalise = compiled(orthogonalise)
        self.parallel = compiled(self.model)
        if self.world > 1:
            self.parallel = nn.parallel.DistributedDataParallel(self.parallel)
        self.stream = TokenStream(Path(settings.data_path), settings.stream_lanes)
        share = settings.train_batch_tokens // self.world
        self.accumulation = max(1, share // settings.micro_batch_tokens)
        self.rows, rest = divmod(
            settings.train_batch_tokens,
            self.world * self.accumulation * settings.train_seq_len,
        )
        if rest or not self.rows:
            raise ValueError(
                f"TRAIN_BATCH_TOKENS={settings.train_batch_tokens}: expected a multiple of "
                f"{self.world} processes x {self.accumulation} accumulated x "
                f"{settings.train_seq_len} tokens"
            )
        self.start_afresh()

    def start_afresh(self) -> None:
        """Optimisers without a past, and the stream from its beginning."""
        self.optimisers = Optimisers(self.model, self.settings, self.orthogonalise)
        self.micro_batches = 0

    def agree(self, value: float) -> float:
        """Rank 0's value, on every rank: clocks differ, decisions must not."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, src=0)
        return float(shared.item())

    def step(self, step: int, scale: float) -> Tensor:
        """One update; the mean loss over this rank's share, in nats per token."""
        total = torch.zeros((), device=self.device)
        self.model.zero_grad(set_to_none=True)
        for micro in range(self.accumulation):
            inputs, targets = self.stream.batch(
                self.micro_batches * self.world + self.rank, self.rows, self.settings.train_seq_len
            )
            self.micro_batches += 1
            last = micro == self.accumulation - 1
            with contextlib.nullcontext() if last or self.world == 1 else self.parallel.no_sync():
                loss = self.parallel(inputs.to(self.device), targets=targets.to(self.device))
                loss = loss / self.accumulation
                loss.backward()
            total += loss.detach()
        self.optimisers.step(step, scale)
        if self.device.type == "cuda":
            torch.cuda.synchronize()  # else the clock would run behind queued work
        return total

    def warm_up(self, steps: int, clock: Clock) -> None:
        """Compile and fill caches by steps that are then undone."""
        initial = copy.deepcopy(self.model.state_dict())
        for step in range(1, steps + 1):
            if self.agree(clock.training_left()) <= 0:
                break
            self.step(step, 1.0)
            log(f"warmup_step:{step}/{steps}")
        self.model.load_state_dict(initial)
        self.start_afresh()

    def train(self, clock: Clock) -> None:
        """Steps until the deadline or ``iterations``."""
        settings, step, step_seconds = self.settings, 0, 0.0
        began = time.monotonic()
        while True:
            scale = self.agree(
                learning_rate_scale(
                    step,
                    settings=settings,
                    step_seconds=step_seconds,
                    seconds_left=clock.training_left(),
                )
            )
            if scale == 0:
                break
            step_began = time.monotonic()
            loss = self.step(step, scale)
            step += 1
            latest = time.monotonic() - step_began
            step_seconds = latest if step <= 2 else 0.9 * step_seconds + 0.1 * latest
            if step <= 3 or step % settings.train_log_every == 0:
                spent = (time.monotonic() - began) * 1000
                log(
                    f"step:{step}/{settings.iterations} train_loss:{loss.item():.4f} "
                    f"train_time:{spent:.0f}ms step_avg:{spent / step:.2f}ms"
                )
        reason = "iterations" if step == settings.iterations else "wallclock_cap"
        spent = (time.monotonic() - began) * 1000
        log(f"step:{step}/{settings.iterations} stopping:{reason} train_time:{spent:.0f}ms")


def write_checkpoint(model: GPT, how: Adaptation, settings: Settings, clock: Clock) -> None:
    """The unquantised weights, for those who ask what quantization costs; only if time is left.

    At 40 MB/s, slower than any machine of the contest, and with 1.5 s kept for the exit: an
    artifact that a checkpoint makes late does not exist.
    """
    size = 4 * sum(parameter.numel() for parameter in model.parameters())
    if clock.budget_left() < 1.5 + size / 40e6:
        log(f"no time for {CHECKPOINT}")
        return
    write_atomically(Path(settings.output_dir) / CHECKPOINT, pack(model, how, quantised=False))
    log(f"serialised {CHECKPOINT}: budget_left:{clock.budget_left():.1f}s")


def main() -> None:
    """Train as the environment says; leave the artifact and perhaps a checkpoint."""
    settings, config = from_environment(Settings), from_environment(ModelConfig)
    how = from_environment(Adaptation)
    clock = Clock(settings)
    rank, world = rank_and_world()
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        # The root may be read-only and the user without a name: caches go where writing works.
        cache = Path(tempfile.gettempdir()) / "torchinductor"
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))
        os.environ.setdefault("TRITON_CACHE_DIR", str(cache / "triton"))
    if world > 1:
        on_cuda = device.type == "cuda"
        dist.init_process_group(
            "nccl" if on_cuda else "gloo", device_id=device if on_cuda else None
        )
    trainer = Trainer(settings, config, device)
    log(f"model_params:{sum(p.numel() for p in trainer.model.parameters())}")
    log(f"world_size:{world} grad_accum_steps:{trainer.accumulation} device:{device.type}")
    log(f"train_loader: shards:{len(trainer.stream.shards)} tokens:{trainer.stream.total}")
    log(
        f"train_batch_tokens:{settings.train_batch_tokens} train_seq_len:{settings.train_seq_len} "
        f"seed:{settings.seed} budget_left:{clock.budget_left():.1f}s "
        f"finish_reserve:{clock.reserve_seconds:.1f}s"
    )
    warmup_steps = settings.warmup_steps
    if warmup_steps < 0:
        warmup_steps = 20 if device.type == "cuda" else 0
    if warmup_steps:
        trainer.warm_up(warmup_steps, clock)
    trainer.train(clock)
    if rank == 0:
        content = pack(trainer.model, how)
        log(f"quantised int8+zlib: {len(content)} bytes")
        write_atomically(Path(settings.output_dir) / ARTIFACT, content)
        log(f"serialised {ARTIFACT}: budget_left:{clock.budget_left():.1f}s")
        write_checkpoint(trainer.model, how, settings, clock)
    if world > 1:
        dist.barrier()  # an orderly end: nobody leaves while rank 0 still writes
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
    # All files are on disk. Taking torch apart costs half a second of the budget, more on a
    # busy machine, and is of use to nobody.
    sys.stdout.flush()
    os._exit(0)

"""A whole script in upstream's style, written for eight H100s and small enough for a test."""

import glob
import io
import math
import os
import subprocess
import time
import zlib

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP

try:
    from flash_attn_interface import flash_attn_func
except ImportError:
    flash_attn_func = None


class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data")
    run_id = os.environ.get("RUN_ID", "run")
    seed = int(os.environ.get("SEED", 1337))
    iterations = int(os.environ.get("ITERATIONS", 20000))
    warmdown_iters = int(os.environ.get("WARMDOWN_ITERS", 2))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
    train_batch_tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 524_288))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    num_layers = int(os.environ.get("NUM_LAYERS", 9))
    model_dim = int(os.environ.get("MODEL_DIM", 512))
    num_heads = int(os.environ.get("NUM_HEADS", 8))


@torch.compile
def zeropower_via_newtonschulz5(G, steps=5, eps=1e-7):
    a, b, c = (3.4445, -4.7750, 2.0315)
    X = G.bfloat16()
    X /= X.norm() + eps
    transposed = G.size(0) > G.size(1)
    if transposed:
        X = X.T
    for _ in range(steps):
        A = X @ X.T
        B = b * A + c * A @ A
        X = a * X + B @ X
    return X.T if transposed else X


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr, momentum):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        world_size, rank = dist.get_world_size(), dist.get_rank()
        for group in self.param_groups:
            params = group["params"]
            total = sum(p.numel() for p in params)
            flat = torch.zeros(total, device=params[0].device, dtype=torch.bfloat16)
            at = 0
            for i, p in enumerate(params):
                if i % world_size == rank and p.grad is not None:
                    state = self.state[p]
                    if "buf" not in state:
                        state["buf"] = torch.zeros_like(p.grad)
                    state["buf"].mul_(group["momentum"]).add_(p.grad)
                    g = zeropower_via_newtonschulz5(p.grad.add(state["buf"], alpha=0.95))
                    flat[at : at + p.numel()] = g.reshape(-1)
                at += p.numel()
            dist.all_reduce(flat, op=dist.ReduceOp.SUM)
            at = 0
            for p in params:
                p.add_(flat[at : at + p.numel()].view_as(p).type_as(p), alpha=-group["lr"])
                at += p.numel()


def load_shard(file):
    header = np.fromfile(file, dtype="<i4", count=256)
    assert header[0] == 20240520 and header[1] == 1
    tokens = np.fromfile(file, dtype="<u2", count=int(header[2]), offset=1024)
    return torch.from_numpy(tokens.astype(np.uint16, copy=False))


class Rotary(nn.Module):
    def __init__(self, dim):
        super().__init__()
        inv = 1.0 / (10000.0 ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
        self.register_buffer("inv_freq", inv, persistent=False)
        self._cached = None

    def forward(self, length, device):
        if self._cached is None or self._cached[0].device != device:
            freqs = torch.outer(torch.arange(length, device=device).float(), self.inv_freq)
            self._cached = freqs.cos()[None, :, None, :], freqs.sin()[None, :, None, :]
        return self._cached


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * dim, bias=False)
        self.down = nn.Linear(2 * dim, dim, bias=False)
        self.rotary = Rotary(dim // heads)

    def forward(self, x):
        B, T, D = x.shape
        y = F.rms_norm(x, (D,))
        q, k, v = self.qkv(y).view(B, T, 3, self.heads, D // self.heads).unbind(2)
        cos, sin = self.rotary(T, x.device)

        def turned(z):
            a, b = F.rms_norm(z, (z.size(-1),)).chunk(2, -1)
            return torch.cat((a * cos + b * sin, b * cos - a * sin), -1).to(v.dtype)

        x = x + self.out(flash_attn_func(turned(q), turned(k), v, causal=True).reshape(B, T, D))
        return x + self.down(F.leaky_relu(self.up(F.rms_norm(x, (D,))), 0.5).square())


class GPT(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.tok_emb = nn.Embedding(args.vocab_size, args.model_dim)
        nn.init.normal_(self.tok_emb.weight, std=0.02)
        self.blocks = nn.ModuleList(
            Block(args.model_dim, args.num_heads) for _ in range(args.num_layers)
        )

    def forward_logits(self, input_ids):
        x = self.tok_emb(input_ids)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(F.rms_norm(x, (x.size(-1),)), self.tok_emb.weight)
        return 30.0 * torch.tanh(logits / 30.0)

    def forward(self, input_ids, target_ids):
        logits = self.forward_logits(input_ids)
        return F.cross_entropy(logits.float().flatten(0, 1), target_ids.flatten())


def eval_val(args, model, rank, world_size, device, val_tokens):
    T = args.train_seq_len
    total = (val_tokens.numel() - 1) // T
    loss_sum = torch.zeros((), device=device, dtype=torch.float64)
    count = torch.zeros((), device=device, dtype=torch.float64)
    model.eval()
    with torch.inference_mode():
        for i in range(rank, total, world_size):
            local = val_tokens[i * T : (i + 1) * T + 1].to(device, torch.int64, non_blocking=True)
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16, enabled=True):
                loss = model(local[None, :-1], local[None, 1:]).detach()
            loss_sum += loss.to(torch.float64) * T
            count += T
    for value in (loss_sum, count):
        dist.all_reduce(value, op=dist.ReduceOp.SUM)
    model.train()
    return float(loss_sum / count)


def quantized(state):
    packed = {}
    for name, tensor in state.items():
        t = tensor.detach().cpu().float()
        scale = t.abs().amax(dim=-1, keepdim=True).clamp_min(1e-8) / 127.0
        packed[name] = (torch.round(t / scale).to(torch.int8), scale.half())
    return packed


def main():
    args = Hyperparameters()
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local_rank = int(os.environ["LOCAL_RANK"])
    grad_accum_steps = 8 // world_size
    if not torch.cuda.is_available():
        raise RuntimeError("CUDA is required")
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    dist.init_process_group(backend="nccl", device_id=device)
    dist.barrier()
    master = rank == 0
    torch.backends.cuda.matmul.allow_tf32 = True

    def log0(text):
        if master:
            print(text)

    log0(subprocess.run(["nvidia-smi"], stdout=subprocess.PIPE, text=True, check=False).stdout)
    torch.manual_seed(args.seed)
    torch.cuda.manual_seed_all(args.seed)
    train = torch.cat([load_shard(f) for f in sorted(glob.glob(args.data_path + "/*_train_*.bin"))])
    val = torch.cat([load_shard(f) for f in sorted(glob.glob(args.data_path + "/*_val_*.bin"))])
    base_model = GPT(args).to(device)
    compiled_model = torch.compile(base_model, dynamic=False, fullgraph=True)
    model = DDP(compiled_model, device_ids=[local_rank], broadcast_buffers=False)
    matrices = [p for p in base_model.blocks.parameters() if p.ndim == 2]
    adam = torch.optim.Adam(base_model.tok_emb.parameters(), lr=0.05, fused=True)
    optimizers = [adam, Muon(matrices, lr=0.02, momentum=0.9)]
    log0(f"model_params:{sum(p.numel() for p in base_model.parameters())}")
    torch.cuda.synchronize()
    t0 = time.perf_counter()
    step = at = 0
    while True:
        last_step = step == args.iterations
        if last_step:
            loss = eval_val(args, model, rank, world_size, device, val)
            log0(f"step:{step}/{args.iterations} val_loss:{loss:.8f}")
            break
        elapsed = time.perf_counter() - t0
        left = max(args.max_wallclock_seconds - elapsed, 0.0)
        scale = min(1.0, left / (args.warmdown_iters * max(elapsed / (step + 1), 1e-9)))
        for micro in range(grad_accum_steps):
            model.require_backward_grad_sync = micro == grad_accum_steps - 1
            n = args.train_batch_tokens // (world_size * grad_accum_steps)
            begin = (at + rank * n) % (train.numel() - n - 1)
            chunk = train[begin : begin + n + 1].pin_memory().to(torch.int64)
            x = chunk[:-1].view(-1, args.train_seq_len).to(device, non_blocking=True)
            y = chunk[1:].view(-1, args.train_seq_len).to(device, non_blocking=True)
            at += n * world_size
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16, enabled=True):
                loss = model(x, y)
            (loss / grad_accum_steps).backward()
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] *= scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
    log0(f"peak memory allocated: {torch.cuda.max_memory_allocated() // 1024 // 1024} MiB")
    if master:
        torch.save(base_model.state_dict(), "final_model.pt")
        buffer = io.BytesIO()
        torch.save(quantized(base_model.state_dict()), buffer)
        with open("final_model.int8.ptz", "wb") as f:
            f.write(zlib.compress(buffer.getvalue(), level=9))
    dist.barrier()
    with open("final_model.int8.ptz", "rb") as f:
        packed = torch.load(io.BytesIO(zlib.decompress(f.read())), map_location="cpu")
    base_model.load_state_dict({name: q.float() * s.float() for name, (q, s) in packed.items()})
    loss = eval_val(args, model, rank, world_size, device, val)
    bits = loss / math.log(2.0)
    log0(f"final_int8_zlib_roundtrip_exact val_loss:{loss:.8f} bits_per_token:{bits:.8f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

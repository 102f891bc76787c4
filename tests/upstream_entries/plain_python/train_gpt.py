"""One GPU, one process, no torchrun: python train_gpt.py --iterations 9000 --eval-stride 64"""
import argparse
import glob
import io
import lzma
import math
import os
import random
import time

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F
from torch import nn


def parse_args():
    env = os.environ.get
    p = argparse.ArgumentParser()
    p.add_argument("--data-path", default=env("DATA_PATH", "./data/datasets/fineweb10B_sp1024"))
    p.add_argument("--tokenizer-path", default=env("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model"))
    p.add_argument("--seed", type=int, default=int(env("SEED", "1337")))
    p.add_argument("--max-wallclock-seconds", type=float, default=float(env("MAX_WALLCLOCK_SECONDS", "600")))
    p.add_argument("--iterations", type=int, default=int(env("ITERATIONS", "9000")))
    p.add_argument("--warmdown-iters", type=int, default=int(env("WARMDOWN_ITERS", "1200")))
    p.add_argument("--batch-tokens", type=int, default=int(env("TRAIN_BATCH_TOKENS", "131072")))
    p.add_argument("--seq-len", type=int, default=int(env("TRAIN_SEQ_LEN", "1024")))
    p.add_argument("--eval-stride", type=int, default=int(env("EVAL_STRIDE", "64")))
    p.add_argument("--eval-batch", type=int, default=int(env("EVAL_BATCH_SEQS", "64")))
    p.add_argument("--log-every", type=int, default=int(env("TRAIN_LOG_EVERY", "200")))
    p.add_argument("--vocab-size", type=int, default=int(env("VOCAB_SIZE", "1024")))
    p.add_argument("--layers", type=int, default=int(env("NUM_LAYERS", "8")))
    p.add_argument("--dim", type=int, default=int(env("MODEL_DIM", "512")))
    p.add_argument("--heads", type=int, default=int(env("NUM_HEADS", "8")))
    p.add_argument("--lr", type=float, default=float(env("MATRIX_LR", "0.004")))
    p.add_argument("--out", default=env("MODEL_PATH", "model.int8.xz"))
    return p.parse_args()


# ---- data and bytes
def load_data_shard(file):
    header = np.fromfile(file, dtype="<i4", count=256)
    assert header[0] == 20240520 and header[1] == 1, f"unexpected shard header in {file}"
    return np.fromfile(file, dtype="<u2", count=int(header[2]), offset=1024)


def load_split(cfg, split):
    files = sorted(glob.glob(os.path.join(cfg.data_path, f"fineweb_{split}_*.bin")))
    if not files:
        raise SystemExit(f"no {split} shards in {cfg.data_path}")
    return np.concatenate([load_data_shard(f) for f in files])


def byte_tables(sp, vocab_size, device):
    nbytes, space, boundary = np.zeros(vocab_size, np.float64), np.zeros(vocab_size, bool), np.ones(vocab_size, bool)
    for i in range(sp.vocab_size()):
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i):
            continue
        piece = sp.id_to_piece(i)
        boundary[i], space[i] = False, piece.startswith("▁")
        nbytes[i] = 1 if sp.is_byte(i) else len(piece.replace("▁", " ").encode()) - space[i]
    return [torch.from_numpy(t).to(device) for t in (nbytes, space, boundary)]


# ---- model: attention and a gated MLP side by side, learned positions mixed in by a shift of one token
class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.mix = nn.Parameter(torch.full((dim,), 0.3))
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.up = nn.Linear(dim, 4 * dim, bias=False)
        self.out = nn.Linear(3 * dim, dim, bias=False)
        nn.init.zeros_(self.out.weight)
        slopes = 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)
        self.register_buffer("slopes", slopes, persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        h = F.rms_norm(x, (C,))
        h = h + self.mix * (F.pad(h, (0, 0, 1, 0))[:, :T] - h)
        q, k, v = (t.view(B, T, self.heads, -1).transpose(1, 2) for t in self.qkv(h).chunk(3, -1))
        at = torch.arange(T, device=x.device)
        bias = -self.slopes[:, None, None] * (at[:, None] - at[None, :]).float()
        bias = bias.masked_fill(at[None, :] > at[:, None], float("-inf")).to(q.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
        gate, up = self.up(h).chunk(2, -1)
        return x + self.out(torch.cat((y.transpose(1, 2).reshape(B, T, C), F.silu(gate) * up), -1))


class TinyLM(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.emb = nn.Embedding(cfg.vocab_size, cfg.dim)
        self.layers = nn.ModuleList(Layer(cfg.dim, cfg.heads) for _ in range(cfg.layers))
        self.head = nn.Linear(cfg.dim, cfg.vocab_size, bias=False)
        nn.init.normal_(self.emb.weight, std=0.02)
        nn.init.zeros_(self.head.weight)

    def forward(self, idx):
        x = self.emb(idx)
        for layer in self.layers:
            x = layer(x)
        return self.head(F.rms_norm(x, (x.size(-1),)))


# ---- evaluation
@torch.no_grad()
def evaluate(model, val, tables, cfg, device):
    nbytes, space, boundary = tables
    T, stride, n = cfg.seq_len, cfg.eval_stride, len(val) - 1
    ends = list(range(T, n + 1, stride))
    total, tokens, size = 0.0, 0, 0.0
    model.eval()
    for at in range(0, len(ends), cfg.eval_batch):
        batch = ends[at : at + cfg.eval_batch]
        rows = torch.from_numpy(np.stack([val[e - T : e + 1] for e in batch]).astype(np.int64)).to(device)
        x, y = rows[:, :-1], rows[:, 1:]
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = model(x)
        nll = F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), reduction="none").view_as(y).double()
        counts = nbytes[y] + (space[y] & ~boundary[x]).double()
        for i, end in enumerate(batch):
            first = 0 if end == T else T - stride
            total, tokens, size = total + nll[i, first:].sum().item(), tokens + T - first, size + counts[i, first:].sum().item()
    model.train()
    val_loss = total / tokens
    return val_loss, val_loss / math.log(2) * tokens / size


# ---- the artifact
def save_artifact(model, path):
    packed = {}
    for name, t in model.state_dict().items():
        t = t.detach().float().cpu()
        if t.ndim == 2:
            scale = t.abs().amax(1, keepdim=True).clamp_min(1e-8) / 127
            packed[name] = ((t / scale).round().to(torch.int8), scale.half())
        else:
            packed[name] = t.half()
    buffer = io.BytesIO()
    torch.save(packed, buffer)
    with open(path, "wb") as f:
        f.write(lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    return os.path.getsize(path)


def load_artifact(path, cfg, device):
    with open(path, "rb") as f:
        packed = torch.load(io.BytesIO(lzma.decompress(f.read())), map_location="cpu", weights_only=True)
    model = TinyLM(cfg).to(device)
    model.load_state_dict({k: v[0].float() * v[1].float() if isinstance(v, tuple) else v.float() for k, v in packed.items()})
    return model


def main():
    cfg = parse_args()
    assert torch.cuda.is_available(), "CUDA is required"
    device = torch.device("cuda")
    random.seed(cfg.seed)
    np.random.seed(cfg.seed)
    torch.manual_seed(cfg.seed)
    torch.cuda.manual_seed(cfg.seed)
    sp = spm.SentencePieceProcessor(model_file=cfg.tokenizer_path)
    assert sp.vocab_size() == cfg.vocab_size
    tables = byte_tables(sp, cfg.vocab_size, device)
    train, val = load_split(cfg, "train"), load_split(cfg, "val")
    model = TinyLM(cfg).to(device)
    compiled = torch.compile(model)
    opt = torch.optim.AdamW(model.parameters(), lr=cfg.lr, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    print(f"device:{torch.cuda.get_device_name(0)} model_params:{sum(p.numel() for p in model.parameters())} seed:{cfg.seed}")
    print(f"train_tokens:{len(train)} val_tokens:{len(val)}")
    rows = cfg.batch_tokens // cfg.seq_len
    start, step = time.time(), 0
    while step < cfg.iterations:
        left = cfg.max_wallclock_seconds - (time.time() - start) if cfg.max_wallclock_seconds > 0 else math.inf
        if left <= 0:
            print(f"stopping_early: wallclock_cap train_time:{1000 * (time.time() - start):.0f}ms step:{step}/{cfg.iterations}")
            break
        at = np.random.randint(0, len(train) - cfg.seq_len - 1, rows)
        batch = torch.from_numpy(np.stack([train[a : a + cfg.seq_len + 1] for a in at]).astype(np.int64)).to(device)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = compiled(batch[:, :-1])
            loss = F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in opt.param_groups:
            group["lr"] = cfg.lr * min((step + 1) / 10, 1.0, (cfg.iterations - step) / max(cfg.warmdown_iters, 1))
        opt.step()
        step += 1
        if step <= 3 or step % cfg.log_every == 0 or step == cfg.iterations:
            ms = 1000 * (time.time() - start)
            print(f"step:{step}/{cfg.iterations} train_loss:{loss.item():.4f} train_time:{ms:.0f}ms step_avg:{ms / step:.2f}ms")
    size = save_artifact(model, cfg.out)
    code = os.path.getsize(__file__)
    print(f"Serialized model int8+lzma: {size} bytes\nCode size: {code} bytes\nTotal submission size int8+lzma: {size + code} bytes")
    restored = load_artifact(cfg.out, cfg, device)
    began = time.time()
    val_loss, val_bpb = evaluate(restored, val, tables, cfg, device)
    print(f"final_int8_lzma_roundtrip val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} eval_time:{1000 * (time.time() - began):.0f}ms")
    print(f"final_int8_lzma_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")


if __name__ == "__main__":
    main()

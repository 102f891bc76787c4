import copy, glob, io, lzma, math, os, random, subprocess, sys, time, uuid
from pathlib import Path
import numpy as np
import sentencepiece as spm
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

class Hyperparameters:
    data_dir = os.environ.get("DATA_DIR", "./data/")
    seed = int(os.environ.get("SEED", 1337))
    run_id = os.environ.get("RUN_ID", str(uuid.uuid4()))
    iterations = int(os.environ.get("ITERATIONS", 20000))
    warmdown_frac = float(os.environ.get("WARMDOWN_FRAC", 0.72))
    warmup_steps = int(os.environ.get("WARMUP_STEPS", 20))
    train_batch_tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 786432))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 2048))
    train_log_every = int(os.environ.get("TRAIN_LOG_EVERY", 500))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 6e2))
    val_batch_tokens = int(os.environ.get("VAL_BATCH_TOKENS", 524288))
    eval_seq_len = int(os.environ.get("EVAL_SEQ_LEN", 2048))
    val_loss_every = int(os.environ.get("VAL_LOSS_EVERY", 4000))
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    num_layers = int(os.environ.get("NUM_LAYERS", 11))
    model_dim = int(os.environ.get("MODEL_DIM", 512))
    num_kv_heads = int(os.environ.get("NUM_KV_HEADS", 4))
    num_heads = int(os.environ.get("NUM_HEADS", 8))
    mlp_mult = float(os.environ.get("MLP_MULT", 4.0))
    logit_softcap = float(os.environ.get("LOGIT_SOFTCAP", 3e1))
    rope_base = float(os.environ.get("ROPE_BASE", 1e4))
    qk_gain_init = float(os.environ.get("QK_GAIN_INIT", 5.0))
    tied_embed_lr = float(os.environ.get("TIED_EMBED_LR", 0.03))
    tied_embed_init_std = float(os.environ.get("TIED_EMBED_INIT_STD", 0.005))
    matrix_lr = float(os.environ.get("MATRIX_LR", 0.022))
    scalar_lr = float(os.environ.get("SCALAR_LR", 0.02))
    muon_momentum = float(os.environ.get("MUON_MOMENTUM", 0.95))
    muon_wd = float(os.environ.get("MUON_WD", 0.095))
    sliding_window_enabled = bool(int(os.environ.get("SLIDING_WINDOW_ENABLED", "1")))
    eval_stride = int(os.environ.get("EVAL_STRIDE", 64))
    compressor = os.environ.get("COMPRESSOR", "lzma")
    ngram_enabled = bool(int(os.environ.get("NGRAM_ENABLED", "1")))
    ngram_orders = os.environ.get("NGRAM_ORDERS", "2,3,4,5,6,7")
    ngram_buckets = int(os.environ.get("NGRAM_BUCKETS", 4194304))
    ngram_alpha = float(os.environ.get("NGRAM_ALPHA", 0.4))
    ngram_min_count = int(os.environ.get("NGRAM_MIN_COUNT", 2))
    distributed = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    rank = int(os.environ.get("RANK", "0"))
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    is_main_process = rank == 0
    grad_accum_steps = 8 // world_size
    datasets_dir = os.path.join(data_dir, "datasets", f"fineweb10B_sp{vocab_size}")
    train_files = os.path.join(datasets_dir, "fineweb_train_*.bin")
    val_files = os.path.join(datasets_dir, "fineweb_val_*.bin")
    tokenizer_path = os.path.join(data_dir, "tokenizers", f"fineweb_{vocab_size}_bpe.model")
    artifact_dir = os.environ.get("ARTIFACT_DIR", "")
    logfile = os.path.join(artifact_dir, f"{run_id}.txt") if artifact_dir else f"logs/{run_id}.txt"
    model_path = os.path.join(artifact_dir, "final_model.pt") if artifact_dir else "final_model.pt"
    quantized_model_path = os.path.join(artifact_dir, "final_model.int6.ptz") if artifact_dir else "final_model.int6.ptz"

_logger_hparams = None

def set_logging_hparams(h):
    global _logger_hparams
    _logger_hparams = h

def log(msg, console=True):
    if _logger_hparams is None:
        print(msg)
    elif _logger_hparams.is_main_process:
        if console: print(msg)
        with open(_logger_hparams.logfile, "a", encoding="utf-8") as f: print(msg, file=f)

class ValidationData:
    def __init__(self, h, device):
        self.sp = spm.SentencePieceProcessor(model_file=h.tokenizer_path)
        if int(self.sp.vocab_size()) != h.vocab_size:
            raise ValueError(f"VOCAB_SIZE={h.vocab_size} does not match tokenizer vocab_size={int(self.sp.vocab_size())}")
        self.val_tokens = load_validation_tokens(h.val_files, h.eval_seq_len)
        self.base_bytes_lut, self.has_leading_space_lut, self.is_boundary_token_lut = build_sentencepiece_luts(self.sp, h.vocab_size, device)

def build_sentencepiece_luts(sp, vocab_size, device):
    size = max(int(sp.vocab_size()), vocab_size)
    nbytes, space, boundary = np.zeros(size, np.int16), np.zeros(size, np.bool_), np.ones(size, np.bool_)
    for i in range(int(sp.vocab_size())):
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i): continue
        piece = sp.id_to_piece(i)
        boundary[i], space[i] = False, piece.startswith("▁")
        nbytes[i] = 1 if sp.is_byte(i) else len(piece.removeprefix("▁").replace("▁", " ").encode("utf-8"))
    return [torch.tensor(t, device=device) for t in (nbytes, space, boundary)]

def load_validation_tokens(pattern, seq_len):
    files = [Path(p) for p in sorted(glob.glob(pattern))]
    if not files: raise FileNotFoundError(f"No files found for pattern: {pattern}")
    tokens = torch.cat([load_data_shard(file) for file in files]).contiguous()
    usable = (tokens.numel() - 1) // seq_len * seq_len
    if usable <= 0: raise ValueError(f"Validation split is too short for EVAL_SEQ_LEN={seq_len}")
    return tokens[: usable + 1]

def load_data_shard(file):
    header = np.fromfile(file, dtype="<i4", count=256)
    if header.size != 256 or int(header[0]) != 20240520 or int(header[1]) != 1: raise ValueError(f"Unexpected shard header for {file}")
    tokens = np.fromfile(file, dtype="<u2", count=int(header[2]), offset=1024)
    if tokens.size != int(header[2]): raise ValueError(f"Short read for {file}")
    return torch.from_numpy(tokens.astype(np.uint16, copy=False))

class ShuffledSequenceLoader:
    """Draws sequences at random from memory-mapped shards; each rank has its own."""
    def __init__(self, h, device):
        self.h, self.device = h, device
        files = sorted(glob.glob(h.train_files))[h.rank :: h.world_size] or sorted(glob.glob(h.train_files))
        if not files: raise FileNotFoundError(f"No files found for pattern: {h.train_files}")
        self.shards = [np.memmap(f, dtype="<u2", mode="r", offset=1024) for f in files]
        self.rng = np.random.Generator(np.random.PCG64(h.seed + h.rank))

    def next_batch(self, global_tokens, grad_accum_steps):
        n, T = global_tokens // (self.h.world_size * grad_accum_steps) // self.h.train_seq_len, self.h.train_seq_len
        rows = []
        for _ in range(n):
            shard = self.shards[self.rng.integers(len(self.shards))]
            at = int(self.rng.integers(len(shard) - T))
            rows.append(shard[at : at + T + 1].astype(np.int64))
        rows = torch.from_numpy(np.stack(rows)).pin_memory().to(self.device, non_blocking=True)
        return rows[:, :-1], rows[:, 1:]

class CastedLinear(nn.Linear):
    def forward(self, x): return F.linear(x, self.weight.to(x.dtype))

class Rotary(nn.Module):
    def __init__(self, dim, base=1e4):
        super().__init__()
        self.register_buffer("inv_freq", 1.0 / base ** (torch.arange(0, dim, 2).float() / dim), persistent=False)
        self._seq_len_cached, self._cos_cached, self._sin_cached = 0, None, None

    def forward(self, seq_len, device, dtype):
        if self._cos_cached is None or self._seq_len_cached != seq_len:
            freqs = torch.outer(torch.arange(seq_len, device=device).float(), self.inv_freq.to(device).float())
            self._seq_len_cached, self._cos_cached, self._sin_cached = seq_len, freqs.cos(), freqs.sin()
        return self._cos_cached.to(dtype), self._sin_cached.to(dtype)

def apply_rotary_emb(x, cos, sin):
    x1, x2 = x.chunk(2, -1)
    return torch.cat((x1 * cos + x2 * sin, x2 * cos - x1 * sin), -1)

class CausalSelfAttention(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = h.num_heads, h.num_kv_heads, h.model_dim // h.num_heads
        self.c_q = CastedLinear(h.model_dim, h.model_dim, bias=False)
        self.c_kv = CastedLinear(h.model_dim, 2 * self.num_kv_heads * self.head_dim, bias=False)
        self.proj = CastedLinear(h.model_dim, h.model_dim, bias=False)
        self.q_gain = nn.Parameter(torch.full((h.num_heads,), h.qk_gain_init))
        self.rotary = Rotary(self.head_dim, h.rope_base)

    def forward(self, x):
        B, T, C = x.shape
        q = self.c_q(x).view(B, T, self.num_heads, -1).transpose(1, 2)
        k, v = self.c_kv(x).view(B, T, 2, self.num_kv_heads, -1).permute(2, 0, 3, 1, 4)
        cos, sin = self.rotary(T, x.device, x.dtype)
        q = apply_rotary_emb(F.rms_norm(q, (self.head_dim,)), cos, sin) * self.q_gain.to(q.dtype)[:, None, None]
        k = apply_rotary_emb(F.rms_norm(k, (self.head_dim,)), cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.num_kv_heads != self.num_heads)
        return self.proj(y.transpose(1, 2).reshape(B, T, C))

class Block(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.attn, hidden = CausalSelfAttention(h), int(h.mlp_mult * h.model_dim)
        self.fc, self.out = CastedLinear(h.model_dim, hidden, bias=False), CastedLinear(hidden, h.model_dim, bias=False)
        self.attn_scale, self.mlp_scale = nn.Parameter(torch.ones(h.model_dim)), nn.Parameter(torch.ones(h.model_dim))
        nn.init.zeros_(self.attn.proj.weight), nn.init.zeros_(self.out.weight)

    def forward(self, x):
        x = x + self.attn_scale.to(x.dtype) * self.attn(F.rms_norm(x, (x.size(-1),)))
        return x + self.mlp_scale.to(x.dtype) * self.out(F.leaky_relu(self.fc(F.rms_norm(x, (x.size(-1),))), 0.5).square())

class GPT(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.logit_softcap = h.logit_softcap
        self.tok_emb = nn.Embedding(h.vocab_size, h.model_dim)
        self.blocks = nn.ModuleList(Block(h) for _ in range(h.num_layers))
        nn.init.normal_(self.tok_emb.weight, std=h.tied_embed_init_std)

    def forward_logits(self, input_ids):
        x = F.rms_norm(self.tok_emb(input_ids), (self.tok_emb.embedding_dim,))
        for block in self.blocks: x = block(x)
        logits = F.linear(F.rms_norm(x, (x.size(-1),)), self.tok_emb.weight.to(x.dtype))
        return self.logit_softcap * torch.tanh(logits / self.logit_softcap)

    def forward(self, input_ids, target_ids):
        logits = self.forward_logits(input_ids)
        return F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), target_ids.reshape(-1))

def zeropower_via_newtonschulz5(G, steps=5, eps=1e-7):
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G.bfloat16()
    X = X / (X.norm() + eps)
    flip = X.size(0) > X.size(1)
    if flip: X = X.T
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X.T if flip else X

class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr, momentum, weight_decay):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None: continue
                buf = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p.grad))
                buf.mul_(group["momentum"]).add_(p.grad)
                g = zeropower_via_newtonschulz5(p.grad.add(buf, alpha=group["momentum"]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(g.to(p.dtype), alpha=-group["lr"] * max(1, g.size(0) / g.size(1)) ** 0.5)

class Optimizers:
    def __init__(self, h, base_model):
        matrix, scalar = ([p for p in base_model.blocks.parameters() if (p.ndim == 2) is two] for two in (True, False))
        adam = dict(betas=(0.9, 0.95), eps=1e-8, fused=True)
        self.optimizer_tok = torch.optim.AdamW([{"params": [base_model.tok_emb.weight], "lr": h.tied_embed_lr}], weight_decay=0.0, **adam)
        self.optimizer_muon = Muon(matrix, h.matrix_lr, h.muon_momentum, h.muon_wd)
        self.optimizer_scalar = torch.optim.AdamW([{"params": scalar, "lr": h.scalar_lr}], weight_decay=0.0, **adam)
        self.all = [self.optimizer_tok, self.optimizer_muon, self.optimizer_scalar]
        self.params = [p for opt in self.all for group in opt.param_groups for p in group["params"]]
        for opt in self.all:
            for group in opt.param_groups: group["base_lr"] = group["lr"]

    def __iter__(self): return iter(self.all)

    def step(self, scale, distributed):
        if distributed:
            for p in self.params: dist.all_reduce(p.grad, op=dist.ReduceOp.AVG)
        for opt in self.all:
            for group in opt.param_groups: group["lr"] = group["base_lr"] * scale
            opt.step()
            opt.zero_grad(set_to_none=True)

def restore_fp32_params(model):
    for m in model.modules():
        if isinstance(m, CastedLinear): m.float()
    for p in model.parameters():
        if p.ndim < 2: p.data = p.data.float()

def quantize(state_dict):
    result, meta = {}, {}
    for name, t in state_dict.items():
        t = t.detach().cpu().contiguous()
        if t.ndim != 2:
            result[name], meta[name] = t.half(), "passthrough (float16)"
            continue
        bits = 8 if "tok_emb" in name else 6
        top = 2 ** (bits - 1) - 1
        s = (t.float().abs().amax(1) / top).clamp_min(1e-8).half()
        result[name + ".q"], result[name + ".scale"] = (t.float() / s.float()[:, None]).round().clamp(-top, top).to(torch.int8), s
        meta[name] = f"int{bits}"
    return result, meta

def dequantize_mixed(result, meta, template_sd):
    return {
        name: (result[name] if info.startswith("pass") else result[name + ".q"].float() * result[name + ".scale"].float()[:, None]).to(template_sd[name].dtype)
        for name, info in meta.items()
    }

_BSHF_MAGIC = b"BSHF"

def _byte_shuffle(data, stride=2):
    src = np.frombuffer(data, np.uint8)
    return _BSHF_MAGIC + bytes([stride]) + b"".join(src[i::stride].tobytes() for i in range(stride))

def _byte_unshuffle(data):
    if data[:4] != _BSHF_MAGIC: return data
    stride, src = data[4], np.frombuffer(data, np.uint8, offset=5)
    out, at = np.empty_like(src), 0
    for i in range(stride):
        n = len(out[i::stride])
        out[i::stride], at = src[at : at + n], at + n
    return out.tobytes()

def _compress(data, compressor):
    data = _byte_shuffle(data)
    if compressor == "lzma": return lzma.compress(data, preset=6)
    if compressor == "brotli":
        import brotli
        return brotli.compress(data, quality=11)
    raise ValueError(f"Unknown compressor: {compressor!r}")

def _decompress(data, compressor):
    if compressor == "lzma": raw = lzma.decompress(data)
    elif compressor == "brotli":
        import brotli
        raw = brotli.decompress(data)
    else: raise ValueError(f"Unknown compressor: {compressor!r}")
    return _byte_unshuffle(raw)

def serialize(h, base_model, code):
    code_bytes = len(code.encode("utf-8"))
    if h.is_main_process:
        torch.save(base_model.state_dict(), h.model_path)
        log(f"Serialized model: {os.path.getsize(h.model_path)} bytes")
        log(f"Code size: {code_bytes} bytes")
    result, meta = quantize(base_model.state_dict())
    quant_buf = io.BytesIO()
    torch.save({"w": result, "m": meta}, quant_buf)
    quant_blob = _compress(quant_buf.getvalue(), h.compressor)
    if h.is_main_process:
        with open(h.quantized_model_path, "wb") as f: f.write(quant_blob)
        log(f"Serialized model quantized+{h.compressor}: {len(quant_blob)} bytes")
        log(f"Total submission size quantized+{h.compressor}: {len(quant_blob) + code_bytes} bytes")

def deserialize(h, device):
    eval_model = GPT(h).to(device).bfloat16()
    restore_fp32_params(eval_model)
    with open(h.quantized_model_path, "rb") as f: quant_blob_disk = f.read()
    quant_state = torch.load(io.BytesIO(_decompress(quant_blob_disk, h.compressor)), map_location="cpu")
    eval_model.load_state_dict(dequantize_mixed(quant_state["w"], quant_state["m"], eval_model.state_dict()), strict=True)
    return eval_model

def _loss_bpb(loss_sum, token_count, byte_count):
    if dist.is_available() and dist.is_initialized():
        for t in (loss_sum, token_count, byte_count): dist.all_reduce(t, op=dist.ReduceOp.SUM)
    val_loss = (loss_sum / token_count).item()
    return val_loss, val_loss / math.log(2.0) * (token_count / byte_count).item()

def _token_bytes(val_data, x, y):
    return val_data.base_bytes_lut[y].double() + (val_data.has_leading_space_lut[y] & ~val_data.is_boundary_token_lut[x]).double()

def eval_val(h, device, val_data, model, forward_logits_fn=None):
    T, tokens = h.eval_seq_len, val_data.val_tokens
    batch = h.val_batch_tokens // (h.world_size * h.grad_accum_steps) // T
    if batch < 1: raise ValueError(f"VAL_BATCH_TOKENS={h.val_batch_tokens} is less than one sequence per rank")
    total = (tokens.numel() - 1) // T
    end = total * (h.rank + 1) // h.world_size
    loss_sum, token_count, byte_count = torch.zeros(3, device=device, dtype=torch.float64)
    run = forward_logits_fn or model.forward_logits
    model.eval()
    with torch.no_grad():
        for at in range(total * h.rank // h.world_size, end, batch):
            local = tokens[at * T : min(at + batch, end) * T + 1].to(device=device, dtype=torch.int64, non_blocking=True)
            x, y = local[:-1].reshape(-1, T), local[1:].reshape(-1, T)
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16, enabled=True): logits = run(x)
            loss_sum += F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), y.reshape(-1), reduction="none").double().sum()
            token_count += y.numel()
            byte_count += _token_bytes(val_data, x, y).sum()
    model.train()
    return _loss_bpb(loss_sum, token_count, byte_count)

def eval_val_sliding(h, device, val_data, base_model, forward_logits_fn=None, batch_seqs=32):
    T, stride, tokens = h.eval_seq_len, h.eval_stride, val_data.val_tokens
    last = tokens.numel() - 1
    starts = [ws for ws in range(0, last, stride) if ws + T - stride < last]
    starts = starts[len(starts) * h.rank // h.world_size : len(starts) * (h.rank + 1) // h.world_size]
    loss_sum, token_count, byte_count = torch.zeros(3, device=device, dtype=torch.float64)
    run = forward_logits_fn or base_model.forward_logits
    base_model.eval()
    with torch.no_grad():
        for at in range(0, len(starts), batch_seqs):
            group = starts[at : at + batch_seqs]
            x, y = torch.zeros(2, len(group), T, dtype=torch.int64, device=device)
            counted = torch.zeros(len(group), T, dtype=torch.bool, device=device)
            for i, ws in enumerate(group):
                n = min(ws + T, last) - ws
                window = tokens[ws : ws + n + 1].to(device=device, dtype=torch.int64)
                x[i, :n], y[i, :n] = window[:-1], window[1:]
                counted[i, (0 if ws == 0 else T - stride) : n] = True
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16): logits = run(x)
            nll = F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), y.reshape(-1), reduction="none").view_as(y)
            loss_sum += nll[counted].double().sum()
            token_count += counted.sum()
            byte_count += _token_bytes(val_data, x, y)[counted].sum()
    base_model.train()
    return _loss_bpb(loss_sum, token_count, byte_count)

class NgramCache:
    """Counts of hashed contexts of each order, of tokens that were scored already."""
    def __init__(self, orders, buckets):
        self.orders, self.buckets = orders, buckets
        self.contexts = {n: np.zeros(buckets, np.int32) for n in orders}
        self.pairs = {n: np.zeros(buckets, np.int32) for n in orders}

    def _hash(self, tokens, at, n):
        key = np.zeros(len(at), np.uint64)
        for back in range(n - 1, 0, -1): key = key * np.uint64(1000003) + tokens[at - back].astype(np.uint64)
        mixed = (key ^ (key >> np.uint64(15))) * np.uint64(0x9E3779B97F4A7C15)
        pair = (mixed + tokens[at].astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)) >> np.uint64(20)
        return (mixed >> np.uint64(20)) % np.uint64(self.buckets), pair % np.uint64(self.buckets)

    def mix(self, tokens, at, p, alpha, min_count):
        for n in self.orders:
            context, pair = self._hash(tokens, at, n)
            seen = self.contexts[n][context]
            share = np.minimum(self.pairs[n][pair], seen) / np.maximum(seen, 1)
            p = np.where((seen >= min_count) & (at >= n - 1), (1 - alpha) * p + alpha * share, p)
        return p

    def learn(self, tokens, at):
        for n in self.orders:
            context, pair = self._hash(tokens, at[at >= n - 1], n)
            np.add.at(self.contexts[n], context, 1)
            np.add.at(self.pairs[n], pair, 1)

def eval_val_ngram(h, device, val_data, base_model, forward_logits_fn=None, batch_seqs=8):
    """Sliding windows; the target's probability is mixed with what an n-gram cache of scored text says."""
    T, stride, tokens = h.eval_seq_len, h.eval_stride, val_data.val_tokens
    ids, last = tokens.numpy().astype(np.int64), tokens.numel() - 1
    cache = NgramCache([int(n) for n in h.ngram_orders.split(",")], h.ngram_buckets)
    loss_sum, token_count, byte_count = torch.zeros(3, device=device, dtype=torch.float64)
    run = forward_logits_fn or base_model.forward_logits
    starts = [ws for ws in range(0, last, stride) if ws + T - stride < last]
    base_model.eval()
    with torch.no_grad():
        for first in range(0, len(starts), batch_seqs):
            group = starts[first : first + batch_seqs]
            x, y = torch.zeros(2, len(group), T, dtype=torch.int64, device=device)
            scored = torch.zeros(len(group), T, dtype=torch.bool, device=device)
            for i, ws in enumerate(group):
                n = min(ws + T, last) - ws
                window = tokens[ws : ws + n + 1].to(device=device, dtype=torch.int64)
                x[i, :n], y[i, :n] = window[:-1], window[1:]
                scored[i, (0 if ws == 0 else T - stride) : n] = True
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16): logits = run(x)
            nll = F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), y.reshape(-1), reduction="none").view_as(y)
            at = (torch.tensor(group)[:, None] + torch.arange(1, T + 1))[scored.cpu()].numpy()
            p = cache.mix(ids, at, np.exp(-nll[scored].double().cpu().numpy()), h.ngram_alpha, h.ngram_min_count)
            cache.learn(ids, at)
            loss_sum -= float(np.log(p).sum())
            token_count += len(at)
            byte_count += _token_bytes(val_data, x, y)[scored].sum()
            if first // batch_seqs % 2: log(f"ngram [{first + len(group)}/{len(starts)}] loss:{(loss_sum / token_count).item():.6f}")
    val_loss = (loss_sum / token_count).item()
    return val_loss, val_loss / math.log(2.0) * (token_count / byte_count).item()

def timed_eval(label, fn, *args, **kwargs):
    torch.cuda.synchronize()
    t0 = time.perf_counter()
    val_loss, val_bpb = fn(*args, **kwargs)
    torch.cuda.synchronize()
    log(f"{label} val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f} eval_time:{1e3 * (time.perf_counter() - t0):.0f}ms")
    return val_loss, val_bpb

def train_model(h, device, val_data):
    base_model = GPT(h).to(device).bfloat16()
    restore_fp32_params(base_model)
    compiled_model = torch.compile(base_model, dynamic=False, fullgraph=True)
    compiled_forward_logits = torch.compile(base_model.forward_logits, dynamic=False, fullgraph=True)
    log(f"model_params:{sum(p.numel() for p in base_model.parameters())}")
    optimizers, train_loader = Optimizers(h, base_model), ShuffledSequenceLoader(h, device)
    max_wallclock_ms = 1e3 * h.max_wallclock_seconds if h.max_wallclock_seconds > 0 else None

    def training_frac(step, elapsed_ms):
        of_steps = step / max(h.iterations, 1)
        return of_steps if max_wallclock_ms is None else max(of_steps, elapsed_ms / max_wallclock_ms)

    def lr_mul(frac): return 1.0 if frac < 1 - h.warmdown_frac else max((1 - frac) / h.warmdown_frac, 0.0)

    def step_fn(step, lr_scale):
        train_loss = torch.zeros((), device=device)
        for _ in range(h.grad_accum_steps):
            x, y = train_loader.next_batch(h.train_batch_tokens, h.grad_accum_steps)
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16, enabled=True): loss = compiled_model(x, y)
            train_loss += loss.detach()
            (loss / h.grad_accum_steps).backward()
        optimizers.step(lr_scale, h.distributed)
        return train_loss / h.grad_accum_steps

    if h.warmup_steps > 0:
        model_state = {k: v.detach().cpu().clone() for k, v in base_model.state_dict().items()}
        opt_states = [copy.deepcopy(opt.state_dict()) for opt in optimizers]
        for warmup_step in range(h.warmup_steps):
            step_fn(warmup_step, 1.0)
            log(f"warmup_step: {warmup_step + 1}/{h.warmup_steps}")
        base_model.load_state_dict(model_state, strict=True)
        for opt, state in zip(optimizers, opt_states, strict=True): opt.load_state_dict(state)
        train_loader = ShuffledSequenceLoader(h, device)
    training_time_ms, stop_after_step, step = 0.0, None, 0
    torch.cuda.synchronize()
    t0 = time.perf_counter()
    while True:
        last_step = step == h.iterations or stop_after_step is not None and step >= stop_after_step
        if last_step or h.val_loss_every > 0 and step % h.val_loss_every == 0:
            torch.cuda.synchronize()
            training_time_ms += 1e3 * (time.perf_counter() - t0)
            val_loss, val_bpb = eval_val(h, device, val_data, compiled_model, compiled_forward_logits)
            log(f"{step}/{h.iterations} val_loss: {val_loss:.4f} val_bpb: {val_bpb:.4f}")
            t0 = time.perf_counter()
        if last_step:
            if stop_after_step is not None and step < h.iterations:
                log(f"stopping_early: wallclock_cap train_time: {training_time_ms:.0f}ms step: {step}/{h.iterations}")
            break
        train_loss = step_fn(step, lr_mul(training_frac(step, training_time_ms + 1e3 * (time.perf_counter() - t0))))
        step += 1
        elapsed_ms = training_time_ms + 1e3 * (time.perf_counter() - t0)
        if h.train_log_every > 0 and (step <= 5 or step % h.train_log_every == 0):
            log(f"{step}/{h.iterations} train_loss: {train_loss.item():.4f} train_time: {elapsed_ms / 60000:.1f}m tok/s: {step * h.train_batch_tokens / (elapsed_ms / 1e3):.0f}")
        reached_cap = max_wallclock_ms is not None and elapsed_ms >= max_wallclock_ms
        if h.distributed and max_wallclock_ms is not None:
            reached = torch.tensor(int(reached_cap), device=device)
            dist.all_reduce(reached, op=dist.ReduceOp.MAX)
            reached_cap = bool(reached.item())
        if stop_after_step is None and reached_cap: stop_after_step = step
    log(f"peak memory allocated: {torch.cuda.max_memory_allocated() // 1024 // 1024} MiB reserved: {torch.cuda.max_memory_reserved() // 1024 // 1024} MiB")
    return base_model, compiled_model, compiled_forward_logits

def train_and_eval(h, device):
    random.seed(h.seed)
    np.random.seed(h.seed)
    torch.manual_seed(h.seed)
    torch.cuda.manual_seed_all(h.seed)
    val_data = ValidationData(h, device)
    log(f"train_shards: {len(list(Path(h.datasets_dir).resolve().glob('fineweb_train_*.bin')))}")
    log(f"val_tokens: {val_data.val_tokens.numel() - 1}")
    base_model, compiled_model, compiled_forward_logits = train_model(h, device, val_data)
    torch._dynamo.reset()
    timed_eval("pre-quantization", eval_val, h, device, val_data, compiled_model, compiled_forward_logits)
    serialize(h, base_model, Path(__file__).read_text(encoding="utf-8"))
    if h.distributed: dist.barrier()
    eval_model = deserialize(h, device)
    compiled_model = torch.compile(eval_model, dynamic=False, fullgraph=True)
    compiled_forward_logits = torch.compile(eval_model.forward_logits, dynamic=False, fullgraph=True)
    timed_eval("quantized", eval_val, h, device, val_data, compiled_model, compiled_forward_logits)
    if h.sliding_window_enabled:
        timed_eval("final_int6_sliding_window", eval_val_sliding, h, device, val_data, eval_model, forward_logits_fn=compiled_forward_logits)
    if h.ngram_enabled:
        timed_eval("final_int6_ngram", eval_val_ngram, h, device, val_data, eval_model, forward_logits_fn=compiled_forward_logits)

def main():
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    distributed = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    if not torch.cuda.is_available(): raise RuntimeError("CUDA is required")
    if 8 % world_size != 0: raise ValueError(f"WORLD_SIZE={world_size} must divide 8 so grad_accum_steps stays integral")
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    if distributed:
        dist.init_process_group(backend="nccl", device_id=device)
        dist.barrier()
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    from torch.backends.cuda import enable_cudnn_sdp, enable_flash_sdp, enable_math_sdp, enable_mem_efficient_sdp
    enable_cudnn_sdp(False); enable_flash_sdp(True); enable_mem_efficient_sdp(False); enable_math_sdp(False)
    h = Hyperparameters()
    set_logging_hparams(h)
    if h.is_main_process:
        os.makedirs(h.artifact_dir if h.artifact_dir else "logs", exist_ok=True)
        log(100 * "=", console=False)
        log("Hyperparameters:")
        for k, v in sorted(vars(type(h)).items()):
            if not k.startswith("_"): log(f"  {k}: {v}")
        log(100 * "=", console=False)
        log(f"Running Python {sys.version}", console=False)
        log(f"Running PyTorch {torch.__version__}", console=False)
        log(subprocess.run(["nvidia-smi"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False).stdout, console=False)
        log("=" * 100, console=False)
    train_and_eval(h, device)
    if distributed: dist.destroy_process_group()

if __name__ == "__main__":
    main()

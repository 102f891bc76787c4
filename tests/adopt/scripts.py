"""Small scripts in the styles of the field, put together of parts."""

from pathlib import Path

from harness.upstream.folder import RecordFolder

HEAD = """
import glob, io, lzma, math, os, sys, time, zlib
from pathlib import Path
import numpy as np
import sentencepiece as spm
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
"""
SETTINGS = """
class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    train_files = os.path.join(data_path, "fineweb_train_*.bin")
    val_files = os.path.join(data_path, "fineweb_val_*.bin")
    seed = int(os.environ.get("SEED", 1337))
    run_id = os.environ.get("RUN_ID", "none")
    iterations = int(os.environ.get("ITERATIONS", 20000))
    warmup_steps = int(os.environ.get("WARMUP_STEPS", 20))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
    eval_seq_len = int(os.environ.get("EVAL_SEQ_LEN", 2048))
    eval_stride = int(os.environ.get("EVAL_STRIDE", 64))
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    num_layers = int(os.environ.get("NUM_LAYERS", 9))
    model_dim = int(os.environ.get("MODEL_DIM", 512))
    ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))
    ttt_chunk_tokens = int(os.environ.get("TTT_CHUNK_TOKENS", 32768))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
"""
DATA = """
def load_tokens(pattern, seq_len):
    files = [Path(p) for p in sorted(glob.glob(pattern))]
    return torch.cat([torch.from_numpy(np.fromfile(f, dtype="<u2")) for f in files])

class Loader:
    def __init__(self, pattern):
        self.tokens = load_tokens(pattern, 1)
    def next_batch(self, n, seq_len):
        local = self.tokens[:n + 1].to(torch.int64)
        return local[:-1].reshape(-1, seq_len), local[1:].reshape(-1, seq_len)
"""
MODEL = """
class GPT(nn.Module):
    def __init__(self, vocab_size, num_layers, model_dim):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, model_dim)
        self.logit_softcap = 30.0
    def forward(self, input_ids: Tensor, target_ids: Tensor) -> Tensor:
        x = self.tok_emb(input_ids)
        logits = F.linear(x, self.tok_emb.weight)
        logits = self.logit_softcap * torch.tanh(logits / self.logit_softcap)
        return F.cross_entropy(logits.float().reshape(-1, logits.size(-1)), target_ids.reshape(-1))
"""
LOGITS = """
    def forward_logits(self, input_ids: Tensor) -> Tensor:
        x = self.tok_emb(input_ids)
        return self.logit_softcap * torch.tanh(F.linear(x, self.tok_emb.weight) / self.logit_softcap)
"""
PLAIN = """
def eval_val(args, model, rank, world_size, device, val_tokens, base_bytes):
    seq_len = args.train_seq_len
    total_seqs = (val_tokens.numel() - 1) // seq_len
    loss_sum, count, nbytes = 0.0, 0, 0
    model.eval()
    with torch.inference_mode():
        for s in range(0, total_seqs, 8):
            local = val_tokens[s * seq_len:(s + 8) * seq_len + 1].to(device=device, dtype=torch.int64)
            x = local[:-1].reshape(-1, seq_len)
            y = local[1:].reshape(-1, seq_len)
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
                loss = model(x, y).detach()
            loss_sum += loss * y.numel()
            count += y.numel()
            nbytes += base_bytes[y].sum()
    return loss_sum / count, loss_sum / math.log(2.0) / nbytes
"""
SLIDING = """
def eval_val_sliding(args, base_model, rank, world_size, device, val_tokens, base_bytes, stride,
                     batch_seqs=32, eval_seq_len=None):
    seq_len = eval_seq_len or args.train_seq_len
    total_tokens = val_tokens.numel() - 1
    window_starts = [ws for ws in range(0, total_tokens, stride) if min(ws + seq_len, total_tokens) - ws >= 1]
    loss_sum, count, nbytes = 0.0, 0, 0
    base_model.eval()
    with torch.inference_mode():
        for bi in range(0, len(window_starts), batch_seqs):
            batch = window_starts[bi:bi + batch_seqs]
            x = torch.zeros(len(batch), seq_len, dtype=torch.int64, device=device)
            y = torch.zeros(len(batch), seq_len, dtype=torch.int64, device=device)
            for i, ws in enumerate(batch):
                chunk = val_tokens[ws:ws + seq_len + 1].to(dtype=torch.int64, device=device)
                x[i, :len(chunk) - 1] = chunk[:-1]
                y[i, :len(chunk) - 1] = chunk[1:]
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
                logits = base_model.forward_logits(x)
            nll = F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), y.reshape(-1), reduction="none")
            nll = nll.reshape(len(batch), seq_len)
            for i, ws in enumerate(batch):
                s = 0 if ws == 0 else max(seq_len - stride, 0)
                loss_sum += nll[i, s:].sum()
                count += seq_len - s
                nbytes += base_bytes[y[i, s:]].sum()
    return loss_sum / count, loss_sum / math.log(2.0) / nbytes
"""
START = """
def main():
    code = Path(__file__).read_text()
    args = Hyperparameters()
    rank = int(os.environ.get("RANK", "0"))
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cuda", 0)
    val_tokens = load_tokens(args.val_files, args.train_seq_len)
    base_bytes = torch.ones(args.vocab_size)
    base_model = GPT(vocab_size=args.vocab_size, num_layers=args.num_layers, model_dim=args.model_dim).to(device).bfloat16()
    compiled = torch.compile(base_model, dynamic=False, fullgraph=True)
    model = compiled
    opt = torch.optim.Adam(base_model.parameters())
    loader = Loader(args.train_files)
    if args.warmup_steps > 0:
        for warmup_step in range(args.warmup_steps):
            x, y = loader.next_batch(8192, args.train_seq_len)
            model(x, y).backward()
            opt.step()
"""
TRAIN = """
    step, stop_after = 0, None
    while True:
        last_step = step == args.iterations or (stop_after is not None and step >= stop_after)
        if last_step:
            val_loss, val_bpb = eval_val(args, model, rank, world_size, device, val_tokens, base_bytes)
            print(f"step:{step} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f}")
            break
        x, y = loader.next_batch(8192, args.train_seq_len)
        loss = model(x, y)
        loss.backward()
        opt.step()
        step += 1
"""
SAVE = """
    if rank == 0:
        torch.save(base_model.state_dict(), "final_model.pt")
        buf = io.BytesIO()
        torch.save(base_model.state_dict(), buf)
        blob = zlib.compress(buf.getvalue(), 9)
        with open("final_model.int8.ptz", "wb") as f:
            f.write(blob)
"""
BACK = """
    with open("final_model.int8.ptz", "rb") as f:
        blob = f.read()
    state = torch.load(io.BytesIO(zlib.decompress(blob)), map_location="cpu")
    base_model.load_state_dict(state, strict=True)
"""
SCORE = """
    val_loss, val_bpb = eval_val(args, model, rank, world_size, device, val_tokens, base_bytes)
    print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
"""
SLIDE = """
    if args.eval_stride > 0 and args.eval_stride < args.eval_seq_len:
        val_loss, val_bpb = eval_val_sliding(args, base_model, rank, world_size, device, val_tokens,
                                             base_bytes, stride=args.eval_stride, eval_seq_len=args.eval_seq_len)
        print(f"final_sliding_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
"""
END = """
if __name__ == "__main__":
    main()
"""


def script(
    *,
    settings: str = SETTINGS,
    model: str = MODEL + LOGITS,
    functions: str = PLAIN + SLIDING,
    start: str = START,
    train: str = TRAIN,
    save: str = SAVE,
    back: str = BACK,
    score: str = SCORE + SLIDE,
    end: str = END,
) -> str:
    """A script of its parts."""
    parts = (HEAD, settings, DATA, model, functions, start, train, save, back, score, end)
    return "".join(parts)


def record(path: Path, **files: str | bytes) -> RecordFolder:
    """A folder with these files; ``__`` in a name stands for a dot."""
    folder = path / "2026-05-01_Entry"
    for name, content in files.items():
        place = folder / name.replace("__", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return RecordFolder(folder)

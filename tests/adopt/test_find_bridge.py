"""The class, the bridge and the first reason, for styles that the field has."""

from pathlib import Path

import pytest

from harness.adopt.adoption import Adoption
from harness.adopt.find_bridge import adopt
from harness.contest.bridge import parse_bridge, render_bridge
from tests.adopt import scripts
from tests.adopt.scripts import MODEL, PLAIN, SCORE, SETTINGS, SLIDE, SLIDING, TRAIN, record, script


def _read(path: Path, text: str, **files: str) -> Adoption:
    found = adopt(record(path, train_gpt__py=text, **files))
    if found.bridge is not None:
        assert parse_bridge(render_bridge(found.bridge)) == found.bridge
    return found


def test_a_plain_script_is_adopted_in_full(tmp_path: Path) -> None:
    found = _read(tmp_path, script(model=MODEL, functions=PLAIN, score=SCORE))
    assert (found.adoption, found.artifact, found.evaluation) == (
        "full", "final_model.int8.ptz", "eval_val",
    )  # fmt: skip
    assert (found.context, found.stride, found.vocab) == (1024, 1024, 1024)
    bridge = found.bridge
    assert bridge is not None and bridge.evaluation and bridge.logits and bridge.artifact
    assert bridge.logits.how == "loss"
    assert bridge.evaluation.model == "model" and bridge.evaluation.reads == 1
    assert bridge.artifact.others == ("final_model.pt",)
    assert bridge.no_train.env == {"ITERATIONS": "0", "WARMUP_STEPS": "0"}
    assert bridge.launch.data == "DATA_PATH"
    assert "train_gpt.py:" in bridge.why["artifact.file"]


def test_the_last_evaluation_that_runs_is_the_claim(tmp_path: Path) -> None:
    found = _read(tmp_path, script())
    assert (found.evaluation, found.context, found.stride) == ("eval_val_sliding", 2048, 64)
    bridge = found.bridge
    assert bridge and bridge.logits and bridge.windows and bridge.rehearsal.windows
    assert (bridge.logits.how, bridge.logits.method) == ("method", "forward_logits")
    assert (bridge.windows.first, bridge.windows.tail) == ("all", "repeated")
    assert bridge.rehearsal.env["EVAL_SEQ_LEN"] == "128"
    assert (bridge.rehearsal.windows.context, bridge.rehearsal.windows.stride) == (128, 64)


@pytest.mark.parametrize(
    ("forward", "how", "result"),
    [
        ("def forward(self, x, targets=None):\n        l = self.tok_emb(x)\n"
         "        if targets is None:\n            return l\n        return F.cross_entropy(l, targets)",
         "forward", None),
        ("def forward(self, idx, targets=None):\n        logits = self.tok_emb(idx)\n"
         "        loss = None if targets is None else F.cross_entropy(logits, targets)\n"
         "        return logits, loss", "forward", 0),
        ("def forward(self, input_ids, target_ids, lora=None):\n        l = self.tok_emb(input_ids)\n"
         "        return F.cross_entropy(l, target_ids)", "loss", None),
        ("def forward_logits_and_alpha(self, ids):\n        return self.a(ids), self.logits(ids)\n"
         "    def forward(self, ids, y):\n        return F.cross_entropy(self.tok_emb(ids), y)",
         "method", 1),
        ("def _compute_logits(self, hidden):\n        return hidden\n"
         "    def forward(self, ids, y):\n"
         "        return F.cross_entropy(self._compute_logits(self.tok_emb(ids)), y)", "loss", None),
    ],
)  # fmt: skip
def test_how_logits_come(tmp_path: Path, forward: str, how: str, result: int | None) -> None:
    model = MODEL[: MODEL.index("    def forward")] + "    " + forward + "\n"
    found = _read(tmp_path, script(model=model, functions=PLAIN, score=SCORE))
    assert found.bridge is not None and found.bridge.logits is not None, found
    assert (found.bridge.logits.how, found.bridge.logits.result) == (how, result)


def test_a_method_whose_logits_are_not_capped_is_asked_with_the_cap(tmp_path: Path) -> None:
    raw = "    def forward_logits(self, ids):\n        return F.linear(self.tok_emb(ids), self.w)\n"
    settings = SETTINGS + '    logit_softcap = float(os.environ.get("LOGIT_SOFTCAP", 15.0))\n'
    found = _read(tmp_path, script(settings=settings, model=MODEL + raw))
    assert found.bridge is not None and found.bridge.logits is not None
    assert found.bridge.logits.cap == 15.0


@pytest.mark.parametrize(
    "loop",
    [
        "    for step in range(args.iterations):\n",
        "    step = 0\n    while step < args.iterations:\n        step += 1\n",
        "    for step in range(args.iterations + 1):\n"
        "        if step >= args.iterations:\n            break\n",
    ],
)
def test_what_stops_the_loop(tmp_path: Path, loop: str) -> None:
    body = "        loader_x, loader_y = loader.next_batch(8192, args.train_seq_len)\n"
    body += (
        "        loss = model(loader_x, loader_y)\n        loss.backward()\n        opt.step()\n"
    )
    found = _read(tmp_path, script(train=loop + body))
    assert found.adoption == "full", found.reasons
    assert found.bridge is not None
    assert found.bridge.no_train.env["ITERATIONS"] == "0"


def test_a_loop_that_nothing_stops_is_said(tmp_path: Path) -> None:
    body = "        model(*loader.next_batch(8192, 1024)).backward()\n"
    found = _read(tmp_path, script(train="    for step in range(5000):\n" + body))
    assert (found.adoption, found.reason) == ("reproduce", "never-untrained")
    few = _read(tmp_path / "few", script(train=TRAIN + "    for _ in range(3):\n" + body))
    assert few.adoption == "full"


@pytest.mark.parametrize(
    ("save", "back", "name"),
    [
        ('    Path("out").joinpath("x")\n    Path("m.bin").write_bytes(zlib.compress(b""))\n',
         '    blob = Path("m.bin").read_bytes()\n    s = torch.load(io.BytesIO(lzma.decompress(blob)))\n'
         "    base_model.load_state_dict(s)\n", "m.bin"),
        ('    path = os.path.join("", f"model_s{args.seed}.ptz")\n    open(path, "wb").write(b"")\n',
         '    s = torch.load(io.BytesIO(zlib.decompress(open(path, "rb").read())))\n'
         "    base_model.load_state_dict(s)\n", "model_s{seed}.ptz"),
        ('    torch.save(base_model.state_dict(), "q.pt")\n',
         '    base_model.load_state_dict(torch.load("q.pt"))\n', "q.pt"),
    ],
)  # fmt: skip
def test_the_artifact_under_any_name(tmp_path: Path, save: str, back: str, name: str) -> None:
    found = _read(tmp_path, script(save=save, back=back))
    assert (found.adoption, found.artifact) == ("full", name), found.reasons


def test_settings_of_a_loader_that_returns_the_model(tmp_path: Path) -> None:
    functions = (
        PLAIN
        + SLIDING
        + """
def serialize(h, model):
    torch.save(model.state_dict(), h.model_path)
    with open(h.quantized_model_path, "wb") as f:
        f.write(lzma.compress(b""))

def deserialize(h, device):
    eval_model = GPT(h.vocab_size, h.num_layers, h.model_dim).to(device)
    with open(h.quantized_model_path, "rb") as f:
        state = torch.load(io.BytesIO(lzma.decompress(f.read())))
    eval_model.load_state_dict(state, strict=True)
    return eval_model

def timed_eval(label, fn, *args, **kwargs):
    val_loss, val_bpb = fn(*args, **kwargs)
    print(f"{label} val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
    return val_loss, val_bpb
"""
    )
    settings = (
        SETTINGS
        + '    model_path = "final_model.pt"\n    quantized_model_path = "final.int6.ptz"\n'
    )
    score = """
    eval_model = deserialize(args, device)
    timed_eval("quantized", eval_val, args, eval_model, rank, world_size, device, val_tokens, base_bytes)
    if args.eval_stride > 0:
        timed_eval("sliding", eval_val_sliding, args, eval_model, rank, world_size, device, val_tokens,
                   base_bytes, args.eval_stride, eval_seq_len=args.eval_seq_len)
"""
    text = script(
        settings=settings, functions=functions, save="    serialize(args, base_model)\n", back="",
        score=score,
    )  # fmt: skip
    found = _read(tmp_path, text)
    assert (found.adoption, found.artifact, found.evaluation, found.stride) == (
        "full", "final.int6.ptz", "eval_val_sliding", 64,
    )  # fmt: skip


def test_wrappers_around_the_environment_are_followed(tmp_path: Path) -> None:
    wrapped = SETTINGS.replace(
        'int(os.environ.get("EVAL_STRIDE", 64))', '_env_int("EVAL_STRIDE", 32)'
    )
    wrapped = wrapped.replace(
        'int(os.environ.get("EVAL_SEQ_LEN", 2048))', '_E("EVAL_SEQ_LEN", 512, int)'
    )
    helpers = """
def _env_int(name, default):
    return int(os.getenv(name, str(default)))
_E = lambda n, d, t=str: t(os.environ.get(n, d))
"""
    found = _read(tmp_path, script(settings=helpers + wrapped))
    assert (found.context, found.stride) == (512, 32)


def test_options_of_a_command_line_are_settings(tmp_path: Path) -> None:
    settings = """
import argparse
def Hyperparameters():
    p = argparse.ArgumentParser()
    p.add_argument("--iterations", type=int, default=100)
    p.add_argument("--train-seq-len", type=int, default=256)
    p.add_argument("--vocab-size", type=int, default=1024)
    for name, default in (("num_layers", 2), ("model_dim", 64), ("warmup_steps", 0)):
        p.add_argument("--" + name, dest=name, type=int, default=default)
    p.add_argument("--train-files", default="fineweb_train_*.bin")
    p.add_argument("--val-files", default="fineweb_val_*.bin")
    return p.parse_args()
"""
    found = _read(tmp_path, script(settings=settings, functions=PLAIN, score=SCORE))
    assert (found.context, found.vocab) == (256, 1024), found
    assert found.reason == "never-untrained"  # a bridge has an environment, and no options


def test_what_the_readme_runs_counts_before_defaults(tmp_path: Path) -> None:
    readme = """# Entry
```bash
RUN_ID=x \\
EVAL_STRIDE=16 TRAIN_SEQ_LEN=${LEN:-512} \\
torchrun --standalone --nproc_per_node=8 train_best.py 2>&1 | tee log.txt
```
"""
    folder = record(
        tmp_path, train_best__py=script(), train_gpt__py="import torch\n", README__md=readme
    )
    found = adopt(folder)
    assert (found.script, found.stride) == ("train_best.py", 16)
    assert found.bridge is not None
    assert found.bridge.launch.env == {"EVAL_STRIDE": "16", "TRAIN_SEQ_LEN": "512"}
    assert found.bridge.why["launch.env.EVAL_STRIDE"] == "README.md:3"


def test_an_evaluation_that_the_log_lacks_was_off(tmp_path: Path) -> None:
    log = "step:100/20000 train_loss:3.0 train_time:1ms\n"
    log += "final_int8_zlib_roundtrip_exact val_loss:2.07269931 val_bpb:1.22436570\n"
    found = _read(tmp_path, script(), train__log=log)
    assert found.evaluation == "eval_val"
    log += "final_sliding_exact val_loss:2.0 val_bpb:1.2\n"
    assert _read(tmp_path / "both", script(), train__log=log).evaluation == "eval_val_sliding"


CHUNKS = """
def eval_val_sliding_ttt(args, base_model, rank, device, val_tokens, base_bytes, stride):
    seq_len = args.train_seq_len
    total_tokens = val_tokens.numel() - 1
    ttt_chunk = args.ttt_chunk_tokens
    opt = torch.optim.SGD([p for p in base_model.parameters()], lr=0.002)
    loss_sum, count, nbytes = 0.0, 0, 0
    starts = [ws for ws in range(0, total_tokens, stride)]
    for ci in range(total_tokens // ttt_chunk):
        with torch.inference_mode():
            for ws in starts:
                x = val_tokens[ws:ws + seq_len].reshape(-1, seq_len)
                y = val_tokens[ws + 1:ws + seq_len + 1]
                logits = base_model.forward_logits(x)
                nll = F.cross_entropy(logits.reshape(-1, logits.size(-1)), y, reduction="none")
                loss_sum += nll.sum()
        base_model.train()
        local = val_tokens[ci * ttt_chunk:(ci + 1) * ttt_chunk + 1]
        loss = base_model(local[:-1].reshape(-1, seq_len), local[1:].reshape(-1, seq_len))
        loss.backward()
        opt.step()
    return loss_sum / count, loss_sum / math.log(2.0) / nbytes
"""
TTT = """
    if args.ttt_enabled:
        l, b = eval_val_sliding_ttt(args, base_model, rank, device, val_tokens, base_bytes, args.eval_stride)
        print(f"legal_ttt_exact val_loss:{l:.8f} val_bpb:{b:.8f}")
"""


def test_learning_after_scoring_is_adaptive(tmp_path: Path) -> None:
    text = script(functions=PLAIN + SLIDING + CHUNKS, score=SCORE + SLIDE + TTT)
    assert _read(tmp_path, text).adoption == "full"
    on = "```\nTTT_ENABLED=1 torchrun train_gpt.py\n```\n"
    found = _read(tmp_path / "on", text, README__md=on)
    assert (found.adoption, found.learns, found.evaluation) == (
        "adaptive", "chunks", "eval_val_sliding_ttt",
    )  # fmt: skip
    evaluation = found.bridge.evaluation if found.bridge else None
    assert evaluation is not None
    assert (evaluation.function, evaluation.loop, evaluation.chunk) == (
        "eval_val_sliding", "eval_val_sliding_ttt", 32768,
    )  # fmt: skip
    log = "step:9/9 train_loss:3.0\nlegal_ttt_exact val_loss:1.9 val_bpb:1.1\n"
    told = _read(tmp_path / "told", text, train__log=log)
    assert told.adoption == "adaptive" and told.bridge is not None
    assert "legal_ttt_exact" in told.bridge.why["launch.env.TTT_ENABLED"]


CACHE = """
class NgramCache:
    def __init__(self, order):
        self.counts = np.zeros(1 << 22)
    def lookup(self, tokens):
        return torch.from_numpy(self.counts[tokens])

def eval_val_sliding(args, base_model, rank, world_size, device, val_tokens, base_bytes, stride, eval_seq_len):
    total = val_tokens.numel() - 1
    cache = NgramCache(5)
    loss_sum, nbytes = 0.0, 0
    for ws in range(0, total, stride):
        x = val_tokens[ws:ws + eval_seq_len].reshape(-1, eval_seq_len)
        y = val_tokens[ws + 1:ws + eval_seq_len + 1]
        logits = base_model.forward_logits(x)
        nll = F.cross_entropy(logits.reshape(-1, 1024), y, reduction="none")
        p = torch.exp(-nll)
        p = 0.8 * p + 0.2 * cache.lookup(y)
        loss_sum += -torch.log(p.clamp_min(1e-9)).sum()
    return loss_sum, loss_sum / math.log(2.0) / nbytes
"""
SLOT = """
def eval_val_sliding(args, base_model, rank, world_size, device, val_tokens, base_bytes, stride, eval_seq_len):
    total = val_tokens.numel() - 1
    loss_sum, nbytes = 0.0, 0
    for ws in range(0, total, stride):
        x = val_tokens[ws:ws + eval_seq_len].reshape(-1, eval_seq_len)
        y = val_tokens[ws + 1:ws + eval_seq_len + 1]
        hidden = base_model.forward_hidden(x)
        delta = torch.zeros(1, 1, hidden.size(-1), requires_grad=True)
        opt = torch.optim.AdamW([delta], lr=0.01)
        for _ in range(8):
            loss = F.cross_entropy(base_model.compute_logits(hidden + delta), y)
            loss.backward()
            opt.step()
        nll = F.cross_entropy(base_model.compute_logits(hidden + delta), y, reduction="none")
        loss_sum += nll.sum()
    return loss_sum, loss_sum / math.log(2.0) / nbytes
"""
FIRST = """
def ttt_adapt(args, base_model, device, val_tokens):  # FIRST
    opt = torch.optim.SGD(base_model.parameters(), lr=0.01)
    for epoch in range(3):
        for s in range(0, val_tokens.numel() - 1, args.train_seq_len):
            local = val_tokens[s:s + args.train_seq_len + 1]
            loss = base_model(local[:-1][None], local[1:][None])
            loss.backward()
            opt.step()
"""
WHOLE = CHUNKS.replace(
    "    for ci in range(total_tokens // ttt_chunk):\n        with torch",
    """\
    for epoch in range(2):
        for s in range(0, total_tokens, seq_len):
            loss = base_model(val_tokens[s:s + seq_len][None], val_tokens[s + 1:s + seq_len + 1][None])
            loss.backward()
            opt.step()
    for once in range(total_tokens // ttt_chunk):
        with torch""",
).replace(
    """        base_model.train()
        local = val_tokens[ci * ttt_chunk:(ci + 1) * ttt_chunk + 1]
        loss = base_model(local[:-1].reshape(-1, seq_len), local[1:].reshape(-1, seq_len))
        loss.backward()
        opt.step()
""",
    "",
)
PPM = """
def ppm_score(tokens):
    return sum(1 for _ in tokens)
def eval_val_sliding(args, base_model, rank, world_size, device, val_tokens, base_bytes, stride, eval_seq_len):
    loss_sum = ppm_score(val_tokens)
    for ws in range(0, val_tokens.numel() - 1, stride):
        logits = base_model.forward_logits(val_tokens[ws:ws + eval_seq_len])
        loss_sum += F.cross_entropy(logits, val_tokens[ws + 1:ws + 1 + eval_seq_len])
    return loss_sum, loss_sum / math.log(2.0)
"""
TWICE = (
    SLIDING
    + """
def eval_ngram_two_pass(args, base_model, device, val_tokens, stride):
    loss_sum = 0.0
    for ws in range(0, val_tokens.numel() - 1, stride):
        logits = base_model.forward_logits(val_tokens[ws:ws + 2048])
        loss_sum += F.cross_entropy(logits, val_tokens[ws + 1:ws + 2049])
    return loss_sum, loss_sum / math.log(2.0)
"""
)


ASKED_ALONE = ("cache", "slot", "ppm", "two-passes", "whole-first", "trains-on-validation")
"""Where another evaluation scores the model alone, that one is asked."""


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("cache", script(functions=PLAIN + CACHE)),
        ("slot", script(functions=PLAIN + SLOT)),
        ("whole-first", script(functions=PLAIN + SLIDING + FIRST,
                               score="\n    ttt_adapt(args, base_model, device, val_tokens)\n" + SCORE)),
        ("whole-first", script(functions=PLAIN + SLIDING + WHOLE,
                               score=SCORE + TTT.replace("args.ttt_enabled", "True"))),
        ("trains-on-validation",
         script(functions=PLAIN + SLIDING + FIRST,
                save="\n    ttt_adapt(args, base_model, device, val_tokens)\n" + scripts.SAVE)),
        ("ppm", script(functions=PLAIN + PPM)),
        ("two-passes", script(functions=PLAIN + TWICE, score=SCORE + (
            "    l, b = eval_ngram_two_pass(args, base_model, device, val_tokens, 64)\n"
            "    print(f'two_pass val_bpb:{b}')\n"))),
        ("no-artifact", script(save="", back="")),
        ("never-read-back", script(back="")),
        ("artifact-unresolved", script(
            back="    name = sorted(glob.glob(sys.argv[1]))[0]\n    blob = open(name, 'rb').read()\n"
                 "    base_model.load_state_dict(torch.load(io.BytesIO(zlib.decompress(blob))))\n")),
        ("no-evaluation", script(score="")),
    ],
)  # fmt: skip
def test_what_can_only_be_reproduced(tmp_path: Path, reason: str, text: str) -> None:
    found = _read(tmp_path, text)
    assert (found.adoption, found.reason) == ("reproduce", reason), found.reasons
    learned = found.bridge.evaluation if found.bridge else None
    if learned is not None and reason != "trains-on-validation":
        assert learned.learns in ("cache", "otherwise") and learned.function == "eval_val"
    assert found.bridge is not None
    assert found.bridge.asked == (
        reason in ASKED_ALONE and (reason != "whole-first" or "# FIRST" not in text)
    ), found.missing


def test_a_cache_that_is_off_is_no_reason(tmp_path: Path) -> None:
    off = SLIDING.replace(
        "    loss_sum, count, nbytes = 0.0, 0, 0\n",
        '    loss_sum, count, nbytes = 0.0, 0, 0\n    cache = None\n    if int(os.environ.get("NGRAM", "0")):\n'
        "        cache = NgramCache(5)\n",
        1,
    ).replace(
        "            nll = nll.reshape",
        "            if cache is not None:\n                p = torch.exp(-nll)\n"
        "                nll = -torch.log(0.5 * p + 0.5 * cache.lookup(y))\n            nll = nll.reshape",
    )
    cache = CACHE[: CACHE.index("def eval_val_sliding")]
    text = script(functions=PLAIN + cache + off)
    assert _read(tmp_path, text).adoption == "full"
    on = _read(tmp_path / "on", text, README__md="```\nNGRAM=1 torchrun train_gpt.py\n```\n")
    assert (on.adoption, on.reason) == ("reproduce", "cache")


def test_a_model_in_another_file(tmp_path: Path) -> None:
    model = scripts.HEAD + MODEL + scripts.LOGITS
    text = script(model="\nfrom architectures import GPT\n")
    found = _read(tmp_path, text, architectures__py=model)
    assert found.adoption == "full", found.reasons
    assert found.bridge is not None and found.bridge.launch.imports == ("architectures.py",)


def test_a_function_that_gives_logits_stands_for_the_model(tmp_path: Path) -> None:
    functions = PLAIN + SLIDING.replace("base_model.forward_logits(x)", "logits_fn(x)").replace(
        "base_model", "logits_fn"
    ).replace("    logits_fn.eval()\n", "")
    score = SCORE + SLIDE.replace(
        "eval_val_sliding(args, base_model",
        "eval_val_sliding(args, torch.compile(base_model.forward_logits)",
    )
    found = _read(tmp_path, script(functions=functions, score=score))
    assert found.adoption == "full", found.reasons
    assert found.bridge and found.bridge.evaluation and found.bridge.logits
    assert (found.bridge.evaluation.model, found.bridge.logits.how) == ("logits_fn", "forward")


def test_layers_that_settings_name_are_kept(tmp_path: Path) -> None:
    named = SETTINGS + '    ve_layers = os.environ.get("VE_LAYERS", "5,6")\n'
    found = _read(tmp_path, script(settings=named))
    assert found.bridge is not None
    assert found.bridge.rehearsal.env["NUM_LAYERS"] == "7"
    assert found.bridge.rehearsal.env["VOCAB_SIZE"] == "1024"
    plain = _read(tmp_path / "plain", script())
    assert plain.bridge is not None and plain.bridge.rehearsal.env["NUM_LAYERS"] == "2"


ARGPARSE = """
import argparse
def Hyperparameters():
    env = os.environ.get
    p = argparse.ArgumentParser()
    p.add_argument("--iterations", type=int, default=int(env("ITERATIONS", "100")))
    p.add_argument("-T", "--train-seq-len", type=int, default=int(env("TRAIN_SEQ_LEN", "256")))
    p.add_argument("--vocab-size", type=int, default=1024)
    p.add_argument("--plain", action="store_true")
    for name, default in (("num_layers", 2), ("model_dim", 64), ("warmup_steps", 0)):
        p.add_argument("--" + name, dest=name, type=int, default=default)
    p.add_argument("--train-files", default="fineweb_train_*.bin")
    p.add_argument("--val-files", default="fineweb_val_*.bin")
    return p.parse_args()
"""


@pytest.mark.parametrize(
    ("options", "context"),
    [
        ("--train-seq-len 512", 512),
        ("--train-seq-len=640 --plain", 640),
        ("-T 768", 768),
        ("--plain --vocab-size 1024", 256),
    ],
)
def test_options_of_the_command_are_as_they_were_given(
    tmp_path: Path, options: str, context: int
) -> None:
    text = script(settings=ARGPARSE, functions=PLAIN, score=SCORE)
    readme = f"```\npython train_gpt.py {options}\n```\n"
    found = _read(tmp_path, text, README__md=readme)
    assert (found.adoption, found.context) == ("full", context), found.reasons
    assert found.bridge is not None and found.bridge.launch.arguments == tuple(options.split())


@pytest.mark.parametrize(
    ("first", "wanted"),
    [
        ("s = 0 if ws == 0 else max(seq_len - stride, 0)", "all"),
        ("s = max(seq_len - stride, 0) if ws > 0 else 0", "all"),
        ("s = 0 if ws + seq_len == seq_len else seq_len - stride", "all"),
        ("if bi + i == begun:\n                    s = 0\n                else:\n"
         "                    s = seq_len - stride", "all"),
        ("s = seq_len - stride", "tail"),
    ],
)  # fmt: skip
def test_which_targets_of_the_first_window_count(tmp_path: Path, first: str, wanted: str) -> None:
    own = SLIDING.replace("s = 0 if ws == 0 else max(seq_len - stride, 0)", first)
    assert first in own
    found = _read(tmp_path, script(functions=PLAIN + own))
    assert found.bridge is not None and found.bridge.windows is not None
    assert found.bridge.windows.first == wanted


def test_the_run_that_a_readme_names_is_none_of_ours(tmp_path: Path) -> None:
    save = scripts.SAVE.replace('"final_model.int8.ptz"', 'f"out/{args.run_id}.ptz"')
    back = scripts.BACK.replace('"final_model.int8.ptz"', 'f"out/{args.run_id}.ptz"')
    readme = "```\nRUN_ID=mine SEED=7 torchrun train_gpt.py\n```\n"
    found = _read(tmp_path, script(save=save, back=back), README__md=readme)
    assert (found.adoption, found.artifact) == ("full", "out/{run_id}.ptz")


def test_what_a_log_says_of_a_path_is_no_setting_of_its_folder(tmp_path: Path) -> None:
    settings = (
        SETTINGS
        + '    out = os.environ.get("ARTIFACT_DIR", "")\n'
        + '    packed_path = os.path.join(out, "model.ptz") if out else "model.ptz"\n'
        + '    train_batch = int(os.environ.get("TRAIN_BATCH_TOKENS", 4096)) // 2\n'
    )
    log = "packed_path: model.ptz\ntrain_batch: 512\nnum_layers: 11\nmodel_dim: 512\n"
    log += "step:9/9 train_loss:3.0 train_time:1ms\nfinal_sliding_exact val_loss:2.0 val_bpb:1.2\n"
    text = script(settings=settings).replace("rank = int", "print(vars(args)); rank = int", 1)
    found = _read(tmp_path, text, train__log=log)
    assert found.bridge is not None and found.bridge.launch.env == {"NUM_LAYERS": "11"}


def test_a_function_that_only_adds_to_sums_is_a_part_of_another(tmp_path: Path) -> None:
    part = """
def score_part(args, base_model, val_tokens, sums):
    for ws in range(0, val_tokens.numel() - 1, args.eval_stride):
        x = val_tokens[ws:ws + args.eval_seq_len].reshape(-1, args.eval_seq_len)
        nll = F.cross_entropy(base_model.forward_logits(x), val_tokens[ws + 1:ws + 1 + args.eval_seq_len])
        sums += nll.sum()
        print(f"running {sums / math.log(2.0)}")

def eval_val_sliding(args, base_model, rank, world_size, device, val_tokens, base_bytes, stride, eval_seq_len):
    sums = torch.zeros(1)
    for part in range(3):
        score_part(args, base_model, val_tokens, sums)
    return sums, sums / math.log(2.0) / base_bytes.sum()
"""
    found = _read(tmp_path, script(functions=PLAIN + part))
    assert (found.adoption, found.evaluation) == ("full", "eval_val_sliding"), found.reasons


STEPS_OF_ITS_OWN = """
    eval_only = int(os.environ.get("TTT_EVAL_ONLY", "0"))
    if not eval_only:
        for step in range(5000):
            model(*loader.next_batch(8192, 1024)).backward()
            opt.step()
"""


def test_a_switch_leads_past_a_loop_that_nothing_else_stops(tmp_path: Path) -> None:
    save = scripts.SAVE.replace("if rank == 0:", "if rank == 0 and not eval_only:")
    found = _read(tmp_path, script(train=STEPS_OF_ITS_OWN, save=save))
    assert found.adoption == "full", found.reasons
    assert found.bridge is not None and found.bridge.no_train.env == {
        "TTT_EVAL_ONLY": "1",
        "WARMUP_STEPS": "0",
    }
    assert "leads past training" in found.bridge.why["no_train.env.TTT_EVAL_ONLY"]
    still = STEPS_OF_ITS_OWN.replace("if not eval_only:", "if True:")
    none = _read(tmp_path / "still", script(train=still, save=save))
    assert (none.adoption, none.reason) == ("reproduce", "never-untrained")
    stopped = _read(tmp_path / "stopped", script(train=TRAIN + "    eval_only = 0\n", save=save))
    assert stopped.bridge is not None
    assert stopped.bridge.no_train.env == {"ITERATIONS": "0", "WARMUP_STEPS": "0"}


WARMED = SLIDING.replace("eval_seq_len=None)", "eval_seq_len=None, temperature=1.0)").replace(
    "logits = base_model.forward_logits(x)", "logits = base_model.forward_logits(x) / temperature"
)
HEADED = SLIDE.replace(
    "eval_seq_len=args.eval_seq_len)", "eval_seq_len=args.eval_seq_len, temperature=T)"
)
SEARCH = """
    T = min((eval_on_train(base_model, t), t) for t in (0.9, 1.0, 1.1))[1]
"""


def test_a_temperature_is_the_one_that_the_evaluation_is_given(tmp_path: Path) -> None:
    found = _read(tmp_path, script(functions=PLAIN + WARMED, score=SCORE + SEARCH + HEADED))
    assert found.adoption == "full", found.reasons
    assert found.bridge is not None and found.bridge.logits is not None
    assert found.bridge.logits.temperature == "temperature" and not found.warnings
    plain = _read(tmp_path / "plain", script(functions=PLAIN + WARMED))
    assert plain.bridge is not None and plain.bridge.logits is not None
    assert plain.bridge.logits.temperature is None
    own = SETTINGS + '    temperature = float(os.environ.get("TEMPERATURE", 0.98))\n'
    functions = PLAIN + WARMED.replace("/ temperature", "/ args.temperature")
    args = _read(tmp_path / "args", script(settings=own, functions=functions))
    assert args.bridge is not None and args.bridge.logits is not None
    assert args.bridge.logits.temperature == "args.temperature" and args.bridge.logits.divided_raw
    exact = functions.replace("forward_logits(x) / args", "forward_logits(x).float() / args")
    rounded = _read(tmp_path / "exact", script(settings=own, functions=exact))
    assert rounded.bridge is not None and rounded.bridge.logits is not None
    assert rounded.bridge.logits.temperature and rounded.bridge.logits.divided_raw is None


Z_LOSS = """
    def forward(self, input_ids: Tensor, target_ids: Tensor, reduction: str = "mean") -> Tensor:
        logits = F.linear(self.tok_emb(input_ids), self.tok_emb.weight).float()
        logits = logits.reshape(-1, logits.size(-1))
        if reduction == "none":
            return F.cross_entropy(logits, target_ids.reshape(-1), reduction="none")
        lse = torch.logsumexp(logits, dim=-1)
        return (lse - logits.gather(1, target_ids.reshape(-1, 1))[:, 0]).mean() + 1e-4 * (lse ** 2).mean()
"""


def test_what_an_evaluation_passes_to_forward_is_passed_on(tmp_path: Path) -> None:
    model = MODEL[: MODEL.index("    def forward")] + Z_LOSS.lstrip("\n")
    each = SLIDING.replace(
        "logits = base_model.forward_logits(x)", 'nll = base_model(x, y, reduction="none")'
    )
    lines = [
        line for line in each.splitlines(keepends=True) if "F.cross_entropy(logits" not in line
    ]
    found = _read(tmp_path, script(model=model, functions=PLAIN + "".join(lines)))
    assert found.adoption == "full", found.reasons
    assert found.bridge is not None and found.bridge.logits is not None
    assert (found.evaluation, found.bridge.logits.how) == ("eval_val_sliding", "loss")
    assert found.bridge.logits.arguments == {"reduction": "none"}


@pytest.mark.parametrize(
    ("total", "stop", "tail"),
    [
        ("val_tokens.numel() - 1", "total - seq_len", "cut"),
        ("val_tokens.numel() - 1", "total - seq_len + 1", "dropped"),
        ("val_tokens.numel()", "total - seq_len", "dropped"),
        ("val_tokens.numel()", "total - 1 - seq_len", "cut"),
        ("val_tokens.numel() - 1", "total", "repeated"),
    ],
)
def test_what_becomes_of_the_last_targets(tmp_path: Path, total: str, stop: str, tail: str) -> None:
    own = SLIDING.replace("total_tokens = val_tokens.numel() - 1", f"total = {total}")
    own = own.replace(
        "[ws for ws in range(0, total_tokens, stride) if min(ws + seq_len, total_tokens) - ws >= 1]",
        f"list(range(0, {stop}, stride))",
    )
    found = _read(tmp_path, script(functions=PLAIN + own))
    assert found.bridge is not None and found.bridge.windows is not None
    assert found.bridge.windows.tail == tail

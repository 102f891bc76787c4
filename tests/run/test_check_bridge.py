"""A bridge is proven by two runs of its script, and a wrong one is told apart."""

from pathlib import Path

import pytest

from harness.contest.bridge import Bridge
from harness.contest.track import load_track
from harness.data.format.dataset import Dataset, open_dataset
from harness.errors import SubmissionError
from harness.evidence.results import BridgeProof
from harness.run.check_bridge import Check, checked
from harness.run.endings import raised
from harness.run.printed_losses import printed_as, tolerance_of
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.upstream.logs.scorings import Scoring

SCRIPT = """
import glob, io, math, os, sys, zlib
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

data_path = os.environ["DATA_PATH"]
iterations = int(os.environ.get("ITERATIONS", 20000))
seed = int(os.environ["SEED"])
vocab = int(os.environ["VOCAB_SIZE"])

def shard(name):
    (path,) = glob.glob(os.path.join(data_path, f"fineweb_{name}_*.bin"))
    return torch.from_numpy(np.fromfile(path, dtype="<u2", offset=1024).astype(np.int64))

class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(vocab, 16)
        self.head = nn.Linear(16, vocab)

    def forward_logits(self, x):
        own, count = self.emb(x), torch.arange(1, x.shape[1] + 1, device=x.device)
        return self.head(own + own.cumsum(1) / count.view(1, -1, 1))

    def forward(self, x, y):
        logits = self.forward_logits(x)
        return F.cross_entropy(logits.reshape(-1, vocab).float(), y.reshape(-1))

def eval_val(model, tokens, seq_len, stride):
    model.eval()
    total, nats, count = tokens.numel() - 1, 0.0, 0
    with torch.inference_mode():
        for ws in range(0, total - seq_len + 1, stride):
            x, y = tokens[None, ws:ws + seq_len].cuda(), tokens[ws + 1:ws + seq_len + 1].cuda()
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
                logits = model.forward_logits(x)
            s = 0 if ws == 0 else seq_len - stride
            nats += F.cross_entropy(logits[0, s:].float(), y[s:], reduction="sum").double().item()
            count += seq_len - s
    return nats / count

def main():
    torch.manual_seed(seed)
    val = shard("val")
    model = torch.compile(GPT().to("cuda"))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for step in range(iterations):
        x = shard("train")[step * 512:step * 512 + 513].cuda()
        loss = model(x[None, :-1], x[None, 1:])
        loss.backward()
        optimizer.step()
        print(f"step:{step + 1}/{iterations} train_loss:{loss.item():.4f} train_time:1ms")
    content = io.BytesIO()
    torch.save(model._orig_mod.state_dict(), content)
    with open("final_model.int8.ptz", "wb") as f:
        f.write(zlib.compress(content.getvalue()))
    with open("final_model.int8.ptz", "rb") as f:
        state = torch.load(io.BytesIO(zlib.decompress(f.read())))
    fresh = GPT().to("cuda")
    fresh.load_state_dict(state, strict=STRICT)
    loss = eval_val(torch.compile(fresh), val, 256, 64)
    print(f"final_int8_zlib_roundtrip_exact val_loss:{loss:.8f} val_bpb:{loss / 2:.8f}")

if __name__ == "__main__":
    main()
""".replace("STRICT", "True")
FIELDS = {
    "launch": {"script": "train_gpt.py"},
    "artifact": {"file": "final_model.int8.ptz"},
    "no_train": {"env": {"ITERATIONS": "0"}},
    "evaluation": {"function": "eval_val", "model": "model"},
    "logits": {"how": "loss"},
    "windows": {"context": 256, "stride": 64},
    "vocabulary": {"size": 1024},
}
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def dataset(data_root: Path) -> Dataset:
    return open_dataset(data_root, "demo_sp1024")


def check(dataset: Dataset, folder: Path, *, script: str = SCRIPT, **fields: object) -> Check:
    code, place = folder / "code", folder / "place"
    for path in (code, place):
        path.mkdir()
    (code / "train_gpt.py").write_text(script)
    sandbox = ProcessSandbox()
    sandbox.prepare()
    return checked(
        Bridge.model_validate({**FIELDS, **fields}),
        code,
        load_track("smoke"),
        sandbox,
        dataset,
        place=place,
        seconds=300.0,
    )


def agrees(proof: BridgeProof) -> bool:
    assert proof.our_loss is not None and proof.printed_loss is not None
    return abs(proof.our_loss - proof.printed_loss) <= proof.tolerance_nats


@pytest.mark.parametrize(
    "logits",
    [{"how": "loss"}, {"how": "method", "method": "forward_logits"}],
    ids=["loss", "method"],
)
def test_our_loss_is_the_one_that_is_printed(
    dataset: Dataset, tmp_path: Path, logits: dict[str, str]
) -> None:
    made = check(dataset, tmp_path, logits=logits)
    proof = made.prove()
    assert agrees(proof)
    assert proof.startup_seconds > 0
    one, other = made.phases
    assert (one.outcome, other.outcome) == ("completed", "completed")
    assert one.prepared_seconds is None and other.prepared_seconds is not None
    log = made.log.read_text()
    assert log.startswith("--- whole\n") and "\n--- asked\n" in log


def test_other_windows_are_another_loss(dataset: Dataset, tmp_path: Path) -> None:
    windows = {"context": 256, "stride": 64, "first": "tail"}
    assert not agrees(check(dataset, tmp_path, windows=windows).prove())


WARM = (
    SCRIPT.replace("tokens, seq_len, stride):", "tokens, seq_len, stride, T):")
    .replace("forward_logits(x)\n            s", "forward_logits(x) / T\n            s")
    .replace("val, 256, 64)", "val, 256, 64, min(0.8, 1 + seed))")
)


def test_a_temperature_that_the_script_finds_is_the_one_of_the_call(
    dataset: Dataset, tmp_path: Path
) -> None:
    logits = {"how": "method", "method": "forward_logits"}
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    warm = {**logits, "temperature": "T", "divided_raw": True}
    assert agrees(check(dataset, tmp_path / "with", script=WARM, logits=warm).prove())
    assert not agrees(check(dataset, tmp_path / "without", script=WARM, logits=logits).prove())


def test_windows_are_told_from_others(dataset: Dataset, tmp_path: Path) -> None:
    proof = check(dataset, tmp_path).prove()
    assert {other.rule for other in proof.other_windows or ()} >= {
        "a context of 128", "a stride of 256", "the first window's tail alone",
    }  # fmt: skip
    assert proof.blind_to == ()
    alike = SCRIPT.replace("own + own.cumsum(1) / count.view(1, -1, 1)", "own")
    (tmp_path / "alike").mkdir()
    blind = check(dataset, tmp_path / "alike", script=alike).prove()
    assert agrees(blind) and "a context of 128" in blind.blind_to


def test_weights_that_are_not_in_the_artifact(dataset: Dataset, tmp_path: Path) -> None:
    """Part of the model that is built is scored; another seed builds another one."""
    leaves_out = SCRIPT.replace("strict=True", "strict=False").replace(
        "model._orig_mod.state_dict()", "{'emb.weight': model._orig_mod.emb.weight}"
    )
    assert not agrees(check(dataset, tmp_path, script=leaves_out).prove())


def test_a_script_that_prints_no_loss(dataset: Dataset, tmp_path: Path) -> None:
    made = check(dataset, tmp_path, script=SCRIPT.replace('    print(f"final', '    str(f"final'))
    with pytest.raises(SubmissionError, match="printed no loss"):
        made.prove()
    assert len(made.phases) == 1


def test_a_script_that_fails(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="run whole: ZeroDivisionError: division by zero"):
        check(dataset, tmp_path, script="1 / 0\n").prove()


def test_an_evaluation_of_another_name(dataset: Dataset, tmp_path: Path) -> None:
    made = check(dataset, tmp_path, evaluation={"function": "evaluate", "model": "model"})
    with pytest.raises(SubmissionError, match="without a call of evaluate"):
        made.prove()
    assert len(made.phases) == 2


def test_a_script_that_can_only_be_run_whole(dataset: Dataset, tmp_path: Path) -> None:
    made = check(dataset, tmp_path, evaluation=None, logits=None, windows=None)
    proof = made.prove()
    assert (proof.our_loss, proof.printed_loss) == (None, None)
    assert len(made.phases) == 1


def test_a_script_that_is_run_whole_prints_a_score(dataset: Dataset, tmp_path: Path) -> None:
    silent = {"evaluation": None, "logits": None, "windows": None, "artifact": None}
    made = check(dataset, tmp_path, script="print('done')\n", **silent)
    with pytest.raises(SubmissionError, match=r"printed no final score .*: done"):
        made.prove()


def test_what_was_raised_is_found_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "  1.000 step:1/2 train_loss:7.0\n"
        "  1.100 [rank0]: ValueError: too short\n"
        "  1.200 torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "  1.300 ChildFailedError: train_gpt.py\n"
        "  1.400 ======\n"
    )
    assert raised(log) == "ValueError: too short"
    log.write_text("  1.000 urllib.error.URLError: <urlopen error [Errno 111]>\n")
    assert raised(log) == "URLError: <urlopen error [Errno 111]>"
    log.write_text("  1.000 step:1/2 train_loss:7.0\n")
    assert raised(log) == ""


def scoring(loss: float, decimals: int = 8) -> Scoring:
    return Scoring("final", 1, loss / 2, loss, decimals, None, final=True)


class TestPrintedAs:
    def test_the_sharpest_of_those_that_agree(self) -> None:
        rounded, exact, other = scoring(7.1235, 4), scoring(7.12345678), scoring(7.2)
        assert printed_as([other, rounded, exact], 7.12346) == exact
        assert printed_as([other, rounded], 7.12346) == rounded

    def test_the_nearest_if_none_agrees(self) -> None:
        assert printed_as([scoring(7.0), scoring(7.5)], 7.4) == scoring(7.5)
        assert printed_as([], 7.4) is None

    def test_what_was_rounded_proves_less(self) -> None:
        assert tolerance_of(scoring(7.0, 4)) == pytest.approx(6e-5)
        assert tolerance_of(scoring(7.0)) == pytest.approx(1.0005e-5)

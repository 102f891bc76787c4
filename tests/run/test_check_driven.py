"""A loop that learns while it scores is proven by a third run, which drives it."""

from pathlib import Path

import pytest

from harness.data.format.dataset import Dataset, open_dataset
from harness.errors import SubmissionError
from tests.run.test_check_bridge import SCRIPT, agrees, check

LOOP = """
def eval_ttt(tokens, net, seq_len, stride, chunk=2048, windows=None):
    total, nats, count = tokens.numel() - 1, 0.0, 0
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    for begin in range(0, total, chunk):
        # first
        net.eval()
        with torch.inference_mode():
            for ws in range(max(0, begin - seq_len + stride), begin + chunk - seq_len + 1, stride):
                local = tokens[ws:ws + seq_len + 1].cuda()
                with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
                    logits = net.forward_logits(local[None, :-1])
                s = 0 if ws == 0 else seq_len - stride
                nll = F.cross_entropy(logits[0, s:].float(), local[1 + s:], reduction="sum")
                nats += nll.double().item()
                count += seq_len - s
        net.train()
        local = tokens[begin:begin + chunk + 1].cuda()
        net(local[:-1].view(-1, seq_len), local[1:].view(-1, seq_len)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return nats / count

def main():"""
CALL = """
    loss = eval_ttt(val, fresh, 256, 64)
    print(f"legal_ttt_exact val_loss:{loss:.8f} val_bpb:{loss / 2:.8f}")

if __name__"""
LEARNING = SCRIPT.replace("\ndef main():", LOOP).replace("\nif __name__", CALL)
EVALUATION = {
    "function": "eval_val",
    "model": "model",
    "learns": "chunks",
    "loop": "eval_ttt",
    "chunk": 2048,
}
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def dataset(data_root: Path) -> Dataset:
    return open_dataset(data_root, "demo_sp1024")


def test_driven_it_costs_what_is_printed(dataset: Dataset, tmp_path: Path) -> None:
    made = check(dataset, tmp_path, script=LEARNING, evaluation=EVALUATION)
    proof = made.prove()
    assert made.segment == 2048
    assert agrees(proof)
    assert proof.our_loss and proof.driven_loss and proof.driven_printed_loss
    assert proof.driven_loss == pytest.approx(proof.driven_printed_loss, abs=1e-6)
    assert proof.driven_loss < proof.our_loss - 0.01
    assert [phase.outcome for phase in made.phases] == ["completed"] * 3
    assert "\n--- driven\n" in made.log.read_text()


def test_who_learns_first_prints_less_than_he_costs(dataset: Dataset, tmp_path: Path) -> None:
    learns = LOOP[LOOP.index("        net.train()") : LOOP.index("    return nats")]
    cheater = LEARNING.replace(learns, "").replace("        # first\n", learns)
    made = check(dataset, tmp_path, script=cheater, evaluation=EVALUATION)
    proof = made.prove()
    assert agrees(proof)
    assert proof.driven_loss and proof.driven_printed_loss
    assert proof.driven_printed_loss < proof.driven_loss - 1e-3
    assert proof.our_loss and proof.driven_loss < proof.our_loss - 1e-3


def test_what_cannot_be_driven_is_named(dataset: Dataset, tmp_path: Path) -> None:
    ahead = LEARNING.replace("        # first\n", "        tokens[begin:].sum().item()\n")
    made = check(dataset, tmp_path, script=ahead, evaluation=EVALUATION)
    with pytest.raises(SubmissionError, match="eval_ttt cannot be driven: it read token 8,192"):
        made.prove()

"""A loop that learns while it scores is driven: it costs what it would, and knows no more.

Each case is a process of its own, as it is in a sandbox.
"""

from pathlib import Path

import pytest

from harness.scoring.link import AnswerError, WorkerGone
from tests.inside.upstream.driving import CHUNK, LOOP, Driver, script

BEFORE, AFTER = "        # before the chunk\n", "        # after the chunk\n"
READ = "local = val_tokens[ws:end + 1].to(dtype=torch.int64, device=device)"
LEARN = LOOP[LOOP.index("        if ci < chunks - 1") : LOOP.index('        log0("chunk')]


@pytest.fixture
def drive(tmp_path: Path) -> Driver:
    (tmp_path / "log").touch()
    return Driver(tmp_path)


def failure(drive: Driver, *changes: tuple[str, str], seconds: float = 600) -> str:
    """What is said of a loop that cannot be driven, by the harness and in the log."""
    with pytest.raises((AnswerError, WorkerGone)) as raised:
        drive(script(*changes), seconds=seconds)
    return f"{raised.value}\n{drive.log}"


_HEAD = "def eval_val_ttt(args, model, device, val_tokens, stride, log0=print):"
_CALL = 'eval_val_ttt(None, model, "cpu", val_tokens, stride=8)'
_AT_FIRST = "    optimizer ="


def at_first(*lines: str) -> tuple[str, str]:
    """Lines that the loop begins with."""
    return _AT_FIRST, "".join(f"    {line}\n" for line in lines) + _AT_FIRST


HONEST = {
    "as it is": (),
    "looks at its chunk at once": (
        (BEFORE, f"{BEFORE}        val_tokens[ci * chunk:(ci + 1) * chunk + 1].long().sum()\n"),
    ),
    "has another type, on its device": (
        at_first("val_tokens = val_tokens.to(torch.int32).to(device)"),
    ),
    "takes inputs and targets apart": (
        at_first("xs, ys = val_tokens[:-1].long(), val_tokens[1:].long()"),
        (READ, "local = torch.cat([xs[ws:end], ys[end - 1:end]])"),
    ),
    "takes rows of an unfolded view": (
        at_first("rows = val_tokens.unfold(0, seq + 1, stride)"),
        (READ, "local = (rows[ws // 8] if end - ws == seq else val_tokens[ws:end + 1]).long()"),
    ),
    "takes them by their numbers": (
        (READ, "local = val_tokens.long()[torch.arange(ws, end + 1)]"),
    ),
    "goes to evaluation after it has read": (
        ("        model.eval()\n", ""),
        (READ, f"{READ}; model.eval()"),
    ),
    "draws while it learns": (
        (
            "logits = self.forward_logits(x)\n",
            "logits = F.dropout(self.forward_logits(x), 0.5, self.training)\n",
        ),
    ),
    "is decorated": (("def eval_val_ttt(", "@torch.enable_grad()\ndef eval_val_ttt("),),
    "has its tokens in an object": (
        (
            _HEAD,
            "class Data:\n    pass\n\n"
            "def eval_val_ttt(args, model, device, data, *, stride, log0=print):\n"
            "    val_tokens = data.val_tokens\n"
            "    assert len(data.val_bytes) == len(val_tokens)",
        ),
        (
            _CALL,
            "data = Data()\n"
            "    data.val_tokens, data.val_bytes = val_tokens, val_tokens.long() + 1\n"
            f"    {_CALL.replace('val_tokens', 'data')}",
        ),
    ),
    "has a model beside its own": ((_CALL, _CALL.replace("None", "GPT()")),),
}


@pytest.mark.long
@pytest.mark.parametrize("changes", HONEST.values(), ids=HONEST)
def test_driven_it_costs_what_it_prints_by_itself(
    drive: Driver, changes: tuple[tuple[str, str], ...]
) -> None:
    text = script(*changes)
    told = drive(text)
    assert told.timing is not None
    assert told.timing.segments_observed == 5
    assert told.loss == pytest.approx(drive.whole(text), abs=2e-7)


@pytest.mark.long
def test_its_model_may_have_any_name(drive: Driver) -> None:
    evaluation = {"model": "net"}
    assert drive(evaluation=evaluation).loss == pytest.approx(drive.whole(), abs=2e-7)


@pytest.mark.long
def test_segments_may_be_parts_of_its_chunks(drive: Driver) -> None:
    assert drive(segment=CHUNK // 2).loss == pytest.approx(drive.whole(), abs=2e-7)


@pytest.mark.long
def test_workers_without_ranks_each_learn_the_same(drive: Driver) -> None:
    told = drive(workers=2)
    assert told.timing is not None
    assert told.timing.segments_observed == 5
    assert told.loss == pytest.approx(drive.whole(), abs=2e-7)


@pytest.mark.long
def test_workers_share_what_their_ranks_share(drive: Driver) -> None:
    """Each rank scores some windows and learns from some sequences; all learn from the mean."""
    halves = "for part in (local[:-1], local[1:])"
    shared = script(
        at_first(
            "import torch.distributed as dist",
            "rank, world = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])",
            "assert world == 2",
            "dist.init_process_group('gloo')",
            "windows = [w[len(w) * rank // 2:len(w) * (rank + 1) // 2] for w in windows]",
        ),
        (
            "model(local[:-1].view(-1, seq), local[1:].view(-1, seq)).backward()",
            f"model(*(part.view(2, -1)[rank:rank + 1] {halves})).backward()\n"
            "                for p in model.parameters():\n"
            "                    dist.all_reduce(p.grad)\n"
            "                    p.grad /= 2",
        ),
        (
            '    log0("ttt val_loss',
            "    sums = torch.tensor([loss, count], dtype=torch.float64)\n"
            "    dist.all_reduce(sums)\n"
            "    loss, count = sums.tolist()\n"
            '    rank or log0("ttt val_loss',
        ),
    )
    told = drive(shared, workers=2)
    assert told.loss == pytest.approx(drive.whole(shared, ranks=2), abs=2e-7)


@pytest.mark.long
def test_who_learns_a_chunk_before_he_scores_it_gains_nothing(drive: Driver) -> None:
    """While he waits to learn it he has learned what an honest one has."""
    honest = drive.whole()
    cheater = script((LEARN, ""), (BEFORE, BEFORE + LEARN))
    told = drive(cheater)
    assert drive.whole(cheater) < honest - 0.1
    assert told.loss == pytest.approx(honest, abs=2e-7)


def test_who_looks_up_what_follows_finds_the_decoy(drive: Driver) -> None:
    honest = drive.whole()
    cheater = script(
        (
            "class GPT",
            "SPLIT = torch.frombuffer(bytearray(Path(os.environ['VAL']).read_bytes()),"
            " dtype=torch.uint16).long()\n\nclass GPT",
        ),
        (
            "return self.head(seen)",
            "logits, length = self.head(seen), x.shape[1]\n"
            "        for row in () if torch.is_grad_enabled() else range(len(x)):\n"
            "            rows = SPLIT[:-1].unfold(0, length, 1)\n"
            "            for at in (rows == x[row]).all(1).nonzero()[:1, 0].tolist():\n"
            "                follows = SPLIT[at + 1:at + 1 + length]\n"
            "                logits[row, torch.arange(length), follows] += 20\n"
            "        return logits",
        ),
    )
    told = drive(cheater)
    assert drive.whole(cheater) < 0.5 < honest
    assert told.loss == pytest.approx(honest, abs=2e-7)


def test_who_reads_ahead_is_named_with_the_line(drive: Driver) -> None:
    said = failure(drive, (READ, f"{READ}; val_tokens[total].item()"))
    assert "eval_val_ttt cannot be driven: it read token 160 (train_gpt.py, line " in said
    assert "when 1 of 161 had been scored: 160 ahead, where its chunk has 32" in said


def test_a_later_look_ahead(drive: Driver) -> None:
    ahead = f"{BEFORE}        ci == 2 and val_tokens[:130].sum().item()\n"
    said = failure(drive, (BEFORE, ahead))
    assert "the model's observe raised an exception" in said
    assert "it read token 129 (train_gpt.py, line " in said
    assert "when 65 of 161 had been scored: 65 ahead" in said


def test_who_reads_other_tokens_cannot_be_driven(drive: Driver) -> None:
    said = failure(
        drive,
        at_first("val_tokens, total, chunks = held, 48, 2"),
        (_CALL, f"global held; held = val_tokens\n    {_CALL}"),
    )
    assert "eval_val_ttt returned before its first chunk" in said
    assert "asked for none of the 160 others" in said


def test_a_model_that_looks_at_what_was_not_told_answers_nothing(drive: Driver) -> None:
    said = failure(
        drive,
        at_first("model.split = val_tokens"),
        (
            "        seen =",
            "        if hasattr(self, 'split') and not torch.is_inference_mode_enabled():\n"
            "            torch.is_grad_enabled() or self.split[:40].sum().item()\n"
            "        seen =",
        ),
    )
    assert "the model raised an exception" in said
    assert "token 39 was read (train_gpt.py, line " in said
    assert "of which 1 were told; only the loop itself may wait for one" in said


def test_a_thread_of_its_own_may_not_read_ahead(drive: Driver) -> None:
    said = failure(
        drive,
        at_first(
            "from concurrent.futures import ThreadPoolExecutor",
            "ThreadPoolExecutor().submit(lambda: val_tokens[:20].sum()).result()",
        ),
    )
    assert "eval_val_ttt raised NotToldError at train_gpt.py, line " in said


def test_who_raises_is_named_with_the_line(drive: Driver) -> None:
    said = failure(drive, (AFTER, f"{AFTER}        assert ci < 1, 'no more'\n"))
    assert "eval_val_ttt raised AssertionError at train_gpt.py, line " in said
    assert "no more, with 65 tokens told" in said


def test_who_never_asks_for_a_token_is_not_waited_for(drive: Driver) -> None:
    said = failure(drive, at_first("import time; time.sleep(3600)"), seconds=1)
    assert "neither asked for a further token nor returned within 1 s before its first" in said


def test_a_loop_without_the_split_cannot_be_driven(drive: Driver) -> None:
    said = failure(drive, (_CALL, _CALL.replace("val_tokens", "val_tokens[:40]")))
    assert "expected one argument of eval_val_ttt with the 97 tokens of the split" in said


def test_of_two_models_one_must_have_the_name(drive: Driver) -> None:
    with pytest.raises(AnswerError):
        drive(script((_CALL, _CALL.replace("None", "GPT()"))), evaluation={"model": "net"})
    assert "no argument net and 2 modules among the arguments args, model, device" in drive.log

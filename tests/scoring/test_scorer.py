"""The scorer against an independent float64 loop, and against models that misbehave."""

import contextlib
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.safeio import ownership
from harness.scoring.arithmetic import Arithmetic
from harness.scoring.link import AnswerError, WorkerGone
from harness.scoring.scorer import Stream
from tests.scoring.conftest import BIGRAM, Played, make_stream


def plain_loop(stream: Stream, table: np.ndarray, *, length: int, stride: int) -> list[float]:
    """Nats of targets 1..N-1 in plain float64, one window after the other."""
    tokens = stream.tokens.astype(int)
    last = len(tokens) - 1
    nats = [math.nan] * (last + 1)
    end = min(length, last)
    scored = 0
    while True:
        start = max(0, end - length)
        for target in range(scored + 1, end + 1):
            context = tokens[start:target]
            logits = table[context].mean(axis=0)
            top = logits.max()
            nats[target] = top + math.log(np.exp(logits - top).sum()) - logits[tokens[target]]
        scored = end
        if end == last:
            return nats[1:]
        end = min(end + stride, last)


@pytest.mark.parametrize(
    ("length", "stride"), [(16, 16), (16, 4), (16, 5), (7, 3), (1, 1), (500, 64), (500, 500)]
)
def test_agrees_with_a_plain_float64_loop(play: Played, length: int, stride: int) -> None:
    stream = make_stream()
    table = np.random.default_rng(1).normal(size=(13, 13)) * 3
    facts = play(
        BIGRAM,
        stream,
        sequence_length=length,
        stride=stride,
        artifact=table.astype(np.float32).tobytes(),
    )
    expected = plain_loop(
        stream, table.astype(np.float32).astype(float), length=length, stride=stride
    )
    total = math.fsum(expected)
    assert facts.total_nats == pytest.approx(total, rel=1e-6)
    assert facts.val_bpb == pytest.approx(
        total / math.log(2) / int(stream.document_bytes.sum()), rel=1e-6
    )
    assert facts.val_loss == pytest.approx(total / (len(stream.tokens) - 1), rel=1e-6)
    assert facts.targets == len(stream.tokens) - 1


def test_documents_add_up(play: Played, tmp_path: Path) -> None:
    stream = make_stream()
    table = np.random.default_rng(1).normal(size=(13, 13)).astype(np.float32)
    facts = play(BIGRAM, stream, artifact=table.tobytes())
    expected = plain_loop(stream, table.astype(float), length=16, stride=4)
    document = np.cumsum(stream.tokens == stream.bos_id)[1:] - 1
    with np.load(tmp_path / "documents.npz") as arrays:
        assert arrays["targets"].tolist() == np.bincount(document).tolist()
        np.testing.assert_allclose(
            arrays["nats"], np.bincount(document, weights=expected), rtol=1e-6
        )
        np.testing.assert_array_equal(arrays["bytes"], stream.document_bytes)
        assert arrays["nats"].sum() == pytest.approx(facts.total_nats, rel=1e-12)


def test_several_workers_give_the_same_figures(play: Played) -> None:
    stream = make_stream(documents=30)
    table = np.random.default_rng(1).normal(size=(13, 13)).astype(np.float32).tobytes()
    alone = play(BIGRAM, stream, artifact=table)
    together = play(BIGRAM, stream, artifact=table, workers=3)
    assert together.total_nats == alone.total_nats
    assert together.requests == alone.requests
    assert together.workers == 3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_logits_cross_as_the_model_computed_them(play: Played, dtype: str) -> None:
    """Half precision is widened, not rounded again; double is rounded to single."""
    stream = make_stream()
    table = torch.from_numpy(np.random.default_rng(1).normal(size=(13, 13)) * 9)
    table = table.to(getattr(torch, dtype))
    code = f"""
    import torch

    def load_model(artifact, device):
        table = torch.frombuffer(bytearray(artifact.read_bytes()), dtype=torch.{dtype}).view(13, 13)
        return lambda tokens, first: table[tokens][:, first:]
    """
    artifact = table.view(torch.uint8).numpy().tobytes()
    facts = play(code, stream, artifact=artifact)
    expected = plain_loop(stream, table.double().numpy(), length=1, stride=1)
    assert facts.total_nats == pytest.approx(math.fsum(expected), rel=1e-6)


MODEL = """
    import os, signal, sys, time, torch

    def load_model(artifact, device):
        {load}
        def model(tokens, first):
            logits = torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
            {answer}
        return model
"""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("logits[0, 0, 3] = float('nan'); return logits", "NaN or inf"),
        ("logits[0, 0, 3] = float('inf'); return logits", "NaN or inf"),
        ("return logits - float('inf')", "NaN or inf"),
        ("logits[:, :, 2:] = -float('inf'); return logits", "-inf on the target"),
        ("return logits[:, :, :12]", "wrong shape"),
        ("return logits[:, :0]", "wrong shape"),
        ("return logits[0]", "wrong shape"),
        ("return logits.long()", "floating point"),
        ("return None", "floating point"),
        ("return 'rubbish'", "floating point"),
        ("raise ValueError('no')", "raised an exception"),
        ("raise KeyboardInterrupt", "raised an exception"),
        ("return model(tokens, first)", "raised an exception"),
    ],
)
def test_a_wrong_answer_names_its_fault(play: Played, answer: str, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason):
        play(MODEL.format(load="", answer=answer), make_stream())


@pytest.mark.parametrize("load", ["raise RuntimeError('broken')", "sys.exit(3)", "1 / 0"])
def test_a_loader_that_raises_is_named(play: Played, load: str) -> None:
    with pytest.raises(AnswerError, match="load_model raised"):
        play(MODEL.format(load=load, answer="return logits"), make_stream())


def test_a_loader_that_returns_rubbish_is_found_at_the_first_request(play: Played) -> None:
    with pytest.raises(AnswerError, match="raised an exception"):
        play(MODEL.format(load="return 7", answer=""), make_stream())


@pytest.mark.parametrize(
    "death", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"]
)
@pytest.mark.parametrize("when", ["load", "answer"])
def test_a_worker_that_dies_is_noticed(play: Played, death: str, when: str) -> None:
    parts = {"load": "", "answer": "return logits", when: death}
    with pytest.raises(WorkerGone):
        play(MODEL.format(**parts), make_stream())


def test_probability_zero_elsewhere_is_allowed(play: Played) -> None:
    facts = play(
        MODEL.format(load="", answer="logits[..., 0] = -float('inf'); return logits"), make_stream()
    )
    assert facts.val_loss == pytest.approx(math.log(12), rel=1e-6)


@pytest.mark.parametrize("offset", [1e4, 1e9, 1e30, -1e9])
def test_a_huge_common_offset_does_not_round_the_cost_away(play: Played, offset: float) -> None:
    """In float32, max + log(sum) of such logits is max itself, and every target would be free."""
    facts = play(MODEL.format(load="", answer=f"return logits + {offset}"), make_stream())
    assert facts.val_loss == pytest.approx(math.log(13), rel=1e-6)


def test_one_huge_logit_costs_what_it_should(play: Played) -> None:
    facts = play(
        MODEL.format(load="", answer="logits[..., 5] = 1e38; return logits"), make_stream()
    )
    assert facts.val_bpb > 1e30


def test_a_model_waits_for_a_slow_harness(play: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = Arithmetic.costs

    def slowly(self: Arithmetic, *arguments: Any, **named: Any) -> Any:
        time.sleep(0.3)
        return costs(self, *arguments, **named)

    monkeypatch.setattr(Arithmetic, "costs", slowly)
    facts = play(MODEL.format(load="", answer="return logits"), make_stream())
    assert facts.waited_seconds is not None
    assert facts.model_seconds * 0.3 < facts.waited_seconds < facts.model_seconds


ONE_IS_SLOW = """
    import os, time, torch

    def load_model(artifact, device):
        try:
            os.close(os.open("first", os.O_CREAT | os.O_EXCL))
            return Model(0.5)
        except FileExistsError:
            return Model(0)

    class Model:
        def __init__(self, pause):
            self.pause = pause

        def observe(self, tokens):
            pass

        def __call__(self, tokens, first):
            time.sleep(self.pause)
            return torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
"""


def test_a_model_that_waits_for_another_does_not_wait_for_the_harness(play: Played) -> None:
    facts = play(ONE_IS_SLOW, make_stream(), segment=40, workers=2)
    assert facts.waited_seconds is not None
    assert facts.segments_observed > 1
    assert 0 < facts.waited_seconds < facts.model_seconds * 0.3


HIJACK = """
    import gc, os, socket, torch

    def load_model(artifact, device):
        def model(tokens, first):
            channel = next(o for o in gc.get_objects() if isinstance(o, socket.socket))
            {act}
            return torch.zeros(tokens.shape[0], tokens.shape[1] - first, 13)
        return model
"""


@pytest.mark.parametrize(
    "act",
    [
        "channel.sendall(os.urandom(400))",
        "channel.sendall(bytes(400))",
        "import worker; channel.sendall(worker.Message(3, serial=99).pack())",
        "import __main__ as w; channel.sendall(w.Message(w.REPLY, 0, 13, 5, 0, 1, 16, 0).pack())",
        "import __main__ as w; channel.sendall(w.Message(w.READY).pack())",
    ],
)
def test_forged_messages_are_refused(play: Played, act: str) -> None:
    with pytest.raises(AnswerError):
        play(HIJACK.format(act=act), make_stream())


def test_shared_memory_cannot_be_shrunk_under_us(play: Played) -> None:
    """Without seals our next access would end the harness with SIGBUS."""
    act = """
            refused = 0
            for name in os.listdir("/proc/self/maps".replace("maps", "map_files")):
                try:
                    descriptor = os.open(f"/proc/self/map_files/{name}", os.O_RDWR)
                    if "memfd" in os.readlink(f"/proc/self/map_files/{name}"):
                        try:
                            os.ftruncate(descriptor, 0)
                        except PermissionError:
                            refused += 1
                    os.close(descriptor)
                except OSError:
                    pass
            assert refused > 0
    """
    facts = play(HIJACK.replace("{act}", act.strip()), make_stream())
    assert facts.val_loss == pytest.approx(math.log(13), rel=1e-6)


def test_nothing_is_left_behind(play: Played) -> None:
    play(MODEL.format(load="", answer="return logits"), make_stream())
    assert not _my_directories(Path("/dev/shm"))


def _my_directories(parent: Path) -> list[Path]:
    """What this process made; other processes, tests among them, have theirs there too."""
    mine = []
    for directory in parent.glob(f"{ownership.PREFIX}*"):
        with contextlib.suppress(OSError):
            if (directory / ownership.OWNER_FILE).read_text() == ownership.me():
                mine.append(directory)
    return mine


def test_what_a_process_made_can_be_told() -> None:
    directory = ownership.make_directory(Path("/dev/shm"))
    try:
        assert _my_directories(Path("/dev/shm")) == [directory]
    finally:
        ownership.remove_tree(directory)

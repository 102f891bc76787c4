"""The arithmetic that decides, against plain float64, whatever crosses and whatever is written."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from harness.scoring import arithmetic as module
from harness.scoring.arithmetic import Arithmetic, Kept, threads_for
from harness.scoring.link import ITEM_BYTES, Answer, AnswerError

TYPES = tuple(ITEM_BYTES)
LEAST_BYTES_PER_TARGET = 2.4
TOLERANCE_BPB = 1e-6


def answer_of(logits: torch.Tensor) -> Answer:
    """Logits [B, P, V] as a worker would have left them."""
    memory = logits.contiguous().view(-1).view(torch.uint8).numpy().copy()
    windows, positions, vocabulary = logits.shape
    dtype = str(logits.dtype).removeprefix("torch.")
    return Answer(memory, (windows, positions, vocabulary), dtype)


def in_float64(logits: torch.Tensor) -> torch.Tensor:
    """Log-probabilities in plain float64."""
    wide = logits.double()
    wide = wide - wide.amax(-1, keepdim=True)
    return wide - wide.exp().sum(-1, keepdim=True).log()


def nats_in_float64(logits: torch.Tensor, targets: np.ndarray) -> np.ndarray:
    chosen = in_float64(logits).gather(-1, torch.from_numpy(targets).unsqueeze(-1))
    return -chosen.squeeze(-1).numpy()


def drawn(
    shape: tuple[int, int, int], dtype: str, *, seed: int = 0, scale: float = 3.0
) -> tuple[torch.Tensor, np.ndarray]:
    """Logits of a type, and targets."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator) * scale
    targets = np.random.default_rng(seed).integers(0, shape[2], shape[:2])
    return logits.to(getattr(torch, dtype)), targets


def place(window: int, position: int) -> str:
    return f"at {window}, {position}"


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seconds_for(answer: Answer, targets: np.ndarray) -> float:
    """Of this thread alone, whatever else runs."""
    began = time.thread_time()
    Arithmetic().costs(answer, targets, where=place)
    return time.thread_time() - began


@st.composite
def logits_and_targets(draw: st.DrawFn) -> tuple[torch.Tensor, np.ndarray]:
    """Rows of any scale and offset, with probabilities of zero and huge logits among them."""
    dtype = draw(st.sampled_from(TYPES))
    shape = tuple(draw(st.integers(1, most)) for most in (3, 7, 40))
    logits, targets = drawn(
        (shape[0], shape[1], shape[2]),
        "float32",
        seed=draw(st.integers(0, 1 << 20)),
        scale=draw(st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e3, 1e30])),
    )
    offsets = st.sampled_from([0.0, 1.0, -100.0, 1e4, -6e4, 1e9, 1e30, -1e30])
    logits += torch.tensor([draw(offsets) for _ in range(shape[1])]).unsqueeze(-1)
    limit = torch.finfo(getattr(torch, dtype)).max
    logits = logits.clamp(-limit, limit).to(getattr(torch, dtype))
    if draw(st.booleans()):
        gone = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)) < 0.4
        gone.scatter_(-1, torch.from_numpy(targets).unsqueeze(-1), value=False)
        logits[gone] = -math.inf
    return logits, targets


class TestTheFigures:
    @given(logits_and_targets(), st.sampled_from([1, 50, 1 << 17]))
    def test_agree_with_plain_float64(
        self, drawn: tuple[torch.Tensor, np.ndarray], block: int
    ) -> None:
        logits, targets = drawn
        kept = Kept(np.zeros(2, np.int64), np.array([logits.shape[1] - 1, 0]))
        with pytest.MonkeyPatch.context() as patch, torch_threads(1):
            patch.setattr(module, "BLOCK_VALUES", block)
            nats, rows = Arithmetic().costs(answer_of(logits), targets, where=place, kept=kept)
        np.testing.assert_allclose(nats, nats_in_float64(logits, targets), rtol=1e-6, atol=1e-6)
        expected = in_float64(logits)[0, kept.positions]
        torch.testing.assert_close(rows.double(), expected, rtol=1e-6, atol=2e-6)

    @pytest.mark.parametrize("dtype", TYPES)
    @pytest.mark.parametrize("vocabulary", [1024, 8192])
    @pytest.mark.parametrize("offset", [0.0, 80.0])
    def test_bits_per_byte_are_right_to_a_millionth(
        self, dtype: str, vocabulary: int, offset: float
    ) -> None:
        logits, targets = drawn((2, 300, vocabulary), dtype)
        logits += offset
        nats, _ = Arithmetic().costs(answer_of(logits), targets, where=place)
        wrong = nats.double().mean() - nats_in_float64(logits, targets).mean()
        assert abs(wrong) / math.log(2) / LEAST_BYTES_PER_TARGET < TOLERANCE_BPB / 4

    @pytest.mark.parametrize("dtype", TYPES)
    def test_are_the_same_whatever_sums_them(
        self, dtype: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logits, targets = drawn((3, 50, 257), dtype)
        kept = Kept(np.array([2, 0, 2]), np.array([49, 3, 0]))
        found = []
        for threads, block in ((1, 1 << 17), (1, 1), (3, 1000), (2, 1 << 17)):
            monkeypatch.setattr(module, "BLOCK_VALUES", block)
            with torch_threads(threads):
                found.append(Arithmetic().costs(answer_of(logits), targets, where=place, kept=kept))
        for nats, rows in found[1:]:
            assert torch.equal(nats, found[0][0])
            assert torch.equal(rows, found[0][1])

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_of_half_precision_are_those_of_the_same_logits_widened(self, dtype: str) -> None:
        logits, targets = drawn((2, 9, 100), dtype)
        narrow, _ = Arithmetic().costs(answer_of(logits), targets, where=place)
        wide, _ = Arithmetic().costs(answer_of(logits.float()), targets, where=place)
        assert torch.equal(narrow, wide)

    def test_are_never_below_nothing(self) -> None:
        logits = torch.full((1, 4, 5), -200.0)
        logits[..., 2] = 7.3
        nats, _ = Arithmetic().costs(answer_of(logits), np.full((1, 4), 2), where=place)
        assert nats.tolist() == [[0.0] * 4]

    @pytest.mark.parametrize("logit", [-95.0, -150.0, -1e9, -math.inf, 95.0])
    def test_take_no_longer_for_strange_logits(self, logit: float) -> None:
        """An exp that leaves the normal numbers is up to 200 times as slow."""
        logits, targets = drawn((1, 512, 1024), "float32")
        targets[:] = 1000
        strange = logits.clone()
        strange[..., :500] = logit
        with torch_threads(1):
            usual, found = (
                min(seconds_for(answer_of(each), targets) for _ in range(5))
                for each in (logits, strange)
            )
        assert found < 5 * usual

    def test_answers_of_any_size_follow_each_other(self) -> None:
        arithmetic = Arithmetic()
        for vocabulary in (3, 200_000, 17):
            logits, targets = drawn((1, 3, vocabulary), "float32", seed=vocabulary)
            nats, _ = arithmetic.costs(answer_of(logits), targets, where=place)
            np.testing.assert_allclose(nats, nats_in_float64(logits, targets), rtol=1e-6)


class TestWhatIsNoTarget:
    @pytest.mark.parametrize("rubbish", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("block", [1, 60, 1 << 17])
    def test_is_ignored(self, monkeypatch: pytest.MonkeyPatch, rubbish: float, block: int) -> None:
        monkeypatch.setattr(module, "BLOCK_VALUES", block)
        logits, targets = drawn((4, 6, 11), "float32")
        wanted = np.random.default_rng(1).random((4, 6)) < 0.5
        kept = Kept(*(places[:3] for places in np.nonzero(wanted)))
        expected, rows = Arithmetic().costs(answer_of(logits), targets, where=place, kept=kept)
        logits[~torch.from_numpy(wanted)] = rubbish
        nats, same = Arithmetic().costs(
            answer_of(logits), targets, where=place, kept=kept, wanted=wanted
        )
        assert torch.equal(nats, torch.where(torch.from_numpy(wanted), expected, 0))
        assert torch.equal(rows, same)

    def test_can_not_be_kept(self) -> None:
        logits, targets = drawn((1, 2, 5), "float32")
        with pytest.raises(ValueError, match="kept"):
            Arithmetic().costs(
                answer_of(logits),
                targets,
                where=place,
                kept=Kept(np.array([0]), np.array([1])),
                wanted=np.array([[True, False]]),
            )


class TestAWrongAnswer:
    @pytest.mark.parametrize("dtype", TYPES)
    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize(
        ("token", "value", "what"),
        [
            (0, math.nan, "NaN or inf"),
            (0, math.inf, "NaN or inf"),
            (1, math.inf, "NaN or inf"),
            (1, math.nan, "NaN or inf"),
            (1, -math.inf, "-inf on the target"),
            (slice(None), -math.inf, "NaN or inf"),
        ],
    )
    def test_is_named_with_its_first_place(
        self,
        monkeypatch: pytest.MonkeyPatch,
        dtype: str,
        threads: int,
        token: int | slice,
        value: float,
        what: str,
    ) -> None:
        monkeypatch.setattr(module, "BLOCK_VALUES", 10)
        logits, _ = drawn((3, 8, 5), dtype)
        logits[1, 6, token] = value
        logits[2, 0, token] = value
        targets = np.ones((3, 8), np.int64)
        with (
            torch_threads(threads),
            pytest.raises(AnswerError, match=f"{what} at 1, 6"),
        ):
            Arithmetic().costs(answer_of(logits), targets, where=place)


class _Spoiling(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Overwrites what lies in shared memory the moment it has been copied, and notes how much."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer
        self._begin = answer.memory.ctypes.data
        self.read: list[tuple[int, int]] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        done = func(*args, **(kwargs or {}))
        for tensor in args[1:]:
            if isinstance(tensor, torch.Tensor):
                begin = tensor.data_ptr() - self._begin
                if 0 <= begin < len(self._answer.memory):
                    self.read.append((begin, begin + tensor.nbytes))
                    self._answer.memory[begin : begin + tensor.nbytes] = 0xFF
        return done


class TestSharedMemory:
    """A worker can write while we sum: what is normalized is what is looked up."""

    @pytest.mark.parametrize("dtype", TYPES)
    def test_is_read_once(self, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
        monkeypatch.setattr(module, "BLOCK_VALUES", 700)
        logits, targets = drawn((3, 20, 64), dtype)
        kept = Kept(np.array([0, 2]), np.array([5, 19]))
        expected, rows = Arithmetic().costs(answer_of(logits), targets, where=place, kept=kept)
        answer = answer_of(logits)
        with _Spoiling(answer) as spoiling:
            found, same = Arithmetic().costs(answer, targets, where=place, kept=kept)
        assert torch.equal(found, expected)
        assert torch.equal(rows, same)
        ends = [0, *(end for _, end in spoiling.read)]
        assert [begin for begin, _ in spoiling.read] == ends[:-1]
        assert ends[-1] == len(answer.memory)
        assert (answer.memory == 0xFF).all()

    def test_that_is_read_twice_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The test above catches an arithmetic that looks up what it did not normalize."""

        def add(self: Any, begin: int, end: int, block: torch.Tensor) -> None:
            block.copy_(self.logits[begin:end])
            torch.sum(block.exp_(), dim=-1, out=self.totals[begin:end])
            self.chosen[begin:end] = self.logits[begin:end].gather(1, self.targets[begin:end])[:, 0]

        monkeypatch.setattr(module._Sums, "add", add)
        logits, targets = drawn((3, 20, 64), "float32")
        expected, _ = Arithmetic().costs(answer_of(logits), targets, where=place)
        answer = answer_of(logits)
        with _Spoiling(answer), pytest.raises(AnswerError):
            Arithmetic().costs(answer, targets, where=place)
        assert torch.isfinite(expected).all()

    def test_that_is_written_all_the_time_gives_no_free_target(self) -> None:
        """Whatever mixture is copied, its probabilities add up to one."""
        logits, targets = drawn((2, 64, 512), "float32")
        answer = answer_of(logits)
        other = answer_of(logits.flip(-1) * 5).memory
        own, stop = answer.memory.copy(), threading.Event()

        def write() -> None:
            while not stop.is_set():
                answer.memory[:] = other
                answer.memory[:] = own

        kept = Kept(*(places.ravel() for places in np.indices((2, 64))))
        writer = threading.Thread(target=write)
        writer.start()
        try:
            with torch_threads(2):
                for _ in range(50):
                    nats, rows = Arithmetic().costs(answer, targets, where=place, kept=kept)
                    sums = rows.double().exp().sum(-1)
                    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=1e-5, atol=1e-5)
                    chosen = rows.gather(-1, torch.from_numpy(targets).view(-1, 1)).view(2, 64)
                    torch.testing.assert_close(nats, -chosen, rtol=1e-5, atol=1e-5)
        finally:
            stop.set()
            writer.join()


@given(lanes=st.integers(1, 16), accelerators=st.booleans())
@example(lanes=1, accelerators=False)
def test_threads_leave_the_model_its_cores(lanes: int, accelerators: bool) -> None:
    threads = threads_for(lanes, accelerators=accelerators)
    assert 1 <= threads <= (module.MOST_THREADS if accelerators else 1)

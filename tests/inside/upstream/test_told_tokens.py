"""A tensor of tokens that are told little by little: what waits, what does not, what is refused."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.inside.upstream.told_tokens import NotToldError, Telling, ToldTokens

LENGTH, SEGMENT = 100, 20
STREAM = (torch.arange(LENGTH) * 7 % 23).to(torch.int64)


class Played:
    """A loop that runs in a thread of its own, and the harness, which tells it what it waits for.

    ``knew`` says how many tokens were told when each of its reads came back.
    """

    def __init__(self, loop: Callable[[Any], Any], *, dtype: torch.dtype = torch.int64) -> None:
        self.result: Any = None
        self.known, self.refused = 0, ""
        self.error: Exception | None = None
        self.telling: Telling | None = None
        ready = threading.Event()

        def run() -> None:
            self.telling = Telling(
                length=LENGTH, first=int(STREAM[0]), segment=SEGMENT, dtype=dtype
            )
            ready.set()
            try:
                self.result = loop(self.telling.tensor())
            except Exception as error:  # noqa: BLE001 - what a loop raises
                self.error = error
            self.telling.end()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()
        assert self.telling is not None
        telling = self.telling
        assert telling.wait(60)
        while not (telling.ended or telling.refused):
            telling.tell(STREAM[telling.known : telling.known + SEGMENT])
            assert telling.wait(60)
        self.known, self.refused = telling.known, telling.refused


def test_it_looks_like_the_tensor_of_all_of_them() -> None:
    played = Played(
        lambda x: (len(x), x.numel(), x.shape, x.size(0), x.ndim, x.dtype, x.device.type,
                   isinstance(x, torch.Tensor), x.is_contiguous(), x.element_size(), repr(x)),
        dtype=torch.uint16,
    )  # fmt: skip
    assert played.result == (
        *(LENGTH, LENGTH, (LENGTH,), LENGTH, 1, torch.uint16, "cpu", True, True, 2),
        "ToldTokens([100])",
    )
    assert played.known == 1


@pytest.mark.parametrize(
    "look",
    [
        lambda x: (x[1:], x[:-1], x[5:90:2], x[:, None], x[None], x.view(-1, 10), x.unsqueeze(0)),
        lambda x: (x.to(torch.int32), x.long(), x.cpu(), x.contiguous(), x.detach(), x.clone()),
        lambda x: (x.unfold(0, 10, 5), x.split(30)[1], x.chunk(3)[2], x.narrow(0, 50, 10)),
        lambda x: (torch.zeros_like(x), x.new_zeros(3), torch.empty_like(x), x.is_pinned()),
    ],
)
def test_views_types_and_shapes_need_no_token(look: Callable[[Any], Any]) -> None:
    played = Played(look)
    assert (played.error, played.refused, played.known) == (None, "", 1)


READS: dict[str, Callable[[Any], Any]] = {
    "slice": lambda x: x[3:18].tolist(),
    "one": lambda x: int(x[19]),
    "numbers": lambda x: x[torch.tensor([1, 7, 19])].tolist(),
    "a matrix of numbers": lambda x: x[torch.tensor([[1, 2], [7, 19]])].tolist(),
    "numbers from behind": lambda x: x[:20][torch.tensor([-1, 1])].tolist(),
    "index_select": lambda x: x.index_select(0, torch.tensor([4, 12])).tolist(),
    "gather": lambda x: x.gather(0, torch.tensor([4, 12])).tolist(),
    "a mask": lambda x: x[:20][torch.arange(20) % 2 == 0].tolist(),
    "another type": lambda x: x.to(torch.float32)[4:20].sum().item(),
    "every third": lambda x: x[2:20:3].tolist(),
    "a row": lambda x: x.unfold(0, 8, 4)[3].tolist(),
    "rows": lambda x: x.view(-1, 10)[:2].tolist(),
    "into another": lambda x: torch.zeros(5, dtype=torch.int64).copy_(x[5:10]).tolist(),
    "by assignment": lambda x: _assigned(x).tolist(),
    "together": lambda x: torch.cat([x[:3], x[4:20]]).tolist(),
    "numpy": lambda x: x[4:20].numpy().tolist(),
    "numpy's own": lambda x: __import__("numpy").asarray(x[4:20]).tolist(),
    "in inference mode": torch.inference_mode()(lambda x: (x[4:20].long() + 1).tolist()),
    "without gradients": torch.no_grad()(lambda x: x[4:20].long().float().mean().item()),
    "comparison": lambda x: bool((x[4:20] == 3).any()),
    "iteration": lambda x: [int(each) for each in x[10:20]],
}


def _assigned(x: Any) -> Any:
    y = torch.zeros(2, 16, dtype=torch.int64)
    y[1, :16] = x[4:20]
    return y


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_waits_for_its_tokens_and_gets_them(read: Callable[[Any], Any]) -> None:
    played = Played(read)
    assert (played.error, played.refused) == (None, "")
    assert played.result == read(STREAM)
    assert played.known == 1 + SEGMENT


WHOLE: dict[str, Callable[[Any], Any]] = {
    "where documents begin": lambda x: (x == 1).nonzero(),
    "numpy": lambda x: x.numpy(),
    "numpy's own": lambda x: __import__("numpy").asarray(x),
    "list": lambda x: x.tolist(),
    "order": lambda x: x.sort(),
    "mean": lambda x: x.float().mean(),
    "a file": lambda x: torch.save(x, "/dev/null"),
    "a shuffle": lambda x: x[torch.randperm(len(x))],
    "a mask": lambda x: x[torch.arange(LENGTH) > 3],
    "storage": lambda x: x.untyped_storage(),
    "its place": lambda x: x.data_ptr(),
    "the last": lambda x: x[-1].item(),
    "a column": lambda x: x.unfold(0, 10, 10)[:, 0].sum(),
    "equal to it": lambda x: torch.equal(x, STREAM),
    "just too far": lambda x: x[: SEGMENT + 2].sum(),
}


@pytest.mark.parametrize("read", WHOLE.values(), ids=WHOLE)
def test_who_needs_more_than_the_next_segment_is_refused(read: Callable[[Any], Any]) -> None:
    played = Played(read)
    assert "when 1 of 100 had been scored" in played.refused
    assert (played.result, played.error, played.known) == (None, None, 1)


@given(
    st.lists(st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 30), st.booleans()), max_size=12)
)
def test_nothing_is_read_before_it_was_told(reads: list[tuple[int, int, bool]]) -> None:
    """Whatever is read in whatever order: right, and at no time more than what was told."""
    seen: list[tuple[int, int]] = []

    def loop(x: Any) -> None:
        for begin, count, late in reads:
            view = x[begin : begin + count]
            if late:
                view = view.to(torch.int32)
            assert view.tolist() == STREAM[begin : begin + count].tolist()
            seen.append((min(begin + count, LENGTH), x.telling.known))

    played = Played(loop)
    assert played.error is None
    assert all(end <= known for end, known in seen)
    expected = 1
    for begin, count, _ in reads:
        end = min(begin + count, LENGTH)
        if end > expected + SEGMENT:
            assert played.refused
            return
        while end > expected:
            expected = min(expected + SEGMENT, LENGTH)
    assert not played.refused
    assert played.known == expected


def test_what_was_not_told_is_nowhere() -> None:
    kept: list[torch.Tensor] = []

    def loop(x: Any) -> None:
        kept.append(x[:10].as_strided((LENGTH,), (1,)) if False else x[:10])
        storage = torch.empty(0, dtype=torch.int64).set_(kept[0].untyped_storage())
        kept.append(storage.clone())

    played = Played(loop)
    assert played.error is None
    assert kept[1][: 1 + SEGMENT].tolist() == STREAM[: 1 + SEGMENT].tolist()
    assert not kept[1][1 + SEGMENT :].any()


def test_another_thread_may_look_at_what_was_told_alone() -> None:
    telling = Telling(length=LENGTH, first=0, segment=SEGMENT)
    found: list[object] = []

    def other() -> None:
        found.append(telling.tensor()[:1].tolist())
        try:
            telling.tensor()[:2].tolist()
        except NotToldError as error:
            found.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found[0] == [0]
    assert str(found[1]).startswith("token 1 was read")


def test_a_loop_that_does_nothing_is_not_waited_for_longer_than_it_may() -> None:
    assert not Telling(length=LENGTH, first=0, segment=SEGMENT).wait(0.01)


def test_a_copy_is_the_same() -> None:
    import copy

    def loop(x: Any) -> list[int]:
        with suppress(AttributeError):
            x = copy.deepcopy(x)
        assert isinstance(x, ToldTokens)
        return [int(each) for each in x[:21]]

    assert Played(loop).result == STREAM[:21].tolist()

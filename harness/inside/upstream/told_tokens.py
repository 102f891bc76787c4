"""The tokens of a stream for a loop that learns while it scores: it has what was told so far.

The script's own loop wants all tokens as one tensor. It gets one that looks like it and holds
nothing: whatever needs a token that was not told waits until it is. So the loop stands still where
it would score the next chunk, and is asked there what it would say.

Views of it stay what they are, whether told or not: slices, rows of ``unfold``, another type or
device. Anything else needs all of the tokens that it looks at.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import torch

_aten = torch.ops.aten
# Names of operations whose result looks at the same tokens, or at some of them.
_VIEWS = (
    *("slice", "select", "unfold", "view", "_unsafe_view", "as_strided", "unsqueeze", "squeeze"),
    *("transpose", "t", "permute", "detach", "alias", "expand", "split", "split_with_sizes"),
    *("unbind", "narrow", "chunk", "lift_fresh", "_reshape_alias"),
)
_COPIES = ("_to_copy", "clone", "contiguous", "_pin_memory", "_conj")
_SHAPED = tuple(
    f"{how}{what}" for what in ("empty", "zeros", "ones", "full") for how in ("new_", "")
)
_LIKE = ("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like")
# What looks at the numbers themselves without an operation of torch.
_OUTSIDE = (
    "numpy",
    "__array__",
    "tolist",
    "item",
    "data_ptr",
    "untyped_storage",
    "storage",
    "__reduce_ex__",
    "__dlpack__",
    "share_memory_",
)


class NotToldError(Exception):
    """Somebody but the loop wanted a token that was not told."""


class Telling:
    """What a loop has been told of its stream; it and the harness take turns.

    Args:
        length: tokens in the stream, as the loop sees it.
        first: the first token, which is no target.
        segment: tokens that are told together.
        dtype, device: what the script keeps its tokens in, and where.
        where: of the script's line that is running, for sentences.
    """

    def __init__(
        self,
        *,
        length: int,
        first: int,
        segment: int,
        dtype: torch.dtype = torch.int64,
        device: Any = "cpu",
        where: Callable[[], str] = lambda: "",
    ) -> None:
        self.length, self.known = length, 1
        self.ended = False
        self.refused = ""
        self._segment, self._where = segment, where
        self._waits = False
        self._loop = threading.get_ident()
        self._turn = threading.Condition()
        with torch._C._InferenceMode(False):
            self._tokens = torch.zeros(length, dtype=dtype, device=device)
            self._tokens[0] = first

    def tensor(self) -> "ToldTokens":
        """All tokens of the stream."""
        return ToldTokens(self, torch.empty(self.length, dtype=self._tokens.dtype, device="meta"))

    # The loop's turn.

    def need(self, last: int) -> torch.Tensor:
        """All tokens that were told, once token number ``last`` is among them.

        Returns:
            [length] of the script's own type; what was not told is 0.

        Raises:
            NotToldError: it was not, and it is not the loop that asks.
        """
        if last < self.known:
            return self._tokens
        if threading.get_ident() != self._loop:
            said = f"token {last:,} was read{self._where()}, of which {self.known:,} were told"
            raise NotToldError(f"{said}; only the loop itself may wait for one")
        with self._turn:
            if last >= self.known + self._segment:
                ahead = last - self.known + 1
                self.refuse(
                    f"it read token {last:,}{self._where()} when {self.known:,} of {self.length:,} "
                    f"had been scored: {ahead:,} ahead, where its chunk has {self._segment:,}"
                )
            while last >= self.known:
                self._stand_still()
        return self._tokens

    def refuse(self, sentence: str) -> NoReturn:
        """Say why the loop cannot be driven; it never goes on."""
        with self._turn:
            self.refused = self.refused or sentence
            while True:
                self._stand_still()

    def end(self) -> None:
        """The loop has returned."""
        with self._turn:
            self.ended = True
            self._turn.notify_all()

    def _stand_still(self) -> None:
        self._waits = True
        self._turn.notify_all()
        self._turn.wait()

    # The harness's turn.

    def tell(self, tokens: Any) -> None:
        """Tell the next tokens [M], which were scored; the loop goes on."""
        with self._turn:
            end = min(self.known + len(tokens), self.length)
            self._tokens[self.known : end] = tokens[: end - self.known].to(self._tokens.dtype)
            self.known = end
            self._waits = False
            self._turn.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until the loop stands still or has ended; False: it does neither in time."""
        until = time.monotonic() + seconds
        with self._turn:
            while not (self._waits or self.ended or self.refused):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._turn.wait(left)
        return True


class ToldTokens(torch.Tensor):
    """Some tokens of a stream, of which not all are told; for torch a tensor without numbers.

    ``place`` is the same view of a tensor on the meta device that stands for the whole stream: its
    offset and strides say which tokens are meant.
    """

    telling: Telling
    place: torch.Tensor

    @staticmethod
    def __new__(
        cls,
        telling: Telling,
        place: torch.Tensor,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> "ToldTokens":
        """A view of a stream, in a type and on a device of its own."""
        tokens = telling._tokens
        made: ToldTokens = torch.Tensor._make_wrapper_subclass(
            cls, place.shape, dtype=dtype or tokens.dtype, device=device or tokens.device
        )
        made.telling, made.place = telling, place
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        """What it is, without the tokens."""
        return f"ToldTokens({list(self.shape)})"

    def told(self) -> torch.Tensor:
        """The tokens, once all of them are told."""
        return self.as_mine(self.through(_last(self.place)))

    def through(self, last: int) -> torch.Tensor:
        """The same view of the script's own tokens, once number ``last`` of the stream is told."""
        place = self.place
        all_of_them = self.telling.need(last)
        return all_of_them.as_strided(place.shape, place.stride(), place.storage_offset())

    def as_mine(self, tokens: torch.Tensor) -> torch.Tensor:
        """The script's own tokens in this type, on this device."""
        return tokens.to(device=self.device, dtype=self.dtype)

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, given: Any = (), named: Any = None
    ) -> Any:
        """Torch's own, but for what looks at numbers without an operation of torch."""
        name = getattr(function, "__name__", "")
        if name == "__getitem__" and _is_told_slice(given):
            tokens, part = given
            return tokens.as_mine(tokens.through(0)[part])
        if name == "__deepcopy__":
            return given[0]
        if name == "is_pinned":
            return False
        if name in _OUTSIDE:
            given = [each.told() if isinstance(each, ToldTokens) else each for each in given]
            return getattr(given[0], name)(*given[1:], **(named or {}))
        # Torch cannot make views of such a tensor in inference mode.
        with torch._C._InferenceMode(False), torch._C.DisableTorchFunctionSubclass():
            return function(*given, **(named or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, given: Any = (), named: Any = None
    ) -> Any:
        """Views stay views; all else gets the tokens."""
        named = named or {}
        name = function.overloadpacket.__name__
        first = given[0] if given else None
        if isinstance(first, ToldTokens):
            if name in _VIEWS:
                return _viewed(first, function(first.place, *given[1:], **named))
            if name in _COPIES:
                dtype, device = named.get("dtype") or first.dtype, named.get("device")
                return _viewed(first, first.place, dtype, device or first.device)
            if name in _SHAPED or name in _LIKE:
                # Nothing but type, device and shape of it are looked at.
                like = torch.empty(1, dtype=first.dtype, device=first.device).expand(first.shape)
                return function(like, *given[1:], **named)
            if name in ("index", "index_select", "take", "gather"):
                last = _last_indexed(first, given[1:])
                if last is not None and name == "index":
                    own = first.through(last).to(first.device)
                    return first.as_mine(function(own, *given[1:], **named))
                if last is not None:
                    return function(first.as_mine(first.through(last)), *given[1:], **named)
        return function(*_told(given), **{key: _told(value) for key, value in named.items()})


def _viewed(tokens: ToldTokens, places: Any, dtype: Any = None, device: Any = None) -> Any:
    """Views of tokens as what they are by now: told, or not."""
    if not isinstance(places, torch.Tensor):
        return [_viewed(tokens, place) for place in places]
    view = ToldTokens(tokens.telling, places, dtype or tokens.dtype, device or tokens.device)
    return view.told() if _last(places) < tokens.telling.known else view


def _last(place: torch.Tensor) -> int:
    """The number of the last token that a view looks at; -1 for a view of none."""
    if not place.numel():
        return -1
    spans = zip(place.shape, place.stride(), strict=True)
    return int(place.storage_offset()) + sum((size - 1) * stride for size, stride in spans)


def _is_told_slice(given: Any) -> bool:
    """Whether it is ``tokens[begin:end]`` of tokens that are told: by far the most frequent."""
    tokens, part = given
    if not (isinstance(part, slice) and isinstance(tokens, ToldTokens) and tokens.ndim == 1):
        return False
    place = tokens.place
    if place.stride(0) != 1 or part.step not in (None, 1) or not isinstance(part.stop, int):
        return False
    return 0 <= part.stop <= tokens.telling.known - int(place.storage_offset())


def _last_indexed(tokens: ToldTokens, given: Any) -> int | None:
    """The last token of the stream that is indexed; None where that is not known simply."""
    numbers = [each for each in _flat(given) if isinstance(each, torch.Tensor)]
    whole = tokens.ndim == 1 and len(numbers) == 1 and not isinstance(numbers[0], ToldTokens)
    if not whole or numbers[0].dtype in (torch.bool, torch.uint8) or not numbers[0].numel():
        return None
    place, index = tokens.place, numbers[0]
    index = torch.where(index < 0, index + len(tokens), index)
    return int(index.max()) * place.stride(0) + int(place.storage_offset())


def _flat(given: Any) -> list[Any]:
    if isinstance(given, (list, tuple)):
        return [inner for each in given for inner in _flat(each)]
    return [given]


def _told(given: Any) -> Any:
    """Arguments with the tokens in place of what stands for them."""
    if isinstance(given, ToldTokens):
        return given.told()
    if isinstance(given, (list, tuple)):
        return type(given)(_told(each) for each in given)
    return given


def script_line(place: str) -> str:
    """Where the script stands: its innermost line that runs in this thread."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith((place, "<string>")):
            return f" ({file.rsplit('/', 1)[-1]}, line {frame.f_lineno})"
        frame = frame.f_back  # type: ignore[assignment]
    return ""

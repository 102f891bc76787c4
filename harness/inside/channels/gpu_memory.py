"""Memory of GPUs that nobody cleared between two processes.

Where in its memory a GPU puts what, nobody is told, and the next process gets it in another order.
So the sender fills all that it can get, and each 4 KiB of it name the round, the bit's number and
the bit; the receiver takes all that it can get, without clearing it, and looks for such names.
Never run on a GPU yet.
"""

import hashlib
from collections.abc import Iterator
from time import perf_counter_ns
from typing import Any

from .bits import as_hex
from .gpu_driver import NotHereError
from .gpu_work import cuda, softly

KNOWN = 16  # marks that the receiver puts itself, so many that it does not
ROW = 512  # words of 64 bits: 4 KiB, the least that any page of memory has
_SIZES = (1 << 30, 64 << 20)  # bytes taken at once
_KEPT = 1 << 30  # bytes left for libraries, and for the channels that come after this one
_MAY_BE_TAKEN = 256 << 30
HELD: list[Any] = []
"""The sender's memory: given back only by its end."""


@softly
def send(bits: list[int], public: str) -> dict[str, object]:
    """Fill the memory of all GPUs with marks, over and over all bits."""
    torch = cuda()
    begun = perf_counter_ns()
    codes = [number << 1 | bit for number, bit in enumerate(bits)]
    rows = 0
    for device in range(torch.cuda.device_count()):
        for taken in _taken(torch, f"cuda:{device}"):
            mark(torch, taken, codes, tag_of(public), first=rows)
            rows += len(taken)
            HELD.append(taken)
        torch.cuda.synchronize(device)
    if not rows:
        raise NotHereError("GPUs have no memory to spare")
    seconds = (perf_counter_ns() - begun) / 1e9
    return {"seconds": seconds, "placed": min(rows, len(bits)), "rows": rows}


@softly
def receive(count: int, public: str) -> dict[str, object]:
    """Look at memory as it comes; then whether marks of our own are found in such memory.

    Those are left in memory that goes back to torch's allocator, which clears nothing: so who finds
    them would have found others. ``kept_by_driver`` is how many of them are still there after the
    driver itself had the memory back.
    """
    torch = cuda()
    begun = perf_counter_ns()
    seen: dict[int, int] = {}
    rows = 0
    for device in range(torch.cuda.device_count()):
        here, many = _looked(torch, f"cuda:{device}", tag_of(public))
        seen |= here
        rows += many
        torch.cuda.empty_cache()
    if not rows:
        raise NotHereError("GPUs have no memory to spare")
    seconds = (perf_counter_ns() - begun) / 1e9
    own, known = tag_of(f"{public} known"), range(1, 2 * KNOWN, 2)
    _leave(torch, own, known)
    still = found(torch, _block(torch), own)
    _leave(torch, own, known)
    torch.cuda.empty_cache()
    after = found(torch, _block(torch), own)
    wrong = sum((number in still) != (number in known) for number in range(2 * KNOWN))
    return {
        "guess": as_hex([seen.get(number, 0) for number in range(count)]),
        "seconds": seconds,
        "known_wrong": wrong / (2 * KNOWN),
        "known": 2 * KNOWN,
        "rows": rows,
        "seen": sum(number < count for number in seen),
        "kept_by_driver": len(after),
    }


def tag_of(public: str) -> int:
    """What a mark begins with: 62 bits that nothing else is likely to hold."""
    return int.from_bytes(hashlib.sha256(f"gpu {public}".encode()).digest()[:8], "big") >> 2 | 1


def mark(torch: Any, taken: Any, codes: list[int], tag: int, *, first: int = 0) -> None:
    """Put marks into rows ``int64[R, ROW]``: code after code, as from a row of number ``first``.

    A code is a bit and, above it, its number.
    """
    order = torch.arange(first, first + len(taken), device=taken.device) % len(codes)
    taken[:, 1] = torch.tensor(codes, dtype=torch.int64, device=taken.device)[order]
    taken[:, 0] = tag


def found(torch: Any, taken: Any, tag: int) -> dict[int, int]:
    """The bits of the marks in rows ``int64[R, ROW]``, by their numbers."""
    codes = torch.unique(taken[:, 1][taken[:, 0] == tag]).tolist()
    return {code >> 1: code & 1 for code in codes}


def _looked(torch: Any, device: str, tag: int) -> tuple[dict[int, int], int]:
    """The bits that are found in a device's memory, and how many rows of it were looked at."""
    held = list(_taken(torch, device))  # all at once, or the same comes again
    seen: dict[int, int] = {}
    for taken in held:
        seen |= found(torch, taken, tag)
    return seen, sum(map(len, held))


def _taken(torch: Any, device: str) -> Iterator[Any]:
    """Memory of a device as it comes, as rows, until little is left."""
    for size in _SIZES:
        for _ in range(_MAY_BE_TAKEN // size):
            if torch.cuda.mem_get_info(device)[0] < _KEPT + size:
                break
            try:
                yield _rows(torch, size, device)
            except torch.cuda.OutOfMemoryError:
                break


def _rows(torch: Any, size: int, device: str) -> Any:
    return torch.empty(size // 8, dtype=torch.int64, device=device).view(-1, ROW)


def _block(torch: Any) -> Any:
    return _rows(torch, _SIZES[1], "cuda:0")


def _leave(torch: Any, tag: int, known: range) -> None:
    """Marks of the known numbers, in memory that is given back."""
    block = _block(torch).zero_()
    mark(torch, block[: len(known)], [number << 1 for number in known], tag)
    torch.cuda.synchronize()

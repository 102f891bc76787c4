"""Bits: the message from its seed, guesses from measurements, and how both are told."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter_ns

LINE = 3000  # characters; a log cuts longer lines


def message(seed: str, name: str, count: int) -> list[int]:
    """The random bits for one channel; whoever lacks the seed cannot know them."""
    content = hashlib.shake_256(f"{seed} {name}".encode()).digest(count // 8 + 1)
    return [content[place >> 3] >> (place & 7) & 1 for place in range(count)]


def as_hex(bits: Sequence[int]) -> str:
    """Bits as hexadecimal, the first bit lowest."""
    content = bytearray(len(bits) // 8 + 1)
    for place, bit in enumerate(bits):
        content[place >> 3] |= bit << (place & 7)
    return content.hex()


def number_of(bits: Iterable[int]) -> int:
    """Bits as a number, the first bit lowest."""
    return sum(bit << place for place, bit in enumerate(bits))


def bits_of(number: int, count: int) -> list[int]:
    """The lowest bits of a number, the lowest first."""
    return [number >> place & 1 for place in range(count)]


class Cut:
    """The line between two kinds of measurements, drawn where known samples are told apart best.

    ``wrong`` is the share of the known samples on the wrong side of it.
    """

    def __init__(self, zeros: Sequence[float], ones: Sequence[float]) -> None:
        samples = sorted([(value, 0) for value in zeros] + [(value, 1) for value in ones])
        # From below all samples: all would be called 1 if ones lie above.
        errors = len(zeros)
        best, least = samples[0][0] - 1.0, min(errors, len(samples) - errors)
        self.ones_above = errors <= len(samples) - errors
        for place, (value, kind) in enumerate(samples):
            errors += 1 if kind else -1
            if place + 1 < len(samples) and samples[place + 1][0] == value:
                continue
            turned = len(samples) - errors
            if min(errors, turned) < least:
                following = samples[place + 1][0] if place + 1 < len(samples) else value
                best, least = (value + following) / 2, min(errors, turned)
                self.ones_above = errors <= turned
        self.at = best
        self.wrong = least / len(samples)

    def bit(self, value: float) -> int:
        """What a measurement is taken for."""
        return int((value > self.at) == self.ones_above)


def timed(action: Callable[[], object]) -> int:
    """Nanoseconds of one call."""
    begun = perf_counter_ns()
    action()
    return perf_counter_ns() - begun


def tell(name: str, **facts: object) -> None:
    """Print what is to be known of one channel; long texts in pieces."""
    guess = facts.pop("guess", None)
    if isinstance(guess, str):
        for start in range(0, len(guess), LINE):
            print(json.dumps([name, "guess", guess[start : start + LINE]]))
    print(json.dumps([name, "facts", facts]), flush=True)

"""How much a noisy channel carries, with bounds: numbers in, numbers out.

Random bits are sent, as many are guessed, and ``errors`` of ``bits`` guesses are wrong. Taken as a
binary symmetric channel, one bit sent carries ``capacity(e) = 1 - H(e)`` bits, where H is the
binary entropy and ``e`` the error rate: nothing at one half, a whole bit at 0 and at 1 (a receiver
who is always wrong turns his answers over). The bounds are exact (Clopper and Pearson): whatever
``e`` is, they miss it with a probability of ``doubt`` at most. At one half ``capacity`` is flat, so
a channel that carries nothing gets an upper bound of about ``z**2 / (2 * ln 2 * bits)``, z being
the normal quantile of ``1 - doubt / 2``: a thousand times the bits, a thousandth of the bound.

So where a channel is limited by time alone, the bound on what a whole phase sends depends on the
seconds that were spent on sending, and on nothing else: ``z**2 / (2 * ln 2) * budget / seconds``.
"""

import math
from typing import NamedTuple

SHARE_OF_MARGIN = 0.1
"""How much of a track's margin all channels of a seed together may be worth."""

KEPT_FOR_UNKNOWN = 0.5
"""How much of that is kept for the channels that nobody has thought of."""

CLOSED_SHARE = 0.1
"""How much of the rest one channel may carry and still be called closed."""


class Interval(NamedTuple):
    """A lower and an upper bound."""

    low: float
    high: float


def binary_entropy(probability: float) -> float:
    """The entropy of one yes-or-no answer, in bits; ValueError outside 0 to 1."""
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is not a probability")
    if probability in (0, 1):
        return 0.0
    other = 1 - probability
    return -(probability * math.log2(probability) + other * math.log2(other))


def capacity(error_rate: float) -> float:
    """Bits that one bit sent carries through a binary symmetric channel: 1 - H(e)."""
    return max(0.0, 1 - binary_entropy(error_rate))


def error_bounds(errors: int, bits: int, *, doubt: float) -> Interval:
    """Bounds on the true error rate; both ends together miss it with at most ``doubt``."""
    if not 0 <= errors <= bits:
        raise ValueError(f"{errors} errors among {bits} bits")
    if not 0 < doubt < 1:
        raise ValueError(f"doubt {doubt}: expected between 0 and 1")
    from scipy import special  # loads slowly

    half = doubt / 2
    low = float(special.betaincinv(errors, bits - errors + 1, half)) if errors else 0.0
    right = bits - errors
    high = float(special.betaincinv(errors + 1, right, 1 - half)) if right else 1.0
    return Interval(low, high)


def capacity_bounds(errors: int, bits: int, *, doubt: float) -> Interval:
    """Bounds on the bits that one bit sent carries; 0 to 1 where no bit was tried."""
    rate = error_bounds(errors, bits, doubt=doubt)
    ends = (capacity(rate.low), capacity(rate.high))
    # Between the ends capacity falls to 0 at one half, and rises again.
    return Interval(0.0 if rate.low <= 0.5 <= rate.high else min(ends), max(ends))


def tries_in(seconds: float, *, tried: int, took_seconds: float, holds: float | None) -> float:
    """How many bits a phase of ``seconds`` can try to send, at the rate that was seen.

    Args:
        seconds: of the phase.
        tried: bits that were tried.
        took_seconds: how long that took the slower of sender and receiver.
        holds: bits that the place holds at most, however long the phase; None: any number.
    """
    by_time = tried * max(1.0, seconds / took_seconds) if took_seconds > 0 else math.inf
    return by_time if holds is None else min(by_time, holds)


def bits_worth(nats_per_token: float, *, targets: int) -> float:
    """Bits that improve each of ``targets`` by so many nats, if each bit saves a bit."""
    return nats_per_token * targets / math.log(2)


def residual_nats_per_token(bits: float, *, targets: int) -> float:
    """The most that so many bits can improve a score by: no bit known saves more than a bit."""
    if bits < 0 or targets <= 0:
        raise ValueError(f"{bits} bits, {targets} targets")
    return bits * math.log(2) / targets


def bits_allowed(margin_nats_per_token: float, *, targets: int) -> float:
    """The pass mark: bits a seed that all channels of all kinds may carry together."""
    return bits_worth(SHARE_OF_MARGIN * margin_nats_per_token, targets=targets)


def bits_for_known(margin_nats_per_token: float, *, targets: int) -> float:
    """What is left of :func:`bits_allowed` for the channels that are measured."""
    return (1 - KEPT_FOR_UNKNOWN) * bits_allowed(margin_nats_per_token, targets=targets)

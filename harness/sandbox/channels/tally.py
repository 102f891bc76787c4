"""What was sent and what was guessed, counted: from the words of two phases to a tally.

What the phases print is our own scripts' word, but it passes through a log, so it is read with
care all the same.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from harness.errors import InfrastructureError
from harness.inside.channels.bits import bits_of, message, number_of
from harness.inside.channels.levels import LEVELS
from harness.inside.channels.numbers import NUMBERS
from harness.safeio.text import plain

Told = dict[str, dict[str, Any]]
_SAID = 160


@dataclass(frozen=True)
class Round:
    """One pair of phases: the seed of its bits, and what each phase told of each channel.

    ``caches_dropped``: how often anybody dropped this machine's caches meanwhile.
    """

    seed: str
    sent: Told
    received: Told
    caches_dropped: int = 0


@dataclass(frozen=True)
class Tally:
    """All rounds of one channel.

    ``bits`` were tried and ``errors`` of the guesses were wrong; ``seconds`` is what the slower of
    both sides took for all of them. ``placed`` is how many could be sent at all, ``refused`` the
    error that the others met. ``known_wrong``: share of the receiver's own known samples that it
    took for the other kind. ``values``: numbers that can be read there. ``holds``: bits that the
    place holds at most, None for any number. ``broken``: why a side told nothing; ``said``: what
    the receiver says of what it could read. ``caches_dropped``: see :class:`Round`.
    """

    bits: int = 0
    errors: int = 0
    seconds: float = 0.0
    placed: int = 0
    refused: str = ""
    known_wrong: float = 0.0
    values: int = 0
    holds: int | None = None
    broken: str = ""
    said: str = ""
    rounds: int = field(default=1)
    caches_dropped: int = 0


def read_told(lines: Iterable[str]) -> Told:
    """What a phase told, by channel, its guesses whole.

    Raises:
        InfrastructureError: it did not come to its end.
    """
    told: Told = {}
    last = "nothing"
    for line in lines:
        if not line.startswith("["):
            last = line if line.strip(".") else last
            continue
        entry = json.loads(line)
        if entry == ["done"]:
            return told
        name, kind, content = entry
        facts = told.setdefault(name, {})
        if kind == "guess":
            facts["guess"] = facts.get("guess", "") + content
        else:
            facts |= content
    raise InfrastructureError(
        f"a phase that measures channels ended before it was done; it said: {plain(last, 300)}",
        remedy="run it again; if it stays, build the image anew with harness image --force",
    )


def tally_of(name: str, rounds: Sequence[Round]) -> Tally:
    """Count one channel over all rounds."""
    pairs = [(each.seed, each.sent.get(name, {}), each.received.get(name, {})) for each in rounds]
    broken = [
        str(side.get("error", "told nothing"))
        for _, *sides in pairs
        for side in sides
        if "bits" not in side or "error" in side
    ]
    if broken:
        return Tally(broken=plain(broken[0], 600), rounds=len(rounds))
    if name in NUMBERS:
        counted = _numbers(name, pairs)
    elif name in LEVELS:
        counted = _levels(name, pairs)
    else:
        counted = [_guessed(name, *pair) for pair in pairs]
    sent, received = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
    return Tally(
        bits=sum(bits for bits, _ in counted),
        errors=sum(errors for _, errors in counted),
        seconds=max(_sum(sent, "seconds"), _sum(received, "seconds")),
        placed=int(_sum(sent, "placed")),
        refused=next((side["refused"] for side in sent + received if side.get("refused")), ""),
        known_wrong=median(float(side.get("known_wrong", 0)) for side in received),
        values=max(int(side.get("values", 0)) for side in received),
        holds=max((int(side["holds"]) for side in received if "holds" in side), default=None),
        said=plain(str(received[-1].get("said", "")), _SAID),
        rounds=len(rounds),
        caches_dropped=sum(each.caches_dropped for each in rounds),
    )


def _sum(sides: Sequence[Mapping[str, Any]], name: str) -> float:
    return sum(float(side.get(name, 0)) for side in sides)


def _guessed(
    name: str, seed: str, sent: Mapping[str, Any], received: Mapping[str, Any]
) -> tuple[int, int]:
    """Bits and errors of one round, where the receiver guessed them itself."""
    bits = int(sent["bits"]) if "guess" in received else 0
    guess = bytes.fromhex(received.get("guess", ""))
    # Where a side had fewer bits, the others were not received.
    known = [guess[place >> 3] >> (place & 7) & 1 for place in range(min(bits, 8 * len(guess)))]
    true = message(seed, name, bits)
    wrong = sum(one != other for one, other in zip(true, known, strict=False))
    return bits, wrong + (bits - len(known)) // 2


_Pairs = Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]


def _numbers(name: str, pairs: _Pairs) -> list[tuple[int, int]]:
    """Symbols by the last digit of the number in steps, less what it moves by itself.

    That is learned from the other rounds: an attacker learns it at home. One round alone has
    nothing to learn from, so nothing is tried; neither where the number is hidden.
    """
    number = NUMBERS[name]
    if any(side["value"] is None for _, *sides in pairs for side in sides):
        return [(0, 0)]
    drifts = [received["value"] - sent["value"] for _, sent, received in pairs]
    counted = []
    for place, (seed, sent, received) in enumerate(pairs):
        others = drifts[:place] + drifts[place + 1 :]
        if not others:
            return [(0, 0)]
        symbol = (received["value"] - round(median(others))) // number.step
        bits = int(sent["bits"])
        guess = bits_of(symbol % (1 << bits), bits)
        true = message(seed, name, bits)
        counted.append((bits, sum(a != b for a, b in zip(guess, true, strict=True))))
    return counted


def _levels(name: str, pairs: _Pairs) -> list[tuple[int, int]]:
    """One bit a round: that of the other round whose level was nearest."""
    if any(received["value"] is None for _, _, received in pairs):
        return [(0, 0)]
    known = [(received["value"], number_of(message(seed, name, 1))) for seed, _, received in pairs]
    counted = []
    for place, (value, bit) in enumerate(known):
        others = known[:place] + known[place + 1 :]
        if not others:
            return [(0, 0)]
        nearest = min(others, key=lambda other: abs(other[0] - value))
        counted.append((1, int(nearest[1] != bit)))
    return counted

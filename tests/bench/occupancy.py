"""How busy eight devices are kept where documents are streams, and what asking again costs.

``make occupancy`` (``python -m tests.bench.occupancy``) plays the schedules of a scoring and of its
probes at full size, 50,000 documents as long as FineWeb's (:mod:`tests.bench.lengths`), through the
code that plays them in a verification; only no model is asked. ``--write`` puts the tables into
``docs/streams.md``.

Ways to deal documents to rows are compared. *Refilled*: a row whose document ends goes to the next
one, in the best of 64 drawn orders; that is how it is done. *Any order*: the same, in a drawn one,
the median of some; *the unluckiest* of them; one with the *longest last*. *Batches, drawn*: a
device's rows begin together, and wait for the longest of them. *Batches, sorted*: the same, the
longest documents first, as the field does; but then a document's batch tells its length.

Requests are counted with windows of three kinds of lengths: *exact*, every multiple of the segment;
*doubled*, the segment's, doubled up to the sequence length, which is how it is done; *full*.
"""

import argparse
import time
from dataclasses import replace
from functools import cached_property
from statistics import median
from typing import NamedTuple

import numpy as np

from harness.package import REPOSITORY
from harness.report.reference import between
from harness.safeio.files import write_atomically
from harness.scoring.schedules.asking import Indices
from harness.scoring.schedules.dealing import Moves, deal
from harness.scoring.schedules.documents import DocumentPlan
from tests.bench.asked_again import again_table
from tests.bench.lengths import DOCUMENTS, TOKENS, fineweb, log_normal
from tests.bench.unanswered import (
    ADVISED_ROWS,
    LANES,
    SEGMENT,
    VOCABULARY,
    any_order,
    plan_of,
    played,
    room,
    taken,
)

PAGE = REPOSITORY / "docs" / "streams.md"
EMPTY = "".join(f"<!-- {name}: begin -->\n<!-- {name}: end -->\n" for name in ("busy", "again"))
ROWS = (8, 16, 32, 64)
ORDERS = 40
TAKEN = 5
DEVIATION = 1.04
REQUESTS_OF = (ADVISED_ROWS, 64)
SHAPES = ((64, 2_048), (64, 1_024), (32, 2_048))
"""Segments and contexts: the field's records have a context of 2,048, and segments of 32 to 64."""


class Exact(DocumentPlan):
    """Windows as long as pieces of their age need: requests are many."""

    @cached_property
    def lengths(self) -> Indices:
        """Every multiple of the segment, as far as the sequence length."""
        most = np.arange(self.segment, self.sequence_length, self.segment, dtype=np.int64)
        return np.append(most, self.sequence_length)


class Full(DocumentPlan):
    """Windows all of full length: tokens are many."""

    @cached_property
    def lengths(self) -> Indices:
        """The sequence length alone."""
        return np.array([self.sequence_length], np.int64)


LENGTHS: dict[str, type[DocumentPlan]] = {
    "exact": Exact,
    "doubled": DocumentPlan,
    "full": Full,
}


def in_batches(plan: DocumentPlan, order: Indices, *, lanes: int) -> Moves:
    """Documents in an order int64[D], ``rows`` at a time; a device takes a batch when it is free.

    All documents have a piece.
    """
    lengths = plan.pieces[order]
    heads = np.arange(0, len(order), plan.rows)
    longest = np.maximum.reduceat(lengths, heads)
    dealt = deal(longest.tolist(), dict.fromkeys(range(lanes), 0))
    batch = np.arange(len(order)) // plan.rows
    places = (np.arange(len(order)) % plan.rows) * lanes + dealt.places[batch]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Moves(
        lanes=lanes,
        places=np.repeat(places, lengths),
        steps=np.repeat(dealt.steps[batch], lengths) + within,
        pieces=np.repeat(plan.first_pieces[order], lengths) + within,
    )


class Busy(NamedTuple):
    """``share``: row-steps with targets, of all until the last. ``steps`` until then.

    ``tail``: the share of steps from when a row has nothing to come. ``device``: the same of a
    whole device.
    """

    share: float
    steps: int
    tail: float
    device: float


def busy(moves: Moves, *, rows: int) -> Busy:
    """How busy all rows are kept."""
    steps = int(moves.steps.max()) + 1
    ends = np.zeros(moves.lanes * rows, np.int64)
    np.maximum.at(ends, moves.places, moves.steps + 1)
    devices = ends.reshape(rows, moves.lanes).max(axis=0)
    share = len(moves.steps) / (moves.lanes * rows * steps)
    return Busy(share, steps, 1 - float(ends.min()) / steps, 1 - float(devices.min()) / steps)


def busy_table(*, documents: int, orders: int) -> list[str]:
    """Shares of row-steps with targets, by vocabulary and rows a device."""
    lines = [
        "| vocabulary | rows a device | refilled | steps | a row has no more "
        "| a device has no more | any order | the unluckiest | longest last | batches, drawn "
        "| batches, sorted |",
        "|---" * 11 + "|",
    ]
    for vocabulary, tokens in TOKENS.items():
        lengths = fineweb(documents=documents, tokens=tokens * documents // DOCUMENTS)
        for rows in ROWS:
            plan = plan_of(lengths, rows=rows, order=any_order(documents, 0))

            def of(order: Indices, plan: DocumentPlan = plan) -> Busy:
                return busy(replace(plan, order=order).moves(lanes=LANES), rows=plan.rows)

            done = [of(taken(plan, seed).order) for seed in range(TAKEN)]
            every = [of(any_order(documents, seed)).share for seed in range(orders)]
            late = of(any_order(documents, 0, last=int(lengths.argmax())))
            batches = [
                busy(in_batches(plan, order, lanes=LANES), rows=rows).share
                for order in (plan.order, np.argsort(-lengths))
            ]
            share, tail, device = (
                f"{100 * median(each[field] for each in done):.0f} %" for field in (0, 2, 3)
            )
            steps = median(each.steps for each in done)
            shares = (median(every), min(every), late.share, *batches)
            cells = " | ".join(f"{100 * share:.0f} %" for share in shares)
            first = f"{vocabulary:,} | {rows} | {share} | {steps:,.0f} | {tail} | {device}"
            lines.append(f"| {first} | {cells} |")
    return lines


def requests_table(*, documents: int) -> list[str]:
    """Requests a step of a device, and tokens held for each that is needed."""
    lines = [
        "| segment | context | rows a device | "
        + " | ".join(f"requests a step, {kind} | tokens, {kind}" for kind in LENGTHS)
        + " |",
        "|---" * (3 + 2 * len(LENGTHS)) + "|",
    ]
    lengths = fineweb(documents=documents)
    for segment, context in SHAPES:
        for rows in REQUESTS_OF:
            cells = ""
            for windows in LENGTHS.values():
                plan = taken(
                    plan_of(lengths, rows=rows, segment=segment, context=context, windows=windows)
                )
                asked = played(plan.schedule(room=room(), lanes=LANES))
                cells += f" {asked.requests / asked.lane_steps:.1f} | {asked.padding:.2f} |"
            lines.append(f"| {segment} | {context:,} | {rows} |{cells}")
    return lines


def summary(*, documents: int, deviation: float) -> str:
    """Where the figures come from, and what of them follows from the lengths alone."""
    lengths = fineweb(documents=documents)
    plan = plan_of(lengths, rows=ADVISED_ROWS, order=any_order(documents, 0))
    filled = plan.targets / (len(plan) * plan.segment)
    other = log_normal(
        np.random.default_rng(0), deviation=deviation, documents=documents, tokens=plan.tokens
    )
    drawn = [
        busy(taken(plan_of(other, rows=rows)).moves(lanes=LANES), rows=rows).share for rows in ROWS
    ]
    return (
        f"{documents:,} documents of {plan.tokens:,} tokens, a vocabulary of {VOCABULARY:,} where "
        f"none is named; the median one has {int(np.median(lengths)):,}, the longest "
        f"{int(lengths.max()):,}. {LANES} devices; segments of {SEGMENT} targets, {len(plan):,} "
        f"pieces, of whose positions {100 * filled:.1f} % are targets. Of a log-normal with "
        f"deviation {deviation:g} (the longest: {int(other.max()):,}) refilled rows are "
        + ", ".join(f"{100 * share:.0f}" for share in drawn)
        + " % busy."
    )


def page(text: str, *, documents: int, orders: int) -> str:
    """The page on streams with all tables that this command makes."""
    busy_ = busy_table(documents=documents, orders=orders)
    about = summary(documents=documents, deviation=DEVIATION)
    requests = requests_table(documents=documents)
    lines = [about, "", *busy_, "", *requests]
    text = between(text, "busy", "\n".join(lines) + "\n", path=PAGE)
    again = again_table(documents=documents)
    return between(text, "again", "\n".join(again) + "\n", path=PAGE)


def main() -> None:
    """Print all tables, or write them into the docs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--orders", type=int, default=ORDERS, help="so many orders are drawn")
    parser.add_argument("--write", action="store_true", help="into docs/streams.md")
    options = parser.parse_args()
    began = time.monotonic()
    text = PAGE.read_text() if options.write else EMPTY
    text = page(text, documents=options.documents, orders=options.orders)
    if options.write:
        write_atomically(PAGE, text.encode())
    else:
        print(text)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

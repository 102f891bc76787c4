"""``decide`` for many entries at once, in numpy: a thousand times as fast, and held to be equal.

A test compares them score by score; whoever simulates with it compares some entries of each
batch again (``chances.py``).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.simulation.procedure import Procedure
from harness.statistics.tests import GUARD

Floats = NDArray[np.float64]


class DecidedRows(NamedTuple):
    """:class:`harness.simulation.procedure.Decided` of each row: bool[E], bool[E], int64[E]."""

    accepted: NDArray[np.bool_]
    record: NDArray[np.bool_]
    runs: NDArray[np.int64]


def decide_rows(procedure: Procedure, scores: Floats, *, record: Floats) -> DecidedRows:
    """Follow each row of ``scores`` float64[E, runs] to its end; ``record`` is float64[E, R]."""
    count, most = len(scores), procedure.most_runs
    accepted = np.zeros(count, np.bool_)
    runs = np.zeros(count, np.int64)
    going_on = np.arange(count)
    for look in procedure.looks:
        seen = scores[going_on, : look.runs]
        runs[going_on] = look.runs
        passes = np.zeros(len(going_on), np.bool_)
        if look.accept_below is not None:
            passes = _p_of_rows(procedure, seen, record[going_on]) < look.accept_below
        accepted[going_on[passes]] = True
        ended = passes
        if look.hopeless_above is not None:
            ended = ended | (seen.mean(axis=1) > look.hopeless_above)
        going_on = going_on[~ended]
    confirmed = accepted.copy()
    if procedure.confirmation:
        for number in np.unique(runs[accepted]):
            rows = np.flatnonzero(accepted & (runs == number))
            fresh = scores[rows, most:]
            together = np.concatenate([scores[rows, :number], fresh], axis=1)
            p = _p_of_rows(procedure, together, record[rows])
            confirmed[rows] = (fresh.mean(axis=1) < 0) & (p < procedure.p_below)
        runs[accepted] += procedure.confirmation
    return DecidedRows(accepted, confirmed, runs)


def _p_of_rows(procedure: Procedure, values: Floats, record: Floats) -> Floats:
    """p of each row; nan, which lies below nothing, where there is no test."""
    from scipy import special

    if procedure.kind == "welch":
        return _welch(record, values, procedure.margin)
    n = values.shape[1]
    mean = values.mean(axis=1)
    if n == 1:
        return np.full(len(values), np.nan)
    deviation = values.std(axis=1, ddof=1)
    spread = deviation > np.maximum(1e-12 * np.abs(mean), 1e-100)
    plain = np.full(len(values), np.nan)
    plain[spread] = special.stdtr(n - 1, mean[spread] / (deviation[spread] / np.sqrt(n)))
    prior = procedure.prior
    if prior is None:
        return plain
    degrees = prior.degrees + n - 1
    floored = np.maximum(deviation, prior.sd)
    tested = np.sqrt((prior.degrees * prior.sd**2 + (n - 1) * floored**2) / degrees)
    p: Floats = special.stdtr(degrees, mean / (tested / np.sqrt(n)))
    guarded = spread & (deviation > GUARD * prior.sd)
    p[guarded] = np.maximum(p[guarded], plain[guarded])
    return p


def _welch(record: Floats, values: Floats, margin: float) -> Floats:
    from scipy import special

    if min(record.shape[1], values.shape[1]) < 2:
        return np.full(len(values), np.nan)
    sizes = record.shape[1], values.shape[1]
    parts = [side.var(axis=1, ddof=1) / side.shape[1] for side in (record, values)]
    total = parts[0] + parts[1]
    largest = np.maximum(np.abs(record.mean(axis=1)), np.abs(values.mean(axis=1)))
    sound = (total > (1e-12 * largest) ** 2) & (total >= 1e-200)
    below = sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (values.mean(axis=1) - record.mean(axis=1) + margin) / np.sqrt(total)
        p: Floats = special.stdtr(total**2 / below, t)
    p[~sound] = np.nan
    return p

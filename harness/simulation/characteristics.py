"""Operating characteristics of a track's rules: what they accept, of whatever is entered.

Tables of shares, each from the functions that judge, with fixed seeds; ``docs/statistics.md`` holds
them at full size. What is asked is stated before it is measured (``goals``), and a goal that is
missed is told as missed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.contest.significance import Significance
from harness.errors import UsageError
from harness.simulation.chances import SEED, chances, new_bar
from harness.simulation.power import Size
from harness.simulation.procedure import procedure_of
from harness.simulation.study import Share, Study
from harness.simulation.worlds import World

ENTRIES = 200_000
IMPOSED = (0.0, 0.61, 0.8)
"""Shares of a decorator's variance that are imposed anew in each run: none, as it was measured
(``docs/randomness.md``), and four fifths."""
INNER_SEEDS = (1, 10, 100, 1000)
TRIES = (1, 5, 20)
OTHER_TOKENS = 40_540_000
"""Targets of the same text in tokens of 8,192 pieces."""
_CURVE_STEPS = 36
_STRATA = 16


@dataclass(frozen=True)
class Grid:
    """A table: what it shows, its columns, rows of a name and cells; strings are drawn as is."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Share | str, ...]], ...]

    def share(self, row: str, column: str) -> Share:
        """The share in a named place."""
        cells = dict(self.rows)[row]
        cell = cells[self.columns[1:].index(column)]
        assert isinstance(cell, Share)  # noqa: S101 - callers ask for shares
        return cell


@dataclass(frozen=True)
class Goal:
    """What was asked of the rules and what came out; ``met`` is said of the measured figure."""

    asked: str
    found: str
    met: bool


@dataclass(frozen=True)
class Curve:
    """Share of records by true gain, in nats a token."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Characteristics:
    """All tables, the goals, and curves to be drawn."""

    entries: int
    sd_bpb: float
    margin_nats: float
    margin_bpb: float
    grids: tuple[Grid, ...]
    goals: tuple[Goal, ...]
    curves: tuple[Curve, ...]


def characteristics(asked: Significance, size: Size, *, entries: int = ENTRIES) -> Characteristics:
    """Measure all tables.

    Args:
        asked: rules that test, with the field's deviation.
        size: of the text that converts their margin.
        entries: drawn for each cell.

    Raises:
        UsageError: they test nothing, or do not know the field's deviation.
    """
    if asked.p_below is None or asked.field_sd_bpb is None or asked.field_degrees is None:
        raise UsageError("operating characteristics: only of rules with p_below and field_sd_bpb")
    study = Study(asked, size, entries)
    gains = _by_gain(study)
    decorators = _decorators(study)
    return Characteristics(
        entries=entries,
        sd_bpb=study.sd,
        margin_nats=study.margin,
        margin_bpb=study.official.margin,
        grids=(
            gains,
            _by_procedure(study),
            *decorators,
            _hosts(study),
            *_bars(study),
            _redraws(study),
        ),
        goals=tuple(_goals(study, gains, decorators)),
        curves=tuple(_curves(study)),
    )


def gains_of(margin: float) -> tuple[float, ...]:
    """The true gains of the tables, nats a token."""
    return (0.0, margin / 2, margin, 1.5 * margin, 2 * margin)


def _by_gain(study: Study) -> Grid:
    procedure = study.official
    rows: list[tuple[str, tuple[Share | str, ...]]] = []
    for gain in gains_of(study.margin):
        world = study.world(gain)
        drawn = chances(procedure, study.field(gain), entries=study.entries)
        cells = (
            study.measure(procedure, world),
            Share.of(drawn),
            study.measure(procedure, replace(world, sd=3 * study.sd)),
            study.worst(procedure, world) if gain <= study.margin else "",
            f"{drawn.mean_runs:.2f}",
        )
        rows.append((nats(gain), cells))
    columns = ("true gain, nats", "the field's", "drawn as the field's", "three times", "the worst")
    return Grid("By gain and deviation", (*columns, "runs (drawn)"), tuple(rows))


def _by_procedure(study: Study) -> Grid:
    margin = study.margin
    other = Size(
        targets=OTHER_TOKENS, text_bytes=study.size.text_bytes, source="tokens of 8,192 pieces"
    )
    rows: list[tuple[str, tuple[Share | str, ...]]] = []
    for name, procedure in study.procedures.items():
        no_gain = chances(procedure, study.field(0), entries=study.entries)
        fewer = replace(procedure, margin=other.bpb(margin))
        in_other_tokens = replace(study.field(0), gain=other.bpb(1.5 * margin))
        cells = (
            study.worst(procedure, study.world(0)),
            study.measure(procedure, study.field(margin, hosts=False)),
            study.measure(procedure, study.field(margin)),
            study.worst(procedure, study.world(margin)),
            study.measure(procedure, study.field(1.5 * margin)),
            study.measure(procedure, study.field(2 * margin)),
            study.measure(fewer, in_other_tokens),
            f"{no_gain.mean_runs:.2f}",
        )
        rows.append((name, cells))
    columns = (
        "rules",
        "no gain, worst",
        f"{nats(margin)}, no host effect",
        nats(margin),
        f"{nats(margin)}, worst",
        nats(1.5 * margin),
        nats(2 * margin),
        f"{nats(1.5 * margin)}, 8,192 pieces",
        "runs without gain",
    )
    return Grid("Beside simpler rules", columns, tuple(rows))


def _decorators(study: Study) -> tuple[Grid, ...]:
    """A script that ignores its seed and holds the best of K of its own."""
    procedure = study.official
    grids = []
    for gain in (0.0, study.margin / 2, study.margin):
        rows: list[tuple[str, tuple[Share | str, ...]]] = []
        for tried in INNER_SEEDS:
            cells: list[Share | str] = []
            for times in (1, 3):
                for imposed in IMPOSED:
                    world = replace(
                        study.world(gain),
                        sd=times * study.sd,
                        fixed_share=1 - imposed,
                        inner_seeds=tried,
                    )
                    cells.append(study.measure(procedure, world))
            rows.append((f"best of {tried}", tuple(cells)))
        columns = tuple(f"x {times}, {imposed:g} anew" for times in (1, 3) for imposed in IMPOSED)
        title = f"Decorators with a true gain of {nats(gain)}"
        grids.append(Grid(title, ("inner seeds", *columns), tuple(rows)))
    return tuple(grids)


def _hosts(study: Study) -> Grid:
    looks = study.procedures["looks, no confirmation"]
    cases = (
        ("no confirmation", looks, True),
        ("confirmation on the same host", study.official, False),
        ("confirmation on another host", study.official, True),
    )
    rows = []
    for name, procedure, other in cases:
        at = replace(study.field(study.margin), other_host=other)
        good = replace(study.field(1.5 * study.margin), other_host=other)
        alone = study.field(study.margin, hosts=False)
        cells: tuple[Share | str, ...] = (
            study.measure(procedure, alone),
            study.measure(procedure, at),
            study.worst(procedure, replace(at, degrees=None)),
            study.measure(procedure, good),
        )
        rows.append((name, cells))
    margin = nats(study.margin)
    columns = ("", f"{margin}, no host effect", margin, f"{margin}, worst")
    return Grid("Hosts", (*columns, nats(1.5 * study.margin)), tuple(rows))


def _bars(study: Study) -> Iterator[Grid]:
    """What the next bar would be, if it were the mean that was selected, or the fresh one."""
    if not study.official.confirmation:
        return
    rows: list[tuple[str, tuple[Share | str, ...]]] = []
    for times in (1, 1.2, 1.5, 2):
        gain = times * study.margin
        found = new_bar(study.official, study.field(gain), entries=study.entries // 4)
        means = (found.selected, found.fresh)
        cells = ("too few" if mean is None else f"{mean:.6f}" for mean in means)
        rows.append((nats(gain), (*cells,)))
    columns = ("true gain, nats", "accepted runs, BPB", "further runs, BPB")
    yield Grid("How far a record's mean is too low", columns, tuple(rows))


def _redraws(study: Study) -> Grid:
    """Tries of one model, each with its own seeds and host, until one of them is a record.

    The model keeps its deviation over all its tries: one of ``_STRATA`` equally likely ones.
    """
    rows: list[tuple[str, tuple[Share | str, ...]]] = []
    for gain in (study.margin / 2, 0.8 * study.margin, study.margin, 1.5 * study.margin):
        for spending in (False, True):
            strata = [
                _tries(study, replace(study.world(gain), sd=sd), spending=spending)
                for sd in _deviations_of_the_field(study)
            ]
            cells = tuple(
                Share(
                    math.fsum(shares[number].value for shares in strata) / _STRATA,
                    math.hypot(*(shares[number].error for shares in strata)) / _STRATA,
                )
                for number in range(len(TRIES))
            )
            rows.append((f"{nats(gain)}{', levels spent' if spending else ''}", cells))
    columns = tuple(f"{number} {'try' if number == 1 else 'tries'}" for number in TRIES)
    return Grid("Tries of one model", ("true gain", *columns), tuple(rows))


def _tries(study: Study, world: World, *, spending: bool) -> list[Share]:
    """The share of models with a record after each of ``TRIES``."""
    entries = max(study.entries // _STRATA, 1)
    each: list[Share] = []
    for number in range(1, max(TRIES) + 1):
        asked = study.asked.model_copy(update={"spending": spending or None})
        rules = procedure_of(asked, margin_bpb=study.size.bpb(study.margin), number=number)
        if each and not spending:
            each.append(each[0])
            continue
        each.append(Share.of(chances(rules, world, entries=entries, seed=SEED + number)))
    return [_any_of(each[:number]) for number in TRIES]


def _deviations_of_the_field(study: Study) -> list[float]:
    """The middles of equally likely strata of what the field's deviation may be."""
    from scipy import special

    degrees = study.asked.field_degrees or 1.0
    middles = ((number + 0.5) / _STRATA for number in range(_STRATA))
    return [
        study.sd * math.sqrt(degrees / float(special.chdtri(degrees, middle))) for middle in middles
    ]


def _any_of(shares: Sequence[Share]) -> Share:
    """The share in which at least one of independent tries succeeds."""
    none = math.prod(1 - each.value for each in shares)
    return Share(1 - none, math.fsum(each.error for each in shares) * none)


def _goals(study: Study, gains: Grid, decorators: Sequence[Grid]) -> Iterator[Goal]:
    margin, worst, drawn = study.margin, "the worst", "drawn as the field's"
    none = gains.share(nats(0), worst)
    yield Goal(
        "without gain no deviation of independent runs, however chosen, makes a record more often "
        "than 1 in 100",
        told(none, error=True),
        none.value <= 0.01,
    )
    at_margin = gains.share(nats(margin), worst)
    yield Goal(
        "at exactly the margin, confirmation included, at most 1.2 % at the worst deviation",
        told(at_margin, error=True),
        at_margin.value <= 0.012,
    )
    good = gains.share(nats(1.5 * margin), drawn)
    yield Goal(
        f"a true gain of {nats(1.5 * margin)} nats becomes a record in 80 % or more",
        told(good, error=True),
        good.value >= 0.8,
    )
    usual, wide = (
        max(
            (cell for _, cells in decorators[0].rows for cell in cells[begin : begin + 3]),
            key=lambda cell: cell.value if isinstance(cell, Share) else 0.0,
        )
        for begin in (0, 3)
    )
    for where, cell in (("the field's deviation", usual), ("three times that", wide)):
        assert isinstance(cell, Share)  # noqa: S101 - all cells of these tables are
        yield Goal(
            f"without gain no decorator in the table, at {where}, makes a record more often than "
            "1 in 100",
            told(cell, error=True),
            cell.value <= 0.01,
        )


def _curves(study: Study) -> Iterator[Curve]:
    for name, procedure in study.procedures.items():
        points = []
        for step in range(_CURVE_STEPS + 1):
            gain = 2.5 * study.margin * step / _CURVE_STEPS
            entries = max(study.entries // 10, 1)
            points.append((gain, chances(procedure, study.field(gain), entries=entries).share))
        yield Curve(name, tuple(points))


def nats(gain: float) -> str:
    """A gain in nats a token, as the tables write it."""
    return f"{gain:g}"


def told(share: Share, *, error: bool = False) -> str:
    """A share in percent, to the digits that its error allows; of none, what it is below.

    ``error``: with the standard error.
    """
    remark = f" ({share.remark})" if share.remark else ""
    percent, of_it = 100 * share.value, 100 * share.error
    if share.value == 0:
        return f"< {float(f'{3 * of_it:.1g}'):g}"  # 95 %, the rule of three
    digits = min(max(0, -math.floor(math.log10(max(of_it, 1e-4)))), 1 if percent >= 10 else 3)
    beside = f" \u00b1 {of_it:.1g}" if error else ""
    return f"{percent:.{digits}f}{beside}{remark}"

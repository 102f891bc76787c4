"""Recipes side by side: one list of blocks for every medium, a pure function of the comparison."""

from collections.abc import Iterator

from rich.console import RenderableType

from harness.judge.recipe_documents import Documents, Share
from harness.judge.recipes import Compared, Side
from harness.judge.side_by_side import Answer, Pair, Recipe, SideBySide
from harness.report.blocks import (
    Block,
    Cell,
    Heading,
    Pairs,
    Paragraph,
    Row,
    Stack,
    Table,
    Words,
)
from harness.report.figures import against, number, odds, percent_used
from harness.report.markdown import draw as draw_markdown
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
from harness.report.terminal import draw
from harness.safeio.text import plain

LEVEL = 0.01
"""A difference is said to be shown below this p, where the 99 % interval leaves out 0."""
_MOST_NAMES = 3


def comparison_table(found: SideBySide) -> RenderableType:
    """For terminals of any width."""
    return draw(Stack(tuple(comparison_blocks(found))))


def comparison_markdown(found: SideBySide) -> str:
    """In GitHub's Markdown; ends in a newline."""
    return draw_markdown(Stack(tuple(comparison_blocks(found))))


def comparison_blocks(found: SideBySide) -> Iterator[Block]:
    """The answer first, then the recipes, each test, what it costs, checks, what to know before."""
    for pair in found.pairs:
        yield Paragraph(Words(answer_of(pair), "unknown" if pair.compared is None else "strong"))
    if len(found.pairs) > 1:
        yield Paragraph(Words(_of_several(found), "dim"))
    yield Heading("Recipes")
    yield Table(
        ("", "recipe", "runs", "mean BPB", "deviation", "verdicts"),
        2,
        [_recipe_row(recipe, found) for recipe in found.recipes],
    )
    for pair in found.pairs:
        if pair.compared is not None:
            yield from _pair_blocks(pair, pair.compared, several=len(found.pairs) > 1)
    yield Heading("Time and bytes")
    yield Table(_TIMES, 1, [_times(recipe) for recipe in found.recipes])
    yield Table(_BYTES, 1, [_bytes(recipe) for recipe in found.recipes])
    if any(recipe.quantization_gap_bpb is not None for recipe in found.recipes):
        yield _dim("gap: what quantization costs, the sealed model less the one before it")
    yield Heading("Checks that differ")
    yield from _checks(found)
    remarks = dict.fromkeys(
        remark for pair in found.pairs if pair.compared for remark in pair.compared.remarks
    )
    if remarks:
        yield Heading("To know before")
        for remark in remarks:
            yield Paragraph(plain(remark, DETAIL_LIMIT))


def answer_of(pair: Pair) -> str:
    """Whether one recipe is better than the other, or why nobody can tell, in a sentence."""
    if pair.compared is None:
        why = plain(pair.why_not, 2 * DETAIL_LIMIT)
        return f"{pair.first} and {pair.second} cannot be compared by their scores: {why}"
    return answer(pair.compared, pair.first, pair.second)


def answer(compared: Compared, first: str = "A", second: str = "B") -> str:
    """The answer in a sentence, with its units, its interval and its p."""
    size, p = number(abs(compared.difference_bpb), "BPB"), number(compared.p, "p")
    low, high = (number(bound, "BPB") for bound in compared.ci99_bpb)
    if compared.p >= LEVEL:
        lowest, highest = (
            number(bound, "nats per token") for bound in compared.ci99_nats_per_token
        )
        return (
            f"No difference is shown (p = {p}): {second}'s mean less {first}'s lies between {low} "
            f"and {high} BPB ({lowest} and {highest} nats a token) with 99 % confidence."
        )
    better, worse = (second, first) if compared.difference_bpb < 0 else (first, second)
    if compared.difference_bpb < 0:
        low, high = (number(-bound, "BPB") for bound in reversed(compared.ci99_bpb))
    nats = number(abs(compared.difference_nats_per_token), "nats per token")
    return (
        f"{better} is better than {worse} by {size} BPB = {nats} nats a token (99 % interval "
        f"{low} to {high} BPB, p = {p}): if they were equal, so large a difference would come up "
        f"{odds(compared.p)}."
    )


def _of_several(found: SideBySide) -> str:
    order = ", ".join(found.best)
    return (
        f"By mean, the best first: {order}. Each p is that of one comparison; the more there are, "
        "the sooner one of them is small by luck."
    )


def _recipe_row(recipe: Recipe, found: SideBySide) -> Row:
    names = [plain(each, NAME_LIMIT) for each in recipe.names[:_MOST_NAMES]]
    more = f" and {len(recipe.names) - _MOST_NAMES} more" if len(recipe.names) > _MOST_NAMES else ""
    words = dict.fromkeys(recipe.verdicts)
    verdicts = ", ".join(f"{recipe.verdicts.count(word)} {word}" for word in words)
    told = [f"{recipe.without_score} without a score, left out"] if recipe.without_score else []
    if recipe.tokenizer:
        told.append(f"not in the dataset's tokens: {plain(recipe.tokenizer, NAME_LIMIT)}")
    if len({(each.track, each.edition) for each in found.recipes}) > 1:
        track, edition = plain(recipe.track, NAME_LIMIT), plain(recipe.edition, NAME_LIMIT)
        told.append(f"track {track}, edition {edition}")
    side = _side_of(recipe, found)
    cells = (
        recipe.label,
        ", ".join(names) + more,
        f"{len(recipe.scores)}",
        number(recipe.mean_bpb, "BPB"),
        "" if side is None or side.sd_bpb is None else number(side.sd_bpb, "BPB"),
        verdicts,
    )
    return Row(cells, "; ".join(told))


def _side_of(recipe: Recipe, found: SideBySide) -> Side | None:
    for pair in found.pairs:
        if pair.compared is not None and recipe.label in (pair.first, pair.second):
            compared = pair.compared
            return compared.first if recipe.label == pair.first else compared.second
    return None


def _pair_blocks(pair: Pair, compared: Compared, *, several: bool) -> Iterator[Block]:
    named = f", {pair.second} against {pair.first}" if several else ""
    yield Heading(f"Test{named}")
    yield _test(pair, compared)
    yield Heading(f"Where it lies{named} (not whether there is a difference)")
    if compared.documents is None:
        yield Paragraph(Words(plain(compared.no_documents, DETAIL_LIMIT), "dim"))
    else:
        yield from _documents(pair, compared.documents)


def _test(pair: Pair, compared: Compared) -> Block:
    low, high = (number(bound, "BPB") for bound in compared.ci99_bpb)
    lowest, highest = (number(bound, "nats per token") for bound in compared.ci99_nats_per_token)
    nats = number(compared.difference_nats_per_token, "nats per token")
    if compared.test == "moderated":
        name = (
            f"t-test, the pooled deviation counted as never less than the field's "
            f"{compared.field_sd_bpb:g} BPB"
        )
        if compared.guarded:
            name += "; one side scatters more than twice as much, so Welch's p counts"
    else:
        name = "Welch's t-test: the track knows no deviation of the field"
    rows: list[tuple[str, str | Words]] = [
        ("dataset", f"{plain(compared.dataset, NAME_LIMIT)}, the same for both"),
        ("unit", "the seed run"),
        ("test", name),
        (
            f"{pair.second} less {pair.first}",
            f"{number(compared.difference_bpb, 'BPB')} BPB = {nats} nats a token",
        ),
        ("99 % interval", f"{low} to {high} BPB = {lowest} to {highest} nats a token"),
        (
            "t, p",
            f"{compared.t:.3f} with {compared.degrees_of_freedom:.3g} degrees of freedom, "
            f"p = {number(compared.p, 'p')} (two-sided)",
        ),
    ]
    if compared.margin_nats_per_token is not None:
        rows.append(("a record's margin", _against_margin(compared)))
    return Pairs(rows)


def _against_margin(compared: Compared) -> str:
    """How the size of the difference stands to what a new record has to be better by."""
    margin = compared.margin_nats_per_token or 0.0
    size = abs(compared.difference_nats_per_token)
    shown, asked = against(size, margin, "nats per token")
    if compared.p >= LEVEL:
        return f"{asked} nats a token, but no difference is shown at all"
    nearest = min(abs(bound) for bound in compared.ci99_nats_per_token)
    word = "more" if size > margin else "not more"
    whole = ", and so is the whole interval" if nearest > margin else ""
    return f"{shown} nats a token is {word} than the {asked} that a record is asked for{whole}"


def _documents(pair: Pair, lies: Documents) -> Iterator[Block]:
    tied = f", {100 * lies.tied:.1f} % equal" if lies.tied else ""
    low, high = (number(bound, "BPB") for bound in lies.on_others_99_bpb)
    yield Pairs(
        [
            (
                f"{pair.second} is better at",
                f"{100 * lies.won:.1f} % of {lies.documents:,} documents, which are "
                f"{100 * lies.won_bytes:.1f} % of the text{tied}",
            ),
            (
                "on other documents",
                f"{low} to {high} BPB: the 99 % interval with the documents drawn anew, too",
            ),
        ]
    )
    less = f"{pair.second} less {pair.first}"
    yield _dim(f"{less} by document, each in bits per byte of its own text; quantiles:")
    yield Table(
        tuple(f"{100 * level:g} %" for level in lies.levels),
        0,
        [Row(tuple(number(value, "BPB") for value in lies.quantiles_bpb))],
    )
    yield _dim(f"{less} by the length of documents, about as many of them in each row:")
    yield Table(
        ("documents of at most", *_PARTS),
        1,
        [_part(f"{part.largest_bytes:,} bytes", part) for part in lies.sizes],
    )
    yield _dim(f"{less} along the validation stream, in stretches of whole documents:")
    yield Table(
        ("stretch", *_PARTS),
        1,
        [_part(f"{place}", part) for place, part in enumerate(lies.stretches, start=1)],
    )


_PARTS = ("documents", "of the text", "BPB", "of the whole, BPB")


def _part(name: str, part: Share) -> Row:
    return Row(
        (
            name,
            number(part.documents),
            f"{100 * part.text:.1f} %",
            number(part.difference_bpb, "BPB"),
            number(part.of_difference_bpb, "BPB"),
        )
    )


def _dim(text: str) -> Block:
    return Paragraph(Words(text, "dim"))


_TIMES = ("", "train s", "longest", "of limit", "score s", "tokens a s")
_BYTES = ("", "counted B", "of limit", "artifact B", "code B", "gap BPB", "doubts BPB")


def _times(recipe: Recipe) -> Row:
    longest, limit = recipe.most_train_seconds, recipe.train_limit_seconds
    rate = recipe.tokens_per_second
    return Row(
        (
            recipe.label,
            _known(recipe.train_seconds, "s"),
            _known(longest, "s"),
            percent_used(longest, limit) if longest is not None and limit else "",
            _known(recipe.score_seconds, "s"),
            "" if rate is None else f"{rate:,.0f}",
        )
    )


def _bytes(recipe: Recipe) -> Row:
    counted = recipe.most_counted_bytes
    return Row(
        (
            recipe.label,
            _known(counted),
            percent_used(counted, recipe.bytes_limit) if counted is not None else "",
            _known(recipe.most_artifact_bytes),
            _known(recipe.code_bytes),
            _known(recipe.quantization_gap_bpb, "BPB"),
            number(recipe.doubt_bpb, "BPB") if recipe.doubt_bpb else "",
        )
    )


def _known(value: float | None, unit: str = "") -> str:
    return "" if value is None else number(value, unit)


def _checks(found: SideBySide) -> Iterator[Block]:
    if not found.checks:
        yield Paragraph("Every check has the same answer for all of them.")
        return
    headings = ("check", *(recipe.label for recipe in found.recipes))
    rows = []
    for each in found.checks:
        cells: list[Cell] = [plain(each.rule, NAME_LIMIT).replace("_", " ")]
        cells += [_answered(one) for one in each.answers]
        rows.append(Row(tuple(cells)))
    yield Table(headings, len(headings), rows)


def _answered(one: Answer) -> Words:
    if one.status is None:
        return Words("not asked", "dim")
    value, unit = one.measured, plain(one.unit, NAME_LIMIT)
    if value is None:
        return Words(one.status, one.status)
    figure = plain(value, NAME_LIMIT) if isinstance(value, str) else number(value, one.unit)
    return Words(f"{one.status}: {figure} {unit}".rstrip(), one.status)

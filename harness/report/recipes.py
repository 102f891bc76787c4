"""Two recipes side by side, drawn for terminals: a pure function of their comparison."""

from rich.console import RenderableType

from harness.judge.recipes import Compared, Documents, Side
from harness.report.blocks import (
    Block,
    Heading,
    Pairs,
    Paragraph,
    Row,
    Stack,
    Table,
    Words,
)
from harness.report.figures import number, odds
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
from harness.report.terminal import draw
from harness.safeio.text import plain

LEVEL = 0.01
"""A difference is said to be shown below this p, where the 99 % interval leaves out 0."""
_MOST_NAMES = 3


def comparison_table(compared: Compared) -> RenderableType:
    """The answer first, then both sides, the test, where it lies, and what to know before."""
    blocks: list[Block] = [
        Paragraph(Words(answer(compared), "strong")),
        Heading("Recipes"),
        Table(
            ("", "recipe", "runs", "mean BPB", "deviation", "verdicts"),
            2,
            [_side("A", compared.first), _side("B", compared.second)],
        ),
        Heading("Test"),
        _test(compared),
        Heading("Where it lies (not whether there is a difference)"),
    ]
    if compared.documents is None:
        blocks.append(Paragraph(Words(plain(compared.no_documents, DETAIL_LIMIT), "dim")))
    else:
        blocks += _documents(compared.documents)
    if compared.remarks:
        blocks.append(Heading("To know before"))
        blocks += [Paragraph(plain(remark, DETAIL_LIMIT)) for remark in compared.remarks]
    return draw(Stack(tuple(blocks)))


def answer(compared: Compared) -> str:
    """The answer in a sentence."""
    size, p = number(abs(compared.difference_bpb), "BPB"), number(compared.p, "p")
    if compared.p >= LEVEL:
        low, high = (number(bound, "BPB") for bound in compared.ci99_bpb)
        return (
            f"No difference is shown (p = {p}): B's mean less A's lies between {low} and {high} "
            "BPB with 99 % confidence."
        )
    better, worse = ("B", "A") if compared.difference_bpb < 0 else ("A", "B")
    return (
        f"{better} is better than {worse} by {size} BPB (p = {p}): if they were equal, so large a "
        f"difference would come up {odds(compared.p)}."
    )


def _side(name: str, side: Side) -> Row:
    names = [plain(each, NAME_LIMIT) for each in side.names[:_MOST_NAMES]]
    more = f" and {len(side.names) - _MOST_NAMES} more" if len(side.names) > _MOST_NAMES else ""
    words = dict.fromkeys(side.verdicts)
    verdicts = ", ".join(f"{side.verdicts.count(word)} {word}" for word in words)
    note = f"{side.left_out} without a score, left out" if side.left_out else ""
    cells = (
        name,
        ", ".join(names) + more,
        f"{len(side.scores)}",
        number(side.mean_bpb, "BPB"),
        "" if side.sd_bpb is None else number(side.sd_bpb, "BPB"),
        verdicts,
    )
    return Row(cells, note)


def _test(compared: Compared) -> Block:
    low, high = (number(bound, "BPB") for bound in compared.ci99_bpb)
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
    return Pairs(
        [
            ("dataset", f"{plain(compared.dataset, NAME_LIMIT)}, the same for both"),
            ("unit", "the seed run"),
            ("test", name),
            ("B less A", f"{number(compared.difference_bpb, 'BPB')} BPB = {nats} nats a token"),
            ("99 % interval", f"{low} to {high} BPB"),
            (
                "t, p",
                f"{compared.t:.3f} with {compared.degrees_of_freedom:.3g} degrees of freedom, "
                f"p = {number(compared.p, 'p')} (two-sided)",
            ),
        ]
    )


def _documents(lies: Documents) -> list[Block]:
    tied = f", {100 * lies.tied:.1f} % equal" if lies.tied else ""
    low, high = (number(bound, "BPB") for bound in lies.on_others_99_bpb)
    quantiles = Table(
        tuple(f"{100 * level:g} %" for level in lies.levels),
        0,
        [Row(tuple(number(value, "BPB") for value in lies.quantiles_bpb))],
    )
    return [
        Pairs(
            [
                (
                    "B is better at",
                    f"{100 * lies.won:.1f} % of {lies.documents:,} documents, which are "
                    f"{100 * lies.won_bytes:.1f} % of the text{tied}",
                ),
                (
                    "on other documents",
                    f"{low} to {high} BPB: the 99 % interval with the documents drawn anew, too",
                ),
            ]
        ),
        Paragraph(
            Words("B less A by document, each in bits per byte of its own text; quantiles:", "dim")
        ),
        quantiles,
    ]

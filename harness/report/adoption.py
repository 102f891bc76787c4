"""What a reading of scripts in upstream's layout found, drawn for people."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from harness.adopt.adoption import Adoption
from harness.adopt.many import Tally
from harness.contest.bridge import render_bridge
from harness.report.markdown import bullets, code, prose, table
from harness.safeio.text import plain

CLASSES = ("full", "adaptive", "reproduce", "none")
_STYLES = {"full": "green", "adaptive": "cyan", "reproduce": "yellow", "none": "red"}
_NAME, _SENTENCE = 60, 300
_HEADINGS = (
    "folder",
    "class",
    "artifact",
    "evaluation",
    "context",
    "stride",
    "vocabulary",
    "reason",
)


def show_adoption(adoption: Adoption, console: Console) -> None:
    """One folder: its class, its reasons, and each key of its bridge with where it comes from."""
    style = _STYLES[adoption.adoption]
    console.print(
        Text.assemble((plain(adoption.name, _NAME), "bold"), "  ", (adoption.adoption, style))
    )
    for title, sentences in (
        ("", adoption.reasons),
        ("not found", adoption.missing),
        ("note", adoption.warnings),
    ):
        for sentence in sentences:
            lead = f"{title}: " if title else ""
            console.print(Text(f"  {lead}{plain(sentence, _SENTENCE)}"))
    bridge = adoption.bridge
    if bridge is None:
        return
    console.print()
    rows = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for heading in ("key", "value", "why"):
        rows.add_column(heading, style="dim" if heading == "why" else "", overflow="fold")
    for key, value in bridge_rows(adoption):
        why = bridge.why.get(key, "default")
        rows.add_row(*(Text(plain(cell, _SENTENCE)) for cell in (key, value, why)))
    console.print(rows)


def bridge_rows(adoption: Adoption) -> list[tuple[str, str]]:
    """The keys of a bridge, dotted, and their values; those of an environment one by one."""
    if adoption.bridge is None:
        return []
    fields = adoption.bridge.model_dump(mode="json", exclude={"format", "why"}, exclude_none=True)
    rows: list[tuple[str, str]] = []
    for name, keys in fields.items():
        for key, value in keys.items():
            if isinstance(value, dict) and key == "env":
                rows += [(f"{name}.env.{inner}", str(text)) for inner, text in value.items()]
            elif value not in ("", [], {}, ()):
                shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                rows.append((f"{name}.{key}", shown))
    return rows


def show_many(adoptions: Iterable[Adoption], console: Console, tally: Tally) -> list[Adoption]:
    """A line for each folder, then how many there are of each class and for each reason."""
    kept = []
    for adoption in adoptions:
        tally.add(adoption)
        kept.append(adoption)
        name = plain(adoption.origin or adoption.name, _NAME)
        first = plain(adoption.reasons[0] if adoption.reasons else "", _SENTENCE)
        console.print(
            Text.assemble(
                f"{name:<{_NAME}}  ",
                (f"{adoption.adoption:<10}", _STYLES[adoption.adoption]),
                f"{plain(_asked(adoption), 46):<46}  ",
                (first, "dim"),
            ),
            soft_wrap=True,
        )
    console.print()
    for heading, rows in (("class", class_rows(tally)), ("reason", reason_rows(tally))):
        found = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 2))
        for name in (heading, "folders", "share"):
            found.add_column(name, justify="left" if name == heading else "right")
        for row in rows:
            found.add_row(*row)
        console.print(found)
        console.print()
    return kept


def _asked(adoption: Adoption) -> str:
    if adoption.evaluation is None:
        return ""
    windows = f" {adoption.context or '?'}/{adoption.stride or '?'}"
    return f"{adoption.evaluation}{windows} V{adoption.vocab or '?'}"


def class_rows(tally: Tally) -> list[tuple[str, str, str]]:
    """Each class with its count and share."""
    return [
        (name, f"{tally.classes[name]:,}", _share(tally.classes[name], tally)) for name in CLASSES
    ]


def reason_rows(tally: Tally) -> list[tuple[str, str, str]]:
    """Each reason with its count and share, the most frequent first."""
    return [
        (f"{name}: {reason}", f"{count:,}", _share(count, tally))
        for (name, reason), count in tally.reasons.most_common()
    ]


def _share(count: int, tally: Tally) -> str:
    return f"{100 * count / tally.total:.0f} %" if tally.total else "-"


def adoption_markdown(adoptions: Sequence[Adoption]) -> str:
    """A table of folders, and how many there are of each class."""
    tally = Tally.empty()
    for adoption in adoptions:
        tally.add(adoption)
    rows = [
        (
            code(one.origin or one.name, 120),
            one.adoption,
            code(one.artifact or "-", 80),
            code(one.evaluation or "-", 80),
            str(one.context or "-"),
            str(one.stride or "-"),
            str(one.vocab or "-"),
            prose(one.reasons[0] if one.reasons else "", _SENTENCE),
        )
        for one in adoptions
    ]
    counts = [f"{name}: {count} ({share})" for name, count, share in class_rows(tally)]
    reasons = [f"{prose(name, 100)}: {count}" for name, count, _ in reason_rows(tally)]
    parts = [table(_HEADINGS, rows, figures=3, notes=1), bullets(counts)]
    return "\n".join(parts + ([bullets(reasons)] if len(adoptions) > 1 else []))


def bridge_text(adoption: Adoption) -> bytes | None:
    """The bridge as it is written to a file."""
    return None if adoption.bridge is None else render_bridge(adoption.bridge)

"""Pages of the docs that name every key: of an entry, of a track, of all evidence."""

from pydantic import BaseModel

from harness.contest.manifest import Manifest
from harness.contest.track import Track
from harness.evidence import places
from harness.evidence.decisions import Decision
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.steps import STEPS, step_of
from harness.judge.verdict import Verdict
from harness.report.keys import Model, models_of, section_text, titles_of

STORED: tuple[tuple[str, type[BaseModel]], ...] = (
    (places.PLAN, Plan),
    (places.EVIDENCE, Run),
    ("decisions/N.json", Decision),
    (places.VERDICT, Verdict),
)
"""Files of a verification that are JSON, and what each is."""
ROOTS: tuple[type[BaseModel], ...] = (Manifest, Track, *(root for _, root in STORED))
_EVIDENCE_HEAD = """\
# Evidence

Every file of a verification and every key in them, made from the models by `make docs`. JSON
schemas of the same: [schema/](../schema/). Each file is written as soon as what it holds exists,
under another name first, so it is whole or absent. What it comes to: [verdicts](verdicts.md).

`val_bpb`, `bpb`: bits per byte of the text. Nats are natural-log units. Bytes are decimal. A key
that "may be left out" is null, or empty, where it says nothing.

## Files

One directory for each verification, `runs/<created>-<folder>-<track>/`:

| file | what |
|---|---|
| `{plan}` | what was fixed before the first run, all draws among it ([keys](#planjson)) |
| `{entry}/` | exactly the counted files, as they are mounted |
| `{bridge}/` | the referee's own lines about an entry in upstream's layout |
| `preparation/try-K/` | what is proven before any seed: a tokenizer, a bridge |
| `preparation/try-K/{normal}` | the normal form of the tokenizer that was proven |
| `seed-S/try-K/` | one try of one seed; a try begins when its directory is made |
| `reproduction-S/try-K/` | the same for a script that is run whole |
| `.../{evidence}` | what was measured, step by step ([keys](#evidencejson)) |
| `.../STEP.log` | what was printed in a step, bounded: {logs} |
| `.../STEP.npz` | `nats`, `bytes` and `targets` of every document: {documents} |
| `.../STEP.telemetry.npz` | what accelerators did: clocks, power, heat, reasons for lower clocks |
| `.../STEP.answers.npz` | answers until [another node](cluster.md) has asked again: {answers} |
| `.../artifact/`, `.../checkpoint/` | the sealed files |
| `seed-S/lock` | held by whoever makes a try of that draw, on any machine |
| `tasks/N.*` | what a launcher sent to nodes, and its end: no evidence ([cluster](cluster.md)) |
| `decisions/N.json` | what a person decided: no evidence ([keys](#decisionsnjson)) |
| `{verdict}` | the answers of the rules ([keys](#verdictjson)) |
| `{scorecard}` | the same for people, every check on a line of its own |
"""
_TRACKS_HEAD = """\
## Every key

Made from the models by `make docs`. Where a key is left out, it does not count in the track's
digest.

"""


def evidence_text() -> str:
    """The page about evidence."""
    head = _EVIDENCE_HEAD.format(
        plan=places.PLAN,
        entry=places.ENTRY,
        bridge=places.BRIDGE,
        normal=places.NORMAL_FORM,
        evidence=places.EVIDENCE,
        verdict=places.VERDICT,
        scorecard=places.SCORECARD,
        logs=", ".join(f"`{step.log}`" for step in STEPS if step.log),
        documents=", ".join(f"`{step.documents_file}`" for step in STEPS if step.documents_file),
        answers=", ".join(
            sorted(
                {f"`{step_of(step.asks_again).answers_file}`" for step in STEPS if step.asks_again}
            )
        ),
    )
    told = {model.source for model in models_of(Track)}
    parts = [head]
    for file, root in STORED:
        parts.append(f"## {file}\n")
        for model in models_of(root):
            if model.source not in told:
                told.add(model.source)
                parts.append(section_text(model))
    text = "\n".join(parts)
    for model in models_of(Track):  # they have a page of their own
        text = text.replace(f"](#{model.anchor})", f"](tracks.md#{model.anchor})")
    return text


def tracks_text() -> str:
    """The tables of a track's keys, as they stand in its file."""
    return _TRACKS_HEAD + _by_table(Track)


def manifest_text() -> str:
    """The tables of the keys of ``submission.toml``."""
    return _by_table(Manifest)


def _by_table(root: type[BaseModel]) -> str:
    titles = titles_of(root)
    return "\n".join(section_text(model, title=titles[model.source]) for model in models_of(root))


def documented() -> tuple[Model, ...]:
    """Every model whose keys are documented, each once."""
    found = {model.source: model for root in ROOTS for model in models_of(root)}
    return tuple(found.values())

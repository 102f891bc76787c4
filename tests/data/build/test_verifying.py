"""Ten kinds of damage and more, each refused by the command with a message of its own."""

import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.data.build.byte_audit import weigh
from harness.data.build.tokenizing import tokenize_documents
from harness.data.build.verifying import verify_dataset
from harness.data.format.dataset import DEMO_NAME, Dataset, open_dataset
from harness.data.format.documents import read_documents
from harness.data.format.shards import read_shard, write_shard
from harness.data.format.tokenizers import load_tokenizer
from harness.report.data import dataset_report, show_steps, weighing_report
from tests.data.build.test_tokenizing import FIELD
from tests.data.conftest import Folder
from tests.factories.playground import harness

RAW = ["  \ufb01ne,\n\nindeed\u2026 ", "already plain", "one  more", "also plain"]
FOLDED = "fineweb10B_folded"


@pytest.fixture
def folded(shared_data: Path, tmp_path: Path) -> Path:
    """A dataset of normalized text, such as the official one may be."""
    tokenize_documents(
        [*RAW, "train\ntext"],
        load_tokenizer(shared_data / "tokenizers" / FIELD[0]),
        tmp_path,
        name=FOLDED,
        validation_documents=len(RAW),
        source="test",
        text="normalized",
    )
    return tmp_path / FOLDED


def reseal(directory: Path) -> None:
    """Make sizes, digests and counts fit what is there, so that only the content can object."""
    import hashlib

    content = json.loads((directory / "manifest.json").read_bytes())
    for entry in content["files"]:
        path = directory / entry["path"]
        entry.update(
            bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest()
        )
        if entry["kind"].startswith("docs"):
            texts = [json.loads(line)["text"] for line in path.open("rb")]
            entry.update(documents=len(texts), text_bytes=sum(len(t.encode()) for t in texts))
            if entry["kind"] == "docs_val":
                content["totals"]["validation_bytes"] = entry["text_bytes"]
    (directory / "manifest.json").write_text(json.dumps(content))


def swap(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    reseal(path.parent)


def test_a_sound_dataset_is_described(dataset: Dataset) -> None:
    steps: list[tuple[str, int, int]] = []
    report = verify_dataset(dataset.directory, progress=lambda *step: steps.append(step))
    assert report.dataset == dataset
    assert report.text == "raw"
    assert report.published.exact == report.published.documents > 0
    assert report.published.bytes == dataset.facts().validation_bytes
    train = list(read_documents(dataset.directory / "docs_train.jsonl"))
    assert report.train_documents == len(train)
    assert report.seconds > 0
    assert {"checking digests", "checking documents", "counting train documents"} <= {
        what for what, _, _ in steps
    }
    outcome = harness("data", "verify", dataset.directory)
    assert outcome.code == 0
    assert f"{dataset.facts().validation_tokens:,}" in outcome.out
    assert dataset.digest in outcome.out
    assert "151,080,891" not in outcome.out, "figures of other data do not belong here"


def test_normalized_text_is_told_from_the_published(folded: Path) -> None:
    report = verify_dataset(folded)
    assert report.text == "normalized"
    assert (report.published.documents, report.published.exact) == (4, 2)
    assert report.published.bytes == sum(len(text.encode()) for text in RAW)
    assert report.published.first_changed.startswith("document 1, character 0 onwards")
    outcome = harness("data", "verify", folded)
    assert outcome.code == 0
    words = " ".join(outcome.out.split())
    assert "2 documents come back exactly as they were published, 2 only after" in words
    for canonical in ("50,000", "about 151,080,891", "63,779,840"):
        assert canonical in words


def test_a_text_that_is_not_the_published_one_normalized_is_refused(folded: Path) -> None:
    swap(folded / "docs_raw.jsonl", "one  more", "one  mode")
    open_dataset(folded.parent, FOLDED)  # the tokens and the text agree
    outcome = harness("data", "verify", folded)
    assert outcome.code == 3
    assert "docs_raw.jsonl:3: normalized, it is not line 3 of docs_val.jsonl" in outcome.err
    assert "character 6 onwards: expected 're', decoded 'de'" in outcome.err


def test_bytes_cannot_be_moved_with_text_and_documents_together(folded: Path) -> None:
    """Both texts changed alike: then the tokens object."""
    swap(folded / "docs_raw.jsonl", "already plain", "already plain but longer")
    swap(folded / "docs_val.jsonl", "already plain", "already plain but longer")
    outcome = harness("data", "verify", folded)
    assert outcome.code == 3
    assert "docs_val.jsonl:2: not what tokens" in outcome.err


def edit_header(folder: Folder, place: int, value: int) -> None:
    content = bytearray(folder.val.read_bytes())
    content[4 * place : 4 * place + 4] = value.to_bytes(4, "little")
    folder.val.write_bytes(content)
    folder.reseal()


def edit_tokens(folder: Folder, change: Callable[[np.ndarray], np.ndarray]) -> None:
    write_shard(folder.val, change(np.array(read_shard(folder.val, vocabulary_size=1024))))
    folder.reseal()


def second_bos(tokens: np.ndarray) -> int:
    return int(np.flatnonzero(tokens == 1)[1])


def one_less_byte(folder: Folder) -> None:
    folder.val.write_bytes(folder.val.read_bytes()[:-1])
    content = json.loads(folder.manifest.read_bytes())
    folder.entry(content, "val")["bytes"] -= 1
    folder.manifest.write_text(json.dumps(content))


DAMAGE: list[tuple[str, Callable[[Folder], object], str]] = [
    ("magic", lambda f: edit_header(f, 0, 20240521), "wrong magic at byte offset 0"),
    ("version", lambda f: edit_header(f, 1, 2), "wrong version at byte offset 4"),
    ("count", lambda f: edit_header(f, 2, 7), "bytes too many from byte offset"),
    ("half a token", one_less_byte, "tokens need"),
    (
        "range",
        lambda f: edit_tokens(f, lambda t: np.where(t == t[3], np.uint16(2000), t)),
        "is beyond the vocabulary of 1024",
    ),
    (
        "document lost",
        lambda f: edit_tokens(f, lambda t: t[second_bos(t) :]),
        "BOS in the validation stream; the manifest says",
    ),
    (
        "BOS lost",
        lambda f: edit_tokens(f, lambda t: np.delete(t, second_bos(t))),
        "BOS in the validation stream; the manifest says",
    ),
    ("tail lost", lambda f: edit_tokens(f, lambda t: t[:-3]), "of the validation stream say"),
    (
        "tokens swapped",
        lambda f: edit_tokens(f, lambda t: np.concatenate([t[:1], t[2:9], t[1:2], t[9:]])),
        ":1: not what tokens 0 to",
    ),
    ("bytes", lambda f: f.reseal(text_bytes=151_080_891), "the manifest says 151080891"),
    ("documents", lambda f: f.documents.write_bytes(b"\n"), "the manifest says"),
    ("bit rot", lambda f: f.train.write_bytes(f.train.read_bytes()[::-1]), "sha256 is"),
    ("no manifest", lambda f: f.manifest.unlink(), "there is no dataset"),
    ("no shard", lambda f: f.val.unlink(), "missing"),
    ("text rule", lambda f: f.edit_manifest(lambda c: c.update(text="folded")), "text: "),
    (
        "no published text",
        lambda f: f.edit_manifest(lambda c: c.update(text="normalized")),
        "must list one file of kind docs_raw",
    ),
]


@pytest.mark.parametrize(("damage", "problem"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_damage_is_refused(
    folder: Folder, damage: Callable[[Folder], object], problem: str
) -> None:
    damage(folder)
    outcome = harness("data", "verify", folder.path)
    assert outcome.code == 3
    assert problem in outcome.err
    assert "remedy:" in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_published_documents_need_the_rule_that_uses_them(folded: Path) -> None:
    content = json.loads((folded / "manifest.json").read_bytes())
    (folded / "manifest.json").write_text(json.dumps({**content, "text": "raw"}))
    outcome = harness("data", "verify", folded)
    assert outcome.code == 3
    assert "none where it is raw" in outcome.err


def test_a_directory_under_another_name_is_refused(folder: Folder) -> None:
    shutil.move(folder.path, folder.root / "renamed")
    outcome = harness("data", "verify", folder.root / "renamed")
    assert outcome.code == 3
    assert f"expected 'renamed', found '{DEMO_NAME}'" in outcome.err


@pytest.mark.parametrize("width", [40, 80, 160])
def test_reports_fit_any_width(dataset: Dataset, width: int) -> None:
    out = StringIO()
    console = Console(file=out, width=width, highlight=False)
    console.print(dataset_report(verify_dataset(dataset.directory)))
    tokenizer = load_tokenizer(dataset.tokenizer_path)
    console.print(weighing_report(weigh(["fine", "  \x1b[31mred\u202e"], tokenizer)))
    shown = out.getvalue()
    assert all(len(line) <= width for line in shown.splitlines())
    assert f"{dataset.facts().validation_bytes:,}" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_progress_without_a_terminal_is_a_line_at_times() -> None:
    now = 0.0
    out = StringIO()
    with show_steps(Console(file=out, width=80), clock=lambda: now) as step:
        for number in range(100):
            now = float(number)
            step("reading\x1b[2J", number, 100)
        step("counting", 0, 1)
    assert out.getvalue().splitlines() == [
        "reading[2J",
        *(f"reading[2J, {number} %" for number in range(10, 100, 10)),
        "counting",
    ]


def test_progress_on_a_terminal_is_a_bar() -> None:
    out = StringIO()
    console = Console(file=out, width=80, force_terminal=True, legacy_windows=False)
    with show_steps(console) as step:
        step("reading [red]", 50, 100)
        step("reading [red]", 100, 100)
    assert "reading [red]" in out.getvalue()
    assert "100 %" in out.getvalue()

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.format.dataset import Dataset
from harness.data.format.manifest import Manifest, load_manifest
from harness.errors import InfrastructureError
from tests.data.conftest import Folder

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=12,
)


def parse(content: bytes) -> Manifest:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "manifest.json")
        path.write_bytes(content)
        return load_manifest(path)


def test_reading_gives_back_what_was_written(dataset: Dataset) -> None:
    manifest = load_manifest(dataset.directory / "manifest.json")
    assert manifest == dataset.manifest
    assert parse(manifest.to_json()) == manifest
    assert parse(manifest.canonical()) == manifest


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_rubbish_is_refused_and_nothing_else(content: bytes) -> None:
    with pytest.raises(InfrastructureError) as error:
        parse(content)
    assert "manifest.json" in error.value.message
    assert error.value.message.isprintable()


@given(data=st.data(), value=json_values)
def test_any_change_of_one_value_is_refused_or_makes_sense(
    dataset: Dataset, data: st.DataObject, value: Any
) -> None:
    content = json.loads(dataset.manifest.to_json())
    place = content
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else [0, 1]))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    try:
        manifest = parse(json.dumps(content).encode())
    except InfrastructureError as error:
        assert error.message.isprintable()
    else:
        assert json.loads(manifest.canonical())["format"] == 1


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"format": 1', b"\xff\xfe{}", b"NaN"])
def test_malformed_json_is_named(content: bytes) -> None:
    with pytest.raises(InfrastructureError, match=r"manifest\.json(:1)?: \(whole file\): "):
        parse(content)


def set_first_path(path: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["files"][0].update(path=path)


EDITS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("unknown key", lambda c: c.update(color=1), "color: unknown key"),
    ("deep unknown key", lambda c: c["files"][0].update(x=1), "files.0.x: unknown key"),
    ("missing key", lambda c: c.pop("bos_id"), "bos_id: missing"),
    ("other format", lambda c: c.update(format=2), "format: "),
    ("text for a count", lambda c: c.update(vocabulary_size="1024"), "vocabulary_size: "),
    ("whole float", lambda c: c["files"][0].update(bytes=3.0), "files.0.bytes: "),
    ("true for a count", lambda c: c.update(bos_id=True), "bos_id: "),
    ("vocabulary", lambda c: c.update(vocabulary_size=65537), "vocabulary_size: "),
    ("BOS beyond vocabulary", lambda c: c.update(bos_id=1024), "bos_id 1024 is beyond"),
    ("negative size", lambda c: c["files"][0].update(bytes=-1), "files.0.bytes: "),
    ("short digest", lambda c: c["files"][0].update(sha256="00"), "files.0.sha256: "),
    ("kind", lambda c: c["files"][0].update(kind="test"), "files.0.kind: "),
    ("NaN", lambda c: c["baselines"].update(unigram=math.nan), "baselines.unigram: "),
    ("infinity", lambda c: c["baselines"].update(unigram=math.inf), "baselines.unigram: "),
    ("name", lambda c: c.update(name="../x"), "name: "),
    ("parent", set_first_path("train/../val/x.bin"), "files.0.path: "),
    ("outside", set_first_path("../x.bin"), "files.0.path: "),
    ("absolute", set_first_path("/etc/passwd"), "files.0.path: "),
    ("dot", set_first_path("./train/x.bin"), "files.0.path: "),
    ("double slash", set_first_path("train//x.bin"), "files.0.path: "),
    ("backslash", set_first_path("train\\x.bin"), "files.0.path: "),
    ("newline", set_first_path("train/x.bin\n"), "files.0.path: "),
    ("other folder", set_first_path("val/x.bin"), "must lie directly in train/"),
    ("deeper folder", set_first_path("train/a/x.bin"), "must lie directly in train/"),
    ("twice", lambda c: c["files"].append(c["files"][0]), "a path is listed twice"),
    ("no files", lambda c: c.update(files=[]), "must list the tokenizer"),
    ("tokenizer", lambda c: c.update(tokenizer="tokenizer/x.model"), "must list the tokenizer"),
    ("no shards", lambda c: c["files"].pop(0), "at least one train and one val shard"),
    ("no documents", lambda c: c["files"].pop(4), "exactly one file of kind docs_val"),
    ("no tokens", lambda c: c["files"][0].pop("tokens"), "tokens must be given for shards"),
    ("tokens", lambda c: c["files"][0].update(tokens=1), "1 tokens need 1026 bytes"),
    ("no count", lambda c: c["files"][4].pop("documents"), "must be given for document files"),
    ("total", lambda c: c["totals"].update(train_tokens=5), "train_tokens is 5, the files add up"),
    ("bytes", lambda c: c["totals"].update(validation_bytes=5), "validation_bytes is 5, the "),
    ("nothing", lambda c: c["totals"].update(validation_documents=0), "validation_documents: "),
]


@pytest.mark.parametrize(("edit", "problem"), [e[1:] for e in EDITS], ids=[e[0] for e in EDITS])
def test_nonsense_is_named(
    folder: Folder, edit: Callable[[dict[str, Any]], None], problem: str
) -> None:
    folder.edit_manifest(edit)
    with pytest.raises(InfrastructureError) as error:
        load_manifest(folder.manifest)
    assert str(folder.manifest) in error.value.message
    assert problem in error.value.message
    assert error.value.message.isprintable()


def test_many_problems_are_cut_short(folder: Folder) -> None:
    folder.edit_manifest(lambda c: c.update({f"\x1b[31m{i}": i for i in range(50)}))
    with pytest.raises(InfrastructureError, match="and 40 more") as error:
        load_manifest(folder.manifest)
    assert "\x1b" not in error.value.message


def test_the_digest_is_of_the_content(dataset: Dataset, folder: Folder) -> None:
    folder.edit_manifest(lambda content: None)
    same = Dataset(folder.path, load_manifest(folder.manifest))
    assert folder.manifest.read_bytes() != dataset.manifest.to_json()
    assert same.digest == dataset.digest
    folder.edit_manifest(lambda content: content["baselines"].update(unigram=3.5))
    assert Dataset(folder.path, load_manifest(folder.manifest)).digest != dataset.digest


@pytest.mark.parametrize(
    ("text", "raw_documents", "good"),
    [("raw", None, True), ("normalized", 0, True), ("normalized", 1, False), ("raw", 0, False)],
)
def test_published_documents_are_listed_where_the_text_is_normalized(
    dataset: Dataset, text: str, raw_documents: int | None, good: bool
) -> None:
    content = json.loads(dataset.manifest.to_json())
    content["text"] = text
    if raw_documents is not None:
        entry = next(e for e in content["files"] if e["kind"] == "docs_val")
        extra = {"path": "docs_raw.jsonl", "kind": "docs_raw"}
        extra["documents"] = entry["documents"] + raw_documents
        content["files"].append({**entry, **extra})
    if good:
        assert parse(json.dumps(content).encode()).text == text
    else:
        with pytest.raises(InfrastructureError, match="must list one file of kind docs_raw"):
            parse(json.dumps(content).encode())

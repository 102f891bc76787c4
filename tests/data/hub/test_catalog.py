"""What a repository says of itself, and files of pins: a stranger's JSON, bounded and checked."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.data.hub.catalog import load_catalog
from harness.data.hub.pins import load_pins
from harness.errors import InfrastructureError, UsageError
from tests.data.format.test_manifest import json_values

READERS: list[Callable[[Path], object]] = [load_catalog, load_pins]


def parse(reader: Callable[[Path], object], content: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "given.json")
        path.write_bytes(content)
        return reader(path)


@settings(max_examples=60)
@given(content=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@example(content=b"[" * 100_000)
@example(content=b'{"datasets": [{"name": "\\u001b[31m"}]}')
@pytest.mark.parametrize("reader", READERS)
def test_rubbish_is_refused_and_nothing_else(
    reader: Callable[[Path], object], content: bytes
) -> None:
    with pytest.raises(InfrastructureError) as error:
        parse(reader, content)
    assert "given.json" in error.value.message
    assert error.value.message.isprintable()


@settings(max_examples=60)
@given(value=json_values, key=st.sampled_from(["name", "tokenizer_name", "stats", "path"]))
def test_any_value_is_refused_or_leads_to_paths_in_the_repository(key: str, value: Any) -> None:
    dataset = {"name": "a", "tokenizer_name": "t", "stats": {"files_train": 1, "files_val": 1}}
    tokenizer = {"name": "t", "path": value if key == "path" else "tokenizers/t.model"}
    content = {"datasets": [{**dataset, key: value}], "tokenizers": [tokenizer]}
    try:
        catalog = parse(load_catalog, json.dumps(content).encode())
        found = catalog.dataset("a")
        path = catalog.tokenizer_path(found)
    except (InfrastructureError, UsageError) as error:
        assert str(error).replace("\n", "").isprintable()
        return
    assert found.shard("val", 3) == "datasets/a/fineweb_val_000003.bin"
    assert not path.startswith("/")
    assert ".." not in path.split("/")


def test_pins_come_back_as_they_were_written() -> None:
    content = {
        "repository": "a/b",
        "commit": "0" * 40,
        "files": [{"path": "x/y.bin", "bytes": 3, "sha256": "f" * 64}],
    }
    pins = parse(load_pins, json.dumps(content).encode())
    assert parse(load_pins, pins.to_json()) == pins
    assert pins.of("x/y.bin").bytes == 3
    assert pins.of("x/z.bin") is None
    changes: list[dict[str, object]] = [
        {"commit": "main"},
        {"repository": "ab"},
        {"files": [{}]},
        {"more": 1},
    ]
    for change in changes:
        with pytest.raises(InfrastructureError):
            parse(load_pins, json.dumps({**content, **change}).encode())

"""Tensors of artifacts: read in the forms that say what they hold, and never run."""

import io
import json
import pickle
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePath

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.store import RunDirectory
from harness.report.exhibits.model import MOST_TENSORS, Weights
from harness.report.exhibits.weights import NOT_READABLE, NOT_THERE, weights_of
from tests.factories.broken import PLAN


def found_in(content: bytes) -> Weights | str:
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "model.bin").write_bytes(content)
        return weights_of(RunDirectory(path=Path(place), plan=PLAN), PurePath("model.bin"))


def safetensors(tensors: dict[str, tuple[str, int]]) -> bytes:
    directory: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (kind, size) in tensors.items():
        directory[name] = {"dtype": kind, "shape": [size], "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(directory).encode()
    return len(head).to_bytes(8, "little") + head + bytes(offset)


def streamed(tensors: object) -> bytes:
    head = json.dumps({"config": {}, "tensors": tensors}).encode()
    return b"MAGIC001" + zlib.compress(head + b"\n" + bytes(1_000))


def framed(tensors: object) -> bytes:
    head = json.dumps({"config": {}, "tensors": tensors}).encode()
    return b"MAGIC001" + zstandard.compress(head) + bytes(100)


def arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, large=np.zeros(500), small=np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "form", "compressed", "expected"),
    [
        (
            safetensors({"a": ("F16", 10), "b": ("I8", 90)}),
            "safetensors",
            False,
            [("b", "I8", 90), ("a", "F16", 10)],
        ),
        (
            streamed({"a": ["<f4", [3, 4]], "b": ["|i1", [100]]}),
            "zlib of a directory and tensors",
            True,
            [("b", "|i1", 100), ("a", "<f4", 48)],
        ),
        (
            framed({"a": ["int6", "float16", [3, 4], 17], "b": ["float32", "", [9], 40]}),
            "a frame for each tensor",
            False,
            [("b", "float32", 40), ("a", "int6", 17)],
        ),
    ],
)
def test_tensors_are_told_largest_first(
    content: bytes, form: str, compressed: bool, expected: list[tuple[str, str, int]]
) -> None:
    found = found_in(content)
    assert isinstance(found, Weights)
    assert (found.format, found.compressed) == (form, compressed)
    assert [(each.name, each.kind, each.stored_bytes) for each in found.tensors] == expected


def test_an_archive_tells_its_files() -> None:
    found = found_in(arrays())
    assert isinstance(found, Weights)
    assert [each.name for each in found.tensors] == ["large.npy", "small.npy"]


def test_of_many_tensors_the_small_ones_are_counted() -> None:
    found = found_in(safetensors({f"t{n}": ("I8", n) for n in range(1, MOST_TENSORS + 11)}))
    assert isinstance(found, Weights)
    assert (len(found.tensors), found.left_out) == (MOST_TENSORS, 10)
    assert found.left_out_bytes == sum(range(1, 11))


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (pytest.fail, ("an artifact was unpickled",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MAGIC001",
        pickle.dumps(Bomb()),
        b"PK\x03\x04" + bytes(100),
        (1 << 60).to_bytes(8, "little") + b"{}",
        safetensors({"a": ("F16", 10)})[:30],
        safetensors({"a": ("F16", 1 << 10)}).replace(b"1024", b"-999"),
        streamed({"a": ["no such type", [1]]}),
        streamed({"a": ["<f4", [10**9] * 16]}),
        streamed({"a": ["<f4", [-1]]}),
        streamed(["a"]),
        streamed({}),
        framed({"a": []}),
        framed({"a": 7}),
        framed(None),
        b"MAGIC001" + zlib.compress(b"[" * 2_000_000),
        b"MAGIC001" + zlib.compress(bytes(64 << 20)),
        b"MAGIC001" + zstandard.compress(bytes(64 << 20)),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(content: bytes) -> None:
    assert found_in(content) == NOT_READABLE


def test_an_archive_with_an_endless_list_is_not_opened() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(50_000):
            archive.writestr(f"{number:060}", b"")
    assert found_in(file.getvalue()) == NOT_READABLE


def test_a_missing_artifact_is_said_to_be_so(tmp_path: Path) -> None:
    directory = RunDirectory(path=tmp_path, plan=PLAN)
    assert weights_of(directory, PurePath("model.bin")) == NOT_THERE


def test_names_are_made_plain_and_short() -> None:
    found = found_in(safetensors({"\u202e<b>\n" + "W" * 10_000: ("\x1b[31mF16", 10)}))
    assert isinstance(found, Weights)
    (tensor,) = found.tensors
    assert tensor.name.startswith("<b> WWW")
    assert len(tensor.name) <= 80
    assert "\x1b" not in tensor.kind


START = st.sampled_from([b"", b"MAGIC001", b"PK\x03\x04", b"\x78\xda", b"\x28\xb5\x2f\xfd"])


@given(START, st.binary(max_size=300))
def test_any_bytes_are_an_artifact(start: bytes, rest: bytes) -> None:
    found_in(start + rest)


TOLD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(TOLD, st.sampled_from([streamed, framed]))
def test_any_directory_is_read_or_refused(told: object, form: Callable[[object], bytes]) -> None:
    found_in(form(told))

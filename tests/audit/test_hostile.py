"""Records made to break their reader: each of them still gets an audit, in a short time."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.upstream.folder import BrokenFileError, parse_object
from harness.upstream.logs.lexing import LINE_BYTES, cleaned, pairs
from harness.upstream.logs.log_vocabulary import GPU, GPU_ROW, STEP, took
from tests.audit.records import audited, checked, failing, log, write_record

TRAINING = b"step:1/9 train_loss:6.9 train_time:1ms\n"
LONG_LINES = {
    "letters": b"a" * LINE_BYTES,
    "keys": b"val_bpb:" * 1024,
    "words": b"x " * 4096,
    "digits": b"val_bpb:" + b"1" * LINE_BYTES,
    "spaces": b"val_bpb" + b" " * LINE_BYTES,
    "escapes": b"val_bpb\x1b[" * 900,
    "prefixes": b"[rank0]: " * 900,
    "glued": b"INFO:a:" * 1100,
    "gpus": b"NVIDIA A " * 900,
    "took": b"gptq in (" * 900,
    "rows": b"| 0 " * 2000,
    "dots": b"quantized in " + b"1." * 4000,
    "commas": b"val_bpb:1" + b",1" * 4000,
    "progress": b"val_bpb 1/1 " * 600,
}


def test_a_single_line_of_fifty_megabytes(tmp_path: Path) -> None:
    def spent(repeats: int) -> float:
        folder = write_record(tmp_path, logs={"train.log": b"val_bpb:1" * repeats}, claims="{}")
        began = time.process_time()
        assert audited(folder).status == "fail"
        return time.process_time() - began

    spent(1)
    # Ten times the length: a quadratic reader takes a hundred times as long.
    assert spent(5_600_000) < 50 * spent(560_000) + 2


@pytest.mark.parametrize("name", LONG_LINES)
def test_time_is_linear_in_hostile_lines(tmp_path: Path, name: str) -> None:
    line = LONG_LINES[name]

    def spent(length: int) -> float:
        text = cleaned(line[:length])
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            for _ in range(20):
                list(pairs(text))
                for pattern in (STEP, GPU, GPU_ROW):
                    pattern.search(text)
                took(text)
            best = min(best, time.process_time() - began)
        return best

    spent(256)
    # Eight times the length: a quadratic reader takes sixty-four times as long.
    assert spent(8000) < 40 * spent(1000) + 0.2
    folder = write_record(tmp_path, logs={"train.log": TRAINING + (line + b"\n") * 40}, claims="{}")
    assert "could not be audited" not in checked(folder, "runs").sentence


@pytest.mark.parametrize(
    "claims",
    [
        "",
        "[]",
        "null",
        "nonsense",
        '{"val_bpb": NaN}',
        '{"val_bpb": Infinity}',
        '{"val_bpb": 1e999}',
        '{"val_bpb": ' + "9" * 5000 + "}",
        '{"a": ' * 3000 + "1" + "}" * 3000,
        "[" * 200_000,
        '{"val_bpb": "' + "1" * 100_000 + '"}',
        '{"val_bpb": {"val_bpb": 1.0}}',
        '{"val_bpb": true, "seeds": {"x": []}, "date": 7, "bytes_total": -1}',
        '{"seeds": [' + ",".join(["1"] * 50_000) + "]}",
        '{"val_bpb": 1.1, "val_bpb": 1.2}',
        "\ufeff{}",
        '{"val_bpb": 1.1, "date": "\\ud800", "name": "\\udfff", "seeds": ["\\ud800"]}',
    ],
    ids=range(17),
)
def test_claims_of_any_kind(tmp_path: Path, claims: str) -> None:
    audit = audited(write_record(tmp_path, claims=claims))
    assert "could not be audited" not in str(audit.checks)
    json.loads(audit.model_dump_json())


def test_claims_that_are_no_utf8_or_too_large(tmp_path: Path) -> None:
    for i, content in enumerate(
        (b'{"val_bpb": 1.0, "\xff": 1}', b'{"a":"' + b"x" * (2 << 20) + b'"}')
    ):
        folder = write_record(tmp_path / str(i))
        (folder / "submission.json").write_bytes(content)
        assert "json" in failing(audited(folder))


@settings(max_examples=150)
@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda b: b.decode("latin-1")))
def test_any_text_is_an_object_or_a_reason(text: str) -> None:
    try:
        assert isinstance(parse_object(text.encode("utf-8", "surrogatepass")), dict)
    except BrokenFileError as error:
        assert str(error)


FUZZ_LINES = st.lists(
    st.sampled_from(log(1.1).splitlines())
    | st.text(max_size=60)
    | st.sampled_from(
        ["val_bpb:", "step:9999999999/1", "seed: 9" + "9" * 40, "tokens:-1", "=" * 99]
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(FUZZ_LINES)
def test_any_lines_are_an_audit(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("record")
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    audit = audited(write_record(folder, logs={"train.log": text}))
    json.loads(audit.model_dump_json())
    assert audit.status in ("pass", "fail", "unknown")


def test_odd_files_and_names(tmp_path: Path) -> None:
    folder = write_record(tmp_path / "record")
    os.mkfifo(folder / "pipe.log")
    (folder / "unreadable.log").mkdir()
    (folder / "loop").symlink_to(folder)
    (folder / "gone.log").symlink_to("nowhere")
    odd = b"bad\xff\x1b[31m\n::error::name.log"
    (folder / os.fsdecode(odd)).write_text(log(1.2, seed=9))
    deep = folder / "/".join(["d"] * 30)
    deep.mkdir(parents=True)
    (deep / "deep.log").write_text(log(0.1))
    audit = audited(folder)
    assert "outside" in failing(audit)
    assert all(run.val_bpb != 0.1 for run in audit.runs)
    json.loads(audit.model_dump_json())


def test_many_runs_and_rows_are_bounded(tmp_path: Path) -> None:
    many = "".join(f"seed:7\nfinal val_loss:2.0 val_bpb:1.{i:04d}\n" for i in range(3000))
    rows = (
        "| seed | " + "val_bpb | " * 40 + "\n|---|\n" + ("| 7 |" + " 1.5555 |" * 40 + "\n") * 2000
    )
    folder = write_record(tmp_path, logs={f"{i}.log": many for i in range(30)}, readme=rows)
    audit = audited(folder)
    assert len(audit.runs) < 600
    found = next(each for each in audit.checks if each.id == "runs")
    assert found.status == "unknown" and "not read to the end" in found.sentence


def test_many_files_are_bounded(tmp_path: Path) -> None:
    folder = write_record(tmp_path)
    for i in range(400):
        (folder / f"part{i}.log").write_text("nothing\n")
    assert checked(folder, "runs").status == "unknown"  # not all were read, and it says so


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        '{"a": 1, "b": {"bytes": "x"}}',
        "{" * 9000,
        '{"../../x.log": {"bytes": 1}}',
        '{"\\ud800.log": {"bytes": 1}}',
    ],
)
def test_manifests_of_any_kind(tmp_path: Path, manifest: str) -> None:
    audit = audited(write_record(tmp_path, files={"MANIFEST.json": manifest}))
    assert "could not be audited" not in str(audit.checks)
    json.loads(audit.model_dump_json())

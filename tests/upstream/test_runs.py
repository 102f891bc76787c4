"""Logs in all the forms we could think of: the same figures must come out of each."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.upstream.logs.lexing import LINE_BYTES, cleaned, number, pairs
from harness.upstream.logs.logged import LoggedRun
from tests.audit.records import SCORES, SCRIPT, audited, log, loss_of, write_record


def runs_of(folder: Path, *texts: str | bytes) -> list[LoggedRun]:
    logs = {f"log{i}.txt": text for i, text in enumerate(texts)}
    return list(audited(write_record(folder, logs=logs, claims="{}")).runs)


def one(folder: Path, text: str | bytes) -> LoggedRun:
    (run,) = runs_of(folder, text)
    return run


PLAIN = log(1.0812345, seed=7)


def figures(run: LoggedRun) -> dict[str, object]:
    return run.model_dump(exclude={"line", "lines", "log", "hyperparameters", "evaluations"})


def test_every_figure_with_its_line(tmp_path: Path) -> None:
    run = one(tmp_path, PLAIN)
    lines = PLAIN.splitlines()
    assert (run.seed, run.val_bpb, run.metric) == (7, 1.0812345, "final_int8_zlib_roundtrip_exact")
    assert (run.model_bytes, run.code_bytes) == (15_000_000, len(SCRIPT))
    assert run.total_bytes == 15_000_000 + len(SCRIPT)
    assert (run.train_seconds, run.eval_seconds, run.steps) == (599.9, 70.0, 6000)
    assert (run.tokens, run.world_size, run.gpus) == (62_021_846, 8, 8)
    assert (run.gpu, run.torch, run.python) == ("NVIDIA H100 80GB HBM3", "2.9.1+cu128", "3.12.3")
    assert len(run.first_losses) == 3
    assert run.hyperparameters["train_seq_len"] == "1024"
    assert run.line and "_exact" in lines[run.line - 1]
    for name, text in {
        "seed": "seed:7",
        "total_bytes": "Total submission size int8",
        "model_bytes": "Serialized model int8",
        "code_bytes": "Code size",
        "train_seconds": "stopping_early",
        "steps": "stopping_early",
        "tokens": "val_loader",
        "gpu": "NVIDIA",
        "torch": "PyTorch",
        "world_size": "world_size",
    }.items():
        assert text in lines[run.lines[name] - 1], name


@pytest.mark.parametrize(
    "prefix",
    [
        "[rank0]: ",
        "[rank0]:",
        "[2026-03-18 14:38:12] ",
        "2026-03-18T14:38:12.123Z ",
        "2026-03-18 14:38:12,123 - INFO - ",
        "INFO:root:",
        "[1,0]<stdout>: ",
        "0: ",
        "  12.345 ",
        "\x1b[32m",
        "> ",
    ],
)
def test_what_launchers_put_before_a_line_changes_nothing(tmp_path: Path, prefix: str) -> None:
    text = "".join(f"{prefix}{line}\n" for line in PLAIN.splitlines())
    assert figures(one(tmp_path / "a", text)) == figures(one(tmp_path / "b", PLAIN))


@pytest.mark.parametrize("change", ["crlf", "bom", "utf16", "noise", "ranks"])
def test_encodings_and_noise_change_nothing(tmp_path: Path, change: str) -> None:
    contents: dict[str, str | bytes] = {
        "crlf": PLAIN.replace("\n", "\r\n"),
        "bom": "\ufeff" + PLAIN,
        "utf16": PLAIN.encode("utf-16"),
        "noise": PLAIN.replace("\n", "\n\n").encode() + b"\xff\xfe\x00 bad bytes \x80\n",
        "ranks": "".join(f"[rank{i}]: {line}\n" for line in PLAIN.splitlines() for i in range(2)),
    }
    run = one(tmp_path, contents[change])
    assert (run.seed, run.val_bpb, run.total_bytes) == (7, 1.0812345, 15_000_000 + len(SCRIPT))
    assert (run.train_seconds, run.steps) == (599.9, 6000)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("final_sliding_window_exact val_loss:2.63 val_bpb:1.08123450 eval_time:72611ms", 72.611),
        ("final_sliding_window stride:64 val_loss:2.63 val_bpb:1.08123450 eval_time:72.6s", 72.6),
        ("quantized_ttt_phased val_loss: 2.63 val_bpb: 1.08123450 eval_time: 525719ms", 525.719),
        ("legal_ttt_exact val_loss=2.63 val_bpb=1.08123450 elapsed=407.5s", 407.5),
        ("Final val_bpb = 1.08123450, val_loss = 2.63 (took 72.6s)", 72.6),
        ("sliding window: val loss 2.63 | val bpb 1.08123450 | time 72.6s", None),
        ("ttt | val_loss | 2.63 | val_bpb | 1.08123450 |", None),
        ('{"event": "final", "val_loss": 2.63, "val_bpb": 1.08123450, "eval_time_ms": 9000}', 9.0),
        ("post_ttt_val_loss: 2.63\npost_ttt_val_bpb: 1.08123450", None),
        ("final_int6 val_loss:2.63\nval_bpb:1.08123450", None),
        ("Final BPB: 1.08123450 loss: 2.63", None),
        ("final bits per byte: 1.08123450 val_loss: 2.63", None),
        ("final_ttt_lora val_loss:2.63,val_bpb:1.08123450,eval_time:60031ms", 60.031),
    ],
)
def test_a_final_score_by_any_name(tmp_path: Path, line: str, seconds: float | None) -> None:
    run = one(tmp_path, log(1.2, seed=7, tail=line + "\n"))
    assert (run.val_bpb, run.val_loss) == (1.0812345, 2.63)
    if seconds is not None:
        assert run.eval_seconds == seconds


@pytest.mark.parametrize(
    "line",
    [
        "DIAGNOSTIC post_ema val_loss:2.0 val_bpb:1.0 eval_time:2ms",
        "diagnostic quantized val_loss:2.0 val_bpb:1.0 eval_time:2ms",
        "pre-quantization post-ema val_loss:2.0 val_bpb:1.0",
        "  ttt_chunk [1893/1893] bpb=1.0 time=407.5s",
        "ttt_progress: batch 505/782 batch_loss:2.7 batch_bpb:1.0605 running_bpb:1.0699",
        "baseline val_bpb: 1.2244",
        "delta_bpb: 0.5 improvement val_bpb: 0.9",
        "mean val_bpb over 3 seeds: 1.0",
        "val_bpb:enabled tokenizer_kind=sentencepiece",
        "sliding 50% val_bpb:1.0",
        "step:6000/20000 val_loss:2.0 val_bpb:1.0 train_time:1ms step_avg:1ms",
    ],
)
def test_what_is_no_final_score(tmp_path: Path, line: str) -> None:
    assert one(tmp_path, log(1.0812345, seed=7, tail=line + "\n")).val_bpb == 1.0812345


@pytest.mark.parametrize(
    "lines",
    [
        "Serialized model int6+zstd: 15,900,000 bytes\nCode size: 70,000 bytes\n"
        "Total submission size int6+zstd: 15,970,000 bytes",
        "Code size (uncompressed): 151766 bytes\nCode size (compressed): 70000 bytes\n"
        "Serialized model quantized+brotli: 15900000 bytes\n"
        "Total submission size quantized+brotli: 15970000 bytes",
        "model_bytes: 15900000 code_bytes: 70000 total_bytes: 15970000",
        "artifact:15.90MB code:70000\nquantized model: 15900000 bytes\nbudget:15970000/16000000",
        "code size 68.4 KB (70,000 bytes)\ncompressed model 15.9 MB (15,900,000 bytes)\n"
        "total submission size 15.97 MB (15,970,000 bytes), limit 16,000,000 bytes",
        "Code size: 70000 B\nQuantized size: 15900000 B\nTotal artifact size: 15970000 B",
        "Code size: 70000 bytes\nSerialized model int8+zlib: 15900000 bytes",
    ],
)
def test_sizes_by_any_name(tmp_path: Path, lines: str) -> None:
    text = re.sub(r"(?m)^(Serialized|Code|Total).*\n", "", PLAIN).replace(
        "final_int8_zlib_roundtrip val", f"{lines}\nfinal_int8_zlib_roundtrip val"
    )
    run = one(tmp_path, text)
    assert (run.total_bytes, run.model_bytes, run.code_bytes) == (15_970_000, 15_900_000, 70_000)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("stopping_early: wallclock_cap train_time: 588103ms step: 6000/20000", 588.103),
        ("training_time: 588.103s", 588.103),
        ("total_train_time=588.103 seconds", 588.103),
        ("train_time_s: 588.103", 588.103),
        ("Training completed in 588.103s", 588.103),
        ("training finished (588.103 s)", 588.103),
    ],
)
def test_the_clock_of_training_by_any_name(tmp_path: Path, line: str, seconds: float) -> None:
    text = re.sub(r" train_time:\d+ms", "", PLAIN).replace(
        "stopping_early: wallclock_cap step:6000/20000", line
    )
    run = one(tmp_path, text)
    assert (run.train_seconds, run.steps) == (seconds, 6000)


def test_a_clock_in_tenths_of_minutes_leaves_its_slack(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^(step|stopping).*\n", "", PLAIN).replace(
        "warmup_step:1/20\n",
        "1/20000 train_loss: 9.0 train_time: 0.0m tok/s: 8335076\n"
        "5000/20000 train_loss: 2.8 train_time: 10.0m tok/s: 8335076\n"
        "5178/20000 val_loss: 2.8 val_bpb: 1.1\n",
    )
    run = one(tmp_path, text)
    assert (run.steps, run.train_seconds) == (5178, 600.0)
    assert run.train_slack_seconds == pytest.approx(3.0)


def test_work_after_training(tmp_path: Path) -> None:
    work = (
        "gptq:reserving 12s, effective=588000ms\n"
        "quantized 66 layers in 35M parameters\n"
        "gptq:generated 64 sequences in 196.7s\n"
        "GPTQ:collected 67 Hessians in 3.5s\n"
        "ttt_lora:compile warmup done (122.0s)\n"
    )
    run = one(tmp_path, log(after=work))
    assert (run.post_train_seconds, run.compile_seconds) == pytest.approx((200.2, 122.0))
    whole = "serialize_wallclock: 281.5s\nartifact_production_wallclock: 844.6s (must be < 600.0)\n"
    run = one(tmp_path / "b", log(after=work + whole))
    assert (run.post_train_seconds, run.artifact_seconds) == (281.5, 844.6)


@pytest.mark.parametrize("prefix", ["", "[rank0]: ", "2026-03-18 14:38:12,123 - INFO - "])
@pytest.mark.parametrize("source", ["", "import os\n# final val_loss:2.0 val_bpb:0.5\nx = 1\n" * 9])
def test_several_runs_in_one_log(tmp_path: Path, prefix: str, source: str) -> None:
    text = "".join(log(bpb, seed=seed, source=source) for seed, bpb in SCORES.items())
    if not source:
        text = "".join(f"{prefix}{line}\n" for line in text.splitlines())
    runs = runs_of(tmp_path, text)
    assert {run.seed: run.val_bpb for run in runs} == SCORES
    assert len({run.line for run in runs}) == 3


def test_a_run_that_was_cut_off_and_begun_again(tmp_path: Path) -> None:
    cut = log(1.3, seed=1).partition("stopping_early")[0]
    runs = runs_of(tmp_path, cut + log(1.05, seed=2))
    assert [(run.seed, run.val_bpb) for run in runs] == [(1, None), (2, 1.05)]


def test_echoed_source_is_no_evidence(tmp_path: Path) -> None:
    lying = (
        "import os\nimport math\n\nclass Args:\n    seed = 99\n"
        '    """\nstep 1: nothing\n    final val_loss:1.0 val_bpb:0.5 eval_time:1ms\n    """\n'
        "# Total submission size int8+zlib: 12 bytes\nseed=98\nworld_size = 3\n"
    ) * 20
    run = one(tmp_path, log(1.0812345, seed=7, source=lying))
    assert figures(run) == figures(one(tmp_path / "b", PLAIN))
    titled = PLAIN.replace(
        "=\nRunning Python",
        "=\nSource code:\n" + "=" * 100 + "\n" + lying + "=" * 100 + "\nRunning Python",
    )
    assert figures(one(tmp_path / "c", titled)) == figures(run)


def test_scoring_apart_from_training_takes_the_figures_of_its_seed(tmp_path: Path) -> None:
    scoring = re.sub(
        r"(?m)^(step|stopping|Serialized|Code|Total|warmup).*\n", "", log(1.04, seed=7)
    )
    logs = {"train_seed7.log": PLAIN, "ttt/seed_7.log": scoring}
    runs = audited(write_record(tmp_path, logs=logs, claims='{"val_bpb": 1.04}')).runs
    trained, scored = runs
    assert (scored.val_bpb, scored.trained_in) == (1.04, "train_seed7.log")
    assert (scored.total_bytes, scored.steps) == (trained.total_bytes, trained.steps)


def test_a_summary_repeats_runs_and_is_none(tmp_path: Path) -> None:
    rows = "".join(
        f'{{\n "seed": {seed},\n "val_loss": {loss_of(bpb):.8f},\n "val_bpb": {bpb:.8f}\n}}\n'
        for seed, bpb in SCORES.items()
    )
    audit = audited(write_record(tmp_path, files={"summary.log": rows}))
    assert [run.copy_of for run in audit.runs if run.log == "summary.log"] == [
        f"train_seed{seed}.log" for seed in SCORES
    ]
    assert audit.claim.kind == "mean"


KEYS = st.sampled_from([":", "=", ": ", " = ", " : "])


@settings(max_examples=60)
@given(
    joint=KEYS,
    gap=st.sampled_from([" ", "  ", ", ", " | ", "\t"]),
    name=st.sampled_from(["final", "final_int6_sliding_window_exact", "legal_ttt", "quantized"]),
    bpb=st.integers(800_000_00, 2_000_000_00),
    milliseconds=st.integers(1, 999_999),
    decimals=st.integers(4, 8),
)
def test_pairs_survive_every_spelling(
    joint: str, gap: str, name: str, bpb: int, milliseconds: int, decimals: int
) -> None:
    score = f"{bpb / 1e8:.{decimals}f}"
    line = gap.join(
        [
            f"{name} val_loss{joint}2.5",
            f"val_bpb{joint}{score}",
            f"eval_time{joint}{milliseconds}ms",
        ]
    )
    found = {pair.key: pair.number for pair in pairs(cleaned(line.encode()))}
    assert found["val_bpb"] is not None and found["val_bpb"].value == float(score)
    assert found["val_bpb"].decimals == decimals
    assert found["eval_time"] is not None
    assert (found["eval_time"].value, found["eval_time"].unit) == (milliseconds, "ms")


@settings(max_examples=200)
@given(st.binary(max_size=2000))
def test_any_bytes_are_some_pairs(content: bytes) -> None:
    text = cleaned(content)
    assert len(text) <= LINE_BYTES
    for pair in pairs(text):
        assert pair.key
        assert pair.number is None or abs(pair.number.value) >= 0


@settings(max_examples=100)
@given(st.integers(0, 10**15))
def test_thousands_separators_are_no_part_of_a_figure(value: int) -> None:
    for text in (f"{value:,}", f"{value:_}", str(value), f"{value:,}bytes"):
        found = number(text)
        assert found is not None and found.integer == (value if value < 10**15 else None)

"""The train timeline is read from stamped logs, and survives whatever is in them."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.upstream.logs.timeline import timeline

EARLY = """\
    0.913 train_batch_tokens:524288 train_seq_len:1024 iterations:20000 warmup_steps:20
   21.400 seed:1337
   55.000 warmup_step:1/20
   59.650 warmup_step:20/20
   60.000 step:0/20000 val_loss:6.9370 val_bpb:4.0978 train_time:0ms step_avg:0.01ms
   60.100 step:1/20000 train_loss:6.9408 train_time:24ms step_avg:23.99ms
  561.750 step:13780/20000 val_loss:2.0606 val_bpb:1.2172 train_time:600038ms step_avg:43.54ms
  561.760 stopping_early: wallclock_cap train_time:600038ms step:13780/20000
  561.800 peak memory allocated: 10184 MiB reserved: 10200 MiB
  562.000 Serialized model: 67224983 bytes
  594.000 Serialized model int8+zlib: 15815847 bytes (payload:17178912)
  594.300 final_int8_zlib_roundtrip val_loss:2.0727 val_bpb:1.2244 eval_time:1401ms
"""
LATE = """\
    1.000 Hyperparameters:
    1.000   muon_momentum_warmup_steps: 1500
    1.000   warmup_steps: 20
   30.000 gptq:reserving 8.0s, effective=592000ms
   40.000 warmup_cu_buckets:64,128,192,256 iters_each:3
   50.000 warmup_step: 1/20
   70.000 loop_warmup_step: 20/20
   75.000 0/20000 val_loss: 9.0076 val_bpb: 4.1159
   75.100 1/20000 train_loss: 9.0087 train_time: 0.0m tok/s: 11886047
  500.000 4942/20000 val_loss: 2.3534 val_bpb: 1.0754
  504.000 GPTQ:collected 67 Hessians in 3.5s
  582.000 GPTQ:compressed+saved in 67.0s
"""


def spans(tmp_path: Path, content: str | bytes, total_seconds: float) -> dict[str, float]:
    log = tmp_path / "train.log"
    log.write_bytes(content.encode() if isinstance(content, str) else content)
    return {span.name: span.seconds for span in timeline(log, total_seconds=total_seconds)}


def close_to(**seconds: float) -> object:
    """Spans by keyword: ``start_up=21.4, compile_and_warm_up=3.0``."""
    hyphenated = {"start_up": "start-up", "compile_and_warm_up": "compile and warm-up"}
    return pytest.approx({hyphenated.get(k, k): v for k, v in seconds.items()}, abs=0.0015)


def test_the_earlier_spelling(tmp_path: Path) -> None:
    assert spans(tmp_path, EARLY, 596.0) == close_to(
        start_up=21.4, compile_and_warm_up=38.6, training=501.75, quantisation=34.25
    )


def test_the_later_spelling(tmp_path: Path) -> None:
    assert spans(tmp_path, LATE, 590.0) == close_to(
        start_up=30.0, compile_and_warm_up=45.0, training=425.0, quantisation=90.0
    )


def test_training_begins_before_its_first_line_by_the_time_it_claims(tmp_path: Path) -> None:
    log = "    2.000 seed: 1\n   12.000 step:100/500 train_loss:3.1 train_time:8000ms\n"
    log += "   17.500 step:200/500 train_loss:2.9 train_time:13500ms\n"
    assert spans(tmp_path, log, 20.0) == close_to(
        start_up=2.0, compile_and_warm_up=2.0, training=13.5
    )


def test_a_claim_cannot_reach_before_the_warm_up(tmp_path: Path) -> None:
    log = "    2.000 seed: 1\n    5.000 warmup_step:1/1\n"
    log += "    6.000 step:1/2 train_loss:3.1 train_time:999999999ms\n    9.000 step:2/2\n"
    assert spans(tmp_path, log, 10.0) == close_to(
        start_up=2.0, compile_and_warm_up=3.0, training=4.0
    )


def test_a_run_killed_in_its_warm_up(tmp_path: Path) -> None:
    log = "    2.000 seed: 1\n    5.000 warmup_step:1/20\n"
    assert spans(tmp_path, log, 20.0) == close_to(start_up=2.0, compile_and_warm_up=18.0)


def test_without_words_of_quantisation_there_is_none(tmp_path: Path) -> None:
    log = "    1.000 int8 weights will be compressed\n    3.000 step:1/2\n    9.000 step:2/2\n"
    assert spans(tmp_path, log + "   11.000 goodbye\n", 12.0) == close_to(
        start_up=1.0, compile_and_warm_up=2.0, training=6.0
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"step:1/2 train_loss:1\n",
        b"    1.000 hello\n    2.000 stopping_early: step:3/4\n",
        b"    1.0000 step:1/2\n",
        b"    1.000 \xff\xfe\x00\n",
    ],
)
def test_what_is_not_recognized_gives_nothing(tmp_path: Path, content: bytes) -> None:
    assert spans(tmp_path, content, 10.0) == {}


@pytest.mark.parametrize("total_seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_phase_without_length_has_no_timeline(tmp_path: Path, total_seconds: float) -> None:
    assert spans(tmp_path, EARLY, total_seconds) == {}


def test_an_unreadable_log_gives_nothing(tmp_path: Path) -> None:
    assert timeline(tmp_path / "absent.log", total_seconds=1.0) == ()
    assert timeline(tmp_path, total_seconds=1.0) == ()


def test_the_rest_of_a_long_line_is_no_line_of_its_own(tmp_path: Path) -> None:
    log = "    1.000 " + "x" * 4086 + "    3.000 step:1/2\n"
    assert spans(tmp_path, log, 10.0) == {}
    after = "    4.000 step:1/2\n    6.000 step:2/2\n"
    assert spans(tmp_path, log + after, 10.0) == close_to(
        start_up=1.0, compile_and_warm_up=3.0, training=2.0
    )


LINES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda seconds, text: f"{seconds:9.3f} {text}".encode(),
        st.floats(0, 10**8),
        st.sampled_from(
            [
                "step:1/2 train_loss:1 train_time:5ms",
                "step:2",
                "3/4 val_loss: 2",
                "warmup_step:1/20",
                "compiling",
                "Serialized model int8+zlib: 1 bytes",
                "1/2 train_loss: 3 train_time: 99999999.5m",
                "seed:1",
            ]
        ),
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(LINES, max_size=20), st.sampled_from([b"\n", b"\r\n", b""]), st.floats(allow_nan=True)
)
def test_any_log_gives_sane_spans(
    tmp_path: Path, lines: list[bytes], newline: bytes, total_seconds: float
) -> None:
    found = spans(tmp_path, newline.join(lines), total_seconds)
    assert all(seconds > 0 for seconds in found.values())
    assert not found or sum(found.values()) <= total_seconds * (1 + 1e-12)

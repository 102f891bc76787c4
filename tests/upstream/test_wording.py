"""Whose a figure is and how final, by the words around it, however they are joined to others."""

import pytest

from harness.upstream import wording
from harness.upstream.logs.log_run import Draft
from harness.upstream.logs.runs import read_content
from harness.upstream.logs.scorings import last_final, scorings
from tests.audit.records import log

OTHERS = sorted(wording._OF_OTHERS_IN_LOGS)
PARTS = ["chunk", "chunks", "batch", "batches", "progress", "running", "partial", "so_far", "eta"]
JOINED = [
    "{}_bpb: 1.0614",
    "val_{}_bpb: 1.0614",
    "val_bpb_{}_x val_bpb: 1.0614",
    "{}2_val_bpb=1.0614",
    "my{T}Val_bpb: 1.0614",
    "{}-entry val_bpb: 1.0614",
    "the_{}_one: val_loss: 1.79 val_bpb: 1.0614",
    '{{"event": "{}", "val_bpb": 1.0614}}',
    "val_bpb: 1.0614 ({} of the field)",
]


def drafted(text: str) -> Draft:
    (draft,) = read_content("a.log", text.encode()).drafts
    return draft


def score_of(tail: str) -> float | None:
    chosen = last_final(scorings(drafted(log(1.0812345, seed=7, tail=tail + "\n")).evaluations))
    return chosen.val_bpb if chosen else None


@pytest.mark.parametrize("word", [*OTHERS, *PARTS])
@pytest.mark.parametrize("form", JOINED)
def test_a_word_says_so_however_it_is_joined(word: str, form: str) -> None:
    line = form.format(word, T=word.title())
    assert score_of(line) == 1.0812345, line


@pytest.mark.parametrize("word", ["baseline", "previous_best", "goal", "record"])
def test_before_the_first_step_too(word: str) -> None:
    text = log(1.0812345, seed=7).replace("seed:7\n", f"seed:7\n{word}_bpb: 1.0614\n")
    draft = drafted(text)
    assert 1.0614 not in [one.val_bpb for one in draft.evaluations]
    assert draft.seed == 7


@pytest.mark.parametrize(
    "line",
    [
        "asked_again val_bpb:1.0614",
        "standard_val_bpb: 1.0614",
        "deltanet val_bpb: 1.0614",
        "canvas_bpb = 1.0614",
        "dropout_off val_bpb: 1.0614",
        "final_eval batch_size:32 chunk_tokens:512 val_bpb:1.0614",
        "previous_best_bpb: 1.0500 val_bpb: 1.0614",
        "final val_loss:2.6 delta_vs_baseline:-0.01 val_bpb:1.0614",
        "final val_bpb: 1.0614 (previous best 1.0700)",
        "post_train_quant val_bpb:1.0614",
        "final_int6_fp16_embed_roundtrip val_bpb:1.0614",
    ],
)
def test_a_word_within_another_one_or_beside_another_figure_says_nothing(line: str) -> None:
    assert score_of(line) == 1.0614


@pytest.mark.parametrize(
    "name",
    ["raw_val", "fp32_eval", "final_train", "pre_quant", "prequant", "pre_ttt_eval", "init_val",
     "bf16_model", "last_step", "unquantized_model", "post_ema_eval", "before_quantization"],
)  # fmt: skip
def test_a_diagnostic_is_one_however_its_name_is_joined(name: str) -> None:
    assert score_of(f"{name}_bpb: 1.0614") == 1.0812345
    assert wording.is_diagnostic(name)


def test_a_name_is_not_cut_within_a_word() -> None:
    draft = drafted(log(1.2, tail="final_sliding_eval val_loss:2.6 val_bpb:1.08\n"))
    assert draft.evaluations[-1].name == "final_sliding_eval"
    draft = drafted(log(1.2, tail="my interval bpb: 1.0800\n"))
    assert draft.evaluations[-1].name == "my interval"


@pytest.mark.parametrize(
    "line",
    [
        "Validation tokens: 40,540,160",
        "validation_tokens=40540160",
        "Eval tokens: 40_540_160",
        "number of validation tokens: 40,540,160",
        "Number of tokens (validation): 40540160",
        "num_val_tokens: 40540160",
        "VAL_TOKENS=40540160",
        "valTokens: 40540160",
        "validation token count: 40540160",
        "Validation set: 40,540,160 tokens",
        "Loaded 40,540,160 validation tokens in 3.1s",
        "val tokens 40540160",
        '{"val_tokens": 40540160}',
        "Total scored tokens: 40540160",
    ],
)
def test_the_tokens_of_the_split_by_any_name(line: str) -> None:
    text = log(1.08).replace("tokens:62021846\n", f"\n{line}\n")
    assert drafted(text).tokens == 40_540_160
    assert drafted(text.replace(f"{line}\n", "") + f"{line}\n").tokens == 40_540_160


@pytest.mark.parametrize(
    "line",
    [
        "Train tokens: 40,540,160",
        "val_batch_tokens: 524288",
        "eval tokens per chunk: 32768",
        "val_tokens_per_step: 524288",
        "Validation tokens: 40.5M",
        "Validation tokens: 40M",
        "training on 8,000,000,000 tokens, validation later",
        "val_seq_tokens: 2048",
    ],
)
def test_other_tokens_are_none_of_the_split(line: str) -> None:
    text = log(1.08).replace("tokens:62021846\n", f"\n{line}\n")
    assert drafted(text).tokens is None


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "+Infinity"])
def test_a_score_that_is_no_number_is_taken_note_of(value: str) -> None:
    text = f"seed:7\nstep:7/7 train_loss:1.9\nfinal val_loss:{value} val_bpb:{value}\n"
    assert drafted(text).not_finite == 3
    assert drafted(f"seed:7\nfinal val_bpb: {value}\n").not_finite == 2  # no steps at all
    assert drafted(text + "final val_loss:1.9 val_bpb:1.08\n").not_finite is None
    assert drafted(f"seed:7\nstep:7/7 train_loss:{value} val_bpb:{value}\n").not_finite == 2
    assert drafted(log(1.08, tail=f"prev_bpb: {value}\n")).not_finite is None


def test_a_long_name_ends_with_a_word() -> None:
    words = " ".join(["sliding"] * 15)
    draft = drafted(log(1.2, tail=f"{words} windowed evaluation val_bpb: 1.0800\n"))
    assert draft.evaluations[-1].name == f"{words}"[:120].strip()
    assert not draft.evaluations[-1].name.endswith("windo")

"""Adapters learn from their own document, side by side; a study is the same on any devices."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("forked")
ROOT = Path(__file__).parents[2] / "submissions"
FOLDER = ROOT / "document_adapters"
CPU = torch.device("cpu")
VOCABULARY, SEGMENT, CONTEXT = 50, 8, 20


def _import(name: str) -> Any:
    # Under the name by which train_gpt.py imports it; that of train_gpt.py is another's too.
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


torch.set_num_threads(1)  # tensors this small are not worth sharing
adapters = _import("adapters")
script = _import("train_gpt")


def toy(**changes: Any) -> Any:
    """A model in which every parameter matters, and how it adapts."""
    torch.manual_seed(0)
    shape = {"num_layers": 3, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2}
    model = script.GPT(script.ModelConfig(vocab_size=VOCABULARY, **shape))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    options = {"segment": SEGMENT, "context": CONTEXT, "study_batch_tokens": 60, **changes}
    how = script.Adaptation(**options)
    return adapters.AdaptedModel(model.eval().requires_grad_(False), how, bos_id=1, device=CPU)


def text(seed: int, length: int) -> torch.Tensor:
    return torch.randint(2, VOCABULARY, (length,), generator=torch.Generator().manual_seed(seed))


def rows_of(*rows: int) -> torch.Tensor:
    return torch.tensor(rows)


def told(model: Any, documents: dict[int, torch.Tensor], *, together: bool = True) -> None:
    """All of each row's document, piece by piece."""
    model.reset(torch.tensor(list(documents)))
    for begin in range(0, min(map(len, documents.values())), SEGMENT):
        pieces = {row: document[begin : begin + SEGMENT] for row, document in documents.items()}
        for group in [list(pieces)] if together else [[row] for row in pieces]:
            tokens = torch.stack([pieces[row] for row in group])
            model.observe(torch.tensor(group), tokens, torch.full((len(group),), tokens.shape[1]))


def answers(model: Any, row: int, seed: int = 99) -> torch.Tensor:
    window = text(seed, 16)[None]
    logits: torch.Tensor = model(window, rows_of(5), rows_of(row))
    return logits[0]


# --- adapters


def test_a_document_begins_with_the_model_itself() -> None:
    model = toy()
    model.reset(rows_of(0, 3))
    window = text(1, 16).repeat(2, 1)
    logits = model(window, rows_of(8, 2), rows_of(0, 3))
    assert logits.shape == (2, SEGMENT, VOCABULARY)
    plain = model.model(window)
    torch.testing.assert_close(logits[0], plain[0, 8:16], rtol=0, atol=1e-5)
    torch.testing.assert_close(logits[1], plain[1, 2:10], rtol=0, atol=1e-5)


def test_rows_learn_side_by_side_as_each_would_alone() -> None:
    documents = {0: text(1, 40), 1: text(2, 40), 4: text(3, 40)}
    both, alone = toy(), toy()
    told(both, documents)
    told(alone, {4: documents[4]})
    torch.testing.assert_close(answers(both, 4), answers(alone, 4), rtol=0, atol=1e-3)
    assert not torch.allclose(answers(both, 4), answers(both, 1), atol=0.1)


def test_what_one_row_observes_changes_no_other() -> None:
    model = toy()
    told(model, {0: text(1, 24), 1: text(2, 24)})
    before = answers(model, 0)
    model.observe(rows_of(1), text(3, SEGMENT)[None], rows_of(SEGMENT))
    assert torch.equal(answers(model, 0), before)
    told(model, {1: text(4, 24)})
    assert torch.equal(answers(model, 0), before)


def test_a_reset_leaves_nothing_of_the_document_before() -> None:
    used, fresh = toy(), toy()
    told(used, {0: text(1, 40), 2: text(2, 40)})
    for model in (used, fresh):
        told(model, {2: text(5, 16)})
    assert torch.equal(answers(used, 2), answers(fresh, 2))


def test_answering_changes_nothing_and_sees_no_future() -> None:
    asked, silent = toy(), toy()
    for model in (asked, silent):
        told(model, {0: text(1, 16), 1: text(2, 16)})
    before = answers(asked, 1)
    window = text(9, 16)
    changed = torch.cat((window[:9], window[9:].flip(0)))
    first, second = (asked(one[None], rows_of(5), rows_of(0))[0] for one in (window, changed))
    torch.testing.assert_close(first[:4], second[:4], rtol=0, atol=1e-5)
    assert not torch.allclose(first[4:], second[4:], atol=0.01)
    assert torch.equal(answers(asked, 1), before)
    for model in (asked, silent):
        model.observe(rows_of(0), text(6, SEGMENT)[None], rows_of(SEGMENT))
    assert torch.equal(answers(asked, 0), answers(silent, 0))


def test_what_comes_again_in_a_document_gets_cheap_in_its_row_alone() -> None:
    model = toy()
    document = text(1, SEGMENT).repeat(8)
    other = text(2, 64)
    told(model, {0: document, 1: other})
    window = document[:16][None]
    targets = document[6 : 6 + SEGMENT]
    own, others = (
        -model(window, rows_of(5), rows_of(row))[0].log_softmax(-1)[range(SEGMENT), targets].mean()
        for row in (0, 1)
    )
    assert own < others - 1


def test_a_step_is_that_of_adamax_without_momentum() -> None:
    """Two documents of different age in one call, against torch's optimizer for each alone."""
    model = toy()
    documents = {0: text(1, 3 * SEGMENT), 1: text(2, 2 * SEGMENT)}
    model.reset(rows_of(0))
    model.observe(rows_of(0), documents[0][None, :SEGMENT], rows_of(SEGMENT))
    model.reset(rows_of(1))
    for piece in (0, 1):
        tokens = torch.stack(
            [
                documents[row][begin : begin + SEGMENT]
                for row, begin in ((0, (piece + 1) * SEGMENT), (1, piece * SEGMENT))
            ]
        )
        model.observe(rows_of(0, 1), tokens, rows_of(SEGMENT, SEGMENT))
    for row, document in documents.items():
        how = model.how
        values = {
            name: value.clone().requires_grad_() for name, value in model.rows.initial.items()
        }
        adamax = torch.optim.Adamax(
            [
                {"params": [value], "lr": how.adapter_bias_lr if name == "bias" else how.adapter_lr}
                for name, value in values.items()
            ],
            betas=(0.0, how.adapter_beta),
        )
        for end in range(SEGMENT, len(document) + 1, SEGMENT):
            known = torch.cat((rows_of(1), document[:end]))[-CONTEXT - 1 :]
            low_rank = {
                name: adapters.LowRank(values[f"{name}.down"][None], values[f"{name}.up"][None])
                for name in model.model.shapes()
            }
            hidden = model.model.hidden(known[None, :-1], low_rank)
            logits = model.model.head(hidden, low_rank, values["bias"][None])[0]
            adamax.zero_grad()
            loss = torch.nn.functional.cross_entropy(logits[-SEGMENT:], known[-SEGMENT:])
            torch.autograd.backward(loss)
            adamax.step()
        for name, value in values.items():
            found = model.rows.values[name][row]
            assert (found - value).abs().mean() < 1e-5, name


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 6), st.booleans()), min_size=1, max_size=30
    )
)
@settings(max_examples=60)
def test_each_row_keeps_the_latest_tokens_of_its_document(
    calls: list[tuple[int, int, bool]],
) -> None:
    rows = adapters.Rows({"bias": torch.zeros(3)}, 10, CPU)
    rows.reset(rows_of(0, 1, 2), 1)
    expected: dict[int, list[int]] = {0: [1], 1: [1], 2: [1]}
    for number, (row, count, begins) in enumerate(calls):
        if begins:
            rows.reset(rows_of(row), 1)
            expected[row] = [1]
        tokens = torch.arange(6)[None] + 10 * number
        rows.append(rows_of(row), tokens, rows_of(count))
        expected[row] += tokens[0, :count].tolist()
    for row, whole in expected.items():
        kept = rows.texts[row, : rows.lengths[row]].tolist()
        assert kept == whole[-11:]


# --- studies


def documents_of(*lengths: int) -> list[torch.Tensor]:
    return [
        torch.cat((rows_of(1), text(seed, length - 2), rows_of(1)))
        for seed, length in enumerate(lengths)
    ]


@given(st.lists(st.integers(2, 70), max_size=6))
def test_a_study_sees_every_target_once_within_its_document(lengths: list[int]) -> None:
    documents = documents_of(*lengths)
    windows = adapters.cut(documents, CONTEXT)
    targets = [token for window in windows for token in window[1:].tolist() if token >= 0]
    assert targets == [token for document in documents for token in document[1:].tolist()]
    assert all(window[0] >= 0 for window in windows)


def test_a_study_makes_what_was_studied_cheap_and_repeats_itself() -> None:
    documents = documents_of(50, 2, 33)
    first, second = (toy(study_lr=0.01, study_epochs=20) for _ in range(2))
    losses = []
    for model in (first, second):
        model.reset(rows_of(0))
        tokens = documents[0][None, : SEGMENT + 1]
        before = model.model(tokens[:, :-1], targets=tokens[:, 1:])
        model.study(documents)
        losses.append((before, model.model(tokens[:, :-1], targets=tokens[:, 1:])))
    assert losses[0][1] < losses[0][0] - 1
    assert torch.equal(answers(first, 0), answers(second, 0))
    assert not any(p.requires_grad for p in first.model.parameters())


def test_with_rates_of_zero_it_is_the_model_alone() -> None:
    model, plain = toy(adapter_lr=0.0, adapter_bias_lr=0.0, study_lr=0.0), toy()
    told(model, {0: text(1, 40)})
    model.study(documents_of(30))
    plain.reset(rows_of(0))
    torch.testing.assert_close(answers(model, 0), answers(plain, 0), rtol=0, atol=1e-6)


SHARED = """
import sys
import torch, torch.distributed as dist
rank, world, group, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
if world > 1:
    dist.init_process_group("gloo", init_method=f"file://{group}", rank=rank, world_size=world)
from train_gpt import GPT, Adaptation, AdaptedModel, ModelConfig
torch.manual_seed(0)
model = GPT(ModelConfig(vocab_size=50, num_layers=2, model_dim=32, num_heads=4, num_kv_heads=2))
how = Adaptation(segment=8, context=20, study_batch_tokens=60, study_lr=0.01)
model = AdaptedModel(model.requires_grad_(False), how, bos_id=1, device=torch.device("cpu"))
documents = [torch.randint(2, 50, (n,)) for n in (90, 33, 50, 7)]
model.study(documents)
torch.save(model.model.state_dict(), out)
"""


def test_devices_that_share_a_study_come_to_the_same_model(tmp_path: Path) -> None:
    def started(rank: int, world: int) -> "subprocess.Popen[bytes]":
        out = tmp_path / f"{world}-{rank}.pt"
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SHARED), str(rank), str(world),
             str(tmp_path / f"group-{world}"), str(out)],
            cwd=FOLDER,
            env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip

    assert [p.wait(200) for p in [started(0, 1), started(0, 2), started(1, 2)]] == [0, 0, 0]
    alone, left, right = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    for name, value in alone.items():
        assert torch.equal(left[name], right[name]), name
        torch.testing.assert_close(left[name], value, rtol=0, atol=1e-3)


# --- artifact and manifest


def write_shard(path: Path, tokens: list[int]) -> None:
    header = np.zeros(256, dtype="<i4")
    header[:3] = 20240520, 1, len(tokens)
    path.write_bytes(header.tobytes() + np.array(tokens, dtype="<u2").tobytes())


def test_training_leaves_a_model_that_knows_how_to_adapt(tmp_path: Path) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    output.mkdir()
    write_shard(data / "fineweb_train_000000.bin", list(range(50)) * 100)
    environment = {
        "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "SEED": "7",
        "DATA_PATH": str(data), "OUTPUT_DIR": str(output), "VOCAB_SIZE": "50",
        "MAX_WALLCLOCK_SECONDS": "100", "ITERATIONS": "3",
        "WALLCLOCK_STARTED_AT": repr(time.time()),
        "NUM_LAYERS": "2", "MODEL_DIM": "32", "NUM_HEADS": "4", "NUM_KV_HEADS": "2",
        "TRAIN_BATCH_TOKENS": "512", "TRAIN_SEQ_LEN": "64",
        "SEGMENT": "8", "CONTEXT": "16", "ADAPTER_RANK": "3", "STUDY_LR": "0",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "train_gpt.py"], cwd=FOLDER, env=environment, capture_output=True,
        text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("model.bin", "checkpoint.bin"):
        model = script.load_model(output / name, CPU)
        how = model.how
        assert (how.segment, how.context, how.adapter_rank, how.study_lr) == (8, 16, 3, 0)
        model.reset(rows_of(0))
        assert model(torch.arange(8)[None], rows_of(0), rows_of(0)).shape == (1, 8, 50)
    described = script.describe_artifact(output / "model.bin", output / "checkpoint.bin")
    assert {row["stored"] for row in described} == {"int8", "float32"}
    json.dumps(described, allow_nan=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [("adapter_rank", 0), ("adapter_lr", -0.1), ("segment", 2000), ("study_lr", float("nan"))],
)
def test_an_adaptation_that_makes_no_sense_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        script.Adaptation(**{field: value})


def test_the_manifest_fits_the_script() -> None:
    manifest = tomllib.loads((FOLDER / "submission.toml").read_text())
    score, smoke = manifest["score"], manifest["tracks"]["smoke"]
    default = script.Adaptation()
    assert (default.segment, default.context) == (score["segment"], score["sequence_length"])
    env = smoke["train"]["env"]
    assert int(env["SEGMENT"]) == smoke["score"]["segment"]
    assert int(env["CONTEXT"]) == smoke["score"]["sequence_length"]
    names = {field.upper() for options in (script.Settings, script.ModelConfig, script.Adaptation)
             for field in options.__dataclass_fields__}  # fmt: skip
    assert set(env) - {"OMP_WAIT_POLICY"} <= names

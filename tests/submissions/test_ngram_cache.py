"""The n-gram cache counts what it should, mixes to one, learns by observing and by nothing else."""

import importlib.util
import itertools
import math
import os
import subprocess
import sys
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
FOLDER = Path(__file__).parents[2] / "submissions" / "ngram_cache"
CPU = torch.device("cpu")
VOCABULARY, ORDERS, DEPTH = 6, 3, 4


def _import(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


torch.set_num_threads(1)  # tensors this small are not worth sharing
cache = _import("cache")  # under the name by which train_gpt.py imports it
script = _import("train_gpt")


def empty_cache(depth: int = DEPTH) -> Any:
    return cache.NGramCache(orders=ORDERS, bits=18, depth=depth, device=CPU)


def pieces(text: list[int], cuts: list[int]) -> list[torch.Tensor]:
    bounds = [0, *sorted({cut for cut in cuts if 0 < cut < len(text)}), len(text)]
    return [torch.tensor(text[a:b], dtype=torch.int64) for a, b in itertools.pairwise(bounds)]


def plain_counts(observed: list[int], window: list[int], position: int, order: int) -> list[float]:
    """How often each token followed the last ``order`` tokens up to ``position``."""
    counts = [0.0] * VOCABULARY
    if position + 1 >= order:
        asked = window[position + 1 - order : position + 1]
        table = [
            observed[end]
            for end in range(order, len(observed))
            if observed[end - order : end] == asked
        ]
        own = [
            window[end] for end in range(order, position + 1) if window[end - order : end] == asked
        ]
        for follower in table[-DEPTH:] + own:
            counts[follower] += 1
    return counts


texts = st.lists(st.integers(0, VOCABULARY - 1), max_size=120)
windows = st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=12)


@given(texts, st.lists(st.integers(0, 120), max_size=6), windows, st.data())
@settings(max_examples=40)
def test_counts_are_those_of_a_plain_loop(
    text: list[int], cuts: list[int], window: list[int], data: st.DataObject
) -> None:
    table = empty_cache()
    for piece in pieces(text, cuts):
        table.observe(piece)
    first = data.draw(st.integers(0, len(window) - 1))
    other = window[::-1]
    for order, found in enumerate(
        table.counts(torch.tensor([window, other]), first, VOCABULARY), start=1
    ):
        for row, shown in enumerate((window, other)):
            for position in range(first, len(shown)):
                expected = plain_counts(text, shown, position, order)
                assert found[row, position - first].tolist() == expected


def test_tokens_of_the_official_vocabularies_are_told_apart() -> None:
    table = empty_cache()
    text = torch.arange(3000).repeat(2) * 21 % 50_257
    table.observe(text)
    asked = text[100:140][None]
    for found in table.counts(asked, 10, 50_257):
        assert found.argmax(-1).tolist() == [text[111:141].tolist()]


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=30)
def test_the_mixture_is_the_formula_and_sums_to_one(seed: int, length: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    own = torch.rand(2, length, VOCABULARY, generator=generator) + 0.01
    own /= own.sum(-1, keepdim=True)
    counts = torch.randint(0, 3, (ORDERS, 2, length, VOCABULARY), generator=generator).float()
    counts[:, 0, 0] = 0
    d = torch.rand(ORDERS, generator=generator) * 5 + 0.01
    mixed = cache.mix(own.clone(), iter(counts), d)
    torch.testing.assert_close(mixed.sum(-1), torch.ones(2, length))
    torch.testing.assert_close(mixed[0, 0], own[0, 0])
    p = own[1, -1].tolist()
    for order in range(ORDERS):
        count = counts[order, 1, -1].tolist()
        escape = float(d[order]) * sum(c > 0 for c in count)
        if sum(count):
            p = [(c + escape * q) / (sum(count) + escape) for c, q in zip(count, p, strict=True)]
    assert mixed[1, -1].tolist() == pytest.approx(p, rel=1e-4)


def toy_model() -> Any:
    torch.manual_seed(0)
    config = script.ModelConfig(
        vocab_size=50, num_layers=2, model_dim=32, num_heads=4, num_kv_heads=2, cache_bits=16
    )
    model = script.GPT(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


def cached(model: Any) -> Any:
    return cache.CachedModel(model, script.cache_of(model.config, CPU), model.concentrations)


def test_the_future_changes_no_answer_and_no_answer_changes_another() -> None:
    model = cached(toy_model())
    generator = torch.Generator().manual_seed(1)
    model.observe(torch.randint(50, (500,), generator=generator))
    tokens = torch.randint(5, (3, 40), generator=generator)
    before = model(tokens, 0)
    for cut in (1, 17, 39):
        changed = tokens.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % 50
        torch.testing.assert_close(model(changed, 0)[:, :cut], before[:, :cut], rtol=0, atol=1e-5)
    torch.testing.assert_close(model(tokens, 0), before, rtol=0, atol=0)
    torch.testing.assert_close(model(tokens[1:2], 20), before[1:2, 20:], rtol=0, atol=1e-5)
    torch.testing.assert_close(before.exp().sum(-1), torch.ones(3, 40), rtol=0, atol=1e-4)
    model.observe(tokens[0])
    assert not torch.allclose(model(tokens, 0), before, atol=1e-2)


def test_observing_makes_text_that_comes_again_cheap() -> None:
    alone = toy_model()
    model = cached(alone)
    text = torch.randint(50, (400,), generator=torch.Generator().manual_seed(2))
    window, targets = text[None, :128], text[None, 1:129, None]

    def cost(logits: torch.Tensor) -> float:
        return -float(logits.log_softmax(-1).gather(-1, targets).mean())

    model.concentrations = torch.ones(5)
    # Nothing observed, random text: what the window itself holds can only mislead.
    assert cost(model(window)) > cost(alone(window)) - 0.1
    model.observe(text)
    assert cost(model(window)) < cost(alone(window)) - 2


def test_calibration_trusts_a_cache_as_far_as_it_helps() -> None:
    model = toy_model()
    generator = torch.Generator().manual_seed(3)
    repeated = torch.randint(50, (300,), generator=generator).repeat(6)
    noise = torch.randint(50, (1800,), generator=generator)
    fitted = {}
    for name, text in (("repeated", repeated), ("noise", noise)):
        measured = cache.calibrate(
            model, script.cache_of(model.config, CPU), text, length=32, segment=100,
            go_on=lambda: True,
        )  # fmt: skip
        start = torch.full((5,), 8.0)
        fitted[name] = measured.fitted(start)
        assert measured.loss(fitted[name]) < measured.loss(start)
        expected = cached_loss(model, text, start)
        assert measured.loss(start) == pytest.approx(expected, rel=1e-4)
    assert (fitted["repeated"] < 1).any()
    assert (fitted["noise"][:2] > 20).all()
    assert fitted["noise"].max() <= 1e4


def cached_loss(model: Any, text: torch.Tensor, concentrations: torch.Tensor) -> float:
    """Mean nats of the windows that calibration asks, asked of the model as it is scored."""
    scored = cache.CachedModel(model, script.cache_of(model.config, CPU), concentrations)
    nats = []
    for begin in range(0, len(text) - 1, 100):
        end = min(begin + 100, len(text) - 1)
        for start in range(max(begin - 16, 0), end - 31, 16):
            targets = text[start + 17 : start + 33, None]
            nats += (-scored(text[None, start : start + 32], 16)[0].gather(-1, targets)).tolist()
        scored.observe(text[begin + 1 : end + 1])
    return float(np.mean(nats))


def test_calibration_ends_with_its_time() -> None:
    model = toy_model()
    allowed = iter([True, False])
    text = torch.randint(50, (1000,))
    measured = cache.calibrate(
        model, script.cache_of(model.config, CPU), text, length=32, segment=100,
        go_on=lambda: next(allowed),
    )  # fmt: skip
    assert 0 < len(measured.own) <= 100
    never = cache.calibrate(
        model, script.cache_of(model.config, CPU), text, length=32, segment=100,
        go_on=lambda: False,
    )  # fmt: skip
    assert never is None


def write_shard(path: Path, tokens: list[int]) -> None:
    header = np.zeros(256, dtype="<i4")
    header[:3] = 20240520, 1, len(tokens)
    path.write_bytes(header.tobytes() + np.array(tokens, dtype="<u2").tobytes())


@pytest.mark.parametrize(("left_seconds", "steps"), [(100.0, 3), (0.5, 0)])
def test_training_leaves_a_model_with_fitted_concentrations(
    tmp_path: Path, left_seconds: float, steps: int
) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    output.mkdir()
    write_shard(data / "fineweb_train_000000.bin", list(range(50)) * 100)
    environment = {
        "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "SEED": "7",
        "DATA_PATH": str(data), "OUTPUT_DIR": str(output), "VOCAB_SIZE": "50",
        "MAX_WALLCLOCK_SECONDS": "100", "ITERATIONS": "3", "CACHE_BITS": "16",
        "WALLCLOCK_STARTED_AT": repr(time.time() - 100 + left_seconds),
        "NUM_LAYERS": "2", "MODEL_DIM": "32", "NUM_HEADS": "4", "NUM_KV_HEADS": "2",
        "TRAIN_BATCH_TOKENS": "512", "TRAIN_SEQ_LEN": "64",
        "CALIBRATION_TOKENS": "1000", "CALIBRATION_SEGMENT": "200",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "train_gpt.py"], cwd=FOLDER, env=environment, capture_output=True,
        text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"step:{steps}/3 stopping" in done.stdout
    model = script.load_model(output / "model.bin", CPU)
    # Text that repeats itself: the highest order is to be trusted, when there was time to see it.
    assert (float(model.concentrations[-1]) < 1) == (steps > 0)
    assert ("calibration: no time" in done.stdout) == (steps == 0)
    model.observe(torch.arange(100) % 50)
    logits = model(torch.arange(20)[None], 10)
    assert logits.argmax(-1).tolist() == [list(range(11, 21))]
    described = {row["name"]: row for row in script.describe_artifact(output / "model.bin")}
    assert described["concentrations"]["shape"] == [5]


def test_a_cache_that_makes_no_sense_is_refused_by_name() -> None:
    for field, value in {"cache_orders": 9, "cache_bits": 31, "cache_depth": 0}.items():
        with pytest.raises(ValueError, match=field):
            script.ModelConfig(**{field: value})


def test_the_manifest_fits_the_script() -> None:
    manifest = tomllib.loads((FOLDER / "submission.toml").read_text())
    assert manifest["score"]["adaptive"] is True
    assert script.Settings().calibration_segment == manifest["score"]["segment"]
    smoke = manifest["tracks"]["smoke"]
    assert int(smoke["train"]["env"]["CALIBRATION_SEGMENT"]) == smoke["score"]["segment"]
    names = {field.upper() for options in (script.Settings, script.ModelConfig)
             for field in options.__dataclass_fields__}  # fmt: skip
    assert set(smoke["train"]["env"]) - {"OMP_WAIT_POLICY"} <= names
    assert math.log2(script.ModelConfig().vocab_size) <= 16

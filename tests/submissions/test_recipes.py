"""The three int6 recipes: size, causality, what is stored as what, quantisation, artifact, runs."""

import importlib.util
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contest.loading import load_submission
from tests.factories.playground import harness, write_track

pytestmark = pytest.mark.usefixtures("forked")
ROOT = Path(__file__).parents[2] / "submissions"
CPU = torch.device("cpu")
NAMES = ("int6_ste_qat", "int6_late_k", "int6_fp16_embed")
# Levels, weights that share a scale (0: a whole row), for each quantised type of each recipe.
SCHEMES = [(name, "int6", 31, 0) for name in NAMES] + [("int6_late_k", "int8", 127, 64)]


def _import_script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_train_gpt", ROOT / name / "train_gpt.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


SCRIPTS = {name: _import_script(name) for name in NAMES}


@pytest.fixture(params=NAMES)
def script(request: pytest.FixtureRequest) -> Any:
    return SCRIPTS[request.param]


def toy_model(script: Any, **changes: int) -> Any:
    """A model in which every parameter matters: none is zero, none is one."""
    shape = {"vocab_size": 50, "num_layers": 5, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2}
    torch.manual_seed(0)
    model = script.GPT(script.ModelConfig(**{**shape, **changes}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


def described(script: Any, artifact: Path, checkpoint: Path | None = None) -> dict[str, Any]:
    return {row["name"]: row for row in script.describe_artifact(artifact, checkpoint)}


# --- model


def test_full_size_has_the_published_number_of_parameters(script: Any) -> None:
    with torch.device("meta"):
        model = script.GPT(script.ModelConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == 21_778_504
    shapes = {name: tuple(p.shape) for name, p in model.blocks[8].named_parameters()}
    assert shapes == {
        "attn.c_q.weight": (512, 512),
        "attn.c_k.weight": (256, 512),
        "attn.c_v.weight": (256, 512),
        "attn.proj.weight": (512, 512),
        "mlp.fc.weight": (1536, 512),
        "mlp.proj.weight": (512, 1536),
        "attn.q_gain": (8,),
        "attn_scale": (512,),
        "mlp_scale": (512,),
        "resid_mix": (2, 512),
    }


def test_defaults_are_the_published_configurations() -> None:
    ste, late, embed = (SCRIPTS[name].Settings() for name in NAMES)
    assert (ste.matrix_lr, ste.scalar_lr, ste.tied_embed_lr) == (0.02, 0.02, 0.03)
    assert (ste.muon_momentum_warmup_start, ste.muon_momentum) == (0.92, 0.99)
    assert (ste.muon_momentum_warmup_steps, ste.warmdown_iters) == (1500, 3000)
    assert (ste.train_batch_tokens, ste.train_seq_len) == (393_216, 4096)
    assert (late.train_batch_tokens, late.train_seq_len, late.qk_gain_init) == (524_288, 1024, 1.7)
    assert embed.train_seq_len == 1024
    windows = [load_submission(ROOT / name).manifest.score for name in NAMES]
    assert [(w.sequence_length, w.stride) for w in windows] == [(4096, 64), (1024, 64), (1024, 256)]


def test_changing_the_future_changes_no_earlier_logits(script: Any) -> None:
    model = toy_model(script)
    tokens = torch.randint(50, (3, 40))
    for cut in (1, 17, 39):
        changed = tokens.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % 50
        before, after = model(tokens), model(changed)
        torch.testing.assert_close(after[:, :cut], before[:, :cut], rtol=0, atol=1e-5)
        assert not torch.allclose(after[:, cut], before[:, cut], atol=1e-2)


@pytest.mark.parametrize("first", [0, 1, 39])
def test_logits_from_first_on_are_a_slice_of_all(script: Any, first: int) -> None:
    model, tokens = toy_model(script), torch.randint(50, (2, 40))
    logits = model(tokens, first)
    assert logits.dtype == torch.float32
    assert logits.shape == (2, 40 - first, 50)
    torch.testing.assert_close(logits, model(tokens, 0)[:, first:], rtol=0, atol=1e-5)


def test_training_sees_int6_weights_and_its_gradient_passes_through() -> None:
    script = SCRIPTS["int6_ste_qat"]
    model = toy_model(script).requires_grad_(True)
    linear = model.blocks[0].mlp.fc
    with torch.no_grad():
        linear.weight[3] = 0
    x = torch.randn(7, 32)
    stored = script.dequantise(*script.quantise(linear.weight.detach()))
    assert not torch.equal(stored, linear.weight)
    assert torch.equal(linear.train()(x), x @ stored.T)
    assert torch.equal(linear.eval()(x), x @ linear.weight.T)
    linear.train()(x).sum().backward()
    torch.testing.assert_close(linear.weight.grad, x.sum(0).expand(64 + 32, 32))
    assert script.straight_through(linear.weight).unique(dim=0).isfinite().all()
    model.train()
    tokens = torch.randint(50, (2, 20))
    for other in SCRIPTS["int6_late_k"], SCRIPTS["int6_fp16_embed"]:
        plain = toy_model(other)
        assert torch.equal(plain.train()(tokens), plain.eval()(tokens)), "no QAT here"


def test_training_of_the_qat_model_computes_what_its_artifact_does(tmp_path: Path) -> None:
    script = SCRIPTS["int6_ste_qat"]
    model, path = toy_model(script), tmp_path / "model.bin"
    with torch.no_grad():  # the embedding is no part of QAT
        model.embedding.weight.copy_(model.embedding.weight.half())
    path.write_bytes(script.pack(model))
    tokens = torch.randint(50, (2, 20))
    assert torch.equal(script.load_model(path, CPU)(tokens), model.train()(tokens))


# --- what is stored as what


def expected_types(name: str, layers: int) -> dict[str, str]:
    kinds = {"embedding.weight": "float16", "skip_weights": "float32"}
    for layer in range(layers):
        for part in ("attn_scale", "mlp_scale", "resid_mix", "attn.q_gain"):
            kinds[f"blocks.{layer}.{part}"] = "float32"
        for part in ("attn.c_q", "attn.c_k", "attn.c_v", "attn.proj", "mlp.fc", "mlp.proj"):
            kinds[f"blocks.{layer}.{part}.weight"] = "int6"
        if name == "int6_late_k":
            late = layer >= layers - 2
            kinds[f"blocks.{layer}.attn.c_k.weight"] = "float16" if late else "int8"
    return kinds


@pytest.mark.parametrize("name", NAMES)
def test_each_tensor_is_stored_as_the_recipe_says(name: str, tmp_path: Path) -> None:
    script, path = SCRIPTS[name], tmp_path / "model.bin"
    path.write_bytes(script.pack(toy_model(script, num_layers=9)))
    rows = described(script, path)
    assert {name: row["stored"] for name, row in rows.items()} == expected_types(name, 9)
    assert {name for name, row in rows.items() if row["control"]} == {
        name for name, kind in expected_types(name, 9).items() if kind == "float32"
    }


def test_late_keys_of_the_full_model_are_those_of_layers_7_and_8() -> None:
    script = SCRIPTS["int6_late_k"]
    config = script.ModelConfig()
    kinds = [script.stored_as(f"blocks.{i}.attn.c_k.weight", config) for i in range(9)]
    assert kinds == ["int8"] * 7 + ["float16"] * 2


# --- quantisation


def quantised(name: str, kind: str, weight: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """The tensor in its container, and its levels as the recipe's own function gives them."""
    script = SCRIPTS[name]
    if name == "int6_late_k":
        peak, group = script.PEAKS[kind], script.group_of(kind, list(weight.shape))
        return script.Stored.of(weight, kind), script.quantise(weight, peak, group)[0]
    return script.Stored.of(weight, kind), script.quantise(weight)[0]


@pytest.mark.parametrize(("name", "kind", "peak", "group"), SCHEMES)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 150),
    exponents=st.lists(st.floats(-36, 37), min_size=6, max_size=6),
    zero_row=st.integers(0, 6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_weights_come_back_to_half_a_level(
    name: str, kind: str, peak: int, group: int,
    rows: int, columns: int, exponents: list[float], zero_row: int, seed: int,
) -> None:  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    magnitudes = 10.0 ** torch.tensor(exponents[:rows], dtype=torch.float64)
    weight = (torch.randn(rows, columns, generator=generator) * magnitudes[:, None]).float()
    if zero_row < rows:
        weight[zero_row] = 0
    stored, levels = quantised(name, kind, weight)
    assert stored.stored == kind
    back = stored.tensor()
    group = group or columns
    assert int(levels.abs().max()) <= peak
    for part in range(0, columns, group):
        block = weight[:, part : part + group].double()
        peaks = block.abs().amax(dim=1)
        # Half of largest / peak and float32's rounding; 2e-39 where float32 itself loses bits.
        bound = peaks / peak / 2 + peaks * 2.0**-22 + 2e-39
        error = (back[:, part : part + group].double() - block).abs().amax(dim=1)
        assert bool((error <= bound).all())
        used = levels[:, part : part + group].int().abs().amax(dim=1)
        # No floor: a row uses all its levels however small it is.
        normal = peaks / peak > 1e-37
        assert bool((used[normal] == peak).all()) and bool((used[peaks == 0] == 0).all())


@pytest.mark.parametrize(("name", "kind", "peak", "group"), SCHEMES)
@pytest.mark.parametrize(
    ("magnitude", "scales"),
    [
        (0.0, "float16"),
        (1e-45, "float16"),  # below what float32 can scale: zeros
        (1e-37, "float32"),
        (1e-6, "float32"),
        (1.0, "float16"),
        (1e6, "float16"),
        (1e8, "float32"),
        (3.4e38, "float32"),
    ],
)
def test_scales_out_of_the_range_of_float16_take_four_bytes(
    name: str, kind: str, peak: int, group: int, magnitude: float, scales: str
) -> None:
    weight = torch.tensor([[magnitude, -magnitude, 0.0]] * 2)
    stored, _ = quantised(name, kind, weight)
    assert stored.scales == scales
    assert (stored.tensor() - weight).abs().max() <= magnitude * 1.01 / peak / 2 + 2e-39


@given(exponent=st.floats(-44, 4.7), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_float16_comes_back_to_half_a_unit(exponent: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = (torch.rand(5, 7, generator=generator) * 2 - 1) * 10.0**exponent
    weight[2] = 0
    for script in SCRIPTS.values():
        stored = script.Stored.of(weight, "float16")
        error = (stored.tensor() - weight).abs()
        assert stored.stored == "float16"
        assert bool((error <= weight.abs() * 2.0**-11 + 2.0**-25).all())


def test_values_beyond_float16_are_stored_as_float32(script: Any) -> None:
    weight = torch.tensor([[1e5, -1.0]])
    stored = script.Stored.of(weight, "float16")
    assert stored.stored == "float32"
    assert torch.equal(stored.tensor(), weight)


# --- artifact


@pytest.mark.parametrize("dim", [32, 64])
def test_artifact_and_checkpoint_come_back_and_are_described(
    script: Any, dim: int, tmp_path: Path
) -> None:
    model = toy_model(script, model_dim=dim)
    with torch.no_grad():
        model.blocks[0].attn.proj.weight.zero_()
    artifact, checkpoint = tmp_path / "model.bin", tmp_path / "checkpoint.bin"
    artifact.write_bytes(script.pack(model))
    checkpoint.write_bytes(script.pack(model, quantised=False))
    exact = script.load_model(checkpoint, CPU)
    assert exact.config == model.config and not exact.training
    originals = model.state_dict()
    assert all(torch.equal(value, originals[name]) for name, value in exact.state_dict().items())
    loaded = script.load_model(artifact, CPU).state_dict()
    rows = described(script, artifact, checkpoint)
    assert rows.keys() == loaded.keys() == originals.keys()
    for name, row in rows.items():
        value, original = loaded[name].double(), originals[name].double()
        norm = float(original.norm())
        error = float((value - original).norm()) / norm if norm else 0.0
        assert row["rms_error"] == pytest.approx(error, abs=1e-12)
        ceiling = {"float32": 0, "float16": 2**-11, "int8": 0.01, "int6": 0.05}[row["stored"]]
        assert row["rms_error"] <= ceiling
        assert row["shape"] == list(original.shape)
        width = {"float32": 4, "float16": 2, "int8": 1, "int6": 1}[row["stored"]]
        groups = {"int8": math.ceil(dim / 64), "int6": 1}.get(row["stored"], 0)
        scales = 2 * groups * original.shape[0] if groups else 0
        assert row["bytes"] == width * original.numel() + scales
        bits = {"int6": 6}.get(row["stored"], 8 * width)
        assert row["bits_per_weight"] == pytest.approx(bits + 8 * scales / original.numel())
    shares = sum(row["compressed_bytes"] for row in rows.values())
    # What is left is the magic and a header of at most 40 bytes a tensor.
    assert 8 < artifact.stat().st_size - shares < 40 * len(rows)
    json.dumps(list(rows.values()), allow_nan=False)
    assert all(row["rms_error"] is None for row in described(script, artifact).values())


def test_weights_that_are_not_finite_are_not_stored(script: Any) -> None:
    model = toy_model(script)
    model.skip_weights[0, 0] = math.nan
    with pytest.raises(ValueError, match="skip_weights: weights are not finite"):
        script.pack(model)


def test_a_damaged_artifact_is_refused_with_its_reason(script: Any, tmp_path: Path) -> None:
    whole, path = script.pack(toy_model(script)), tmp_path / "model.bin"
    for reason, content in {
        "wrong magic": b"\x80\x04" + whole,
        "ends within": whole[:-20],
        "3 bytes after the last tensor": whole + b"abc",
        "damaged artifact: JSONDecodeError": whole[:8] + script.compress(b"{", 22),
        "damaged artifact: KeyError": whole[:8] + script.compress(b"{}", 22),
        "damaged artifact": whole[:-40] + bytes(40),
    }.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=reason):
            script.load_model(path, CPU)


def test_recipes_share_their_model_word_for_word() -> None:
    """What is not the recipe must not differ: data, Muon, clock and the training loop."""
    sections = [
        dict(re.findall(r"\n# --- (\w+) -+\n(.*?)(?=\n# --- |\Z)", source, re.DOTALL))
        for source in ((ROOT / name / "train_gpt.py").read_text() for name in NAMES)
    ]
    for section in ("data", "optimisers"):
        assert sections[0][section] == sections[1][section] == sections[2][section] != ""


# --- training, as the harness runs it


# What differs between the sandboxes is tried elsewhere: one recipe in Docker stands for all.
@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "sandbox"),
    [(name, "process") for name in NAMES]
    + [pytest.param(NAMES[0], "docker", marks=pytest.mark.docker)],
)
def test_trained_at_toy_size_it_passes_every_check_that_one_seed_can(
    name: str, sandbox: str, data_root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for file in ("train_gpt.py", "submission.json"):
        (folder / file).write_bytes((ROOT / name / file).read_bytes())
    manifest = (ROOT / name / "submission.toml").read_text()
    toy = {"MODEL_DIM": "32", "NUM_LAYERS": "3", "ITERATIONS": "3", "TRAIN_LOG_EVERY": "1",
           "TRAIN_BATCH_TOKENS": "512", "TRAIN_SEQ_LEN": "128", "WARMDOWN_ITERS": "2"}  # fmt: skip
    for key, value in toy.items():
        manifest = re.sub(rf"(?m)^{key} = .*\n", "", manifest)
        manifest = manifest.replace(
            "[tracks.smoke.train.env]\n", f'[tracks.smoke.train.env]\n{key} = "{value}"\n'
        )
    before, _, _ = manifest.partition("[tracks.smoke.score]")
    manifest = before + "[tracks.smoke.score]\nsequence_length = 128\nstride = 128\n"
    (folder / "submission.toml").write_text(manifest)
    track = write_track(tmp_path / "short.toml", train_seconds=60)
    outcome = harness(
        "verify", folder, "--track", track, "--sandbox", sandbox, "--data", data_root,
        "--runs", tmp_path / "runs", "--json", "-", "--seeds", "1",
    )  # fmt: skip
    statuses = {check["id"]: check["status"] for check in outcome.verdict["checks"]}
    # One seed tests nothing, and three steps beat no bar: that alone may be open.
    assert outcome.failed == [], outcome.err
    assert {
        statuses[check] for check in ("training", "artifact", "scoring", "coverage", "causality")
    } == {"pass"}
    (seed,) = outcome.verdict["seeds"]
    assert 0 < seed["val_bpb"] < 5
    for left in ("model.bin", "checkpoint.bin"):
        (kept,) = (tmp_path / "runs").glob(f"*/seed-*/try-*/*/{left}")
        assert SCRIPTS[name].load_model(kept, CPU).config.model_dim == 32

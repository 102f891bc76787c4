"""The naive baseline keeps the contract: size, causality, artifact, deadline, several processes."""

import importlib.util
import json
import math
import os
import subprocess
import sys
import time
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("forked")
FOLDER = Path(__file__).parents[2] / "submissions" / "naive_baseline"
CPU = torch.device("cpu")
BUDGET_SECONDS = 100
TOY = {
    "NUM_LAYERS": "3",
    "MODEL_DIM": "32",
    "NUM_HEADS": "4",
    "NUM_KV_HEADS": "2",
    "TRAIN_BATCH_TOKENS": "512",
    "TRAIN_SEQ_LEN": "64",
    "WARMDOWN_ITERS": "20",
}


def _import_script() -> Any:
    spec = importlib.util.spec_from_file_location(
        "naive_baseline_train_gpt", FOLDER / "train_gpt.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


script = _import_script()


def toy_config(**changes: int) -> Any:
    shape = {"vocab_size": 50, "num_layers": 5, "model_dim": 32, "num_heads": 4, "num_kv_heads": 2}
    return script.ModelConfig(**{**shape, **changes})


def toy_model(**changes: int) -> Any:
    """A model in which every parameter matters: none is zero, none is one."""
    torch.manual_seed(0)
    model = script.GPT(toy_config(**changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


def write_shard(path: Path, tokens: list[int]) -> None:
    header = np.zeros(256, dtype="<i4")
    header[:3] = 20240520, 1, len(tokens)
    path.write_bytes(header.tobytes() + np.array(tokens, dtype="<u2").tobytes())


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    generator = np.random.default_rng(0)
    for index in range(2):
        # Token t is mostly followed by t + 1: something there is to learn.
        steps = 1 + (generator.random(20_000) < 0.1) * generator.integers(0, 50, 20_000)
        write_shard(folder / f"fineweb_train_{index:06d}.bin", (np.cumsum(steps) % 50).tolist())
    return folder


def environment(shards: Path, output: Path, **changes: str) -> dict[str, str]:
    contract = {
        "PATH": os.environ["PATH"],
        "SEED": "7",
        "DATA_PATH": str(shards),
        "TOKENIZER_PATH": str(shards / "none.model"),
        "VOCAB_SIZE": "50",
        "OUTPUT_DIR": str(output),
        "MAX_WALLCLOCK_SECONDS": str(BUDGET_SECONDS),
        "WALLCLOCK_STARTED_AT": repr(time.time()),
        "RUN_ID": "test",
    }
    return {**contract, **TOY, **changes}


def train(
    environment: dict[str, str], *launcher: str, timeout_seconds: float = 200
) -> subprocess.CompletedProcess[str]:
    command = [*(launcher or (sys.executable,)), "train_gpt.py"]
    return subprocess.run(
        command,
        cwd=FOLDER,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def steps_of(log: str) -> int:
    return max(int(line[5:].split("/")[0]) for line in log.splitlines() if line[:5] == "step:")


# --- model


def test_full_size_has_exactly_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = script.GPT(script.ModelConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == 17_059_912
    block = {
        name: parameter.numel()
        for name, parameter in model.blocks[0].named_parameters()
        if not name.endswith(".weight")
    }
    assert block == {
        "attention.query_gain": 8,
        "attention_scale": 512,
        "mlp_scale": 512,
        "residual_mix": 2 * 512,
    }
    assert tuple(model.skip_weights.shape) == (4, 512)


@pytest.mark.parametrize("layers", [1, 2, 5, 6])
def test_changing_the_future_changes_no_earlier_logits(layers: int) -> None:
    model = toy_model(num_layers=layers)
    tokens = torch.randint(50, (3, 40))
    for cut in (1, 17, 39):
        changed = tokens.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % 50
        before, after = model(tokens), model(changed)
        torch.testing.assert_close(after[:, :cut], before[:, :cut], rtol=0, atol=1e-5)
        assert not torch.allclose(after[:, cut], before[:, cut], atol=1e-2)


@pytest.mark.parametrize("first", [0, 1, 20, 39])
def test_logits_from_first_on_are_a_slice_of_all(first: int) -> None:
    model, tokens = toy_model(), torch.randint(50, (2, 40))
    logits = model(tokens, first)
    assert logits.dtype == torch.float32
    assert logits.shape == (2, 40 - first, 50)
    torch.testing.assert_close(logits, model(tokens, 0)[:, first:], rtol=0, atol=1e-5)


def test_logits_stay_within_the_softcap_and_loss_is_their_cross_entropy() -> None:
    model, tokens = toy_model(), torch.randint(50, (2, 40))
    model.embedding.weight.mul_(1000)
    logits = model(tokens)
    assert 20 < logits.abs().max() <= 30
    targets = tokens.roll(-1, 1)
    expected = -logits.double().log_softmax(-1).gather(-1, targets[..., None]).mean()
    assert float(model(tokens, targets=targets)) == pytest.approx(float(expected), rel=1e-5)


def test_skips_join_the_first_layers_to_the_last_in_reverse() -> None:
    """Layer i reaches layer n - 1 - i, through skip weight i, and no other."""
    model = toy_model(num_layers=5)
    seen: list[torch.Tensor] = []

    def constant(index: int) -> Callable[..., torch.Tensor]:
        def forward(x: torch.Tensor, *_: object) -> torch.Tensor:
            seen.append(x)
            return torch.full_like(x, index)

        return forward

    for index, block in enumerate(model.blocks):
        block.forward = constant(index)
    model.skip_weights.copy_(torch.tensor([[10.0], [100.0]]).expand(2, 32))
    model(torch.zeros(1, 1, dtype=torch.int64))
    assert [float(x[0, 0, 0]) for x in seen[1:]] == [0, 1, 2 + 100 * 1, 3 + 10 * 0]


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_layers", 0), ("model_dim", 30), ("num_kv_heads", 3), ("rope_base", math.nan)],
)
def test_a_shape_that_makes_no_sense_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=r"num_layers|model_dim|num_heads|rope_base"):
        script.ModelConfig(**{field: value})


# --- data


def test_stream_is_read_in_order_across_shards_and_wraps(tmp_path: Path) -> None:
    write_shard(tmp_path / "fineweb_train_000000.bin", list(range(7)))
    write_shard(tmp_path / "fineweb_train_000001.bin", list(range(7, 10)))
    stream = script.TokenStream(tmp_path, 1)
    inputs, targets = stream.batch(0, 2, 3)
    assert inputs.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert targets.tolist() == [[1, 2, 3], [4, 5, 6]]
    inputs, targets = stream.batch(1, 2, 3)
    assert inputs.tolist() == [[6, 7, 8], [9, 0, 1]]
    assert targets.tolist() == [[7, 8, 9], [0, 1, 2]]


@given(total=st.integers(40, 200), lanes=st.integers(1, 4), rows=st.integers(1, 4), data=st.data())
@settings(max_examples=50)
def test_batches_of_one_pass_are_disjoint(
    tmp_path_factory: pytest.TempPathFactory,
    total: int,
    lanes: int,
    rows: int,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("lanes")
    write_shard(folder / "fineweb_train_000000.bin", list(range(total)))
    stream, length = script.TokenStream(folder, lanes), data.draw(st.integers(1, 10))
    within_lanes = total // lanes // length * lanes
    batches = [stream.batch(index, rows, length)[0] for index in range(within_lanes // rows)]
    tokens = [token for batch in batches for token in batch.flatten().tolist()]
    assert len(tokens) == len(set(tokens))


def test_a_damaged_shard_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "fineweb_train_000000.bin"
    with pytest.raises(FileNotFoundError, match="fineweb_train"):
        script.TokenStream(tmp_path, 1)
    write_shard(path, [1, 2, 3])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"000000.bin: 1029 bytes do not hold the 3 tokens"):
        script.TokenStream(tmp_path, 1)
    path.write_bytes(bytes(1030))
    with pytest.raises(ValueError, match="not a token shard"):
        script.TokenStream(tmp_path, 1)


# --- optimisers


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 32), (2, 32, 8)])
def test_orthogonalise_flattens_the_singular_values(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    result = script.orthogonalise(torch.randn(shape))
    assert result.shape == shape
    values = torch.linalg.svdvals(result)
    assert float(values.min()) > 0.3
    assert float(values.max()) < 1.5


def test_every_parameter_has_exactly_one_optimiser() -> None:
    model = script.GPT(toy_config())
    optimisers = script.Optimisers(model, script.Settings(), script.orthogonalise)
    held = [p for group in optimisers.muon.groups for p in group]
    held += [p for group in optimisers.adam.param_groups for p in group["params"]]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))


@pytest.mark.parametrize(
    ("step", "step_seconds", "seconds_left", "expected"),
    [
        (0, 0.0, 100.0, 1.0),  # nothing is known of steps yet
        (0, 0.0, 0.0, 0.0),
        (10, 1.0, 100.0, 1.0),
        (10, 1.0, 10.0, 0.5),  # 10 steps left of a warm-down of 20
        (995, 0.1, 100.0, 0.25),  # 5 steps left to the last iteration
        (10, 1.0, 0.9, 0.0),  # no room for one more step
        (10, 1.0, -5.0, 0.0),
        (1000, 0.1, 100.0, 0.0),
    ],
)
def test_learning_rate_falls_to_zero_in_steps_or_in_time(
    step: int, step_seconds: float, seconds_left: float, expected: float
) -> None:
    found = script.learning_rate_scale(
        step,
        settings=script.Settings(iterations=1000, warmdown_iters=20),
        step_seconds=step_seconds,
        seconds_left=seconds_left,
    )
    assert found == pytest.approx(expected)


# --- quantisation and artifact


@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 40),
    exponents=st.lists(st.integers(-30, 30), min_size=6, max_size=6),
    zero_row=st.integers(0, 6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=200)
def test_quantised_weights_come_back_to_half_a_level(
    rows: int, columns: int, exponents: list[int], zero_row: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    magnitudes = 10.0 ** torch.tensor(exponents[:rows], dtype=torch.float64)
    weight = (torch.randn(rows, columns, generator=generator) * magnitudes[:, None]).float()
    if zero_row < rows:
        weight[zero_row] = 0
    levels, scale = script.quantise(weight)
    assert levels.dtype == torch.int8 and scale.dtype == torch.bfloat16
    back = script.dequantise(levels, scale)
    # Half a level, and the rounding of float32 itself.
    bound = scale[:, None].double() / 2 + weight.abs().double() * 2.0**-22
    assert bool(((back.double() - weight.double()).abs() <= bound).all())
    peaks = levels.int().abs().amax(dim=1)
    for peak, row in zip(peaks.tolist(), weight, strict=True):
        assert peak in ((126, 127) if row.any() else (0,))


@pytest.mark.parametrize("magnitude", [1e-45, 1e-40, 1e-36, 3.4e38])
def test_rows_at_the_ends_of_float32_come_back(magnitude: float) -> None:
    weight = torch.tensor([[magnitude, -magnitude, 0.0]])
    back = script.dequantise(*script.quantise(weight))
    # Below float32's normal range a scale has few bits, or none.
    assert (back - weight).abs().max() <= max(magnitude / 100, 1e-40)


def test_artifact_gives_the_logits_of_the_dequantised_weights(tmp_path: Path) -> None:
    model, path = toy_model(), tmp_path / "model.bin"
    path.write_bytes(script.pack(model))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".weight"):
                parameter.copy_(script.dequantise(*script.quantise(parameter)))
    loaded, tokens = script.load_model(path, CPU), torch.randint(50, (2, 30))
    assert loaded.config == model.config and not loaded.training
    assert not loaded(tokens, 10).requires_grad
    torch.testing.assert_close(loaded(tokens, 10), model(tokens, 10), rtol=0, atol=0)


def test_weights_that_are_not_finite_are_not_stored() -> None:
    model = toy_model()
    model.skip_weights[0, 0] = math.nan
    with pytest.raises(ValueError, match="skip_weights: weights are not finite"):
        script.pack(model)


def _rewritten(content: bytes, **changes: object) -> bytes:
    head, _, raw = zlib.decompress(content[8:]).partition(b"\n")
    header = {**json.loads(head), **changes}
    return content[:8] + zlib.compress(json.dumps(header).encode() + b"\n" + raw)


def test_a_damaged_artifact_is_refused_with_its_reason(tmp_path: Path) -> None:
    whole = script.pack(toy_model())
    payload = zlib.decompress(whole[8:])
    config = {**json.loads(payload.partition(b"\n")[0])["config"]}
    damaged = {
        "wrong magic": b"\x80\x04" + whole,
        "damaged artifact: error": whole[:-20],
        "ends within": whole[:8] + zlib.compress(payload[:-20]),
        "3 bytes after the last tensor": whole[:8] + zlib.compress(payload + b"abc"),
        "JSONDecodeError": whole[:8] + zlib.compress(b"{"),
        "num_layers": _rewritten(whole, config={**config, "num_layers": "5"}),
        "unexpected": _rewritten(whole, config={**config, "extra": 1}),
        "tensors do not fit": _rewritten(whole, config={**config, "model_dim": 64}),
        "KeyError": whole[:8] + zlib.compress(b"{}\n"),
    }
    for reason, content in damaged.items():
        path = tmp_path / "model.bin"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=reason):
            script.load_model(path, CPU)


# --- training, as the harness starts it


@pytest.mark.long
@pytest.mark.usefixtures("fresh")
def test_training_meets_its_deadline_and_leaves_a_model_that_has_learned(
    shards: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    # Enough for a start and some steps, however slow this machine is today.
    budget_seconds = max(10.0, 5 * (time.monotonic() - began))
    began = time.monotonic()
    changes = {"MAX_WALLCLOCK_SECONDS": str(budget_seconds), "OMP_NUM_THREADS": "1"}
    done = train(environment(shards, tmp_path, **changes))
    spent_seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert spent_seconds < budget_seconds
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.bin", "model.bin"]
    model = script.load_model(tmp_path / "model.bin", CPU)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    lines = done.stdout.splitlines()
    assert f"model_params:{parameters}" in lines
    size = (tmp_path / "model.bin").stat().st_size
    assert f"quantised int8+zlib: {size} bytes" in lines
    assert any(line.startswith("step:") and " train_loss:" in line for line in lines)
    inputs, targets = script.TokenStream(shards, 1).batch(0, 8, 64)
    # Guessing costs ln 50 = 3.9 nats per token; how far below depends on how busy the machine is.
    assert float(model(inputs, targets=targets)) < 3.2


@pytest.mark.parametrize("left_seconds", [-100.0, 0.5])
def test_with_no_time_left_an_artifact_is_written_at_once(
    shards: Path, tmp_path: Path, left_seconds: float
) -> None:
    started_at = time.time() - BUDGET_SECONDS + left_seconds
    done = train(environment(shards, tmp_path, WALLCLOCK_STARTED_AT=repr(started_at)))
    assert done.returncode == 0, done.stderr
    assert steps_of(done.stdout) == 0
    assert script.load_model(tmp_path / "model.bin", CPU).config.num_layers == 3


def test_the_same_seed_gives_the_same_model_and_another_seed_another(
    shards: Path, tmp_path: Path
) -> None:
    contents = []
    for number, seed in enumerate(("1", "1", "2")):
        output = tmp_path / str(number)
        output.mkdir()
        done = train(
            environment(
                shards, output, SEED=seed, ITERATIONS="3",
                OMP_NUM_THREADS="1",
            )
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert steps_of(done.stdout) == 3
        contents.append((output / "model.bin").read_bytes())
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.long
def test_several_processes_and_accumulation_take_the_steps_of_one(
    shards: Path, tmp_path: Path
) -> None:
    """Two processes, or micro-batches, see the same tokens in each step and agree with one."""
    fixed = {"ITERATIONS": "5"}
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    models = []
    for number, (launcher, changes) in enumerate(
        [((), {}), ((), {"MICRO_BATCH_TOKENS": "128"}), (torchrun, {"WARMUP_STEPS": "2"})]
    ):
        output = tmp_path / str(number)
        output.mkdir()
        done = train(environment(shards, output, **fixed, **changes), *launcher)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("step:5/5 train") + done.stdout.count("step:5/5 stopping") == 1
        assert ("warmup_step:2/2" in done.stdout) == ("WARMUP_STEPS" in changes)
        assert sorted(p.name for p in output.iterdir()) == ["checkpoint.bin", "model.bin"]
        models.append(script.load_model(output / "model.bin", CPU))
    inputs, targets = script.TokenStream(shards, 1).batch(0, 8, 64)
    losses = [float(model(inputs, targets=targets)) for model in models]
    assert losses[0] < math.log(50) - 0.1
    assert losses[1:] == pytest.approx([losses[0]] * 2, abs=0.01)


def test_a_setting_that_makes_no_sense_is_named(shards: Path, tmp_path: Path) -> None:
    for name, value in {"NUM_LAYERS": "three", "TRAIN_BATCH_TOKENS": "100"}.items():
        done = train(environment(shards, tmp_path, **{name: value}))
        assert done.returncode == 1
        assert name in done.stderr.splitlines()[-1]


# --- the folder


def test_manifest_lists_what_the_commands_need() -> None:
    manifest = tomllib.loads((FOLDER / "submission.toml").read_text())
    assert manifest["code"]["files"] == ["train_gpt.py"]
    assert manifest["score"]["load"] == "train_gpt:load_model"
    names = {field.upper() for options in (script.Settings, script.ModelConfig)
             for field in options.__dataclass_fields__}  # fmt: skip
    for section in (manifest, *manifest["tracks"].values()):
        unknown = set(section["train"].get("env", {})) - names - {"OMP_WAIT_POLICY"}
        assert not unknown, "a variable that the script does not read"

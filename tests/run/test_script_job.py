"""What a script is told, and how ours is told of it."""

import json
import re
from pathlib import Path

import pytest

from harness.contest.bridge import Bridge
from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.run.script_job import Script, settings_of, take_over_job, whole_job
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.protocol import Job

BRIDGE = {
    "launch": {
        "script": "train_gpt.py",
        "imports": ["model.py", "part/more.py"],
        "env": {"A": "launch", "B": "launch", "C": "launch"},
    },
    "artifact": {"file": "out/model.{seed}.{run_id}.ptz", "others": ["final_model.pt"]},
    "no_train": {"env": {"ITERATIONS": "0", "WARMUP_STEPS": "0", "C": "no train"}},
    "evaluation": {"function": "eval_val", "model": "model"},
    "logits": {"how": "loss"},
    "windows": {"context": 8, "stride": 8},
    "vocabulary": {"size": 1024},
    "rehearsal": {"env": {"B": "small", "C": "small", "VOCAB_SIZE": "7"}},
}
SANDBOX = ProcessSandbox()


def script(*, small: bool = True, accelerators: tuple[str, ...] = (), **launch: str) -> Script:
    fields = {**BRIDGE, "launch": {**BRIDGE["launch"], **launch}}  # type: ignore[dict-item]
    return Script(
        bridge=Bridge.model_validate(fields),
        code=Path("/code"),
        data=Path("/tree"),
        vocabulary_size=1024,
        decoy_tokens=65,
        limits=load_track("smoke").sandbox,
        small=small,
        accelerators=accelerators,
    )


def taken_over(of: Script) -> Job:
    return take_over_job(
        of,
        SANDBOX,
        seed=5,
        channel=Path("/channel"),
        log=Path("/log"),
        prepare_seconds=60.0,
    )


def whole(of: Script, *, steps: int) -> Job:
    return whole_job(of, SANDBOX, seed=5, run_id="run", steps=steps, log=Path("/log"), seconds=60.0)


def test_the_last_word_is_the_referee_s() -> None:
    told = taken_over(script()).environment
    assert [told[name] for name in "ABC"] == ["launch", "small", "no train"]
    assert told["ITERATIONS"] == "0"
    assert told["SEED"] == "5"
    assert told["VOCAB_SIZE"] == "1024"
    assert told["DATA_DIR"] == "/tree"
    assert told["DATA_PATH"] == "/tree/datasets/fineweb10B_sp1024"
    assert told["TOKENIZER_PATH"] == "/tree/tokenizers/fineweb_1024_bpe.model"
    assert taken_over(script(small=False)).environment["B"] == "launch"


def test_neither_artifact_nor_data_are_shown_before_it_asks() -> None:
    job = taken_over(script())
    assert [mount.source.name for mount in job.mounts] == ["upstream", "tree", "channel"]
    assert not job.output
    assert job.wallclock_seconds == 60.0


@pytest.mark.parametrize(
    ("accelerators", "workers", "device"), [((), "1", "cpu"), (("a", "b"), "2", "cuda")]
)
def test_one_worker_a_device(accelerators: tuple[str, ...], workers: str, device: str) -> None:
    command = list(taken_over(script(accelerators=accelerators)).command)
    assert command[command.index("--workers") + 1] == workers
    assert command[command.index("--device") + 1] == device


def test_a_whole_run_trains_as_little_as_it_can() -> None:
    few, none = (whole(script(), steps=steps).environment for steps in (2, 0))
    assert (few["ITERATIONS"], few["WARMUP_STEPS"], few["C"]) == ("2", "0", "small")
    assert (none["ITERATIONS"], none["WARMUP_STEPS"], none["C"]) == ("0", "0", "no train")


def test_a_whole_run_is_started_as_the_bridge_says() -> None:
    command = " ".join(whole(script(), steps=2).command)
    assert command.endswith(
        "--cpu --still --lively -- torchrun --standalone --nproc_per_node=1 train_gpt.py"
    )
    plain = whole(script(how="python", accelerators=("a",)), steps=2)
    assert plain.command[-3:] == ("--", "python", "train_gpt.py")
    assert plain.output


@pytest.mark.parametrize(
    ("path", "is_it"),
    [
        ("/tmp/world/out/model.5.score-5.ptz", True),
        ("out/model.5.score-5.ptz", True),
        ("/tmp/world/model.5.score-5.ptz", False),
        ("/tmp/world/about/model.5.score-5.ptz", False),
        ("/tmp/world/out/model.5.score-5.ptz.sealed", False),
        ("/tmp/world/out/modelx5.score-5.ptz", False),
        ("/tmp/world/out/model.6.score-5.ptz", False),
    ],
)
def test_which_file_is_the_artifact(path: str, is_it: bool) -> None:
    told = settings_of(script().bridge, seed=5, run_id="score-5")
    assert (re.search(str(told["artifact"]), path) is not None) == is_it


def test_ours_is_told_in_json() -> None:
    told = json.loads(json.dumps(settings_of(script().bridge, seed=5, run_id="run")))
    assert told["modules"] == ["model", "part.more"]
    assert told["logits"]["how"] == "loss"


def test_a_model_that_cannot_be_asked() -> None:
    fields = {key: BRIDGE[key] for key in ("launch", "artifact", "vocabulary")}
    with pytest.raises(InfrastructureError, match="how the script's model is asked"):
        settings_of(Bridge.model_validate(fields), seed=1, run_id="run")

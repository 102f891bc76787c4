"""Each check passes on an honest record, and fails on the one thing that breaks it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.audit.one import load_policy
from harness.audit.policy import policy_names
from harness.errors import UsageError
from tests.audit.records import (
    SCORES,
    SCRIPT,
    SP8192,
    audited,
    checked,
    failing,
    log,
    loss_of,
    mean_of,
    write_record,
)

HONEST = {f"train_seed{seed}.log": log(bpb, seed=seed) for seed, bpb in SCORES.items()}


def with_log(**changes: Any) -> dict[str, str]:
    """The honest logs, with a change in the log of seed 42."""
    return {**HONEST, "train_seed42.log": log(SCORES[42], seed=42, **changes)}


def test_an_honest_record_fails_nothing(tmp_path: Path) -> None:
    audit = audited(write_record(tmp_path))
    assert failing(audit) == set()
    unknown = {found.id for found in audit.checks if found.status == "unknown"}
    assert unknown == {"readme", "post_train", "welch"}
    assert audit.claim.kind == "mean"
    for found in audit.checks:
        assert found.sentence
        assert (found.file is None) == (not found.places)


@pytest.mark.parametrize(
    ("claimed", "kind", "status"),
    [
        (mean_of(), "mean", "pass"),
        (1.0479311, "best", "fail"),
        (1.0484402, "one_of_several", "fail"),
        (1.04, "unsupported", "fail"),
    ],
)
def test_score(tmp_path: Path, claimed: float, kind: str, status: str) -> None:
    write_record(tmp_path, claims={"val_bpb": round(claimed, 8)})
    assert audited(tmp_path).claim.kind == kind
    found = checked(tmp_path, "score")
    assert found.status == status
    assert (found.file, found.line) == ("submission.json", 2)


@pytest.mark.parametrize(
    "claims",
    [
        {"val_bpb": "1.04816"},
        {"mean_bpb": 1.04816},
        {"val_bpb_mean": 1.04816},
        {"results": {"val_bpb": 1.04816}},
        {"metrics": {"bpb": 1.04816}},
        {"val_bpb": {"mean": 1.04816, "std": 0.0002}},
        {"val_bpb": 1.04816, "seed_42_val_bpb": 1.04812},
        {"val_bpb": 1.04816, "seeds": [{"seed": 42, "val_bpb": 1.0481234}]},
        {"val_bpb": 1.04816, "val_bpb_seeds": [1.04812, 1.04793, 1.04844]},
        {"val_bpb": 1.048165, "seeds": {"42": {"val_bpb": 1.0481234}}},
    ],
)
def test_a_claim_in_every_schema(tmp_path: Path, claims: dict[str, Any]) -> None:
    assert audited(write_record(tmp_path, claims=claims)).claim.kind == "mean"


def test_a_claim_that_stands_in_the_readme_alone(tmp_path: Path) -> None:
    folder = write_record(tmp_path, claims={"name": "x"}, readme="# R\n\n**val_bpb: 1.0482**\n")
    audit = audited(folder)
    assert (audit.claim.kind, audit.claim.file, audit.claim.line) == ("mean", "README.md", 3)


def test_a_claim_of_one_scoring_among_several_chooses_it(tmp_path: Path) -> None:
    tail = "final_ttt val_loss:2.5 val_bpb:1.02000000 eval_time:9ms\n"
    logs = {name: text + tail for name, text in HONEST.items()}
    write_record(tmp_path, logs=logs)
    audit = audited(tmp_path)
    assert audit.claim.kind == "mean"
    assert {run.val_bpb for run in audit.runs} == set(SCORES.values())
    assert all("claim" in run.metric_reason for run in audit.runs)


def test_a_second_run_of_each_seed_is_left_out_where_the_claim_leaves_it_out(
    tmp_path: Path,
) -> None:
    again = {
        f"rerun_seed{seed}.log": log(bpb + 0.001 * seed / 1000, seed=seed)
        for seed, bpb in SCORES.items()
    }
    audit = audited(write_record(tmp_path, logs={**HONEST, **again}))
    assert audit.claim.kind == "mean"
    assert {run.log for run in audit.runs if run.counted} == set(HONEST)
    assert audit.readings.seeds == 3


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"val_bpb": round(mean_of(), 8), "val_loss": round(mean_of(), 5)}, "fail"),
        ({"val_bpb": round(mean_of(), 8), "val_loss": round(loss_of(mean_of()), 5)}, "pass"),
        ({"val_loss": round(mean_of(), 5)}, "fail"),
    ],
)
def test_score_loss(tmp_path: Path, claims: dict[str, float], status: str) -> None:
    assert checked(write_record(tmp_path, claims=claims), "score_loss").status == status


def test_a_score_in_the_field_of_the_loss_is_still_the_claim(tmp_path: Path) -> None:
    audit = audited(write_record(tmp_path, claims={"val_loss": round(mean_of(), 5)}))
    assert audit.claim.kind == "mean"


@pytest.mark.parametrize(
    ("claimed", "status"),
    [
        (15_000_000 + len(SCRIPT), "pass"),
        (15_000_000, "fail"),
        (15_999_999, "pass"),
    ],
)
def test_score_bytes(tmp_path: Path, claimed: int, status: str) -> None:
    claims = {"val_bpb": round(mean_of(), 8), "bytes_total": claimed}
    assert checked(write_record(tmp_path, claims=claims), "score_bytes").status == status


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"val_bpb": 1.0481234, "steps": 6000, "artifact_bytes": 15_000_000}, "pass"),
        ({"val_bpb": 1.0481234, "steps": 6001}, "fail"),
        ({"val_bpb": 1.0481234, "artifact_bytes": 14_000_000}, "fail"),
        ({"val_bpb": 1.04}, "fail"),
    ],
)
def test_score_seeds(tmp_path: Path, entry: dict[str, float], status: str) -> None:
    claims = {"val_bpb": round(mean_of(), 8), "seed_results": {"42": entry}}
    assert checked(write_record(tmp_path, claims=claims), "score_seeds").status == status


def test_claimed_seeds_need_logs(tmp_path: Path) -> None:
    claims = {"val_bpb": round(mean_of(), 8), "seeds": [42, 1337, 999]}
    found = checked(write_record(tmp_path, claims=claims), "score_seeds")
    assert (found.status, found.measured, found.limit) == ("fail", 2, 3)
    assert "999" in found.sentence


@pytest.mark.parametrize(
    ("factor", "status"), [(1.0, "pass"), (1.0001, "pass"), (1.001, "fail"), (0.97, "fail")]
)
def test_denominator_by_tokens(tmp_path: Path, factor: float, status: str) -> None:
    logs = with_log(loss=loss_of(SCORES[42]) * factor)
    assert checked(write_record(tmp_path, logs=logs), "denominator").status == status


def test_a_part_of_the_validation_set_is_not_the_set(tmp_path: Path) -> None:
    logs = with_log(tokens=31_000_000, loss=loss_of(SCORES[42]))
    assert checked(write_record(tmp_path / "a", logs=logs), "denominator").status == "fail"
    logs = with_log(settings="val_doc_fraction:0.5")
    found = checked(write_record(tmp_path / "b", logs=logs), "denominator")
    assert found.status == "fail" and "0.5" in found.sentence


@pytest.mark.parametrize(
    ("vocabulary", "tokens", "factor", "status"),
    [
        (8192, SP8192, 1.0, "pass"),
        (8192, SP8192, 1.17, "fail"),
        (4096, 45_508_608, 1.0, "unknown"),
        ("8192_own", SP8192, 1.17, "unknown"),
    ],
)
def test_denominator_by_bytes_per_token(
    tmp_path: Path, vocabulary: Any, tokens: int, factor: float, status: str
) -> None:
    def untold(bpb: float, seed: int) -> str:
        loss = loss_of(bpb, tokens) * factor
        text = log(bpb, seed=seed, tokens=tokens, vocabulary=vocabulary, loss=loss)
        return re.sub(r"(?m)^val_loader.*\n", "", text)

    logs = {f"train_seed{seed}.log": untold(bpb, seed) for seed, bpb in SCORES.items()}
    assert checked(write_record(tmp_path, logs=logs), "denominator").status == status


def test_size_logged_shipped_and_needed(tmp_path: Path) -> None:
    for name, changes, script, wrong in (
        ("logged", {"model_bytes": 16_000_001 - len(SCRIPT)}, SCRIPT, {"size", "size_shipped"}),
        ("at_the_cap", {"model_bytes": 16_000_000 - len(SCRIPT)}, SCRIPT, set()),
        ("shipped", {"model_bytes": 15_999_000}, SCRIPT + "#" * 2000 + "\n", {"size_shipped"}),
    ):
        folder = write_record(tmp_path / name, logs=with_log(**changes), script=script)
        sizes = {each for each in failing(audited(folder)) if each.startswith("size")}
        assert sizes == wrong, name
    helper = "import helper\n" + SCRIPT
    logs = with_log(model_bytes=15_990_000)
    folder = write_record(
        tmp_path / "needed", logs=logs, script=helper, files={"helper.py": "x = 1\n" * 3000}
    )
    found = checked(folder, "size_needed")
    assert found.status == "fail" and "helper.py" in found.sentence
    folder = write_record(tmp_path / "unneeded", logs=logs, files={"plot.py": "x = 1\n" * 3000})
    assert checked(folder, "size_needed").status == "pass"


@pytest.mark.parametrize(
    ("milliseconds", "status", "word"),
    [
        (599_999, "pass", "ok"),
        (600_137, "pass", "over_by_less_than_0.2s"),
        (601_500, "fail", "over"),
        (2_400_107, "fail", "over"),
    ],
)
def test_train_time_tells_the_last_step_from_an_overrun(
    tmp_path: Path, milliseconds: int, status: str, word: str
) -> None:
    folder = write_record(tmp_path, logs=with_log(train_ms=milliseconds))
    assert checked(folder, "train_time").status == status
    assert audited(folder).readings.train_time == word


def test_calibration_counts_where_the_policy_counts_it(tmp_path: Path) -> None:
    logs = with_log(after="GPTQ:collected 67 Hessians in 12.8s\n")
    folder = write_record(tmp_path, logs=logs)
    assert checked(folder, "post_train", "strict").status == "fail"
    assert checked(folder, "post_train", "readme").status == "unknown"
    assert "post_train" not in {found.id for found in audited(folder, "practice").checks}


def test_evaluation_with_and_without_compilation(tmp_path: Path) -> None:
    warm = "ttt_lora:compile warmup done (100.0s)\n"
    folder = write_record(tmp_path / "a", logs=with_log(eval_ms=550_000, after=warm))
    assert checked(folder, "eval_time").status == "pass"
    assert checked(folder, "eval_compile").status == "fail"
    folder = write_record(tmp_path / "b", logs=with_log(eval_ms=650_000))
    assert checked(folder, "eval_time").status == "fail"


def test_seeds(tmp_path: Path) -> None:
    same = {f"run{i}.log": log(bpb, seed=42) for i, bpb in enumerate(SCORES.values())}
    found = checked(write_record(tmp_path / "a", logs=same), "seeds")
    assert (found.status, found.measured, found.limit) == ("fail", 1, 3)
    wrong = {**HONEST, "train_seed42.log": log(SCORES[42], seed=1)}
    folder = write_record(tmp_path / "b", logs=wrong)
    assert failing(audited(folder)) >= {"seed_labels"}
    copied = {**HONEST, "train_seed42.log": HONEST["train_seed1337.log"]}
    audit = audited(write_record(tmp_path / "c", logs=copied))
    assert "seed_labels" in failing(audit)
    assert audit.readings.seeds == 2


def test_a_byte_copy_is_counted_once(tmp_path: Path) -> None:
    logs = {**HONEST, "train.log": HONEST["train_seed42.log"]}
    audit = audited(write_record(tmp_path, logs=logs))
    assert [run.log for run in audit.runs if run.copy_of] == ["train.log"]
    assert failing(audit) == set()


def test_a_seed_that_changes_nothing_shows_in_the_first_losses(tmp_path: Path) -> None:
    logs = {
        f"train_seed{seed}.log": log(bpb, seed=seed, first_loss=6.9) for seed, bpb in SCORES.items()
    }
    assert "seed_fingerprint" in failing(audited(write_record(tmp_path, logs=logs)))


@pytest.mark.parametrize(
    ("setting", "status"),
    [
        ("matrix_lr:0.05", "fail"),
        ("matrix_lr:0.040", "pass"),
        ("run_id:abc data_path:/mnt/other", "pass"),
        ("load_time:3.25s", "pass"),
    ],
)
def test_configuration(tmp_path: Path, setting: str, status: str) -> None:
    settings = "matrix_lr:0.04 run_id:x data_path:/a load_time:2.50s"
    logs = {
        f"train_seed{seed}.log": log(bpb, seed=seed, settings=settings)
        for seed, bpb in SCORES.items()
    }
    text = logs["train_seed42.log"]
    for pair in setting.split():
        key = pair.partition(":")[0]
        text = re.sub(rf"{key}:\S+", pair, text)
    folder = write_record(tmp_path, logs={**logs, "train_seed42.log": text})
    assert checked(folder, "configuration").status == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "pass"),
        ({"gpu": "NVIDIA H100 NVL"}, "fail"),
        ({"gpu": "NVIDIA H100 PCIe"}, "fail"),
        ({"gpu": "NVIDIA H200"}, "fail"),
        ({"world_size": 4}, "fail"),
        ({"gpu": None}, "unknown"),
    ],
)
def test_hardware(tmp_path: Path, changes: dict[str, Any], status: str) -> None:
    assert checked(write_record(tmp_path, logs=with_log(**changes)), "hardware").status == status


def test_script(tmp_path: Path) -> None:
    assert checked(write_record(tmp_path / "a"), "script").status == "pass"
    folder = write_record(tmp_path / "b", script=SCRIPT + "# later\n")
    assert checked(folder, "script").status == "fail"
    source = SCRIPT.replace("math.pi", "math.tau") * 20
    echoing = {
        f"train_seed{seed}.log": log(bpb, seed=seed, source=source, code_bytes=len(source))
        for seed, bpb in SCORES.items()
    }
    folder = write_record(tmp_path / "c", logs=echoing, script=source)
    assert checked(folder, "script").status == "pass"
    other = source.replace("math.tau", "math.inf")
    folder = write_record(tmp_path / "d", logs=echoing, script=other)
    assert checked(folder, "script").status == "unknown"


def test_files_and_what_only_a_manifest_lists(tmp_path: Path) -> None:
    folder = write_record(tmp_path / "a", readme=None)
    assert checked(folder, "files").status == "fail"
    listed = {"README.md": {"bytes": 9, "sha256": "0"}, "train_gpt.py": {"bytes": len(SCRIPT)}}
    folder = write_record(
        tmp_path / "b", readme=None, script=None, files={"MANIFEST.json": json.dumps(listed)}
    )
    assert checked(folder, "files").status == "pass"
    assert checked(folder, "syntax").status == "unknown"
    assert checked(folder, "script").status == "pass"
    listed["train_seed7.log"] = {"bytes": 9}
    claims = {"val_bpb": 0.9}
    folder = write_record(
        tmp_path / "c", claims=claims, files={"MANIFEST.json": json.dumps(listed)}
    )
    assert checked(folder, "score").status == "unknown"


def test_links_are_told_and_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.log"
    secret.write_text(log(0.5, seed=3))
    folder = write_record(tmp_path / "record")
    (folder / "train_seed3.log").symlink_to(secret)
    audit = audited(folder)
    assert "outside" in failing(audit)
    assert all(run.val_bpb != 0.5 for run in audit.runs)
    (folder / "train_seed3.log").unlink()
    (folder / "again.log").symlink_to("train_seed42.log")
    assert checked(folder, "outside").status == "unknown"


@pytest.mark.parametrize(
    ("readme", "status"),
    [
        ("# R\nval_bpb: 1.0482\n", "pass"),
        ("# R\n**val_bpb: 1.0301**\n", "fail"),
        ("| seed | steps | val_bpb |\n|---|---|---|\n| 42 | 6000 | 1.04812 |\n", "pass"),
        ("| seed | steps | val_bpb |\n|---|---|---|\n| **42** | 6010 | 1.04812 |\n", "fail"),
        ("| Seed | Artifact bytes |\n|---|---|\n| 42 | 15,000,000 |\n", "pass"),
        ("# R\nval_bpb: 1.2244 -> 1.0301 over the baseline\n", "unknown"),
        (
            "| Seed | Raw bytes | PR #549 bpb |\n|---|---|---|\n| 42 | 67224983 | 1.1 |\n",
            "unknown",
        ),
        ("| Seed | delta bpb |\n|---|---|\n| 42 | 0.0101 |\n", "unknown"),
        ("| model | val_bpb |\n|---|---|\n| baseline | 1.2244 |\n", "unknown"),
    ],
)
def test_readme(tmp_path: Path, readme: str, status: str) -> None:
    assert checked(write_record(tmp_path, readme=readme), "readme").status == status


def test_policies_are_data_and_ask_differently(tmp_path: Path) -> None:
    assert policy_names() == ["practice", "readme", "strict"]
    folder = write_record(tmp_path / "r", claims={"val_bpb": 1.0479311, "date": "2026-05-20"})
    statuses = {name: checked(folder, "score", name).status for name in policy_names()}
    assert statuses == {"strict": "fail", "readme": "fail", "practice": "pass"}
    with pytest.raises(UsageError, match="known are practice, readme, strict"):
        load_policy("lenient")
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\nchecks = { size = "maybe" }\n')
    with pytest.raises(UsageError, match=r"checks\.size"):
        load_policy(str(own))

"""``harness adopt --check``: a right bridge is proved, a wrong one and a broken script are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import main
from tests.run.test_check_bridge import SCRIPT

SETTINGS = SCRIPT.replace(
    '    torch.manual_seed(seed)\n    val = shard("val")',
    '    torch.manual_seed(seed)\n    val = shard("val")\n'
    '    context = int(os.environ.get("EVAL_SEQ_LEN", 256))\n'
    '    stride = int(os.environ.get("EVAL_STRIDE", 64))',
).replace("val, 256, 64)", "val, context, stride)")
BRIDGE = """
format = 1
[launch]
script = "train_gpt.py"
[artifact]
file = "final_model.int8.ptz"
[no_train]
env = { "ITERATIONS" = "0" }
[evaluation]
function = "eval_val"
model = "model"
[logits]
how = "loss"
[windows]
context = 256
stride = 64
[vocabulary]
size = 1024
"""
pytestmark = pytest.mark.long


def adopted(place: Path, data: Path, *words: str, script: str = SETTINGS) -> tuple[int, Any]:
    folder, told = place / "2026-05-01_Entry", place / "told.json"
    folder.mkdir()
    (folder / "train_gpt.py").write_text(script)
    options = ["--check", "--sandbox", "process", "--data", str(data), "--json", str(told)]
    code = main(["adopt", str(folder), *options, *words])
    return code, json.loads(told.read_text()) if told.exists() else None


def test_a_bridge_that_is_found_is_proved(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = adopted(tmp_path, data_root)
    said = capsys.readouterr().out
    assert code == 0, said
    check, proof = told["check"], told["check"]["proof"]
    assert told["adoption"] == "full" and check["outcome"] == "agrees"
    assert abs(proof["our_loss"] - proof["printed_loss"]) < proof["tolerance_nats"]
    assert set(check["run_seconds"]) == {"whole", "taken over"}
    assert check["seconds"] > sum(check["run_seconds"].values()) / 2
    assert f"our loss {proof['our_loss']:.8f} nats, printed {proof['printed_loss']:.8f}" in said
    assert "s in all (whole " in said and "apart " in said and "tolerance 1.00e-05" in said


def test_a_bridge_that_is_wrong_is_told(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge = tmp_path / "bridge.toml"
    bridge.write_text(BRIDGE.replace("stride = 64", 'stride = 64\nfirst = "tail"'))
    code, told = adopted(tmp_path, data_root, "--bridge", str(bridge))
    assert (code, told["check"]["outcome"]) == (1, "differs")
    assert "our loss is not the one that the script prints" in capsys.readouterr().out


def test_a_script_that_fails_is_told(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = SETTINGS.replace('    val = shard("val")\n', '    val = shard("val")\n    1 / 0\n')
    code, told = adopted(tmp_path, data_root, script=broken)
    assert (code, told["check"]["outcome"]) == (1, "failed")
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().out
    assert "ZeroDivisionError" in told["check"]["problem"]


def test_what_cannot_be_asked_is_not_run(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = adopted(tmp_path, data_root, script=SETTINGS.replace('"rb"', '"wb"'))
    assert (code, told["check"]["outcome"]) == (1, "failed")
    assert "no bridge leads to its model, so nothing was run" in capsys.readouterr().out


def test_data_that_is_not_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = adopted(tmp_path, tmp_path / "nothing")
    assert code == 3
    assert "INCONCLUSIVE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--check", "--git", ".", "HEAD"], "check a head out"),
        (["--bridge", "x.toml", "a"], "only --check"),
        (["--seconds", "0", "a"], "whole number from 1"),
    ],
)
def test_wrong_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", *words]) == 2
    assert said in capsys.readouterr().err


def test_several_folders_are_checked_one_after_another(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, script in (("right", SETTINGS), ("unread", SETTINGS.replace('"rb"', '"wb"'))):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "train_gpt.py").write_text(script)
    told, table, place = tmp_path / "told.json", tmp_path / "table.md", str(tmp_path / "in")
    options = ["--check", "--sandbox", "process", "--data", str(data_root)]
    code = main(["adopt", place, *options, "--json", str(told), "--markdown", str(table)])
    assert code == 1
    one, other = json.loads(told.read_text())["folders"]
    assert (one["check"]["outcome"], other["check"]["outcome"]) == ("agrees", "failed")
    assert "check of right: " in capsys.readouterr().out
    assert f"| {one['check']['proof']['our_loss']:.8f} |" in table.read_text()
    lost = main(["adopt", str(tmp_path / "in"), *options[:3], "--data", str(tmp_path / "none")])
    assert lost == 3

"""What cannot run fails before it is run; what cannot be seen is never called not there."""

import base64
import re
import zlib
from pathlib import Path

import pytest

from harness.contest.loading import load_submission
from harness.contest.track import load_track
from harness.gate.at_import import IMAGE_PACKAGES, SOME_IMAGES
from harness.gate.precheck import precheck
from harness.models import Finding
from tests.factories.playground import ROOT, harness

TOML = """
[submission]
name = "Sample"
author = "A. Author"
github_id = "a-author"

[code]
files = [FILES]

[train]
command = COMMAND
artifact = "model.bin"

[score]
load = "model:load_model"
sequence_length = 64
stride = 32
"""
LOADER = "def load_model(artifact, device):\n    return None\n"
TRAIN = "import os\nseed = os.environ['SEED']\nimport model\n"


def findings(
    folder: Path, *, command: str = '["python", "train.py"]', **files: str
) -> list[Finding]:
    """What check finds of a loader and a train script, with other contents where given."""
    contents = {"model": LOADER, "train": TRAIN, **files}
    for name, content in contents.items():
        (folder / f"{name}.py").write_text(content)
    names = ", ".join(f'"{name}.py"' for name in contents)
    (folder / "submission.toml").write_text(
        TOML.replace("FILES", names).replace("COMMAND", command)
    )
    (folder / "README.md").write_text("# Sample\n")
    (folder / "submission.json").write_text("{}")
    return precheck(load_submission(folder), load_track("smoke"))


def told(found: list[Finding], id: str) -> list[tuple[str, str, int | None]]:
    return [(each.status, each.file or "", each.line) for each in found if each.id == id]


def test_an_ordinary_submission_passes(tmp_path: Path) -> None:
    assert {each.status for each in findings(tmp_path)} == {"pass"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import transformers", "fail"),
        ("from transformers.models import gpt2", "fail"),
        ("class A:\n    import transformers", "fail"),
        ("try:\n    import transformers\nexcept ImportError:\n    pass", "unknown"),
        ("if False:\n    import transformers", "unknown"),
        ("def f():\n    import transformers", "unknown"),
        ("import einops", "unknown"),
        ("import triton", "unknown"),
        ("with open('x'):\n    import transformers", "unknown"),
        ("import sys\nif len(sys.argv) > 1:\n    sys.exit()\nimport transformers", "unknown"),
    ],
)
def test_what_the_image_lacks(tmp_path: Path, code: str, status: str) -> None:
    """In the module that loads the model, and in what is started."""
    for name in ("model", "train"):
        content = {"model": LOADER, "train": TRAIN}[name] + code
        found = findings(tmp_path, **{name: content})
        ((answer, file, _),) = told(found, "unknown_import")
        assert (answer, file) == (status, f"{name}.py")


def test_below_the_question_for_main_only_what_is_started_is_run(tmp_path: Path) -> None:
    main = '\nif __name__ == "__main__":\n    import transformers\n'
    (found,) = told(findings(tmp_path, train=TRAIN + main), "unknown_import")
    assert found[:2] == ("fail", "train.py")
    (found,) = told(findings(tmp_path, model=LOADER + main), "unknown_import")
    assert found[:2] == ("unknown", "model.py")


def test_what_is_imported_in_turn_counts_and_what_nobody_imports_does_not(tmp_path: Path) -> None:
    lacking = "import transformers\n"
    (found,) = told(
        findings(tmp_path, model="import parts\n" + LOADER, parts=lacking), "unknown_import"
    )
    assert found[:2] == ("fail", "parts.py")
    (found,) = told(findings(tmp_path, tools=lacking), "unknown_import")
    assert found[:2] == ("unknown", "tools.py")
    guarded = "try:\n    import parts\nexcept ImportError:\n    parts = None\n"
    (found,) = told(findings(tmp_path, model=guarded + LOADER, parts=lacking), "unknown_import")
    assert found[:2] == ("unknown", "parts.py")


def test_a_file_that_is_not_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("")
    found = findings(tmp_path, train=TRAIN + "import helper\n")
    (missing,) = [each for each in found if each.id == "unknown_import"]
    assert missing.status == "fail" and "[code] files does not list" in missing.detail
    assert missing.remedy == "list helper.py in [code] files"


def test_the_packages_that_are_told_are_those_of_every_lock() -> None:
    for lock in ("cpu-cp311-x86_64", "cuda-cp313-x86_64"):
        lines = (ROOT / "docker" / f"{lock}.lock").read_text().splitlines()
        listed = {line.partition("==")[0] for line in lines if "==" in line}
        kept = {name for name in listed if not re.match("nvidia|cuda", name)}
        kept = {name.replace("-", "_") for name in kept} - set(SOME_IMAGES)
        assert kept <= set(IMAGE_PACKAGES)
        assert set(IMAGE_PACKAGES) - kept <= {"functorch"}  # PyTorch's


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ('["torchrun", "--nproc_per_node={gpus}", "train.py"]', "fail"),
        ('["torchrun", "--nproc_per_node={accelerators}", "train.py"]', "pass"),
        ('["bash", "-c", "python train.py ${OUTPUT_DIR}"]', "pass"),
        ('["env", "X=${OUTPUT_DIR}", "python", "train.py"]', "pass"),
        ('["python", "train.py", "{}"]', "pass"),
        ('["python", "train.py", "{num_gpus}"]', "fail"),
    ],
)
def test_names_in_braces_that_nobody_fills_in(tmp_path: Path, command: str, status: str) -> None:
    found = findings(tmp_path, command=command)
    (train,) = [each for each in found if each.id == "train"]
    assert train.status == status
    if status == "fail":
        assert "is no name that the harness fills in" in train.detail
        assert train.remedy.startswith("{accelerators} is the number of processes")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import os\nSEED = int(os.environ['SEED'])\n", "fail"),
        ("from os import environ\nX = environ['VOCAB_SIZE']\n", "fail"),
        ("import os\nclass H:\n    path = os.environ['DATA_PATH']\n", "fail"),
        ("import os\nSEED = os.environ.get('SEED', 1)\n", None),
        ("import os\nX = os.environ['HOME']\n", None),
        ("import os\ndef seed():\n    return os.environ['SEED']\n", None),
        ("import os\nX = os.environ['SEED'] if 'SEED' in os.environ else 1\n", None),
        ("import os\nif __name__ == '__main__':\n    X = os.environ['SEED']\n", None),
        ("import os\nos.environ['SEED'] = '1'\n", None),
    ],
)
def test_a_variable_that_only_training_has(tmp_path: Path, code: str, status: str | None) -> None:
    found = told(findings(tmp_path, model=code + LOADER), "read_at_import")
    assert [each[0] for each in found] == ([status] if status else [])


def test_work_that_is_done_when_the_model_is_loaded(tmp_path: Path) -> None:
    code = LOADER + "def main():\n    pass\n"
    (found,) = told(findings(tmp_path, model=code + "main()\n"), "work_at_import")
    assert found[:2] == ("unknown", "model.py")
    guarded = code + 'if __name__ == "__main__":\n    main()\n'
    assert not told(findings(tmp_path, model=guarded), "work_at_import")


def test_pointers_and_compiled_code_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/model.pyc").write_bytes(b"\0")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
    (tmp_path / "table.bin").write_text(pointer)
    listed = '"__pycache__/model.pyc", "table.bin", "model.py", "train.py"'
    findings(tmp_path)
    toml = (tmp_path / "submission.toml").read_text()
    toml = toml.replace('"model.py", "train.py"', listed)
    (tmp_path / "submission.toml").write_text(toml)
    found = precheck(load_submission(tmp_path), load_track("smoke"))
    stray = {each.file: each for each in found if each.id == "stray_file"}
    assert set(stray) == {"__pycache__/model.pyc", "table.bin"}
    assert all(each.status == "fail" and each.remedy for each in stray.values())


@pytest.mark.parametrize(
    "code",
    [
        f"import base64, zlib\nexec(zlib.decompress(base64.b85decode("
        f"{base64.b85encode(zlib.compress(LOADER.encode()))!r})))\n",
        "globals()['load_model'] = lambda artifact, device: None\n",
        "from hidden import *\n",
    ],
)
def test_a_loader_that_cannot_be_seen_is_a_warning(tmp_path: Path, code: str) -> None:
    found = findings(tmp_path, model=code, hidden=LOADER)
    (score,) = [each for each in found if each.id == "score"]
    assert score.status == "unknown" and "not seen without running it" in score.detail


def test_verify_repeats_what_check_does_not_let_pass(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    folder.mkdir()
    findings(folder, train="import transformers\n" + TRAIN)
    options = ("--track", "smoke", "--sandbox", "process", "--data", tmp_path, "--runs", tmp_path)
    done = harness("verify", folder, *options)
    assert "warning: train.py:1: imports 'transformers'" in done.err

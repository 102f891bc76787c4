"""The launcher: a writable copy of the code, and an environment; then it is the program."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.inside.upstream.launch import copy_files
from tests.inside.upstream.conftest import launch

Lines = Callable[..., list[str]]


def test_regular_files_are_copied_with_their_folders_and_nothing_else(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "kernels").mkdir(parents=True)
    target.mkdir()
    (source / "train_gpt.py").write_text("1")
    (source / "kernels" / "fused.cpp").write_text("2")
    (source / "link").symlink_to("/etc/passwd")
    (source / "other").symlink_to(source / "kernels")
    os.mkfifo(source / "pipe")
    copy_files(source, target)
    found = {str(path.relative_to(target)) for path in target.rglob("*")}
    assert found == {"train_gpt.py", "kernels", "kernels/fused.cpp"}


def test_a_target_within_the_source_is_not_copied_into_itself(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "train_gpt.py").write_text("1")
    copy_files(tmp_path, tmp_path / "work")
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["train_gpt.py"]


def test_a_script_runs_beside_its_copied_files_and_writes_there(
    lines_of: Lines, tmp_path: Path
) -> None:
    (printed,) = lines_of(
        "import os, pathlib\npathlib.Path('final_model.pt').write_text('x')\nprint(__file__)",
        options=(),
    )
    assert printed == str(tmp_path / "work" / "train_gpt.py")
    assert (tmp_path / "work" / "final_model.pt").is_file()
    assert not (tmp_path / "code" / "final_model.pt").exists()


def test_the_program_ends_as_itself(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    ended = launch(tmp_path / "code", tmp_path / "work", "python", "-c", "raise SystemExit(7)")
    assert ended.returncode == 7


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    ended = launch(tmp_path / "code", tmp_path / "work", "no-such-program")
    assert ended.returncode == 1
    assert "'no-such-program' cannot be started" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_without_options_nothing_is_stood_in_for(lines_of: Lines) -> None:
    script = (
        "import os, sys\nprint('harness_stand_in' in sys.modules, os.environ.get('PYTHONPATH'))"
    )
    assert lines_of(script, options=()) == ["False None"]


def test_a_script_that_imports_no_torch_is_not_disturbed(lines_of: Lines) -> None:
    (printed,) = lines_of("import sys\nprint('torch' in sys.modules, 'numpy' in sys.modules)")
    assert printed == "False False"


def test_processes_that_a_script_starts_have_the_stand_in_too(lines_of: Lines) -> None:
    script = (
        "import subprocess, sys\n"
        "code = 'import torch; print(torch.cuda.is_available(), torch.ones(1, device=0).device)'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)\n"
    )
    assert lines_of(script)[0] == "True cpu"


@pytest.mark.parametrize("name", ["HARNESS_STAND_IN", "PYTHONHASHSEED"])
def test_what_a_still_run_needs_is_in_the_environment(lines_of: Lines, name: str) -> None:
    expected = {"HARNESS_STAND_IN": "still", "PYTHONHASHSEED": "0"}
    script = f"import os\nprint(os.environ.get({name!r}))"
    assert lines_of(script, options=("--still",)) == [expected[name]]


def test_nvidia_smi_is_there_and_answers_questions(lines_of: Lines) -> None:
    whole, asked = lines_of(
        "import subprocess\nsubprocess.run(['nvidia-smi'], check=True)\n"
        "subprocess.run(['nvidia-smi', '--query-gpu=index,memory.total'], check=True)\n"
    )
    assert "rehearsal" in whole
    assert asked == "0, 81559 MiB"


def test_where_pyminify_is_missing_its_stub_gives_source_back(tmp_path: Path) -> None:
    stub = Path(sys.modules["harness.inside.upstream.launch"].__file__ or "").parent
    source = "if  True:\n    print(1)   # kept\n"
    ended = subprocess.run(
        [sys.executable, str(stub / "programs" / "pyminify.py"), "--no-rename-locals", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == source

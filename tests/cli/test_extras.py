"""What each command needs: reading needs no torch, and who lacks an extra is told which."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness.package import EXTRAS
from tests.factories.playground import BIGRAM, ROOT

STORED = ROOT / "tests/evidence/formats/decided"
OTHER = ROOT / "tests/evidence/formats/looks_and_confirmation"
RECORD = ROOT / "tests/upstream_entries/packed"
ONLY_TO_RUN = {module for module, extra in EXTRAS.items() if extra}
BLOCKED = """
import sys
blocked = set(sys.argv.pop(1).split(","))

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from harness.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without(modules: set[str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command where these modules cannot be imported."""
    command = [sys.executable, "-c", BLOCKED, ",".join(modules), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", BIGRAM], 0),
        (["audit", RECORD], 1),
        (["judge", STORED], 0),
        (["leaderboard", "show", "--track", "10min_16mb"], 0),
        (["compare", STORED, "--with", OTHER], 0),
        (["power"], 0),
        (["adopt", RECORD], 0),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_only_reads_needs_no_extra(arguments: list[str | Path], code: int) -> None:
    done = without(ONLY_TO_RUN, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_scorecard_and_the_gate_need_none(tmp_path: Path) -> None:
    verdict = tmp_path / "verdict.json"
    assert without(ONLY_TO_RUN, "judge", STORED, "--json", verdict).returncode == 0
    done = without(ONLY_TO_RUN, "scorecard", verdict, "--format", "markdown")
    assert done.returncode == 0, done.stderr
    revisions = ["--base", "HEAD", "--head", "HEAD"]
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "empty"]):
        subprocess.run([*git, *words], check=True)
    done = without(ONLY_TO_RUN, "gate", "--repository", tmp_path, *revisions, "--none-passes")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("torch", ["verify", BIGRAM, "--track", "smoke", "--sandbox", "process"]),
        ("docker", ["image"]),
        ("sentencepiece", ["data", "demo"]),
        ("shtab", ["completion", "bash"]),
        ("vl_convert", ["report", STORED]),
    ],
)
def test_a_missing_extra_is_named(module: str, arguments: list[str | Path], tmp_path: Path) -> None:
    more: list[str | Path] = ["--data", tmp_path] if module == "sentencepiece" else []
    more += ["--runs", tmp_path / "runs"] if module == "torch" else []
    done = without({module}, *arguments, *more)
    words = arguments[: 2 if module == "sentencepiece" else 1]
    command = " ".join(["harness", *map(str, words)])
    assert done.returncode == 3, done.stderr
    assert f"{command} needs {module}\n" in done.stderr
    brackets = f"[{EXTRAS[module]}]" if EXTRAS[module] else ""
    assert f"pip install --editable '{ROOT}{brackets}'" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_doctor_says_what_is_missing_and_answers_the_rest(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # no proof that the dataset was read
    done = without(ONLY_TO_RUN, "doctor", "--track", "smoke", "--data", data_root)
    assert done.returncode == 3 and done.stderr == ""
    said = " ".join(done.stdout.split())
    assert "FAIL packages not installed: docker, huggingface_hub, sentencepiece, torch" in said
    assert f"remedy: pip install --editable '{ROOT}[verify]'" in said
    assert "FAIL docker sandbox cannot be asked without the package docker" in said
    assert "FAIL dataset cannot be asked without the package sentencepiece" in said
    assert "PASS clocks" in said and "PASS disk" in said


def test_every_package_that_is_imported_is_declared() -> None:
    """In the package's own dependencies, or in the extra that the table names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    always = names(project["dependencies"])
    extras = {name: names(needs) for name, needs in project["optional-dependencies"].items()}
    assert all(module in extras.get(extra, always) for module, extra in EXTRAS.items())
    known = always | set(EXTRAS) | set(sys.stdlib_module_names) | {"harness"}
    known |= {"pydantic_core", "requests", "tqdm", "urllib3"}  # a declared one rests on each
    known |= {"brotli"}  # audits tell who lacks it
    for path in (ROOT / "harness").rglob("*.py"):
        if "inside" in path.parts:  # runs in a sandbox, on what its image has
            continue
        for module in imported(ast.parse(path.read_text(encoding="utf-8"))):
            assert module in known, (path, module)


def test_a_report_needs_no_more_than_what_draws(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = without(ONLY_TO_RUN - {"vl_convert"}, "report", STORED, "-o", page)
    assert done.returncode == 0, done.stderr
    assert page.exists()


def names(requirements: list[str]) -> set[str]:
    """As they are imported; that of vl-convert-python lacks the language."""
    found = {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in requirements}
    return found | {name.removesuffix("_python") for name in found}


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found

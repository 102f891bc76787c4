"""The gate on real git histories: what each pull request is told, and with which exit code."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factories.playground import MANIFEST, ROOT, harness
from tests.gate.histories import Repository, failed, gate

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
ZEROS_100_MB = bytes(100_000_000)


def adds_one(repository: Repository) -> None:
    repository.submission("new")


def adds_two(repository: Repository) -> None:
    repository.submission("new")
    repository.submission("newer")


def changes_one(repository: Repository) -> None:
    repository.write("submissions/old/README.md", "It does more.\n")


def adds_and_changes_another(repository: Repository) -> None:
    adds_one(repository)
    changes_one(repository)


def touches_the_harness(repository: Repository) -> None:
    adds_one(repository)
    repository.write("harness/rules.py", "RULE = 0\n")


def adds_a_workflow(repository: Repository) -> None:
    adds_one(repository)
    repository.write(".github/workflows/gate.yml", "on: push\n")


def puts_a_file_beside(repository: Repository) -> None:
    adds_one(repository)
    repository.write("submissions/README.md", "mine\n")


def removes_one(repository: Repository) -> None:
    repository.git("rm", "-r", "--quiet", "submissions/old")


def renames(repository: Repository) -> None:
    repository.git("mv", "submissions/old", "submissions/new")


def moves_a_file_in(repository: Repository) -> None:
    adds_one(repository)
    repository.git("mv", "submissions/old/train.py", "submissions/new/other.py")


def links_a_file(repository: Repository) -> None:
    folder = repository.submission("new")
    (folder / "model.py").unlink()
    (folder / "model.py").symlink_to("/etc/passwd")


def links_a_folder(repository: Repository) -> None:
    (repository.folder / "submissions/new").symlink_to("old")


def adds_a_submodule(repository: Repository) -> None:
    adds_one(repository)
    repository.git("add", "--all")
    repository.index("160000", repository.git("rev-parse", "main"), "submissions/new/vendor")


def adds_a_large_file(repository: Repository) -> None:
    adds_one(repository)
    repository.write("submissions/new/model.bin", ZEROS_100_MB)


def adds_many_files(repository: Repository) -> None:
    adds_one(repository)
    for number in range(600):
        repository.write(f"submissions/new/data/{number}.txt", "x")


def has_no_manifest(repository: Repository) -> None:
    (repository.submission("new") / "submission.toml").unlink()


def misspells_a_key(repository: Repository) -> None:
    repository.submission("new", manifest=MANIFEST.replace("stride", "strides"))


def breaks_toml(repository: Repository) -> None:
    repository.submission("new", manifest=MANIFEST + "[score\n")


def breaks_python(repository: Repository) -> None:
    repository.submission("new", model="import os\ndef load_model(:\n")


def claims_too_much(repository: Repository) -> None:
    folder = repository.submission("new")
    (folder / "submission.json").write_text('{\n  "val_bpb": 1.2,\n  "bytes_total": 17000000\n}\n')


def changes_nothing(repository: Repository) -> None:
    pass


def changes_the_harness_alone(repository: Repository) -> None:
    repository.write("harness/rules.py", "RULE = 2\n")


CASES: list[tuple[Callable[[Repository], None], int, str]] = [
    (adds_one, 0, ""),
    (changes_one, 0, ""),
    (adds_two, 1, "changes 2 submission folders, expected one: submissions/new, submissions/newer"),
    (adds_and_changes_another, 1, "expected one: submissions/new, submissions/old"),
    (touches_the_harness, 1, "is in no submission's folder; a submission may change only its own"),
    (adds_a_workflow, 1, "is in no submission's folder"),
    (puts_a_file_beside, 1, "is in no submission's folder"),
    (removes_one, 1, "removes submissions/old: a submission may be added or changed"),
    (renames, 1, "a renamed folder counts as two: keep its name"),
    (moves_a_file_in, 1, "changes 2 submission folders"),
    (links_a_file, 1, "is a symbolic link; expected a regular file"),
    (links_a_folder, 1, "a symbolic link, where a folder is expected"),
    (adds_a_submodule, 1, "is a submodule; expected a regular file"),
    (adds_a_large_file, 1, "100,000,000 bytes; no file may have more than 16,000,000"),
    (adds_many_files, 1, "holds 605 files; at most 500 are looked at"),
    (has_no_manifest, 1, "no such file; create it"),
    (misspells_a_key, 1, "score.strides: unknown key"),
    (breaks_toml, 1, "not valid TOML"),
    (breaks_python, 1, "not valid Python"),
    (claims_too_much, 1, "17,000,000 claimed"),
    (changes_nothing, 1, "changes no submission"),
    (changes_the_harness_alone, 1, "changes no submission"),
]


@pytest.mark.parametrize(("change", "code", "expected"), CASES, ids=[c[0].__name__ for c in CASES])
def test_each_pull_request_is_told_what_is_wrong(
    repository: Repository, change: Callable[[Repository], None], code: int, expected: str
) -> None:
    repository.branch()
    change(repository)
    if change is adds_a_submodule:
        repository.commit_index()
    else:
        repository.commit()
    outcome = gate(repository)
    assert (outcome.code, outcome.err) == (code, "")
    assert outcome.verdict["passed"] == (code == 0)
    if expected:
        assert any(expected in sentence for sentence in failed(outcome)), failed(outcome)
    else:
        assert failed(outcome) == []


def test_names_that_collide_with_what_the_base_has_are_refused(repository: Repository) -> None:
    repository.branch()
    repository.submission("OLD")
    repository.commit()
    assert "submissions/old exists on the base" in failed(gate(repository))[0]


def test_a_name_that_the_base_has_gained_since_is_refused(repository: Repository) -> None:
    repository.branch()
    adds_one(repository)
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.submission("new", model="def load_model(artifact, device): pass\n")
    repository.commit("another's")
    assert "submissions/new exists on the base" in failed(gate(repository))[0]


def test_what_the_base_has_gained_since_is_not_held_against_the_head(
    repository: Repository,
) -> None:
    repository.branch()
    adds_one(repository)
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.submission("other")
    repository.write("harness/rules.py", "RULE = 3\n")
    repository.commit("meanwhile")
    outcome = gate(repository)
    assert outcome.code == 0
    assert outcome.verdict["kind"] == "adds"


def test_a_folder_that_the_base_has_changed_since_is_refused(repository: Repository) -> None:
    """The merge would give a folder that neither side has."""
    repository.branch()
    changes_one(repository)
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("submissions/old/notes.txt", "meanwhile\n")
    repository.commit("meanwhile")
    assert failed(gate(repository)) == [
        "submissions/old has changed on the base since; rebase on it"
    ]


def test_another_history_is_refused(repository: Repository) -> None:
    repository.branch()
    adds_one(repository)
    repository.commit()
    alone = repository.commit_tree(repository.git("rev-parse", "pr^{tree}"))
    outcome = gate(repository, head=alone)
    assert outcome.code == 1
    assert "shares no history" in failed(outcome)[0]


def test_a_shallow_clone_is_our_fault(repository: Repository, tmp_path: Path) -> None:
    repository.branch()
    adds_one(repository)
    repository.commit()
    place = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", place)
    outcome = harness("gate", "--repository", place, "--base", "HEAD", "--head", "HEAD")
    assert outcome.code == 3
    assert "fetch-depth: 0" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--head", "nosuch"), "--head 'nosuch': names no commit"),
        (("--head", "--output=x"), "names no commit"),
        (("--head=-x",), "names no commit"),
        (("--head", "a\nb"), "names no commit"),
        (("--head", "main^{tree}"), "names no commit"),
        (("--submissions", "../x"), "inside the repository"),
        (("--submissions", "/x"), "inside the repository"),
        (("--submissions", "\udcff"), "the path is not UTF-8"),
        (("--repository", "/nowhere"), "no such folder"),
        (("--repository", "/"), "not a git repository"),
        (("--track", "nosuch"), "no such track"),
        (("--unpack", "/"), "exists already"),
    ],
)
def test_wrong_usage_is_told_from_a_refusal(
    repository: Repository, arguments: tuple[str, ...], expected: str
) -> None:
    start = ("gate", "--repository", repository.folder, "--base", "main", "--head", "main")
    outcome = harness(*start, *arguments)
    assert outcome.code == 2
    assert expected in outcome.err or "expected one argument" in outcome.err
    assert outcome.out == ""


def test_what_touches_no_submission_may_pass_where_that_is_wanted(repository: Repository) -> None:
    repository.branch()
    changes_the_harness_alone(repository)
    repository.commit()
    outcome = gate(repository, "--none-passes")
    assert outcome.code == 0
    assert outcome.verdict["kind"] == "none"
    touches_the_harness(repository)
    repository.commit()
    assert gate(repository, "--none-passes").code == 1


def test_findings_name_file_and_line(repository: Repository) -> None:
    repository.branch()
    folder = repository.submission("new", manifest=MANIFEST.replace("= 256", "= 0", 1))
    repository.commit()
    (note,) = [n for n in gate(repository).verdict["notes"] if n["status"] == "fail"]
    lines = (folder / "submission.toml").read_text().splitlines()
    assert note["file"] == "submissions/new/submission.toml"
    assert lines[note["line"] - 1] == "sequence_length = 0"
    assert "/tmp" not in note["sentence"]


@pytest.mark.parametrize(
    ("change", "file", "line"),
    [
        (breaks_toml, "submission.toml", MANIFEST.count("\n") + 1),
        (breaks_python, "model.py", 2),
        (misspells_a_key, "submission.toml", MANIFEST.splitlines().index("stride = 256") + 1),
        (claims_too_much, "submission.json", 3),
    ],
)
def test_errors_are_placed(
    repository: Repository, change: Callable[[Repository], None], file: str, line: int
) -> None:
    repository.branch()
    change(repository)
    repository.commit()
    notes = [n for n in gate(repository).verdict["notes"] if n["status"] == "fail"]
    assert (f"submissions/new/{file}", line) in {(note["file"], note["line"]) for note in notes}
    assert {note["file"] for note in notes} == {f"submissions/new/{file}"}


def test_a_submission_that_passes_is_unpacked_byte_for_byte(
    repository: Repository, tmp_path: Path
) -> None:
    repository.branch()
    folder = repository.submission("new")
    (folder / "notes.txt").write_bytes(b"line\r\n\0\xff")
    repository.commit()
    repository.write("submissions/new/model.py", "raise SystemExit  # not committed\n")
    target = tmp_path / "unpacked"
    outcome = gate(repository, "--unpack", target)
    assert outcome.code == 0
    names = {path.name for path in (target / "new").iterdir()}
    assert names == {path.name for path in folder.iterdir()}
    assert (target / "new/notes.txt").read_bytes() == b"line\r\n\0\xff"
    assert "SystemExit" not in (target / "new/model.py").read_text()
    from harness.contest.loading import load_submission

    assert load_submission(target / "new").digest == outcome.verdict["submission_digest"]


def test_nothing_is_unpacked_of_what_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.branch()
    claims_too_much(repository)
    repository.commit()
    assert gate(repository, "--unpack", tmp_path / "unpacked").code == 1
    assert not (tmp_path / "unpacked").exists()


def test_it_works_from_a_folder_of_a_worktree(repository: Repository, tmp_path: Path) -> None:
    repository.branch()
    adds_one(repository)
    repository.commit()
    place = tmp_path / 'a place: with "odd" characters'
    repository.git("worktree", "add", "--quiet", "--detach", place)
    arguments = ("--repository", place / "submissions", "--base", "main", "--head", "pr")
    assert harness("gate", *arguments).code == 0


@pytest.mark.parametrize(
    "folder", sorted(p.name for p in (ROOT / "submissions").iterdir() if p.is_dir())
)
def test_the_entries_of_this_repository_pass(repository: Repository, folder: str) -> None:
    repository.branch()
    shutil.copytree(
        ROOT / "submissions" / folder,
        repository.folder / "submissions" / folder,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    repository.commit()
    outcome = gate(repository)
    assert failed(outcome) == []
    assert outcome.code == 0


HONEST_LOG = """\
seed: 42
step:100/100 val_loss:2.0727 val_bpb:1.2276 train_time:590000ms step_avg:5900.00ms
final_int8_zlib_roundtrip_exact val_loss:2.07270000 val_bpb:1.22760000
"""


def test_claims_are_audited_where_logs_hold_a_score(repository: Repository) -> None:
    repository.branch()
    folder = repository.submission("new")
    (folder / "notes.txt").write_text("step:1/100 train_loss:6.9\n")
    repository.commit()
    silent = gate(repository)
    assert not any(note["id"].startswith("audit_") for note in silent.verdict["notes"])
    assert silent.code == 0
    (folder / "train_seed42.log").write_text(HONEST_LOG)
    repository.commit()
    outcome = gate(repository)
    audited = {n["id"]: n for n in outcome.verdict["notes"] if n["id"].startswith("audit_")}
    assert audited["audit_score"]["status"] == "fail"  # 1.2 is claimed
    assert "1.2" in audited["audit_score"]["sentence"]
    assert all(
        (n["file"] or "submissions/new/").startswith("submissions/new/") for n in audited.values()
    )
    assert outcome.code == 1
    assert "audit_files" not in audited


def test_upstreams_layout_is_audited_alone(repository: Repository) -> None:
    repository.branch()
    repository.write("records/one/README.md", "A record of 1.0 BPB\n")
    repository.write("records/one/submission.json", '{"val_bpb": 1.0}\n')
    repository.commit()
    outcome = gate(repository, "--submissions", "records", "--layout", "record")
    assert outcome.code == 1
    ids = {note["id"] for note in outcome.verdict["notes"]}
    assert "audit_files" in ids and "contract" not in ids


@pytest.mark.parametrize("layout", ["contract", "record"])
def test_the_gate_needs_nothing_heavy(repository: Repository, layout: str) -> None:
    """A hosted runner installs two packages for it."""
    code = (
        "import sys; from harness.cli.main import main\n"
        "main(sys.argv[1:])\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "heavy = {'torch', 'numpy', 'scipy', 'docker', 'sentencepiece', 'psutil'} & names\n"
        "assert not heavy, heavy"
    )
    repository.branch()
    adds_one(repository)
    repository.commit()
    command = [sys.executable, "-c", code, "gate", "--base", "main", "--head", "pr"]
    command += ["--layout", layout]
    done = subprocess.run(
        command,
        cwd=repository.folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "Error" not in done.stderr and done.returncode in (0, 1), done.stderr


def test_the_report_survives_its_json(repository: Repository) -> None:
    from harness.gate.gate import GateReport

    repository.branch()
    adds_one(repository)
    repository.commit()
    outcome = gate(repository)
    assert GateReport.model_validate_json(outcome.out).model_dump(mode="json") == json.loads(
        outcome.out
    )

"""Histories made to deceive the gate: names, trees by hand, clones that would run something."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.factories.playground import MANIFEST
from tests.gate.histories import Repository, failed, gate

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


ODD_NAMES = [
    (b"a\nb.py", "cannot be seen"),
    (b"a\x1b[2J.py", "cannot be seen"),
    ("a\u202eyp.b".encode(), "cannot be seen"),
    ("a\u3164.py".encode(), "cannot be seen"),
    (b"\xff\xfe.py", "not UTF-8"),
    (b"a\\b.py", "holds \\"),
    (b"a:b.py", "holds :"),
    (b"-rf.py", "begins or ends oddly"),
    (b"a.py ", "begins or ends oddly"),
    (b".gitattributes", "git itself would obey"),
    (b"data/.GitModules", "git itself would obey"),
    (b"data/Aux.py", "a device on some systems"),
    (b"MODEL.py", "one name on some systems"),
    (b"x" * 250, "longer than 200 bytes"),
    (b"Data/a", "one name on some systems"),
]


@pytest.mark.parametrize(("name", "expected"), ODD_NAMES, ids=[ascii(n)[:30] for n, _ in ODD_NAMES])
def test_odd_names_are_refused(repository: Repository, name: bytes, expected: str) -> None:
    repository.branch()
    repository.submission("new")
    repository.write("submissions/new/data/b", "x")
    repository.git("add", "--all")
    repository.index("100644", repository.blob(), b"submissions/new/" + name)
    repository.commit_index()
    outcome = gate(repository)
    assert outcome.code == 1
    assert any(expected in sentence for sentence in failed(outcome)), failed(outcome)
    outcome.out.encode()  # no lone surrogate is left


@pytest.mark.parametrize("name", ["../../../escaped", "/escaped", "a/../../../escaped", "./x", ""])
def test_trees_made_by_hand_cannot_leave_the_folder(
    repository: Repository, tmp_path: Path, name: str
) -> None:
    """Git's index refuses such names, but a tree object can hold them."""
    repository.branch()
    repository.submission("new")
    repository.commit()
    inner = bytes.fromhex(repository.git("rev-parse", "pr:submissions/new"))
    blob = bytes.fromhex(repository.blob(b"out"))
    raw = _raw(repository, inner.hex()) + b"100644 " + name.encode() + b"\0" + blob
    tree = _stored(repository, raw)
    head = _with_submission(repository, "new", tree)
    outcome = gate(repository, "--unpack", tmp_path / "unpacked", head=head)
    assert outcome.code == 1
    assert not list(tmp_path.rglob("escaped")) and not (tmp_path / "unpacked").exists()


@pytest.mark.parametrize("name", ["submissions/new/rules.py", "submissions/new/../../harness/x"])
def test_a_name_with_a_slash_is_not_taken_for_a_path(repository: Repository, name: str) -> None:
    """In a listing, such an entry of the root looks as if it were in the folder."""
    repository.branch()
    repository.submission("new")
    repository.commit()
    raw = _raw(repository, repository.git("rev-parse", "pr^{tree}"))
    raw += b"100644 " + name.encode() + b"\0" + bytes.fromhex(repository.blob())
    tree = _stored(repository, raw)
    head = repository.commit_tree(tree, repository.git("rev-parse", "main"))
    outcome = gate(repository, head=head)
    assert outcome.code == 1
    assert any("is broken" in sentence for sentence in failed(outcome)), failed(outcome)


@pytest.mark.parametrize(
    ("mode", "kind"), [("100644", "tree"), ("40000", "blob"), ("100644", "commit")]
)
def test_an_entry_that_is_not_what_its_mode_says_is_refused(
    repository: Repository, mode: str, kind: str
) -> None:
    """The author of such a tree is at fault; fetching it again would not help."""
    repository.branch()
    repository.submission("new")
    repository.commit()
    inner = repository.git("rev-parse", "pr:submissions/new")
    objects = {
        "tree": inner,
        "blob": repository.blob(),
        "commit": repository.git("rev-parse", "pr"),
    }
    raw = _raw(repository, inner) + f"{mode} zz\0".encode() + bytes.fromhex(objects[kind])
    head = _with_submission(repository, "new", _stored(repository, raw))
    outcome = gate(repository, head=head)
    assert outcome.code == 1, outcome.err
    expected = f"{objects[kind]} is listed as a {'tree' if mode == '40000' else 'blob'}, and is a"
    assert any(f"{expected} {kind}" in sentence for sentence in failed(outcome)), failed(outcome)


@pytest.mark.parametrize(
    "end", [b"100644 zz\0", b"100644 zz\0" + bytes(7), b"100644", b"x y\0" + bytes(20)]
)
def test_a_tree_that_ends_within_an_entry_is_refused(repository: Repository, end: bytes) -> None:
    repository.branch()
    repository.submission("new")
    repository.commit()
    raw = _raw(repository, repository.git("rev-parse", "pr:submissions/new")) + end
    head = _with_submission(repository, "new", _stored(repository, raw))
    outcome = gate(repository, head=head)
    assert outcome.code == 1, outcome.err
    assert any("is broken" in sentence for sentence in failed(outcome)), failed(outcome)


@pytest.mark.parametrize(
    "name", ["-x", "a\nb", "a\u202eb", "a\u3164", "nul", ".github", "a:b", "x "]
)
def test_odd_names_of_folders_are_refused(repository: Repository, name: str) -> None:
    repository.branch()
    repository.submission(name)
    repository.commit()
    outcome = gate(repository)
    assert outcome.code == 1
    assert any("the name " in sentence for sentence in failed(outcome)), failed(outcome)


def test_a_tree_that_unfolds_without_end_is_given_up(repository: Repository) -> None:
    """Ten levels of ten names each: ten thousand million files in a few hundred bytes."""
    blob = repository.blob()
    tree = repository.git("mktree", feed=f"100644 blob {blob}\tf\n".encode())
    for _ in range(10):
        lines = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        tree = repository.git("mktree", feed=lines.encode())
    head = _with_submission(repository, "new", tree)
    outcome = gate(repository, head=head)
    assert outcome.code == 1
    assert any("too much to look at" in sentence for sentence in failed(outcome))


@pytest.mark.parametrize("name", ["submissions/new", "submissions"])
@pytest.mark.parametrize("mode", ["120000", "160000"])
def test_what_poses_as_a_folder_is_no_reason_to_pass(
    repository: Repository, name: str, mode: str
) -> None:
    repository.branch()
    repository.git("rm", "-r", "--quiet", "--cached", "submissions")
    identity = repository.blob(b"../old") if mode == "120000" else repository.git("rev-parse", "pr")
    if name != "submissions":
        repository.git("reset", "--quiet")
    repository.index(mode, identity, name)
    repository.commit_index()
    outcome = gate(repository, "--none-passes")
    assert outcome.code == 1
    assert any("where a folder is expected" in sentence for sentence in failed(outcome))


def test_annotations_point_at_the_lines_and_hold_no_other_command(
    repository: Repository, tmp_path: Path
) -> None:
    repository.branch()
    folder = repository.submission("new", manifest=MANIFEST.replace("= 256", "= 0", 1))
    repository.git("add", folder)
    repository.index("100644", repository.blob(), b"submissions/new/x\n::stop-commands::y")
    repository.commit_index()
    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"
    outcome = gate(repository, "--format", "github", "--summary", summary, "--junit", junit)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert all(line.startswith(("::error ", "::warning ", "gate refused")) for line in lines)
    assert any("cannot be seen" in line for line in lines)
    assert "❌ fail" in summary.read_text()
    assert "stop-commands" in junit.read_text()


def test_a_hostile_clone_runs_and_hides_nothing(repository: Repository, tmp_path: Path) -> None:
    """Hooks, monitors, filters, drivers, replaced objects and grafts have no effect."""
    sentinel = tmp_path / "ran"
    script = repository.write("evil.sh", f"#!/bin/sh\ntouch {sentinel}\n")
    script.chmod(0o755)
    repository.branch()
    folder = repository.submission("new")
    (folder / "submission.json").write_text('{"bytes_total": 17000000}')
    repository.write("submissions/new/notes.txt", "text\n")
    bad = repository.commit()
    repository.git("rm", "--quiet", "evil.sh")
    repository.write("evil.sh", f"#!/bin/sh\ntouch {sentinel}\n").chmod(0o755)
    repository.git("branch", "good", "main")
    script = repository.folder / "evil.sh"
    for key in ("core.fsmonitor", "diff.external", "diff.x.textconv", "filter.x.smudge"):
        repository.git("config", key, script)
    repository.git("config", "alias.diff-tree", f"!{script}")
    repository.write(".git/info/attributes", "* diff=x filter=x\n")
    hooks = repository.folder / ".git/hooks"
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        shutil.copy(script, hooks / name)
    # Git itself would now read an honest commit, and no parents.
    repository.git("-c", "core.hooksPath=/dev/null", "replace", bad, "main")
    before = _listing(repository.folder)
    outcome = gate(repository, head=bad)
    assert outcome.code == 1
    assert any("17,000,000" in sentence for sentence in failed(outcome))
    assert not sentinel.exists()
    assert _listing(repository.folder) == before


def test_the_environment_of_git_has_no_say(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository.branch()
    repository.submission("new")
    repository.commit()
    other = Repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.folder / ".git/objects"))
    assert gate(repository).code == 0


def _raw(repository: Repository, tree: str) -> bytes:
    done = subprocess.run(
        ["git", "cat-file", "tree", tree], cwd=repository.folder, check=True, capture_output=True
    )
    return done.stdout


def _stored(repository: Repository, raw: bytes) -> str:
    """The id of a tree that git need not agree with."""
    return repository.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", feed=raw)


def _with_submission(repository: Repository, name: str, tree: str) -> str:
    """A commit on ``main`` whose submissions hold a tree that was made by hand."""
    listed = repository.git("ls-tree", "main:submissions")
    inner = repository.git("mktree", feed=f"{listed}\n040000 tree {tree}\t{name}\n".encode())
    top = [
        line for line in repository.git("ls-tree", "main").splitlines() if "submissions" not in line
    ]
    lines = "\n".join([*top, f"040000 tree {inner}\tsubmissions"]) + "\n"
    root = repository.git("mktree", feed=lines.encode())
    return repository.commit_tree(root, repository.git("rev-parse", "main"))


def _listing(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}

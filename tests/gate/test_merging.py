"""The gate judges the result of the merge: histories in which no single ancestor shows it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.gate.history import MOST_MERGE_BASES, History, open_history
from harness.gate.merging import Merged, merged
from harness.gate.scope import touched
from harness.safeio.git_objects import OLDEST_GIT, check_git
from tests.factories.playground import harness
from tests.gate.histories import Repository, failed, gate, run_git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
RULE = "harness/rules.py"
CATCH_UP = "merge the base branch into it, or rebase on that"


def text_at(repository: Repository, commit: str, name: str = RULE) -> str:
    return repository.git("show", f"{commit}:{name}")


def really_merged(folder: Path, base: str, head: str, *strategy: str) -> str | None:
    """The commit that ``git merge`` makes of two; None where it stops."""
    run_git(folder, "checkout", "--quiet", "--force", "--detach", base)
    try:
        run_git(folder, "merge", "--quiet", "--no-ff", "-m", "merged", *strategy, head)
    except subprocess.CalledProcessError:
        run_git(folder, "reset", "--quiet", "--hard")
        return None
    return run_git(folder, "rev-parse", "HEAD")


def outside(folder: Path, commit: str, submission: str = "submissions/new") -> list[str]:
    """Every name of a commit with mode and id, but those below one folder."""
    listed = run_git(folder, "ls-tree", "-r", commit).splitlines()
    return [line for line in listed if not line.partition("\t")[2].startswith(f"{submission}/")]


def crossed(repository: Repository, *, later: str) -> tuple[str, str]:
    """A head that reverts a file of the harness to the content that one ancestor has.

    From the start part ``fixed``, where RULE is 2, and ``topic``, which leaves it at 1. Main merges
    topic into fixed. The head merges fixed into topic, and keeps RULE at 1.
    """
    dates = {"fixed": "2020-01-01T00:00:00Z", "topic": "2020-01-01T00:00:00Z"}
    dates[later] = "2024-01-01T00:00:00Z"
    repository.branch("topic")
    repository.write("notes.md", "ours\n")
    topic = repository.commit("topic", date=dates["topic"])
    repository.git("checkout", "--quiet", "main")
    repository.write(RULE, "RULE = 2\n")
    fixed = repository.commit("fixed", date=dates["fixed"])
    main = repository.commit_tree(_with(repository, fixed, "notes.md", "ours\n"), fixed, topic)
    repository.git("reset", "--quiet", "--hard", main)
    repository.git("checkout", "--quiet", "-b", "pr", topic)
    repository.submission("new")
    repository.git("add", "--all")
    head = repository.commit_tree(repository.git("write-tree"), topic, fixed)
    repository.git("reset", "--quiet", "--hard", head)
    return topic, fixed


def _with(repository: Repository, commit: str, name: str, content: str) -> str:
    """The tree of a commit with one file more."""
    repository.git("read-tree", commit)
    repository.index("100644", repository.blob(content.encode()), name)
    tree = repository.git("write-tree")
    repository.git("read-tree", "HEAD")
    return tree


@pytest.mark.parametrize("later", ["fixed", "topic"])
def test_what_one_ancestor_has_is_no_licence_to_put_it_back(
    repository: Repository, later: str
) -> None:
    topic, fixed = crossed(repository, later=later)
    assert sorted(repository.git("merge-base", "--all", "main", "pr").split()) == sorted(
        [topic, fixed]
    )
    named = repository.git("merge-base", "main", "pr")
    assert named == {"fixed": fixed, "topic": topic}[later]  # the author's choice
    outcome = gate(repository)
    assert outcome.code == 1
    assert failed(outcome) == ["is in no submission's folder; a submission may change only its own"]
    assert [n["file"] for n in outcome.verdict["notes"] if n["status"] == "fail"] == [RULE]
    assert outcome.verdict["merge_base"] is None
    assert outcome.verdict["merge_bases"] == sorted([topic, fixed])
    # And it would have been put back.
    assert text_at(repository, "main") == "RULE = 2"
    done = really_merged(repository.folder, "main", "pr")
    assert done is not None and text_at(repository, done) == "RULE = 1"


@pytest.mark.parametrize("later", ["fixed", "topic"])
def test_crossed_histories_pass_where_nothing_is_put_back(
    repository: Repository, later: str
) -> None:
    crossed(repository, later=later)
    repository.write(RULE, "RULE = 2\n")
    repository.commit("as the base has it")
    outcome = gate(repository)
    assert (outcome.code, failed(outcome)) == (0, [])
    assert outcome.verdict["kind"] == "adds"
    done = really_merged(repository.folder, "main", "pr")
    assert done is not None and outside(repository.folder, done) == outside(
        repository.folder, "main"
    )


def test_what_the_base_has_by_now_is_no_change(repository: Repository) -> None:
    """A three-dot diff would list the same fix, made on both sides."""
    repository.branch()
    repository.submission("new")
    repository.write(RULE, "RULE = 2\n")
    repository.commit()
    assert gate(repository).code == 1
    repository.git("checkout", "--quiet", "main")
    repository.write(RULE, "RULE = 2\n")
    repository.commit("the same")
    outcome = gate(repository)
    assert (outcome.code, failed(outcome)) == (0, [])
    assert "merge_bases" not in outcome.verdict  # the report of an ordinary one is as it was


def test_more_parents_than_two_hide_nothing(repository: Repository) -> None:
    start = repository.git("rev-parse", "main")
    repository.write(RULE, "RULE = 2\n")
    fixed = repository.commit("fixed")
    old = repository.git("rev-parse", f"{start}^{{tree}}")
    tips = [repository.commit_tree(old, start) for _ in range(1)]
    tips += [repository.commit_tree(repository.git("rev-parse", f"{t}^{{tree}}"), t) for t in tips]
    repository.git("checkout", "--quiet", "-b", "pr", start)
    repository.submission("new")
    repository.git("add", "--all")
    head = repository.commit_tree(repository.git("write-tree"), start, fixed, *tips)
    outcome = gate(repository, head=head)
    assert outcome.code == 1
    assert [n["file"] for n in outcome.verdict["notes"] if n["status"] == "fail"] == [RULE]


def test_a_head_that_parted_in_too_many_places_is_refused(repository: Repository) -> None:
    """Each is an ancestor to merge from; a base with many side branches offers many."""
    start = repository.git("rev-parse", "main")
    tree = repository.git("rev-parse", "main^{tree}")
    sides = []
    for number in range(MOST_MERGE_BASES + 1):
        sides.append(repository.commit_tree(tree, start, message=str(number)))
    repository.git("update-ref", "refs/heads/main", repository.commit_tree(tree, start, *sides))
    repository.branch()
    repository.submission("new")
    repository.git("add", "--all")
    outcome = gate(repository, head=repository.commit_tree(repository.git("write-tree"), *sides))
    assert outcome.code == 1
    assert "parted from the base in 17 places, at most 16" in failed(outcome)[0]


def test_a_conflict_is_a_finding_that_says_what_to_do(repository: Repository) -> None:
    """A file of the base where the head has a folder; nothing is said of it by either alone."""
    repository.branch()
    repository.submission("new")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.git("rm", "-r", "--quiet", "submissions")
    repository.write("submissions", "moved elsewhere\n")
    repository.commit("a file instead")
    outcome = gate(repository)
    assert outcome.code == 1
    assert "cannot be merged, conflict in submissions" in failed(outcome)[0]
    assert failed(outcome)[0].endswith(CATCH_UP)
    assert really_merged(repository.folder, "main", "pr") is None


def test_a_new_folder_stays_where_it_is_when_the_base_renames_all_others(
    repository: Repository,
) -> None:
    repository.branch()
    repository.submission("new")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.git("mv", "submissions", "entries")
    repository.commit("renamed")
    assert gate(repository).code == 0
    done = really_merged(repository.folder, "main", "pr")
    assert done is not None
    assert outside(repository.folder, done) == outside(repository.folder, "main")


@pytest.mark.parametrize("asked", ["whatever the ancestor", "what git makes of it"])
def test_each_question_alone_sees_what_is_put_back(
    repository: Repository, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossed(repository, later="topic")
    if asked == "whatever the ancestor":
        unchanged = Merged(repository.git("rev-parse", "main^{tree}"))
        monkeypatch.setattr("harness.gate.scope.merged", lambda history: unchanged)
    else:
        every = History.changes
        monkeypatch.setattr(
            History,
            "changes",
            lambda self: [c for c in every(self) if c.name.startswith(b"submissions/")],
        )
    with open_history(repository.folder, base="main", head="pr") as history:
        found = touched(history, root=PurePosixPath("submissions"))
    assert found is not None
    (note,) = [note for note in found.notes if note.status == "fail"]
    assert note.file == RULE
    assert (CATCH_UP in note.detail) == (asked == "what git makes of it")


def test_catching_up_settles_it(repository: Repository) -> None:
    crossed(repository, later="topic")
    repository.git("checkout", "--quiet", "pr")
    base = repository.git("rev-parse", "main")
    tree = _with_folder(repository, base, "pr", "submissions/new")
    head = repository.commit_tree(tree, repository.git("rev-parse", "pr"), base)
    outcome = gate(repository, head=head)
    assert (outcome.code, failed(outcome)) == (0, [])


def _with_folder(repository: Repository, base: str, head: str, folder: str) -> str:
    repository.git("read-tree", base)
    repository.git("read-tree", f"--prefix={folder}/", f"{head}:{folder}")
    tree = repository.git("write-tree")
    repository.git("read-tree", "HEAD")
    return tree


def moves_the_folder(repository: Repository) -> None:
    repository.git("mv", "submissions/old", "old")


def deletes_a_file_outside(repository: Repository) -> None:
    repository.submission("new")
    (repository.folder / RULE).unlink()


def makes_a_file_of_the_harness_executable(repository: Repository) -> None:
    repository.submission("new")
    (repository.folder / RULE).chmod(0o755)


def puts_a_link_in_place_of_a_file(repository: Repository) -> None:
    repository.submission("new")
    (repository.folder / RULE).unlink()
    (repository.folder / RULE).symlink_to("../submissions/new/train.py")


def puts_a_folder_in_place_of_a_file(repository: Repository) -> None:
    repository.submission("new")
    (repository.folder / "README.md").unlink()
    repository.write("README.md/x", "x")


def puts_a_link_in_place_of_the_folder(repository: Repository) -> None:
    shutil.rmtree(repository.folder / "submissions/old")
    (repository.folder / "submissions/old").symlink_to("../harness")


OUTSIDE = "is in no submission's folder"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (moves_the_folder, OUTSIDE),
        (deletes_a_file_outside, OUTSIDE),
        (makes_a_file_of_the_harness_executable, OUTSIDE),
        (puts_a_link_in_place_of_a_file, OUTSIDE),
        (puts_a_folder_in_place_of_a_file, OUTSIDE),
        (puts_a_link_in_place_of_the_folder, "a symbolic link, where a folder is expected"),
    ],
)
def test_whatever_else_would_be_merged_is_refused(
    repository: Repository, change: Callable[[Repository], None], expected: str
) -> None:
    repository.branch()
    change(repository)
    repository.commit()
    outcome = gate(repository)
    assert outcome.code == 1
    assert any(expected in sentence for sentence in failed(outcome)), failed(outcome)


def test_a_mode_of_its_own_file_is_its_own(repository: Repository) -> None:
    repository.branch()
    (repository.folder / "submissions/old/train.py").chmod(0o755)
    repository.commit()
    outcome = gate(repository)
    assert (outcome.code, outcome.verdict["kind"]) == (0, "changes")
    assert any(
        "changes 1 file of submissions/old" in n["sentence"] for n in outcome.verdict["notes"]
    )


@pytest.mark.parametrize("mode", ["120000", "160000"])
def test_a_folder_does_not_replace_what_the_base_has_there(
    repository: Repository, mode: str
) -> None:
    """On the base the name is a link or a submodule."""
    link = (
        repository.blob(b"../harness") if mode == "120000" else repository.git("rev-parse", "main")
    )
    repository.index(mode, link, "submissions/new")
    repository.commit_index()
    repository.git("checkout", "--quiet", "-b", "pr")
    shutil.rmtree(repository.folder / "submissions/new", ignore_errors=True)
    (repository.folder / "submissions/new").unlink(missing_ok=True)
    repository.git("rm", "--quiet", "--cached", "submissions/new")
    repository.submission("new")
    repository.commit()
    outcome = gate(repository)
    assert outcome.code == 1
    files = [n["file"] for n in outcome.verdict["notes"] if n["status"] == "fail"]
    assert "submissions/new" in files


def test_a_tree_out_of_order_is_refused(repository: Repository) -> None:
    """Git compares trees in order and would miss a name in an unsorted one."""
    repository.branch()
    repository.submission("new")
    repository.commit()
    lines = repository.git("ls-tree", "pr").splitlines()
    raw = b""
    for line in reversed(lines):
        mode, _, rest = line.partition(" ")
        identity, _, name = rest.partition(" ")[2].partition("\t")
        raw += f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(identity)
    tree = repository.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", feed=raw)
    outcome = gate(
        repository, head=repository.commit_tree(tree, repository.git("rev-parse", "main"))
    )
    assert outcome.code == 1
    assert "git would put it in order" in failed(outcome)[0]


def test_a_clone_that_would_merge_its_own_way_has_no_say(
    repository: Repository, tmp_path: Path
) -> None:
    """Drivers, attributes of clone and tree, settings, grafts, replaced parents, a commit graph."""
    sentinel = tmp_path / "ran"
    script = tmp_path / "driver.sh"
    script.write_text(f'#!/bin/sh\ntouch {sentinel}\ncp "$2" "$1" 2>/dev/null\nexit 0\n')
    script.chmod(0o755)
    for attributes in (
        repository.folder / ".gitattributes",
        repository.folder / ".git/info/attributes",
    ):
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* merge=ours diff=ours filter=ours\n")
    repository.commit("attributes")
    topic, _ = crossed(repository, later="topic")
    keys = ("merge.ours.driver", "diff.ours.textconv", "filter.ours.clean", "filter.ours.smudge")
    for key in keys:
        repository.git("config", key, f"{script} %A %O")
    repository.git("config", "merge.default", "ours")
    repository.git("config", "merge.directoryRenames", "true")
    repository.git("config", "merge.renormalize", "true")
    repository.git("commit-graph", "write", "--reachable")
    main = repository.git("rev-parse", "main")
    replaced = repository.commit_tree(repository.git("rev-parse", "main^{tree}"), topic)
    repository.git("replace", main, replaced)
    (repository.folder / ".git/info/grafts").write_text(f"{main} {topic}\n")
    sentinel.unlink(missing_ok=True)
    outcome = gate(repository)
    assert outcome.code == 1
    assert [n["file"] for n in outcome.verdict["notes"] if n["status"] == "fail"] == [RULE]
    assert len(outcome.verdict["merge_bases"]) == 2
    assert not sentinel.exists()


def test_merging_reads_no_attributes(repository: Repository) -> None:
    """``union`` is a driver that git has built in: with it, this merge would not stop."""
    repository.write(".gitattributes", "* merge=union\n")
    (repository.folder / ".git/info/attributes").write_text("* merge=union\n")
    repository.commit("attributes")
    repository.branch()
    repository.write(RULE, "RULE = 2\n")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write(RULE, "RULE = 3\n")
    repository.commit("meanwhile")
    with open_history(repository.folder, base="main", head="pr") as history:
        result = merged(history)
    assert (result.tree, result.conflicts) == (None, (RULE.encode(),))
    assert really_merged(repository.folder, "main", "pr") is not None


@pytest.mark.parametrize("command", ["merge-tree", "merge-base"])
def test_a_clone_without_the_objects_is_our_side(
    repository: Repository, tmp_path: Path, command: str
) -> None:
    """A commit that is missing without any mark of a shallow clone."""
    repository.branch()
    repository.submission("new")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write(RULE, "RULE = 2\n")
    repository.commit("meanwhile")
    name = "main~1" if command == "merge-base" else "main:harness/rules.py"
    if command == "merge-tree":  # both sides have it otherwise, so git reads what is not there
        repository.git("checkout", "--quiet", "pr")
        repository.write(RULE, "RULE = 3\n")
        repository.commit()
    identity = repository.git("rev-parse", name)
    (repository.folder / ".git/objects" / identity[:2] / identity[2:]).unlink()
    if command == "merge-tree":
        with (
            open_history(repository.folder, base="main", head="pr") as history,
            pytest.raises(InfrastructureError, match="git cannot tell what merging would give"),
        ):
            merged(history)
        return
    outcome = gate(repository)
    assert outcome.code == 3
    assert "fetch both commits with all their history" in outcome.err


@pytest.mark.parametrize(
    ("said", "too_old"),
    [
        ("git version 2.37.9", True),
        ("git version 1.99.0", True),
        ("git version 2.38.0", False),
        ("git version 2.39.5 (Apple Git-154)", False),
        ("git version 3.0.0-rc1", False),
        ("git version next", True),
        ("", True),
    ],
)
def test_an_old_git_is_our_side(
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    said: str,
    too_old: bool,
) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "git").write_text(f"#!/bin/sh\necho '{said}'\n")
    (place / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    if not too_old:
        check_git()
        return
    arguments = ("--repository", repository.folder, "--base", "main", "--head", "main")
    outcome = harness("gate", *arguments)
    assert outcome.code == 3
    assert "git is too old" in outcome.err
    assert f"install git {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or newer" in outcome.err


FILES = ("harness/a", "harness/b", "submissions/x/f", "submissions/x/g", "submissions/y/f")


Commit = tuple[tuple[int, ...], int, dict[str, int]]


@st.composite
def crossing(draw: st.DrawFn) -> list[Commit]:
    """Commits: (parents, date, files), first one without parents, then sides, then base and head.

    Each follows its first parent's files, or another parent's at some names, and may change one.
    """
    commits: list[Commit] = [((), 100, dict.fromkeys(FILES[:4], 0))]
    sides = draw(st.integers(1, 3))
    for number in range(1, sides + 3):
        last = number > sides
        earlier = st.integers(1 if last else 0, sides if last else number - 1)
        most = sides if last else 2
        parents = draw(
            st.lists(earlier, min_size=min(2, sides) if last else 1, max_size=most, unique=True)
        )
        parents = parents if last else parents[:1]
        files = dict(commits[parents[0]][2])
        for parent in parents[1:]:
            for name in draw(st.sets(st.sampled_from(FILES))):
                files.pop(name, None)
                files |= {n: c for n, c in commits[parent][2].items() if n == name}
        if number == sides + 2 and draw(st.booleans()):  # most others are refused
            files = dict(commits[-1][2])
        name = draw(st.sampled_from(FILES + FILES[2:4] if number < sides + 2 else FILES[2:4]))
        content = draw(st.integers(-1, 2))
        files.pop(name, None)
        files |= {name: content} if content >= 0 else {}
        commits.append((tuple(parents), draw(st.integers(1, 200)), files))
    return commits


def planted(folder: Path, commits: list[Commit]) -> None:
    """A repository of these commits, each a branch ``cN``."""
    lines = []
    for number, (parents, date, files) in enumerate(commits):
        lines += [f"commit refs/heads/c{number}", f"mark :{number + 1}"]
        lines += [f"committer A <a@b> {date} +0000", "data 0"]
        lines += [f"from :{parents[0] + 1}"] if parents else []
        lines += [f"merge :{parent + 1}" for parent in parents[1:]]
        lines += ["deleteall"]
        for name, content in files.items():
            lines += [f"M 100644 inline {name}", f"data {len(text_of(content))}", text_of(content)]
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    run_git(folder, "fast-import", "--quiet", feed="\n".join([*lines, ""]).encode())


def text_of(content: int) -> str:
    """A few lines, of which one tells: files are alike enough to be taken for renamed ones."""
    return "".join(f"{content if line == 3 else line}\n" for line in range(8))


def passing_folder(folder: Path, *, base: str, head: str) -> str | None:
    """The folder that the gate would look at, where nothing is wrong with what is changed."""
    with open_history(folder, base=base, head=head) as history:
        found = touched(history, root=PurePosixPath("submissions")) if history.merge_bases else None
    refused = found is None or any(note.status == "fail" for note in found.notes)
    return None if refused or found is None else found.folder


PASSED: list[int] = []  # merge bases of what passed, so that the property is not held by refusing


CAUGHT_UP = dict.fromkeys(FILES[:4], 0) | {"harness/a": 1, "harness/b": 1}
CROSSED: list[Commit] = [
    ((), 100, dict.fromkeys(FILES[:4], 0)),
    ((0,), 101, dict.fromkeys(FILES[:4], 0) | {"harness/a": 1}),
    ((0,), 102, dict.fromkeys(FILES[:4], 0) | {"harness/b": 1}),
    ((1, 2), 103, CAUGHT_UP),
    ((2, 1), 104, CAUGHT_UP | {"submissions/x/f": 1}),
]


@given(crossing())
@example(CROSSED)
@settings(max_examples=20, deadline=None, derandomize=True)
def check_whatever_passes(commits: list[Commit]) -> None:
    base, head = f"c{len(commits) - 2}", f"c{len(commits) - 1}"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "repository"
        planted(folder, commits)
        submission = passing_folder(folder, base=base, head=head)
        if submission is None:
            return
        PASSED.append(len(run_git(folder, "merge-base", "--all", base, head).split()))
        for strategy in ((), ("-s", "resolve")):
            done = really_merged(folder, base, head, *strategy)
            assert done is not None, strategy
            assert outside(folder, done, submission) == outside(folder, base, submission)
            at = [run_git(folder, "rev-parse", f"{c}:{submission}") for c in (done, head)]
            assert at[0] == at[1], strategy


def test_whatever_passes_changes_one_folder_when_it_is_merged() -> None:
    PASSED.clear()
    check_whatever_passes()
    assert PASSED.count(1) and len(PASSED) > PASSED.count(1), PASSED

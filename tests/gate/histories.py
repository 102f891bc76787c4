"""Real git histories: a repository with one submission, and branches that propose something."""

import os
import subprocess
from pathlib import Path

from tests.factories.playground import Outcome, harness, write_submission

_NOBODY = {
    "GIT_AUTHOR_NAME": "A. Author",
    "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "A. Author",
    "GIT_COMMITTER_EMAIL": "author@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
TRAIN = """
    import os, pathlib
    pathlib.Path(os.environ["OUTPUT_DIR"], "model.bin").write_text(os.environ["SEED"])
"""


def run_git(
    folder: Path, *arguments: str | Path, feed: bytes = b"", date: str | None = None
) -> str:
    """Run git in a folder, with a neutral author; returns what it printed."""
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
    done = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=folder,
        check=True,
        capture_output=True,
        input=feed,
        env={**os.environ, **_NOBODY, **dates},
    )
    return done.stdout.decode("utf-8", "surrogateescape").strip("\n")


class Repository:
    """A clone with ``main`` checked out, on which the submission ``old`` lies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "core.protectNTFS", "false")
        self.git("config", "core.quotePath", "false")
        self.write("README.md", "A repository\n")
        self.write("harness/rules.py", "RULE = 1\n")
        self.submission("old")
        self.commit("base")

    def git(self, *arguments: str | Path, feed: bytes = b"", date: str | None = None) -> str:
        """Run git; what it printed, without the last line's end. ``date``: of a commit."""
        return run_git(self.folder, *arguments, feed=feed, date=date)

    def branch(self, name: str = "pr") -> None:
        """Continue on a new branch."""
        self.git("checkout", "--quiet", "-b", name)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def submission(self, name: str, root: str = "submissions", **sources: str) -> Path:
        """Write an honest submission's folder."""
        folder = write_submission(self.folder / root / name, **{"train": TRAIN, **sources})
        (folder / "README.md").write_text("What it does.\n")
        (folder / "submission.json").write_text('{"val_bpb": 1.2, "bytes_total": 1000}\n')
        return folder

    def commit(self, message: str = "change", *, date: str | None = None) -> str:
        """Commit everything; the commit's id."""
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-m", message, date=date)
        return self.git("rev-parse", "HEAD")

    def index(self, mode: str, identity: str, name: str | bytes) -> None:
        """Stage an entry that no file system has to hold."""
        raw = name.encode() if isinstance(name, str) else name
        line = f"{mode} {identity}\t".encode() + raw + b"\0"
        self.git("update-index", "-z", "--index-info", feed=line)

    def blob(self, content: bytes = b"x = 1\n") -> str:
        """Store a blob; its id."""
        return self.git("hash-object", "-w", "--stdin", feed=content)

    def commit_index(self) -> str:
        """Commit what is staged, whatever the working tree holds."""
        self.git("commit", "--quiet", "-m", "staged")
        return self.git("rev-parse", "HEAD")

    def commit_tree(self, tree: str, *parents: str, message: str = "by hand") -> str:
        """Commit a tree that was made by hand."""
        options = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *options, "-m", message)


def gate(repository: Repository, *options: str | Path, head: str = "pr") -> Outcome:
    arguments = ("--repository", repository.folder, "--base", "main", "--head", head)
    return harness("gate", *arguments, "--format", "json", *options)


def failed(outcome: Outcome) -> list[str]:
    return [note["sentence"] for note in outcome.verdict["notes"] if note["status"] == "fail"]

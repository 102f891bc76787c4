"""What fails, or runs, as soon as a submission's files are imported.

Some of it is certain: the file that the command starts, the module that loads the model and what
those import without a condition are run in any case. There an import of what the sandbox does not
have ends the run, and is a failure; anywhere else it is a warning.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.contest.manifest import CONTRACT_VARIABLES
from harness.contest.references import file_of
from harness.contest.submission import Submission
from harness.models import Finding
from harness.source_code.imports import LARGEST_PARSED_BYTES, Source, When, examine

IMAGE_PACKAGES = (
    *("torch", "numpy", "sentencepiece", "zstandard"),
    *("filelock", "fsspec", "functorch", "jinja2", "markupsafe", "mpmath", "networkx"),
    *("setuptools", "sympy", "typing_extensions"),
)
"""Packages that every image has, by the names under which they are imported; common ones first."""
_COMMON = 4
SOME_IMAGES = ("triton", "brotli", "einops", "python_minifier")
"""Packages of the image for accelerators alone."""


def at_import(submission: Submission) -> list[Finding]:
    """Imports that cannot succeed, variables that are missing, and work that nobody asked for.

    The smallest files are read first, up to ``LARGEST_PARSED_BYTES`` in all, so that examining a
    submission costs little.
    """
    sources, unread = _examined(submission)
    local = {PurePosixPath(name).parts[0].removesuffix(".py") for name in submission.contents}
    known = local | set(IMAGE_PACKAGES) | set(sys.stdlib_module_names)
    started = _run_in_any_case(sources, _scripts(submission), ("always", "as a script"))
    loaded = _run_in_any_case(sources, _loaders(submission), ("always",))
    found = set()
    for name, source in sources.items():
        for line, module, when in source.imports:
            if module not in known:
                sure = when in started.get(name, ()) or when in loaded.get(name, ())
                found.add((name, line, module, sure))
    return [
        *(_unknown_import(submission.folder, *each) for each in sorted(found)),
        *(each for name in sorted(loaded) for each in _when_loaded(name, sources[name])),
        *(
            Finding(
                id="not_examined",
                status="unknown",
                detail="not examined: too much code for a check that is to be quick",
                file=name,
            )
            for name in sorted(unread)
        ),
    ]


def _examined(submission: Submission) -> tuple[dict[str, Source], list[str]]:
    """What can be seen of each Python file, and the files that are too large to be looked at."""
    contents = submission.contents
    sources, unread, left = {}, [], LARGEST_PARSED_BYTES
    names = [name for name in contents if name.endswith(".py")]
    for name in sorted(names, key=lambda name: len(contents[name])):
        left -= len(contents[name])
        if left < 0:
            unread.append(name)
        else:
            sources[name] = examine(submission.folder, name, contents[name])
    return sources, unread


def _scripts(submission: Submission) -> Iterator[str]:
    """Files that a command starts."""
    manifest = submission.manifest
    overrides = (override.train.command for override in manifest.tracks.values())
    for command in (manifest.train.command, *filter(None, overrides)):
        yield from (str(PurePosixPath(word)) for word in command if word.endswith(".py"))


def _loaders(submission: Submission) -> Iterator[str]:
    """Files that are imported to load the model."""
    module = submission.manifest.score.load.partition(":")[0]
    name = file_of(module, submission.contents)
    if name is not None:
        yield name


def _run_in_any_case(
    sources: Mapping[str, Source], first: Iterable[str], when: tuple[When, ...]
) -> dict[str, tuple[When, ...]]:
    """Some files, all those that they import without a condition, and so on: what of each is run.

    ``when`` is what is run of the first ones; of all others it is what is run when one is imported.
    """
    found: dict[str, tuple[When, ...]] = {}
    waiting = [(name, when) for name in first]
    while waiting:
        name, moments = waiting.pop()
        if name in found or name not in sources:
            continue
        found[name] = moments
        for each in sources[name].imports:
            imported = file_of(each.module, sources)
            if each.when in moments and imported is not None:
                waiting.append((imported, ("always",)))
    return found


def _unknown_import(folder: Path, name: str, line: int, module: str, sure: bool) -> Finding:
    if _is_beside(folder, module):
        why = "a file beside it that [code] files does not list, so it is not mounted"
        remedy = f"list {module}.py in [code] files"
    else:
        some = module in SOME_IMAGES
        sure = sure and not some
        why = f"a package that {'not every image has' if some else 'the image does not have'}"
        remedy = (
            f"there are {', '.join(IMAGE_PACKAGES[:_COMMON])}, what these need "
            f"({', '.join(IMAGE_PACKAGES[_COMMON:])}) and Python's own modules"
        )
    where = "imports" if sure else "may import"
    return Finding(
        id="unknown_import",
        status="fail" if sure else "unknown",
        detail=f"{where} {module!r}, {why}",
        file=name,
        line=line,
        remedy=remedy,
    )


def _when_loaded(name: str, source: Source) -> Iterator[Finding]:
    """What else happens when the model's module is imported in order to score."""
    for line, variable in source.reads:
        if variable in CONTRACT_VARIABLES:
            yield Finding(
                id="read_at_import",
                status="fail",
                detail=f"reads {variable} when it is imported; only training has that variable, "
                "and the model is loaded from this file",
                file=name,
                line=line,
                remedy='read it in the function that trains, or below if __name__ == "__main__"',
            )
    for line, function in source.calls:
        yield Finding(
            id="work_at_import",
            status="unknown",
            detail=f"calls {function}() when it is imported; the model is loaded from this file, "
            "so scoring does so too",
            file=name,
            line=line,
            remedy='if it trains, call it below if __name__ == "__main__"',
        )


def _is_beside(folder: Path, module: str) -> bool:
    try:
        return (folder / f"{module}.py").exists() or (folder / module).is_dir()
    except OSError:  # a name that no file can have
        return False

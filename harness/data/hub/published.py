"""Reads the documents as they were published, from wherever they are available."""

from collections.abc import Callable, Iterator
from pathlib import Path

from harness.data.format.documents import read_documents, text_of
from harness.data.hub.catalog import DOCUMENTS_NAME, remote
from harness.data.hub.hub import Hub
from harness.data.hub.repositories import DOCUMENTS_SOURCE, KNOWN
from harness.errors import InfrastructureError


def published_texts(
    name: str,
    hub: Hub,
    commit: str,
    path: str,
    *,
    here: Path | None,
    there: bool,
    open_hub: Callable[[str], Hub],
    note: Callable[[str], None],
) -> Iterator[str]:
    """The texts of a dataset's documents in order, read lazily.

    Args:
        name: the name of the dataset.
        hub: its repository.
        commit: a commit of that repository.
        path: the path of the documents in it, if it holds them.
        here: a local file with the documents, which is preferred.
        there: whether the repository holds them.
        open_hub: opens another repository, for a known dataset whose own has none.
        note: called with a sentence if that happens.

    Raises:
        InfrastructureError: they are not available anywhere, or cannot be read.
    """
    if here is not None:
        return read_documents(here)
    if there:
        return _remote_texts(hub, commit, path)
    if name in KNOWN and hub.repository != DOCUMENTS_SOURCE.repository:
        other = open_hub(DOCUMENTS_SOURCE.repository)
        at = other.resolve("main")
        note(
            f"{hub.repository} holds no {path}; the documents come from {other.repository}, "
            f"commit {at}"
        )
        return _remote_texts(other, at, remote(DOCUMENTS_SOURCE.folder, DOCUMENTS_NAME))
    raise InfrastructureError(
        f"{hub.repository}: no {path}, so bytes cannot be counted from text",
        remedy="give the raw documents with --documents FILE",
    )


def _remote_texts(hub: Hub, commit: str, path: str) -> Iterator[str]:
    for number, line in enumerate(hub.lines(commit, path), start=1):
        yield text_of(Path(hub.repository, path), number, line)

"""Where the datasets of the field are kept, and which parts of them are wanted."""

from dataclasses import dataclass
from pathlib import Path

TRAIN_SHARDS = 80
"""How many train shards come if nobody says: as many as upstream's own script brings."""


@dataclass(frozen=True)
class Source:
    """Where a dataset is kept: a repository, and the folder of its manifest there."""

    repository: str
    folder: str = "datasets"


KNOWN: dict[str, Source] = {
    "fineweb10B_sp1024": Source("willdepueoai/parameter-golf"),
    "fineweb10B_sp4096": Source("kevclark/parameter-golf"),
    "fineweb10B_sp8192": Source("kevclark/parameter-golf"),
}
DOCUMENTS_SOURCE = Source("willdepueoai/parameter-golf")
"""Where the documents are looked for when a known dataset's own repository has none."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is requested, besides the name.

    Attributes:
        source: repository and folder; the default is in :data:`KNOWN`.
        train_shards: how many; all if not given.
        revision: branch, tag or commit; the default is the commit of the pins, else ``main``.
        train_documents: whether the texts of the train shards are wanted too (a large file).
        documents: a local file with the raw documents.
        pins: a file that says what the files must be.
    """

    source: Source | None = None
    train_shards: int = TRAIN_SHARDS
    revision: str | None = None
    train_documents: bool = False
    documents: Path | None = None
    pins: Path | None = None

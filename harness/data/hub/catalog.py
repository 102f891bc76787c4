"""The catalog of a repository of the field: its own ``manifest.json``.

Written by upstream's export script; only the needed part is read, and none of its figures is
trusted: they only say which files to request.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from harness.data.format.manifest import MANIFEST_BYTES_LIMIT
from harness.data.format.reading import model_of
from harness.errors import UsageError
from harness.safeio.text import plain

CATALOG_NAME = "manifest.json"
DOCUMENTS_NAME = "docs_selected.jsonl"
SHARDS_LIMIT = 10_000

_PATH = r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*"
_Text = Annotated[str, StringConstraints(max_length=500)]


class _Loose(BaseModel):
    # Its owners may extend it: keys that we do not need are ignored, and an entry that is not
    # wanted may be incomplete.
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Stats(_Loose):
    files_train: int = Field(default=0, ge=0, le=SHARDS_LIMIT)
    files_val: int = Field(default=0, ge=0, le=SHARDS_LIMIT)


class CatalogDataset(_Loose):
    """One dataset of the repository."""

    name: _Text
    tokenizer_name: _Text = ""
    stats: _Stats = _Stats()

    def shard(self, split: str, number: int) -> str:
        """Path of one shard, relative to the folder of the manifest."""
        return f"datasets/{self.name}/fineweb_{split}_{number:06d}.bin"


class CatalogTokenizer(_Loose):
    """One tokenizer; ``model_path`` is a SentencePiece model, ``path`` the JSON of pure bytes."""

    name: _Text
    model_path: _Text | None = None
    path: _Text | None = None


class Catalog(_Loose):
    """The whole manifest."""

    datasets: tuple[CatalogDataset, ...] = Field(max_length=10_000)
    tokenizers: tuple[CatalogTokenizer, ...] = Field(max_length=10_000)

    def dataset(self, name: str) -> CatalogDataset:
        """The dataset with this name.

        Raises:
            UsageError: there is none, and the message lists those that exist; or it has no shards.
        """
        for dataset in self.datasets:
            if dataset.name == name:
                if not dataset.stats.files_train or not dataset.stats.files_val:
                    raise UsageError(
                        f"dataset {name}: the repository's manifest lists "
                        f"{dataset.stats.files_train} train and {dataset.stats.files_val} "
                        "validation shards; at least one of each is needed"
                    )
                return dataset
        known = ", ".join(plain(dataset.name, 200) for dataset in self.datasets[:20]) or "none"
        raise UsageError(f"dataset {name}: not in the repository's manifest; it lists {known}")

    def tokenizer_path(self, dataset: CatalogDataset) -> str:
        """Path of the tokenizer's file, relative to the folder of the manifest.

        Raises:
            UsageError: the manifest names no file for the dataset's tokenizer.
        """
        for tokenizer in self.tokenizers:
            path = tokenizer.model_path or tokenizer.path or ""
            if tokenizer.name == dataset.tokenizer_name and re.fullmatch(_PATH, path):
                return path
        raise UsageError(
            f"dataset {dataset.name}: the repository's manifest names no file for its tokenizer "
            f"{plain(dataset.tokenizer_name, 200)!r}"
        )


def load_catalog(path: Path) -> Catalog:
    """Read and validate a repository's manifest.

    Raises:
        InfrastructureError: it is not JSON, or lacks needed fields; the message names each.
    """
    return model_of(
        Catalog,
        path,
        limit_bytes=MANIFEST_BYTES_LIMIT,
        longest_text=MANIFEST_BYTES_LIMIT,  # of ignored keys
        about="not a manifest of the field",
    )


def remote(folder: str, path: str) -> str:
    """A path in the repository."""
    return str(PurePosixPath(folder) / path)

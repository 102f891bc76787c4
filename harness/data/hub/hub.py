"""A dataset repository of a model hub, read through the hub's own client, with readable errors.

Endpoint, token, proxy and cache come from the environment variables that the client documents
(``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``, ``HTTPS_PROXY``). Complete files are kept in its cache:
none is fetched twice, and an interrupted download is resumed.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.data.format.documents import LINE_BYTES_LIMIT
from harness.data.hub.hub_errors import hub_errors
from harness.errors import InfrastructureError

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """What the hub states about a file; it keeps a ``sha256`` only for large files."""

    path: str
    bytes: int
    sha256: str | None


class Hub:
    """One dataset repository."""

    def __init__(
        self,
        repository: str,
        *,
        endpoint: str | None = None,
        token: str | None = None,
        cache: Path | None = None,
    ) -> None:
        """Take whatever is not given from the environment."""
        self.repository = repository
        self._endpoint = endpoint
        self._token = token
        self._cache = cache

    @property
    def cache(self) -> Path:
        """The directory where complete files are kept."""
        from huggingface_hub import constants

        return self._cache or Path(constants.HF_HUB_CACHE)

    def resolve(self, revision: str) -> str:
        """The commit that a branch, tag or commit stands for now: 40 hexadecimal digits."""
        with self._errors(f"revision {revision}"):
            commit: str | None = self._api().dataset_info(self.repository, revision=revision).sha
        if not commit:
            raise InfrastructureError(f"{self.repository}: revision {revision} has no commit")
        return commit

    def files(self, commit: str, paths: Sequence[str]) -> dict[str, RemoteFile]:
        """The files of the repository among ``paths``; those that it lacks are left out."""
        from huggingface_hub import RepoFile

        with self._errors("its list of files"):
            found = self._api().get_paths_info(
                self.repository, list(paths), revision=commit, repo_type="dataset"
            )
        return {
            file.path: RemoteFile(file.path, file.size, file.lfs.sha256 if file.lfs else None)
            for file in found
            if isinstance(file, RepoFile)
        }

    def download(
        self,
        commit: str,
        path: str,
        *,
        received: Callable[[int], None] | None = None,
        force: bool = False,
    ) -> Path:
        """The path of a complete file in the cache, downloaded if necessary.

        Args:
            commit: see :meth:`resolve`.
            path: path of the file in the repository.
            received: called with the number of bytes of each chunk received.
            force: download it even if it is in the cache.

        Raises:
            InfrastructureError: see :func:`harness.data.hub.hub_errors.hub_errors`.
        """
        from huggingface_hub import hf_hub_download

        with self._errors(path):
            return Path(
                hf_hub_download(
                    self.repository,
                    path,
                    repo_type="dataset",
                    revision=commit,
                    endpoint=self._endpoint,
                    token=self._token,
                    cache_dir=self._cache,
                    force_download=force,
                    tqdm_class=_meter(received or (lambda _: None)),
                )
            )

    def has(self, commit: str, path: str) -> bool:
        """Whether a complete file is in the cache already."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(
            self.repository, path, cache_dir=self._cache, revision=commit, repo_type="dataset"
        )
        return isinstance(found, str)

    def lines(self, commit: str, path: str) -> Iterator[bytes]:
        """Yield the lines of a file, read only as far as needed; nothing of it is kept.

        Raises:
            InfrastructureError: see :func:`harness.data.hub.hub_errors.hub_errors`; or a line is
                longer than 256 MiB.
        """
        from huggingface_hub import HfFileSystem

        with self._errors(path):
            files = HfFileSystem(
                endpoint=self._endpoint, token=self._token, skip_instance_cache=True
            )
            place = f"datasets/{self.repository}@{commit}/{path}"
            with files.open(place, "rb", block_size=0) as file:
                yield from _lines(file)

    def _errors(self, what: str) -> contextlib.AbstractContextManager[None]:
        return hub_errors(f"{self.repository}: {what}", self.cache)

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self._endpoint, token=self._token)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file that can only be read in chunks."""
    rest = b""
    while chunk := file.read(_CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > LINE_BYTES_LIMIT:
            raise InfrastructureError(f"a line is longer than {LINE_BYTES_LIMIT} bytes")
    if rest:
        yield rest


def _meter(received: Callable[[int], None]) -> type[Any]:
    """A progress bar that draws nothing and calls ``received``; the client requires a class."""
    from tqdm.std import tqdm

    lock = threading.Lock()

    class Meter(tqdm):  # type: ignore[misc]  # comes without types
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            with lock:
                self.n += n or 0
                received(int(n or 0))

    return Meter

"""Fetches a dataset of the field from its repository, and makes a checked dataset of it.

Every file is compared with a size and a SHA-256: the pinned ones where there are pins, else those
that the hub itself states, and the result is pinned for the next time. The dataset gets its name
only after all of it has been checked.
"""

import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from harness.data.build.assembling import Parts, assemble
from harness.data.build.publishing import only_builder
from harness.data.format.dataset import Dataset
from harness.data.format.manifest import check_name
from harness.data.format.reading import Progress, silent
from harness.data.hub.catalog import (
    CATALOG_NAME,
    DOCUMENTS_NAME,
    Catalog,
    load_catalog,
    remote,
)
from harness.data.hub.hub import Hub, RemoteFile
from harness.data.hub.pins import REPOSITORY, Pin, Pins, pins_for
from harness.data.hub.published import published_texts
from harness.data.hub.repositories import KNOWN, Source, Wishes
from harness.errors import InfrastructureError, UsageError
from harness.safeio.files import disk_errors, sha256_of
from harness.safeio.text import plain

AT_ONCE = 8


def fetch(
    name: str,
    root: Path,
    wishes: Wishes,
    *,
    open_hub: Callable[[str], Hub] = Hub,
    progress: Progress | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Make ``root/name`` from the files of the repository; an older one is replaced at the end.

    Raises:
        UsageError: the dataset is not known and no repository was given, or the repository does not
        list it.
        InfrastructureError: no network, a wrong token, a missing file, a file that is not what
            was pinned, a full disk, or tokens that are not those of the documents.
    """
    check_name(name)
    if wishes.train_shards < 1:
        raise UsageError(f"{wishes.train_shards} train shards: must be at least 1")
    source = wishes.source or KNOWN.get(name)
    if source is None:
        raise UsageError(
            f"dataset {name}: not known; name its repository with --repository OWNER/NAME "
            f"(known are {', '.join(KNOWN)})"
        )
    if not re.fullmatch(REPOSITORY, source.repository):
        raise UsageError(f"repository {plain(source.repository, 200)}: expected OWNER/NAME")
    pins, whence = pins_for(name, root / name, wishes.pins)
    job = _Job(
        name=name,
        root=root,
        source=source,
        hub=open_hub(source.repository),
        pins=pins,
        progress=progress or silent,
        note=note,
    )
    return job.run(wishes, whence, open_hub)


@dataclass(frozen=True, kw_only=True)
class _Job:
    name: str
    root: Path
    source: Source
    hub: Hub
    pins: Pins | None
    progress: Progress
    note: Callable[[str], None]

    def run(self, wishes: Wishes, whence: str, open_hub: Callable[[str], Hub]) -> Dataset:
        if self.pins and self.pins.repository != self.source.repository:
            raise UsageError(
                f"the pins ({whence}) are of repository {self.pins.repository}, "
                f"not of {self.source.repository}"
            )
        commit = self.hub.resolve(
            wishes.revision or (self.pins.commit if self.pins else None) or "main"
        )
        self.note(f"{self.name} from {self.source.repository}, commit {commit}")
        if self.pins:
            self.note(f"every file is compared with {whence}")
        catalog = load_catalog(self.hub.download(commit, remote(self.source.folder, CATALOG_NAME)))
        shards, tokenizer = self._wanted(catalog, wishes.train_shards)
        documents = remote(self.source.folder, DOCUMENTS_NAME)
        paths = [*shards, tokenizer]
        stated = self._stated(commit, paths, documents)
        if wishes.train_documents and not wishes.documents and documents in stated:
            paths.append(documents)  # as a whole: much of it is needed
        self._make_sure_of_room(commit, [stated[path] for path in paths])
        found = self._download(commit, [stated[path] for path in paths])
        parts = Parts(
            name=self.name,
            train=[found[path][0] for path in shards if "_train_" in PurePosixPath(path).name],
            val=[found[path][0] for path in shards if "_val_" in PurePosixPath(path).name],
            tokenizer=found[tokenizer][0],
            source=f"{self.source.repository}/{self.source.folder} at commit {commit}",
            train_documents=wishes.train_documents,
        )
        pinned = [pin for _, pin in found.values()]
        self._warn(pinned)
        texts = published_texts(
            self.name,
            self.hub,
            commit,
            documents,
            here=wishes.documents or (found[documents][0] if documents in found else None),
            there=documents in stated,
            open_hub=open_hub,
            note=self.note,
        )
        # Pins of files that are not wanted this time are kept, in case they are wanted later.
        older = [pin for pin in (self.pins.files if self.pins else ()) if pin.path not in found]
        kept = Pins(repository=self.source.repository, commit=commit, files=(*pinned, *older))
        # Locked only from here on, so that nobody who builds another dataset waits for a download.
        with only_builder(self.root, self.name):
            return assemble(
                parts,
                texts,
                self.root,
                kept,
                hold=lambda pin: self._hold(
                    pin.path, bytes_found=pin.bytes, sha256_found=pin.sha256, what="came as"
                ),
                progress=self.progress,
                note=self.note,
            )

    def _wanted(self, catalog: Catalog, train_shards: int) -> tuple[list[str], str]:
        listed = catalog.dataset(self.name)
        count = listed.stats.files_train
        if train_shards > count:
            self.note(f"{train_shards} train shards asked for; there are {count}")
        shards = [listed.shard("val", number) for number in range(listed.stats.files_val)]
        shards += [listed.shard("train", number) for number in range(min(train_shards, count))]
        return (
            [remote(self.source.folder, path) for path in shards],
            remote(self.source.folder, catalog.tokenizer_path(listed)),
        )

    def _stated(self, commit: str, paths: list[str], documents: str) -> dict[str, RemoteFile]:
        """What the hub states about the files: all must exist, and must be as pinned."""
        stated = self.hub.files(commit, [*paths, documents])
        missing = [path for path in paths if path not in stated]
        if missing:
            raise InfrastructureError(
                f"{self.source.repository}: {len(missing)} files of its manifest are missing from "
                f"commit {commit}: {plain(', '.join(missing[:5]), 200)}",
                remedy="ask for fewer --train-shards, or another --revision",
            )
        for path in paths:
            self._hold(
                path,
                bytes_found=stated[path].bytes,
                sha256_found=stated[path].sha256,
                what="the repository holds",
            )
        return stated

    def _make_sure_of_room(self, commit: str, files: Sequence[RemoteFile]) -> None:
        """Report a lack of space now, not after an hour. Files in the cache may need none."""
        coming = sum(file.bytes for file in files if not self.hub.has(commit, file.path))
        cache, root = _nearest(self.hub.cache), _nearest(self.root)
        with disk_errors(root):
            copied = cache.stat().st_dev != root.stat().st_dev
            needed = {cache: coming, root: sum(file.bytes for file in files) if copied else coming}
            for place, count in needed.items():
                free = shutil.disk_usage(place).free
                if free < count:
                    raise InfrastructureError(
                        f"{place}: the disk is full: {count:,} bytes are to come, "
                        f"{free:,} bytes are free",
                        remedy="free some space there, ask for fewer --train-shards, or set "
                        "HF_HOME and --dest to directories on another disk",
                    )

    def _download(self, commit: str, files: Sequence[RemoteFile]) -> dict[str, tuple[Path, Pin]]:
        """Download several at once; each is checked as soon as it is complete."""
        total = sum(file.bytes for file in files)
        what = f"fetching {len(files)} files, {total:,} bytes"
        came: Counter[str] = Counter()
        lock = threading.Lock()
        stopped = threading.Event()
        errors: list[BaseException] = []

        def received(path: str, count: int) -> None:
            if stopped.is_set():
                raise InfrastructureError("stopped")
            with lock:
                came[path] += count
                self.progress(what, min(max(came.total(), 0), total), total)

        def bring(file: RemoteFile) -> tuple[str, tuple[Path, Pin]]:
            path = self.hub.download(commit, file.path, received=partial(received, file.path))
            try:
                pin = self._checked(path, file)
            except InfrastructureError:
                # A file in the cache may have been damaged there; a fresh download is not.
                path = self.hub.download(commit, file.path, force=True)
                pin = self._checked(path, file)
            received(file.path, file.bytes - came[file.path])  # it may have been in the cache
            return file.path, (path, pin)

        def bring_or_stop(file: RemoteFile) -> tuple[str, tuple[Path, Pin]]:
            try:
                return bring(file)
            except BaseException as error:
                if not stopped.is_set():
                    errors.append(error)
                # After an error, running downloads may finish, so that they need not be repeated.
                if not isinstance(error, Exception):
                    stopped.set()
                raise

        self.progress(what, 0, total)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            coming = [pool.submit(bring_or_stop, file) for file in files]
            try:
                wait(coming, return_when=FIRST_EXCEPTION)
            except BaseException:
                stopped.set()  # Ctrl-C: every download ends when it next receives bytes
                raise
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        if errors:
            raise errors[0]
        return dict(future.result() for future in coming)

    def _checked(self, path: Path, file: RemoteFile) -> Pin:
        with disk_errors(path):
            pin = Pin(path=file.path, bytes=path.stat().st_size, sha256=sha256_of(path))
        if pin.bytes != file.bytes or file.sha256 not in (None, pin.sha256):
            raise InfrastructureError(
                f"{self.source.repository}: {file.path}: came as {pin.bytes:,} bytes with sha256 "
                f"{pin.sha256}; the hub states {file.bytes:,} bytes"
                + (f" with sha256 {file.sha256}" if file.sha256 else ""),
                remedy="fetch again; if it stays so, something between here and the hub alters it",
            )
        self._hold(file.path, bytes_found=pin.bytes, sha256_found=pin.sha256, what="came as")
        return pin

    def _hold(self, path: str, *, bytes_found: int, sha256_found: str | None, what: str) -> None:
        pin = self.pins.of(path) if self.pins else None
        if pin and (bytes_found != pin.bytes or sha256_found not in (None, pin.sha256)):
            raise InfrastructureError(
                f"{self.source.repository}: {path}: {what} {bytes_found:,} bytes with sha256 "
                f"{sha256_found or 'not stated'}; pinned are {pin.bytes:,} bytes with sha256 "
                f"{pin.sha256}",
                remedy="the data changed since they were pinned; if that is meant, remove the "
                "pins and fetch again: results before and after cannot be compared",
            )

    def _warn(self, pinned: Sequence[Pin]) -> None:
        fresh = [pin for pin in pinned if self.pins is None or self.pins.of(pin.path) is None]
        if fresh:
            self.note(
                f"TRUST ON FIRST USE: {len(fresh)} of {len(pinned)} files were not pinned. They "
                "are what the hub says, and nobody else vouches for them; they are pinned now in "
                "pins.json. Compare its digests with somebody who fetched them before."
            )


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest directory above it that exists."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())

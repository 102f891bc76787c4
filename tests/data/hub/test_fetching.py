import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.data.build.building import build_dataset
from harness.data.build.publishing import only_builder, staging_prefix
from harness.data.build.verifying import verify_dataset
from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.documents import read_documents
from harness.data.hub.fetching import _Job, fetch
from harness.data.hub.hub import Hub
from harness.data.hub.pins import PINS_NAME, load_pins
from harness.data.hub.repositories import DOCUMENTS_SOURCE, KNOWN, Source, Wishes
from harness.errors import HarnessError, InfrastructureError, UsageError
from tests.data.hub.loopback_hub import LoopbackHub, running

NAME = "toy_sp1024"
REPOSITORY = "someone/golf"
SOURCE = Source(REPOSITORY)
SHARD_TOKENS = 40_000
MODEL = "datasets/tokenizers/toy_1024_bpe.model"
DOCUMENTS = "datasets/docs_selected.jsonl"
VAL = f"datasets/datasets/{NAME}/fineweb_val_000000.bin"
TRAIN = f"datasets/datasets/{NAME}/fineweb_train_000000.bin"
SECOND = f"datasets/datasets/{NAME}/fineweb_train_000001.bin"


@pytest.fixture(scope="module")
def published(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A repository as the field's: shards, tokenizer, manifest, all documents in one file."""
    val = list(read_documents(dataset.documents_path))
    train = list(read_documents(dataset.directory / "docs_train.jsonl"))
    place = tmp_path_factory.mktemp("published") / NAME
    model = dataset.tokenizer_path.read_bytes()
    made = build_dataset(train, val, model, place, source="toy", shard_tokens=SHARD_TOKENS)
    files = {MODEL: model}
    for kind in ("train", "val"):
        for entry in made.manifest.of_kind(kind):
            name = Path(entry.path).name
            files[f"datasets/datasets/{NAME}/{name}"] = (place / entry.path).read_bytes()
    lines = [json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate([*val, *train])]
    files[DOCUMENTS] = "".join(lines).encode()
    return {**files, "datasets/manifest.json": catalog(files)}


def catalog(files: dict[str, bytes], **changes: object) -> bytes:
    stats = {
        f"files_{kind}": sum(f"fineweb_{kind}_" in path for path in files)
        for kind in ("train", "val")
    }
    dataset = {"name": NAME, "tokenizer_name": "sp_bpe_1024", "vocab_size": 1024, "stats": stats}
    other = {"name": "unfinished", "path": "/root/elsewhere", "stats": {"docs_val": 3}}
    tokenizer = {
        "name": "sp_bpe_1024",
        "model_path": "tokenizers/toy_1024_bpe.model",
        "vocab_path": "tokenizers/toy_1024_bpe.vocab",
    }
    content = {
        "version": "10B",
        "datasets": [other, dataset],
        "tokenizers": [{"name": "none"}, tokenizer],
        **changes,
    }
    return json.dumps(content).encode()


@dataclass
class Site:
    """A hub that is running, and a place to fetch to."""

    hub: LoopbackHub
    cache: Path
    root: Path
    wishes: Wishes = field(default_factory=lambda: Wishes(source=SOURCE, train_shards=2))
    notes: list[str] = field(default_factory=list)
    steps: list[tuple[str, int, int]] = field(default_factory=list)
    token: str | None = None

    @property
    def files(self) -> dict[str, bytes]:
        return self.hub.repositories[REPOSITORY]

    def open_hub(self, repository: str) -> Hub:
        return Hub(repository, endpoint=self.hub.endpoint, token=self.token, cache=self.cache)

    def fetch(self, name: str = NAME, **wishes: object) -> Dataset:
        self.notes.clear()
        return fetch(
            name,
            self.root,
            replace(self.wishes, **wishes),  # type: ignore[arg-type]
            open_hub=self.open_hub,
            progress=lambda *step: self.steps.append(step),
            note=self.notes.append,
        )

    def refused(self, name: str = NAME, **wishes: object) -> str:
        with pytest.raises(HarnessError) as error:
            self.fetch(name, **wishes)
        assert not (self.root / name).exists(), "nothing may stand under the final name"
        assert self.left_behind() == []
        return str(error.value)

    def left_behind(self) -> list[str]:
        return [path.name for path in self.root.iterdir()] if self.root.exists() else []


@pytest.fixture
def site(
    published: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    # The client waits between its attempts; nobody here needs that time.
    hurried = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    for module in (file_download, _http):
        monkeypatch.setattr(module, "time", hurried)
    # It takes a break up at the last whole chunk, and ours are files of a few thousand bytes.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    hub = LoopbackHub()
    hub.repositories[REPOSITORY] = dict(published)
    with running(hub):
        yield Site(hub, tmp_path / "cache", tmp_path / "data")


def test_what_was_fetched_is_a_dataset(site: Site) -> None:
    killed = site.root / f"{staging_prefix(NAME)}new-of-a-killed-fetch"
    killed.mkdir(parents=True)
    made = site.fetch()
    assert site.left_behind() == [NAME]
    assert open_dataset(site.root, NAME).facts() == made.facts()
    report = verify_dataset(site.root / NAME)
    assert report.text == "raw"
    assert report.published.exact == made.facts().validation_documents
    assert made.facts().train_tokens == 2 * SHARD_TOKENS
    assert (made.train_directory / "fineweb_train_000001.bin").read_bytes() == site.files[SECOND]
    assert made.tokenizer_path.read_bytes() == site.files[MODEL]
    assert site.hub.commit(REPOSITORY) in made.manifest.source
    assert any("come back exactly" in note for note in site.notes)
    fetching = [step for step in site.steps if step[0].startswith("fetching")]
    assert fetching[-1][1] == fetching[-1][2] > 0
    assert all(0 <= done <= total for _, done, total in site.steps)


def test_only_as_much_of_the_documents_is_read_as_is_needed(site: Site) -> None:
    """Upstream's file has tens of gigabytes; here 40 MB that are no JSON, behind what is needed."""
    site.files[DOCUMENTS] += b"x" * 40_000_000
    site.fetch()
    assert site.hub.fetched(DOCUMENTS) == 1
    assert site.hub.sent[DOCUMENTS] < 20_000_000  # what fits in the buffers between us


def test_trust_on_first_use_is_said_and_pinned(site: Site) -> None:
    site.fetch()
    assert any(note.startswith("TRUST ON FIRST USE: 4 of 4 files") for note in site.notes)
    pins = load_pins(site.root / NAME / PINS_NAME)
    assert pins.commit == site.hub.commit(REPOSITORY)
    assert {pin.path for pin in pins.files} == {VAL, TRAIN, SECOND, MODEL, "docs_raw.jsonl"}
    site.fetch()
    assert not any("TRUST" in note for note in site.notes)
    assert any("from an earlier fetch" in note for note in site.notes)
    third = site.fetch(train_shards=3)
    assert any(note.startswith("TRUST ON FIRST USE: 1 of 5") for note in site.notes)
    assert third.facts().train_tokens == 3 * SHARD_TOKENS
    site.fetch(train_shards=1)
    site.fetch(train_shards=3)
    assert not any("TRUST" in note for note in site.notes), "pins are kept though unused"


def test_a_file_that_came_whole_is_not_fetched_again(site: Site) -> None:
    first = site.fetch()
    shutil.rmtree(site.root)
    assert site.fetch() == first
    assert [site.hub.fetched(path) for path in (VAL, TRAIN, SECOND, MODEL)] == [1, 1, 1, 1]


def test_a_broken_connection_is_taken_up_where_it_broke(site: Site) -> None:
    site.hub.cuts.update({TRAIN: 2, VAL: 1, DOCUMENTS: 1})
    made = site.fetch()
    assert (made.train_directory / "fineweb_train_000000.bin").read_bytes() == site.files[TRAIN]
    ranges = [r for method, path, r in site.hub.log if (method, path) == ("GET", TRAIN)]
    assert len(ranges) == 3
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges[1:]]
    assert 0 < starts[0] < starts[1]


def test_a_fetch_that_was_stopped_goes_on_with_what_it_has(site: Site) -> None:
    site.hub.failing[SECOND] = 404
    assert "no such file" in site.refused()
    del site.hub.failing[SECOND]
    site.fetch()
    assert site.hub.fetched(VAL) == 1


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda s: s.hub.altered.update({TRAIN: bytes(len(s.files[TRAIN]))}), "the hub states"),
        (lambda s: s.hub.altered.update({VAL: s.files[VAL][:-2]}), "of size|cut short|states"),
        (lambda s: s.hub.cuts.update({TRAIN: 10_000}), "cannot be reached|cut short"),
        (lambda s: s.hub.failing.update({TRAIN: 503}), "the hub failed (HTTP 503)"),
        (lambda s: s.hub.failing.update({"*": 500}), "the hub failed (HTTP 500)"),
        (lambda s: s.hub.failing.update({"*": 403}), "refused (HTTP 403)"),
        (lambda s: setattr(s.hub, "token", "right"), "refused (HTTP 401): a wrong or missing"),
        (lambda s: s.files.pop(SECOND), "1 files of its manifest are missing"),
        (lambda s: s.files.pop(MODEL), "toy_1024_bpe.model"),
        (lambda s: s.files.pop("datasets/manifest.json"), "manifest.json: no such file"),
        (lambda s: s.files.pop(DOCUMENTS), "give the raw documents with --documents FILE"),
        (lambda s: s.hub.repositories.clear(), "no such dataset repository"),
        (lambda s: setattr(s.hub, "endpoint", "http://127.0.0.1:9"), "cannot be reached"),
        (
            lambda s: s.files.update({"datasets/manifest.json": b'{"datasets": 3}'}),
            "not a manifest of the field: datasets:",
        ),
        (
            lambda s: s.files.update({"datasets/manifest.json": catalog({}, tokenizers=[])}),
            "lists 0 train and 0 validation shards",
        ),
        (
            lambda s: s.files.update(
                {
                    "datasets/manifest.json": s.files["datasets/manifest.json"].replace(
                        b"zers/", b"/../"
                    )
                }
            ),
            "names no file for its tokenizer",
        ),
        (
            lambda s: s.files.update({"datasets/manifest.json": catalog(s.files, tokenizers=[])}),
            "names no file for its tokenizer",
        ),
        (
            lambda s: s.files.update({DOCUMENTS: b"".join(lines(s)[:3])}),
            "the documents end after 3; the validation shards hold",
        ),
        (
            lambda s: s.files.update({DOCUMENTS: b"".join(lines(s)[1:])}),
            "document 1, character",
        ),
        (lambda s: s.files.update({DOCUMENTS: b"no JSON\n"}), ":1: not valid JSON"),
        (lambda s: s.files.update({VAL: s.files[VAL][:-1]}), "truncated"),
        (lambda s: s.files.update({VAL: b"x" + s.files[VAL][1:]}), "wrong magic"),
        (lambda s: s.files.update({MODEL: b"no model"}), "not a SentencePiece model"),
    ],
)
def test_each_fault_has_its_message(
    site: Site, damage: Callable[[Site], object], expected: str
) -> None:
    damage(site)
    message = site.refused()
    assert any(part in message for part in expected.split("|")), message
    assert len(message.splitlines()) <= 2
    if site.hub.altered:
        site.hub.altered.clear()
        assert site.fetch().facts().train_tokens == 2 * SHARD_TOKENS


@pytest.fixture
def folded(site: Site, shared_data: Path, tmp_path: Path) -> list[str]:
    """The repository holds tokens of a model that normalizes, as the field's do."""
    raw = ["  \ufb01ne,\n\nindeed\u2026 ", "already plain", "one  more", "the last"]
    model = (shared_data / "tokenizers/fineweb_1024_bpe.model").read_bytes()
    place = tmp_path / "folded"
    train = ["train\ntext", "more"]
    made = build_dataset(train, raw, model, place, source="toy", text="normalized")
    site.files[MODEL] = model
    site.files[VAL] = (place / "val" / Path(VAL).name).read_bytes()
    site.files[TRAIN] = (place / "train" / Path(TRAIN).name).read_bytes()
    texts = [*raw, *train]
    site.files[DOCUMENTS] = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    site.wishes = replace(site.wishes, train_shards=1)
    assert made.facts().validation_documents == 4
    return raw


def test_documents_may_come_back_only_after_normalization(site: Site, folded: list[str]) -> None:
    made = site.fetch()
    assert made.manifest.text == "normalized"
    texts = list(read_documents(made.documents_path))
    assert texts == ["fine, indeed...", *folded[1:2], "one more", folded[3]]
    assert made.facts().validation_bytes == sum(len(text.encode()) for text in texts)
    report = verify_dataset(made.directory)
    assert (report.published.documents, report.published.exact) == (4, 2)
    assert report.published.bytes == sum(len(text.encode()) for text in folded)
    assert any("2 of 4 validation documents come back exactly" in note for note in site.notes)
    # The pin is of what was published.
    site.fetch()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("one  more", "one  mode", "document 3, character 6 onwards: expected 'de'"),
        ("already plain", "already plane", "document 2, character 11 onwards"),
        ("the last", "the first", "document 4, character 4 onwards"),
    ],
)
def test_documents_that_no_normalization_makes_of_the_tokens_are_refused(
    site: Site, folded: list[str], old: str, new: str, problem: str
) -> None:
    site.files[DOCUMENTS] = site.files[DOCUMENTS].replace(old.encode(), new.encode())
    message = site.refused()
    assert "neither the published documents nor what the tokenizer's own" in message
    assert problem in message


def test_offline_mode_is_told_apart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids" in site.refused()


def test_nobody_who_builds_waits_for_a_download(site: Site) -> None:
    def build(*step: object) -> None:
        if str(step[0]).startswith("fetching"):
            with only_builder(site.root, "another"):
                built.append(step)

    built: list[object] = []
    fetch(NAME, site.root, site.wishes, open_hub=site.open_hub, progress=build)
    assert built


def test_an_interrupt_stops_all_downloads(site: Site) -> None:
    calls = 0

    def interrupt(what: str, done: int, total: int) -> None:
        nonlocal calls
        if done and what.startswith("fetching"):
            calls += 1
            if calls == 1:
                raise KeyboardInterrupt
            time.sleep(0.1)  # so that all of it would take seconds

    chunks = sum(len(site.files[path]) // 4096 for path in (VAL, TRAIN, SECOND, MODEL))
    with pytest.raises(KeyboardInterrupt):
        fetch(NAME, site.root, site.wishes, open_hub=site.open_hub, progress=interrupt)
    assert calls < chunks / 2
    assert site.left_behind() == []
    site.fetch()


def lines(site: Site) -> list[bytes]:
    return site.files[DOCUMENTS].splitlines(keepends=True)


def test_the_right_token_opens_a_closed_repository(site: Site) -> None:
    site.hub.token = site.token = "right"
    site.fetch()


@pytest.mark.parametrize("path", [TRAIN, MODEL])
def test_data_that_changed_since_it_was_pinned_is_refused(site: Site, path: str) -> None:
    first = site.fetch()
    content = bytearray(site.files[path])
    content[-1] ^= 1
    site.files[path] = bytes(content)
    with pytest.raises(InfrastructureError, match=f"{path}: .* pinned are"):
        site.fetch(revision="main")
    # The commit that was pinned is not there any more, and another is not taken by itself.
    with pytest.raises(InfrastructureError, match="no such revision"):
        site.fetch()
    assert open_dataset(site.root, NAME) == first


def test_documents_that_changed_since_they_were_pinned_are_refused(site: Site) -> None:
    site.fetch()
    pins = (site.root / NAME / PINS_NAME).read_text()
    entry = json.loads(pins)["files"][-1]
    other = pins.replace(entry["sha256"], "0" * 64)
    chosen = site.root / "pins_of_somebody.json"
    chosen.write_text(other)
    with pytest.raises(InfrastructureError, match=r"docs_raw\.jsonl: came as .* pinned are"):
        site.fetch(pins=chosen)


def test_pins_of_somebody_else_are_kept_to(site: Site, tmp_path: Path) -> None:
    site.fetch()
    pins = tmp_path / "theirs.json"
    shutil.copy(site.root / NAME / PINS_NAME, pins)
    shutil.rmtree(site.root)
    site.fetch(pins=pins)
    assert any(str(pins) in note for note in site.notes)
    pins.write_text("{}")
    shutil.rmtree(site.root)
    assert "theirs.json: repository: missing; it must be given" in site.refused(pins=pins)


def test_a_cache_that_was_damaged_is_mended(site: Site) -> None:
    site.fetch()
    shutil.rmtree(site.root)
    (blob,) = [
        path
        for path in site.cache.rglob("fineweb_train_000000.bin")
        if path.read_bytes() == site.files[TRAIN]
    ]
    target = blob.resolve()
    target.unlink()
    target.write_bytes(bytes(len(site.files[TRAIN])))
    made = site.fetch()
    assert (made.train_directory / "fineweb_train_000000.bin").read_bytes() == site.files[TRAIN]
    assert site.hub.fetched(TRAIN) == 2


def test_train_documents_come_with_the_train_shards(site: Site) -> None:
    made = site.fetch(train_documents=True)
    (entry,) = made.manifest.of_kind("docs_train")
    texts = list(read_documents(made.directory / entry.path))
    count = made.facts().validation_documents
    theirs = [json.loads(line)["text"] for line in lines(site)]
    assert texts == theirs[count : count + len(texts)]
    tokens = [t for _, shard in made.shards("train") for t in shard.tolist()]
    assert entry.documents == len(texts) == tokens.count(made.manifest.bos_id)


def test_documents_of_a_known_dataset_may_lie_elsewhere(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN, NAME, SOURCE)
    other = site.hub.repositories[DOCUMENTS_SOURCE.repository] = {}
    other[DOCUMENTS] = site.files.pop(DOCUMENTS)
    made = site.fetch(source=None, train_documents=True)
    assert any(f"come from {DOCUMENTS_SOURCE.repository}, commit" in n for n in site.notes)
    assert made.manifest.of_kind("docs_train")


def test_documents_may_be_here_already(site: Site, tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_bytes(site.files.pop(DOCUMENTS))
    assert site.fetch(documents=mine).facts().validation_documents > 1
    assert site.hub.fetched(DOCUMENTS) == 0


def test_wrong_names_are_wrong_usage(site: Site) -> None:
    with pytest.raises(UsageError, match="name its repository with --repository"):
        site.fetch(source=None)
    with pytest.raises(UsageError, match=f"it lists unfinished, {NAME}"):
        site.fetch("toy_sp2048")
    with pytest.raises(UsageError, match="not a name"):
        site.fetch("../escape")
    with pytest.raises(UsageError, match="repository a/b/c: expected OWNER/NAME"):
        site.fetch(source=Source("a/b/c"))
    site.files["datasets/manifest.json"] = catalog({VAL: b""})
    with pytest.raises(UsageError, match="lists 0 train and 1 validation shards"):
        site.fetch()
    with pytest.raises(UsageError, match="train shards: must be at least 1"):
        site.fetch(train_shards=0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB; the files have 200."""
    if os.geteuid() != 0:
        pytest.skip("mounts a file system, which needs root")
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("full", ["cache", "root"])
def test_a_disk_without_room_is_found_before_anything_comes(
    site: Site, small_disk: Path, full: str
) -> None:
    setattr(site, full, small_disk / "in")
    message = site.refused()
    assert str(small_disk) in message
    assert "bytes are to come" in message
    assert site.hub.fetched(TRAIN) == 0


@pytest.mark.parametrize("full", ["cache", "root"])
def test_a_disk_that_fills_up_on_the_way_has_its_message(
    site: Site, small_disk: Path, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if somebody else had taken the room since.
    monkeypatch.setattr(_Job, "_make_sure_of_room", lambda *arguments: None)
    setattr(site, full, small_disk / "in")
    message = site.refused()
    assert str(small_disk) in message
    assert "the disk is full" in message
    assert "remedy: free some space there" in message


def test_the_command_as_a_user_runs_it(site: Site, tmp_path: Path) -> None:
    """Endpoint, token and cache from the environment, in a process of its own."""
    site.hub.token = "right"
    environment = {
        **os.environ,
        "HF_ENDPOINT": site.hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "right",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "harness", "data", "fetch", NAME]
    command += ["--repository", REPOSITORY, "--train-shards", "1", "--dest", str(site.root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no fault found" in done.stdout
    assert "TRUST ON FIRST USE" in done.stderr
    assert (tmp_path / "home").is_dir()
    environment["HF_TOKEN"] = "wrong"
    command[-1] = str(tmp_path / "elsewhere")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "refused (HTTP 401)" in done.stderr
    assert "Traceback" not in done.stderr

"""Real text as tokens: shards in the order that the harness draws, and text to be scored.

Where the harness or its tokenizer cannot be had here, the same files in bytes: id = byte + 2.
"""

import sysconfig
from pathlib import Path

import numpy as np

from tests.accelerator.desk import Desk

BOS = 1
VOCABULARY = 1024
SEED = 20_261
NONCE = "accelerator"
_FILE_BYTES = 128 << 10
_VALIDATION_EACH = 16  # every so many files is kept for scoring
_SHARD_TOKENS = 1 << 22


def run(desk: Desk) -> None:
    """Leave ``train/``, and ``validation.npy``, ``bytes.npy``, ``rate.npy`` in the folder."""
    try:
        _harness(desk)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        desk.cannot("tokens of the demo corpus", f"the package {missing} is missing: bytes instead")
        _bytes(desk)


def _harness(desk: Desk) -> None:
    import sentencepiece  # noqa: F401 - before anything is built

    from harness.contest.track import load_track
    from harness.data.build.demo import build_demo
    from harness.data.build.imposing import write_shown

    dataset = build_demo(desk.data)
    imposed = load_track("10min_16mb").imposed
    assert imposed is not None
    train = desk.folder / "train"
    train.mkdir()
    shown = write_shown(dataset, train, nonce=NONCE, seed=SEED, denied_share=imposed.denied_share)
    desk.tell("tokens", "demo corpus, its own tokenizer of 1,024 pieces")
    desk.tell("order", f"drawn by the harness: {shown.documents} documents shown, "
              f"{shown.denied_documents} denied, {shown.files} files")  # fmt: skip
    desk.tell("train_tokens", shown.tokens)
    validation = np.asarray(dataset.validation_tokens())
    sizes = np.asarray(dataset.validation_document_bytes())
    _keep(desk, validation, sizes, _shards(train))


def _shards(train: Path) -> np.ndarray:
    paths = sorted(train.glob("fineweb_train_*.bin"))
    return np.concatenate([np.fromfile(path, "<u2", offset=1024) for path in paths])


def _bytes(desk: Desk) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    skipped = {"test", "tests", "site-packages", "dist-packages", "__pycache__"}
    paths = sorted(
        path
        for path in library.rglob("*.py")
        if not skipped & set(path.relative_to(library).parts)
        and 0 < path.stat().st_size <= _FILE_BYTES
    )
    documents = [np.frombuffer(path.read_bytes(), np.uint8) for path in paths]
    held = documents[::_VALIDATION_EACH]
    shown = [text for number, text in enumerate(documents) if number % _VALIDATION_EACH]
    order = np.random.default_rng(SEED).permutation(len(shown))
    stream = _stream([shown[number] for number in order])
    train = desk.folder / "train"
    train.mkdir()
    for number, begin in enumerate(range(0, len(stream), _SHARD_TOKENS)):
        _write_shard(train / f"fineweb_train_{number:06d}.bin", stream[begin:][:_SHARD_TOKENS])
    desk.tell("tokens", "source of the standard library, as bytes")
    desk.tell("order", "drawn here, not by the harness")
    desk.tell("train_tokens", len(stream))
    _keep(desk, _stream(held), np.array([len(text) for text in held], np.int64), stream)


def _stream(documents: list[np.ndarray]) -> np.ndarray:
    parts = [part for text in documents for part in (np.array([BOS]), text.astype(np.uint16) + 2)]
    return np.concatenate(parts).astype(np.uint16)


def _write_shard(path: Path, tokens: np.ndarray) -> None:
    header = np.zeros(256, "<i4")
    header[:3] = 20240520, 1, len(tokens)
    path.write_bytes(header.tobytes() + tokens.astype("<u2").tobytes())


def _keep(desk: Desk, validation: np.ndarray, sizes: np.ndarray, train: np.ndarray) -> None:
    """Whole documents of validation, as many as the size allows; at least one."""
    starts = np.flatnonzero(validation == BOS)
    ends = np.append(starts[1:], len(validation))
    many = max(1, int(np.searchsorted(ends, desk.size.validation_tokens, side="right")))
    kept = validation[: ends[many - 1]]
    # One long document may be more than is wanted.
    np.save(desk.folder / "validation.npy", kept.astype(np.uint16))
    np.save(desk.folder / "bytes.npy", sizes[:many].astype(np.int64))
    np.save(desk.folder / "rate.npy", train.astype(np.uint16))
    desk.tell("validation_tokens", len(kept))
    desk.tell("validation_documents", many)

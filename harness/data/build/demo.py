"""The demo corpus: the source of the Python standard library, which every Python includes."""

import contextlib
import hashlib
import os
import platform
import sysconfig
from pathlib import Path

from harness.data.build.building import build_dataset
from harness.data.build.publishing import only_builder
from harness.data.format.dataset import DEMO_NAME, Dataset, open_dataset
from harness.data.format.reading import Progress, reading, silent
from harness.data.format.tokenizers import SPACE_SYMBOL, train_bpe
from harness.errors import InfrastructureError

VOCABULARY_SIZE = 1024
TOKENIZER_NAME = "demo_1024_bpe.model"
DOCUMENT_BYTES_LIMIT = 128 << 10
FEWEST_DOCUMENTS = 100
VALIDATION_SHARE = 0.06

# Third-party code, tests, and parts that some distributions or newer versions lack.
# ``encodings`` consists of tables of code points rather than text.
LEFT_OUT_FOLDERS = frozenset(
    {
        "__pycache__",
        "dist-packages",
        "encodings",
        "idle_test",
        "idlelib",
        "lib2to3",
        "site-packages",
        "test",
        "tests",
        "turtledemo",
    }
)
# It contains paths of the machine that Python was compiled on.
LEFT_OUT_PREFIX = "_sysconfigdata"


def build_demo(
    root: Path,
    *,
    force: bool = False,
    library: Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Build ``root/demo_sp1024``, or open it if it exists and is undamaged.

    The same Python gives the same bytes. A damaged dataset is built again; with ``force``, any is.
    ``library`` is the directory to read; the running Python's standard library if not given.

    Raises:
        InfrastructureError: the library holds too little source, or the disk is full.
    """
    progress = progress or silent
    library = library or Path(sysconfig.get_path("stdlib"))
    with only_builder(root, DEMO_NAME):
        if not force:
            # It is absent or damaged: in both cases it is built.
            with contextlib.suppress(InfrastructureError):
                return open_dataset(root, DEMO_NAME, progress=progress)
        documents = library_documents(library, progress=progress)
        train = [text for name, text in documents.items() if not is_validation(name)]
        val = [text for name, text in documents.items() if is_validation(name)]
        if len(documents) < FEWEST_DOCUMENTS or not val:
            raise InfrastructureError(
                f"{library}: {len(documents)} usable source files, {len(val)} of them for "
                f"validation; the demo corpus needs at least {FEWEST_DOCUMENTS}",
                remedy="install Python with its whole standard library (on Debian: apt-get "
                "install libpython3-stdlib)",
            )
        progress("training the tokenizer", 0, 1)
        model = train_bpe(train, vocabulary_size=VOCABULARY_SIZE)
        progress("training the tokenizer", 1, 1)
        return build_dataset(
            train,
            val,
            model,
            root / DEMO_NAME,
            source="source code of the standard library of "
            f"{platform.python_implementation()} {platform.python_version()}",
            tokenizer_name=TOKENIZER_NAME,
            replace=True,
            progress=progress,
        )


def is_validation(name: str) -> bool:
    """Whether a document belongs to validation; depends only on the hash of its name."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") < VALIDATION_SHARE * 2**64


def library_documents(library: Path, *, progress: Progress = silent) -> dict[str, str]:
    """Maps the relative path of every usable source file to its text, in order of the paths.

    Files are used whole and unchanged. Left out are files that are empty, longer than 128 KiB (so
    that no single file dominates), not UTF-8, or that hold NUL or U+2581, which SentencePiece
    cannot represent.

    Raises:
        InfrastructureError: the directory or a file of it cannot be read.
    """
    paths = sorted(_source_files(library), key=lambda path: path.relative_to(library).as_posix())
    documents = {}
    for done, path in enumerate(paths, start=1):
        with reading(path):
            content = path.read_bytes() if path.stat().st_size <= DOCUMENT_BYTES_LIMIT else b""
        text = _decoded(content)
        if text and "\0" not in text and SPACE_SYMBOL not in text:
            documents[path.relative_to(library).as_posix()] = text
        if done % 16 == 0 or done == len(paths):
            progress("reading the standard library", done, len(paths))
    return documents


def _source_files(library: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(library):
        folders[:] = [name for name in folders if name not in LEFT_OUT_FOLDERS]
        for name in files:
            path = Path(folder, name)
            if (
                path.suffix == ".py"
                and not name.startswith(LEFT_OUT_PREFIX)
                and path.is_file()
                and not path.is_symlink()
            ):
                found.append(path)
    return found


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return ""

import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data.build.baselines import unigram_bpb, witten_bell_bigram_bpb
from harness.data.build.building import build_dataset
from harness.data.build.demo import build_demo, is_validation, library_documents
from harness.data.build.publishing import staging_prefix
from harness.data.format.dataset import DEMO_NAME, Dataset, open_dataset
from harness.data.format.documents import read_documents
from harness.data.format.tokenizers import Tokenizer, train_bpe
from harness.errors import InfrastructureError, UsageError
from tests.data.conftest import LIBRARY_FILES, Folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_only_usable_source_is_taken(library: Path) -> None:
    documents = library_documents(library)
    assert len(documents) == LIBRARY_FILES
    assert list(documents) == sorted(documents)
    for name, text in documents.items():
        assert text.encode() == (library / name).read_bytes()


def test_documents_are_split_by_the_hash_of_their_names(library: Path, dataset: Dataset) -> None:
    documents = library_documents(library)
    val = [text for name, text in documents.items() if is_validation(name)]
    assert list(read_documents(dataset.documents_path)) == val
    train = [text for name, text in documents.items() if not is_validation(name)]
    assert list(read_documents(dataset.directory / "docs_train.jsonl")) == train
    share = sum(is_validation(f"package/module_{n}.py") for n in range(20_000)) / 20_000
    assert 0.05 < share < 0.07


def test_baselines_are_those_of_the_streams(dataset: Dataset) -> None:
    ((_, train),) = dataset.shards("train")
    figures = (train, dataset.validation_tokens(), 1024, dataset.facts().validation_bytes)
    assert dataset.manifest.baselines == {
        "unigram": pytest.approx(unigram_bpb(*figures), abs=1e-6),
        "witten_bell_bigram": pytest.approx(witten_bell_bigram_bpb(*figures), abs=1e-6),
    }


def test_same_library_same_bytes(library: Path, dataset: Dataset, tmp_path: Path) -> None:
    again = build_demo(tmp_path, library=library)
    assert contents(again.directory) == contents(dataset.directory)
    assert again.digest == dataset.digest
    assert [path.name for path in tmp_path.iterdir()] == [DEMO_NAME]


def test_a_container_s_user_can_read_it(dataset: Dataset) -> None:
    for path in [dataset.directory, *dataset.directory.rglob("*")]:
        needed = 0o555 if path.is_dir() else 0o444
        assert path.stat().st_mode & needed == needed


def test_a_whole_one_is_kept_and_a_damaged_one_is_built_again(
    folder: Folder, library: Path, tmp_path: Path
) -> None:
    before = folder.manifest.stat().st_ino
    build_demo(tmp_path, library=library)
    assert folder.manifest.stat().st_ino == before
    build_demo(tmp_path, library=library, force=True)
    rebuilt = folder.manifest.stat().st_ino
    assert rebuilt != before
    folder.train.unlink()
    (folder.train.parent / "stray.bin").write_bytes(b"x")
    build_demo(tmp_path, library=library)
    assert open_dataset(tmp_path, DEMO_NAME).facts().train_tokens > 0
    assert [path.name for path in tmp_path.iterdir()] == [DEMO_NAME]


@pytest.mark.parametrize(
    "moment", ["training the tokenizer", "tokenizing documents", "checking documents"]
)
def test_a_killed_build_leaves_no_half_dataset(moment: str, library: Path, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from harness.data.build.demo import build_demo\n"
        "def progress(what, done, total):\n"
        "    if what == sys.argv[3]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "build_demo(Path(sys.argv[1]), library=Path(sys.argv[2]), progress=progress)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(library), moment]
    killed = subprocess.run(command, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = [path.name for path in tmp_path.iterdir()]
    assert all(name.startswith(staging_prefix(DEMO_NAME)) for name in left)
    assert bool(left) == (moment != "training the tokenizer")
    build_demo(tmp_path, library=library)
    assert [path.name for path in tmp_path.iterdir()] == [DEMO_NAME]


def test_builders_at_once_give_one_dataset(library: Path, dataset: Dataset, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from harness.data.build.demo import build_demo;"
        "print(build_demo(Path(sys.argv[1]), library=Path(sys.argv[2])).digest);"
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(library)]
    builders = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for builder in builders:
        assert builder.communicate() == (f"{dataset.digest}\n", "")
    assert [path.name for path in tmp_path.iterdir()] == [DEMO_NAME]


def test_too_small_a_library_is_our_error(tmp_path: Path) -> None:
    for name in range(20):
        (tmp_path / f"m{name}.py").write_text("x = 1\n")
    with pytest.raises(InfrastructureError, match="20 usable source files") as error:
        build_demo(tmp_path / "data", library=tmp_path)
    assert error.value.remedy
    with pytest.raises(InfrastructureError, match="0 usable source files"):
        build_demo(tmp_path / "data", library=tmp_path / "absent")
    assert not list((tmp_path / "data").iterdir())


def test_nothing_stays_of_a_build_that_fails(dataset: Dataset, tmp_path: Path) -> None:
    model = dataset.tokenizer_path.read_bytes()
    with pytest.raises(InfrastructureError, match="document 2: the tokenizer loses text"):
        build_dataset(["a"], ["b", "c \u2581"], model, tmp_path / "x", source="test")
    with pytest.raises(InfrastructureError, match="hold no text"):
        build_dataset(["a"], [""], model, tmp_path / "x", source="test")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="not a name"):
        build_dataset(["a"], ["b"], model, tmp_path / "x y", source="test")
    (tmp_path / "x").mkdir()
    with pytest.raises(InfrastructureError, match="exists already"):
        build_dataset(["a"], ["b"], model, tmp_path / "x", source="test")


def test_a_stream_in_several_shards_is_one_stream(dataset: Dataset, tmp_path: Path) -> None:
    model = dataset.tokenizer_path.read_bytes()
    texts = [f"def f{n}():\n    return {n}\n" for n in range(30)]
    built = build_dataset(
        texts, texts[:9], model, tmp_path / "many", source="test", shard_tokens=40
    )
    opened = open_dataset(tmp_path, "many")
    assert opened == built
    shards = [tokens for _, tokens in opened.shards("val")]
    assert len(shards) > 2
    assert {len(tokens) for tokens in shards[:-1]} == {40}
    tokenizer = Tokenizer(model)
    expected = [t for text in texts[:9] for t in [1, *tokenizer.encode(text).tolist()]]
    assert opened.validation_tokens().tolist() == expected
    assert opened.facts().train_tokens == sum(len(t) for _, t in opened.shards("train"))


def test_a_disk_that_refuses_is_our_error(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InfrastructureError, match="cannot write"):
        build_demo(tmp_path / "file" / "data")


def test_the_field_s_tokenizer_on_english(shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "english/docs_val.jsonl.gz") as file:
        texts = [json.loads(line)["text"] for line in file]
    model = (shared_data / "tokenizers/fineweb_1024_bpe.model").read_bytes()
    built = build_dataset(texts[:20], texts, model, tmp_path / "english_sp1024", source="test")
    facts = open_dataset(tmp_path, "english_sp1024").facts()
    assert facts == built.facts()
    assert facts.validation_documents == 100
    assert facts.validation_bytes == 490_760
    assert facts.validation_tokens == 197_276 + 100
    assert np.count_nonzero(built.validation_tokens() == 1) == 100


def test_a_tokenizer_that_loses_text_makes_no_dataset(shared_data: Path, tmp_path: Path) -> None:
    # The field's models fold runs of white space into one space before they encode.
    model = (shared_data / "tokenizers/fineweb_1024_bpe.model").read_bytes()
    with pytest.raises(InfrastructureError, match="document 1: the tokenizer loses text"):
        build_dataset([], [" two  spaces "], model, tmp_path / "x", source="test")


def test_train_bpe_honours_the_size_asked_for(library: Path) -> None:
    texts = list(library_documents(library).values())[:60]
    assert Tokenizer(train_bpe(texts, vocabulary_size=400)).vocabulary_size == 400

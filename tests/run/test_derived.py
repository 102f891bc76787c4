"""Datasets in entries' own tokens: found again, bounded, swept, never while in use or half-made."""

import io
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from sentencepiece import SentencePieceTrainer

from harness.data.build.building import build_dataset
from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.normal_form import normal
from harness.data.format.tokenizers import train_bpe
from harness.errors import InfrastructureError, UsageError
from harness.run import derived as store
from harness.run.codec.making import need_bytes
from harness.run.derived import Limits, clear, derived, kept, limits_of, only_one, set_limits, use
from harness.run.tokenizing import NormalTokenizer
from tests.factories.own_models import in_own_tokens
from tests.factories.playground import ROOT, harness

TEXTS = [f"document {number} says {number * number}\n" for number in range(60)]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    model = train_bpe(TEXTS, vocabulary_size=300)
    return build_dataset(TEXTS[5:], TEXTS[:5], model, tmp_path / "data/toy", source="toy")


@pytest.fixture
def root(dataset: Dataset) -> Path:
    return derived(dataset.directory.parent)


def tokenizer(size: int) -> NormalTokenizer:
    """An honest one; another for each size."""
    model = normal(train_bpe(TEXTS, vocabulary_size=size)).model
    return NormalTokenizer("own.model", "tokenizer.model", model)


def make(size: int, dataset: Dataset, holds: ExitStack | None = None) -> tuple[Path, list[str]]:
    """Make, or find, a derived dataset; it is held no longer, unless ``holds`` is given."""
    notes: list[str] = []
    with ExitStack() as own:
        place = dataset.directory.parent.parent
        found = in_own_tokens(
            tokenizer(size), dataset, place, note=notes.append, holds=holds or own
        )
    assert found.dataset is not None
    return found.dataset.directory, notes


def age(directory: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(directory, (then, then))


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()} - {store.LIMITS}


def test_the_one_that_was_not_used_for_longest_goes_first(dataset: Dataset, root: Path) -> None:
    set_limits(root, Limits(datasets=3))
    made = [make(size, dataset)[0] for size in (290, 291, 292)]
    for place, directory in enumerate(made):
        age(directory, 1000 - place)
    again, notes = make(290, dataset)  # the oldest, used now
    assert (again, notes) == (made[0], [])
    fourth, notes = make(293, dataset)
    assert names(root) == {made[0].name, made[2].name, fourth.name}
    assert any("removed a derived dataset" in note for note in notes)
    assert open_dataset(dataset.directory.parent, "toy").digest == dataset.digest


def test_what_is_in_use_is_never_removed(dataset: Dataset, root: Path) -> None:
    set_limits(root, Limits(datasets=2))
    with ExitStack() as holds:
        old, _ = make(290, dataset, holds)
        other, _ = make(291, dataset)
        age(old, 5000)
        third, _ = make(292, dataset, holds)
        assert names(root) == {old.name, third.name}
        assert [each.in_use for each in kept(root)] == [True, True]
        with pytest.raises(InfrastructureError, match="2 derived datasets are in use") as caught:
            make(293, dataset)
        assert "harness data derived" in caught.value.remedy
        assert names(root) == {old.name, third.name}
    make(293, dataset)
    assert other.name not in names(root) and old.name not in names(root)


def test_bytes_are_bounded_too_and_nothing_is_removed_in_vain(dataset: Dataset, root: Path) -> None:
    one, _ = make(290, dataset)
    [first] = kept(root)
    need = need_bytes(dataset, train=True)
    assert need >= first.bytes
    set_limits(root, Limits(bytes=need - 1))
    with pytest.raises(InfrastructureError, match="that may be kept"):
        make(291, dataset)
    assert names(root) == {one.name}  # it would not have helped
    set_limits(root, Limits(bytes=need))
    two, _ = make(291, dataset)
    assert names(root) == {two.name}
    set_limits(root, Limits(bytes=2 * need))
    make(290, dataset)
    assert len(names(root)) == 2


def test_the_disk_is_looked_at_before_anything_is_made(
    dataset: Dataset, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = make(290, dataset)
    [first] = kept(root)
    need = need_bytes(dataset, train=True)
    free = [need - first.bytes - 1]
    monkeypatch.setattr(store, "disk_free_bytes", lambda path: free[0])
    with pytest.raises(InfrastructureError, match="can be had there") as caught:
        make(291, dataset)
    assert "free some space" in caught.value.remedy
    assert names(root) == {old.name}
    # With what the old one takes it would do: so that goes.
    free[0] += 1
    really_remove = store.remove

    def remove(each: store.Kept) -> bool:
        free[0] += each.bytes
        return really_remove(each)

    monkeypatch.setattr(store, "remove", remove)
    new, _ = make(291, dataset)
    assert names(root) == {new.name}


SCRIPT = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from harness.data.format.dataset import Dataset
from harness.data.format.manifest import load_manifest
from harness.run.tokenizing import NormalTokenizer
from tests.factories.own_models import in_own_tokens
place, model, done = map(Path, sys.argv[1:])
dataset = Dataset(place, load_manifest(place / "manifest.json"))
own = NormalTokenizer("own.model", "tokenizer.model", model.read_bytes())
with ExitStack() as holds:
    found = in_own_tokens(own, dataset, model.parent, holds=holds)
    print(found.dataset.directory.name, flush=True)
    while not done.exists():
        time.sleep(0.02)
"""


def process(place: Path, model: Path, done: Path) -> subprocess.Popen[str]:
    """Another process that takes a derived dataset, and uses it until ``done`` is there."""
    command = [sys.executable, "-u", "-c", SCRIPT, str(place), str(model), str(done)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_at_once_make_it_once_and_hold_it(
    dataset: Dataset, root: Path, tmp_path: Path
) -> None:
    model, done = tmp_path / "own.model", tmp_path / "done"
    model.write_bytes(tokenizer(290).model)
    both = [process(dataset.directory, model, done) for _ in range(2)]
    notes, said = [], []
    for each in both:
        assert each.stdout is not None
        line = each.stdout.readline()
        if line.startswith("tokenizing"):
            notes.append(line)
            line = each.stdout.readline()
        said.append(line.strip())
    assert len(notes) == 1
    assert len(set(said)) == 1 and names(root) == {said[0]}
    set_limits(root, Limits(datasets=1))
    with pytest.raises(InfrastructureError, match="in use"):
        make(291, dataset)
    gone, stayed = clear(root)
    assert not gone and [each.key for each in stayed] == said[:1]
    done.touch()
    for each in both:
        _, error = each.communicate(timeout=60)
        assert each.returncode == 0, error
    make(291, dataset)
    assert said[0] not in names(root)


def test_a_derivation_that_is_killed_leaves_nothing_that_stays(
    dataset: Dataset, root: Path, tmp_path: Path
) -> None:
    # A document of four million letters takes a while.
    long = tmp_path / "data/long/docs_train.jsonl"
    build_dataset(TEXTS[5:], TEXTS[:5], tokenizer(300).model, long.parent, source="long")
    text = " ".join(f"word{number}" for number in range(400_000))
    long.write_text(json.dumps({"text": text}) + "\n")
    model = tmp_path / "own.model"
    model.write_bytes(tokenizer(290).model)
    child = process(long.parent, model, tmp_path / "done")
    begun = time.monotonic()
    while not list(tmp_path.glob("*/tokenize.log.now")):  # its sandbox is at work
        assert child.poll() is None and time.monotonic() - begun < 100
        time.sleep(0.01)
    child.kill()
    child.communicate()
    assert kept(root) == []
    assert all(name.startswith(".") for name in names(root))
    # Its lock ended with it; whoever comes next clears up.
    directory, _ = make(290, dataset)
    assert names(root) == {directory.name}


def test_a_tokenizer_that_would_fill_the_disk_is_refused(
    dataset: Dataset, root: Path, tmp_path: Path
) -> None:
    # Two letters that no validation document has become fifty each.
    rule = tmp_path / "rule.tsv"
    rule.write_text(f"51\t{' '.join(['71'] * 50)}\n5A\t{' '.join(['7A'] * 50)}\n")
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        model_type="bpe",
        vocab_size=300,
        byte_fallback=True,
        normalization_rule_name="",
        normalization_rule_tsv=str(rule),
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    place = tmp_path / "data/letters"
    letters = build_dataset(
        ["QZ" * 2000], TEXTS[:5], dataset.tokenizer_path.read_bytes(), place, source="t"
    )
    own = NormalTokenizer("own.model", "tokenizer.model", normal(model.getvalue()).model)
    with ExitStack() as holds:
        found = in_own_tokens(own, letters, tmp_path, holds=holds)
    assert found.dataset is None and found.failed is not None
    assert "own.model: makes more than" in found.failed.problem
    assert kept(root) == []


def test_what_is_half_removed_is_cleared_up(dataset: Dataset, root: Path) -> None:
    directory, _ = make(290, dataset)
    directory.rename(root / f".{directory.name}.building-old")
    assert kept(root) == []
    again, notes = make(290, dataset)
    assert notes and names(root) == {again.name}


def test_a_model_that_differs_in_what_makes_no_token_is_the_same(
    dataset: Dataset, root: Path, tmp_path: Path
) -> None:
    raw = train_bpe(TEXTS, vocabulary_size=290)
    for noise in (b"", b"\xea\x04\x03abc", b"\xea\x04\x03abd"):
        own = NormalTokenizer("own.model", "tokenizer.model", normal(raw + noise).model)
        with ExitStack() as holds:
            assert in_own_tokens(own, dataset, tmp_path, holds=holds).dataset is not None
    assert len(names(root)) == 1


def test_names_that_are_no_digests_are_nobodys_to_remove(dataset: Dataset, root: Path) -> None:
    directory, _ = make(290, dataset)
    (root / "notes").mkdir()
    outside = root.parent / "toy"
    link = root / ("0" * 64)
    link.symlink_to(outside)
    assert [each.key for each in kept(root)] == [directory.name]
    gone, stayed = clear(root)
    assert ([each.key for each in gone], stayed) == ([directory.name], [])
    assert (root / "notes").is_dir() and link.is_symlink() and (outside / "manifest.json").exists()


def test_the_command_lists_bounds_and_clears(dataset: Dataset, root: Path) -> None:
    data = ["--data", dataset.directory.parent]
    assert "0 of 32 that may be kept" in harness("data", "derived", *data).out
    one, _ = make(290, dataset)
    two, _ = make(291, dataset)
    shown = harness("data", "derived", *data, "--limit-datasets", "5", "--limit-gigabytes", "0.5")
    assert shown.code == 0
    assert "2 of 5 that may be kept" in shown.out and "500,000,000 bytes" in shown.out
    assert one.name[:12] in shown.out and two.name[:12] in shown.out
    assert "toy in the tokens of a submission" in shown.out
    assert limits_of(root) == Limits(bytes=500_000_000, datasets=5)
    with ExitStack() as holds:
        use(two, holds)
        done = harness("data", "derived", *data, "--remove", "all")
        assert f"in use, so it stays: {two.name}" in done.out
    assert names(root) == {two.name}
    with only_one(root):
        busy = harness("data", "derived", *data, "--remove", "all")
    assert busy.code == 3 and "wait for it to end" in busy.err
    none = harness("data", "derived", *data, "--remove", "zz")
    assert none.code == 2 and "begins with 'zz'" in none.err
    assert harness("data", "derived", *data, "--remove", two.name[:6]).code == 0
    assert names(root) == set()
    for wrong in (("--limit-datasets", "0"), ("--limit-gigabytes", "-1")):
        assert harness("data", "derived", *data, *wrong).code == 2
    (root / store.LIMITS).write_text('{"bytes": -1}')
    damaged = harness("data", "derived", *data)
    assert damaged.code == 3
    assert "expected a number above 0" in damaged.err and "remove it" in damaged.err


def test_nothing_is_there_before_the_first(tmp_path: Path) -> None:
    assert kept(derived(tmp_path)) == []
    assert clear(derived(tmp_path)) == ([], [])
    with pytest.raises(UsageError, match="no derived dataset"):
        clear(derived(tmp_path), ["ab"])
    assert not derived(tmp_path).exists()

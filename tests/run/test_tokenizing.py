"""Submissions with a tokenizer of their own: proved, made ready, and never a say in the bar."""

import json
import math
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest
from rich.cells import cell_len

from harness.contest.entry import Tokenizer
from harness.contest.loading import LARGEST_TOKENIZER_BYTES, load_submission
from harness.contest.track import Holdout, Track
from harness.data.build.building import build_dataset
from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.documents import read_documents
from harness.data.format.tokenizers import train_bpe
from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.plan import Plan
from harness.evidence.results import StreamPart, TokenizerProof
from harness.evidence.run import Run
from harness.report.terminal import render_text
from harness.run import normalizing_process, texts, tokenizing
from harness.run.codec.texts import Proven
from harness.run.derived import FOLDER, kept
from harness.run.texts import StockTexts, brought_by, check_window, prove_bytes
from harness.run.tokenizing import OwnTokenizer, in_bytes, normalized
from tests.factories.own_models import in_own_tokens, proven
from tests.factories.plans import CODE, CODE_BYTES, TEXT_BYTES, TOKENS, entry, plan, strict_track
from tests.factories.playground import BIGRAM, ROOT, harness, write_track
from tests.factories.results import scores, sealed, spread, tokenizer_proof
from tests.factories.runs import GOOD_SCORES, Parts, good_runs, preparation, seed_run, verdict_of
from tests.scoring.test_document_costs import add_holdout, gaps, with_unpublished

pytestmark = pytest.mark.usefixtures("forked")
LOSSY = sorted((ROOT / "tests/adversarial/tokenizer").glob("*/tokenizer.model"))


@pytest.fixture(scope="module")
def root(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets of this module's own, an unpublished one among them."""
    return with_unpublished(data_root, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(root: Path) -> bytes:
    """An honest tokenizer of 384 pieces."""
    documents = list(read_documents(root / "demo_sp1024" / "docs_train.jsonl"))
    return train_bpe(documents[:40], vocabulary_size=384)


@pytest.fixture
def fresh(root: Path) -> Iterator[Dataset]:
    """The dataset, with nothing made of it yet."""
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    yield open_dataset(root, "demo_sp1024")
    shutil.rmtree(root / FOLDER, ignore_errors=True)


def write_own(folder: Path, model: bytes | None) -> Path:
    """The counted bigram over tokens of its own; over bytes if there is no model."""
    shutil.copytree(BIGRAM, folder)
    line = 'kind = "bytes"' if model is None else 'model = "own.model"'
    with (folder / "submission.toml").open("a") as file:
        file.write(f"\n[tokenizer]\n{line}\n")
    if model is not None:
        (folder / "own.model").write_bytes(model)
    return folder


@dataclass(frozen=True)
class Outcome:
    """What became of a submission's tokenizer."""

    dataset: Dataset | None
    problem: str = ""
    document: int | None = None


def made(
    folder: Path, model: bytes | None, dataset: Dataset, *, proves: bool = False
) -> tuple[Outcome, list[str]]:
    """Make the dataset in a submission's own tokens; with ``proves``, see that all comes back."""
    notes: list[str] = []
    own = brought(write_own(folder, model))
    normal = normalized(own).tokenizer
    with ExitStack() as holds:
        if normal is None:
            return Outcome(None, normalized(own).problem), notes
        if normal.is_bytes:
            return Outcome(in_bytes(normal, dataset, note=notes.append, holds=holds)), notes
        if proves:
            found = proven(own, StockTexts(dataset, None), folder.parent, holds=holds)
            assert isinstance(found, Proven) and found.proof is not None
            return Outcome(None, found.proof.problem, found.proof.document), notes
        there = in_own_tokens(normal, dataset, folder.parent, note=notes.append, holds=holds)
        failed = there.failed
        if failed is not None and failed.lost is not None:
            raise failed.lost
        return Outcome(there.dataset, failed.problem if failed else ""), notes


def brought(folder: Path) -> OwnTokenizer:
    """The tokenizer that a submission brings."""
    submission = load_submission(folder)
    own = tokenizing.own_tokenizer(submission.entry("smoke"), submission.contents)
    assert own is not None
    return own


@pytest.mark.long
def test_an_honest_one_passes_is_scored_in_its_tokens_and_moves_no_bar(
    tmp_path: Path, root: Path, fresh: Dataset, model: bytes
) -> None:
    folder = write_own(tmp_path / "own", model)
    # Of its own edition: with the seeds of the smoke track's, both runs score the same by chance.
    rules = write_track(tmp_path / "track.toml", seeds="2", edition='"of own tokens"')
    track = add_holdout(rules)
    options = ["--sandbox", "process", "--data", root, "--json", "-"]
    verify = ["verify", folder, "--track", track, "--runs", tmp_path / "runs", *options]
    done = harness(*verify)
    verdict = done.verdict
    assert verdict["verdict"] == "REHEARSED", done.err
    assert "tokenizing demo_sp1024 with own.model" in done.err
    assert done.status("tokenizer") == done.status("holdout") == "pass"
    # What is imposed is imposed on the train shards that its own tokenizer made.
    assert done.status("seeds") == "pass"
    (before,) = (tmp_path / "runs").glob("*/preparation/try-1/evidence.json")
    (proof,) = json.loads(before.read_text())["steps"]
    for after in (tmp_path / "runs").glob("*/seed-*/try-1/evidence.json"):
        shown = json.loads(after.read_text())["steps"][0]["result"]["shown"]
        tokens = shown["tokens"] + shown["denied_tokens"]
        assert tokens == proof["result"]["train_tokens"] > fresh.facts().train_tokens
        assert shown["denied_documents"] > 0

    own, statistics = verdict["tokenizer"], verdict["statistics"]
    facts = fresh.facts()
    assert own["vocabulary_size"] == 384
    assert own["sha256"] == verdict["digests"]["tokenizer"]
    for seed in verdict["seeds"]:
        assert seed["bytes"] == facts.validation_bytes
        assert seed["targets"] > facts.validation_tokens  # 384 pieces say less each than 1,024
        assert seed["val_bpb"] == pytest.approx(seed["val_loss"] * own["bpb_per_nat"])
        assert seed["code_bytes"] == sum(
            (folder / name).stat().st_size for name in ("bigram.py", "submission.toml", "own.model")
        )
    # Bar and margin are those of anybody else.
    assert statistics["bar_bpb"] == facts.baselines["unigram"]
    tokens, size = facts.validation_tokens - 1, facts.validation_bytes
    assert statistics["margin_bpb"] == pytest.approx(0.005 / math.log(2) * tokens / size)

    # Cut off before the verdict and resumed: what was made is found again.
    (Path(verdict["evidence"]) / "verdict.json").unlink()
    resumed = harness(*verify, "--resume")
    assert resumed.verdict == verdict, resumed.err
    assert "tokenizing" not in resumed.err


@pytest.mark.long
def test_pure_bytes_are_scored_and_scored_again(tmp_path: Path, root: Path, fresh: Dataset) -> None:
    folder = write_own(tmp_path / "own", None)
    track = write_track(tmp_path / "track.toml", seeds="2")
    options = ["--sandbox", "process", "--data", root, "--json", "-"]
    verify = ["verify", folder, "--track", track, "--runs", tmp_path / "runs", *options]
    done = harness(*verify, "--seeds", "1")
    assert done.status("tokenizer") == done.status("coverage") == "pass", done.err
    assert done.verdict["seeds"][0]["code_bytes"] == sum(
        (folder / name).stat().st_size for name in ("bigram.py", "submission.toml")
    )
    again = harness("rescore", done.verdict["evidence"], *options)
    assert again.verdict["seeds"][0]["val_bpb"] == done.verdict["seeds"][0]["val_bpb"], again.err


def test_a_lossy_one_is_rejected_before_anything_runs(
    tmp_path: Path, root: Path, fresh: Dataset
) -> None:
    folder = write_own(tmp_path / "own", LOSSY[1].read_bytes())
    track = write_track(tmp_path / "track.toml", seeds="2")
    arguments = ["--track", track, "--sandbox", "process", "--data", root, "--json", "-"]
    done = harness("verify", folder, *arguments, "--runs", tmp_path / "runs")
    assert (done.code, done.failed) == (1, ["tokenizer"]), done.err
    reason = done.verdict["reason"]
    assert "decoding validation document" in reason and "does not give it back: char" in reason
    assert done.verdict["seeds"] == []
    judged = harness("judge", done.verdict["evidence"], "--json", "-")
    assert judged.verdict == done.verdict


@pytest.mark.parametrize("lossy", LOSSY, ids=lambda path: path.parent.name)
def test_every_loss_is_found_at_its_document_and_place(tmp_path: Path, lossy: Path) -> None:
    # All five give back the first document and the third, and none the second.
    documents = ["x" * 20, "x x  Xe\u0416", "onto"]
    safe = {"no_lone_space": "xx", "drops_characters": "x"}.get(lossy.parent.name, "x x")
    tokenizer = train_bpe([*documents, "abc " * 99], vocabulary_size=290)
    dataset = build_dataset(
        ["some text"], [safe, *documents[1:]], tokenizer, tmp_path / "d", source="t"
    )
    own, _ = made(tmp_path / "own", lossy.read_bytes(), dataset, proves=True)
    assert own.document == 2
    assert "validation document 2: does not give it back: " in own.problem
    assert "character" in own.problem or "special id" in own.problem
    assert kept(tmp_path / FOLDER) == []


def test_pure_bytes_need_no_file(tmp_path: Path, fresh: Dataset) -> None:
    own, _ = made(tmp_path / "own", None, fresh)
    assert own.dataset is not None
    assert own.dataset.manifest.vocabulary_size == 260
    totals = fresh.manifest.totals
    stream = own.dataset.validation_tokens()
    assert len(stream) == totals.validation_bytes + totals.validation_documents
    text = next(read_documents(fresh.documents_path)).encode()
    assert stream[0] == 1
    assert (np.array(stream[1 : len(text) + 1]) - 4).astype(np.uint8).tobytes() == text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "SentencePiece"),
        (b"\x0a\x03abc" * 50, "SentencePiece"),
        (np.random.default_rng(1).bytes(5000), "SentencePiece"),
        (b'{"tokenizer_type": "pure_byte", "vocab_size": 1000000000}', "neither"),
    ],
)
def test_what_is_no_tokenizer_is_the_submissions_fault(
    tmp_path: Path, fresh: Dataset, content: bytes, problem: str
) -> None:
    own, _ = made(tmp_path / "own", content, fresh)
    assert own.dataset is None
    assert own.problem.startswith("own.model: ")
    assert problem in own.problem
    assert "Traceback" not in own.problem and str(tmp_path) not in own.problem


MANY = OwnTokenizer("own.model", "tokenizer.model", bytes((0x08, 0)) * 4_000_000)
"""Numbers that say nothing: fields without end."""


def test_one_that_takes_for_ever_to_read_is_stopped_by_the_processor_time_it_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(normalizing_process, "CPU_SECONDS", 1)
    assert "needs more than 1 s of processor time" in normalized(MANY).problem


@pytest.mark.long
@pytest.mark.parametrize("enough_bytes", [1 << 29, 4 << 30])
def test_one_that_needs_all_memory_is_at_fault_where_there_is_enough(
    monkeypatch: pytest.MonkeyPatch, enough_bytes: int
) -> None:
    monkeypatch.setattr(normalizing_process, "ADDRESS_SPACE_BYTES", 1 << 29)
    monkeypatch.setattr(normalizing_process, "ENOUGH_BYTES", enough_bytes)
    more = replace(MANY, model=3 * MANY.model)
    if enough_bytes > 1 << 29:
        with pytest.raises(InfrastructureError, match="no more can be had here"):
            normalized(more)
    else:
        assert "own.model: needs more memory than 0.5 GiB" in normalized(more).problem


@pytest.mark.parametrize(
    ("does", "fault"),
    [
        ("kill -SEGV $$", "theirs"),
        ("kill -ABRT $$", "theirs"),
        ("kill -KILL $$", "ours"),
        ("echo rubbish", "ours"),
        ('echo \'{"kind": "done"}\'', "ours"),  # but nothing is there
        ("exit 3", "ours"),
    ],
)
def test_how_the_child_dies_says_whose_fault_it_is(
    tmp_path: Path,
    fresh: Dataset,
    model: bytes,
    does: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = tmp_path / "child"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setattr("harness.run.normalizing_process.sys.executable", str(script))
    if fault == "theirs":
        own, _ = made(tmp_path / "own", model, fresh)
        assert "ends the process that does it with SIG" in own.problem
    else:
        with pytest.raises(InfrastructureError):
            made(tmp_path / "own", model, fresh)


def test_nothing_is_imported_from_the_folder_that_the_harness_is_called_in(
    tmp_path: Path, fresh: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "hostile"
    (hostile / "harness").mkdir(parents=True)
    for name in ("numpy.py", "json.py", "sentencepiece.py", "harness/__init__.py"):
        (hostile / name).write_text("raise SystemExit('trick worked')")
    monkeypatch.chdir(hostile)
    own, _ = made(tmp_path / "own", None, fresh)
    assert own.dataset is not None


def test_it_is_made_once_even_for_two_at_once_and_again_when_damaged(
    tmp_path: Path, fresh: Dataset, model: bytes
) -> None:
    results: list[tuple[Outcome, list[str]]] = []

    def one(number: int) -> None:
        results.append(made(tmp_path / str(number), model, fresh))

    threads = [threading.Thread(target=one, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (first, notes), (second, more) = results
    assert first == second
    assert sorted([len(notes), len(more)]) == [0, 1]
    assert first.dataset is not None

    shard = next(first.dataset.train_directory.iterdir())
    shard.write_bytes(shard.read_bytes()[:-2] + b"\0\0")
    third, anew = made(tmp_path / "3", model, fresh)
    assert anew and third.dataset is not None
    assert third.dataset.directory == first.dataset.directory
    # Its ids are the same; how long its sandboxes took is not.
    assert third.dataset.digest == first.dataset.digest
    assert len(list((fresh.directory.parent / FOLDER).iterdir())) == 1


def test_a_dataset_without_its_train_texts_cannot_serve(
    tmp_path: Path, fresh: Dataset, model: bytes
) -> None:
    files = tuple(entry for entry in fresh.manifest.files if entry.kind != "docs_train")
    poor = Dataset(fresh.directory, fresh.manifest.model_copy(update={"files": files}))
    with pytest.raises(InfrastructureError, match="docs_train"):
        made(tmp_path / "own", model, poor)
    own = normalized(brought(tmp_path / "own")).tokenizer
    assert own is not None
    with ExitStack() as holds:
        alone = in_own_tokens(own, poor, tmp_path, holds=holds, train=False).dataset
        assert alone is not None and alone.manifest.totals.train_tokens == 0
        # What has no train shards is never found for somebody who needs them.
        again = in_own_tokens(own, fresh, tmp_path, holds=holds, train=False)
        assert again.dataset is not None
        whole = in_own_tokens(own, fresh, tmp_path, holds=holds).dataset
    assert whole is not None and whole.manifest.totals.train_tokens > 0


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("", "give either model"),
        ('model = "a.model"\nkind = "bytes"', "give either model"),
        ('model = "../a.model"', "not a plain relative path"),
        ('model = "/etc/passwd"', "not a plain relative path"),
        ('kind = "words"', "kind"),
        ('model = "missing.model"', "no such file"),
        ('model = "link.model"', "symbolic link"),
        ('model = "large.model"', "expected a SentencePiece model of at most"),
        ('model = "submission.toml"', "expected a SentencePiece model of at most"),
        ("vocabulary_size = 9", "unknown key"),
    ],
)
def test_the_section_is_held_to_its_form(tmp_path: Path, section: str, message: str) -> None:
    folder = write_own(tmp_path / "own", b"")
    text = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(text.replace('model = "own.model"', section))
    (folder / "link.model").symlink_to("own.model")
    (folder / "large.model").write_bytes(bytes(LARGEST_TOKENIZER_BYTES + 1))
    with pytest.raises(SubmissionError, match=message):
        load_submission(folder)


def test_windows_and_vocabulary_together_are_bounded(
    tmp_path: Path, fresh: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_own(tmp_path / "own", None)
    own, stock = brought(folder), StockTexts(fresh, None)
    normal = normalized(own)
    assert normal.tokenizer is not None
    with ExitStack() as holds:
        proof = prove_bytes(
            normal.tokenizer, brought_by(own, normal), stock, note=print, holds=holds
        )
    entered = load_submission(folder).entry("smoke")
    assert proof.vocabulary_size == 260
    monkeypatch.setattr(texts, "LARGEST_WINDOW_BYTES", 4 * 256 * 260)
    check_window(entered, vocabulary_size=260)
    monkeypatch.setattr(texts, "LARGEST_WINDOW_BYTES", 4 * 256 * 260 - 1)
    with pytest.raises(SubmissionError, match="256 positions with logits for 260 ids"):
        check_window(entered, vocabulary_size=260)


MODEL = bytes(20_000)
FILES = {**CODE, "own.model": MODEL}


def in_other_tokens(track: Track | None = None, **parts: Unpack[Parts]) -> tuple[Plan, list[Run]]:
    """A verification in tokens of half the size; ``parts`` are those of every run."""
    own = entry(FILES, tokenizer=Tokenizer(kind="model", file="own.model"))
    made = plan(track, entry=own)
    proof = proof_of(made)
    runs = [
        seed_run(draw, bpb, **in_half_tokens(bpb, parts))
        for draw, bpb in zip(made.draws_for("look"), GOOD_SCORES, strict=True)
    ]
    return made, [preparation(made, tokenizer=proof), *runs]


def in_half_tokens(bpb: float, parts: Parts) -> Parts:
    """The parts of a run, scored over twice the targets."""
    scored: Parts = {"scores": scores(bpb, targets=2 * TOKENS - 1)}
    return {**scored, **parts}


def proof_of(made: Plan) -> TokenizerProof:
    return tokenizer_proof(made, vocabulary_size=512, validation_tokens=2 * TOKENS)


def test_margin_and_bar_come_from_the_datasets_own_tokens() -> None:
    made, runs = in_other_tokens()
    mine = verdict_of(made, runs)
    other = plan()
    theirs = verdict_of(other, good_runs(other))
    assert mine.verdict == "VERIFIED"
    assert mine.statistics == theirs.statistics
    # Half the targets would be half of the stream.
    half = verdict_of(made, [runs[0], *(seed_run(draw) for draw in made.draws_for("look"))])
    assert next(c.status for c in half.checks if c.id == "coverage") == "unknown"


def test_a_track_may_leave_the_tokenizer_out_of_the_count() -> None:
    exact = sealed(b"", "model.bin").model_copy(update={"bytes": 16_000_000 - CODE_BYTES})
    made, runs = in_other_tokens(artifact=exact)
    budget = made.track.budget
    rejected = verdict_of(made, runs)
    assert rejected.verdict == "REJECTED"
    assert next(c.measured for c in rejected.checks if c.id == "bytes") == 16_000_000 + len(MODEL)
    free = strict_track(budget=budget.model_copy(update={"tokenizer_counted": False}))
    verdict = verdict_of(made, runs, track=free)
    assert next(c.status for c in verdict.checks if c.id == "bytes") == "pass"
    assert verdict.seeds[0].code_bytes == CODE_BYTES


def test_the_scorecard_converts_nats_to_bits_per_byte() -> None:
    text = render_text(verdict_of(*in_other_tokens()))
    worth = (2 * TOKENS - 1) / TEXT_BYTES / math.log(2)
    assert f"{worth:.6f} BPB (the dataset's own: " in text
    assert f"{TEXT_BYTES / (2 * TOKENS):.5f} (the dataset's own: {TEXT_BYTES / TOKENS:.5f})" in text
    assert "cannot be compared" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_about_the_text_is_wider_than_asked(width: int) -> None:
    parts = tuple(
        StreamPart(documents=1000, bytes=3_000_000, bpb=1 + place / 100, plain_bpb=3)
        for place in range(50)
    )
    track = strict_track(holdout=Holdout(dataset="h", tolerance_bpb=0.1))
    made, runs = in_other_tokens(track, spread=spread(0.001, parts=parts), gap=gaps(0.01)[0])
    text = render_text(verdict_of(made, runs), width=width)
    wider = [line for line in text.splitlines() if cell_len(line) > width]
    assert all("runs/x" in line for line in wider), "what is copied stays on one line"
    steps = set("\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588")
    curve = [line.strip() for line in text.splitlines() if set(line.strip()) <= steps]
    assert len("".join(curve)) == 50
    assert "0.010000" in text and "2.610000" in text

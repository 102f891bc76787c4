"""What a sandbox is shown of an entry's own tokenizer: its normal form, under the old name."""

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentencepiece import SentencePieceTrainer

from harness.data.format.documents import read_documents
from harness.data.format.normal_form import Type, normal, normal_form
from harness.data.format.protobuf import bytes_field
from harness.data.format.tokenizers import Tokenizer
from harness.run.tokenizing import Normalized, NormalTokenizer, OwnTokenizer
from tests.adversarial.gallery import GALLERY, SEED, Card, Cheater, verify
from tests.conftest import SANDBOXES
from tests.factories.playground import MANIFEST, Outcome, harness, write_submission, write_track

pytestmark = pytest.mark.usefixtures("forked")
SECRET = b"weights that nobody weighed"
OWN = f'{MANIFEST}\n[tokenizer]\nmodel = "own.model"\n'
# Training leaves all that it was shown beside the shards.
KEEP_ALL = """
    import os, tarfile
    with tarfile.open(os.environ["OUTPUT_DIR"] + "/model.bin", "w") as artifact:
        artifact.add(os.path.dirname(os.path.abspath(__file__)), "code")
        artifact.add(os.path.dirname(os.environ["TOKENIZER_PATH"]), "tokenizer")
"""
# The score sandbox says what it was shown by how well it predicts.
SAY_ALL = """
    import hashlib, pathlib

    def load_model(artifact, device):
        import torch
        for path in sorted(pathlib.Path(__file__).parent.iterdir()):
            print("shown", path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        return lambda tokens, first: torch.zeros(tokens.shape[0], tokens.shape[1] - first, SIZE)
"""
# Counts tokens: the same script for every vocabulary.
COUNT = """
    import os, pathlib
    import numpy as np

    size = int(os.environ["VOCAB_SIZE"])
    counts = np.ones(size)
    for shard in sorted(pathlib.Path(os.environ["DATA_PATH"]).glob("*.bin")):
        counts += np.bincount(np.fromfile(shard, dtype=np.uint16, offset=1024), minlength=size)
    table = np.log(counts / counts.sum()).astype(np.float32)
    pathlib.Path(os.environ["OUTPUT_DIR"], "model.bin").write_bytes(table.tobytes())
"""
COUNTED = """
    def load_model(artifact, device):
        import numpy as np
        import torch
        table = torch.from_numpy(np.frombuffer(artifact.read_bytes(), np.float32).copy())
        return lambda tokens, first: table.expand(*tokens[:, first:].shape, -1)
"""


def trained(texts: list[str], *, kind: str, size: int) -> bytes:
    """A model that gives every text back."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type=kind,
        vocab_size=size,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        max_sentence_length=1 << 24,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def texts(data_root: Path) -> list[str]:
    return list(read_documents(data_root / "demo_sp1024/docs_train.jsonl"))


def own(folder: Path, model: bytes, *, train: str, score: str) -> Path:
    write_submission(folder, train=train, model=score, manifest=OWN)
    (folder / "own.model").write_bytes(model)
    return folder


def proof_in(run: Path) -> dict[str, Any]:
    evidence = json.loads((run / "preparation/try-1/evidence.json").read_text())
    [step] = evidence["steps"]
    found: dict[str, Any] = step["result"]
    return found


@pytest.mark.long
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_both_phases_see_the_normal_form_alone_and_the_whole_file_is_counted(
    tmp_path: Path, data_root: Path, texts: list[str], sandbox: Any
) -> None:
    raw = trained(texts[:40], kind="bpe", size=400) + bytes_field(77, SECRET)
    score = SAY_ALL.replace("SIZE", "400")
    folder = own(tmp_path / "own", raw, train=KEEP_ALL, score=score)
    done = verify(folder, tmp_path, data_root, sandbox, seeds=SEED)
    assert done.status("tokenizer") == done.status("scoring") == "pass", done.err
    run = Path(done.verdict["evidence"])
    with tarfile.open(run / "seed-1/try-1/artifact/model.bin") as artifact:
        seen = {
            member.name: (artifact.extractfile(member) or io.BytesIO()).read()
            for member in artifact
            if member.isfile()
        }
    form = normal(raw)
    assert seen["code/own.model"] == seen["tokenizer/tokenizer.model"] == form.model
    assert not any(SECRET in content for content in seen.values())
    for name in ("train.py", "model.py", "submission.toml"):
        assert seen[f"code/{name}"] == (folder / name).read_bytes()
    log = (run / "seed-1/try-1/score.log").read_text()
    assert f"shown own.model {proof_in(run)['normal_form_sha256']}" in log

    # Counted and kept is what was brought; the copy that was shown is gone.
    brought = sum(path.stat().st_size for path in folder.iterdir())
    assert done.verdict["seeds"][0]["code_bytes"] == brought
    assert (run / "entry/own.model").read_bytes() == raw
    assert (run / "preparation/try-1/tokenizer.normal").read_bytes() == form.model
    assert not (run / "seed-1/try-1/code").exists()
    assert proof_in(run)["normal_form_bytes"] == form.compressed_bytes
    assert proof_in(run)["bytes"] == len(raw)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, data_root: Path, texts: list[str], forked: None
) -> Outcome:
    place = tmp_path_factory.mktemp("own")
    model = trained(texts[:40], kind="bpe", size=400)
    folder = own(place / "own", model, train=COUNT, score=COUNTED)
    return verify(folder, place, data_root, "process", seeds=SEED)


@pytest.mark.long
def test_the_kept_form_is_held_against_the_evidence(finished: Outcome, tmp_path: Path) -> None:
    run = Path(finished.verdict["evidence"])
    assert harness("judge", run, "--json", "-").verdict == finished.verdict
    kept = run / "preparation/try-1/tokenizer.normal"
    content = kept.read_bytes()
    try:
        for changed in (content + b"\0", content[:-1], b"", None):
            kept.unlink(missing_ok=True)
            if changed is not None:
                kept.write_bytes(changed)
            judged = harness("judge", run)
            assert judged.code == 3, judged.err
            assert "tokenizer.normal" in judged.err and "normal form that was proven" in judged.err
    finally:
        kept.write_bytes(content)


@pytest.mark.long
def test_what_was_removed_meanwhile_is_made_again_from_the_kept_form(
    finished: Outcome, data_root: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.verdict["evidence"], run)
    shutil.rmtree(run / "seed-1")
    cleared = harness("data", "derived", "--data", data_root, "--remove", "all")
    assert cleared.code == 0 and "removed 0" not in cleared.out
    made = harness("seed", run, "1", "--data", data_root)
    assert made.code == 0 and "tokenizing demo_sp1024 with own.model" in made.out + made.err
    judged = harness("judge", run, "--json", "-")
    assert judged.verdict["seeds"][0]["val_bpb"] == finished.verdict["seeds"][0]["val_bpb"]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_honest_tokenizers_of_8192_pieces_pass_and_score_as_their_own_file_would(
    kind: str,
    tmp_path: Path,
    data_root: Path,
    texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = trained(texts, kind=kind, size=8192)
    folder = own(tmp_path / "own", raw, train=COUNT, score=COUNTED)
    done = verify(folder, tmp_path, data_root, "process", seeds=SEED)
    assert not done.failed and done.status("tokenizer") == "pass", done.err
    assert done.verdict["tokenizer"]["vocabulary_size"] == 8192
    types = normal_form(raw).types
    assert types.count(Type.NORMAL) > 7900
    weight = proof_in(Path(done.verdict["evidence"]))["normal_form_bytes"]
    assert 2 * 8192 < weight < 4.86 * 8192

    if kind == "bpe":  # the very same tokens
        theirs, mine = Tokenizer(raw), Tokenizer(normal(raw).model)
        documents = list(read_documents(data_root / "demo_sp1024/docs_val.jsonl"))
        for document in documents:
            assert np.array_equal(mine.encode(document), theirs.encode(document))
        tokens = sum(len(theirs.encode(document)) + 1 for document in documents)
        assert done.verdict["seeds"][0]["targets"] == tokens - 1
        return

    def unchanged(brought: OwnTokenizer) -> Normalized:
        return Normalized(
            NormalTokenizer(brought.name, brought.file_name, brought.model), weight_bytes=1
        )

    monkeypatch.setattr(sys.modules["harness.run.steps.tokenize"], "normalized", unchanged)
    before = verify(folder, tmp_path / "before", data_root, "process", seeds=SEED)
    ours, others = (outcome.verdict["seeds"][0] for outcome in (done, before))
    assert ours["val_bpb"] == pytest.approx(others["val_bpb"], rel=1e-3)
    assert ours["targets"] == pytest.approx(others["targets"], rel=1e-3)


@pytest.mark.long
def test_weights_in_pieces_are_shown_and_so_they_are_weighed(
    tmp_path: Path, data_root: Path
) -> None:
    folder = GALLERY / "brought_along" / "tokenizer_pieces"
    cheater = Cheater(folder, Card(trick="weights in pieces"))
    done = verify(cheater.assemble(tmp_path), tmp_path, data_root, "process", seeds=SEED)
    assert not done.failed, done.err
    run = Path(done.verdict["evidence"])
    assert "trick worked: 64000 letters" in (run / "seed-1/try-1/score.log").read_text()
    assert proof_in(run)["normal_form_bytes"] > 64_000 * 14 / 8


@pytest.mark.long
def test_an_inspected_artifact_is_described_with_the_same_files(
    tmp_path: Path, data_root: Path, texts: list[str]
) -> None:
    raw = trained(texts[:40], kind="bpe", size=400) + bytes_field(77, SECRET)
    describe = """
    def describe(artifact, checkpoint=None):
        import hashlib, pathlib
        name = hashlib.sha256(pathlib.Path(__file__).with_name("own.model").read_bytes())
        return [dict(name=name.hexdigest(), shape=[1], stored="x", bits_per_weight=8, bytes=1,
                     compressed_bytes=1)]
    """
    folder = own(tmp_path / "own", raw, train=COUNT, score=COUNTED + describe)
    toml = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(
        toml.replace("sequence_length", 'describe = "model:describe"\nsequence_length')
    )
    done = verify(folder, tmp_path, data_root, "process", seeds=SEED)
    run = Path(done.verdict["evidence"])
    expected = proof_in(run)["normal_form_sha256"]
    artifact = run / "seed-1/try-1/artifact/model.bin"
    track = write_track(tmp_path / "t.toml")
    for what in (
        [run],
        [artifact, "--submission", folder, "--track", track],
    ):
        shown = harness("inspect", *what, "--sandbox", "process", "--json", "-")
        assert shown.code == 0, shown.err
        assert [tensor["name"] for tensor in json.loads(shown.out)["tensors"]] == [expected]
    assert not list(run.glob("seed-1/try-1/code*"))

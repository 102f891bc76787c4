"""A submission's own model is tried on the documents at hand before anything is run."""

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceTrainer

from harness.contest.loading import load_submission
from harness.contest.track import Track, load_track
from harness.data.format.documents import read_documents
from harness.data.format.normal_form import normal
from harness.models import Finding
from harness.run.normalizing_process import has_known_table
from harness.run.tokenizer_trial import tried
from tests.factories.playground import BIGRAM, harness

pytestmark = pytest.mark.long
SMOKE = load_track("smoke")
HONEST: dict[str, Any] = {
    "model_type": "bpe",
    "vocab_size": 400,
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "max_sentence_length": 1 << 24,
    "num_threads": 1,
    "minloglevel": 2,
    "pad_id": 0,
    "bos_id": 1,
    "eos_id": 2,
    "unk_id": 3,
}


@pytest.fixture(scope="module")
def texts(data_root: Path) -> list[str]:
    return list(read_documents(data_root / "demo_sp1024/docs_train.jsonl"))[:30]


def trained(texts: list[str], **changes: Any) -> bytes:
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, **(HONEST | changes)
    )
    return model.getvalue()


def folder(place: Path, model: bytes) -> Path:
    shutil.copytree(BIGRAM, place)
    with (place / "submission.toml").open("a") as file:
        file.write('\n[tokenizer]\nmodel = "own.model"\n')
    (place / "own.model").write_bytes(model)
    return place


def found(place: Path, model: bytes, data: Path, track: Track = SMOKE) -> Finding:
    finding = tried(load_submission(folder(place, model)), track, data)
    assert finding is not None and finding.id == "tokenizer"
    return finding


def test_one_that_loses_nothing_passes(texts: list[str], data_root: Path, tmp_path: Path) -> None:
    finding = found(tmp_path / "own", trained(texts), data_root)
    assert finding.status == "pass"
    assert finding.detail.startswith("its own: own.model, ")
    assert finding.detail.endswith(
        "every document tried of dataset demo_sp1024 comes back from its tokens"
    )


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"remove_extra_whitespaces": True}, "remove_extra_whitespaces=False;"),
        ({"normalization_rule_name": "nmt_nfkc"}, 'normalization_rule_name="identity";'),
        ({"byte_fallback": False}, "byte_fallback=True;"),
        ({"model_type": "word"}, 'model_type="bpe" or "unigram";'),
    ],
)
def test_one_that_loses_text_names_place_and_setting(
    texts: list[str], data_root: Path, tmp_path: Path, changes: dict[str, Any], setting: str
) -> None:
    model = trained(texts, **changes)
    finding = found(tmp_path / "own", model, data_root)
    assert finding.status == "fail"
    assert "validation document 1 of dataset demo_sp1024 does not come back: " in finding.detail
    lists = "docs/tokenizers.md lists the settings that give every text back"
    assert finding.remedy == f"train it with {setting} {lists}"
    assert finding.place.startswith("submission.toml:")
    # On the text of another dataset it is a sign, and no proof.
    other = found(tmp_path / "other", model, data_root, load_track("10min_16mb"))
    assert other.status == "unknown"


def test_nothing_is_tried_without_documents(texts: list[str], tmp_path: Path) -> None:
    submission = load_submission(folder(tmp_path / "own", trained(texts)))
    assert tried(submission, SMOKE, tmp_path / "nowhere") is None
    assert tried(load_submission(BIGRAM), SMOKE, tmp_path) is None


def test_no_model_fails_and_no_table_of_a_stranger_is_loaded(
    texts: list[str], data_root: Path, tmp_path: Path
) -> None:
    broken = found(tmp_path / "broken", b"no model", data_root)
    assert (broken.status, "not a SentencePiece model" in broken.detail) == ("fail", True)
    model = trained(texts, normalization_rule_name="nfkc")
    assert has_known_table(normal(model).serialized)
    strange = _with_another_table(model)
    assert not has_known_table(normal(strange).serialized)
    finding = found(tmp_path / "strange", strange, data_root)
    assert finding.status == "pass"
    assert "not tried: its normalizer's table is none of SentencePiece's own" in finding.detail


def _with_another_table(model: bytes) -> bytes:
    """The same model, with one bit of its normalizer's table turned."""
    at = len(model) - 1000  # the table is by far the largest part, and stands last
    return model[:at] + bytes([model[at] ^ 1]) + model[at + 1 :]


def test_the_command_tries_it(texts: list[str], data_root: Path, tmp_path: Path) -> None:
    place = folder(tmp_path / "own", trained(texts, byte_fallback=False))
    outcome = harness("check", place, "--track", "smoke", "--data", data_root)
    assert outcome.code == 1
    assert "does not come back" in " ".join(outcome.out.split())

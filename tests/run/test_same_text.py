"""An entry that was written for other tokens is trained and scored in those, on the same text."""

import json
import shutil
from pathlib import Path

import pytest

from harness.contest.entry import Tokenizer
from harness.contest.track import Holdout, load_track
from harness.data.build.building import build_dataset
from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.documents import read_documents
from harness.data.format.tokenizers import train_bpe
from harness.errors import InfrastructureError
from harness.run.texts import open_texts
from tests.factories.playground import harness, write_track
from tests.upstream_entries.entries import honest

IDS = 512


@pytest.fixture(scope="module")
def both(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the small demo dataset, and the same documents in other tokens."""
    root = tmp_path_factory.mktemp("both") / "data"
    shutil.copytree(data_root, root)
    made_of(root, "demo_sp512", open_dataset(root, "demo_sp1024"))
    return root


def made_of(root: Path, name: str, dataset: Dataset, *, last: str | None = None) -> Dataset:
    train = list(read_documents(dataset.directory / "docs_train.jsonl"))
    val = list(read_documents(dataset.documents_path))
    model = train_bpe(train, vocabulary_size=IDS)
    return build_dataset(train, [*val[:-1], last or val[-1]], model, root / name, source="the same")


def test_the_dataset_is_found_by_its_text_and_its_number_of_ids(both: Path) -> None:
    track = load_track("smoke")
    texts = open_texts(track, both, Tokenizer(ids=IDS))
    assert (texts.dataset.manifest.name, texts.scored.manifest.name) == (
        "demo_sp1024",
        "demo_sp512",
    )
    facts = texts.facts()
    assert facts.entered is not None
    assert facts.entered.validation_bytes == facts.dataset.validation_bytes
    assert facts.entered.validation_tokens > facts.dataset.validation_tokens


def test_unpublished_documents_are_there_in_one_kind_of_tokens_alone(
    both: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(both, root)
    known = open_dataset(root, "demo_sp1024")
    train = list(read_documents(known.directory / "docs_train.jsonl"))
    model = known.tokenizer_path.read_bytes()
    build_dataset(train[1:], train[:1], model, root / "hidden_sp1024", source="never published")
    hidden = Holdout(dataset="hidden_sp1024", tolerance_bpb=0.01)
    track = load_track("smoke").model_copy(update={"holdout": hidden})
    assert open_texts(track, root).holdout is not None
    with pytest.raises(InfrastructureError, match=r"unpublished documents .* in 1,024 alone"):
        open_texts(track, root, Tokenizer(ids=IDS))


@pytest.mark.parametrize("ids", [None, 1024])
def test_the_tracks_own_dataset_is_used_where_its_tokens_are_wanted(
    both: Path, ids: int | None
) -> None:
    texts = open_texts(load_track("smoke"), both, Tokenizer(ids=ids))
    assert texts.entered is None and texts.scored is texts.dataset
    assert texts.facts().entered is None


def test_another_text_is_not_taken_for_the_same(data_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(data_root, root)
    made_of(root, "other_sp512", open_dataset(root, "demo_sp1024"), last="print('another')\n")
    with pytest.raises(InfrastructureError) as caught:
        open_texts(load_track("smoke"), root, Tokenizer(ids=IDS))
    said = str(caught.value)
    assert "written for 512 tokens, the dataset of track smoke has 1,024" in said
    assert "no dataset of the same text in so many" in said
    assert "harness data" in caught.value.finding.remedy


def test_of_two_datasets_nobody_chooses(both: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(both, root)
    made_of(root, "twin_sp512", open_dataset(root, "demo_sp1024"))
    with pytest.raises(InfrastructureError, match="are there: demo_sp512, twin_sp512"):
        open_texts(load_track("smoke"), root, Tokenizer(ids=IDS))


def test_a_damaged_neighbor_stands_in_nobodys_way(both: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(both, root)
    (root / "broken").mkdir()
    (root / "broken" / "manifest.json").write_text("{")
    assert open_texts(load_track("smoke"), root, Tokenizer(ids=IDS)).entered is not None


def entered(place: Path) -> tuple[Path, Path]:
    """An entry in upstream's layout, and a bridge by which it was written for other tokens."""
    (entry,) = [each for each in honest() if each.folder.name == "plain_inline"]
    bridge = place / "bridge.toml"
    bridge.write_text(entry.bridge_path.read_text().replace("size = 1024", f"size = {IDS}"))
    return entry.assemble(place), bridge


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_an_entry_is_judged_in_its_own_tokens(both: Path, tmp_path: Path) -> None:
    folder, bridge = entered(tmp_path)
    done = harness(
        *("verify", folder, "--track", write_track(tmp_path / "track.toml"), "--bridge", bridge),
        *("--sandbox", "process", "--data", both, "--runs", tmp_path / "runs"),
        *("--seeds", "1", "--slow", 20, "--json", tmp_path / "verdict.json"),
    )
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["verdict"] == "REHEARSED", done.err
    passed = {check["id"] for check in verdict["checks"] if check["status"] == "pass"}
    assert {"coverage", "bridge", "tokenizer", "dataset"} <= passed
    told = verdict["tokenizer"]
    assert (told["dataset"], told["vocabulary_size"]) == ("demo_sp512", IDS)
    assert told["bytes_per_token"] < told["dataset_bytes_per_token"]
    assert "that of demo_sp512, the same text" in done.out
    shown = harness("scorecard", tmp_path / "verdict.json")
    assert shown.code == 0, shown.err
    again = harness("judge", verdict["evidence"], "--json", "-")
    assert again.verdict["seeds"] == verdict["seeds"]


def test_a_plan_says_whether_the_text_is_there_in_the_entrys_tokens(
    both: Path, data_root: Path, tmp_path: Path
) -> None:
    folder, bridge = entered(tmp_path)

    def planned(data: Path) -> str:
        words = ("verify", folder, "--plan", "--track", "smoke", "--bridge", bridge)
        done = harness(*words, "--sandbox", "process", "--data", data, "--runs", tmp_path / "runs")
        return " ".join(done.out.split())

    assert "demo_sp512, the text of demo_sp1024:" in planned(both)
    assert "there is no dataset of the same text in so many" in planned(data_root)

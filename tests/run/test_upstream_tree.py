"""The tree of a script's data: the same names blind and not, and nothing of it is left after."""

import stat
from pathlib import Path

import pytest

from harness.contest.track import Imposed
from harness.data.build.imposing import write_shown
from harness.data.format.dataset import DEMO_NAME, Dataset, open_dataset
from harness.data.format.shards import read_shard
from harness.errors import InfrastructureError
from harness.evidence.plan import Plan
from harness.run import upstream_tree
from harness.run.upstream_tree import Split
from harness.safeio.files import sha256_of
from tests.factories.plans import strict_track
from tests.factories.upstream import upstream_plan

IMPOSED = strict_track(imposed=Imposed(denied_share=0.05))
SEED = 5


@pytest.fixture(scope="module")
def source(data_root: Path) -> Dataset:
    return open_dataset(data_root, DEMO_NAME)


def tree(
    made: Plan, source: Dataset, place: Path, split: Split, seed: int = SEED
) -> dict[str, str]:
    """The digests of a tree's files by name, while it exists."""
    with upstream_tree.upstream_tree(
        made, source, seed=seed, split=split, beside=place / "plan", note=lambda said: None
    ) as found:
        root = found.root
        assert (found.shown is not None) == (split == "decoy" and made.track.imposed is not None)
        for path in (root, *root.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode & 0o444 == 0o444 and not path.is_symlink()
        variables = found.environment(str(root))
        assert Path(variables["DATA_PATH"]).is_dir()
        assert Path(variables["TOKENIZER_PATH"]).is_file()
        assert Path(variables["DATA_PATH"]).is_relative_to(variables["DATA_DIR"])
        assert variables["VOCAB_SIZE"] == str(source.manifest.vocabulary_size)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        of_training = [path for path in files if "_train_" in path.name] if found.shown else []
        assert list(found.made) == of_training
        for path in files:
            if path.suffix == ".bin":
                read_shard(path, vocabulary_size=source.manifest.vocabulary_size)
        digests = {str(path.relative_to(root)): sha256_of(path) for path in files}
    assert not root.exists()
    assert list(place.iterdir()) == []
    return digests


def of(digests: dict[str, str], kind: str) -> dict[str, str]:
    return {Path(name).name: each for name, each in digests.items() if f"_{kind}_" in name}


def test_blind_or_not_it_looks_the_same_and_is_other_text(source: Dataset, tmp_path: Path) -> None:
    made = upstream_plan(IMPOSED)
    blind = tree(made, source, tmp_path, "decoy")
    true = tree(made, source, tmp_path, "true")
    assert blind.keys() == true.keys()
    size = source.manifest.vocabulary_size
    assert f"datasets/fineweb10B_sp{size}/fineweb_val_000000.bin" in blind
    assert f"tokenizers/fineweb_{size}_bpe.model" in blind
    splits = [sha256_of(source.directory / e.path) for e in source.manifest.of_kind("val")]
    assert list(of(true, "val").values()) == splits
    assert not set(of(blind, "val").values()) & set(splits)


def test_the_train_shards_are_those_that_are_imposed(source: Dataset, tmp_path: Path) -> None:
    made = upstream_plan(IMPOSED)
    own = tmp_path / "own"
    own.mkdir()
    write_shown(source, own, nonce=made.nonce, seed=SEED, denied_share=0.05)
    expected = {path.name: sha256_of(path) for path in own.iterdir()}
    (tmp_path / "runs").mkdir()
    assert of(tree(made, source, tmp_path / "runs", "decoy"), "train") == expected
    theirs = [sha256_of(source.directory / e.path) for e in source.manifest.of_kind("train")]
    assert list(of(tree(made, source, tmp_path / "runs", "true"), "train").values()) == theirs
    free = upstream_plan(strict_track(imposed=None))
    assert list(of(tree(free, source, tmp_path / "runs", "decoy"), "train").values()) == theirs


def test_another_seed_or_plan_is_shown_another_decoy(source: Dataset, tmp_path: Path) -> None:
    made = upstream_plan(strict_track())
    other = made.model_copy(update={"nonce": "another"})
    found = [
        of(tree(plan, source, tmp_path, "decoy", seed), "val")["fineweb_val_000000.bin"]
        for plan, seed in ((made, 5), (made, 5), (made, 6), (other, 5))
    ]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_full_disk_is_ours_and_seen_before(
    source: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_tree, "disk_free_bytes", lambda path: 1000)
    with pytest.raises(InfrastructureError, match="1,000 bytes free"):
        tree(upstream_plan(), source, tmp_path, "decoy")
    assert list(tmp_path.iterdir()) == []

"""Hostile tokenizer models, through the sandboxes that alone may load one."""

from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests.factories.playground import BIGRAM

_TEXTS = [f"document {number} says {number * number}\n" for number in range(200)]


@cache
def models() -> tuple[bytes, ...]:
    """Two small models that give every text back."""
    from harness.data.format.tokenizers import train_bpe

    return tuple(train_bpe(_TEXTS, vocabulary_size=size) for size in (290, 300))


def tokenizer_model(content: bytes, scratch: Path) -> None:
    """Makes a dataset with the model, as a verification would."""
    from harness.contest.loading import load_submission
    from harness.data.build.building import build_dataset
    from harness.data.format.dataset import open_dataset
    from harness.run.tokenizing import normalized, own_tokenizer
    from tests.factories.own_models import in_own_tokens

    place = scratch / "data/toy"
    if not place.exists():
        build_dataset(_TEXTS[5:], _TEXTS[:5], models()[0], place, source="toy")
        folder = scratch / "submission"
        folder.mkdir()
        for name in ("bigram.py", "submission.toml"):
            (folder / name).write_bytes((BIGRAM / name).read_bytes())
        with (folder / "submission.toml").open("a") as file:
            file.write('\n[tokenizer]\nmodel = "own.model"\n')
    (scratch / "submission/own.model").write_bytes(content)
    submission = load_submission(scratch / "submission")
    own = own_tokenizer(submission.entry("smoke"), submission.contents)
    assert own is not None
    found = normalized(own)
    if found.tokenizer is None:
        assert found.problem
        return
    if found.tokenizer.is_bytes:
        return
    dataset = open_dataset(scratch / "data", "toy")
    with ExitStack() as holds:
        made = in_own_tokens(found.tokenizer, dataset, scratch, holds=holds, note=lambda text: None)
    assert made.failed is None or made.failed.problem

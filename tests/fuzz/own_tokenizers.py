"""Hostile tokenizer models, through the process that alone may parse one."""

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
    from harness.run.tokenizing import normalized, own_tokenizer, retokenize

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
    dataset = open_dataset(scratch / "data", "toy")
    with ExitStack() as holds:
        made = retokenize(found.tokenizer, dataset, note=lambda text: None, holds=holds)
    assert made.dataset is None or made.dataset.manifest.totals.validation_tokens > 0

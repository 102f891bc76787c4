"""Plans as the harness would write them, and what they consist of.

Everything adds up: the files of an entry are a function of the models here, so ``stored.py`` can
write any of it to disk.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from harness.contest.brought_along import Brought, brought_along
from harness.contest.entry import Bridge, Entry, Function, Score, Train, file_facts
from harness.contest.track import Track, load_track
from harness.evidence.draws import draw_runs
from harness.evidence.isolation import EDITION, REQUIRED
from harness.evidence.plan import (
    DatasetFacts,
    HoldoutFacts,
    Plan,
    PlannedTest,
    Required,
    TextFacts,
    Tries,
)
from harness.judge.asked import asked_test, own_bar
from harness.package import PACKAGE
from harness.safeio.files import digest_of_named

SMOKE_TOML = PACKAGE / "contest/tracks/smoke.toml"


TOKENS, TEXT_BYTES, DOCUMENTS = 200_000, 480_000, 40


CODE_BYTES = 30_000


CODE = {"train.py": b"pass\n".ljust(CODE_BYTES, b"#")}


NONCE = "n"


@functools.cache
def _smoke() -> Track:
    return load_track("smoke")


def strict_track(**changes: object) -> Track:
    """The smoke track as a contest: no rehearsal, and nothing is imposed but the seeds."""
    contest = {"name": "strict", "rehearsal": False, "imposed": None}
    return _smoke().model_copy(update={**contest, **changes})


def looking_track(**changes: object) -> Track:
    """:func:`strict_track` with the official test: looks after 1, 2, 3, 5 and 8, then 3 more.

    Earlier tries are not charged.
    """
    official = load_track("10min_16mb").significance.model_copy(update={"spending": None})
    return strict_track(**{"significance": official, **changes})


# What entries were made of, by digest: an entry holds no contents, and a plan weighs them.
_CONTENTS: dict[str, Mapping[str, bytes]] = {}


def entry(files: Mapping[str, bytes] = CODE, **changes: Any) -> Entry:
    """A submission of these files."""
    _CONTENTS[digest_of_named(dict(files))] = dict(files)
    fields: dict[str, Any] = {
        "layout": "submission",
        "name": "Sample",
        "author": "A. Author",
        "github_id": "author",
        "folder": "sample",
        "files": tuple(file_facts(files)),
        "digest": digest_of_named(dict(files)),
        "train": Train(command=("python", "train.py"), artifact="model.bin"),
        "score": Score(loader=Function(load="train:load_model"), sequence_length=256, stride=64),
    }
    return Entry(**(fields | changes))


def contents_of(entered: Entry) -> Mapping[str, bytes]:
    """The files of an entry of :func:`entry`."""
    return _CONTENTS[entered.digest]


@functools.lru_cache(maxsize=1000)
def _weighed(entered: str) -> Brought:
    made = Entry.model_validate_json(entered)
    return brought_along(made, contents_of(made))


def brought(entered: Entry) -> Brought | None:
    """What an entry of :func:`entry` brings along; None for any other, as in a plan of before."""
    return _weighed(entered.model_dump_json()) if entered.digest in _CONTENTS else None


def bridge(files: Mapping[str, bytes]) -> Bridge:
    """A bridge of these files."""
    return Bridge(digest=digest_of_named(dict(files)), files=tuple(file_facts(files)))


def dataset(**changes: Any) -> DatasetFacts:
    """The dataset of :func:`strict_track`: 40 documents of 12,000 bytes to score."""
    fields: dict[str, Any] = {
        "name": _smoke().dataset.name,
        "digest": "e" * 64,
        "vocabulary_size": 1024,
        "train_tokens": 3_000_000,
        "validation_documents": DOCUMENTS,
        "validation_tokens": TOKENS,
        "validation_bytes": TEXT_BYTES,
        "baselines": {"unigram": 3.4, "witten_bell_bigram": 2.19},
    }
    return DatasetFacts(**(fields | changes))


def texts(track: Track, **changes: Any) -> TextFacts:
    """The dataset, with unpublished documents where a track names some."""
    holdout = None
    if track.holdout is not None:
        holdout = HoldoutFacts(
            name=track.holdout.dataset, digest="0" * 64, documents=40, tokens=TOKENS, bytes=480_000
        )
    return TextFacts(dataset=dataset(**changes), holdout=holdout)


def required(**changes: Any) -> Required:
    """A host with Docker and every property of isolation."""
    fields: dict[str, Any] = {
        "sandbox": "docker",
        "image": "i",
        "image_digest": "sha256:1",
        "isolation": tuple(sorted(REQUIRED)),
        "isolation_edition": EDITION,
        "harness_version": "0.1.0",
        "measured_by": "b" * 64,
    }
    return Required(**(fields | changes))


def plan(track: Track | None = None, **changes: Any) -> Plan:
    """A plan on ``track`` (default: :func:`strict_track`) in Docker.

    What follows from a change follows: other draws from another entry or nonce, another bar from
    other texts. ``seeds`` puts these in the place of the drawn ones, as somebody would who writes
    a plan by hand and does not say so.
    """
    track = track or strict_track()
    seeds: Sequence[int] | None = changes.pop("seeds", None)
    entered: Entry = changes.get("entry") or entry()
    fields: dict[str, Any] = {
        "created_at": "2025-11-21T12:00:00.000+00:00",
        "entry": entered,
        "track": track,
        "track_digest": track.digest,
        "texts": texts(track),
        "required": required(),
        "nonce": NONCE,
    } | changes
    fields.setdefault("test", _charged(track, fields.get("tries", Tries())))
    fields.setdefault("draws", draw_runs(entered, track, fields["nonce"], by_hand=seeds))
    fields.setdefault("brought", brought(entered))
    fields.setdefault("bar", own_bar(track, fields["texts"].dataset))
    return Plan(**fields)


def _charged(track: Track, tries: Tries) -> PlannedTest | None:
    test = planned_test(track)
    return test.after(tries.by_author) if test and track.significance.spending else test


def planned_test(track: Track, **changes: Any) -> PlannedTest | None:
    """The test that a track asks for; None where it asks for none."""
    asked = asked_test(track)
    return asked and PlannedTest.model_validate(dict(asked) | changes)

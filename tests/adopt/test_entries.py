"""What is read of every entry that is kept here, against its card and the bridge written by hand."""

from pathlib import Path

import pytest

from harness.adopt.adoption import Adoption
from harness.adopt.find_bridge import adopt
from harness.contest.bridge import Bridge
from harness.upstream.folder import RecordFolder
from tests.upstream_entries.entries import UpstreamEntry, broken, cheaters, honest

# What a broken one is told, where it is read: a word of the deciding reason, or of a warning.
SAID = {
    "broken/does_not_parse": "not valid Python",
    "broken/empty_script": "empty",
    "broken/hidden_source": "only running it would tell",
    "broken/huge_sequence": "stops with ValueError",
    "broken/installs_packages": "installs packages while it runs",
    "broken/no_artifact": "writes no artifact",
    "broken/only_notes": "no Python file",
    "broken/reads_the_network": "need a network",
    "broken/two_artifacts": "put together of final_model.int8.part2.ptz and final_model.int8.ptz",
    "broken/two_nodes": "needs 2 nodes",
}


def _each(found: list[UpstreamEntry]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", found, ids=[entry.name for entry in found])


def _read(entry: UpstreamEntry, place: Path) -> Adoption:
    return adopt(RecordFolder(entry.assemble(place)))


@_each([*honest(), *broken(), *cheaters()])
def test_the_class_is_the_one_on_its_card(entry: UpstreamEntry, tmp_path: Path) -> None:
    found = _read(entry, tmp_path)
    assert found.adoption == entry.card.adoption, found.reasons
    assert SAID.get(entry.name, "") in " ".join((*found.reasons, *found.warnings))


@_each(honest())
def test_the_bridge_is_the_one_that_was_written_by_hand(
    entry: UpstreamEntry, tmp_path: Path
) -> None:
    found, truth, own = _read(entry, tmp_path), entry.card.truth, entry.bridge
    made = found.bridge
    assert truth is not None and made is not None
    assert (found.artifact, found.learns) == (truth.artifact, truth.learns)
    for table in ("artifact", "evaluation", "logits", "windows", "vocabulary"):
        assert getattr(made, table) == getattr(own, table), table
    assert (made.launch.script, made.launch.how) == (own.launch.script, own.launch.how)
    assert (made.launch.imports, made.launch.arguments) == (
        own.launch.imports,
        own.launch.arguments,
    )
    assert made.launch.data == own.launch.data
    missing = own.launch.env.items() - made.launch.env.items()
    # What the command gives and the script has by default as well changes nothing.
    assert all((name, value) == ("VOCAB_SIZE", "1024") for name, value in missing)
    assert made.launch.env.items() <= own.launch.env.items()
    assert _stops(made) == _stops(own)


def _stops(bridge: Bridge) -> dict[str, str]:
    """The settings that keep it from training; for the rest there are several that do."""
    names = ("ITERATIONS", "WARMUP_STEPS")
    return {name: bridge.no_train.env[name] for name in names if name in bridge.no_train.env}

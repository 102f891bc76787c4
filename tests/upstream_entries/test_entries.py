"""The entries of this folder are what their cards say: whole, each of its own style, and they run.

What ``harness verify`` makes of them is tested where it is.
"""

import ast
import shlex
from pathlib import Path

import pytest

from harness.source_code.grammar import is_newer, parse
from harness.source_code.unpacking import OpaqueError, unpack
from harness.upstream.claims import read_claims
from harness.upstream.folder import RecordFolder
from tests.upstream_entries import packing
from tests.upstream_entries.entries import (
    UpstreamEntry,
    broken,
    cheaters,
    entries,
    honest,
)

CAP_BYTES = 16_000_000
_DOES_NOT_PARSE, _HIDDEN = "broken/does_not_parse", "broken/hidden_source"


def _each(found: list[UpstreamEntry]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", found, ids=[entry.name for entry in found])


def test_there_is_a_card_for_every_folder() -> None:
    here = Path(__file__).parent
    folders = {path.parent for path in here.rglob("*.py")} - {here}
    # ``__pycache__`` of a script that was imported is no folder of ours.
    folders = {path for path in folders if path.name != "__pycache__"}
    assert folders <= {entry.folder for entry in entries()}
    assert {entry.folder for entry in entries()} == {
        entry.folder for entry in (*honest(), *cheaters(), *broken())
    }


@_each(honest())
def test_an_honest_entry_is_sent_whole(entry: UpstreamEntry) -> None:
    bridge, truth = entry.bridge, entry.card.truth
    readme = (entry.folder / "README.md").read_text()
    for name, value in bridge.launch.env.items():
        assert f"{name}={value}" in readme
    assert shlex.join((bridge.launch.script, *bridge.launch.arguments)) in readme
    claims = read_claims(RecordFolder(entry.folder))
    assert claims.val_bpb is not None and claims.bytes_total is not None
    assert claims.bytes_total.value < CAP_BYTES
    log = (entry.folder / "train.log").read_text().splitlines()
    (said,) = [line for line in log if line.startswith(f"{entry.card.prints} val_loss:")]
    assert f"val_bpb:{claims.val_bpb.value:.8f}" in said
    assert truth is not None and bridge.artifact is not None and bridge.windows is not None
    assert truth.artifact == bridge.artifact.file
    assert (truth.context, truth.stride) == (bridge.windows.context, bridge.windows.stride)
    assert bridge.evaluation is not None and bridge.logits is not None
    assert bridge.evaluation.function in truth.evaluation
    assert (truth.model, truth.learns) == (bridge.evaluation.model, bridge.evaluation.learns)
    assert truth.logits == (bridge.logits.method or bridge.logits.how)


@_each([*honest(), *cheaters(), *broken()])
def test_its_files_parse_and_its_changes_fit(entry: UpstreamEntry, tmp_path: Path) -> None:
    folder = entry.assemble(tmp_path)
    newer = False
    for path in sorted(folder.glob("*.py")):
        if entry.name == _DOES_NOT_PARSE:
            with pytest.raises(SyntaxError):
                ast.parse(path.read_text())
            continue
        tree = parse(path.read_text())
        newer = newer or is_newer(path.read_text())
        if entry.name == _HIDDEN:
            with pytest.raises(OpaqueError):
                unpack(tree)
            continue
        newer = newer or any(is_newer(text.decode()) for text in unpack(tree))
    assert newer == (entry.twin.card.python == "3.12")
    assert not {"card.toml", "bridge.toml", "make.py"} & {path.name for path in folder.iterdir()}


@_each([*cheaters(), *broken()])
def test_a_cheater_is_a_change_of_an_honest_twin(entry: UpstreamEntry, tmp_path: Path) -> None:
    if not entry.card.twin:
        assert entry.name.startswith("broken/"), "only what is broken may stand alone"
        return
    assert entry.twin in honest()
    changed, twin = (each.assemble(tmp_path / "of") for each in (entry, entry.twin))
    assert any(
        path.read_bytes() != (twin / path.name).read_bytes() for path in changed.glob("*.py")
    )
    assert entry.card.change and len(entry.card.change) <= 6
    if entry in cheaters() and entry.card.verdict == "REHEARSED":
        assert entry.card.earns_nothing, "why may it pass?"
    elif entry in cheaters():
        assert entry.card.rule, "which check is to refuse it?"


def test_the_packed_one_holds_its_readable_copy() -> None:
    script = (packing.FOLDER / "train_gpt.py").read_text()
    assert packing.unpack(script) == (packing.FOLDER / packing.READABLE).read_text()
    assert len(script.splitlines()) == 2

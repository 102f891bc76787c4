"""Two recipes: the seed run is the unit, documents only say where, and nothing counts twice."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contest.significance import Significance
from harness.errors import InfrastructureError, UsageError
from harness.evidence.store import RunDirectory
from harness.judge.recipes import compare_recipes
from harness.judge.side_by_side import SideBySide, side_by_side
from harness.report.recipes import answer, comparison_table
from harness.statistics.documents import where
from harness.statistics.tests import welch
from tests.factories.plans import CODE, entry, plan, strict_track, texts
from tests.factories.playground import harness
from tests.factories.results import document_costs, failure
from tests.factories.runs import good_runs, seed_run, verdict_of
from tests.factories.stored import store
from tests.report.test_power import drawn
from tests.simulation.rules import OFFICIAL

KNOWN = strict_track(
    significance=Significance.model_validate(
        {**OFFICIAL, "looks": None, "seeds": 3, "confirmation": None}
    )
)
A = (1.06128183, 1.06086831, 1.06220261)
B = (1.0570, 1.0564, 1.0575)


def verified(
    path: Path, scores: Sequence[float], *, nonce: str = "a", track: Any = KNOWN, **changes: Any
) -> Path:
    """A run directory with those scores."""
    made = plan(track, nonce=nonce, **changes)
    return store(path, made, good_runs(made, scores)).path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return verified(tmp_path / "a", A), verified(tmp_path / "b", B, nonce="b")


def test_the_difference_is_tested_with_the_fields_deviation(pair: tuple[Path, Path]) -> None:
    first, second = pair
    found = compare_recipes([first], [second])
    # Source: the study's own values.
    assert found.test == "moderated" and not found.guarded
    assert found.difference_bpb == pytest.approx(-0.00448425)
    assert found.t == pytest.approx(-7.845803128)
    assert found.p == pytest.approx(0.00005022179855, rel=1e-6)
    assert found.ci99_bpb == pytest.approx((-0.006402013599, -0.002566486401))
    assert found.first.scores == pytest.approx(A) and found.second.scores == pytest.approx(B)
    turned = compare_recipes([second], [first])
    assert turned.difference_bpb == pytest.approx(-found.difference_bpb)
    assert turned.p == pytest.approx(found.p)


def test_where_the_track_knows_nothing_it_is_welchs(tmp_path: Path) -> None:
    first = verified(tmp_path / "a", A, track=strict_track())
    second = verified(tmp_path / "b", B, track=strict_track(), nonce="b")
    found, expected = compare_recipes([first], [second]), welch(A, B)
    assert expected is not None
    assert found.test == "welch" and found.p == pytest.approx(expected.p)
    # Whose knowledge is used can be said.
    assert compare_recipes([first], [second], track=KNOWN).p == pytest.approx(5.022e-5, rel=1e-3)


def test_several_verifications_of_a_recipe_are_taken_together(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    more = verified(tmp_path / "more", A, nonce="more")
    found = compare_recipes([pair[0], more], [pair[1]])
    assert len(found.first.scores) == 6 and found.degrees_of_freedom == 4 + 6 + 3 - 2


def test_verdict_files_do_but_say_nothing_of_documents(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    made = plan(KNOWN, nonce="b")
    file = tmp_path / "verdict.json"
    file.write_text(verdict_of(made, good_runs(made, B)).model_dump_json())
    found = compare_recipes([pair[0]], [file])
    assert found.p == pytest.approx(compare_recipes([pair[0]], [pair[1]]).p)
    assert found.documents is None and "run directories" in found.no_documents
    assert any("at their word" in remark for remark in found.remarks)
    # Two files alone name a track that is not at hand.
    other = tmp_path / "other.json"
    made = plan(KNOWN, nonce="a")
    other.write_text(verdict_of(made, good_runs(made, A)).model_dump_json())
    with pytest.raises(UsageError, match="--track"):
        compare_recipes([other], [file])
    assert compare_recipes([other], [file], track=KNOWN).p == pytest.approx(found.p)


def test_other_datasets_are_refused_in_a_sentence(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    other = verified(tmp_path / "o", B, nonce="b", texts=texts(KNOWN, digest="f" * 64))
    with pytest.raises(UsageError, match="different texts cannot be compared"):
        compare_recipes([pair[0]], [other])


def test_a_run_counts_once(pair: tuple[Path, Path]) -> None:
    for second in ([pair[0]], [pair[1], pair[1]]):
        with pytest.raises(UsageError, match="count twice"):
            compare_recipes([pair[0]], second)


def test_a_lost_run_is_left_out_and_told(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    made = plan(KNOWN, nonce="b")
    runs = good_runs(made, B)
    runs[0] = seed_run(made.draws[0], failure=failure("submission", "scoring"))
    found = compare_recipes([pair[0]], [store(tmp_path / "lost", made, runs).path])
    assert found.second.left_out == 1 and len(found.second.scores) == 2
    assert any("REJECTED" in remark for remark in found.remarks)
    nothing = [seed_run(draw, failure=failure("submission", "scoring")) for draw in made.draws]
    with pytest.raises(UsageError, match="no seed run with a score"):
        compare_recipes([pair[0]], [store(tmp_path / "none", made, nothing).path])


def test_too_few_runs_without_a_known_deviation(tmp_path: Path) -> None:
    track = strict_track(bar=None, significance=Significance(seeds=1))
    first = verified(tmp_path / "a", A[:1], track=track)
    second = verified(tmp_path / "b", B[:1], track=track, nonce="b")
    with pytest.raises(UsageError, match="at least two on each side"):
        compare_recipes([first], [second])
    assert compare_recipes([first], [second], track=KNOWN).degrees_of_freedom == 4


def test_other_files_under_one_name_are_told(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    files = {**CODE, "more.py": b"1"}
    made = plan(KNOWN, nonce="c", entry=entry(files))
    mixed = store(tmp_path / "mixed", made, good_runs(made, A), files=files).path
    found = compare_recipes([pair[0], mixed], [pair[1]])
    assert any("mixes 2 submissions" in remark for remark in found.remarks)


def test_documents_that_are_not_those_of_the_evidence_are_our_failure(
    pair: tuple[Path, Path],
) -> None:
    directory = RunDirectory.open(pair[0])
    path = directory.documents(directory.runs()[0], "score")
    path.write_bytes(document_costs(1.0, text_bytes=1, targets=1, documents=1))
    with pytest.raises(InfrastructureError, match="not what was scored"):
        compare_recipes([pair[0]], [pair[1]])


def test_documents_say_where() -> None:
    sizes = np.array([100, 300, 600, 0], np.int64)
    first = [np.array([100.0, 300, 600, 7]), np.array([102.0, 300, 600, 7])]
    second = [np.array([90.0, 330, 600, 9])]
    found = where(first, second, sizes)
    assert (found.documents, found.won, found.tied) == (3, 1 / 3, 1 / 3)
    assert found.won_bytes == pytest.approx(0.1)
    each = np.array([-11 / 100, 30 / 300, 0.0])
    assert found.quantiles[3] == 0 and found.quantiles[0] > each.min()
    shares, whole = np.array([0.1, 0.3, 0.6]), 19 / 1000
    assert found.variance == pytest.approx(float(np.square(shares * (each - whole)).sum()))


def test_a_shift_of_all_documents_says_nothing_about_others(pair: tuple[Path, Path]) -> None:
    found = compare_recipes([pair[0]], [pair[1]])
    lies = found.documents
    # The factory spreads bits evenly, so all documents differ alike, whatever drew them.
    assert lies is not None and (lies.won, lies.tied) == (1.0, 0.0)
    assert lies.quantiles_bpb == pytest.approx([found.difference_bpb] * 7)
    assert lies.on_others_error_bpb == pytest.approx(found.error_bpb)
    assert lies.on_others_99_bpb == pytest.approx(found.ci99_bpb)


def test_the_answer_says_which_is_better_or_that_it_is_not_shown(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    found = compare_recipes([pair[0]], [pair[1]])
    assert answer(found).startswith("B is better than A by 0.004484 BPB")
    assert answer(compare_recipes([pair[1]], [pair[0]])).startswith("A is better than B")
    alike = verified(tmp_path / "c", [score + 0.0001 for score in A], nonce="c")
    assert answer(compare_recipes([pair[0]], [alike])).startswith("No difference is shown")


@pytest.mark.parametrize("width", [40, 80, 160])
def test_every_figure_is_drawn_at_every_width(pair: tuple[Path, Path], width: int) -> None:
    found = side_by_side([[pair[0]], [pair[1]]])
    text = drawn(comparison_table(found), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for figure in ("1.061451", "1.056967", "-0.004484", "-7.846", "40 documents", "-0.006402"):
        assert figure in words


def test_names_of_strangers_are_cleaned(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    hostile = entry(name="\x1b[2J[red]evil\u202e" + "A" * 500)
    other = verified(tmp_path / "h", B, nonce="h", entry=hostile)
    text = drawn(comparison_table(side_by_side([[pair[0]], [other]])), 100)
    assert "\x1b" not in text and "\u202e" not in text and "A" * 100 not in text


def test_the_command_answers_and_writes_json(pair: tuple[Path, Path]) -> None:
    done = harness("compare", pair[0], "--with", pair[1])
    assert done.code == 0 and "B is better than A" in done.out
    done = harness("compare", pair[0], "--with", pair[1], "--json", "-")
    assert SideBySide.model_validate(json.loads(done.out)).pairs[0].compared is not None
    refused = harness("compare", pair[0], "--with", pair[0])
    assert refused.code == 2 and "count twice" in refused.err

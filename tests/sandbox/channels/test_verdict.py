"""Verdicts: what leaks is open, what is shown to be shut is closed, doubt is never closed."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.contest.track import load_track
from harness.report.channels import sentences, show_channels
from harness.sandbox.channels.figures import ChannelFigures, ChannelReport, Mark, mark_of
from harness.sandbox.channels.table import BY_ID, CHANNELS
from harness.sandbox.channels.tally import Tally
from harness.sandbox.channels.verdict import DOUBT, NUMBER_BITS, figures_of
from tests.sandbox.channels.samples import MARK, OPEN, SHUT, a_report


def judged(
    id: str, ours: Tally, control: Tally | None = OPEN, *, mark: Mark = MARK
) -> ChannelFigures:
    return figures_of(BY_ID[id], ours, control, mark, doubt=DOUBT / len(CHANNELS))


class TestVerdict:
    def test_times_that_tell_are_open(self) -> None:
        found = judged("names_code", OPEN)
        assert (found.state, found.control_open) == ("open", True)
        assert found.bits_a_phase_low > MARK.allowed_bits
        assert found.bits_a_second_low == pytest.approx(100_000 * found.capacity_low)

    def test_times_that_do_not_are_closed_if_enough_was_tried(self) -> None:
        assert judged("names_code", SHUT).state == "closed"
        few = replace(SHUT, bits=1000, errors=500, seconds=0.01)
        assert judged("names_code", few).state == "unknown"

    @pytest.mark.parametrize(
        ("ours", "control", "why"),
        [
            (replace(SHUT, known_wrong=0.4), replace(OPEN, known_wrong=0.4), "too noisy"),
            (SHUT, None, "no default container"),
            (SHUT, SHUT, "should have it open"),
            (SHUT, replace(OPEN, broken="x"), "broke in a default container"),
            (SHUT, replace(OPEN, caches_dropped=2), "caches 2 times"),
            (Tally(broken="MemoryError"), OPEN, "MemoryError"),
        ],
    )
    def test_doubt_is_never_closed_and_counts_whole(
        self, ours: Tally, control: Tally | None, why: str
    ) -> None:
        found = judged("names_code", ours, control)
        assert found.state == "unknown"
        assert why in found.note
        assert found.bits_a_phase_high >= MARK.known_bits

    def test_who_sees_his_own_samples_by_default_and_not_here_is_shut_out(self) -> None:
        found = judged("page_cache_code", replace(SHUT, known_wrong=0.4))
        assert (found.state, "by default" in found.note) == ("closed", False)
        assert "in a default container it does not" in found.note
        assert judged("page_cache_code", replace(SHUT, known_wrong=0.4), None).state == "unknown"

    def test_what_holds_few_bits_leaks_few(self) -> None:
        found = judged("page_cache_code", replace(OPEN, holds=500))
        assert (found.state, found.bits_a_phase_high <= 500) == ("closed", True)

    def test_a_place_is_shared_or_it_is_not(self) -> None:
        unseen = Tally(bits=256, errors=120, seconds=0.001, placed=256)
        seen = replace(unseen, errors=0)
        refused = replace(unseen, placed=0, refused="EPERM")
        assert judged("leftover_files", seen, seen).state == "open"
        closed = judged("leftover_files", unseen, seen)
        assert (closed.state, closed.bits_a_phase_high < 256) == ("closed", True)
        none = judged("leftover_files", refused, seen)
        assert (none.state, none.bits_a_phase_high) == ("closed", 0)
        assert "EPERM" in none.note

    def test_a_receiver_that_sees_its_marks_nowhere_proves_nothing(self) -> None:
        blind = Tally(bits=256, errors=120, seconds=0.001, placed=256, known_wrong=0.5)
        found = judged("system_v", blind, blind)
        assert (found.state, "does not see its own marks either" in found.note) == ("unknown", True)
        assert judged("system_v", blind, replace(blind, known_wrong=0)).state == "closed"

    def test_numbers_count_whole_unless_what_was_moved_says_less(self) -> None:
        whole = judged("other_counters", Tally(values=500))
        assert (whole.state, whole.bits_a_phase_high) == ("unknown", 500 * NUMBER_BITS)
        few = judged("load", Tally(values=9))
        assert (few.state, few.bits_a_phase_high) == ("closed", 9 * NUMBER_BITS)
        gone = judged("load", Tally(values=0))
        assert (gone.state, gone.bits_a_phase_high) == ("closed", 0)

    def test_without_a_gpu_it_says_that_it_was_not_run(self) -> None:
        found = judged("gpu_memory", Tally(rounds=0), None)
        assert found.state == "not applicable"
        assert "not run" in found.note

    @given(st.integers(0, 10_000), st.floats(0.001, 100), st.floats(0, 0.5))
    def test_bounds_are_in_order_and_verdicts_follow_from_them(
        self, errors: int, seconds: float, known_wrong: float
    ) -> None:
        ours = Tally(10_000, errors, seconds, 10_000, known_wrong=known_wrong)
        for id in ("names_code", "leftover_files"):
            found = judged(id, ours, replace(OPEN, known_wrong=0.0))
            assert 0 <= found.bits_a_phase_low <= found.bits_a_phase_high
            if found.state == "closed":
                assert found.bits_a_phase_high <= MARK.closed_bits


class TestReport:
    def test_the_mark_is_that_of_the_official_track_where_one_has_none(self) -> None:
        assert mark_of(load_track("smoke")) == MARK
        assert (round(MARK.allowed_bits), MARK.budget_seconds) == (44_739, 600)

    def test_it_holds_where_nothing_leaks(self) -> None:
        found = a_report({"names_code": SHUT, "load": Tally(values=9)}, {"names_code": OPEN})
        assert found.holds
        assert found.residual_bits == sum(each.bits_a_phase_high for each in found.channels)
        assert found.residual_bpb == pytest.approx(found.residual_bits / 151_080_891)

    @pytest.mark.parametrize("ours", [{"names_code": OPEN}, {"names_code": Tally(broken="x")}])
    def test_it_does_not_where_one_leaks_or_is_not_known(self, ours: dict[str, Tally]) -> None:
        assert not a_report(ours, {"names_code": OPEN}).holds

    def test_the_shards_are_no_way_from_one_scoring_phase_to_the_next(self) -> None:
        found = a_report({"names_data": OPEN}, {"names_data": OPEN})
        assert found.residual_bits == 0
        assert found.open == ("names_data",)

    def test_many_small_leaks_are_one_large_one(self) -> None:
        numbers = [each.id for each in CHANNELS if each.kind == "number" and not each.needs_gpu]
        found = a_report({id: Tally(values=68) for id in numbers})
        assert {each.state for each in found.channels} == {"closed"}
        assert not found.holds

    def test_it_survives_being_stored(self) -> None:
        found = a_report({"names_code": OPEN, "gpu_memory": Tally(rounds=0)})
        assert ChannelReport.model_validate_json(found.model_dump_json()) == found

    @pytest.mark.parametrize("width", [40, 80, 200])
    def test_it_fits_any_terminal(self, width: int) -> None:
        ours = {each.id: OPEN for each in CHANNELS} | {"gpu_memory": Tally(rounds=0)}
        console = Console(width=width, record=True, file=io.StringIO())
        show_channels(a_report(ours), console)
        text = console.export_text()
        assert max(map(len, text.splitlines())) <= width
        assert "names_code" in text and "0.10%" in text
        assert "NOT within the mark." in sentences(a_report(ours))

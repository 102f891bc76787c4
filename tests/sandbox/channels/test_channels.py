"""Channels: what leaks is seen to leak, what is closed to be closed; doubt is never closed."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.cli import main as cli
from harness.contest.track import load_track
from harness.errors import InfrastructureError
from harness.inside.channels import catalog, pages, places
from harness.inside.channels.bits import Cut, as_hex, bits_of, message, number_of
from harness.inside.channels.numbers import NUMBERS, Places
from harness.report.channels import sentences, show_channels
from harness.report.proofs import CHANNELS_TOO
from harness.sandbox.channels.figures import ChannelFigures, ChannelReport, Mark, mark_of
from harness.sandbox.channels.measure import measure
from harness.sandbox.channels.rounds import stage
from harness.sandbox.channels.table import BY_ID, CHANNELS
from harness.sandbox.channels.tally import Round, Tally, read_told, tally_of
from harness.sandbox.channels.verdict import DOUBT, NUMBER_BITS, figures_of, report
from harness.sandbox.docker.default import DefaultContainers
from harness.sandbox.docker.sandbox import DockerSandbox
from tests.sandbox.test_registry import Jail, backend, register

MARK = mark_of(load_track("10min_16mb"))
NOWHERE = Places("/c", "/d", "/a", "/o", "abc123")
BITS = st.lists(st.integers(0, 1), max_size=300)
OPEN = Tally(bits=100_000, errors=100, seconds=1.0, placed=100_000)
SHUT = Tally(bits=4_000_000, errors=2_000_000, seconds=6.0, placed=4_000_000)


class TestInside:
    def test_each_row_has_a_sender_and_a_receiver(self) -> None:
        assert set(catalog.channels(NOWHERE)) == set(BY_ID)
        assert len(BY_ID) == len(CHANNELS)

    @given(st.text("0123456789abcdef", min_size=1), st.integers(0, 500))
    def test_a_message_is_random_and_its_sender_can_repeat_it(self, seed: str, count: int) -> None:
        assert message(seed, "a", count) == message(seed, "a", count)
        if count > 100:
            assert message(seed, "a", count) != message(seed, "b", count)
            assert 0.2 < sum(message(seed, "a", count)) / count < 0.8

    @given(BITS)
    def test_bits_survive_being_told(self, bits: list[int]) -> None:
        told = bytes.fromhex(as_hex(bits))
        assert [told[place >> 3] >> (place & 7) & 1 for place in range(len(bits))] == bits
        assert bits_of(number_of(bits), len(bits)) == bits

    @given(
        st.lists(st.integers(0, 1000), min_size=1, max_size=50),
        st.lists(st.integers(0, 1000), min_size=1, max_size=50),
    )
    def test_a_cut_knows_how_often_it_is_wrong(self, zeros: list[int], ones: list[int]) -> None:
        cut = Cut(zeros, ones)
        wrong = sum(cut.bit(value) for value in zeros) + sum(1 - cut.bit(value) for value in ones)
        assert wrong / (len(zeros) + len(ones)) == cut.wrong <= 0.5
        # No other line is better.
        for at in range(-1, 1001, 50):
            below = sum(value > at for value in zeros) + sum(value <= at for value in ones)
            assert min(below, len(zeros) + len(ones) - below) >= wrong

    def test_a_cut_works_whichever_kind_takes_longer(self) -> None:
        for cut in (Cut([9, 8, 99], [1, 2]), Cut([1, 2], [8, 9, 99])):
            assert cut.wrong == 0
        assert Cut([9, 8], [1, 2]).bit(0) == 1
        assert Cut([1, 2], [9, 8]).bit(0) == 0

    @given(st.integers(11, 3000), st.integers(1, 3000))
    def test_pages_of_the_message_and_known_ones_are_apart(self, size: int, count: int) -> None:
        offsets, zeros, ones = pages.layout(size * pages.STEP, count)
        used = [*offsets, *zeros, *ones]
        assert len(set(used)) == len(used)
        assert all(0 <= offset < size * pages.STEP for offset in used)
        assert len(zeros) >= -(-len(offsets) // pages.EACH)

    def test_a_file_holds_as_many_bits_as_it_says(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes(100 * pages.STEP))
        room = pages.room(str(path))
        assert len(pages.layout(100 * pages.STEP, room)[0]) == room == 80

    @pytest.mark.parametrize("name", ["file_locks", "file_metadata"])
    def test_a_receiver_sees_marks_that_are_there(self, name: str, tmp_path: Path) -> None:
        kind = {"file_locks": "lock", "file_metadata": "time"}[name]
        (tmp_path / "marks").mkdir()
        for number in range(24 + 2 * places.KNOWN):
            (tmp_path / "marks" / f"{kind}-{number}").write_text("mark")
        where = NOWHERE._replace(code=str(tmp_path))
        bits = message("seed", name, 24)
        assert places.send(name, bits, where)["placed"] == 24
        found = places.receive(name, 24, where)
        assert found["guess"] == as_hex(bits)
        assert (found["known_wrong"], found["refused"]) == (0, "")


def told(name: str, **facts: Any) -> dict[str, dict[str, Any]]:
    return {name: {"bits": 64, "seconds": 0.5, "placed": 64, **facts}}


class TestTally:
    def test_guesses_are_counted_over_all_rounds(self) -> None:
        right = Round(
            "1",
            told("names_code"),
            told("names_code", guess=as_hex(message("1", "names_code", 64)), known_wrong=0.1),
        )
        none = Round("2", told("names_code"), told("names_code", guess=as_hex([0] * 64)))
        found = tally_of("names_code", [right, none])
        assert (found.bits, found.errors) == (128, sum(message("2", "names_code", 64)))
        assert (found.seconds, found.placed, found.rounds) == (1.0, 128, 2)

    @given(st.integers(0, 1 << 40), st.integers(-(1 << 20), 1 << 20), st.integers(2, 5))
    def test_a_symbol_is_read_whatever_a_number_moves_by_itself(
        self, start: int, drift: int, rounds: int
    ) -> None:
        name, number = "fork_counter", NUMBERS["fork_counter"]
        made = []
        for place in range(rounds):
            seed = f"{place}"
            span = number.step << number.bits
            symbol = number_of(message(seed, name, number.bits))
            value = (start // span + 1) * span + symbol * number.step + number.step // 2
            slack = place * 9
            sent = told(name, value=value) | {}
            received = told(name, value=value + drift + slack, values=3)
            sent[name]["bits"] = received[name]["bits"] = number.bits
            made.append(Round(seed, sent, received))
        found = tally_of(name, made)
        assert (found.bits, found.errors, found.values) == (rounds * number.bits, 0, 3)

    def test_one_round_has_nothing_to_learn_from(self) -> None:
        one = Round("1", told("fork_counter", value=5), told("fork_counter", value=6, values=3))
        assert tally_of("fork_counter", [one]).bits == 0
        level = Round("1", told("load"), told("load", value=6, values=3))
        assert tally_of("load", [level]).bits == 0

    def test_a_level_is_told_by_the_nearest_of_the_others(self) -> None:
        made = [
            Round(seed, told("load"), told("load", value=100 * message(seed, "load", 1)[0] + place))
            for place, seed in enumerate("abcdefgh")
        ]
        assert (tally_of("load", made).bits, tally_of("load", made).errors) == (8, 0)

    @pytest.mark.parametrize("sent", [{}, {"names_code": {"bits": 0, "error": "OSError"}}])
    def test_a_side_that_told_nothing_is_no_silence(self, sent: dict[str, Any]) -> None:
        found = tally_of("names_code", [Round("1", sent, told("names_code", guess="00"))])
        assert found.broken

    def test_what_a_phase_told_is_put_together(self) -> None:
        lines = [
            '["a", "guess", "00"]',
            "noise",
            '["a", "guess", "ff"]',
            '["a", "facts", {"b": 1}]',
        ]
        assert read_told([*lines, '["done"]']) == {"a": {"guess": "00ff", "b": 1}}
        with pytest.raises(InfrastructureError, match=r"before it was done; it said: noise"):
            read_told(lines)


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
            (replace(SHUT, known_wrong=0.4), OPEN, "too noisy"),
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


def a_report(
    ours: Mapping[str, Tally], control: Mapping[str, Tally] | None = None
) -> ChannelReport:
    return report("docker", ours, control, MARK, rounds=4)


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


class TestAnyBackend:
    """What is measured is a sandbox; whose it is does not matter."""

    def test_it_is_measured_through_the_protocol(self) -> None:
        notes: list[str] = []
        ids = ("file_locks", "fork_counter")
        jail = Jail()
        jail.prepare()
        found = measure("jail", jail, None, MARK, note=notes.append, ids=ids, rounds=2, share=0.01)
        by_id = {each.id: each for each in found.channels}
        assert set(by_id) == set(ids)
        assert by_id["fork_counter"].bits_sent == 2 * BY_ID["fork_counter"].bits
        assert by_id["file_locks"].bits_sent == 2 * 16
        assert "no default container" in by_id["file_locks"].note
        assert len(notes) == 2

    def test_only_those_that_isolate_are_offered(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        register(monkeypatch, backend())
        assert cli.main(["doctor", "--help"]) == 0
        assert "--channels [{jail,docker}]" in " ".join(capsys.readouterr().out.split())
        assert cli.main(["doctor", "--channels", "process"]) == 2

    @pytest.mark.parametrize(
        "options", [["--json", "-"], ["--channels", "--sandbox"], ["--runtime", "runsc"]]
    )
    def test_options_that_make_no_sense(
        self, options: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["doctor", *options]) == 2
        assert "Traceback" not in capsys.readouterr().err

    @pytest.mark.parametrize("residual", [OPEN, SHUT])
    def test_doctor_says_by_its_exit_code_whether_it_holds(
        self,
        residual: Tally,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        register(monkeypatch, backend())
        made = a_report({"names_code": residual}, {"names_code": OPEN})
        monkeypatch.setattr("harness.sandbox.channels.measure.measure", lambda *a, **k: made)
        kept = tmp_path / "channels.json"
        code = cli.main(["doctor", "--channels", "--track", "smoke", "--json", str(kept)])
        assert code == (0 if made.holds else 3)
        assert json.loads(kept.read_text())["residual_bits"] == made.residual_bits
        assert "Residual: at most" in " ".join(capsys.readouterr().out.split())

    def test_the_other_proof_mentions_this_one(self) -> None:
        assert "harness doctor --channels" in CHANNELS_TOO

    def test_the_stage_is_readable_and_goes_away(self) -> None:
        with stage(share=0.01) as laid:
            folder = laid.folder
            assert laid.code.source.stat().st_mode & 0o777 == 0o755
            assert (laid.code.source / "channels" / "run.py").stat().st_mode & 0o777 == 0o644
            assert laid.artifact.source.stat().st_size == 1 << 20
        assert not folder.exists()


CACHES = ("names_code", "names_image", "page_cache_code", "page_cache_artifact")
STRUCTURAL = (
    *("leftover_files", "access_times", "file_metadata", "system_v", "message_queues"),
    *("abstract_sockets", "keyrings", "file_locks", "host_name", "process_numbers"),
)


def measured_in_docker(sandbox: DockerSandbox, ids: Iterable[str]) -> ChannelReport:
    control = DefaultContainers(note=print)
    control.prepare()
    return measure("docker", sandbox, control, MARK, note=print, ids=ids, rounds=2, share=0.05)


@pytest.fixture(scope="module")
def in_docker(docker_sandbox: DockerSandbox) -> dict[str, ChannelFigures]:
    for _ in range(4):
        made = measured_in_docker(docker_sandbox, (*CACHES, *STRUCTURAL))
        # Another harness on this machine drops the caches that are to be seen to leak.
        if not made.control_caches_dropped:
            break
    return {each.id: each for each in made.channels}


@pytest.mark.docker
def test_a_default_container_leaks(in_docker: dict[str, ChannelFigures]) -> None:
    open_there = {id for id, each in in_docker.items() if each.control_open}
    assert open_there >= {*CACHES, "leftover_files", "file_metadata"}


@pytest.mark.docker
@pytest.mark.parametrize("id", STRUCTURAL)
def test_our_places_are_closed(id: str, in_docker: dict[str, ChannelFigures]) -> None:
    found = in_docker[id]
    assert found.state == "closed", found.note
    assert found.bits_a_phase_high < 256

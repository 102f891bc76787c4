"""Senders and receivers: what they draw, tell, lay out and see."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.inside.channels import catalog, pages, places
from harness.inside.channels.bits import Cut, as_hex, bits_of, message, number_of
from harness.inside.channels.numbers import Places
from harness.sandbox.channels.table import BY_ID, CHANNELS

NOWHERE = Places("/c", "/d", "/a", "/o", "abc123")
BITS = st.lists(st.integers(0, 1), max_size=300)


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

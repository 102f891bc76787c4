"""Counting: guesses, numbers and levels over rounds; a side that told nothing is no silence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.inside.channels.bits import as_hex, message, number_of
from harness.inside.channels.numbers import NUMBERS
from harness.sandbox.channels.tally import Round, read_told, tally_of


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

    def test_what_is_hidden_was_not_tried(self) -> None:
        for name in ("fork_counter", "load"):
            hidden = Round("1", told(name, value=None), told(name, value=None, values=0))
            found = tally_of(name, [hidden, hidden])
            assert (found.bits, found.values, found.broken) == (0, 0, "")

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

"""The one table of properties: ids that are names, and what a verdict needs of them."""

import re

from harness.evidence.isolation import PROPERTIES, REQUIRED, phrase_of, required_of


def test_each_id_and_each_phrase_stands_once() -> None:
    assert len({each.id for each in PROPERTIES}) == len(PROPERTIES)
    assert len({each.phrase for each in PROPERTIES}) == len(PROPERTIES)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", each.id) for each in PROPERTIES)
    assert all(each.seen for each in PROPERTIES)


def test_a_verdict_needs_what_can_be_read_back_and_only_train_has_an_output() -> None:
    assert len(REQUIRED) == 29
    assert required_of(output=True) == REQUIRED
    assert REQUIRED - required_of(output=False) == {"output_limit"}


def test_a_property_in_words() -> None:
    assert phrase_of("no_capabilities") == "no capabilities"
    assert phrase_of("of_tomorrow") == "of_tomorrow"

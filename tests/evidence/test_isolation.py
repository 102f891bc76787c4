"""The one table of properties: ids that are names, and what a verdict needs of them."""

import re

from harness.evidence.isolation import (
    EDITION,
    PROPERTIES,
    REQUIRED,
    phrase_of,
    required_in,
    required_of,
)


def test_each_id_and_each_phrase_stands_once() -> None:
    assert len({each.id for each in PROPERTIES}) == len(PROPERTIES)
    assert len({each.phrase for each in PROPERTIES}) == len(PROPERTIES)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", each.id) for each in PROPERTIES)
    assert all(each.seen for each in PROPERTIES)


def test_a_verdict_needs_what_can_be_read_back_and_only_train_has_an_output() -> None:
    assert len(REQUIRED) == 35
    assert required_of(output=True) == REQUIRED
    assert REQUIRED - required_of(output=False) == {"output_limit"}


def test_a_property_in_words() -> None:
    assert phrase_of("no_capabilities") == "no capabilities"
    assert phrase_of("of_tomorrow") == "of_tomorrow"


def test_each_edition_needs_what_the_one_before_needed_and_stays_as_it_was() -> None:
    editions = [required_in(edition) for edition in range(1, EDITION + 1)]
    assert [len(required) for required in editions] == [29, 32, 35]
    assert editions[0] < editions[1] < editions[2] == REQUIRED
    assert required_in(None) == editions[0], "plans of the first edition do not name it"
    assert required_of(output=True, edition=None) == editions[0]

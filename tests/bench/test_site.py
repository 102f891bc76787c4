"""The bench of sites measures a whole site; how long it takes is no matter of a test."""

import pytest

from tests.bench.site import measure


def test_a_small_site_is_built_and_weighed() -> None:
    found = measure(40, bases=4, pictures="none", workers=1)
    assert found.entries == 40 and found.problems == 0
    assert found.pages > 40 + 3 + 3
    assert found.start_bytes < 500_000
    assert found.bytes > found.largest_page_bytes >= found.start_bytes > 10_000


@pytest.mark.long
def test_the_start_page_does_not_grow_with_the_number_of_entries() -> None:
    few, many = (measure(n, bases=2, pictures="none", workers=1) for n in (210, 420))
    assert abs(many.start_bytes - few.start_bytes) < 2_000

"""What every model of the harness refuses."""

import pytest
from pydantic import ValidationError

from harness.models import Exact


def test_what_is_exact_takes_no_other_spelling_of_a_number() -> None:
    class Count(Exact):
        n: int

    assert Count.model_validate_json('{"n": 1}').n == 1
    for content in ('{"n": 1.0}', '{"n": "1"}', '{"n": 1, "m": 2}'):
        with pytest.raises(ValidationError):
            Count.model_validate_json(content)

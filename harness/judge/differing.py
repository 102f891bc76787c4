"""Two figures that should be the same, and the sentence that says they are not."""

import math

TOLERANCE = 1e-9
"""For the same arithmetic on two machines."""
P_TOLERANCE = 1e-6
"""The same for a very small p-value, which differs more than its inputs."""
_LONGEST_SHOWN = 80


def differs(field: str, found: object, expected: object, *, within: float = TOLERANCE) -> str:
    """The contradiction between two figures; empty if they are equal up to rounding."""
    numbers = [
        value
        for value in (found, expected)
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if len(numbers) == 2 and math.isclose(*numbers, rel_tol=within):
        return ""
    return "" if found == expected else f"{field}: found {short(found)}, expected {short(expected)}"


def short(value: object) -> str:
    """A value as text that is not too long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."

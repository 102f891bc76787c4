"""How long single requests took, while scoring and when asked again, by our own clock."""

from pydantic import Field

from harness.models import Fact


class PaceOfSize(Fact):
    """Requests of about one size: none holds more than ``tokens``, and none a fifth less.

    ``after_telling``: the first ones after something was told, which may do then what telling left
    undone. The first request of each shape is in none of these: it may compile.
    """

    tokens: int = Field(ge=1)
    after_telling: bool = False
    requests: int = Field(ge=1)
    mean_seconds: float = Field(ge=0)
    median_seconds: float = Field(ge=0)
    p95_seconds: float = Field(ge=0)


class Pace(Fact):
    """How long a model took for single requests while it was scored.

    Each is timed from when it was sent, or the answer before it had come, to its own answer: what
    the harness does meanwhile does not count. All ``requests`` together took ``seconds``, of which
    the slowest first one of a shape took ``slowest_first_seconds``.
    """

    requests: int = Field(ge=1)
    seconds: float = Field(ge=0)
    slowest_first_seconds: float = Field(ge=0)
    sizes: tuple[PaceOfSize, ...] = Field(default=(), max_length=1_000)


class PaceAgain(Fact):
    """How long single requests took when asked again, beside what scoring took for their size.

    ``median_times``, ``p99_times`` and ``highest_times`` are how many times as long. ``slower``
    of the ``requests`` took more than three times as long: ``over_seconds`` more than that, in all.
    While scoring, as many of their sizes took ``scoring_seconds``. Seconds are those of the mean
    device.
    """

    requests: int = Field(ge=1)
    median_times: float = Field(ge=0)
    p99_times: float = Field(ge=0)
    highest_times: float = Field(ge=0)
    slower: int = Field(ge=0)
    over_seconds: float = Field(ge=0)
    scoring_seconds: float = Field(ge=0)

"""What our code inside is told of a loop that is driven (:mod:`harness.inside.upstream.drive`)."""

from typing import NamedTuple

from harness.contest.bridge import Bridge
from harness.errors import InfrastructureError

LOOP_SECONDS = 3600.0
"""That a loop may learn from one chunk; the limit of its phase is hardly ever later."""


class Drive(NamedTuple):
    """A loop, and what may be known of the stream that it is driven over.

    ``length`` tokens are as many as the loop may see, ``first`` is the first of them, which is no
    target. ``segment`` of them are told together. ``context`` is that of its windows, and ``decoy``
    is how many tokens lie in place of the stream.
    """

    loop: str
    length: int
    first: int
    segment: int
    context: int
    decoy: int
    seconds: float = LOOP_SECONDS


def drive_of(
    bridge: Bridge, *, segment: int, context: int, tokens: int, first: int, decoy: int
) -> Drive:
    """How a loop is driven over a stream of so many ``tokens``.

    Scripts cut their tokens to whole windows, so the loop sees as many.

    Raises:
        InfrastructureError: the bridge names no loop.
    """
    if bridge.evaluation is None or not bridge.evaluation.loop:
        raise InfrastructureError("the bridge does not name the loop that is to be driven")
    whole = (tokens - 1) // context * context or tokens - 1
    return Drive(bridge.evaluation.loop, whole + 1, first, segment, context, decoy)

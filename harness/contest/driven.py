"""Which loops that learn while they score can be driven, and by how many tokens at a time.

A loop scores a chunk of the stream and then learns from it. We score a segment, tell its tokens,
and let the loop go on. For ours to be what the loop would say, it must have learned by then from
the very chunks that it has when it scores these targets itself.
"""

from typing import NamedTuple

from harness.contest.bridge import Bridge
from harness.contest.track import LARGEST_SEGMENT, Adaptive


class Segment(NamedTuple):
    """How many targets are scored and told together; 0, and ``why`` not, where that cannot be."""

    targets: int
    why: str = ""


def segment_of(bridge: Bridge, adaptive: Adaptive, *, rehearsal: bool) -> Segment:
    """The segment by which the loop of a bridge is driven on a track.

    It is the loop's chunk. Of a chunk that is larger than any segment may be it is the largest
    whole part: in the middle of a chunk nothing is learned, and a loop that reads window by window
    does not see the difference.
    """
    chunk, windows = bridge.chunk_on(rehearsal=rehearsal), bridge.windows_on(rehearsal=rehearsal)
    evaluation = bridge.evaluation
    if evaluation is None or windows is None or evaluation.learns != "chunks":
        return Segment(0, "nothing in it learns from chunks of the stream")
    if not evaluation.loop or chunk is None:
        return Segment(0, "evaluation.loop or evaluation.chunk is not known")
    if not adaptive.allowed:
        return Segment(0, "the track allows no model that learns while it is scored")
    context, stride = windows.context, windows.stride
    least = max(adaptive.least_segment, context)
    parts = (chunk // count for count in range(1, chunk // least + 1) if chunk % count == 0)
    fitting = (part for part in parts if part <= LARGEST_SEGMENT and part % stride == 0)
    found = next(fitting, 0)
    why = ""
    if chunk % stride or context % stride:
        found, why = (
            0,
            (
                f"windows of {context:,} tokens every {stride:,} do not end with its chunks of "
                f"{chunk:,}: expected both to be multiples of the stride"
            ),
        )
    elif not found:
        why = (
            f"its chunk of {chunk:,} has no whole part of {least:,} to {LARGEST_SEGMENT:,} "
            "targets that is a multiple of the stride"
        )
    return Segment(found, why)

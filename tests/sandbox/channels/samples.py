"""Tallies of a channel that is open and of one that is shut, and what they come to."""

from collections.abc import Mapping

from harness.contest.track import load_track
from harness.sandbox.channels.figures import ChannelReport, mark_of
from harness.sandbox.channels.tally import Tally
from harness.sandbox.channels.verdict import report

MARK = mark_of(load_track("10min_16mb"))
OPEN = Tally(bits=100_000, errors=100, seconds=1.0, placed=100_000)
SHUT = Tally(bits=4_000_000, errors=2_000_000, seconds=6.0, placed=4_000_000)


def a_report(
    ours: Mapping[str, Tally], control: Mapping[str, Tally] | None = None
) -> ChannelReport:
    return report("docker", ours, control, MARK, rounds=4)

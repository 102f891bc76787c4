"""How much disk a verification can need, and whether it is there before anything begins."""

from pathlib import Path

from harness.contest.track import Track
from harness.data.build.imposing import most_shown_bytes
from harness.data.format.manifest import Manifest
from harness.errors import InfrastructureError
from harness.evidence.steps import logs_of
from harness.hardware.machine import disk_free_bytes

KEPT_ANSWER_BYTES = 1 << 30
"""Whole distributions that are kept while scoring, where the cost of a target can do instead."""
_COST_BYTES = 4


def disk_need_bytes(
    track: Track,
    manifest: Manifest | None,
    *,
    own_tokenizer: bool = False,
    runs: int | None = None,
    elsewhere: bool = False,
) -> int:
    """The most that a verification can take beside its directory and in it, runs one by one.

    Artifacts and logs of all runs, and the train shards that one run is shown.

    Args:
        track: the rules.
        manifest: of its dataset; without it, the train shards are not reckoned.
        own_tokenizer: whether the entry brings one.
        runs: how many; by default all looks and the confirmation.
        elsewhere: whether their answers wait for other machines, all of them at once.
    """
    if runs is None:
        runs = track.significance.most_runs + (track.significance.confirmation or 0)
    a_seed = track.sandbox.output_bytes + logs_of("seed") * track.sandbox.log_bytes
    if elsewhere:
        splits = manifest.of_kind("val") if manifest is not None else ()
        a_seed += KEPT_ANSWER_BYTES + _COST_BYTES * sum(file.tokens or 0 for file in splits)
    shown = 0
    if manifest is not None and track.imposed is not None:
        shown = most_shown_bytes(manifest, own_tokenizer=own_tokenizer)
    return runs * a_seed + shown


def check_disk(runs: Path, need: int) -> None:
    """Whether ``need`` bytes are free where evidence is kept.

    Raises:
        InfrastructureError: they are not.
    """
    free = disk_free_bytes(runs)
    if free < need:
        raise InfrastructureError(
            f"{free:,} bytes free, {need:,} may be needed for artifacts, logs and train shards",
            file=runs,
            remedy="free some space, or name another directory with --runs",
        )

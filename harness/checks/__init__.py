"""Each rule as a pure function from (track, evidence) to one check.

A check fails on what the submission did, and is unknown where our side broke or cannot tell.
"""

from harness.checks.clocks import check_clocks, check_wallclock, is_late
from harness.checks.outcome import (
    check_artifact,
    check_bytes,
    check_scoring,
    check_training,
    counted_code_bytes,
)
from harness.checks.place import check_dataset, check_hardware, check_isolation, check_seeds
from harness.checks.scores import check_causality, check_coverage, check_significance
from harness.checks.seed_spread import check_seed_spread
from harness.checks.texts import check_holdout, check_memorisation, check_tokenizer

__all__ = [
    "check_artifact",
    "check_bytes",
    "check_causality",
    "check_clocks",
    "check_coverage",
    "check_dataset",
    "check_hardware",
    "check_holdout",
    "check_isolation",
    "check_memorisation",
    "check_scoring",
    "check_seed_spread",
    "check_seeds",
    "check_significance",
    "check_tokenizer",
    "check_training",
    "check_wallclock",
    "counted_code_bytes",
    "is_late",
]

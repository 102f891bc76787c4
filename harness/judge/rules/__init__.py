"""Each rule as a pure function from (track, evidence) to one check.

A check fails on what the submission did, and is unknown where our side broke or cannot tell.
"""

from harness.judge.rules.clocks import check_clocks, check_wallclock, is_late
from harness.judge.rules.data_leakage import check_holdout, check_memorisation, check_tokenizer
from harness.judge.rules.environment import (
    check_dataset,
    check_hardware,
    check_isolation,
    check_seeds,
)
from harness.judge.rules.pipeline import (
    check_artifact,
    check_bytes,
    check_scoring,
    check_training,
    counted_code_bytes,
)
from harness.judge.rules.scores import check_causality, check_coverage, check_significance
from harness.judge.rules.seed_spread import check_seed_spread

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

"""The rules, as a table: whoever needs to know of a rule asks here.

Their order is the order in verdict, scorecard, schema and docs. To add a rule: a module that
defines it, a line here, and a cheater that it alone catches.
"""

from harness.judge.rule import Rule
from harness.judge.rules.artifact import ARTIFACT, BYTES
from harness.judge.rules.bridge import BRIDGE
from harness.judge.rules.brought_along import BROUGHT_ALONG
from harness.judge.rules.causality import CAUSALITY
from harness.judge.rules.clocks import CLOCKS, SCORE_WALLCLOCK, TRAIN_WALLCLOCK
from harness.judge.rules.confirmation import CONFIRMATION
from harness.judge.rules.doubts import DOUBTS
from harness.judge.rules.environment import DATASET, HARDWARE, ISOLATION
from harness.judge.rules.holdout import HOLDOUT
from harness.judge.rules.memorisation import MEMORISATION
from harness.judge.rules.memory import MEMORY
from harness.judge.rules.own_evaluation import OWN_EVALUATION
from harness.judge.rules.reproduction import BLIND, REPRODUCTION
from harness.judge.rules.scoring import COVERAGE, SCORING
from harness.judge.rules.seed_spread import SEED_SPREAD
from harness.judge.rules.seeds import SEEDS
from harness.judge.rules.significance import SIGNIFICANCE
from harness.judge.rules.tokenizer import TOKENIZER
from harness.judge.rules.training import TRAINING
from harness.judge.rules.whole_script import SEALED, TOTAL_WALLCLOCK

CHECKS: tuple[Rule, ...] = (
    HARDWARE,
    DATASET,
    ISOLATION,
    BRIDGE,
    SEEDS,
    TOKENIZER,
    TRAINING,
    TRAIN_WALLCLOCK,
    TOTAL_WALLCLOCK,
    ARTIFACT,
    SEALED,
    BYTES,
    BROUGHT_ALONG,
    SCORING,
    SCORE_WALLCLOCK,
    COVERAGE,
    CAUSALITY,
    MEMORY,
    SEED_SPREAD,
    CLOCKS,
    MEMORISATION,
    HOLDOUT,
    OWN_EVALUATION,
    REPRODUCTION,
    BLIND,
    SIGNIFICANCE,
    CONFIRMATION,
    DOUBTS,
)


def rule_of(name: str) -> Rule | None:
    """Today's rule of that id, if there is one."""
    return next((rule for rule in CHECKS if rule.id == name), None)

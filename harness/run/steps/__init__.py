"""What each step of a run does: a function for each name of the table in ``evidence/steps.py``."""

from collections.abc import Callable, Mapping

from harness.evidence.run import Run, StepFacts
from harness.evidence.step_names import StepName
from harness.evidence.steps import Step
from harness.run.steps.bridge import prove_bridge
from harness.run.steps.documents import gap, spread
from harness.run.steps.drawn import evaluate_on_drawn
from harness.run.steps.probe import probe, probe_unpublished, recall
from harness.run.steps.reproduce import reproduce
from harness.run.steps.score import holdout, score, unquantized
from harness.run.steps.tokenize import tokenize
from harness.run.steps.train import train
from harness.run.workbench import Workbench

DO: Mapping[StepName, Callable[[Step, Workbench, Run], StepFacts]] = {
    "tokenize": tokenize,
    "bridge": prove_bridge,
    "drawn": evaluate_on_drawn,
    "train": train,
    "score": score,
    "probe": probe,
    "recall": recall,
    "spread": spread,
    "holdout": holdout,
    "reprobe": probe_unpublished,
    "gap": gap,
    "unquantized": unquantized,
    "reproduce": reproduce,
}

"""The names of steps, and of the kinds of run that they belong to; the table is ``steps.py``."""

from typing import Literal

StepName = Literal[
    "tokenize",
    "bridge",
    "drawn",
    "train",
    "score",
    "probe",
    "recall",
    "spread",
    "holdout",
    "reprobe",
    "gap",
    "unquantized",
    "reproduce",
]
Role = Literal["preparation", "seed", "reproduction"]

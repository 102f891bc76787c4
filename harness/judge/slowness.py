"""What may have made a phase slow, in words: how busy the machine was, and the rate of others.

For people alone: no answer of a rule depends on it.
"""

from statistics import median

from harness.evidence.phase import PhaseFacts
from harness.evidence.run import Run
from harness.evidence.step_names import StepName
from harness.evidence.steps import step_of
from harness.judge.case import Case

BUSY = 1.5
"""Running processes for each core: our own phases leave one for each core in the average."""


def named(run: Run, step: StepName) -> str:
    """A step of a run, such as ``seed 7, scoring``."""
    name = run.role if run.role == "preparation" else f"{run.role} {run.seed}"
    return f"{name}, {step_of(step).label}"


def is_busy(load: float, cores: int) -> bool:
    """Whether so many processes were running that they were in each other's way."""
    return load > BUSY * cores


def load_in_words(run: Run, step: StepName, phase: PhaseFacts) -> str:
    """How busy the machine was before a phase of a step; empty where nobody measured it."""
    if phase.load is None:
        return ""
    cores = run.host_of(step).machine.cores
    busy = ", so it was busy with other work" if is_busy(phase.load.before, cores) else ""
    on = "1 core" if cores == 1 else f"{cores} cores"
    return f"load average {phase.load.before:.1f} on {on} when it began{busy}"


def beside_others(case: Case, run: Run, step: StepName) -> str:
    """How fast a run's training or scoring was, beside the others; empty where there are none."""
    others = [each for each in case.seeds if each is not run]
    if step == "score":
        rates = [each.scores.tokens_per_second for each in others if each.scores is not None]
        if not rates:
            return ""
        if run.scores is None:
            return f"the other seeds scored {median(rates):,.0f} tokens a second"
        own = f"{run.scores.tokens_per_second:,.0f}"
        return f"it scored {own} tokens a second, the other seeds {median(rates):,.0f}"
    known = [phase for each in others if (phase := each.phase(step)) and phase.outcome != "lost"]
    if not known:
        return ""
    return f"the other seeds took {median(phase.charged_seconds for phase in known):,.1f} s"


def why_slow(case: Case, run: Run, step: StepName, phase: PhaseFacts) -> str:
    """All that is known of it, as the end of a sentence; empty where that is nothing."""
    said = (load_in_words(run, step, phase), beside_others(case, run, step))
    return "".join(f"; {each}" for each in said if each)

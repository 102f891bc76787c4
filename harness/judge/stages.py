"""The stages of an entry in upstream's layout, each with a word: it gets as far as it can."""

from collections.abc import Mapping, Sequence

from harness.contest.entry import Driven, RestsOn, TakeOver, Whole
from harness.judge.case import Case
from harness.judge.only_reproduced import NOBODY_CHECKED, NOT_REPRODUCED, rests_on_in_words
from harness.judge.verdict import Stage, UpstreamResult
from harness.models import Finding

_OF_TRAINING = ("training", "train_wallclock", "artifact", "sealed", "bytes")
_OF_SCORING = ("scoring", "score_wallclock", "coverage", "causality", "memory")
_OF_REPRODUCTION = ("reproduction", "blind", "total_wallclock", "own_evaluation")
_NOT_REACHED = "not reached"


def upstream_result(case: Case, findings: Sequence[Finding]) -> UpstreamResult | None:
    """What a verdict says of an entry in upstream's layout; None for any other."""
    entry = case.plan.entry
    loader = entry.score.loader
    if entry.layout != "upstream" or not isinstance(loader, TakeOver | Driven | Whole):
        return None
    evaluation = None
    if isinstance(loader, TakeOver | Driven):
        evaluation = loader.evaluation if isinstance(loader, TakeOver) else loader.loop
    rests_on = loader.rests_on if isinstance(loader, TakeOver) else None
    return UpstreamResult(
        script=loader.script,
        evaluation=evaluation,
        asked=entry.asked,
        rests_on=rests_on,
        only_reproduced=entry.only_reproduced,
        scaled_down=case.plan.track.rehearsal,
        stages=stages_of(
            findings, asked=entry.asked, rests_on=rests_on, mean_bpb=case.statistics.mean_bpb
        ),
        bridge=(entry.bridge.text or "") if entry.bridge else "",
    )


def stages_of(
    findings: Sequence[Finding], *, asked: bool, rests_on: RestsOn | None, mean_bpb: float | None
) -> tuple[Stage, ...]:
    """The stages that follow from the answers of the rules.

    Args:
        findings: those answers.
        asked: whether its model can be asked.
        rests_on: what the claimed score needs besides the model; None where nothing.
        mean_bpb: what we scored.
    """
    told = {finding.id: finding for finding in findings}
    return (
        _stage("proven", told, ("bridge",)),
        _stage("trained blind", told, _OF_TRAINING),
        _scored(told, asked=asked, rests_on=rests_on, mean_bpb=mean_bpb),
        _reproduced(told, only_reproduced=not asked or rests_on is not None),
    )


def _stage(name: str, told: Mapping[str, Finding], rules: Sequence[str]) -> Stage:
    """A stage that is reached when all of some rules pass, of which the first says most."""
    found = [told[rule] for rule in rules if rule in told]
    failed = next((finding for finding in found if finding.status == "fail"), None)
    first = failed or next((finding for finding in found if finding.status == "unknown"), None)
    word, detail = "not reached", ""
    if failed is not None:
        word, detail = "no", f"{failed.id}: {failed.detail}"
    elif first is None and found:
        word, detail = "yes", found[0].detail
    elif first is not None and not first.detail.startswith(_NOT_REACHED):
        word, detail = "open", f"{first.id}: {first.detail}"
    return Stage.model_validate({"name": name, "word": word, "detail": detail[:2000]})


def _scored(
    told: Mapping[str, Finding], *, asked: bool, rests_on: RestsOn | None, mean_bpb: float | None
) -> Stage:
    if not asked:
        said = "nothing of it can be asked for logits: what it prints is all there is"
        return Stage(name="scored by us", word="not possible", detail=said)
    stage = _stage("scored by us", told, _OF_SCORING)
    if stage.word != "yes" or mean_bpb is None:
        return stage
    said = f"{mean_bpb:.4f} BPB"
    if rests_on is not None:
        said += f" for the network alone; the claim rests on {rests_on_in_words(rests_on)}"
    return stage.model_copy(update={"detail": said})


def _reproduced(told: Mapping[str, Finding], *, only_reproduced: bool) -> Stage:
    stage = _stage("reproduced", told, _OF_REPRODUCTION)
    if stage.word == "yes" and NOT_REPRODUCED in stage.detail:
        return stage.model_copy(update={"word": "no"})
    if stage.word != "yes" or not only_reproduced or NOBODY_CHECKED in stage.detail:
        return stage
    return stage.model_copy(update={"detail": f"{stage.detail}; {NOBODY_CHECKED}"})

"""Rules on the runs behind the claim: their seeds, settings and machine."""

import re
from collections.abc import Iterator

from harness.audit.claim_matching import seed_in_name
from harness.audit.findings import AuditCheck
from harness.audit.summary import Evidence, seeds_behind
from harness.audit.verdicts import at, check, counted, listed
from harness.safeio.text import plain
from harness.upstream.logs.lexing import SECONDS, number
from harness.upstream.logs.logged import LoggedRun

# Settings that may differ between equal runs: their seed, their names, where they ran.
_OWN_SETTINGS = re.compile(
    r"(?:\w{1,32}_)?seed|run_?id|run_?name|name|(?:\w{1,48}_)?(?:path|dir|dirs|file|files|root)"
    r"|log_?file|(?:local_)?rank|host(?:name)?|port|device|is_main_process|wandb\w{0,48}|date"
    r"|start|version|uuid|step|tokenizer|\w{0,48}(?:loss|bpb)"
    r"|(?:\w{1,48}_)?(?:time|elapsed|duration|memory|mem|pid|speed)(?:_\w{1,8})?"
)
# Under what a run was made, whatever the script calls it.
_CONDITIONS = frozenset(
    ("world_size", "grad_accum_steps", "train_shards", "model_params", "val_tokens")
)
_MOST_SETTINGS_SHOWN = 5
_LONGEST_SETTING = 24


def run_checks(evidence: Evidence) -> Iterator[AuditCheck]:
    """``seeds``, ``seed_labels``, ``seed_fingerprint``, ``configuration`` and ``hardware``."""
    yield _seeds(evidence)
    yield _seed_labels(evidence)
    yield _fingerprint(evidence)
    yield _configuration(evidence)
    yield _hardware(evidence)


def _seeds(evidence: Evidence) -> AuditCheck:
    wanted = evidence.track.significance.fewest_runs  # that a record can be made of
    seeds = sorted(seeds_behind(evidence))
    places = [at(run, "seed") for run in evidence.runs]
    if not seeds and any(run.seed is None for run in evidence.runs):
        return check("seeds", "unknown", "no log tells its seed", *places, limit=wanted)
    runs = len(evidence.runs)
    told = (
        f"{counted(len(seeds), 'distinct seed')} in {counted(runs, 'run')}: {listed(seeds)}"
        if seeds
        else "no run supports the claim"
    )
    return check(
        "seeds",
        "pass" if len(seeds) >= wanted else "fail",
        told,
        *places,
        measured=len(seeds),
        limit=wanted,
        unit="seeds",
    )


def _seed_labels(evidence: Evidence) -> AuditCheck:
    wrong = [
        (run, named)
        for run in evidence.gathered.runs
        if run.seed is not None
        and (named := seed_in_name(run.log)) is not None
        and named != run.seed
        and sum(other.log == run.log for other in evidence.gathered.runs) == 1
    ]
    if wrong:
        told = [f"{run.log} ran seed {run.seed}" for run, _ in wrong]
        return check("seed_labels", "fail", listed(told), *(at(run, "seed") for run, _ in wrong))
    told_runs = [run for run in evidence.gathered.runs if run.seed is not None]
    if not told_runs:
        return check("seed_labels", "unknown", "no log tells its seed")
    return check("seed_labels", "pass", "no file name speaks of another seed than its log")


def _fingerprint(evidence: Evidence) -> AuditCheck:
    runs = [run for run in evidence.gathered.runs if not run.copy_of and run.seed is not None]
    seen: dict[tuple[object, ...], LoggedRun] = {}
    compared = 0
    for run in runs:
        marks: list[tuple[object, ...]] = []
        if len(run.first_losses) >= 3 and not run.trained_in:
            marks.append(("losses", *run.first_losses))
        if run.val_decimals >= 6:
            marks.append(("score", run.val_bpb, run.val_loss))
        compared += bool(marks)
        for mark in marks:
            other = seen.setdefault(mark, run)
            if other.seed != run.seed:
                what = "first training losses" if mark[0] == "losses" else "score to the last digit"
                sentence = f"{other.log} (seed {other.seed}) and {run.log} (seed {run.seed}) have the same {what}"  # noqa: E501
                return check("seed_fingerprint", "fail", sentence, at(run, "val_bpb"),
                             at(other, "val_bpb"))  # fmt: skip
    if compared < 2:
        return check("seed_fingerprint", "unknown", "there are no two runs to compare")
    return check("seed_fingerprint", "pass", f"{compared} runs, different where seeds differ")


def _configuration(evidence: Evidence) -> AuditCheck:
    runs = [run for run in evidence.runs if len(run.hyperparameters) >= 3]
    if len(runs) < 2:
        return check("configuration", "unknown", "there are no two runs with settings to compare")
    apart = [key for key in _shared(runs) if _differ(runs, key)]
    counts = {run.world_size for run in runs if run.world_size is not None}
    settings, places = evidence.setting_names, [at(run, "seed") for run in runs]
    differing = ["world_size"] if len(counts) > 1 else []
    known = settings | _CONDITIONS
    differing += [key for key in apart if key in known or _is_shared(runs, key)]
    differing = list(dict.fromkeys(differing))
    if differing:
        shown = [_told(runs, key) for key in differing]
        sentence = f"settings differ between runs: {listed(shown, _MOST_SETTINGS_SHOWN)}"
        return check("configuration", "fail", sentence, *places)
    others = listed([_told(runs, key) for key in apart], _MOST_SETTINGS_SHOWN)
    read = [key for key in _shared(runs) if key in settings and not _OWN_SETTINGS.fullmatch(key)]
    if apart and not read:
        sentence = f"whether what differs between runs is a setting, no script here says: {others}"
        return check("configuration", "unknown", sentence, *places)
    note = f"; what differs is read as a setting by no script: {others}" if apart else ""
    return check("configuration", "pass", f"{len(runs)} runs with the same settings{note}")


def _shared(runs: list[LoggedRun]) -> list[str]:
    """The keys that every run prints before it begins."""
    first, *rest = (run.hyperparameters for run in runs)
    return [key for key in first if all(key in other for other in rest)]


def _differ(runs: list[LoggedRun], key: str) -> bool:
    """Whether a key that is no run's own business has another value in one of them."""
    values = [run.hyperparameters[key] for run in runs]
    return (
        key == key.lower()
        and not _OWN_SETTINGS.fullmatch(key)
        and len({_normal(value) for value in values}) > 1
        and not any(_is_clock(value) for value in values)
        and values != [str(run.seed) for run in runs]
    )


def _is_shared(runs: list[LoggedRun], key: str) -> bool:
    """Whether several runs have one value of a key that is no count.

    What is measured differs from run to run in its last digit; of counts, small ones do not.
    """
    values = [run.hyperparameters[key] for run in runs]
    figures = [number(value) for value in values]
    if any(figure is not None and figure.integer is not None for figure in figures):
        return False
    return 1 < len({_normal(value) for value in values}) < len(values)


def _told(runs: list[LoggedRun], key: str) -> str:
    return f"{key} ({' / '.join(dict.fromkeys(_setting(run, key) for run in runs))})"


def _setting(run: LoggedRun, key: str) -> str:
    return plain(run.hyperparameters.get(key, str(getattr(run, key, "-"))), _LONGEST_SETTING)


def _is_clock(value: str) -> bool:
    figure = number(value)
    return figure is not None and figure.unit.lower() in SECONDS


def _normal(value: str) -> str:
    figure = number(value)
    return f"{figure.value:g}{figure.unit}" if figure else value


def _hardware(evidence: Evidence) -> AuditCheck:
    wanted = evidence.track.hardware
    if not wanted.accelerators:
        return check("hardware", "pass", "this track runs anywhere")
    name = wanted.accelerator_name
    for run in evidence.runs:
        if run.gpu is not None and run.gpu != name:
            sentence = f"{run.log} ran on {run.gpu}"
            return check("hardware", "fail", sentence, at(run, "gpu"), measured=run.gpu, limit=name)
        if run.world_size is not None and run.world_size != wanted.accelerators:
            sentence = f"{run.log} ran on {run.world_size} accelerators"
            return check("hardware", "fail", sentence, at(run, "world_size"),
                         measured=run.world_size, limit=wanted.accelerators,
                         unit="accelerators")  # fmt: skip
    unnamed = [run.log for run in evidence.runs if run.gpu is None]
    if unnamed or not evidence.runs:
        what = f"no accelerator is named in {listed(unnamed)}" if unnamed else "there is no run"
        return check("hardware", "unknown", what, limit=name)
    places = [at(run, "gpu") for run in evidence.runs]
    counted = {run.world_size for run in evidence.runs}
    if counted == {None}:
        return check("hardware", "unknown", f"{name}, how many is not told", *places, limit=name)
    sentence = f"{wanted.accelerators} x {name} in every log"
    return check("hardware", "pass", sentence, *places, measured=name, limit=name)

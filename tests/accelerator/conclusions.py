"""What follows from the figures: ratios of rates, and what the official track should have.

Standard library and the harness's own formulas alone, so that it works where packages are missing.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness.statistics.probe_bounds import GAP_NOISE, questions_needed
from tests.accelerator.official import official_probes

TARGET_RATIO = 2.0
RUNS = 3
TOLERANCES = (0.00025, 0.0005, 0.001, 0.002)
MARGIN_NATS = 0.005

Steps = Sequence[dict[str, Any]]


def conclusions(steps: Steps) -> dict[str, Any]:
    """All that follows, as far as there are figures; ``of_accelerator``: whether of a GPU's."""
    gpus = [figures.get("gpus") for _, figures in of_module(steps, "found")]
    found: dict[str, Any] = {"of_accelerator": any(gpus), "ratios": _ratios(steps)}
    noise = measured_noise(steps)
    if noise:
        found["noise"] = noise
        found["probes"] = _probes(noise)
    rescore = _rescore(steps)
    if rescore:
        found["rescore"] = rescore
    return found


def of_module(steps: Steps, module: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Submission and figures of each step of a module."""
    for step in steps:
        if step["module"] == module:
            yield step["submission"], step["figures"]


def _ratios(steps: Steps) -> dict[str, Any]:
    """Rates of scoring against the recipe's own loop, on the same device in the same run."""
    bare = {name: figures.get("bare_targets_a_second") for name, figures in
            of_module(steps, "by_itself")}  # fmt: skip
    found = {}
    for name, figures in of_module(steps, "scoring"):
        own = bare.get(name)
        ways = {}
        for way in ("harness", "captured", "compiled"):
            rates = figures.get(way)
            if not own or not rates:
                continue
            ways[way] = rates["targets_a_second"] / own
            if rates.get("settled_targets_a_second"):
                ways[f"{way}, settled"] = rates["settled_targets_a_second"] / own
        if ways:
            best = max(ways.values())
            found[name] = {"ways": ways, "best": best, "met": best >= TARGET_RATIO}
    return found


def measured_noise(steps: Steps) -> dict[str, Any]:
    """The largest deviation of honest answers that was seen, and where."""
    deviations: dict[str, float] = {}
    windows: dict[str, float] = {}
    largest: dict[str, float] = {}
    for name, figures in of_module(steps, "scoring"):
        probes = figures.get("probes")
        if probes:
            deviations[f"{name}, asked again"] = probes["sd_of_all"]
            deviations[f"{name}, unchanged"] = probes["unchanged_sd"]
            largest[f"{name}, asked again"] = probes["largest"]
    for name, figures in of_module(steps, "by_itself"):
        for shape, changes in (figures.get("noise") or {}).items():
            deviations[f"{name}, {shape}"] = changes["sd"]
            windows[f"{name}, {shape}"] = changes["sd_of_windows"]
            largest[f"{name}, {shape}"] = changes["largest"]
        if figures.get("noise_of_all_likely_tokens"):
            largest[f"{name}, likely tokens"] = figures["noise_of_all_likely_tokens"]["largest"]
    if not deviations:
        return {}
    found: dict[str, Any] = {}
    for what, values in (("sd", deviations), ("sd_of_windows", windows), ("largest", largest)):
        if values:
            where = max(values, key=values.__getitem__)
            found[what] = {"nats": values[where], "where": where}
    return found


def _probes(noise: dict[str, Any]) -> dict[str, Any]:
    """Tolerance and number of probes for the measured noise, beside what the track has."""
    track = official_probes()
    bound, memory = track["bound"], track["memory"]
    sd = noise["sd"]["nats"]
    rows = [_needed(sd, tolerance, bound) for tolerance in TOLERANCES]
    today = _needed(bound["noise_sd_nats"], bound["tolerance_nats"], bound)
    fits = [row for row in rows if row["tolerance"] >= MARGIN_NATS / 10
            and row["questions"] <= 2 * today["questions"]]  # fmt: skip
    chosen = fits[0] if fits else rows[-1]
    found: dict[str, Any] = {
        "rows": rows,
        "today": today,
        "noise_assumed": bound["noise_sd_nats"],
        "noise_holds": sd <= bound["noise_sd_nats"],
        "chosen": chosen,
        "reason": _reason(sd, chosen, today, bound),
        "largest_allowed": track["largest_change_nats"],
        "largest_seen": noise["largest"]["nats"],
        "excess_variance": {
            "track": bound["excess_variance"],
            "noise": sd**2,
            "error_at_chosen": math.sqrt(2 / chosen["questions"]) * sd**2,
        },
    }
    if "sd_of_windows" in noise:
        of_windows = noise["sd_of_windows"]["nats"]
        found["memory"] = {
            "noise_assumed": memory["noise_sd_nats"],
            "noise": of_windows,
            "noise_holds": of_windows <= memory["noise_sd_nats"],
            **_needed(of_windows, memory["tolerance_nats"], memory, by_gap=False),
        }
    return found


def _needed(
    sd: float, tolerance: float, bound: dict[str, Any], *, by_gap: bool = True
) -> dict[str, Any]:
    questions = questions_needed(
        tolerance=tolerance, sd=sd * (GAP_NOISE if by_gap else 1.0), dearest=bound["dearest_nats"],
        runs=RUNS,
    )  # fmt: skip
    return {"sd": sd, "tolerance": tolerance, "questions": questions}


def _reason(sd: float, chosen: dict[str, Any], today: dict[str, Any], bound: dict[str, Any]) -> str:
    share = MARGIN_NATS / chosen["tolerance"]
    text = (
        f"Honest answers vary by {sd:.3g} nats at most (assumed: {bound['noise_sd_nats']:g}). An "
        f"honest model passes with 99 % where {chosen['questions']:,} targets are asked again in "
        f"each of {RUNS} runs and the tolerance is {chosen['tolerance']:g} nats, 1/{share:.0f} of "
        f"the margin; today's track asks {today['questions']:,}. "
    )
    if sd <= bound["noise_sd_nats"] / 10:
        return text + (
            "The noise is so small that what few dear targets may hide decides the number: a lower "
            "deviation in the track would not save questions."
        )
    if chosen["tolerance"] > bound["tolerance_nats"]:
        return text + "A lower tolerance would need more than twice as many questions as today."
    return text + "The tolerance is the lowest at which a look ahead is a tenth of the margin."


def _rescore(steps: Steps) -> dict[str, Any]:
    apart = {}
    for name, figures in of_module(steps, "rescoring"):
        for way in ("second", "smaller"):
            if f"{way}_apart_bpb" in figures:
                apart[f"{name}, {way}"] = figures[f"{way}_apart_bpb"]
    if not apart:
        return {}
    where = max(apart, key=apart.__getitem__)
    return {"apart_bpb": apart, "largest": apart[where], "where": where,
            "tolerance_bpb": rounded_up(10 * apart[where])}  # fmt: skip


def rounded_up(value: float) -> float:
    """The next of 1, 2 or 5 times a power of ten; at least 1e-9."""
    if value <= 1e-9:
        return 1e-9
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-12))

"""The report for people, from its content alone."""

from collections.abc import Iterable, Sequence
from typing import Any

from tests.accelerator.conclusions import TARGET_RATIO, of_module

_TRAINING = (
    ("on", "trained_on"), ("budget s", "budget_seconds"), ("wallclock s", "wallclock_seconds"),
    ("start-up s", "start_seconds"), ("compile s", "compile_seconds"), ("steps", "steps"),
    ("steps/s", "steps_a_second"), ("tokens/s", "tokens_a_second"), ("first loss", "first_loss"),
    ("last loss", "last_loss"), ("artifact bytes", "artifact_bytes"), ("code bytes", "code_bytes"),
)  # fmt: skip
_NO_STATEMENT = (
    "**Measured on a CPU in float32: the step works, and this says nothing of an accelerator.**"
)


def markdown(content: dict[str, Any]) -> str:
    """All sections for which there are figures; never fails for want of one."""
    steps = content["steps"]
    parts = [_head(content), _machine(steps), _steps(content), _could_not(content)]
    parts += [_training(steps), _scoring(content), _parts(steps), _noise(steps), _asked(steps)]
    parts += [_track(content["conclusions"]), _rescoring(content), _quantization(steps)]
    parts += [_plain(steps, module, title) for module, title in _PLAIN]
    return "\n\n".join(filter(None, parts)) + "\n"


_PLAIN = (
    ("hardware", "Calibration and telemetry"),
    ("workers", "Several workers at once"),
    ("ranks", "Several ranks"),
    ("channels", "What one process leaves in GPUs for the next, without a sandbox"),
    ("containers", "The real sandbox"),
    ("text", "Text"),
)


def shown(value: Any) -> str:
    """A figure as it is printed: short, one line, no bars that would end a cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return " ".join(shown(each) for each in value) or "none"
    return " ".join(str(value).split()).replace("|", "/")


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; empty where it has no rows."""
    lines = [f"| {' | '.join(shown(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *lines])


def _titled(title: str, *bodies: str) -> str:
    body = "\n\n".join(filter(None, bodies))
    return f"## {title}\n\n{body}" if body else ""


def _head(content: dict[str, Any]) -> str:
    head = content["head"]
    state = (
        "complete" if content["finished"] else f"cut off: {len(content['waiting'])} steps to come"
    )
    rows = [(name, value) for name, value in head.items()]
    return f"# Accelerator report ({state})\n\n" + table(("what", "value"), rows)


def _machine(steps: Sequence[dict[str, Any]]) -> str:
    rows = [row for _, figures in of_module(steps, "found") for row in figures.items()]
    return _titled("Machine", table(("what", "found"), rows))


def _steps(content: dict[str, Any]) -> str:
    rows = [
        (step["name"], step["state"], round(step["seconds"], 1), round(step["limit_seconds"]))
        for step in content["steps"]
    ]
    rows += [(name, "to come", "-", "-") for name in content["waiting"]]
    return _titled("Steps", table(("step", "state", "seconds", "limit"), rows))


def _could_not(content: dict[str, Any]) -> str:
    rows = [(lack["step"], lack["what"], lack["why"][-400:]) for lack in content["could_not"]]
    return _titled("What could not be tried, and why", table(("step", "what", "why"), rows))


def _training(steps: Sequence[dict[str, Any]]) -> str:
    rows = []
    for name, figures in of_module(steps, "training"):
        watched = figures.get("watched") or {}
        rows.append([name, *(figures.get(key) for _, key in _TRAINING),
                     watched.get("peak_memory_mib"), figures.get("ended")])  # fmt: skip
    heads = ["submission", *(head for head, _ in _TRAINING), "peak MiB", "ended"]
    note = "Losses, steps and compile time are what the submission's log says; the rest is ours."
    return _titled("Training", table(heads, rows), note if rows else "")


def _scoring(content: dict[str, Any]) -> str:
    bare = dict(of_module(content["steps"], "by_itself"))
    ratios = content["conclusions"].get("ratios", {})
    rows = []
    for name, figures in of_module(content["steps"], "scoring"):
        for way in ("harness", "captured", "compiled"):
            rates = figures.get(way)
            if rates:
                ways = ratios.get(name, {}).get("ways", {})
                rows.append((
                    name, way, rates["targets"], rates["targets_a_second"],
                    rates["settled_targets_a_second"],
                    bare.get(name, {}).get("bare_targets_a_second"), ways.get(way),
                    ways.get(f"{way}, settled"), rates["load_seconds"],
                ))  # fmt: skip
    heads = ("submission", "way", "targets", "targets/s", "settled", "bare loop", "ratio",
             "settled ratio", "load s")  # fmt: skip
    met = [f"{name}: best ratio {found['best']:.2f}, target {TARGET_RATIO:g} "
           f"{'met' if found['met'] else 'not met'}" for name, found in ratios.items()]  # fmt: skip
    return _titled("Scoring through the harness, against the recipe's own loop",
                   table(heads, rows), "; ".join(met))  # fmt: skip


def _parts(steps: Sequence[dict[str, Any]]) -> str:
    rows = []
    for name, figures in of_module(steps, "scoring"):
        for part, milliseconds in (figures.get("request_milliseconds") or {}).items():
            rows.append((name, part, milliseconds))
        if "request_milliseconds_observed" in figures:
            what = f"whole request, observed ({figures.get('request')})"
            rows.append((name, what, figures["request_milliseconds_observed"]))
        if "log_softmax_apart" in figures:
            rows.append((name, "log-softmax, device less CPU, nats", figures["log_softmax_apart"]))
    return _titled("Where the time of a request goes",
                   table(("submission", "part", "milliseconds"), rows))  # fmt: skip


def _noise(steps: Sequence[dict[str, Any]]) -> str:
    rows = [
        (name, shape, each["targets"], each["mean"], each["sd"], each["size_99"], each["size_999"],
         each["largest"], each["sd_of_windows"])
        for name, figures in of_module(steps, "by_itself")
        for shape, each in (figures.get("noise") or {}).items()
    ]  # fmt: skip
    heads = ("submission", "asked", "targets", "mean", "sd", "99 %", "99.9 %", "largest",
             "sd of windows")  # fmt: skip
    return _titled("Changes of honest answers between batch shapes, in nats", table(heads, rows))


def _asked(steps: Sequence[dict[str, Any]]) -> str:
    rows = []
    for module, what in (("scoring", "honest"), ("lookahead", "looks ahead")):
        for name, figures in of_module(steps, module):
            found = figures.get("probes")
            if found:
                rows.append((
                    name, what, found["questions"], found["mean"], found["sd"],
                             found["unchanged_sd"], found["largest"], found["lower_bound"],
                             found["upper_bound"], found["tolerance"], found["finding"],
                ))  # fmt: skip
    heads = ("submission", "model", "questions", "mean", "sd", "unchanged sd", "largest",
             "above", "below", "tolerance", "finding")  # fmt: skip
    gained = [f"{name} gained {figures['gained_nats']:.3g} nats a target by looking ahead"
              for name, figures in of_module(steps, "lookahead")
              if "gained_nats" in figures]  # fmt: skip
    return _titled("Asked again in a fresh worker, in nats", table(heads, rows), "; ".join(gained))


def _track(found: dict[str, Any]) -> str:
    probes = found.get("probes")
    if not probes:
        return ""
    rows = [(row["tolerance"], row["questions"], "chosen" if row == probes["chosen"] else "")
            for row in probes["rows"]]  # fmt: skip
    rows.append((probes["today"]["tolerance"], probes["today"]["questions"], "the track today"))
    lines = [probes["reason"]]
    if not found["of_accelerator"]:
        lines.insert(0, _NO_STATEMENT)
    lines.append(
        f"Largest change {probes['largest_seen']:.3g} nats, allowed {probes['largest_allowed']:g}."
    )
    memory = probes.get("memory")
    if memory:
        lines.append(
            f"Means of windows vary by {memory['noise']:.3g} nats (assumed: "
            f"{memory['noise_assumed']:g}); {memory['questions']:,} windows a run pass at "
            f"{memory['tolerance']:g}."
        )
    asked = table(("tolerance, nats", "questions a run", ""), rows)
    return _titled("What the official track should have", asked, "\n".join(lines))


def _rescoring(content: dict[str, Any]) -> str:
    found = content["conclusions"].get("rescore")
    if not found:
        return ""
    rows = [(name, f"{apart:.3e}") for name, apart in found["apart_bpb"].items()]
    if not content["conclusions"]["of_accelerator"]:
        return _titled("Scoring one artifact again",
                       table(("scored again", "apart, BPB"), rows), _NO_STATEMENT)  # fmt: skip
    line = (f"A tolerance of {found['tolerance_bpb']:g} BPB is ten times the largest, or more, "
            "rounded up to 1, 2 or 5.")  # fmt: skip
    return _titled("Scoring one artifact again",
                   table(("scored again", "apart, BPB"), rows), line)  # fmt: skip


def _quantization(steps: Sequence[dict[str, Any]]) -> str:
    rows = [
        (name, *(f"{figures[key]:.6f}" if key in figures else None
                 for key in ("checkpoint_bpb", "artifact_bpb", "quantization_costs_bpb")))
        for name, figures in of_module(steps, "by_itself")
    ]  # fmt: skip
    return _titled("Quantization", table(("submission", "before, BPB", "after, BPB", "cost"), rows))


def _plain(steps: Sequence[dict[str, Any]], module: str, title: str) -> str:
    rows = [
        (name or "-", what, value)
        for name, figures in of_module(steps, module)
        for what, value in figures.items()
    ]
    return _titled(title, table(("submission", "what", "figure"), rows))

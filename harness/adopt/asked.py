"""How a script's model is asked: at which call, for which windows, and by what its logits come."""

import ast
import re
from typing import Any, Literal

from harness.adopt.classes import Parts
from harness.contest.bridge import Evaluation, Logits, Windows
from harness.source_code.logits import Way, divisor_of
from harness.source_code.roles import Scoring
from harness.source_code.values import Function, Known, Thing, Value
from harness.source_code.windows import FoundWindows, chunk_of


def asked_tables(parts: Parts, why: dict[str, str], missing: list[str]) -> dict[str, Any]:
    """The tables evaluation, logits and windows; empty where one of them cannot be filled."""
    reading, asked, way = parts.reading, parts.asked, parts.way
    claimed, windows, artifact = parts.claimed, parts.windows, reading.artifact
    if asked is None or claimed is None or isinstance(way, str) or artifact is None:
        return {}
    if windows is None or windows.context is None or windows.stride is None:
        return {}
    reads = sum(place < asked.begins for place in artifact.read)
    reads = parts.switch.reads if parts.switch is not None else reads
    learns = parts.learned.kind
    evaluation = Evaluation(
        function=asked.name,
        model=parts.model_name,
        reads=max(min(reads, 20), 1),
        learns=learns,
        loop=claimed.name if learns != "nothing" else "",
        chunk=chunk_of(claimed) if learns in ("chunks", "documents") else None,
    )
    called = asked.frame.line
    why["evaluation.function"] = (
        f"{reading.place(called)} calls it, {reading.place(asked.line)} defines it"
    )
    if evaluation.chunk is not None:
        why["evaluation.chunk"] = f"{reading.place(claimed.line)}: tokens between its lessons"
    why["evaluation.model"] = f"{reading.place(asked.line)}: the parameter that is asked"
    why["evaluation.reads"] = f"{artifact.name} is read so often before"
    if learns != "nothing":
        why["evaluation.learns"] = f"{reading.place(parts.learned.line)}: {parts.learned.sentence}"
        why["evaluation.loop"] = (
            f"{reading.place(claimed.frame.line)} calls it; its score is the claim"
        )
    why.update(_why_windows(parts, windows))
    return {
        "evaluation": evaluation,
        "logits": _logits(parts, way, why, missing),
        "windows": Windows(
            context=windows.context,
            stride=min(windows.stride, windows.context),
            first=windows.first,
            tail=windows.tail,
        ),
    }


def _why_windows(parts: Parts, windows: FoundWindows) -> dict[str, str]:
    asked = parts.asked
    line = parts.reading.place(asked.line) if asked is not None else ""
    return {
        "windows.context": f"{line}: tokens of a window",
        "windows.stride": f"{line}: their distance",
        "windows.first": f"{line}: which targets of its first window count",
        "windows.tail": f"{line}: what becomes of the last targets",
    }


def _logits(parts: Parts, way: Way, why: dict[str, str], missing: list[str]) -> Logits:
    reading, asked = parts.reading, parts.asked
    handle = asked.frame.arguments.get(parts.model_name) if asked is not None else None
    direct = handle is not None and not isinstance(handle, Thing) and way.how == "method"
    casts = (
        {event.name.rpartition(".")[2] for event in asked.events if event.doing == "autocast"}
        if asked
        else set()
    )
    cast = "bfloat16" if casts & {"bfloat16", ""} else "float16" if "float16" in casts else "none"
    why["logits.how"] = (
        f"{reading.place(way.line)}: "
        + {
            "method": f"{way.method} gives logits",
            "loss": "forward gives a loss; logits are what enters its cross-entropy",
            "forward": "forward gives logits",
        }[way.how]
    )
    if way.how == "method":
        why["logits.method"] = f"{reading.place(way.line)}: takes tokens alone"
    if way.result is not None:
        why["logits.result"] = f"{reading.place(way.line)}: the result with the logits"
    why["logits.autocast"] = f"{asked.name} uses {cast}" if asked is not None else cast
    cap = _cap(parts) if way.raw else None
    if way.raw:
        why["logits.cap"] = "forward caps its logits, this method does not"
        if cap is None:
            missing.append("logits.cap: forward caps its logits, but the cap's value is not told")
    how: Literal["method", "loss", "forward"] = "forward" if direct else way.how
    return Logits(
        how=how,
        arguments=_arguments(parts, why),
        **_divided(parts, why),
        method=way.method if how == "method" else "",
        autocast=cast,
        cap=cap,
        result=way.result,
    )


def _arguments(parts: Parts, why: dict[str, str]) -> dict[str, bool | int | float | str | None]:
    """What the evaluation passes on by name to a forward that takes it, as far as it is known.

    Some ask for the cost of each token so (``reduction="none"``), others for a temperature.
    """
    asked, model = parts.asked, parts.model
    if asked is None or model is None or isinstance(parts.way, str) or parts.way.how == "method":
        return {}
    forward = model.kind.find("forward")
    if not isinstance(forward, Function):
        return {}
    spec = forward.node.args
    takes = {one.arg for one in (*spec.args, *spec.kwonlyargs)}
    found: dict[str, bool | int | float | str | None] = {}
    for name, value in _passed(parts, asked).items():
        given = value.value if isinstance(value, Known) and value.whole else None
        if name not in takes or not isinstance(given, bool | int | float | str):
            continue
        if name != "temperature":
            found[name] = given
        elif given != 1:
            found[name] = float(given)
    if found:
        why["logits.arguments"] = f"{parts.reading.place(asked.frame.line)} passes them on"
    return found


def _passed(parts: Parts, asked: Scoring) -> dict[str, Value]:
    """Constants and arguments of the evaluation that its last call of the model names."""
    calls = [
        event.node
        for event in asked.events
        if event.doing == "ask" and event.model is parts.model and event.name == "forward"
    ]
    last = calls[-1] if calls else None
    if not isinstance(last, ast.Call):
        return {}
    named = {word.arg: word.value for word in last.keywords if word.arg}
    values: dict[str, Value] = {}
    for name, node in named.items():
        if isinstance(node, ast.Constant) and node.value is not None:
            values[name] = Known(node.value)
        elif isinstance(node, ast.Name) and node.id in asked.frame.arguments:
            values[name] = asked.frame.arguments[node.id]
    return values


def _divided(parts: Parts, why: dict[str, str]) -> dict[str, Any]:
    """What the evaluation divides its logits by: a parameter, or an attribute of one."""
    found = divisor_of(parts.asked) if parts.asked is not None else None
    if found is None or (isinstance(found.value, Known) and found.value.value == 1):
        return {}
    said = f"{parts.reading.place(found.line)}: its logits are divided by {found.name}"
    why["logits.temperature"] = said
    return {"temperature": found.name, "divided_raw": True if found.raw else None}


def _cap(parts: Parts) -> float | None:
    for name in ("LOGIT_SOFTCAP", "SOFTCAP", "LOGIT_CAP"):
        text = parts.reading.env.get(name)
        if text is None and name in parts.reading.flow.read_settings:
            text = str(getattr(parts.reading.flow.read_settings[name][1], "value", ""))
        if text and re.fullmatch(r"\d{1,5}(?:\.\d{0,8})?", text) and float(text) > 0:
            return float(text)
    return None

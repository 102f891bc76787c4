"""What learns while a script scores, told by the order in which it learns and asks."""

import ast
import re
from dataclasses import dataclass
from typing import Literal

from harness.contest.bridge import Learning
from harness.source_code.events import Event
from harness.source_code.roles import Scoring
from harness.source_code.shapes import Shapes

_CACHE = re.compile(r"n_?gram|mixer|hedge|knn|backoff|bigram_cache|cachemix", re.IGNORECASE)
_TRAINED_PARTS = re.compile(r"hash|embed|logit|emb$", re.IGNORECASE)
_TILT = re.compile(r"tilt", re.IGNORECASE)
_PPM = re.compile(r"(?<![a-z])ppm", re.IGNORECASE)
_TWICE = re.compile(r"two_?pass|pass_?2|second_?pass|rescore", re.IGNORECASE)
_SLOT = re.compile(r"(?<![a-z])slot(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Learned:
    """What learns: its kind, a sentence, the line; ``driven`` where it learns after it scored."""

    kind: Learning
    sentence: str = ""
    line: int = 0
    driven: Literal["yes", "no"] = "yes"


def learning_in(scoring: Scoring, shapes: Shapes) -> Learned:
    """What learns in an evaluation, by what is live in it."""
    fixed = _without_gradient(scoring)
    if fixed is not None:
        return fixed
    backward = [event for event in scoring.events if event.doing == "backward"]
    if not backward:
        return Learned("nothing")
    first = backward[0]
    if "delta" in first.tags and "adapter" not in first.tags:
        said = f"{scoring.name} optimizes a delta on the window that it scores (SLOT)"
        return Learned("otherwise", said, first.line, "no")
    if _whole_first(scoring, first):
        said = f"{scoring.name} adapts on the whole validation text before it scores it"
        return Learned("otherwise", said, first.line, "no")
    node = scoring.frame.node
    names = {name.lower() for name in shapes.names(node)} if node is not None else set()
    documents = any("doc" in name for name in names)
    lora = "adapter" in first.tags or any("lora" in name for name in names)
    if documents and lora:
        said = f"{scoring.name} learns adapters for each document, from chunks that it has scored"
        return Learned("documents", said, first.line)
    said = f"{scoring.name} takes gradient steps on chunks of the text that it has scored"
    return Learned("chunks", said, first.line)


def _without_gradient(scoring: Scoring) -> Learned | None:
    """What needs no gradient: a cache, a second pass, a model of bytes."""
    calls = [e for e in scoring.events if e.doing in ("call", "enter") and e.name]
    for event in calls:
        if _PPM.search(event.name):
            said = "a byte-level PPM is mixed with the network: scores are of bytes, not tokens"
            return Learned("otherwise", said, event.line, "no")
    for event in calls:
        if _TWICE.search(event.name):
            said = f"{event.name} scores in two passes: the second one knows all tokens"
            return Learned("otherwise", said, event.line, "no")
    cache = next((event for event in calls if _is_cache(event)), None)
    for event in scoring.events:
        if event.doing == "mixed":
            whole = event.name == "all"
            what = "a distribution of another source" if whole else "the target's probability only"
            by = f" ({cache.name})" if cache is not None else ""
            said = f"{scoring.name} mixes {what} with the model's{by}: "
            said += "no distribution of the model alone gives the score"
            return Learned("cache", said, event.line, "no")
    if cache is not None:
        said = f"{cache.name}: a cache of the text takes part in the score"
        return Learned("cache", said, cache.line, "no")
    slot = next((event for event in calls if _SLOT.search(event.name)), None)
    if slot is not None and scoring.has("backward"):
        said = f"{slot.name} optimizes a delta on the window that it scores (SLOT)"
        return Learned("otherwise", said, slot.line, "no")
    return None


def _is_cache(event: Event) -> bool:
    plain = _CACHE.search(event.name) and not _TRAINED_PARTS.search(event.name)
    return bool(plain) and not _TILT.search(event.name)


def tilts(scoring: Scoring) -> Event | None:
    """Where hints of an n-gram tilt the logits of one token."""
    calls = (event for event in scoring.events if event.doing in ("call", "enter"))
    return next((event for event in calls if _TILT.search(event.name)), None)


def _whole_first(scoring: Scoring, backward: Event) -> bool:
    """Whether all of the text is learned in one loop, and scored in a later one."""
    outer = _outermost(scoring, backward)
    if outer is None:
        return False
    place = scoring.events.index(backward)
    asks = [(n, e) for n, e in enumerate(scoring.events) if e.doing == "ask" and "val" in e.tags]
    before = [event for n, event in asks if n < place and _outermost(scoring, event) is outer]
    later = [event for n, event in asks if n > place and _outermost(scoring, event) is not outer]
    earlier = [event for n, event in asks if n < place and _outermost(scoring, event) is not outer]
    return len(before) <= 1 and bool(later) and not earlier


def _outermost(scoring: Scoring, event: Event) -> ast.AST | None:
    number = scoring.frame.number
    frames = {frame.number for frame in event.frames[event.frames.index(scoring.frame) :]}
    inside = [loop.node for loop in event.loops if loop.frame.number in frames]
    return inside[0] if inside and number in frames else None

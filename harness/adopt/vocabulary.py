"""The tokens of a script: how many ids, and whether it wants the bytes of each beside them."""

import re

from harness.adopt.classes import Parts
from harness.adopt.reading import Reading
from harness.source_code.values import Kind, Known, Thing, Value

_BYTES = re.compile(r"(?:load|read)\w*(?:byte\w*side|side\w*byte|val\w*_bytes)", re.IGNORECASE)


def vocabulary_of(parts: Parts) -> int | None:
    """How many ids its tokens have, by its model, its settings, the log or a constant."""
    reading = parts.reading
    for thing, arguments, words, _ in reversed(reading.flow.built):
        if parts.model is not None and thing.kind is not parts.model.kind:
            continue
        for value in (words.get("vocab_size"), *_attributes(arguments, "vocab_size")):
            size = value.value if isinstance(value, Known) else None
            if isinstance(size, int) and 2 <= size <= 1 << 16:
                return size
    names = ("VOCAB_SIZE", "VOCAB")
    for name in names:
        text = reading.env.get(name)
        if text is None and name in reading.flow.read_settings:
            text = str(getattr(reading.flow.read_settings[name][1], "value", ""))
        if text and text.isdecimal() and 2 <= int(text[:9]) <= 1 << 16:
            return int(text)
    logged = reading.logged.get("vocab_size", "")
    if logged.isdecimal() and 2 <= int(logged[:9]) <= 1 << 16:
        return int(logged)
    for name in ("VOCAB_SIZE", "vocab_size"):
        main = reading.flow.files.get(reading.entry.script.name)
        value = main.names.get(name) if main is not None else None
        if (
            isinstance(value, Known)
            and isinstance(value.value, int)
            and 2 <= value.value <= 1 << 16
        ):
            return value.value
    return None


def _attributes(values: list[Value], name: str) -> list[Value]:
    return [found for one in values if isinstance(one, Thing | Kind) and (found := one.find(name))]


def why_setting(reading: Reading, name: str, value: int) -> str:
    """Where a setting of that name comes from."""
    if name.lower() in reading.logged:
        return reading.run.log
    if name in reading.env:
        return reading.run.command or "as it was run"
    if name in reading.flow.read_settings:
        return f"{reading.place(reading.flow.read_settings[name][0])}: default"
    return "default"


def wants_bytes(reading: Reading) -> bool:
    """Whether it looks for the side file with the bytes of each validation token."""
    return any(
        event.doing in ("call", "enter") and _BYTES.search(event.name)
        for event in reading.flow.events
    ) or any("val_bytes" in name for name in reading.roles.files)

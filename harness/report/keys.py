"""Pages of the docs about every key of a stored file, made of the models and their docstrings.

What a docstring does not say of a key stands in ``keys.toml`` beside this module.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from harness.package import PACKAGE
from harness.safeio.parsing import parse_toml

_BOUNDS = {
    "exclusiveMinimum": "> {}",
    "minimum": "≥ {}",
    "exclusiveMaximum": "< {}",
    "maximum": "≤ {}",
}
_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
_ROLE = re.compile(r":(?:mod|class|attr|func):`~?([^`]+)`")


class Key(NamedTuple):
    """One key of a model: ``what`` is empty where the docstring says it, None where nobody does."""

    name: str
    value: str
    default: str
    what: str | None


class Model(NamedTuple):
    """A model as it is documented; ``source`` is its module and name, short of the package."""

    source: str
    anchor: str
    about: str
    keys: tuple[Key, ...]

    @property
    def name(self) -> str:
        """The name of its class."""
        return self.source.rpartition(".")[2]


@functools.cache
def _words() -> Mapping[str, Mapping[str, str]]:
    return parse_toml((PACKAGE / "report" / "keys.toml").read_bytes())


def models_of(root: type[BaseModel]) -> tuple[Model, ...]:
    """A model and all those that its keys hold, each once, the root first."""
    found: dict[str, type[BaseModel]] = {}
    _collect(root, found)
    return tuple(_model(source, kind) for source, kind in found.items())


def _collect(kind: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    source = source_of(kind)
    if source in found:
        return
    found[source] = kind
    for field in kind.model_fields.values():
        for inner in _models_in(field.annotation):
            _collect(inner, found)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    from typing import get_args

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def source_of(kind: type[BaseModel]) -> str:
    """``room.module.Name`` of a model."""
    return f"{kind.__module__.removeprefix('harness.')}.{kind.__name__}"


def _model(source: str, kind: type[BaseModel]) -> Model:
    from inspect import cleandoc

    about = cleandoc(kind.__doc__ or "")
    schema = kind.model_json_schema(mode="serialization", ref_template="{model}")
    schema = schema if "properties" in schema else schema["$defs"][kind.__name__]
    keys = []
    for name, field in kind.model_fields.items():
        spec = schema["properties"][name]
        held = list(_models_in(field.annotation))
        told = f"``{name}``" in about or bool(held)
        default = (
            ""
            if field.is_required()
            else _default(field.get_default(call_default_factory=True), bool(held))
        )
        words = _words()
        own = words.get(source, words.get(kind.__name__, {})).get(name)
        what = own or ("" if told else words["any"].get(name))
        keys.append(Key(name, _value(spec, held), default, what))
    return Model(source, source.replace(".", "-").lower(), _markdown(about), tuple(keys))


def _default(value: Any, holds: bool) -> str:
    if holds or value in (None, "", (), {}) or isinstance(value, BaseModel):
        return "may be left out"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _value(spec: Mapping[str, Any], held: Sequence[type[BaseModel]]) -> str:
    if held:
        links = " or ".join(f"[{kind.__name__}](#{_anchor(kind)})" for kind in held)
        return f"list of {links}" if _is_list(spec) else links
    return _plain(spec)


def _anchor(kind: type[BaseModel]) -> str:
    return source_of(kind).replace(".", "-").lower()


def _is_list(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "array" or any(_is_list(one) for one in spec.get("anyOf", ()))


def _plain(spec: Mapping[str, Any]) -> str:
    """A JSON schema's kind of value, in words."""
    if "anyOf" in spec:
        parts = [_plain(one) for one in spec["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    if "const" in spec:
        return f"`{spec['const']}`"
    if "enum" in spec:
        return ", ".join(f"`{one}`" for one in spec["enum"])
    if spec.get("type") == "array":
        items = spec.get("items") or {}
        return f"list of {_plain(items)}" if items else "list"
    if spec.get("type") == "object":
        inner = spec.get("additionalProperties")
        return f"table of {_plain(inner)}" if isinstance(inner, dict) and inner else "table"
    bounds = [form.format(f"{spec[name]:,}") for name, form in _BOUNDS.items() if name in spec]
    return " ".join((_TYPES.get(spec.get("type", ""), "any value"), ", ".join(bounds))).strip()


def _markdown(docstring: str) -> str:
    """A docstring in Markdown: its literals and its references as code."""
    return _ROLE.sub(r"`\1`", docstring).replace("``", "`")


def undocumented(models: Sequence[Model]) -> list[str]:
    """Keys of which neither a docstring nor the table says what they are."""
    keys = ((model, key) for model in models for key in model.keys)
    return [f"{model.source}.{key.name}" for model, key in keys if key.what is None]


def unused(models: Sequence[Model]) -> list[str]:
    """Lines of the table that belong to no key of these models."""
    keys = [(model, key.name) for model in models for key in model.keys]
    used = {(name, key) for model, key in keys for name in (model.source, model.name)}
    common = {key for _, key in keys}
    return [
        f"[{table}] {key}"
        for table, words in _words().items()
        for key in words
        if (key not in common if table == "any" else (table, key) not in used)
    ]


def section_text(model: Model, *, title: str = "", level: int = 3) -> str:
    """A section: what the docstring says, then a table of the keys."""
    rows = ["| key | value | default | what |", "|---|---|---|---|"]
    for key in model.keys:
        value = key.value.replace("|", "\\|")
        rows.append(f"| `{key.name}` | {value} | {key.default} | {key.what or ''} |")
    head = f'<a id="{model.anchor}"></a>\n\n{"#" * level} {title or model.name}'
    return "\n\n".join((head, model.about, "\n".join(rows))) + "\n"


def titles_of(root: type[BaseModel]) -> dict[str, str]:
    """How each model is written in TOML: its table, such as ``[probes.bound]``, by its source."""
    titles = {source_of(root): "above all tables"}

    def visit(kind: type[BaseModel], path: str) -> None:
        for name, field in kind.model_fields.items():
            for inner in _models_in(field.annotation):
                here = f"{path}.{name}" if path else name
                titles.setdefault(source_of(inner), f"`[{here}]`")
                visit(inner, here)

    visit(root, "")
    return titles

"""How a script is started: its files, its command, and the environment of its run."""

import re

from harness.adopt.classes import Parts
from harness.adopt.reading import Reading
from harness.adopt.rehearsal import differing
from harness.contest.bridge import CONTRACT, Launch
from harness.upstream.folder import RecordFolder

_PLAIN_ENV = re.compile(r"[^\0]{0,400}")
DATA = ("DATA_PATH", "DATA_DIR")
CLOCK = "MAX_WALLCLOCK_SECONDS"
"""Set by the referee too: the budget, less what start-up took."""


def launch_of(folder: RecordFolder, parts: Parts, why: dict[str, str]) -> Launch:
    """The table of a bridge that starts its script; ``why`` gets a reason for each key."""
    reading, entry = parts.reading, parts.reading.entry
    command = entry.command
    env = _env_as_run(reading, why)
    own = sorted(
        {
            name
            for module in reading.flow.modules
            for name in (
                f"{module.replace('.', '/')}.py",
                f"{module.replace('.', '/')}/__init__.py",
            )
            if name in folder.files
        }
        | ({entry.script.beside} if entry.script.beside else set())
        | {name for name in reading.roles.files if _read_beside(folder, reading, name)}
    )
    for name in own:
        why[f"launch.imports.{name}"] = "the script reads it"
    names = reading.flow.read_settings
    data = [name for name in DATA if name in names]
    why["launch.script"] = entry.why
    why["launch.how"] = (
        f"{command.file}:{command.line}" if command is not None else "as upstream starts them"
    )
    why["launch.data"] = (
        ", ".join(f"{reading.place(names[name][0])} reads {name}" for name in data) or "default"
    )
    python = command is not None and not command.torchrun
    arguments = tuple(word for word in command.arguments if "\0" not in word) if command else ()
    return Launch(
        script=entry.script.name,
        imports=tuple(own),
        how="python" if python else "torchrun",
        arguments=arguments,
        env=env,
        data="both" if len(data) != 1 else ("DATA_PATH" if data[0] == "DATA_PATH" else "DATA_DIR"),
    )


def _read_beside(folder: RecordFolder, reading: Reading, name: str) -> bool:
    file = reading.roles.files[name]
    there = folder.files.get(name)
    return bool(file.read and not file.written and there and there.here) and (
        name != reading.entry.script.name
    )


def _env_as_run(reading: Reading, why: dict[str, str]) -> dict[str, str]:
    """The environment of the run, as far as it differs from the script's defaults."""
    run = reading.run
    env = {name: value for name, value in reading.env.items() if _PLAIN_ENV.fullmatch(value)}
    sources = {name: run.command for name in env}
    for name, value in reading.flow.told.items():
        if name not in reading.env:
            env[name], sources[name] = value, run.log
    for note in reading.notes:
        for name in env:
            if re.search(rf"\b{re.escape(name)}\b", note):
                sources[name] = note
    kept = {
        name: value
        for name, value in sorted(differing(env, reading).items())
        if name not in (*CONTRACT, CLOCK)
        and name.isascii()
        and name.isidentifier()
        and "/" not in value
    }
    for name in kept:
        why[f"launch.env.{name}"] = sources.get(name) or "as it was run"
    return kept

"""The table of a bridge that makes its script small, with the windows that come of that."""

from harness.adopt.classes import Parts
from harness.adopt.reading import read_once
from harness.adopt.rehearsal import (
    package_lines,
    packages_of,
    program_lines,
    programs_of,
    small_env,
)
from harness.contest.bridge import CONTRACT, Rehearsal, Windows
from harness.source_code.windows import chunk_of, windows_of


def rehearsal_of(
    parts: Parts, as_run: dict[str, str], why: dict[str, str], *, asked: bool
) -> Rehearsal:
    """Settings, windows, packages and programs; ``asked`` where its model can be asked."""
    reading = parts.reading
    env = small_env(reading)
    for name in env:
        why[f"rehearsal.env.{name}"] = (
            f"{reading.place(reading.flow.read_settings[name][0])}: scaled down"
        )
    for key, lines in (("packages", package_lines(reading)), ("programs", program_lines(reading))):
        if lines:
            why[f"rehearsal.{key}"] = ", ".join(reading.place(line) for line in lines)
    if reading.entry.script.newer:
        why["rehearsal.python"] = "f-strings or types in a grammar that Python 3.11 refuses"
    windows = chunk = None
    if asked and parts.asked is not None:
        small = read_once(
            reading.source, reading.run, env={**reading.env, **as_run, **env}, logged={}
        )
        found = [s for s in small.scorings if s.name == parts.asked.name]
        if found:
            seen = windows_of(found[-1])
            if seen.context is not None and seen.stride is not None:
                windows = Windows(
                    context=seen.context, stride=min(seen.stride, seen.context),
                    first=seen.first, tail=seen.tail,
                )  # fmt: skip
                why["rehearsal.windows"] = "the same, with the settings scaled down"
        if parts.claimed is not None and parts.learned.kind == "chunks":
            loops = [s for s in small.scorings if s.name == parts.claimed.name]
            chunk = chunk_of(loops[-1]) if loops else None
            if chunk is not None:
                why["rehearsal.chunk"] = "the same, with the settings scaled down"
    return Rehearsal(
        env={name: value for name, value in env.items() if name not in CONTRACT},
        windows=windows,
        chunk=chunk,
        python="3.12" if reading.entry.script.newer else "3.11",
        packages=tuple(sorted(packages_of(reading))),
        programs=tuple(sorted(programs_of(reading))),
    )

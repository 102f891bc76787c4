"""The page of docs about the commands, made of the parser: ``python -m harness.cli.reference``."""

import argparse
from collections.abc import Iterator

from harness.cli.main import parser
from harness.package import REPOSITORY
from harness.safeio.files import write_atomically

PAGE = REPOSITORY / "docs" / "commands.md"
_HEAD = """\
# Commands

Every command and option, made from the parser by `make docs`. `harness COMMAND --help` says the
same.

Exit codes, of `verify` and of whatever judges: 0 verified or rehearsed, 1 rejected, 2 wrong usage
or malformed input, 3 inconclusive, 4 reproduced, 130 interrupted ([verdicts](verdicts.md)).
Commands that only read or look exit with 0 where nothing fails, 1 where something of the entry
does, 3 where something of ours does.

| command | what |
|---|---|
"""


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command that can be given, by its words, such as ``data fetch``, in order."""
    return dict(_commands_of(parser(), ""))


def _commands_of(
    one: argparse.ArgumentParser, path: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    kinds = [a for a in one._actions if isinstance(a, argparse._SubParsersAction)]
    if path and not kinds:
        yield path, one
    for kind in kinds:
        for name, each in kind.choices.items():
            yield from _commands_of(each, f"{path} {name}".strip())


def commands_text() -> str:
    """The page: a list of the commands, then a table of each one's arguments."""
    found = commands()
    rows = [
        f"| [`harness {name}`](#{_anchor(name)}) | {_cell(one.description or '')} |"
        for name, one in found.items()
    ]
    sections = [_section(name, one) for name, one in found.items()]
    return _HEAD + "\n".join(rows) + "\n" + "".join(sections)


def _anchor(name: str) -> str:
    return f"harness-{name}".replace(" ", "-")


def _section(name: str, one: argparse.ArgumentParser) -> str:
    rows = [
        f"| {_given(action)} | {_cell(_said(action, one))} |"
        for action in one._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    table = "\n".join(("| argument | what |", "|---|---|", *rows)) + "\n" if rows else ""
    after = f"\n{_after(one.epilog)}\n" if one.epilog else ""
    return f"\n## `harness {name}`\n\n{one.description}\n\n{table}{after}".replace("\n\n\n", "\n\n")


def _after(epilog: str) -> str:
    """What follows: lines of commands as they are, a sentence as one."""
    if "\n" in epilog:
        return "\n".join(f"    {line}" for line in epilog.splitlines())
    return f"{epilog[0].upper()}{epilog[1:]}."


def _given(action: argparse.Action) -> str:
    """How an argument is written: its names, and what follows."""
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    if action.nargs == 0:
        return names
    value = "\\|".join(map(str, action.choices)) if action.choices else action.metavar
    value = str(value or action.dest.upper()).replace("|", "\\|").replace("\\\\|", "\\|")
    value += "..." if action.nargs in ("+", "*") else ""
    value = f"[{value}]" if action.nargs == "?" else value
    return f"{names} `{value}`" if names else f"`{value}`"


def _said(action: argparse.Action, one: argparse.ArgumentParser) -> str:
    wanted = "; must be given" if action.option_strings and action.required else ""
    said = one._get_formatter()._expand_help(action) if action.help else ""
    return said + wanted


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page."""
    write_atomically(PAGE, commands_text().encode())


if __name__ == "__main__":
    main()

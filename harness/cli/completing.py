"""A script that completes the command in a shell.

The script is made from the parser once, by shtab, and holds every command and option: completing
starts no Python. (argcomplete asks the program at each press of the key, which takes this one half
a second.)
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path, PurePath

from harness.cli.options import command
from harness.safeio.output import tell

SHELLS = ("bash", "zsh", "fish")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    completion = command(
        commands, "completion", _completion, "print what completes this command in a shell"
    )
    completion.add_argument("shell", choices=SHELLS, help="which shell")
    completion.formatter_class = argparse.RawDescriptionHelpFormatter
    completion.epilog = (
        "bash: harness completion bash > ~/.local/share/bash-completion/completions/harness\n"
        "zsh:  harness completion zsh > DIR/_harness, where DIR is in $fpath before compinit;\n"
        '      or, after it: eval "$(harness completion zsh)". To source it does not work.\n'
        "fish: harness completion fish > ~/.config/fish/completions/harness.fish"
    )


def _completion(options: argparse.Namespace) -> int:
    import shtab

    from harness.cli.main import parser

    whole = parser()
    for action in _actions(whole):
        if action.type in (Path, PurePath) or action.metavar == "PATH":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    tell(shtab.complete(whole, options.shell).rstrip("\n"))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser and of all below it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)

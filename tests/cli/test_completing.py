"""``harness completion SHELL``: a script that the shell understands and that knows all commands."""

import shutil
import subprocess

import pytest

from harness.cli.completing import SHELLS
from harness.cli.main import parser
from tests.factories.playground import harness

pytest.importorskip("shtab")
_ASK = """
COMP_WORDS=(harness %s) COMP_CWORD=%d
_completion_function="$(complete -p harness | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
"$_completion_function" harness "${COMP_WORDS[COMP_CWORD]}" "" 2>/dev/null
printf '%%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_names_every_command_and_is_the_shells(shell: str) -> None:
    script = harness("completion", shell).out
    (commands,) = [action.choices for action in parser()._actions if action.choices]
    for name in commands or ():
        assert name in script
    assert "--sandbox" in script or "-l sandbox" in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, text=True, check=False)
        assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lead"], {"leaderboard"}),
        (["leaderboard", "acc"], {"accept"}),
        (["verify", "--sand"], {"--sandbox"}),
        (["verify", "--sandbox", "pro"], {"process"}),
    ],
)
def test_bash_completes(words: list[str], expected: set[str]) -> None:
    script = harness("completion", "bash").out + _ASK % (" ".join(words), len(words))
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=False)
    assert {line.strip() for line in done.stdout.splitlines()} == expected, done.stderr


def test_another_shell_is_wrong_usage() -> None:
    told = harness("completion", "cmd")
    assert told.code == 2 and "bash" in told.err

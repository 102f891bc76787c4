"""Programs in the grammar of Python 3.12, whatever Python runs them."""

from collections.abc import Callable
from pathlib import Path

from tests.inside.upstream.conftest import launch

Lines = Callable[..., list[str]]
NEWER = """d = {"k": 2}
text = f"{d["k"]}"
"""


def test_executed_text_with_quotes_within_quotes_runs(lines_of: Lines) -> None:
    script = (
        "import lzma\n"
        f"packed = lzma.compress({NEWER.encode()!r})\n"
        "exec(lzma.decompress(packed))\n"
        "print(text, d)\n"
        'def within():\n    local = 5\n    exec(\'print(f"{d["k"]} {local}")\')\n'
        "within()\n"
        "exec(compile('print(f\"{d[\"k\"]}\")', 'name', 'exec'))\n"
        "scope = {}\nexec('a = 1', scope)\nprint(scope['a'])\n"
    )
    assert lines_of(script) == ["2 {'k': 2}", "2 5", "2", "1"]


def test_a_whole_file_and_what_it_imports_run(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "other.py").write_text(NEWER)
    (tmp_path / "code" / "train_gpt.py").write_text(
        NEWER + "import sys, other\nprint(text + other.text, sys.argv, __name__, __file__)\n"
        "raise SystemExit(3)\n"
    )
    ended = launch(tmp_path / "code", tmp_path / "work", "python", "-u", "train_gpt.py", "--all")
    file = tmp_path / "work" / "train_gpt.py"
    assert ended.stdout == f"22 ['train_gpt.py', '--all'] __main__ {file}\n"
    assert ended.returncode == 3


def test_lines_of_errors_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train_gpt.py").write_text(NEWER + "\n\nraise ValueError(text)\n")
    ended = launch(tmp_path / "code", tmp_path / "work", "python", "train_gpt.py")
    assert 'train_gpt.py", line 5' in ended.stdout
    assert ended.stdout.endswith("ValueError: 2\n")


def test_what_is_wrong_in_every_grammar_stays_wrong(lines_of: Lines) -> None:
    script = (
        "for wrong in ('f\"{\"', 'def', 'x = = 1'):\n"
        "    try:\n        exec(wrong)\n    except SyntaxError:\n        print('refused')\n"
    )
    assert lines_of(script) == ["refused"] * 3


def test_what_code_inherits_is_its_own(lines_of: Lines) -> None:
    """The stand-in for ``exec`` is a module of its own, with other ``__future__`` imports."""
    script = (
        "exec('def f(x: int): pass')\nprint(f.__annotations__)\n"
        "exec('from __future__ import annotations\\ndef f(x: int): pass')\n"
        "print(f.__annotations__)\n"
    )
    assert lines_of(script) == ["{'x': <class 'int'>}", "{'x': 'int'}"]

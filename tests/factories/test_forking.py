"""A forked interpreter does what a fresh one does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.usefixtures("forked"),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked"),
]
LOADED = "import sys; print('torch' in sys.modules)"
UTF_8 = {"LC_ALL": "C.UTF-8"}


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command, options = [sys.executable, *words], {"env": UTF_8, **options}
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("way", ["forked", "fresh"])
@pytest.mark.parametrize(
    ("code", "expected", "last"),
    [
        ("print('done')", 0, "done"),
        ("raise ValueError(3)", 1, "ValueError: 3"),
        ("def f():\n  raise ValueError\nf()", 1, "ValueError"),
        ("syntax error", 1, "SyntaxError: invalid syntax"),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(300)", 300 % 256, ""),
        ("raise SystemExit('because')", 1, "because"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
        ("import os; os._exit(7)", 7, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import atexit; atexit.register(print, 'at last')", 0, "at last"),
        ("import threading; threading.Timer(0.1, print, ['later']).start()", 0, "later"),
        ("import sys; f = open('left open', 'w'); f.write('x')", 0, ""),
        ("import os; os.close(1); os.close(2)", 0, ""),
        ("import os; print(os.getppid(), os.getsid(0) == os.getpid())", 0, "PARENT True"),
        ("import sys; print(sys.argv, sys.path[0])", 0, "['main.py', 'a b'] "),
        ("import os; print(oct(os.umask(0)), dict(os.environ))", 0, "0o77 {'LC_ALL': 'C.UTF-8'}"),
        ("print(open('/proc/self/environ').read().strip(chr(0)))", 0, "LC_ALL=C.UTF-8"),
        ("print(__name__, sorted(globals()))", 0, "__main__"),
        ("import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))", 0, "A'>"),
        ("print(input() + input())", 1, "EOFError: EOF when reading a line"),
    ],
)
def test_it_ends_and_says_what_a_fresh_one_does(
    request: pytest.FixtureRequest, tmp_path: Path, way: str, code: str, expected: int, last: str
) -> None:
    if way == "fresh":
        request.getfixturevalue("fresh")
    (tmp_path / "main.py").write_text(code)
    before = os.umask(0o077)
    try:
        done = run(
            *("main.py", "a b"),
            cwd=tmp_path,
            input="one line\n",
            start_new_session=True,
        )
    finally:
        os.umask(before)
    assert done.returncode == expected, done.stderr
    said = (done.stdout + done.stderr).strip().splitlines()
    assert last.replace("PARENT", str(os.getpid())) in (said[-1] if said else "")
    assert "fork_server" not in done.stderr
    if "left open" in code:
        assert (tmp_path / "left open").read_text() == "x"


def test_what_a_fork_cannot_do_is_done_in_the_real_way(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(LOADED)
    assert run("main.py", cwd=tmp_path).stdout == "True\n"
    assert run("-P", "main.py", cwd=tmp_path).stdout == "False\n"
    assert run("main.py", cwd=tmp_path, env={"PYTHONHASHSEED": "1"}).stdout == "False\n"
    # Of a module that is loaded already, the submission's own would go unseen.
    (tmp_path / "numpy.py").touch()
    assert run("main.py", cwd=tmp_path).stdout == "False\n"


def test_two_draw_different_random_numbers() -> None:
    code = "import random, numpy; print(random.random(), numpy.random.rand())"
    one, other = (run("-c", code).stdout.split() for _ in range(2))
    assert not set(one) & set(other)


def test_threads_are_those_that_the_environment_names() -> None:
    code = (
        "import torch; print(torch.get_num_threads(), torch.ones(99, 99).mm(torch.eye(99)).sum())"
    )
    assert run("-c", code, env={**UTF_8, "OMP_NUM_THREADS": "2"}).stdout == "2 tensor(9801.)\n"

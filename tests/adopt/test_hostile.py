"""Bad input: a clear sentence with a place, within bounds, and never a traceback."""

import base64
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.adopt.find_bridge import adopt
from harness.source_code.grammar import BrokenSourceError, parse, readable_by_311
from tests.adopt.scripts import record, script
from tests.source_code.wrappers import packed


def _opaque() -> str:
    blob = base64.b64encode(zlib.compress(b"import torch\n" * 900)).decode()
    return (
        f"import base64,zlib,sys\nexec(zlib.decompress(base64.b64decode({blob!r} + sys.argv[1])))\n"
        + "#" * 2000
    )


@pytest.mark.parametrize(
    ("text", "reason", "said"),
    [
        ("", "empty", "train_gpt.py: empty"),
        ("This is how it works: you train it,\nand then it is good.\n", "not-python", "train_gpt.py:1"),
        ("import torch\ndef broken(:\n    pass\n", "not-python", "train_gpt.py:2"),
        ("x = 'abc\n", "not-python", "train_gpt.py:1"),
        ('f"{"\n', "not-python", "train_gpt.py"),
        (b"\xff\xfe\x00junk", "not-python", "train_gpt.py"),
        ("import mlx.core as mx\n", "mlx", "MLX"),
        ("import subprocess\nsubprocess.run(['ls'])\n", "no-torch", "without torch"),
        (_opaque(), "hidden", "only running would tell"),
        ("(" * 100_000, "not-python", "train_gpt.py"),
        ("x = " + "-" * 100_000 + "1\n", "not-python", "train_gpt.py"),
        ("x" + ".a" * 100_000 + "\n", "not-python", "train_gpt.py"),
        ("x = 1\n" * 2_000_000, "too-large", "more than"),
    ],
)  # fmt: skip
def test_what_is_no_script(tmp_path: Path, text: str | bytes, reason: str, said: str) -> None:
    began = time.process_time()
    found = adopt(record(tmp_path, train_gpt__py=text))
    assert (found.adoption, found.reason) == ("none", reason), found.reasons
    assert said in found.reasons[0], found.reasons
    assert found.bridge is None
    assert time.process_time() - began < 30


def test_folders_without_a_script(tmp_path: Path) -> None:
    found = adopt(record(tmp_path, README__md="# Notes\n"))
    assert (found.adoption, found.reason) == ("none", "no-script")
    listed = '{"train_gpt.py": {"bytes": 4, "sha256": "00"}}'
    found = adopt(record(tmp_path / "listed", MANIFEST__json=listed))
    assert (found.adoption, found.reason) == ("none", "not-here")


def test_a_readable_copy_stands_for_a_script_that_hides(tmp_path: Path) -> None:
    found = adopt(record(tmp_path, train_gpt__py=_opaque(), train_gpt_human__py=script()))
    assert (found.adoption, found.script) == ("full", "train_gpt_human.py")
    assert any("only running would tell" in said for said in found.warnings)


@pytest.mark.parametrize("how", ["lzma", "raw", "zlib", "nested"])
def test_a_packed_script_is_read_unpacked(tmp_path: Path, how: str) -> None:
    found = adopt(record(tmp_path, train_gpt__py=packed(script(), how)))
    assert found.adoption == "full", found.reasons
    assert found.bridge is not None and "unpacked, line" in found.bridge.why["artifact.file"]


def test_two_machines_networks_and_packages_at_run_time_are_said(tmp_path: Path) -> None:
    text = script().replace(
        "def main():\n",
        "from huggingface_hub import snapshot_download\n"
        "def main():\n    import subprocess\n    subprocess.run(['pip', 'install', 'zstandard'])\n"
        "    snapshot_download('x/y')\n",
    )
    readme = "```\ntorchrun --nnodes=2 --nproc_per_node=8 train_gpt.py\n```\n"
    found = adopt(record(tmp_path, train_gpt__py=text, README__md=readme))
    said = " ".join(found.warnings)
    assert "2 machines" in said and "installs packages" in said and "network" in said


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        "import torch\n" + "".join(f"def f{i}():\n    return f{i + 1}() + f{i + 1}()\n" for i in range(400))
        + "def f400(): open('x')\nf0()\n",
        "import torch\n" + "if x:\n    y = open('a')\n" * 20_000,
        "import torch\ndef f(n):\n    open('x')\n    return f(n) + f(n)\nf(1)\n",
        "import torch\n" + "x = [" + "1," * 100_000 + "]\nopen(str(x))\n",
        "import torch\nx = 'a' * 10**9\ny = x * 10**9\nopen(y, 'wb')\n",
        "import torch\nx = 10 ** 10 ** 10\nopen(str(x << 10 ** 9))\n",
        "import torch\n" + "while True:\n " + "for i in range(9):\n  open('x')\n" * 2000,
        "import torch\n" + "x = f'{" * 11 + "1" + "}'" * 11 + "\n",
    ],
)  # fmt: skip
def test_a_script_that_would_take_for_ever_is_given_up(tmp_path: Path, text: str) -> None:
    folder = record(tmp_path, train_gpt__py=text)
    began = time.process_time()
    assert adopt(folder).adoption in ("none", "reproduce")
    assert time.process_time() - began < 30


@pytest.mark.long
def test_memory_is_bounded(tmp_path: Path) -> None:
    folder = record(tmp_path, train_gpt__py="import torch\nx = [" + "1," * 400_000 + "]\n")
    tracemalloc.start()
    try:
        adopt(folder)
        assert tracemalloc.get_traced_memory()[1] < 1 << 30
    finally:
        tracemalloc.stop()


@given(st.text(alphabet="f'\"{}\\\n ax=!:#()[]", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except BrokenSourceError:
        return
    assert readable_by_311(text).count("\n") == text.count("\n")


@given(st.lists(st.sampled_from(script().splitlines(keepends=True)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_script_gets_a_class(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = record(tmp_path_factory.mktemp("any"), train_gpt__py="import torch\n" + "".join(lines))
    assert adopt(folder).reasons

"""Scripts: read, compiled and unpacked, never run."""

import base64
import zlib
from pathlib import Path

import pytest

from harness.source_code.unpacking import LARGEST_UNPACKED_BYTES
from tests.audit.records import SCORES, SCRIPT, audited, checked, log, write_record
from tests.source_code.wrappers import packed

INNER = SCRIPT + "import helper\n" + "".join(f"value_{i} = {i}\n" for i in range(60))


@pytest.mark.parametrize("how", ["lzma", "raw", "zlib", "bz2", "nested"])
def test_a_wrapper_is_opened_without_running_it(tmp_path: Path, how: str) -> None:
    script = packed(INNER, how)
    logs = {
        f"train_seed{seed}.log": log(
            bpb, seed=seed, code_bytes=len(script), model_bytes=16_000_000 - len(script)
        )
        for seed, bpb in SCORES.items()
    }
    folder = write_record(tmp_path, script=script, logs=logs, files={"helper.py": "x = 1\n" * 99})
    found = checked(folder, "syntax")
    assert found.status == "pass" and "without running it" in found.sentence
    assert checked(folder, "script").status == "pass"
    assert checked(folder, "size_needed").status == "fail"  # it needs helper.py


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n"
    for i, script in enumerate((evil, packed(evil, "lzma"), f"exec({evil!r})\n")):
        audited(write_record(tmp_path / str(i), script=script))
    assert not mark.exists()


@pytest.mark.parametrize("how", ["lzma", "zlib"])
def test_a_syntax_error_inside_a_wrapper_is_found(tmp_path: Path, how: str) -> None:
    found = checked(write_record(tmp_path, script=packed("def broken(:\n", how)), "syntax")
    assert found.status == "fail" and "unpacks" in found.sentence


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("x = 1\ndef broken(:\n", 2),
        ("return 3\n", 1),
        ("x = (\n", 1),
        (b"\x00\x01\x02", None),
        (b"x = '\xff\xfe'\n", None),
    ],
)
def test_a_script_that_no_python_reads(
    tmp_path: Path, script: str | bytes, line: int | None
) -> None:
    found = checked(write_record(tmp_path, script=script), "syntax")
    assert found.status == "fail"
    if line:
        assert found.line == line


NEWER = pytest.mark.parametrize(
    "script",
    [
        'x = {"a": 1}\nprint(f"{x["a"]}")\n',
        "type X = int\n",
        "def first[T](x: T) -> T:\n    return x\n",
        "class Box[T]:\n    pass\n",
        "print(f\"{'\\n'.join([])}\")\n",
    ],
)


@NEWER
def test_the_grammar_of_a_newer_python_is_read(tmp_path: Path, script: str) -> None:
    """The logs of these records say Python 3.12."""
    assert checked(write_record(tmp_path, script=script), "syntax").status == "pass"


@NEWER
def test_newer_grammar_is_held_where_the_log_ran_an_old_python(tmp_path: Path, script: str) -> None:
    logs = {f"s{seed}.log": log(bpb, seed=seed).replace("3.12.3", "3.10.12")
            for seed, bpb in SCORES.items()}  # fmt: skip
    folder = write_record(tmp_path, logs=logs, script=script)
    found = checked(folder, "syntax")
    assert found.status == "fail" and "3.10" in found.sentence


def test_the_grammar_of_every_python_that_this_one_reads(tmp_path: Path) -> None:
    script = "match 1:\n    case 1:\n        pass\ntry:\n    pass\nexcept* ValueError:\n    pass\n"
    assert checked(write_record(tmp_path, script=script), "syntax").status == "pass"


BOMB = base64.b85encode(zlib.compress(b"#" * (LARGEST_UNPACKED_BYTES + 10), 9)).decode()


@pytest.mark.parametrize(
    "script",
    [
        f"import zlib,base64\nexec(zlib.decompress(base64.b85decode({BOMB!r})))\n",
        "exec(open(__file__).read().split('#' * 9)[1])\n" + "# " + "x" * 3000 + "\n",
        "import base64\nexec(base64.b85decode('" + "~" * 4000 + "\x7f'))\n",
        "exec('a'" + "+'a'" * 400 + ")\n",
        "x = x\nexec(x)\n# " + "y" * 3000 + "\n",
        "import lzma\nexec(lzma.decompress(b'" + "x" * 3000 + "', format=lzma.FORMAT_RAW, "
        "filters=[{'id': lzma.FILTER_LZMA2, 'dict_size': 1 << 30}]))\n",
        "exec('0' * 10 ** 12)\n# " + "y" * 3000 + "\n",
        "(" * 3000 + ")" * 3000 + "\n",
        "-" * 200_000 + "1\n",
        "x" + ".a" * 100_000 + "\n",
        "# " + "x" * 300_000 + "\n",
    ],
    ids=range(11),
)
def test_hostile_scripts_are_bounded(tmp_path: Path, script: str) -> None:
    folder = write_record(tmp_path, script=script)
    assert checked(folder, "syntax").status in ("unknown", "fail", "pass")
    assert "could not be audited" not in checked(folder, "runs").sentence


def test_a_helper_is_needed_when_the_script_says_so(tmp_path: Path) -> None:
    cases = {
        "import": ("import helper\n", "helper.py", True),
        "from": ("from helper import x\n", "helper.py", True),
        "package": ("from lib.helper import x\n", "lib/helper.py", True),
        "path": ("lib = 'ngram/kernel.cpp'\n", "ngram/kernel.cpp", True),
        "runs": ("exec(open('train_inner.py').read())\n", "decode/inner.py", False),
        "silent": ("x = 1\n", "helper.py", False),
        "comment": ("x = 1  # see helper\n", "helper.py", False),
    }
    for name, (script, helper, needed) in cases.items():
        folder = write_record(tmp_path / name, script=script, files={helper: "x = 1\n"})
        found = checked(folder, "size_needed")
        assert (helper in found.sentence) == needed, name


def test_a_helper_of_a_script_that_is_not_here_is_unknown(tmp_path: Path) -> None:
    manifest = '{"train_gpt.py": {"bytes": 70000}, "helper.py": {"bytes": 900000}}'
    logs = {
        f"s{seed}.log": log(bpb, seed=seed, model_bytes=15_500_000) for seed, bpb in SCORES.items()
    }
    folder = write_record(tmp_path, script=None, logs=logs, files={"MANIFEST.json": manifest})
    assert checked(folder, "size_needed").status == "unknown"

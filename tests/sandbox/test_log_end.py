"""The line that says how a phase ended, among all that is printed around it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox.log_end import telling
from harness.sandbox.logs import LogCapture
from tests.sandbox.conftest import MIB

TRACEBACK = """\
step 1
Traceback (most recent call last):
  File "/code/bi.py", line 3, in load_model
    return pickle.load(file)
           ^^^^^^^^^^^^^^^^^
AttributeError: Can't get attribute 'Bi' on <module '__main__'>
"""
LAUNCHED = """\
[rank1]: Traceback (most recent call last):
[rank1]:   File "/code/train.py", line 3, in <module>
[rank1]:     main()
[rank1]:     ~~~~^^
[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
E1121 12:00:01.000 elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 1
Traceback (most recent call last):
  File "/usr/bin/torchrun", line 8, in <module>
    sys.exit(main())
             ^^^^^^
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
  traceback : To enable traceback see: https://pytorch.org/docs/
============================================================
"""
CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
ValueError: no x
it was told so
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRACEBACK, "AttributeError: Can't get attribute 'Bi' on <module '__main__'>"),
        (TRACEBACK.rpartition("Attr")[0], "    return pickle.load(file)"),
        (LAUNCHED, "[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 "
         "GiB"),
        (LAUNCHED[LAUNCHED.index("E1121") :],
         "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:"),
        (CHAINED, "ValueError: no x"),
        ("one\nexpected logits (1, 2), got (1, 3)\n", "expected logits (1, 2), got (1, 3)"),
        ("step 3\n^^^^^^^^^\n=====\n", "step 3"),
        ("=====\n", "====="),
        ("step 3\nTraceback (most recent call last):\n", "step 3"),
        ("", None),
    ],
)  # fmt: skip
def test_the_exception_and_not_what_stands_around_it(text: str, expected: str | None) -> None:
    lines = text.splitlines()
    found = telling(lines, raised=True)
    assert (None if found is None else lines[found]) == expected


def test_what_was_killed_was_at_its_last_line() -> None:
    lines = [*TRACEBACK.splitlines(), "went on all the same", "step 2", "-----"]
    found = telling(lines, raised=False)
    assert found is not None and lines[found] == "step 2"


def test_the_end_is_read_after_all_was_read(tmp_path: Path) -> None:
    """Each byte comes late, as on a busy machine; and so does the line's time."""

    def slowly() -> Iterator[bytes]:
        yield TRACEBACK[:-40].encode()
        time.sleep(0.3)
        yield TRACEBACK[-40:].encode()

    log = LogCapture(tmp_path / "score.log", limit_bytes=MIB)
    log.drain(slowly())
    log.finish(10)
    end = log.end(raised=True)
    assert end is not None
    assert end.text == "AttributeError: Can't get attribute 'Bi' on <module '__main__'>"
    assert 0.3 <= end.seconds < 10

"""Who wanted the network is told that there is none; who did not is told nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.run.network import NO_NETWORK, network_hint

PIP = """\
WARNING: Retrying (Retry(total=0, connect=None, read=None)) after connection broken by 'NewConnecti
ERROR: Could not find a version that satisfies the requirement brotli>=1.0 (from versions: none)
ERROR: No matching distribution found for brotli>=1.0
Traceback (most recent call last):
subprocess.CalledProcessError: Command '[...]' returned non-zero exit status 1.
"""
HUB = """\
huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file \
on the Hub and we cannot find the requested files in the local cache.
"""


@pytest.mark.parametrize(
    ("log", "hint"),
    [
        (PIP, "nothing can be installed while it runs, and it wants brotli"),
        ("Command '['python', '-m', 'pip', 'install', 'zstandard']' returned non-zero exit status "
         "1.", "nothing can be installed while it runs"),
        (HUB, "nothing can be downloaded"),
        ("OSError: We couldn't connect to 'https://hub.test' to load the files", "downloaded"),
        ("urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
         "reach another machine"),
        ("OSError: [Errno 101] Network is unreachable", "reach another machine"),
        ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='a'): Max retries "
         "exceeded with url: /", "reach another machine"),
        ("curl: (6) Could not resolve host: data.test", "reach another machine"),
    ],
)  # fmt: skip
def test_it_is_told(log: str, hint: str) -> None:
    said = network_hint(log)
    assert said.startswith(NO_NETWORK) and hint in said


@pytest.mark.parametrize(
    "log",
    [
        "",
        "ModuleNotFoundError: No module named 'fla'",
        "RuntimeError: shape mismatch",
        "installing hooks: pip install was never called",
        "subprocess.CalledProcessError: Command 'lrzip' returned non-zero exit status 1.",
        "OutOfMemoryError: CUDA out of memory",
    ],
)
def test_nothing_is_told_without_reason(log: str) -> None:
    assert network_hint(log) == ""


@given(st.text(max_size=200), st.sampled_from(["No matching distribution found for ", ""]))
def test_of_a_strangers_text_only_a_plain_name_is_repeated(text: str, before: str) -> None:
    said = network_hint(before + text)
    assert len(said) < 200 and said.isascii() and said.isprintable()

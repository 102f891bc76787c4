"""The image for entries in upstream's layout has what the field's scripts import and start."""

from pathlib import Path

import pytest

from harness.run.needs import missing_packages
from harness.sandbox.docker.sandbox import DockerSandbox
from tests.sandbox.conftest import LIMITS, Phases

pytestmark = pytest.mark.docker

MODULES = ["torch", "numpy", "sentencepiece", "zstandard", "brotli", "einops", "triton"]
MODULES += ["python_minifier"]
PROGRAMS = ["lrzip", "pyminify", "torchrun"]
ROOM = LIMITS.model_copy(update={"memory_bytes": 3 << 30, "scratch_bytes": 256 << 20})


@pytest.fixture(scope="module")
def upstream() -> DockerSandbox:
    sandbox = DockerSandbox(kind="upstream-cpu", note=print)
    sandbox.prepare()
    return sandbox


@pytest.fixture
def phases_there(upstream: DockerSandbox, tmp_path: Path) -> Phases:
    return Phases(upstream, tmp_path)


def test_what_it_says_that_it_has(upstream: DockerSandbox, docker_sandbox: DockerSandbox) -> None:
    facts = upstream.prepare()
    assert missing_packages(MODULES, PROGRAMS, facts) == []
    assert facts.packages is not None
    assert tuple(map(int, facts.packages.python.split(".")[:2])) >= (3, 12)
    ours = docker_sandbox.prepare()
    assert missing_packages(["torch", "brotli"], ["lrzip"], ours) == ["brotli", "lrzip"]


def test_modules_and_programs_work(phases_there: Phases) -> None:
    source = f"""
    import importlib, subprocess
    for name in {MODULES}:
        importlib.import_module(name)
    words = ["quotes"]
    print(f"{{", ".join(f"nested {{word}}" for word in words)}}")  # the grammar of Python 3.12
    open("/output/file", "wb").write(b"a" * 100_000)
    subprocess.run(["lrzip", "-q", "-o", "/output/file.lrz", "/output/file"], check=True)
    print(len(open("/output/file.lrz", "rb").read()) < 10_000)
    print(len(subprocess.run(["pyminify", "main.py"], capture_output=True).stdout) > 100)
    """
    assert phases_there.run(source, limits=ROOM, seconds=240).exit_code == 0, phases_there.lines
    assert [line for line in phases_there.lines if line in ("nested quotes", "True")] == [
        "nested quotes",
        "True",
        "True",
    ]


def test_triton_interprets(phases_there: Phases) -> None:
    source = """
    import os
    os.environ["TRITON_INTERPRET"] = "1"
    import torch, triton, triton.language as tl

    @triton.jit
    def double(x, y, SIZE: tl.constexpr):
        place = tl.arange(0, SIZE)
        tl.store(y + place, 2 * tl.load(x + place))

    x, y = torch.arange(8.0), torch.empty(8)
    double[(1,)](x, y, 8)
    print(torch.equal(y, 2 * x))
    """
    assert phases_there.run(source, limits=ROOM, seconds=240).exit_code == 0, phases_there.lines
    assert phases_there.lines[-1] == "True"


def test_two_processes_meet_without_libuv(phases_there: Phases) -> None:
    source = """
    import sys, torch, torch.distributed as dist, triton
    dist.init_process_group("gloo")
    one = torch.ones(1)
    dist.all_reduce(one)
    sys.stdout.write(f"sum {int(one)}\\n")
    dist.destroy_process_group()
    """
    command = ("torchrun", "--standalone", "--nproc_per_node=2", "main.py")
    assert phases_there.run(source, command=command, limits=ROOM, seconds=240).exit_code == 0, (
        phases_there.lines
    )
    assert phases_there.lines.count("sum 2") == 2

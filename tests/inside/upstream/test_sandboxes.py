"""The same whole script in both sandboxes: a read-only folder, no network, a place for output."""

import re
from pathlib import Path, PurePosixPath

import pytest

from harness.contest.track import Limits
from harness.package import PACKAGE
from harness.sandbox.docker.sandbox import DockerSandbox
from harness.sandbox.process.sandbox import ProcessSandbox
from harness.sandbox.protocol import Job, Mount, Sandbox
from tests.inside.upstream.data import write_shards
from tests.inside.upstream.test_whole import SCALED, TINY

MIB = 1 << 20
LIMITS = Limits(
    memory_bytes=4096 * MIB,
    shm_bytes=256 * MIB,
    scratch_bytes=256 * MIB,
    output_bytes=64 * MIB,
    log_bytes=1 * MIB,
    processes=512,
)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_whole_script_leaves_its_artifact(kind: str, tmp_path: Path) -> None:
    sandbox: Sandbox = DockerSandbox(note=print) if kind == "docker" else ProcessSandbox()
    sandbox.prepare()
    shards = write_shards(tmp_path / "data", vocabulary=64, train=4000, val=500)
    upstream = Mount(PACKAGE / "inside" / "upstream", PurePosixPath("/upstream"))
    data = Mount(shards, PurePosixPath("/data"))
    job = Job(
        label="rehearsal",
        output=True,
        command=(
            *("python", f"{sandbox.inside(upstream)}/launch.py", "--work", sandbox.output),
            *("--cpu", "--still", "--"),
            *("torchrun", "--standalone", "--nproc_per_node=1", "train_gpt.py"),
        ),
        environment={**SCALED, "DATA_PATH": sandbox.inside(data)},
        code=Mount(TINY, PurePosixPath("/submission")),
        mounts=(upstream, data),
        limits=LIMITS,
        wallclock_seconds=280.0,
        log=tmp_path / "phase.log",
    )
    with sandbox.start(job) as running:
        facts = running.wait(300.0)
        text = job.log.read_text()
        assert facts is not None, text
        assert facts.exit_code == 0, text
        assert re.search(r"roundtrip_exact val_loss:[0-9.]+", text)
        sealed = running.seal("final_model.int8.ptz", tmp_path / "artifact", limit_bytes=MIB)
    assert sealed.bytes > 1000

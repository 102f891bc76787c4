"""The file that ``--cluster`` names."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.run.launcher.desk import Order, Record
from harness.run.launcher.script import script_for
from harness.run.launcher.settings import Cluster, load_cluster

WHOLE = """\
shared = "/shared"
data = "/scratch/data"
python = ["/shared/venv/bin/python"]
setup = ["module load cuda"]
nodes = ["gpu01", "gpu02"]
tries = 2
poll_seconds = 10
[environment]
DOCKER_HOST = "unix:///run/user/1000/docker.sock; rm -rf $HOME"
[slurm]
partition = "gpu"
gres = "gpu:8"
time = "02:00:00"
exclusive = true
options = ["--constraint=h100"]
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(WHOLE)
    found = load_cluster(tmp_path / "cluster.toml")
    assert (found.tries, found.slurm.gres, found.slurm.account) == (2, "gpu:8", None)
    assert found.nodes == ("gpu01", "gpu02")
    assert load_cluster(None) == Cluster()


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ("tries = 0", "tries", "at least 1"),
        ("tries = true", "tries", "a whole number"),
        ("poll_seconds = true", "poll_seconds", "a number"),
        ("[slurm]\ncpus = '3'", "slurm.cpus", "a whole number"),
        ("ask_elsewhere = 'yes'", "ask_elsewhere", "true or false"),
        ('shared = "a\\u0000b"', "shared", "the path of a directory"),
        ("partition = 'gpu'", "partition", "unknown key"),
        ("[slurm]\npartition = 'a b'", "slurm.partition", "a name such as gpu01"),
        ("setup = 'one'", "setup", "found 'one'"),
        ('setup = ["one\\ntwo"]', "setup.0", "one line of a shell script"),
        ('[environment]\n"A-B" = "x"', "environment.A-B.[key]", "the name of a variable"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_expected(
    tmp_path: Path, line: str, field: str, expected: str
) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(line)
    with pytest.raises(UsageError) as caught:
        load_cluster(file)
    assert str(file) in str(caught.value)
    assert f"{field}: " in str(caught.value)
    assert expected in str(caught.value)


def test_runs_must_lie_where_every_node_sees_them(tmp_path: Path) -> None:
    settings = Cluster(shared=str(tmp_path / "shared"))
    settings.check_place(tmp_path / "shared" / "runs")
    with pytest.raises(UsageError, match="which every node sees"):
        settings.check_place(tmp_path / "runs")


def test_a_value_never_becomes_a_command(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(WHOLE)
    order = Order(
        launcher="slurm", name=f"harness-{'0' * 16}", draw=0, attempt=1, data="", written_at=""
    )
    record = Record(Path("/shared/a b/tasks/1.json"), order)
    script = script_for(record, load_cluster(tmp_path / "cluster.toml"), node='"$SLURMD_NODENAME"')
    assert script.splitlines() == [
        "#!/bin/sh",
        'export HARNESS_NODE="$SLURMD_NODENAME"',
        "export DOCKER_HOST='unix:///run/user/1000/docker.sock; rm -rf $HOME'",
        "module load cuda",
        "exec /shared/venv/bin/python -m harness work '/shared/a b/tasks/1.json'",
    ]

"""What a site needs to run tasks on its nodes: the file that ``--cluster`` names."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, Strict, ValidationError

from harness.errors import UsageError
from harness.models import Fact, Spelled
from harness.safeio.parsing import ParseError, parse_toml, problems_of
from harness.safeio.reading import read_named

_LARGEST_BYTES = 32 << 10
Name = Annotated[str, Spelled(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a name such as gpu01")]
Word = Annotated[str, Spelled(r"[^\s\x00-\x1f]{1,200}", "one word without spaces")]
Line = Annotated[str, Spelled(r"[^\x00-\x08\x0a-\x1f]{1,1000}", "one line of a shell script")]
Value = Annotated[str, Spelled(r"[^\x00-\x08\x0a-\x1f]{0,1000}", "a value of one line")]
Folder = Annotated[str, Spelled(r"[^\x00]{1,4000}", "the path of a directory")]
Whole = Annotated[int, Strict()]
Seconds = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]
Variable = Annotated[str, Spelled(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "the name of a variable")]


class SlurmSettings(Fact):
    """How jobs are asked for; what is left out is the site's own default.

    ``exclusive``: no other job on the node. ``options`` are further words for ``sbatch``.
    """

    partition: Name | None = None
    account: Name | None = None
    qos: Name | None = None
    gres: Word | None = None
    time: Word | None = None
    cpus: Whole | None = Field(default=None, ge=1, le=4096)
    memory: Word | None = None
    exclusive: Switch = True
    options: tuple[Word, ...] = Field(default=(), max_length=50)


class RaySettings(Fact):
    """Where Ray's head answers, and what one task takes of a node.

    Each node is started with ``--resources '{"harness_node": 1}'``: it runs one task at a time.
    """

    address: Word = "auto"
    resource: Name = "harness_node"


class Cluster(Fact):
    """What a site needs.

    ``shared`` is a directory that every node sees under the same path: runs must lie below it.
    ``data`` is that of the datasets on the nodes, where it is not that of ``--data``. ``python``
    starts Python with this harness there. ``setup`` are lines of shell before it, ``environment``
    variables. Only ``nodes`` are used, where some are named.

    ``tries``: so many tries of one run in one call. ``most_jobs``: so many are sent at once, the
    others wait here. ``settle_seconds``: so long a node's files may take to be seen here.
    ``ask_elsewhere``: what was scored on one node is asked again on another.
    """

    shared: Folder | None = None
    data: Folder | None = None
    python: tuple[Line, ...] = Field(default=(), max_length=20)
    setup: tuple[Line, ...] = Field(default=(), max_length=100)
    environment: dict[Variable, Value] = Field(default_factory=dict, max_length=100)
    nodes: tuple[Name, ...] = Field(default=(), max_length=10_000)
    tries: Whole = Field(default=3, ge=1, le=20)
    most_jobs: Whole = Field(default=200, ge=1, le=10_000)
    poll_seconds: Seconds = Field(default=5.0, gt=0, le=600)
    settle_seconds: Seconds = Field(default=90.0, ge=0, le=3600)
    ask_elsewhere: Switch = False
    slurm: SlurmSettings = SlurmSettings()
    ray: RaySettings = RaySettings()

    def check_place(self, runs: Path) -> None:
        """Require that the nodes can see a directory of runs.

        Raises:
            UsageError: it does not lie below ``shared``.
        """
        if self.shared is None:
            return
        shared = Path(self.shared).resolve()
        if not runs.resolve().is_relative_to(shared):
            raise UsageError(
                f"not below {shared}, which every node sees",
                file=runs,
                remedy="name a directory there with --runs",
            )


def load_cluster(path: Path | None) -> Cluster:
    """The settings in a file; the defaults without one.

    Raises:
        UsageError: it cannot be read, or a key is wrong.
    """
    if path is None:
        return Cluster()
    try:
        content = read_named(path, limit_bytes=_LARGEST_BYTES)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", file=path) from error
    try:
        return Cluster.model_validate(parse_toml(content))
    except ParseError as error:
        raise UsageError(str(error), file=path, line=error.line) from error
    except ValidationError as error:
        raise UsageError(file=path, problems=problems_of(error, toml=content)) from error

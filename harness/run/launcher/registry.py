"""The launchers: which there are, and how each is opened.

A new one is a module here and a line in :data:`LAUNCHERS`. As with sandboxes there are no plug-ins
from outside: what sends runs to nodes belongs to what measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.run.launcher.protocol import Launcher
    from harness.run.launcher.settings import Cluster
    from harness.run.launcher.site import Site
    from harness.run.progress import Progress

LOCAL = "local"
VARIABLE = "HARNESS_LAUNCHER"


@dataclass(frozen=True)
class Kind:
    """One launcher.

    ``site`` opens what runs its jobs; None for this machine itself. ``alone`` says, on a node,
    whether it runs nothing else; None where that cannot be known.
    """

    name: str
    what: str
    site: Callable[[Cluster], Site] | None = None
    alone: Callable[[], bool | None] | None = None


def _slurm(settings: Cluster) -> Site:
    from harness.run.launcher.slurm import SlurmSite

    return SlurmSite(settings)


def _ray(settings: Cluster) -> Site:
    from harness.run.launcher.ray import RaySite

    return RaySite(settings)


def _alone_in_slurm() -> bool | None:
    from harness.run.launcher.slurm import was_alone

    return was_alone()


LAUNCHERS: tuple[Kind, ...] = (
    Kind(LOCAL, "this machine, one run after the other"),
    Kind("slurm", "a job for each run, by sbatch", _slurm, _alone_in_slurm),
    Kind("ray", "an actor for each run", _ray),
)


def names() -> tuple[str, ...]:
    """What ``--launcher`` may be."""
    return tuple(kind.name for kind in LAUNCHERS)


def kind_of(name: str) -> Kind:
    """A launcher by its name."""
    return next(kind for kind in LAUNCHERS if kind.name == name)


def choose(name: str, settings: Cluster, *, runs: Path, data: Path, progress: Progress) -> Launcher:
    """The launcher asked for.

    Args:
        name: one of :func:`names`.
        settings: the site's.
        runs: where evidence is kept.
        data: directory of the datasets, here and, unless the settings name another, on the nodes.
        progress: told what happens.

    Raises:
        UsageError: the nodes would not see ``runs``.
    """
    kind = kind_of(name)
    if kind.site is None:
        from harness.run.launcher.local import LocalLauncher

        return LocalLauncher(data, progress)
    from harness.run.launcher.desk import FileDesk
    from harness.run.launcher.pool import SiteLauncher

    settings.check_place(runs)
    desk = FileDesk(name, settings.data or str(data.absolute()))
    open_site = kind.site
    return SiteLauncher(lambda: open_site(settings), desk, settings, progress.note)


def is_launched() -> bool:
    """Whether this process makes a run that a launcher sent here."""
    return os.environ.get(VARIABLE, LOCAL) != LOCAL


def is_alone() -> bool | None:
    """Whether this node runs nothing else, as its launcher can tell; None where none sent us."""
    name = os.environ.get(VARIABLE, LOCAL)
    if name not in names():
        raise UsageError(f"{VARIABLE}: expected one of {', '.join(names())}, found {name[:50]!r}")
    alone = kind_of(name).alone
    return alone() if alone else None

"""What two sandboxes of one verification share, and what is done so that it says nothing.

A submission is to leave nothing but its artifact. What it could leave, it would leave where a later
sandbox finds the same thing again: the same file, the same page in memory, the same remembered
name. So each phase gets

- copies of all that is small (code, artifact, tokenizer), each on a file system of its own that is
  made before the phase and gone after it; what was copied is compared with what was hashed;
- of what is too large to copy (the image, the train shards) one state, the same for every phase:
  the kernel is made to forget the names that were looked up, which is seen by names of our own, and
  every page lies in memory, because what does not is thrown out and read again as a whole. A phase
  cannot throw pages out itself: its system calls do not let it;
- a network that nobody has used, with the kernel's counters closed in it, and source ports that
  the machine's table gives to it by a modulus of its own (:mod:`harness.inside.counts`);
- cores that have used up the inode numbers they held, so that none says how far it had come.

All this happens before the phase starts, so it is charged to nobody. How it is done is the
backend's; what counts as done is said here.
"""

import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import Field

from harness.errors import InfrastructureError
from harness.inside.counts import is_own_range
from harness.inside.settle import FEW_NAMES, NAMES, PAGE_BYTES, digest_of, tree
from harness.models import Fact
from harness.sandbox.protocol import Job, Mount

ONE_STATE = "names forgotten, every page in memory"
NET_CLOSED = "closed, but for its own"
OWN_MODULUS = "counted by a modulus of its own"
BATCHES_ENDED = "used up on every core"
_MIB = 1 << 20
_SPARE_FILES = 16


@dataclass(frozen=True)
class Copy:
    """One mount as a phase gets it.

    ``place`` is the directory that the copy is mounted at, ``name`` that of the one file in it,
    empty where a whole directory is copied. ``digest`` is over what ``tree`` of the helper's script
    finds in the source; ``size_bytes`` and ``files`` are what the copy needs, at most.
    """

    source: Path
    place: PurePosixPath
    name: str
    digest: str
    size_bytes: int
    files: int

    @property
    def volume_options(self) -> dict[str, str]:
        """Options of the engine's ``local`` volume driver: a tmpfs with room for just this.

        Its size follows from the files alone, so the free space tells what the files tell.
        """
        options = f"size={self.size_bytes},nr_inodes={self.files},uid=0,gid=0,mode=0755"
        return {"type": "tmpfs", "device": "tmpfs", "o": f"{options},nosuid,nodev"}


def copies_for(job: Job) -> tuple[Copy, ...]:
    """The copies that a phase gets: its code first, then its mounts in order.

    Raises:
        InfrastructureError: a source cannot be read, or is not the file that was hashed.
    """
    return tuple(_copy_of(mount) for mount in (job.code, *job.mounts) if not mount.shared)


def _copy_of(mount: Mount) -> Copy:
    try:
        directory = stat.S_ISDIR(mount.source.lstat().st_mode)
        name = "" if directory else mount.target.name
        entries, sizes = tree(str(mount.source), name)
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            f"{mount.source}: cannot be copied for a sandbox: {error}",
            remedy="leave the directory of the run and the dataset alone meanwhile; then --resume",
        ) from error
    if mount.sha256 and [content for _, _, content in entries] != [mount.sha256]:
        raise InfrastructureError(
            f"{mount.source}: not the file that was sealed any more",
            remedy="leave the directory of the run alone meanwhile; then --resume",
        )
    whole = sum(-(-size // PAGE_BYTES) * PAGE_BYTES for size in sizes)
    return Copy(
        source=mount.source,
        place=mount.target if directory else mount.target.parent,
        name=name,
        digest=digest_of(entries),
        size_bytes=-(-whole // _MIB) * _MIB + _MIB,
        files=len(sizes) + _SPARE_FILES,
    )


class Settled(Fact):
    """What the helper of a backend did and saw before a phase.

    ``copies`` are the digests of the copies, read from the copies themselves. ``refused`` says why
    the kernel would not forget, empty when it did; the figures are 0 then. Of ``names_made``
    missing names that were looked up for this, seen in the kernel's count of such names, at most
    ``names_left`` were still remembered. ``pages_told``: a page that was thrown out was seen to be
    gone, and one that was read to be back. Of the ``pages`` of all that is shared,
    ``pages_missing`` did not lie in memory before, and ``pages_lacking`` do not now;
    ``pages_in_use`` could not be thrown out.

    Of the network namespace that the phase will join, ``net_closed`` files were closed and
    ``net_open`` of them can be opened all the same; ``ports`` are its first and last source port.
    ``cores_ended`` of ``cores`` have used up the inode numbers that they held.
    """

    copies: tuple[str, ...]
    refused: str = Field(default="", max_length=300)
    names_made: int = 0
    names_left: int = 0
    pages_told: bool = False
    pages: int = 0
    pages_missing: int = 0
    pages_in_use: int = 0
    pages_lacking: int = 0
    net_closed: int = 0
    net_open: int = 0
    ports: tuple[int, ...] = ()
    cores: int = 0
    cores_ended: int = 0

    @property
    def net(self) -> str:
        """:data:`NET_CLOSED`, or what the files of the phase's network are instead."""
        if self.net_open or not self.net_closed:
            return f"{self.net_open:,} open, {self.net_closed:,} closed"
        return NET_CLOSED

    @property
    def source_ports(self) -> str:
        """:data:`OWN_MODULUS`, or which source ports the phase has instead."""
        own = len(self.ports) == 2 and is_own_range(*self.ports)
        return OWN_MODULUS if own else f"source ports {self.ports}"

    @property
    def inodes(self) -> str:
        """:data:`BATCHES_ENDED`, or on how many cores they were."""
        ended = self.cores > 0 and self.cores_ended == self.cores
        return BATCHES_ENDED if ended else f"on {self.cores_ended} of {self.cores} cores"

    @property
    def state(self) -> str:
        """:data:`ONE_STATE`, or what it is not."""
        if self.refused:
            return f"the kernel was not made to forget: {self.refused}"
        if self.names_made < NAMES:
            return "the kernel does not say which names it remembers"
        if self.names_left > FEW_NAMES:
            return f"{self.names_left:,} names still remembered, of {NAMES:,}"
        if not self.pages_told:
            return "the kernel does not say which pages lie in memory"
        if self.pages_lacking:
            return f"{self.pages_lacking:,} pages of {self.pages:,} do not stay in memory"
        return ONE_STATE

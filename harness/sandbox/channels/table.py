"""Every channel that is measured: what it is, how many bits are tried, and what closes it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timing", "place", "number"]
"""How a figure for a whole phase follows from the bits that were tried.

``timing``: a time tells the bit, and more or less noise is upon it. Whatever the bound on the error
leaves open is taken to hold for all bits that a phase has the time to send.

``place``: something is there or is not. Two phases share a place or they do not, so its errors are
few, or one half; there is no place that is shared a little. Where what arrives cannot be told from
guessing, the bound holds for the bits tried and is not stretched over a phase.

``number``: a phase leaves it behind once. It carries at most as many bits as it has, and all the
numbers that can be read there count, not only the one that was moved. A receiver that knows how
wide its numbers are says how many bits they hold together.
"""
Control = Literal["open", "either"]
"""Whether a default container is known to have it open, so that the measuring must show it."""


@dataclass(frozen=True)
class Channel:
    """One channel.

    ``id`` names sender and receiver in :mod:`harness.inside.channels`. ``bits`` are tried in a
    round. ``scoring``: a scoring phase and the phases after it have what it needs; a channel of the
    train shards is shown, and not counted between scoring phases. ``needs_gpu``: without one it is
    not applicable. ``cached``: it lies in caches that anybody on the machine may drop who is root,
    which closes it for that moment only.
    """

    id: str
    kind: Kind
    what: str
    closes: str
    bits: int
    control: Control = "either"
    scoring: bool = True
    needs_gpu: bool = False
    cached: bool = False


_COPIES = "a copy of its own for each phase, or caches dropped before it"
_CACHES = "caches dropped before each phase, or all of it read before"
_MASK = "the file masked"
_NAMES = 500_000  # so many that the bound on what a whole phase sends is small: see the statistics
_PAGES = 12_000
_PORTS = 4_000

CHANNELS: tuple[Channel, ...] = (
    # Caches of the kernel, under what phases share.
    Channel(
        "names_code",
        "timing",
        "missing names looked up in the code mount (negative dentries)",
        _COPIES,
        _NAMES,
        "open",
        cached=True,
    ),
    Channel(
        "names_image",
        "timing",
        "missing names looked up in the image's layers",
        _CACHES,
        _NAMES,
        "open",
        cached=True,
    ),
    Channel(
        "names_data",
        "timing",
        "missing names looked up beside the shards",
        _CACHES,
        _NAMES // 2,
        "open",
        scoring=False,
        cached=True,
    ),
    Channel(
        "page_cache_code",
        "timing",
        "pages of a code file, read or dropped",
        _COPIES,
        _PAGES,
        "open",
        cached=True,
    ),
    Channel(
        "page_cache_artifact",
        "timing",
        "pages of the artifact, read or dropped",
        _COPIES,
        _PAGES,
        "open",
        cached=True,
    ),
    Channel(
        "page_cache_image",
        "timing",
        "pages of a file of the image, read or dropped",
        _CACHES,
        _PAGES,
        "open",
        cached=True,
    ),
    Channel(
        "page_cache_data",
        "timing",
        "pages of a shard, read or dropped",
        _CACHES,
        _PAGES * 3 // 2,
        "open",
        scoring=False,
        cached=True,
    ),
    # Places where something can be left.
    Channel(
        "leftover_files",
        "place",
        "files in scratch, output, shared memory and mounts",
        "fresh tmpfs for each phase, read-only mounts",
        256,
        "open",
    ),
    Channel(
        "access_times",
        "place",
        "when a mounted file was read last",
        "read-only mounts, on which a read leaves no time",
        256,
    ),
    Channel(
        "file_metadata",
        "place",
        "times and modes of mounted files",
        "read-only mounts",
        256,
        "open",
    ),
    Channel(
        "system_v",
        "place",
        "System V shared memory, semaphores, queues",
        "IPC namespace, profile of system calls",
        256,
    ),
    Channel(
        "message_queues",
        "place",
        "POSIX message queues",
        "IPC namespace, profile of system calls",
        64,
    ),
    Channel(
        "abstract_sockets",
        "place",
        "Unix sockets without a file",
        "network namespace, end of all processes",
        128,
    ),
    Channel("keyrings", "place", "keys in the user's keyring", "profile of system calls", 128),
    Channel(
        "file_locks",
        "place",
        "locks on mounted files",
        "end of all processes",
        256,
    ),
    Channel("host_name", "place", "the host name", "namespace, no capability to set it", 192),
    # Numbers of the kernel.
    Channel(
        "process_numbers",
        "number",
        "numbers of processes and threads",
        "process namespace",
        4,
    ),
    Channel("fork_counter", "number", "/proc/stat: forks and other counts", _MASK, 4),
    Channel("memory_counters", "number", "/proc/vmstat: faults and other counts", _MASK, 2),
    Channel("memory_levels", "number", "/proc/meminfo: page cache and other levels", _MASK, 3),
    Channel("file_counters", "number", "/proc/sys/fs: names, inodes, open files", _MASK, 3),
    Channel("slab_counters", "number", "/proc/slabinfo", "not for users without rights", 0),
    Channel(
        "other_counters",
        "number",
        "/proc: interrupts, disks, zones, buddies, pressure",
        _MASK,
        0,
    ),
    Channel(
        "inode_numbers",
        "number",
        "numbers that pipes, sockets and memory files get",
        "nothing: the kernel counts for all",
        3,
    ),
    Channel(
        "core_inodes",
        "number",
        "how far each core is in the inode numbers that it holds",
        "every core made to use them up before each phase",
        4,
    ),
    Channel(
        "process_serials",
        "number",
        "numbers of processes and sessions among all (descriptors, scheduling groups)",
        "nothing: the kernel counts for all",
        4,
    ),
    Channel(
        "network_counters",
        "number",
        "/proc/self/net: packets, routes and sockets, of all networks, for each core",
        "the files closed in the phase's network before it runs",
        3,
    ),
    Channel(
        "neighbor_counters",
        "number",
        "what netlink tells of the neighbor tables of all networks",
        "nothing: the kernel counts for all",
        4,
    ),
    Channel(
        "socket_cookies",
        "number",
        "cookies of sockets, for each core",
        "profile of system calls",
        4,
    ),
    Channel(
        "rename_cookies",
        "number",
        "cookies of renamed files",
        "profile of system calls",
        4,
    ),
    Channel(
        "free_space",
        "number",
        "free bytes and files of each file system",
        "fresh tmpfs, copies on file systems of a fixed size",
        3,
    ),
    Channel("load", "number", "/proc/loadavg", _MASK, 1),
    Channel(
        "source_ports",
        "timing",
        "source ports of TCP, by one table for all networks",
        "a port range for each phase, whose size has no factor but 2 in common with another's",
        _PORTS,
        "open",
    ),
    # The processor.
    Channel(
        "frequency",
        "number",
        "speed of a fixed sum, after work or rest",
        "seconds between two phases",
        1,
    ),
    Channel(
        "huge_pages",
        "number",
        "time to get a huge page, after memory was broken up",
        "nothing: one number's worth",
        1,
    ),
    Channel(
        "processor_caches",
        "timing",
        "lines of shared pages in the processor's caches",
        "what starting a container does to them",
        4096,
    ),
    # GPUs.
    Channel(
        "gpu_memory",
        "place",
        "GPU memory that nobody cleared",
        "the driver, where it clears memory between two processes",
        256,
        needs_gpu=True,
    ),
    Channel(
        "gpu_figures",
        "number",
        "energy, temperature, clocks, errors and traffic of GPUs, which their driver shows",
        "nothing: whoever may use a GPU may ask its driver",
        4,
        needs_gpu=True,
    ),
    Channel(
        "gpu_history",
        "number",
        "samples that the driver keeps, and accounts of ended processes",
        "seconds between two phases, accounting switched off",
        0,
        needs_gpu=True,
    ),
    Channel(
        "gpu_speed",
        "number",
        "speed of a fixed product on a GPU, after work or rest",
        "seconds between two phases",
        1,
        needs_gpu=True,
    ),
)

BY_ID = {each.id: each for each in CHANNELS}

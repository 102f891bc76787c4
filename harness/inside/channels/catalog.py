"""Every channel, in the order in which its bits are sent; they are looked for in the other one.

What fades (a processor's caches, a load) is sent last and looked for first; what a look disturbs
(the cache of pages, of names) is looked for last.
"""

import os
import stat
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from . import (
    gpu_driver,
    gpu_figures,
    gpu_history,
    gpu_memory,
    host_name,
    levels,
    lines,
    names,
    numbers,
    pages,
    places,
    ports,
)
from .numbers import Places

_ROOTS = ("/opt", "/usr")
_NAMES = "/usr/lib"
_SHARD_PAGES = 20_000_000_000 // 4096  # ten billion tokens of two bytes
_COUNTED_PAGES = 16_000_000 // 4096  # code and artifact weigh no more than that


class Image(NamedTuple):
    """What of the image is used: its two largest files, and how many pages its files fill.

    Libraries and programs are left out: pages that others have mapped cannot be dropped.
    """

    largest: str
    second: str
    pages: int


class Channel(NamedTuple):
    """A sender and a receiver; ``room``: how many bits fit, None for any number."""

    send: Callable[[list[int]], dict[str, object]]
    receive: Callable[[int], dict[str, object]]
    room: Callable[[], int] | None = None


@cache
def image() -> Image:
    """Look at all files of the image."""
    found: list[tuple[int, str]] = []
    total = 0
    for root in _ROOTS:
        for place, _, files in os.walk(root):
            for name in files:
                path = os.path.join(place, name)
                about = os.lstat(path)
                if stat.S_ISREG(about.st_mode):
                    total += -(-about.st_size // pages.STEP)
                    if ".so" not in name and not place.startswith(("/usr/bin", "/usr/sbin")):
                        found.append((about.st_size, path))
    found.sort(reverse=True)
    return Image(found[0][1], found[1][1], total)


def channels(where: Places) -> dict[str, Channel]:
    """All of them, by their ids."""
    return {
        **{
            f"page_cache_{name}": _pages(path, holds)
            for name, path, holds in (
                ("image", lambda: image().largest, lambda: image().pages),
                ("data", lambda: f"{where.data}/shard.bin", lambda: _SHARD_PAGES),
                ("code", lambda: f"{where.code}/large.bin", lambda: _COUNTED_PAGES),
                ("artifact", lambda: f"{where.artifact}/model.bin", lambda: _COUNTED_PAGES),
            )
        },
        **{
            f"names_{name}": _names(folder, where.public)
            for name, folder in (
                ("image", _NAMES),
                ("data", where.data),
                ("code", where.code),
            )
        },
        **{name: _place(name, where) for name in places.PLACES},
        "host_name": Channel(host_name.send, host_name.receive),
        **{name: _others(name) for name in numbers.OTHERS},
        **{
            name: _number(name, where)
            for name in (
                *("process_numbers", "inode_numbers", "file_counters", "memory_counters"),
                *("memory_levels", "free_space", "fork_counter", "process_serials"),
                *("network_counters", "neighbor_counters", "socket_cookies", "rename_cookies"),
                "core_inodes",
            )
        },
        "gpu_memory": Channel(
            lambda bits: gpu_memory.send(bits, where.public),
            lambda count: gpu_memory.receive(count, where.public),
        ),
        "gpu_figures": _gpu_figures(where),
        # Torch and CUDA stir up what the levels after it are read by: it is sent before them.
        **{name: _level(name, where) for name in ("gpu_speed", *levels.LEVELS)},
        "source_ports": Channel(ports.send, ports.receive, lambda: ports.HOLDS),
        "processor_caches": Channel(
            lambda bits: lines.send(bits, image().second),
            lambda count: lines.receive(count, image().second),
            lambda: lines.room(image().second),
        ),
        # Each second that passes before it is read, the driver forgets a second of it.
        "gpu_history": Channel(_nothing, lambda count: gpu_driver.summed(gpu_history.history())),
    }


def _pages(path: Callable[[], str], holds: Callable[[], int]) -> Channel:
    def receive(count: int) -> dict[str, object]:
        return {**pages.receive(count, path()), "holds": holds()}

    return Channel(lambda bits: pages.send(bits, path()), receive, lambda: pages.room(path()))


def _names(folder: str, public: str) -> Channel:
    return Channel(
        lambda bits: names.send(bits, folder, public),
        lambda count: names.receive(count, folder, public),
    )


def _place(name: str, where: Places) -> Channel:
    return Channel(
        lambda bits: places.send(name, bits, where),
        lambda count: places.receive(name, count, where),
    )


def _number(name: str, where: Places) -> Channel:
    return Channel(
        lambda bits: numbers.send(name, bits, where),
        lambda count: numbers.receive(name, count, where),
    )


def _gpu_figures(where: Places) -> Channel:
    """One of them is moved, and all are counted."""
    steered = _number("gpu_figures", where)
    return steered._replace(
        receive=lambda count: {
            **steered.receive(count),
            **gpu_driver.summed(gpu_figures.figures()),
        }
    )


def _level(name: str, where: Places) -> Channel:
    return Channel(
        lambda bits: levels.send(name, bits, where),
        lambda count: levels.receive(name, where),
    )


def _others(name: str) -> Channel:
    return Channel(_nothing, lambda count: numbers.read_only(name))


def _nothing(bits: list[int]) -> dict[str, object]:
    return {"seconds": 0.0, "placed": len(bits)}

"""Counts of the whole machine: closed in a phase's network, ended on its cores, or told apart."""

import json
import math
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.inside import counts
from harness.sandbox.docker import settling
from harness.sandbox.separation import BATCHES_ENDED, NET_CLOSED, OWN_MODULUS
from tests.sandbox.conftest import Phases

WORDS = 1 << 32
SLOTS = len(counts.moduli())
moments = st.integers(min_value=0, max_value=1 << 60)


class TestSourcePorts:
    """One table for all networks holds 32-bit numbers that nobody is told.

    A connection is told the remainder of one by the size of its own network's range, and adds to
    it. Here the cheater knows both sizes and all that either phase is told.
    """

    @given(moments, st.integers(min_value=1, max_value=SLOTS - 1))
    def test_sizes_of_two_ranges_share_the_factor_two_alone(self, moment: int, later: int) -> None:
        sizes = []
        for at in (moment, moment + later * counts.SLOT_NS):
            low, high = counts.range_at(at)
            assert counts.is_own_range(low, high)
            assert 32768 <= low < high < 65536
            sizes.append(high - low + 1)
        assert math.gcd(*sizes) == 2

    def test_no_size_comes_again_while_the_kernel_keeps_its_secret(self) -> None:
        assert SLOTS * counts.SLOT_NS > 2 * 10 * 10**9

    def test_the_engines_own_range_is_not_taken_for_one_of_ours(self) -> None:
        assert not counts.is_own_range(32768, 60999)
        assert not counts.is_own_range(32770, 32770 + counts.moduli()[0] - 1)

    @settings(max_examples=4, deadline=None)
    @given(moments, st.integers(min_value=1, max_value=SLOTS - 1), st.randoms())
    def test_one_remainder_says_next_to_nothing_of_another(
        self, moment: int, later: int, rng: random.Random
    ) -> None:
        """The sender knows his remainder, and chooses what is added; the receiver sees the sum's.

        Of all numbers that the entry may hold, about as many leave each remainder of the right
        parity: information is at most log2 of the largest share over the mean one. The whole
        table, all 65,536 entries of which nobody can write, carries two dozen bits.
        """
        ours, theirs = (
            high - low + 1
            for low, high in (
                counts.range_at(moment),
                counts.range_at(moment + later * counts.SLOT_NS),
            )
        )
        known, added = rng.randrange(ours), rng.randrange(ours)
        seen: dict[int, int] = {}
        for number in range(known, WORDS, ours):
            # The kernel drops the lowest bit of what it takes from the table.
            told = (number + added) % WORDS % theirs // 2
            seen[told] = seen.get(told, 0) + 1
        shares = [seen.get(told, 0) for told in range(theirs // 2)]
        mean = sum(shares) / len(shares)
        variance = sum((share - mean) ** 2 for share in shares) / len(shares)
        assert 65_536 * math.log2(1 + variance / mean**2) < 24

    def test_with_one_size_for_both_it_says_all(self) -> None:
        size = counts.moduli()[0]
        known = 4321
        assert {number % size for number in range(known, WORDS, size)} == {known}


class TestFiles:
    def test_all_but_its_own_are_closed(self, tmp_path: Path) -> None:
        (tmp_path / "stat").mkdir()
        for name in ("dev", "route", "softnet_stat", "stat/rt_cache", "stat/dev"):
            (tmp_path / name).write_text("1")
        closed, left = counts.close_files(str(tmp_path))
        modes = {
            path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777
            for path in tmp_path.rglob("*")
            if path.is_file()
        }
        assert closed == 3
        assert {name for name, mode in modes.items() if not mode} == {
            *("softnet_stat", "stat/rt_cache", "stat/dev")
        }
        assert left == (3 if os.getuid() == 0 else 0), "it is tried, not taken for granted"


class TestBatches:
    def test_every_core_takes_fresh_numbers_afterwards(self) -> None:
        cores, ended = counts.end_batches()
        assert cores == ended == len(os.sched_getaffinity(0))

    def test_the_last_of_a_batch_is_an_end_and_so_is_a_batch_of_somebody_else(self) -> None:
        for numbers, tries in (([1022, 1023, 1024], 2), ([1020, 4099, 4100], 2)):
            left = iter(numbers)
            assert counts._used_up(left.__next__, last=1023)
            assert len(numbers) - len(list(left)) == tries

    def test_numbers_that_never_end_are_said(self) -> None:
        assert not counts._used_up(lambda: 5, last=0)


def test_an_engine_that_maps_users_is_known() -> None:
    assert settling.maps_users({"SecurityOptions": ["name=seccomp", "name=userns"]})
    assert not settling.maps_users({"SecurityOptions": ["name=seccomp", "name=rootless"]})
    assert not settling.maps_users({"SecurityOptions": None})


def test_a_kernel_that_refuses_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "PORT_RANGE", str(tmp_path / "none/range"))
    assert counts.set_source_ports() == []
    (tmp_path / "softnet_stat").symlink_to(tmp_path / "gone")
    assert counts.close_files(str(tmp_path)) == (0, 0)


LOOK = """
import json, os, socket, threading
cores = {}
for core in os.sched_getaffinity(0):
    os.sched_setaffinity(0, {core})
    cores[core] = os.fstat(os.memfd_create("m")).st_ino % 1024
found = []
def look():
    for top in ("/proc/self/net", f"/proc/self/task/{threading.get_native_id()}/net", "/proc/net"):
        for place, _, names in os.walk(top):
            for name in names:
                try:
                    os.chmod(f"{place}/{name}", 0o444)
                except OSError:
                    pass
                try:
                    found.append([name, len(open(f"{place}/{name}").read())])
                except OSError:
                    continue
look()
thread = threading.Thread(target=look); thread.start(); thread.join()
listener = socket.create_server(("127.0.0.1", 0))
ports = [socket.create_connection(listener.getsockname()).getsockname()[1] for _ in range(20)]
own = open("/proc/sys/net/ipv4/ip_local_port_range").read().split()
print(json.dumps([cores, found, ports, own]))
"""


@pytest.mark.docker
class TestInDocker:
    def test_a_phase_reads_no_count_of_all_networks_and_has_ports_of_its_own(
        self, containers: Phases
    ) -> None:
        sizes = set()
        for _ in range(2):
            facts = containers.run(LOOK, phase="score")
            assert facts.outcome == "completed", containers.lines
            seen = {fact.id: fact.actual for fact in facts.isolation}
            assert seen["network_counters_hidden"] == NET_CLOSED
            assert seen["own_source_ports"] == OWN_MODULUS
            assert seen["inode_batches_ended"] == BATCHES_ENDED
            cores, found, ports, own = json.loads(containers.lines[0])
            assert {name for name, _ in found} <= set(counts.KEPT_NET)
            low, high = map(int, own)
            assert counts.is_own_range(low, high)
            assert all(low <= port <= high for port in ports), "connections go on as before"
            assert max(cores.values()) < 64, "fresh on every core"
            sizes.add(high - low)
        assert len(sizes) == 2

    @pytest.mark.parametrize(
        ("line", "instead", "id", "said"),
        [
            ("os.chmod(path, 0)", "pass", "network_counters_hidden", "open, "),
            ('file.write(f"{low} {high}")', "pass", "own_source_ports", "source ports (32768, "),
            ("os.sched_setaffinity(0, {core})", "os._exit(1)", "inode_batches_ended", "on 0 of "),
        ],
    )
    def test_what_was_not_seen_to_be_done_is_said(
        self,
        containers: Phases,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        line: str,
        instead: str,
        id: str,
        said: str,
    ) -> None:
        source = settling.COUNTS.read_text()
        assert source.count(line) == 1
        broken = tmp_path / "counts.py"
        broken.write_text(source.replace(line, instead))
        monkeypatch.setattr(settling, "COUNTS", broken)
        facts = containers.run("", phase="score")
        assert {fact.id: fact.actual for fact in facts.isolation if not fact.holds}.keys() == {id}
        assert said in next(fact.actual for fact in facts.isolation if fact.id == id)

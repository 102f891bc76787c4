"""What is measured of a track's rules, and with how many drawn entries: shares of records."""

from dataclasses import dataclass, replace

from harness.contest.significance import Look, Significance
from harness.simulation.chances import SEED, Chances, chances
from harness.simulation.power import Size
from harness.simulation.procedure import Procedure, procedure_of
from harness.simulation.worlds import HOST_SHARE, World

MULTIPLES = (
    *(0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0, 3.6, 4.5),
    *(6.0, 8.0, 12.0, 20.0, 50.0, 200.0),
)
"""Deviations among which the worst is looked for, in the field's."""


@dataclass(frozen=True)
class Share:
    """A share of drawn entries; ``remark`` is what else is to be known of it.

    ``error`` is its standard error; of none at all, that of a single case.
    """

    value: float
    error: float
    remark: str = ""

    @classmethod
    def of(cls, found: Chances, remark: str = "") -> "Share":
        """The share that became records."""
        return cls(found.share, found.error, remark)


@dataclass(frozen=True)
class Study:
    """The rules in question, beside others that they are compared with, and the field."""

    asked: Significance
    size: Size
    entries: int

    @property
    def sd(self) -> float:
        """The field's deviation, BPB."""
        return self.asked.field_sd_bpb or 0.0

    @property
    def margin(self) -> float:
        """Nats a token."""
        return self.asked.margin_nats_per_token or 0.0

    @property
    def official(self) -> Procedure:
        """The rules in question."""
        return procedure_of(self.asked, margin_bpb=self.size.bpb(self.margin))

    @property
    def procedures(self) -> dict[str, Procedure]:
        """The rules in question last, after simpler ones of the same level and margin."""
        level = self.asked.p_below or 0.0
        simple = (Look(runs=3, accept_below=level),)
        without: dict[str, object] = {"confirmation": None, "spending": None}
        plain: dict[str, object] = {**without, "looks": simple, "seeds": None, "test": "plain"}
        variants: dict[str, dict[str, object]] = {
            "three seeds, plain t-test": plain,
            "three seeds, as here": {**plain, "test": self.asked.test},
            "looks, no confirmation": without,
        }
        made = {
            name: procedure_of(
                self.asked.model_copy(update=changes), margin_bpb=self.size.bpb(self.margin)
            )
            for name, changes in variants.items()
        }
        return {**made, "the track's rules": self.official}

    def world(self, gain_nats: float, *, hosts: bool = True) -> World:
        """An entry whose runs scatter as the field's do, exactly."""
        host_sd = HOST_SHARE * self.sd if hosts else 0.0
        return World(gain=self.size.bpb(gain_nats), sd=self.sd, host_sd=host_sd)

    def field(self, gain_nats: float, *, hosts: bool = True) -> World:
        """An entry whose deviation is drawn as the field's are."""
        return replace(self.world(gain_nats, hosts=hosts), degrees=self.asked.field_degrees)

    def measure(self, procedure: Procedure, world: World, remark: str = "") -> Share:
        """Share of records."""
        return Share.of(chances(procedure, world, entries=self.entries), remark)

    def worst(self, procedure: Procedure, world: World) -> Share:
        """The deviation that passes most often: looked for with one luck, measured with another."""
        few = max(self.entries // 4, 1)
        found = [
            (chances(procedure, replace(world, sd=times * self.sd), entries=few).share, times)
            for times in MULTIPLES
        ]
        _, times = max(found)
        again = chances(
            procedure, replace(world, sd=times * self.sd), entries=self.entries, seed=SEED + 1
        )
        return Share.of(again, f"x {times:g}")

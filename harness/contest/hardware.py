"""The hardware of a track, and the speed that it has where it is in order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.models import Fact, Later

Figure = Literal[
    "python_additions_per_second",
    "gemm_gflops",
    "copy_gb_per_second",
    "read_mb_per_second",
    "all_reduce_gb_per_second",
    "power_limit_watts",
]
"""What is measured of a host (harness/inside/calibrate). The limit of power is that of the
accelerator that may take least, as its driver says; without accelerators there is none."""


class Speed(Fact):
    """What a host of a track reaches in one measurement, and how far another may be from it.

    ``tolerance`` is the share that it may fall short; ``fastest`` how many times the reference no
    such hardware can reach.
    """

    reference: float = Field(gt=0)
    tolerance: float = Field(default=0.1, gt=0, lt=1)
    fastest: float = Field(default=1.5, gt=1)

    def unlike(self, name: str, measured: float | None) -> str:
        """How a figure is not as it should be, in words; empty where it is."""
        if measured is None:
            return f"{name} was not measured"
        if measured < self.reference * (1 - self.tolerance):
            share = measured / self.reference
            return f"{name} {measured:,.4g} is {share:.0%} of the reference {self.reference:,.4g}"
        if measured > self.reference * self.fastest:
            return f"{name} {measured:,.4g} is more than can be ({self.reference:,.4g} is usual)"
        return ""


class Hardware(Fact):
    """Accelerators that the track needs; 0 means any machine, CPU only.

    ``speeds``: what is measured on a host before each run, by the names of the figures.

    ``as_found``: whatever is there is used, where ``accelerators`` is 0: all accelerators of the
    kind of which there are most, or none. The plan says which; every host of it needs the same.
    """

    accelerators: int = Field(ge=0, le=1024, strict=True)
    accelerator_name: str = ""
    speeds: Later[dict[Figure, Speed]] = None
    as_found: Later[Annotated[bool, Field(strict=True)]] = None

    def found(self, names: Sequence[str]) -> "Hardware":
        """What a run needs where accelerators of these names are there."""
        if not self.as_found or self.accelerators or not names:
            return self
        name, count = Counter(names).most_common(1)[0]
        return self.model_copy(update={"accelerators": count, "accelerator_name": name})

    @property
    def ruled(self) -> "Hardware":
        """The same without what was found, which is no rule."""
        if not self.as_found:
            return self
        return self.model_copy(update={"accelerators": 0, "accelerator_name": ""})

    def unlike(self, figures: Mapping[str, float]) -> list[str]:
        """How a host's figures are not as they should be, one phrase each."""
        asked = (self.speeds or {}).items()
        found = (speed.unlike(name, figures.get(name)) for name, speed in asked)
        return [phrase for phrase in found if phrase]

    @model_validator(mode="after")
    def _named_when_needed(self) -> "Hardware":
        if (self.accelerators > 0) != bool(self.accelerator_name):
            raise ValueError("accelerator_name must be given exactly when accelerators > 0")
        return self

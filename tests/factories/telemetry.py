"""Eight accelerators that were watched, and what is kept of it."""

import numpy as np

from harness.evidence.host import TelemetryFacts
from harness.evidence.telemetry_file import Curves
from harness.safeio.files import sha256_of_bytes


def some_curves(moments: int = 3_000, devices: int = 8) -> Curves:
    """Ten minutes at five moments a second: clocks fall, heat rises; one has no sensor of power."""
    time, device = np.arange(moments)[:, None], np.arange(devices)[None, :]
    power = 640_000 + 1_000 * (time % 7) + 0 * device
    power[:, 0] = -1
    return Curves(
        uuids=tuple(f"GPU-{number:08d}-0000-0000-0000-000000000000" for number in range(devices)),
        seconds=(np.arange(moments) / 5).astype(np.float32),
        columns={
            name: np.broadcast_to(column, (moments, devices)).astype(np.int32)
            for name, column in {
                "sm_mhz": 1_980 - time // 10 - device,
                "memory_mhz": 2_619 + 0 * time,
                "milliwatts": power,
                "limit_milliwatts": 700_000 - 1_000 * device,
                "celsius": 48 + time // 200 + device,
                "busy_percent": 99 + 0 * time,
                "reasons": 4 + 0 * time,
            }.items()
        },
    )


def watched(curves: Curves | None = None) -> TelemetryFacts:
    """The facts of telemetry that kept these curves."""
    curves = curves or some_curves()
    return TelemetryFacts(
        samples=len(curves.seconds),
        lowest_sm_clock_mhz=int(curves.columns["sm_mhz"].min()),
        file_sha256=sha256_of_bytes(curves.to_bytes()),
    )

"""Exhibits of three seed runs, with something to show in every section and in every picture."""

import math
from typing import Any

from harness.evidence.host import TelemetryFacts
from harness.evidence.results import StreamPart
from harness.evidence.step_names import StepName
from harness.report.exhibits.model import (
    Exhibits,
    RunExhibit,
    StepTelemetry,
    Stretch,
    TelemetryPoint,
    Tensor,
    Tolerances,
    TrainPoint,
    Weights,
)
from tests.factories.results import probes, recall, spread

SEEDS = (1904289383, 846930886, 77)


def exhibits(**changes: Any) -> Exhibits:
    """Exhibits; ``changes`` are fields of every run."""
    return Exhibits(
        runs=tuple(_run(seed, **changes) for seed in SEEDS),
        inspected=Weights(
            format="as its own code says",
            compressed=False,
            tensors=(
                Tensor(name="a.weight", kind="int6", stored_bytes=9_000, rms_error=0.02),
                Tensor(name="b.weight", kind="float32", stored_bytes=900, rms_error=0.0),
                Tensor(name="c.gain", kind="float32", stored_bytes=90),
            ),
        ),
        tolerances=Tolerances(
            largest_change_nats=0.5, mean_change_nats=0.05, mean_gain_nats=0.0005
        ),
        train_limit_seconds=600.0,
        score_limit_seconds=600.0,
    )


def _run(seed: int, **changes: Any) -> RunExhibit:
    fields: dict[str, Any] = {
        "seed": seed,
        "role": "seed",
        "purpose": "look",
        "attempt": 1,
        "stretches": _stretches(),
        "training": tuple(
            TrainPoint(
                step=50 * place,
                seconds=20.0 + 5 * place,
                loss=3 + 4 * math.exp(-place / 8),
                step_ms=100.0 + seed % 7 if place else None,
            )
            for place in range(40)
        ),
        "spread": spread(0.31, 0.33, 0.35, 0.36, parts=_parts()),
        "weights": Weights(
            format="safetensors",
            compressed=False,
            tensors=(
                Tensor(name="embedding.weight", kind="F16", stored_bytes=1_048_576),
                Tensor(name="blocks.0.up.weight", kind="I8", stored_bytes=262_144),
            ),
            left_out=3,
            left_out_bytes=4_096,
        ),
        "telemetry": (
            StepTelemetry(
                step="training",
                facts=TelemetryFacts(
                    samples=300,
                    slowdowns=("sw_thermal_slowdown",),
                    lowest_sm_clock_mhz=1_410,
                    foreign_processes=0,
                ),
                busy_seconds=4_711.0,
                kilojoules=2_880.5,
                curve=tuple(
                    TelemetryPoint(
                        seconds=2.0 * place,
                        lowest_mhz=1_980 - 6 * place,
                        watts=640.0 + place % 7,
                        limit_watts=700.0,
                        hottest_celsius=48 + place // 4,
                    )
                    for place in range(60)
                ),
            ),
        ),
        "probes": probes(),
        "recall": recall(),
    }
    return RunExhibit(**(fields | changes))


def _parts() -> tuple[StreamPart, ...]:
    return tuple(
        StreamPart(documents=9, bytes=40_000 + place, bpb=1.1 + place % 3 / 20, plain_bpb=3.1)
        for place in range(25)
    )


def _stretches() -> tuple[Stretch, ...]:
    train: StepName = "train"
    score: StepName = "score"
    return (
        Stretch(
            step=train,
            name="training",
            by="engine",
            begins=0.0,
            seconds=590.0,
            limit_seconds=600.0,
            outcome="completed",
        ),
        Stretch(step=train, name="start-up", by="log", begins=0.0, seconds=21.0),
        Stretch(step=train, name="steps", by="log", begins=21.0, seconds=540.0),
        Stretch(
            step=score,
            name="scoring",
            by="engine",
            begins=592.0,
            seconds=210.0,
            limit_seconds=600.0,
            outcome="completed",
        ),
        Stretch(step=score, name="loading", by="scoring", begins=592.0, seconds=10.0),
    )

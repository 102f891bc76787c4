"""One artifact scored through the harness, with probes on: how fast, and where the time goes.

Then asked again in a fresh worker: what the probes see of an honest model. On CUDA, also how fast
it would be if the worker compiled the model, or captured graphs of it.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from harness.scoring.arithmetic import Arithmetic
from harness.scoring.link import Answer
from harness.scoring.schedules.plan import Room
from tests.accelerator.asking import Asking, judged
from tests.accelerator.desk import Desk
from tests.accelerator.official import official_probes
from tests.accelerator.recipe import Recipe, read_recipe
from tests.accelerator.steps.by_itself import rate_stream
from tests.accelerator.steps.text import VOCABULARY
from tests.accelerator.watch import Watch

_REPEATS = 3


def run(desk: Desk) -> None:
    """Score, ask again, and take the time of each part of a request."""
    recipe = read_recipe(desk)
    asking = Asking(desk, recipe, rate_stream(desk, recipe))
    probes = asking.probes(desk.size.probes)
    with Watch(desk.devices) as watch:
        scores = asking.score(probes)
    _tell(desk, "harness", asking, scores)
    desk.tell("watched", watch.figures)
    desk.tell("mean_probability", float(np.nanmean(np.exp(-probes.first.nats))))
    found = asking.again(probes)
    desk.tell("probes_seconds", found.seconds)
    desk.tell("probes", judged(found, asking.plan, official_probes()["bound"]))
    _parts(desk, recipe, asking, scores.model_seconds / scores.requests)
    if not desk.cuda:
        desk.cannot("compiling and capturing graphs in the worker", "there is no GPU")
    elif recipe.segment:
        desk.cannot("compiling and capturing graphs in the worker", "its answers change with "
                    "what it observed")  # fmt: skip
    elif desk.arguments.get("variants", True):
        for load in ("load_captured", "load_compiled"):
            variant, way = asking.with_extra("captured", load), load.removeprefix("load_")
            try:
                _tell(desk, way, variant, variant.score())
            except RuntimeError as error:
                desk.cannot(f"a worker whose model is {way}", str(error)[-400:])


def _tell(desk: Desk, name: str, asking: Asking, scores: Any) -> None:
    rate = asking.settled_rate
    desk.tell(
        name,
        {
            "targets_a_second": round(scores.tokens_per_second),
            "settled_targets_a_second": None if rate is None else round(rate),
            "targets": scores.targets,
            "windows": scores.windows,
            "requests": scores.requests,
            "load_seconds": round(scores.load_seconds, 2),
            "model_seconds": round(scores.model_seconds, 3),
            "observe_seconds": round(scores.observe_seconds, 3),
            "val_loss": scores.val_loss,
        },
    )


def _parts(desk: Desk, recipe: Recipe, asking: Asking, observed: float) -> None:
    """Each part of the usual request, alone: model, copy, channel, our own log-softmax."""
    plan, device = asking.plan, torch.device(desk.device)
    room = Room(asking.at_once, VOCABULARY)
    numbers = np.arange(len(plan), dtype=np.int64)
    largest = max((ask for ask, _ in plan.placed(numbers, room=room)),
                  key=lambda ask: len(ask.starts))  # fmt: skip
    shown = torch.from_numpy(largest.tokens(asking.tokens))
    targets = torch.from_numpy(asking.tokens[largest.targets].astype(np.int64))
    wanted = torch.from_numpy(largest.wanted)
    model = recipe.load_model(desk.artifact, device)
    first = int(largest.first)
    with torch.no_grad():
        on_device = shown.to(device)
        logits = model(on_device, first).float()
        host = torch.empty(logits.shape)
        seconds = {
            "model": _seconds(desk, lambda: model(on_device, first)),
            "copy to host": _seconds(desk, lambda: host.copy_(logits)),
            "a plain copy of them": _seconds(desk, host.clone),
        }
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as the harness has it: a worker, a thread
        arithmetic = Arithmetic()
        seconds["log-softmax on one core"] = _seconds(
            desk, lambda: _here(arithmetic, host, targets, wanted)
        )
        torch.set_num_threads(threads)
        if desk.cuda:
            there = (targets.to(device), wanted.to(device))
            seconds["log-softmax on the device"] = _seconds(desk, lambda: _there(logits, *there))
            ours = _here(arithmetic, host, targets, wanted)
            theirs = _there(logits, *there)
            desk.tell("log_softmax_apart", float((ours - theirs.cpu()).abs().max()))
        else:
            desk.cannot("log-softmax on the device", "there is no GPU")
    mib = host.numel() * 4 / 2**20
    shape = f"{len(shown)} windows of {shown.shape[1]}, {targets.shape[1]} logits each"
    desk.tell("request", f"{shape}, {mib:.0f} MiB")
    desk.tell("request_milliseconds", {name: round(1000 * s, 3) for name, s in seconds.items()})
    desk.tell("request_milliseconds_observed", round(1000 * observed, 3))


def _here(
    arithmetic: Arithmetic, logits: torch.Tensor, targets: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """Our own arithmetic, of logits float32[B, P, V] that lie in shared memory: float32[B, P]."""
    windows, positions, vocabulary = logits.shape
    memory = logits.reshape(-1).view(torch.uint8).numpy()
    answer = Answer(memory, (windows, positions, vocabulary), "float32")
    return arithmetic.costs(
        answer, targets.numpy(), wanted=wanted.numpy(), where=lambda w, p: f"at {w}, {p}"
    )[0]


def _there(logits: torch.Tensor, targets: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The same on the device that the logits are on, by torch alone."""
    logits = logits.float()
    chosen = logits.gather(-1, targets[..., None]).squeeze(-1)
    return torch.where(wanted, logits.logsumexp(-1) - chosen, 0.0)


def _seconds(desk: Desk, work: Callable[[], Any]) -> float:
    """The fastest of a few."""
    taken = []
    for _ in range(_REPEATS):
        if desk.cuda:
            torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        if desk.cuda:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return min(taken)

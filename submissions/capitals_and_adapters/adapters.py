"""Low-rank adapters, one for each open document, and studies of the whole model.

A row is an open document. Beside the matrices of the model it has matrices of its own,

    y = W x + up (down x),    logits = head(x) + bias,

with ``down`` [rank, inputs] drawn once and ``up`` [outputs, rank] and ``bias`` zero when its
document begins, so that each document begins with the model itself. After a piece of the document
was scored, the row's matrices take one step of AdaMax on the window that ends with this piece: all
rows side by side, as one batch of products. Nothing of one row enters another.

Now and then the model itself is trained on the documents that are finished: a *study*.

Answering changes nothing. What an answer follows from is the window's own past, what was observed
of its row, and what was studied.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

BIAS = "bias"


@dataclass(frozen=True)
class Adaptation:
    """How to learn while being scored; stored in the artifact.

    ``segment`` and ``context`` are those of ``[score]`` (``context``: its sequence_length). With
    ``adapter_lr`` 0 no row adapts; with ``study_lr`` 0 nothing is studied.
    """

    segment: int = 256
    context: int = 1024
    adapter_rank: int = 8
    adapter_lr: float = 0.005
    adapter_bias_lr: float = 0.01
    adapter_beta: float = 0.95
    adapter_seed: int = 1
    study_lr: float = 0.0005
    study_batch_tokens: int = 65_536
    study_epochs: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.type is float else 1
            if type(value) is not field.type or not least <= value < 1e9:
                raise ValueError(
                    f"{field.name}: expected {field.type} from {least}, found {value!r}"
                )
        if self.segment > self.context:
            raise ValueError("segment: expected at most context")


class LowRank(NamedTuple):
    """For each row ``down: float32[R, rank, inputs]`` and ``up: float32[R, outputs, rank]``."""

    down: Tensor
    up: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """What is added to the outputs ``[R, T, outputs]`` of ``x: [R, T, inputs]``."""
        return (x @ self.down.mT.to(x.dtype)) @ self.up.mT.to(x.dtype)


Adapters = Mapping[str, LowRank]
NO_ADAPTERS: Adapters = {}


class Adaptable(Protocol):
    """What a model must have."""

    def shapes(self) -> Mapping[str, tuple[int, int]]:
        """Inputs and outputs of each matrix that may be adapted."""

    def hidden(self, tokens: Tensor, adapters: Adapters) -> Tensor:
        """``[R, T, D]``, what the head takes in."""

    def head(self, x: Tensor, adapters: Adapters, bias: Tensor | None) -> Tensor:
        """``float32[R, T, V]`` logits."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All of them."""


class Rows:
    """What the rows have learned: matrices, AdaMax's largest gradients, and the latest tokens.

    Everything has the row as its first axis and grows when a higher row is named.
    """

    def __init__(self, initial: Mapping[str, Tensor], context: int, device: torch.device) -> None:
        self.initial, self.device = initial, device
        self.values = {name: value.new_empty(0, *value.shape) for name, value in initial.items()}
        self.largest = {name: torch.empty_like(value) for name, value in self.values.items()}
        self.texts = torch.zeros(0, context + 1, dtype=torch.int64, device=device)
        self.lengths = torch.zeros(0, dtype=torch.int64, device=device)

    def reset(self, rows: Tensor, bos_id: int) -> None:
        """A document begins in ``rows: int64[K]``."""
        self._grow(int(rows.max()) + 1)
        for name, value in self.initial.items():
            self.values[name][rows] = value
            self.largest[name][rows] = 0
        self.texts[rows, 0] = bos_id
        self.lengths[rows] = 1

    def _grow(self, rows: int) -> None:
        more = rows - len(self.lengths)
        if more > 0:
            for tensors in (self.values, self.largest):
                for name, value in tensors.items():
                    tensors[name] = torch.cat((value, value.new_zeros(more, *value.shape[1:])))
            for name in ("texts", "lengths"):
                value = getattr(self, name)
                setattr(self, name, torch.cat((value, value.new_zeros(more, *value.shape[1:]))))

    def append(self, rows: Tensor, tokens: Tensor, counts: Tensor) -> None:
        """``counts: int64[K]`` of ``tokens: int64[K, N]`` follow in each row."""
        room = self.texts.shape[1]
        places = torch.arange(room, device=self.device)
        old, lengths = self.texts[rows], self.lengths[rows]
        # Both in one line, of which the latest are kept.
        begins = (lengths + counts - room).clamp(min=0)
        wanted = begins[:, None] + places
        new = (wanted - lengths[:, None]).clamp(0, tokens.shape[1] - 1)
        kept = torch.where(
            wanted < lengths[:, None],
            old.gather(1, wanted.clamp(max=room - 1)),
            tokens.gather(1, new),
        )
        self.texts[rows] = kept
        self.lengths[rows] = (lengths + counts).clamp(max=room)

    def step(
        self, rows: Tensor, gradients: Mapping[str, Tensor], rates: Mapping[str, float], beta: float
    ) -> None:
        """One step of AdaMax without momentum: no number changes by more than its rate.

        A step that is measured by the mean of what came before is ten times as long where a
        document changes its subject; some long ones then never found back.
        """
        for name, gradient in gradients.items():
            largest = torch.maximum(beta * self.largest[name][rows], gradient.abs())
            self.largest[name][rows] = largest
            self.values[name][rows] -= rates[name] * gradient / (largest + 1e-8)


class AdaptedModel:
    """A model as the harness asks it, document by document."""

    def __init__(self, model: Any, how: Adaptation, *, bos_id: int, device: torch.device) -> None:
        self.model, self.how, self.bos_id, self.device = model, how, bos_id, device
        self.rows = Rows(self._initial(), how.context, device)
        self.studies = 0

    def _initial(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self.how.adapter_seed)
        shapes, rank = self.model.shapes(), self.how.adapter_rank
        initial = {}
        for name, (inputs, outputs) in shapes.items():
            down = torch.randn(rank, inputs, generator=generator) * inputs**-0.5
            initial[f"{name}.down"] = down.to(self.device)
            initial[f"{name}.up"] = torch.zeros(outputs, rank, device=self.device)
        initial[BIAS] = torch.zeros(shapes["head"][1], device=self.device)
        return initial

    def reset(self, rows: Tensor) -> None:
        """A document begins in each of ``rows: int64[K]``."""
        self.rows.reset(rows.to(self.device), self.bos_id)

    @torch.no_grad()
    def __call__(self, tokens: Tensor, firsts: Tensor, rows: Tensor) -> Tensor:
        """``float32[K, segment, V]``: logits of each window from its first position on."""
        values = {name: value[rows] for name, value in self.rows.values.items()}
        asked = firsts[:, None] + torch.arange(self.how.segment, device=tokens.device)
        return self._logits(tokens, asked, values)

    def _logits(self, tokens: Tensor, asked: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        adapters = {}
        if self.how.adapter_lr:
            adapters = {
                name.removesuffix(".down"): LowRank(down, values[name.removesuffix("down") + "up"])
                for name, down in values.items()
                if name.endswith(".down")
            }
        x = self.model.hidden(tokens, adapters)
        x = x.gather(1, asked[..., None].expand(-1, -1, x.shape[-1]))
        return self.model.head(x, adapters, values[BIAS])

    def observe(self, rows: Tensor, tokens: Tensor, counts: Tensor) -> None:
        """Learn ``tokens: int64[K, N]``, ``counts: int64[K]`` of each row, which were scored."""
        rows, tokens, counts = (part.to(self.device) for part in (rows, tokens, counts))
        self.rows.append(rows, tokens, counts)
        rates = {name: self.how.adapter_lr for name in self.rows.values}
        rates[BIAS] = self.how.adapter_bias_lr
        if not any(rates.values()):
            return
        texts, lengths = self.rows.texts[rows], self.rows.lengths[rows]
        longest = int(lengths.max())
        inputs, targets = texts[:, : longest - 1], texts[:, 1:longest]
        numbers = torch.arange(tokens.shape[1], device=self.device)
        learned = numbers < counts[:, None]
        places = torch.where(learned, (lengths - 1 - counts)[:, None] + numbers, 0)
        values = {
            name: value[rows].detach().requires_grad_() for name, value in self.rows.values.items()
        }
        with torch.enable_grad():
            logits = self._logits(inputs, places, values)
            wanted = targets.gather(1, places)
            losses = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
            loss = ((losses.view(wanted.shape) * learned).sum(1) / counts).sum()
            gradients = torch.autograd.grad(loss, list(values.values()), allow_unused=True)
        kept = {n: g for n, g in zip(values, gradients, strict=True) if g is not None}
        self.rows.step(rows, kept, rates, self.how.adapter_beta)

    def study(self, documents: list[Tensor]) -> None:
        """Train the model on ``documents``, each int64[n]; all devices together, each its share."""
        how = self.how
        self.studies += 1
        windows = cut(documents, how.context)
        if not how.study_lr or not len(windows):
            return
        rank, world = 0, 1
        if dist.is_available() and dist.is_initialized():
            rank, world = dist.get_rank(), dist.get_world_size()
        at_once = max(1, how.study_batch_tokens // how.context)
        generator = torch.Generator().manual_seed(self.studies)
        order = torch.cat(
            [torch.randperm(len(windows), generator=generator) for _ in range(how.study_epochs)]
        )
        batches = order.split(at_once)
        parameters = [p.requires_grad_() for p in self.model.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=how.study_lr, betas=(0.9, 0.95))
        for number, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = how.study_lr * (1 - number / len(batches))
            optimizer.zero_grad()
            whole = windows[batch].to(self.device)
            mine = whole[rank::world]
            for part in mine.split(max(1, 65_536 // how.context)):
                targets = part[:, 1:]
                with torch.enable_grad():
                    x = self.model.hidden(part[:, :-1].clamp(min=0), {})
                    logits = self.model.head(x, {}, None)
                    loss = F.cross_entropy(
                        logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"
                    )
                    (loss / (whole[:, 1:] >= 0).sum()).backward()
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                if world > 1:
                    dist.all_reduce(parameter.grad)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        for parameter in parameters:
            parameter.requires_grad_(False)
            parameter.grad = None


def cut(documents: list[Tensor], context: int) -> Tensor:
    """Windows ``int64[W, context + 1]``, each of one document; -1 behind its end.

    The last token of a document is a target and no input.
    """
    windows = []
    for document in documents:
        for begin in range(0, len(document) - 1, context):
            part = document[begin : begin + context + 1]
            windows.append(F.pad(part, (0, context + 1 - len(part)), value=-1))
    return torch.stack(windows) if windows else torch.empty(0, context + 1, dtype=torch.int64)

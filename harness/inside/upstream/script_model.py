"""The model of a script, asked as our worker asks any: tokens in, logits out."""

import contextlib
from collections.abc import Callable
from typing import Any

_WRAPPERS = ("DistributedDataParallel", "DataParallel", "FullyShardedDataParallel")
_LOSSES = ("cross_entropy", "nll_loss")
_NORMALIZING = ("logsumexp", "log_softmax")
"""What losses are made of that scripts write out themselves."""


def unwrapped(model: Any) -> Any:
    """The eager module within what ``torch.compile`` and data parallelism put around it."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None:
            inner = getattr(model, "_torchdynamo_orig_callable", None)
        if inner is None and type(model).__name__ in _WRAPPERS:
            inner = model.module
        if inner is None:
            return model
        model = inner


def device_of(model: Any) -> Any:
    """Where a model's weights lie, or those of the module that a method belongs to."""
    import torch

    module = getattr(model, "__self__", model)
    parameters = getattr(module, "parameters", None)
    first = next(iter(parameters()), None) if callable(parameters) else None
    if first is not None:
        return first.device
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def divisor_in(names: dict[str, Any], wanted: str | None) -> float:
    """What an evaluation divides its logits by, of the arguments that it was called with; or 1.

    Raises:
        NoLogitsError: there is no such argument, or it is no positive number.
    """
    if not wanted:
        return 1.0
    first, *path = wanted.split(".")
    value = names.get(first)
    for part in path:
        value = getattr(value, part, None)
    try:
        divisor = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        divisor = 0.0
    if not 0 < divisor < float("inf"):
        raise NoLogitsError(f"its logits are divided by {wanted}, which is {str(value)[:60]}")
    return divisor


class NoLogitsError(Exception):
    """What the model gave holds no logits of the tokens that it was shown."""


class Asked:
    """A script's model as the worker asks one: ``(tokens[B, T], first) -> logits[B, T-first, V]``.

    ``logits`` is that table of the bridge, ``names`` what the evaluation was called with. The
    autocast is the one of the script's own loop.
    """

    def __init__(
        self, model: Any, logits: dict[str, Any], script: dict[str, Any], names: dict[str, Any]
    ) -> None:
        self._model, self._how = model, logits["how"]
        self._arguments, self._result = logits["arguments"], logits["result"]
        self._cap, self._autocast = logits["cap"], logits["autocast"]
        self._divisor = divisor_in(names, logits.get("temperature"))
        self._raw = bool(logits.get("divided_raw"))
        self._call = model
        if self._how == "method":
            self._call = _method(model, logits["method"], script)

    def __call__(self, tokens: Any, first: int) -> Any:
        """Logits of positions from ``first`` on."""
        import torch

        windows, length = tokens.shape
        casting: Any = contextlib.nullcontext()
        if self._autocast != "none":
            casting = torch.autocast("cuda", dtype=getattr(torch, self._autocast))
        with casting:
            if self._how == "loss":
                given = logits_in_loss(self._call, tokens, self._arguments)
            else:
                given = self._call(tokens, **self._arguments)
                given = given if self._result is None else given[self._result]
            if not isinstance(given, torch.Tensor):
                raise NoLogitsError(f"the model gave {type(given).__name__}, no tensor of logits")
            if given.shape[:-1].numel() != windows * length or given.ndim < 2:
                shape = list(given.shape)
                raise NoLogitsError(f"for tokens [{windows}, {length}] the model gave {shape}")
            logits = given.reshape(windows, length, -1)[:, first:]
            logits = logits if self._cap is None else self._cap * torch.tanh(logits / self._cap)
            if self._divisor == 1:
                return logits
            return (logits if self._raw else logits.float()) / self._divisor


def _method(model: Any, name: str, script: dict[str, Any]) -> Callable[..., Any]:
    """A method of the model, or the script's function of that name, which takes the model first."""
    method = getattr(model, name, None)
    if method is None and callable(function := script.get(name)):
        return lambda tokens, **arguments: function(model, tokens, **arguments)
    if not callable(method):
        raise NoLogitsError(f"{type(model).__name__} has no method {name}")
    return unwrapped(method)  # type: ignore[no-any-return]


def logits_in_loss(model: Any, tokens: Any, arguments: dict[str, Any]) -> Any:
    """What enters the last cross entropy over all of ``tokens`` [B, T] while a loss is computed.

    Where none is called, what is normalised over the vocabulary: some add a term to their loss that
    is no cost of a token, such as the square of the normaliser, and write the rest out.

    Raises:
        NoLogitsError: there is no such thing.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    rows = tokens.numel()
    seen: list[str] = []
    kept: list[Any] = []
    normalised: list[Any] = []

    def keep(scores: Any) -> None:
        if not isinstance(scores, torch.Tensor):
            return
        seen.append(str(list(scores.shape)))
        if scores.ndim == 2 and scores.shape[0] == rows:
            kept[:] = [scores]
        elif scores.ndim == 3 and (scores.shape[0], scores.shape[2]) == tokens.shape:
            kept[:] = [scores.transpose(1, 2)]

    def keep_normalised(scores: Any) -> None:
        there = isinstance(scores, torch.Tensor) and scores.ndim in (2, 3)
        if there and scores.shape[:-1].numel() == rows:
            normalised[:] = [scores]

    class Watching(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, given: Any = (), named: Any = None
        ) -> Any:
            name = getattr(function, "__name__", "")
            if name in _LOSSES:
                keep(given[0] if given else (named or {}).get("input"))
            elif name in _NORMALIZING:
                keep_normalised(given[0] if given else (named or {}).get("input"))
            return function(*given, **(named or {}))

    with Watching():
        model(tokens, torch.zeros_like(tokens), **arguments)
    kept = kept or normalised
    if not kept:
        shapes = f"; it was called with {', '.join(seen[:5])}" if seen else ""
        raise NoLogitsError(f"no cross_entropy over [{rows}, vocabulary] was called{shapes}")
    return kept[0]

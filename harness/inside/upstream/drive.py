"""Drives the loop of a script that learns while it scores: chunk by chunk, as it is told.

The loop runs where the script called it, with its own arguments but the tokens. What it asks of
those that nobody has scored yet makes it wait (``told_tokens``). While it waits another thread
answers for its model, as the loop left it. When a chunk has been scored, the loop is told its
tokens and goes on: it scores the chunk itself, which counts for nothing, learns from it, and waits
at the next one. All workers drive it together, as ranks of one world.
"""

import contextlib
import copy
import gc
import inspect
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType, FunctionType
from typing import Any, NamedTuple, NoReturn


class Driving(NamedTuple):
    """What the harness says of a loop: JSON in the settings.

    ``length`` and ``first`` are of the stream that is scored, which nobody here knows: how many
    tokens it has, and the first one, which is no target. ``segment`` tokens are told together,
    ``decoy`` is how many there are in the split that lies in its place.
    """

    loop: str
    length: int
    first: int
    segment: int
    context: int
    decoy: int
    seconds: float


class NotDrivenError(Exception):
    """The loop does not do what a loop must that is driven."""


class Driven:
    """The model that the worker asks and tells: ``(tokens[B, T], first)``, ``observe(tokens[M])``.

    ``asked`` gives the logits of ``model``, which the loop changes when it learns.
    """

    def __init__(self, asked: Any, model: Any, telling: Any, *, evaluates: bool, said: Driving):
        self._asked, self._model, self._telling = asked, model, telling
        self._evaluates, self._said = evaluates, said
        self.failure = ""

    def begin(self) -> None:
        """Wait until the loop stands at its first token that was not told.

        Raises:
            NotDrivenError: it never will.
        """
        self._stand_still("before its first chunk")

    def __call__(self, tokens: Any, first: int) -> Any:
        """Logits of the model as it is while the loop waits; nothing of the loop's is changed."""
        import torch

        devices = [tokens.device] if tokens.device.type == "cuda" else []
        with torch.random.fork_rng(devices), _evaluating(self._model, self._evaluates):
            return self._asked(tokens, first)

    def observe(self, tokens: Any) -> None:
        """Tell the loop what was scored, and wait until it has learned from it.

        Raises:
            NotDrivenError: it did not.
        """
        self._telling.tell(tokens)
        self._stand_still(f"with {self._telling.known:,} tokens told")

    def _stand_still(self, when: str) -> None:
        telling, loop = self._telling, self._said.loop
        if not telling.wait(self._said.seconds):
            raise NotDrivenError(
                f"{loop} neither asked for a further token nor returned within "
                f"{self._said.seconds:g} s {when}"
            )
        if self.failure:
            raise NotDrivenError(f"{loop} raised {self.failure}, {when}")
        if telling.refused:
            raise NotDrivenError(f"{loop} cannot be driven: {telling.refused}")
        left = telling.length - telling.known
        if telling.ended and left >= self._said.segment:
            raise NotDrivenError(
                f"{loop} returned {when}, and asked for none of the {left:,} others: it does not "
                "read the tokens that it is called with"
            )


@contextlib.contextmanager
def _evaluating(model: Any, evaluates: bool) -> Iterator[None]:
    """The model in its mode for evaluation, where the loop brings it there, and back."""
    modules = list(model.modules()) if evaluates and hasattr(model, "modules") else []
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def drive(
    frame: FrameType,
    said: Driving,
    *,
    model_name: str,
    telling_of: Callable[..., Any],
    asked_of: Callable[[Any], Any],
    unwrapped: Callable[[Any], Any],
    answer: Callable[[Any, Any], None],
    failed: Callable[[str], NoReturn],
    where: Callable[[BaseException], str],
) -> NoReturn:
    """Run the loop that was called in ``frame`` once more, driven, and answer for its model.

    Args:
        frame: of the loop, at its first line.
        said: what the harness says.
        model_name: of the argument that is its model.
        telling_of: makes a ``Telling``.
        asked_of: makes what gives a model's logits.
        unwrapped: gives the eager module.
        answer: answers the harness for what is driven and the model, and ends the process.
        failed: ends the process with a sentence.
        where: says at which line of the script something was raised.
    """
    arguments = _arguments(frame)
    try:
        telling = _replace_tokens(arguments, said, telling_of)
        model = unwrapped(_model(arguments, model_name))
        function = _function(frame)
    except NotDrivenError as error:
        failed(str(error))
    evaluates = "eval" in frame.f_code.co_names and callable(getattr(model, "eval", None))
    driven = Driven(asked_of(model), model, telling, evaluates=evaluates, said=said)

    def serve() -> None:
        try:
            driven.begin()
            answer(driven, model)
        except NotDrivenError as error:
            failed(str(error))
        except BaseException as error:  # noqa: BLE001 - the harness must hear of it
            traceback.print_exc()
            failed(f"the model could not be asked: {type(error).__name__}: {str(error)[:200]}")

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        _call(function, arguments)
    # Whatever the loop raises, the harness must hear of it.
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        driven.failure = f"{type(error).__name__} at {where(error)}: {str(error)[:200]}"
    telling.end()
    serving.join()
    failed("the loop has ended")


def _arguments(frame: FrameType) -> dict[str, Any]:
    """What a function was called with, by parameter, at its first line."""
    return dict(frame.f_locals)


def _function(frame: FrameType) -> FunctionType:
    """The function that a frame runs: its defaults and what it closes over are part of it."""
    for found in gc.get_referrers(frame.f_code):
        if isinstance(found, FunctionType) and found.__globals__ is frame.f_globals:
            return found
    raise NotDrivenError(f"{frame.f_code.co_name} is not a plain function")


def _call(function: FunctionType, arguments: dict[str, Any]) -> None:
    positional, named = [], {}
    for name, parameter in inspect.signature(function, follow_wrapped=False).parameters.items():
        if parameter.kind == parameter.VAR_POSITIONAL:
            positional += arguments[name]
        elif parameter.kind == parameter.VAR_KEYWORD:
            named.update(arguments[name])
        elif parameter.kind == parameter.KEYWORD_ONLY:
            named[name] = arguments[name]
        else:
            positional.append(arguments[name])
    function(*positional, **named)


def _model(arguments: dict[str, Any], name: str) -> Any:
    """The argument of that name, or the only one that is a module."""
    from torch import nn

    if name in arguments:
        return arguments[name]
    modules = {id(each): each for each in arguments.values() if isinstance(each, nn.Module)}
    if len(modules) != 1:
        names = ", ".join(list(arguments)[:20])
        raise NotDrivenError(
            f"no argument {name} and {len(modules)} modules among the arguments {names}"
        )
    return next(iter(modules.values()))


def _replace_tokens(
    arguments: dict[str, Any], said: Driving, telling_of: Callable[..., Any]
) -> Any:
    """Put what is told in place of the tokens: an argument, or an attribute of one.

    What else has as many numbers as there are tokens, such as how many bytes each has, becomes as
    long as the stream, and ones.
    """
    import torch

    places: list[tuple[Any, str, torch.Tensor]] = []
    for name, value in arguments.items():
        if _is_stream(value, said):
            places.append((arguments, name, value))
        elif hasattr(value, "__dict__") and not isinstance(value, (torch.nn.Module, type)):
            places += [
                (value, key, inner) for key, inner in vars(value).items() if _is_stream(inner, said)
            ]
    tokens = [place for place in places if "tok" in place[1]] or places
    if len({id(each[2]) for each in tokens}) != 1:
        found = ", ".join(sorted({each[1] for each in tokens})) or "none"
        raise NotDrivenError(
            f"expected one argument of {said.loop} with the {said.decoy:,} tokens of the split, "
            f"found {found}"
        )
    stream = tokens[0][2]
    telling = telling_of(
        length=said.length,
        first=said.first,
        segment=said.segment,
        dtype=stream.dtype,
        device=stream.device,
    )
    told, copies = telling.tensor(), {}
    for holder, name, value in places:
        ours = told if value is stream else torch.ones_like(value[:1]).expand(telling.length)
        if holder is arguments:
            arguments[name] = ours
            continue
        if id(holder) not in copies:
            copies[id(holder)] = copy.copy(holder)
        copies[id(holder)].__dict__[name] = ours
    for name, value in arguments.items():
        arguments[name] = copies.get(id(value), value)
    return telling


def _is_stream(value: Any, said: Driving) -> bool:
    """Whether it may be the tokens of the split, or of its whole windows."""
    import torch

    if not isinstance(value, torch.Tensor) or value.ndim != 1:
        return False
    least = max(said.decoy - 2 * said.context, said.decoy // 2)
    return not value.dtype.is_floating_point and least <= len(value) <= said.decoy

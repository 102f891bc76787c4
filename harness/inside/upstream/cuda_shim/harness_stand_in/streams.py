"""Streams and events of CUDA, where everything has happened when a call returns."""

import time
from typing import Any, Self


class Stream:
    """A stream; what is put on it is done at once."""

    def __init__(self, device: Any = None, priority: int = 0, **other: Any) -> None:
        self.device = device
        self.priority = priority
        self.cuda_stream = self.stream_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream)

    def __hash__(self) -> int:
        return 0

    def query(self) -> bool:
        """Whether all is done."""
        return True

    def synchronize(self) -> None:
        """Wait until all is done."""

    def wait_stream(self, stream: Any) -> None:
        """Have what comes wait for what is on another stream."""

    def wait_event(self, event: Any) -> None:
        """Have what comes wait for an event."""

    def record_event(self, event: Any = None) -> "Event":
        """An event that has happened."""
        event = event or Event()
        event.record(self)
        return event  # type: ignore[no-any-return]


ExternalStream = Stream


class Event:
    """An event; it has happened once it is recorded."""

    def __init__(self, *settings: Any, **named: Any) -> None:
        self._recorded = 0.0

    def record(self, stream: Any = None) -> None:
        """Let it happen."""
        self._recorded = time.perf_counter()

    def elapsed_time(self, end: "Event") -> float:
        """Milliseconds to a later event."""
        return (end._recorded - self._recorded) * 1e3

    def query(self) -> bool:
        """Whether it has happened."""
        return True

    def wait(self, stream: Any = None) -> None:
        """Have a stream wait for it."""

    def synchronize(self) -> None:
        """Wait for it."""


class Guard:
    """``with torch.cuda.stream(...)``, ``torch.cuda.device(...)`` and the like: nothing changes."""

    def __init__(self, *settings: Any, **named: Any) -> None:
        pass

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None

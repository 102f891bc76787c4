"""Takes a worker's messages the moment they come, so that we know when it had nothing to do.

The thread that sums an answer can't say when the next one arrived: it looks when it has summed.
Here another thread waits at the socket.
"""

import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

# No more messages than that lie unread; a worker that sends more waits until they are read.
MOST_UNREAD = 8
POLL_SECONDS = 0.2


class Waiting:
    """How long a worker has waited for us: from its last answer on, until it is asked again.

    And how long we have waited for each of its answers: from when it was asked, or had answered
    what it was asked before, whichever was later.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._asked: deque[float] = deque()
        self._took: deque[float] = deque()
        self._last_answered = -math.inf
        self.since = clock()
        self.seconds = 0.0

    def begin(self) -> None:
        """From now on it counts."""
        self.since, self.seconds = self._clock(), 0.0

    def ask(self, send: Callable[[], None]) -> None:
        """Send something that will be answered."""
        with self._lock:
            idle_since = None if self._asked else self.since
            self._asked.append(self._clock())
        send()
        if idle_since is not None:
            with self._lock:
                # It may have answered before this thread came to look at the clock.
                now = self._clock() if self._asked else self.since
            self.seconds += max(0.0, now - idle_since)

    def answered(self) -> None:
        """One answer has come."""
        with self._lock:
            now = self._clock()
            # What was not asked for is refused by whoever reads it.
            began = max(self._asked.popleft(), self._last_answered) if self._asked else now
            self._took.append(now - began)
            self._last_answered = now
            if not self._asked:
                self.since = now

    def took(self) -> float:
        """How long the next answer took that was not asked about yet; one for each that came."""
        with self._lock:
            return self._took.popleft()

    def excuse(self, seconds: float) -> None:
        """Some of it, if more than 0, was spent waiting for the other workers and not for us."""
        self.seconds -= max(0.0, seconds)


class Inbox:
    """Messages in the order of their arrival, taken by a thread of its own.

    Args:
        receive: waits for the next message; raises when none can come any more. It is given a
            function that says whether anybody will still read it, and asks it now and then.
        waiting: is told of each.
    """

    def __init__(self, receive: Callable[[Callable[[], bool]], bytes], waiting: Waiting) -> None:
        self._receive, self._waiting = receive, waiting
        self._messages: queue.Queue[bytes | BaseException] = queue.Queue(MOST_UNREAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def get(self) -> bytes | None:
        """The next message, or None if none came in a while.

        Raises:
            Exception: whatever ``receive`` raised.
        """
        try:
            message = self._messages.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return None
        if isinstance(message, BaseException):
            raise message
        return message

    def close(self) -> None:
        """End the thread; ``receive`` must return or raise soon."""
        self._closed.set()
        # The thread may wait for room; it puts no more than one message after this.
        with contextlib.suppress(queue.Empty):
            while True:
                self._messages.get_nowait()
        self._thread.join()

    def _is_open(self) -> bool:
        return not self._closed.is_set()

    def _run(self) -> None:
        failed = False
        while self._is_open() and not failed:
            message: bytes | BaseException
            try:
                message = self._receive(self._is_open)
                self._waiting.answered()
            # Raised again by the thread that reads, which alone decides what it means.
            except BaseException as error:  # noqa: BLE001
                message, failed = error, True
            self._messages.put(message)

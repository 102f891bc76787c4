"""An interruption waits where it would leave something half asked, and arrives afterwards."""

import os
import signal
import threading

import pytest

from harness.safeio.interrupts import SIGNALS, held_back


@pytest.mark.parametrize("number", SIGNALS)
def test_it_arrives_when_the_block_has_ended(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[int] = []
    before = signal.signal(number, lambda number, frame: came.append(number))
    try:
        with held_back():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            assert came == []
        assert came == [number], "once: the first interrupts, the others came while it did"
        os.kill(os.getpid(), number)
        assert came == [number] * 2, "afterwards all is as before"
    finally:
        signal.signal(number, before)


def test_it_interrupts_as_it_would_have() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), held_back():
        os.kill(os.getpid(), signal.SIGINT)
        done = True
    assert done


def test_an_error_of_the_block_is_told_where_nothing_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(OSError, match="ours"), held_back():
        raise OSError("ours")
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_there_is_nothing_to_hold() -> None:
    entered, before = [], signal.getsignal(signal.SIGINT)

    def work() -> None:
        with held_back():
            entered.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [before]

"""What a display does wrong ends no run."""

from harness.run.progress import Progress, Shielded


class Broken(Progress):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def note(self, text: str) -> None:
        self.seen.append(text)
        if text == "second":
            raise ZeroDivisionError("division by zero")

    def tick(self, elapsed_seconds: float, last_line: str, **figures: object) -> None:
        self.seen.append(f"{last_line} {figures}")

    def close(self) -> None:
        self.seen.append("closed")
        raise ValueError("again")


def test_a_display_that_fails_is_told_once_and_shows_nothing_more() -> None:
    display, told = Broken(), list[str]()
    progress = Shielded(display, told.append)
    progress.note("first")
    progress.tick(1.0, "step 1", targets_done=3)
    progress.note("second")
    progress.note("third")
    progress.tick(2.0, "step 2")
    progress.close()
    assert display.seen == ["first", "step 1 {'targets_done': 3}", "second", "closed"]
    assert len(told) == 1
    assert "the verification goes on (ZeroDivisionError: division by zero)" in told[0]


def test_every_event_of_a_progress_reaches_its_display() -> None:
    events = {name for name, each in vars(Progress).items() if callable(each)}
    assert events <= set(vars(Shielded))

"""What is said of a score that is only printed again, and by what it is more than its model's."""

from harness.contest.entry import RestsOn

NOBODY_CHECKED = "it printed this again, and nobody has checked that it is true"
NOT_REPRODUCED = "not reproduced"
_RESTS_ON: dict[RestsOn, str] = {
    "chunks": "what it learns from chunks of the stream after it has scored them",
    "documents": "what it learns from documents while it scores them",
    "cache": "a cache that mixes the probability of the target alone",
    "otherwise": "more than its model gives",
}


def rests_on_in_words(rests_on: RestsOn) -> str:
    """What a claimed score needs besides the model."""
    return _RESTS_ON[rests_on]

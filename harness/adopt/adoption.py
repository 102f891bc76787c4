"""What a reading of a folder in upstream's layout found."""

from typing import Literal

from harness.contest.bridge import Bridge, Learning
from harness.models import Fact, Later

Class = Literal["full", "adaptive", "reproduce", "none"]


class Adoption(Fact):
    """Whether a folder's script can be adopted, and as what.

    ``full``: its model can be asked for all that its claim rests on. ``adaptive``: its model can be
    asked, but the claim rests on learning from text that was scored before. ``reproduce``: it can
    be run whole, and no more. ``none``: there is nothing to run.

    ``evaluation``, ``context`` and ``stride`` (tokens) are of the evaluation that the claim rests
    on; the bridge's windows are of the function in which the model is taken over. ``reasons`` are
    sentences, the deciding one first; ``missing`` is what could not be found, ``warnings`` what a
    reader should know.
    """

    name: str
    adoption: Class
    reason: str
    script: str | None = None
    artifact: str | None = None
    evaluation: str | None = None
    context: int | None = None
    stride: int | None = None
    vocab: int | None = None
    learns_while_scoring: bool = False
    learns: Learning = "nothing"
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    bridge: Bridge | None = None
    origin: Later[str] = None
    """Where the folder comes from, when that is no directory: a pull request's head."""

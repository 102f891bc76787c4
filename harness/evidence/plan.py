"""Everything that is fixed before the first run of a verification, and never changed.

It names no host, because runs of one plan may be made on different hosts. But it says what every
host must be.
"""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.contest.brought_along import Brought
from harness.contest.entry import Entry
from harness.contest.significance import Look
from harness.contest.track import Track
from harness.evidence.draws import ROLES, Draw, Purpose, once_blind
from harness.evidence.isolation import BackendName, PropertyId, required_in
from harness.evidence.step_names import StepName
from harness.models import Fact, Later
from harness.statistics.looks import spent

FORMAT = 2
MOST_DRAWS = 1000
_LARGEST = 1 << 50
"""Of any count, as in a dataset's manifest: no text is as long."""
Size = Annotated[int, Field(gt=0, le=_LARGEST)]
Tokens = Annotated[int, Field(gt=1, le=_LARGEST)]
Times = Annotated[int, Field(ge=0, le=_LARGEST)]


class DatasetFacts(Fact):
    """The track's dataset, and the figures that the rules need of it.

    ``baselines`` maps the name of a count-based model to its BPB on the validation split.
    """

    name: str
    digest: str
    vocabulary_size: Size
    train_tokens: Times
    validation_documents: Size
    validation_tokens: Tokens
    validation_bytes: Size
    baselines: dict[str, Annotated[float, Field(ge=0, lt=100)]] = Field(default_factory=dict)


class HoldoutFacts(Fact):
    """The unpublished documents on which artifacts are scored too, in the dataset's tokens."""

    name: str
    digest: str
    documents: Size
    tokens: Tokens
    bytes: Size


class TextFacts(Fact):
    """The texts of a verification: bar, margin and bytes come from the track's own dataset.

    ``entered`` is a dataset of the same text in other tokens, for which the entry was written.
    """

    dataset: DatasetFacts
    holdout: HoldoutFacts | None = None
    entered: Later[DatasetFacts] = None


class Bar(Fact):
    """The BPB to beat, as it was when the verification began.

    ``verdict_sha256`` names the accepted verdict that it comes from; empty for the track's own
    figure or a baseline of its dataset. ``seeds`` are that record's scores, where they are known,
    ``brought_bytes`` what its entry brought along, as it was counted.
    """

    bpb: float = Field(ge=0, lt=100)
    source: str
    verdict_sha256: str = ""
    seeds: tuple[float, ...] = ()
    brought_bytes: Later[Annotated[int, Field(ge=0)]] = None


class Like(Fact):
    """An earlier try of somebody else whose code is nearly the same.

    ``differs`` is the share of the entry's own lines that the other does not have, as estimated.
    """

    submission: str
    account: str
    at: str
    differs: float = Field(ge=0, le=1)


class Tries(Fact):
    """Earlier tries.

    ``earlier`` counts verifications of this very entry on this very track with drawn seeds that
    were begun before under the same directory of runs, whatever came of them. ``by_author`` counts
    those of the same author since the bar fell, as the leaderboard knows them. ``passed_over``
    names those that were still open, unfinished or inconclusive, when the referee asked for a new
    draw all the same. ``like`` is what the code is a copy of, as far as its lines tell.
    """

    earlier: Times = 0
    by_author: Times = 0
    passed_over: Later[tuple[str, ...]] = None
    like: Later[Like] = None


class PlannedTest(Fact):
    """The test of significance, with every constant that it will use.

    ``p_below`` is what is left after earlier tries, and so are the levels of ``looks``; without
    looks there is one, after all seeds. ``field_sd_bpb`` and ``field_degrees`` are the prior of a
    moderated test, ``source`` where they come from; any test may have a field's deviation for the
    unit in which looks say what is hopeless.
    """

    kind: Literal["plain", "moderated", "welch"] = "plain"
    margin_nats_per_token: float = Field(ge=0, lt=10)
    p_below: float = Field(gt=0, lt=0.5)
    field_sd_bpb: float | None = Field(default=None, gt=0)
    field_degrees: float | None = Field(default=None, gt=0)
    source: str = ""
    looks: tuple[Look, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> "PlannedTest":
        if self.kind == "moderated" and None in (self.field_sd_bpb, self.field_degrees):
            raise ValueError("field_sd_bpb, field_degrees: both needed for a moderated test")
        if self.field_sd_bpb is None and self.field_degrees is not None:
            raise ValueError("field_degrees: given without field_sd_bpb")
        runs = [look.runs for look in self.looks]
        if runs != sorted(set(runs)):
            raise ValueError("looks: expected each after more runs than the one before")
        return self

    def after(self, earlier: int) -> "PlannedTest":
        """The same test at the lower levels that are left after ``earlier`` tries."""
        return self.at_level(spent(self.p_below, earlier=earlier))

    def at_level(self, p_below: float) -> "PlannedTest":
        """The same test at a lower level, those of its looks lowered in the same proportion."""
        share = p_below / self.p_below
        looks = tuple(
            look
            if look.accept_below is None
            else look.model_copy(update={"accept_below": look.accept_below * share})
            for look in self.looks
        )
        return self.model_copy(update={"p_below": p_below, "looks": looks})


class Required(Fact):
    """The requirements on every host that makes a run of this plan.

    ``sandbox`` is the backend by name; ``isolation`` the ids of the properties that it must prove,
    ``isolation_edition`` the edition of their table, null for the first. ``measured_by`` is the
    digest of the measuring code. ``refuse_known_escapes``: none of its parts may have an escape
    that is known and that the referee does not vouch for; null where that was not asked.
    """

    sandbox: BackendName
    runtime: str = ""
    image: str = ""
    image_digest: str = ""
    seccomp_digest: str = ""
    isolation: tuple[PropertyId, ...] = ()
    isolation_edition: Later[int] = Field(default=None, ge=1)
    harness_version: str
    measured_by: str
    refuse_known_escapes: Later[bool] = None

    @property
    def isolated(self) -> bool:
        """Whether such a sandbox proves all that a verdict needs; if not, it can only rehearse."""
        return set(self.isolation) >= required_in(self.isolation_edition)


class PlanRef(Fact):
    """Another verification, beside this one, whose sealed artifacts are scored again."""

    directory: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")
    plan_sha256: str


class Plan(Fact):
    """Everything fixed before the first run; ``draws`` follow from ``nonce`` unless by hand.

    ``bar`` and ``test`` are null where there is no score to beat. ``also`` names steps that are not
    needed but were asked for. ``time_scale`` multiplies every budget, in a rehearsal on a
    slower machine. ``copies`` is null unless artifacts come from another verification. ``brought``
    is null in a plan that was made before there was such a figure. ``elsewhere``: what was scored
    is asked again on another machine.
    """

    format: Literal[2] = 2
    created_at: str
    entry: Entry
    track: Track
    track_digest: str
    texts: TextFacts
    bar: Bar | None = None
    tries: Tries = Tries()
    required: Required
    test: PlannedTest | None = None
    draws: tuple[Draw, ...] = Field(min_length=1, max_length=MOST_DRAWS)
    nonce: str
    chosen_by_hand: bool = False
    time_scale: float = Field(default=1.0, gt=0, le=1000)
    also: tuple[StepName, ...] = ()
    copies: PlanRef | None = None
    brought: Later[Brought] = None
    elsewhere: Later[bool] = None

    @model_validator(mode="after")
    def _consistent(self) -> "Plan":
        if [draw.number for draw in self.draws] != list(range(len(self.draws))):
            raise ValueError("draws: expected to be numbered from 0 in order")
        named = [(draw.role, draw.seed) for draw in self.draws]
        if len(set(named)) != len(named):
            raise ValueError("draws: a seed is drawn twice")
        purposes = [draw.purpose for draw in self.draws]
        if purposes != sorted(purposes, key=list(ROLES).index):
            raise ValueError("draws: expected preparation, looks, confirmation, reproductions")
        if ("preparation" in purposes) != self.entry.needs_preparation:
            raise ValueError("draws: expected a preparation exactly where the entry needs one")
        if "reproduction" in purposes and self.entry.layout != "upstream":
            raise ValueError("draws: only an entry in upstream's layout is reproduced")
        if (self.bar is None) != (self.test is None):
            raise ValueError("test: expected exactly where there is a bar")
        return self

    @model_validator(mode="after")
    def _spent(self) -> "Plan":
        """Where tries are charged, the levels of the test are those that they leave."""
        asked, test, earlier = self.track.significance, self.test, self.tries.by_author
        if not asked.spending or asked.p_below is None or test is None:
            return self
        pairs = [("p_below", test.p_below, asked.p_below)]
        pairs += [
            ("looks", look.accept_below, own.accept_below)
            for look, own in zip(test.looks, asked.schedule, strict=False)
            if look.accept_below is not None and own.accept_below is not None
        ]
        for field, found, level in pairs:
            expected = spent(level, earlier=earlier)
            if not math.isclose(found, expected, rel_tol=1e-9):
                raise ValueError(
                    f"test.{field}: found {found:.6g}, expected {expected:.6g}: what {earlier} "
                    f"earlier tries of this author leave of {level:g}"
                )
        return self

    def draws_for(self, *purposes: Purpose) -> tuple[Draw, ...]:
        """The draws made for these purposes, in order."""
        return tuple(draw for draw in self.draws if draw.purpose in purposes)

    @property
    def once_blind(self) -> bool:
        """Whether it is trained once for us, and no score of it is compared with a bar."""
        return once_blind(self.entry, self.track)

    @property
    def probed_runs(self) -> int:
        """How many seed runs share the questions that are asked again.

        The fewest that can be accepted: so many are there whenever anything is accepted.
        """
        if self.chosen_by_hand or self.once_blind:
            return len(self.draws_for("look"))
        return self.track.significance.fewest_runs

    @property
    def rehearsal(self) -> bool:
        """Whether nothing that is run by it can ever be a record."""
        return self.rehearses_on(self.track)

    def rehearses_on(self, track: Track) -> bool:
        """Whether nothing that is run by it can be a record, judged by a track."""
        return track.rehearsal or self.time_scale != 1 or not self.required.isolated

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the looks, in order."""
        return tuple(draw.seed for draw in self.draws_for("look"))

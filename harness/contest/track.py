"""A track: the rules of a contest as data, with an edition and a digest."""

import math
import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from harness.contest.hardware import Hardware
from harness.contest.significance import Significance
from harness.errors import UsageError
from harness.models import Fact, Later, Spelled
from harness.safeio.files import digest_of_named
from harness.safeio.parsing import LARGEST_BYTES, ParseError, parse_toml, problems_of
from harness.safeio.reading import read_named
from harness.safeio.text import plain
from harness.statistics.probe_bounds import GAP_NOISE, questions_needed

GIB = 1 << 30
# The largest segment of an adaptive submission, in targets; all workers are sent one at once.
LARGEST_SEGMENT = 1 << 16
_PROBED_ANSWER_BYTES = 4 * GIB
PositiveBytes = Annotated[int, Field(gt=0, le=1 << 50, strict=True)]
TrackName = Annotated[
    str,
    Spelled(
        r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        'a name of letters, digits, "_" and "-", such as "10min_16mb"',
    ),
]
DatasetName = Annotated[
    str,
    Spelled(
        r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        'the name of a dataset, such as "fineweb10B_sp1024": letters, digits, "_", "." and "-"',
    ),
]


class Budget(Fact):
    """The budgets of a seed run: seconds of wallclock, bytes of code + artifact (decimal).

    Without a time budget, that time is not judged.

    ``tokenizer_counted``: whether the model file of a submission's own tokenizer counts as code.
    Where it does not, the text in its pieces costs nothing.
    """

    train_seconds: float | None = Field(default=None, gt=0, le=86_400)
    score_seconds: float | None = Field(default=None, gt=0, le=86_400)
    bytes: PositiveBytes
    tokenizer_counted: bool = Field(default=True, strict=True)


class Dataset(Fact):
    """The dataset by name; figures that are given pin what it must hold."""

    name: DatasetName
    validation_documents: int | None = Field(default=None, gt=0)
    validation_tokens: int | None = Field(default=None, gt=1)


class Holdout(Fact):
    """A second set of documents, never published, that every artifact is scored on too.

    ``dataset`` names a dataset of the same tokenizer; its validation split is used. A model that
    has not seen the validation text scores alike on both sets, except for differences between the
    documents themselves: ``reference_gap_bpb`` is the gap of a model that is known to be honest,
    and ``tolerance_bpb`` is how much larger the gap may be.
    """

    dataset: DatasetName
    reference_gap_bpb: float = Field(default=0, gt=-10, lt=10)
    tolerance_bpb: float = Field(ge=0, lt=10)


class BroughtAlong(Fact):
    """What an entry may bring besides its artifact, in compressed bytes (``brought_along.py``).

    Above ``limit_bytes`` a human must look first. Of what is below, ``free_bytes`` are taken for
    code; the rest is taken for remembered text, 8 bits a byte. ``tokenizer_free_bytes`` are those
    of a tokenizer's pieces, and of nothing else.
    """

    limit_bytes: PositiveBytes
    free_bytes: int = Field(ge=0, strict=True)
    tokenizer_free_bytes: int = Field(ge=0, le=1 << 30, strict=True)

    @model_validator(mode="after")
    def _free_below_limit(self) -> Self:
        if self.free_bytes > self.limit_bytes:
            raise ValueError(
                f"free_bytes {self.free_bytes:,} is more than limit_bytes {self.limit_bytes:,}"
            )
        return self


class Tokenizing(Fact):
    """What a tokenizer that is code may use, the same for all; times are core seconds.

    ``encode_seconds_per_mb`` and ``decode_seconds_per_mb`` are for each 1,000,000 bytes of text,
    ``start_seconds`` for loading it. ``memory_bytes`` is what one sandbox has for all of its
    processes.
    """

    start_seconds: float = Field(gt=0, le=3600)
    encode_seconds_per_mb: float = Field(gt=0, le=1000)
    decode_seconds_per_mb: float = Field(gt=0, le=1000)
    memory_bytes: PositiveBytes

    def with_time(self, factor: float) -> "Tokenizing":
        """The same with so many times the time, for a rehearsal that is given more."""
        times = ("start_seconds", "encode_seconds_per_mb", "decode_seconds_per_mb")
        return self.model_copy(update={name: factor * getattr(self, name) for name in times})


class Reproduction(Fact):
    """How far a script's own figure may be from its claim, and from ours.

    Seeds scatter by ``field_sd_bpb``. A printed score that is worse than the claim is one by chance
    less often than ``p_below``; one that is better than ours of the same seed, by more than
    ``deviations`` of the field, is no luck.
    """

    field_sd_bpb: float = Field(gt=0, lt=10)
    p_below: float = Field(default=0.01, gt=0, lt=0.5)
    deviations: float = Field(default=4.0, gt=0, lt=1000)


class Imposed(Fact):
    """What differs between the runs whether a submission wants it or not.

    Each run is denied a drawn share of the train documents: ``denied_share``, at most a half. Of
    the others it is shown all, cut into files anew. A track without it shows every run the same.
    """

    denied_share: float = Field(gt=0, le=0.5)


class Bound(Fact):
    """How small a mean gain must be shown to be, and what is known of honest answers.

    A gain is shown to be below ``tolerance_nats`` a target with 99 % certainty, or the answer is
    unknown. So many questions are asked that an honest model, whose answers scatter by
    ``noise_sd_nats``, passes. ``dearest_nats`` is the most that one target can gain, and
    ``excess_variance`` (nats squared) how much more answers may vary, where another text follows,
    than those to questions that are asked twice unchanged.

    With ``by_gap``, half of the targets are drawn after the scoring, likelier the further they were
    scored below what a plain bigram model pays (:mod:`harness.scoring.probes.gaps`).
    ``dearest_nats`` is then what one target can gain for as likely as it is drawn.
    """

    tolerance_nats: float = Field(gt=0, lt=10)
    noise_sd_nats: float = Field(gt=0, lt=10)
    dearest_nats: float = Field(gt=0, lt=1000)
    excess_variance: float = Field(gt=0, lt=10)
    by_gap: Later[Annotated[bool, Field(strict=True)]] = None

    def questions(self, *, runs: int, population: int) -> int:
        """Questions for each of ``runs`` seed runs, of ``population`` different ones.

        Where half of them would have to be asked, all are, once each: nothing is missed then.
        """
        wanted = questions_needed(
            tolerance=self.tolerance_nats,
            sd=self.counted_sd_nats,
            dearest=self.dearest_nats,
            runs=runs,
            population=None if self.by_gap else population,
        )
        return population if self.by_gap and 2 * wanted > population else wanted

    @property
    def counted_sd_nats(self) -> float:
        """The deviation of honest changes as they are counted, more where some count double."""
        return self.noise_sd_nats * (GAP_NOISE if self.by_gap else 1.0)

    def drawn_by_gap(self, count: int, *, population: int) -> int:
        """How many of ``count`` questions are drawn after the scoring: half; of all, none."""
        return count // 2 if self.by_gap and count < population else 0


class Probes(Fact):
    """How many targets are asked twice to test causality, and which change is tolerated.

    Kernels are not bit-stable when the other sequences of a batch change, so equality cannot be
    asked for. ``largest_change_nats`` limits any one log-probability, ``mean_change_nats`` the
    average change whatever its sign, ``mean_gain_nats`` the average advantage of the true text.

    With ``bound``, so many targets are asked again that a mean gain is shown to be small.
    ``memory`` is the same for a model that declares no memory and is asked in another order.
    Without them, as many as ``rate`` of all windows are asked, at least ``least``, and a gain only
    fails where it is shown to be there. At most ``most`` in any case; and because each costs a
    window, none may be longer than ``longest_sequence``.
    """

    rate: float = Field(ge=0, le=1)
    least: int = Field(ge=1, le=1_000_000, strict=True)
    most: int = Field(ge=1, le=1_000_000, strict=True)
    longest_sequence: int = Field(ge=1, le=1 << 16, strict=True)
    largest_change_nats: float = Field(gt=0, lt=10)
    mean_change_nats: float = Field(gt=0, lt=10)
    mean_gain_nats: float = Field(gt=0, lt=10)
    bound: Later[Bound] = None
    memory: Later[Bound] = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least {self.least:,} is more than most {self.most:,}")
        if self.memory is not None and self.memory.by_gap is not None:
            raise ValueError("memory.by_gap: windows are drawn uniformly; leave it out")
        return self

    def count(self, *, windows: int, targets: int, vocabulary_size: int, runs: int) -> int:
        """How many targets are probed in each of ``runs`` seed runs.

        Fewer than asked for where our memory cannot keep so many answers; where half are drawn by
        gap, an answer is kept as its target's cost alone instead.
        """
        room = max(1, _PROBED_ANSWER_BYTES // (4 * vocabulary_size))
        wanted = max(self.least, math.ceil(self.rate * windows))
        if self.bound is not None:
            wanted = self.bound.questions(runs=runs, population=targets)
            room = targets if self.bound.by_gap else room
        return min(wanted, self.most, targets, room)

    def windows_in_another_order(self, *, windows: int, runs: int, fullest: float = 1.0) -> int:
        """How many windows are asked again in another order.

        ``fullest``: how many times as many targets the fullest of them has as the mean one. By so
        much the dearest window is dearer.
        """
        if self.memory is None:
            return 0
        dearest = {"dearest_nats": self.memory.dearest_nats * fullest}
        return self.memory.model_copy(update=dearest).questions(runs=runs, population=windows)


class Adaptive(Fact):
    """Whether a model may learn from targets that were scored, and how many are scored before."""

    allowed: bool = Field(default=True, strict=True)
    least_segment: int = Field(default=1, ge=1, le=LARGEST_SEGMENT, strict=True)


class Bar(Fact):
    """The BPB to beat: a figure, or a baseline that the dataset's manifest holds.

    With ``leaderboard`` it is the lower one of the figure and of the best record that the
    leaderboard holds for the track when a verification begins.
    """

    bpb: float | None = Field(default=None, gt=0, lt=100)
    baseline: str | None = None
    next_baseline: str | None = None
    source: str = Field(min_length=1)
    leaderboard: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Bar":
        if (self.bpb is None) == (self.baseline is None):
            raise ValueError("give exactly one of bpb and baseline")
        if self.leaderboard and self.bpb is None:
            raise ValueError("leaderboard needs bpb, the bar while the leaderboard is empty")
        return self


class Limits(Fact):
    """The limits of a sandbox, other than time."""

    memory_bytes: PositiveBytes
    shm_bytes: PositiveBytes
    scratch_bytes: PositiveBytes
    output_bytes: PositiveBytes
    log_bytes: PositiveBytes
    processes: int = Field(gt=0, le=1_000_000, strict=True)


class Track(Fact):
    """One track. A ``rehearsal`` track has the same rules but can never verify a record.

    ``settings_of`` names another track whose settings a submission runs with (``[tracks.NAME]`` of
    ``submission.toml``): so a copy of a track keeps those of the track that it was copied from.

    ``refuse_known_escapes``: no run is made on a host whose engine has a known escape that the
    referee does not vouch for. Left out, that holds where the track is no rehearsal.
    """

    name: TrackName
    edition: str = Field(min_length=1)
    description: str = Field(min_length=1)
    rehearsal: bool = Field(strict=True)
    budget: Budget
    hardware: Hardware
    dataset: Dataset
    significance: Significance
    probes: Probes
    adaptive: Adaptive = Adaptive()
    bar: Bar | None = None
    sandbox: Limits
    holdout: Holdout | None = None
    brought_along: Later[BroughtAlong] = None
    imposed: Later[Imposed] = None
    tokenizing: Later[Tokenizing] = None
    reproduction: Later[Reproduction] = None
    settings_of: Later[TrackName] = None
    refuse_known_escapes: Later[Annotated[bool, Field(strict=True)]] = None

    @model_validator(mode="after")
    def _bar_and_test(self) -> Self:
        if (self.bar is None) != (self.significance.p_below is None):
            raise ValueError(
                "significance: margin_nats_per_token and p_below are given exactly where there is "
                "a bar to beat"
            )
        if self.bar is not None and self.significance.test == "welch" and not self.bar.leaderboard:
            raise ValueError(
                "significance.test: welch compares with the record's own seeds, so it needs a bar "
                "with leaderboard = true"
            )
        return self

    @property
    def settings(self) -> str:
        """The name under which a submission keeps its settings for this track."""
        return self.settings_of or self.name

    @property
    def refuses_known_escapes(self) -> bool:
        """Whether its runs are made on no host from whose containers code is known to get out.

        Who rehearses runs code of his own; where a record is made, strangers sent it.
        """
        asked = self.refuse_known_escapes
        return not self.rehearsal if asked is None else asked

    @property
    def digest(self) -> str:
        """SHA-256 over the rules themselves, so that white space and comments do not count.

        Settings that a track leaves out do not count either: a setting that a later harness adds
        does not change the digest of the tracks that do not use it. Nor do accelerators that were
        found on a host where the track asks for none.
        """
        rules = self.model_copy(update={"hardware": self.hardware.ruled})
        return digest_of_named({"track": rules.model_dump_json(exclude_none=True).encode()})


def track_names() -> list[str]:
    """Names of the tracks that come with the harness."""
    folder = resources.files("harness.contest") / "tracks"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_named_track(name: str) -> Track:
    """A track that came with the harness, by a name that a stranger's file gives it.

    Raises:
        UsageError: no such track; a path is no name.
    """
    if name not in track_names():
        raise UsageError(
            f"track {plain(name, 80)!r}: did not come with the harness; known are "
            f"{', '.join(track_names())}",
            remedy="name the file of its rules with --track",
        )
    return load_track(name)


def load_track(name: str) -> Track:
    """A track by name, or by the path of a TOML file (anything that ends in ``.toml``).

    Raises:
        UsageError: no such track, or a key is unknown, missing or makes no sense.
    """
    if name.endswith(".toml"):
        path = Path(name)
    elif re.fullmatch(r"[A-Za-z0-9_-]+", name) and name in track_names():
        path = Path(str(resources.files("harness.contest") / "tracks" / f"{name}.toml"))
    else:
        raise UsageError(
            f"track {name!r}: no such track; known are {', '.join(track_names())}, "
            "or give the path of a .toml file"
        )
    content = b""
    try:
        content = read_named(path, limit_bytes=LARGEST_BYTES)
        return Track.model_validate(parse_toml(content))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", file=path) from error
    except ValidationError as error:
        raise UsageError(file=path, problems=problems_of(error, toml=content)) from error
    except ParseError as error:
        raise UsageError(str(error), file=path, line=error.line) from error

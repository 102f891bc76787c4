"""The results of the steps of a run: one model for each kind of result, tagged with the kind."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.contest.entry import FileName
from harness.evidence.asked_again import Probes, Recall
from harness.evidence.pace import Pace
from harness.models import Fact, Later

MOST_DOCUMENTS = 1 << 27
"""Train documents of the largest dataset: who judges draws again what evidence says was drawn."""


class ArtifactFacts(Fact):
    """A sealed file: the bytes that were hashed are the bytes that are scored.

    ``name`` is its path below the output directory.
    """

    name: FileName
    bytes: int = Field(ge=0)
    sha256: str


class TimelineSpan(Fact):
    """A stretch of training, read from the submission's log: information only."""

    name: Literal["start-up", "compile and warm-up", "training", "quantisation"]
    seconds: float


class Shown(Fact):
    """What one run was shown of the train shards, where the track denies a share of them.

    ``tokens`` in ``documents`` whole documents were shown, as ``files`` files; ``denied_tokens`` in
    ``denied_documents`` were not. ``recipe_sha256`` is the digest of what was left out and how the
    rest was put together (:class:`harness.evidence.imposed.Recipe`), which follows from the plan;
    ``sha256`` that of names and contents of the files, which follows from plan and dataset.
    """

    files: int = Field(ge=1, le=100_000)
    documents: int = Field(ge=1, le=MOST_DOCUMENTS)
    denied_documents: int = Field(ge=0, le=MOST_DOCUMENTS)
    tokens: int = Field(ge=1)
    denied_tokens: int = Field(ge=0)
    recipe_sha256: str
    sha256: str

    @property
    def denied_share(self) -> float:
        """The share of the tokens that was not shown."""
        return self.denied_tokens / (self.tokens + self.denied_tokens)


class Trained(Fact):
    """The files that training left.

    ``artifact`` is null where training was killed before it could be sealed. ``checkpoint`` holds
    the unquantized weights, where there are some: information, neither counted nor judged.
    ``shown`` is null where every run sees the same train shards; ``opened`` is how many of its
    files were opened while it ran, null where nobody knows. Information: to open is not to learn.
    """

    kind: Literal["trained"] = "trained"
    artifact: ArtifactFacts | None = None
    checkpoint: ArtifactFacts | None = None
    timeline: tuple[TimelineSpan, ...] = ()
    shown: Later[Shown] = None
    opened: Later[Annotated[int, Field(ge=0, le=100_000)]] = None


class Scores(Fact):
    """A scored set of documents. Nats are natural-log units, bits are nats / ln 2.

    ``val_loss`` is nats per target, ``val_bpb`` bits per byte of the documents' text. The step's
    file holds arrays ``nats`` float64[D], ``bytes`` int64[D], ``targets`` int64[D], in the order of
    the split; ``documents_sha256`` is its digest. A model that learns observed
    ``segments_observed`` segments of ``segment`` targets, which took ``observe_seconds`` of
    ``model_seconds``; ``segment`` is null for any other. Where ``streams`` is ``documents``,
    ``rows`` were open on each device, and the model studied ``studies`` times.
    ``schedule_digest`` is that of the order of questions; ``waited_seconds`` are those of
    ``model_seconds`` in which a model, the mean of all devices, had nothing to do because the
    harness had not asked yet. ``pace`` says how long single requests took; null where it was not
    measured.
    """

    kind: Literal["scores"] = "scores"
    total_nats: float
    total_bits: float
    val_loss: float
    val_bpb: float
    targets: int
    bytes: int
    documents: int
    windows: int
    sequence_length: int
    stride: int
    streams: Literal["corpus", "documents"] = "corpus"
    rows: int | None = None
    studies: int = Field(default=0, ge=0)
    segment: int | None = None
    segments_observed: int = 0
    observe_seconds: float = 0.0
    schedule_digest: str = ""
    requests: int
    workers: int
    load_seconds: float
    model_seconds: float
    waited_seconds: float | None = None
    tokens_per_second: float
    documents_sha256: str
    pace: Later[Pace] = None

    @property
    def waited_share(self) -> float | None:
        """``waited_seconds`` as a share of ``model_seconds``; None where it was not measured."""
        if self.waited_seconds is None or self.model_seconds <= 0:
            return None
        return self.waited_seconds / self.model_seconds

    @model_validator(mode="after")
    def _adds_up(self) -> "Scores":
        if self.total_nats < 0:
            raise ValueError("total_nats: expected at least 0")
        for name, product, factors in (
            ("total_bits", self.total_nats, (self.total_bits, math.log(2))),
            ("val_loss", self.total_nats, (self.val_loss, self.targets)),
            ("val_bpb", self.total_bits, (self.val_bpb, self.bytes)),
        ):
            if not is_product(product, *factors):
                raise ValueError(
                    f"{name}: expected what follows from total_nats, targets and bytes"
                )
        if self.val_bpb < 0:
            raise ValueError("val_bpb: expected at least 0")
        if (self.streams == "documents") != (self.rows is not None):
            raise ValueError("rows: given exactly where each document is a stream of its own")
        if self.studies and self.streams == "corpus":
            raise ValueError("studies: given, but one stream has no finished documents")
        if self.segments_observed and self.segment is None:
            raise ValueError("segments_observed: given without segment")
        return self


class _BesideCompressor(Fact):
    """The cost of some text for a model and for a plain compressor, in bits per byte."""

    bytes: int = Field(gt=0)
    bpb: float
    plain_bpb: float = Field(gt=0)

    @property
    def ratio(self) -> float:
        """The model's bits for each bit of the compressor's."""
        return self.bpb / self.plain_bpb


class DocumentCost(_BesideCompressor):
    """One validation document, counted from 1."""

    document: int = Field(gt=0)


class StreamPart(_BesideCompressor):
    """A stretch of whole documents of the validation stream."""

    documents: int = Field(gt=0)


class Spread(Fact):
    """How the cost is spread over documents and over the stream, next to a plain compressor's.

    The compressor (zlib, each document alone) sees only how repetitive a document is. So a document
    that is cheap for both is an easy one; one that is cheap for the model alone is suspicious.
    ``median_ratio`` is the median over the ``judged`` documents, those that are long enough, of the
    model's bits for each bit of the compressor's, ``spread`` the scaled median absolute deviation
    of that ratio's logarithm; both null without such documents. ``lowest`` holds the documents of
    the lowest ratios, lowest first; ``parts`` the whole stream in order, in parts of about equal
    bytes.
    """

    kind: Literal["spread"] = "spread"
    judged: int = Field(ge=0)
    median_ratio: float | None = None
    spread: float | None = None
    lowest: tuple[DocumentCost, ...] = ()
    parts: tuple[StreamPart, ...] = ()


class Gap(Fact):
    """The cost of the published and of the unpublished documents for one artifact, in BPB.

    ``gap_bpb`` is how much cheaper the published documents are than the unpublished ones predict:
    the BPB of the unpublished ones, scaled by the ratio of a plain compressor's costs of the two
    sets, minus the BPB of the published ones. ``standard_error_bpb`` is that of the gap, from the
    scatter of the documents of both sets around the ratio of model and compressor.
    """

    kind: Literal["gap"] = "gap"
    validation_bpb: float
    holdout_bpb: float
    validation_plain_bpb: float = Field(gt=0)
    holdout_plain_bpb: float = Field(gt=0)
    gap_bpb: float
    standard_error_bpb: float = Field(ge=0)


class TokenizerProof(Fact):
    """The tokenizer that an entry brings, and whether its round trip is lossless everywhere.

    ``bytes`` and ``sha256`` are those of its model file, or of its code. ``problem`` says why it
    cannot be used: no such tokenizer, or validation document ``document`` (counted from 1) is
    changed by encoding and decoding. Empty when none is changed; then ``dataset_digest`` is that of
    the dataset made with it, whose text is the track's own, and ``holdout_digest`` that of the
    unpublished documents in its tokens. ``repeated`` documents were encoded a second time, alone
    and elsewhere, with the same result.

    Of a model only the normal form is proven, used and shown to sandboxes. ``normal_form_sha256``
    is that of the file built of it, which is kept beside the evidence; ``normal_form_bytes`` is
    what it brings along: the size of the form's canonical text, compressed (lzma, preset 9
    extreme), with a table of SentencePiece's own counted as its name.
    """

    kind: Literal["tokenizer"] = "tokenizer"
    bytes: int = Field(ge=0)
    sha256: str
    vocabulary_size: int | None = Field(default=None, gt=0)
    dataset_digest: str = ""
    holdout_digest: str = ""
    train_tokens: int | None = Field(default=None, ge=0)
    validation_tokens: int | None = Field(default=None, gt=1)
    holdout_tokens: int | None = Field(default=None, gt=1)
    repeated: int = Field(default=0, ge=0)
    problem: str = Field(default="", max_length=2000)
    document: int | None = Field(default=None, gt=0)
    normal_form_bytes: Later[Annotated[int, Field(gt=0)]] = None
    normal_form_sha256: Later[str] = None

    @model_validator(mode="after")
    def _proves_or_complains(self) -> "TokenizerProof":
        figures = (self.vocabulary_size, self.train_tokens, self.validation_tokens)
        if not self.problem and (None in figures or not self.dataset_digest):
            raise ValueError("problem: none, but not every figure of the dataset made with it")
        if self.document is not None and not self.problem:
            raise ValueError("document: given without a problem")
        if (self.normal_form_bytes is None) != (self.normal_form_sha256 is None):
            raise ValueError("normal_form_bytes, normal_form_sha256: only one of them is given")
        return self


TOLERANCE_NATS = 1e-5
"""Of a script's printed loss and ours, besides the digits that were not printed."""
_SUMS_NATS = 5e-7
"""As much apart as two means of the same costs were seen to be, summed in float32 or in batches."""


class OtherWindows(Fact):
    """Our loss of the same model by another rule of windows than the bridge's, in nats."""

    rule: str = Field(max_length=100)
    loss: float


class BridgeProof(Fact):
    """Whether a bridge leads to the model that the script itself scores: both losses in nats.

    Both are null for a script whose model cannot be asked. ``startup_seconds`` is the time before
    its own clock starts, as measured from outside. ``driven_loss`` and ``driven_printed_loss`` are
    what its loop scores when we drive it, and when it runs by itself, where that is how it is
    scored. ``other_windows`` tell how sharp the proof is: a rule by which our loss would be the
    same could stand in the bridge without being noticed.
    """

    kind: Literal["bridge"] = "bridge"
    our_loss: float | None
    printed_loss: float | None
    tolerance_nats: float = Field(gt=0)
    startup_seconds: float = Field(ge=0)
    driven_loss: Later[float] = None
    driven_printed_loss: Later[float] = None
    driven_tolerance_nats: Later[float] = None
    other_windows: Later[Annotated[tuple[OtherWindows, ...], Field(max_length=16)]] = None

    @property
    def apart_nats(self) -> float | None:
        """How far the two losses are apart; None where one of them is missing."""
        if self.our_loss is None or self.printed_loss is None:
            return None
        return abs(self.our_loss - self.printed_loss)

    @property
    def agrees(self) -> bool:
        """Whether both losses are there, and the same."""
        return self.apart_nats is not None and self.apart_nats <= self.tolerance_nats

    @property
    def blind_to(self) -> tuple[str, ...]:
        """The rules of windows by which our loss would have been the printed one as well.

        A rule is told from the bridge's where its loss is away from ours by ten times what ours is
        from the printed one, by more than sums in float32 make, and more than the digits hide.
        """
        if self.our_loss is None or self.apart_nats is None:
            return ()
        hidden = self.tolerance_nats - TOLERANCE_NATS
        least = max(10 * self.apart_nats, _SUMS_NATS, hidden)
        return tuple(
            other.rule
            for other in self.other_windows or ()
            if abs(other.loss - self.our_loss) <= least
        )


class OwnEvaluation(Fact):
    """What a script's own evaluation printed on two texts that we drew, after hardly a step.

    On one, each token is drawn evenly from ``alphabet`` tokens, so that no score of it is below
    ``floor_loss``; ``printed_loss`` is the lowest that it printed, in nats a token; null where it
    printed none. The other text is the same as that of the bridge's proof up to a share ``common``
    of it, and different after that: of the running costs that it printed before this point,
    ``compared`` could be compared, and ``apart`` were other ones than in the proof; ``first_apart``
    are the first two.
    """

    kind: Literal["own_evaluation"] = "own_evaluation"
    printed_loss: float | None
    floor_loss: float = Field(ge=0)
    alphabet: int = Field(ge=2)
    common: float = Field(gt=0, lt=1)
    compared: int = Field(ge=0)
    apart: int = Field(ge=0)
    first_apart: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "OwnEvaluation":
        if self.apart > self.compared:
            raise ValueError("apart: more than were compared")
        if (self.apart > 0) != (self.first_apart is not None):
            raise ValueError("first_apart: given exactly where some are apart")
        return self


class ClaimedScore(Fact):
    """The score that a script printed while we ran it: still only a claim.

    ``artifact`` is the file that it left; ``sealed_seconds`` is when that was last changed.
    """

    kind: Literal["claimed_score"] = "claimed_score"
    val_bpb: float
    val_loss: float | None = None
    line: int | None = Field(default=None, ge=1)
    artifact: ArtifactFacts | None = None
    sealed_seconds: float | None = Field(default=None, ge=0)


Result = Annotated[
    Trained
    | Scores
    | Probes
    | Recall
    | Spread
    | Gap
    | TokenizerProof
    | BridgeProof
    | OwnEvaluation
    | ClaimedScore,
    Field(discriminator="kind"),
]


def is_product(product: float, *factors: float) -> bool:
    """Whether a figure is the product of others, but for rounding."""
    try:
        return math.isclose(product, math.prod(factors), rel_tol=1e-9)
    except OverflowError:  # an integer that no float holds
        return False

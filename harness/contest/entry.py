"""An entry as data, whatever its layout was; no code that runs it depends on the layout.

``loading.py`` reads a folder in our layout. Here is everything that a seed run needs to know of
an entry, with the track's own settings applied: how it is trained, how its model is asked, with
which tokens, and which files are mounted and therefore counted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.models import Fact, Later, Spelled
from harness.safeio.files import sha256_of_bytes
from harness.safeio.parsing import LONGEST_TEXT

PlainName = Annotated[
    str,
    Spelled(
        r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$",
        'a plain file name, such as "model.bin"; it is looked for in OUTPUT_DIR, so no folder '
        "belongs before it",
    ),
]
Layout = Literal["submission", "upstream"]
FunctionName = Annotated[
    str,
    Spelled(
        r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
        'module:function, such as "train_gpt:load_model": a colon before the function',
    ),
]
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_LONGEST_FILE_NAME = 200


def check_file_name(name: str) -> str:
    """The name of a file inside a folder, unchanged.

    Raises:
        ValueError: not a plain relative path.
    """
    if not _FILE_NAME.fullmatch(name) or len(name) > _LONGEST_FILE_NAME:
        raise ValueError(
            f"{name[:80]!r} is not a plain relative path; expected letters, digits, "
            "'.', '_' and '-', separated by '/', inside the folder"
        )
    return name


FileName = Annotated[str, AfterValidator(check_file_name)]


def _check_artifact_name(name: str) -> str:
    check_file_name(artifact_in_run(name, seed=0, run_id="0"))
    return name


ArtifactName = Annotated[
    str,
    Spelled(
        r"^[A-Za-z0-9_{][A-Za-z0-9._{}/-]{0,199}$",
        "the name of a file in the output directory, such as "
        '"final_model.int8.ptz" or "logs/{run_id}.bin"',
    ),
    AfterValidator(_check_artifact_name),
]


UNKNOWN_ARTIFACT = "{run_id}.none"
"""Stands for the artifact of a script where nobody knows it: the name of no file."""


def artifact_in_run(name: str, *, seed: int, run_id: str) -> str:
    """An artifact's name in one run, relative to the directory that training leaves."""
    return name.replace("{seed}", str(seed)).replace("{run_id}", run_id)


def is_artifact_name(name: str) -> bool:
    """Whether it can be an artifact's: a path below a directory, ``{seed}``, ``{run_id}`` in it."""
    try:
        _check_artifact_name(name)
    except ValueError:
        return False
    return len(name) <= _LONGEST_FILE_NAME


class FileFact(Fact):
    """A file of an entry or of its bridge."""

    name: FileName
    bytes: int = Field(ge=0)
    sha256: str


def file_facts(contents: Mapping[str, bytes]) -> Iterator[FileFact]:
    """A fact for each file, in the order of their names."""
    for name, content in sorted(contents.items()):
        yield FileFact(name=name, bytes=len(content), sha256=sha256_of_bytes(content))


class Claim(Fact):
    """The claims of an entry in ``submission.json``: nothing that we measure rests on them.

    Only what a script prints when it is run whole is held against the claim.
    """

    val_bpb: float | None = None
    bytes_total: int | None = None


class Tokenizer(Fact):
    """The tokens that an entry is trained on and scored in.

    ``stock``: the dataset's own, or, where the entry was written for ``ids`` of them and the
    dataset has another number, those of another dataset of the same text. ``model``: the
    SentencePiece model ``file`` of the entry. ``bytes``: pure bytes, built in. ``code``: the
    function ``code`` of the entry, with ``file`` as its model where it has one.
    """

    kind: Literal["stock", "model", "bytes", "code"] = "stock"
    file: FileName | None = None
    code: FunctionName | None = None
    ids: Later[Annotated[int, Field(gt=1)]] = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Tokenizer":
        if (self.kind == "code") != (self.code is not None):
            raise ValueError(f"tokenizer of kind {self.kind}: code is given exactly for kind code")
        if self.kind == "model" and self.file is None:
            raise ValueError("tokenizer of kind model: file is missing")
        if self.kind in ("stock", "bytes") and self.file is not None:
            raise ValueError(f"tokenizer of kind {self.kind}: needs no file")
        if self.kind != "stock" and self.ids is not None:
            raise ValueError(f"tokenizer of kind {self.kind}: ids is given for kind stock alone")
        return self


STOCK = Tokenizer()
"""The dataset's own, whichever it is."""


class Train(Fact):
    """How an entry is trained.

    ``artifact`` may be a path below the directory that training leaves, with ``{seed}`` and
    ``{run_id}`` in it, where a script chooses it; ``checkpoint`` is a plain name there. ``data``
    maps the names under which a script looks for files to our files that are shown there; empty for
    an entry that uses the names of the contract.
    """

    command: tuple[str, ...] = Field(min_length=1, max_length=100)
    environment: dict[str, str] = Field(default_factory=dict)
    data: dict[str, str] = Field(default_factory=dict)
    artifact: ArtifactName
    checkpoint: PlainName | None = None

    @property
    def names_artifact(self) -> bool:
        """Whether it is known which file its artifact is."""
        return self.artifact != UNKNOWN_ARTIFACT


class Function(Fact):
    """A loader: ``load(artifact, device)`` returns the model; ``describe`` lists its tensors."""

    kind: Literal["function"] = "function"
    load: FunctionName
    describe: FunctionName | None = None


RestsOn = Literal["chunks", "documents", "cache", "otherwise"]


class TakeOver(Fact):
    """A script that is run until it calls ``evaluation``; there its model is asked.

    The bridge says how the script is brought to that point, ``environment`` what it is given for
    that besides, and ``arguments`` are passed to its model by name. ``rests_on``: what the claimed
    score rests on besides the model that is asked, such as what it learns from chunks of the stream
    that it has scored; null where on nothing.
    """

    kind: Literal["take_over"] = "take_over"
    script: FileName
    evaluation: str = Field(min_length=1, max_length=200)
    environment: Later[dict[str, str]] = None
    rests_on: Later[RestsOn] = None
    arguments: Later[dict[str, bool | int | float | str | None]] = None


class Driven(Fact):
    """A script whose own scoring loop ``loop`` is driven, because it learns while it scores."""

    kind: Literal["driven"] = "driven"
    script: FileName
    loop: str = Field(min_length=1, max_length=200)


class Whole(Fact):
    """A script whose model cannot be asked: it can only be run whole."""

    kind: Literal["whole"] = "whole"
    script: FileName


Loader = Annotated[Function | TakeOver | Driven | Whole, Field(discriminator="kind")]


class Score(Fact):
    """How an entry's model is asked.

    Windows hold at most ``sequence_length`` tokens and score ``stride`` new targets each.
    ``streams``: the whole split in order, or each document by itself, with ``rows`` open documents
    on each device, of which ``segment`` targets each are scored in a step. An adaptive model
    observes each ``segment`` of targets after they were scored, and studies the finished documents
    each time their number reaches one in ``study_after``. One that is scored by documents and
    ``observes`` nothing is not adaptive.
    """

    loader: Loader
    sequence_length: int = Field(ge=1, le=1 << 16)
    stride: int = Field(ge=1, le=1 << 16)
    streams: Literal["corpus", "documents"] = "corpus"
    segment: int | None = Field(default=None, ge=1)
    rows: int | None = Field(default=None, ge=1, le=1 << 16)
    study_after: tuple[int, ...] = ()
    observes: Later[bool] = None

    @model_validator(mode="after")
    def _fits_its_streams(self) -> "Score":
        if (self.streams == "documents") != (self.rows is not None):
            raise ValueError("rows: given exactly where each document is a stream of its own")
        if self.study_after and (self.streams == "corpus" or not self.adaptive):
            raise ValueError("study_after: only a model that learns from documents studies them")
        if list(self.study_after) != sorted({*self.study_after} - {0}):
            raise ValueError("study_after: expected numbers of documents from 1, in order")
        if self.stride > self.sequence_length:
            raise ValueError("stride: larger than sequence_length")
        if self.streams == "documents" and self.segment != self.stride:
            raise ValueError("segment: expected that of the stride, where documents are streams")
        return self

    @property
    def adaptive(self) -> bool:
        """Whether the model learns from targets that were scored."""
        return self.segment is not None and self.observes is not False

    @property
    def remembers(self) -> bool:
        """Whether an answer may depend on other documents that were scored before."""
        return self.adaptive and (self.streams == "corpus" or bool(self.study_after))


class Bridge(Fact):
    """The referee's own lines about an entry in upstream's layout: reviewed, not counted.

    ``text`` is the file of them, for whoever reads the verdict.
    """

    digest: str
    files: tuple[FileFact, ...] = Field(min_length=1)
    text: Later[Annotated[str, Field(max_length=LONGEST_TEXT)]] = None


class Entry(Fact):
    """What is judged: a submission, or a folder in upstream's layout.

    ``files`` are mounted and therefore counted; ``digest`` is over their names and contents.
    ``folder`` is the name of their folder, for people.
    """

    layout: Layout
    name: str
    author: str
    github_id: str
    folder: str
    claim: Claim = Claim()
    files: tuple[FileFact, ...] = Field(min_length=1)
    digest: str
    tokenizer: Tokenizer = Tokenizer()
    train: Train
    score: Score
    bridge: Bridge | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Entry":
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError("files: a file is listed twice")
        if self.tokenizer.file is not None and self.tokenizer.file not in names:
            raise ValueError("tokenizer.file: not among files")
        if (self.layout == "upstream") != (self.bridge is not None):
            raise ValueError("bridge: given exactly where the layout is upstream's")
        loader = self.score.loader
        if not isinstance(loader, Function) and self.bridge is None:
            raise ValueError(f"score.loader: of kind {loader.kind}, which a bridge must lead to")
        if not isinstance(loader, Function) and loader.script not in names:
            raise ValueError("score.loader.script: not among files")
        return self

    @property
    def asked(self) -> bool:
        """Whether its model can be asked for logits."""
        return not isinstance(self.score.loader, Whole)

    @property
    def only_reproduced(self) -> bool:
        """Whether its claimed score cannot be measured by us, only printed again by itself."""
        loader = self.score.loader
        resting = isinstance(loader, TakeOver) and loader.rests_on is not None
        return isinstance(loader, Whole) or resting

    @property
    def needs_preparation(self) -> bool:
        """Whether something must be proven before any seed run: its tokenizer, or its bridge."""
        return self.tokenizer.kind != "stock" or self.bridge is not None

    @property
    def bytes(self) -> int:
        """Bytes of all files of the entry."""
        return sum(file.bytes for file in self.files)

    def counted_bytes(self, *, tokenizer_counted: bool) -> int:
        """``bytes``, without the model of its own tokenizer if the track does not count that.

        A tokenizer that is code is counted in any case, and so is the file that it reads.
        """
        if tokenizer_counted or self.tokenizer.kind == "code":
            return self.bytes
        return sum(file.bytes for file in self.files if file.name != self.tokenizer.file)

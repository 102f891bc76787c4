"""One sandbox in which a tokenizer that is code encodes documents, or decodes them."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.contest.entry import Tokenizer
from harness.contest.track import Limits, Tokenizing
from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.draws import TOKENIZER
from harness.evidence.phase import PhaseFacts
from harness.inside import codec as wire
from harness.package import PACKAGE
from harness.run.codec.documents import CodecError, Document, Stated
from harness.run.codec.pieces import Pieces
from harness.run.codec.talk import IN_THE_LOG, Conversation
from harness.run.endings import ending, with_last_line
from harness.run.paths import CHANNEL, CODE
from harness.safeio.files import disk_errors
from harness.sandbox.protocol import Job, Mount, Running, Sandbox
from harness.scoring.channel import Channel
from harness.scoring.link import WorkerGone

LOT_DOCUMENTS, LOT_BYTES = 64, 1 << 18
AHEAD = 2
DOCUMENT_SECONDS = 0.02
"""What a document may cost besides its bytes: a process is forked for it."""
MOST_SERVERS = 64
"""More of them would wait for our one thread, which hands out documents and takes answers."""
GOODBYE_SECONDS = 10.0
LOG_BYTES = 1 << 20
"""Most that one of these sandboxes may print."""
_CODEC = Mount(PACKAGE / "inside" / "codec.py", PurePosixPath("/codec/codec.py"))


@dataclass(frozen=True)
class Coder:
    """What all sandboxes of one tokenizer have in common.

    Attributes:
        sandbox: prepared.
        code: the directory that sandboxes see as the entry's code, absolute.
        tokenizer: the entry's, of kind code.
        track_limits, allowed: what the track gives to any sandbox, and to these.
        nonce: of the plan, from which orders and samples are drawn.
        log: gets the logs of all of them, one after the other; absolute.
        starting: called just before the entry's code is started.
        note: called with a sentence before slow work.
        tick: called now and then with seconds and the last line of output.
        pieces: what is known of the model, where the code is ours and only the model is theirs.
    """

    sandbox: Sandbox
    code: Path
    tokenizer: Tokenizer
    track_limits: Limits
    allowed: Tokenizing
    nonce: str
    log: Path
    starting: Callable[[], None] = lambda: None
    note: Callable[[str], None] = lambda text: None
    tick: Callable[[float, str], None] = lambda seconds, line: None
    pieces: Pieces | None = None
    servers: int = field(default_factory=lambda: min(MOST_SERVERS, len(os.sched_getaffinity(0))))

    @property
    def name(self) -> str:
        """What sentences call the tokenizer."""
        return self.tokenizer.code or "" if self.pieces is None else self.pieces.name

    def most_ids(self, document: Document) -> int:
        """How many ids are taken of one document."""
        return document.most_ids if self.pieces is None else self.pieces.most_ids(document)

    @property
    def restores_train(self) -> bool:
        """Whether train documents must come back too: a model may normalize what is not scored."""
        return self.pieces is None

    def random(self, *words: object) -> random.Random:
        """Draws that nobody can foresee, by label."""
        return random.Random(TOKENIZER.of(self.nonce, *words))  # noqa: S311 - of a secret seed

    def limits(self) -> Limits:
        """The limits of these sandboxes."""
        return self.track_limits.model_copy(
            update={
                "memory_bytes": self.allowed.memory_bytes,
                "log_bytes": min(LOG_BYTES, self.track_limits.log_bytes),
            }
        )


@dataclass(frozen=True)
class Spoken:
    """How one of these sandboxes went.

    ``problem`` is what the tokenizer did wrong, as a sentence that names the document; ``lost``
    what our side did. There is no ``phase`` where the sandbox could not be started.
    """

    phase: PhaseFacts | None
    stated: Stated | None = None
    problem: str = ""
    document: Document | None = None
    lost: InfrastructureError | None = None

    @property
    def went_well(self) -> bool:
        """Whether every document was answered, and nothing was wrong with it."""
        return self.stated is not None and not self.problem and self.lost is None


def speak(
    coder: Coder,
    label: str,
    what: int,
    documents: Sequence[Document],
    answered: Callable[[Document, bytes, Stated], None],
    *,
    alone: bool = False,
    expected: Stated | None = None,
) -> Spoken:
    """Ask a fresh sandbox about documents, in an order that is drawn for this label.

    Args:
        coder: what is asked.
        label: of the phase; it differs for each sandbox of a plan.
        what: ``ENCODE`` or ``DECODE``; documents with a published text are encoded from either.
        documents: at least one.
        answered: called with each answer; it raises CodecError where that is wrong.
        alone: each server gets one document after the other, not lots of them.
        expected: what the tokenizer said of itself elsewhere, if it was asked before.

    Raises:
        SubmissionError: the sandbox could not be started for a reason of theirs.
    """
    order = list(documents)
    if what == wire.ENCODE and any(document.published for document in order):
        what = wire.ENCODE_EITHER
    coder.random("order", label).shuffle(order)
    lots = _lots(order, most=1 if alone else LOT_DOCUMENTS)
    servers = max(1, min(coder.servers, len(order)))
    seconds = _seconds(coder, what, order, servers)
    place = coder.log.with_name(f"{coder.log.name}.now")
    try:
        with Channel() as channel:
            job = _job(coder, label, channel.directory, servers=servers, seconds=seconds, log=place)
            with coder.sandbox.start(job) as running:
                asked = _Asked(coder, what, lots, answered, servers, alone, expected)
                return _spoken(asked, channel, running)
    # Others may have run before it: what they left is evidence all the same.
    except InfrastructureError as error:
        return Spoken(None, lost=error)
    finally:
        _keep_log(coder, label, place)


@dataclass(frozen=True)
class _Asked:
    """What one sandbox is asked."""

    coder: Coder
    what: int
    lots: Iterator[Sequence[Document]]
    answered: Callable[[Document, bytes, Stated], None]
    servers: int
    alone: bool
    expected: Stated | None


def _spoken(asked: _Asked, channel: Channel, running: Running) -> Spoken:
    coder, what = asked.coder, asked.what
    does = "decoding" if what == wire.DECODE else "encoding"
    stated: Stated | None = None
    problem, document, gone = "", None, False
    lost: InfrastructureError | None = None

    def alive() -> bool:
        return running.wait(0) is None

    try:
        with Conversation(channel, servers=asked.servers, alive=alive) as conversation:
            said = stated = conversation.stated
            if asked.expected not in (None, said):
                raise CodecError("says another vocabulary_size or bos_id than in another sandbox")
            try:
                conversation.ask(
                    what,
                    asked.lots,
                    ahead=1 if asked.alone else AHEAD,
                    patience_seconds=lambda one: _patience(coder, what, one),
                    answered=lambda one, content: asked.answered(one, content, said),
                    most_ids=coder.most_ids,
                    tick=lambda: coder.tick(running.elapsed_seconds, running.last_line),
                )
                conversation.say_goodbye()
            except WorkerGone:
                document, gone = conversation.at_work(), True
    except CodecError as error:
        problem, document = error.problem, error.document
    except WorkerGone:
        gone = True
    # Code ran, so its phase is evidence whatever we could not do with its answers.
    except InfrastructureError as error:
        lost = error
    facts = None if problem or lost else running.wait(GOODBYE_SECONDS)
    facts = facts or running.stop()
    if gone:
        problem = ending(facts, running)
        if facts.outcome == "deadline":
            problem = "takes more core seconds than the track gives it"
        elif document is not None:
            problem = f"ends the sandbox: {problem}"
    elif IN_THE_LOG in problem:  # what else stands there may be of servers that were stopped
        problem = with_last_line(problem, facts)
    if problem:
        subject = f"{coder.name}: {does} {document.name}" if document else coder.name
        problem = f"{subject}: {problem}"
    return Spoken(facts, stated, problem, document, lost)


def _lots(documents: Sequence[Document], *, most: int) -> Iterator[list[Document]]:
    lot: list[Document] = []
    size = 0
    for document in documents:
        lot.append(document)
        size += len(document.content) + len(document.published)
        if len(lot) >= most or size >= LOT_BYTES:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot


def _rate(coder: Coder, what: int) -> float:
    """Core seconds for each byte of text."""
    allowed = coder.allowed
    decodes = what == wire.DECODE
    return (allowed.decode_seconds_per_mb if decodes else allowed.encode_seconds_per_mb) / 1e6


def _seconds(coder: Coder, what: int, documents: Sequence[Document], servers: int) -> float:
    """How long the sandbox may take: what its documents may cost, shared among its servers.

    One long document may keep one server busy when all others have ended.
    """
    costs = [DOCUMENT_SECONDS + _rate(coder, what) * document.text_bytes for document in documents]
    return coder.allowed.start_seconds + sum(costs) / servers + max(costs)


def _patience(coder: Coder, what: int, document: Document) -> float:
    return coder.allowed.start_seconds + _rate(coder, what) * document.text_bytes


def _job(
    coder: Coder, label: str, channel: Path, *, servers: int, seconds: float, log: Path
) -> Job:
    sandbox, shared = coder.sandbox, Mount(channel, CHANNEL, shared=True)
    if coder.tokenizer.code is None:
        raise SubmissionError("the tokenizer is no code")
    model = coder.tokenizer.file
    limits = coder.limits()
    return Job(
        label=label,
        command=(
            sandbox.worker_command[0],
            sandbox.inside(_CODEC),
            *("--socket", f"{sandbox.inside(shared)}/socket"),
            *("--make", coder.tokenizer.code),
            *(("--model", model) if model is not None else ()),
            *("--servers", str(servers)),
            *("--memory", str(limits.memory_bytes)),
        ),
        environment={},
        code=Mount(coder.code, CODE),
        mounts=(_CODEC, shared),
        limits=limits,
        wallclock_seconds=seconds,
        log=log,
        starting=coder.starting,
    )


def _keep_log(coder: Coder, label: str, place: Path) -> None:
    """Append a sandbox's log to that of the step, as far as there is room."""
    with disk_errors(coder.log):
        if not place.exists():
            return
        with coder.log.open("ab") as log:
            room = coder.track_limits.log_bytes - log.tell()
            said = f"--- {label}\n".encode() + place.read_bytes()
            if len(said) <= room:
                log.write(said)
        place.unlink()

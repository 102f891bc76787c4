"""Plans and runs as the harness would write them, for tests of what follows from them.

Everything adds up: the files of an entry, an artifact and the costs of documents are functions of
the models here, so ``stored.py`` can write any of it to disk.
"""

import functools
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np

from harness.contest.brought_along import Brought, brought_along
from harness.contest.entry import Bridge, Entry, Function, Score, Train, file_facts
from harness.contest.track import Track, load_track
from harness.evidence.decisions import Decision
from harness.evidence.draws import Draw, draw_runs
from harness.evidence.host import Accelerator, HostFacts, MachineFacts, SandboxFacts, TelemetryFacts
from harness.evidence.imposed import denied_documents, recipe_sha256
from harness.evidence.isolation import EDITION, REQUIRED, required_of
from harness.evidence.phase import IsolationFact, PhaseFacts
from harness.evidence.plan import DatasetFacts, HoldoutFacts, Plan, PlannedTest, Required, TextFacts
from harness.evidence.results import (
    ArtifactFacts,
    BridgeProof,
    Changes,
    ClaimedScore,
    DocumentCost,
    Gap,
    Probes,
    Recall,
    Result,
    Scores,
    Shown,
    Spread,
    StreamPart,
    TimelineSpan,
    TokenizerProof,
    Trained,
)
from harness.evidence.run import Failure, Run, StepFacts
from harness.evidence.step_names import StepName
from harness.evidence.steps import steps_of
from harness.judge.case import Case
from harness.judge.comparison import own_bar
from harness.judge.judge import judge
from harness.judge.verdict import Verdict
from harness.models import Finding
from harness.package import PACKAGE
from harness.safeio.files import digest_of_named, sha256_of_bytes

SMOKE_TOML = PACKAGE / "contest/tracks/smoke.toml"
TOKENS, TEXT_BYTES, DOCUMENTS = 200_000, 480_000, 40
CODE_BYTES = 30_000
CODE = {"train.py": b"pass\n".ljust(CODE_BYTES, b"#")}
NONCE = "n"
GOOD_SCORES = (2.61, 2.62, 2.60)


# -- The plan.


@functools.cache
def _smoke() -> Track:
    return load_track("smoke")


def strict_track(**changes: object) -> Track:
    """The smoke track as a contest: no rehearsal, and nothing is imposed but the seeds."""
    contest = {"name": "strict", "rehearsal": False, "imposed": None}
    return _smoke().model_copy(update={**contest, **changes})


# What entries were made of, by digest: an entry holds no contents, and a plan weighs them.
_CONTENTS: dict[str, Mapping[str, bytes]] = {}


def entry(files: Mapping[str, bytes] = CODE, **changes: Any) -> Entry:
    """A submission of these files."""
    _CONTENTS[digest_of_named(dict(files))] = dict(files)
    fields: dict[str, Any] = {
        "layout": "submission",
        "name": "Sample",
        "author": "A. Author",
        "github_id": "author",
        "folder": "sample",
        "files": tuple(file_facts(files)),
        "digest": digest_of_named(dict(files)),
        "train": Train(command=("python", "train.py"), artifact="model.bin"),
        "score": Score(loader=Function(load="train:load_model"), sequence_length=256, stride=64),
    }
    return Entry(**(fields | changes))


def contents_of(entered: Entry) -> Mapping[str, bytes]:
    """The files of an entry of :func:`entry`."""
    return _CONTENTS[entered.digest]


@functools.lru_cache(maxsize=1000)
def _weighed(entered: str) -> Brought:
    made = Entry.model_validate_json(entered)
    return brought_along(made, contents_of(made))


def brought(entered: Entry) -> Brought | None:
    """What an entry of :func:`entry` brings along; None for any other, as in a plan of before."""
    return _weighed(entered.model_dump_json()) if entered.digest in _CONTENTS else None


def bridge(files: Mapping[str, bytes]) -> Bridge:
    """A bridge of these files."""
    return Bridge(digest=digest_of_named(dict(files)), files=tuple(file_facts(files)))


def dataset(**changes: Any) -> DatasetFacts:
    """The dataset of :func:`strict_track`: 40 documents of 12,000 bytes to score."""
    fields: dict[str, Any] = {
        "name": _smoke().dataset.name,
        "digest": "e" * 64,
        "vocabulary_size": 1024,
        "train_tokens": 3_000_000,
        "validation_documents": DOCUMENTS,
        "validation_tokens": TOKENS,
        "validation_bytes": TEXT_BYTES,
        "baselines": {"unigram": 3.4, "witten_bell_bigram": 2.19},
    }
    return DatasetFacts(**(fields | changes))


def texts(track: Track, **changes: Any) -> TextFacts:
    """The dataset, with unpublished documents where a track names some."""
    holdout = None
    if track.holdout is not None:
        holdout = HoldoutFacts(
            name=track.holdout.dataset, digest="0" * 64, documents=40, tokens=TOKENS, bytes=480_000
        )
    return TextFacts(dataset=dataset(**changes), holdout=holdout)


def required(**changes: Any) -> Required:
    """A host with Docker and every property of isolation."""
    fields: dict[str, Any] = {
        "sandbox": "docker",
        "image": "i",
        "image_digest": "sha256:1",
        "isolation": tuple(sorted(REQUIRED)),
        "isolation_edition": EDITION,
        "harness_version": "0.1.0",
        "measured_by": "b" * 64,
    }
    return Required(**(fields | changes))


def plan(track: Track | None = None, **changes: Any) -> Plan:
    """A plan on ``track`` (default: :func:`strict_track`) in Docker.

    What follows from a change follows: other draws from another entry or nonce, another bar from
    other texts. ``seeds`` puts these in the place of the drawn ones, as somebody would who writes
    a plan by hand and does not say so.
    """
    track = track or strict_track()
    seeds: Sequence[int] | None = changes.pop("seeds", None)
    entered: Entry = changes.get("entry") or entry()
    fields: dict[str, Any] = {
        "created_at": "2025-11-21T12:00:00.000+00:00",
        "entry": entered,
        "track": track,
        "track_digest": track.digest,
        "texts": texts(track),
        "required": required(),
        "test": planned_test(track),
        "nonce": NONCE,
    } | changes
    fields.setdefault("draws", draw_runs(entered, track, fields["nonce"], by_hand=seeds))
    fields.setdefault("brought", brought(entered))
    fields.setdefault("bar", own_bar(track, fields["texts"].dataset))
    return Plan(**fields)


def planned_test(track: Track, **changes: Any) -> PlannedTest | None:
    """The test that a track asks for; None where it asks for none."""
    asked = track.significance
    if asked.p_below is None:
        return None
    fields = {"margin_nats_per_token": asked.margin_nats_per_token, "p_below": asked.p_below}
    return PlannedTest.model_validate(fields | changes)


# -- What a run consists of.


def host(**changes: Any) -> HostFacts:
    """A machine with one GPU, and Docker."""
    machine = MachineFacts(
        processor="Test CPU",
        cores=2,
        memory_bytes=8 << 30,
        system="Linux",
        python="3.11",
        accelerators=(Accelerator(name="GPU", uuid="GPU-1", memory_bytes=1),),
    )
    fields: dict[str, Any] = {
        "machine": machine,
        "sandbox": SandboxFacts(
            kind="docker",
            proves=tuple(sorted(REQUIRED)),
            engine="20.10",
            image="i",
            image_digest="sha256:1",
            runtime="runc",
        ),
        "harness_version": "0.1.0",
        "measured_by": "b" * 64,
    }
    return HostFacts(**(fields | changes))


@functools.cache
def isolation(*, output: bool) -> tuple[IsolationFact, ...]:
    """Every property of a phase's sandbox, as it should be."""
    ids = sorted(required_of(output=output))
    return tuple(IsolationFact(id=id, expected="x", actual="x") for id in ids)


def phase(label: str, **changes: Any) -> PhaseFacts:
    """A phase that went well in Docker; training has a directory to leave files in."""
    output = label in ("train", "reproduce")
    fields: dict[str, Any] = {
        "label": label,
        "output": output,
        "outcome": "completed",
        "exit_code": 0,
        "started_at": "2025-11-21T12:00:00.000000000Z",
        "finished_at": "2025-11-21T12:00:15.000000000Z",
        "wallclock_seconds": 15.0,
        "harness_seconds_low": 14.9,
        "harness_seconds_high": 15.2,
        "isolation": isolation(output=output),
    }
    return PhaseFacts(**(fields | changes))


def weights(seed: int) -> bytes:
    """The artifact that a seed leads to."""
    return f"weights of {seed}".encode().ljust(400 + seed % 10, b"\0")


def sealed(content: bytes, name: str = "model.bin") -> ArtifactFacts:
    """A sealed file with that content."""
    return ArtifactFacts(name=name, bytes=len(content), sha256=sha256_of_bytes(content))


@functools.lru_cache(maxsize=100)
def document_costs(nats: float, *, text_bytes: int, targets: int, documents: int) -> bytes:
    """A file of documents' costs that comes to these sums, in about equal shares."""
    file = io.BytesIO()
    np.savez(
        file,
        nats=np.full(documents, nats / documents),
        bytes=_shares(text_bytes, documents),
        targets=_shares(targets, documents),
    )
    return file.getvalue()


def _shares(total: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    shares = np.full(count, total // count, dtype=np.int64)
    shares[-1] += total % count
    return shares


def scores(bpb: float, **changes: Any) -> Scores:
    """The scores of one seed at ``bpb``, over the whole of the sample dataset."""
    targets = changes.get("targets", TOKENS - 1)
    text_bytes = changes.get("bytes", TEXT_BYTES)
    documents = changes.get("documents", DOCUMENTS)
    bits = bpb * text_bytes
    nats = bits * math.log(2)
    costs = document_costs(nats, text_bytes=text_bytes, targets=targets, documents=documents)
    fields: dict[str, Any] = {
        "total_nats": nats,
        "total_bits": bits,
        "val_loss": nats / targets,
        "val_bpb": bpb,
        "targets": targets,
        "bytes": text_bytes,
        "documents": documents,
        "windows": 3125,
        "sequence_length": 256,
        "stride": 64,
        "requests": 50,
        "workers": 1,
        "load_seconds": 1.0,
        "model_seconds": 8.0,
        "tokens_per_second": 25_000.0,
        "documents_sha256": sha256_of_bytes(costs),
    }
    return Scores(**(fields | changes))


QUESTIONS = 4000


def changes(mean: float = 0.0, sd: float = 1e-4, count: int = QUESTIONS, **more: float) -> Changes:
    """How answers differed when asked again: by rounding alone, unless told otherwise."""
    error = sd**2 * math.sqrt(2 / max(1, count))
    fields: dict[str, Any] = {"variance_error": error, "largest_nats": abs(mean) + 4 * sd, **more}
    return Changes(count=count, mean_nats=mean, sd_nats=sd, **fields)


def probes(*, largest: float = 1e-5, gain: float = 1e-7, **more: Any) -> Probes:
    """What probes showed: nothing but rounding, unless something is changed."""
    fields: dict[str, Any] = {
        "probes": QUESTIONS,
        "planned": QUESTIONS,
        "largest_change_nats": largest,
        "mean_gain_nats": gain,
        "gain_error_nats": 1e-4 / math.sqrt(QUESTIONS),
        "worst_target": 7,
        "seconds": 8.0,
        "expected_seconds": 9.0,
        "changes": changes(gain),
        "unchanged": changes(count=QUESTIONS // 8),
        "twice": changes(count=64),
    }
    return Probes(**(fields | more))


def recall(**more: Any) -> Recall:
    """What asking in another order showed: nothing but rounding, unless something is changed."""
    fields: dict[str, Any] = {
        "windows": 1500,
        "planned": 1500,
        "of_windows": 3125,
        "changes": changes(count=1500),
        "largest_change_nats": 1e-4,
        "worst_target": 9,
        "seconds": 4.0,
        "expected_seconds": 4.0,
    }
    return Recall(**(fields | more))


def spread(*ratios: float, **changes: Any) -> Spread:
    """Forty documents of 12,000 bytes that cost half of what zlib needs, but for ``ratios``."""
    ratios = (*ratios, *(0.5 + place / 1000 for place in range(DOCUMENTS - len(ratios))))
    costs = [
        DocumentCost(document=place + 1, bytes=12_000, bpb=3 * ratio, plain_bpb=3)
        for place, ratio in enumerate(ratios)
    ]
    whole = StreamPart(documents=DOCUMENTS, bytes=TEXT_BYTES, bpb=1.5, plain_bpb=3)
    fields: dict[str, Any] = {
        "judged": len(costs),
        "median_ratio": 0.5,
        "spread": 0.2,
        "lowest": tuple(sorted(costs, key=lambda cost: cost.ratio)),
        "parts": (whole,),
    }
    return Spread(**(fields | changes))


_ORDINARY_SPREAD = spread()


def gap(bpb: float = 0.0) -> Gap:
    """A model that is better on the published documents by ``bpb`` than it should be."""
    return Gap(
        validation_bpb=2.6,
        holdout_bpb=2.6 + bpb,
        validation_plain_bpb=3.0,
        holdout_plain_bpb=3.0,
        gap_bpb=bpb,
        standard_error_bpb=0.001,
    )


def failure(fault: str, rule: str, detail: str = "because") -> Failure:
    """A failure that speaks to a rule; ``fault`` is ``submission`` or ``infrastructure``."""
    status = "fail" if fault == "submission" else "unknown"
    finding = Finding(id=rule, status=status, detail=detail)
    return Failure.model_validate({"fault": fault, "finding": finding})


# -- Runs.


class Parts(TypedDict, total=False):
    """What a seed run may be told to consist of; None: that it was not reached.

    ``train``, ``score``, ``probe``, ``recall_phase``, ``holdout`` and ``unquantized_phase`` are
    phases. ``failure``
    ends the run at the step whose rule it speaks to. ``gap`` brings the scoring of unpublished
    documents with it, and so does ``unquantized`` a checkpoint.
    """

    train: PhaseFacts | None
    telemetry: TelemetryFacts | None
    artifact: ArtifactFacts | None
    checkpoint: ArtifactFacts | None
    timeline: tuple[TimelineSpan, ...]
    shown: Shown | None
    score: PhaseFacts | None
    scores: Scores | None
    probe: PhaseFacts | None
    probes: Probes | None
    recall_phase: PhaseFacts | None
    recall: Recall | None
    spread: Spread | None
    holdout: PhaseFacts | None
    gap: Gap | None
    holdout_probes: Probes | None
    unquantized_phase: PhaseFacts | None
    unquantized: Scores | None
    failure: Failure | None
    host: HostFacts
    attempt: int
    ended: bool


def seed_run(draw: Draw, bpb: float = GOOD_SCORES[0], **parts: Unpack[Parts]) -> Run:
    """A seed run that went well at ``bpb``, but for ``parts``.

    What needs a part that is not there is not there either.
    """
    asked = functools.partial(phase, outcome="stopped")
    unquantized = parts.get("unquantized")
    the_gap = parts.get("gap")
    trained = Trained(
        artifact=parts.get("artifact", sealed(weights(draw.seed))),
        checkpoint=parts.get(
            "checkpoint", sealed(weights(draw.seed + 1), "full.bin") if unquantized else None
        ),
        timeline=parts.get("timeline", ()),
        shown=parts.get("shown"),
    )
    plain_scores = parts.get("scores", scores(bpb))
    holdout_scores = scores(the_gap.holdout_bpb) if the_gap else None
    again: tuple[PhaseFacts | None, Probes | None] = (None, None)
    if the_gap:
        again = asked("reprobe"), parts.get("holdout_probes", probes())
    train = parts.get("train", phase("train"))
    done: dict[StepName, tuple[PhaseFacts | None, Result | None]] = {
        "train": (train, trained if train else None),
        "score": (parts.get("score", asked("score")), plain_scores),
        "probe": (parts.get("probe", asked("probe")), parts.get("probes", probes())),
        "recall": (parts.get("recall_phase", asked("recall")), parts.get("recall", recall())),
        "spread": (None, parts.get("spread", _ORDINARY_SPREAD)),
        "holdout": (parts.get("holdout", asked("holdout") if the_gap else None), holdout_scores),
        "reprobe": again,
        "gap": (None, the_gap),
        "unquantized": (
            parts.get("unquantized_phase", asked("unquantized") if unquantized else None),
            unquantized,
        ),
    }
    return Run(
        draw=draw.number,
        seed=draw.seed,
        role=draw.role,
        attempt=parts.get("attempt", 1),
        host=parts.get("host", host()),
        steps=tuple(_steps(done, parts.get("failure"), parts.get("telemetry"))),
        ended=parts.get("ended", True),
    )


# Where training fails by what it left, or by how it ended.
_RULES_OF_TRAINING = ("training", "artifact")


def _steps(
    done: Mapping[StepName, tuple[PhaseFacts | None, Result | None]],
    why: Failure | None,
    telemetry: TelemetryFacts | None,
) -> list[StepFacts]:
    """The steps of a seed run, up to the failure or to the first that cannot be without another."""
    found: list[StepFacts] = []
    for step in steps_of("seed"):
        phase_facts, result = done[step.name]
        if not step.needs <= {facts.name for facts in found if facts.done}:
            continue
        if step.name == "score" and not _has_artifact(found):
            continue
        fails = why is not None and why.finding.id in (
            _RULES_OF_TRAINING if step.name == "train" else (step.finding,)
        )
        if result is None and not fails:
            continue
        found.append(
            StepFacts(
                name=step.name,
                phases=(phase_facts,) if phase_facts and step.runs_code else (),
                telemetry=telemetry if step.name == "train" else None,
                result=None if fails else result,
                failure=why if fails else None,
            )
        )
        if fails:
            break
    return found


def _has_artifact(found: Sequence[StepFacts]) -> bool:
    return any(isinstance(f.result, Trained) and f.result.artifact is not None for f in found)


def preparation(
    made: Plan,
    *,
    tokenizer: TokenizerProof | None = None,
    bridge: BridgeProof | None = None,
    failure: Failure | None = None,
    **changes: Any,
) -> Run:
    """What runs before any seed of an entry that needs it: both proofs, as far as it needs them."""
    (draw,) = made.draws_for("preparation")
    steps = []
    if made.entry.tokenizer.kind != "stock":
        proof = None if failure else tokenizer or tokenizer_proof(made)
        ran = (phase("tokenize"),) if made.entry.tokenizer.kind == "code" else ()
        steps.append(StepFacts(name="tokenize", phases=ran, result=proof, failure=failure))
    if made.entry.bridge is not None and failure is None:
        steps.append(
            StepFacts(
                name="bridge", phases=(phase("bridge"),), result=bridge or bridge_proof(our=2.61)
            )
        )
    return _run(draw, steps, **changes)


def tokenizer_proof(made: Plan, **changes: Any) -> TokenizerProof:
    """An own tokenizer that gives every document back, in as many tokens as the dataset's."""
    own = made.entry.tokenizer.file
    file = next((file for file in made.entry.files if file.name == own), None)
    fields: dict[str, Any] = {
        "bytes": file.bytes if file else 0,
        "sha256": file.sha256 if file else "a" * 64,
        "vocabulary_size": 1024,
        "dataset_digest": "d" * 64,
        "train_tokens": 3_000_000,
        "validation_tokens": TOKENS,
    }
    if changes.get("normal_form_bytes"):
        fields["normal_form_sha256"] = "f" * 64
    return TokenizerProof(**(fields | changes))


def bridge_proof(our: float) -> BridgeProof:
    """A bridge to the very model that the script scores itself."""
    return BridgeProof(our_loss=our, printed_loss=our, tolerance_nats=1e-4, startup_seconds=12.5)


def reproduction(draw: Draw, bpb: float, **changes: Any) -> Run:
    """A run of the whole script, which prints ``bpb``."""
    claimed = ClaimedScore(
        val_bpb=bpb,
        val_loss=bpb * 1.66,
        line=120,
        artifact=sealed(weights(draw.seed)),
        sealed_seconds=14.0,
    )
    facts = StepFacts(name="reproduce", phases=(phase("reproduce"),), result=claimed)
    return _run(draw, [facts], **changes)


def _run(draw: Draw, steps: Sequence[StepFacts], **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "draw": draw.number,
        "seed": draw.seed,
        "role": draw.role,
        "attempt": 1,
        "host": host(),
        "steps": tuple(steps),
        "ended": True,
    }
    return Run(**(fields | changes))


def good_runs(
    made: Plan, values: Sequence[float] = GOOD_SCORES, **parts: Unpack[Parts]
) -> list[Run]:
    """All runs of a plan that went well: what comes before its seeds, and its seed runs.

    ``values`` are the BPB of the seeds in turn; the sample bar falls. Each seed run consists of
    ``parts``. Reproductions are not among them.
    """
    before = [preparation(made)] if made.draws_for("preparation") else []
    draws = made.draws_for("look", "confirmation")
    if made.texts.holdout is not None:
        parts = {"gap": gap(), **parts}
    seeds = [
        seed_run(draw, bpb, **_with_shown(made, draw, parts))
        for draw, bpb in zip(draws, itertools.cycle(values), strict=False)
    ]
    return [*before, *seeds]


def with_first(made: Plan, **parts: Unpack[Parts]) -> list[Run]:
    """:func:`good_runs`, of which the first seed run is another."""
    first = made.draws_for("look")[0]
    other = seed_run(first, **_with_shown(made, first, parts))
    return [other if run.draw == first.number else run for run in good_runs(made)]


def _with_shown(made: Plan, draw: Draw, parts: Parts) -> Parts:
    return {"shown": shown(made, draw), **parts}


def shown(made: Plan, draw: Draw, **changes: Any) -> Shown | None:
    """What a plan shows the run of a draw, of 400 train documents of the same length."""
    if made.track.imposed is None:
        return None
    share, documents = made.track.imposed.denied_share, 400
    denied = denied_documents(documents, denied_share=share)
    tokens = made.texts.dataset.train_tokens
    asked: dict[str, Any] = {"nonce": made.nonce, "seed": draw.seed, "denied_share": share}
    fields: dict[str, Any] = {
        "files": 1,
        "documents": documents - denied,
        "denied_documents": denied,
        "tokens": tokens - tokens * denied // documents,
        "denied_tokens": tokens * denied // documents,
        "recipe_sha256": recipe_sha256(**asked, documents=documents, files=1),
        "sha256": "5" * 64,
    }
    return Shown(**(fields | changes))


def verdict_of(
    made: Plan,
    runs: Sequence[Run],
    *,
    track: Track | None = None,
    decisions: Sequence[Decision] = (),
) -> Verdict:
    """What the rules say of runs of a plan."""
    return judge(Case.of(made, runs, track=track, decisions=decisions), evidence="runs/x")

"""What the steps of a run leave, as the harness would write it: hosts, phases and results.

Everything adds up: an artifact and the costs of documents are functions of the models here, so
``stored.py`` can write any of it to disk.
"""

import functools
import io
import math
from typing import Any

import numpy as np

from harness.evidence.asked_again import Changes, Probes, Recall
from harness.evidence.draws import Draw
from harness.evidence.host import Accelerator, HostFacts, MachineFacts, SandboxFacts
from harness.evidence.imposed import denied_documents, recipe_sha256
from harness.evidence.isolation import REQUIRED, required_of
from harness.evidence.pace import PaceAgain
from harness.evidence.phase import IsolationFact, PhaseFacts
from harness.evidence.plan import Plan
from harness.evidence.results import (
    ArtifactFacts,
    BridgeProof,
    DocumentCost,
    Gap,
    OwnEvaluation,
    Scores,
    Shown,
    Spread,
    StreamPart,
    TokenizerProof,
)
from harness.evidence.run import Failure
from harness.models import Finding
from harness.safeio.files import sha256_of_bytes
from tests.factories.plans import DOCUMENTS, TEXT_BYTES, TOKENS


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
        "log_bytes": 1_000,
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
        "by_gap": QUESTIONS // 2,
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


def pace(median: float, highest: float, **more: Any) -> PaceAgain:
    """Requests asked again that took so many times as long as while scoring, which took 200 s."""
    fields: dict[str, Any] = {
        "requests": 400,
        "median_times": median,
        "p99_times": highest,
        "highest_times": highest,
        "slower": 0,
        "over_seconds": 0.0,
        "scoring_seconds": 200.0,
    }
    return PaceAgain(**(fields | more))


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


ORDINARY_SPREAD = spread()


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


def evaluated_on_drawn(loss: float = 6.95, **changes: Any) -> OwnEvaluation:
    """An evaluation that cost ``loss`` on tokens drawn from 1,023, and read nothing ahead."""
    fields: dict[str, Any] = {
        "floor_loss": 6.9,
        "alphabet": 1_023,
        "common": 0.55,
        "compared": 12,
        "apart": 0,
    }
    return OwnEvaluation(printed_loss=loss, **(fields | changes))


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

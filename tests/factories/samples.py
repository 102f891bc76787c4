"""Evidence as the harness would write it, for tests of what follows from it."""

from harness import PACKAGE
from harness.contest.entry import FileFact, SubmissionFacts
from harness.contest.track import Track, load_track
from harness.evidence.draws import draw_seeds
from harness.evidence.facts import (
    Accelerator,
    ArtifactFacts,
    DatasetFacts,
    DocumentCost,
    IsolationFact,
    MachineFacts,
    MemorisationFacts,
    PhaseFacts,
    PhaseName,
    ProbeFacts,
    SandboxFacts,
    ScoreFacts,
    SeedRun,
    StreamPart,
    Verification,
)
from harness.evidence.isolation import REQUIRED, required_of

SMOKE_TOML = PACKAGE / "contest/tracks/smoke.toml"
TOKENS, TEXT_BYTES, DOCUMENTS = 200_000, 480_000, 40
CODE_BYTES = 30_000


def strict_track(**changes: object) -> Track:
    """The smoke track as a contest: the same rules, but not a rehearsal."""
    return load_track("smoke").model_copy(update={"name": "strict", "rehearsal": False, **changes})


def isolation(name: PhaseName) -> tuple[IsolationFact, ...]:
    """Every property of a phase's sandbox, as it should be."""
    return tuple(
        IsolationFact(id=each, expected="x", actual="x") for each in sorted(required_of(name))
    )


def phase(name: PhaseName, **changes: object) -> PhaseFacts:
    """A phase that went well in Docker."""
    facts = PhaseFacts(
        phase=name,
        outcome="completed",
        exit_code=0,
        started_at="2026-11-21T12:00:00.000000000Z",
        finished_at="2026-11-21T12:00:15.000000000Z",
        wallclock_seconds=15.0,
        harness_seconds_low=14.9,
        harness_seconds_high=15.2,
        isolation=isolation(name),
    )
    return facts.model_copy(update=changes)


def scoring(bpb: float, **changes: object) -> ScoreFacts:
    """The score of one seed at ``bpb``, over the whole of the sample dataset."""
    bits = bpb * TEXT_BYTES
    facts = ScoreFacts(
        total_nats=bits * 0.6931471805599453,
        total_bits=bits,
        val_loss=bits * 0.6931471805599453 / (TOKENS - 1),
        val_bpb=bpb,
        targets=TOKENS - 1,
        bytes=TEXT_BYTES,
        documents=DOCUMENTS,
        windows=3125,
        sequence_length=256,
        stride=64,
        requests=50,
        workers=1,
        load_seconds=1.0,
        model_seconds=8.0,
        tokens_per_second=25_000.0,
        documents_file="documents.npz",
        documents_sha256="d" * 64,
    )
    return facts.model_copy(update=changes)


def memorisation(*ratios: float, **changes: object) -> MemorisationFacts:
    """Forty documents of 12,000 bytes that cost half of what zlib needs, but for ``ratios``."""
    costs = [*ratios, *(0.5 + place / 1000 for place in range(DOCUMENTS - len(ratios)))]
    lowest = sorted(
        (
            DocumentCost(document=place + 1, bytes=12_000, bpb=3 * ratio, plain_bpb=3)
            for place, ratio in enumerate(costs)
        ),
        key=lambda cost: cost.ratio,
    )
    whole = StreamPart(documents=DOCUMENTS, bytes=TEXT_BYTES, bpb=1.5, plain_bpb=3)
    facts = MemorisationFacts(
        judged=len(costs), median_ratio=0.5, spread=0.2, lowest=tuple(lowest), parts=(whole,)
    )
    return facts.model_copy(update=changes)


def seed_run(seed: int, bpb: float, **changes: object) -> SeedRun:
    """A seed run that went well."""
    run = SeedRun(
        seed=seed,
        train=phase("train"),
        artifact=ArtifactFacts(
            name="model.bin", bytes=1_000_000 + seed % 1000, sha256=f"{seed:064x}"
        ),
        score=phase("score", outcome="stopped"),
        scoring=scoring(bpb),
        probe=phase("score", outcome="stopped"),
        memorisation=memorisation(),
        probes=ProbeFacts(
            probes=128, largest_change_nats=1e-5, mean_gain_nats=1e-7, worst_target=9
        ),
    )
    return run.model_copy(update=changes)


def verification(track: Track | None = None, **changes: object) -> Verification:
    """A plan on ``track`` (default: :func:`strict_track`) in Docker, with drawn seeds."""
    track = track or strict_track()
    seeds = draw_seeds(
        submission_digest="5" * 64,
        track_digest=track.digest,
        nonce="n",
        count=track.significance.seeds,
    )
    plan = Verification(
        created_at="2026-11-21T12:00:00.000+00:00",
        harness_version="0.1.0",
        harness_digest="h" * 64,
        submission=SubmissionFacts(
            name="Sample",
            author="A. Author",
            github_id="author",
            folder="sample",
            digest="5" * 64,
            files=(FileFact(name="train.py", bytes=CODE_BYTES, sha256="f" * 64),),
            code_bytes=CODE_BYTES,
        ),
        track=track,
        track_digest=track.digest,
        dataset=DatasetFacts(
            name=track.dataset.name,
            digest="e" * 64,
            vocabulary_size=1024,
            train_tokens=3_000_000,
            validation_documents=DOCUMENTS,
            validation_tokens=TOKENS,
            validation_bytes=TEXT_BYTES,
            baselines={"unigram": 3.4, "witten_bell_bigram": 2.19},
        ),
        machine=MachineFacts(
            processor="Test CPU",
            cores=2,
            memory_bytes=8 << 30,
            system="Linux",
            python="3.11",
            accelerators=(Accelerator(name="GPU", uuid="GPU-1", memory_bytes=1),),
        ),
        sandbox=SandboxFacts(
            kind="docker",
            proves=tuple(sorted(REQUIRED)),
            engine="20.10",
            image="i",
            image_digest="sha256:1",
        ),
        nonce="n",
        seeds=tuple(seeds),
        seeds_drawn=True,
    )
    return plan.model_copy(update=changes)


def good_runs(plan: Verification, scores: tuple[float, ...] = (2.61, 2.62, 2.60)) -> list[SeedRun]:
    """Runs of all seeds that beat the sample bar."""
    return [seed_run(seed, bpb) for seed, bpb in zip(plan.seeds, scores, strict=True)]

"""Realistic verdicts to draw: consistent in themselves, every part replaceable."""

from collections.abc import Callable, Sequence
from typing import Any

from harness.contest.brought_along import FileWeight
from harness.contest.entry import Claim
from harness.contest.track import load_track
from harness.evidence.decisions import Decision
from harness.evidence.results import DocumentCost, StreamPart, TimelineSpan
from harness.judge.asked import asked_test
from harness.judge.comparison import compare, confirm
from harness.judge.judge import facts_of_these_rules
from harness.judge.rules.confirmation import answer_of as confirmed
from harness.judge.rules.significance import answer_of
from harness.judge.tested import StatisticsResult
from harness.judge.verdict import (
    BroughtResult,
    Digests,
    Doubt,
    MemorisationResult,
    Note,
    ReproductionResult,
    SeedResult,
    TokenizerResult,
    Verdict,
)
from harness.models import Finding, Status
from tests.factories.runs import verdict_of
from tests.factories.upstream import upstream_entry, upstream_plan, upstream_runs

TOKENS_PER_BYTE = 1 / 2.43592


def seed_result(seed: int, val_bpb: float, **changes: Any) -> SeedResult:
    fields: dict[str, Any] = {
        "seed": seed,
        "val_bpb": val_bpb,
        "val_loss": val_bpb * 0.6931471805599453 * 2.43592,
        "artifact_bytes": 15_815_847 - seed % 1000,
        "code_bytes": 47_642,
        "train_seconds": 594.318 + seed % 5,
        "score_seconds": 211.5 + seed % 7,
        "targets": 62_021_845,
        "bytes": 151_080_891,
        "artifact": f"seed-{seed}/artifact",
        "artifact_sha256": "ab" * 32,
        "tokens_per_second": 301_234.5,
        "timeline": (
            TimelineSpan(name="start-up", seconds=21.4),
            TimelineSpan(name="compile and warm-up", seconds=38.25),
            TimelineSpan(name="training", seconds=501.75),
            TimelineSpan(name="quantisation", seconds=32.918),
        ),
    }
    return SeedResult(**(fields | changes))


def statistics_result(**changes: Any) -> StatisticsResult:
    fields: dict[str, Any] = {
        "case": "tested",
        "n": 3,
        "mean_bpb": 1.0551273,
        "mean_nats_per_token": 1.78154,
        "sd_bpb": 0.000712,
        "t": -8.1763,
        "degrees_of_freedom": 2,
        "p": 0.00731,
        "p_below": 0.01,
        "ci99_bpb": (1.0510471, 1.0592075),
        "bar_bpb": 1.06145,
        "bar_source": "record merged upstream on 2026-04-29, as published",
        "margin_nats_per_token": 0.005,
        "margin_bpb": 0.002961,
        "threshold_bpb": 1.058489,
        "seeds_for_power_90": 3,
        "significant": True,
        "targets": 62_021_845,
        "text_bytes": 151_080_891,
    }
    return StatisticsResult(**(fields | changes))


def checks(**statuses: Status) -> tuple[Finding, ...]:
    rows: list[dict[str, Any]] = [
        {
            "id": "hardware",
            "measured": 8,
            "limit": 8,
            "unit": "accelerators",
            "detail": "8 x NVIDIA H100 80GB HBM3",
        },
        {
            "id": "dataset",
            "measured": 62_021_846,
            "limit": 62_021_846,
            "unit": "tokens",
            "detail": "fineweb10B_sp1024: every file matches its manifest",
        },
        {
            "id": "isolation",
            "measured": 29,
            "limit": 29,
            "unit": "properties",
            "detail": "read back in every phase: no network, read-only root, no capabilities, "
            "own files and limits only",
        },
        {
            "id": "seeds",
            "measured": 3,
            "limit": 3,
            "unit": "seeds",
            "detail": "drawn from the digest of submission and track and a nonce",
        },
        {
            "id": "training",
            "measured": 3,
            "limit": 3,
            "unit": "seeds",
            "detail": "every training ended by itself with exit code 0",
        },
        {
            "id": "train_wallclock",
            "measured": 598.318,
            "limit": 600.0,
            "unit": "s",
            "detail": "longest training, from the engine's StartedAt to FinishedAt",
        },
        {
            "id": "clocks",
            "measured": 0.0412,
            "limit": 0.5,
            "unit": "s",
            "detail": "largest difference between the engine's clock and ours",
        },
        {"id": "artifact", "measured": 3, "limit": 3, "unit": "seeds", "detail": "all sealed"},
        {
            "id": "bytes",
            "measured": 15_863_489,
            "limit": 16_000_000,
            "unit": "bytes",
            "detail": "code 47,642 and the largest artifact 15,815,847",
        },
        {
            "id": "scoring",
            "measured": 3,
            "limit": 3,
            "unit": "seeds",
            "detail": "every artifact produced a finite score",
        },
        {
            "id": "score_wallclock",
            "measured": 217.5,
            "limit": 600.0,
            "unit": "s",
            "detail": "longest scoring, loading included",
        },
        {
            "id": "coverage",
            "measured": 62_021_845,
            "limit": 62_021_845,
            "unit": "targets",
            "detail": "every target of the validation split scored exactly once",
        },
        {
            "id": "significance",
            "measured": 0.00731,
            "limit": 0.01,
            "unit": "p",
            "detail": "one-sided t-test at 1.058489 BPB",
        },
    ]
    return tuple(Finding(**row, status=statuses.get(row["id"], "pass")) for row in rows)


def verdict(**changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "verdict": "VERIFIED",
        "reason": "all 13 checks pass: mean 1.055127 BPB is below 1.058489 BPB with p = 0.0073",
        "track": "10min_16mb",
        "edition": "2026-11",
        "submission": "Int6 MLP3x with sliding window",
        "author": "A. Golfer",
        "claim": Claim(val_bpb=1.0549, bytes_total=15_863_489),
        "sandbox": "docker",
        "isolated": True,
        "rehearsal": False,
        "created_at": "2026-11-21T23:52:00Z",
        "dataset": "fineweb10B_sp1024",
        "checks": checks(),
        "rules": facts_of_these_rules(),
        "seeds": (
            seed_result(1_804_289_383, 1.0545012),
            seed_result(846_930_886, 1.0549772),
            seed_result(1_681_692_777, 1.0559035),
        ),
        "seeds_drawn": True,
        "statistics": statistics_result(),
        "baselines": {},
        "train_limit_seconds": 600.0,
        "score_limit_seconds": 600.0,
        "bytes_limit": 16_000_000,
        "digests": Digests(
            submission="1f" * 32,
            track="2e" * 32,
            dataset="3d" * 32,
            image="sha256:" + "4c" * 32,
            harness="5b" * 32,
        ),
        "evidence": "runs/20261121-235200-naive_baseline-10min_16mb-1f1f1f1f",
    }
    return Verdict(**(fields | changes))


def rehearsed(**changes: Any) -> Verdict:
    """The smoke track in the process sandbox, as a submitter sees it at home."""
    changed: dict[str, dict[str, Any]] = {
        "hardware": {
            "measured": "2 cores, AMD EPYC 7R32 48-Core Processor",
            "limit": None,
            "unit": "",
            "detail": "this track runs anywhere",
        },
        "dataset": {"measured": 1_284_552, "limit": None, "detail": "demo_sp1024: as built"},
        "isolation": {
            "measured": 0,
            "detail": "rehearsal: not isolated; the process sandbox does not prove it",
        },
        "train_wallclock": {"measured": 18.402, "limit": 20.0},
        "score_wallclock": {"measured": 9.771, "limit": 60.0},
        "bytes": {"measured": 3_465_544, "detail": "largest artifact + 47,642 bytes of code"},
        "coverage": {"measured": 1_284_551, "limit": 1_284_551},
        "significance": {"measured": 1.95e-06},
    }
    home = tuple(
        check.model_copy(update=changed.get(check.id, {})) for check in checks(isolation="unknown")
    )
    seeds = tuple(
        seed_result(
            seed,
            bpb,
            artifact_bytes=3_417_902,
            train_seconds=18.402,
            score_seconds=9.771,
            targets=1_284_551,
            bytes=3_301_772,
            timeline=(
                TimelineSpan(name="start-up", seconds=2.6),
                TimelineSpan(name="training", seconds=14.9),
                TimelineSpan(name="quantisation", seconds=0.8),
            ),
        )
        for seed, bpb in ((1_804_289_383, 2.6151), (846_930_886, 2.6204), (77, 2.6181))
    )
    fields: dict[str, Any] = {
        "verdict": "REHEARSED",
        "reason": "every check that a rehearsal can judge passes; isolation is unknown",
        "track": "smoke",
        "submission": "Naive baseline",
        "claim": Claim(),
        "sandbox": "process",
        "isolated": False,
        "rehearsal": True,
        "dataset": "demo_sp1024",
        "checks": home,
        "seeds": seeds,
        "statistics": statistics_result(
            mean_bpb=2.6178667,
            mean_nats_per_token=4.66121,
            sd_bpb=0.0026577,
            t=-506.31,
            p=1.95e-06,
            ci99_bpb=(2.6026373, 2.6330960),
            bar_bpb=3.39812,
            bar_source="count-based unigram model over the train tokens",
            margin_bpb=0.0028104,
            threshold_bpb=3.3953096,
            seeds_for_power_90=2,
        ),
        "baselines": {"unigram": 3.39812, "witten_bell_bigram": 2.19331},
        "train_limit_seconds": 20.0,
        "score_limit_seconds": 60.0,
        "digests": Digests(
            submission="1f" * 32, track="2e" * 32, dataset="3d" * 32, image="", harness="5b" * 32
        ),
        "evidence": "runs/20261121-235200-naive_baseline-smoke-1f1f1f1f",
    }
    return verdict(**(fields | changes))


def rejected(**changes: Any) -> Verdict:
    """A run whose one seed trained too long and one was too large."""
    changed: dict[str, dict[str, Any]] = {
        "train_wallclock": {
            "measured": 600.0004,
            "detail": "seed 846930886 still trained at the limit and was killed",
        },
        "training": {"measured": 2},
        "bytes": {"measured": 16_000_001},
        "significance": {"measured": None, "detail": "fewer seeds than the track asks"},
    }
    broken = checks(train_wallclock="fail", training="fail", bytes="fail", significance="unknown")
    fields: dict[str, Any] = {
        "verdict": "REJECTED",
        "reason": "train_wallclock: seed 846930886 was killed at the limit of 600 s",
        "checks": tuple(check.model_copy(update=changed.get(check.id, {})) for check in broken),
        "seeds": (
            seed_result(1_804_289_383, 1.0545012, artifact_bytes=16_000_001 - 47_642),
            SeedResult(
                seed=846_930_886,
                code_bytes=47_642,
                train_seconds=600.0004,
                trouble="train: killed at the limit of 600 s; a late artifact does not exist",
            ),
        ),
        "seeds_drawn": False,
        "statistics": statistics_result(
            case="one seed",
            n=1,
            mean_bpb=1.0545012,
            sd_bpb=None,
            t=None,
            degrees_of_freedom=None,
            p=None,
            ci99_bpb=None,
            seeds_for_power_90=None,
            significant=False,
        ),
    }
    return verdict(**(fields | changes))


def complete(**changes: Any) -> Verdict:
    """A record that has something to say in every section."""
    seeds = tuple(
        seed_result(
            seed,
            bpb,
            unquantised_bpb=bpb - 0.0021 - seed % 7 * 1e-5,
            holdout_bpb=bpb + 0.0131,
            gap_bpb=0.00042 + seed % 3 * 1e-5,
            gap_standard_error_bpb=0.000311,
        )
        for seed, bpb in ((1_804_289_383, 1.0545012), (846_930_886, 1.0549772), (77, 1.0559035))
    )
    holdout = Finding(
        id="holdout",
        status="pass",
        measured=0.00043,
        limit=0.001,
        unit="BPB",
        detail="as good on 5,000 unpublished documents",
    )
    fields: dict[str, Any] = {
        "reason": "all 14 checks pass: mean 1.055127 BPB is below 1.058489 BPB with p = 0.0073",
        "checks": (*checks(), holdout),
        "findings": (
            Note(id="tried_before", status="unknown", detail="try 3 of the same submission"),
            Note(id="claimed_bytes", status="unknown", detail="16,100,000 claimed"),
        ),
        "seeds": seeds,
        "doubts": (
            Doubt(check="causality", of="looking ahead", bpb=0.000166),
            Doubt(check="memory", of="memory that is not declared", bpb=0.000059),
            Doubt(check="brought_along", of="remembered text in what came along", bpb=0.0),
        ),
        "tokenizer": TokenizerResult(
            file="tokenizer.model",
            sha256="7c" * 32,
            bytes=254_113,
            counted=True,
            vocabulary_size=1_024,
            bytes_per_token=2.51234,
            bpb_per_nat=0.574251,
            dataset_bytes_per_token=2.43592,
            dataset_bpb_per_nat=0.592263,
        ),
        "memorisation": MemorisationResult(
            seed=846_930_886,
            judged=48_211,
            median_ratio=0.41,
            suspicious=1,
            cheapest=tuple(
                DocumentCost(document=number, bytes=3_000 + number, bpb=bpb, plain_bpb=3.1)
                for number, bpb in ((41_772, 0.0213), (1_003, 0.4411), (29, 0.4507))
            ),
            parts=tuple(
                StreamPart(documents=1_000, bytes=3_000_000, bpb=1 + part % 9 / 70, plain_bpb=2.9)
                for part in range(50)
            ),
        ),
        "baselines": {"unigram": 3.39812, "witten_bell_bigram": 2.19331, "frontier": 1.01},
        "segment": 2_048,
        "brought": BroughtResult(
            bytes=19_012,
            tokenizer_bytes=36_045,
            tokenizer_free_bytes=30_000,
            counted_bytes=25_057,
            free_bytes=24_576,
            limit_bytes=131_072,
            doubt_bpb=8 * 481 / 151_080_891,
            container_sha256="6a" * 32,
            files=(
                FileWeight(name="train_gpt.py", bytes=46_900, compressed_bytes=18_306),
                FileWeight(name="submission.toml", bytes=742, compressed_bytes=431),
            ),
        ),
        "decisions": (
            Decision(
                rule="memorisation",
                outcome="pass",
                why="the documents are licenses",
                who="M. Maintainer",
                at="2026-11-22T08:00:00Z",
                evidence="9a" * 32,
            ),
        ),
        "reproductions": (
            ReproductionResult(
                seed=4, printed_bpb=1.0544, seconds=811.25, artifact_bytes=15_815_001
            ),
        ),
        "rescored_from": "runs/20261120-101500-naive_baseline-10min_16mb-1f1f1f1f",
        "sandbox_runtime": "runsc",
    }
    return verdict(**(fields | changes))


def looked_at(looks: Sequence[float], fresh: Sequence[float] = (), **changes: Any) -> Verdict:
    """A verdict of the official test on these scores, its figures as the judge reckons them."""
    found = compare(
        looks,
        bar_bpb=1.06145,
        bar_source="record merged upstream on 2026-04-29, as published",
        margin_nats_per_token=0.005,
        p_below=0.01,
        targets=62_021_845,
        text_bytes=151_080_891,
        test=asked_test(load_track("10min_16mb")),
    )
    told = confirm(found, looks[: found.n], fresh, runs=3)
    rows = [seed_result(100 + place, bpb, place=place + 1) for place, bpb in enumerate(looks)]
    rows += [
        seed_result(200 + place, bpb, purpose="confirmation", node="node-b")
        for place, bpb in enumerate(fresh)
    ]
    answers = [answer_of(found)]
    if told is not None:
        status, detail = confirmed(told, threshold=found.threshold_bpb, together=found.n + told.n)
        answers.append(
            Finding(id="confirmation", status=status, measured=told.p, limit=0.01, unit="p",
                    detail=detail)
        )  # fmt: skip
    fields: dict[str, Any] = {
        "checks": (*(check for check in checks() if check.id != "significance"), *answers),
        "seeds": tuple(rows),
        "statistics": found,
        "confirmation": told,
    }
    return verdict(**(fields | changes))


def hopeless() -> Verdict:
    """An entry that was stopped after one of eight seeds."""
    reason = "significance: stopped after 1 of 8: not shown to beat the bar"
    return looked_at((1.0612,), verdict="REJECTED", reason=reason)


TRIPLE = (1.0570, 1.0564, 1.0575)


def longest(text: str, *, seeds: int = 100) -> Verdict:
    """Every section, many seeds, and ``text`` wherever a string may come from a stranger."""
    whole = complete()
    strange = {"measured": text, "limit": text, "unit": text, "detail": text}
    rows = tuple(
        whole.seeds[number % 3].model_copy(update={"seed": 2**31 - 1 - number, "trouble": text})
        for number in range(seeds)
    )
    updates: dict[str, Any] = {
        name: text
        for name in (
            *("reason", "track", "edition", "submission", "author", "sandbox_runtime"),
            *("created_at", "dataset", "evidence", "rescored_from"),
        )
    }
    digests = dict.fromkeys(whole.digests.model_dump(), text)
    updates |= {
        "seeds": rows,
        "seeds_drawn": False,
        "checks": tuple(check.model_copy(update=strange) for check in whole.checks),
        "findings": tuple(
            found.model_copy(update={"name": text, "detail": text}) for found in whole.findings
        ),
        "baselines": {f"{number}{text}": 1 + number / 10 for number in range(5)},
        "statistics": whole.statistics.model_copy(update={"bar_source": text}),
        "digests": Digests(**digests),
    }
    assert whole.tokenizer is not None
    updates["tokenizer"] = whole.tokenizer.model_copy(update={"file": text, "sha256": text})
    return whole.model_copy(update=updates)


def script(*, printed: float | None = 2.6101, **entered: Any) -> Verdict:
    """Of an entry in upstream's layout, as the rules give it."""
    lines = 'format = 1\n\n[launch]\nscript = "train_gpt.py"\nenv = { NUM_LAYERS = "9" }\n'
    text = f'{lines}\n[why]\n"launch.env.NUM_LAYERS" = "README.md, its command"\n'
    made = upstream_plan(entry=upstream_entry(**entered), created_at="2025-11-21T12:00:00Z")
    facts = made.entry.bridge
    assert facts is not None
    told = facts.model_copy(update={"text": text})
    made = made.model_copy(update={"entry": made.entry.model_copy(update={"bridge": told})})
    return verdict_of(made, upstream_runs(made, printed=printed))


SAMPLES: dict[str, Callable[[], Verdict]] = {
    "verified": verdict,
    "rehearsed": rehearsed,
    "rejected": rejected,
    "complete": complete,
    "hopeless": hopeless,
    "confirmed": lambda: looked_at(TRIPLE, (1.0573, 1.0568, 1.0577)),
    "waits to be confirmed": lambda: looked_at(TRIPLE, verdict="INCONCLUSIVE"),
    "guarded": lambda: looked_at((1.0570, 1.0550, 1.0535), verdict="INCONCLUSIVE"),
    "run beyond the look": lambda: looked_at((*TRIPLE, 1.0590, 1.0571)),
    "script": script,
    "script, only reproduced": lambda: script(rests_on="cache"),
    "script, cannot be asked": lambda: script(whole=True),
    "script, blind so far": lambda: script(printed=None),
    "bare": lambda: verdict(
        verdict="INCONCLUSIVE",
        seeds=(),
        claim=Claim(),
        statistics=statistics_result(
            case="no seeds", n=0, mean_bpb=None, sd_bpb=None, t=None, p=None, ci99_bpb=None
        ),
    ),
}

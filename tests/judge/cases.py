"""Verdicts of many kinds, each as the rules give it."""

import random
from typing import Any

from harness.contest.entry import Claim, Tokenizer
from harness.contest.hardware import Hardware
from harness.contest.significance import Significance
from harness.contest.track import Bar, Holdout, Track, load_track
from harness.evidence.decisions import Decision
from harness.evidence.host import HostFacts, SandboxFacts
from harness.evidence.phase import Load, PhaseFacts
from harness.evidence.plan import Bar as Record
from harness.evidence.plan import Plan
from harness.evidence.results import TimelineSpan
from harness.evidence.run import Run
from harness.judge.stored import judge_path
from harness.judge.verdict import Verdict
from tests.factories.broken import BIG
from tests.factories.futures import FORMATS, FUTURES
from tests.factories.plans import CODE, entry, looking_track, plan, required, strict_track
from tests.factories.results import (
    bridge_proof,
    failure,
    gap,
    host,
    phase,
    probes,
    scores,
    spread,
    tokenizer_proof,
)
from tests.factories.runs import (
    GOOD_SCORES,
    good_runs,
    looked,
    preparation,
    seed_run,
    verdict_of,
    with_first,
)
from tests.factories.upstream import (
    again,
    blind_run,
    early,
    upstream_entry,
    upstream_plan,
    upstream_runs,
    whole_phase,
)

HOLDOUT = strict_track(holdout=Holdout(dataset="unseen", tolerance_bpb=0.005))
NO_BAR = strict_track(bar=None, significance=Significance(seeds=3))
GPUS = strict_track(hardware=Hardware(accelerators=1, accelerator_name="GPU"))
NO_BUDGET = strict_track(
    budget=strict_track().budget.model_copy(update={"train_seconds": None, "score_seconds": None})
)


BUSY = Load(before=6.1, after=6.5)
LOOKING = plan(looking_track())
WELCH = plan(
    strict_track(
        name="club",
        significance=Significance(seeds=3, margin_nats_per_token=0.005, p_below=0.01, test="welch"),
        bar=Bar(bpb=3.4, source="our own", leaderboard=True),
    ),
    bar=Record(bpb=2.7, source="record", verdict_sha256="c" * 64, seeds=(2.699, 2.701, 2.700)),
)
PIECES = random.Random(1).randbytes(170_000)


def brings(random_bytes: int) -> Plan:
    """The plan of an entry with a file that no compressor makes smaller."""
    return plan(entry=entry({**CODE, "table.bin": random.Random(2).randbytes(random_bytes)}))


def own_tokenizer(model: bytes = b"pieces") -> Plan:
    """The plan of an entry that brings a model of its own."""
    files = {**CODE, "own.model": model}
    return plan(entry=entry(files, tokenizer=Tokenizer(kind="model", file="own.model")))


def own_runs(tokens: int) -> list[Run]:
    """Its runs, in so many tokens."""
    made = own_tokenizer()
    proof = tokenizer_proof(made, validation_tokens=tokens)
    draws = made.draws_for("look")
    seeds = [
        seed_run(draw, scores=scores(2.6 + draw.number / 100, targets=tokens - 1)) for draw in draws
    ]
    return [preparation(made, tokenizer=proof), *seeds]


def decision(rule: str) -> Decision:
    """A human's, that the unknown is no harm."""
    return Decision(
        rule=rule,
        outcome="pass",
        why="seen",
        who="R. Referee",
        at="2025-11-22T09:00:00+00:00",
        evidence="e" * 64,
    )


def cases() -> dict[str, Verdict]:
    """By name; together they have every figure that a verdict can have."""
    made = plan()
    claimed = plan(entry=entry(claim=Claim(val_bpb=2.5, bytes_total=90_000)))
    honest = plan(entry=entry(claim=Claim(val_bpb=2.61, bytes_total=30_400)))
    withheld = plan(HOLDOUT)
    rehearsed = plan(required=required(sandbox="process", image="", image_digest="", isolation=()))
    adaptive = scores(2.6, segment=64, segments_observed=3125)
    process = HostFacts(**{**dict(host()), "sandbox": SandboxFacts(kind="process")})
    licenses = [
        seed_run(draw, 2.6 + draw.number / 100, spread=spread(0.001)) for draw in made.draws
    ]
    slow = phase(
        "train", wallclock_seconds=20.5, harness_seconds_low=20.4, harness_seconds_high=21.0
    )
    unsealed = failure("submission", "artifact")
    return {
        "good": verdict_of(made, good_runs(made)),
        "above the bar": verdict_of(made, good_runs(made, (3.41, 3.42, 3.43))),
        "scattered": verdict_of(made, good_runs(made, (2.4, 3.0, 3.6))),
        "all the same": verdict_of(made, good_runs(made, (2.6, 2.6, 2.6))),
        "one run": verdict_of(made, good_runs(made)[:1]),
        "no run": verdict_of(made, []),
        "late": verdict_of(made, with_first(made, train=slow)),
        "killed": verdict_of(
            made, with_first(made, train=phase("train", outcome="deadline"), artifact=None)
        ),
        "lost": verdict_of(
            made,
            with_first(
                made,
                train=phase("train", outcome="lost", wallclock_seconds=400.0),
                failure=failure("infrastructure", "training"),
            ),
        ),
        "nothing left": verdict_of(made, with_first(made, artifact=None, failure=unsealed)[:1]),
        "no artifact": verdict_of(made, with_first(made, failure=unsealed)),
        "looks ahead": verdict_of(made, with_first(made, probes=probes(largest=3.0))),
        "breaks when probed": verdict_of(
            made, with_first(made, failure=failure("submission", "causality"))
        ),
        "heavy": verdict_of(
            strict := plan(
                strict_track(budget=made.track.budget.model_copy(update={"bytes": 30_300}))
            ),
            good_runs(strict),
        ),
        "weights along": verdict_of(along := brings(140_000), good_runs(along)),
        "a table along": verdict_of(table := brings(30_000), good_runs(table)),
        "half scored": verdict_of(made, with_first(made, scores=scores(2.6, targets=100_000))),
        "claims too much": verdict_of(claimed, good_runs(claimed)),
        "claims the truth": verdict_of(honest, good_runs(honest)),
        "tried before": verdict_of(
            again := plan(tries={"earlier": 2, "by_author": 3}), good_runs(again)
        ),
        "own tokens": verdict_of(own_tokenizer(), own_runs(150_000)),
        "own tokens, heavy": verdict_of(
            heavy := own_tokenizer(PIECES),
            [preparation(heavy, tokenizer=tokenizer_proof(heavy)), *good_runs(heavy)[1:]],
        ),
        "own tokens, in normal form": verdict_of(
            heavy,
            [
                preparation(heavy, tokenizer=tokenizer_proof(heavy, normal_form_bytes=30_500)),
                *good_runs(heavy)[1:],
            ],
        ),
        "own tokens, not proven": verdict_of(heavy, []),
        "broken tokenizer": verdict_of(
            own := own_tokenizer(),
            [
                preparation(
                    own,
                    tokenizer=tokenizer_proof(
                        own, validation_tokens=None, problem="document 3 changes", document=3
                    ),
                )
            ],
        ),
        "as good on unseen": verdict_of(withheld, good_runs(withheld)),
        "seen before": verdict_of(
            withheld,
            [
                seed_run(draw, 2.6 + draw.number / 100, gap=gap(0.05 + draw.number / 1000))
                for draw in withheld.draws
            ],
        ),
        "too cheap": verdict_of(made, licenses),
        "many too cheap": verdict_of(
            made, with_first(made, spread=spread(*(place / 1000 for place in range(1, 8))))
        ),
        "too cheap, decided": verdict_of(made, licenses, decisions=[decision("memorisation")]),
        "learns": verdict_of(
            made,
            with_first(
                made, scores=adaptive, timeline=(TimelineSpan(name="training", seconds=12.0),)
            ),
        ),
        "no bar": verdict_of(bare := plan(NO_BAR), good_runs(bare)),
        "no bar, no run": verdict_of(bare, []),
        "no bar, nothing left": verdict_of(bare, with_first(bare, failure=unsealed)[:1]),
        "on GPUs": verdict_of(fast := plan(GPUS), good_runs(fast)),
        "no budget": verdict_of(free := plan(NO_BUDGET), good_runs(free)),
        "rehearsed": verdict_of(
            rehearsed,
            [seed_run(draw, 2.6 + draw.number / 100, host=process) for draw in rehearsed.draws],
        ),
        "with checkpoint": verdict_of(
            also := plan(also=("unquantized",)), with_first(also, unquantized=scores(2.55))
        ),
        "by hand": verdict_of(hand := plan(seeds=(1, 2, 3), chosen_by_hand=True), good_runs(hand)),
        "waits to be confirmed": verdict_of(LOOKING, looked(LOOKING, GOOD_SCORES[:1] * 3)),
        "confirmed": verdict_of(
            LOOKING, looked(LOOKING, (2.6100, 2.6105, 2.6098), (2.6112, 2.6118, 2.6109))
        ),
        "luck": verdict_of(
            LOOKING, looked(LOOKING, (2.6100, 2.6105, 2.6098), (3.3970, 3.3975, 3.3971))
        ),
        "hopeless": verdict_of(LOOKING, looked(LOOKING, (3.41,))),
        "scatters more than the field": verdict_of(LOOKING, looked(LOOKING, (2.5, 2.6, 2.7, 2.55))),
        "against the record's seeds": verdict_of(WELCH, good_runs(WELCH, (2.600, 2.601, 2.602))),
        "second try": verdict_of(made, with_first(made, attempt=2)),
        "more time": verdict_of(slower := plan(time_scale=4.0), good_runs(slower)),
        "busy": verdict_of(made, with_first(made, train=phase("train", load=BUSY))),
        "other track": verdict_of(made, good_runs(made), track=other_track()),
        **of_scripts(),
        **{name: judge_path(FORMATS / name) for name in sorted(FUTURES)},
    }


def seconds_of(seconds: float) -> dict[str, float]:
    """How long a phase took, by clocks that agree."""
    apart = {"harness_seconds_low": seconds - 0.1, "harness_seconds_high": seconds + 0.1}
    return {"wallclock_seconds": seconds, **apart}


def of_scripts() -> dict[str, Verdict]:
    """Of entries in upstream's layout, which get as far as they can."""
    made = upstream_plan()
    small = upstream_plan(load_track("smoke"), entry=upstream_entry(claim=Claim(val_bpb=1.1)))
    cached = upstream_plan(entry=upstream_entry(rests_on="cache"))
    whole = upstream_plan(entry=upstream_entry(whole=True))
    silent = upstream_plan(entry=upstream_entry(whole=True, claim=Claim()))
    free = upstream_plan(NO_BUDGET)
    first, again_draw = made.draws_for("look")[0], made.draws_for("reproduction")[0]
    late = whole_phase("train", first, **seconds_of(80.5))
    killed = whole_phase("train", first, outcome="deadline", **seconds_of(80.1))
    in_time = early(first, by="budget", seconds=20.03)
    broken = failure("submission", "reproduction", "it printed nothing")
    blind = upstream_runs(made, printed=None)

    def with_blind(train: PhaseFacts) -> list[Run]:
        return [blind[0], blind_run(made, first, train=train), *blind[2:]]

    def with_blind_and_last(train: PhaseFacts) -> list[Run]:
        return [*with_blind(train), again(again_draw)]

    def last(**changes: Any) -> list[Run]:
        return [*blind, again(again_draw, **changes)]

    unproven = bridge_proof(our=2.6).model_copy(update={"printed_loss": 2.7})
    return {
        "script": verdict_of(made, upstream_runs(made)),
        "script, not begun": verdict_of(made, []),
        "script, blind so far": verdict_of(made, blind),
        "script, another model": verdict_of(
            made, upstream_runs(made, (), proof=unproven, printed=None)
        ),
        "script, evaluates too long": verdict_of(made, with_blind(late)),
        "script, killed while it evaluates": verdict_of(made, with_blind(killed)),
        "script, sealed at the budget": verdict_of(
            made, with_blind_and_last(whole_phase("train", first, early=in_time))
        ),
        "script, changes its artifact": verdict_of(
            made, with_blind(whole_phase("train", first, early=early(first, at_end="changed")))
        ),
        "script, saw the text": verdict_of(made, upstream_runs(made, printed=2.4)),
        "script, another than we asked": verdict_of(
            upstream_plan(entry=upstream_entry(claim=Claim(val_bpb=2.7))),
            upstream_runs(made, printed=2.7),
        ),
        "script, worse than claimed": verdict_of(made, upstream_runs(made, printed=2.648)),
        "script, prints nothing": verdict_of(made, last(failure=broken)),
        "script, lost at last": verdict_of(
            made, last(failure=failure("infrastructure", "reproduction"), ended=True)
        ),
        "script, heavy at last": verdict_of(
            made,
            last(ran=whole_phase("reproduce", again_draw, early=early(again_draw, artifact=BIG))),
        ),
        "script, changes its artifact at last": verdict_of(
            made,
            last(ran=whole_phase("reproduce", again_draw, early=early(again_draw, at_end="gone"))),
        ),
        "script, no budget": verdict_of(free, upstream_runs(free)),
        "script, made small": verdict_of(small, upstream_runs(small)),
        "script, rests on a cache": verdict_of(cached, upstream_runs(cached)),
        "script, rests on a cache, blind so far": verdict_of(
            cached, upstream_runs(cached, printed=None)
        ),
        "script, cannot be asked": verdict_of(whole, upstream_runs(whole)),
        "script, cannot be asked, not begun": verdict_of(whole, []),
        "script, cannot be asked, claims nothing": verdict_of(silent, upstream_runs(silent)),
    }


def other_track() -> Track:
    """The same contest with a bar that is harder to beat."""
    return strict_track(bar=Bar(bpb=2.0, source="another edition"))

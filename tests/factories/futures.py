"""Formats that nothing can produce yet, each as a whole run directory.

They were fixed before the code that will write them, so that this code finds its place. What lies
under ``tests/evidence/formats`` is frozen: a test reads every byte of it. Who changes a format on
purpose writes it again with ``python -m tests.factories.futures``, and has made a third format.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.contest.entry import Entry, Score, TakeOver, Tokenizer, Train
from harness.contest.significance import Look, Significance
from harness.contest.track import Bar as TrackBar
from harness.contest.track import Budget, Track
from harness.evidence.draws import Draw, Purpose, draw_seeds
from harness.evidence.host import Calibration, HostFacts
from harness.evidence.plan import Bar
from harness.evidence.run import StepFacts
from harness.evidence.store import RunDirectory
from harness.judge.verdict import VerdictName
from tests.factories.plans import (
    DOCUMENTS,
    NONCE,
    TOKENS,
    bridge,
    entry,
    plan,
    planned_test,
    strict_track,
)
from tests.factories.results import (
    bridge_proof,
    failure,
    host,
    phase,
    scores,
    spread,
    tokenizer_proof,
)
from tests.factories.runs import good_runs, preparation, reproduction, seed_run
from tests.factories.stored import decide, store

FORMATS = Path(__file__).parents[1] / "evidence/formats"
TRAIN = {"train.py": b'print("trains")\n'}
_SHORT = spread().model_copy(update={"lowest": spread().lowest[:2]})


def short_track(**changes: object) -> Track:
    """A contest of two seeds, so that the files stay small."""
    test = Significance(seeds=2, margin_nats_per_token=0.005, p_below=0.01)
    return strict_track(**({"significance": test} | changes))


def drawn(
    entered: Entry, track: Track, *, confirmation: int = 0, reproduction: int = 0
) -> tuple[Draw, ...]:
    """Every run of a plan with purposes that no plan has yet, drawn at once."""
    purposes: list[Purpose] = ["preparation"] * entered.needs_preparation
    purposes += ["look"] * track.significance.most_runs
    purposes += ["confirmation"] * confirmation
    purposes += ["reproduction"] * reproduction
    count = len(purposes) - entered.needs_preparation
    seeds = [0] * entered.needs_preparation + draw_seeds(
        entry_digest=entered.digest, track_digest=track.digest, nonce=NONCE, count=count
    )
    return tuple(
        Draw(number=number, seed=seed, purpose=purpose)
        for number, (seed, purpose) in enumerate(zip(seeds, purposes, strict=True))
    )


def looks_and_confirmation(path: Path) -> RunDirectory:
    """A look after two seeds, a seed that confirms, and a moderated test against a record."""
    listed = TrackBar(bpb=3.0, source="the first bar", leaderboard=True)
    track, entered = short_track(bar=listed), entry(TRAIN)
    test = planned_test(
        track,
        kind="moderated",
        p_below=0.0075,
        field_sd_bpb=0.0007,
        field_degrees=40.0,
        source="spread of the seeds of accepted records",
        looks=(Look(runs=2, accept_below=0.001, hopeless_above_sd=2.0),),
    )
    made = plan(
        track,
        entry=entered,
        draws=drawn(entered, track, confirmation=1),
        test=test,
        bar=Bar(bpb=2.63, source="the record", verdict_sha256="c" * 64, seeds=(2.629, 2.631)),
    )
    # So far below that the bar falls with what today's rules charge for so short a stream.
    runs = good_runs(made, (2.550, 2.551, 2.5505), spread=_SHORT)
    return store(path, made, runs, files=TRAIN)


def upstream_entry(path: Path) -> RunDirectory:
    """Upstream's script in three stages: its bridge proven, blind seeds, its own run last."""
    script = {"train_gpt.py": b"# trains, evaluates, prints val_bpb\n"}
    lines = {
        "bridge.toml": b'[score]\nscript = "train_gpt.py"\nevaluation = "eval_val"\n',
        "bridge.py": b"def logits(model, tokens, first):\n    return model(tokens)[:, first:]\n",
    }
    track = short_track(reproduction=None)  # its draws are those of before there was one
    entered = entry(
        script,
        layout="upstream",
        name="2026-04-09_LongContext",
        folder="2026-04-09_LongContext",
        train=Train(
            command=("torchrun", "--nproc_per_node={accelerators}", "train_gpt.py"),
            environment={"ITERATIONS": "9000"},
            data={"data/fineweb_train_*.bin": "train", "data/tokenizer.model": "tokenizer"},
            artifact="final_model.int8.ptz",
        ),
        score=Score(
            loader=TakeOver(script="train_gpt.py", evaluation="eval_val"),
            sequence_length=256,
            stride=64,
        ),
        bridge=bridge(lines),
    )
    made = plan(track, entry=entered, draws=drawn(entered, track, reproduction=1))
    before, first, second, again = made.draws
    proof = StepFacts(
        name="bridge",
        phases=(phase("bridge-script"), phase("bridge-worker", outcome="stopped")),
        result=bridge_proof(our=4.35),
    )
    runs = [
        preparation(made).model_copy(update={"steps": (proof,)}),
        seed_run(first, 2.61, spread=_SHORT),
        seed_run(second, 2.62, spread=_SHORT),
        reproduction(again, 2.59),
    ]
    assert before.seed == 0
    return store(path, made, runs, files=script, bridge=lines)


def documents_with_study(path: Path) -> RunDirectory:
    """Each document a stream of its own, many side by side, studied when some have finished."""
    base = entry(TRAIN)
    asked = base.score.model_copy(
        update={"streams": "documents", "segment": 64, "rows": 16, "study_after": (10, 20)}
    )
    made = plan(short_track(), entry=entry(TRAIN, score=Score.model_validate(dict(asked))))
    learned: dict[str, Any] = {
        "streams": "documents",
        "rows": 16,
        "segment": 64,
        "segments_observed": 3150,
        "observe_seconds": 2.5,
        "studies": 2,
        "schedule_digest": "7" * 64,
        "waited_seconds": 0.25,
    }
    runs = [
        seed_run(draw, bpb, scores=scores(bpb, **learned), spread=_SHORT)
        for draw, bpb in zip(made.draws, (2.61, 2.62), strict=True)
    ]
    return store(path, made, runs, files=TRAIN)


def two_nodes(path: Path) -> RunDirectory:
    """A node that died while it scored: the second try of the same draw, elsewhere, counts."""
    made = plan(short_track(), entry=entry(TRAIN))
    first, second = made.draws
    died = failure("infrastructure", "scoring", "the node went away")
    runs = [
        seed_run(first, 2.61, failure=died, host=_node("node-a", 50_100.0)),
        seed_run(first, 2.612, attempt=2, spread=_SHORT, host=_node("node-b", 49_900.0)),
        seed_run(second, 2.62, spread=_SHORT, host=_node("node-c", 50_000.0)),
    ]
    return store(path, made, runs, files=TRAIN)


def _node(name: str, tokens_per_second: float) -> HostFacts:
    figures = {"train_tokens_per_second": tokens_per_second, "memory_bytes_per_second": 3.1e12}
    return host(node=name, alone=True, calibration=Calibration(figures=figures, seconds=41.5))


def tokenizer_of_code(path: Path) -> RunDirectory:
    """A tokenizer that is code, some documents of which were encoded a second time."""
    files = TRAIN | {"words.py": b"def encode(text):\n    return list(text.encode())\n"}
    entered = entry(files, tokenizer=Tokenizer(kind="code", code="words:Words"))
    made = plan(short_track(), entry=entered)
    proof = tokenizer_proof(
        made,
        bytes=len(files["words.py"]),
        vocabulary_size=300,
        validation_tokens=2 * TOKENS,
        train_tokens=6_000_000,
        repeated=DOCUMENTS,
    )
    before, *seeds = made.draws
    runs = [
        preparation(made, tokenizer=proof),
        *(
            seed_run(draw, bpb, scores=scores(bpb, targets=2 * TOKENS - 1), spread=_SHORT)
            for draw, bpb in zip(seeds, (2.61, 2.62), strict=True)
        ),
    ]
    assert before.seed == 0
    return store(path, made, runs, files=files)


def decided(path: Path) -> RunDirectory:
    """Cheap documents that a human looked at; a second decision is about other evidence."""
    made = plan(short_track(), entry=entry(TRAIN))
    cheap = spread(*[0.001] * 3)
    cheap = cheap.model_copy(update={"lowest": cheap.lowest[:4]})
    directory = store(path, made, good_runs(made, spread=cheap), files=TRAIN)
    decide(directory, "memorisation")
    decide(directory, "memorisation", outcome="fail", why="Of another run.", evidence="0" * 64)
    return directory


def no_bar(path: Path) -> RunDirectory:
    """A track that sets no bar, no test and no time."""
    track = short_track(
        bar=None, significance=Significance(seeds=2), budget=Budget(bytes=16_000_000)
    )
    made = plan(track, entry=entry(TRAIN))
    return store(path, made, good_runs(made, spread=_SHORT), files=TRAIN)


# Each with the verdict that follows from it.
FUTURES: dict[str, tuple[Callable[[Path], RunDirectory], VerdictName]] = {
    "looks_and_confirmation": (looks_and_confirmation, "VERIFIED"),
    "upstream_entry": (upstream_entry, "VERIFIED"),
    "documents_with_study": (documents_with_study, "VERIFIED"),
    "two_nodes": (two_nodes, "VERIFIED"),
    "tokenizer_of_code": (tokenizer_of_code, "VERIFIED"),
    "decided": (decided, "VERIFIED"),
    "no_bar": (no_bar, "VERIFIED"),
}


def write_again(names: Sequence[str] = tuple(FUTURES)) -> None:
    """Replace what is frozen."""
    for name in names:
        shutil.rmtree(FORMATS / name, ignore_errors=True)
        FUTURES[name][0](FORMATS / name)


if __name__ == "__main__":
    write_again()

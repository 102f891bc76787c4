"""Validation text inside an artifact: seen by the documents, the stream and a second set."""

import shutil
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contest.track import Holdout
from harness.data.build.building import build_dataset
from harness.data.format.documents import read_documents
from harness.evidence.asked_again import Probes
from harness.evidence.results import Gap, Spread
from harness.evidence.run import Run
from harness.judge.rules.memorisation import cheap_parts, suspects
from harness.judge.verdict import Verdict
from harness.report.terminal import render_text
from harness.scoring.document_costs import LEAST_BYTES, PARTS, gap_of, spread_of
from tests.adversarial.gallery import cheaters
from tests.factories.plans import TEXT_BYTES, TOKENS, plan, strict_track, texts
from tests.factories.playground import BIGRAM, harness, write_track
from tests.factories.results import changes, failure, gap, probes, spread
from tests.factories.runs import good_runs, seed_run, verdict_of

HOLDOUT = "unpublished"


def with_unpublished(data_root: Path, root: Path) -> Path:
    """The small demo dataset in ``root``, its last documents taken out for an unpublished set."""
    small = data_root / "demo_sp1024"
    train = list(read_documents(small / "docs_train.jsonl"))
    val = list(read_documents(small / "docs_val.jsonl"))
    tokenizer = next((small / "tokenizer").iterdir()).read_bytes()
    build_dataset(train[:-12], val, tokenizer, root / "demo_sp1024", source="parts of the demo")
    build_dataset([], train[-12:], tokenizer, root / HOLDOUT, source="other parts of the demo")
    return root


def add_holdout(track: Path, *, tolerance_bpb: float = 0.3) -> Path:
    """A track's file with an unpublished set."""
    with track.open("a") as file:
        file.write(f'\n\n[holdout]\ndataset = "{HOLDOUT}"\ntolerance_bpb = {tolerance_bpb}\n')
    return track


Costs = tuple[np.ndarray, np.ndarray, np.ndarray]


def honest_costs(documents: int, *, seed: int, spread: float = 0.25, ratio: float = 0.35) -> Costs:
    """Bits, bytes and plain bits of documents whose cost scatters as that of real ones does."""
    rng = np.random.default_rng(seed)
    sizes = rng.lognormal(7.5, 1.0, documents).astype(np.int64) + 50
    plain = sizes * rng.lognormal(1.1, 0.2, documents)
    return plain * ratio * rng.lognormal(0, spread, documents), sizes, plain


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 8), st.floats(0.01, 8)), max_size=200))
@settings(deadline=None, max_examples=60)
def test_parts_are_the_whole_stream_in_order(documents: list[tuple[int, float, float]]) -> None:
    sizes = np.array([size for size, _, _ in documents], np.int64)
    bits = np.array([bpb for _, bpb, _ in documents], np.float64) * sizes
    plain = np.array([bpb for _, _, bpb in documents], np.float64) * sizes + 8
    facts = spread_of(bits, sizes, plain)
    assert len(facts.parts) <= PARTS
    assert sum(part.bytes for part in facts.parts) == sizes.sum()
    total = sum(part.bpb * part.bytes for part in facts.parts)
    assert total == pytest.approx(bits[sizes > 0].sum(), abs=1e-6)
    assert facts.judged == (sizes >= LEAST_BYTES).sum()
    assert [cost.ratio for cost in facts.lowest] == sorted(cost.ratio for cost in facts.lowest)


def judged(facts: Spread, *, times: int = 1) -> Verdict:
    """The verdict on some costs, in a dataset that is so many times as large as the sample."""
    larger = {"validation_bytes": TEXT_BYTES * times, "validation_tokens": TOKENS * times}
    made = plan(texts=texts(strict_track(), **larger))
    return verdict_of(made, good_runs(made, spread=facts))


def status(verdict: Verdict, name: str) -> str:
    return next(check.status for check in verdict.checks if check.id == name)


@pytest.mark.parametrize("spread", [0.1, 0.25, 0.35])
def test_honest_costs_raise_no_alarm(spread: float) -> None:
    for seed in range(40):
        facts = spread_of(*honest_costs(5000, seed=seed, spread=spread))
        assert suspects(facts) == []
        assert cheap_parts(facts) == []


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 1.0])
def test_documents_learned_by_heart_are_found_however_many_they_are(share: float) -> None:
    bits, sizes, plain = honest_costs(1000, seed=1)
    known = int(1000 * share)
    bits[:known] = 0.01 * sizes[:known]
    facts = spread_of(bits, sizes, plain)
    found = suspects(facts)
    assert found and all(cost.document <= known for cost in found)
    verdict = judged(facts)
    assert status(verdict, "memorisation") == "unknown"
    assert verdict.verdict == "INCONCLUSIVE"  # a human must look: it may be honest
    assert f"validation document {found[0].document}" in verdict.reason


def test_a_weak_model_is_held_against_itself() -> None:
    """What would be honest of a strong model is not of one that is no better than zlib."""
    bits, sizes, plain = honest_costs(1000, seed=4, ratio=1.2)
    sizes[:5] += LEAST_BYTES
    bits[:5] = 0.1 * plain[:5]
    found = suspects(spread_of(bits, sizes, plain))
    assert sorted(cost.document for cost in found) == [1, 2, 3, 4, 5]
    strong = bits / 4
    strong[:5] *= 4
    assert suspects(spread_of(strong, sizes, plain)) == []


def test_an_easy_document_is_no_suspect() -> None:
    bits, sizes, plain = honest_costs(1000, seed=2)
    bits[7], plain[7] = bits[7] / 100, plain[7] / 100  # one line, a thousand times
    assert suspects(spread_of(bits, sizes, plain)) == []
    bits[7], plain[7] = bits[7], plain[7] * 100
    assert [c.document for c in suspects(spread_of(bits, sizes, plain))] == [8]


def test_a_prefix_half_paid_shows_along_the_stream_alone() -> None:
    bits, sizes, plain = honest_costs(5000, seed=3)
    bits[:500] *= 0.5
    facts = spread_of(bits, sizes, plain)
    assert suspects(facts) == []
    assert cheap_parts(facts) and max(cheap_parts(facts)) <= 5
    verdict = judged(facts)
    assert status(verdict, "memorisation") == "unknown"
    assert "parts of the validation stream are far cheaper" in verdict.reason


def test_a_boilerplate_document_decides_nothing() -> None:
    """It is shown, but a tenth of the margin is what it takes to matter."""
    verdict = judged(spread(0.001))
    assert status(verdict, "memorisation") == "unknown"  # one of forty: 2 % of the text
    verdict = judged(spread(0.001), times=1000)
    assert status(verdict, "memorisation") == "pass"
    assert verdict.memorisation is not None and verdict.memorisation.suspicious == 1
    shown = render_text(verdict)
    assert "document 1 " in shown and "Impossibly cheap: 1." in " ".join(shown.split())


def test_a_gap_of_honest_costs_is_within_its_error() -> None:
    beyond = 0
    for seed in range(200):
        one = honest_costs(300, seed=2 * seed)
        other = honest_costs(300, seed=2 * seed + 1)
        facts = gap_of(one, other)
        assert facts.gap_bpb == pytest.approx(
            facts.holdout_bpb * facts.validation_plain_bpb / facts.holdout_plain_bpb
            - facts.validation_bpb
        )
        beyond += facts.gap_bpb > 2.33 * facts.standard_error_bpb
    assert beyond <= 10  # 1 % of 200 is 2


def gaps(*figures: float, error: float = 0.01) -> list[Gap]:
    return [gap(bpb).model_copy(update={"standard_error_bpb": error}) for bpb in figures]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (gaps(0.001, -0.002, 0.003), "pass"),
        (gaps(0.050, 0.051, 0.052), "pass"),  # what the track puts up with
        (gaps(0.070, 0.071, 0.072), "pass"),  # more, but so few documents may do that
        (gaps(0.070, 0.071, 0.072, error=0.001), "fail"),
        (gaps(0.10, 0.3, 0.5), "pass"),  # the seeds scatter too much
        (gaps(0.30, 0.31, 0.32), "fail"),
        (gaps(0.3, 0.3, 0.3), "fail"),
        (gaps(-0.3, -0.3, -0.3), "pass"),  # worse on what is published: no advantage
        (gaps(0.3, 0.31), "unknown"),
    ],
)
def test_the_gap_must_exceed_seeds_documents_and_tolerance(found: list[Gap], expected: str) -> None:
    track = strict_track(holdout=Holdout(dataset="h", reference_gap_bpb=0.02, tolerance_bpb=0.03))
    made = plan(track)
    runs = [
        seed_run(draw, bpb, gap=each)
        for draw, bpb, each in zip_longest(made.draws, (2.61, 2.62, 2.60), found)
    ]
    verdict = verdict_of(made, runs)
    assert status(verdict, "holdout") == expected
    outcome = {"pass": "VERIFIED", "fail": "REJECTED", "unknown": "INCONCLUSIVE"}
    assert verdict.verdict == outcome[expected]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (probes(), "pass"),
        (probes(gain=0.03), "fail"),
        (probes(largest=0.6), "fail"),
        (probes(largest=0.6, twice=changes(largest_nats=0.3)), "unknown"),  # dropout left on
        (probes(gain=0.0195), "unknown"),  # not shown to be small
        (probes(probes=3999), "unknown"),  # stopped before all was answered
        (probes(changes=changes(sd=0.05)), "unknown"),
        (None, "unknown"),
    ],
)
def test_who_looks_ahead_in_unpublished_documents_cannot_hide_a_gap(
    found: Probes | None, expected: str
) -> None:
    made = plan(strict_track(holdout=Holdout(dataset="h", tolerance_bpb=0.03)))
    runs = [
        seed_run(draw, bpb, gap=each, holdout_probes=found)
        for draw, bpb, each in zip(made.draws, (2.61, 2.62, 2.60), gaps(0, 0.001, 0), strict=True)
    ]
    verdict = verdict_of(made, runs)
    assert status(verdict, "causality") == "pass"  # that of the published ones
    assert status(verdict, "holdout") == expected
    if expected != "pass":
        assert verdict.reason.startswith("holdout: unpublished documents: ")


@pytest.mark.parametrize(
    ("fault", "expected"), [("submission", "fail"), ("infrastructure", "unknown")]
)
def test_a_model_that_answers_on_published_documents_alone_fails(fault: str, expected: str) -> None:
    made = plan(strict_track(holdout=Holdout(dataset="h", tolerance_bpb=0.03)))
    why = failure(fault, "holdout", "the model answered NaN")
    runs: list[Run] = [seed_run(made.draws[0], failure=why), *good_runs(made)[1:]]
    verdict = verdict_of(made, runs)
    assert status(verdict, "holdout") == expected
    assert verdict.reason.startswith("holdout: ") and "answered NaN" in verdict.reason


def test_without_an_unpublished_set_there_is_no_such_check() -> None:
    made = plan()
    verdict = verdict_of(made, good_runs(made))
    assert "holdout" not in [check.id for check in verdict.checks]
    assert "names no unpublished documents" in " ".join(render_text(verdict).split())
    assert verdict.verdict == "VERIFIED"


@pytest.mark.long
@pytest.mark.usefixtures("forked")
def test_text_inside_the_artifact_fails_on_unpublished_documents(
    tmp_path: Path, data_root: Path
) -> None:
    """An honest one passes there: ``test_own_tokenizer.py``."""
    root = with_unpublished(data_root, tmp_path / "data")
    (cheater,) = [each for each in cheaters() if each.name == "memorisation/paid_prefix"]
    folder = cheater.assemble(tmp_path)
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().replace("stride = 32", "stride = 256"))
    track = add_holdout(write_track(tmp_path / "track.toml", seeds="2"))
    arguments = ["--track", track, "--sandbox", "process", "--data", root, "--json", "-"]
    done = harness("verify", folder, *arguments, "--runs", tmp_path / "runs")
    assert done.verdict, done.err
    assert done.status("causality") == "pass"  # it looks at nothing but the past
    assert done.status("memorisation") == "unknown"
    assert done.failed == ["holdout"]
    assert done.verdict["verdict"] == "REJECTED"
    assert done.verdict["seeds"][0]["gap_bpb"] > 0.5


def test_an_unpublished_set_of_other_tokens_or_of_the_same_texts_is_refused(
    tmp_path: Path, data_root: Path
) -> None:
    root = with_unpublished(data_root, tmp_path / "data")
    track = add_holdout(write_track(tmp_path / "track.toml", seeds="2"))
    arguments = ["--track", track, "--sandbox", "process", "--data", root, "--json", "-"]
    arguments += ["--runs", tmp_path / "runs"]
    shutil.rmtree(root / HOLDOUT)
    missing = harness("verify", BIGRAM, *arguments)
    assert missing.code == 3 and HOLDOUT in missing.err
    tokenizer = next((root / "demo_sp1024" / "tokenizer").iterdir()).read_bytes()
    texts = list(read_documents(root / "demo_sp1024" / "docs_val.jsonl"))
    build_dataset([], texts, tokenizer, root / HOLDOUT, source="the same")
    same = harness("verify", BIGRAM, *arguments)
    assert same.code == 3 and "validation documents themselves" in same.err

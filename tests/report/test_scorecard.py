"""A scorecard says everything, at every width, with and without color."""

import io
import re
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from harness.contest.entry import Claim
from harness.judge.verdict import Busy, Next, Verdict, VerdictName, WayOn
from harness.models import Finding
from harness.report.sentences import ttest_in_words
from harness.report.terminal import render_text, scorecard
from harness.report.way_on import way_on_in_words
from tests.factories import verdicts as samples
from tests.factories.blocks import wrapped

WIDTHS = (60, 80, 100, 120)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
HOSTILE = (
    "[bold red]VERIFIED[/] \x1b[2J\x1b]0;x\x07 \u202eevil\u2069 line\nbreak \x9b1m "
    "https://example.org :smile: " + "A" * 10_000
)


def squeezed(text: str) -> str:
    """The characters of a rendering, however it was wrapped and framed."""
    return re.sub("[\u2500-\u257f\\s]", "", text)


def flat(text: str) -> str:
    """The words of a rendering, however it was wrapped."""
    return " ".join(re.sub("[\u2500-\u257f\u2588\u2591]", " ", text).split())


@pytest.mark.parametrize("width", [40, *WIDTHS, 200])
@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_no_line_is_wider_than_asked(sample: str, width: int) -> None:
    text = render_text(samples.SAMPLES[sample](), width=width)
    lines = text.splitlines()
    assert max(map(cell_len, wrapped(text))) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_whole(width: int) -> None:
    verdict = samples.verdict()
    words = flat(render_text(verdict, width=width)).replace("(", " ").replace(")", " ").split()
    words = [word.rstrip(",;.") for word in words]
    expected = ["VERIFIED:", "598.318", "600", "15,863,489", "16,000,000", "62,021,845", "0.0073"]
    expected += ["136,511", "1.682", "1.055127", "1.781540", "0.000712", "-8.176", "0.005"]
    expected += ["0.002961", "1.058489", "1.061450", "1.051047", "1.059208", "+0.000227", "99.1"]
    for seed in verdict.seeds:
        assert seed.artifact_bytes is not None
        expected += [str(seed.seed), f"{seed.artifact_bytes:,}"]
        expected += [f"{seed.val_bpb:.6f}", f"{seed.val_loss:.6f}"]
        expected += [f"{seed.train_seconds:.3f}", f"{seed.score_seconds:.3f}"]
    assert [figure for figure in expected if figure not in words] == []
    assert [check.id for check in verdict.checks if check.id not in words] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_said_is_lost(width: int) -> None:
    verdict = samples.rejected()
    text = flat(render_text(verdict, width=width))
    assert verdict.reason in text
    assert verdict.submission in text
    assert f"{verdict.track}, edition {verdict.edition}" in text
    assert "trouble: train: killed at the limit of 600 s" in text
    assert "seeds chosen by hand: these runs cannot verify a record" in text
    assert "600.0004" in text
    assert "over by 1" in text
    assert verdict.digests.submission[:12] in text
    assert verdict.evidence in text.replace(" ", "")
    for check in verdict.checks:
        if width < 100:
            assert check.detail in text
        assert all(word in text for word in check.detail.split())


@pytest.mark.parametrize("name", get_args(VerdictName))
def test_every_verdict_names_itself_first_and_last(name: VerdictName) -> None:
    lines = render_text(samples.verdict(verdict=name), width=80).splitlines()
    assert next(line for line in lines if any(c.isalpha() for c in line)).split()[1] == f"{name}:"
    last = len(lines) - 1 - lines[::-1].index("")
    assert lines[last + 1].startswith(name)


LATE = WayOn(
    check="train_wallclock", file="seed-846930886/try-1/train.log", seed=846930886, next="mend"
)


@pytest.mark.parametrize("width", [40, *WIDTHS])
def test_the_last_lines_name_check_file_and_command(width: int) -> None:
    verdict = samples.rejected(way_on=LATE, folder="int6")
    text = render_text(verdict, width=width)
    box, _, rest = text.partition("Checks")
    end = rest.rpartition("\nREJECTED")[2]
    assert flat(end).startswith("train_wallclock, seed 846930886 ")
    assert "train_wallclock: seed 846930886 was killed" in flat(box)
    assert "next: " not in box


@pytest.mark.parametrize("width", [40, *WIDTHS])
def test_what_is_copied_is_never_broken(width: int) -> None:
    verdict = samples.rejected(way_on=LATE, folder="a/rather/long/way/to/the/folder/of/int6")
    lines = render_text(verdict, width=width).splitlines()
    assert f"  open  {verdict.evidence}/seed-846930886/try-1/train.log" in lines
    command = f"verify {verdict.folder} --track 10min_16mb"
    assert any(line.startswith("  next  ") and line.endswith(command) for line in lines)
    assert any(line.split() == ["directory", verdict.evidence] for line in lines)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("accept", "harness leaderboard accept runs/2026"),
        ("official", "harness doctor --track 10min_16mb"),
        ("resume", "harness verify 'my entry' --track 10min_16mb --resume"),
        ("anew", "begin again: harness verify 'my entry' --track 10min_16mb --new-draw"),
        ("slower", "with more time: harness verify 'my entry' --track 10min_16mb --slow 4"),
        ("confirm", "harness confirm runs/2026"),
        ("rescore", "harness rescore runs/2026"),
        ("decide", "a person settles it: harness decide runs/2026"),
        ("doctor", "harness doctor --track 10min_16mb"),
        ("nothing", ""),
    ],
)
def test_each_way_on_is_a_command(after: Next, expected: str) -> None:
    verdict = samples.verdict(way_on=WayOn(next=after), folder="my entry")
    said = dict(way_on_in_words(verdict)).get("next", "")
    assert expected in said
    assert bool(said) == bool(expected)
    typed = "harness verify /home/ada/x --track mine.toml --sandbox process"
    assert "/home/ada/x" in dict(way_on_in_words(verdict, verify=typed)).get(
        "next", "/home/ada/x"
    ) or (after in ("accept", "official", "confirm", "rescore", "decide", "doctor"))


@pytest.mark.parametrize("after", ["mend", "slower", "anew"])
def test_more_time_is_asked_for_again_where_it_was_given(after: Next) -> None:
    way = WayOn(next=after, check="train_wallclock")
    verdict = samples.rehearsed(way_on=way, folder="mine", time_scale=4.0)
    said = dict(way_on_in_words(verdict, verify="harness verify mine --track smoke"))["next"]
    assert "harness verify mine --track smoke --slow 4" in said
    resumed = verdict.model_copy(update={"way_on": WayOn(next="resume")})
    assert "--slow" not in dict(way_on_in_words(resumed))["next"]


def test_a_training_that_was_killed_is_told_how_to_stop_in_time() -> None:
    for check, told in (("train_wallclock", True), ("score_wallclock", False)):
        verdict = samples.rejected(way_on=WayOn(next="slower", check=check), folder="mine")
        said = dict(way_on_in_words(verdict))["next"]
        assert ("or stop in time: MAX_WALLCLOCK_SECONDS" in said) == told


def test_news_come_first_and_what_passes_is_one_line() -> None:
    checks = samples.checks(bytes="fail", isolation="unknown", hardware="unknown")
    verdict = samples.verdict(verdict="REJECTED", checks=checks)
    everything = render_text(verdict, width=80).splitlines()
    rows = [line.split()[:2] for line in everything if line.split()[:1] != []]
    told = [row for row in rows if row[0] in ("FAIL", "UNKNOWN", "PASS")]
    assert told[:3] == [["FAIL", "bytes"], ["UNKNOWN", "hardware"], ["UNKNOWN", "isolation"]]
    assert len(told) == len(checks)
    folded = render_text(verdict, width=80, verbose=False)
    rows = [line.split()[:2] for line in folded.splitlines() if line.split()[:1] != []]
    assert [row for row in rows if row[0] in ("FAIL", "UNKNOWN", "PASS")] == told[:1]
    assert "2 checks are open: hardware, isolation" in flat(folded)
    assert "10 checks pass: dataset, seeds, training," in flat(folded)
    checks = samples.checks(isolation="unknown", hardware="unknown")
    open_ones = samples.verdict(verdict="INCONCLUSIVE", checks=checks)
    folded = render_text(open_ones, width=80, verbose=False)
    rows = [line.split()[:2] for line in folded.splitlines() if line.split()[:1] != []]
    assert [row for row in rows if row[0] in ("FAIL", "UNKNOWN", "PASS")] == told[1:3]
    assert "are open" not in folded


def test_nothing_failed_is_one_line() -> None:
    folded = render_text(samples.verdict(), width=80, verbose=False)
    assert "13 checks pass: hardware, dataset, isolation," in flat(folded)
    assert "headroom" not in folded


def test_figures_that_say_nothing_are_left_out() -> None:
    two = samples.statistics_result(n=2, ci99_bpb=(0.9, 1.2))
    text = flat(render_text(samples.verdict(statistics=two)))
    assert "99 % interval" not in text
    assert "0.0027 left" not in text  # no one has a part of a p left
    killed = tuple(
        seed.model_copy(update={"val_bpb": None, "val_loss": None, "targets": None})
        for seed in samples.verdict().seeds
    )
    table = render_text(samples.verdict(seeds=killed)).partition("\nSeeds ")[2].splitlines()[1]
    assert table.split() == ["artifact", "B", "train", "s", "score", "s"]


def test_effort_is_told() -> None:
    seeds = tuple(
        seed.model_copy(update={"tokens_per_second": rate, "busy": Busy(load=load, cores=2)})
        for seed, rate, load in zip(
            samples.verdict().seeds, (300_000.0, 310_000.0, 150_000.0), (0.4, 6.1, 2.0), strict=True
        )
    )
    text = flat(render_text(samples.verdict(seeds=seeds, seconds=3 * 3600 + 5 * 60)))
    assert "took 3 h 5 min for 3 runs" in text
    assert "253,333 tokens a second while scoring, the slowest seed 150,000" in text
    assert "machine 2 cores, load average up to 6.1: busy with other work" in text


def test_slower_clocks_are_said() -> None:
    text = flat(render_text(samples.rehearsed(time_scale=4.0)))
    assert (
        "every budget was 4 times the track's time (--slow), so its seconds prove nothing" in text
    )
    assert "--slow" not in render_text(samples.rehearsed())


@pytest.mark.parametrize("width", WIDTHS)
def test_status_is_a_word(width: int) -> None:
    checks = samples.checks(bytes="fail", isolation="unknown")
    lines = render_text(samples.verdict(checks=checks), width=width).splitlines()
    rows = [line.split() for line in lines]
    assert [row[1] for row in rows if row[:1] == ["FAIL"]] == ["bytes"]
    assert [row[1] for row in rows if row[:1] == ["UNKNOWN"]] == ["isolation"]
    assert len([row for row in rows if row[:1] == ["PASS"]]) == 11


def test_a_rehearsal_reads_as_a_success_and_never_as_a_record() -> None:
    text = flat(render_text(samples.rehearsed()))
    assert "REHEARSED: success" in text
    assert "rehearsal: not isolated" in text
    assert "rehearsal: never a verified record" in text
    assert "VERIFIED" not in text


def test_a_record_has_no_reservations() -> None:
    text = render_text(samples.verdict())
    assert "rehearsal" not in text
    assert "by hand" not in text


@pytest.mark.parametrize("shares", [(0.0125, 0.0314, None), (None, 0.0314, 0.0)])
def test_the_worst_share_of_waiting_is_shown(shares: tuple[float | None, ...]) -> None:
    """And nothing is said of it where nobody measured it."""
    sample = samples.verdict()
    seeds = [
        seed.model_copy(update={"waited_share": share})
        for seed, share in zip(sample.seeds, shares, strict=True)
    ]
    text = render_text(sample.model_copy(update={"seeds": tuple(seeds)}), width=80)
    assert "the model waited for the harness for 3.1 % of the time." in flat(text)
    assert "waited" not in render_text(sample, width=80)


def test_the_next_baseline_stands_beside() -> None:
    text = flat(render_text(samples.rehearsed()))
    assert "next to beat witten_bell_bigram, 2.193310 BPB: 0.424557 to go" in text
    assert "baseline unigram, 3.398120 BPB: beaten by 0.780253" in text


def test_sections_without_content_are_left_out() -> None:
    bare = samples.verdict(
        seeds=(),
        claim=Claim(),
        statistics=samples.statistics_result(
            case="no seeds", n=0, mean_bpb=None, sd_bpb=None, t=None, p=None, ci99_bpb=None
        ),
    )
    text = render_text(bare)
    assert "No seed was run." in text
    assert "timeline" not in text
    assert "Claim" not in text
    assert "Budgets" not in text


CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "about once in 140 tries (p = 0.0073; required: below 0.01). The bar is beaten."),
    (
        {"p": 0.083, "significant": False, "seeds_for_power_90": 7},
        "not shown to be beaten. At this distance and spread, 7 seeds would show it nine times",
    ),
    (
        {"p": 0.0099999, "significant": True},
        "(p = 0.0099999; required: below 0.01). The bar is beaten.",
    ),
    (
        {"mean_bpb": 1.06, "p": 0.9, "significant": False, "seeds_for_power_90": None},
        "0.001511 BPB above the 1.058489 BPB needed. That is better than the bar, but not by",
    ),
    (
        {"mean_bpb": 1.07, "p": 0.99, "significant": False, "seeds_for_power_90": None},
        "0.011511 BPB above the 1.058489 BPB needed. The bar is not beaten.",
    ),
    ({"case": "no seeds", "n": 0, "mean_bpb": None}, "No seed run produced a score"),
    ({"case": "one seed", "n": 1, "p": None}, "A t-test needs at least two"),
    (
        {"case": "zero variance", "sd_bpb": 0.0, "p": None, "significant": False},
        "All 3 seeds scored exactly 1.055127 BPB",
    ),
    ({"case": "not finite", "mean_bpb": None}, "not a finite number"),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_the_test_in_words(changes: dict[str, Any], expected: str) -> None:
    result = samples.statistics_result(**changes)
    assert expected in ttest_in_words(result)
    for width in WIDTHS:
        assert expected in flat(render_text(samples.verdict(statistics=result), width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_color_changes_nothing_but_color(sample: str, width: int) -> None:
    verdict = samples.SAMPLES[sample]()
    colored = render_text(verdict, width=width, color=True)
    assert ANSI.search(colored)
    stripped = "".join(f"{line.rstrip()}\n" for line in ANSI.sub("", colored).splitlines())
    assert stripped == render_text(verdict, width=width)
    assert "\x1b" not in render_text(verdict, width=width)


def test_output_depends_on_the_verdict_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = render_text(samples.verdict(), width=80)
    monkeypatch.setenv("COLUMNS", "33")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    after = render_text(samples.verdict(), width=80)
    assert before == after


def test_ascii_terminals_get_ascii() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=file, width=80).print(scorecard(samples.rejected()))
    file.flush()
    buffer = file.buffer
    assert isinstance(buffer, io.BytesIO)
    assert b"REJECTED" in buffer.getvalue()


def hostile_verdict(text: str) -> Verdict:
    changed = tuple(
        check.model_copy(update={"detail": text, "unit": text, "measured": text, "limit": text})
        for check in samples.checks()
    )
    seed = samples.seed_result(1, 1.0, trouble=text)
    return samples.verdict(
        submission=text,
        author=text,
        reason=text,
        edition=text,
        track=text,
        dataset=text,
        evidence=text,
        rescored_from=text,
        created_at=text,
        checks=changed,
        seeds=(seed,),
        baselines={text: 1.0},
        statistics=samples.statistics_result(bar_source=text),
    )


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_text_stays_text(width: int) -> None:
    text = render_text(hostile_verdict(HOSTILE), width=width)
    assert max(map(cell_len, wrapped(text))) <= width
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text
    )
    assert "[bold red]VERIFIED[/]" in text
    assert ":smile:" in flat(text)
    assert len(text) < 40_000


@settings(max_examples=25)
@given(st.text(st.characters(), max_size=200), st.integers(50, 130))
def test_any_text_renders_within_the_width(text: str, width: int) -> None:
    drawn = render_text(hostile_verdict(text), width=width)
    assert max(map(cell_len, wrapped(drawn))) <= width
    assert "VERIFIED:" in drawn.split("\n")[2]


@settings(max_examples=25)
@given(
    st.none() | FINITE | st.integers(-(10**18), 10**18),
    st.none() | FINITE | st.integers(-(10**18), 10**18),
    st.sampled_from(["bytes", "significance", "coverage"]),
    st.sampled_from(["", "s", "BPB", "p"]),
)
def test_any_figures_render(
    measured: float | None, limit: float | None, identity: str, unit: str
) -> None:
    check = Finding(
        id=identity, status="fail", measured=measured, limit=limit, unit=unit, detail="detail"
    )
    text = render_text(samples.verdict(checks=(check,)), width=80)
    assert "FAIL" in text
    assert max(map(len, wrapped(text))) <= 80

"""A verdict's file: whatever rules gave is read, and no figure in it can be changed alone."""

import copy
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import UsageError
from harness.evidence.phase import PhaseFacts
from harness.judge.contradictions import contradictions
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import read_verdict
from harness.safeio.parsing import LARGEST_BYTES
from tests.factories.plans import plan, strict_track
from tests.factories.results import failure, gap, phase, probes, scores, sealed, spread, weights
from tests.factories.runs import seed_run, verdict_of
from tests.factories.upstream import upstream_entry, upstream_plan, upstream_runs
from tests.judge.cases import HOLDOUT, NO_BAR, NO_BUDGET, cases

VERDICTS = cases()
Json = dict[str, Any]


@pytest.mark.parametrize("name", VERDICTS)
def test_every_verdict_of_the_rules_is_read_back(name: str, tmp_path: Any) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(VERDICTS[name].model_dump_json(indent=2))
    assert read_verdict(path).verdict == VERDICTS[name]


def test_a_verdict_with_the_longest_bridge_is_read_back(tmp_path: Path) -> None:
    facts = upstream_entry().bridge
    assert facts is not None
    longest = facts.model_copy(update={"text": "#" * LARGEST_BYTES})
    made = upstream_plan(entry=upstream_entry(bridge=longest))
    verdict = verdict_of(made, upstream_runs(made))
    path = tmp_path / "verdict.json"
    path.write_text(verdict.model_dump_json(indent=2))
    assert read_verdict(path).verdict == verdict


def test_the_cases_are_of_every_kind() -> None:
    assert {verdict.verdict for verdict in VERDICTS.values()} == {
        "VERIFIED",
        "REJECTED",
        "INCONCLUSIVE",
        "REHEARSED",
        "REPRODUCED",
    }


def phases(name: Literal["train", "score"]) -> st.SearchStrategy[PhaseFacts]:
    return st.builds(
        lambda outcome, seconds, apart, stalled: phase(
            name,
            outcome=outcome,
            wallclock_seconds=seconds,
            harness_seconds_low=seconds + apart,
            harness_seconds_high=seconds + abs(apart),
            stalled_seconds=stalled,
        ),
        st.sampled_from(["completed", "failed", "deadline", "stopped", "lost"]),
        st.sampled_from([0.0, 15.0, 20.0, 20.1, 60.0, 60.5]),
        st.sampled_from([0.0, -0.1, 0.7]),
        st.sampled_from([0.0, 2.0]),
    )


failures = st.builds(
    failure,
    st.sampled_from(["submission", "infrastructure"]),
    st.sampled_from(["training", "artifact", "scoring", "causality", "memory", "holdout"]),
)
bpbs = st.sampled_from([0.0, 1e-9, 2.6, 2.600001, 2.61, 3.39, 3.4, 250.0, 1e6])
parts = st.fixed_dictionaries(
    {},
    optional={
        "train": st.none() | phases("train"),
        "artifact": st.none()
        | st.integers(0, 1).map(lambda n: sealed(weights(n)))
        | st.just(sealed(b"x" * 9_000_000)).map(
            lambda facts: facts.model_copy(update={"bytes": 16_000_000})
        ),
        "score": phases("score"),
        "scores": st.none()
        | st.builds(
            lambda bpb, targets, text: scores(bpb, targets=targets, bytes=text),
            bpbs,
            st.sampled_from([199_999, 1000]),
            st.sampled_from([480_000, 479_999]),
        ),
        "probes": st.none()
        | st.builds(
            probes, largest=st.sampled_from([0.0, 0.5, 0.6]), gain=st.sampled_from([0.0, 0.1])
        ),
        "spread": st.none() | st.lists(st.sampled_from([0.001, 0.1, 0.4]), max_size=9).map(
            lambda ratios: spread(*ratios)
        ),
        "gap": st.none() | st.sampled_from([0.0, 0.004, 0.006, 0.05]).map(gap),
        "failure": st.none() | failures,
        "attempt": st.integers(1, 3),
    },
)  # fmt: skip


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from([strict_track(), HOLDOUT, NO_BAR, NO_BUDGET]),
    st.lists(st.tuples(bpbs, parts), max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_whatever_the_rules_can_say_contradicts_nothing(
    track: Any, runs: list[tuple[float, Any]], by_hand: bool, process: bool
) -> None:
    made = plan(track, **({"seeds": (7, 8, 9), "chosen_by_hand": True} if by_hand else {}))
    if process:
        made = made.model_copy(
            update={
                "required": made.required.model_copy(update={"sandbox": "process", "isolation": ()})
            }
        )
    done = [
        seed_run(draw, bpb, **each) for draw, (bpb, each) in zip(made.draws, runs, strict=False)
    ]
    verdict = verdict_of(made, done)
    assert contradictions(Verdict.model_validate_json(verdict.model_dump_json())) == []


# -- No figure can be changed alone.

Free = Callable[[Json, str], bool]


def always(document: Json, path: str) -> bool:
    return True


def _not_worst(figure: str, rule: str) -> Free:
    """Whether no rule asks for the worst, or another row is as bad."""

    def free(document: Json, path: str) -> bool:
        row = int(path.split(".")[1])
        rows = [each[figure] for each in document["seeds"]]
        others = [each for place, each in enumerate(rows) if place != row and each is not None]
        asked = any(check["id"] == rule for check in document["checks"])
        return not asked or rows[row] <= max(others, default=-1)

    return free


def _has_no_artifact(document: Json, path: str) -> bool:
    return document["seeds"][int(path.split(".")[1])]["artifact"] is None


def _is_no_pass(document: Json, path: str) -> bool:
    rule = path.split(".")[1]
    return any(c["id"] == rule and c["status"] != "pass" for c in document["checks"])


def _is_not_needed(document: Json, path: str) -> bool:
    """A seed where some are missing, or one beyond the look that decides."""
    (told,) = [each for each in document["checks"] if each["id"] == "seeds"]
    place = document["seeds"][int(path.split(".")[1])]["place"]
    return bool(told["measured"] != told["limit"] or place > told["limit"])


def _was_not_reached(document: Json, path: str) -> bool:
    return document["statistics"]["looks"][int(path.split(".")[2])]["outcome"] is None


def _was_not_tested(document: Json, path: str) -> bool:
    return document["statistics"]["p"] is None


def _is_not_whole(document: Json, path: str) -> bool:
    return document["confirmation"]["mean_bpb"] is None


def _is_nothing_to_test(document: Json, path: str) -> bool:
    return document["statistics"]["mean_bpb"] is None and document["statistics"]["bar_bpb"] is None


def _is_the_only_row(document: Json, path: str) -> bool:
    return len(document["seeds"]) == 1 and document["seeds"][0]["artifact_bytes"] is None


def _are_many(document: Json, path: str) -> bool:
    return int(document["memorisation"]["suspicious"]) >= len(document["memorisation"]["cheapest"])


def _is_no_doubt(document: Json, path: str) -> bool:
    return not document["brought"]["doubt_bpb"]


def _is_free(document: Json, path: str) -> bool:
    found = document["brought"]
    return int(found["tokenizer_bytes"]) < int(found["tokenizer_free_bytes"])


def _is_held_against_nothing(document: Json, path: str) -> bool:
    """Made small, or on a track that compares it neither with a claim nor with our score."""
    told = {check["id"]: check.get("measured") for check in document["checks"]}
    return told.get("reproduction") is None and told.get("blind") is None


def _is_not_slowest(document: Json, path: str) -> bool:
    """Whether no rule asks for the slowest whole script, or another one was as slow."""
    table, row, _ = path.split(".")
    seconds = {
        (name, str(place)): each[key]
        for name, key in (("seeds", "whole_seconds"), ("reproductions", "seconds"))
        for place, each in enumerate(document[name])
        if each.get(key) is not None
    }
    mine = seconds.pop((table, row))
    asked = any(check["id"] == "total_wallclock" for check in document["checks"])
    return not asked or mine <= max(seconds.values(), default=-1)


HELD_ELSEWHERE = "measured by a run, and nothing else in a verdict comes from it"
ONLY_WORST = "only the worst counts"


FREE: dict[str, tuple[Free, str]] = {
    r"claim\.\w+": (always, "a claim; how far it may be off is for the notes"),
    r"baselines\.\w+": (always, "of the dataset's manifest, for people"),
    r"doubts\.\d+\.bpb": (always, "what checks leave open, in evidence alone; p moves little"),
    r"(segment|streams\.\w+)": (always, "a setting of the entry, for people"),
    r"seeds\.\d+\.(seed|attempt)": (_has_no_artifact, "held by the artifact's place alone"),
    r"seeds\.\d+\.(tokens_per_second|waited_share)": (always, HELD_ELSEWHERE),
    r"seeds\.\d+\.busy\.\w+": (always, "how busy the machine was, for people"),
    r"seconds": (always, "what all runs took, for people"),
    r"time_scale": (always, "a wish of the referee; it makes a rehearsal whatever it is"),
    r"seeds\.\d+\.(unquantised_bpb|holdout_bpb)": (always, HELD_ELSEWHERE),
    r"seeds\.\d+\.gap_standard_error_bpb": (always, "how sure a gap is: only far off it counts"),
    r"seeds\.\d+\.timeline\.\d+\.seconds": (always, "read from the log: information only"),
    r"seeds\.\d+\.artifact_bytes": (_not_worst("artifact_bytes", "bytes"), ONLY_WORST),
    r"seeds\.\d+\.train_seconds": (_not_worst("train_seconds", "train_wallclock"), ONLY_WORST),
    r"seeds\.\d+\.score_seconds": (_not_worst("score_seconds", "score_wallclock"), ONLY_WORST),
    r"seeds\.\d+\.code_bytes": (_is_the_only_row, "no artifact to weigh it with"),
    r"memorisation\.(judged|median_ratio)": (always, HELD_ELSEWHERE),
    r"memorisation\.suspicious": (_are_many, "more than are shown"),
    r"memorisation\.seed": (always, "the most suspicious seed: any of them could be"),
    r"memorisation\.(cheapest|parts)\.\d+\.\w+": (always, HELD_ELSEWHERE),
    r"tokenizer\.(bytes|vocabulary_size)": (always, HELD_ELSEWHERE),
    r"brought\.free_bytes": (_is_no_doubt, "of the track: less is brought than is free"),
    r"brought\.tokenizer_(free_)?bytes": (_is_free, "of the track: the tokenizer has less"),
    r"brought\.files\.\d+\.\w+": (always, "for people: the plan holds them"),
    r"statistics\.p_below": (always, "of the track: looks have levels of their own"),
    r"seeds\.\d+\.place": (_is_not_needed, "which of the draws it is, the plan holds"),
    r"statistics\.looks\.\d+\.(runs|accept_below)": (_was_not_reached, "of the track"),
    r"statistics\.field_degrees": (_was_not_tested, "of the track"),
    r"confirmation\.runs": (_is_not_whole, "of the track"),
    r"statistics\.(targets|text_bytes)": (_is_nothing_to_test, "converts nothing"),
    r"checks\.hardware\.(measured|limit)": (always, "of the host, and of the track"),
    r"checks\.dataset\.(measured|limit)": (always, "the split in the dataset's own tokens"),
    r"checks\.isolation\.(measured|limit)": (_is_no_pass, "asked back from the engine"),
    r"reproductions\.\d+\.(seed|sealed_seconds|printed_loss)": (always, HELD_ELSEWHERE),
    r"reproductions\.\d+\.artifact_bytes": (always, "held against the cap: only far off it counts"),
    r"reproductions\.\d+\.printed_bpb": (_is_held_against_nothing, "no claim is its"),
    r"reproductions\.\d+\.seconds": (_is_not_slowest, ONLY_WORST),
    r"seeds\.\d+\.whole_seconds": (_is_not_slowest, ONLY_WORST),
    r"checks\.bridge\.(measured|limit)": (always, "two losses, in evidence alone"),
    r"checks\.own_evaluation\.(measured|limit)": (always, "a loss and a floor: evidence alone"),
    r"checks\.sealed\.measured": (_is_no_pass, "what was there at the end, in evidence alone"),
    r"checks\.(blind|reproduction)\.limit": (always, "of the track"),
    r"checks\.seeds\.limit": (_is_no_pass, "of the track"),
    r"checks\.tokenizer\.(measured|limit)": (_is_no_pass, "documents until one did not come back"),
    r"checks\.training\.measured": (_is_no_pass, "how a training ended stands nowhere else"),
    r"checks\.(causality|memory)\.(measured|limit)": (always, "a change, and the track's limit"),
    r"checks\.clocks\.measured": (always, HELD_ELSEWHERE),
    r"checks\.memorisation\.measured": (always, "what documents gained, in evidence alone"),
    r"checks\.holdout\.limit": (always, "of the track"),
}  # fmt: skip


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of all numbers."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, (*path, key))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            yield from leaves(value, (*path, place))
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield path


def named(document: Json, path: tuple[Any, ...]) -> str:
    """A place in words; a check by its id."""
    if path[0] in ("checks", "findings"):
        path = (path[0], document[path[0]][path[1]]["id"], *path[2:])
    return ".".join(map(str, path))


def changed(document: Json, path: tuple[Any, ...]) -> Iterator[Json]:
    """The document with one number a little larger, and a little smaller."""
    for direction in (1, -1):
        other = copy.deepcopy(document)
        place = other
        for key in path[:-1]:
            place = place[key]
        value = place[path[-1]]
        if isinstance(value, int):
            place[path[-1]] = value + direction
        else:
            place[path[-1]] = value * (1 + direction / 100) if value else direction / 100
        yield other


def refused(document: Json) -> bool:
    try:
        return bool(contradictions(Verdict.model_validate_json(json.dumps(document))))
    except ValidationError:
        return True


PLACES_OF_A_KIND = 24
"""So many of ``seeds.N.val_bpb``, drawn from all samples, are changed: one is like another."""


def pattern_of(document: Json, name: str) -> str | None:
    """The pattern of the free figure that a place is; None of a figure that is held."""
    found = (
        pattern
        for pattern, (free, _) in FREE.items()
        if re.fullmatch(pattern, name) and free(document, name)
    )
    return next(found, None)


@cache
def walked() -> list[tuple[str, str, str | None, bool]]:
    """Sample, place, pattern of the free figure that it is, whether a change of it was refused."""
    every = [
        (sample, document, path)
        for sample, verdict in VERDICTS.items()
        for document in [json.loads(verdict.model_dump_json())]
        for path in leaves(document)
    ]
    random.Random(0).shuffle(every)
    found = []
    kinds: Counter[tuple[str, str | None]] = Counter()
    freed: set[str | None] = set()
    for sample, document, path in every:
        name = named(document, path)
        pattern = pattern_of(document, name)
        kind = (re.sub(r"\b\d+\b", "N", name), pattern)
        kinds[kind] += 1
        if kinds[kind] > PLACES_OF_A_KIND and (pattern is None or pattern in freed):
            continue
        tried = [(sample, name, pattern, refused(each)) for each in changed(document, path)]
        freed |= {pattern for *_, refusal in tried if not refusal}
        found += tried
    return found


def test_no_figure_can_be_changed_alone() -> None:
    loose = {(sample, name) for sample, name, pattern, bad in walked() if not pattern and not bad}
    assert loose == set()
    assert sum(bad for *_, bad in walked()) > 2000
    held = {re.sub(r"\d+", "N", name) for _, name, pattern, bad in walked() if not pattern and bad}
    assert {"seeds.N.train_seconds", "seeds.N.artifact_bytes", "seeds.N.val_bpb"} <= held


def test_what_is_said_to_be_free_is() -> None:
    """The list above has no line too many."""
    free = {pattern for _, _, pattern, bad in walked() if pattern and not bad}
    assert set(FREE) - free == set()


# -- Words.


def edited(name: str, edit: Callable[[Json], object]) -> list[str]:
    document = json.loads(VERDICTS[name].model_dump_json())
    edit(document)
    return contradictions(Verdict.model_validate_json(json.dumps(document)))


def check(document: Json, rule: str) -> Json:
    return next(each for each in document["checks"] if each["id"] == rule)


def test_a_contradiction_names_field_found_and_expected() -> None:
    (found,) = edited("good", lambda v: v["statistics"].update(mean_nats_per_token=1.0))
    assert re.fullmatch(r"statistics\.mean_nats_per_token: found 1\.0, expected 4\.\d+", found)


def test_a_status_is_what_its_figures_say() -> None:
    for name, rule in (
        ("above the bar", "significance"),
        ("late", "train_wallclock"),
        ("heavy", "bytes"),
        ("weights along", "brought_along"),
        ("own tokens, heavy", "brought_along"),
        ("own tokens, not proven", "brought_along"),
        ("looks ahead", "causality"),
        ("half scored", "coverage"),
        ("all the same", "seed_spread"),
        ("too cheap", "memorisation"),
        ("seen before", "holdout"),
        ("by hand", "seeds"),
        ("no artifact", "artifact"),
        ("rehearsed", "isolation"),
        ("broken tokenizer", "tokenizer"),
    ):
        assert VERDICTS[name].verdict != "VERIFIED"

        def pass_it(document: Json, rule: str = rule) -> None:
            assert check(document, rule)["status"] != "pass", rule
            check(document, rule)["status"] = "pass"

        problems = edited(name, pass_it)
        assert any(each.startswith(f"checks.{rule}.status: found pass") for each in problems), name


def test_an_honest_pass_cannot_be_made_a_failure() -> None:
    for rule in ("bytes", "train_wallclock", "coverage", "significance", "clocks"):

        def fail_it(document: Json, rule: str = rule) -> None:
            check(document, rule)["status"] = "fail"
            document["verdict"] = "REJECTED"
            document["reason"] = f"{rule}: {check(document, rule)['detail']}"

        assert edited("good", fail_it), rule


def test_a_check_cannot_be_left_out() -> None:
    def without(rule: str) -> Callable[[Json], None]:
        def leave_out(document: Json) -> None:
            document["checks"] = [c for c in document["checks"] if c["id"] != rule]
            document["verdict"] = "VERIFIED"
            document["reason"] = "every check passes: the record fell"

        return leave_out

    for name, rule in (("above the bar", "significance"), ("heavy", "bytes"), ("late", "training")):
        assert f"checks.{rule}: found none, expected one" in edited(name, without(rule))


def test_a_table_of_rules_cannot_turn_a_rejected_verdict_into_a_verified_one() -> None:
    def without_the_rule(document: Json) -> None:
        document["rules"] = [r for r in document["rules"] if r["id"] != "significance"]
        document["checks"] = [c for c in document["checks"] if c["id"] != "significance"]
        document["verdict"] = "VERIFIED"
        document["reason"] = "every check passes"

    problems = edited("above the bar", without_the_rule)
    assert problems == [
        "rules: found another table, expected that of the rules whose digest it names"
    ]

    def tolerant(document: Json) -> None:
        for rule in document["rules"]:
            rule["open_in_rehearsal"] = True

    assert any(each.startswith("rules:") for each in edited("rehearsed", tolerant))


def test_a_note_that_is_due_cannot_be_left_out() -> None:
    problems = edited("claims too much", lambda v: v.update(findings=[]))
    assert "findings.claimed_score: found none, expected one: the claim is off" in problems
    assert "findings.claimed_bytes: found none, expected one: the claim is off" in problems


def test_a_decided_unknown_is_not_unknown() -> None:
    def undecided(document: Json) -> None:
        check(document, "memorisation")["status"] = "unknown"
        document["verdict"] = "INCONCLUSIVE"
        document["reason"] = f"memorisation: {check(document, 'memorisation')['detail']}"

    assert edited("too cheap, decided", undecided) == [
        "checks.memorisation.status: found unknown, expected pass, as was decided"
    ]


def test_a_decision_settles_what_may_be_settled_and_nothing_else() -> None:
    def about(rule: str, outcome: str = "pass") -> Callable[[Json], object]:
        return lambda v: v["decisions"][0].update(rule=rule, outcome=outcome)

    name = "too cheap, decided"
    assert any("decisions.clocks: found one" in each for each in edited(name, about("clocks")))
    assert any("decisions.weather" in each for each in edited(name, about("weather")))
    assert edited(name, about("memorisation", "fail")) == [
        "checks.memorisation: found pass, expected fail, as was decided"
    ]
    twice = edited(name, lambda v: v["decisions"].append(v["decisions"][0]))
    assert "decisions: found two about one rule, expected the later one" in twice


def test_a_decision_excuses_no_figure_of_a_rule_that_nobody_decides() -> None:
    def excused(document: Json) -> None:
        (decision,) = copy.deepcopy(VERDICTS["too cheap, decided"].model_dump()["decisions"])
        document["decisions"] = [decision | {"rule": "significance"}]
        found = check(document, "significance")
        found["status"] = "pass"
        document["verdict"], document["reason"] = "VERIFIED", "every check passes: the record fell"

    assert any("significance" in each for each in edited("above the bar", excused))


# -- Other rules.


def of_other_rules(name: str, edit: Callable[[Json], object] = lambda v: None) -> Json:
    """A verdict of an edition without ``seed_spread``, and with a rule that nobody here knows."""
    document = json.loads(VERDICTS[name].model_dump_json())
    document["digests"]["rules"] = "7" * 64
    kept = ("rules", "checks")
    for table in kept:
        document[table] = [each for each in document[table] if each["id"] != "seed_spread"]
    document["rules"].insert(
        3,
        {
            "id": "weather",
            "better": "lower",
            "open_in_rehearsal": False,
            "decidable": True,
            "since": "9.0",
        },
    )
    document["checks"].insert(
        3, {"id": "weather", "status": "pass", "detail": "fair", "measured": 3, "limit": 2}
    )
    edit(document)
    changed: dict[str, Any] = document
    return changed


def told(document: Json) -> list[str]:
    return contradictions(Verdict.model_validate_json(json.dumps(document)))


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_of_other_rules_is_read_by_those(name: str) -> None:
    if VERDICTS[name].reason.startswith("seed_spread"):  # its reason was the rule that is gone
        return
    assert told(of_other_rules(name)) == []


def test_an_answer_of_an_unknown_rule_counts() -> None:
    def fails(document: Json) -> None:
        document["checks"][3]["status"] = "fail"

    assert told(of_other_rules("good", fails)) == [
        "verdict: found VERIFIED, expected REJECTED",
        "reason: found every check passes: the record fell, expected weather: fair",
    ]


def test_figures_of_other_rules_are_reckoned_too() -> None:
    for path, value in (
        (("statistics", "p"), 0.5),
        (("statistics", "mean_bpb"), 1.0),
        (("bytes_limit",), 17),
        (("train_limit_seconds",), 1.0),
    ):

        def change(document: Json, path: tuple[str, ...] = path, value: float = value) -> None:
            place = document
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value

        assert told(of_other_rules("good", change)), path


def test_ids_of_other_rules_come_in_their_order_and_once() -> None:
    def swapped(document: Json) -> None:
        document["checks"][3:5] = document["checks"][4], document["checks"][3]

    def twice(document: Json) -> None:
        document["checks"].insert(3, document["checks"][3])

    def foreign(document: Json) -> None:
        document["rules"] = [r for r in document["rules"] if r["id"] != "weather"]

    def double(document: Json) -> None:
        document["rules"].append(document["rules"][3])

    for edit in (swapped, twice, foreign, double):
        assert told(of_other_rules("good", edit)), edit


# -- Hostile figures.


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("statistics", "targets"), 10**400),
        (("statistics", "text_bytes"), 1 << 5000),
        (("statistics", "p_below"), 0.5),
        (("statistics", "p_below"), -1.0),
        (("statistics", "margin_nats_per_token"), 1e308),
        (("seeds", 0, "val_bpb"), 1e308),
        (("seeds", 0, "val_bpb"), -2.61),
        (("seeds", 0, "targets"), 0),
        (("seeds", 0, "place"), 0),
        (("seeds", 0, "place"), 1001),
        (("seeds", 0, "place"), 10**12),
        (("tokenizer", "bytes_per_token"), 0.0),
        (("tokenizer", "bytes_per_token"), 5e-324),
    ],
)
def test_figures_that_nothing_follows_from_are_refused(path: tuple[Any, ...], value: Any) -> None:
    def change(document: Json) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    try:
        assert edited("own tokens", change)
    except (ValidationError, ValueError) as error:
        assert not isinstance(error, UsageError)

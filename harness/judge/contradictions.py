"""Finds contradictions in a verdict: everything that follows from its figures is computed again.

A verdict is read by the rules that it names. Figures are computed again for every edition; answers,
and whatever depends on constants of the rules, only if the verdict names exactly the rules of this
harness.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime

from harness.evidence.digests import judged_by
from harness.evidence.places import try_folder
from harness.judge.check_figures import (
    asked,
    limit_figures,
    limits_of_these_rules,
    looked_at,
    measured_figures,
    possible,
    sizes_of,
)
from harness.judge.check_test import about_the_confirmation, about_the_test
from harness.judge.check_upstream import about_the_layout
from harness.judge.conclude import conclude, said_of
from harness.judge.differing import P_TOLERANCE, TOLERANCE, differs, short
from harness.judge.judge import CHEAPEST_SHOWN, facts_of_these_rules
from harness.judge.notes import notes_on_claim
from harness.judge.rules import rule_of
from harness.judge.rules.brought_along import FILES_SHOWN, doubt_bpb
from harness.judge.rules.memorisation import IMPOSSIBLE_RATIO, OUTLYING_SHARE
from harness.judge.verdict import Verdict
from harness.models import Finding, Status
from harness.statistics.looks import spent
from harness.statistics.units import nats_per_token_to_bpb

MOST_SEEDS = 1000
# Three times the tolerance of the evidence.
_SCORE_TOLERANCE = 5e-9
_OF_P = frozenset({"significance", "confirmation", "doubts"})
_ALWAYS_TOLD = frozenset({"train_wallclock", "score_wallclock", "significance"})
# Its limit may be exceeded by chance.
_BY_CHANCE = frozenset({"holdout"})


def contradictions(verdict: Verdict) -> list[str]:
    """Every contradiction, with field, found and expected; empty if rules can give the verdict."""
    try:
        return [problem for problem in _contradictions(verdict) if problem]
    except (ArithmeticError, ValueError) as error:
        return [f"statistics: figures from which nothing can be computed ({error})"]


def of_these_rules(verdict: Verdict) -> bool:
    """Whether exactly the rules of this harness gave a verdict."""
    return verdict.digests.rules == judged_by()


def _contradictions(verdict: Verdict) -> Iterator[str]:
    yield from _about_the_rules(verdict)
    yield from about_the_layout(verdict, today=of_these_rules(verdict))
    yield from _about_the_word(verdict)
    yield from _about_the_way_on(verdict)
    yield from _about_the_seeds(verdict)
    yield from about_the_test(verdict, today=of_these_rules(verdict))
    yield from about_the_confirmation(verdict)
    yield from _about_what_was_spent(verdict)
    yield from _about_the_tokenizer(verdict)
    yield from _about_what_was_brought(verdict)
    yield from _about_the_figures(verdict)
    yield from _about_the_notes(verdict)
    if of_these_rules(verdict):
        yield from _about_the_answers(verdict)
        yield from _about_the_documents(verdict)


def _about_the_rules(verdict: Verdict) -> Iterator[str]:
    """The rules that it names, and that each check is the answer of one of them."""
    named = [rule.id for rule in verdict.rules]
    told = [check.id for check in verdict.checks]
    if len(set(named)) != len(named):
        yield "rules: found a rule twice, expected each once"
    if told != [name for name in named if name in told]:
        yield "checks: found other ids, expected those of its rules, each once and in their order"
    today = of_these_rules(verdict)
    if today and verdict.rules != facts_of_these_rules():
        yield "rules: found another table, expected that of the rules whose digest it names"
    for name in named:
        arose = asked(verdict, name) if today or name in _ALWAYS_TOLD else None
        if arose is not None and arose != (name in told):
            words = ("expected none", "expected one")
            yield f"checks.{name}: found {'one' if name in told else 'none'}, {words[arose]}"


def _about_the_word(verdict: Verdict) -> Iterator[str]:
    word, reason = conclude(
        verdict.checks,
        verdict.rules,
        rehearsal=verdict.rehearsal,
        only_reproduced=verdict.upstream is not None and verdict.upstream.only_reproduced,
    )
    yield differs("verdict", verdict.verdict, word)
    if of_these_rules(verdict) or word in ("REJECTED", "INCONCLUSIVE"):
        yield differs("reason", verdict.reason, reason)
    if not verdict.isolated and not verdict.rehearsal:
        yield "rehearsal: found False, expected True: what is not isolated only rehearses"
    if verdict.verdict == "VERIFIED" and not verdict.seeds_drawn:
        yield "seeds_drawn: found False, expected True: seeds chosen by hand verify nothing"
    try:
        aware = datetime.fromisoformat(verdict.created_at).tzinfo is not None
    except ValueError:
        aware = False
    if not aware or len(verdict.created_at) > 40:
        found = short(verdict.created_at)
        yield f"created_at: found {found}, expected a date with time and time zone"
    yield from _about_the_decisions(verdict)


def _about_the_decisions(verdict: Verdict) -> Iterator[str]:
    """Each settled an unknown of a rule that may be settled, all about the same evidence."""
    decided = _decided(verdict)
    for check in verdict.checks:
        if check.status == "unknown" and check.id in decided:
            outcome = decided[check.id]
            yield f"checks.{check.id}.status: found unknown, expected {outcome}, as was decided"
    if not of_these_rules(verdict):
        return
    told = {check.id: check for check in verdict.checks}
    if len({decision.rule for decision in verdict.decisions}) < len(verdict.decisions):
        yield "decisions: found two about one rule, expected the later one"
    if len({decision.evidence for decision in verdict.decisions}) > 1:
        yield "decisions: found them about different evidence, expected one digest"
    for decision in verdict.decisions:
        name, outcome, answer = short(decision.rule), decision.outcome, told.get(decision.rule)
        if answer is None or decision.rule not in decided:
            yield f"decisions.{name}: found one, expected none: it settles no answer"
        elif answer.status == "unknown":
            continue  # told above
        elif answer.status != outcome or not answer.detail.endswith(said_of(decision)):
            yield f"checks.{name}: found {answer.status}, expected {outcome}, as was decided"


def _decided(verdict: Verdict) -> dict[str, Status]:
    """What was decided of rules that may be settled, by the verdict's own table of them."""
    decidable = {rule.id for rule in verdict.rules if rule.decidable}
    return {each.rule: each.outcome for each in verdict.decisions if each.rule in decidable}


def _about_the_way_on(verdict: Verdict) -> Iterator[str]:
    """That more time was only given to rehearse, and that where it leads is one of its seeds."""
    if verdict.time_scale is not None and not verdict.rehearsal:
        yield "time_scale: found one, expected none: budgets are multiplied in rehearsals alone"
    found = verdict.way_on
    if (
        found is not None
        and found.seed is not None
        and found.seed not in {row.seed for row in verdict.seeds}
    ):
        yield f"way_on.seed: found {found.seed}, expected one of the seeds"


def _about_the_seeds(verdict: Verdict) -> Iterator[str]:
    rows = verdict.seeds
    numbers = [row.seed for row in rows]
    if len(rows) > MOST_SEEDS or len(set(numbers)) != len(numbers):
        yield f"seeds: found {len(rows)}, expected at most {MOST_SEEDS:,}, each once"
    for row in rows:
        name = f"seeds.{row.seed}"
        figures = (row.val_bpb, row.val_loss, row.targets, row.bytes)
        if any(figure is None for figure in figures) and figures != (None,) * 4:
            yield f"{name}: found a part of val_bpb, val_loss, targets, bytes; expected all or none"
        elif row.val_bpb is not None:
            loss = math.log(2) * row.val_bpb * (row.bytes or 0) / (row.targets or 0)
            yield differs(f"{name}.val_loss", row.val_loss, loss, within=_SCORE_TOLERANCE)
            if min(row.val_bpb, *(row.beside_bpb or ()), row.bytes or 0) < 0:
                yield f"{name}.val_bpb: found {row.val_bpb}, expected bits per byte"
        elif row.beside_bpb:
            yield f"{name}.beside_bpb: found {len(row.beside_bpb)}, expected none without val_bpb"
        yield differs(f"{name}.code_bytes", row.code_bytes, rows[0].code_bytes)
        weighed = (row.artifact, row.artifact_bytes, row.artifact_sha256)
        if row.artifact is not None:
            folder = try_folder("seed", row.seed, row.attempt)
            place = f"{verdict.evidence}/{folder}/artifact"
            yield differs(f"{name}.artifact", row.artifact.rpartition("/")[0], place)
        if any(each is None for each in weighed) and weighed != (None,) * 3:
            yield f"{name}: found a part of an artifact's place, bytes, SHA-256; expected all"
    places = [row.place for row in looked_at(verdict) if row.place is not None]
    if places != sorted({place for place in places if 1 <= place <= MOST_SEEDS}):
        yield f"seeds: found places {short(places)}, expected each once, in order"
    if verdict.memorisation is not None and verdict.memorisation.seed not in numbers:
        yield f"memorisation.seed: found {verdict.memorisation.seed}, expected one of the seeds"


def _about_what_was_spent(verdict: Verdict) -> Iterator[str]:
    """The level of the test is what is left after so many tries of the same author."""
    found = verdict.spending
    if found is not None:
        left = spent(found.level, earlier=found.earlier)
        yield differs("statistics.p_below", verdict.statistics.p_below, left)


def _about_the_tokenizer(verdict: Verdict) -> Iterator[str]:
    found, text = verdict.tokenizer, verdict.statistics.text_bytes
    if found is None:
        return

    def worth(targets: int) -> float:
        return nats_per_token_to_bpb(1, tokens=targets, text_bytes=text)

    whole, targets = found.bytes_per_token is not None, verdict.targets
    for name, expected in (
        ("dataset_bytes_per_token", text / (verdict.statistics.targets + 1)),
        ("dataset_bpb_per_nat", worth(verdict.statistics.targets)),
        ("bytes_per_token", text / (targets + 1) if whole else None),
        ("bpb_per_nat", worth(targets) if whole else None),
    ):
        yield differs(f"tokenizer.{name}", getattr(found, name), expected)


def _about_what_was_brought(verdict: Verdict) -> Iterator[str]:
    found = verdict.brought
    if found is None:
        return
    counted = found.bytes + max(0, found.tokenizer_bytes - found.tokenizer_free_bytes)
    yield differs("brought.counted_bytes", found.counted_bytes, counted)
    text = verdict.statistics.text_bytes
    expected = doubt_bpb(counted, free_bytes=found.free_bytes, text_bytes=text)
    yield differs("brought.doubt_bpb", found.doubt_bpb, expected)
    for doubt in verdict.doubts:
        if doubt.check == "brought_along":
            yield differs("doubts.brought_along.bpb", doubt.bpb, found.doubt_bpb)
    if not found.free_bytes <= found.limit_bytes:
        yield f"brought.free_bytes: found {found.free_bytes}, expected {found.limit_bytes} at most"
    if len(found.files) > FILES_SHOWN:
        yield f"brought.files: found {len(found.files)}, expected {FILES_SHOWN} at most"


def _about_the_figures(verdict: Verdict) -> Iterator[str]:
    """Each check's measured figure and limit, and that it passed only on the right side of it."""
    measured, limits = measured_figures(verdict), limit_figures(verdict)
    if of_these_rules(verdict):
        limits |= limits_of_these_rules(verdict)
    for check in verdict.checks:
        if rule_of(check.id) is None:
            continue
        yield from _figures(check, measured, limits)
    better = {rule.id: rule.better for rule in verdict.rules}
    decided = set(_decided(verdict))
    for check in verdict.checks:
        if check.status != "pass" or check.id in decided | _BY_CHANCE or check.id not in better:
            continue
        if rule_of(check.id) is None:
            continue
        figure, limit = check.measured, check.limit
        if isinstance(figure, int | float) and isinstance(limit, int | float):
            good = {"lower": figure <= limit, "higher": figure >= limit, "equal": figure == limit}
            if not good[better[check.id]]:
                yield (
                    f"checks.{check.id}.status: found pass, expected another: "
                    f"{short(figure)} measured against {short(limit)}"
                )


def _figures(
    check: Finding, measured: Mapping[str, object], limits: Mapping[str, object]
) -> Iterator[str]:
    within = P_TOLERANCE if check.id in _OF_P else TOLERANCE
    for name, found, known in (
        ("measured", check.measured, measured),
        ("limit", check.limit, limits),
    ):
        if check.id in known:
            yield differs(f"checks.{check.id}.{name}", found, known[check.id], within=within)


def _about_the_notes(verdict: Verdict) -> Iterator[str]:
    """Claims that are off: figures of the notes, and that none is missing."""
    only_reproduced = verdict.upstream is not None and verdict.upstream.only_reproduced
    expected = {
        note.id: note
        for note in notes_on_claim(
            verdict.claim, verdict.statistics, sizes_of(verdict), only_reproduced=only_reproduced
        )
    }
    told = {note.id: note for note in verdict.findings}
    for name in ("claimed_score", "claimed_bytes"):
        if name in told and name in expected:
            for figure in ("measured", "limit"):
                pair = getattr(told[name], figure), getattr(expected[name], figure)
                yield differs(f"findings.{name}.{figure}", *pair)
        elif name in told:
            yield f"findings.{name}: found one, expected none: the claim is not off"
        elif name in expected and not verdict.rehearsal and of_these_rules(verdict):
            yield f"findings.{name}: found none, expected one: the claim is off"


def _about_the_answers(verdict: Verdict) -> Iterator[str]:
    decided = _decided(verdict)
    for check in verdict.checks:
        answers = possible(verdict, check)
        if "unknown" in answers and check.id in decided:
            answers = answers | {decided[check.id]}
        if check.status not in answers:
            expected = " or ".join(sorted(answers))
            yield f"checks.{check.id}.status: found {check.status}, expected {expected}"


def _about_the_documents(verdict: Verdict) -> Iterator[str]:
    """How many documents can be suspicious, among the cheapest that are shown."""
    found = verdict.memorisation
    if found is None:
        return
    ratios = [cost.ratio for cost in found.cheapest]
    median = found.median_ratio
    least = sum(ratio < IMPOSSIBLE_RATIO for ratio in ratios) if median is not None else 0
    limit = max(IMPOSSIBLE_RATIO, OUTLYING_SHARE * (median or 0.0))
    most = sum(ratio < limit for ratio in ratios) if median is not None else 0
    if len(ratios) > CHEAPEST_SHOWN:
        yield f"memorisation.cheapest: found {len(ratios)}, expected {CHEAPEST_SHOWN} at most"
    elif found.suspicious < least or (most < CHEAPEST_SHOWN and found.suspicious > most):
        expected = f"{least} to {most}" if least < most else str(most)
        yield f"memorisation.suspicious: found {found.suspicious}, expected {expected}"

"""The auditor against hand-checked readings of 19 records that were merged upstream.

Figures must be the reading's own. A topic may differ only where the difference is argued here.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.audit.findings import FolderAudit
from tests.audit.records import UPSTREAM, audited, needs_upstream
from tests.factories.playground import ROOT

pytestmark = needs_upstream

TOPICS = ("score", "size", "train_time", "post_train", "seeds", "script", "hardware", "files")
# (folder, topic): why another word than the truth's is right.
ARGUED = {
    ("2026-03-18_LongContextSeq2048", "score"): "the claim, train.log, is the best of the three "
    "seeds: the truth's own finding best_seed_as_score says so, its verdict says one_of_several",
}
FINE = {
    "score": {"supported", "no_claim"},
    "size": {"under_cap"},
    "train_time": {"ok", "over_by_less_than_0.2s"},
    "post_train": {"ok_or_not_logged"},
    "script": {"same_as_logged"},
    "hardware": {"claimed_only", "8xH100_in_log"},
    "files": {"complete"},
}
# Rules that say what a finding of the truth says, by the finding's code.
TOLD_BY = {
    "hardware": {"hardware", "configuration"},
    "same_seed": {"seeds"},
    "echo_not_run_code": {"script"},
    "code_size_mismatch": {"script"},
    "single_as_score": {"score"},
    "best_seed_as_score": {"score"},
    "val_set_differs": {"denominator"},
    "script_changed": {"script"},
    "no_supporting_log": {"score"},
    "over_cap": {"size"},
    "submission_field_wrong": {"score_loss", "score_bytes"},
    "seed_mislabel": {"seed_labels"},
    "mixed_provenance": {"script", "configuration"},
    "code_uncounted": {"size", "size_shipped", "size_needed"},
    "readme_table_wrong": {"score_seeds"},
    "eval_budget": {"eval_compile"},
    "train_budget": {"post_train"},
    "post_train_time": {"post_train"},
}
# Findings that need a README or a script, neither of which is shared, or a person.
UNSEEN = {
    "readme_wrong", "significance_bar", "missing_file", "rounding", "run_command_broken",
    "label_stale", "claimed_change_not_real", "duplicate_log", "training_data_at_eval",
    "folder_name", "not_a_record_claim", "score_from_eval_only", "std_convention",
}  # fmt: skip


def test_what_the_readme_shows_is_what_the_auditor_says() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| (2026-\S+) \| (\w+) \| (.+) \|$", page)
    assert len(rows) == 3
    for folder, check, sentence in rows:
        found = {each.id: each for each in audited(UPSTREAM / folder).checks}[check]
        assert (found.status, found.detail) == ("fail", sentence)
        shown = f"      FAIL {check.replace('_', ' '):12}{sentence}"
        assert re.search(rf"(?m)^    {folder} +# .+\n{re.escape(shown)}$", readme)


def records() -> list[Path]:
    return sorted(path.parent for path in UPSTREAM.glob("*/TRUTH.json"))


@pytest.fixture(scope="module")
def pairs() -> list[tuple[FolderAudit, dict[str, Any]]]:
    read = [json.loads((folder / "TRUTH.json").read_text()) for folder in records()]
    return [(audited(folder), truth) for folder, truth in zip(records(), read, strict=True)]


def test_every_seed_has_the_truths_figures(pairs: list[tuple[FolderAudit, dict[str, Any]]]) -> None:
    wrong, compared = [], 0
    for audit, truth in pairs:
        runs = {run.log: run for run in audit.runs if run.copy_of != run.log}
        for seed in truth["seeds"]:
            run = runs[seed["log"]]
            eval_seconds = run.eval_seconds or 0
            read = {
                "val_bpb": run.val_bpb,
                "val_loss": run.val_loss,
                "metric": run.metric,
                "total_bytes": run.total_bytes,
                "model_bytes": run.model_bytes,
                "code_bytes_logged": list(run.code_bytes_logged),
                "train_ms": None if run.train_seconds is None else round(run.train_seconds * 1000),
                "step": run.steps,
                "seed_logged": run.seed,
                "gptq_s": run.post_train_seconds,
                "eval_ms_metric": round(eval_seconds * 1000),
                "eval_ms_all": round((run.eval_seconds_all or 0) * 1000),
                "world_size": run.world_size,
                "gpu": run.gpu,
                "torch": run.torch,
                "val_tokens": run.tokens,
            }
            for name, value in read.items():
                compared += 1
                # A figure that the truth does not have may still be in the log.
                if value != seed[name] and seed[name] is not None:
                    wrong.append((audit.name, seed["log"], name, value, seed[name]))
            assert run.counted, (audit.name, run.log)
    assert not wrong
    assert compared > 700


def test_topics_agree(pairs: list[tuple[FolderAudit, dict[str, Any]]]) -> None:
    rows, agreed, argued, alarms, misses = [], 0, set(), [], []
    for audit, truth in pairs:
        words = audit.readings.model_dump()
        for topic in TOPICS:
            ours, theirs = words[topic], truth["verdicts"][topic]
            if ours == theirs:
                agreed += 1
                continue
            key = (audit.name, topic)
            rows.append(f"{audit.name[:48]:50}{topic:12}{ours!s:32}{theirs!s:32}")
            if key in ARGUED:
                argued.add(key)
            elif theirs in FINE.get(topic, ()):
                alarms.append(key)
            else:
                misses.append(key)
    head = f"{'record':50}{'topic':12}{'ours':32}{'truth':32}"
    print("\n" + "\n".join([head, *rows]))
    print(
        f"{len(TOPICS)} topics of {len(records())} records: {agreed} agree, {len(argued)} argued,"
    )
    print(f"{len(alarms)} false alarms, {len(misses)} misses")
    assert not alarms
    assert not misses
    assert argued == set(ARGUED)
    assert agreed + len(argued) == len(TOPICS) * len(records())


def test_findings_are_told_and_nothing_else_is(
    pairs: list[tuple[FolderAudit, dict[str, Any]]],
) -> None:
    missed, invented = [], []
    for audit, truth in pairs:
        failed = {found.id for found in audit.checks if found.status == "fail"}
        if any("older edition of the text" in found.detail for found in audit.checks):
            failed.add("denominator")  # told, and right for its time
        codes = {finding["code"] for finding in truth["findings"]}
        assert codes <= TOLD_BY.keys() | UNSEEN, codes
        missed += [
            (audit.name, code) for code in codes & TOLD_BY.keys() if not failed & TOLD_BY[code]
        ]
        explained = set().union(*(TOLD_BY.get(code, set()) for code in codes))
        verdicts = truth["verdicts"]
        explained |= {"significance"}  # each against the track's bar, which the truth does not ask
        explained |= (
            {"size", "size_shipped", "size_needed"} if verdicts["size"] != "under_cap" else set()
        )
        explained |= {"script"} if verdicts["script"] != "same_as_logged" else set()
        explained |= {"seeds"} if verdicts["seeds"] < 3 else set()
        explained |= {"train_time"} if verdicts["train_time"] == "over" else set()
        explained |= {"files"} if verdicts["files"] == "incomplete" else set()
        explained |= {"post_train"} if verdicts["post_train"] == "gptq_past_600s" else set()
        if any((s["eval_ms_metric"] or 0) > 430_000 for s in truth["seeds"]):
            explained |= {"eval_compile"}  # logged beside the timer; the truth names it once
        if verdicts["score"] not in ("supported", "no_claim"):
            explained |= {"score", "score_seeds"}
        invented += [(audit.name, check) for check in failed - explained]
    assert not missed
    assert not invented


def test_truth_is_never_read(tmp_path: Path) -> None:
    source = records()[0]
    for path in source.iterdir():
        if path.name != "TRUTH.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert audited(tmp_path).readings == audited(source).readings

"""The site for programs: the same content as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.audit.findings import FolderAudit
from harness.package import VERSION
from harness.report.site.history import Step
from harness.report.site.listing import standing
from harness.report.site.source import Entry, Source

FORMAT = 1


def index_json(source: Source, pages: Mapping[str, int]) -> bytes:
    """What there is, and where: ``data/index.json``."""
    return _json(
        {
            "format": FORMAT,
            "made_by": f"harness {VERSION}",
            "head": source.board.head,
            "entries": len(source.entries),
            "records": [
                {
                    "track": course.track,
                    "dataset": course.dataset,
                    "mean_bpb": entry.record.mean_bpb,
                    "verdict_sha256": entry.record.verdict_sha256,
                    "page": f"verdicts/{entry.name}.html",
                }
                for course, entry in source.best.items()
            ],
            "tries": len(source.tries),
            "audits": len(source.audits),
            "pages": dict(pages),
            "files": ["data/entries.json", "data/audits.json", "data/verdicts/"],
        }
    )


def entries_json(source: Source) -> bytes:
    """Every accepted verdict with what the leaderboard keeps of it, and its step."""
    return _json([_entry(source, entry) for entry in source.entries])


def _entry(source: Source, entry: Entry) -> dict[str, Any]:
    step = source.fell.get(entry.name)
    return {
        "page": f"verdicts/{entry.name}.html",
        "verdict": f"data/verdicts/{entry.name}.json" if entry.verdict else None,
        "standing": standing(source, entry),
        "record": entry.record.model_dump(mode="json"),
        "pull_request": entry.accepted.pull_request if entry.accepted else "",
        "commit": entry.accepted.commit if entry.accepted else "",
        "retracted": None
        if entry.retracted is None
        else {"at": entry.retracted.at, "by": entry.retracted.by, "why": entry.retracted.why},
        "step": None if step is None else _step(step),
    }


def _step(step: Step) -> dict[str, Any]:
    test = step.test
    return {
        "before_sha256": step.before.verdict_sha256 if step.before else None,
        "gain_bpb": step.gain_bpb,
        "gain_99_bpb": None if test is None else [-bound for bound in reversed(test.interval_99)],
        "p": None if test is None else test.p,
        "mean_99_bpb": step.interval,
    }


def audits_json(audits: Sequence[FolderAudit]) -> bytes:
    """The audits as ``harness audit --json`` wrote them."""
    return _json([audit.model_dump(mode="json") for audit in audits])


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"

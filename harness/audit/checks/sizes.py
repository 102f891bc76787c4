"""Rules on bytes: the total of the logs, the shipped files, and files needed besides."""

from collections.abc import Iterator
from functools import partial

from harness.audit.findings import AuditCheck, Place
from harness.audit.summary import Evidence
from harness.audit.verdicts import at, check, listed


def size_checks(evidence: Evidence) -> Iterator[AuditCheck]:
    """``size``, ``size_shipped`` and ``size_needed``, each against the track's cap."""
    yield _logged(evidence)
    yield _shipped(evidence)
    yield _needed(evidence)


def _logged(evidence: Evidence) -> AuditCheck:
    cap = evidence.track.budget.bytes
    run = evidence.heaviest
    if run is not None and run.total_bytes is not None:
        over = run.total_bytes > cap
        return check(
            "size",
            "fail" if over else "pass",
            f"{run.log} logs {run.total_bytes:,} bytes, "
            + (f"{run.total_bytes - cap:,} over" if over else f"{cap - run.total_bytes:,} left"),
            at(run, "total_bytes"),
            measured=run.total_bytes,
            limit=cap,
            unit="bytes",
        )
    claimed = evidence.claims.bytes_total
    if claimed is None:
        unread = [each for each in evidence.claims.unreadable if "bytes" in each.key]
        what = f"{listed(unread)}, which is no number" if unread else "none is claimed"
        return check("size", "unknown", f"no log tells a total, and {what}", limit=cap)
    place = Place(file=evidence.claims.file or "", line=claimed.line)
    over = claimed.value > cap
    return check(
        "size",
        "fail" if over else "unknown",
        f"{claimed.value:,.0f} bytes are claimed, and no log tells a total",
        place,
        measured=int(claimed.value),
        limit=cap,
        unit="bytes",
    )


def _shipped(evidence: Evidence) -> AuditCheck:
    cap = evidence.track.budget.bytes
    run, scripts = evidence.heaviest_model, evidence.scripts
    total = evidence.shipped(run) if run else None
    if run is None or total is None:
        what = "the model's size is not logged" if run is None else "there is no script to weigh"
        return check("size_shipped", "unknown", what, limit=cap)
    names = listed([script.file.name for script in scripts.scripts])
    logged = run.code_bytes
    smaller = logged is not None and logged < scripts.bytes
    note = f"; its total counts {logged:,} bytes of code" if smaller and logged else ""
    over = total > cap
    return check(
        "size_shipped",
        "fail" if over else "pass",
        f"the model of {run.log} and {names} as shipped ({scripts.bytes:,} bytes) weigh "
        f"{total:,}, " + (f"{total - cap:,} over" if over else f"{cap - total:,} left") + note,
        at(run, "model_bytes"),
        *(Place(file=script.file.name) for script in scripts.scripts),
        measured=total,
        limit=cap,
        unit="bytes",
    )


def _needed(evidence: Evidence) -> AuditCheck:
    cap = evidence.track.budget.bytes
    scripts, run = evidence.scripts, evidence.heaviest
    needed, possible = scripts.needed, scripts.possible
    places = [Place(file=name) for name in (*needed, *possible)]
    if not needed and not possible:
        if all(script.says_nothing for script in scripts.scripts):
            return check("size_needed", "unknown", "there is no script that would tell", limit=cap)
        return check("size_needed", "pass", "the score needs no file beside the script", limit=cap)
    if run is None or run.total_bytes is None:
        return check("size_needed", "unknown", "no log tells a total to add to", *places, limit=cap)
    logged = max(run.total_bytes, evidence.shipped(run) or 0)
    total = logged + evidence.needed_bytes
    most = total + evidence.possible_bytes
    parts = [f"{name} ({why})" for name, why in needed.items()]
    tell = partial(check, "size_needed", measured=total, limit=cap, unit="bytes")
    if needed and total > cap:
        sentence = f"with {listed(parts, 3)} the largest weighs {total:,}, {total - cap:,} over"
        return tell("fail", sentence, *places)
    if most > cap:
        sentence = f"whether the score needs {listed(list(possible))} cannot be told here; with them it would be {most:,}"  # noqa: E501
        return tell("unknown", sentence, *places)
    sentence = f"{most:,} bytes with {listed([*needed, *possible])}"
    return tell("pass", sentence, *places)

"""Rules on the folder itself: what is in it, whether it can be read, which script ran."""

import os
from collections.abc import Iterator

from harness.audit.claim_matching import in_words, is_lost
from harness.audit.findings import AuditCheck, Place
from harness.audit.summary import Evidence
from harness.audit.verdicts import at, check, counted, listed
from harness.upstream.logs.logged import LoggedRun


def package_checks(evidence: Evidence) -> Iterator[AuditCheck]:
    """``files``, ``outside``, ``json``, ``syntax``, ``runs`` and ``script``."""
    yield _files(evidence)
    yield _outside(evidence)
    yield _json(evidence)
    yield _syntax(evidence)
    yield _runs(evidence)
    yield _script(evidence)


def _files(evidence: Evidence) -> AuditCheck:
    folder = evidence.folder
    missing = list(evidence.missing)
    if not evidence.gathered.logs and not evidence.gathered.unread and not _logs_listed(evidence):
        missing.append("a log")
    hollow = evidence.hollow
    if hollow and not missing:
        said = listed([f"{name} {what}" for name, what in hollow.items()])
        return check("files", "fail", said, *(Place(file=name) for name in hollow))
    if not missing:
        absent = [name for name, file in folder.files.items() if not file.here]
        note = f"; {len(absent)} of {len(folder.files)} listed in the manifest, not here"
        return check("files", "pass", "the required files are there" + (note if absent else ""))
    if folder.cut:
        return check("files", "unknown", f"not all of the folder was read: no {listed(missing)}")
    instead = [name for name in (folder.claims_name,) if name and "submission.json" in missing]
    instead += [s.file.name for s in evidence.scripts.scripts if "train_gpt.py" in missing]
    note = f"; there is {listed(instead)} instead" if instead else ""
    note += "".join(f"; {name} {what}" for name, what in list(hollow.items())[:4])
    return check("files", "fail", f"missing: {listed(missing)}{note}")


def _outside(evidence: Evidence) -> AuditCheck:
    folder = evidence.folder
    root = os.path.realpath(folder.path)
    leaving = []
    for name in folder.links:
        try:
            inside = os.path.realpath(folder.path / name).startswith(root + os.sep)
        except (OSError, ValueError):
            inside = False
        if not inside:
            leaving.append(name)
    odd = leaving + folder.special
    if odd:
        return check(
            "outside",
            "fail",
            f"links out of the folder, or no regular files: {listed(odd)}; they were not read",
            *(Place(file=name) for name in odd),
        )
    if folder.links:
        return check(
            "outside",
            "unknown",
            f"links inside the folder were not followed: {listed(folder.links)}",
            *(Place(file=name) for name in folder.links),
        )
    return check("outside", "pass", "nothing leads out of the folder")


def _json(evidence: Evidence) -> AuditCheck:
    claims = evidence.claims
    if claims.file is None:
        return check("json", "unknown", "there is no submission.json to read")
    where = Place(file=claims.file)
    if claims.listed_only:
        return check("json", "unknown", f"{claims.file} is listed in the manifest, not here", where)
    if claims.broken:
        return check("json", "fail", f"{claims.file}: {claims.broken}", where)
    return check("json", "pass", f"{claims.file} is a JSON object", where)


def _syntax(evidence: Evidence) -> AuditCheck:
    scripts = evidence.scripts.scripts
    if not scripts:
        return check("syntax", "unknown", "there is no script to read")
    for script in scripts:
        if script.fault:
            line, message = script.fault
            layer = " (in the source that it unpacks)" if script.wrapped else ""
            place = Place(file=script.file.name, line=None if script.wrapped else line)
            shown = f"line {line}: {message}" if line else message
            sentence = f"{script.file.name}{layer} does not compile: {shown}"
            return check("syntax", "fail", sentence, place)
    unsure = [f"{script.file.name}: {script.unsure}" for script in scripts if script.unsure]
    names = [script.file.name for script in scripts]
    places = [Place(file=name) for name in names]
    if unsure:
        return check("syntax", "unknown", "; ".join(unsure), *places)
    silent = [script.file.name for script in scripts if script.says_nothing]
    if silent:
        said = f"{listed(silent)}: no statement that could be compiled"
        return check("syntax", "unknown", said, *places)
    unpacked = sum(script.wrapped for script in scripts)
    note = f"; {unpacked} unpacked without running it" if unpacked else ""
    return check("syntax", "pass", f"{listed(names)} compiles{note}", *places)


def _logs_listed(evidence: Evidence) -> list[str]:
    """Files named like logs that a manifest lists and that are not here."""
    return [
        name
        for name, file in evidence.folder.files.items()
        if not file.here and name.lower().endswith(".log")
    ]


def _runs(evidence: Evidence) -> AuditCheck:
    gathered = evidence.gathered
    scored = [run for run in gathered.runs if run.val_bpb is not None and not run.copy_of]
    broken = [f"{log.name}: {log.broken}" for log in gathered.logs if log.broken]
    cut = [log.name for log in gathered.logs if log.cut] + list(gathered.unread)
    absent = _logs_listed(evidence)
    if not scored:
        doubts = broken + cut + absent
        if doubts:
            return check("runs", "unknown", f"no score could be read; not read: {listed(doubts)}")
        names = [log.name for log in gathered.logs]
        what = f"no final score in {listed(names)}" if names else "there is no log"
        if lost := [run for run in gathered.runs if is_lost(run)]:
            what += f"; ended without a finite one: {listed([in_words(run) for run in lost])}"
        return check("runs", "fail", what, *(Place(file=name) for name in names))
    copies = [run for run in gathered.runs if run.copy_of]
    places = [at(run, "val_bpb") for run in scored]
    logs = len({run.log for run in scored})
    seen = f"{counted(len(scored), 'scored run')} in {counted(logs, 'log')}"
    if copies:
        seen += f"; {listed(sorted({run.log for run in copies}))} repeat others"
    if broken or cut:
        doubt = f"{seen}; not read to the end: {listed(broken + cut)}"
        return check("runs", "unknown", doubt, *places)
    lost = [run for run in gathered.runs if is_lost(run)]
    left = [run for run in gathered.runs if not run.counted and not run.copy_of]
    others = [run.log for run in left if run not in lost]
    if others:
        seen += f"; the claim does not rest on {listed(others)}"
    if lost:
        said = f"{seen}; ended without a finite score: {listed([in_words(run) for run in lost])}"
        where = [Place(file=run.log, line=run.not_finite) for run in lost]
        return check("runs", "unknown", said, *where, *places, measured=len(scored), unit="runs")
    return check("runs", "pass", seen, *places, measured=len(scored), unit="runs")


def _script(evidence: Evidence) -> AuditCheck:
    scripts = evidence.scripts.scripts
    if not scripts:
        return check("script", "unknown", "there is no script to compare with the logs")
    shipped = [f"{s.file.name} of {s.file.bytes:,} bytes" for s in scripts]
    told = [(run, evidence.code_matches(run)) for run in evidence.runs]
    differing = [run for run, same in told if same is False]
    if differing:
        sizes = sorted({size for run in differing for size in run.code_bytes_logged})
        ran = f"ran code of {listed([f'{size:,}' for size in sizes])} bytes" if sizes else (
            "echo another source")  # fmt: skip
        return check(
            "script",
            "fail",
            f"{listed(_logs(differing))} {ran}; the folder has {listed(shipped)}",
            *(at(run, "code_bytes") for run in differing),
            measured=sizes[-1] if sizes else None,
            limit=evidence.scripts.bytes,
            unit="bytes",
        )
    echoed = [run for run in evidence.runs if evidence.echo_matches(run) is False]
    if echoed:
        names = listed(_logs(echoed))
        sentence = f"{names}: the size is that of the script here, the echoed source is not"
        return check("script", "unknown", sentence, *(at(run, "code_bytes") for run in echoed))
    same = [run for run, matches in told if matches]
    if not same:
        return check("script", "unknown", "no log tells the size or the source of its script")
    known = "all" if len(same) == len(told) else f"{len(same)} of {len(told)}"
    return check(
        "script",
        "pass",
        f"{known} runs were made by code of the size of {listed(shipped)}",
        *(at(run, "code_bytes") for run in same),
    )


def _logs(runs: list[LoggedRun]) -> list[str]:
    return list(dict.fromkeys(run.log for run in runs))

"""A submission's folder judged from its files, each finding with its file and line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness.audit.one import audit_folder
from harness.audit.policy import Policy
from harness.contest.submission import CLAIMS, MANIFEST, Submission, load_submission
from harness.contest.track import Track
from harness.errors import SubmissionError
from harness.gate.precheck import precheck
from harness.gate.remarks import Note, Remark
from harness.judge.verdict import Finding
from harness.safeio.parsing import LARGEST_BYTES

# contract: ours, and an audit of what the folder claims where its logs hold a score.
# record: upstream's, which an audit alone can judge.
Layout = Literal["contract", "record"]

_PLACE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._/-]*)(?::(\d{1,7}))?: ?(.*)", re.DOTALL)
_TOML_ERROR = re.compile(r"\(at line (\d{1,7}), column \d+\)")
_JSON_ERROR = re.compile(r"not valid JSON: .*: line (\d{1,7}) column")
_FIELD = re.compile(r"(?:^|; )([A-Za-z0-9_.-]{1,300}): ")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_TABLE = re.compile(r"\s*\[([A-Za-z0-9_.-]+)\]")
# What the findings of a check are about, as a key of submission.toml.
_FIELDS = {
    "code bytes": "code.files",
    "score": "score.load",
    "train": "train.command",
    "seed": "train.command",
}


def judge_folder(
    folder: Path, *, track: Track, layout: Layout, policy: Policy, shown_as: str
) -> tuple[list[Note], str | None]:
    """Everything that can be said of a submission's folder without running it.

    Args:
        folder: plain files that nobody else writes to.
        track: the rules.
        layout: what is expected there.
        policy: how strictly claims are audited.
        shown_as: the folder's name for people, which the notes' files begin with.

    Returns:
        The notes, and the digest of the submission when it is one by our contract.
    """
    audit = audit_folder(folder, track=track, policy=policy)
    audited = [
        _moved(check, shown_as)
        for check in audit.checks
        # Our contract asks for other files than upstream does, and says so itself.
        if layout == "record" or check.id != "files"
    ]
    if layout == "record":
        return audited, None
    notes, digest = _checked(folder, track, shown_as)
    scored = any(run.val_bpb is not None for run in audit.runs)
    return [*notes, *(audited if scored else [])], digest


def _checked(folder: Path, track: Track, shown_as: str) -> tuple[list[Note], str | None]:
    try:
        submission = load_submission(folder)
        findings = precheck(submission, track)
    except SubmissionError as error:
        return [_note_of_error(str(error), folder, shown_as)], None
    return [_note_of_finding(finding, submission, shown_as) for finding in findings], (
        submission.digest
    )


def _moved(remark: Remark, shown_as: str) -> Note:
    """An audit's remark, its file named from the root of the repository."""
    return Note(
        id=f"audit {remark.id}",
        status=remark.status,
        sentence=remark.sentence,
        file=f"{shown_as}/{remark.file}" if remark.file else None,
        line=remark.line,
    )


def _note_of_finding(finding: Finding, submission: Submission, shown_as: str) -> Note:
    sentence = finding.detail + (f"; {finding.remedy}" if finding.remedy else "")
    file, line = MANIFEST, None
    if finding.name in _FIELDS:
        line = line_of(submission.contents[MANIFEST], [_FIELDS[finding.name]])
    elif finding.name == "claimed bytes":
        file, line = CLAIMS, line_of_claim(submission.folder / CLAIMS, "bytes_total")
    elif finding.name == "warning" and (place := _PLACE.fullmatch(finding.detail)):
        file, line, sentence = place[1], int(place[2] or 0) or None, place[3]
        if not (submission.folder / file).is_file():
            file, line, sentence = "", None, finding.detail
    return Note(
        id=finding.name,
        status=finding.status,
        sentence=sentence,
        file=f"{shown_as}/{file}" if file else None,
        line=line,
    )


def _note_of_error(message: str, folder: Path, shown_as: str) -> Note:
    """An error's message begins with the path that it is about: where we wrote the folder to."""
    for place in (f"{folder}/", f"{folder.resolve()}/"):
        message = message.replace(place, "")
    message = message.replace(str(folder.resolve()), shown_as).replace(str(folder), shown_as)
    found = _PLACE.fullmatch(message)
    if found is None or not (folder / found[1]).is_file():
        return Note(id="contract", status="fail", sentence=message)
    file, line, sentence = found[1], int(found[2] or 0) or None, found[3]
    if line is None and (inside := _TOML_ERROR.search(sentence) or _JSON_ERROR.search(sentence)):
        line = int(inside[1])
    fields = _FIELD.findall(sentence)
    if line is None and file == MANIFEST:
        line = line_of((folder / file).read_bytes()[:LARGEST_BYTES], fields)
    if line is None and file == CLAIMS and fields:
        line = line_of_claim(folder / file, fields[0])
    return Note(
        id="contract", status="fail", sentence=sentence, file=f"{shown_as}/{file}", line=line
    )


def line_of(toml: bytes, fields: Sequence[str]) -> int | None:
    """The line on which one of some dotted keys of a TOML file is given; None without any.

    The first key that is there counts; without one, the table of the first. Multi-line strings
    may mislead it: it decides where a message is shown, and nothing else.
    """
    table: list[str] = []
    keys: dict[str, int] = {}
    tables: dict[str, int] = {}
    for number, line in enumerate(toml.decode("utf-8", "replace").splitlines(), start=1):
        if header := _TABLE.match(line):
            table = header[1].split(".")
            tables.setdefault(header[1], number)
        elif key := _KEY.match(line):
            keys.setdefault(".".join([*table, key[1]]), number)
    found = [keys[field] for field in fields if field in keys]
    found += [tables[parent] for f in fields if (parent := f.rpartition(".")[0]) in tables]
    return found[0] if found else None


def line_of_claim(path: Path, key: str) -> int | None:
    """The first line of a JSON file that gives a key; None where there is none."""
    try:
        lines = path.read_bytes()[: 1 << 20].decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    named = f'"{key}"'
    return next((number for number, line in enumerate(lines, start=1) if named in line), None)

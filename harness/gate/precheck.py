"""Judges what can be judged of a loaded submission without running it."""

import re
from collections.abc import Iterator, Sequence
from string import Formatter

from harness.contest.brought_along import brought_along, counted_bytes, in_words
from harness.contest.manifest import ROWS, Score
from harness.contest.references import is_seen
from harness.contest.submission import CLAIMS, MANIFEST, Submission, check_on_track
from harness.contest.track import Track
from harness.gate.at_import import at_import
from harness.gate.stray_files import stray_files
from harness.models import Finding, Status
from harness.safeio.key_lines import line_of_json_key

PROCESSES = "accelerators"


def precheck(submission: Submission, track: Track) -> list[Finding]:
    """Findings for a submission on a track; any ``fail`` would lead to REJECTED.

    Raises:
        SubmissionError: the track does not allow this kind of submission at all.
    """
    check_on_track(submission, track)
    train, score = submission.manifest.on(track.settings)
    files = len(submission.contents)
    return [
        Finding(
            id="contract",
            status="pass",
            detail=f"submission.toml is well formed; {files} counted files, no links",
            file=MANIFEST,
        ),
        _code_bytes(submission, track),
        *_brought_along(submission, track),
        *_tokenizer(submission, track),
        *_settings(submission, track),
        _score(submission, score),
        _train(submission, train.command),
        _seed(submission),
        *_methods(submission),
        *_claim(submission, track),
        *warnings(submission),
    ]


def _score(submission: Submission, score: Score) -> Finding:
    detail = f"{score.load}, sequence length {score.sequence_length}, {_asked(score)}"
    status: Status = "pass"
    if not is_seen(submission, score.load):
        status, detail = "unknown", f"{detail}; not seen without running it: its file is packed"
    return _of_manifest(submission, "score", "score.load", detail, status=status)


def _train(submission: Submission, command: Sequence[str]) -> Finding:
    text = " ".join(command)
    plain = (word for word in command if " " not in word)  # others are code or a shell's
    names = [name for word in plain for name in _in_braces(word) if name != PROCESSES]
    if not names:
        return _of_manifest(submission, "train", "train.command", text)
    return _of_manifest(
        submission,
        "train",
        "train.command",
        f"{text}: {{{names[0]}}} is no name that the harness fills in",
        status="fail",
        remedy=f"{{{PROCESSES}}} is the number of processes: one for each accelerator, else 1; "
        "write other braces in a script of yours",
    )


def _in_braces(word: str) -> Iterator[str]:
    """The names in braces, but for those of a shell's variables."""
    try:
        parts = list(Formatter().parse(word))
    except ValueError:  # a brace that is not closed
        return
    for before, name, _, _ in parts:
        if name and name.isidentifier() and not before.endswith("$"):
            yield name


def _asked(score: Score) -> str:
    """In which steps a model is scored, and whether it learns."""
    segment = f", adaptive (segment {score.segment:,})" if score.adaptive else ""
    if score.streams == "corpus":
        return f"stride {score.stride}{segment}"
    studies = f", {len(score.study_after)} studies" if score.study_after else ""
    return f"by document, {score.rows or ROWS} rows of segment {score.segment:,}{segment}{studies}"


def warnings(submission: Submission) -> list[Finding]:
    """What readers will miss, what is no source, and what fails as soon as a file is imported."""
    missing = [
        Finding(id="missing_file", status="unknown", detail="missing", file=name)
        for name in ("README.md", CLAIMS)
        if not (submission.folder / name).exists()
    ]
    return [*missing, *stray_files(submission), *at_import(submission)]


def _of_manifest(
    submission: Submission,
    id: str,
    field: str,
    detail: str,
    *,
    status: Status = "pass",
    remedy: str = "",
) -> Finding:
    """A finding about a key of ``submission.toml``."""
    return Finding(
        id=id,
        status=status,
        detail=detail,
        file=MANIFEST,
        line=submission.line_of(field),
        field=field,
        remedy=remedy,
    )


def _code_bytes(submission: Submission, track: Track) -> Finding:
    entry = submission.entry(track.settings)
    code = entry.counted_bytes(tokenizer_counted=track.budget.tokenizer_counted)
    left = track.budget.bytes - code
    found = _of_manifest(
        submission,
        "code_bytes",
        "code.files",
        f"{code:,} of {track.budget.bytes:,} bytes; "
        + (f"{left:,} left for the artifact" if left > 0 else "nothing left for an artifact"),
        status="pass" if left > 0 else "fail",
        remedy="" if left > 0 else "list fewer or smaller files in [code] files",
    )
    figures = {"measured": code, "limit": track.budget.bytes, "unit": "bytes"}
    return found.model_copy(update=figures)


def _brought_along(submission: Submission, track: Track) -> list[Finding]:
    """Like the rule of this name, but a tokenizer's normal form is known only when it is run."""
    allowed = track.brought_along
    if allowed is None:
        return []
    brought = brought_along(submission.entry(track.settings), submission.contents)
    counted = counted_bytes(brought, allowed, normal_form_bytes=None)
    free, limit = allowed.free_bytes, allowed.limit_bytes
    detail = in_words(counted, free_bytes=free, limit_bytes=limit)
    status: Status = "pass"
    remedy = ""
    if brought.bytes > limit:
        status, remedy = "fail", "leave out what is no code; what must stay, a maintainer reviews"
    elif counted > limit:
        status, remedy = "unknown", "its tokenizer counts in its normal form, which shows when run"
    heaviest = max(brought.files, key=lambda file: file.compressed_bytes)
    detail += (
        f", compressed; the heaviest of {len(brought.files):,} files is {heaviest.name}, "
        f"{heaviest.compressed_bytes:,} bytes"
    )
    found = _of_manifest(
        submission, "brought_along", "code.files", detail, status=status, remedy=remedy
    )
    figures = {"measured": counted, "limit": limit, "unit": "bytes"}
    return [found.model_copy(update=figures)]


def _tokenizer(submission: Submission, track: Track) -> list[Finding]:
    """An untrusted model is not parsed here; its round trip is checked when it is run."""
    section = submission.manifest.tokenizer
    if section is None:
        return []
    if section.code:
        beside = f" with {section.model}" if section.model else ""
        detail = (
            f"its own: {section.code}{beside}, counted; harness verify proves first, in sandboxes, "
            "that every validation document comes back from its tokens, and has the same ones again"
        )
        return [_of_manifest(submission, "tokenizer", "tokenizer.code", detail)]
    if section.model is None:
        detail = "its own: pure bytes, 260 ids"
        return [_of_manifest(submission, "tokenizer", "tokenizer.kind", detail)]
    counted = "counted" if track.budget.tokenizer_counted else "not counted on this track"
    size = len(submission.contents[section.model])
    detail = (
        f"its own: {section.model}, {size:,} bytes, {counted}; harness verify proves first "
        "that every validation document comes back from its tokens"
    )
    return [_of_manifest(submission, "tokenizer", "tokenizer.model", detail)]


def _settings(submission: Submission, track: Track) -> list[Finding]:
    """Warn where the full size would be rehearsed, though there are settings for a smaller one."""
    lost = submission.lost_settings(track)
    return [_of_manifest(submission, "settings", "tracks", lost, status="unknown")] if lost else []


def _seed(submission: Submission) -> Finding:
    sources = b"".join(
        content for name, content in submission.contents.items() if name.endswith(".py")
    )
    unread = not re.search(rb"\bSEED\b", sources)
    return Finding(
        id="seed",
        status="unknown" if unread else "pass",
        detail="no listed file mentions SEED: seeds that change nothing cannot be tested"
        if unread
        else "the code reads SEED",
        file=MANIFEST,
        line=submission.line_of("train.command"),
    )


def _methods(submission: Submission) -> list[Finding]:
    """Warn if the code does not name a method that its model needs; packed code may have it."""
    score = submission.manifest.score
    by_document = score.streams == "documents"
    told = "rows, tokens, counts" if by_document else "tokens: int64[M]"
    wanted = [
        (re.compile(rb"\bobserve\b"), f"observe({told})", "adaptive", score.adaptive),
        (
            re.compile(rb"\breset\b"),
            "reset(rows: int64[R])",
            "streams",
            score.adaptive and by_document,
        ),
        (
            re.compile(rb"\bstudy\b"),
            "study(documents: list of int64[M])",
            "study_after",
            score.study_after,
        ),
    ]
    code = [text for name, text in submission.contents.items() if name.endswith(".py")]
    return [
        _of_manifest(
            submission,
            name,
            f"score.{key}",
            f"[score] {key} asks for it, and no listed file mentions {name}",
            status="unknown",
            remedy=f"give the model a method {method}, or remove {key}",
        )
        for pattern, method, key, needed in wanted
        if needed and not any(pattern.search(text) for text in code)
        for name in [method.partition("(")[0]]
    ]


def _claim(submission: Submission, track: Track) -> list[Finding]:
    claimed, claims = submission.claim.bytes_total, submission.claims
    if claimed is None or claims is None:
        return []
    over = claimed > track.budget.bytes
    return [
        Finding(
            id="claimed_bytes",
            status="fail" if over else "pass",
            detail=f"{claimed:,} claimed in submission.json, of {track.budget.bytes:,}",
            file=CLAIMS,
            line=line_of_json_key(claims, "bytes_total"),
            field="bytes_total",
            measured=claimed,
            limit=track.budget.bytes,
            unit="bytes",
            remedy="make it smaller, or correct the claim" if over else "",
        )
    ]

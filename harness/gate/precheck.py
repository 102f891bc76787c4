"""Judges what can be judged of a loaded submission without running it."""

import re
import sys
from pathlib import Path, PurePosixPath

from harness.contest.brought_along import brought_along, counted_bytes, in_words
from harness.contest.manifest import CONTRACT_VARIABLES, ROWS, Score
from harness.contest.submission import CLAIMS, MANIFEST, Submission, check_on_track
from harness.contest.track import Track
from harness.models import Finding, Status
from harness.safeio.key_lines import line_of_json_key
from harness.source_code.imports import LARGEST_PARSED_BYTES, examine

IMAGE_PACKAGES = ("torch", "numpy", "sentencepiece", "zstandard", "triton")


def precheck(submission: Submission, track: Track) -> list[Finding]:
    """Findings for a submission on a track; any ``fail`` would lead to REJECTED.

    Raises:
        SubmissionError: the track does not allow this kind of submission at all.
    """
    check_on_track(submission, track)
    train, score = submission.manifest.on(track.name)
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
        _of_manifest(
            submission,
            "score",
            "score.load",
            f"{score.load}, sequence length {score.sequence_length}, {_asked(score)}",
        ),
        _of_manifest(submission, "train", "train.command", " ".join(train.command)),
        _seed(submission),
        *_methods(submission),
        *_claim(submission, track),
        *warnings(submission),
    ]


def _asked(score: Score) -> str:
    """In which steps a model is scored, and whether it learns."""
    segment = f", adaptive (segment {score.segment:,})" if score.adaptive else ""
    if score.streams == "corpus":
        return f"stride {score.stride}{segment}"
    studies = f", {len(score.study_after)} studies" if score.study_after else ""
    return f"by document, {score.rows or ROWS} rows of segment {score.segment:,}{segment}{studies}"


def warnings(submission: Submission) -> list[Finding]:
    """Warnings about things that readers will miss and imports that will fail in the sandbox."""
    missing = [
        Finding(id="missing_file", status="unknown", detail="missing", file=name)
        for name in ("README.md", CLAIMS)
        if not (submission.folder / name).exists()
    ]
    return [*missing, *_imports(submission)]


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
    entry = submission.entry(track.name)
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
    brought = brought_along(submission.entry(track.name), submission.contents)
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


def _seed(submission: Submission) -> Finding:
    sources = b"".join(
        content for name, content in submission.contents.items() if name.endswith(".py")
    )
    unread = [name for name in CONTRACT_VARIABLES[:1] if name.encode() not in sources]
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


def _imports(submission: Submission) -> list[Finding]:
    """Imports of files that are not listed, and of packages that the image lacks.

    The smallest files come first, up to ``LARGEST_PARSED_BYTES`` in all, so that examining a
    submission costs little.
    """
    folder, contents = submission.folder, submission.contents
    local = {PurePosixPath(name).parts[0].removesuffix(".py") for name in contents}
    known = local | set(IMAGE_PACKAGES) | set(sys.stdlib_module_names)
    unknown: set[tuple[str, int, str]] = set()
    unread: list[str] = []
    left = LARGEST_PARSED_BYTES
    sources = [name for name in contents if name.endswith(".py")]
    for name in sorted(sources, key=lambda name: len(contents[name])):
        left -= len(contents[name])
        if left < 0:
            unread.append(name)
            continue
        imported = examine(folder, name, contents[name]).imported
        unknown.update((name, line, module) for line, module in imported if module not in known)
    return [
        *(_unknown_import(folder, *found) for found in sorted(unknown)),
        *(
            Finding(
                id="not_examined",
                status="unknown",
                detail="not examined: too much code for a check that is to be quick",
                file=name,
            )
            for name in sorted(unread)
        ),
    ]


def _unknown_import(folder: Path, name: str, line: int, module: str) -> Finding:
    why = (
        "a file beside it that [code] files does not list, so it is not mounted"
        if _is_beside(folder, module)
        else "a package that the image does not have"
    )
    return Finding(
        id="unknown_import",
        status="unknown",
        detail=f"imports {module!r}, {why}",
        file=name,
        line=line,
    )


def _is_beside(folder: Path, module: str) -> bool:
    try:
        return (folder / f"{module}.py").exists() or (folder / module).is_dir()
    except OSError:  # a name that no file can have
        return False

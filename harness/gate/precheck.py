"""What can be judged of a submission without running it. Loading it has passed already."""

import re
import sys
from pathlib import Path, PurePosixPath

from harness.contest.manifest import CONTRACT_VARIABLES
from harness.contest.submission import CLAIMS, Submission, check_on_track
from harness.contest.track import Track
from harness.judge.verdict import Finding
from harness.source_code.imports import LARGEST_PARSED_BYTES, examine

IMAGE_PACKAGES = ("torch", "numpy", "sentencepiece", "zstandard", "triton")


def precheck(submission: Submission, track: Track) -> list[Finding]:
    """Findings for a submission on a track; any ``fail`` would end in REJECTED.

    Raises:
        SubmissionError: the track does not allow such a submission at all.
    """
    check_on_track(submission, track)
    train, score = submission.manifest.on(track.name)
    files = len(submission.contents)
    findings = [
        Finding(
            name="contract",
            status="pass",
            detail=f"submission.toml is well formed; {files} counted files, no links",
        ),
        _code_bytes(submission, track),
        *_tokenizer(submission, track),
        Finding(
            name="score",
            status="pass",
            detail=f"{score.load}, sequence length {score.sequence_length}, stride {score.stride}"
            + (f", adaptive (segment {score.segment:,})" if score.segment else ""),
        ),
        Finding(name="train", status="pass", detail=" ".join(train.command)),
        _seed(submission),
        *_observe(submission),
        *_claim(submission, track),
    ]
    findings += [
        Finding(name="warning", status="unknown", detail=warning)
        for warning in warnings(submission)
    ]
    return findings


def warnings(submission: Submission) -> list[str]:
    """What a reader will miss, and imports that will fail in the sandbox."""
    missing = [name for name in ("README.md", CLAIMS) if not (submission.folder / name).exists()]
    return [*(f"{name}: missing" for name in missing), *_imports(submission)]


def _code_bytes(submission: Submission, track: Track) -> Finding:
    entry = submission.entry(track.name)
    code = entry.counted_bytes(tokenizer_counted=track.budget.tokenizer_counted)
    left = track.budget.bytes - code
    return Finding(
        name="code bytes",
        status="pass" if left > 0 else "fail",
        detail=f"{code:,} of {track.budget.bytes:,} bytes; "
        + (f"{left:,} left for the artifact" if left > 0 else "nothing left for an artifact"),
        remedy="" if left > 0 else "list fewer or smaller files in [code] files",
    )


def _tokenizer(submission: Submission, track: Track) -> list[Finding]:
    """A foreign model is not parsed here; whether it gives the text back shows when it is run."""
    section = submission.manifest.tokenizer
    if section is None:
        return []
    detail = "its own: pure bytes, 260 ids"
    if section.model is not None:
        counted = "counted" if track.budget.tokenizer_counted else "not counted on this track"
        size = len(submission.contents[section.model])
        detail = (
            f"its own: {section.model}, {size:,} bytes, {counted}; harness verify proves first "
            "that every validation document comes back from its tokens"
        )
    return [Finding(name="tokenizer", status="pass", detail=detail)]


def _seed(submission: Submission) -> Finding:
    sources = b"".join(
        content for name, content in submission.contents.items() if name.endswith(".py")
    )
    unread = [name for name in CONTRACT_VARIABLES[:1] if name.encode() not in sources]
    return Finding(
        name="seed",
        status="unknown" if unread else "pass",
        detail="no listed file mentions SEED: seeds that change nothing cannot be tested"
        if unread
        else "the code reads SEED",
    )


def _observe(submission: Submission) -> list[Finding]:
    """Only a warning: packed code need not hold the word."""
    mentioned = any(
        re.search(rb"\bobserve\b", content)
        for name, content in submission.contents.items()
        if name.endswith(".py")
    )
    if submission.manifest.score.adaptive and not mentioned:
        return [
            Finding(
                name="observe",
                status="unknown",
                detail="[score] adaptive = true, and no listed file mentions observe",
                remedy="give the model a method observe(tokens: int64[M]), or remove adaptive",
            )
        ]
    return []


def _claim(submission: Submission, track: Track) -> list[Finding]:
    claimed = submission.claim.bytes_total
    if claimed is None:
        return []
    over = claimed > track.budget.bytes
    return [
        Finding(
            name="claimed bytes",
            status="fail" if over else "pass",
            detail=f"{claimed:,} claimed in submission.json, of {track.budget.bytes:,}",
            remedy="make it smaller, or correct the claim" if over else "",
        )
    ]


def _imports(submission: Submission) -> list[str]:
    """Imports of files that are not listed, and of packages that the image does not have.

    The smallest files first, as many as ``LARGEST_PARSED_BYTES`` allow for: a submission that
    loads costs little to examine.
    """
    folder, contents = submission.folder, submission.contents
    local = {PurePosixPath(name).parts[0].removesuffix(".py") for name in contents}
    known = local | set(IMAGE_PACKAGES) | set(sys.stdlib_module_names)
    found: set[str] = set()
    left = LARGEST_PARSED_BYTES
    sources = [name for name in contents if name.endswith(".py")]
    for name in sorted(sources, key=lambda name: len(contents[name])):
        left -= len(contents[name])
        if left < 0:
            found.add(f"{name}: not examined: too much code for a check that is to be quick")
            continue
        for line, module in examine(folder / name, contents[name]).imported:
            if module not in known:
                found.add(
                    f"{name}:{line}: imports {module!r}, "
                    + (
                        "a file beside it that [code] files does not list, so it is not mounted"
                        if _is_beside(folder, module)
                        else "a package that the image does not have"
                    )
                )
    return sorted(found)


def _is_beside(folder: Path, module: str) -> bool:
    try:
        return (folder / f"{module}.py").exists() or (folder / module).is_dir()
    except OSError:  # a name that no file can have
        return False

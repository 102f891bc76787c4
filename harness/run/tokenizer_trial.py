"""Tries a submission's own SentencePiece model on the text at hand, before anything is run.

``harness verify`` proves it in sandboxes, on every document of its track. This only saves the wait:
the same normal form is asked for the validation documents that are on this machine, in the limited
process that makes it (``normalizing_process.py``). The gate on pull requests does not do this.
"""

from pathlib import Path

from harness.contest.submission import MANIFEST, Submission
from harness.contest.track import Track
from harness.data.format.dataset import DEMO_NAME
from harness.data.format.manifest import MANIFEST_NAME, load_manifest
from harness.models import Finding, Status
from harness.run.normalizing_process import Trial, ask, has_known_table
from harness.safeio.text import plain

MOST_TEXT_BYTES = 4 << 20
"""Of the documents that are tried: some seconds."""
_PAGE = "docs/tokenizers.md lists the settings that give every text back"
# Words of a normal form's first line, and the setting with which no text is lost.
_LOSSES = {
    "remove_extra_whitespaces=1": "remove_extra_whitespaces=False",
    "nfkc": 'normalization_rule_name="identity"',
    "nmt_nfkc": 'normalization_rule_name="identity"',
    "nfkc_cf": 'normalization_rule_name="identity"',
    "nmt_nfkc_cf": 'normalization_rule_name="identity"',
    "word": 'model_type="bpe" or "unigram"',
}


def tried(submission: Submission, track: Track, data: Path) -> Finding | None:
    """The finding about a submission's own model, tried on the documents at hand.

    None where it brings none, or there are no documents: then nothing more is known than that it is
    there.

    Raises:
        InfrastructureError: our side failed, or the process was killed from outside.
    """
    section = submission.manifest.tokenizer
    if section is None or section.model is None or section.code:
        return None
    name = next((name for name in (track.dataset.name, DEMO_NAME) if _has(data, name)), None)
    if name is None:
        return None
    manifest = load_manifest(data / name / MANIFEST_NAME)
    documents = data / name / manifest.documents.path
    model = submission.contents[section.model]
    answer = ask(model, Trial(documents=str(documents.absolute()), most_bytes=MOST_TEXT_BYTES))
    counted = "counted" if track.budget.tokenizer_counted else "not counted on this track"
    about = f"its own: {section.model}, {len(model):,} bytes, {counted}"
    status: Status = "pass"
    if answer.word.kind == "rejected":
        status, detail, remedy = "fail", plain(answer.word.text, 1000), ""
    elif answer.word.text:
        # On other text than the track's it is a sign, and no proof.
        status = "fail" if name == track.dataset.name else "unknown"
        number, _, problem = plain(answer.word.text, 400).partition(": ")
        detail = f"validation document {number} of dataset {name} does not come back: {problem}"
        remedy = _settings(answer.parts[-1] if answer.parts else b"")
    elif not has_known_table(answer.parts[-1] if answer.parts else b""):
        detail = "not tried: its normalizer's table is none of SentencePiece's own, so only"
        detail, remedy = f"{detail} harness verify does, in sandboxes", ""
    else:
        detail, remedy = f"every document tried of dataset {name} comes back from its tokens", ""
    return Finding(
        id="tokenizer",
        status=status,
        detail=f"{about}; {detail}",
        file=MANIFEST,
        line=submission.line_of("tokenizer.model"),
        field="tokenizer.model",
        remedy=remedy,
    )


def _has(data: Path, name: str) -> bool:
    try:
        return (data / name / MANIFEST_NAME).is_file()
    except OSError:
        return False


def _settings(serialized: bytes) -> str:
    """Which settings of its training lose text, as far as its normal form tells them."""
    words = serialized.partition(b"\n")[0].decode("utf-8", "replace").split()
    wanted = [setting for word, setting in _LOSSES.items() if word in words]
    if "byte_fallback=1" not in words:
        wanted.append("byte_fallback=True")
    with_these = f"train it with {', '.join(dict.fromkeys(wanted))}; " if wanted else ""
    return f"{with_these}{_PAGE}"

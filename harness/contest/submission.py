"""A submission as it was loaded, and whether a track allows it."""

from dataclasses import dataclass
from pathlib import Path

from harness.contest.entry import Claim, Entry, Function, Score, Tokenizer, Train, file_facts
from harness.contest.manifest import ROWS, Manifest
from harness.contest.manifest import Score as ScoreTable
from harness.contest.track import LARGEST_SEGMENT, Track
from harness.errors import SubmissionError
from harness.safeio.files import digest_of_named
from harness.safeio.key_lines import TomlLines

MANIFEST = "submission.toml"


CLAIMS = "submission.json"


@dataclass(frozen=True)
class Submission:
    """A loaded submission; ``contents`` maps each counted file to its bytes.

    ``claims`` is ``submission.json`` as it was read, which is not counted; None without one.
    """

    folder: Path
    manifest: Manifest
    contents: dict[str, bytes]
    claim: Claim
    claims: bytes | None = None

    @property
    def code_bytes(self) -> int:
        """Bytes of all counted files, ``submission.toml`` included."""
        return sum(len(content) for content in self.contents.values())

    def line_of(self, *keys: str) -> int | None:
        """The line of ``submission.toml`` on which the first of some dotted keys is given."""
        return TomlLines(self.contents[MANIFEST]).of(*keys)

    def lost_settings(self, track: Track) -> str:
        """A sentence where a rehearsal runs without the settings that others have; else empty.

        Such as a copy of a track under another name: ``[tracks.smoke]`` says nothing of it, and the
        size for the contest runs on a laptop.
        """
        known = self.manifest.tracks
        if not track.rehearsal or not known or track.settings in known:
            return ""
        names = ", ".join(sorted(known)[:5])
        return (
            f"submission has settings for track {names}, none for {track.settings}: the full size "
            f'runs; settings_of = "{min(known)}" in the track\'s file takes those, or write '
            f"[tracks.{track.settings}.train] into {MANIFEST}"
        )

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents of the counted files."""
        return digest_of_named(self.contents)

    def entry(self, track: str) -> Entry:
        """The submission as an entry, with its settings for a track of that name."""
        about, own = self.manifest.submission, self.manifest.tokenizer
        train, score = self.manifest.on(track)
        tokenizer = Tokenizer()
        if own is not None:
            kind = "code" if own.code else own.kind or "model"
            tokenizer = Tokenizer(kind=kind, file=own.model, code=own.code)
        return Entry(
            layout="submission",
            name=about.name,
            author=about.author,
            github_id=about.github_id,
            folder=self.folder.name,
            claim=self.claim,
            files=tuple(file_facts(self.contents)),
            digest=self.digest,
            tokenizer=tokenizer,
            train=Train(
                command=train.command,
                environment=train.env,
                artifact=train.artifact,
                checkpoint=train.checkpoint,
            ),
            score=_score(score),
        )


def _score(given: ScoreTable) -> Score:
    """``[score]`` as every seed run needs it, whatever was left out."""
    by_document = given.streams == "documents"
    stride = given.segment if by_document else given.stride
    assert stride is not None  # noqa: S101 - the manifest was validated
    return Score(
        loader=Function(load=given.load, describe=given.describe),
        sequence_length=given.sequence_length,
        stride=stride,
        streams=given.streams,
        segment=given.segment,
        rows=(given.rows or ROWS) if by_document else None,
        study_after=given.study_after,
        observes=False if by_document and not given.adaptive else None,
    )


def check_on_track(submission: Submission, track: Track) -> None:
    """Compare a submission with what its track allows.

    Raises:
        SubmissionError: its windows are too long for the track to probe them, or it is adaptive
            or has a tokenizer in a way that the track does not allow.
    """
    own = submission.manifest.tokenizer
    if own is not None and own.code and track.tokenizing is None:
        raise manifest_error(
            submission,
            "tokenizer.code",
            f"track {track.name} gives code no time to tokenize; expected model or kind alone",
        )
    _, score = submission.manifest.on(track.settings)
    override = f"tracks.{track.settings}.score"
    longest = track.probes.longest_sequence
    if score.sequence_length > longest:
        raise manifest_error(
            submission,
            "score.sequence_length",
            f"{score.sequence_length:,} on track {track.name}; expected at most {longest:,}, "
            "because each probe of its causality costs a window",
            given_as=f"{override}.sequence_length",
        )
    if not score.adaptive or score.segment is None:
        return
    if not track.adaptive.allowed:
        raise manifest_error(
            submission,
            "score.adaptive",
            f"track {track.name} allows no adaptive model; expected false",
        )
    if score.segment < track.adaptive.least_segment:
        raise manifest_error(
            submission,
            "score.segment",
            f"{score.segment:,} on track {track.name}; expected "
            f"{track.adaptive.least_segment:,} to {LARGEST_SEGMENT:,}",
            given_as=f"{override}.segment",
        )


def manifest_error(
    submission: Submission, field: str, problem: str, *, given_as: str = ""
) -> SubmissionError:
    """The error for a key of ``submission.toml`` that has an impossible value.

    ``given_as`` is another key that may have set it, and is looked for first.
    """
    line = submission.line_of(*([given_as] if given_as else []), field)
    return SubmissionError(problem, file=MANIFEST, within=submission.folder, line=line, field=field)

"""A submission: load its folder, hold it against the contract, weigh its code.

Nothing of the submission is run or imported here. Every counted file is read once, without
following links; what was read is what is weighed, hashed and later mounted.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from harness.contest.entry import Claim, FileFact, SubmissionFacts
from harness.contest.manifest import Manifest
from harness.contest.track import LARGEST_SEGMENT, Track, problems_of
from harness.errors import SubmissionError
from harness.safeio.files import digest_of_named, sha256_of_bytes
from harness.safeio.key_lines import TomlLines, line_of_json_key
from harness.safeio.parsing import LARGEST_BYTES, TomlError, parse_toml
from harness.source_code.imports import LARGEST_PARSED_BYTES, examine

MANIFEST = "submission.toml"
CLAIMS = "submission.json"
LARGEST_CODE_BYTES = 64 << 20
LARGEST_CLAIMS_BYTES = 1 << 20
LARGEST_TOKENIZER_BYTES = 4 << 20
"""Ten times the field's largest tokenizer; a parser of foreign files is given no more."""


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

    def counted_bytes(self, *, tokenizer_counted: bool) -> int:
        """``code_bytes``, less the model of its own tokenizer where the track leaves that out."""
        name = self.manifest.tokenizer.model if self.manifest.tokenizer else None
        given = len(self.contents[name]) if name and not tokenizer_counted else 0
        return self.code_bytes - given

    def line_of(self, *keys: str) -> int | None:
        """The line of ``submission.toml`` on which the first of some dotted keys is given."""
        return TomlLines(self.contents[MANIFEST]).of(*keys)

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents of the counted files."""
        return digest_of_named(self.contents)

    def facts(self) -> SubmissionFacts:
        """What evidence keeps of the submission."""
        return SubmissionFacts(
            name=self.manifest.submission.name,
            author=self.manifest.submission.author,
            github_id=self.manifest.submission.github_id,
            folder=self.folder.name,
            digest=self.digest,
            files=tuple(
                FileFact(name=name, bytes=len(content), sha256=sha256_of_bytes(content))
                for name, content in sorted(self.contents.items())
            ),
            code_bytes=self.code_bytes,
            claim=self.claim,
        )


def load_submission(folder: Path) -> Submission:
    """Load and validate a submission folder.

    Raises:
        SubmissionError: the folder, a file or a field breaks the contract; it names file, line and
            field, says what was expected and what to do.
    """
    try:
        found = folder.is_dir()
    except OSError as error:
        raise SubmissionError(
            f"cannot be looked at: {error.strerror}; expected a readable folder",
            file="",
            within=folder,
        ) from error
    if not found:
        raise SubmissionError(
            f"no such folder; expected a submission, a folder that holds {MANIFEST}",
            file="",
            within=folder,
        )
    folder = folder.resolve()
    toml = _read(folder, MANIFEST, limit_bytes=LARGEST_BYTES)
    manifest = _parse(folder, toml)
    contents = {MANIFEST: toml}
    left = LARGEST_CODE_BYTES - len(toml)
    for name in manifest.code.files:
        contents[name] = _read(folder, name, limit_bytes=left)
        left -= len(contents[name])
    _read_tokenizer(folder, manifest, contents)
    claims = _read_claims(folder)
    submission = Submission(folder, manifest, contents, _claim(folder, claims), claims)
    _check_functions(submission)
    _check_commands(submission)
    return submission


def check_on_track(submission: Submission, track: Track) -> None:
    """Hold a submission against what its track allows.

    Raises:
        SubmissionError: its windows are too long for the track to probe them, or it is adaptive
            in a way that the track does not allow.
    """
    _, score = submission.manifest.on(track.name)
    override = f"tracks.{track.name}.score"
    longest = track.probes.longest_sequence
    if score.sequence_length > longest:
        raise manifest_error(
            submission,
            "score.sequence_length",
            f"{score.sequence_length:,} on track {track.name}; expected at most {longest:,}, "
            "because each probe of its causality costs a window",
            given_as=f"{override}.sequence_length",
        )
    if score.segment is None:
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
    """The error for a key of ``submission.toml`` whose value cannot be what it is.

    ``given_as`` is another key that may have set it, and is looked for first.
    """
    line = submission.line_of(*([given_as] if given_as else []), field)
    return SubmissionError(problem, file=MANIFEST, within=submission.folder, line=line, field=field)


def _parse(folder: Path, toml: bytes) -> Manifest:
    part = ""
    try:
        manifest = Manifest.model_validate(parse_toml(toml))
        for track in manifest.tracks:
            part = f"tracks.{track}.score"
            manifest.on(track)
    except ValidationError as error:
        problems = problems_of(error, within=part, toml=toml)
        raise SubmissionError(file=MANIFEST, within=folder, problems=problems) from error
    except TomlError as error:
        raise SubmissionError(str(error), file=MANIFEST, within=folder, line=error.line) from error
    return manifest


def _read_tokenizer(folder: Path, manifest: Manifest, contents: dict[str, bytes]) -> None:
    """Count the model of the submission's own tokenizer among its files, listed or not."""
    name = manifest.tokenizer.model if manifest.tokenizer else None
    if name is None:
        return
    if name not in contents:
        left = LARGEST_CODE_BYTES - sum(len(content) for content in contents.values())
        contents[name] = _read(folder, name, limit_bytes=left)
    if name == MANIFEST or len(contents[name]) > LARGEST_TOKENIZER_BYTES:
        raise SubmissionError(
            f"{name} has {len(contents[name]):,} bytes; "
            f"expected a SentencePiece model of at most {LARGEST_TOKENIZER_BYTES:,}",
            file=MANIFEST,
            within=folder,
            line=TomlLines(contents[MANIFEST]).of("tokenizer.model"),
            field="tokenizer.model",
        )


def _read(folder: Path, name: str, *, limit_bytes: int) -> bytes:
    """The bytes of a regular file inside ``folder``, no link followed on the way."""
    field = "" if name in (MANIFEST, CLAIMS) else f" (named in {MANIFEST})"
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SubmissionError(
            f"not readable ({error.strerror}); expected a folder that you may read",
            file="",
            within=folder,
        ) from error
    try:
        parts = PurePosixPath(name).parts
        for index, part in enumerate(parts):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            if index < len(parts) - 1:
                flags |= os.O_DIRECTORY
            try:
                inner = os.open(part, flags, dir_fd=descriptor)
            except FileNotFoundError:
                hint = "create it" if name == MANIFEST else "add the file or correct the name"
                raise SubmissionError(
                    f"no such file{field}; {hint}", file=name, within=folder
                ) from None
            except OSError as error:
                raise SubmissionError(
                    f"a symbolic link, or not readable ({error.strerror}){field}; "
                    "expected a regular file inside the folder: copy the file itself there",
                    file=name,
                    within=folder,
                ) from error
            os.close(descriptor)
            descriptor = inner
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError(
                f"not a regular file{field}; expected a regular file", file=name, within=folder
            )
        content = b""
        if status.st_size <= limit_bytes:
            with os.fdopen(os.dup(descriptor), "rb") as file:
                content = file.read(limit_bytes + 1)
        if max(status.st_size, len(content)) > limit_bytes:
            over = max(status.st_size, len(content))
            limit = (
                f"all code files together may have {LARGEST_CODE_BYTES:,}, and "
                f"{LARGEST_CODE_BYTES - limit_bytes:,} were read before"
                if field
                else f"at most {limit_bytes:,} are read"
            )
            raise SubmissionError(f"{over:,} bytes{field}; {limit}", file=name, within=folder)
        return content
    finally:
        os.close(descriptor)


def _check_functions(submission: Submission) -> None:
    score = submission.manifest.score
    load = "def {}(artifact: Path, device: torch.device)` that returns the model"
    _check_function(submission, "score.load", score.load, expected=load)
    if score.describe:
        describe = "def {}(artifact: Path, checkpoint: Path | None)` that lists its tensors"
        _check_function(submission, "score.describe", score.describe, expected=describe)


def _check_function(submission: Submission, field: str, named: str, *, expected: str) -> None:
    contents = submission.contents
    module, _, function = named.partition(":")
    base = module.replace(".", "/")
    for name in (f"{base}.py", f"{base}/__init__.py"):
        if name in contents:
            break
    else:
        raise manifest_error(
            submission,
            field,
            f"module {module!r} is {base}.py, which [code] files does not list; list it or "
            "correct the name",
        )
    if len(contents[name]) > LARGEST_PARSED_BYTES:
        raise manifest_error(
            submission,
            field,
            f"{name} has {len(contents[name]):,} bytes; keep the loader's module "
            f"below {LARGEST_PARSED_BYTES:,}: move data and other code into files of their own",
        )
    defined = examine(submission.folder, name, contents[name]).defined
    if function not in defined and "*" not in defined:
        raise manifest_error(
            submission,
            field,
            f"{name} defines no {function!r}; expected `" + expected.format(function),
        )


def _check_commands(submission: Submission) -> None:
    manifest = submission.manifest
    commands = {"train.command": manifest.train.command}
    for track, override in manifest.tracks.items():
        if override.train.command:
            commands[f"tracks.{track}.train.command"] = override.train.command
    for field, command in commands.items():
        for word in command:
            if "\0" in word:
                raise manifest_error(submission, field, "holds a NUL character")
            if word.endswith(".py") and str(PurePosixPath(word)) not in submission.contents:
                raise manifest_error(
                    submission,
                    field,
                    f"runs {word!r}, which [code] files does not list; only listed files are "
                    "mounted, so list it",
                )


def _read_claims(folder: Path) -> bytes | None:
    path = folder / CLAIMS
    if not path.exists() and not path.is_symlink():
        return None
    return _read(folder, CLAIMS, limit_bytes=LARGEST_CLAIMS_BYTES)


def _claim(folder: Path, content: bytes | None) -> Claim:
    """Claims of ``submission.json``; a missing file claims nothing, a malformed one is an error."""
    if content is None:
        return Claim()
    try:
        claims = json.loads(content)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise SubmissionError(
            f"not valid JSON: {error}", file=CLAIMS, within=folder, line=line
        ) from error
    if not isinstance(claims, dict):
        raise SubmissionError("expected a JSON object of claims", file=CLAIMS, within=folder)

    def figure(key: str) -> float | None:
        value = claims.get(key)
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value < 1e15:
            raise SubmissionError(
                "expected a number of at least 0",
                file=CLAIMS,
                within=folder,
                line=line_of_json_key(content, key),
                field=key,
            )
        return float(value)

    size = figure("bytes_total")
    return Claim(val_bpb=figure("val_bpb"), bytes_total=None if size is None else int(size))

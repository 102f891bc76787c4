"""The codec of a SentencePiece model: the code is ours, and the normal form is all it is shown."""

from collections.abc import Callable
from pathlib import Path

from harness.contest.entry import Tokenizer
from harness.contest.track import Limits, Tokenizing
from harness.package import PACKAGE
from harness.run.codec.phase import Coder
from harness.run.codec.pieces import Pieces
from harness.run.tokenizing import NormalTokenizer
from harness.safeio.files import disk_errors, write_files
from harness.sandbox.protocol import Sandbox

ALLOWED = Tokenizing(
    start_seconds=120,
    encode_seconds_per_mb=50,
    decode_seconds_per_mb=50,
    memory_bytes=4 << 30,
)
"""What these sandboxes may use, on every track: a hundred times what a usual model does."""
_MODULE = "pieces"


def coder_of(
    normal: NormalTokenizer,
    place: Path,
    *,
    sandbox: Sandbox,
    track_limits: Limits,
    nonce: str,
    log: Path,
    note: Callable[[str], None] = lambda text: None,
    tick: Callable[[float, str], None] = lambda seconds, line: None,
) -> Coder:
    """What runs a model; ``place`` is made, and holds what its sandboxes see.

    Args:
        normal: the model.
        place: a directory, absolute, which must not exist before.
        sandbox, track_limits, nonce, log, note, tick: as in :class:`Coder`.

    Raises:
        TokenizerError: it is no model.
        InfrastructureError: the disk is full.
    """
    name = f"{_MODULE}.py"
    code = (PACKAGE / "inside" / name).read_bytes()
    pieces = Pieces.of(normal.name, normal.sha256, normal.model)
    with disk_errors(place):
        write_files(place, {name: code, normal.file_name: normal.model})
    return Coder(
        sandbox=sandbox,
        code=place,
        tokenizer=Tokenizer(kind="code", code=f"{_MODULE}:make", file=normal.file_name),
        track_limits=track_limits,
        allowed=ALLOWED,
        nonce=nonce,
        log=log,
        note=note,
        tick=tick,
        pieces=pieces,
    )

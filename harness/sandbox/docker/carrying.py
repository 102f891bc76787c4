"""Carries one image to other machines in a file, so that all of them run the very same one.

An image that is built again has another id, since building writes times; one that is carried keeps
its own. A plan names the id, and a machine with another one refuses.
"""

import contextlib
from pathlib import Path

from harness.errors import InfrastructureError, UsageError
from harness.safeio.files import writing_atomically
from harness.safeio.text import plain
from harness.sandbox.docker.base_image import image_id
from harness.sandbox.docker.engine import Engine

_SECONDS = 1800.0
_CHUNK_BYTES = 1 << 20
_LOADED = "Loaded image: "


def save(tag: str, path: Path, *, engine: Engine | None = None) -> int:
    """Write an image, with its name, to a file; how many bytes that takes.

    Raises:
        InfrastructureError: no engine answers, it has no such image, or the disk failed.
    """
    with (engine or Engine()).connection(_SECONDS) as client, writing_atomically(path) as file:
        with contextlib.closing(client.get_image(tag, chunk_size=_CHUNK_BYTES)) as pieces:
            for piece in pieces:
                file.write(piece)
        return file.tell()


def load(path: Path, *, engine: Engine | None = None) -> dict[str, str]:
    """Have the engine read the images in a file; their ids by their names.

    Raises:
        UsageError: there is no such file.
        InfrastructureError: no engine answers, or the file holds no image with a name.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", file=path) from error
    with file, (engine or Engine()).connection(_SECONDS) as client:
        names = []
        for answer in client.load_image(file) or ():
            if "error" in answer:
                problem = plain(str(answer["error"]), 300)
                raise InfrastructureError(
                    f"the engine takes no image of it: {problem}", file=path, remedy=_REMEDY
                )
            said = str(answer.get("stream") or "")
            names += [said.removeprefix(_LOADED).strip()] if said.startswith(_LOADED) else []
        ids = {name: image_id(client, name) for name in names}
    found = {name: identity for name, identity in ids.items() if identity}
    if not found:
        raise InfrastructureError("no image with a name in it", file=path, remedy=_REMEDY)
    return found


_REMEDY = "write it again, with harness image --save FILE"

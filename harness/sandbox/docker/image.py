"""The images that sandboxes run: built once from ``docker/``, found again by their inputs.

The tag of the sandbox image holds a digest of everything that goes into it from the repository
(Dockerfiles, requirements, locks, scoring worker) and of the name of the base image, if one was
chosen. So a changed worker is a new image, and an unchanged one is found without a build.
"""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InfrastructureError
from harness.package import PACKAGE
from harness.safeio.files import digest_of_named
from harness.safeio.text import plain, plain_line
from harness.sandbox.docker import wheels
from harness.sandbox.docker.engine import Engine

if TYPE_CHECKING:
    from docker.api.client import APIClient
from harness.sandbox.docker.base_image import (
    _BUILD_SECONDS,
    BASE_VARIABLE,
    FOLDER,
    Progress,
    detect,
    find_base,
    image_id,
)

WORKER_SOURCE = PACKAGE / "inside" / "worker.py"


_STAGE = "parameter-golf.stage=build"


_PULL_SECONDS = 300.0


_DIGEST_CHARACTERS = 16


def ensure(
    progress: Progress,
    *,
    accelerator: str = "cpu",
    base: str | None = None,
    worker: Path = WORKER_SOURCE,
    engine: Engine | None = None,
) -> tuple[str, str]:
    """The sandbox image, built if it is not there yet: its tag and its id (``sha256:...``).

    Args:
        progress: gets plain lines while something has to be done.
        accelerator: ``cpu`` or ``cuda``.
        base: base image; else HARNESS_BASE_IMAGE, else what is found (see :func:`find_base`).
        worker: our scoring worker.
        engine: where to build.

    Raises:
        InfrastructureError: what is missing, and the remedies.
    """
    engine = engine or Engine()
    with engine.connection() as client:
        tag = find(client, accelerator=accelerator, base=base, worker=worker)
        if tag and (identity := image_id(client, tag)):
            return tag, identity
    return build(progress, accelerator=accelerator, base=base, worker=worker, engine=engine)


def find(
    client: "APIClient", *, accelerator: str, base: str | None = None, worker: Path = WORKER_SOURCE
) -> str | None:
    """The tag of the sandbox image, if it is there; see :func:`ensure`."""
    base = base or os.environ.get(BASE_VARIABLE) or None
    tag = _tag("sandbox", _inputs(accelerator, base, worker), accelerator)
    return tag if image_id(client, tag) else None


def build(
    progress: Progress,
    *,
    accelerator: str = "cpu",
    base: str | None = None,
    force: bool = False,
    worker: Path = WORKER_SOURCE,
    engine: Engine | None = None,
) -> tuple[str, str]:
    """Build the sandbox image, and the runtime below it unless that is there; as :func:`ensure`.

    ``force`` builds both from the first step on.
    """
    engine = engine or Engine()
    named_base = base or os.environ.get(BASE_VARIABLE) or None
    with engine.connection(_BUILD_SECONDS) as client:
        chosen = find_base(client, named_base, accelerator, progress)
        target = detect(client, chosen, accelerator)
        lock = FOLDER / f"{target.name}.lock"
        packages = wheels.fill(
            FOLDER / "wheels" / target.name, lock, FOLDER / "requirements.in", target, progress
        )
        runtime_parts = {
            "Dockerfile": (FOLDER / "runtime.Dockerfile").read_bytes(),
            "lock": lock.read_bytes(),
            "base": (image_id(client, chosen) or chosen).encode(),
        }
        runtime = _tag("runtime", runtime_parts, accelerator)
        if force or not image_id(client, runtime):
            progress(f"building {runtime} on {chosen}")
            context: dict[str, Path | bytes] = {f"wheels/{path.name}": path for path in packages}
            context |= {"Dockerfile": runtime_parts["Dockerfile"], "lock": lock}
            arguments = {"BASE": chosen, "ACCELERATOR": accelerator}
            _build(client, runtime, context, arguments, force=force, progress=progress)
            _drop_stage(client)
        # Only now, because a lock may have been written.
        tag = _tag("sandbox", _inputs(accelerator, named_base, worker), accelerator)
        progress(f"building {tag}")
        context = {
            "Dockerfile": FOLDER / "sandbox.Dockerfile",
            "worker.py": _read_input(worker),
        }
        identity = _build(
            client, tag, context, {"RUNTIME": runtime}, force=force, progress=progress
        )
    return tag, identity


def _read_input(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InfrastructureError(
            f"{path}: cannot be read: {error.strerror}",
            remedy="images are built from a clone of the repository: clone it, then "
            "pip install --editable . there",
        ) from error


def _inputs(accelerator: str, base: str | None, worker: Path) -> dict[str, bytes]:
    names = ["runtime.Dockerfile", "sandbox.Dockerfile", "requirements.in"]
    parts = {name: _read_input(FOLDER / name) for name in names}
    parts |= {lock.name: lock.read_bytes() for lock in FOLDER.glob(f"{accelerator}-*.lock")}
    return parts | {"worker": _read_input(worker), "base": (base or "").encode()}


def _tag(kind: str, parts: Mapping[str, bytes], accelerator: str) -> str:
    digest = digest_of_named(dict(parts))[:_DIGEST_CHARACTERS]
    return f"parameter-golf-{kind}:{accelerator}-{digest}"


def _build(
    client: "APIClient",
    tag: str,
    context: Mapping[str, Path | bytes],
    arguments: Mapping[str, str],
    *,
    force: bool,
    progress: Progress,
) -> str:
    """Build from exactly the files of ``context``; the id of the image."""
    step = "the first step"
    with tempfile.TemporaryFile() as file:
        _pack(file, context)
        file.seek(0)
        answers: Iterator[dict[str, Any]] = client.build(
            fileobj=file,
            custom_context=True,
            tag=tag,
            buildargs=dict(arguments),
            network_mode="none",
            nocache=force,
            rm=True,
            forcerm=True,
            decode=True,
        )
        for answer in answers:
            for line in str(answer.get("stream") or "").splitlines():
                text = plain_line(line, 300).strip()
                step = text if text.startswith("Step ") else step
                if text:
                    progress(text)
            if "error" in answer:
                raise InfrastructureError(
                    f"building {tag} failed at {step!r}: {plain(str(answer['error']), 400)}",
                    remedy="see the lines above and docker/README.md",
                )
    identity = image_id(client, tag)
    if identity is None:
        raise InfrastructureError(f"building {tag} left no image; see the lines above")
    return identity


def _pack(file: Any, context: Mapping[str, Path | bytes]) -> None:
    """A tar that depends on names and contents alone, so that the builder's cache can hit."""
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, source in sorted(context.items()):
            member = tarfile.TarInfo(name)
            member.mode = 0o644
            if isinstance(source, bytes):
                member.size = len(source)
                archive.addfile(member, io.BytesIO(source))
            else:
                member.size = source.stat().st_size
                with source.open("rb") as content:
                    archive.addfile(member, content)


def _drop_stage(client: "APIClient") -> None:
    """Remove what the build stage left: a second copy of every package."""
    from docker.errors import APIError

    for image in client.images(filters={"dangling": True, "label": _STAGE}):
        try:
            client.remove_image(image["Id"])
        except APIError as error:
            if error.status_code not in (404, 409):  # still in use, or gone already
                raise

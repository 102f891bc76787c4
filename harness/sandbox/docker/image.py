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
from harness.evidence.host import Packages
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
    Progress,
    detect,
    find_base,
    image_id,
)
from harness.sandbox.docker.build_files import FOLDER, kept_in, lock_of, locks_of, told_path
from harness.sandbox.docker.kinds import ImageKind, Recipe, recipe_of
from harness.sandbox.docker.lasting import told_while
from harness.sandbox.limits import PACKAGES

WORKER_SOURCE = PACKAGE / "inside" / "worker.py"
PACKAGES_SOURCE = PACKAGE / "inside" / "packages.py"
LARGEST_LIST_BYTES = 1 << 20
"""Of an image's packages; it has some kilobytes."""


_STAGE = "parameter-golf.stage=build"


_PULL_SECONDS = 300.0


_DIGEST_CHARACTERS = 16


def ensure(
    progress: Progress,
    *,
    kind: ImageKind = "cpu",
    base: str | None = None,
    worker: Path = WORKER_SOURCE,
    engine: Engine | None = None,
) -> tuple[str, str]:
    """The sandbox image, built if it is not there yet: its tag and its id (``sha256:...``).

    Args:
        progress: gets plain lines while something has to be done.
        kind: which image; see :mod:`harness.sandbox.docker.kinds`.
        base: base image; else HARNESS_BASE_IMAGE, else what is found (see :func:`find_base`).
        worker: our scoring worker.
        engine: where to build.

    Raises:
        InfrastructureError: what is missing, and the remedies.
    """
    engine = engine or Engine()
    with engine.connection() as client:
        tag = find(client, kind=kind, base=base, worker=worker)
        if tag and (identity := image_id(client, tag)):
            return tag, identity
    return build(progress, kind=kind, base=base, worker=worker, engine=engine)


def find(
    client: "APIClient", *, kind: ImageKind, base: str | None = None, worker: Path = WORKER_SOURCE
) -> str | None:
    """The tag of the sandbox image, if it is there; see :func:`ensure`."""
    base = base or os.environ.get(BASE_VARIABLE) or None
    tag = _tag("sandbox", _inputs(recipe_of(kind), base, worker), kind)
    return tag if image_id(client, tag) else None


def build(
    progress: Progress,
    *,
    kind: ImageKind = "cpu",
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
        recipe = recipe_of(kind)
        progress(f"making the sandbox image for {kind}, once: {recipe.effort}")
        progress("to rehearse without an image: --sandbox process, or SANDBOX=process with make")
        chosen = find_base(client, named_base, recipe, progress)
        target = detect(client, chosen, recipe)
        lock = lock_of(target.name)
        requirements = [FOLDER / name for name in recipe.requirements]
        packages = wheels.fill(
            kept_in() / "wheels" / target.name, lock, requirements, target, progress
        )
        files = {name: _read_input(FOLDER / name) for name in recipe.files}
        runtime_parts = {
            **files,
            "Dockerfile": (FOLDER / recipe.dockerfile).read_bytes(),
            "lock": lock.read_bytes(),
            "base": (image_id(client, chosen) or chosen).encode(),
        }
        runtime = _tag("runtime", runtime_parts, kind)
        if force or not image_id(client, runtime):
            progress(f"building {runtime} on {chosen}")
            context: dict[str, Path | bytes] = {f"wheels/{path.name}": path for path in packages}
            context |= {"Dockerfile": runtime_parts["Dockerfile"], "lock": lock, **files}
            arguments = {"BASE": chosen, "ACCELERATOR": kind}
            with told_while(progress, f"building {runtime}", usual=recipe.usual) as say:
                _build(client, runtime, context, arguments, force=force, progress=say)
            _drop_stage(client)
        # Only now, because a lock may have been written.
        tag = _tag("sandbox", _inputs(recipe, named_base, worker), kind)
        progress(f"building {tag}")
        context = {
            "Dockerfile": FOLDER / "sandbox.Dockerfile",
            "worker.py": _read_input(worker),
            "packages.py": PACKAGES_SOURCE,
        }
        with told_while(progress, f"building {tag}", usual=recipe.usual) as say:
            identity = _build(client, tag, context, {"RUNTIME": runtime}, force=force, progress=say)
    return tag, identity


def packages_in(client: "APIClient", container: str) -> Packages:
    """What is in the image of a container that need not have been started.

    Raises:
        InfrastructureError: the image has no list of it that can be read.
    """
    from docker.errors import APIError

    try:
        stream, _ = client.get_archive(container, str(PACKAGES))
        content = b""
        for piece in stream:
            content += piece
            if len(content) > LARGEST_LIST_BYTES:
                raise ValueError(f"more than {LARGEST_LIST_BYTES:,} bytes")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            file = archive.extractfile(PACKAGES.name)
            return Packages.model_validate_json(file.read() if file else b"")
    except (APIError, OSError, ValueError, KeyError, tarfile.TarError) as error:
        raise InfrastructureError(
            f"{PACKAGES} in the sandbox image cannot be read: {plain(str(error), 200)}",
            remedy="build the image again: harness image --force",
        ) from error


def _read_input(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InfrastructureError(
            f"{path}: cannot be read: {error.strerror}",
            remedy="it comes with the harness: install it again, or restore it with git checkout",
        ) from error


def _inputs(recipe: Recipe, base: str | None, worker: Path) -> dict[str, bytes]:
    names = [recipe.dockerfile, "sandbox.Dockerfile", *recipe.requirements, *recipe.files]
    parts = {name: _read_input(FOLDER / name) for name in names}
    parts |= {name: lock.read_bytes() for name, lock in locks_of(recipe.kind).items()}
    parts |= {"worker": _read_input(worker), "packages": _read_input(PACKAGES_SOURCE)}
    return parts | {"base": (base or "").encode()}


def _tag(stage: str, parts: Mapping[str, bytes], kind: ImageKind) -> str:
    digest = digest_of_named(dict(parts))[:_DIGEST_CHARACTERS]
    return f"parameter-golf-{stage}:{kind}-{digest}"


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
                    remedy=f"see the lines above and {told_path('README.md')}",
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

"""The images that sandboxes run: built once from ``docker/``, found again by their inputs.

The tag of the sandbox image holds a digest of everything that goes into it from the repository
(Dockerfiles, requirements, locks, scoring worker) and of the name of the base image, if one was
chosen. So a changed worker is a new image, and an unchanged one is found without a build.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InfrastructureError
from harness.package import PACKAGE, REPOSITORY
from harness.safeio import ownership
from harness.safeio.files import digest_of_named
from harness.safeio.text import plain, plain_line
from harness.sandbox.docker import wheels
from harness.sandbox.docker.engine import OWNER_LABEL, Engine, engine_errors

if TYPE_CHECKING:
    from docker.api.client import APIClient

Progress = Callable[[str], None]

FOLDER = REPOSITORY / "docker"
WORKER_SOURCE = PACKAGE / "inside" / "worker.py"

BASE_VARIABLE = "HARNESS_BASE_IMAGE"
LOCAL_BASE = "parameter-golf-base:bookworm"
PUBLIC_BASES = {"cpu": "python:3.11-slim-bookworm", "cuda": "python:3.11-bookworm"}
_STAGE = "parameter-golf.stage=build"
_BUILD_SECONDS = 1_800.0
_PULL_SECONDS = 300.0
_DIGEST_CHARACTERS = 16

_DETECT = """
import json, platform, sys, venv, ensurepip
libc, version = platform.libc_ver()
print(json.dumps([libc, version, platform.machine(), sys.version_info[:2]]))
"""


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
        if tag and (identity := _image_id(client, tag)):
            return tag, identity
    return build(progress, accelerator=accelerator, base=base, worker=worker, engine=engine)


def find(
    client: "APIClient", *, accelerator: str, base: str | None = None, worker: Path = WORKER_SOURCE
) -> str | None:
    """The tag of the sandbox image, if it is there; see :func:`ensure`."""
    base = base or os.environ.get(BASE_VARIABLE) or None
    tag = _tag("sandbox", _inputs(accelerator, base, worker), accelerator)
    return tag if _image_id(client, tag) else None


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
        target = _detect(client, chosen, accelerator)
        lock = FOLDER / f"{target.name}.lock"
        packages = wheels.fill(
            FOLDER / "wheels" / target.name, lock, FOLDER / "requirements.in", target, progress
        )
        runtime_parts = {
            "Dockerfile": (FOLDER / "runtime.Dockerfile").read_bytes(),
            "lock": lock.read_bytes(),
            "base": (_image_id(client, chosen) or chosen).encode(),
        }
        runtime = _tag("runtime", runtime_parts, accelerator)
        if force or not _image_id(client, runtime):
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


def find_base(client: "APIClient", named: str | None, accelerator: str, progress: Progress) -> str:
    """The base image: the one named, a local one, the public one, or one made on the spot.

    Raises:
        InfrastructureError: none can be had; the message lists every remedy.
    """
    public = PUBLIC_BASES[accelerator]
    candidates = [named] if named else [LOCAL_BASE, public] if accelerator == "cpu" else [public]
    for candidate in candidates:
        if _image_id(client, candidate):
            return candidate
    wanted = named or public
    progress(f"pulling {wanted}")
    try:
        with engine_errors(f"pull {wanted}"):
            client.pull(wanted)
        if _image_id(client, wanted):
            return wanted
    except InfrastructureError as error:
        progress(error.message)
    if named is None and accelerator == "cpu" and _can_make_base():
        progress(f"making {LOCAL_BASE} with debootstrap")
        done = subprocess.run(
            ["/bin/sh", str(FOLDER / "make-base.sh"), LOCAL_BASE],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_BUILD_SECONDS,
        )
        if done.returncode == 0 and _image_id(client, LOCAL_BASE):
            return LOCAL_BASE
        for line in (done.stdout + done.stderr).splitlines()[-10:]:
            progress(plain_line(line, 300))
    raise InfrastructureError(
        f"no base image: {wanted} is not here and cannot be pulled",
        remedy=f"docker pull {wanted} on a machine with a registry, then docker save and "
        f"docker load it here; or set {BASE_VARIABLE} to an image with Python 3.11 or newer "
        "and its venv module; or, on Debian as root: apt install debootstrap && "
        "sh docker/make-base.sh. See docker/README.md",
    )


def _can_make_base() -> bool:
    return (
        os.geteuid() == 0
        and shutil.which("debootstrap") is not None
        and shutil.which("docker") is not None
    )


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


def _image_id(client: "APIClient", name: str) -> str | None:
    from docker.errors import NotFound

    try:
        return str(client.inspect_image(name)["Id"])
    except NotFound:
        return None


def _detect(client: "APIClient", base: str, accelerator: str) -> wheels.Target:
    """Run the base once, without network, to learn which wheels it takes."""
    created = client.create_container(
        base,
        ["-c", _DETECT],
        entrypoint=["python3"],
        labels={OWNER_LABEL: ownership.token()},
        host_config=client.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            log_config={"Type": "json-file", "Config": {"max-size": "64k"}},
        ),
    )
    remedy = "the base image needs Python 3.11 or newer with venv and glibc; see docker/README.md"
    try:
        with engine_errors(f"run python3 in {base}"):
            client.start(created["Id"])
            status = client.wait(created["Id"])["StatusCode"]
            output = client.logs(created["Id"], stdout=True, stderr=True)
    except InfrastructureError as error:
        raise InfrastructureError(error.message, remedy=remedy) from error
    finally:
        client.remove_container(created["Id"], force=True)
    text = plain(output.decode("utf-8", "replace").strip().rpartition("\n")[2], 300)
    try:
        libc, version, machine, python = json.loads(text)
        glibc = tuple(int(part) for part in version.split(".")[:2])
        target = wheels.Target(
            accelerator=accelerator,
            python=(int(python[0]), int(python[1])),
            machine=str(machine),
            glibc=(glibc[0], glibc[1]),
        )
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise InfrastructureError(f"{base}: exit code {status}: {text}", remedy=remedy) from error
    if status != 0 or libc != "glibc" or target.python < (3, 11):
        raise InfrastructureError(
            f"{base}: found Python {target.python} and {libc} {version}", remedy=remedy
        )
    return target


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
    identity = _image_id(client, tag)
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

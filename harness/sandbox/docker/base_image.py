"""The base image below ours: found, pulled or made, and asked which Python it has."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.safeio import ownership
from harness.safeio.text import plain, plain_line
from harness.sandbox.docker import wheels
from harness.sandbox.docker.build_files import FOLDER, told_path
from harness.sandbox.docker.engine import OWNER_LABEL, engine_errors
from harness.sandbox.docker.kinds import Recipe
from harness.sandbox.docker.lasting import told_while

if TYPE_CHECKING:
    from docker.api.client import APIClient


Progress = Callable[[str], None]


BASE_VARIABLE = "HARNESS_BASE_IMAGE"


_BUILD_SECONDS = 1_800.0


_DETECT = """
import json, os, platform, shutil, sys, sysconfig, venv, ensurepip
from importlib.util import find_spec
libc, version = platform.libc_ver()
compiler = any(map(shutil.which, ("cc", "gcc", "clang")))
headers = os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
found = [compiler and "a C compiler", headers and "Python's headers"]
found += [find_spec("torch") and "PyTorch", find_spec("numpy") and "NumPy"]
print(json.dumps([libc, version, platform.machine(), sys.version_info[:2], found]))
"""


def find_base(client: "APIClient", named: str | None, recipe: Recipe, progress: Progress) -> str:
    """The base image: the one named, a local one, the public one, or one made on the spot.

    Raises:
        InfrastructureError: none can be had; the message lists every remedy.
    """
    local = recipe.local_base
    candidates = [named] if named else [local, recipe.public_base]
    for candidate in candidates:
        if candidate and image_id(client, candidate):
            return candidate
    wanted = named or recipe.public_base
    if wanted and _pulled(client, wanted, recipe, progress):
        return wanted
    if named is None and _can_make_base():
        progress(f"making {local} with debootstrap")
        with told_while(progress, f"making {local} with debootstrap", usual=recipe.usual):
            done = subprocess.run(
                ["/bin/sh", str(FOLDER / "make-base.sh"), local, recipe.kind],
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_BUILD_SECONDS,
            )
        if done.returncode == 0 and image_id(client, local):
            return local
        for line in (done.stdout + done.stderr).splitlines()[-10:]:
            progress(plain_line(line, 300))
    made = f"apt install debootstrap && sh {told_path('make-base.sh')} {local} {recipe.kind}"
    besides = "".join(f" and {what}" for what in recipe.lacking)
    pull = f"docker pull {wanted} on a machine with a registry" if wanted else made
    raise InfrastructureError(
        f"no base image for {recipe.kind}: "
        + (f"{wanted} is not here and cannot be pulled" if wanted else f"{local} is not here"),
        remedy=f"{pull}, then docker save and docker load it here; or set {BASE_VARIABLE} to an "
        f"image with Python {recipe.python} or newer and its venv module{besides}; or, on Debian "
        f"as root: {made}. See {told_path('README.md')}",
    )


def _pulled(client: "APIClient", wanted: str, recipe: Recipe, progress: Progress) -> bool:
    progress(f"pulling {wanted}")
    try:
        with (
            engine_errors(f"pull {wanted}"),
            told_while(progress, f"pulling {wanted}", usual=recipe.usual),
        ):
            client.pull(wanted)
    except InfrastructureError as error:
        progress(error.message)
    return image_id(client, wanted) is not None


def _can_make_base() -> bool:
    return (
        os.geteuid() == 0
        and shutil.which("debootstrap") is not None
        and shutil.which("docker") is not None
    )


def image_id(client: "APIClient", name: str) -> str | None:
    """The id of an image; None if the engine does not have it."""
    from docker.errors import NotFound

    try:
        return str(client.inspect_image(name)["Id"])
    except NotFound:
        return None


def detect(client: "APIClient", base: str, recipe: Recipe) -> wheels.Target:
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
    remedy = (
        f"the base image for {recipe.kind} needs Python {recipe.python} or newer with venv and "
        f"glibc; see {told_path('README.md')}"
    )
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
        libc, version, machine, python, found = json.loads(text)
        glibc = tuple(int(part) for part in version.split(".")[:2])
        target = wheels.Target(
            kind=recipe.kind,
            python=(int(python[0]), int(python[1])),
            machine=str(machine),
            glibc=(glibc[0], glibc[1]),
        )
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise InfrastructureError(f"{base}: exit code {status}: {text}", remedy=remedy) from error
    if lacking := [what for what in recipe.lacking if what not in found]:
        public = recipe.public_base
        use = f"use {public} (not its slim variant), or " if public else ""
        raise InfrastructureError(
            f"{base}: has no {' and no '.join(what.removeprefix('a ') for what in lacking)}, "
            f"{recipe.lacking[lacking[0]]}",
            remedy=f"{use}add them to the base (on Debian: {recipe.packages}); "
            f"see {told_path('README.md')}",
        )
    if status != 0 or libc != "glibc" or target.python < recipe.oldest_python:
        python = ".".join(map(str, target.python))
        raise InfrastructureError(
            f"{base}: found Python {python} and {libc} {version}", remedy=remedy
        )
    return target

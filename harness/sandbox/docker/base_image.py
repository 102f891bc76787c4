"""The base image below ours: found, pulled or made, and asked which Python it has."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.package import REPOSITORY
from harness.safeio import ownership
from harness.safeio.text import plain, plain_line
from harness.sandbox.docker import wheels
from harness.sandbox.docker.engine import OWNER_LABEL, engine_errors

if TYPE_CHECKING:
    from docker.api.client import APIClient


Progress = Callable[[str], None]


FOLDER = REPOSITORY / "docker"


BASE_VARIABLE = "HARNESS_BASE_IMAGE"


LOCAL_BASES = {
    "cpu": "parameter-golf-base:bookworm",
    "cuda": "parameter-golf-base:bookworm-cuda",
}


PUBLIC_BASES = {"cpu": "python:3.11-slim-bookworm", "cuda": "python:3.11-bookworm"}


_BUILD_SECONDS = 1_800.0


_DETECT = """
import json, os, platform, shutil, sys, sysconfig, venv, ensurepip
libc, version = platform.libc_ver()
compiler = any(map(shutil.which, ("cc", "gcc", "clang")))
headers = os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
found = [compiler and "a C compiler", headers and "Python's headers"]
print(json.dumps([libc, version, platform.machine(), sys.version_info[:2], found]))
"""
_FOR_KERNELS = ("a C compiler", "Python's headers")
"""What Triton needs to build the little program that starts a kernel: only on CUDA."""


def find_base(client: "APIClient", named: str | None, accelerator: str, progress: Progress) -> str:
    """The base image: the one named, a local one, the public one, or one made on the spot.

    Raises:
        InfrastructureError: none can be had; the message lists every remedy.
    """
    public, local = PUBLIC_BASES[accelerator], LOCAL_BASES[accelerator]
    candidates = [named] if named else [local, public]
    for candidate in candidates:
        if image_id(client, candidate):
            return candidate
    wanted = named or public
    progress(f"pulling {wanted}")
    try:
        with engine_errors(f"pull {wanted}"):
            client.pull(wanted)
        if image_id(client, wanted):
            return wanted
    except InfrastructureError as error:
        progress(error.message)
    if named is None and _can_make_base():
        progress(f"making {local} with debootstrap")
        done = subprocess.run(
            ["/bin/sh", str(FOLDER / "make-base.sh"), local, accelerator],
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
    raise InfrastructureError(
        f"no base image: {wanted} is not here and cannot be pulled",
        remedy=f"docker pull {wanted} on a machine with a registry, then docker save and "
        f"docker load it here; or set {BASE_VARIABLE} to an image with Python 3.11 or newer "
        "and its venv module; or, on Debian as root: apt install debootstrap && "
        f"sh docker/make-base.sh {local} {accelerator}. See docker/README.md",
    )


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


def detect(client: "APIClient", base: str, accelerator: str) -> wheels.Target:
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
        libc, version, machine, python, found = json.loads(text)
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
    lacking = [what for what in _FOR_KERNELS if what not in found]
    if accelerator == "cuda" and lacking:
        raise InfrastructureError(
            f"{base}: has no {' and no '.join(what.removeprefix('a ') for what in lacking)}, "
            "without which no kernel can be compiled in a sandbox",
            remedy=f"use {PUBLIC_BASES['cuda']} (not its slim variant), or add them to the base "
            "(on Debian: g++ python3-dev); see docker/README.md",
        )
    return target

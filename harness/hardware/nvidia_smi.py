"""Queries to nvidia-smi, which may be absent, hang, fail or answer nonsense."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence

from harness.errors import InfrastructureError

REMEDY = "run nvidia-smi yourself; reload or reinstall the NVIDIA driver, or restart the machine"
_ABSENT = ("[N/A]", "N/A", "[Not Supported]", "[Unknown Error]")
_NO_DEVICES = "no devices were found"
TIMEOUT_SECONDS = 15.0


def nvidia_smi(*arguments: str, timeout_seconds: float = TIMEOUT_SECONDS) -> str | None:
    """The output of nvidia-smi; None when it is not installed or there is no device.

    Raises:
        InfrastructureError: it hangs, fails or cannot be started.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise InfrastructureError(
            f"{program}: cannot be started: {error}", remedy=REMEDY
        ) from error
    try:
        raw, _ = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise InfrastructureError(
            f"{program} gave no answer within {timeout_seconds:g} s", remedy=REMEDY
        ) from error
    finally:
        # Its children are killed too: one that holds the pipe would outlive it. A process stuck in
        # the driver cannot be killed, so we do not wait for it forever.
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
            if process.stdout is not None:
                process.stdout.close()
    output = raw.decode("utf-8", "replace")
    if _NO_DEVICES in output.lower():
        return None
    if process.returncode != 0:
        said = " ".join(output.split())[:200] or "nothing"
        raise InfrastructureError(
            f"{program} ended with exit code {process.returncode} and said: {said}", remedy=REMEDY
        )
    return output


def rows_of(output: str, fields: Sequence[str]) -> list[dict[str, str]]:
    """The lines of ``--format=csv,noheader,nounits`` output, one dictionary each.

    Raises:
        InfrastructureError: a line does not have as many fields as were asked for.
    """
    rows = []
    for line in output.splitlines():
        if not line.strip():
            continue
        values = [value.strip() for value in line.split(",")]
        if len(values) != len(fields):
            raise InfrastructureError(
                f"nvidia-smi answered a line that is not understood: {line.strip()[:200]!r}, "
                f"expected {len(fields)} fields",
                remedy=REMEDY,
            )
        rows.append(dict(zip(fields, values, strict=True)))
    return rows


def query_gpus(fields: Sequence[str], *, timeout_seconds: float) -> list[dict[str, str]]:
    """The fields of every GPU; an empty list without nvidia-smi or without a device.

    Raises:
        InfrastructureError: nvidia-smi hangs, fails or answers nonsense.
    """
    output = nvidia_smi(
        f"--query-gpu={','.join(fields)}",
        "--format=csv,noheader,nounits",
        timeout_seconds=timeout_seconds,
    )
    return [] if output is None else rows_of(output, fields)


def integer(text: str, *, field: str) -> int | None:
    """An integer field; None where the driver says that it has no value.

    Raises:
        InfrastructureError: the field is neither of them.
    """
    if text in _ABSENT:
        return None
    if not re.fullmatch(r"\d{1,12}", text):
        raise InfrastructureError(
            f"nvidia-smi answered {text[:60]!r} for {field}, expected a number", remedy=REMEDY
        )
    return int(text)

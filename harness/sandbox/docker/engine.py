"""The Docker engine: reaching it, telling its failures apart, reading its clock.

``docker`` is imported when first needed, so that commands which do not need an engine start fast.
"""

import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.errors import InfrastructureError
from harness.safeio.text import plain

if TYPE_CHECKING:
    from docker.api.client import APIClient

DEFAULT_URL = "unix:///var/run/docker.sock"
OWNER_LABEL = "parameter-golf.owner"
OLDEST_API = (1, 41)  # engine 20.10

_START_REMEDY = "install Docker Engine, or start it: sudo systemctl start docker"
_CALL_SECONDS = 60.0
_PROBE_SECONDS = 15.0
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))"
)


class Engine:
    """How to reach the engine; makes a connection for each thread that asks.

    Args:
        url: a ``unix://`` address; DOCKER_HOST or the usual socket when not given.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or os.environ.get("DOCKER_HOST") or DEFAULT_URL
        self._version: str | None = None

    def client(self, timeout_seconds: float = _CALL_SECONDS) -> "APIClient":
        """A connection of its own, for one thread; close it after use.

        Raises:
            InfrastructureError: no engine answers, or it is not on this machine.
        """
        if not self.url.startswith(("unix://", "http+unix://")):
            raise InfrastructureError(
                f"the Docker engine at {self.url} is not reached by a local socket",
                remedy="unset DOCKER_HOST: sandboxes share memory and sockets with the harness, "
                "so the engine must run on this machine",
            )
        # Not "from docker": a type checker takes that for the folder of the images.
        from docker.api.client import APIClient

        with engine_errors("connect to the Docker engine"):
            client = APIClient(
                base_url=self.url, version=self._version or "auto", timeout=timeout_seconds
            )
            # The client asks for the version with its own default timeout; ask only once.
            self._version = client.api_version
        return client

    @contextlib.contextmanager
    def connection(self, timeout_seconds: float = _CALL_SECONDS) -> Iterator["APIClient"]:
        """A connection that is closed after use; engine errors inside become ours."""
        client = self.client(timeout_seconds)
        try:
            with engine_errors("use the Docker engine"):
                yield client
        finally:
            client.close()


@contextlib.contextmanager
def engine_errors(action: str) -> Iterator[None]:
    """Turn whatever the engine or the connection to it throws into an InfrastructureError."""
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        text = plain(str(error.explanation or error), 600)
        raise InfrastructureError(
            f"cannot {action}: the Docker engine says: {text}",
            remedy="see `harness doctor` and the engine's own log, then --resume",
        ) from error
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise InfrastructureError(
            f"cannot {action}: no Docker engine answers ({plain(str(error), 200)})",
            remedy=f"{_START_REMEDY}; then --resume",
        ) from error


def usable(url: str | None = None) -> str:
    """The version of an engine that can sandbox, as ``engine 20.10.24``.

    Raises:
        InfrastructureError: none answers within fifteen seconds.
    """
    engine = Engine(url)
    path = engine.url.removeprefix("http+").removeprefix("unix://")
    if engine.url.startswith(("unix://", "http+unix://")):
        if not os.path.exists(path):  # noqa: PTH110 - not a pathlib path on every system
            raise InfrastructureError(
                f"there is no Docker engine at {engine.url}", remedy=_START_REMEDY
            )
        if not os.access(path, os.R_OK | os.W_OK):
            raise InfrastructureError(
                f"you may not use the Docker engine at {engine.url}",
                remedy="run: sudo usermod -aG docker $USER, and log in again",
            )
    with engine.connection(_PROBE_SECONDS) as client:
        return f"engine {require_usable(client)['ServerVersion']}"


def require_usable(client: "APIClient") -> dict[str, Any]:
    """The engine's own description, once it is known to run Linux containers on this kernel.

    Raises:
        InfrastructureError: too old, not Linux, or in a virtual machine beside us.
    """
    with engine_errors("ask the Docker engine what it is"):
        info: dict[str, Any] = client.info()
    version = tuple(int(part) for part in client.api_version.split("."))
    if version < OLDEST_API:
        raise InfrastructureError(
            f"the Docker engine speaks API {client.api_version}; 1.41 is needed",
            remedy="install Docker Engine 20.10 or newer",
        )
    beside_us = (
        sys.platform != "linux"
        or info.get("OSType") != "linux"
        or "Docker Desktop" in str(info.get("OperatingSystem"))
        or info.get("KernelVersion") != platform.release()
    )
    if beside_us:
        raise InfrastructureError(
            f"the Docker engine ({plain(str(info.get('OperatingSystem')), 80)}, kernel "
            f"{plain(str(info.get('KernelVersion')), 80)}) does not run on this kernel, "
            "so sandboxes cannot share memory with the harness",
            remedy="use Docker Engine on Linux",
        )
    return info


def require_runtime(info: dict[str, Any], name: str) -> str:
    """The runtime of this name, or the engine's default one when ``name`` is empty.

    Args:
        info: the engine's own description.
        name: what the user asked for.

    Raises:
        InfrastructureError: the engine has no such runtime.
    """
    known = sorted(str(runtime) for runtime in info.get("Runtimes") or {})
    if not name:
        return str(info.get("DefaultRuntime") or "runc")
    if name not in known:
        shown = plain(", ".join(known), 200)
        install = " (install gVisor, then: sudo runsc install)" if name == "runsc" else ""
        raise InfrastructureError(
            f"the Docker engine has no runtime {plain(name, 60)!r}; it has {shown}",
            remedy=f"add it to the runtimes of the engine's daemon.json{install} and restart the "
            "engine, or leave out --runtime",
        )
    return name


def nanoseconds_of(timestamp: str) -> int:
    """Unix nanoseconds of an RFC 3339 time, exactly.

    Raises:
        InfrastructureError: it is not one, or it is the zero time of a container that never ran.
    """
    found = _RFC3339.fullmatch(timestamp)
    if found is None or found[1] == "0001":
        raise InfrastructureError(
            f"the Docker engine gave {plain(timestamp, 60)!r} as a time",
            remedy="see the engine's own log, then --resume",
        )
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    if found[8]:
        offset = int(found[9]) * 3600 + int(found[10]) * 60
        seconds -= offset if found[8] == "+" else -offset
    return seconds * 1_000_000_000 + int((found[7] or "").ljust(9, "0"))

"""Removing what harnesses that died left at the engine."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.safeio import ownership
from harness.sandbox.docker import freezing
from harness.sandbox.docker.engine import OWNER_LABEL

if TYPE_CHECKING:
    from docker.api.client import APIClient


def reap(client: "APIClient") -> None:
    """Remove containers and volumes whose harness is dead."""
    from docker.errors import APIError

    for container in client.containers(all=True, filters={"label": OWNER_LABEL}):
        if ownership.is_dead(str(container["Labels"].get(OWNER_LABEL))):
            if container.get("State") == "paused":  # it was held still when its harness died
                freezing.let_die(client, container["Id"])
            _unless_busy(APIError, client.remove_container, container["Id"], force=True, v=True)
    for volume in client.volumes(filters={"label": OWNER_LABEL})["Volumes"] or []:
        if ownership.is_dead(str((volume.get("Labels") or {}).get(OWNER_LABEL))):
            _unless_busy(APIError, client.remove_volume, volume["Name"])


def _unless_busy(
    api_error: type[Exception], action: Callable[..., Any], *arguments: str, **options: bool
) -> None:
    """Do it, unless another harness is doing so at this moment."""
    try:
        action(*arguments, **options)
    except api_error as error:
        if getattr(error, "status_code", None) not in (404, 409):
            raise

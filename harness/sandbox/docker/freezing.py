"""Freezing a container's control group, so that nothing in it runs, and thawing it.

The kernel freezes whoever is in the group, and whoever is made in it meanwhile, so there is no race
to win; the engine says that it is done when all of it is frozen. Where that does not succeed, the
same is tried with a container of ours: what ails the engine ails that too. An answer that is late
says nothing: the engine may be doing it yet, so its state is asked for until patience ends.
"""

import contextlib
import time
from typing import TYPE_CHECKING, Any

from harness.errors import InfrastructureError
from harness.safeio.text import plain
from harness.sandbox.protocol import ArtifactError

if TYPE_CHECKING:
    from docker.api.client import APIClient

CALL_SECONDS = 20.0
PATIENCE_SECONDS = 120.0
_TRIES = 5
_PAUSE_SECONDS = 0.2


def freeze(client: "APIClient", container: str, *, control: str) -> bool:
    """Freeze a container; False when it has ended.

    Args:
        client: a connection whose calls end after :data:`CALL_SECONDS`.
        container: what is to be frozen.
        control: a container of ours, which the engine can freeze if it can freeze any.

    Raises:
        ArtifactError: the engine freezes others, but not this one.
        InfrastructureError: the engine freezes none.
        docker.errors.APIError, requests.exceptions.RequestException: it says no, or does not
            answer.
    """
    import docker.errors
    import requests.exceptions

    said = ""
    until = time.monotonic() + PATIENCE_SECONDS
    for _ in range(_TRIES):
        try:
            client.pause(container)
        except docker.errors.NotFound:
            return False
        except docker.errors.APIError as error:
            said = plain(str(error.explanation), 200)
        except requests.exceptions.Timeout:
            said = "the engine did not finish it in time"
        else:
            return True
        state = _state(client, container, until)
        if not state.get("Running"):
            return False
        if state.get("Paused"):  # by a call whose answer did not reach us
            return True
        if time.monotonic() > until:
            break
        time.sleep(_PAUSE_SECONDS)
    client.pause(control)
    client.unpause(control)
    raise ArtifactError(f"the phase could not be held still to take its artifact: {said}")


def thaw(client: "APIClient", container: str) -> None:
    """Thaw a container; nothing where it has ended.

    Raises:
        InfrastructureError: somebody else has thawed it before.
        docker.errors.APIError, requests.exceptions.RequestException: the engine cannot do it, or
            does not answer.
    """
    import docker.errors
    import requests.exceptions

    until = time.monotonic() + PATIENCE_SECONDS
    try:
        client.unpause(container)
    except docker.errors.NotFound:
        return
    except requests.exceptions.Timeout:
        if _state(client, container, until).get("Paused"):
            raise
    except docker.errors.APIError:
        state = _state(client, container, until)
        if not state.get("Running"):
            return
        if state.get("Paused"):
            raise
        raise InfrastructureError(
            "a container that was held still was let go by somebody else",
            remedy="leave the engine and its containers alone meanwhile; then --resume",
        ) from None


def _state(client: "APIClient", container: str, until: float) -> dict[str, Any]:
    # The engine says nothing of a container while it is freezing it.
    import docker.errors
    import requests.exceptions

    while True:
        try:
            state: dict[str, Any] = client.inspect_container(container)["State"]
        except docker.errors.NotFound:
            return {}
        except requests.exceptions.Timeout:
            if time.monotonic() > until:
                raise
        else:
            return state


def let_die(client: "APIClient", container: str) -> None:
    """Kill a container that may be frozen: the signal is there when it goes on."""
    import docker.errors

    for deed in (client.kill, client.unpause):
        with contextlib.suppress(docker.errors.APIError):
            deed(container)

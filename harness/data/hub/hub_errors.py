"""Turns errors of the hub's client and of the network into messages with a remedy."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError
from harness.safeio.text import plain

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AGAIN = "try again later; files that came whole are kept, and need not come again"
_REFUSED = (401, 403)
_ABSENT = 404


@contextlib.contextmanager
def hub_errors(where: str, cache: Path) -> Iterator[None]:
    """Turn these errors into an InfrastructureError whose message begins with ``where``.

    Distinguished are: no network, offline mode, a token that is wrong or missing, no such
    repository, revision or file, a hub that fails, a file that was cut short, a full disk (that of
    ``cache``), a cache that cannot be written.
    """
    # The base class of all errors of the client's HTTP library, whichever library that is.
    from huggingface_hub import errors

    http_error: type[Exception] = errors.HfHubHTTPError.__mro__[1]
    try:
        yield
    except (http_error, OSError, ValueError) as error:
        cause: BaseException = error
        while isinstance(cause, errors.LocalEntryNotFoundError) and cause.__cause__ is not None:
            cause = cause.__cause__  # the error that the client met before it looked in its cache
        raise _disk_error(cause, cache) or _hub_error(cause, where) from error


def _disk_error(error: BaseException, cache: Path) -> InfrastructureError | None:
    if not isinstance(error, OSError):
        return None
    if error.errno in _DISK_FULL:
        return InfrastructureError(
            "the disk is full",
            file=cache,
            remedy="free some space there, or set HF_HOME to a directory on another disk",
        )
    if isinstance(error, PermissionError) and error.filename:
        return InfrastructureError(
            f"cannot write: {error.strerror}",
            file=error.filename,
            remedy="see that you may write there, or set HF_HOME to another directory",
        )
    return None


def _hub_error(error: BaseException, where: str) -> InfrastructureError:
    from huggingface_hub import errors

    kinds: tuple[tuple[Any, str, str], ...] = (
        (
            errors.OfflineModeIsEnabled,
            "HF_HUB_OFFLINE forbids to ask the hub",
            "unset it; without a network, copy the whole directory of the dataset from a machine "
            "that has one, and check it with `harness data verify`",
        ),
        (
            errors.GatedRepoError,
            "open only to accounts that asked for access",
            "ask for access on the hub, and set HF_TOKEN to a token of that account",
        ),
        (
            errors.RevisionNotFoundError,
            "no such revision",
            "give --revision a branch, tag or commit of it",
        ),
        (
            errors.EntryNotFoundError,
            "no such file",
            "choose another --revision, or another repository",
        ),
        (
            FileNotFoundError,
            "no such file",
            "choose another --revision, or another repository",
        ),
    )
    status = getattr(getattr(error, "response", None), "status_code", None)
    for kind, problem, remedy in kinds:
        if isinstance(error, kind):
            return InfrastructureError(f"{where}: {problem}", remedy=remedy)
    if status in _REFUSED:
        problem = f"refused (HTTP {status}): a wrong or missing token, or no such repository"
        remedy = "check the repository's name; set HF_TOKEN to a valid token that may read it"
    elif isinstance(error, errors.RepositoryNotFoundError):
        problem, remedy = "no such dataset repository", "check its name, and HF_ENDPOINT"
    elif status == _ABSENT:
        problem, remedy = "no such file (HTTP 404)", "choose another --revision"
    elif status is not None:
        problem, remedy = f"the hub failed (HTTP {status})", _AGAIN
    elif "Consistency check failed" in str(error):
        problem, remedy = "cut short on its way", _AGAIN
    elif isinstance(error, ValueError):
        problem, remedy = plain(str(error), 200), "check the names of the repository and the file"
    else:
        problem = f"the hub cannot be reached: {plain(str(error), 200) or type(error).__name__}"
        remedy = (
            "check the network, HF_ENDPOINT and, behind a firewall, HTTPS_PROXY; files that came "
            "whole are kept"
        )
    return InfrastructureError(f"{where}: {problem}", remedy=remedy)

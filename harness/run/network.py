"""What a script that wanted the network is told: there is none in a sandbox."""

import re

NO_NETWORK = "there is no network in a sandbox"
_PACKAGE = r"([A-Za-z0-9][A-Za-z0-9._-]{0,59})"
_INSTALLS = re.compile(
    rf"No matching distribution found for {_PACKAGE}"
    rf"|Could not find a version that satisfies the requirement {_PACKAGE}"
)
_PIP_FAILED = re.compile(r"\bpip3?'?,?\s+'?install\b[^\n]{0,2000}returned non-zero exit status")
_HUB = re.compile(
    r"\bLocalEntryNotFoundError\b|\bOfflineModeIsEnabled\b|\bhuggingface_hub\.errors\.HfHubHTTPError\b"
    r"|cannot find the (?:requested files|appropriate snapshot folder)"
    r"|couldn't connect to '?https?://"
)
_UNREACHED = re.compile(
    r"Temporary failure in name resolution|Name or service not known|No address associated with"
    r"|Could not resolve host|Network is unreachable|getaddrinfo failed"
    r"|\bNewConnectionError\b|\bNameResolutionError\b|Max retries exceeded with url"
)


def network_hint(log_tail: str) -> str:
    """A sentence for a log whose last lines tell of a failed installation or download; or ''.

    The log is a stranger's: what is taken over of it is the name of a package alone.
    """
    if found := _INSTALLS.search(log_tail):
        package = (found[1] or found[2]).rstrip(".")
        return f"{NO_NETWORK}: nothing can be installed while it runs, and it wants {package}"
    if _PIP_FAILED.search(log_tail):
        return f"{NO_NETWORK}: nothing can be installed while it runs"
    if _HUB.search(log_tail):
        return f"{NO_NETWORK}: nothing can be downloaded; all data are at the paths that it is told"
    if _UNREACHED.search(log_tail):
        return f"{NO_NETWORK}, and it wants to reach another machine"
    return ""

"""A model hub on the loopback: as much of its API as the real client calls, with faults to order.

Only what the client really asks for is there (revision, paths-info, resolve with HEAD, GET and
Range); anything else is answered with 404, so that a test can't pass by asking something else.
"""

import contextlib
import hashlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LFS_BYTES = 5000
"""Larger files are kept apart, as the hub does: only of those it states a SHA-256."""
SENT_AT_ONCE = 1 << 16


class LoopbackHub:
    """Files of dataset repositories, by repository and path, and what goes wrong with them.

    Attributes:
        repositories: the files; changing them makes a new commit.
        token: what must be in the Authorization header; empty: nothing need be.
        cuts: how many more times the answer for a path breaks off in the middle.
        altered: bytes sent in place of the right ones, for ever.
        failing: HTTP status for a path, or for all with "*".
        log: method, path and Range of every request for a file.
        sent: bytes of content that left for each path.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.token = ""
        self.cuts: Counter[str] = Counter()
        self.altered: dict[str, bytes] = {}
        self.failing: dict[str, int] = {}
        self.log: list[tuple[str, str, str]] = []
        self.sent: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.endpoint = ""

    def commit(self, repository: str) -> str:
        digest = hashlib.sha1(repository.encode())
        for path, content in sorted(self.repositories[repository].items()):
            digest.update(path.encode() + hashlib.sha256(content).digest())
        return digest.hexdigest()

    def fetched(self, path: str) -> int:
        """How many times the content of a file was asked for."""
        with self.lock:
            return sum(method == "GET" and of == path for method, of, _ in self.log)


@contextlib.contextmanager
def running(hub: LoopbackHub) -> Iterator[LoopbackHub]:
    """The hub, listening on a free port of the loopback."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = _Server(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what is tested here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._error(401, "", "Invalid credentials in Authorization header")
        elif "*" in self.hub.failing:
            self._error(self.hub.failing["*"])
        elif parts[:2] == ["api", "datasets"] and len(parts) == 6:
            self._api("/".join(parts[2:4]), parts[4], parts[5], body)
        elif parts[0] == "datasets" and parts[3:4] == ["resolve"]:
            self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        else:
            self._error(404)

    def _known(self, repository: str, revision: str) -> bool:
        if repository not in self.hub.repositories:
            self._error(404, "RepoNotFound")
        elif revision not in ("main", self.hub.commit(repository)):
            self._error(404, "RevisionNotFound")
        else:
            return True
        return False

    def _api(self, repository: str, what: str, revision: str, body: bytes) -> None:
        if not self._known(repository, revision):
            return
        commit = self.hub.commit(repository)
        files = self.hub.repositories[repository]
        if what == "revision":
            self._json({"id": repository, "sha": commit, "siblings": [], "tags": []})
        elif what == "paths-info":
            if self.headers.get_content_type() == "application/json":
                paths = json.loads(body)["paths"]
            else:
                paths = parse_qs(body.decode())["paths"]
            self._json([_entry(path, files[path]) for path in paths if path in files])
        else:
            self._error(404)

    def _file(self, repository: str, revision: str, path: str) -> None:
        with self.hub.lock:
            self.hub.log.append((self.command, path, self.headers.get("Range") or ""))
        if path in self.hub.failing:
            self._error(self.hub.failing[path])
            return
        if not self._known(repository, revision):
            return
        content = self.hub.repositories[repository].get(path)
        if content is None:
            self._error(404, "EntryNotFound")
            return
        entry = _entry(path, content)
        sent = self.hub.altered.get(path, content)
        start = 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        body = sent[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("X-Repo-Commit", self.hub.commit(repository))
        lfs = entry.get("lfs")
        etag = lfs["oid"] if isinstance(lfs, dict) else entry["oid"]
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(sent) - 1}/{len(sent)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        with self.hub.lock:
            cut = self.hub.cuts[path] > 0
            self.hub.cuts[path] -= cut
        if cut:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(body), SENT_AT_ONCE):
                self.wfile.write(body[start : start + SENT_AT_ONCE])
                self.hub.sent[path] += SENT_AT_ONCE

    def _json(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _error(self, status: int, code: str = "", message: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if message:
            self.send_header("X-Error-Message", message)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()


def _entry(path: str, content: bytes) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, object] = {"type": "file", "path": path, "oid": blob, "size": len(content)}
    if len(content) >= LFS_BYTES:
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
    return entry

"""A small server that speaks as the Hugging Face Hub does, for the real client to talk to.

    with HubServer(tmp_path) as hub:
        hub.add("owner/name", {"config.json": b"{}"})
        monkeypatch.setenv("HF_ENDPOINT", hub.url)

Repositories are folders, `<root>/<owner>/<name>/`; each has the branch `main` and the one commit that its files are.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_MODEL = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")


@dataclass
class Fault:
    """What goes wrong, for requests whose method and path match."""

    kind: str  # "status", "drop", "corrupt", "redirect", "ignore_range", "hang"
    value: Any = None  # the status; bytes sent before the drop; the other server's address; seconds
    method: str = "GET"
    path: str = ""  # a part of the path
    times: int | None = 1  # None: always
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    sent: int = 0  # bytes of the body that were sent


class HubServer:
    """A Hub on loopback; a context manager.

    Args:
        root: the folder of the repositories.
        token: where given, every request must carry it.
    """

    def __init__(self, root: Path, *, token: str | None = None) -> None:
        self.root, self.token = root, token
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self._hashes: dict[tuple[Path, int, int], str] = {}
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, repo: str, files: Mapping[str, bytes]) -> str:
        """Write a repository's files; gives back its commit."""
        for name, content in files.items():
            path = self.root / repo / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return self.commit(repo)

    def commit(self, repo: str) -> str:
        """The commit that `main` is: it changes when the files do."""
        listing = "".join(
            f"{name}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}\n" for name, path in self.list(repo)
        )
        return hashlib.sha1(listing.encode()).hexdigest()

    def list(self, repo: str) -> Iterator[tuple[str, Path]]:
        """The repository's files, by name."""
        folder = self.root / repo
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path

    def fail(self, kind: str, value: Any = None, **where: Any) -> None:
        """Let something go wrong; the arguments of `Fault`."""
        self.faults.append(Fault(kind, value, **where))

    def sha256(self, path: Path) -> str:
        """The file's sha256, reckoned once for each of its versions."""
        key = (path, path.stat().st_size, path.stat().st_mtime_ns)
        if key not in self._hashes:
            with path.open("rb") as opened:
                self._hashes[key] = hashlib.file_digest(opened, "sha256").hexdigest()
        return self._hashes[key]

    def count(self, method: str = "", path: str = "") -> int:
        """How many requests there were of that method, with that in their path."""
        return sum(request.method.startswith(method) and path in request.path for request in self.requests)

    def sent_of(self, path: str = "") -> int:
        """Bytes of the bodies sent for requests with that in their path."""
        return sum(request.sent for request in self.requests if path in request.path)

    def forget(self) -> None:
        """Begin counting anew."""
        self.requests.clear()

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any; one of `times` is used up."""
        with self.lock:
            for fault in self.faults:
                if fault.method in ("", method) and fault.path in path and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.request_seen = Request(self.command, self.path, dict(self.headers))
        with self.hub.lock:  # noted before it is answered: the client may look as soon as it has its answer
            self.hub.requests.append(self.request_seen)
        path = urlsplit(self.path).path  # matched before it is decoded, because of refs%2Fpr%2F1
        fault = self.hub.fault(self.command, path)
        try:
            if fault and fault.kind == "hang":
                threading.Event().wait(fault.value)
                self.close_connection = True
            elif fault and fault.kind == "status":
                self.refuse(fault.value, "", fault.headers)
            elif fault and fault.kind == "redirect":
                self.reply(302, b"", {"Location": fault.value + self.path, **self.linked(path)})
            elif self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
                self.refuse(401, "RepoNotFound")
            elif found := _RESOLVE.fullmatch(path):
                self.resolve(*map(unquote, found.groups()), fault)
            elif found := _MODEL.fullmatch(path):
                self.model(unquote(found[1]), unquote(found[2] or "main"))
            else:
                self.refuse(404, "RepoNotFound")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def model(self, repo: str, revision: str) -> None:
        commit = self.known(repo, revision)
        if commit:
            siblings = [{"rfilename": name, "size": path.stat().st_size} for name, path in self.hub.list(repo)]
            said = {"id": repo, "modelId": repo, "sha": commit, "tags": [], "siblings": siblings, "private": False}
            self.reply(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def resolve(self, repo: str, revision: str, name: str, fault: Fault | None) -> None:
        commit = self.known(repo, revision)
        if not commit:
            return
        path = self.hub.root / repo / name
        if not path.is_file():
            self.refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        size = path.stat().st_size
        headers = {"X-Repo-Commit": commit, "ETag": f'"{self.hub.sha256(path)}"'}
        first, last, status = 0, size - 1, 200
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if ranged and not (fault and fault.kind == "ignore_range"):
            first, last, status = int(ranged[1]), min(int(ranged[2] or last), last), 206
            if first > last:
                self.refuse(416, "", {"Content-Range": f"bytes */{size}"})
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        if self.command == "HEAD":
            self.reply(status, b"", {**headers, "Content-Length": str(last - first + 1)})
            return
        with path.open("rb") as opened:
            opened.seek(first)
            content = opened.read(last - first + 1)
        if fault and fault.kind == "corrupt":
            wrong = (size // 2 if fault.value is None else fault.value % size) - first
            if 0 <= wrong < len(content):
                content = content[:wrong] + bytes([content[wrong] ^ 1]) + content[wrong + 1 :]
        self.reply(status, content, headers, cut=fault.value if fault and fault.kind == "drop" else None)

    def known(self, repo: str, revision: str) -> str | None:
        """The commit, or None once the refusal is sent."""
        if not (self.hub.root / repo).is_dir():
            self.refuse(404, "RepoNotFound")
            return None
        commit = self.hub.commit(repo)
        if revision not in ("main", commit):
            self.refuse(404, "RevisionNotFound")
            return None
        return commit

    def linked(self, path: str) -> dict[str, str]:
        """What a redirect to a storage host says of the file."""
        found = _RESOLVE.fullmatch(path)
        file = self.hub.root / found[1] / found[3] if found else None
        if file is None or not file.is_file():
            return {}
        size, etag = str(file.stat().st_size), f'"{self.hub.sha256(file)}"'
        return {"X-Repo-Commit": self.hub.commit(found[1]), "X-Linked-Etag": etag, "X-Linked-Size": size}

    def refuse(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        extra = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self.reply(status, b'{"error": "refused"}', {**extra, **(headers or {})})

    def reply(self, status: int, content: bytes, headers: Mapping[str, str], *, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        part = content if cut is None else content[:cut]
        self.request_seen.sent = len(part)
        self.wfile.write(part)
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

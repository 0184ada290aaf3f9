"""A server that speaks as the Hugging Face Hub does, for the real client to talk to.

    with HubServer(tmp_path) as hub:
        hub.add("owner/name", {"config.json": b"{}"})
        monkeypatch.setenv("HF_ENDPOINT", hub.url)

What it keeps is told in hub_store.py. As a program it serves until it is killed, and first prints its address:

    python tests/hub_server.py ROOT [--port P] [--token T] [--storage] [--rate BYTES_PER_S] [--log FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from hub_api import Endpoints
from hub_store import Store
from hub_wire import Fault, Link, Request, Storage


class HubServer:
    """A Hub on loopback; a context manager.

    Args:
        root: the folder of the repositories.
        token: the right token. A wrong one is refused; without one, public repositories are read and nothing else.
            Where no token is given, everyone may write, and any token is right for a private repository.
        storage: whether LFS files lie on a second server (`storage_url`), which the Hub redirects to.
        multipart: the bytes of a part, for LFS files to be uploaded in parts.
        rate: bytes per second of all bodies of all connections together.
        page: the most entries of one page of a listing.
        port: 0 for a free one.
        log: a file that gets a line of JSON for each request that was answered.
    """

    def __init__(
        self,
        root: Path,
        *,
        token: str | None = None,
        storage: bool = False,
        multipart: int | None = None,
        rate: float | None = None,
        page: int = 1000,
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.root, self.token, self.multipart, self.page, self.log = root, token, multipart, page, log
        self.user = "tester"
        self.store, self.datasets = Store(root), Store(root / ".datasets")
        self.link = Link(rate) if rate else None
        self.requests: list[Request] = []
        self.storage_requests: list[Request] = []
        self.faults: list[Fault] = []
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self._servers = [_Server(("127.0.0.1", port), type("Handler", (Endpoints,), {"hub": self}))]
        self.url = self.storage_url = f"http://127.0.0.1:{self._servers[0].server_address[1]}"
        if storage:
            self._servers.append(_Server(("127.0.0.1", 0), type("Handler", (Storage,), {"hub": self})))
            self.storage_url = f"http://localhost:{self._servers[1].server_address[1]}"

    def __enter__(self) -> HubServer:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
            server.hang_up()

    # -------------------------------------------------------------------------------------------- repositories

    def add(self, repo: str, files: Mapping[str, bytes], *, dataset: bool = False) -> str:
        """Write a repository's files, a model's in the folder `root/repo`; gives back its commit."""
        store = self.datasets if dataset else self.store
        for name, content in files.items():
            path = store.root / repo / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return store.repo(repo).refs["refs/heads/main"]

    def add_file(self, repo: str, name: str, path: Path) -> str:
        """Commit a file by a hard link, or a copy; it must not be written to afterwards."""
        return self.store.add(repo, name, self.store.keep_file(path, name=name, link=True)).sha

    def commit(self, repo: str) -> str:
        """The commit that `main` is: it changes when the files do."""
        return self.store.repo(repo).refs["refs/heads/main"]

    def list(self, repo: str, revision: str = "main") -> Iterator[tuple[str, Path]]:
        """The repository's files, by name, each with where its content lies."""
        for name, file in self.store.commit(self.store.repo(repo), revision).files.items():
            yield name, self.store.blob(file.sha256)

    def set(self, repo: str, **what: Any) -> None:
        """Change what a repository is: private, gated, likes, downloads."""
        with self.store.lock:
            found = self.store.repo(repo)
            for name, value in what.items():
                setattr(found, name, value)
            self.store.save(found)

    # -------------------------------------------------------------------------------------------- requests, faults

    def fail(self, kind: str, value: Any = None, **where: Any) -> None:
        """Let something go wrong; the arguments of `Fault`."""
        self.faults.append(Fault(kind, value, **where))

    def count(self, method: str = "", path: str = "", *, storage: bool = False) -> int:
        """How many requests there were of that method, with that in their path."""
        seen = self.storage_requests if storage else self.requests
        return sum(request.method.startswith(method) and path in request.path for request in seen)

    def sent_of(self, path: str = "", *, storage: bool = False) -> int:
        """Bytes of the bodies sent for requests with that in their path."""
        seen = self.storage_requests if storage else self.requests
        return sum(request.sent for request in seen if path in request.path)

    def forget(self) -> None:
        """Begin counting anew."""
        self.requests.clear()
        self.storage_requests.clear()

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any; one of `times` is used up."""
        calls: list[Callable[[], object]] = []
        met = None
        with self.lock:
            for fault in self.faults:
                if fault.method in ("", method) and fault.path in path and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    if fault.kind != "then":
                        met = fault
                        break
                    calls.append(fault.value)
        for call in calls:
            call()
        return met

    def note(self, request: Request) -> None:
        """Write a request to the log."""
        if self.log:
            line = {
                "method": request.method,
                "path": request.path,
                "status": request.status,
                "sent": request.sent,
                "received": request.received,
                "range": request.headers.get("range"),
                "authorization": "authorization" in request.headers,
            }
            with self.lock, self.log.open("a") as opened:
                opened.write(json.dumps(line) + "\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Break the connections, so that a server that was stopped is silent."""
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a Hub on loopback until killed.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token")
    parser.add_argument("--storage", action="store_true")
    parser.add_argument("--rate", type=float, help="bytes per second of all connections together")
    parser.add_argument("--log", type=Path, help="gets a line of JSON for each request")
    asked = parser.parse_args()
    with HubServer(
        asked.root, token=asked.token, storage=asked.storage, rate=asked.rate, port=asked.port, log=asked.log
    ) as hub:
        print(hub.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()

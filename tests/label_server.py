"""A labelling's page in a thread of the test's process, and one in a process of its own that can be killed.

python label_server.py PLACE COUNT PORT TOKEN SPREAD
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from drawn_labels import open_drawn
from zoo_label.server import LabelServer, RunningServer
from zoo_label.session import Labelling
from zoo_label.worker import Worker

TOKEN = "test-token-0123456789"


class Page:
    """A page that is served, and requests to it as a browser would not make them."""

    def __init__(self, running: RunningServer, labelling: Labelling, truth: np.ndarray) -> None:
        self.url, self.port, self.labelling, self.truth = running.url, running.port, labelling, truth

    def ask(
        self,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        *,
        method: str = "",
        headers: dict[str, str] | None = None,
        token: str = TOKEN,
    ) -> tuple[int, bytes]:
        """The status and the body; a `None` among the headers leaves one out."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        given = {"Host": f"127.0.0.1:{self.port}"} | ({"Content-Type": "application/json"} if raw is not None else {})
        given |= {"Content-Length": str(len(raw))} if raw is not None else {}
        given = {name: value for name, value in {**given, **(headers or {})}.items() if value is not None}
        return send(self.port, method or ("POST" if raw is not None else "GET"), f"/{token}/{path}", given, raw or b"")


def send(port: int, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """One request, to the letter; the status is 0 where the connection was closed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            connection.send(body)
        except OSError:
            pass  # refused before all of it was read
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (http.client.HTTPException, ConnectionError):
        return 0, b""
    finally:
        connection.close()


@contextmanager
def serve(place: Path, count: int, **options: Any) -> Iterator[Page]:
    """A page of drawn pictures, whose head is fitted beside it."""
    labelling, truth = open_drawn(place, count, **options)
    worker = Worker(labelling)
    server = LabelServer(labelling, worker, out=place / "labels.csv")
    running = RunningServer(server, token=TOKEN)
    thread = threading.Thread(target=running.serve, daemon=True)
    worker.start()
    thread.start()
    try:
        yield Page(running, labelling, truth)
    finally:
        running.stop()
        thread.join(20)
        worker.stop()
        server.thumbnails.close()


def start_process(place: Path, count: int, *, port: int, spread: float = 1.0) -> subprocess.Popen[str]:
    """The page in a process of its own, once it answers."""
    words = [sys.executable, __file__, str(place), str(count), str(port), TOKEN, str(spread)]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline().startswith("http://")
    deadline = time.monotonic() + 30
    while send(port, "GET", f"/{TOKEN}/start", {"Host": f"127.0.0.1:{port}"}, b"")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return running


def main() -> None:
    place, count, port, token, spread = sys.argv[1:]
    labelling, _ = open_drawn(Path(place), int(count), spread=float(spread))
    worker = Worker(labelling)
    server = LabelServer(labelling, worker, out=Path(place, "labels.csv"))
    running = RunningServer(server, port=int(port), token=token)
    worker.start()
    print(running.url, flush=True)
    running.serve()


if __name__ == "__main__":
    main()

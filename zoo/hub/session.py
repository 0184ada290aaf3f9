"""The http session of the Hub's client, with limits on how slowly and in what form an answer may come.

The http library's timeouts are for one read each: a server that sends a byte now and then goes on for good. The limits
hold for requests that ask for uncompressed bytes, as all of ours do, and for the one that the client sends before our
first; not for what others send through the session.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import threading
import time
from typing import Any

from zoo.errors import UsageError

SLOWEST = 1000  # bytes a second, over the 60 seconds of `ZOO_HUB_PATIENCE`
LARGEST = 32 * 2**20  # bytes of an answer that is no file
LONGEST_HEADERS = 2**18  # bytes
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait
_CLIENTS_OWN = "/api/agent-harnesses"  # what the client asks for once a day, for its user agent
_UNASKED = {"gzip", "deflate", "br", "zstd"}  # what the http library would unpack
_WAIT = re.compile(r"(?:^|;\s*t\s*=\s*)([0-9]+)")  # what the client obeys, however long

_asking = threading.local()  # `patience` with the request that this thread is about to send; None: it is not ours


class RefusedAnswerError(OSError):
    """An answer that is too slow, too long, compressed or puts us off; the next one would be no better."""


def open_session() -> Any:
    """The client's session, with the limits."""
    session = importlib.import_module("huggingface_hub.utils").get_session()
    if _note_request not in session.event_hooks["request"]:
        session.event_hooks["request"].append(_note_request)
        session.event_hooks["response"].append(_check_answer)
        for transport in (session._transport, *session._mounts.values()):
            if pool := getattr(transport, "_pool", None):  # a transport of the user's own has none
                pool._network_backend = _Watched(pool._network_backend)
    return session


def patience() -> float:
    """Seconds over which an answer must come at `SLOWEST` at least. Raises UsageError."""
    said = os.environ.get("ZOO_HUB_PATIENCE") or "60"
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", said) or not float(said):
        raise UsageError(f"ZOO_HUB_PATIENCE={said} is no number of seconds.", "Unset it for 60 seconds.")
    return float(said)


def _note_request(request: Any) -> None:
    if request.url.path.endswith(_CLIENTS_OWN):
        request.headers["Accept-Encoding"] = "identity"
    _asking.patience = patience() if request.headers.get("Accept-Encoding") == "identity" else None


def _check_answer(response: Any) -> None:
    """The headers have come."""
    if response.request.headers.get("Accept-Encoding") != "identity":
        return
    packed = response.headers.get("Content-Encoding", "").lower()
    if _UNASKED & {one.strip() for one in packed.split(",")}:
        raise RefusedAnswerError(f"the answer is compressed ({packed[:40]}), which was not asked for")
    for name in ("Retry-After", "RateLimit") if response.status_code >= 400 else ():
        said = response.headers.get(name, "")
        if any(float(seconds) > LONGEST_WAIT for seconds in _WAIT.findall(said)):
            raise RefusedAnswerError(f"HTTP {response.status_code}, {name}: {said[:40]}")
    stream = response.extensions.get("network_stream")
    if isinstance(stream, _Watched):
        request = response.request
        is_file = request.method in ("GET", "HEAD") and not request.url.path.endswith(_CLIENTS_OWN)
        stream.begin(math.inf if is_file and response.status_code < 400 else LARGEST)


class _Watched:
    """The http library's backend, or a connection that it opened: whatever is not said here is its own.

    What is sent last begins an answer, and how its headers and then its body come is watched.
    """

    patience: float | None = None

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connect_tcp(self, *about: Any, **how: Any) -> Any:
        return _Watched(self._inner.connect_tcp(*about, **how))

    def start_tls(self, *about: Any, **how: Any) -> Any:
        return _Watched(self._inner.start_tls(*about, **how))

    def write(self, *about: Any, **how: Any) -> None:
        self.patience = getattr(_asking, "patience", None)
        self.begin(LONGEST_HEADERS)
        self._inner.write(*about, **how)

    def begin(self, most: float) -> None:
        """Count anew, up to so many bytes."""
        self.most = self.left = most
        self.waited, self.came = 0.0, 0

    def read(self, *about: Any, **how: Any) -> Any:
        asked = time.monotonic()
        piece = self._inner.read(*about, **how)
        if not self.patience:
            return piece
        self.waited += time.monotonic() - asked if self.came else 0.0  # the first byte has the timeout's time
        self.came += len(piece)
        self.left -= len(piece)
        if self.left < 0:
            raise RefusedAnswerError(f"it has over {self.most:,} bytes")
        if self.waited > self.patience:
            if self.came < SLOWEST * self.patience:
                raise RefusedAnswerError(f"under {SLOWEST:,} bytes a second for {self.patience:g} s, ZOO_HUB_PATIENCE")
            self.waited, self.came = 0.0, 0
        return piece

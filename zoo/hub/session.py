"""The http session of the Hub's client, with limits on how slowly and in what form an answer may come.

The http library's timeouts are for one read each: a server that sends a byte now and then goes on for good. The limits
hold for requests that ask for uncompressed bytes, as all of ours do, and not for what others send through the session.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import threading
import time
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError

SLOWEST = 1000  # bytes a second
PATIENCE = 60.0  # seconds in which they must come, and in which headers must end; `ZOO_HUB_PATIENCE`
LARGEST = 32 * 2**20  # bytes of an answer that is no file
LONGEST_HEADERS = 2**20  # bytes
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait
_UNASKED = {"gzip", "deflate", "br", "zstd"}  # what the http library would unpack

_WAIT = re.compile(r"(?:^|;\s*t\s*=\s*)([0-9]+)")  # what the client obeys, however long

_asking = threading.local()  # `patience` of the request that this thread is about to send, None where it is not ours


class RefusedAnswerError(OSError):
    """An answer that is too slow, too long, compressed or puts us off; the next one would be no better."""


def open_session() -> Any:
    """The client's session, with the limits."""
    session = importlib.import_module("huggingface_hub.utils").get_session()
    if _note_request not in session.event_hooks["request"]:
        session.event_hooks["request"].append(_note_request)
        session.event_hooks["response"].append(_check_answer)
        for transport in (session._transport, *session._mounts.values()):
            pool = getattr(transport, "_pool", None)  # a transport of the user's own has none
            if pool is not None:
                pool._network_backend = _WatchedBackend(pool._network_backend)
    return session


def _note_request(request: Any) -> None:
    _asking.patience = _patience() if request.headers.get("Accept-Encoding") == "identity" else None


def _patience() -> float:
    said = os.environ.get("ZOO_HUB_PATIENCE") or str(PATIENCE)
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise UsageError(f"ZOO_HUB_PATIENCE={said} is no number of seconds.", f"Unset it for {PATIENCE:g} seconds.")
    return seconds


def _check_answer(response: Any) -> None:
    """The headers have come: what is compressed is refused, what is no file may not be long."""
    if response.request.headers.get("Accept-Encoding") != "identity":
        return
    packed = response.headers.get("Content-Encoding", "").lower()
    if _UNASKED & {one.strip() for one in packed.split(",")}:
        raise RefusedAnswerError(f"the answer is compressed ({packed[:40]}), which was not asked for")
    for name in ("Retry-After", "RateLimit") if response.status_code >= 400 else ():
        said = response.headers.get(name, "")
        if any(float(seconds) > LONGEST_WAIT for seconds in _WAIT.findall(said)):
            raise RefusedAnswerError(f"HTTP {response.status_code}, {name}: {said[:40]}")
    watch = getattr(response.extensions.get("network_stream"), "watch", None)
    if watch is not None:
        is_file = response.request.method in ("GET", "HEAD") and response.status_code < 400
        watch.start_body(None if is_file else LARGEST)


@dataclass(slots=True)
class _Watch:
    """How one answer comes."""

    patience: float
    began: float | None = None  # when its first bytes came; until then the timeouts hold
    in_headers: bool = True
    waited: float = 0.0  # seconds, and the bytes that came in them
    came: int = 0
    left: int | None = LONGEST_HEADERS

    def start_body(self, most: int | None) -> None:
        self.in_headers, self.waited, self.came, self.left = False, 0.0, 0, most

    def note(self, size: int, seconds: float) -> None:
        """So many bytes came after so many seconds."""
        now = time.monotonic()
        if self.left is not None:
            self.left -= size
            if self.left < 0:
                what = "its headers have" if self.in_headers else "the answer has"
                raise RefusedAnswerError(f"{what} over {LONGEST_HEADERS if self.in_headers else LARGEST:,} bytes")
        if self.began is None:
            self.began = now
            return
        self.waited, self.came = self.waited + seconds, self.came + size
        if self.in_headers and now - self.began > self.patience:
            raise RefusedAnswerError(f"its headers did not end within {self.patience:g} seconds, ZOO_HUB_PATIENCE")
        if not self.in_headers and self.waited > self.patience:
            if self.came < SLOWEST * self.patience:
                raise RefusedAnswerError(
                    f"under {SLOWEST:,} bytes a second came for {self.patience:g} seconds, ZOO_HUB_PATIENCE"
                )
            self.waited, self.came = 0.0, 0


class _Wrapped:
    """Something of the http library's; what is not said here is its own."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _WatchedBackend(_Wrapped):
    """Opens connections that are watched."""

    def connect_tcp(self, *about: Any, **how: Any) -> Any:
        return _WatchedStream(self._inner.connect_tcp(*about, **how))


class _WatchedStream(_Wrapped):
    """A connection; each time something is sent, an answer begins."""

    watch: _Watch | None = None

    def start_tls(self, *about: Any, **how: Any) -> Any:
        return _WatchedStream(self._inner.start_tls(*about, **how))

    def write(self, *about: Any, **how: Any) -> None:
        patience = getattr(_asking, "patience", None)
        self.watch = _Watch(patience) if patience else None
        self._inner.write(*about, **how)

    def read(self, *about: Any, **how: Any) -> Any:
        asked = time.monotonic()
        piece = self._inner.read(*about, **how)
        if self.watch:
            self.watch.note(len(piece), time.monotonic() - asked)
        return piece

"""How the tests' Hub server hears and answers: requests, the faults that they meet, bodies throttled or damaged."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from hub_server import HubServer
from hub_store import PIECE, RefusedError


@dataclass
class Fault:
    """What goes wrong, for requests whose method and path match.

    Where there is a storage, the bytes of an LFS file are sent for `/lfs/<sha256>` there, not for `/resolve/`.

    kind            value
    "status"        the status, sent with `headers`; nothing is done
    "hang"          seconds of silence, and then no answer
    "redirect"      the other server's address
    "drop"          bytes of the body sent before the connection breaks
    "corrupt"       the byte of the file that is wrong (from its end where negative); None: the middle one
    "truncate"      bytes missing at the end; Content-Length matches what is sent
    "lie"           by how much Content-Length is more, or less, than what is sent
    "slow"          bytes per second
    "ignore_range"  None; the whole file is sent
    "wrong_range"   by how many bytes the range sent lies before the range asked for (1), or after it
    "then"          a function that is called before the request is answered, and goes on to the next fault
    "drop_request"  False: the connection breaks once the request was read; True: once it was also done
    """

    kind: str
    value: Any = None
    method: str = "GET"  # "": any
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
    status: int = 0
    received: int = 0  # bytes of the body that came with it


class Link:
    """A line of so many bytes per second that all share who are inside it: `with link: link.take(1000)`.

    Each piece has its time on the line, one after the other. Who wakes late may catch up, by no more than 250 ms; the
    time in which nobody was inside is lost.
    """

    def __init__(self, rate: float) -> None:
        self.rate, self.free, self.inside = rate, 0.0, 0
        self.piece = max(1, min(65_536, int(rate / 50)))
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.free = max(self.free, time.monotonic())

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1

    def take(self, size: int) -> None:
        """Wait until `size` bytes are through."""
        with self.lock:
            now = time.monotonic()
            self.free = max(self.free, now - 0.25) + size / self.rate
            wait = self.free - now
        if wait > 0:
            time.sleep(wait)


class Headers(dict[str, str]):
    """Headers, whose names may be asked for in any case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class Answers(BaseHTTPRequestHandler):
    """How a request is read, and how it is answered with the faults that it meets."""

    hub: HubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    public = False  # whether no token is asked for
    routes: tuple[tuple[str, str, str], ...] = ()  # methods, path, the name of the method that answers

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def seen_by(self) -> list[Request]:
        return self.hub.requests

    def answer(self) -> None:
        self.request_seen = Request(self.command, self.path, Headers(dict(self.headers)))
        with self.hub.lock:  # noted before it is answered: the client may look as soon as it has its answer
            self.seen_by().append(self.request_seen)
        self.url = urlsplit(self.path)  # matched before it is decoded, because of refs%2Fpr%2F1
        self.query = parse_qs(self.url.query)
        self.unread = self.pieces()
        self.mute = False
        self.fault = fault = self.hub.fault(self.command, self.url.path)
        try:
            if fault and fault.kind in ("hang", "drop_request"):
                self.be_silent(fault)
            elif fault and fault.kind == "status":
                self.reply(fault.value, {"error": "refused"}, fault.headers)
            elif fault and fault.kind == "redirect":
                self.reply(302, None, {"Location": fault.value + self.path, **self.linked()})
            else:
                self.route()
        except ConnectionError:
            self.close_connection = True
        except Exception:  # a fault of the server's own, told to whoever runs the test
            if not self.request_seen.status:
                self.reply(500, {"error": traceback.format_exc()})
        finally:
            self.hub.note(self.request_seen)

    def be_silent(self, fault: Fault) -> None:
        if fault.kind == "hang":
            self.hub.stopped.wait(fault.value)
        else:
            self.mute = True
            if fault.value:
                self.route()
            for _ in self.unread:
                pass
        self.close_connection = True

    def route(self) -> None:
        try:
            for methods, pattern, name in self.routes:
                found = re.fullmatch(pattern, self.url.path)
                if found and self.command in methods.split():
                    if not self.public:
                        self.check_token(name)
                    getattr(self, name)(*[part if part is None else unquote(part) for part in found.groups()])
                    return
            raise RefusedError(404, "Sorry, we can't find the page you are looking for.")
        except RefusedError as refused:
            coded = {"X-Error-Code": refused.code} if refused.code else {}
            headers = {**coded, "X-Error-Message": refused.message, **refused.said.pop("headers", {})}
            self.reply(refused.status, {"error": refused.message, **refused.said}, headers)

    def check_token(self, name: str) -> None:
        said = self.headers.get("Authorization")
        if self.hub.token and said not in (None, f"Bearer {self.hub.token}"):
            raise RefusedError(401, "Invalid credentials in Authorization header")
        reads = self.command in ("GET", "HEAD") or name in ("validate_yaml", "paths_info")
        if said is None and (name == "whoami" or (self.hub.token and not reads)):
            raise RefusedError(401, "Invalid username or password.", "RepoNotFound" if name != "whoami" else "")

    def linked(self) -> dict[str, str]:
        """What a redirect to a storage host says of the file."""
        return {}

    # -------------------------------------------------------------------------------------------- the body that came

    def pieces(self) -> Iterator[bytes]:
        """The request's body, as it comes; what nobody wanted is read before the answer is sent."""
        left = int(self.headers.get("Content-Length", 0))
        chunked = self.headers.get("Transfer-Encoding", "") == "chunked"
        link = self.hub.link if left or chunked else None
        with link or contextlib.nullcontext():
            while left or chunked:
                if not left:
                    left = int(self.rfile.readline().split(b";")[0], 16)
                    if not left:
                        self.rfile.readline()
                        return
                piece = self.rfile.read(min(left, link.piece if link else PIECE))
                if not piece:
                    raise ConnectionError("the client hung up")
                left -= len(piece)
                if chunked and not left:
                    self.rfile.readline()
                self.request_seen.received += len(piece)
                if link:
                    link.take(len(piece))
                yield piece

    def body(self) -> Any:
        """The request's body, as JSON."""
        try:
            return json.loads(b"".join(self.unread) or b"{}")
        except ValueError:
            raise RefusedError(400, "the body is no JSON") from None

    # -------------------------------------------------------------------------------------------- the answer

    def reply(self, status: int, said: Any, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if said is None else json.dumps(said, default=str).encode()
        self.send(status, {"Content-Type": "application/json", **(headers or {})}, content)

    def send_part(self, headers: Mapping[str, str], path: Path) -> None:
        """A file, or the range of it that was asked for."""
        size, asked = path.stat().st_size, re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        kind, value = (self.fault.kind, self.fault.value) if self.fault else ("", None)
        if asked and (asked[1] or asked[2]) and kind != "ignore_range":
            start = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
            end = min(int(asked[2]) + 1 if asked[1] and asked[2] else size, size)
            if start >= end:
                raise RefusedError(416, "range", headers={"Content-Range": f"bytes */{size}"})
        elif kind != "wrong_range":
            self.send(200, headers, path, 0, size)
            return
        else:
            start, end = 0, size
        if kind == "wrong_range":
            shift = 1 if value is None else value
            start, end = (start - shift, end - shift) if start >= shift else (start + shift, min(end + shift, size))
        self.send(206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"}, path, start, end)

    def send(
        self, status: int, headers: Mapping[str, str], content: bytes | Path, start: int = 0, end: int | None = None
    ) -> None:
        for _ in self.unread:
            pass
        self.request_seen.status = status
        if self.mute:
            return
        end = len(content) if end is None and isinstance(content, bytes) else end or 0
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        fault = self.fault if self.fault and self.command != "HEAD" else Fault("")
        wrong = None
        if fault.kind == "truncate":
            end = max(start, end - fault.value)
        elif fault.kind == "corrupt" and size:
            wrong = size // 2 if fault.value is None else fault.value % size
        said = end - start + (fault.value if fault.kind == "lie" else 0)
        if fault.kind == "drop":
            end = min(end, start + fault.value)
        self.send_response(status)
        for name, value in {"Content-Length": str(max(0, said)), **headers}.items():
            self.send_header(name, value)
        if fault.kind in ("drop", "lie"):
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.pour(content, start, end, wrong, Link(fault.value) if fault.kind == "slow" else None)

    def pour(self, content: bytes | Path, start: int, end: int, wrong: int | None, slow: Link | None) -> None:
        """The body, piece by piece; straight from the disk where nothing slows or damages it."""
        links = [link for link in (self.hub.link, slow) if link]
        step = min([link.piece for link in links], default=4 * PIECE)
        with contextlib.ExitStack() as inside:
            opened = inside.enter_context(content.open("rb")) if isinstance(content, Path) else None
            for link in links:
                inside.enter_context(link)
            for first in range(start, end, step):
                last = min(first + step, end)
                self.request_seen.sent += last - first
                for link in links:
                    link.take(last - first)
                if opened and not (wrong is not None and first <= wrong < last):
                    self.connection.sendfile(opened, first, last - first)
                    continue
                if opened:
                    opened.seek(first)
                piece = bytearray(opened.read(last - first) if opened else content[first:last])  # type: ignore[index]
                if wrong is not None and first <= wrong < last:
                    piece[wrong - first] ^= 1
                self.wfile.write(piece)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    # -------------------------------------------------------------------------------------------- LFS contents

    def lfs_get(self, oid: str) -> None:
        path = self.hub.store.blob(oid)
        if not path.is_file():
            raise RefusedError(404, "no such object")
        self.send_file({"ETag": f'"{oid}"'}, path)

    def send_file(self, headers: Mapping[str, str], path: Path) -> None:
        self.send_part({"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}, path)

    def lfs_put(self, oid: str, part: str | None) -> None:
        if part:
            kept = self.hub.store.receive(self.unread)
            self.reply(200, None, {"ETag": f'"{kept.name}"'})
        else:
            self.hub.store.receive(self.unread, sha256=oid, size=int(self.query["size"][0]))
            self.reply(200, None, {"ETag": f'"{oid}"'})


LFS_ROUTES = (("GET HEAD", "/lfs/([0-9a-f]{64})", "lfs_get"), ("PUT", r"/lfs/([0-9a-f]{64})(?:/(\d+))?", "lfs_put"))


class Storage(Answers):
    """The storage's side: contents by their hashes, for anyone who knows the address."""

    routes = LFS_ROUTES
    public = True

    def seen_by(self) -> list[Request]:
        return self.hub.storage_requests

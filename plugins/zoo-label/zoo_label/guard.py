"""Who may speak to the page's server: who has the token, from the page itself, in requests of a sensible size."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LARGEST_BODY = 1 << 20  # bytes
LONGEST_PATH = 2_000  # bytes of an address

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """Refuses a request before anything of it is read, with a status and nothing else.

    The token is the first part of the path. `Host` must be an address or a name of this machine with our port, so that
    no name that was bent to point here (DNS rebinding) is answered; `Origin`, which a browser sends along with all that
    writes, must be the page's own.

    Args:
        app: what is guarded; it sees paths without the token.
        token: secret.
        hosts: names that `Host` may have, besides the addresses that are allowed.
        addresses: whether any address is allowed as `Host`, for servers that were opened to a network.
    """

    def __init__(self, app: App, *, token: str, hosts: frozenset[str], addresses: bool = False) -> None:
        self.app, self._token = app, token.encode()
        self._hosts, self._addresses = hosts, addresses

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        path = scope.get("raw_path") or scope["path"].encode()
        first, slash, below = path.removeprefix(b"/").partition(b"/")
        status = self._refusal(scope, headers, first, slash)
        if status or len(path) > LONGEST_PATH or b"%" in path or b".." in path:
            await _refuse(send, status or 404)
            return
        inside = {**scope, "path": "/" + below.decode("latin-1"), "raw_path": b"/" + below, "root_path": ""}
        await self.app(inside, _limited(receive), _with_headers(send))

    def _refusal(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, list[bytes]], token: bytes, slash: bytes
    ) -> int:
        """The status of a refusal, 0: there is none."""
        if not self._is_host(headers.get(b"host", [])):
            return 421
        if not hmac.compare_digest(token, self._token) or not slash:
            return 404
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405
        origin, host = headers.get(b"origin", []), headers[b"host"][0]
        if origin and (len(origin) > 1 or origin[0] != b"http://" + host):
            return 403
        if any(one not in (b"same-origin", b"none") for one in headers.get(b"sec-fetch-site", [])):
            return 403
        if scope["method"] == "POST":
            kinds = [one.split(b";")[0].strip().lower() for one in headers.get(b"content-type", [])]
            if kinds != [b"application/json"]:
                return 415
            sizes = headers.get(b"content-length", [])
            if len(sizes) != 1 or not sizes[0].isdigit() or len(sizes[0]) > 12:
                return 411
            if int(sizes[0]) > LARGEST_BODY:
                return 413
        return 0

    def _is_host(self, given: list[bytes]) -> bool:
        if len(given) != 1:
            return False
        host = given[0].decode("latin-1").lower()
        if host in self._hosts:
            return True
        name = host.rpartition(":")[0].strip("[]")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._addresses


def allowed_hosts(host: str, port: int) -> frozenset[str]:
    """The names that `Host` may have at a port, of loopback, and of this machine where it listens to more."""
    names = {"localhost", "127.0.0.1", "[::1]"}
    if not is_loopback(host):
        names |= {socket.gethostname().lower(), host.lower()}
    return frozenset(f"{name}:{port}" for name in names)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _headers(scope: MutableMapping[str, Any]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def _limited(receive: Receive) -> Receive:
    """No more of a body than was announced and is allowed."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > LARGEST_BODY else message

    return limited


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

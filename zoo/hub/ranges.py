"""Parts of files of the Hub, read by ranges."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import FetchError, IntegrityError
from zoo.hub.client import ConnectionDroppedError, status_of, stream_request, translate_error, with_retries


@dataclass(slots=True, kw_only=True)
class Address:
    """A file's URL; it remembers the Hub's redirect, so that only the first range is redirected."""

    url: str
    token: str | None = field(repr=False)
    storage: str | None = field(default=None, repr=False)  # where the Hub redirects, signed; it is sent no token


def read_byte_range(address: Address, start: int, end: int, *, where: str, name: str) -> bytearray:
    """One range of a file, [start, end) in bytes; what came before a connection broke is not asked for again.

    Raises:
        FetchError: the server could not be reached, or reads no parts of files.
        IntegrityError: it sent another range, or more than was asked for.
    """
    content = bytearray()
    if start == end:
        return content

    def receive() -> bytearray:
        first = start + len(content)
        with _request_range(address, f"bytes={first}-{end - 1}") as response:
            said = response.headers.get("Content-Range", "")
            if response.status_code != 206 or not said.startswith(f"bytes {first}-{end - 1}/"):
                if response.status_code == 206:
                    raise IntegrityError(
                        f"{where}/{name}: asked for bytes {first} to {end}, got {said!r}.", "Try again."
                    )
                raise FetchError(f"{where}: the server reads no parts of files.", f"Run `zoo fetch {where}`.")
            for piece in response.iter_raw():
                content.extend(piece)
                if len(content) > end - start:
                    raise IntegrityError(f"{where}/{name}: the server sent more than was asked for.", "Try again.")
        if len(content) < end - start:
            raise ConnectionDroppedError(f"the connection ended after {len(content)} of {end - start} bytes")
        return content

    return with_retries(
        receive, explain=lambda error: translate_error(where, error, name=name), progressed=lambda: len(content)
    )


@contextlib.contextmanager
def _request_range(address: Address, span: str) -> Iterator[Any]:
    """The response of the storage where its address is known and still valid, else of the Hub."""
    headers = {"Range": span}
    if address.storage is not None:
        try:
            with stream_request(address.storage, token=False, headers=headers) as response:
                yield response
                return
        except Exception as error:
            if status_of(error) not in (400, 401, 403, 404, 410):
                raise
            address.storage = None
    with stream_request(address.url, token=address.token, headers=headers) as response:
        if response.history:
            address.storage = str(response.url)
        yield response

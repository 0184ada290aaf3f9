"""Requests to the Hub: the endpoint, retries, and every failure as one line."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from zoo.errors import (
    FetchError,
    FileError,
    IntegrityError,
    MissingFileError,
    UsageError,
    ZooError,
    mask_secrets,
    one_line,
    printable,
    remember_secret,
)
from zoo.files import parse_json
from zoo.hub.session import LARGEST, SLOWEST, RefusedAnswerError, open_session, patience

T = TypeVar("T")

ATTEMPTS = 4  # of one request
BACK_OFF = 0.5  # seconds before the second attempt; twice that before each further one
PATIENCE = 5.0  # seconds after which nothing is retried; with the timeouts 15 s for a network that is down
CONNECT, READ = 5.0, 8.0  # seconds
ANSWER = 120.0  # seconds that a push waits for one answer
REMEDY = (
    "Check the network and HF_ENDPOINT, or pass `offline=True` for what is in the cache "
    "(`zoo train`: `weights=DIR_OR_FILE`)."
)

TranslateError = Callable[[BaseException], ZooError]


class ConnectionDroppedError(OSError):
    """A response that ended early."""


def endpoint() -> str:
    """`HF_ENDPOINT`, read at the call: the client itself reads it only when it is imported."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or str(constants.ENDPOINT)).rstrip("/")


def file_url(repo: str, name: str, commit: str) -> str:
    """Where the bytes of a repository's file are asked for."""
    from huggingface_hub import hf_hub_url

    return str(hf_hub_url(repo, name, revision=commit, endpoint=endpoint()))


def client_api(token: str | None = None) -> Any:
    """The client's `HfApi` at our endpoint. Raises UsageError as `stream_request` does."""
    from huggingface_hub import HfApi

    _check_token(token)
    return HfApi(endpoint=endpoint(), token=token, library_name="zoo")


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` forbids every request."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def uses_xet() -> bool:
    """Whether the client would speak Xet with an endpoint that has it."""
    from huggingface_hub import constants

    return not constants.HF_HUB_DISABLE_XET and importlib.util.find_spec("hf_xet") is not None


@functools.cache
def client_utils() -> Any:
    """The client's helpers; what it logs, and servers say in it, is printable from then on."""
    utils = importlib.import_module("huggingface_hub.utils")
    loggers = (logging.getLogger(f"huggingface_hub.{name}") for name in ("utils._http", "file_download"))
    for one in (*utils.logging.get_logger().handlers, *loggers):
        one.addFilter(_make_printable)
    return utils


def _make_printable(record: logging.LogRecord) -> bool:
    """A filter that keeps every record."""
    record.msg, record.args = one_line(record.getMessage()), None
    if record.exc_info:
        record.exc_text = printable(logging.Formatter().formatException(record.exc_info))
    return True


def file_lock(path: Path) -> contextlib.AbstractContextManager[Any]:
    """A lock between processes, by the client's own means; it ends with the process that holds it."""
    lock: contextlib.AbstractContextManager[Any] = client_utils().WeakFileLock(path)
    return lock


@contextlib.contextmanager
def stream_request(url: str, *, token: str | bool | None, headers: dict[str, str]) -> Iterator[Any]:
    """A streamed GET with the Hub's headers; `token=False` sends none, None the one that is stored.

    Where a redirect leads to another host or port the session's http client takes the token off.

    Raises:
        UsageError: the token has characters that no header can carry.
        The client's own errors; `with_retries` translates them.
    """
    _check_token(token)
    sent = client_utils().build_hf_headers(
        token=token, library_name="zoo", headers={"Accept-Encoding": "identity", **headers}
    )
    timeout = _http().Timeout(READ, connect=CONNECT)
    with open_session().stream("GET", url, headers=sent, timeout=timeout) as response:
        client_utils().hf_raise_for_status(response)
        yield response


@contextlib.contextmanager
def bounded_timeouts() -> Iterator[None]:
    """Inside, the client's own requests have our limits too: its POSTs wait for good, and take compressed answers."""
    session = open_session()
    before, encodings = session.timeout, session.headers["Accept-Encoding"]
    session.timeout = _http().Timeout(ANSWER, connect=CONNECT)
    session.headers["Accept-Encoding"] = "identity"
    try:
        yield
    finally:
        session.timeout, session.headers["Accept-Encoding"] = before, encodings


def with_retries(
    work: Callable[[], T],
    *,
    explain: TranslateError,
    progressed: Callable[[], int] = lambda: 0,
    statuses_only: bool = False,
) -> T:
    """Call `work`, and again while the server is busy or the connection breaks, for a bounded time.

    Args:
        work: what is tried.
        explain: the last error -> what is raised.
        progressed: the bytes received; while they grow, and not too slowly, the time limit starts again.
        statuses_only: whether broken connections are final (the work itself has tried them again, or must not be
            done twice).
    """
    first, before, attempt = progressed(), progressed(), 0
    start = began = time.monotonic()
    open_session()  # the client uses it too
    while True:
        try:
            return work()
        except _client_errors() as error:
            attempt += 1
            _mask_chain(error)
            now, received = time.monotonic(), progressed()
            if received > before and received - first > SLOWEST * (now - start - patience()):
                began, attempt, before = now, 1, received
            wait = _wait_before_retry(error, attempt, statuses_only)
            asked = status_of(error) == 429
            if wait is None or attempt >= ATTEMPTS or (not asked and now - began + wait > PATIENCE):
                raise explain(error) from error
            time.sleep(wait)
        except (AttributeError, LookupError, RecursionError, TypeError) as error:  # the client takes any JSON
            _mask_chain(error)
            raise explain(ValueError("the server does not answer as the Hub does")) from error


def read_small(url: str, *, token: str | None, limit: int, where: str, explain: TranslateError) -> bytes:
    """A small file's bytes, kept in memory only. Raises IntegrityError where it has more than `limit`."""
    too_long = IntegrityError(f"{where}: more than the {limit} bytes that are allowed.", "Look at it there.")
    return with_retries(lambda: _read_bounded(url, token, limit, too_long)[0], explain=explain)


def request_json(url: str, *, token: str | None, where: str, explain: TranslateError | None = None) -> tuple[Any, str]:
    """An answer's JSON, and the address of the next page if there is one.

    Raises:
        FetchError: it is longer than any honest one, or no JSON; else what `explain` makes of the client's error.
    """
    too_long = FetchError(f"{where}: the answer has over {LARGEST:,} bytes.", "Check HF_ENDPOINT.")
    explain = explain or (lambda error: translate_error(where, error))
    raw, following = with_retries(lambda: _read_bounded(url, token, LARGEST, too_long), explain=explain)
    try:
        ours = urlsplit(following)[:2] == urlsplit(url)[:2]  # the token is for this server only
        return parse_json(raw), following if ours else ""
    except ValueError as error:
        raise unexpected_answer_error(where) from error


def unexpected_answer_error(where: str) -> FetchError:
    """What is said of an answer that is not of the Hub's form."""
    return FetchError(f"{where}: the server does not answer as the Hub does.", "Check HF_ENDPOINT.")


def translate_error(where: str, error: BaseException, *, name: str = "") -> ZooError:
    """The client's error as one line with the real cause and the remedy.

    Args:
        where: the repository, `hf://owner/name@main`, or the endpoint.
        error: what the client raised.
    """
    kind = type(error).__name__
    if kind == "LocalEntryNotFoundError" and error.__cause__ is not None:
        return translate_error(where, error.__cause__, name=name)
    status = status_of(error)
    if kind == "GatedRepoError" or (status in (401, 403) and kind != "RepositoryNotFoundError"):
        return FetchError(
            f"{where} may not be used without permission (HTTP {status}).",
            "Run `hf auth login`, or set HF_TOKEN, and ask its owner for access.",
        )
    if kind == "RepositoryNotFoundError":
        return FetchError(
            f"{where}: there is no such repository, or it is private.", "Check the name, or set HF_TOKEN."
        )
    if kind == "RevisionNotFoundError":
        return FetchError(f"{where}: there is no such revision.", "Check it, or leave it out.")
    if "EntryNotFound" in kind or status == 404:
        return MissingFileError(where, name) if name else FetchError(f"{where}: HTTP 404.", "Check HF_ENDPOINT.")
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return disk_full_error(where)
    what = f"{where}/{name}" if name else where
    file = getattr(error, "filename", None)
    if isinstance(error, OSError) and file and getattr(error, "errno", None) is not None:
        return FileError(
            str(file), f"it cannot be read or written ({error.strerror})", "Choose another with `cache_dir=`."
        )
    cause = f"HTTP {status}" if status else (mask_secrets(str(error)).strip().splitlines() or [kind])[0][:300]
    said = getattr(error, "server_message", None)
    said = f": {' '.join(mask_secrets(said).split())[:200]}" if isinstance(said, str) and said.strip() else ""
    if status and status != 429 and status < 500:
        return FetchError(f"{what}: the server refused it ({cause}{said}).", "Check the name and HF_ENDPOINT.")
    remedy = "Wait a while, and try again." if status == 429 else REMEDY
    return FetchError(f"{what} could not be fetched ({cause}).", remedy)


def disk_full_error(where: str, needed: int | None = None) -> FetchError:
    """What is said where a file does not fit."""
    more = f" ({needed / 1e6:,.0f} MB are needed)" if needed else ""
    return FetchError(f"{where}: the disk is full{more}.", "Free some space, or choose another with `cache_dir=`.")


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status that an error of the client carries."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def is_unreachable(error: BaseException | None) -> bool:
    """Whether the server could not be reached, or is broken: what is in the cache may do instead."""
    return isinstance(error, _http().TransportError | RefusedAnswerError) or (status_of(error) or 0) >= 500


def _read_bounded(url: str, token: str | None, limit: int, too_long: ZooError) -> tuple[bytes, str]:
    """An answer's bytes, and the next page's address."""
    content = bytearray()
    with stream_request(url, token=token, headers={}) as response:
        for piece in response.iter_bytes():
            content += piece
            if len(content) > limit:
                raise too_long
        return bytes(content), response.links.get("next", {}).get("url", "")


def _mask_chain(error: BaseException | None) -> None:
    """Take the tokens that a server quoted out of an error and its causes: a traceback shows them all."""
    while error is not None:
        error.args = tuple(mask_secrets(one) if isinstance(one, str) else one for one in error.args)
        error = error.__cause__ or error.__context__


def _check_token(token: str | bool | None) -> None:
    """Refuse what no header carries; what a server may quote from now on is masked everywhere."""
    if token is not False:
        remember_secret(token if isinstance(token, str) else client_utils().get_token())
    client_utils()
    if isinstance(token, str) and not re.fullmatch(r"[!-~]*", token):
        raise UsageError("The access token has characters that no token has.", "Copy it again, or set HF_TOKEN.")


def _http() -> Any:
    """The http library of the installed client: httpx until 1.x, httpx2 from 2.0."""
    client: Any = importlib.import_module("huggingface_hub.utils._http")
    return getattr(client, "httpx2", None) or client.httpx


def _client_errors() -> tuple[type[BaseException], ...]:
    """What the client may raise: its own errors, the http library's, the system's."""
    from huggingface_hub.errors import HfHubHTTPError

    http = _http()
    return (HfHubHTTPError, http.HTTPError, http.InvalidURL, http.StreamError, OSError, ValueError)


def _wait_before_retry(error: BaseException, attempt: int, statuses_only: bool) -> float | None:
    """Seconds until the next attempt, None where there is no point in one."""
    status = status_of(error)
    back_off = BACK_OFF * 2.0 ** (attempt - 1)
    if status == 429:
        said = error.response.headers.get("Retry-After", "")  # type: ignore[attr-defined]
        return float(said) if re.fullmatch("[0-9]+", said) else back_off
    if status is not None:
        return back_off if status in (408, 500, 502, 503, 504) else None
    http = _http()
    if isinstance(error, http.UnsupportedProtocol | http.LocalProtocolError):  # ours: nothing was sent
        return None
    dropped = isinstance(error, http.TransportError | ConnectionDroppedError) and not statuses_only
    return back_off if dropped else None

"""The page's server: a small application on loopback, guarded by a token."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.errors import FileError, UsageError, ZooError, one_line
from zoo.files import parse_json
from zoo.plots import page_style
from zoo_label.actions import Action, Way, check_name
from zoo_label.guard import App, Guard, allowed_hosts, is_loopback
from zoo_label.page_state import describe_changes, describe_picture, describe_report, describe_start
from zoo_label.session import Labelling
from zoo_label.tables import write_csv
from zoo_label.thumbnails import LARGE_SIDE, ThumbnailCache, shrink
from zoo_label.views import make_view
from zoo_label.worker import Worker

PACKAGE = __name__.rpartition(".")[0]
SCRIPTS = ("main", "client", "desk", "grid", "layout", "naming", "panels", "pointer")
ASSETS = {"label.css": "text/css", "icon.svg": "image/svg+xml", **{f"{name}.js": "text/javascript" for name in SCRIPTS}}
NO_STORE = {"cache-control": "no-store"}
KEPT = {"cache-control": "private, max-age=86400"}  # pictures, by the browser


class _ActionRequest(BaseModel):
    """What a window may ask to be done."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: str = Field(pattern=r"^[\w-]{8,64}$")
    window: str = Field(pattern=r"^[\w-]{4,64}$")
    seen: int = Field(ge=0)
    verb: Literal["label", "second", "rename", "undo", "redo"]
    way: Way = "one"
    pictures: list[int] = Field(default=[], max_length=200_000)
    name: str = Field(default="", max_length=400)
    old: str = Field(default="", max_length=400)

    def as_action(self, labelling: Labelling) -> Action:
        """Raises UsageError: a name that none can have."""
        name = check_name(self.name) if self.name else ""
        facts = {"window": self.window, "key": self.key}
        if self.verb in ("undo", "redo"):
            return labelling.action("undo", target=-1 if self.verb == "redo" else 0, **facts)
        if self.verb == "rename":
            if not name or self.old not in labelling.journal.labels.names[2:]:
                raise UsageError(f"There is no kind {self.old!r} to rename.", "Choose one that is there.")
            return labelling.action("rename", name=name, old=self.old, way="kind", **facts)
        if self.verb == "second" and not name:
            raise UsageError("A second answer needs a name.")
        pictures = tuple(dict.fromkeys(self.pictures))
        return labelling.action(self.verb, name=name, pictures=pictures, way=self.way, **facts)


class _RowRequest(BaseModel):
    """How rows may be arranged anew."""

    model_config = ConfigDict(extra="forbid", strict=True)

    split: int | None = None  # a cluster's key; None: cluster all that is left anew


class _SaveRequest(BaseModel):
    """Nothing is asked for but the writing."""

    model_config = ConfigDict(extra="forbid", strict=True)


class LabelServer:
    """The application for one labelling.

    Args:
        labelling: what is labelled.
        worker: fits the head beside.
        out: the CSV that the page may write.
    """

    def __init__(self, labelling: Labelling, worker: Worker, *, out: Path) -> None:
        self.labelling, self.worker, self.out = labelling, worker, out
        self.thumbnails = ThumbnailCache(labelling.pictures.root)
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/asset/{name}", self._asset),
                Route("/start", self._json(lambda _: describe_start(self.labelling))),
                Route("/changes", self._json(self._changes)),
                Route("/report", self._json(lambda _: describe_report(self.labelling))),
                Route("/view/{name}", self._json(self._view)),
                Route("/picture/{number:int}", self._json(self._facts)),
                Route("/labels", self._labels),
                Route("/beliefs", self._beliefs),
                Route("/thumbnail/{number:int}", self._thumbnail),
                Route("/large/{number:int}", self._large),
                Route("/act", self._posted(_ActionRequest, self._act), methods=["POST"]),
                Route("/arrange", self._posted(_RowRequest, self._arrange), methods=["POST"]),
                Route("/save", self._posted(_SaveRequest, self._save), methods=["POST"]),
            ],
            exception_handlers={ZooError: _say_error},
        )
        self.app.router.redirect_slashes = False

    # -------------------------------------------------------------------------------------------- reading

    async def _page(self, _: Request) -> Response:
        return Response(_read("index.html"), media_type="text/html; charset=utf-8", headers=NO_STORE)

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name == "base.css":
            return Response(page_style(), media_type="text/css; charset=utf-8", headers=NO_STORE)
        if name not in ASSETS:
            return Response(status_code=404)
        return Response(_read(name), media_type=f"{ASSETS[name]}; charset=utf-8", headers=NO_STORE)

    def _json(self, make: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(await run_in_threadpool(make, request), headers=NO_STORE)

        return endpoint

    def _changes(self, request: Request) -> dict[str, Any]:
        return describe_changes(self.labelling, seen=_number(request, "seen"))

    def _view(self, request: Request) -> dict[str, Any]:
        asked = request.query_params
        query, picture = asked.get("query", "")[:200], _number(request, "picture", default=-1)
        sections = make_view(self.labelling, request.path_params["name"], picture=picture, query=query)
        return {"sections": sections, "fits": self.labelling.fits}

    def _facts(self, request: Request) -> dict[str, Any]:
        return describe_picture(self.labelling, request.path_params["number"])

    async def _labels(self, _: Request) -> Response:
        """The code of every picture's label, int16."""
        codes = self.labelling.codes.astype("<i2").tobytes()
        return Response(codes, media_type="application/octet-stream", headers=NO_STORE)

    async def _beliefs(self, _: Request) -> Response:
        """The code of every picture's proposal, int16, then how sure it is, a byte of percents."""
        beliefs = self.labelling.beliefs
        content = beliefs.codes.astype("<i2").tobytes() + np.rint(100 * beliefs.confidence).astype("u1").tobytes()
        return Response(content, media_type="application/octet-stream", headers=NO_STORE)

    async def _thumbnail(self, request: Request) -> Response:
        return await run_in_threadpool(self._picture, request, self.thumbnails.thumbnail)

    async def _large(self, request: Request) -> Response:
        return await run_in_threadpool(self._picture, request, lambda path: shrink(path, LARGE_SIDE))

    def _picture(self, request: Request, make: Callable[[Path], bytes]) -> Response:
        """A picture, decoded and encoded anew: no file goes out as it is."""
        number, paths = request.path_params["number"], self.labelling.journal.paths
        if not 0 <= number < len(paths):
            return Response(status_code=404)
        try:
            content = make(self.labelling.pictures.locate(paths[number]))
        except (ZooError, OSError):
            return Response(status_code=404, headers=NO_STORE)
        return Response(content, media_type="image/jpeg", headers=KEPT)

    # -------------------------------------------------------------------------------------------- writing

    def _posted(self, model: type[BaseModel], do: Callable[[Any], dict[str, Any]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                asked = model.model_validate(parse_json(await request.body()))
            except (ValueError, ValidationError) as error:
                said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
                return JSONResponse({"error": one_line(f"This is no request of the page: {said}.")}, 400)
            return JSONResponse(await run_in_threadpool(do, asked), headers=NO_STORE)

        return endpoint

    def _act(self, asked: _ActionRequest) -> dict[str, Any]:
        """Write an action; the answer is sent once it is on the disk."""
        receipt = self.labelling.act(asked.as_action(self.labelling), seen=asked.seen)
        self.worker.wake()
        return {**asdict(receipt), **describe_changes(self.labelling, seen=asked.seen)}

    def _arrange(self, asked: _RowRequest) -> dict[str, Any]:
        if asked.split is None:
            self.labelling.cluster_again()
        else:
            self.labelling.split(asked.split)
        return {"rows": len(self.labelling.clusters)}

    def _save(self, _: _SaveRequest) -> dict[str, Any]:
        rows = write_csv(self.labelling.journal, self.out)
        return {"rows": rows, "file": self.out.name}


async def _say_error(_: Request, error: Exception) -> Response:
    status = 400 if isinstance(error, UsageError) else 404 if isinstance(error, FileError) else 500
    return JSONResponse({"error": one_line(error)}, status, headers=NO_STORE)


def _number(request: Request, name: str, *, default: int = 0) -> int:
    text = request.query_params.get(name, str(default))
    if not text.removeprefix("-").isdigit() or len(text) > 9:
        raise UsageError(f"{name}={text[:20]!r} is no number.")
    return int(text)


def _read(name: str) -> str:
    return files(PACKAGE).joinpath("page", name).read_text(encoding="utf-8")


class RunningServer:
    """A server at a port of its own, with its address.

    Args:
        server: what answers.
        host: the address to listen at; loopback unless somebody asked for more.
        port: 0: any that is free.
        token: secret; drawn by default.

    Raises:
        FileError: the port is taken.
    """

    def __init__(self, server: LabelServer, *, host: str = "127.0.0.1", port: int = 0, token: str = "") -> None:
        self.token = token or secrets.token_urlsafe(24)
        try:
            self._socket = socket.create_server((host, port), family=_family(host))
        except OSError as error:
            raise FileError(
                f"{host}:{port}", f"cannot be listened at ({error.strerror})", "Choose another port."
            ) from error
        self.port = self._socket.getsockname()[1]
        shown = host if is_loopback(host) else socket.gethostname()
        self.url = f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}/{self.token}/"
        hosts = allowed_hosts(host, self.port)
        guarded: App = Guard(server.app, token=self.token, hosts=hosts, addresses=not is_loopback(host))
        options: dict[str, Any] = {"log_level": "error", "access_log": False, "server_header": False, "ws": "none"}
        options |= {"lifespan": "off", "http": "h11", "timeout_keep_alive": 30, "limit_concurrency": 200}
        self._server = uvicorn.Server(uvicorn.Config(guarded, **options))

    def serve(self) -> None:
        """Answer until `stop`, or Ctrl-C."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """From another thread."""
        self._server.should_exit = True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET

"""Hostile repositories: whatever a stranger published, one line says what is wrong, and nothing is run or put in place.

Each test has its own home and cache; after each, nothing lies outside of them and nothing half in place.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from command_line import CommandLine
from hub_server import HubServer
from torch import Tensor

import zoo
from zoo.errors import FetchError, FileError, IntegrityError, MissingPluginError, UsageError, ZooError
from zoo.models.fetching import fetch
from zoo.models.golden import GOLDEN_FILE, check_golden
from zoo.store.artifact import open_artifact
from zoo.store.local_source import FolderSource
from zoo.store.manifest import LARGEST_SIDE, MANIFEST_LIMIT
from zoo.store.registry_editing import add_entry
from zoo.store.registry_file import RegistryEntry
from zoo.store.safetensors import write_tensors
from zoo.store.safetensors_header import parse_header, read_header
from zoo.store.verification import verify

MODEL, HEADS, REPO = "model.safetensors", "heads.safetensors", "owner/filters"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHANNELS, CLASSES = 64, 2


# ------------------------------------------------------------------------------------------------ what is published


def weights() -> dict[str, Tensor]:
    """VGG11 up to its first block."""
    generator = torch.Generator().manual_seed(0)
    return {
        "features.0.weight": torch.randn(CHANNELS, 3, 3, 3, generator=generator) / 5,
        "features.0.bias": torch.zeros(CHANNELS),
    }


def head_weights() -> dict[str, Tensor]:
    return {
        "species.layers.0.running_mean": torch.zeros(CHANNELS),
        "species.layers.0.running_var": torch.ones(CHANNELS),
        "species.layers.0.num_batches_tracked": torch.tensor(0),
        "species.layers.1.weight": torch.ones(CLASSES, CHANNELS),
        "species.layers.1.bias": torch.zeros(CLASSES),
    }


def described(files: dict[str, bytes], **changes: Any) -> dict[str, Any]:
    """A manifest that tells the truth of the files, but for the changes."""

    def header_digest(raw: bytes) -> str:
        return hashlib.sha256(raw[: 8 + int.from_bytes(raw[:8], "little")]).hexdigest()

    head = {
        **{"name": "species", "plugin": "classify", "package": "filterzoo", "target_name": "label"},
        "target": {"kind": "categories", "names": ["cod", "squid"]},
        "shape": {"channels": CHANNELS, "height": 16, "width": 16},
    }
    return {
        "format_version": 1,
        "library": "zoo",
        "name": "vgg11-minnows",
        "backbone": "torchvision/vgg11",
        "backbone_package": "filterzoo",
        "cut": {"name": "block1", "node": "features.1", "channels": CHANNELS, "stride": 1},
        "input": {"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
        "heads": [{**head, **changes.pop("head", {})}] if HEADS in files else [],
        "header_sha256": header_digest(files[MODEL]),
        "heads_header_sha256": header_digest(files[HEADS]) if HEADS in files else None,
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
        **changes,
    }


def published(more: dict[str, bytes] | None = None, **changes: Any) -> dict[str, bytes]:
    """The files of published filters; `changes` go into config.json, which is written unchecked."""
    files = {MODEL: as_file(weights()), HEADS: as_file(head_weights()), "README.md": b"# Filters\n", **(more or {})}
    return {**files, "config.json": json.dumps(described(files, **changes)).encode()}


def as_file(tensors: dict[str, Tensor]) -> bytes:
    """safetensors, as ours are."""
    path = Path(os.environ["ZOO_HOME"]) / "made.safetensors"
    write_tensors(path, tensors)
    content = path.read_bytes()
    path.unlink()
    return content


def header(said: Any, data: bytes = b"") -> bytes:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<Q", len(raw)) + raw + data


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


# ------------------------------------------------------------------------------------------------ who publishes it


class LyingHub:
    """A Hub that says what the test wants; a context manager.

    Args:
        files: of the one repository, by name.
        said: the answer to model_info; None: the truth.
        api: instead of every answer of the API: what is called with the handler.
        listed: changes of the listing, by file.
        body: instead of a file's content: what is called with the handler.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        *,
        said: Any = None,
        api: Callable[[BaseHTTPRequestHandler], None] | None = None,
        listed: dict[str, dict[str, Any]] | None = None,
        body: dict[str, Callable[[BaseHTTPRequestHandler], None]] | None = None,
    ) -> None:
        self.files, self.api, self.listed, self.body = files, api, listed or {}, body or {}
        self.said = self._truth() if said is None else said
        self.asked: list[str] = []
        self.sent = 0  # bytes of bodies that went out
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Lies,), {"hub": self}))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _truth(self) -> dict[str, Any]:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
                **self.listed.get(name, {}),
            }
            for name, content in self.files.items()
        ]
        siblings += [facts for name, facts in self.listed.items() if name not in self.files]
        return {"id": REPO, "sha": COMMIT, "tags": [], "private": False, "siblings": siblings}

    def __enter__(self) -> LyingHub:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Lies(BaseHTTPRequestHandler):
    hub: LyingHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(path)
        if path.startswith("/api/") and self.hub.api:
            self.hub.api(self)
            return
        if path.startswith("/api/models/"):
            self.give(json.dumps(self.hub.said).encode())
            return
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        if self.command == "GET" and name in self.hub.body:
            self.hub.body[name](self)
        else:
            self.give(self.hub.files[name])

    def give(self, content: bytes) -> None:
        """All of it, or the range that was asked for."""
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = 0, len(content) - 1
        if ranged:
            first, last = int(ranged[1]), min(int(ranged[2] or last), last)
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[first : last + 1])
            self.hub.sent += last + 1 - first

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def endless(handler: Any) -> None:
    """A body that never ends; counted as far as the other side takes it."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(100_000):
        handler.wfile.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        handler.hub.sent += 65_536


def answering(content: bytes = b"{}", status: int = 200, **headers: str) -> Callable[[Any], None]:
    """A whole answer; `Retry_After` is the header `Retry-After`, with the bytes of Latin-1."""

    def answer(handler: Any) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


START = b"HTTP/1.1 200 OK\r\n"


def dribbling(*pieces: bytes, pause: float = 0.05) -> Callable[[Any], None]:
    """An answer in pieces; the last one comes again and again for as long as the other side takes it."""

    def answer(handler: Any) -> None:
        handler.close_connection = True
        span = handler.headers.get("Range", "").replace("=", " ").encode()
        ranged = b"HTTP/1.1 206 Partial\r\nContent-Range: " + span + b"/100000\r\n"
        with contextlib.suppress(OSError):
            for piece in [*pieces[:-1], *[pieces[-1]] * 400]:
                handler.wfile.write(piece.replace(START, ranged) if span else piece)
                time.sleep(pause)

    return answer


def redirect(goal: str) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", goal)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


# ------------------------------------------------------------------------------------------------ what must hold


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and a cache of the test's own; afterwards nothing else was written, and nothing is half in place."""
    cache = tmp_path / "inner" / "cache"
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "inner" / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    for name in ("ZOO_REGISTRY", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield cache
    allowed = {"inner", "hub", "folder", "elsewhere", "lib"}
    assert {path.name for path in tmp_path.iterdir()} <= allowed
    assert {path.name for path in cache.parent.glob("*")} <= {"home", "cache"}
    if cache.is_dir():
        assert {path.name for path in cache.iterdir()} <= {".locks", "models--owner--filters"}
        assert {path.name for path in cache.glob("models--*/*")} <= {"blobs", "refs", "snapshots"}
    for path in cache.glob("models--*/snapshots/**/*"):
        assert path.exists(), f"{path} leads nowhere"
        assert not path.name.endswith((".part", ".incomplete")), f"{path} is half a file"
        assert path.resolve().is_relative_to(cache.resolve()), f"{path} leaves the cache"


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, bytes]], HubServer]]:
    """Puts files onto a Hub that is honest itself."""
    with HubServer(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)

        def put(files: dict[str, bytes]) -> HubServer:
            hub.add(REPO, files)
            return hub

        yield put


@pytest.fixture
def lie(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LyingHub]]:
    """Starts a Hub that lies; the arguments of `LyingHub`."""
    started: list[LyingHub] = []

    def start(files: dict[str, bytes], **lies: Any) -> LyingHub:
        hub = LyingHub(files, **lies).__enter__()
        started.append(hub)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        return hub

    yield start
    for hub in started:
        hub.__exit__()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def refused(work: Callable[[], object], kind: type[ZooError] = IntegrityError, match: str | None = None) -> str:
    """The one line that is said; it fits on a screen and cannot steer the terminal."""
    with pytest.raises(kind, match=match) as caught:
        work()
    text = str(caught.value)
    assert len(text) < 1_500
    assert text.isprintable(), text
    return text


def in_place(cache: Path) -> set[str]:
    """The files that the cache shows of the repository."""
    commits = cache.glob("models--*/snapshots/*")
    return {path.relative_to(commit).as_posix() for commit in commits for path in commit.rglob("*") if path.is_file()}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_these_tests_damage_is_whole(share: Callable[..., HubServer]) -> None:
    share(published())
    assert len(verify(fetch(REPO))) == 6
    model = zoo.load_model(REPO)
    assert model.predict(torch.zeros(1, 3, 32, 32))["species"].shape == (1, CLASSES)


# ------------------------------------------------------------------------------------------------ names of files

OUTSIDE = [
    *("../evil", "../../../../evil", "a/../../evil", "/tmp/evil", "..", "./evil", "a//evil", "evil/", ""),
    *("..\\evil", "a\\b", "C:evil", "a\0b", "a\nb", "\x9bevil", "e" * 300, "é" * 120, "e/" * 300 + "e", ".git/../../e"),
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_manifest_that_names_a_file_outside_is_refused(
    share: Callable[..., HubServer], cache: Path, name: str
) -> None:
    files = published()
    said = json.loads(files["config.json"])
    said["files"][name] = {"size": 4, "sha256": hashlib.sha256(b"evil").hexdigest()}
    hub = share({**files, "config.json": json.dumps(said).encode()})
    refused(lambda: fetch(REPO), match="not a path inside it")
    assert in_place(cache) == {"config.json"}
    assert hub.count("GET", "/resolve/") == 1


def test_a_name_that_is_a_file_and_a_folder_is_refused(share: Callable[..., HubServer], cache: Path) -> None:
    files = published()
    said = json.loads(files["config.json"])
    said["files"]["README.md/evil"] = said["files"]["README.md"]
    share({**files, "config.json": json.dumps(said).encode()})
    refused(lambda: fetch(REPO), match="a file and a folder")
    assert in_place(cache) == {"config.json"}


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..\\evil", "a\0b", "snapshots/../../../evil"])
def test_a_listing_that_names_files_outside_writes_none(lie: Callable[..., LyingHub], cache: Path, name: str) -> None:
    files = published()
    hub = lie(files, listed={name: {"rfilename": name, "size": 4, "blobId": "0" * 40}})
    fetch(REPO)
    assert in_place(cache) == set(files)
    assert not any("evil" in path for path in hub.asked)


@pytest.mark.parametrize("etag", ["../../../evil", "/tmp/evil", "a\0b", "..", ".", "e" * 5_000, "a/b", "\n", "é"])
def test_an_etag_is_no_path(lie: Callable[..., LyingHub], cache: Path, etag: str) -> None:
    lie(published(), listed={"README.md": {"blobId": etag}})
    assert fetch(REPO).folder is not None
    assert (next(cache.glob("models--*/snapshots/*/README.md"))).read_bytes() == b"# Filters\n"


def test_two_files_with_one_etag_are_two_files(lie: Callable[..., LyingHub], cache: Path) -> None:
    files = published({"other.md": b"# Something else altogether\n"})
    lie(files, listed={"README.md": {"blobId": "same"}, "other.md": {"blobId": "same"}})
    fetch(REPO)
    for name in ("README.md", "other.md"):
        assert next(cache.glob(f"models--*/snapshots/*/{name}")).read_bytes() == files[name]


@pytest.mark.parametrize("sha", ["../../evil", "main", "", 5, None, COMMIT.upper(), COMMIT + "0", COMMIT + "\n"])
def test_a_commit_that_is_none_is_refused(lie: Callable[..., LyingHub], cache: Path, sha: Any) -> None:
    hub = lie(published())
    hub.said["sha"] = sha
    refused(lambda: fetch(REPO), FetchError, "the server named the commit")
    assert not cache.exists()


_ONE = {"rfilename": "config.json", "size": 3, "blobId": "0" * 40}


@pytest.mark.parametrize(
    "said",
    [
        *([], "text", 5, None, {}),
        *({"id": REPO, "sha": COMMIT, "siblings": siblings} for siblings in (3, [{"size": 3}], ["config.json"])),
        *(
            {"id": REPO, "sha": COMMIT, "siblings": [_ONE | facts]}
            for facts in (
                *({"size": "many"}, {"size": [1]}, {"blobId": 5}, {"rfilename": ["config.json"]}),
                *({"lfs": "text"}, {"lfs": {"size": 1}}),
            )
        ),
        {"id": REPO, "sha": COMMIT, "siblings": []},
        {"id": REPO, "sha": COMMIT, "siblings": None},
        {"id": REPO, "sha": COMMIT, "siblings": [_ONE | {"size": -1}]},
        {"id": REPO, "sha": COMMIT, "siblings": [_ONE | {"size": 2**70}]},
        {"id": REPO, "sha": COMMIT, "siblings": [_ONE | {"size": 1.5}]},
    ],
    ids=lambda said: json.dumps(said)[-60:],
)
def test_a_listing_that_is_none_is_refused(lie: Callable[..., LyingHub], cache: Path, said: Any) -> None:
    hub = lie(published())
    hub.said = said
    refused(lambda: fetch(REPO), ZooError)
    assert in_place(cache) == set()


# ------------------------------------------------------------------------------------------------ links


def test_links_that_leave_a_folder_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", published())
    for name in ("README.md", MODEL, "config.json"):
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
        refused(lambda: fetch(folder), match="link that leaves the folder")
        (folder / name).unlink()
        (tmp_path / "elsewhere").rename(folder / name)


@pytest.mark.parametrize("goal", ["../../blobs/x", "../../blobs/far/x"])
def test_a_folder_made_to_look_like_the_hubs_cache_links_nowhere(tmp_path: Path, goal: str) -> None:
    folder = write(tmp_path / "folder" / "snapshots" / COMMIT, published())
    (tmp_path / "elsewhere").mkdir()
    (folder / MODEL).rename(tmp_path / "elsewhere" / "x")
    (tmp_path / "folder" / "blobs").mkdir()
    (tmp_path / "folder" / "blobs" / "x").symlink_to(tmp_path / "elsewhere" / "x")
    (tmp_path / "folder" / "blobs" / "far").symlink_to(tmp_path / "elsewhere")
    (folder / MODEL).symlink_to(goal)
    refused(lambda: fetch(folder), match="link that leaves the folder")


def test_a_blobs_folder_that_is_a_link_links_nowhere(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder" / "snapshots" / COMMIT, published())
    (tmp_path / "elsewhere").mkdir()
    (folder / MODEL).rename(tmp_path / "elsewhere" / "x")
    (tmp_path / "folder" / "blobs").symlink_to(tmp_path / "elsewhere")
    (folder / MODEL).symlink_to("../../blobs/x")
    refused(lambda: fetch(folder), match="link that leaves the folder")


def test_links_round_in_a_circle_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", published())
    (folder / MODEL).unlink()
    (folder / MODEL).symlink_to(folder / MODEL)
    refused(lambda: fetch(folder), FileError, "Too many levels of symbolic links")


# ------------------------------------------------------------------------------------------------ pickles


def test_a_pickle_is_neither_fetched_nor_opened(share: Callable[..., HubServer], tmp_path: Path, cache: Path) -> None:
    hub = share({**published(), "pytorch_model.bin": pickle.dumps(Trap(tmp_path / "sprung"))})
    verify(fetch(REPO))
    zoo.load_model(REPO)
    assert hub.count(path="pytorch_model.bin") == 0
    assert "pytorch_model.bin" not in in_place(cache)


@pytest.mark.parametrize("kind", ["pickle", "protocol 0", "zip", "torch"])
@pytest.mark.parametrize("name", [MODEL, HEADS])
def test_weights_that_are_really_a_pickle_are_never_unpickled(
    share: Callable[..., HubServer], tmp_path: Path, kind: str, name: str
) -> None:
    made = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(made, "w") as opened:
            opened.writestr("archive/data.pkl", pickle.dumps(Trap(tmp_path / "sprung")))
    elif kind == "torch":
        torch.save(Trap(tmp_path / "sprung"), made)
    else:
        made.write(pickle.dumps(Trap(tmp_path / "sprung"), protocol=0 if kind == "protocol 0" else 4))
    share(published({name: made.getvalue()}))
    for work in (fetch, zoo.load_model):
        refused(lambda work=work: work(REPO), match="damaged, or no safetensors file")
    assert not (tmp_path / "sprung").exists()


# ------------------------------------------------------------------------------------------------ headers


def of(shape: list[int], at: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": at}


HEADERS = {
    "overlapping": header({"a": of([2], [0, 8]), "b": of([2], [4, 12])}, bytes(12)),
    "out of range": header({"a": of([2], [1_000_000, 1_000_008])}, bytes(8)),
    "after the end": header({"a": of([2**20], [0, 2**22])}, bytes(8)),
    "holed": header({"a": of([2], [0, 8]), "b": of([2], [12, 20])}, bytes(20)),
    "overflowing": header({"a": of([2**62, 4], [0, 8])}, bytes(8)),
    "overflowing to nothing": header({"a": of([2**62, 4], [0, 0])}),
    "nothing times too much": header({"a": of([0, 2**62, 2**62], [0, 0])}),
    "negative": header({"a": of([-2], [0, 8])}, bytes(8)),
    "twice": header(b'{"a":' + json.dumps(of([2], [0, 8])).encode() + b',"a":{}}', bytes(8)),
    "NaN": header(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', bytes(8)),
    "Infinity": header(b'{"a":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,8]}}', bytes(8)),
    "deep": header(b"[" * 10_000 + b"]" * 10_000),
    "deep objects": header(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "unfinished": header(b'{"a":')[:-1],
    "empty": b"",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_that_lies_is_refused(lie: Callable[..., LyingHub], kind: str) -> None:
    lie(published({MODEL: HEADERS[kind]}))
    for work in (zoo.load, fetch):
        refused(lambda work=work: work(REPO), match="damaged, or no safetensors file")


def test_tensors_of_no_size_are_no_weights(share: Callable[..., HubServer]) -> None:
    share(published({MODEL: as_file({name: torch.empty(0) for name in weights()})}))
    refused(lambda: zoo.load(REPO), match="the weights do not fit the network")


def test_of_a_header_of_100_mb_the_first_bytes_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", published())
    with (folder / MODEL).open("wb") as opened:  # a file with holes
        opened.write(struct.pack("<Q", 100 * 2**20))
        opened.truncate(110 * 2**20)
    tracemalloc.start()
    refused(lambda: read_header(FolderSource(folder), MODEL), match=r"claims 104857600 bytes, where \d+ are allowed")
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_of_a_remote_header_of_100_mb_16_kib_are_read(lie: Callable[..., LyingHub]) -> None:
    files = published({MODEL: struct.pack("<Q", 100 * 2**20) + bytes(101 * 2**20)})
    hub = lie(files)
    refused(lambda: zoo.load(REPO), match="its header claims 104857600 bytes")
    assert hub.sent < 2 * 16_384 + 4_000  # twice, in case that they came damaged; the listing, the manifest


def test_a_tensors_name_is_no_novel() -> None:
    raw = header({"." * 100_000: of([], [0, 0], "F32") | {"shape": [0]}})
    refused(lambda: parse_header(raw, len(raw), "here"), match="a tensor's name has 100000 characters")


@pytest.mark.parametrize(
    "dtype",
    [
        torch.int64,
        torch.bool,
        torch.complex64,
    ],
)
def test_weights_that_are_no_floats_are_refused(share: Callable[..., HubServer], dtype: torch.dtype) -> None:
    share(published({MODEL: as_file({name: one.to(dtype) for name, one in weights().items()})}))
    refused(lambda: zoo.load(REPO))


# ------------------------------------------------------------------------------------------------ the manifest


def test_nothing_is_read_of_a_manifest_of_50_mb(share: Callable[..., HubServer], cache: Path) -> None:
    hub = share({**published(), "config.json": b" " * (50 * 2**20)})
    refused(lambda: fetch(REPO), match=f"52428800 bytes, where {MANIFEST_LIMIT} are allowed")
    assert hub.sent_of("/resolve/") == 0
    assert in_place(cache) == set()


def test_a_manifest_larger_than_listed_is_read_as_far_as_listed(lie: Callable[..., LyingHub], cache: Path) -> None:
    files = {**published(), "config.json": b" " * (50 * 2**20)}
    hub = lie(files, listed={"config.json": {"size": 2_000}}, body={"config.json": endless})
    refused(lambda: fetch(REPO), FetchError, "sent more than the 2000 bytes")
    assert hub.sent < 20 * 2**20  # what fits into the sockets' buffers, four times
    assert in_place(cache) == set()


def test_a_manifest_without_end_is_dropped(lie: Callable[..., LyingHub], cache: Path) -> None:
    hub = lie(published(), listed={"config.json": {"size": MANIFEST_LIMIT}}, body={"config.json": endless})
    refused(lambda: fetch(REPO), FetchError, "sent more than")
    assert hub.sent < 40 * 2**20
    assert in_place(cache) == set()


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"library":"zoo","a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"library": "zoo", "library": "zoo"}',
        b'{"library": "zoo", "a": NaN}',
        b'{"library": "zoo", "a": -Infinity}',
        b'{"library": "zoo", "a": 1e999}',
        b'{"library": "zoo", "a": ' + b"9" * 10_000 + b"}",
        b'{"library": "zoo", "format_version": ' + b"9" * 4_000 + b"}",
        '{"library": "zoo"}'.encode("utf-16"),
        b'{"library": "zoo", "name": "\\ud800"}',
        b'{"library": "zoo", "' + b"\x1b[31m" * 2_000 + b'": 1}',
        b'{"library": "zoo", "' + b"x" * 2_000_000 + b'": 1}',
        b'{"library": "zoo", "heads": [' + b"0," * 1_000_000 + b"0]}",
        b'{"library": "zoo", "heads": [' + b"{}," * 150_000 + b"{}]}",
        b'{"library": "zoo", "files": {' + b",".join(b'"%d":{}' % n for n in range(50_000)) + b"}}",
        b'{"library": "zoo", ' + b",".join(b'"%d":0' % n for n in range(50_000)) + b"}",
    ],
    ids=lambda raw: f"{raw[:40]!a} {len(raw)}",
)
def test_a_manifest_that_is_made_to_hurt_is_refused_at_once(share: Callable[..., HubServer], raw: bytes) -> None:
    share({**published(), "config.json": raw})
    began = time.perf_counter()
    refused(lambda: open_artifact(REPO))
    assert time.perf_counter() - began < 10  # it would be minutes


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../../evil"},
        {"name": "/etc/passwd"},
        {"name": "a b"},
        {"name": "evil\x1b[2J"},
        {"name": "x" * 97},
        {"about": "x" * 3_000_000},
        {"backbone": "x" * 3_000_000},
        {"backbone_package": "evil; rm -rf ~"},
        {"backbone_package": "--index-url http://evil evil"},
        {"head": {"package": "git+https://evil/evil"}},
        {"head": {"name": "a.b"}},
        {"head": {"name": "../evil"}},
        {"head": {"target": {"kind": "categories", "names": ["a", "x" * 2_000_000]}}},
        {"head": {"target": {"kind": "categories", "names": ["a"] * 500_000}}},
        {"head": {"shape": {"channels": 2**40, "height": 1, "width": 1}}},
        {"input": {"size": LARGEST_SIDE + 1, "mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"input": {"size": 16_384, "mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"input": {"size": 32, "mean": [0, 0, "NaN"], "std": [1, 1, 1]}},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_a_field_that_no_honest_publisher_writes_is_refused(
    share: Callable[..., HubServer], changes: dict[str, Any]
) -> None:
    share(published(**changes))
    refused(lambda: open_artifact(REPO), match=r"config\.json (is wrong|holds more)")


def test_class_names_cannot_steer_the_terminal(share: Callable[..., HubServer], command: CommandLine) -> None:
    names = ["\x1b[2J\x1b]0;evil\x07", "cod\r\nError: forged", "\u202egnp.exe"]
    files = {**published(head={"target": {"kind": "categories", "names": names}}, about="\x1b[31mred")}
    share(files)
    answer = command("info", REPO)
    assert answer.status == 0
    assert all(line.isprintable() for line in answer.out.split("\n"))


@pytest.mark.parametrize(
    ("changes", "name", "package"),
    [
        ({"backbone": "zoo_evil/net", "backbone_package": "zoo-evil"}, "zoo_evil/net", "zoo-evil"),
        ({"backbone": "os:system", "backbone_package": "zoo-evil"}, "os:system", "zoo-evil"),
        ({"backbone": "../zoo_evil/net", "backbone_package": "zoo-evil"}, "../zoo_evil/net", "zoo-evil"),
        ({"head": {"plugin": "zoo_evil", "package": "zoo-evil"}}, "zoo_evil", "zoo-evil"),
        ({"head": {"plugin": "zoo_evil:Head", "package": "zoo-evil"}}, "zoo_evil:Head", "zoo-evil"),
    ],
)
def test_a_plugin_that_is_not_installed_is_named_and_never_imported(
    share: Callable[..., HubServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    name: str,
    package: str,
) -> None:
    module = write(tmp_path / "lib", {"zoo_evil.py": b"open('sprung', 'w')\nclass Head: pass\n"})
    monkeypatch.syspath_prepend(module)
    monkeypatch.setattr("subprocess.Popen", None)  # nothing is installed by us
    share(published(**changes))
    text = refused(lambda: zoo.load_model(REPO), MissingPluginError)
    assert repr(name) in text
    assert f"`pip install {package}`" in text
    assert "zoo_evil" not in sys.modules
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "head",
    [
        {"options": {"hidden": 10**7}},
        {"options": {"hidden": 2**62}},
        {"options": {"hidden": -5}},
        {"options": {"dropout": 5}},
        {"options": {"hidden": "many"}},
        {"options": {"hidden": [1, [2, [3]]]}},
        {"options": {"evil": 1}},
        {"options": {"shape": 1}},
        {"shape": {"channels": 2**31 - 1, "height": 1, "width": 1}},
        {"target": {"kind": "categories", "names": ["a", "b", "c"]}},
        {"target": {"kind": "categories", "names": ["a"]}},
        {"target": {"kind": "box"}},
        {"name": "keys"},
        {"name": "training"},
    ],
    ids=lambda head: json.dumps(head)[:60],
)
def test_a_head_that_is_not_its_weights_is_refused_before_it_is_built(
    share: Callable[..., HubServer], head: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    share(published(head=head))
    real: list[int] = []  # numbers that tensors on a real device were asked to hold
    empty = torch.empty

    def counting(*size: Any, **options: Any) -> Tensor:
        made = empty(*size, **options)
        real.append(0 if made.is_meta else made.numel())
        return made

    monkeypatch.setattr(torch, "empty", counting)
    refused(lambda: zoo.load_model(REPO), ZooError)
    assert max(real, default=0) < 10**6
    zoo.load(REPO)


# ------------------------------------------------------------------------------------------------ lies


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"header_sha256": "0" * 64}, "header's sha256 is"),
        ({"heads_header_sha256": "0" * 64}, "header's sha256 is"),
    ],
)
def test_a_manifest_that_lies_of_its_files_is_refused(
    share: Callable[..., HubServer], changes: dict[str, Any], match: str
) -> None:
    share(published(**changes))
    refused(lambda: fetch(REPO), match=match)


def test_a_manifest_that_lies_of_a_size_is_refused_before_the_file_is_fetched(share: Callable[..., HubServer]) -> None:
    files = published()
    said = json.loads(files["config.json"])
    said["files"][MODEL]["size"] = 5
    hub = share({**files, "config.json": json.dumps(said).encode()})
    refused(lambda: fetch(REPO), match=r"model\.safetensors: its size is \d+ bytes, the manifest promises 5")
    assert hub.count("GET", MODEL) == 0


def test_a_manifest_that_lies_of_a_hash_is_refused_after_a_second_try(share: Callable[..., HubServer]) -> None:
    files = published()
    said = json.loads(files["config.json"])
    said["files"][MODEL]["sha256"] = "0" * 64
    hub = share({**files, "config.json": json.dumps(said).encode()})
    refused(lambda: fetch(REPO), match=r"model\.safetensors: its sha256 is")
    assert hub.count("GET", MODEL) <= 2


@pytest.mark.parametrize(
    "cut",
    [
        {"node": "features.99"},
        {"node": "no.such.node"},
        {"node": "__class__"},
        {"node": "../../x"},
        {"node": "features.5", "channels": 128, "stride": 2},
    ],
    ids=lambda cut: cut["node"],
)
def test_a_cut_that_the_backbone_has_not_is_refused(share: Callable[..., HubServer], cut: dict[str, Any]) -> None:
    share(published(cut={"name": "block1", "node": "features.1", "channels": 64, "stride": 1, **cut}))
    refused(lambda: zoo.load(REPO), ZooError)


@pytest.mark.parametrize("lie", [{"channels": 65}, {"channels": 2**31 - 1}, {"layout": "NHWC"}])
def test_channels_that_are_not_the_networks_are_refused_when_used(
    share: Callable[..., HubServer], lie: dict[str, Any]
) -> None:
    share(published(cut={"name": "block1", "node": "features.1", "channels": 64, "stride": 1, **lie}))
    filters = zoo.load(REPO)
    refused(lambda: filters(torch.zeros(1, 3, 32, 32)), ZooError, "are not what the cut 'block1' gives")


def test_a_pin_that_does_not_match_is_refused_before_anything_is_fetched(
    share: Callable[..., HubServer], cache: Path
) -> None:
    hub = share(published())
    add_entry(RegistryEntry(name="minnows", sources=(f"hf://{REPO}",), manifest="sha256:" + "0" * 64))
    refused(lambda: fetch("minnows"), match="the registry promises sha256:0000")
    assert in_place(cache) <= {"config.json"}
    assert hub.count("GET", MODEL) == 0


def golden(**changes: Tensor) -> dict[str, bytes]:
    made = {
        "image": torch.full((1, 3, 32, 32), 128, dtype=torch.uint8),
        "features": torch.zeros(1, CHANNELS, 4, 4),
        **changes,
    }
    return {GOLDEN_FILE: as_file({name: one for name, one in made.items() if one.numel() or one.ndim > 1})}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"features": torch.full((1, CHANNELS, 4, 4), torch.nan)},
        {"features": torch.zeros(7)},
        {"image": torch.zeros(3)},
        {"image": torch.zeros(1, 4, 32, 32)},
        {"image": torch.zeros(1, 3, 32, 32, dtype=torch.int64)},
        {"image": torch.empty(0)},
        pytest.param(
            {"image": torch.empty(0, 3, 32, 32), "features": torch.empty(0, CHANNELS, 4, 4)},
        ),
        pytest.param(
            {"image": torch.zeros(1, 3, 1024, 1024, dtype=torch.uint8)},
        ),
    ],
    ids=lambda changes: " ".join(f"{name} {list(one.shape)} {one.dtype}" for name, one in changes.items()) or "zeros",
)
def test_golden_features_that_are_wrong_are_refused(
    share: Callable[..., HubServer], changes: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    share(published(golden(**changes)))
    filters = zoo.load(REPO)
    if changes.get("image", torch.empty(0)).numel() > 3 * 1000**2:
        monkeypatch.setattr(filters.module, "forward", None)  # must not be reached
    refused(lambda: check_golden(filters))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"figures": 5}',
        b'{"figures": {"test": 5}}',
        b'{"figures": {"test": {"a": 5}}}',
    ],
)
def test_figures_that_are_none_do_not_stop_zoo_info(
    share: Callable[..., HubServer], command: CommandLine, content: bytes
) -> None:
    share(published({"metrics.json": content}))
    answer = command("info", REPO)
    assert answer.status == 0
    assert "vgg11-minnows" in answer.out


# ------------------------------------------------------------------------------------------------ the wire


@pytest.mark.parametrize(
    "goal", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x", "data:text/plain,x", "//", "http://"]
)
def test_a_redirect_to_another_scheme_is_refused(lie: Callable[..., LyingHub], cache: Path, goal: str) -> None:
    lie(published(), body={MODEL: redirect(goal)})
    refused(lambda: fetch(REPO), FetchError, MODEL)
    assert MODEL not in in_place(cache)


def test_a_redirect_in_a_circle_is_refused(lie: Callable[..., LyingHub], cache: Path) -> None:
    lie(published(), body={MODEL: redirect(f"/{REPO}/resolve/{COMMIT}/{MODEL}")})
    refused(lambda: fetch(REPO), FetchError, "redirect")
    assert MODEL not in in_place(cache)


def test_a_file_without_end_is_dropped(lie: Callable[..., LyingHub], cache: Path) -> None:
    hub = lie(published(), body={MODEL: endless})
    refused(lambda: fetch(REPO), FetchError, "sent more than the")
    assert hub.sent < 40 * 2**20
    assert MODEL not in in_place(cache)


TOKEN = "my-secret-of-another-form"
SWOLLEN = gzip.compress(b" " * 2**26)  # 64 kB that unpack to 64 MB


@pytest.mark.parametrize("status", [200, 404, 503])
@pytest.mark.parametrize("words", [("fetch", REPO), ("info", REPO), ("search", "cod")], ids=lambda words: words[0])
def test_an_answer_that_was_compressed_unasked_is_never_unpacked(
    lie: Callable[..., LyingHub], command: CommandLine, words: tuple[str, ...], status: int
) -> None:
    lie(published(), api=answering(SWOLLEN, status, Content_Encoding="gzip"))
    command(*words)  # what is imported is not counted
    tracemalloc.start()
    said = command(*words).fault
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "compressed" in said
    assert peak < 2**24


def test_what_the_client_asks_before_our_first_request_has_the_same_limits(
    lie: Callable[..., LyingHub], tmp_path: Path
) -> None:
    hub = lie(published(), api=answering(SWOLLEN, Content_Encoding="gzip"))
    code = (
        "import tracemalloc, huggingface_hub, zoo\ntracemalloc.start()\n"
        f"try: zoo.fetch({REPO!r})\nexcept zoo.ZooError as error: print(error)\n"
        "print(tracemalloc.get_traced_memory()[1])"
    )
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "new"), "HF_HUB_DISABLE_TELEMETRY": ""}
    where = {"env": {**os.environ, **own}, "text": True, "capture_output": True}
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, **where)
    said, peak = done.stdout.splitlines()
    assert "compressed" in said
    assert int(peak) < 2**25
    assert "/api/agent-harnesses" in hub.asked


@pytest.mark.parametrize("name", ["config.json", MODEL])
def test_a_file_that_was_compressed_unasked_is_never_unpacked(
    lie: Callable[..., LyingHub], cache: Path, name: str
) -> None:
    lie(published(), body={name: answering(SWOLLEN, Content_Encoding="gzip")})
    refused(lambda: fetch(REPO), FetchError, "compressed")
    assert name not in in_place(cache)


def test_an_error_without_end_is_dropped(lie: Callable[..., LyingHub]) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(404)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(2_000):
            handler.wfile.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            handler.hub.sent += 65_536

    hub = lie(published(), api=answer)
    refused(lambda: fetch(REPO), FetchError, "over 33,554,432 bytes")
    assert hub.sent < 40 * 2**20


@pytest.mark.parametrize(
    "answer",
    [
        dribbling(START + b"X-Slow: ", b"x"),
        dribbling(b"HTTP/1.1 100 Continue\r\n\r\n"),
        dribbling(b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, pause=0),
        dribbling(START + b"Content-Length: 100000\r\n\r\n", b" "),
        dribbling(START + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    ],
    ids=["headers", "slow 100", "fast 100", "body", "chunk"],
)
@pytest.mark.parametrize("place", ["api", "file", "range"])
def test_an_answer_that_only_drips_is_given_up(
    lie: Callable[..., LyingHub], monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], None], place: str
) -> None:
    monkeypatch.setenv("ZOO_HUB_PATIENCE", "0.3")
    lie(published(), **({"api": answer} if place == "api" else {"body": {MODEL: answer}}))
    refused(
        lambda: fetch(REPO, cut="block1" if place == "range" else None), FetchError, "bytes a second|over 262,144 bytes"
    )


def test_a_patience_that_is_no_number_is_said(lie: Callable[..., LyingHub], monkeypatch: pytest.MonkeyPatch) -> None:
    lie(published())
    for value in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("ZOO_HUB_PATIENCE", value)
        refused(lambda: fetch(REPO), UsageError, f"ZOO_HUB_PATIENCE={value}")


@pytest.mark.parametrize(
    "answer",
    [
        answering(b"[" * 200_000),
        answering(b'{"a":' * 200_000),
        answering(b"[" * 200_000, 404),
        *(answering(said, 503) for said in (b"[]", b"5", b'{"errors": 5}', b'{"errors": [5]}', b'{"error": {"a": 1}}')),
        answering(b"\xff\xfe", 404),
        *(answering(b"", 429, Retry_After=said) for said in ("\xb2", "-1", "9" * 400, "1e3", "", "nan")),
        answering(b"", 429, RateLimit='"api";r=0;t=' + "9" * 5000),
        answering(Content_Length="\xb2"),
        answering(Content_Length="-5"),
        answering(Link="<" * 1000),
        answering(Link="<http://[>; rel=next"),
        answering(b"", 302, Location="http://[::1"),
        answering(b"", 302, Location="http://a:99999999/"),
        answering(b"", 302),
        answering(b"", 416),
        answering(b"", 304),
        answering(Content_Type="text/\xb2; charset=utf-99"),
        answering(b"x", 404, Content_Type="text/plain; charset=utf-99"),
        answering(b'{"sha": 5, "siblings": [null], "branches": [[]]}'),
    ],
)
@pytest.mark.parametrize("words", [("fetch", REPO), ("info", REPO), ("search", "cod")], ids=lambda words: words[0])
def test_a_malformed_answer_is_one_line(
    lie: Callable[..., LyingHub], command: CommandLine, words: tuple[str, ...], answer: Callable[[Any], None]
) -> None:
    lie(published(), api=answer)
    assert "\n" not in command(*words).fault


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (answering(SWOLLEN, Content_Encoding="gzip"), "compressed"),
        (answering(SWOLLEN, 400, Content_Encoding="gzip"), "compressed"),
        (dribbling(START + b"X-Slow: ", b"x"), "bytes a second"),
        (dribbling(START + b"Content-Length: 100000\r\n\r\n", b" "), "bytes a second"),
        (answering(b"", 429, Retry_After="100000"), "Retry-After: 100000"),
        (answering(b"", 503, Retry_After="9" * 5000), "Retry-After: 9999"),
        (answering(b"", 429, RateLimit='"api";r=0;t=100000'), "RateLimit"),
        (answering(b"[]", 400), ""),
        (answering(b"[" * 200_000), ""),
        (answering(b'{"commitUrl": 5, "files": [5], "url": {}, "errors": [5]}'), ""),
        (answering(b'{"files": [{}], "errors": {"a": 5}}'), ""),
    ],
)
@pytest.mark.parametrize("path", ["validate-yaml", "repos/create", "preupload", "commit"])
def test_a_push_bears_no_answer_that_a_fetch_would_not(
    lie: Callable[..., LyingHub],
    command: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answer: Callable[[Any], None],
    match: str,
    path: str,
) -> None:
    def api(handler: Any) -> None:
        asked = handler.path
        if path in asked:
            answer(handler)
        elif "validate" in asked or "preupload" in asked:
            names = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in files]
            answering(json.dumps({"files": names, "errors": [], "warnings": []}).encode())(handler)
        elif "whoami" in asked:
            answering(b'{"name": "owner", "orgs": []}')(handler)
        elif "refs" in asked:
            answering(json.dumps({"branches": [{"name": "main", "targetCommit": COMMIT}]}).encode())(handler)
        elif path != "repos/create" or "revision" in asked:
            answering(json.dumps({"id": REPO, "sha": COMMIT, "siblings": []}).encode())(handler)
        else:
            answering(b"{}", 404, X_Error_Code="RepoNotFound")(handler)

    files = published(license="mit")
    monkeypatch.setenv("ZOO_HUB_PATIENCE", "0.3")
    monkeypatch.setattr("zoo.hub.client.PATIENCE", 0.1)
    lie(files, api=api)
    write(tmp_path / "folder", files)
    said = command("push", "folder", "--repo", REPO, "--token", TOKEN).fault
    assert len(said) < 1_500
    assert match in said


@pytest.mark.parametrize("said", ["", "bytes", "bytes x-y/z", "bytes 0-\xb2/5", "bytes */*", "bytes 5-2/1"])
@pytest.mark.parametrize("status", [200, 206, 416])
def test_a_malformed_range_is_refused(lie: Callable[..., LyingHub], said: str, status: int) -> None:
    lie(published(), body={MODEL: answering(b"x", status, Content_Range=said)})
    refused(lambda: fetch(REPO, cut="block1"), ZooError)
    refused(lambda: fetch(REPO), ZooError)


# ------------------------------------------------------------------------------------------------ secrets


def echoing(status: int) -> Callable[[Any], None]:
    """A server that quotes the token wherever it can."""

    def answer(handler: Any) -> None:
        token = handler.headers["Authorization"].removeprefix("Bearer ")
        said = {"error": token, "id": token, "sha": token, "siblings": [{"rfilename": f"../{token}"}], "name": token}
        headers = {"X-Error-Message": token, "X-HF-Warning": f"{token}; {token}", "X-Request-Id": token}
        answering(json.dumps(said).encode(), status, **headers)(handler)

    return answer


@pytest.mark.parametrize("status", [200, 400])
def test_a_token_of_a_thousand_characters_is_not_shown_in_part(
    lie: Callable[..., LyingHub], command: CommandLine, status: int
) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9." + "x1_" * 400
    lie(published(), api=echoing(status))
    for words in (
        ("fetch", REPO),
        ("info", REPO),
        ("push", write(Path("folder"), published(license="mit")), "--repo", REPO),
    ):
        assert "x1_" * 2 not in command(*words, "--debug", "--token", token).err


@pytest.mark.parametrize("how", ["argument", "environment", "login"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
@pytest.mark.parametrize(
    "words", [("fetch", REPO), ("info", REPO), ("search", "cod"), ("push", "folder")], ids=" ".join
)
def test_no_message_log_or_traceback_shows_the_token_that_a_server_quotes(
    lie: Callable[..., LyingHub],
    command: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    words: tuple[str, ...],
    status: int,
    how: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "elsewhere" / "token"))
    monkeypatch.setattr("huggingface_hub.utils._http._WARNED_TOPICS", set())
    if how == "environment":
        monkeypatch.setenv("HF_TOKEN", TOKEN)
    elif how == "login":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "token").write_text(TOKEN)
    lie(published(), api=echoing(status))
    write(tmp_path / "folder", published(license="mit"))
    words += ("--repo", REPO) if words[0] == "push" else ()
    answer = command(*words, "--debug", *(("--token", TOKEN) if how == "argument" else ()))
    assert answer.status == 1 or (words[0], status) == ("search", 200)
    assert "Traceback" in answer.err or answer.status == 0
    assert TOKEN not in answer.out + answer.err + caplog.text


def test_an_error_that_python_code_meets_hides_the_token_to_its_last_cause(lie: Callable[..., LyingHub]) -> None:
    lie(published(), api=echoing(500))
    with pytest.raises(FetchError) as caught:
        fetch(REPO, token=TOKEN)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))

"""Folders, packages and the Hub, read whole and by ranges; the Hub is a real client on a loopback server."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer

from zoo.errors import FetchError, FileError, IntegrityError, MissingFileError, UsageError, ZooError
from zoo.hub.client import translate_error
from zoo.hub.downloads import RemoteFile
from zoo.hub.ranges import Address
from zoo.store.hub_source import HubSource
from zoo.store.local_source import FolderSource, PackageSource
from zoo.store.source import Source, check_file_name
from zoo.store.source_parsing import parse_source

CONTENT = bytes(range(256)) * 1024  # 256 KiB


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "filters"
    made.mkdir()
    (made / "config.json").write_bytes(b"{}")
    (made / "model.safetensors").write_bytes(CONTENT)
    return made


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    with HubServer(tmp_path / "hub") as server:
        server.add("owner/name", {"config.json": b"{}", "model.safetensors": CONTENT, "pictures/a.txt": b"a"})
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def source(**options: object) -> HubSource:
    made = parse_source("owner/name", **options)  # type: ignore[arg-type]
    assert isinstance(made, HubSource)
    return made


# ------------------------------------------------------------------------------------------------ names and texts


@pytest.mark.parametrize(
    "name", ["../x", "a/../x", "/etc/passwd", "a\\b", "", ".", "a//b", "C:/x", "a/", "x\n", "x\0", "./x"]
)
def test_a_file_name_that_leaves_its_source_is_refused(name: str) -> None:
    with pytest.raises(IntegrityError, match="not a path inside it"):
        check_file_name(name, "here")


def test_a_file_name_in_a_folder_is_allowed() -> None:
    assert check_file_name("pictures/filters.png", "here") == "pictures/filters.png"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("owner/name", "hf://owner/name@main"),
        ("owner/name@v1.0", "hf://owner/name@v1.0"),
        ("hf://owner/name", "hf://owner/name@main"),
        ("hf://owner/name@refs/pr/1", "hf://owner/name@refs/pr/1"),
        ("package:zoo_filters/vgg16", "package:zoo_filters/vgg16"),
        ("package:zoo_filters", "package:zoo_filters"),
        ("/data/filters", "/data/filters"),
        ("file:///data/my%20filters", "/data/my filters"),
        ("./near", "/base/near"),
        ("../near", "/near"),
    ],
)
def test_a_source_is_read_from_text_and_written_as_text(text: str, canonical: str) -> None:
    assert parse_source(text, base=Path("/base")).text == canonical
    assert parse_source(parse_source(text, base=Path("/base")).text).text == canonical


def test_a_folder_that_is_there_goes_before_a_repository(tmp_path: Path) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert parse_source("owner/name", base=tmp_path).text == str(tmp_path / "owner" / "name")


@pytest.mark.parametrize(
    "text", ["", "a", "a/b/c", "owner/na me", "owner/..", "hf://owner", "owner/name@", "https://x/y"]
)
def test_a_text_that_is_no_source_says_what_is(text: str) -> None:
    with pytest.raises(UsageError, match="Give a name of `zoo list`"):
        parse_source(text)


@pytest.mark.parametrize("text", ["package:../x", "package:a/../../b", "file://host/x", "owner/name@../x"])
def test_a_hostile_source_is_refused(text: str) -> None:
    with pytest.raises(ZooError):
        parse_source(text)


def test_two_revisions_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="two revisions"):
        parse_source("owner/name@v1", revision="v2")


def test_a_folder_has_no_revision(folder: Path) -> None:
    with pytest.raises(UsageError, match="has no revisions"):
        parse_source(str(folder), revision="v2")


def test_the_token_is_not_shown() -> None:
    assert "hf_secret" not in repr(parse_source("owner/name", token="hf_secret"))
    assert "hf_secret" not in repr(Address(url="https://here", token="hf_secret"))
    assert "hf_secret" not in repr(
        RemoteFile(repo="owner/name", commit="0" * 40, name="f", size=1, etag="e", token="hf_secret")
    )


# ------------------------------------------------------------------------------------------------ folders


def test_a_folder_reads_whole_files_and_ranges(folder: Path) -> None:
    here: Source = FolderSource(folder)
    assert here.read("config.json", limit=2) == b"{}"
    assert here.size("model.safetensors") == len(CONTENT)
    assert here.read_ranges("model.safetensors", [(300, 310), (0, 0), (1, 3)]) == [CONTENT[300:310], b"", CONTENT[1:3]]
    assert here.local_path("config.json") == here.fetch("config.json") == folder / "config.json"
    assert here.exists("config.json")
    assert not here.exists("other.json")
    assert here.pinned() is here


def test_a_file_above_the_limit_is_not_read(folder: Path) -> None:
    with pytest.raises(IntegrityError, match="262144 bytes, where 100 are allowed"):
        FolderSource(folder).read("model.safetensors", limit=100)


@pytest.mark.parametrize("span", [(0, len(CONTENT) + 1), (-1, 3), (5, 4), (2**60, 2**60 + 1)])
def test_a_range_outside_the_file_is_refused(folder: Path, span: tuple[int, int]) -> None:
    with pytest.raises(IntegrityError, match="do not lie in its 262144 bytes"):
        FolderSource(folder).read_ranges("model.safetensors", [span])


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(MissingFileError, match=r"has no file 'heads\.safetensors'"):
        FolderSource(folder).size("heads.safetensors")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no such folder"):
        FolderSource(tmp_path / "nowhere").read("config.json", limit=10)


def test_a_symlink_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "golden.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(IntegrityError, match="leaves the folder"):
        FolderSource(folder).read("golden.safetensors", limit=100)


def test_a_symlinked_folder_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_text("a")
    (folder / "pictures").symlink_to(tmp_path / "other")
    with pytest.raises(IntegrityError, match="leaves the folder"):
        FolderSource(folder).read("pictures/a", limit=100)


def test_a_symlink_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "same.json").symlink_to("config.json")
    assert FolderSource(folder).read("same.json", limit=10) == b"{}"


def test_a_pipe_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(FileError, match="it is not a file"):
        FolderSource(folder).read("pipe", limit=10)


# ------------------------------------------------------------------------------------------------ packages


def test_a_package_is_read_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "zoo_whales" / "vgg16-minnows"
    inner.mkdir(parents=True)
    (tmp_path / "zoo_whales" / "__init__.py").write_text("raise RuntimeError")
    (inner / "config.json").write_bytes(b"{}")
    monkeypatch.syspath_prepend(tmp_path)
    there = parse_source("package:zoo_whales/vgg16-minnows")
    assert isinstance(there, PackageSource)
    assert there.read("config.json", limit=10) == b"{}"
    assert there.local_path("config.json") == inner / "config.json"
    assert "zoo_whales" not in sys.modules
    with pytest.raises(FetchError, match="has no folder 'other'"):
        parse_source("package:zoo_whales/other").size("config.json")


def test_a_package_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(FetchError, match="Run `pip install zoo-no-such-filters`"):
        parse_source("package:zoo_no_such_filters/vgg16").read("config.json", limit=10)


# ------------------------------------------------------------------------------------------------ the Hub


def test_the_hub_is_read_at_one_commit(hub: HubServer) -> None:
    there = source()
    assert there.read("config.json", limit=10) == b"{}"
    assert there.text == f"hf://owner/name@{hub.commit('owner/name')}"
    assert there.pinned().text == there.text
    assert hub.count(path="/api/models") == 1


def test_a_commit_is_not_asked_for_twice(hub: HubServer) -> None:
    there = parse_source(f"owner/name@{hub.commit('owner/name')}")
    assert there.read("pictures/a.txt", limit=10) == b"a"
    assert there.pinned().read("config.json", limit=10) == b"{}"
    assert hub.count(path="/api/models") == 1  # for the sizes and digests of all files


def test_ranges_are_read_in_one_go_where_they_are_near(hub: HubServer) -> None:
    there = source().pinned()
    hub.forget()
    spans = [(200_000, 200_100), (10, 20), (65_000, 65_010), (0, 5), (7, 7)]
    assert there.read_ranges("model.safetensors", spans) == [CONTENT[start:end] for start, end in spans]
    assert hub.count("GET", "resolve") == 2
    assert hub.sent_of("resolve") == 65_010 + 100


def test_what_was_fetched_whole_is_read_without_a_request(hub: HubServer) -> None:
    path = source().fetch("model.safetensors")
    assert path.read_bytes() == CONTENT
    there = parse_source(f"owner/name@{hub.commit('owner/name')}")
    hub.forget()
    assert there.local_path("model.safetensors") == path
    assert there.size("model.safetensors") == len(CONTENT)
    assert there.read_ranges("model.safetensors", [(3, 5)]) == [CONTENT[3:5]]
    assert there.fetch("model.safetensors") == path
    assert hub.count(path="owner/name") == 0


def test_fetching_tells_the_bytes(hub: HubServer) -> None:
    told: list[tuple[str, int, int | None]] = []
    source().fetch(
        "model.safetensors", progress=lambda what, done, total=None, note="": told.append((what, done, total))
    )
    assert told[-1] == ("fetching model.safetensors", len(CONTENT), len(CONTENT))


def test_fetching_again_replaces_a_damaged_copy(hub: HubServer) -> None:
    there = source().pinned()
    path = there.fetch("model.safetensors")
    path.write_bytes(b"x" + CONTENT[1:])
    assert there.fetch("model.safetensors").read_bytes() != CONTENT
    assert there.fetch("model.safetensors", again=True).read_bytes() == CONTENT


def test_a_file_above_the_limit_is_not_downloaded(hub: HubServer) -> None:
    with pytest.raises(IntegrityError, match="where 100 are allowed"):
        source().read("model.safetensors", limit=100)


def test_a_missing_file_of_the_hub_is_named(hub: HubServer) -> None:
    assert not source().exists("heads.safetensors")
    with pytest.raises(MissingFileError, match=r"has no file 'heads\.safetensors'"):
        source().read("heads.safetensors", limit=10)
    with pytest.raises(MissingFileError):
        source().fetch("heads.safetensors")


def test_a_missing_repository_is_said(hub: HubServer) -> None:
    with pytest.raises(FetchError, match="no such repository, or it is private"):
        parse_source("owner/other").read("config.json", limit=10)


def test_a_missing_revision_is_said(hub: HubServer) -> None:
    with pytest.raises(FetchError, match="there is no such revision"):
        parse_source("owner/name@v9").read("config.json", limit=10)


def test_a_file_name_that_leaves_the_repository_is_never_asked_for(hub: HubServer) -> None:
    for read in (source().size, source().local_path, source().fetch):
        with pytest.raises(IntegrityError, match="not a path inside it"):
            read("../../other/name/config.json")
    assert hub.count(path="resolve") == 0


@pytest.mark.parametrize("status", [500, 503])
def test_a_busy_server_is_asked_again(hub: HubServer, status: int) -> None:
    there = source().pinned()
    hub.fail("status", status, path="resolve", times=1)
    assert there.read("config.json", limit=10) == b"{}"
    hub.fail("status", status, path="resolve", times=1)
    assert there.fetch("model.safetensors").read_bytes() == CONTENT


def test_a_server_that_asks_to_wait_is_waited_for(hub: HubServer) -> None:
    there = source().pinned()
    hub.fail("status", 429, path="resolve", headers={"Retry-After": "1"})
    began = time.monotonic()
    assert there.read("config.json", limit=10) == b"{}"
    assert time.monotonic() - began >= 1


def test_a_server_that_asks_to_wait_too_long_is_not_waited_for(hub: HubServer) -> None:
    there = source().pinned()
    hub.fail("status", 429, path="resolve", headers={"Retry-After": "3600"})
    with pytest.raises(FetchError, match=r"HTTP 429"):
        there.read("config.json", limit=10)


def test_a_server_that_is_broken_for_good_is_given_up(hub: HubServer) -> None:
    there = source().pinned()
    hub.fail("status", 500, path="resolve", times=None)
    with pytest.raises(FetchError, match=r"HTTP 500.*Check the network.*`offline=True`.*`weights="):
        there.read("config.json", limit=10)
    assert hub.count("GET", "resolve") == 4


def test_a_range_goes_on_where_its_connection_broke(hub: HubServer) -> None:
    there = source().pinned()
    hub.forget()
    hub.fail("drop", 100_000, path=".safetensors")
    assert there.read_ranges("model.safetensors", [(0, 200_000)]) == [CONTENT[:200_000]]
    assert hub.sent_of("resolve") == 200_000
    assert hub.count("GET", "resolve") == 2


def test_a_small_file_whose_connection_broke_is_read_again(hub: HubServer) -> None:
    there = source().pinned()
    hub.fail("drop", 1, path="config")
    assert there.read("config.json", limit=10) == b"{}"


def test_a_connection_that_always_breaks_is_given_up(hub: HubServer) -> None:
    there = source().pinned()
    hub.fail("drop", 0, path=".safetensors", times=None)
    with pytest.raises(FetchError, match="could not be fetched"):
        there.read_ranges("model.safetensors", [(0, 200_000)])


def test_a_server_without_ranges_says_so(hub: HubServer) -> None:
    hub.fail("ignore_range", path=".safetensors", times=None)
    with pytest.raises(FetchError, match=r"reads no parts of files\. Run `zoo fetch hf://owner/name@"):
        source().read_ranges("model.safetensors", [(5, 10)])


def test_a_refusal_names_the_token(hub: HubServer) -> None:
    there = source().pinned()
    hub.fail("status", 403, path="resolve", method="", times=None)
    with pytest.raises(FetchError, match=r"HTTP 403.*HF_TOKEN"):
        there.fetch("config.json")


def test_the_token_is_sent_to_the_hub(hub: HubServer) -> None:
    hub.token = "hf_secret"
    assert source(token="hf_secret").read("config.json", limit=10) == b"{}"
    with pytest.raises(FetchError, match="HF_TOKEN"):
        source(token="hf_wrong").read("config.json", limit=10)


@pytest.mark.parametrize("token", ["hf_secret\nline", "hf_secret\u00e4"])
def test_a_token_that_no_header_carries_is_refused_unseen(hub: HubServer, token: str) -> None:
    with pytest.raises(UsageError, match="characters that no token has") as caught:
        source(token=token).read("config.json", limit=10)
    assert "secret" not in str(caught.value)
    assert hub.count() == 0


@pytest.mark.parametrize("quoted", ["Bearer hf_secret, and more", "hf_" + "s" * 34])
def test_a_secret_that_a_foreign_error_quotes_is_taken_out(quoted: str) -> None:
    said = str(translate_error("here", OSError(f"Illegal header value b'{quoted}'")))
    assert "secret" not in said
    assert "ssss" not in said
    assert "Illegal header value b'" in said


def test_an_endpoint_that_is_no_address_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "nowhere")
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 3)
    began = time.monotonic()
    with pytest.raises(FetchError, match="Check the network and HF_ENDPOINT"):
        source().read("config.json", limit=10)
    assert time.monotonic() - began < 2.5


def test_the_token_never_goes_to_another_host(hub: HubServer, tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub") as storage:
        there = source(token="hf_secret").pinned()
        hub.fail("redirect", storage.url.replace("127.0.0.1", "localhost"), method="", path="resolve", times=None)
        assert there.read("config.json", limit=10) == b"{}"
        assert there.read_ranges("model.safetensors", [(5, 10)]) == [CONTENT[5:10]]
        assert there.fetch("model.safetensors").read_bytes() == CONTENT
        assert storage.count("GET", "resolve") == 3
        assert [(r.method, r.path) for r in storage.requests if "hf_secret" in str(r.headers)] == []
        assert all("hf_secret" in str(request.headers) for request in hub.requests if "owner/name" in request.path)


def test_offline_uses_what_was_fetched(hub: HubServer) -> None:
    source().pinned().fetch("config.json")
    hub.forget()
    there = source(offline=True)
    assert there.read("config.json", limit=10) == b"{}"
    with pytest.raises(FetchError, match=r"'model\.safetensors' is not in the cache, and this is offline"):
        there.read_ranges("model.safetensors", [(0, 1)])
    assert hub.count(path="owner/name") == 0


def test_offline_without_a_cache_says_so(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match="is not in the cache, and this is offline"):
        source().read("config.json", limit=10)
    assert hub.count(path="owner/name") == 0


def test_a_cache_folder_of_ones_own_is_used(hub: HubServer, tmp_path: Path) -> None:
    assert source(cache_dir=tmp_path / "mine").fetch("config.json").is_relative_to(tmp_path / "mine")


def test_a_dead_server_fails_soon_with_the_cause_and_the_remedy(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"(?i)connect.*refused.*Check the network"):
        source().fetch("config.json")
    assert time.monotonic() - began < 15


def test_a_dead_server_leaves_what_was_fetched_before(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    source().pinned().fetch("config.json")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert source().read("config.json", limit=10) == b"{}"


@pytest.mark.slow
def test_a_silent_server_fails_within_fifteen_seconds(hub: HubServer) -> None:
    hub.fail("hang", 30, times=None)
    began = time.monotonic()
    with pytest.raises(FetchError, match="Check the network"):
        source().fetch("config.json")
    assert time.monotonic() - began < 15


def test_a_folder_in_the_hubs_cache_may_be_named_itself(hub: HubServer) -> None:
    path = source().pinned().fetch("config.json")
    here = FolderSource(path.parent)
    assert here.read("config.json", limit=10) == b"{}"
    assert here.local_path("config.json").parent == path.parent

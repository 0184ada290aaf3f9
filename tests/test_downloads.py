"""Files of the Hub arrive whole and checked, whatever the network, the server and the disk do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import HubServer

from zoo.errors import FetchError, IntegrityError, ZooError
from zoo.hub import list_cached, list_partial_files, plan_incomplete_download
from zoo.store.cache.verification import verify_partial_file
from zoo.store.hub_source import HubSource
from zoo.store.source_parsing import parse_source

BIG = bytes(range(256)) * 4096  # 1 MiB
SMALL = b'{"a": 1}\n'
BLOB = hashlib.sha256(BIG).hexdigest()  # what the storage knows the large file by
KILLING = Path(__file__).with_name("killing.py")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    with HubServer(tmp_path / "hub", storage=True) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.add("owner/name", {"config.json": SMALL, "model.safetensors": BIG})
        yield server


def source(**options: object) -> HubSource:
    made = parse_source("owner/name", **options)  # type: ignore[arg-type]
    assert isinstance(made, HubSource)
    return made


def in_place(tmp_path: Path) -> dict[str, bytes]:
    """What lies in the cache's snapshots and blobs under its final name."""
    cache = tmp_path / "cache"
    return {
        path.name: path.read_bytes()
        for path in [*cache.rglob("snapshots/*/*"), *cache.rglob("blobs/*")]
        if path.suffix != ".incomplete"
    }


def model_bytes(hub: HubServer) -> int:
    """Bytes of the large file that the storage sent."""
    return sum(request.sent for request in hub.storage_requests)


# ------------------------------------------------------------------------------------------------ the plain way


def test_a_file_comes_from_the_storage_behind_the_hub(hub: HubServer) -> None:
    path = source().fetch("model.safetensors")
    assert path.read_bytes() == BIG
    assert path.is_symlink()
    assert path.resolve().parent.name == "blobs"
    assert model_bytes(hub) == len(BIG)


def test_the_clients_own_cache_is_what_is_filled(hub: HubServer, tmp_path: Path) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    source().fetch("config.json")
    path = source().fetch("model.safetensors")
    commit = hub.commit("owner/name")
    assert try_to_load_from_cache("owner/name", "model.safetensors", cache_dir=tmp_path / "cache") == str(path)
    (repo,) = scan_cache_dir(tmp_path / "cache").repos
    assert (repo.repo_id, repo.size_on_disk) == ("owner/name", len(BIG) + len(SMALL))
    assert [(one.commit_hash, set(one.refs)) for one in repo.revisions] == [(commit, {"main"})]


def test_what_the_client_fetched_is_used(hub: HubServer, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download

    options = {"cache_dir": tmp_path / "cache", "endpoint": hub.url}
    path = hf_hub_download("owner/name", "model.safetensors", **options)
    hub.forget()
    assert str(source().fetch("model.safetensors")) == path
    assert model_bytes(hub) == 0


def test_two_files_take_three_requests(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.store.hub_source.uses_xet", lambda: False)  # as where hf_xet is not installed
    there = source()
    there.fetch("config.json")
    there.fetch("model.safetensors")
    assert [request.method for request in hub.requests] == ["GET", "GET", "GET"]


def test_a_file_that_another_revision_has_too_is_not_sent_again(hub: HubServer) -> None:
    source().fetch("model.safetensors")
    hub.add("owner/name", {"config.json": b"{}"})
    hub.forget()
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert model_bytes(hub) == 0


# ------------------------------------------------------------------------------------------------ broken off


def stop_at(share: float) -> Callable[..., None]:
    """A listener that stops the work as Ctrl-C does."""

    def listen(what: str, done: int, total: int | None = None, note: str = "") -> None:
        if total and done >= share * total:
            raise KeyboardInterrupt

    return listen


def test_a_download_that_was_stopped_goes_on_where_it_was(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        source().fetch("model.safetensors", progress=stop_at(0.5))
    assert BIG not in in_place(tmp_path).values()
    (part,) = (tmp_path / "cache").rglob("*.incomplete")
    had = part.stat().st_size
    assert had >= len(BIG) // 2
    hub.forget()
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert model_bytes(hub) == len(BIG) - had
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_a_part_with_wrong_bytes_is_thrown_away(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        source().fetch("model.safetensors", progress=stop_at(0.5))
    (part,) = (tmp_path / "cache").rglob("*.incomplete")
    part.write_bytes(b"x" + part.read_bytes()[1:])
    assert source().fetch("model.safetensors").read_bytes() == BIG


def test_a_part_that_is_too_long_is_thrown_away(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        source().fetch("model.safetensors", progress=stop_at(0.5))
    (part,) = (tmp_path / "cache").rglob("*.incomplete")
    part.write_bytes(BIG + b"more")
    assert source().fetch("model.safetensors").read_bytes() == BIG


def test_a_dropped_connection_costs_no_byte_twice(hub: HubServer) -> None:
    hub.fail("drop", 300_000, path=BLOB, times=2)
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert model_bytes(hub) == len(BIG)


def test_a_body_that_is_too_short_is_completed(hub: HubServer) -> None:
    hub.fail("truncate", 1000, path=BLOB, times=1)
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert model_bytes(hub) == len(BIG)


def test_a_server_that_ignores_ranges_starts_from_the_first_byte(hub: HubServer) -> None:
    with pytest.raises(KeyboardInterrupt):
        source().fetch("model.safetensors", progress=stop_at(0.5))
    hub.fail("ignore_range", path=BLOB, times=None)
    assert source().fetch("model.safetensors").read_bytes() == BIG


def test_a_server_that_sends_another_range_is_not_believed(hub: HubServer) -> None:
    with pytest.raises(KeyboardInterrupt):
        source().fetch("model.safetensors", progress=stop_at(0.5))
    hub.fail("wrong_range", path=BLOB, times=1)
    assert source().fetch("model.safetensors").read_bytes() == BIG


@pytest.mark.parametrize("difference", [-1000, 1000])
def test_a_lying_content_length_harms_nothing(hub: HubServer, difference: int) -> None:
    hub.fail("lie", difference, path=BLOB, times=1)
    assert source().fetch("model.safetensors").read_bytes() == BIG


@pytest.mark.parametrize("size", [0, 10])
def test_a_server_that_always_sends_too_little_is_given_up(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setenv("ZOO_HUB_PATIENCE", "0.3")
    hub.fail("drop", size, path=BLOB, times=None)
    with pytest.raises(FetchError, match="could not be fetched"):
        source().fetch("model.safetensors")
    assert BIG not in in_place(tmp_path).values()


def test_a_part_of_which_the_server_sends_no_rest_is_begun_anew(hub: HubServer) -> None:
    with pytest.raises(KeyboardInterrupt):
        source().fetch("model.safetensors", progress=stop_at(0.5))
    hub.fail("status", 416, path=BLOB, times=1)
    assert source().fetch("model.safetensors").read_bytes() == BIG


def test_a_server_that_sends_nothing_but_416_is_given_up(hub: HubServer) -> None:
    with pytest.raises(KeyboardInterrupt):
        source().fetch("model.safetensors", progress=stop_at(0.5))
    hub.forget()
    hub.fail("status", 416, path=BLOB, times=None)
    with pytest.raises(FetchError, match="HTTP 416"):
        source().fetch("model.safetensors")
    assert len(hub.storage_requests) == 2


def left_by_a_killed_process(tmp_path: Path, hub: HubServer, count: int = 1) -> list[Path]:
    """What processes leave that are killed while they download."""
    hub.fail("slow", 2e6, path=BLOB, times=None)
    parts: set[Path] = set()
    for _ in range(count):
        code = (
            "from zoo.store.source_parsing import parse_source; parse_source('owner/name').fetch('model.safetensors')"
        )
        child = subprocess.Popen([sys.executable, "-c", code])
        while child.poll() is None and not any(
            path.stat().st_size > 200_000 for path in set((tmp_path / "cache").rglob("*.incomplete")) - parts
        ):
            time.sleep(0.01)
        assert child.poll() is None
        child.kill()
        child.wait()
        found = set((tmp_path / "cache").rglob("*.incomplete"))
        parts = {path.rename(path.with_name(f"{number}{path.name}")) for number, path in enumerate(found)}
    hub.faults.clear()
    hub.forget()
    return [path.rename(path.with_name(path.name[1:])) for path in parts]


def test_what_a_killed_process_left_is_taken_over(hub: HubServer, tmp_path: Path) -> None:
    (part,) = left_by_a_killed_process(tmp_path, hub)
    had = part.stat().st_size
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert model_bytes(hub) == len(BIG) - had
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_what_several_killed_processes_left_is_cleared_away(hub: HubServer, tmp_path: Path) -> None:
    parts = left_by_a_killed_process(tmp_path, hub)
    (other,) = (parts[0].with_name(parts[0].name.replace(parts[0].name[-14:-11], "000")),)
    other.write_bytes(BIG[:100])
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_what_a_living_process_writes_is_left_to_it(hub: HubServer, tmp_path: Path) -> None:
    parts: list[Path] = []

    def look(what: str, done: int, total: int | None = None, note: str = "") -> None:
        if not parts:
            (locked,) = (tmp_path / "cache").rglob("*.lock")
            locked.unlink()
            (left,) = list_cached(tmp_path / "cache", [])[0].incomplete_downloads
            assert plan_incomplete_download(left, tmp_path / "cache") is None
            parts.append(left.path)
            assert run_job("together", job, tmp_path) == {"succeeded": 1}

    job: dict[str, object] = {"name": "owner/name", "file": "model.safetensors", "processes": 1, "locks": False}
    assert source().fetch("model.safetensors", progress=look).read_bytes() == BIG
    assert model_bytes(hub) == 2 * len(BIG)
    assert in_place(tmp_path)[BLOB] == BIG


def test_a_slow_connection_that_goes_on_is_borne(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HUB_PATIENCE", "0.2")
    hub.add("owner/name", {"card.txt": b"x" * 5_000})
    hub.fail("slow", 5_000, path="card.txt")
    assert len(source().fetch("card.txt").read_bytes()) == 5_000


# ------------------------------------------------------------------------------------------------ wrong bytes


def test_corrupt_bytes_are_asked_for_once_more_and_never_put_in_place(hub: HubServer, tmp_path: Path) -> None:
    hub.fail("corrupt", path=BLOB, times=1)
    assert source().fetch("model.safetensors").read_bytes() == BIG


def test_bytes_that_are_always_corrupt_are_refused(hub: HubServer, tmp_path: Path) -> None:
    hub.fail("corrupt", path=BLOB, times=None)
    with pytest.raises(IntegrityError, match="the bytes received twice did not have the hash that the Hub states"):
        source().fetch("model.safetensors")
    assert in_place(tmp_path) == {}
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_a_corrupt_text_is_found_by_gits_own_hash(hub: HubServer) -> None:
    hub.fail("corrupt", path="config.json", times=1)
    assert source().read("config.json", limit=100) == SMALL


def test_a_text_that_was_damaged_in_the_cache_is_fetched_again(hub: HubServer) -> None:
    path = source().fetch("config.json")
    path.write_bytes(b'{"a": 2}\n')
    assert source().read("config.json", limit=100) == SMALL
    path.write_bytes(b'{"a": 2}\n')
    with pytest.raises(IntegrityError, match=r"it is damaged, and this is offline\. Run it once without"):
        source(offline=True).read("config.json", limit=100)


# ------------------------------------------------------------------------------------------------ the repository


def test_all_files_are_of_one_commit_though_the_repository_changes(hub: HubServer) -> None:
    first = hub.commit("owner/name")
    there = source()
    assert there.size("config.json") == len(SMALL)
    hub.add("owner/name", {"config.json": b"{}", "model.safetensors": b"other"})
    assert there.read("config.json", limit=100) == SMALL
    assert there.fetch("model.safetensors").read_bytes() == BIG
    assert there.text == f"hf://owner/name@{first}"


def test_a_repository_that_went_away_meanwhile_is_said(hub: HubServer) -> None:
    there = source()
    assert there.size("config.json") == len(SMALL)
    hub.fail("status", 404, path="resolve", times=None, headers={"X-Error-Code": "RepoNotFound"})
    with pytest.raises(FetchError, match="no such repository, or it is private"):
        there.fetch("config.json")


def test_the_token_never_reaches_the_storage(hub: HubServer) -> None:
    hub.token = "hf_secret"
    there = source(token="hf_secret")
    assert there.fetch("model.safetensors").read_bytes() == BIG
    there.read_ranges("model.safetensors", [(5, 10)])
    assert all("hf_secret" in str(request.headers) for request in hub.requests)
    assert hub.storage_requests
    assert not [request for request in hub.storage_requests if "hf_secret" in str(request.headers)]


# ------------------------------------------------------------------------------------------------ the disk


def refused(work: Callable[[], object], prepare: Callable[[], None]) -> str:
    """The one line that work in a forked child fails with, after `prepare` changed what the child may do."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        line = "it went well"
        try:
            prepare()
            work()
        except ZooError as error:
            line = str(error)
        except BaseException as error:
            line = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, line.encode()[:4000])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        said = told.read().decode()
    os.waitpid(pid, 0)
    return said


def test_a_full_disk_is_said_and_what_came_is_kept(hub: HubServer, tmp_path: Path) -> None:
    source(cache_dir=tmp_path / "warm").fetch("model.safetensors")  # all modules are there before the fork

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    said = refused(lambda: source().fetch("model.safetensors"), fill)
    assert "the disk is full" in said
    assert "`cache_dir=`" in said
    assert BIG not in in_place(tmp_path).values()
    hub.forget()
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert model_bytes(hub) <= len(BIG) - 400_000


def be_nobody() -> None:
    """Give up the right to write anywhere, where this process is root."""
    if os.geteuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)


@pytest.fixture
def open_cache() -> Iterator[Path]:
    """A cache folder that anybody may read and only its owner write."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def lock_up(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


def test_a_read_only_cache_serves_what_it_has(
    hub: HubServer, open_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_any")  # nobody may not look whether there is a stored one
    source(cache_dir=open_cache).pinned().fetch("model.safetensors")
    lock_up(open_cache)

    def work() -> None:
        there = source(cache_dir=open_cache)
        if there.fetch("model.safetensors").read_bytes() != BIG or there.read("config.json", limit=99) != SMALL:
            raise ValueError("other bytes")

    assert refused(work, be_nobody) == "it went well"


def test_a_read_only_cache_that_lacks_the_file_is_said(
    hub: HubServer, open_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_any")
    source(cache_dir=open_cache).fetch("config.json")
    lock_up(open_cache)
    said = refused(lambda: source(cache_dir=open_cache).fetch("model.safetensors"), be_nobody)
    assert "it cannot be read or written" in said
    assert "`cache_dir=`" in said


# ------------------------------------------------------------------------------------------------ parts


def test_ranges_are_kept_for_the_next_time(hub: HubServer) -> None:
    spans = [(10, 20), (500_000, 500_100)]
    source().read_ranges("model.safetensors", spans)
    hub.forget()
    assert source().pinned().read_ranges("model.safetensors", spans) == [BIG[a:b] for a, b in spans]
    assert hub.count(path="resolve") == 0


@pytest.mark.parametrize("use", ["fetch", "read"])
def test_a_branch_whose_commit_was_here_already_is_known_offline(hub: HubServer, use: str) -> None:
    commit = hub.commit("owner/name")
    parse_source(f"owner/name@{commit}").fetch("config.json")
    source().fetch("config.json") if use == "fetch" else source().read("config.json", limit=100)
    assert source(offline=True).read("config.json", limit=100) == SMALL


def test_a_branch_that_moved_to_a_commit_which_was_here_means_that_one_offline(hub: HubServer) -> None:
    source().fetch("config.json")
    commit = hub.add("owner/name", {"config.json": b"{}\n"})
    parse_source(f"owner/name@{commit}").fetch("config.json")
    source().fetch("config.json")
    assert source(offline=True).read("config.json", limit=100) == b"{}\n"


def test_parts_of_a_branch_are_there_offline(hub: HubServer) -> None:
    source().read_ranges("model.safetensors", [(10, 20)])
    there = source(offline=True)
    assert there.read_ranges("model.safetensors", [(10, 20)]) == [BIG[10:20]]
    assert there.size("model.safetensors") == len(BIG)


def test_only_what_is_missing_is_asked_for(hub: HubServer) -> None:
    source().read_ranges("model.safetensors", [(10, 20)])
    hub.forget()
    there = source()
    assert there.read_ranges("model.safetensors", [(500_000, 500_100), (10, 20)]) == [BIG[500_000:500_100], BIG[10:20]]
    assert sum(request.sent for request in hub.storage_requests) == 100


def test_only_the_first_range_is_redirected(hub: HubServer) -> None:
    there = source()
    there.read_ranges("model.safetensors", [(10, 20), (500_000, 500_100), (900_000, 900_100)])
    assert hub.count(path="resolve") == 1
    assert len(hub.storage_requests) == 3


@pytest.mark.parametrize("status", [403, 410])
def test_an_address_of_the_storage_that_ran_out_is_asked_for_anew(hub: HubServer, status: int) -> None:
    there = source()
    there.read_ranges("model.safetensors", [(10, 20)])
    hub.fail("status", status, path=BLOB, times=1)
    assert there.read_ranges("model.safetensors", [(500_000, 500_100)]) == [BIG[500_000:500_100]]
    assert hub.count(path="resolve") == 2


def test_a_kept_part_that_was_damaged_is_read_again(hub: HubServer, home: Path) -> None:
    source().read_ranges("model.safetensors", [(10, 20)])
    (kept,) = (path for path in (home / "parts").rglob("model.safetensors") if path.is_file())
    with kept.open("r+b") as opened:
        opened.seek(12)
        opened.write(b"xx")
    assert source().read_ranges("model.safetensors", [(10, 20)]) == [BIG[10:20]]


@pytest.mark.parametrize("index", [b"", b"[]", b'{"size": 3}', b'{"size": true, "sha256": {"a-b": 1, "5-2": "x"}}'])
def test_an_index_of_kept_parts_that_is_damaged_is_passed_over(hub: HubServer, home: Path, index: bytes) -> None:
    source().read_ranges("model.safetensors", [(10, 20)])
    (path,) = (home / "parts").rglob("*.ranges.json")
    path.write_bytes(index)
    assert source().read_ranges("model.safetensors", [(10, 20)]) == [BIG[10:20]]


# ------------------------------------------------------------------------------------------------ many at once


def run_job(kind: str, job: dict[str, object], tmp_path: Path, **environment: str) -> dict[str, int]:
    """`killing.py` in a process of its own."""
    path = tmp_path / f"{kind}.json"
    path.write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, str(KILLING), kind, str(path)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


def test_sixteen_processes_fetch_one_copy(hub: HubServer, tmp_path: Path) -> None:
    hub.fail("slow", 2e6, path=BLOB, times=None)
    job: dict[str, object] = {"name": "owner/name", "file": "model.safetensors", "processes": 16}
    assert run_job("together", job, tmp_path) == {"succeeded": 16}
    assert source().fetch("model.safetensors").read_bytes() == BIG
    assert model_bytes(hub) == len(BIG)
    with contextlib.suppress(StopIteration):
        pytest.fail(f"left over: {next((tmp_path / 'cache').rglob('*.incomplete'))}")


def test_sixteen_processes_read_one_part(hub: HubServer, tmp_path: Path) -> None:
    job: dict[str, object] = {
        "name": "owner/name",
        "file": "model.safetensors",
        "processes": 16,
        "spans": [[10, 500_000]],
    }
    assert run_job("together", job, tmp_path) == {"succeeded": 16}
    assert model_bytes(hub) == 500_000 - 10


def test_where_locks_hold_nobody_back_every_process_has_the_whole_file(hub: HubServer, tmp_path: Path) -> None:
    hub.fail("slow", 2e6, path=BLOB, times=None)
    job: dict[str, object] = {"name": "owner/name", "file": "model.safetensors", "processes": 12, "locks": False}
    assert run_job("together", job, tmp_path) == {"succeeded": 12}
    assert in_place(tmp_path) == {"model.safetensors": BIG, BLOB: BIG}
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_where_locks_hold_nobody_back_kept_parts_stay_usable(hub: HubServer, tmp_path: Path) -> None:
    job: dict[str, object] = {
        **{"name": "owner/name", "file": "model.safetensors", "processes": 12, "locks": False},
        "spans": [[at * 1000, at * 1000 + 900] for at in range(12)],
    }
    assert run_job("together", job, tmp_path) == {"succeeded": 12}
    assert verify_partial_file(*list_partial_files([])) == []

"""The tests' Hub, asked by the real client."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import HubServer
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, ModelCard
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

try:
    import httpx2 as httpx
except ImportError:
    import httpx

REPO = "owner/name"
CARD = """---
library_name: zoo
license: apache-2.0
base_model: torchvision/vgg16
datasets: [owner/minnows]
pipeline_tag: image-feature-extraction
tags: [zoo, feature-filters]
---
# Filters
"""


def safetensors(numbers: int) -> bytes:
    head = {"__metadata__": {"by": "zoo"}, "a": {"dtype": "F16", "shape": [numbers], "data_offsets": [0, 2 * numbers]}}
    written = json.dumps(head).encode()
    return len(written).to_bytes(8, "little") + written + bytes(range(256)) * (numbers // 128)


MODEL = safetensors(128 * 2000)  # 512,000 bytes of numbers
FILES = {"README.md": CARD.encode(), "config.json": b'{"a": 1}', "model.safetensors": MODEL, "pictures/a.txt": b"a"}


@pytest.fixture(autouse=True)
def _plain_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client as with HF_HUB_DISABLE_XET=1, which it reads when it is imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub", storage=True) as server:
        yield server


def api(hub: HubServer, token: str | bool = "hf_mine") -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def folder_of(path: Path) -> Path:
    for name, content in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def pushed(hub: HubServer, tmp_path: Path, **options: Any) -> HfApi:
    """A repository that the client made and uploaded a folder to."""
    client = api(hub)
    client.create_repo(REPO, **options)
    client.upload_folder(repo_id=REPO, folder_path=folder_of(tmp_path / "folder"))
    return client


def read(hub: HubServer, name: str = "model.safetensors", span: str = "") -> httpx.Response:
    headers = {"Range": f"bytes={span}"} if span else {}
    return httpx.get(f"{hub.url}/{REPO}/resolve/main/{name}", headers=headers, follow_redirects=True)


def run(hub: HubServer, code: str, *arguments: object, **env: str) -> str:
    """What a process of its own prints, with the Hub in its environment."""
    said = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_mine", **env}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)], env=said, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------------------------------------ repositories


def test_a_repository_is_created_once(hub: HubServer) -> None:
    client = api(hub)
    assert client.create_repo(REPO).repo_id == REPO
    assert client.create_repo(REPO, exist_ok=True).repo_id == REPO
    with pytest.raises(HfHubHTTPError, match="already created"):
        client.create_repo(REPO)
    assert client.list_repo_files(REPO) == [".gitattributes"]


def test_a_repository_without_an_owner_is_the_users(hub: HubServer) -> None:
    assert api(hub).create_repo("name").repo_id == "tester/name"
    assert api(hub).whoami()["name"] == "tester"


def test_a_deleted_repository_is_gone(hub: HubServer) -> None:
    client = api(hub)
    hub.add(REPO, FILES)
    client.delete_repo(REPO)
    assert not client.repo_exists(REPO)
    with pytest.raises(RepositoryNotFoundError):
        client.delete_repo(REPO)


def test_a_private_repository_is_seen_with_the_token_only(tmp_path: Path) -> None:
    with HubServer(tmp_path, token="hf_mine") as hub:
        api(hub).create_repo(REPO, private=True)
        assert api(hub).model_info(REPO).private
        assert [one.id for one in api(hub).list_models()] == [REPO]
        assert list(api(hub, False).list_models()) == []
        with pytest.raises(RepositoryNotFoundError):
            api(hub, False).model_info(REPO)
        with pytest.raises(HfHubHTTPError, match="401"):
            api(hub, "hf_other").model_info(REPO)
        api(hub).update_repo_settings(REPO, private=False)
        assert not api(hub, False).model_info(REPO).private
        with pytest.raises(HfHubHTTPError, match="401"):
            api(hub, False).create_tag(REPO, tag="v1")


def test_a_gated_repository_refuses_its_files(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    hub.set(REPO, gated="manual")
    assert api(hub).model_info(REPO).gated == "manual"
    with pytest.raises(GatedRepoError):
        api(hub).hf_hub_download(REPO, "config.json", cache_dir=tmp_path / "cache")


def test_what_is_missing_is_named(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    client = api(hub)
    with pytest.raises(RevisionNotFoundError):
        client.model_info(REPO, revision="v9")
    with pytest.raises(EntryNotFoundError):
        client.hf_hub_download(REPO, "none.txt", cache_dir=tmp_path / "cache")
    with pytest.raises(RepositoryNotFoundError):
        client.hf_hub_download("owner/none", "none.txt", cache_dir=tmp_path / "cache")
    assert client.file_exists(REPO, "config.json")
    assert not client.file_exists(REPO, "none.txt")


# ------------------------------------------------------------------------------------------------ uploads


def test_a_folder_is_uploaded_in_one_commit(hub: HubServer, tmp_path: Path) -> None:
    client = pushed(hub, tmp_path)
    assert hub.count("POST", "/commit/") == 1
    there = {name: path.read_bytes() for name, path in hub.list(REPO) if name != ".gitattributes"}
    assert there == FILES
    assert [one.title for one in client.list_repo_commits(REPO)] == [
        "Upload folder using huggingface_hub",
        "initial commit",
    ]


def test_what_is_unchanged_is_not_uploaded_again(hub: HubServer, tmp_path: Path) -> None:
    client = pushed(hub, tmp_path)
    before = hub.commit(REPO)
    hub.forget()
    assert client.upload_folder(repo_id=REPO, folder_path=tmp_path / "folder").oid == before
    assert hub.count("PUT") == hub.count("POST", "/commit/") == 0


def test_a_large_file_is_lfs_and_a_text_is_not(hub: HubServer, tmp_path: Path) -> None:
    files = {one.path: one for one in pushed(hub, tmp_path).list_repo_tree(REPO)}
    model, config = files["model.safetensors"], files["config.json"]
    assert (model.lfs.sha256, model.size) == (hashlib.sha256(MODEL).hexdigest(), len(MODEL))
    assert config.lfs is None
    assert config.blob_id == hashlib.sha1(b"blob 8\0" + FILES["config.json"]).hexdigest()


def test_a_picture_is_lfs_and_named_in_gitattributes(hub: HubServer) -> None:
    client = api(hub)
    client.create_repo(REPO)
    client.upload_file(repo_id=REPO, path_or_fileobj=b"\x89PNG\r\n\x1a\n\0\0", path_in_repo="a.png")
    assert client.get_paths_info(REPO, "a.png")[0].lfs
    assert "a.png filter=lfs" in dict(hub.list(REPO))[".gitattributes"].read_text()


def test_a_commit_adds_copies_and_deletes(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    operations = [
        CommitOperationAdd("new.txt", io.BytesIO(b"new")),
        CommitOperationCopy("model.safetensors", "old/model.safetensors"),
        CommitOperationDelete("config.json"),
        CommitOperationDelete("pictures/"),
    ]
    said = api(hub).create_commit(REPO, operations, commit_message="change", parent_commit=hub.commit(REPO))
    assert said.oid == hub.commit(REPO)
    assert [name for name, _ in hub.list(REPO)] == [
        "README.md",
        "model.safetensors",
        "new.txt",
        "old/model.safetensors",
    ]


def test_a_commit_on_an_old_one_is_refused(hub: HubServer) -> None:
    before = hub.add(REPO, FILES)
    now = hub.add(REPO, {"config.json": b"{}"})
    with pytest.raises(HfHubHTTPError, match="412"):
        api(hub).upload_file(repo_id=REPO, path_or_fileobj=io.BytesIO(b"1"), path_in_repo="a.txt", parent_commit=before)
    assert hub.commit(REPO) == now


def test_deleting_what_is_not_there_is_refused(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    with pytest.raises(EntryNotFoundError):
        api(hub).delete_file("none.txt", REPO)


def test_a_file_that_the_gitignore_names_is_left_out(hub: HubServer) -> None:
    hub.add(REPO, {".gitignore": b"*.log\nrun/\n"})
    operations = [CommitOperationAdd(name, b"1") for name in ("a.log", "run/b.txt", "c.txt")]
    api(hub).create_commit(REPO, operations, commit_message="change")
    assert [name for name, _ in hub.list(REPO)] == [".gitignore", "c.txt"]


def test_a_body_that_is_not_what_was_promised_is_never_kept(hub: HubServer) -> None:
    hub.add(REPO, {"a.txt": b"a"})
    oid = hashlib.sha256(b"right").hexdigest()
    assert httpx.put(f"{hub.url}/lfs/{oid}?size=5", content=b"wrong").status_code == 422
    assert httpx.put(f"{hub.url}/lfs/{oid}?size=4", content=b"right").status_code == 422
    line = {"key": "lfsFile", "value": {"path": "b.bin", "algo": "sha256", "oid": oid, "size": 5}}
    assert httpx.post(f"{hub.url}/api/models/{REPO}/commit/main", content=json.dumps(line)).status_code == 400
    assert httpx.put(f"{hub.url}/lfs/{oid}?size=5", content=b"right").status_code == 200
    assert httpx.post(f"{hub.url}/api/models/{REPO}/commit/main", content=json.dumps(line)).status_code == 200
    assert list((hub.store.state / "new").iterdir()) == []


def test_a_large_file_is_uploaded_in_parts(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub", multipart=200_000, storage=True) as hub:
        pushed(hub, tmp_path)
        assert hub.count("PUT", storage=True) == 3
        assert hub.count("POST", "/complete") == 1
        assert dict(hub.list(REPO))["model.safetensors"].read_bytes() == MODEL


def test_a_bad_card_is_refused_before_the_upload(hub: HubServer) -> None:
    api(hub).create_repo(REPO)
    with pytest.raises(ValueError, match="Invalid metadata"):
        api(hub).upload_file(repo_id=REPO, path_or_fileobj=b"---\na: [\n---\n", path_in_repo="README.md")
    assert hub.count("POST", "/commit/") == 0


# ------------------------------------------------------------------------------------------------ refs


def test_tags_and_branches_come_and_go(hub: HubServer) -> None:
    first = hub.add(REPO, FILES)
    client = api(hub)
    client.create_tag(REPO, tag="v1", tag_message="the first")
    client.create_branch(REPO, branch="feature/a", revision="v1")
    with pytest.raises(HfHubHTTPError, match="409"):
        client.create_tag(REPO, tag="v1")
    client.create_branch(REPO, branch="feature/a", exist_ok=True)
    client.upload_file(repo_id=REPO, path_or_fileobj=b"b", path_in_repo="b.txt", revision="feature/a")
    refs = client.list_repo_refs(REPO)
    assert [(one.name, one.ref, one.target_commit) for one in refs.tags] == [("v1", "refs/tags/v1", first)]
    assert [one.name for one in refs.branches] == ["feature/a", "main"]
    assert client.file_exists(REPO, "b.txt", revision="feature/a")
    assert not client.file_exists(REPO, "b.txt")
    client.delete_tag(REPO, tag="v1")
    client.delete_branch(REPO, branch="feature/a")
    assert client.list_repo_refs(REPO).tags == []


def test_a_pull_request_is_opened_by_a_commit_and_merged(hub: HubServer) -> None:
    before = hub.add(REPO, FILES)
    client = api(hub)
    said = client.upload_file(repo_id=REPO, path_or_fileobj=b"b", path_in_repo="b.txt", create_pr=True)
    assert (said.pr_num, said.pr_revision, hub.commit(REPO)) == (1, "refs/pr/1", before)
    assert client.file_exists(REPO, "b.txt", revision="refs/pr/1")
    client.merge_pull_request(REPO, 1)
    assert client.get_discussion_details(REPO, 1).status == "merged"
    assert client.file_exists(REPO, "b.txt")


def test_a_pull_request_is_opened_first_and_committed_to(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    client = api(hub)
    opened = client.create_pull_request(REPO, title="better")
    client.upload_file(
        repo_id=REPO, path_or_fileobj=b"b", path_in_repo="b.txt", revision=opened.git_reference, commit_message="b"
    )
    assert hub.count("POST", "/commit/refs%2Fpr%2F1") == 1
    refs = client.list_repo_refs(REPO, include_pull_requests=True)
    assert [one.ref for one in refs.pull_requests or []] == ["refs/pr/1"]
    got = client.hf_hub_download(REPO, "b.txt", revision="refs/pr/1", cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == b"b"
    assert [one.title for one in client.get_repo_discussions(REPO)] == ["better"]


UPLOAD = """
import io, sys
from huggingface_hub import HfApi, ModelCard, constants
client = HfApi()
small = "*.safetensors"  # with Xet on, a path to it would go to the Xet storage
said = client.upload_folder(repo_id="owner/name", folder_path=sys.argv[1], create_pr=True, ignore_patterns=small)
print(constants.HF_HUB_DISABLE_XET, said.pr_num)
client.upload_file(repo_id="owner/name", path_or_fileobj=io.BytesIO(b"1" * 2000), path_in_repo="a.bin")
client.merge_pull_request("owner/name", 1)
print(ModelCard.load("owner/name").data.library_name)
"""


@pytest.mark.parametrize("disabled", ["0", "1"])
def test_the_client_of_a_process_of_its_own_opens_a_pull_request(hub: HubServer, tmp_path: Path, disabled: str) -> None:
    hub.add(REPO, {"a.txt": b"a"})
    folder = folder_of(tmp_path / "folder")
    said = run(hub, UPLOAD, folder, HF_HUB_DISABLE_XET=disabled, HF_HOME=str(tmp_path / "home"))
    assert said.split() == [str(disabled == "1"), "1", "zoo"]
    assert hub.count("POST", "/commit/main?create_pr=1" if disabled == "1" else "/commit/refs%2Fpr%2F1") == 1
    assert {"README.md", "config.json", "a.bin"} <= dict(hub.list(REPO)).keys()


# ------------------------------------------------------------------------------------------------ listings


def test_a_model_is_described_by_its_card_and_its_tensors(hub: HubServer) -> None:
    commit = hub.add(REPO, FILES)
    hub.set(REPO, likes=3, downloads=40)
    info = api(hub).model_info(REPO, files_metadata=True)
    assert (info.sha, info.library_name, info.pipeline_tag) == (commit, "zoo", "image-feature-extraction")
    assert (info.likes, info.downloads, info.author) == (3, 40, "owner")
    assert info.safetensors is not None
    assert (info.safetensors.parameters, info.safetensors.total) == ({"F16": 256_000}, 256_000)
    assert info.card_data is not None
    assert info.card_data.license == "apache-2.0"
    assert {"zoo", "feature-filters", "license:apache-2.0", "dataset:owner/minnows", "safetensors"} <= set(info.tags)
    assert {"base_model:torchvision/vgg16", "base_model:finetune:torchvision/vgg16"} <= set(info.tags or ())
    sizes = {one.rfilename: (one.size, one.lfs is not None) for one in info.siblings or ()}
    assert sizes["model.safetensors"] == (len(MODEL), True)
    assert sizes["config.json"] == (8, False)


def test_an_old_commit_is_described_as_it_was(hub: HubServer) -> None:
    first = hub.add(REPO, FILES)
    hub.add(REPO, {"README.md": b"no card"})
    assert api(hub).model_info(REPO).library_name is None
    assert api(hub).model_info(REPO, revision=first).library_name == "zoo"


def test_models_are_found_by_tags_author_and_words(hub: HubServer) -> None:
    for number, repo in enumerate(["ann/minnows", "ann/perch", "bob/minnows"]):
        hub.add(repo, FILES if number < 2 else {"a.txt": b"a"})
        hub.set(repo, downloads=number)
    client = api(hub)

    def found(**asked: Any) -> list[str]:
        return [one.id for one in client.list_models(**asked)]

    assert found(filter=["zoo", "feature-filters"]) == ["ann/minnows", "ann/perch"]
    assert found(filter=["zoo", "other"]) == []
    assert found(author="ann", search="MINN") == ["ann/minnows"]
    assert found(sort="downloads") == ["bob/minnows", "ann/perch", "ann/minnows"]
    assert found(limit=1) == ["ann/minnows"]
    full = next(iter(client.list_models(full=True, cardData=True, limit=1)))
    assert full.sha == hub.commit("ann/minnows")
    assert full.card_data is not None
    assert next(iter(client.list_models(limit=1))).card_data is None


def test_long_listings_come_in_pages(tmp_path: Path) -> None:
    with HubServer(tmp_path, page=2) as hub:
        for number in range(5):
            hub.add(f"owner/name{number}", FILES)
        assert len(list(api(hub).list_models(filter="zoo"))) == 5
        assert hub.count(path="/api/models?") == 3
        tree = [one.path for one in api(hub).list_repo_tree("owner/name0", recursive=True)]
        assert tree == ["README.md", "config.json", "model.safetensors", "pictures", "pictures/a.txt"]
        assert hub.count(path="/tree/") == 3


def test_a_folder_of_a_repository_is_listed(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    client = api(hub)
    assert [one.path for one in client.list_repo_tree(REPO, "pictures")] == ["pictures/a.txt"]
    assert [one.path for one in client.list_repo_tree(REPO)][-1] == "pictures"
    with pytest.raises(EntryNotFoundError):
        list(client.list_repo_tree(REPO, "none"))
    assert [one.path for one in client.get_paths_info(REPO, ["config.json", "pictures", "none"])] == [
        "config.json",
        "pictures",
    ]


# ------------------------------------------------------------------------------------------------ downloads


def test_a_snapshot_is_whole_and_asked_for_once(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    client = api(hub)
    got = Path(client.snapshot_download(REPO, cache_dir=tmp_path / "cache"))
    assert {path.relative_to(got).as_posix(): path.read_bytes() for path in got.rglob("*") if path.is_file()} == FILES
    hub.forget()
    client.snapshot_download(REPO, cache_dir=tmp_path / "cache")
    assert hub.count(path="/resolve/") == 0


def test_the_head_of_a_safetensors_file_is_read_by_a_range(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    assert api(hub).get_safetensors_metadata(REPO).parameter_count == {"F16": 256_000}
    assert hub.sent_of("/resolve/") < 101_000


def test_the_card_is_loaded(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    card = ModelCard.load(api(hub).hf_hub_download(REPO, "README.md", cache_dir=tmp_path / "cache"))
    assert card.data.base_model == "torchvision/vgg16"


def test_large_files_come_from_the_storage_without_the_token(stored: HubServer, tmp_path: Path) -> None:
    client = pushed(stored, tmp_path)
    got = client.hf_hub_download(REPO, "model.safetensors", cache_dir=tmp_path / "cache")
    client.hf_hub_download(REPO, "config.json", cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == MODEL
    assert stored.sent_of(storage=True) == len(MODEL)
    assert [one.method for one in stored.storage_requests] == ["PUT", "GET"]
    assert not any("Authorization" in one.headers for one in stored.storage_requests)
    assert any("authorization" in one.headers for one in stored.requests)
    assert Path(got).resolve().name == hashlib.sha256(MODEL).hexdigest()


def test_parts_of_a_file_are_sent(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    for span, wanted in {
        "0-9": MODEL[:10],
        "511000-": MODEL[511_000:],
        "-7": MODEL[-7:],
        "5-999999": MODEL[5:],
    }.items():
        answer = read(hub, span=span)
        assert (answer.status_code, answer.content) == (206, wanted)
    assert read(hub, span=f"{len(MODEL)}-").status_code == 416


def test_the_etag_is_of_the_content(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    assert read(hub).headers["ETag"] == f'"{hashlib.sha256(MODEL).hexdigest()}"'
    assert (
        read(hub, "config.json").headers["ETag"]
        == f'"{hashlib.sha1(b"blob 8" + bytes(1) + FILES["config.json"]).hexdigest()}"'
    )


def test_nothing_is_said_of_xet(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    for kind in ("read", "write"):
        assert httpx.get(f"{hub.url}/api/models/{REPO}/xet-{kind}-token/main").status_code == 404
    assert "X-Xet-Hash" not in read(hub).headers


# ------------------------------------------------------------------------------------------------ the state on disk


def test_a_server_that_is_started_again_knows_everything(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub") as hub:
        pushed(hub, tmp_path, private=True).create_tag(REPO, tag="v1")
    with HubServer(tmp_path / "hub") as again:
        assert api(again).model_info(REPO, revision="v1").private
        assert again.commit(REPO) == hub.commit(REPO)


def test_a_server_that_was_killed_has_no_part_of_an_upload(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub") as hub:
        before = hub.add(REPO, FILES)
    program = [sys.executable, Path(__file__).with_name("hub_server.py"), tmp_path / "hub", "--rate", "100000"]
    oid = hashlib.sha256(bytes(10**6)).hexdigest()
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        url = serving.stdout.readline().strip()

        def body() -> Iterator[bytes]:
            yield bytes(10_000)
            time.sleep(0.2)
            serving.kill()
            yield bytes(990_000)

        with pytest.raises(httpx.TransportError):
            httpx.put(f"{url}/lfs/{oid}?size=1000000", content=body())
    with HubServer(tmp_path / "hub") as again:
        assert not again.store.blob(oid).exists()
        assert again.commit(REPO) == before
        assert read(again).content == MODEL


def test_files_written_by_hand_are_committed(hub: HubServer) -> None:
    first = hub.add(REPO, FILES)
    assert hub.commit(REPO) == first
    api(hub).upload_file(repo_id=REPO, path_or_fileobj=b"b", path_in_repo="b.txt")
    (hub.root / REPO / "config.json").write_bytes(b"by hand")
    (hub.root / REPO / "pictures/a.txt").unlink()
    assert read(hub, "config.json").content == b"by hand"
    assert [name for name, _ in hub.list(REPO)] == ["README.md", "b.txt", "config.json", "model.safetensors"]
    assert dict(hub.list(REPO, first)).keys() == FILES.keys()


def test_a_big_file_is_added_without_a_copy(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(MODEL)
    hub.add_file(REPO, "model.safetensors", tmp_path / "big")
    hub.add_file(REPO, "again.safetensors", tmp_path / "big")
    assert dict(hub.list(REPO))["again.safetensors"].samefile(tmp_path / "big")
    assert read(hub).content == MODEL


def test_the_server_is_a_program_with_a_log(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub") as hub:
        hub.add(REPO, FILES)
    program = [sys.executable, Path(__file__).with_name("hub_server.py"), tmp_path / "hub", "--log", tmp_path / "log"]
    with subprocess.Popen([*program, "--storage"], stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        url = serving.stdout.readline().strip()
        headers = {"Range": "bytes=0-99", "Authorization": "Bearer hf_x"}
        got = httpx.get(f"{url}/{REPO}/resolve/main/model.safetensors", headers=headers, follow_redirects=True)
        assert got.content == MODEL[:100]
        deadline = time.monotonic() + 10
        while len((tmp_path / "log").read_text().splitlines()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)  # a line is written once its answer is sent
        serving.kill()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    told = {(line["status"], line["sent"], line["authorization"], line["range"]) for line in lines}
    assert told == {(302, 0, True, "bytes=0-99"), (206, 100, False, "bytes=0-99")}


# ------------------------------------------------------------------------------------------------ faults


def test_a_status_is_sent_with_its_headers(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    hub.fail("status", 429, headers={"Retry-After": "7"})
    assert (read(hub).status_code, read(hub).status_code) == (429, 200)
    hub.fail("status", 500, method="PUT", path="/lfs/")
    assert httpx.put(f"{hub.url}/lfs/{'0' * 64}?size=1", content=MODEL).status_code == 500


@pytest.mark.parametrize(("kind", "value"), [("drop", 1000), ("lie", 5), ("hang", 0.05), ("drop_request", False)])
def test_a_connection_breaks(hub: HubServer, kind: str, value: Any) -> None:
    hub.add(REPO, FILES)
    hub.fail(kind, value)
    with pytest.raises(httpx.RemoteProtocolError):
        read(hub)
    assert read(hub).content == MODEL


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("truncate", 7, lambda: MODEL[:-7]),
        ("lie", -7, lambda: MODEL[:-7]),
        ("corrupt", -1, lambda: MODEL[:-1] + bytes([MODEL[-1] ^ 1])),
    ],
)
@pytest.mark.parametrize("storage", [False, True])
def test_a_body_is_wrong(tmp_path: Path, kind: str, value: int, wanted: Callable[[], bytes], storage: bool) -> None:
    with HubServer(tmp_path, storage=storage) as hub:
        hub.add(REPO, FILES)
        hub.fail(kind, value, path="/lfs/" if storage else "/resolve/")
        answer = read(hub)
        assert answer.content == wanted()
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert read(hub).content == MODEL


def test_ranges_go_wrong(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    hub.fail("ignore_range")
    assert (read(hub, span="10-19").status_code, read(hub, span="10-19").status_code) == (200, 206)
    hub.fail("wrong_range", 4)
    answer = read(hub, span="10-19")
    assert answer.headers["Content-Range"] == f"bytes 6-15/{len(MODEL)}"
    assert answer.content == MODEL[6:16]


def test_a_redirect_leads_elsewhere(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    with HubServer(tmp_path / "hub") as other:
        hub.fail("redirect", other.url, path="/resolve/", method="", times=None)
        got = api(hub).hf_hub_download(REPO, "config.json", cache_dir=tmp_path / "cache")
        assert Path(got).read_bytes() == FILES["config.json"]
        assert other.count("GET", "/resolve/") == 1


def test_the_repository_changes_between_two_requests(hub: HubServer, tmp_path: Path) -> None:
    first = hub.add(REPO, FILES)
    hub.fail("then", lambda: hub.add(REPO, {"config.json": b"new"}), path="/resolve/")
    got = api(hub).snapshot_download(REPO, cache_dir=tmp_path / "cache")
    assert Path(got).name == first
    assert Path(got, "config.json").read_bytes() == FILES["config.json"]
    assert hub.commit(REPO) != first


@pytest.mark.parametrize("done", [False, True])
def test_a_commit_is_not_answered(hub: HubServer, done: bool) -> None:
    before = hub.add(REPO, FILES)
    hub.fail("drop_request", done, method="POST", path="/commit/")
    with pytest.raises(httpx.RemoteProtocolError):
        api(hub).upload_file(repo_id=REPO, path_or_fileobj=b"b", path_in_repo="b.txt")
    assert (hub.commit(REPO) != before) == done


def test_a_slow_answer_takes_its_time(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    hub.fail("slow", 2_000_000)
    began = time.monotonic()
    read(hub)
    assert time.monotonic() - began > 0.2


def test_two_connections_share_a_link(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub", rate=4_000_000) as hub, httpx.Client() as client:
        hub.add(REPO, FILES)
        address = f"{hub.url}/{REPO}/resolve/main/model.safetensors"
        client.get(address, headers={"Range": "bytes=0-9"})
        began = time.monotonic()
        with client.stream("GET", address) as one, client.stream("GET", address) as other:
            assert one.read() == other.read() == MODEL
        taken = time.monotonic() - began
        assert 0.97 < taken / (2 * len(MODEL) / 4_000_000) < 1.5


def test_what_is_uploaded_shares_the_link_too(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub", rate=4_000_000) as hub:
        began = time.monotonic()
        oid = hashlib.sha256(MODEL).hexdigest()
        assert httpx.put(f"{hub.url}/lfs/{oid}?size={len(MODEL)}", content=MODEL).status_code == 200
        assert time.monotonic() - began > len(MODEL) / 4_000_000


def test_a_stopped_server_is_silent(hub: HubServer) -> None:
    hub.add(REPO, FILES)
    with httpx.Client() as client:
        client.get(f"{hub.url}/{REPO}/resolve/main/config.json")
        hub.__exit__(None, None, None)
        with pytest.raises(httpx.TransportError):
            client.get(f"{hub.url}/{REPO}/resolve/main/config.json")

"""Published filters: one hash verifies all, wherever they lie."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import HubServer
from published_folder import write_published

from zoo.errors import FetchError, FileError, IntegrityError, UnknownNameError, UsageError, ZooError
from zoo.models.fetching import fetch
from zoo.store.artifact import open_artifact, read_backbone_tensors, read_head_tensors
from zoo.store.hub_source import HubSource
from zoo.store.registry_editing import add_entry, remove_entry
from zoo.store.registry_file import RegistryEntry
from zoo.store.safetensors import write_tensors
from zoo.store.verification import verify

MODEL = "model.safetensors"
TENSORS = {f"features.{number}.weight": torch.full((100, 100), float(number)) for number in range(5)}


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    for name in ("ZOO_REGISTRY", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def publish(folder: Path, **changes: Any) -> str:
    """Write published filters; gives back the manifest's hash."""
    return write_published(folder, TENSORS, **changes)


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish(tmp_path / "filters")
    return tmp_path / "filters"


@dataclass
class Shared:
    hub: HubServer
    folder: Path  # of the repository, on the server's side
    pin: str


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    with HubServer(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        there = tmp_path / "hub" / "owner" / "filters"
        yield Shared(hub, there, publish(there))


# ------------------------------------------------------------------------------------------------ a folder


def test_a_folder_is_opened_and_read(folder: Path) -> None:
    published = open_artifact(folder)
    assert published.manifest.name == "vgg16-minnows"
    assert published.digest == f"sha256:{hashlib.sha256((folder / 'config.json').read_bytes()).hexdigest()}"
    assert published.folder == folder
    assert published.source.text == str(folder)
    tensors = read_backbone_tensors(published, ["features.3.weight"])
    assert torch.equal(tensors["features.3.weight"], TENSORS["features.3.weight"])
    assert read_head_tensors(published).keys() == {"species.weight"}


def test_a_whole_folder_is_verified_line_by_line(folder: Path) -> None:
    lines = verify(open_artifact(folder))
    assert len(lines) == 6
    assert lines[0].startswith("config.json: sha256:")
    assert "model.safetensors: 5 tensors, each with its sha256" in lines
    assert fetch(folder) == open_artifact(folder)


def test_verifying_tells_how_far_it_is(folder: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    verify(open_artifact(folder), progress=lambda what, done, total=None, note="": told.append((what, done, total)))
    assert told[-1] == ("verifying", 3, 3)


def test_a_corrupt_byte_in_the_weights_is_found(folder: Path) -> None:
    flip(folder / MODEL, -10)
    published = open_artifact(folder)
    with pytest.raises(IntegrityError, match=r"model\.safetensors: its sha256 is .* the manifest promises"):
        verify(published)
    with pytest.raises(IntegrityError, match="the bytes of features"):
        read_backbone_tensors(published)
    with pytest.raises(IntegrityError):
        fetch(folder)
    assert len(read_backbone_tensors(published, verify=False)) == 5


def test_a_published_file_is_read_only_as_its_manifest_promises_it(folder: Path) -> None:
    published = open_artifact(folder)
    assert published.read_file("README.md", limit=100) == b"# Filters\n"
    assert published.read_file("README.md", limit=5) is None
    assert published.read_file("metrics.json", limit=100) is None
    (folder / "README.md").write_text("# Others\n")
    with pytest.raises(IntegrityError, match=r"README\.md: its sha256 is .* the manifest promises"):
        published.read_file("README.md", limit=100)


def test_a_corrupt_header_is_found_before_any_tensor(folder: Path) -> None:
    flip(folder / MODEL, (folder / MODEL).read_bytes().index(b"features.0") + 9)
    with pytest.raises(IntegrityError, match="header"):
        read_backbone_tensors(open_artifact(folder), verify=False)


def test_a_file_that_was_cut_short_is_found(folder: Path) -> None:
    os.truncate(folder / MODEL, 10_000)
    published = open_artifact(folder)
    for check in (verify, read_backbone_tensors):
        with pytest.raises(IntegrityError, match="its size is 10000 bytes, the manifest promises 20"):
            check(published)


def test_a_missing_file_is_found(folder: Path) -> None:
    (folder / "README.md").unlink()
    with pytest.raises(IntegrityError, match=r"has no file 'README\.md'"):
        verify(open_artifact(folder))


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    flip(folder / "README.md", 0)
    flip(folder / "heads.safetensors", -1)
    with pytest.raises(IntegrityError) as caught:
        verify(open_artifact(folder))
    assert "README.md: its sha256" in str(caught.value)
    assert "heads.safetensors: its sha256" in str(caught.value)


def test_weights_that_the_manifest_does_not_list_are_found(folder: Path) -> None:
    write_tensors(folder / "more" / "other.safetensors", {"a": torch.ones(1)})
    with pytest.raises(IntegrityError, match=r"'more/other\.safetensors', which its manifest does not list"):
        verify(open_artifact(folder))
    with pytest.raises(IntegrityError, match="does not list"):
        fetch(folder)


def test_a_pickle_beside_the_filters_is_never_opened(folder: Path) -> None:
    os.mkfifo(folder / "pytorch_model.bin")  # opening it would wait for ever
    fetch(folder)
    verify(open_artifact(folder))


def test_a_file_that_links_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / MODEL).rename(tmp_path / "elsewhere")
    (folder / MODEL).symlink_to(tmp_path / "elsewhere")
    published = open_artifact(folder)
    for work in (verify, read_backbone_tensors):
        with pytest.raises(IntegrityError, match="leaves the folder"):
            work(published)


@pytest.mark.parametrize("lie", [{"size": 1, "sha256": "0" * 64}, {"size": 1}, {"sha256": "0" * 64}])
def test_a_manifest_that_lies_is_found(tmp_path: Path, lie: dict[str, Any]) -> None:
    publish(tmp_path / "honest")
    files = json.loads((tmp_path / "honest" / "config.json").read_bytes())["files"]
    files[MODEL].update(lie)
    publish(tmp_path / "lies", files=files)
    with pytest.raises(IntegrityError, match=r"model\.safetensors: its s(ize|ha256) is"):
        verify(open_artifact(tmp_path / "lies"))


def test_a_manifest_that_lies_about_the_header_is_found(tmp_path: Path) -> None:
    publish(tmp_path / "lies", header_sha256="0" * 64)
    with pytest.raises(IntegrityError, match="its header's sha256 is"):
        fetch(tmp_path / "lies")
    with pytest.raises(IntegrityError, match="its header's sha256 is"):
        verify(open_artifact(tmp_path / "lies"))


def test_a_folder_of_pictures_holds_no_filters(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"has no config\.json: it holds no published filters"):
        open_artifact(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no such folder"):
        open_artifact(tmp_path / "nowhere")


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(UnknownNameError, match="zoo list"):
        open_artifact("no-such-filters")


def test_a_folder_may_have_a_bare_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert open_artifact("filters").folder == folder


# ------------------------------------------------------------------------------------------------ by name


def test_a_name_is_looked_up_and_its_pin_is_held_against_the_files(folder: Path) -> None:
    pin = open_artifact(folder).digest
    add_entry(RegistryEntry(name="plankton", sources=(str(folder),), manifest=pin))
    assert open_artifact("plankton").folder == folder
    publish(folder, about="changed")
    with pytest.raises(IntegrityError, match=f"the registry promises {pin}"):
        open_artifact("plankton")


def test_an_entry_without_a_pin_is_opened(folder: Path) -> None:
    add_entry(RegistryEntry(name="plankton", sources=(str(folder),)))
    assert open_artifact("plankton").folder == folder


def test_a_relative_source_belongs_to_its_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "lab" / "filters")
    path = add_entry(RegistryEntry(name="plankton", sources=("./filters",)), tmp_path / "lab" / "registry.toml")
    monkeypatch.setenv("ZOO_REGISTRY", str(path))
    assert open_artifact("plankton").folder == tmp_path / "lab" / "filters"


def test_the_next_source_is_tried_where_one_fails(folder: Path, tmp_path: Path) -> None:
    publish(tmp_path / "other", about="another")
    pin = open_artifact(folder).digest
    sources = ("package:zoo_no_such/filters", "s3://what", str(tmp_path / "other"), str(folder))
    add_entry(RegistryEntry(name="plankton", sources=sources, manifest=pin))
    assert open_artifact("plankton").folder == folder
    assert fetch("plankton").folder == folder


def test_a_source_whose_files_are_damaged_is_passed_over_by_fetch(folder: Path, tmp_path: Path) -> None:
    pin = publish(tmp_path / "damaged")
    assert pin == open_artifact(folder).digest
    flip(tmp_path / "damaged" / MODEL, -1)
    add_entry(RegistryEntry(name="plankton", sources=(str(tmp_path / "damaged"), str(folder)), manifest=pin))
    assert fetch("plankton").folder == folder


def test_where_all_sources_fail_all_causes_are_said(tmp_path: Path) -> None:
    add_entry(RegistryEntry(name="plankton", sources=("package:zoo_no_such/filters", str(tmp_path / "nowhere"))))
    with pytest.raises(FetchError) as caught:
        open_artifact("plankton")
    for part in ("None of the 2 sources of 'plankton'", "(1) ", "pip install zoo-no-such", "(2) ", "no such folder"):
        assert part in str(caught.value)


def test_a_pinned_name_has_no_other_revision(folder: Path) -> None:
    add_entry(RegistryEntry(name="plankton", sources=("hf://owner/filters@v1",), manifest=open_artifact(folder).digest))
    with pytest.raises(UsageError, match="Name the repository instead: hf://owner/filters@v2"):
        open_artifact("plankton", revision="v2")


def test_a_name_that_was_taken_out_is_unknown(folder: Path) -> None:
    add_entry(RegistryEntry(name="plankton", sources=(str(folder),)))
    remove_entry("plankton")
    with pytest.raises(UnknownNameError):
        open_artifact("plankton")


# ------------------------------------------------------------------------------------------------ the Hub


def test_the_hub_is_opened_with_the_manifest_alone(shared: Shared) -> None:
    published = open_artifact("owner/filters")
    assert published.digest == shared.pin
    assert published.folder is None
    assert published.source.text == f"hf://owner/filters@{shared.hub.commit('owner/filters')}"
    assert shared.hub.count(path="/resolve/") == 1


def test_a_part_of_the_filters_is_read_by_ranges_and_verified(shared: Shared) -> None:
    published = open_artifact("owner/filters")
    shared.hub.forget()
    tensors = read_backbone_tensors(published, ["features.3.weight", "features.4.weight"])
    assert torch.equal(tensors["features.4.weight"], TENSORS["features.4.weight"])
    assert shared.hub.count(path="/resolve/") == 2
    assert shared.hub.sent_of("/resolve/") == 80_000 + 16_384
    shared.hub.fail("corrupt", -10, path=MODEL, times=None)
    assert isinstance(published.source, HubSource)
    assert published.source.drop_cached_ranges(MODEL)
    with pytest.raises(IntegrityError, match=r"the bytes of features\.4\.weight"):
        read_backbone_tensors(published, ["features.4.weight"])


def test_fetching_brings_all_files_and_the_second_time_asks_for_none(shared: Shared) -> None:
    published = fetch("owner/filters")
    assert published.folder is not None
    assert {path.name for path in published.folder.iterdir()} == {
        "config.json",
        "README.md",
        MODEL,
        "heads.safetensors",
    }
    shared.hub.forget()
    text = f"owner/filters@{shared.hub.commit('owner/filters')}"
    again = open_artifact(text)
    assert again.folder == published.folder
    assert fetch(text).folder == published.folder
    assert len(read_backbone_tensors(again)) == 5
    assert len(verify(again)) == 6
    assert shared.hub.requests == []


def test_what_was_fetched_is_there_offline(shared: Shared) -> None:
    fetch("owner/filters")
    shared.hub.forget()
    assert len(read_backbone_tensors(open_artifact("owner/filters", offline=True))) == 5
    assert shared.hub.count(path="owner") == 0


def test_a_download_that_was_damaged_once_is_fetched_again(shared: Shared) -> None:
    shared.hub.fail("corrupt", path=MODEL, times=1)
    published = fetch("owner/filters")
    assert published.folder is not None
    assert (published.folder / MODEL).read_bytes() == (shared.folder / MODEL).read_bytes()


def test_a_download_that_is_always_damaged_is_refused(shared: Shared) -> None:
    shared.hub.fail("corrupt", path=MODEL, times=None)
    with pytest.raises(IntegrityError, match=r"model\.safetensors: the bytes received twice did not have"):
        fetch("owner/filters")
    assert shared.hub.count("GET", MODEL) == 2


def test_a_copy_that_was_damaged_in_the_cache_is_fetched_again(shared: Shared) -> None:
    published = fetch("owner/filters")
    assert published.folder is not None
    flip(published.folder / MODEL, -1)
    verify(fetch("owner/filters"))


def test_a_manifest_that_was_damaged_in_the_cache_is_fetched_again(shared: Shared) -> None:
    published = fetch("owner/filters")
    assert published.folder is not None
    commit = shared.hub.commit("owner/filters")
    add_entry(RegistryEntry(name="plankton", sources=(f"hf://owner/filters@{commit}",), manifest=shared.pin))
    flip(published.folder / "config.json", -1)
    assert fetch("plankton").digest == shared.pin


def test_a_file_larger_than_promised_is_not_downloaded(shared: Shared) -> None:
    with (shared.folder / MODEL).open("ab") as opened:
        opened.write(bytes(100))
    with pytest.raises(IntegrityError, match="its size is"):
        fetch("owner/filters")
    assert shared.hub.count("GET", MODEL) == 0


def test_another_librarys_repository_is_recognised(shared: Shared) -> None:
    shared.hub.add("timm/vgg16", {"config.json": b'{"architecture": "vgg16"}'})
    with pytest.raises(IntegrityError, match="not of filters that zoo has published"):
        open_artifact("timm/vgg16")


def test_a_package_stands_in_for_a_hub_that_is_down(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    publish(tmp_path / "lib" / "zoo_whales" / "plankton")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    sources = ("hf://owner/filters@v1", "package:zoo_whales/plankton")
    add_entry(RegistryEntry(name="plankton", sources=sources, manifest=open_artifact(folder).digest))
    published = fetch("plankton")
    assert published.source.text == "package:zoo_whales/plankton"
    assert len(read_backbone_tensors(published)) == 5


def test_every_error_is_one_line(shared: Shared) -> None:
    shared.hub.fail("status", 404, method="", times=None)
    for text in ("owner/filters", "owner/filters@v9", "package:zoo_no_such/x", "no-such", "/nowhere"):
        with pytest.raises(ZooError) as caught:
            open_artifact(text)
        assert "\n" not in str(caught.value)

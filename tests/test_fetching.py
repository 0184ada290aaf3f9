"""`zoo fetch NAME --cut`: only the tensors of that cut come, each verified, and they stay."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CommandLine
from hub_server import HubServer
from published_folder import write_published
from torch import Tensor

import zoo
from zoo.builtin.vgg import truncated_vgg
from zoo.errors import FetchError, FileError, IntegrityError, MissingPluginError, UnknownNameError, ZooWarning
from zoo.models.building import build_filters
from zoo.store.local_source import FolderSource
from zoo.store.safetensors_header import read_header

REPO = "owner/minnows"
MODEL = "model.safetensors"


def publish(folder: Path, tensors: dict[str, Tensor] | None = None, **changes: Any) -> dict[str, Tensor]:
    """Write published filters, a VGG11 up to block3; gives back their tensors."""
    torch.manual_seed(0)
    tensors = tensors or fresh()
    said = {
        "name": "vgg11-minnows",
        "backbone": "torchvision/vgg11",
        "cut": {"name": "block3", "node": "features.9", "channels": 256, "stride": 4},
        "input": {"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
    }
    write_published(folder, tensors, **{**said, **changes})
    return tensors


def fresh() -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in truncated_vgg("vgg11", "block3").state_dict().items()}


@dataclass
class Shared:
    hub: HubServer
    tensors: dict[str, Tensor]
    commit: str
    home: Path

    def bytes_of(self, *names: str) -> int:
        return sum(self.tensors[name].nbytes for name in names)

    @property
    def parts(self) -> Path:
        """Where the kept parts of the weights are."""
        return self.home / "parts" / REPO.replace("/", "--") / self.commit / MODEL


BLOCK2 = ("features.0.weight", "features.0.bias", "features.3.weight", "features.3.bias")


@pytest.fixture
def shared(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    tensors = publish(tmp_path / "filters")
    with HubServer(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        commit = hub.add(REPO, {path.name: path.read_bytes() for path in (tmp_path / "filters").iterdir()})
        yield Shared(hub, tensors, commit, home)


@pytest.fixture
def zoo_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


# ------------------------------------------------------------------------------------------------ what comes


def test_only_the_tensors_of_the_cut_come(shared: Shared) -> None:
    published = zoo.fetch(REPO, cut="block2")
    assert published.folder is None
    assert published.source.text == f"hf://{REPO}@{shared.commit}"
    sent = shared.hub.sent_of(MODEL)
    assert sent == published.source.received
    assert shared.bytes_of(*BLOCK2) <= sent < shared.bytes_of(*BLOCK2) + 20_000
    assert shared.hub.sent_of("README.md") == 0


def test_a_fetched_cut_is_loaded_without_a_request(shared: Shared) -> None:
    zoo.fetch(REPO, cut="block2")
    shared.hub.forget()
    filters = zoo.load(REPO, cut="block2", offline=True)
    assert all(torch.equal(tensor, shared.tensors[name]) for name, tensor in filters.module.state_dict().items())
    assert zoo.load(REPO, cut="block1", offline=True).cut.name == "block1"
    assert not shared.hub.requests


def test_a_deeper_cut_brings_only_what_is_missing(shared: Shared) -> None:
    zoo.fetch(REPO, cut="block2")
    shared.hub.forget()
    zoo.fetch(REPO, cut="block3")
    missing = shared.bytes_of(*(name for name in shared.tensors if name not in BLOCK2))
    assert missing <= shared.hub.sent_of(MODEL) <= missing + 65_536
    assert zoo.load(REPO, offline=True).cut.name == "block3"


def test_a_fetched_cut_is_described_offline(shared: Shared, zoo_: CommandLine) -> None:
    manifest = json.loads(next(shared.hub.root.rglob("config.json")).read_bytes())
    entry = {"size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    manifest["files"]["metrics.json"] = entry
    shared.hub.add(REPO, {"config.json": json.dumps(manifest).encode(), "metrics.json": b"{}"})
    zoo_("fetch", REPO, "--cut", "block2")
    shared.hub.forget()
    answer = zoo_("info", REPO, "--offline")
    assert answer.status == 0
    assert "torchvision/vgg11" in answer.out
    assert not shared.hub.requests


def test_a_deeper_cut_that_is_not_here_is_said_offline(shared: Shared) -> None:
    zoo.fetch(REPO, cut="block1")
    with pytest.raises(FetchError, match=r"not in the cache, and this is offline\. Run it once without `offline=True`"):
        zoo.load(REPO, cut="block2", offline=True)


def test_a_second_fetch_of_a_cut_brings_nothing(shared: Shared) -> None:
    zoo.fetch(REPO, cut="block2")
    shared.hub.forget()
    assert zoo.fetch(REPO, cut="block2").source.received == 0
    assert shared.hub.sent_of(MODEL) == 0


def test_where_the_whole_lies_here_a_cut_brings_nothing(shared: Shared) -> None:
    whole = zoo.fetch(REPO)
    shared.hub.forget()
    assert zoo.fetch(REPO, cut="block2").folder == whole.folder
    assert shared.hub.sent_of(MODEL) == 0


def test_a_folder_is_verified_where_it_lies(tmp_path: Path) -> None:
    publish(tmp_path)
    assert zoo.fetch(tmp_path, cut="block2").folder == tmp_path
    raw = bytearray((tmp_path / MODEL).read_bytes())
    raw[-1] ^= 1
    (tmp_path / MODEL).write_bytes(raw)
    with pytest.raises(IntegrityError, match="sha256"):
        zoo.fetch(tmp_path, cut="block2")


def test_filters_that_end_inside_a_block_have_the_cuts_before_it(tmp_path: Path) -> None:
    inside = {name: tensor for name, tensor in fresh().items() if not name.startswith("features.8.")}
    publish(tmp_path, inside, cut={"name": "features.6", "node": "features.6", "channels": 256, "stride": 4})
    assert zoo.load(tmp_path, cut="block2").cut.node == "features.4"
    with pytest.raises(UnknownNameError, match=r"\(block1, block2, features\.6\) is called 'block3'"):
        zoo.load(tmp_path, cut="block3")


@pytest.mark.parametrize("cut", ["block4", "xyzzy"])
def test_a_cut_that_they_have_not_is_said_with_those_that_they_have(shared: Shared, cut: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"\(block1, block2, block3\) is called '{cut}'"):
        zoo.fetch(REPO, cut=cut)
    assert shared.hub.sent_of(MODEL) == 0


def test_a_backbone_that_is_not_installed_is_said(tmp_path: Path) -> None:
    publish(tmp_path, backbone="whales/deep", backbone_package="zoo-whales")
    with pytest.raises(MissingPluginError, match="pip install zoo-whales"):
        zoo.fetch(tmp_path, cut="block2")


def test_the_next_command_has_the_revision_and_the_cut(shared: Shared, zoo_: CommandLine) -> None:
    answer = zoo_("fetch", REPO, "--revision", shared.commit, "--cut", "block1")
    assert f"--filters {REPO}@{shared.commit} --cut block1" in answer.err
    zoo_("fetch", REPO)
    answer = zoo_("fetch", REPO, "--cut", "block1")  # the whole lies here
    assert f"--filters {REPO} --cut block1" in answer.err
    assert f'zoo.load("{REPO}", cut="block1")' in answer.err
    assert f"Next: zoo fetch {REPO}@main" in zoo_("info", REPO, "--revision", "main").err


# ------------------------------------------------------------------------------------------------ what is damaged


def damage(shared: Shared, name: str, *, known: bool) -> None:
    """Change a byte of a kept tensor; `known`: as if it had come so."""
    start = read_header(zoo.fetch(REPO, cut="block1").source, MODEL).tensors[name].start
    raw = bytearray(shared.parts.read_bytes())
    raw[start] ^= 1
    shared.parts.write_bytes(raw)
    if known:
        index = shared.parts.with_name(f"{MODEL}.ranges.json")
        said = json.loads(index.read_text())
        for text in said["sha256"]:
            first, end = map(int, text.split("-"))
            said["sha256"][text] = hashlib.sha256(raw[first:end]).hexdigest()
        index.write_text(json.dumps(said))


@pytest.mark.parametrize("known", [False, True], ids=["on the disk", "as it came"])
@pytest.mark.parametrize("read", [zoo.load, zoo.fetch], ids=["load", "fetch"])
def test_a_kept_part_that_is_damaged_is_read_once_more(shared: Shared, read: Any, known: bool) -> None:
    zoo.fetch(REPO, cut="block2")
    damage(shared, "features.3.weight", known=known)
    read(REPO, cut="block2")
    filters = zoo.load(REPO, cut="block2", offline=True)
    assert torch.equal(filters["features.3"], shared.tensors["features.3.weight"])


def test_bytes_that_arrive_wrong_are_read_once_more(shared: Shared, tmp_path: Path) -> None:
    at = read_header(FolderSource(tmp_path / "filters"), MODEL).tensors["features.3.weight"].start
    shared.hub.fail("corrupt", at, path=MODEL, times=2)  # the header's request, then the tensors'
    zoo.fetch(REPO, cut="block2")
    filters = zoo.load(REPO, cut="block2", offline=True)
    assert shared.hub.sent_of(MODEL) > 1.9 * shared.bytes_of(*BLOCK2)
    assert torch.equal(filters["features.3"], shared.tensors["features.3.weight"])


def with_a_byte_changed(folder: Path, name: str) -> bytes:
    raw = bytearray((folder / MODEL).read_bytes())
    raw[read_header(FolderSource(folder), MODEL).tensors[name].start] ^= 1
    return bytes(raw)


def test_bytes_that_are_wrong_twice_are_refused_and_not_kept(shared: Shared, tmp_path: Path) -> None:
    commit = shared.hub.add(REPO, {MODEL: with_a_byte_changed(tmp_path / "filters", "features.3.weight")})
    with pytest.raises(IntegrityError, match=r"features\.3\.weight are not those that were promised"):
        zoo.fetch(REPO, cut="block2")
    assert not (shared.parts.parents[1] / commit / MODEL).exists()
    assert zoo.fetch(REPO, cut="block1").folder is None


def test_a_full_disk_is_one_line(shared: Shared) -> None:
    """A limit on the size of files does what a full disk does."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"sys.argv = ['zoo', 'fetch', '{REPO}', '--cut', 'block2']\n"
        "from zoo.cli.main import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_a_home_that_cannot_be_written_is_one_line(shared: Shared, zoo_: CommandLine) -> None:
    (shared.home / "parts").write_text("in the way")
    assert "parts" in zoo_("fetch", REPO, "--cut", "block2").fault
    with pytest.raises(FileError):
        zoo.fetch(REPO, cut="block2")


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_says_how_much_came_of_how_much(shared: Shared, zoo_: CommandLine) -> None:
    answer = zoo_("fetch", REPO, "--cut", "block2")
    assert answer.out == f"hf://{REPO}@{shared.commit}\n"
    assert "vgg11-minnows up to block2: 0.3 of 3.8 MB came, every tensor verified." in answer.err
    assert f"zoo embed photos/ --filters {REPO} --cut block2" in answer.err
    assert "all of it was here" in zoo_("fetch", REPO, "--cut", "block2").err


def test_the_command_answers_programs(shared: Shared, zoo_: CommandLine) -> None:
    said = json.loads(zoo_("fetch", REPO, "--cut", "block2", "--json").out)
    assert said["cut"] == "block2"
    assert said["bytes"] == shared.hub.sent_of(MODEL)
    assert said["whole"] > 3_000_000
    assert said["source"] == f"hf://{REPO}@{shared.commit}"


def test_pictures_are_embedded_with_a_fetched_cut_and_no_network(
    shared: Shared, zoo_: CommandLine, shapes: Path, tmp_path: Path
) -> None:
    zoo_("fetch", REPO, "--cut", "block2")
    shared.hub.forget()
    words = (shapes / "bar", "--filters", REPO, "--cut", "block2", "--offline", "-o", tmp_path / "bar.npy")
    answer = zoo_("embed", *words)
    assert "40 vectors of 128 numbers" in answer.err
    assert not shared.hub.requests


def test_fetching_whole_filters_imports_no_torch(tmp_path: Path) -> None:
    publish(tmp_path)
    code = f"import sys, zoo\nzoo.fetch({str(tmp_path)!r})\nprint('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# ------------------------------------------------------------------------------------------------ as a start


def test_published_filters_are_a_start_verified_by_their_own_hashes(shared: Shared, tmp_path: Path) -> None:
    filters = build_filters("vgg11", cut="block2", weights=f"hf://{REPO}")
    assert str(filters.initialization).startswith("4 of 8 tensors used; left out: features.* (4); ")
    assert filters.weights == f"hf://{REPO}@{shared.commit}"
    shared.hub.add(REPO, {MODEL: with_a_byte_changed(tmp_path / "filters", "features.0.bias")})
    with pytest.raises(IntegrityError, match=r"features\.0\.bias are not those that were promised"):
        build_filters("vgg11", cut="block2", weights=f"hf://{REPO}")


def test_published_filters_with_nan_are_warned_of(tmp_path: Path) -> None:
    tensors = fresh()
    tensors["features.0.bias"][0] = float("nan")
    publish(tmp_path, tensors)
    with pytest.warns(ZooWarning, match=r"NaN or infinite numbers in features\.0\.bias"):
        zoo.load(tmp_path)


def test_the_command_line_prints_a_warning_as_one_line(tmp_path: Path, zoo_: CommandLine, shapes: Path) -> None:
    tensors = fresh()
    tensors["features.0.bias"][0] = float("inf")
    publish(tmp_path / "filters", tensors)
    answer = zoo_("embed", shapes / "bar", "--filters", tmp_path / "filters", "-o", tmp_path / "bar.npy")
    assert answer.status == 0
    assert [line for line in answer.err.splitlines() if line.startswith("Warning: ") and "features.0.bias" in line]
    assert "ZooWarning" not in answer.err

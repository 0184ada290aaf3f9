"""Cuts, truncated networks and split ones, on torchvision's networks and on small odd ones."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
import tracemalloc
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from zoo.builtin.backbones import TorchvisionBackbones
from zoo.builtin.vgg import truncated_vgg, vgg_cuts
from zoo.contracts import Cut
from zoo.errors import UnknownNameError, ZooError
from zoo.networks.tracing import on_meta
from zoo.networks.truncation import (
    describe_cut,
    find_cuts,
    freeze,
    split,
    split_after_pooling,
    to_feature_map,
    truncate,
)

ALL = models.list_models(module=models)
SOME = ["vgg16", "resnet50", "efficientnet_b0", "mobilenet_v3_large", "densenet121", "swin_t", "vit_b_16", "googlenet"]
FAMILY = TorchvisionBackbones()


def whole(name: str) -> nn.Module:
    """With real weights, drawn quickly."""
    torch.manual_seed(0)
    network = ghost(name)
    for part in network.modules():
        for known, value in part.named_parameters(recurse=False):
            width = (6 / value[0].numel()) ** 0.5 if value.ndim > 1 else 0.5
            drawn = torch.empty(value.shape).uniform_(-width, width)
            setattr(part, known, nn.Parameter(drawn + (known == "weight" and value.ndim == 1)))
    return network.eval()


def ghost(name: str) -> nn.Module:
    with on_meta():
        return FAMILY.build(name)


def side_of(name: str) -> int:
    """The smallest handy picture that the network takes."""
    if name.startswith(("vit_", "maxvit")):
        return 224
    return 128 if name in ("inception_v3", "googlenet") or "efficientnet" in name else 64


def record(network: nn.Module, images: Tensor, nodes: list[str]) -> dict[str, list[Tensor]]:
    """What forward hooks see, cloned, for every node: what the modules around it give, what the next is given."""
    seen: dict[str, list[Tensor]] = {node: [] for node in nodes}
    hooks = []
    parts = dict(network.named_modules())

    def keep(node: str) -> Any:
        return lambda _module, _inputs, output: (
            seen[node].extend([output.clone()]) if isinstance(output, Tensor) else None
        )

    for node in nodes:
        bare = node.rsplit("_", 1)[0] if node not in parts and node.rsplit("_", 1)[-1].isdigit() else node
        places = [".".join(bare.split(".")[:depth]) for depth in range(1, bare.count(".") + 2)]
        hooks += [parts[place].register_forward_hook(keep(node)) for place in places if place in parts]
        if node == "permute":  # Swin: a function, the next module's input
            show = lambda _module, inputs, node=node: seen[node].append(inputs[0].clone())  # noqa: E731
            hooks.append(parts["avgpool"].register_forward_pre_hook(show))
        if node == "relu" and "relu" not in parts:  # DenseNet: a function, after `features`
            rectify = lambda _module, _inputs, output: seen["relu"].append(functional.relu(output.clone()))  # noqa: E731
            hooks.append(parts["features"].register_forward_hook(rectify))
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return seen


def check_features(name: str, *, most: int = 5) -> None:
    network, images = whole(name), torch.randn(1, 3, side_of(name), side_of(name))
    cuts = find_cuts(network, size=FAMILY.input(name).size)
    cuts = cuts if len(cuts) <= most else [cuts[0], cuts[len(cuts) // 2], cuts[-1]]
    seen = record(network, images, [cut.node for cut in cuts])
    for cut in cuts:
        with torch.no_grad():
            features = truncate(network, cut)(images)
        assert features.isfinite().all()
        assert features.std() > 0
        near = [known for known in seen[cut.node] if known.shape == features.shape]
        assert any(torch.allclose(features, known, rtol=1e-6, atol=1e-6) for known in near), (name, cut)
        assert to_feature_map(features, cut).shape[:2] == (1, cut.channels)


def check_nothing_dead(name: str) -> None:
    network, size = ghost(name), FAMILY.input(name).size
    names = set(network.state_dict())
    cuts = find_cuts(network, size=size)
    for cut in {cut.name: cut for cut in (cuts[0], cuts[len(cuts) // 2], cuts[-1])}.values():
        part = truncate(network, cut, size=size)
        assert set(part.state_dict()) <= names, (name, cut)
        assert sum(value.numel() for value in part.parameters()) == cut.parameters
        imagined = copy.deepcopy(part).eval().to("meta")
        features = imagined(torch.empty(2, 3, size, size, device="meta"))
        rows = to_feature_map(features, cut).shape[-1]
        assert abs(size / rows - cut.stride) / cut.stride < 0.35
        features.sum().backward()
        dead = [known for known, value in imagined.named_parameters() if value.grad is None]
        assert not dead, (name, cut.name, dead)
        again = find_cuts(part, size=size)
        kept = cuts[: cuts.index(cut) + 1]
        assert [(known.name, known.node, known.stride) for known in again] == [
            (known.name, known.node, known.stride) for known in kept
        ], name


def test_vgg16_has_its_five_blocks_before_each_pooling() -> None:
    cuts = find_cuts(ghost("vgg16"), size=224)
    assert [(cut.name, cut.node, cut.channels, cut.stride) for cut in cuts] == [
        ("block1", "features.3", 64, 1),
        ("block2", "features.8", 128, 2),
        ("block3", "features.15", 256, 4),
        ("block4", "features.22", 512, 8),
        ("block5", "features.29", 512, 16),
    ]
    assert cuts[2].parameters == 1_735_488


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("resnet50", ["relu", "layer1.2.relu_2", "layer2.3.relu_2", "layer3.5.relu_2", "layer4.2.relu_2"]),
        ("convnext_tiny", ["features.1.2.add", "features.3.2.add", "features.5.8.add", "features.7.2.add"]),
        ("swin_t", ["features.1.1.add_1", "features.3.1.add_1", "features.5.5.add_1", "permute"]),
        ("squeezenet1_0", ["features.1", "features.5.cat", "features.10.cat", "features.12.cat"]),
        ("vit_b_16", [*(f"encoder.layers.encoder_layer_{k}.add_1" for k in range(11)), "encoder.ln"]),
    ],
)
def test_blocks_end_where_nothing_skips_over_them(name: str, nodes: list[str]) -> None:
    assert [cut.node for cut in find_cuts(ghost(name), size=224)] == nodes


def test_layouts_are_told() -> None:
    assert {cut.layout for cut in find_cuts(ghost("vit_b_16"), size=224)} == {"NLC"}
    assert [cut.layout for cut in find_cuts(ghost("swin_t"), size=224)] == ["NHWC", "NHWC", "NHWC", "NCHW"]


def test_a_cube_of_features_is_still_told_apart() -> None:
    assert [cut.layout for cut in find_cuts(ghost("swin_t"), size=384)] == ["NHWC", "NHWC", "NHWC", "NCHW"]


@pytest.mark.parametrize(
    "name", ["vgg16", "resnet50", "efficientnet_b0", "mobilenet_v3_large", "densenet121", "swin_t"]
)
def test_features_are_what_forward_hooks_see(name: str) -> None:
    check_features(name)


@pytest.mark.parametrize("name", ["convnext_tiny", "vit_b_16"])
def test_features_of_larger_networks_are_what_forward_hooks_see(name: str) -> None:
    check_features(name)


@pytest.mark.parametrize("name", SOME)
def test_nothing_dead_remains(name: str) -> None:
    check_nothing_dead(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALL if name not in SOME])
def test_nothing_dead_remains_in_any_other_network_of_torchvision(name: str) -> None:
    check_nothing_dead(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_features_of_every_network_are_what_forward_hooks_see(name: str) -> None:
    if name in ("vit_h_14", "regnet_y_128gf"):
        pytest.skip("2.5 GB of weights; as the smaller ones of its family")
    check_features(name, most=3)


def test_truncating_vgg16_on_meta_allocates_nothing() -> None:
    tracemalloc.start()
    with on_meta():
        part = truncate(models.vgg16(weights=None), "block3")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert all(parameter.is_meta for parameter in part.parameters())


def test_on_meta_leaves_buffers_and_constants_real() -> None:
    with on_meta():
        norm, constant = nn.BatchNorm2d(4), torch.ones(2)
    assert norm.weight.is_meta
    assert not norm.running_mean.is_meta
    assert not constant.is_meta
    assert not nn.Linear(2, 2).weight.is_meta


def test_on_meta_leaves_other_threads_alone() -> None:
    made: list[nn.Linear] = []
    with on_meta():
        thread = threading.Thread(target=lambda: made.append(nn.Linear(2, 2)))
        thread.start()
        thread.join()
    assert not made[0].weight.is_meta


def test_weights_of_the_whole_network_load_into_the_truncated_one() -> None:
    network = whole("resnet18")
    with on_meta():
        part = truncate(FAMILY.build("resnet18"), "block3")
    wanted = {name: value for name, value in network.state_dict().items() if name in part.state_dict()}
    part.load_state_dict(wanted, assign=True)
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(part.eval()(images), truncate(network, "block3")(images))


def test_a_node_or_a_module_is_a_cut_too() -> None:
    network = ghost("resnet18")
    inner = describe_cut(network, "layer2.0.conv1", size=224)
    assert (inner.name, inner.node, inner.channels, inner.stride) == ("layer2.0.conv1", "layer2.0.conv1", 128, 8)
    assert describe_cut(network, "layer2", size=224).name == "block3"
    assert describe_cut(network, "block3", size=224).node == "layer2.1.relu_1"
    assert describe_cut(network, "fc", size=224).channels == 1000


def test_an_unknown_cut_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No cut is called 'blok3'. Did you mean 'block3'\?"):
        describe_cut(ghost("resnet18"), "blok3", size=224)
    with pytest.raises(UnknownNameError, match=r"No cut is called 'zzz'. Run `zoo cuts NAME`."):
        truncate(ghost("resnet18"), "zzz")


def test_a_node_without_a_feature_map_says_what_it_gives() -> None:
    with pytest.raises(ZooError, match=r"'encoder.layers.encoder_layer_0.self_attention' gives no tensor"):
        describe_cut(ghost("vit_b_16"), "encoder.layers.encoder_layer_0.self_attention", size=224)


def test_a_wrong_size_says_so() -> None:
    with pytest.raises(ZooError, match="VisionTransformer does not take pictures of 96x96 pixels"):
        find_cuts(ghost("vit_b_16"), size=96)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images) if images.mean() > 0 else images


def test_what_cannot_be_traced_says_so() -> None:
    with pytest.raises(ZooError, match=r"Branching cannot be traced \(TraceError: .*Backbones.cuts"):
        find_cuts(Branching(), size=32)


class InPlace(nn.Module):
    """An in-place step right behind the first convolution, one whose result nobody takes, and a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 8, 3, padding=1, stride=2)
        self.third = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.register_buffer("shift", torch.ones(1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.first(images)
        rows.mul_(2)
        rows = self.second(self.relu(rows)) + self.shift + torch.tensor([0.5])
        return self.third(rows) * 2


def test_a_cut_before_an_in_place_step_is_not_overwritten() -> None:
    network, images = InPlace(), torch.randn(1, 3, 8, 8)
    assert torch.equal(truncate(network, "first", size=8)(images), network.first(images))


def test_an_in_place_step_whose_result_nobody_takes_still_runs() -> None:
    network, images = InPlace(), torch.randn(1, 3, 8, 8)
    part = truncate(network, "second", size=8)
    assert torch.equal(part(images), network.second(functional.relu(2 * network.first(images))))


def test_neither_constants_nor_passing_buffers_enter_the_state() -> None:
    network = InPlace()
    before = set(vars(network))
    part = truncate(network, "third", size=8)
    assert set(part.state_dict()) == set(network.state_dict())
    assert set(vars(network)) == before
    images = torch.randn(1, 3, 8, 8)
    assert torch.equal(part(images) * 2, network(images))


@pytest.mark.parametrize("cut", ["first", "relu", "second", "third"])
def test_the_rest_never_overwrites_what_it_is_given(cut: str) -> None:
    network, images = InPlace(), torch.randn(1, 3, 8, 8)
    prefix, rest = split(network, cut, size=8)
    features = prefix(images)
    kept = features.clone()
    assert torch.equal(rest(features), network(images))
    assert torch.equal(features, kept)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("resnet18", "block1"),
        ("resnet18", "block3"),
        ("resnet18", "layer2.0.conv1"),
        ("resnet18", "layer2.0.conv2"),
        ("densenet121", "block2"),
        ("densenet121", "features.denseblock2.denselayer3.conv2"),
        ("vgg11_bn", "block3"),
        ("swin_t", "block2"),
        ("vit_b_16", "block6"),
    ],
)
def test_prefix_and_rest_make_the_whole(name: str, cut: str) -> None:
    network = whole(name)
    images = torch.randn(1, 3, side_of(name), side_of(name))
    prefix, rest = split(network, cut, size=FAMILY.input(name).size)
    assert isinstance(prefix(images), Tensor) == (cut.count(".") < 2)
    assert torch.allclose(rest(prefix(images)), network(images), rtol=1e-5, atol=1e-5)
    halves = [dict(prefix.named_parameters()), dict(rest.named_parameters())]
    ours = dict(network.named_parameters())
    assert not halves[0].keys() & halves[1].keys()
    assert set(ours) == set(halves[0]) | set(halves[1])
    assert all(value is ours[known] for half in halves for known, value in half.items())


def test_gradients_through_prefix_and_rest_are_those_of_the_whole() -> None:
    network, images = whole("resnet18"), torch.randn(2, 3, 64, 64)
    network(images).square().mean().backward()
    wanted = {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}
    network.zero_grad()
    prefix, rest = split(network, "layer3.0.conv1", size=224)
    rest(prefix(images)).square().mean().backward()
    for name, value in network.named_parameters():
        torch.testing.assert_close(value.grad, wanted[name], msg=name)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "vgg11", "vit_b_32"])
def test_a_truncated_network_is_cut_and_split_again(name: str) -> None:
    network, images = whole(name), torch.randn(1, 3, side_of(name), side_of(name))
    part = truncate(network, "block4")
    assert torch.equal(truncate(part, "block2")(images), truncate(network, "block2")(images))
    prefix, rest = split(part, "block2", size=224)
    assert torch.allclose(rest(prefix(images)), part(images), atol=1e-6)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(self.relu(self.conv(images)))


def test_a_parameter_on_both_sides_of_a_cut_is_an_error() -> None:
    with pytest.raises(ZooError, match=r"The parameter 'conv.weight' is used on both sides of 'relu'"):
        split(Tied(), "relu", size=16)


@pytest.mark.parametrize("name", ["resnet18", "swin_t", "efficientnet_b0", "vit_b_32", "shufflenet_v2_x0_5"])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_truncated_networks_copy_and_pickle(name: str, duplicate: Any) -> None:
    network, images = whole(name), torch.randn(1, 3, side_of(name), side_of(name))
    part = truncate(network, "block3")
    twin = duplicate(part)
    assert torch.equal(twin(images), part(images))
    assert [*twin.state_dict()] == [*part.state_dict()]
    assert find_cuts(twin, size=224) == find_cuts(part, size=224)
    assert not twin.training


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_frozen_networks_stay_as_they_are_whatever_train_is_called_on(name: str) -> None:
    part = freeze(truncate(whole(name), "block3"))
    for frozen in (part, copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        parent = nn.ModuleList([frozen]).train()
        before = copy.deepcopy(frozen.state_dict())
        frozen.train()(torch.randn(4, 3, 64, 64))
        assert parent.training
        assert not any(module.training for module in frozen.modules())
        assert not any(value.requires_grad for value in frozen.parameters())
        assert all(torch.equal(value, before[known]) for known, value in frozen.state_dict().items())


def test_hooks_of_the_user_do_not_run_while_cuts_are_found() -> None:
    network, calls = whole("resnet18"), []
    network.layer1.register_forward_hook(lambda *_: calls.append(1))
    network.conv1.register_forward_hook(lambda *_: calls.append(1))
    find_cuts(network, size=224)
    assert not calls


def test_tracing_leaves_the_modes_of_all_parts_alone() -> None:
    network = whole("resnet18")
    network.layer2.train()
    before = {name: part.training for name, part in network.named_modules()}
    find_cuts(network, size=64)
    assert before == {name: part.training for name, part in network.named_modules()}


@pytest.mark.parametrize(
    ("layout", "shape"), [("NCHW", (2, 5, 3, 3)), ("NHWC", (2, 3, 3, 5)), ("NLC", (2, 9, 5)), ("NLC", (2, 10, 5))]
)
def test_every_layout_becomes_a_map(layout: Any, shape: tuple[int, ...]) -> None:
    features = torch.randn(shape)
    turned = to_feature_map(features, Cut(name="x", node="x", channels=5, stride=8, layout=layout))
    assert turned.shape == (2, 5, 3, 3)
    last = features[:, :, -1, -1] if layout == "NCHW" else features.flatten(1, -2)[:, -1]
    assert torch.equal(turned[:, :, -1, -1], last)


def test_a_vector_is_a_map_of_one_cell() -> None:
    assert to_feature_map(torch.zeros(2, 5), Cut(name="x", node="x", channels=5, stride=8)).shape == (2, 5, 1, 1)


def test_features_of_another_shape_are_an_error() -> None:
    cut = Cut(name="block3", node="x", channels=5, stride=8)
    with pytest.raises(ZooError, match=r"Features of shape \(2, 6, 3, 3\) are not what the cut 'block3' gives: 5 ch"):
        to_feature_map(torch.zeros(2, 6, 3, 3), cut)


def test_cutting_does_not_import_torchvision() -> None:
    code = (
        "import sys, torch; from zoo.networks.truncation import find_cuts; from torch import nn;"
        "cuts = find_cuts(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), size=8);"
        "sys.exit(len(cuts) != 1 or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_cannot_be_trained_goes_below_the_frozen_boundary():
    network = truncated_vgg("vgg11", next(cut for cut in vgg_cuts("vgg11") if cut.name == "block3")).eval()
    prefix, rest = split_after_pooling(network, "block1", size=64)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert prefix(images).shape[-1] == 32
        assert torch.equal(rest(prefix(images)), network(images))
    assert next(iter(rest.state_dict())) == "features.3.weight"

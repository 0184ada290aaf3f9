"""Where a network can be cut, networks cut there, and networks split at a frozen boundary.

    VGG16      cut      node         a picture of (3, 224, 224) ->
               block1   features.3   (64, 224, 224)
               block3   features.15  (256, 56, 56)
               block5   features.29  (512, 14, 14)

`blockK` is the last node at the K-th resolution level, before the module that reduces it: no
connection skips over it. In a transformer that keeps its resolution `blockK` is
the K-th encoder layer, the last one with the final norm.
"""

from __future__ import annotations

import math
import operator
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, fx, nn

from zoo.contracts import Cut
from zoo.errors import ZooError
from zoo.networks.blocks import MOST_PREFIX_TOKENS, FeatureNode, NetworkProfile, find_blocks, profile_nodes
from zoo.networks.tracing import FROZEN, Trace, TracedModule, build_traced_module, trace


def find_cuts(module: nn.Module, *, size: int, also: Iterable[str] = ()) -> list[Cut]:
    """Where a network can be cut, from the shallowest block to the deepest; nothing is allocated.

    Args:
        module: takes images (N, 3, H, W); its parameters may be on the meta device.
        size: H and W of its pictures, in pixels.
        also: nodes' paths, whose cuts follow the blocks, called by these; one that gives no feature map is left out.

    Raises:
        ZooError: it cannot be traced, or does not take pictures of that size.
    """
    profile = _profile_network(module, size)
    named = [(f"block{number}", node) for number, node in enumerate(find_blocks(profile), start=1)]
    for path in filter(profile.trace.has, also):
        feature_node = profile.feature_node(profile.trace.find(path))
        named += [(path, feature_node)] if feature_node else []
    return [_as_cut(profile, node, name) for name, node in named]


def describe_cut(module: nn.Module, name_or_node: str, *, size: int) -> Cut:
    """One cut by its name, `block3`, or by any node's path, `features.15`, `layer1.0.conv2`, `layer1`.

    Args:
        module: takes images (N, 3, H, W); its parameters may be on the meta device.
        name_or_node: a path that is no leaf means the last node below it.
        size: H and W of its pictures, in pixels.

    Raises:
        UnknownNameError: the network has no such block and no such node.
        ZooError: what the node gives is no feature map, or the network cannot be traced.
    """
    profile = _profile_network(module, size)
    blocks = {f"block{number}": feature_node for number, feature_node in enumerate(find_blocks(profile), start=1)}
    if name_or_node in blocks:
        return _as_cut(profile, blocks[name_or_node], name_or_node)
    node = profile.trace.find(name_or_node, also=blocks)
    feature_node = profile.feature_node(node)
    if feature_node is None:
        shape = profile.steps[node].shape
        gives = "no tensor" if shape is None else f"({', '.join(['N', *map(str, shape[1:])])})"
        raise ZooError(
            f"The node {name_or_node!r} gives {gives}, no feature map of a square picture.",
            f"Cut at a block ({', '.join(blocks) or 'none'}) or at a node that gives (N, C, H, W).",
        )
    name = next((block for block, known in blocks.items() if known.node is node), feature_node.path)
    return _as_cut(profile, feature_node, name)


def truncate(module: nn.Module, cut: str | Cut, *, size: int = 224) -> nn.Module:
    """The network up to a cut, without what follows.

    Modules and parameters are shared with the given network, under their own names: its weights still load.
    What the result gives is never overwritten by a later step in place: there is none.

    Args:
        module, cut, size: as `split` takes them; parameters may be on the meta device.

    Returns:
        A module, images (N, 3, H, W) float -> what the node gives, in `Cut.layout`; it copies and pickles.

    Raises:
        UnknownNameError: the network has no such cut.
        ZooError: the network cannot be traced.
    """
    network = trace(module)
    node = _find_node(network, cut, size)
    if isinstance(module, SequentialFeatures) and (kept := module.modules_up_to(network.paths[node])):
        return SequentialFeatures(module.features[:kept])
    return _build_part(network, network.needed([node]), inputs=(), outputs=[node])


def split(module: nn.Module, cut: str | Cut, *, size: int) -> tuple[nn.Module, nn.Module]:
    """A network in two: what lies before the cut, and the rest, `rest(prefix(images)) == module(images)`.

    Both share the given network's parameters under their own names; no parameter is in both. Where values skip
    over the cut (inside a residual block), the prefix gives a tuple and the rest takes it. The rest never
    overwrites what it is given. What is traced behaves as in eval mode but for its modules.

    Args:
        module: a whole network or a truncated one.
        cut: a block's name, a node's path, or a Cut.
        size: H and W of its pictures, in pixels; only needed to find what `blockK` is.

    Raises:
        UnknownNameError: the network has no such cut.
        ZooError: it cannot be traced, or a parameter is used on both sides.
    """
    network = trace(module)
    node = _find_node(network, cut, size)
    if isinstance(module, SequentialFeatures) and (kept := module.modules_up_to(network.paths[node])):
        return SequentialFeatures(module.features[:kept]), SequentialFeatures(module.features[kept:])
    before = network.needed([node])
    order = {step: index for index, step in enumerate(network.graph.nodes)}
    rest = _find_nodes_after(network, before)
    _check_disjoint(network, before, rest, node)
    read = {source for step in [*rest, network.output] for source in step.all_input_nodes}
    crossing = [node, *(step for step in before if step in read and step is not node and step not in rest)]
    tail = [*sorted(rest, key=order.__getitem__), network.output]
    return _build_part(network, before, inputs=(), outputs=crossing), _build_part(network, tail, inputs=crossing)


def split_after_pooling(module: nn.Module, cut: str | Cut, *, size: int) -> tuple[nn.Module, nn.Module]:
    """As `split`, but steps of a chain that follow the cut without parameters (a pool) go into the prefix too.

    Nothing of them could be trained, and what crosses the boundary is smaller behind a pool.
    """
    prefix, rest = split(module, cut, size=size)
    if not isinstance(prefix, SequentialFeatures) or not isinstance(rest, SequentialFeatures):
        return prefix, rest
    below, above = dict(prefix.features.named_children()), dict(rest.features.named_children())
    for name, step in rest.features.named_children():
        if next(step.parameters(), None) is not None or len(above) == 1:
            break
        below[name] = above.pop(name)
    return SequentialFeatures(nn.Sequential(OrderedDict(below))), SequentialFeatures(nn.Sequential(OrderedDict(above)))


def _find_nodes_after(network: Trace, before: Sequence[fx.Node]) -> set[fx.Node]:
    """What the output needs beyond the nodes before the cut; parameters that both sides fetch are in both."""
    done = set(before)
    rest = {step for step in network.needed([network.output]) if step not in done and step.op != "output"}
    return rest | {step for step in before if step.op == "get_attr" and any(user in rest for user in step.users)}


def to_feature_map(features: Tensor, cut: Cut) -> Tensor:
    """What a cut's node gives -> a feature map. Tokens before the grid (the class token, registers) are dropped.

    Shapes, by `cut.layout`: NCHW (N, C, h, w), NHWC (N, h, w, C), NLC (N, [prefix +] h * h, C), or a vector
    (N, C), which is a map of one cell; all -> (N, C, h, w).

    Raises:
        ZooError: the features do not have that layout and the cut's channels.
    """
    given = features
    if given.ndim == 2:
        features = given[:, :, None, None]
    elif cut.layout == "NHWC" and given.ndim == 4:
        features = given.permute(0, 3, 1, 2)
    elif cut.layout == "NLC" and given.ndim == 3:
        side = math.isqrt(given.shape[1])
        prefix = given.shape[1] - side * side
        if prefix <= MOST_PREFIX_TOKENS:
            features = given[:, prefix:].transpose(1, 2).unflatten(2, (side, side))
    if features.ndim != 4 or features.shape[1] != cut.channels:
        raise ZooError(
            f"Features of shape {tuple(given.shape)} are not what the cut {cut.name!r} gives: "
            f"{cut.channels} channels, {cut.layout}.",
            "Give the output of the network cut there.",
        )
    return features


class _AlwaysEval:
    """Stands in for a module's `train`: the module stays in eval mode."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, mode: bool = True) -> nn.Module:
        return self.module


def freeze(module: nn.Module) -> nn.Module:
    """Take a network out of training: no gradients, and eval mode even when `train` is called on it or a parent.

    Its batch norms keep their statistics; copies stay frozen too. Changed in place and given back.
    """
    module.requires_grad_(False)
    module.eval()
    for part in module.modules():
        if isinstance(part, TracedModule):
            part.meta[FROZEN] = True
        else:
            part.train = _AlwaysEval(part)  # type: ignore[method-assign]
    return module


class SequentialFeatures(nn.Module):
    """A slice of a chain of modules called `features`, as VGG has it: the quickest network to build and load.

    Shapes: images (N, 3, H, W) float, or what the slice before gave -> (N, C, h, w) float.
    """

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        first = next(iter(features), None)
        self.clones_input = bool(getattr(first, "inplace", False))  # the input must not be overwritten

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images.clone() if self.clones_input else images)

    def modules_up_to(self, path: str) -> int:
        """How many modules there are up to `features.K`, that one included; 0: it is none of them."""
        names = [f"features.{name}" for name, _ in self.features.named_children()]
        return names.index(path) + 1 if path in names else 0


def _profile_network(module: nn.Module, size: int) -> NetworkProfile:
    network = trace(module)
    return NetworkProfile(trace=network, size=size, steps=profile_nodes(network, size=size))


def _as_cut(profile: NetworkProfile, feature_node: FeatureNode, name: str) -> Cut:
    kept = profile.trace.needed([feature_node.node])
    return Cut(
        name=name,
        node=feature_node.path,
        channels=feature_node.channels,
        stride=feature_node.stride,
        parameters=sum({id(value): value.numel() for value in profile.trace.parameters_of(kept).values()}.values()),
        gflop=sum(profile.steps[node].flop for node in kept) / 2 / 1e9,  # of one of the two pictures
        layout=feature_node.layout,
    )


def _find_node(network: Trace, cut: str | Cut, size: int) -> fx.Node:
    path = cut.node if isinstance(cut, Cut) else cut
    if isinstance(cut, Cut) or network.has(path):
        return network.find(path)
    profile = NetworkProfile(trace=network, size=size, steps=profile_nodes(network, size=size))
    blocks = {f"block{number}": feature_node.node for number, feature_node in enumerate(find_blocks(profile), start=1)}
    return blocks[path] if path in blocks else network.find(path, also=blocks)


def _check_disjoint(network: Trace, before: Iterable[fx.Node], after: Iterable[fx.Node], cut: fx.Node) -> None:
    ours = {id(value) for value in network.parameters_of(before).values()}
    both = [name for name, value in network.parameters_of(after).items() if id(value) in ours]
    if both:
        raise ZooError(
            f"The parameter {both[0]!r} is used on both sides of {network.paths[cut]!r}: it cannot be frozen on one "
            "side and trained on the other.",
            "Split at another node.",
        )


def _build_part(
    network: Trace, nodes: Sequence[fx.Node], *, inputs: Sequence[fx.Node], outputs: Sequence[fx.Node] | None = None
) -> TracedModule:
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    paths: dict[fx.Node, str] = {}
    if inputs:
        given = graph.placeholder("features")
        paths[given] = "input"
        for index, value in enumerate(inputs):
            part = given if len(inputs) == 1 else graph.call_function(operator.getitem, (given, index))
            paths.setdefault(part, f"input.{index}")
            if any(network.writes(node, value) for node in nodes):
                part = graph.call_method("clone", (part,))
                paths[part] = f"input.clone_{index}"
            copied[value] = part
    result: Any = None
    for node in nodes:
        if node.op == "output":
            result = fx.map_arg(node.args[0], copied.__getitem__)
        else:
            copied[node] = graph.node_copy(node, copied.__getitem__)
            paths[copied[node]] = network.paths[node]
    if outputs is not None:
        values = tuple(copied[node] for node in outputs)
        result = values[0] if len(values) == 1 else values
    graph.output(result)
    return build_traced_module(network, graph, paths)

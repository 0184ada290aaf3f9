"""Where a network can be cut, networks cut there, and networks split at a frozen boundary.

    VGG16      cut      node         a picture of (3, 224, 224) ->
               block1   features.3   (64, 224, 224)
               block3   features.15  (256, 56, 56)
               block5   features.29  (512, 14, 14)

`blockK` is the last node at the K-th resolution level, before the module that reduces it: everything flows
through it, so that nothing has to skip over the cut. In a transformer that keeps its resolution `blockK` is
the K-th encoder layer, the last one with the final norm.
"""

from __future__ import annotations

from torch import nn

from zoo.contracts import Cut
from zoo.levels import find_blocks

LARGEST_PREFIX = 8  # tokens before the grid: a class token, registers


def find_cuts(module: nn.Module, *, size: int) -> list[Cut]:
    """Where a network can be cut, from the shallowest block to the deepest; nothing is allocated.

    Args:
        module: takes images (N, 3, H, W); its parameters may be on the meta device.
        size: H and W of its pictures, in pixels.

    Raises:
        ZooError: it cannot be traced, or does not take pictures of that size.
    """
    flow = _flow_of(module, size)
    return [_as_cut(flow, node, f"block{number}") for number, node in enumerate(find_blocks(flow), start=1)]


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
    flow = _flow_of(module, size)
    blocks = {f"block{number}": spot for number, spot in enumerate(find_blocks(flow), start=1)}
    spot = blocks.get(name_or_node)
    if spot is not None:
        return _as_cut(flow, spot, name_or_node)
    node = _find(flow.trace, name_or_node, blocks)
    spot = flow.spot(node)
    if spot is None:
        shape = flow.steps[node].shape
        gives = "no tensor" if shape is None else f"({', '.join(['N', *map(str, shape[1:])])})"
        raise ZooError(
            f"The node {name_or_node!r} gives {gives}, no feature map of a square picture. "
            f"Cut at a block ({', '.join(blocks) or 'none'}) or at a node that gives (N, C, H, W)."
        )
    name = next((block for block, known in blocks.items() if known.node is node), spot.path)
    return _as_cut(flow, spot, name)


def truncate(module: nn.Module, cut: str | Cut, *, size: int = 224) -> nn.Module:
    """The network up to a cut and nothing of what lies behind it.

    Modules and parameters are shared with the given network, under their own names: its weights still load.
    What the result gives is never overwritten by a later step in place: there is none.

    Args:
        module: takes images (N, 3, H, W); its parameters may be on the meta device.
        cut: a block's name, a node's path, or a Cut.
        size: H and W of its pictures, in pixels; only needed to find what `blockK` is.

    Returns:
        A module, images (N, 3, H, W) float -> what the node gives, in `Cut.layout`; it copies and pickles.

    Raises:
        UnknownNameError: the network has no such cut.
        ZooError: the network cannot be traced.
    """
    if isinstance(module, Chain) and (steps := module.steps_to(cut)) is not None:
        return Chain(module.features[:steps])
    network = trace(module)
    return _part(network, network.needed([_node_of(network, cut, size)]), inputs=(), outputs=None)


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
    if isinstance(module, Chain) and (steps := module.steps_to(cut)) is not None:
        return Chain(module.features[:steps]), Chain(module.features[steps:])
    network = trace(module)
    node = _node_of(network, cut, size)
    before = network.needed([node])
    done = set(before)
    after = [step for step in network.needed([network.output]) if step not in done and step.op != "output"]
    after += [step for step in before if step.op == "get_attr" and any(user in set(after) for user in step.users)]
    after = sorted(set(after), key=list(network.graph.nodes).index)
    _check_disjoint(network, before, after, node)
    read = {source for step in [*after, network.output] for source in step.all_input_nodes}
    crossing = [step for step in before if step in read and step not in set(after)]
    crossing = [node, *(step for step in crossing if step is not node)] if node in crossing else crossing
    prefix = _part(network, before, inputs=(), outputs=crossing or [node])
    rest = _part(network, [*after, network.output], inputs=crossing or [node], outputs=None)
    return prefix, rest

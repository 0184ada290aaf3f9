"""The layers of filters that are inspected, each with the receptive field of its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from zoo.contracts import Cut
from zoo.errors import UnknownNameError
from zoo.interpret.receptive_fields import ReceptiveField, find_receptive_field
from zoo.models import Filters
from zoo.networks import describe_cut, to_feature_map, trace, truncate


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of filters."""

    cut: Cut
    field: ReceptiveField | None  # None: each cell sees the whole picture, and has no place of its own (tokens)

    @property
    def name(self) -> str:
        """`block3`, or the node's path."""
        return self.cut.name


def find_layers(filters: Filters, names: Sequence[str] = ()) -> list[Layer]:
    """The named layers, or the last layer of every block, the shallowest first.

    Args:
        filters: the filters.
        names: blocks, or nodes' paths: `block2`, `features.10`.

    Raises:
        UnknownNameError: they have no such layer; the nearest is offered.
        ZooError: what a node gives is no feature map.
    """
    size, known = filters.input.size, filters.cuts
    nodes = {cut.name: cut.node for cut in known}
    paths = trace(filters.module).paths
    found = []
    for name in dict.fromkeys(names or nodes):
        try:
            cut = describe_cut(filters.module, nodes.get(name, name), size=size)
        except UnknownNameError as error:
            listed = [*nodes, *(path for node, path in paths.items() if node.op == "call_module")]
            raise UnknownNameError(f"layer of {filters.name!r}", name, listed, listing="zoo cuts NAME") from error
        if name in nodes:
            cut = next(one for one in known if one.name == name)
        found.append(Layer(cut=cut, field=find_receptive_field(filters, cut)))
    order = {path: number for number, path in enumerate(paths.values())}
    return sorted(found, key=lambda layer: order[layer.cut.node])


class FeatureInterpreter(fx.Interpreter):
    """Runs a network and passes the feature maps of some layers to a callback, each as soon as it is computed.

    A later step may overwrite a map in place: the callback must reduce it or copy it.

    Args:
        module: a truncated network.
        cuts: the layers.
        on_features: called with a cut's number and its map (N, C, h, w).
    """

    def __init__(self, module: nn.Module, cuts: Sequence[Cut], on_features: Callable[[int, Tensor], None]) -> None:
        order = {path: number for number, path in enumerate(trace(module).paths.values())}
        part = truncate(module, max(cuts, key=lambda cut: order[cut.node]))
        network = trace(part)
        super().__init__(part, graph=network.graph)
        self.extra_traceback = False
        self.taps = {network.find(cut.node): (number, cut) for number, cut in enumerate(cuts)}
        self.on_features = on_features

    def run_node(self, n: fx.Node) -> Any:
        result = n.meta["constant"] if "constant" in n.meta else super().run_node(n)
        if n in self.taps:
            number, cut = self.taps[n]
            self.on_features(number, to_feature_map(result, cut))
        return result

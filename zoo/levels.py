"""The shapes and the cost of a traced network's nodes, and the resolution levels that they form.

Shapes are found on the meta device: nothing is computed or allocated.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.errors import ZooError
from zoo.tracing import Trace

LARGEST_PREFIX = 8  # tokens before the grid: a class token, registers
_CLASSIFIERS = frozenset(["classifier", "head", "heads", "fc"])
_NO_PART_OF_A_BLOCK = ("pool", "dropout", "flatten", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one node gives and costs, for a batch of 2."""

    shape: tuple[int, ...] | None  # None: no tensor
    flop: int  # multiply and add counted as two


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A node that gives a feature map."""

    node: fx.Node
    path: str
    layout: Literal["NCHW", "NHWC", "NLC"]
    channels: int
    side: int  # rows of the map, as many columns
    stride: int  # input pixels per cell


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A traced network with the shapes that run through it for pictures of one size."""

    trace: Trace
    size: int
    steps: Mapping[fx.Node, Step]

    def spot(self, node: fx.Node) -> Spot | None:
        """What a node gives, as a feature map; None where it gives none. A vector (N, C) is a map of one cell."""
        shape = self.steps[node].shape
        if shape is None or len(shape) not in (2, 3, 4) or shape[0] != 2:
            return None
        layout: Literal["NCHW", "NHWC", "NLC"] = "NCHW"
        if len(shape) == 2:
            channels, side = shape[1], 1
        elif len(shape) == 3:
            layout, channels, side = "NLC", shape[2], math.isqrt(shape[1])
            if shape[1] - side * side > LARGEST_PREFIX or side == 0:
                return None
        else:
            first, last = shape[2] == shape[3], shape[1] == shape[2]
            if not first and not last:
                return None
            if not first or (last and _ends_with_channels(self.trace, node)):
                layout = "NHWC"
            channels, side = (shape[1], shape[2]) if layout == "NCHW" else (shape[3], shape[1])
        if not 0 < side <= self.size or not channels:
            return None
        path, stride = self.trace.paths[node], _stride(self.size, side)
        return Spot(node=node, path=path, layout=layout, channels=channels, side=side, stride=stride)

    @cached_property
    def waists(self) -> Sequence[Spot]:
        """The feature maps through which everything flows: nothing before them is used after them."""
        order = {node: index for index, node in enumerate(self.trace.graph.nodes)}
        depends: set[fx.Node] = set()
        reach, found = -1, []
        for node, index in order.items():
            if node.op == "output":
                break
            if node.op == "placeholder" or any(source in depends for source in node.all_input_nodes):
                depends.add(node)
            if node not in depends or self.steps[node].shape is None:
                continue  # parameters and plain numbers can be had again on the other side
            readers = [order[user] for user in node.users]
            if reach <= index and node.op != "placeholder" and readers and _is_map(self.steps[node].shape):
                spot = self.spot(node)
                if spot is not None and not _does_nothing(self.trace, node):
                    found.append(spot)
            reach = max([reach, *readers])
        return found


def find_blocks(flow: Flow) -> list[Spot]:
    """The last waist of every level, before the module that reduces it; of every encoder layer for tokens."""
    waists = _body(flow)
    layers = _encoder_layers(waists)
    if layers:
        before = [spot for spot in waists if spot.layout != "NLC" and spot.stride < layers[0].stride]
        return [*_ends_of_levels(flow.trace.module, [*before, *layers[:1]])[:-1], *layers]
    return _ends_of_levels(flow.trace.module, waists)


def _body(flow: Flow) -> list[Spot]:
    """The waists from the first node with parameters to the last before the pooling and the classifier."""
    waists = flow.waists
    weighted = [node for node in flow.trace.graph.nodes if _has_parameters(flow.trace, node)]
    if not weighted or not waists:
        return []
    order = {node: index for index, node in enumerate(flow.trace.graph.nodes)}
    start = order[weighted[0]]
    result = flow.trace.output.args[0]
    if waists[-1].node is result:  # a network that was cut already: all of it is body
        return [spot for spot in waists if order[spot.node] >= start]
    pooled = (order[after.node] for before, after in pairwise(waists) if before.side > 2 and after.side == 1)
    head = next(pooled, len(order))  # what lies behind the mean over the whole map is no block
    mapped = [node for node in weighted if _is_map(flow.steps[node].shape) and not _in_classifier(flow, node)]
    mapped = [node for node in mapped if order[node] < head]
    if not mapped:
        return []
    end = order[mapped[-1]]
    tail_open = True
    body: list[Spot] = []
    for spot in waists:
        index = order[spot.node]
        if index > end and body:
            same = spot.side == body[-1].side and not _in_classifier(flow, spot.node)
            tail_open = (
                tail_open and (same or order[body[-1].node] < end) and not _leaves_the_map(flow.trace, spot.node)
            )
        if index >= start and tail_open:
            body.append(spot)
    return body


def _ends_of_levels(module: nn.Module, waists: Sequence[Spot]) -> list[Spot]:
    levels: list[list[Spot]] = []
    for spot in waists:
        if not levels or spot.stride > levels[-1][0].stride:
            levels.append([spot])
        elif spot.stride == levels[-1][0].stride:
            levels[-1].append(spot)
    reductions = [level[0].path for level in levels[1:]]
    ends = []
    for level, reduction in zip(levels, [*reductions, None], strict=True):
        ends.append(level[-1] if reduction is None else _before(module, level, reduction, reductions))
    return ends


def _before(module: nn.Module, level: Sequence[Spot], reduction: str, reductions: Sequence[str]) -> Spot:
    """The level's last waist outside the largest module that does this one reduction and nothing before it.

    A residual block that first widens and then reduces is such a module: its inside is no place for a cut.
    """
    parts, modules = reduction.split("."), dict(module.named_modules())
    for depth in range(1, len(parts)):
        unit = ".".join(parts[:depth])
        inside = [spot for spot in level if _is_below(spot.path, unit)]
        outside = [spot for spot in level if not _is_below(spot.path, unit)]
        alone = sum(_is_below(path, unit) for path in reductions) == 1
        if alone and outside and not _has_a_stage_within(modules, unit, inside, reduction):
            return outside[-1]
    return level[-1]


def _has_a_stage_within(parts: Mapping[str, nn.Module], unit: str, inside: Sequence[Spot], reduction: str) -> bool:
    """Whether a part with parts of its own, a stage or a layer, lies in the unit and wholly before the reduction."""
    for spot in inside:
        child = ".".join(spot.path.split(".")[: unit.count(".") + 2])
        whole = not _is_below(reduction, child) and child in parts
        if whole and any(next(part.parameters(), None) is not None for part in parts[child].children()):
            return True
    return False


def _encoder_layers(waists: Sequence[Spot]) -> list[Spot]:
    """The last waist of every layer of the outermost row of alike modules that give tokens; none: no transformer."""
    tokens = [spot for spot in waists if spot.layout == "NLC"]
    rows: dict[str, dict[str, Spot]] = {}
    for spot in tokens:
        parts = spot.path.split(".")
        for depth in range(1, len(parts)):
            if parts[depth - 1][-1].isdigit():
                rows.setdefault(".".join(parts[: depth - 1]), {})[parts[depth - 1]] = spot
                break
    row = max(rows.values(), key=len, default={})
    if len(row) < 2:
        return []
    return [*list(row.values())[:-1], tokens[-1]]


def _has_parameters(trace: Trace, node: fx.Node) -> bool:
    if node.op != "call_module":
        return False
    return next(trace.value_of(node).parameters(), None) is not None


def _does_nothing(trace: Trace, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(trace.value_of(node), nn.Identity)


def _is_map(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) > 2


def _in_classifier(flow: Flow, node: fx.Node) -> bool:
    return flow.trace.paths[node].split(".")[0] in _CLASSIFIERS


def _leaves_the_map(trace: Trace, node: fx.Node) -> bool:
    """Whether a node pools, drops or flattens: it belongs to what follows the body."""
    kind = type(trace.value_of(node)).__name__ if node.op == "call_module" else node.name
    return any(word in kind.lower() for word in _NO_PART_OF_A_BLOCK)


def _is_below(path: str, unit: str) -> bool:
    return path.startswith(unit + ".") or path == unit


def _stride(size: int, side: int) -> int:
    """Input pixels per cell: a power of two where the size is near one, since borders cost a few cells."""
    power = math.log2(size / side)
    near = abs(power - round(power)) < 0.15
    return size // side if size % side == 0 and not near else 2 ** round(power)


def _ends_with_channels(trace: Trace, node: fx.Node) -> bool:
    """Whether a cube (N, S, S, S) has its channels last, by the last module or turn before it that tells."""
    seen: fx.Node | None = node
    while seen is not None and seen.op != "placeholder":
        if seen.op == "call_module":
            kind = trace.value_of(seen)
            if isinstance(kind, (nn.Linear, nn.LayerNorm)) and getattr(kind, "normalized_shape", (1,)) != ():
                return "2d" not in type(kind).__name__
            if isinstance(kind, (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)):
                return False
        turned = _turn(trace, seen)
        if turned is not None:
            return turned == (0, 2, 3, 1)
        seen = next(iter(seen.all_input_nodes), None)
    return False


def _turn(trace: Trace, node: fx.Node) -> tuple[int, ...] | None:
    if node.op == "call_module":
        dims = getattr(trace.value_of(node), "dims", None)
    elif node.target in ("permute", torch.permute):
        dims = node.args[1] if len(node.args) == 2 else node.args[1:]
    else:
        return None
    return tuple(dims) if isinstance(dims, (list, tuple)) and all(isinstance(dim, int) for dim in dims) else None


def measure(trace: Trace, *, size: int) -> dict[fx.Node, Step]:
    """Run two imagined pictures of (3, size, size) through a copy on the meta device; nothing is allocated.

    Raises:
        ZooError: the network does not take pictures of that size; the message names the cause.
    """
    ghost = _ghost_of(trace.module)
    runner = _Measuring(ghost, graph=trace.graph)
    try:
        with torch.no_grad():
            runner.run(torch.empty(2, 3, size, size, device="meta"))
    except Exception as error:  # a forward may raise anything for a size it was not made for
        cause = str(error.__cause__ or error).strip().splitlines() or [""]
        raise ZooError(
            f"{type(trace.module).__name__} does not take pictures of {size}x{size} pixels "
            f"({type(error).__name__}: {cause[0]}).",
            "Give the size that it was made for.",
        ) from error
    return runner.steps


class _Measuring(fx.Interpreter):
    """Runs a graph and writes down what every node gives and costs."""

    def __init__(self, module: nn.Module, *, graph: fx.Graph) -> None:
        super().__init__(module, graph=graph)
        self.extra_traceback = False
        self.steps: dict[fx.Node, Step] = {}

    def run_node(self, n: fx.Node) -> Any:
        with _Counting() as counted:
            result = n.meta["constant"].to("meta") if "constant" in n.meta else super().run_node(n)
        shape = tuple(result.shape) if isinstance(result, Tensor) else None
        self.steps[n] = Step(shape=shape, flop=counted.flop)
        return result


class _Counting(TorchDispatchMode):
    """Adds up the floating-point operations of matrix products and convolutions, by torch's own formulas."""

    def __init__(self) -> None:
        super().__init__()
        from torch.utils.flop_counter import flop_registry  # 0.3 s to import: only when something is measured

        self.formulas: Mapping[Any, Callable[..., int]] = flop_registry
        self.flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = self.formulas.get(func._overloadpacket)
        if formula is not None:
            self.flop += formula(*args, **(kwargs or {}), out_val=result)
        return result


def _ghost_of(module: nn.Module) -> nn.Module:
    """A copy in eval mode with everything on the meta device and nobody's hooks."""
    known: dict[int, Any] = {}
    for parameter in module.parameters():
        empty = torch.empty_like(parameter, device="meta")
        known[id(parameter)] = nn.Parameter(empty, requires_grad=parameter.requires_grad)
    for buffer in module.buffers():
        known[id(buffer)] = torch.empty_like(buffer, device="meta")
    for part in module.modules():
        known.update((id(hooks), OrderedDict()) for hooks in (part._forward_hooks, part._forward_pre_hooks))
    ghost = copy.deepcopy(module, known)
    for part in ghost.modules():
        part.training = False
    return ghost

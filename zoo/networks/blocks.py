"""Shapes and costs of a traced network's nodes, and the blocks (resolution levels) that they form.

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
from zoo.networks.tracing import Trace

MOST_PREFIX_TOKENS = 8  # tokens before the grid: a class token, registers
_CLASSIFIERS = frozenset(["classifier", "head", "heads", "fc"])
_POOLING_WORDS = ("pool", "dropout", "flatten", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProfile:
    """The output shape and the cost of one node, for a batch of 2."""

    shape: tuple[int, ...] | None  # None: no tensor
    flop: int  # multiply and add counted as two


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureNode:
    """A node whose output is a feature map, and that map's layout."""

    node: fx.Node
    path: str
    layout: Literal["NCHW", "NHWC", "NLC"]
    channels: int
    side: int  # rows of the map, as many columns
    stride: int  # input pixels per cell


@dataclass(frozen=True, kw_only=True)
class NetworkProfile:
    """A traced network with the shapes and costs of its nodes for pictures of one size."""

    trace: Trace
    size: int
    steps: Mapping[fx.Node, NodeProfile]

    def feature_node(self, node: fx.Node) -> FeatureNode | None:
        """What a node gives, as a feature map; None where it gives none. A vector (N, C) is a map of one cell."""
        shape = self.steps[node].shape
        if shape is None or len(shape) not in (2, 3, 4) or shape[0] != 2:
            return None
        layout: Literal["NCHW", "NHWC", "NLC"] = "NCHW"
        if len(shape) == 2:
            channels, side = shape[1], 1
        elif len(shape) == 3:
            layout, channels, side = "NLC", shape[2], math.isqrt(shape[1])
            if shape[1] - side * side > MOST_PREFIX_TOKENS or side == 0:
                return None
        else:
            first, last = shape[2] == shape[3], shape[1] == shape[2]
            if not first and not last:
                return None
            if not first or (last and _is_channels_last(self.trace, node)):
                layout = "NHWC"
            channels, side = (shape[1], shape[2]) if layout == "NCHW" else (shape[3], shape[1])
        if not 0 < side <= self.size or not channels:
            return None
        path, stride = self.trace.paths[node], _stride(self.size, side)
        return FeatureNode(node=node, path=path, layout=layout, channels=channels, side=side, stride=stride)

    @cached_property
    def cut_candidates(self) -> Sequence[FeatureNode]:
        """The nodes where the network can be cut: nothing before them is used after them."""
        order = {node: index for index, node in enumerate(self.trace.graph.nodes)}
        depends: set[fx.Node] = set()
        reach, found = -1, []
        for node, index in order.items():
            if node.op == "output":
                break
            if node.op == "placeholder" or any(source in depends for source in node.all_input_nodes):
                depends.add(node)
            if node not in depends or self.steps[node].shape is None:
                continue  # parameters and plain numbers are available on both sides of a cut
            readers = [order[user] for user in node.users]
            if reach <= index and node.op != "placeholder" and readers and _is_map(self.steps[node].shape):
                one = self.feature_node(node)
                if one is not None and not _is_identity(self.trace, node):
                    found.append(one)
            reach = max([reach, *readers])
        return found


def find_blocks(profile: NetworkProfile) -> list[FeatureNode]:
    """The last cut candidate of every resolution level; of every encoder layer for tokens."""
    candidates = _find_body(profile)
    layers = _encoder_layers(candidates)
    if layers:
        before = [one for one in candidates if one.layout != "NLC" and one.stride < layers[0].stride]
        return [*_last_of_each_level(profile.trace.module, [*before, *layers[:1]])[:-1], *layers]
    return _last_of_each_level(profile.trace.module, candidates)


def _find_body(profile: NetworkProfile) -> list[FeatureNode]:
    """The cut candidates from the first node with parameters to the last before the pooling and the classifier."""
    candidates = profile.cut_candidates
    modules = [node for node in profile.trace.graph.nodes if node.op == "call_module"]
    weighted = [node for node in modules if next(profile.trace.value_of(node).parameters(), None) is not None]
    if not weighted or not candidates:
        return []
    order = {node: index for index, node in enumerate(profile.trace.graph.nodes)}
    start = order[weighted[0]]
    result = profile.trace.output.args[0]
    if candidates[-1].node is result:  # a network that was cut already: all of it is body
        return [one for one in candidates if order[one.node] >= start]
    pooled = (order[after.node] for before, after in pairwise(candidates) if before.side > 2 and after.side == 1)
    head = next(pooled, len(order))  # what follows global pooling is no block
    mapped = [node for node in weighted if _is_map(profile.steps[node].shape) and not _in_classifier(profile, node)]
    mapped = [node for node in mapped if order[node] < head]
    if not mapped:
        return []
    end = order[mapped[-1]]
    tail_open = True
    body: list[FeatureNode] = []
    for one in candidates:
        index = order[one.node]
        if index > end and body:
            same = one.side == body[-1].side and not _in_classifier(profile, one.node)
            goes_on = same or order[body[-1].node] < end
            tail_open = tail_open and goes_on and not _is_pooling_or_flattening(profile.trace, one.node)
        if index >= start and tail_open:
            body.append(one)
    return body


def _last_of_each_level(module: nn.Module, candidates: Sequence[FeatureNode]) -> list[FeatureNode]:
    levels: list[list[FeatureNode]] = []
    for one in candidates:
        if not levels or one.stride > levels[-1][0].stride:
            levels.append([one])
        elif one.stride == levels[-1][0].stride:
            levels[-1].append(one)
    reductions = [level[0].path for level in levels[1:]]
    inner = zip(levels, reductions, strict=False)  # the last level is reduced by none
    ends = [_last_before_reduction(module, level, reduction, reductions) for level, reduction in inner]
    return [*ends, *(level[-1] for level in levels[-1:])]


def _last_before_reduction(
    module: nn.Module, level: Sequence[FeatureNode], reduction: str, reductions: Sequence[str]
) -> FeatureNode:
    """The level's last cut candidate outside the largest module that does this one reduction and nothing before it.

    A residual block that first widens and then reduces is such a module: its inside is no place for a cut.
    """
    parts, modules = reduction.split("."), dict(module.named_modules())
    for depth in range(1, len(parts)):
        unit = ".".join(parts[:depth])
        inside = [one for one in level if _is_below(one.path, unit)]
        outside = [one for one in level if not _is_below(one.path, unit)]
        alone = sum(_is_below(path, unit) for path in reductions) == 1
        if alone and outside and not _contains_stage(modules, unit, inside, reduction):
            return outside[-1]
    return level[-1]


def _contains_stage(parts: Mapping[str, nn.Module], unit: str, inside: Sequence[FeatureNode], reduction: str) -> bool:
    """Whether a part with parts of its own, a stage or a layer, lies in the unit and wholly before the reduction."""
    for one in inside:
        child = ".".join(one.path.split(".")[: unit.count(".") + 2])
        whole = not _is_below(reduction, child) and child in parts
        if whole and any(next(part.parameters(), None) is not None for part in parts[child].children()):
            return True
    return False


def _encoder_layers(candidates: Sequence[FeatureNode]) -> list[FeatureNode]:
    """The last cut candidate of every encoder layer (of the outermost row of modules that give tokens); else none."""
    tokens = [one for one in candidates if one.layout == "NLC"]
    rows: dict[str, dict[str, FeatureNode]] = {}
    for one in tokens:
        parts = one.path.split(".")
        for depth in range(1, len(parts)):
            if parts[depth - 1][-1].isdigit():
                rows.setdefault(".".join(parts[: depth - 1]), {})[parts[depth - 1]] = one
                break
    row = max(rows.values(), key=len, default={})
    if len(row) < 2:
        return []
    return [*list(row.values())[:-1], tokens[-1]]


def _is_identity(trace: Trace, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(trace.value_of(node), nn.Identity)


def _is_map(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) > 2


def _in_classifier(profile: NetworkProfile, node: fx.Node) -> bool:
    return profile.trace.paths[node].split(".")[0] in _CLASSIFIERS


def _is_pooling_or_flattening(trace: Trace, node: fx.Node) -> bool:
    """Whether a node pools, drops or flattens: it belongs to what follows the body."""
    kind = type(trace.value_of(node)).__name__ if node.op == "call_module" else node.name
    return any(word in kind.lower() for word in _POOLING_WORDS)


def _is_below(path: str, unit: str) -> bool:
    return path.startswith(unit + ".") or path == unit


def _stride(size: int, side: int) -> int:
    """Input pixels per cell: a power of two where the size is near one, since borders cost a few cells."""
    power = math.log2(size / side)
    near = abs(power - round(power)) < 0.15
    return size // side if size % side == 0 and not near else 2 ** round(power)


def _is_channels_last(trace: Trace, node: fx.Node) -> bool:
    """Whether a cube (N, S, S, S) has its channels last, by the last module or permutation before it that shows."""
    seen: fx.Node | None = node
    while seen is not None and seen.op != "placeholder":
        if seen.op == "call_module":
            kind = trace.value_of(seen)
            if isinstance(kind, (nn.Linear, nn.LayerNorm)) and getattr(kind, "normalized_shape", (1,)) != ():
                return "2d" not in type(kind).__name__
            if isinstance(kind, (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)):
                return False
        turned = _find_permutation(trace, seen)
        if turned is not None:
            return turned == (0, 2, 3, 1)
        seen = next(iter(seen.all_input_nodes), None)
    return False


def _find_permutation(trace: Trace, node: fx.Node) -> tuple[int, ...] | None:
    if node.op == "call_module":
        dims = getattr(trace.value_of(node), "dims", None)
    elif node.target in ("permute", torch.permute):
        dims = node.args[1] if len(node.args) == 2 else node.args[1:]
    else:
        return None
    return tuple(dims) if isinstance(dims, (list, tuple)) and all(isinstance(dim, int) for dim in dims) else None


def profile_nodes(trace: Trace, *, size: int) -> dict[fx.Node, NodeProfile]:
    """Run a batch of two (3, size, size) through a copy on the meta device; nothing is allocated.

    Raises:
        ZooError: the network does not take pictures of that size; the message names the cause.
    """
    meta_copy = _copy_to_meta(trace.module)
    runner = _ProfilingInterpreter(meta_copy, graph=trace.graph)
    try:
        with torch.no_grad():
            runner.run(torch.empty(2, 3, size, size, device="meta"))
    except Exception as error:  # a forward may raise anything for a size it was not made for
        cause = str(error.__cause__ or error).strip().splitlines() or [""]
        raise ZooError(
            f"{type(trace.module).__name__} does not take pictures of {size}x{size} pixels "
            f"({type(error).__name__}: {cause[0]}).",
            "Use the size that it was made for.",
        ) from error
    return runner.steps


class _ProfilingInterpreter(fx.Interpreter):
    """Runs a graph and records every node's output shape and cost."""

    def __init__(self, module: nn.Module, *, graph: fx.Graph) -> None:
        super().__init__(module, graph=graph)
        self.extra_traceback = False
        self.steps: dict[fx.Node, NodeProfile] = {}

    def run_node(self, n: fx.Node) -> Any:
        with _FlopCounter() as counted:
            result = n.meta["constant"].to("meta") if "constant" in n.meta else super().run_node(n)
        shape = tuple(result.shape) if isinstance(result, Tensor) else None
        self.steps[n] = NodeProfile(shape=shape, flop=counted.flop)
        return result


class _FlopCounter(TorchDispatchMode):
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


def _copy_to_meta(module: nn.Module) -> nn.Module:
    """A copy in eval mode with everything on the meta device and without hooks."""
    known: dict[int, Any] = {}
    for parameter in module.parameters():
        empty = torch.empty_like(parameter, device="meta")
        known[id(parameter)] = nn.Parameter(empty, requires_grad=parameter.requires_grad)
    for buffer in module.buffers():
        known[id(buffer)] = torch.empty_like(buffer, device="meta")
    for part in module.modules():
        known.update((id(hooks), OrderedDict()) for hooks in (part._forward_hooks, part._forward_pre_hooks))
    meta_copy = copy.deepcopy(module, known)
    for part in meta_copy.modules():
        part.training = False
    return meta_copy

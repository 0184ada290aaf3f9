"""Receptive fields: which pixels of a picture one cell of a map can see.

Followed layer by layer through convolutions and pools (Araujo, Norris and Sim 2019, "Computing Receptive Fields of
Convolutional Neural Networks"); where a step is none that is known, measured by gradients.

    VGG16      block1   5 pixels, a cell every 1
               block3  40 pixels, a cell every 4
               block5 196 pixels, a cell every 16
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from zoo.contracts import Cut
from zoo.errors import ZooError
from zoo.models import Filters
from zoo.networks import NodeProfile, Trace, profile_nodes, to_feature_map, trace, truncate

NOISE_IMAGES = 4  # pictures of noise whose gradients are measured
NEGLIGIBLE = 1e-4  # of the largest gradient: less counts as 0
_POINTWISE_WORDS = """
    relu relu_ relu6 silu silu_ gelu sigmoid tanh hardswish hardsigmoid leaky_relu elu mish softplus layer_norm dropout
    dropout_ add add_ iadd sub mul mul_ imul truediv cat clone contiguous permute getitem unsqueeze
"""
_POINTWISE = frozenset(_POINTWISE_WORDS.split())  # functions and methods that leave every cell in its place
_POINTWISE_CLASSES = """
    ReLU ReLU6 SiLU GELU Sigmoid Tanh Hardswish Hardsigmoid LeakyReLU ELU PReLU Mish Softplus BatchNorm2d
    FrozenBatchNorm2d BatchNormAct2d GroupNorm LayerNorm LayerNorm2d Linear Dropout Dropout2d Identity Permute
    StochasticDepth DropPath SqueezeExcitation SqueezeExcite
"""
_POINTWISE_MODULES = frozenset(
    _POINTWISE_CLASSES.split()
)  # by their classes' names: torchvision's and timm's own are among them


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptiveField:
    """What the cells of a map see: cell i of a row sees `size` pixels from `start + i * step` on."""

    size: int
    step: int
    start: int  # of the first cell; negative where it reaches beyond the border

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in pixels; beyond the border too."""
        left, top = self.start + column * self.step, self.start + row * self.step
        return left, top, left + self.size, top + self.size


def find_receptive_field(filters: Filters, cut: Cut) -> ReceptiveField | None:
    """What a cell of that layer's map sees, in pixels of the picture that is the filters' input.

    A gate on the whole picture (squeeze and excitation) is not counted: it has no place.

    Returns:
        None for tokens, whose cells see everything from the first layer on.

    Raises:
        ZooError: the network does not take pictures of its own size.
    """
    if cut.layout == "NLC":
        return None
    network = trace(truncate(filters.module, cut))
    steps = profile_nodes(network, size=filters.input.size)
    fields: dict[fx.Node, ReceptiveField] = {}
    for node in network.graph.nodes:
        if node.op == "output":
            break
        given = [fields[one] for one in node.all_input_nodes if one in fields and _is_spatial(steps[one])]
        if node.op == "placeholder":
            fields[node] = ReceptiveField(size=1, step=1, start=0)
        elif given:
            field = _through_node(network, node, given, steps)
            if field is None:
                return _measure_by_gradients(filters, cut)
            fields[node] = field
    return fields.get(network.find(cut.node)) or _measure_by_gradients(filters, cut)


def _is_spatial(step: NodeProfile) -> bool:
    """Whether a node's result has places at all; gates and sizes have none."""
    return step.shape is not None and len(step.shape) > 2 and max(step.shape[-2:]) > 1


def _through_node(network: Trace, node: fx.Node, given: list[ReceptiveField], steps: Any) -> ReceptiveField | None:
    """What a node's cells see; None where that is not known."""
    if not _is_spatial(steps[node]):
        return given[0]  # it has no position any more, and none is needed
    joined = _union_of_fields(given)
    if joined is None:
        return None
    if node.op == "call_module":
        return _through_module(network.value_of(node), joined)
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name == "avg_pool2d":
        words = dict(zip(("kernel_size", "stride", "padding"), node.args[1:], strict=False)) | node.kwargs
        return _through_window(joined, words["kernel_size"], words.get("stride"), words.get("padding", 0), 1)
    return joined if name in _POINTWISE else None


def _through_module(module: Any, field: ReceptiveField) -> ReceptiveField | None:
    if isinstance(module, nn.Conv2d):
        return _through_window(field, module.kernel_size, module.stride, module.padding, module.dilation)
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        return _through_window(field, module.kernel_size, module.stride, module.padding, getattr(module, "dilation", 1))
    if isinstance(module, nn.Sequential):  # torchvision's convolutions with norm and activation are one step
        found: ReceptiveField | None = field
        for part in module:
            found = _through_module(part, found) if found is not None else None
        return found
    return field if type(module).__name__ in _POINTWISE_MODULES else None


def _union_of_fields(given: list[ReceptiveField]) -> ReceptiveField | None:
    """Everything that any of them sees; None where their cells do not lie alike."""
    if len({field.step for field in given}) != 1:
        return None
    start, end = min(field.start for field in given), max(field.start + field.size for field in given)
    return replace(given[0], start=start, size=end - start)


def _through_window(
    field: ReceptiveField, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> ReceptiveField | None:
    """Through a window that slides; a window that is not square counts with its longer side."""
    sizes, strides, spread = (_pair(value) for value in (kernel, stride if stride is not None else kernel, dilation))
    if strides[0] != strides[1]:
        return None
    reach = [(size - 1) * apart for size, apart in zip(sizes, spread, strict=True)]
    pads = [one // 2 for one in reach] if padding == "same" else [0, 0] if padding == "valid" else list(_pair(padding))
    long = 0 if reach[0] >= reach[1] else 1
    return ReceptiveField(
        size=field.size + reach[long] * field.step,
        step=field.step * strides[0],
        start=field.start - pads[long] * field.step,
    )


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _measure_by_gradients(filters: Filters, cut: Cut) -> ReceptiveField:
    """The pixels that the middle cell's values depend on, for pictures of noise.

    In eval mode: in training mode batch norm lets every cell depend on the whole batch.
    """
    network, size = copy.deepcopy(truncate(filters.module, cut)).eval(), filters.input.size
    parameter = next(network.parameters())
    noise = torch.rand(NOISE_IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))
    images = ((noise.to(parameter) - filters.mean) / filters.std).requires_grad_()
    with torch.enable_grad():
        features = to_feature_map(network(images), cut)
        rows, columns = features.shape[-2:]
        (slopes,) = torch.autograd.grad(features[:, :, rows // 2, columns // 2].abs().sum(), images)
    seen = slopes.abs().amax(dim=(0, 1))
    if not float(seen.max()) > 0:
        raise ZooError(f"The layer {cut.name!r} of {filters.name!r} does not depend on the picture.", "Name another.")
    step = cut.stride if cut.stride * rows <= size else max(1, size // rows)
    first, last = _find_extent(seen)
    return ReceptiveField(size=last - first + 1, step=step, start=first - (rows // 2) * step)


def _find_extent(seen: Tensor) -> tuple[int, int]:
    """The first and last pixel, over rows and columns alike, whose gradient is not negligible."""
    there = seen > NEGLIGIBLE * seen.max()
    places = torch.cat([there.any(dim=axis).nonzero().flatten() for axis in (0, 1)])
    return int(places.min()), int(places.max())

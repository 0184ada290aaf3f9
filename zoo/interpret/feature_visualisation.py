"""Feature visualisation by activation maximisation: the picture that excites a channel most, by gradient ascent.

After Olah, Mordvintsev and Schubert (2017), "Feature Visualization" (Distill): the picture is a spectrum whose high
frequencies are held down, its colours go together as those of real pictures do, and at every step it is moved,
turned and scaled a little, so that the result is robust to this. What is maximised is the activation of the middle
cell, so that it can be shown beside the patches that such a cell sees; its contrast is held where pictures have it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo.devices import pick_device
from zoo.errors import UsageError, ZooError
from zoo.interpret.colours import Palette, natural_palette
from zoo.interpret.layers import Layer
from zoo.models import Filters
from zoo.networks import Trace, describe_cut, to_feature_map, trace, truncate
from zoo.progress import Progress, silent

STEPS = 96
RATE = 0.05
SHIFT, TURN, ZOOM = 0.08, math.radians(8), 0.08  # either way: of the picture's side, an angle, a share
MARGIN = 1.2  # a picture's side over what the cell sees, so that what is moved still fills it
SMALLEST_SIDE = 24  # pixels
CONTRAST = 1.6  # the largest deviation of a picture from the mean colour, in logits
GAIN = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureVisualisations:
    """The pictures that maximise some channels of a layer."""

    layer: Layer
    channels: tuple[int, ...]  # (K)
    pictures: np.ndarray  # uint8 (K, P, P, 3), what the middle cell sees
    answers: np.ndarray  # float (K): of that cell, to the whole picture


def visualise_channels(
    filters: Filters,
    layer: Layer,
    channels: Sequence[int],
    *,
    palette: Palette | None = None,
    steps: int = STEPS,
    max_gflop: float = math.inf,
    seed: int = 0,
    device: str | None = None,
    progress: Progress = silent,
) -> FeatureVisualisations:
    """Optimise the pictures that maximise channels, all of them as one batch.

    Where the layer ends with a ReLU its input is maximised: a channel that is 0 at first has a gradient there.

    Args:
        filters: the filters.
        layer: of these filters.
        channels: of the layer, from 0.
        palette: the colours to draw with; those of natural pictures by default.
        steps: of the gradient ascent.
        max_gflop: GFLOP to spend at most; where it is not enough, the pictures become smaller, then the steps fewer.
        seed: of the first spectrum and of the movements; on a CPU it gives the same pictures again.
        device: where; the GPU where there is one by default.
        progress: called with how far the work is.

    Raises:
        UsageError: the layer has no such channel, or none was asked for.
        ZooError: a cell of the layer has no place of its own (tokens).
    """
    _check(layer, channels)
    where = pick_device(device)
    side, steps = _plan_cost(filters, layer, len(channels), steps, max_gflop)
    network = copy.deepcopy(filters).float().to(where).eval().requires_grad_(False)
    maximized = _before_relu(trace(network.module), layer)
    part = truncate(network.module, maximized)
    inner = _middle_receptive_field(network, layer, part, side)
    canvas = _SpectralImages(len(channels), side, inner, palette or natural_palette(), seed=seed, device=where)
    rows, chosen = torch.arange(len(channels)), torch.tensor(list(channels))

    def answers(images: Tensor) -> Tensor:
        maps = to_feature_map(part(network.normalise(images)), layer.cut)
        return maps[rows, chosen, maps.shape[-2] // 2, maps.shape[-1] // 2]

    canvas.climb(answers, steps, tell=partial(progress, f"visualising {layer.name}"))
    with torch.no_grad():
        images = canvas.paint()
        heights = answers(images).cpu().numpy()
    pictures = (images[:, :, inner, inner] * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return FeatureVisualisations(layer=layer, channels=tuple(channels), pictures=pictures, answers=heights)


def _check(layer: Layer, channels: Sequence[int]) -> None:
    if not channels or not all(0 <= one < layer.cut.channels for one in channels):
        raise UsageError(f"{layer.name!r} has the channels 0 to {layer.cut.channels - 1}, not {channels}.")
    if layer.field is None:
        raise ZooError(f"{layer.name!r} gives tokens that see the whole picture: there is no cell to visualise.")


class _SpectralImages:
    """Pictures in the frequency domain, with decorrelated colours.

    Args:
        count: how many.
        side: in pixels.
        inner: the rows, and as many columns, that will be seen; their contrast is held.
        palette: what they are painted with.
        seed: of the beginning and of the movements.
        device: where.
    """

    def __init__(
        self, count: int, side: int, inner: slice, palette: Palette, *, seed: int, device: torch.device
    ) -> None:
        self.count, self.side, self.device = count, side, device
        self.inner = inner
        self.generator = torch.Generator().manual_seed(seed)
        begun = 0.01 * torch.randn(count, 3, side, side // 2 + 1, 2, generator=self.generator)
        self.spectrum = begun.to(device).requires_grad_()
        across, down = torch.fft.rfftfreq(side)[None, :], torch.fft.fftfreq(side)[:, None]
        weight = 1 / torch.hypot(across, down).clamp_min(1 / side)
        self.weight = (weight * side / weight.norm()).to(device)
        self.mix = palette.mix.to(device)
        self.middle = palette.mean.clamp(0.05, 0.95).logit().view(1, 3, 1, 1).to(device)

    def paint(self) -> Tensor:
        """The pictures, (N, 3, S, S) in 0 to 1."""
        waves = torch.fft.irfft2(torch.view_as_complex(self.spectrum) * self.weight, s=(self.side,) * 2, norm="ortho")
        colours = GAIN * torch.einsum("dc,nchw->ndhw", self.mix, waves)
        seen = colours[:, :, self.inner, self.inner]
        deviation = seen.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return torch.sigmoid(self.middle + colours * (CONTRAST / deviation).clamp_max(1.0))

    def climb(self, answers: Callable[[Tensor], Tensor], steps: int, *, tell: Callable[[int, int], None]) -> None:
        """Gradient ascent of the sum of the answers to the pictures, moved anew at every step."""
        optimizer = torch.optim.Adam([self.spectrum], lr=RATE)
        with torch.enable_grad():
            for step in range(steps):
                optimizer.zero_grad()
                (-answers(self.moved(self.paint())).sum()).backward()
                optimizer.step()
                tell(step + 1, steps)

    def moved(self, images: Tensor) -> Tensor:
        """Each shifted, turned and zoomed by chance, a little."""
        chance = 2 * torch.rand(4, self.count, generator=self.generator) - 1
        turn, zoom = TURN * chance[0], 1 + ZOOM * chance[1]
        cosine, sine = zoom * turn.cos(), zoom * turn.sin()
        rows = [torch.stack([cosine, -sine, 2 * SHIFT * chance[2]], 1)]
        rows += [torch.stack([sine, cosine, 2 * SHIFT * chance[3]], 1)]
        grid = functional.affine_grid(torch.stack(rows, 1).to(self.device), list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _plan_cost(filters: Filters, layer: Layer, count: int, steps: int, max_gflop: float) -> tuple[int, int]:
    """The pictures' side and the steps that can be afforded; the filters' own side where they take no other."""
    own = filters.input.size
    field = layer.field.size if layer.field else own
    side = min(own, max(SMALLEST_SIDE, 4 * math.ceil(field * MARGIN / 4)))
    smallest = min(side, max(SMALLEST_SIDE, own // 2))
    while True:
        cost = 2 * count * _cost_at_size(filters, layer, side)  # forward and backward
        if math.isnan(cost):
            side = own
            cost = 2 * count * layer.cut.gflop
            break
        if cost * steps <= max_gflop or side <= smallest:
            break
        side = max(smallest, 4 * (side * 7 // 32))
    return side, steps if cost * steps <= max_gflop else max(32, min(steps, int(max_gflop / cost)))


def _cost_at_size(filters: Filters, layer: Layer, side: int) -> float:
    """Of one picture there; NaN where the network takes no such pictures."""
    try:
        return describe_cut(filters.module, layer.cut.node, size=side).gflop
    except ZooError:
        return math.nan


@torch.no_grad()
def _middle_receptive_field(network: Filters, layer: Layer, part: nn.Module, side: int) -> slice:
    """The rows of a picture of that side, and as many columns, that the middle cell of the layer's map sees."""
    cells = to_feature_map(part(torch.zeros(1, 3, side, side, device=network.mean.device)), layer.cut).shape[-1]
    left, _, right, _ = layer.field.box(cells // 2, cells // 2) if layer.field else (0, 0, side, side)
    return slice(max(left, 0), min(right, side))


def _before_relu(network: Trace, layer: Layer) -> str:
    """The node that the layer's ReLU reads, or the layer's own."""
    node = network.find(layer.cut.node)
    is_relu = node.op == "call_module" and isinstance(network.value_of(node), nn.ReLU)
    read = node.args[0] if is_relu and node.args else None
    return network.paths[read] if isinstance(read, fx.Node) else layer.cut.node

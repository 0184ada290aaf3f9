"""The patches that excite the channels of a layer most, found in one pass over the pictures.

Nothing of a picture is kept but where its strongest places are; the chosen patches are read a second time.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.data import ImageReader
from zoo.devices import pick_device, pick_precision
from zoo.interpret.colours import Palette, PaletteEstimator
from zoo.interpret.layers import FeatureInterpreter, Layer
from zoo.models import Filters
from zoo.progress import Progress, silent

PIXELS_AT_ONCE = 65_536  # of the pictures that run at once on a CPU
READ_AHEAD = 64  # pictures that are read at once
SIMILAR_CORRELATION = 0.8  # the correlation above which a channel shows what another shows already
PADDING_COLOUR = (243, 245, 246)  # the colour beyond a picture's border


@dataclass(frozen=True, slots=True, kw_only=True)
class TopPatches:
    """For some channels of a layer, where they answered most strongly; at most one place a picture."""

    layer: Layer
    channels: tuple[int, ...]  # (K), those that differ most from picture to picture first
    answers: np.ndarray  # float (K, T), the strongest first
    patches: np.ndarray  # uint8 (K, T, P, P, 3), what the cell sees there; empty, T = 0, where nothing was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchSearch:
    """The top patches of several layers, and the colours of the pictures."""

    layers: tuple[TopPatches, ...]
    palette: Palette
    pictures: int  # that were read


class _ChannelStatistics:
    """Running statistics of one layer's channels: the strongest activations, and the covariance of the maxima."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.count, self.width = 0, 1
        self.sums: Tensor | None = None
        self.products: Tensor | None = None
        self.best: tuple[Tensor, Tensor, Tensor] | None = None  # activations, pictures, positions, each (kept, C)

    def add(self, features: Tensor, numbers: Tensor) -> None:
        """Shapes: features (N, C, h, w), numbers int64 (N,)."""
        self.width = features.shape[-1]
        answers, places = features.float().flatten(2).max(dim=2)
        answers, places = answers.cpu().nan_to_num(), places.cpu()
        exact = answers.double()
        sums, products = exact.sum(0), exact.T @ exact
        self.sums = sums if self.sums is None else self.sums + sums
        self.products = products if self.products is None else self.products + products
        self.count += len(answers)
        found = (answers, numbers[:, None].expand_as(places), places)
        both = found if self.best is None else [torch.cat(pair) for pair in zip(self.best, found, strict=True)]
        order = both[0].argsort(dim=0, descending=True, stable=True)[: self.kept]
        self.best = (both[0].gather(0, order), both[1].gather(0, order), both[2].gather(0, order))

    def choose(self, wanted: int) -> list[int]:
        """The channels whose strongest answer varies most from picture to picture, none much like one before it."""
        if self.sums is None or self.products is None:
            return []
        mean = self.sums / self.count
        covariance = self.products / self.count - mean[:, None] * mean[None, :]
        deviation = covariance.diagonal().clamp_min(0).sqrt()
        order = [one for one in deviation.argsort(descending=True, stable=True).tolist() if deviation[one] > 1e-6]
        chosen: list[int] = []
        for one in order:
            alike = [float(covariance[one, other] / (deviation[one] * deviation[other])) for other in chosen]
            if len(chosen) < wanted and max(alike, default=0.0) < SIMILAR_CORRELATION:
                chosen.append(one)
        chosen += [one for one in order if one not in chosen][: wanted - len(chosen)]
        return chosen or list(range(min(wanted, len(deviation))))


@torch.no_grad()  # the palette is used under gradients later
def find_top_patches(
    filters: Filters,
    layers: Sequence[Layer],
    images: ImageReader,
    *,
    channels: int = 8,
    patches: int = 9,
    device: str | None = None,
    progress: Progress = silent,
) -> PatchSearch:
    """The patches that excite some channels of every layer most.

    Args:
        filters: the filters.
        layers: of these filters.
        images: the pictures, at the filters' size.
        channels: how many of a layer: those whose strongest answer varies most from picture to picture, each
            correlated below 0.8 with those before it, where there are so many.
        patches: how many of a channel; 0: only the channels are chosen.
        device: where; the GPU where there is one by default.
        progress: called with how far the work is.

    Raises:
        ZooError: none of the pictures can be read.
    """
    where = pick_device(device)
    dtype = pick_precision(where)
    network = copy.deepcopy(filters).to(where, dtype).to(memory_format=torch.channels_last).eval()
    tallies = [_ChannelStatistics(max(patches, 1)) for _ in layers]
    palette_estimator, numbers = PaletteEstimator(), torch.empty(0, dtype=torch.int64)
    piece = max(1, PIXELS_AT_ONCE // filters.input.size**2) * (1 if where.type == "cpu" else 16)

    def on_features(layer: int, features: Tensor) -> None:
        tallies[layer].add(features, numbers)

    interpreter = FeatureInterpreter(network.module, [layer.cut for layer in layers], on_features)
    for start in range(0, len(images), READ_AHEAD):
        kept, pixels = images.read(range(start, min(start + READ_AHEAD, len(images))))
        for first in range(0, len(kept), piece):
            numbers, part = torch.tensor(kept[first : first + piece]), pixels[first : first + piece]
            palette_estimator.add(part)
            interpreter.run(network.normalise(part.to(where)).to(dtype, memory_format=torch.channels_last))
        progress("finding patches", min(start + READ_AHEAD, len(images)), len(images))
    if not palette_estimator.count:
        raise images.none_read()
    pairs = zip(layers, tallies, strict=True)
    return PatchSearch(
        layers=tuple(
            _collect_patches(layer, tally, images, filters.input.size, channels, patches) for layer, tally in pairs
        ),
        palette=palette_estimator.palette(),
        pictures=tallies[0].count if tallies else 0,
    )


def _collect_patches(
    layer: Layer, tally: _ChannelStatistics, images: ImageReader, size: int, wanted: int, patches: int
) -> TopPatches:
    """Choose the channels, and read their patches."""
    chosen = tally.choose(wanted)
    side = min(layer.field.size, size) if layer.field else size
    if tally.best is None or not patches:
        empty = np.empty((len(chosen), 0, side, side, 3), np.uint8)
        return TopPatches(layer=layer, channels=tuple(chosen), answers=np.empty((len(chosen), 0)), patches=empty)
    answers, numbers, places = (part[:, chosen].T for part in tally.best)
    wanted_pictures = sorted(set(numbers.flatten().tolist()))
    pictures = dict(zip(*images.read(wanted_pictures), strict=True))
    crops = [
        _crop_patch(pictures[number], _patch_box(layer, divmod(place, tally.width), size))
        for number, place in zip(numbers.flatten().tolist(), places.flatten().tolist(), strict=True)
    ]
    shape = (len(chosen), answers.shape[1], side, side, 3)
    return TopPatches(
        layer=layer, channels=tuple(chosen), answers=answers.numpy(), patches=np.stack(crops).reshape(shape)
    )


def _patch_box(layer: Layer, cell: tuple[int, int], size: int) -> tuple[int, int, int, int]:
    """What a cell sees, in pixels; the whole picture where it sees as much as that."""
    if layer.field is None or layer.field.size >= size:
        return 0, 0, size, size
    return layer.field.box(*cell)


def _crop_patch(picture: Tensor, box: tuple[int, int, int, int]) -> np.ndarray:
    """Shapes: picture uint8 (3, S, S) -> uint8 (P, P, 3); what lies over the border is plain."""
    left, top, right, bottom = box
    _, height, width = picture.shape
    patch = np.empty((bottom - top, right - left, 3), np.uint8)
    patch[:] = PADDING_COLOUR
    inside = picture[:, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)].permute(1, 2, 0).numpy()
    down, across = max(-top, 0), max(-left, 0)
    patch[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    return patch

"""The drift of filters from their base: the change of the weights, and of the features (linear CKA)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zoo.contracts import Cut
from zoo.data import ImageReader
from zoo.devices import pick_device
from zoo.errors import UsageError
from zoo.interpret.layers import FeatureInterpreter
from zoo.models import Filters
from zoo.networks import Trace, trace
from zoo.progress import Progress, silent

BATCH = 32  # pictures of a minibatch; the unbiased estimate takes four or more
MOST_LAYERS = 40
HALVES = (torch.float16, torch.bfloat16)
MOST_MOVED = 8  # filters of the first layer that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDrift:
    """One layer with weights."""

    name: str  # "features.10"
    change: float  # |after - before| / |before|, of its weights (Frobenius)
    cka: float | None  # 1: the same up to a turn and a scale; None without pictures, or where it gives no map
    frozen: bool  # nothing up to it was trained, batch norms' statistics included: it is what it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """From the base filters to these."""

    base: str
    layers: tuple[LayerDrift, ...]  # from the first
    pictures: int  # that CKA was estimated on
    first: str  # the layer of the filters below
    moved: tuple[int, ...]  # (K), the filters of the first layer that moved most, the farthest first; none if frozen
    distances: tuple[float, ...]  # (K), |after - before| / the mean |before| of the layer's filters
    before: np.ndarray  # float (K, C, h, w)
    after: np.ndarray  # float (K, C, h, w)
    missing: int  # layers that only one of the two has


def measure_drift(
    filters: Filters,
    base: Filters,
    images: ImageReader | None = None,
    *,
    device: str | None = None,
    progress: Progress = silent,
) -> Drift:
    """Compare filters with the ones that they were made from, layer by layer.

    Linear CKA (Kornblith et al. 2019), 0 to 1, compares a layer's features whatever the rotation of its channels;
    it is estimated without bias in minibatches of 32 pictures (Nguyen, Raghu and Kornblith 2021), so that neither
    the number of pictures nor the size of the maps counts. Pictures have the filters' size for both.

    Args:
        filters: after.
        base: before; layers are compared where name and shape are the same.
        images: the pictures, at the filters' size; None: only the weights are compared.
        device: where; the GPU where there is one by default.
        progress: called with how far the work is.

    Raises:
        UsageError: the two have no layer in common.
    """
    ours, theirs = filters.module.state_dict(), base.module.state_dict()
    weights = [key for key, value in ours.items() if key.endswith("weight") and value.ndim >= 2]
    common = [key for key in weights if key in theirs and theirs[key].shape == ours[key].shape]
    if not common:
        raise UsageError(
            f"{filters.name!r} ({filters.backbone}) and {base.name!r} ({base.backbone}) have no layer in common.",
            "Name the filters that they were fine-tuned from with `base=`.",
        )
    similar, pictures, frozen = dict[str, float](), 0, _frozen_layers(ours, theirs)
    if images is not None and len(images) >= 4:
        cuts = _shared_convolutions([key.rpartition(".")[0] for key in common], filters, base)
        similar, pictures = _estimate_cka(filters, base, cuts, images, device=device, progress=progress)
        similar |= dict.fromkeys(frozen & similar.keys(), 1.0)  # without the rounding of an estimate
    layers = tuple(
        LayerDrift(
            name=name, change=_relative_change(ours[key], theirs[key]), cka=similar.get(name), frozen=name in frozen
        )
        for key in common
        for name in [key.rpartition(".")[0]]
    )
    first = next((key for key in common if ours[key].ndim == 4), None)
    after, before = (state[first].float() if first else torch.empty(0, 3, 1, 1) for state in (ours, theirs))
    distances = (after - before).flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1).mean().clamp_min(1e-12)
    moved = distances.argsort(descending=True, stable=True)[: 0 if _is_unchanged(after, before) else MOST_MOVED]
    others = {key for key, value in theirs.items() if key.endswith("weight") and value.ndim >= 2}
    return Drift(
        base=base.name,
        layers=layers,
        pictures=pictures,
        first=first.rpartition(".")[0] if first else "",
        moved=tuple(moved.tolist()),
        distances=tuple(distances[moved].tolist()),
        before=before[moved].numpy(),
        after=after[moved].numpy(),
        missing=len(others.symmetric_difference(weights) | (set(weights) - set(common))),
    )


def _frozen_layers(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> set[str]:
    """The layers before the first that has changed."""
    frozen = set[str]()
    for key, tensor in ours.items():
        layer = key.rpartition(".")[0]
        if key not in theirs or not _is_unchanged(tensor, theirs[key]):
            return frozen - {layer}
        frozen.add(layer)
    return frozen


def _is_unchanged(after: Tensor, before: Tensor) -> bool:
    """Whether a tensor is what it was, or was only rounded when it was published."""
    return any(torch.equal(after, before.to(dtype).to(after.dtype)) for dtype in (before.dtype, *HALVES))


def _relative_change(after: Tensor, before: Tensor) -> float:
    if _is_unchanged(after, before):
        return 0.0
    return float((after.float() - before.float()).norm() / before.float().norm().clamp_min(1e-12))


def _shared_convolutions(names: Sequence[str], filters: Filters, base: Filters) -> list[Cut]:
    """The convolutions among those layers that both networks have; not more than forty, evenly spread."""
    both = []
    networks = (trace(filters.module), trace(base.module))
    for name in names:
        found = [_convolution(network, name) for network in networks]
        if all(found):
            both.append(Cut(name=name, node=name, channels=found[0] or 0, stride=1))
    step = max(1, -(-len(both) // MOST_LAYERS))
    return both[::-1][::step][::-1]


def _convolution(network: Trace, path: str) -> int | None:
    """The channels of the convolution that a step of that path is; None where it is none."""
    for node, known in network.paths.items():
        if known == path and node.op == "call_module":
            module = network.value_of(node)
            return module.out_channels if isinstance(module, nn.Conv2d) else None
    return None


@torch.inference_mode()
def _estimate_cka(
    filters: Filters, base: Filters, cuts: Sequence[Cut], images: ImageReader, *, device: str | None, progress: Progress
) -> tuple[dict[str, float], int]:
    """Linear CKA by the layer's name, and how many pictures it was estimated on."""
    if not cuts:
        return {}, 0
    networks = [copy.deepcopy(one).float().to(pick_device(device)).eval() for one in (filters, base)]
    sums = torch.zeros(len(cuts), 3, dtype=torch.float64)
    seen = 0
    for start in range(0, len(images), BATCH):
        kept, pixels = images.read(range(start, min(start + BATCH, len(images))))
        if len(kept) >= 4:
            grams = [_gram_matrices(network, cuts, pixels) for network in networks]
            for number, (one, other) in enumerate(zip(*grams, strict=True)):
                sums[number] += torch.stack([_hsic(one, other), _hsic(one, one), _hsic(other, other)])
            seen += len(kept)
        progress("comparing with the base", min(start + BATCH, len(images)), len(images))
    alike = sums[:, 0] / (sums[:, 1] * sums[:, 2]).clamp_min(1e-24).sqrt()
    return {cut.name: float(value) for cut, value in zip(cuts, alike, strict=True)}, seen


def _gram_matrices(network: Filters, cuts: Sequence[Cut], images: Tensor) -> list[Tensor]:
    """Of every layer the inner products of the pictures' flattened maps, float64 (N, N).

    They are centred for the sake of the arithmetic; the criterion without bias does not depend on that.
    """
    found: dict[int, Tensor] = {}

    def on_features(number: int, features: Tensor) -> None:
        flat = features.flatten(1).float()
        flat = flat - flat.mean(dim=0)
        found[number] = (flat @ flat.T).double().cpu()

    FeatureInterpreter(network.module, cuts, on_features).run(network.normalise(images.to(network.mean.device)))
    return [found[number] for number in range(len(cuts))]


def _hsic(one: Tensor, other: Tensor) -> Tensor:
    """The Hilbert-Schmidt independence criterion without bias (Song et al. 2012). Shapes: two (N, N) -> ()."""
    count = len(one)
    one, other = (gram - gram.diagonal().diag() for gram in (one, other))
    mixed = (one * other).sum()
    mixed = mixed + one.sum() * other.sum() / ((count - 1) * (count - 2))
    mixed = mixed - 2 * (one.sum(0) * other.sum(0)).sum() / (count - 2)
    return mixed / (count * (count - 3))

"""Golden features: a small picture and what filters make of it, to check that others' compute the same."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import IntegrityError, ZooError
from zoo.models.filters import Filters
from zoo.store import read_tensors

GOLDEN_FILE = "golden.safetensors"
GOLDEN_SIDE = 64  # pixels, where the network takes any size
GOLDEN_ERROR = 1e-3  # of the largest feature


@torch.no_grad()
def compute_golden_features(filters: Filters) -> dict[str, Tensor]:
    """A small picture and what the filters make of it, in float32 on the CPU, averaged over a 4 x 4 grid.

    Returns:
        `image` uint8 (1, 3, S, S) and `features` float32 (1, C, 4, 4).
    """
    network = copy.deepcopy(filters).float().cpu().eval()
    for side in sorted({min(GOLDEN_SIDE, filters.input.size), filters.input.size}):
        generator = torch.Generator().manual_seed(side)
        coarse = torch.rand(1, 3, side // 4, side // 4, generator=generator)
        image = (functional.interpolate(coarse, (side, side), mode="bilinear") * 255).round().to(torch.uint8)
        try:
            features = network(image)
        except RuntimeError:
            if side == filters.input.size:
                raise
            continue  # a transformer takes its own size only
        return {"image": image, "features": functional.adaptive_avg_pool2d(features, 4)}
    raise IntegrityError(f"{filters.name}: the filters take no picture of {filters.input.size} pixels.")


@torch.no_grad()
def check_golden(filters: Filters) -> float:
    """Recompute the golden features of published filters.

    Returns:
        The largest deviation, as a share of the largest feature.

    Raises:
        IntegrityError: the filters do not compute what their publisher's computed.
        ZooError: they were published without golden features.
    """
    published = filters.published
    if published is None or GOLDEN_FILE not in published.manifest.files:
        raise ZooError(f"{filters.name} was published without golden features: nothing can be compared.")
    golden = read_tensors(published.source, GOLDEN_FILE)
    side = max(GOLDEN_SIDE, filters.input.size)
    image = golden.get("image")
    if image is None or image.ndim != 4 or not 0 < image.numel() <= 3 * side * side:  # before anything is computed
        raise IntegrityError(
            f"{filters.name}: {GOLDEN_FILE} holds no picture of at most {side} pixels.", "Fetch it again."
        )
    network = copy.deepcopy(filters).float().cpu().eval()
    try:
        features = functional.adaptive_avg_pool2d(network(golden["image"]), 4)
        expected = golden["features"].view_as(features)
    except (KeyError, RuntimeError, ZooError) as error:
        raise IntegrityError(
            f"{filters.name}: {GOLDEN_FILE} and the manifest do not belong together ({error}).", "Fetch them again."
        ) from error
    deviation = float((features - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
    if not deviation <= GOLDEN_ERROR:
        raise IntegrityError(
            f"{filters.name}: the features differ from the publisher's by {deviation:.1e} of the largest.",
            "Check the versions of torch and of the backbone's package.",
        )
    return deviation

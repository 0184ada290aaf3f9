"""The colour statistics of pictures: the mean, and the correlations of red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# grey, blue against yellow, green against purple, about as much as each varies (Ruderman, Cronin and Chiao 1998)
NATURAL_AXES = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
NATURAL_DEVIATIONS = (0.95, 0.28, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours that feature visualisations are drawn with."""

    mean: Tensor  # float (3,), in 0 to 1
    mix: (
        Tensor  # float (3, 3): times independent numbers of deviation 1, colours that vary as those seen; its norm is 1
    )


class PaletteEstimator:
    """Accumulates the palette of pictures, batch by batch."""

    def __init__(self) -> None:
        self.count = 0
        self.sums = torch.zeros(3, dtype=torch.float64)
        self.products = torch.zeros(3, 3, dtype=torch.float64)

    def add(self, images: Tensor) -> None:
        """Shapes: images uint8 (N, 3, H, W)."""
        colours = images.permute(1, 0, 2, 3).flatten(1)[:, ::7].double() / 255  # one pixel in seven tells enough
        self.count += colours.shape[1]
        self.sums += colours.sum(1)
        self.products += colours @ colours.T

    def palette(self) -> Palette:
        """The palette of all pictures added; of pictures of one even grey it is grey."""
        mean = self.sums / self.count
        covariance = self.products / self.count - mean[:, None] * mean[None, :]
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp_min(0)
        if float(values.sum()) < 1e-8:
            return Palette(mean=mean.float(), mix=torch.full((3, 3), 1 / 3))
        values = values / values.sum()
        vectors = vectors * vectors.sum(0).sign().where(vectors.sum(0) != 0, torch.ones(()))  # a vector has no sign
        return Palette(mean=mean.float(), mix=(vectors * values.sqrt()).flip(1).float())


def natural_palette() -> Palette:
    """The colours of natural pictures, about, where there are no pictures to measure."""
    axes = torch.tensor(NATURAL_AXES).T
    mix = axes / axes.norm(dim=0) * torch.tensor(NATURAL_DEVIATIONS)
    return Palette(mean=torch.full((3,), 0.5), mix=mix / mix.norm())

"""The MNIST network of the Keras examples, as a family of backbones that knows its own cuts.

Most families need `names`, `build` and `input` only: the core traces a network to find where it can be cut.
This one shows the other way. It lists its cuts and truncates itself, which a network that cannot be
traced must do, and which is faster for any other.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

import zoo

NAME = "mnist-convnet"
CUTS = (
    zoo.Cut(name="block1", node="features.3", channels=64, stride=1, parameters=19_392, gflop=0.158),
    zoo.Cut(name="block2", node="features.6", channels=128, stride=2, parameters=93_248, gflop=0.309),
)


class Features(nn.Module):
    """Two blocks of convolutions, or as many of their layers as are wanted.

    Args:
        layers: how many layers are kept; None: all.
    """

    def __init__(self, layers: int | None = None) -> None:
        super().__init__()
        steps: list[nn.Module] = [
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),  # features.3, the end of block1
            nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.ReLU(),  # features.6, the end of block2
        ]
        self.features = nn.Sequential(*steps[:layers])

    def forward(self, images: Tensor) -> Tensor:
        """Shapes: images (N, 3, H, W) float -> (N, 128, H / 2, W / 2) float, or what the last layer kept gives."""
        return self.features(images)


class ConvNet(Features):
    """The whole network: the features, a mean over 4x4 fields, dropout and a linear layer."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.classifier = nn.Sequential(
            nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(128 * 16, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Shapes: images (N, 3, H, W) float -> logits (N, classes) float."""
        return self.classifier(self.features(images))


class DigitNets(zoo.Backbones):
    """One network, `mnist-convnet`, without pretrained weights."""

    def names(self) -> Sequence[str]:
        return [NAME]

    def build(self, name: str) -> nn.Module:
        return ConvNet()

    def input(self, name: str) -> zoo.Input:
        return zoo.Input(size=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def cuts(self, name: str) -> Sequence[zoo.Cut]:
        return CUTS

    def truncated(self, name: str, cut: zoo.Cut) -> nn.Module | None:
        """The layers up to the cut, named as in the whole network; None leaves other nodes to the core."""
        stem, _, layer = cut.node.rpartition(".")
        return Features(int(layer) + 1) if stem == "features" and layer.isdecimal() else None

"""The VGG family up to a cut in plain torch, under torchvision's own parameter names.

torchvision is not imported and nothing is traced: VGG16 up to block3 is there in a few milliseconds.
Very deep convolutional networks for large-scale image recognition, Simonyan and Zisserman, 2014.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from zoo.contracts import Cut
from zoo.errors import UnknownNameError
from zoo.networks import SequentialFeatures

CONVOLUTIONS = {  # in each of the five blocks
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
VGGS = (*CONVOLUTIONS, *(f"{name}_bn" for name in CONVOLUTIONS))
CHANNELS = (64, 128, 256, 512, 512)  # that each block gives
SIZE = 224  # pixels, for which floating-point operations are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One module of `features`."""

    kind: str  # "conv", "norm", "relu", "pool"
    block: int  # 1 to 5
    inputs: int  # channels
    outputs: int

    def build(self) -> nn.Module:
        if self.kind == "conv":
            convolution = nn.Conv2d(self.inputs, self.outputs, kernel_size=3, padding=1)
            if convolution.weight.is_meta:
                return convolution  # to be filled; drawing on meta imports torch._dynamo, for over a second
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            if convolution.bias is not None:
                nn.init.zeros_(convolution.bias)
            return convolution
        if self.kind == "norm":
            return nn.BatchNorm2d(self.outputs)
        return nn.ReLU(inplace=True) if self.kind == "relu" else nn.MaxPool2d(kernel_size=2, stride=2)

    @property
    def stride(self) -> int:
        """Input pixels per cell of what it gives."""
        return 2 ** (self.block if self.kind == "pool" else self.block - 1)

    @property
    def parameters(self) -> int:
        if self.kind == "conv":
            return self.outputs * (self.inputs * 9 + 1)
        return 2 * self.outputs if self.kind == "norm" else 0

    @property
    def flop(self) -> int:
        """Multiply and add counted as two, for one picture; the bias is not counted, as torch does."""
        return 2 * 9 * self.inputs * self.outputs * (SIZE // self.stride) ** 2 if self.kind == "conv" else 0


def vgg_cuts(name: str) -> list[Cut]:
    """The five blocks of a VGG, by arithmetic.

    Args:
        name: `vgg11`, `vgg13`, `vgg16`, `vgg19`, or one of them with `_bn`.

    Raises:
        UnknownNameError: no VGG is called so.
    """
    steps = _steps_of(name)
    return [
        Cut(
            name=f"block{last.block}",
            node=f"features.{index}",
            channels=last.outputs,
            stride=last.stride,
            parameters=sum(step.parameters for step in steps[: index + 1]),
            gflop=sum(step.flop for step in steps[: index + 1]) / 1e9,
        )
        for index, (last, following) in enumerate(pairwise(steps))
        if following.kind == "pool"
    ]


def truncated_vgg(name: str, cut: str | Cut) -> SequentialFeatures:
    """A VGG up to a cut, with fresh weights; its parameters are `features.0.weight` and so on.

    Args:
        cut: `block1` to `block5`, a node `features.K`, or a Cut.

    Returns:
        images (N, 3, H, W) float -> (N, C, H / stride, W / stride) float.

    Raises:
        UnknownNameError: no VGG is called so, or it has no such cut.
    """
    steps = _steps_of(name)
    wanted = cut if isinstance(cut, str) else cut.node
    nodes = [f"features.{index}" for index in range(len(steps))]
    blocks = {known.name: known.node for known in vgg_cuts(name)}
    node = blocks.get(wanted, wanted)
    if node not in nodes:
        raise UnknownNameError("cut", wanted, [*blocks, *nodes], listing=f"zoo cuts {name}")
    kept = steps[: nodes.index(node) + 1]
    return SequentialFeatures(nn.Sequential(OrderedDict((str(index), step.build()) for index, step in enumerate(kept))))


def _steps_of(name: str) -> list[_Step]:
    if name not in VGGS:
        raise UnknownNameError("backbone", name, VGGS, listing="zoo backbones")
    kinds = ("conv", "norm", "relu") if name.endswith("_bn") else ("conv", "relu")
    steps: list[_Step] = []
    inputs = 3
    for block, repeats in enumerate(CONVOLUTIONS[name.removesuffix("_bn")], start=1):
        outputs = CHANNELS[block - 1]
        for _ in range(repeats):
            steps += [_Step(kind=kind, block=block, inputs=inputs, outputs=outputs) for kind in kinds]
            inputs = outputs
        steps.append(_Step(kind="pool", block=block, inputs=outputs, outputs=outputs))
    return steps

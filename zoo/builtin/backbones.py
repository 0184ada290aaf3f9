"""The classification networks of torchvision, by torchvision's names, and where their weights lie as safetensors."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence

from torch import nn

from zoo.builtin.vgg import VGGS, truncated_vgg, vgg_cuts
from zoo.contracts import Backbones, Cut, Input
from zoo.errors import UnknownNameError

# What differs from 224 pixels and ImageNet's mean and deviation in the transforms of torchvision's default weights.
# vit_h_14 is not here: its default weights want 518 pixels, but the network is built for 224.
_SIZES = {
    "efficientnet_b1": 240,
    "efficientnet_b2": 288,
    "efficientnet_b3": 300,
    "efficientnet_b4": 380,
    "efficientnet_b5": 456,
    "efficientnet_b6": 528,
    "efficientnet_b7": 600,
    "efficientnet_v2_s": 384,
    "efficientnet_v2_m": 480,
    "efficientnet_v2_l": 480,
    "inception_v3": 299,
    "regnet_y_128gf": 384,
    "swin_v2_t": 256,
    "swin_v2_s": 256,
    "swin_v2_b": 256,
}
_HALVES = frozenset(["efficientnet_v2_l"])  # mean and deviation 0.5

# timm publishes torchvision's own weights under the same parameter names, but for the classifier's.
_SECOND = frozenset(  # torchvision's IMAGENET1K_V2
    ["resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"]
)
_FIRST = _SECOND.union(  # IMAGENET1K_V1
    VGGS,
    ["densenet121", "densenet161", "densenet169", "densenet201", "inception_v3"],
    ["resnet18", "resnet34", "resnext101_64x4d"],
)


class TorchvisionBackbones(Backbones):
    """All classification networks of torchvision. For the VGGs torchvision is not even imported."""

    def names(self) -> Sequence[str]:
        """As `torchvision.models.list_models` gives them for classification."""
        from torchvision import models

        return list(models.list_models(module=models))

    def __contains__(self, name: object) -> bool:
        return name in VGGS or name in _SIZES or name in _FIRST or name in self.names()

    def build(self, name: str) -> nn.Module:
        """The whole network with fresh weights. Raises UnknownNameError where torchvision has no such one."""
        from torchvision import models

        self._check(name)
        options = {"init_weights": False} if name == "googlenet" else {}
        if name in ("googlenet", "inception_v3"):
            options["transform_input"] = True  # as with its weights: they want mean and deviation 0.5
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of another initialisation of inception
            return models.get_model(name, weights=None, **options)

    def weights(self, name: str) -> Mapping[str, str]:
        """`imagenet`: torchvision's first weights; `imagenet-v2`: those of its newer training, where there are any."""
        self._check(name)
        found = {"imagenet": f"hf://timm/{name}.tv_in1k"} if name in _FIRST else {}
        return found | ({"imagenet-v2": f"hf://timm/{name}.tv2_in1k"} if name in _SECOND else {})

    def input(self, name: str) -> Input:
        """The size, mean and deviation of torchvision's default weights."""
        self._check(name)
        size = _SIZES.get(name, 224)
        if name in _HALVES:
            return Input(size=size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        return Input(size=size)

    def cuts(self, name: str) -> Sequence[Cut] | None:
        """The VGGs' by arithmetic; None: trace."""
        return vgg_cuts(name) if name in VGGS else None

    def truncated(self, name: str, cut: Cut) -> nn.Module | None:
        """The VGGs' slices of `features`; None: trace and cut."""
        if name in VGGS and re.fullmatch(r"features\.\d+", cut.node):
            return truncated_vgg(name, cut)
        return None

    def _check(self, name: str) -> None:
        if name not in self:
            raise UnknownNameError("backbone", name, self.names(), listing="zoo backbones")

"""timm's usual way, `features_only` with pretrained weights, read from a file. See `benchmarks/load.py`."""

import sys

import timm
import torch
from meter import measured


def load():
    return timm.create_model(
        "vgg16.tv_in1k",
        features_only=True,
        out_indices=(2,),
        pretrained=True,
        pretrained_cfg_overlay={"file": sys.argv[1]},
    )


measured(load, torch.rand(1, 3, 64, 64))

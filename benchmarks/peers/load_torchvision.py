"""torchvision's usual way: build, load, slice. See `benchmarks/load.py`."""

import sys

import torch
from meter import measured
from safetensors.torch import load_file
from torchvision.models import vgg16


def load():
    network = vgg16()
    network.load_state_dict(load_file(sys.argv[1]))
    return network.features[:16]


measured(load, torch.rand(1, 3, 64, 64))

"""Ours: only block3's tensors are read. See `benchmarks/load.py`."""

import sys

import torch
from meter import measured

from zoo.models.building import build_filters


def load():
    return build_filters("vgg16", cut="block3", weights=sys.argv[1])


measured(load, torch.rand(1, 3, 64, 64))

"""Ours: the header, then the ranges of block3's tensors. See `benchmarks/fetch.py`."""

import json
import sys
import time

import huggingface_hub.hf_api  # noqa: F401 (ours imports it when it is needed; here all imports go before the clock)
import torch

from zoo.models.building import build_filters

begun = time.perf_counter()
filters = build_filters("vgg16", cut="block3", weights=f"hf://{sys.argv[1]}")
seconds = time.perf_counter() - begun
weights = sum(tensor.nbytes for tensor in filters.module.state_dict().values())
total = sum(float(torch.sum(parameter.detach())) for parameter in filters.module.parameters())
print(json.dumps({"seconds": seconds, "weights": weights, "sum": total}))

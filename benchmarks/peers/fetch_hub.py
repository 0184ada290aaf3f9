"""The Hub's client: the whole file, then block3's tensors out of it. See `benchmarks/fetch.py`."""

import json
import sys
import time

from huggingface_hub import hf_hub_download
from safetensors import safe_open

KEPT = {f"features.{layer}.{kind}" for layer in (0, 2, 5, 7, 10, 12, 14) for kind in ("weight", "bias")}

begun = time.perf_counter()
path = hf_hub_download(sys.argv[1], "model.safetensors")
with safe_open(path, "pt") as opened:
    tensors = {name: opened.get_tensor(name) for name in KEPT}
seconds = time.perf_counter() - begun
weights = sum(tensor.nbytes for tensor in tensors.values())
print(json.dumps({"seconds": seconds, "weights": weights, "sum": sum(float(one.sum()) for one in tensors.values())}))

"""The Hub's client: a whole file into its cache. See `benchmarks/fetch.py`."""

import json
import sys
import time
from pathlib import Path

from huggingface_hub import hf_hub_download

begun = time.perf_counter()
path = hf_hub_download(sys.argv[1], "model.safetensors")
print(json.dumps({"seconds": time.perf_counter() - begun, "size": Path(path).stat().st_size}))

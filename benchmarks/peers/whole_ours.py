"""Ours: a whole file into the Hub's cache. See `benchmarks/fetch.py`."""

import json
import sys
import time

from zoo.store.source_parsing import parse_source

source = parse_source(sys.argv[1])
begun = time.perf_counter()
path = source.fetch("model.safetensors")
print(json.dumps({"seconds": time.perf_counter() - begun, "size": path.stat().st_size}))

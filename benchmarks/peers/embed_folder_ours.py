"""A folder's vectors: FOLDER FILTERS OUT SIDE [PRECISION]. See `benchmarks/embed.py`."""

import json
import os
import sys
import time

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does

from meter import resident

import zoo

folder, name, out, side, *precision = sys.argv[1:]
filters = zoo.load(name)
begun, before = time.perf_counter(), sum(os.times()[:4])
how = {"size": int(side), "device": "cpu", "precision": precision[0] if precision else "auto"}
written = filters.embed_into(out, folder, **how, skip_unreadable=True, overwrite=True)
taken, used = time.perf_counter() - begun, sum(os.times()[:4]) - before
print(json.dumps({"seconds": taken, "processor": used, "pictures": written.pictures, "peak": resident("VmHWM")}))

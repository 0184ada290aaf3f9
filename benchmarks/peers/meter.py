"""Time and memory of a loading script, measured the same way for all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(line: str) -> float:
    """MiB: `VmRSS` now, `VmHWM` at its highest since it was last reset."""
    return next(int(one.split()[1]) for one in STATUS.read_text().splitlines() if one.startswith(line)) / 1024


def measured(load: Callable[[], Any], picture: Any) -> None:
    """Load, use once, and print what it took as JSON. All is imported already when this is called.

    Args:
        load: gives a network.
        picture: a batch (1, 3, S, S) float for it.
    """
    import torch

    REFERENCES.write_text("5")  # the highest resident size is forgotten
    before, begun = resident("VmRSS"), time.perf_counter()
    network = load().eval()
    ready, peak_ready = time.perf_counter() - begun, resident("VmHWM") - before
    for parameter in network.parameters():  # mapped tensors are read from the disk here, and not before
        parameter.detach().sum()
    touched, peak_touched = time.perf_counter() - begun, resident("VmHWM") - before
    with torch.no_grad():
        features = network(picture)
    used, peak_used = time.perf_counter() - begun, resident("VmHWM") - before
    features = features[-1] if isinstance(features, list) else features
    weights = sum(parameter.nbytes for parameter in network.parameters()) / 2**20
    told = {"ready": ready, "touched": touched, "used": used, "weights": weights, "shape": list(features.shape)}
    print(json.dumps(told | {"peak_ready": peak_ready, "peak_touched": peak_touched, "peak_used": peak_used}))

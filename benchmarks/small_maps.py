"""Weight gradients of 3 x 3 convolutions in bfloat16: torch's (oneDNN) and zoo's matrix products, by channels and map.

    python benchmarks/small_maps.py [--json FILE]

One thread; the contenders take turns, and the quickest of --rounds counts, since other work only ever slows. The
forward pass stands beside them as what the processor can do. GFLOP/s.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from common import describe_machine

from zoo.training.small_maps import MOST_CELLS, _weight_gradient

SHAPES = (  # channels in and out, side of the map
    (128, 128, 8),
    (256, 256, 6),
    (256, 256, 12),
    (256, 512, 6),
    (512, 512, 3),
    (512, 512, 4),
    (512, 512, 6),
    (512, 512, 8),
    (512, 512, 10),
    (512, 512, 12),
    (512, 512, 14),
)


def measure(inputs: int, outputs: int, side: int, *, batch: int, rounds: int) -> dict[str, float]:
    """GFLOP/s of each."""
    last = torch.channels_last
    images = torch.randn(batch, inputs, side, side).bfloat16().to(memory_format=last)
    weight = (torch.randn(outputs, inputs, 3, 3) / 50).bfloat16().to(memory_format=last)
    grad = torch.randn(batch, outputs, side, side).bfloat16().to(memory_format=last)
    geometry: Any = (None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False])
    contenders: Mapping[str, Callable[[], Any]] = {
        "forward": lambda: torch.conv2d(images, weight, padding=1),
        "torch": lambda: torch.ops.aten.convolution_backward(grad, images, weight, *geometry),
        "ours": lambda: _weight_gradient(images, grad, weight.shape, (1, 1)),
    }
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, run in contenders.items():
            begun = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - begun)
    operations = 2 * 9 * batch * inputs * outputs * side**2
    return {name: operations / seconds / 1e9 for name, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe_machine(device="cpu")
    print(machine, f"\nTaken by zoo up to {MOST_CELLS} cells.\n\n| channels | map | forward | torch | ours | ratio |")
    print("|---|---|---:|---:|---:|---:|")
    rows = []
    for inputs, outputs, side in SHAPES:
        found = measure(inputs, outputs, side, batch=options.batch, rounds=options.rounds)
        rows.append({"inputs": inputs, "outputs": outputs, "side": side, **found})
        cells = " | ".join(f"{found[name]:.0f}" for name in ("forward", "torch", "ours"))
        ratio = found["ours"] / found["torch"]
        print(f"| {inputs} to {outputs} | {side} x {side} | {cells} | {ratio:.2f} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "batch": options.batch, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

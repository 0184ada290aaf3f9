"""Loading VGG16 up to block3 from a whole checkpoint of 553 MB: ours beside torchvision's and timm's usual way.

The checkpoint (random weights, safetensors) is written once into a temporary folder, under torchvision's names and
under timm's. Each contender is a fresh process; the clock starts when its imports are done, with the file in the
page cache. See `benchmarks/peers/load_*.py` for what each does.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from common import PEERS, Promise, Table, describe_machine, interleave, median, parser, ratio, tell, told_by
from fixtures import write_checkpoints

NAMES = ("ours", "torchvision", "timm")


def main() -> None:
    """Measure and tell."""
    arguments = parser(__doc__, rounds=7).parse_args()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as made:
        files = write_checkpoints(Path(made))
        files["ours"] = files["torchvision"]
        contenders = {
            name: partial(told_by, [sys.executable, str(PEERS / f"load_{name}.py"), str(files[name])]) for name in NAMES
        }
        runs = interleave(contenders, rounds=arguments.rounds)
    columns = {name: {key: [run[key] for run in found] for key in found[0]} for name, found in runs.items()}
    keys = ("ready", "touched", "used", "peak_ready", "peak_touched", "peak_used")
    rows = [
        (
            name,
            *(median(found[key]) * (1 if key.startswith("peak") else 1000) for key in keys),
            *(ratio(found[key], columns["ours"][key]) for key in ("ready", "touched", "peak_touched")),
        )
        for name, found in columns.items()
    ]
    table = Table(
        title="Module ready; and every weight read once; and features of one picture of 64 px computed",
        columns=(
            "",
            *("ready ms", "read ms", "used ms", "peak MiB", "read MiB", "used MiB"),
            *("ready / ours", "read / ours", "MiB / ours"),
        ),
        rows=tuple(rows),
    )
    promises = [
        Promise(text=f"{peer} over ours, module ready", wanted=20, measured=ratio(found["ready"], ours["ready"]))
        for ours in [columns["ours"]]
        for peer, found in columns.items()
        if peer != "ours"
    ]
    weights = columns["ours"]["weights"][0]
    measured = median(columns["ours"]["peak_touched"]) / weights
    text = f"our peak, every weight read, over the {weights:.2f} MiB of weights"
    promises.append(Promise(text=text, wanted=2, measured=measured, most=True))
    tell([table], promises, machine=machine, raw=runs, path=arguments.json)


if __name__ == "__main__":
    main()

"""The same fine-tuning by `zoo.train` and by the plain loop of PyTorch's documentation, fresh processes in turn.

The filters vgg16-plankton are fine-tuned on drawn plankton of kinds that they never saw: the same pictures, splits,
start weights, epochs, batch, rates and schedule, AdamW with the gradient clipped. `plain` is torchvision with a
DataLoader, fp32; `plain bf16` adds autocast and channels_last; `memory` has its pictures decoded beforehand, not
counted. All validate after each epoch and score the test pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from common import PEERS, Promise, Table, describe_machine, interleave, median, parser, ratio, tell, told_by

PLAIN = {
    "plain": {"fast": False, "memory": False},
    "plain bf16": {"fast": True, "memory": False},
    "plain, memory": {"fast": False, "memory": True},
    "plain bf16, memory": {"fast": True, "memory": True},
}


def read_arguments() -> argparse.Namespace:
    """What the user said."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--pictures", type=int, default=600, help="drawn, of the other kinds (default %(default)s)")
    made.add_argument("--size", type=int, default=64, help="their side in pixels (default %(default)s)")
    made.add_argument("--epochs", type=int, default=3)
    made.add_argument("--batch", type=int, default=64)
    made.add_argument("--seeds", type=int, default=1, help="seeds, each in --rounds runs (default %(default)s)")
    made.add_argument("--rate", type=float, default=3e-4)
    made.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    made.add_argument("--cut", default="block3")
    made.add_argument("--retrain", default="block3", help="the first block that is trained (default %(default)s)")
    made.add_argument("--base", default="vgg16-plankton", help="filters that all start from (default %(default)s)")
    made.add_argument("--only", nargs="+", choices=["ours", *PLAIN], help="these contenders alone")
    return made.parse_args()


def find_base(how: argparse.Namespace) -> Path:
    """The folder of the filters that everybody starts from."""
    import zoo

    return zoo.fetch(how.base).folder


def write_tree(folder: Path, data: Any, *, seed: int) -> dict[str, int]:
    """Links to the pictures, `train`, `val` and `test` with a folder a kind: the split that zoo draws for that seed."""
    decoded = data.decode(16)  # another size than is measured: nothing is decoded in advance
    splits = data.split(decoded, seed=seed)
    names = data.dataset.targets["label"].names
    for split in ("train", "val", "test"):
        for name in names:
            (folder / split / name).mkdir(parents=True)
        for row in getattr(splits, split).tolist():
            picture = Path(decoded.paths[row])
            (folder / split / names[int(decoded.targets["label"][row])] / picture.name).symlink_to(picture)
    return {split: len(getattr(splits, split)) for split in ("train", "val", "test")}


def describe_work(folder: Path, how: argparse.Namespace) -> dict[str, Any]:
    """What every contender is told."""
    import zoo

    options = {"kinds": "other", "pictures": how.pictures}
    data = zoo.open_dataset("plankton", options=options)
    base = find_base(how)
    filters = zoo.load(base)
    cuts = {cut.name: cut for cut in filters.cuts}
    before = list(cuts)[: list(cuts).index(how.retrain)] if how.retrain != "all" else []
    return {
        "root": str(data.root),
        "options": options,
        "base": str(base),
        "weights": str(base / "model.safetensors"),
        "last": int(filters.cut.node.rpartition(".")[2]),
        "frozen": int(cuts[before[-1]].node.rpartition(".")[2]) if before else -1,
        "channels": filters.cut.channels,
        "classes": len(data.dataset.targets["label"].names),
        **{key: getattr(how, key) for key in ("size", "epochs", "batch", "rate", "device", "retrain")},
    }


def one_run(name: str, work: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One contender in a process of its own; ours with an empty cache."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        env = {**os.environ, "ZOO_HOME": made}
        script = PEERS / ("finetune_ours.py" if name == "ours" else "finetune_plain.py")
        told = {**work, **PLAIN.get(name, {}), "out": f"{made}/run"}
        return told_by([sys.executable, str(script), json.dumps(told)], env=env)


def measure(folder: Path, how: argparse.Namespace) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
    """All runs by contender, a seed after the other, and the sizes of the splits."""
    import zoo

    work = describe_work(folder, how)
    names = how.only or ["ours", *PLAIN]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(how.seeds):
        tree = folder / f"tree-{seed}"
        data = zoo.open_dataset("plankton", work["root"], options=work["options"])
        sizes = write_tree(tree, data, seed=seed)
        told = {**work, "seed": seed, "tree": str(tree)}
        turned = names[seed % len(names) :] + names[: seed % len(names)]
        found = interleave({n: partial(one_run, n, told, folder) for n in turned}, rounds=how.rounds, warm_up=0)
        for name, results in found.items():
            runs[name] += [{"seed": seed, **result} for result in results]
    return runs, sizes


def table_of(runs: dict[str, list[dict[str, Any]]], title: str) -> Table:
    """Medians, and ratios over ours: whole for whole, without decoding for without."""
    rows = []
    for name, found in runs.items():
        columns = {key: [result[key] for result in found] for key in ("whole", "fit", "rate", "accuracy")}
        memory = name.endswith("memory")
        beside: object = ""
        if name != "ours" and "ours" in runs:
            key = "fit" if memory else "whole"
            beside = ratio(columns[key], [result[key] for result in runs["ours"]])
        without = median(columns["fit"]) if memory or name == "ours" else "-"
        whole = "-" if memory else median(columns["whole"])
        percent = " ".join(f"{100 * value:.1f}" for value in columns["accuracy"])
        rows.append((name, whole, without, median(columns["rate"]), beside, percent))
    columns_of = (
        "",
        "whole s",
        "without decoding s",
        "training pictures/s",
        "seconds / ours",
        "test accuracy, % a run",
    )
    return Table(title=title, columns=columns_of, rows=tuple(rows))


def main() -> None:
    """Measure and tell."""
    how = read_arguments()
    machine = describe_machine(device=how.device)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ.update(ZOO_HOME=str(folder / "home"), HF_HOME=str(folder / "hf"), HF_HUB_OFFLINE="1")
        runs, sizes = measure(folder, how)
    listed = ", ".join(f"{count:,} {split}" for split, count in sizes.items())
    title = (
        f"VGG16 to {how.cut}, trained from {how.retrain} on, {how.size} px, {how.epochs} epochs, batch {how.batch}, "
        f"{how.device}: {listed} pictures"
    )
    promises = []
    if "ours" in runs:
        wanted = 1.5 if how.device.startswith("cuda") else 3
        promises = [
            Promise(
                text=f"{name} over ours, whole",
                wanted=wanted,
                measured=ratio([r["whole"] for r in runs[name]], [r["whole"] for r in runs["ours"]]),
            )
            for name in ("plain", "plain bf16")
            if name in runs
        ]
    tell([table_of(runs, title)], promises, machine=machine, raw=runs, path=how.json)


if __name__ == "__main__":
    main()

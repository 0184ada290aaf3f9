"""Labels that nest: what does an answer higher up bring where the net is unsure?

    python benchmarks/hierarchy.py --data DIR --json docs/hierarchy.json

DIR holds the plankton of docs/results.md. Its labels are written as paths (`Copepod > Calanus`; a Copepod of which
no more is known keeps its label), and heads learn them on the frozen filters of vgg16-imagenet up to block 4: flat, and
`hierarchy` without and with a loss of the upper levels. No day is on two sides; every seed deals the days anew.
Intervals are Nadeau and Bengio's, as in franken.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import describe_machine
from franken import corrected_interval

from zoo.training import FeatureCachePool
from zoo.training.finetune import train_recipe
from zoo.training.recipe import DataPart, FiltersPart, HeadPart, Recipe, TrainingPart

ABOVE = {
    "Copepod": ("Calanus", "Metridia", "Oithona", "Pseudocalanus", "Neocalanus"),
    "Cnidaria": ("Aglantha", "Clytia", "Siphonophora"),
    "Ctenophora": ("Bolinopsis", "Pleurobrachia"),
    "Larvacea": ("Oikopleura",),
}
SURE = (0.6, 0.8, 0.9)
LEVELS = 0.5
OVERLAP = 0.15 / 0.85  # of two seeds' test pictures, for the interval: 15% are tested on
HEADS = (
    HeadPart(plugin="classify"),
    *(HeadPart(plugin="hierarchy", name=f"sure-{100 * sure:.0f}", options={"sure": sure}) for sure in SURE),
    HeadPart(plugin="hierarchy", name="levels", options={"sure": 0.8, "levels": LEVELS}),
)
FIGURES = ("accuracy", "distance", "distance_answer", "right_answer", "depth_answer")


def nested(label: str) -> str:
    """The path of a label."""
    return next((f"{above} > {label}" for above, below in ABOVE.items() if label in below), label)


def write_table(folder: Path, place: Path) -> Path:
    """groups.csv with paths for labels; pictures by their whole paths."""
    with (folder / "groups.csv").open(newline="") as file:
        rows = [{**row, "label": nested(row["label"])} for row in csv.DictReader(file)]
    table = place / "nested.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "label", "group"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return table


def summarise(each: Mapping[str, Sequence[Mapping[str, float]]]) -> list[dict[str, Any]]:
    """A row a head: means over the seeds, and how much nearer its answers are than the likeliest label is."""
    rows = []
    for head, seeds in each.items():
        row: dict[str, Any] = {"head": head, "seeds": len(seeds)}
        for name in FIGURES:
            if name in seeds[0]:
                row[name] = float(np.mean([one[name] for one in seeds]))
        if "distance" in seeds[0] and len(seeds) > 1:
            gaps = [one["distance"] - one["distance_answer"] for one in seeds]
            row["answer_nearer_by"] = corrected_interval(gaps, ratio=OVERLAP)
            flat = [one["accuracy"] for one in each["classify"]]
            row["accuracy_over_flat"] = corrected_interval(
                [one["accuracy"] - other for one, other in zip(seeds, flat, strict=True)], ratio=OVERLAP
            )
        rows.append({**row, "each": list(seeds)})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    lines = ["| head | " + " | ".join(FIGURES) + " | nearer by | accuracy over flat |", "|---|" + "---:|" * 7]
    for row in rows:
        cells = [f"{row[name]:.3f}" if name in row else "" for name in FIGURES]
        gaps = [row.get(name) for name in ("answer_nearer_by", "accuracy_over_flat")]
        cells += ["{:+.3f} [{:+.3f}, {:+.3f}]".format(*gap) if gap else "" for gap in gaps]
        lines.append(f"| {row['head']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    begun, pool = time.monotonic(), FeatureCachePool(2)
    each: dict[str, list[dict[str, float]]] = {}
    sizes = []
    with tempfile.TemporaryDirectory() as place:
        labels = write_table(options.data, Path(place))
        data = DataPart(dataset="image-folder", root=str(options.data), options={"labels": str(labels), "turns": True})
        training = TrainingPart(retrain="none", epochs=0, head_epochs=60, patience=10, augment="none")
        for seed in range(options.seeds):
            recipe = Recipe(
                seed=seed,
                size=options.size,
                data=data,
                filters=FiltersPart(name="vgg16-imagenet", cut="block4"),
                heads=HEADS,
                training=training,
            )
            run = train_recipe(recipe, Path(place, str(seed)), cache_pool=pool)
            sizes.append(run.record.splits.model_dump(include={"train", "val", "test"}))
            for head, figures in run.metrics["test"].items():
                each.setdefault(head, []).append({name: float(figures[name]) for name in FIGURES if name in figures})
            print(
                f"{time.monotonic() - begun:6.0f} s  seed {seed}: {each['classify'][-1]} {each['sure-80'][-1]}",
                flush=True,
            )
    rows = summarise(each)
    print(table(rows))
    content = {
        "data": options.data.name,
        "size": options.size,
        "splits": sizes,
        "above": ABOVE,
        "machine": describe_machine(device="cpu"),
        "rows": rows,
    }
    options.json.write_text(json.dumps(content, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()

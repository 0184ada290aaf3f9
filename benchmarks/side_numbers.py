"""Size beside the features: does it help to name a picture that it was known how large the thing is?

    python benchmarks/side_numbers.py --data DIR --with orig_width orig_height --json docs/side-numbers.json

DIR holds the plankton of docs/results.md; groups.csv has the pictures' sizes before they were made smaller. Two heads
`classify` on the frozen filters of vgg16-imagenet up to block 4, one of which is given the numbers too (as
`--head classify:with=orig_width+orig_height`), and, on the same splits, the numbers alone. No day is on two sides;
every seed deals the days anew. Intervals are Nadeau and Bengio's, as in franken.py.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from common import describe_machine
from franken import corrected_interval
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zoo
from zoo.training import FeatureCachePool
from zoo.training.finetune import train_recipe
from zoo.training.recipe import DataPart, FiltersPart, HeadPart, Recipe, TrainingPart

OVERLAP = 0.15 / 0.85  # of two seeds' test pictures, for the interval: 15% are tested on
PLAIN, WITH, ALONE = "features", "features and numbers", "numbers alone"
FIGURES = ("accuracy", "balanced_accuracy", "log_loss")


def score_alone(recipe: Recipe) -> dict[str, float]:
    """A logistic regression on the logarithms of the numbers."""
    data = zoo.open_dataset(recipe.data.dataset, recipe.data.root, options=recipe.data.options)
    decoded = data.decode(recipe.size)
    splits = recipe.split(data, decoded)
    x = np.stack([decoded.numbers[name].log1p().numpy() for name in recipe.heads[1].numbers], axis=1)
    y = decoded.targets["label"].numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x[splits.train], y[splits.train])
    right = model.predict(x[splits.test]) == y[splits.test]
    kinds = y[splits.test]
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[kinds == kind].mean() for kind in np.unique(kinds)])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--with", dest="numbers", nargs="+", default=["orig_width", "orig_height"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    begun, pool = time.monotonic(), FeatureCachePool(2)
    each: dict[str, list[dict[str, float]]] = {PLAIN: [], WITH: [], ALONE: []}
    sizes = []
    heads = (HeadPart(plugin="classify", name="plain"), HeadPart(plugin="classify", numbers=tuple(options.numbers)))
    data = DataPart(dataset="image-folder", root=str(options.data.resolve()), options={"labels": "groups.csv"})
    training = TrainingPart(retrain="none", epochs=0, head_epochs=60, patience=10, augment="none")
    for seed in range(options.seeds):
        filters = FiltersPart(name="vgg16-imagenet", cut="block4")
        recipe = Recipe(seed=seed, size=options.size, data=data, filters=filters, heads=heads, training=training)
        with tempfile.TemporaryDirectory() as place:
            run = train_recipe(recipe, Path(place, "run"), cache_pool=pool)
            figures = run.metrics["test"]
        sizes.append(run.record.splits.model_dump(include={"train", "val", "test"}))
        for row, head in ((PLAIN, "plain"), (WITH, "classify")):
            each[row].append({name: float(figures[head][name]) for name in FIGURES})
        each[ALONE].append(score_alone(recipe))
        said = {row: f"{100 * seeds[-1]['accuracy']:.1f}" for row, seeds in each.items()}
        print(f"{time.monotonic() - begun:6.0f} s  seed {seed}: {said}", flush=True)
    rows = []
    print("| head is given | accuracy | balanced | log loss | more than features |\n|---|---:|---:|---:|---:|")
    for title, seeds in each.items():
        row = {name: float(np.mean([one[name] for one in seeds])) for name in FIGURES if name in seeds[0]}
        gaps = [one["accuracy"] - other["accuracy"] for one, other in zip(seeds, each[PLAIN], strict=True)]
        gap = corrected_interval(gaps, ratio=OVERLAP) if title != PLAIN and len(seeds) > 1 else None
        rows.append({"row": title, **row, "over_features": gap, "each": seeds})
        more = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * one for one in gap)) if gap else ""
        loss = f"{row['log_loss']:.2f}" if "log_loss" in row else ""
        figures = f"{100 * row['accuracy']:.1f}% | {100 * row['balanced_accuracy']:.1f}%"
        print(f"| {title} | {figures} | {loss} | {more} |")
    content = {"data": options.data.name, "size": options.size, "numbers": options.numbers, "splits": sizes}
    content |= {"machine": describe_machine(device="cpu"), "rows": rows}
    options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

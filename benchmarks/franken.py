"""The first claim: a truncated VGG16 with learnt filters beats small nets from scratch, and itself from scratch.

    python benchmarks/franken.py --seeds 3 --epochs 40 --markdown docs/franken-vgg16.table.md

Every arm learns the same drawn plankton of kinds that the filters never saw, with the same splits; every arm may take
as many epochs as it likes up to the limit, and keeps its best on validation pictures. The rate of an arm is the best of
those given with --rates on the validation pictures of the first seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from zoo_quickstart import ComparedNetwork

from zoo.training.finetune import train_recipe
from zoo.training.recipe import DataPart, FiltersPart, HeadPart, Recipe, TrainingPart
from zoo.training.runs import Run

SIDE = 64  # pixels
PUBLISHED = FiltersPart(name="vgg16-plankton", cut="block3")
FINETUNED = ComparedNetwork(title="vgg16-plankton, fine-tuned", folder="finetuned", filters=PUBLISHED, rate=3e-4)
SCRATCH = ComparedNetwork(
    title="the same truncated VGG16, from scratch",
    folder="scratch",
    filters=FiltersPart(backbone="vgg16", cut="block3", weights="random"),
    rate=3e-4,
)
MNIST = ComparedNetwork(
    title="a small MNIST-style net, from scratch",
    folder="mnist",
    filters=FiltersPart(backbone="digits/mnist-convnet", cut="block2", weights="random"),
    rate=1e-3,
)
FROZEN = ComparedNetwork(title="vgg16-plankton, frozen", folder="frozen", filters=PUBLISHED, rate=3e-4, retrain="none")
ARMS = (FINETUNED, SCRATCH, MNIST, FROZEN)


def recipe(arm: ComparedNetwork, *, pictures: int, seed: int, epochs: int, rate: float) -> Recipe:
    return Recipe(
        seed=seed,
        size=SIDE,
        data=DataPart(dataset="plankton", options={"kinds": "other", "pictures": pictures, "seed": seed}),
        filters=FiltersPart(**arm.filters.model_dump()),
        heads=(HeadPart(plugin="classify"),),
        training=TrainingPart(
            epochs=epochs,
            batch=32,
            rate=rate,
            patience=epochs,
            retrain=arm.retrain,
        ),
    )


def one_run(arm: ComparedNetwork, place: Path, **how: object) -> Run:
    return train_recipe(recipe(arm, **how), place)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=700)
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    results: dict[str, dict[str, object]] = {}
    how = {"pictures": options.pictures, "epochs": options.epochs}
    with tempfile.TemporaryDirectory() as folder:
        for arm in ARMS:
            tried = {}
            for rate in options.rates if arm is not FROZEN else options.rates[:1]:
                run = one_run(arm, Path(folder, f"{arm.folder}-{rate}"), seed=0, rate=rate, **how)
                tried[rate] = (run.metrics["validation"]["classify"]["log_loss"], run)
            rate = min(tried, key=lambda value: tried[value][0])
            runs = [tried[rate][1]]
            runs += [
                one_run(arm, Path(folder, f"{arm.folder}-seed{seed}"), seed=seed, rate=rate, **how)
                for seed in range(1, options.seeds)
            ]
            figures = [run.metrics["test"]["classify"] for run in runs]
            results[arm.title] = {
                "rate": rate,
                "accuracy": [figure["accuracy"] for figure in figures],
                "balanced": [figure["balanced_accuracy"] for figure in figures],
                "log_loss": [figure["log_loss"] for figure in figures],
                "test_pictures": runs[0].record.splits.test,
            }
            print(arm.title, json.dumps(results[arm.title]), flush=True)
        device, packages = runs[0].record.device, runs[0].record.versions
    table = _table(results)
    print(table)
    kinds, last = len(figures[0]["recall"]), options.seeds - 1
    said = (
        f"{options.pictures} drawn pictures of {kinds} kinds a seed, seeds 0 to {last}, at most {options.epochs} "
        f"epochs, {SIDE} x {SIDE} pixels, {device}, torch {packages['torch']}. Rates tried on seed 0's validation "
        f"pictures: {', '.join(f'{rate:g}' for rate in options.rates)}."
    )
    if options.json:
        options.json.write_text(json.dumps({"how": said, "arms": results}, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(f"{table}\n\n{said}\n")


def _table(results: dict[str, dict[str, object]]) -> str:
    lines = ["| net | test accuracy, mean | each seed | balanced | log loss | rate |", "|---|---:|---|---:|---:|---:|"]
    for title, figure in results.items():
        seeds = " ".join(f"{100 * value:.1f}" for value in figure["accuracy"])  # type: ignore[attr-defined]
        means = {key: float(np.mean(figure[key])) for key in ("accuracy", "balanced", "log_loss")}  # type: ignore[arg-type]
        lines.append(
            f"| {title} | {100 * means['accuracy']:.1f}% | {seeds} | {100 * means['balanced']:.1f}% | "
            f"{means['log_loss']:.3f} | {figure['rate']:g} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""How hard the drawn fisheries are: one net from scratch, without and with boxes, and on the true crop.

    python benchmarks/fisheries.py --seeds 3 --markdown hard.md

Every arm sees the same pictures and splits; `seen` are new pictures of boats that were learnt from, `test` those of
boats that never were. A seed draws other training pictures, weights and batches; the drawn set stays the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.training.finetune import train_recipe
from zoo.training.recipe import DataPart, FiltersPart, HeadPart, Recipe, TrainingPart
from zoo.training.runs import Run

PICTURES, WIDTH, SIDE, SEEN = 4000, 192, 96, 0.14
EPOCHS = {300: (20, 16), 2000: (10, 32)}  # epochs and pictures a step, by the number of training pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to learn the kinds."""

    title: str
    heads: tuple[str, ...]
    crop: str | None = None


ARMS = (
    Arm(title="kind", heads=("classify",)),
    Arm(title="kind and box", heads=("classify", "locate")),
    Arm(title="kind, from the true crop", heads=("classify",), crop="truth"),
)


def recipe(arm: Arm, *, learnt: int, seed: int, root: Path | None) -> Recipe:
    """The recipe of one training."""
    epochs, batch = EPOCHS[min(EPOCHS, key=lambda count: abs(count - learnt))]
    return Recipe(
        seed=seed,
        size=SIDE,
        data=DataPart(
            dataset="fisheries",
            root=str(root) if root else None,
            options={"pictures": PICTURES, "width": WIDTH},
            seen=SEEN,
            limit=learnt,
            crop=arm.crop,
        ),
        filters=FiltersPart(backbone="resnet18", weights="random", cut="block4"),
        heads=tuple(HeadPart(plugin=name) for name in arm.heads),
        training=TrainingPart(epochs=epochs, batch=batch, rate=2e-3, patience=epochs),
    )


def main() -> None:
    """Train, print a table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learnt", type=int, nargs="+", default=list(EPOCHS))
    parser.add_argument("--data", type=Path, help="where the drawn set lies, or shall lie")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for learnt in options.learnt:
            for arm in ARMS:
                runs = [
                    train_recipe(
                        recipe(arm, learnt=learnt, seed=seed, root=options.data),
                        Path(folder, f"{arm.title}-{learnt}-{seed}"),
                    )
                    for seed in range(options.seeds)
                ]
                results.append({"learnt": learnt, "arm": arm.title, **_figures(runs)})
                print(json.dumps(results[-1]), flush=True)
        record = runs[0].record
    epochs = ", ".join(f"{count}: {how[0]} epochs in batches of {how[1]}" for count, how in EPOCHS.items())
    said = (
        f"{PICTURES} drawn pictures, {WIDTH} pixels wide, taken at {SIDE} x {SIDE}; resnet18 up to block4 from random "
        f"weights, rate 0.002, by training pictures {epochs}; the mean of seeds 0 to {options.seeds - 1}; "
        f"{record['splits']['test']} test pictures; {record['device']}, torch {record['versions']['torch']}."
    )
    text = f"{_table(results)}\n\n{said}\n"
    print(text)
    if options.json:
        options.json.write_text(json.dumps({"how": said, "arms": results}, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(text)


def _figures(runs: list[Run]) -> dict[str, object]:
    """Of every seed, by split: accuracy, log loss and IoU, where there is any; and the seconds of a training."""
    wanted = (("classify", "accuracy"), ("classify", "log_loss"), ("locate", "iou"))
    figures: dict[str, object] = {"seconds": float(np.median([run.record["seconds"] for run in runs]))}
    for split in ("seen", "test"):
        for head, key in wanted:
            values = [run.metrics[split][head][key] for run in runs if head in run.metrics[split]]
            if values:
                figures[f"{split} {key}"] = values
    return figures


def _table(results: list[dict[str, object]]) -> str:
    lines = [
        "| pictures learnt from | what is learnt | accuracy, seen boats | unseen | log loss, seen | unseen | IoU, seen "
        "| unseen | seconds |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        cells = [str(result["learnt"]), str(result["arm"])]
        for key, form in (("accuracy", "{:.1%}"), ("log_loss", "{:.2f}"), ("iou", "{:.2f}")):
            for split in ("seen", "test"):
                values = result.get(f"{split} {key}")
                cells.append(form.format(float(np.mean(values))) if values else "")  # type: ignore[arg-type]
        cells.append(f"{result['seconds']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""What is compared: filters fine-tuned and frozen, features made by hand, and nets from scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data import OpenDataset
from zoo.progress import Progress
from zoo.training import (
    DataPart,
    FeatureCachePool,
    FiltersPart,
    HeadPart,
    Recipe,
    Run,
    TrainingPart,
    train_recipe,
)
from zoo_quickstart.by_hand import score_by_hand

BASE = "vgg16-imagenet"
CUT = "block4"
PICTURES = 400  # drawn, by default
SIDE = 48  # pixels
EPOCHS = 8  # of every net, by default; the heads on frozen filters take up to 30 on cached features

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedNetwork:
    """One of the networks that are compared."""

    title: str
    folder: str
    filters: FiltersPart
    rate: float  # of fine-tuning, how it was chosen stands in the README of the package
    retrain: str = "auto"  # as a recipe says it


COMPARED_NETWORKS = (
    ComparedNetwork(
        title=f"{BASE}, fine-tuned",
        folder="finetuned",
        filters=FiltersPart(name=BASE, cut=CUT),
        rate=1e-4,
    ),
    ComparedNetwork(
        title=f"{BASE}, frozen", folder="frozen", filters=FiltersPart(name=BASE, cut=CUT), rate=1e-4, retrain="none"
    ),
    ComparedNetwork(
        title="the same net with batch norm, from scratch",
        folder="scratch",
        filters=FiltersPart(backbone="vgg16_bn", cut=CUT, weights="random"),
        rate=1e-3,
    ),
    ComparedNetwork(
        title="a small MNIST-style net, from scratch",
        folder="mnist",
        filters=FiltersPart(backbone="digits/mnist-convnet", cut="block2", weights="random"),
        rate=3e-3,
    ),
)
HAND_TITLE = "30 features by hand, logistic regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """A line of the comparison."""

    title: str
    metrics: Mapping[str, Any]  # on the test pictures, by the names of the head `classify`
    parameters: int
    seconds: float  # of its training and scoring
    pretrained: bool = False  # whether it begins with weights that were learnt elsewhere
    rate: float | None = None  # of the training of its filters; None: they are not trained


def describe_epochs(epochs: int) -> str:
    """What is equal for all that is compared, in a sentence."""
    return (
        f"Every net that is trained has the same {epochs} epochs; the head on frozen filters has up to 30, before "
        "fine-tuning too."
    )


def compare(
    data: OpenDataset,
    out: Path,
    options: dict[str, Any],
    *,
    seed: int,
    epochs: int,
    progress: Progress,
    say: Say,
) -> tuple[Run, tuple[ComparedRow, ...]]:
    """Train all that is compared.

    Args:
        data: the pictures, opened with the options.
        out: the folder for the runs.
        options: of the dataset, for the recipes.
        seed: of every training.
        epochs: of every net that is trained.
        progress: called with how far the work is.
        say: called with a line of text for each row, numbered from 3 on.

    Returns:
        the fine-tuned run, and a row for each.
    """
    rows: list[ComparedRow] = []
    runs: list[Run] = []
    pool = FeatureCachePool(2)  # what frozen filters give is computed once, for the first two

    def add(row: ComparedRow) -> None:
        rows.append(row)
        said = (
            f"{100 * row.metrics['accuracy']:.1f}% right, log loss {row.metrics['log_loss']:.2f}, {row.seconds:.0f} s"
        )
        say(f"{2 + len(rows)}. {row.title}: {said}.")

    for network in COMPARED_NETWORKS:
        recipe = make_recipe(network, data.root, options, seed=seed, epochs=epochs)
        runs.append(train_recipe(recipe, out / network.folder, progress=progress, cache_pool=pool))
        add(_row_of(network, runs[-1]))
        if network.retrain == "none":
            decoded = data.decode(SIDE)  # read back, as the training left it
            hand = score_by_hand(decoded, recipe.split(data, decoded), "label", seed=seed)
            add(ComparedRow(title=HAND_TITLE, metrics=hand.metrics, parameters=hand.parameters, seconds=hand.seconds))
    return runs[0], tuple(rows)


def _row_of(network: ComparedNetwork, run: Run) -> ComparedRow:
    return ComparedRow(
        title=network.title,
        metrics=run.metrics["test"]["classify"],
        parameters=sum(parameter.numel() for parameter in run.load_model().parameters()),
        seconds=run.record.seconds,
        pretrained=not network.filters.is_random,
        rate=None if network.retrain == "none" else network.rate,
    )


def make_recipe(network: ComparedNetwork, root: Path, options: dict[str, Any], *, seed: int, epochs: int) -> Recipe:
    return Recipe(
        seed=seed,
        size=SIDE,
        data=DataPart(dataset="plankton", root=str(root.resolve()), options=options),
        filters=network.filters,
        heads=(HeadPart(plugin="classify"),),
        training=TrainingPart(epochs=epochs, batch=32, rate=network.rate, patience=epochs, retrain=network.retrain),
    )

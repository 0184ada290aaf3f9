"""The quickstart: fetch filters, fine-tune them on new classes, compare, publish, fetch back, search."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from zoo_plankton import Plankton

import zoo
from zoo.data import open_dataset
from zoo.embedding import Embeddings
from zoo.files import check_output
from zoo.models import Filters, check_golden, fetch, load
from zoo.plots import draw_confusion, draw_curves, draw_filters, draw_neighbours
from zoo.progress import Progress, silent
from zoo.store import add_entry, entry_of, verify
from zoo.training import DataPart, FiltersPart, HeadPart, Recipe, Run, TrainingPart, train_recipe
from zoo_quickstart.page import PageBar, PageBars, PageCommand, PageContent, PageFigure, PageTable, write_page

BASE = "vgg16-plankton"
NEW = "vgg16-my-plankton"
PICTURES = 660  # of the new kinds, drawn: thirty a kind on average
SIDE = 64  # pixels
EPOCHS = 10
CUT = "block3"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedNetwork:
    """One of the networks that are compared."""

    title: str
    folder: str
    filters: FiltersPart
    rate: float  # of fine-tuning; benchmarks/franken.py tries others


COMPARED_NETWORKS = (
    ComparedNetwork(
        title=f"{BASE}, fine-tuned", folder="finetuned", filters=FiltersPart(name=BASE, cut=CUT), rate=3e-4
    ),
    ComparedNetwork(
        title="the same truncated VGG16, from scratch",
        folder="scratch",
        filters=FiltersPart(backbone="vgg16", cut=CUT, weights="random"),
        rate=3e-4,
    ),
    ComparedNetwork(
        title="a small MNIST-style net, from scratch",
        folder="mnist",
        filters=FiltersPart(backbone="digits/mnist-convnet", cut="block2", weights="random"),
        rate=1e-3,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickstartResult:
    """The results."""

    report: Path
    runs: tuple[tuple[ComparedNetwork, Run], ...]
    published: Path
    filters: Filters
    neighbours_agree: float  # share of the nearest neighbours that have their query's label


def run_quickstart(
    out: Path, *, seed: int = 0, progress: Progress = silent, say: Say = lambda text: None
) -> QuickstartResult:
    """Run the quickstart and write its report.

    Args:
        out: a folder that does not exist or is empty.
        seed: of the drawing and of every training.
        say: called with a line of text for each step.

    Raises:
        FileError: the folder is taken.
    """
    check_output(out, overwrite=None, folder=True)
    base = fetch(BASE, progress=progress)
    say(f"1. Fetched {BASE} by name: {len(base.manifest.files) + 1} files, every hash verified.")
    options = {"kinds": "other", "pictures": PICTURES, "seed": seed}
    Plankton(**options).prepare(out / "plankton", progress)
    data = open_dataset("plankton", out / "plankton", options=options)
    classes = len(data.dataset.targets["label"].names)  # type: ignore[union-attr]
    say(f"2. Drew {len(data.dataset)} pictures of {classes} classes of plankton that {BASE} was not trained on.")
    runs = []
    for number, network in enumerate(COMPARED_NETWORKS):
        run = train_recipe(_recipe(network, data.root, options, seed), out / network.folder, progress=progress)
        metrics = run.metrics["test"]["classify"]
        runs.append((network, run))
        say(
            f"{3 + number}. {network.title}: {100 * metrics['accuracy']:.1f}% right on {run.record.splits.test} "
            f"test pictures, log loss {metrics['log_loss']:.2f}, {run.record.seconds:.0f} s."
        )
    folder = out / NEW
    about = f"{BASE} fine-tuned on {classes} other kinds of drawn plankton"
    filters = _publish_and_fetch(runs[0][1], folder, about, progress)
    error = check_golden(filters)
    say(f"6. Published it to {folder}, fetched it back as {NEW!r}, verified it; golden features {error:.0e} off.")
    tests = [data.dataset[index] for index in data.dataset.splits["test"]]
    embeddings = filters.embed([sample.path or "" for sample in tests], progress=progress)
    names = data.dataset.targets["label"].names  # type: ignore[union-attr]
    labels = [names[sample.targets["label"]] for sample in tests]
    sheet, agree = _neighbours(tests, embeddings, labels)
    sheet.save(out / "neighbours.png")
    say(f"7. Embedded {len(embeddings)} test pictures: {100 * agree:.0f}% of nearest neighbours are of the same class.")
    result = QuickstartResult(
        report=out / "report.html", runs=tuple(runs), published=folder, filters=filters, neighbours_agree=agree
    )
    _write_report(result, embeddings=len(embeddings), sheet=sheet, labels=names)
    return result


def _publish_and_fetch(run: Run, folder: Path, about: str, progress: Progress) -> Filters:
    """The run's filters as they come back by their new name, from a registry beside their folder."""
    registry = folder.parent / "registry.toml"
    published = zoo.push(run, to=folder, license="apache-2.0", about=about, progress=progress)
    add_entry(entry_of(published.manifest, published.digest, f"./{folder.name}"), registry)
    with _with_registry(registry):
        verify(fetch(NEW, progress=progress), progress=progress)
        return load(NEW)


def _recipe(network: ComparedNetwork, root: Path, options: dict[str, Any], seed: int) -> Recipe:
    return Recipe(
        seed=seed,
        size=SIDE,
        data=DataPart(dataset="plankton", root=str(root.resolve()), options=options),
        filters=network.filters,
        heads=(HeadPart(plugin="classify"),),
        training=TrainingPart(epochs=EPOCHS, batch=32, rate=network.rate, retrain="auto"),
    )


@contextmanager
def _with_registry(path: Path) -> Iterator[None]:
    """The names of one more registry file, for a while."""
    before = os.environ.get("ZOO_REGISTRY")
    os.environ["ZOO_REGISTRY"] = str(path) if before is None else f"{path}{os.pathsep}{before}"
    try:
        yield
    finally:
        if before is None:
            del os.environ["ZOO_REGISTRY"]
        else:
            os.environ["ZOO_REGISTRY"] = before


def _neighbours(tests: list[Any], embeddings: Embeddings, labels: list[str]) -> tuple[Any, float]:
    """A contact sheet of queries and their nearest pictures, and how often the label agrees."""
    nearest = [embeddings.nearest(row, 5) for row in range(len(labels))]
    agree = sum(labels[row] == labels[near[0][0]] for row, near in enumerate(nearest)) / len(labels)
    firsts = [labels.index(label) for label, _ in Counter(labels).most_common(8)]
    images = [sample.image.permute(1, 2, 0).numpy() for sample in tests]
    sheet = draw_neighbours(
        [images[row] for row in firsts],
        [[images[other] for other, _ in nearest[row]] for row in firsts],
        captions=[
            [labels[row], *(f"{labels[other]} {cosine:.2f}" for other, cosine in nearest[row])] for row in firsts
        ],
        agree=[[labels[other] == labels[row] for other, _ in nearest[row]] for row in firsts],
    )
    return sheet, agree


def _write_report(result: QuickstartResult, *, embeddings: int, sheet: Any, labels: tuple[str, ...]) -> None:
    """The page: the result in a number, the comparison, the pictures, what to type next."""
    figures = [run.metrics["test"]["classify"] for _, run in result.runs]
    record = result.runs[0][1].record
    best = max(figure["accuracy"] for figure in figures[1:])
    lead = 100 * (figures[0]["accuracy"] - best)
    rows = tuple(
        (
            network.title,
            f"{100 * figure['accuracy']:.1f}%",
            f"{100 * figure['balanced_accuracy']:.1f}%",
            f"{figure['log_loss']:.3f}",
            f"{sum(parameter.numel() for parameter in run.load_model().parameters()):,}",
            f"{run.record.seconds:.0f}",
        )
        for (network, run), figure in zip(result.runs, figures, strict=True)
    )
    confusion = np.array(figures[0]["confusion"], dtype=np.int64)
    report = PageContent(
        title="Feature filters, fine-tuned on plankton they never saw",
        headline=f"{100 * figures[0]['accuracy']:.1f}%",
        meaning=f"of {record.splits.test} test pictures named rightly by {BASE}, fine-tuned; "
        f"{lead:+.1f} points against the better of the nets trained from scratch.",
        paragraphs=(
            f"{BASE} was trained on drawn plankton. It was truncated after {CUT}, and fine-tuned on "
            f"{record.splits.train} pictures of {len(labels)} other classes. Every net saw the same pictures, for at "
            f"most {EPOCHS} epochs at {SIDE} x {SIDE} pixels, the fine-tuned one after its head had been trained on "
            f"the frozen filters; the epoch kept is the best on {record.splits.val} validation pictures. "
            "Nets from scratch improve further with more epochs.",
            "All pictures were drawn by the package zoo-plankton: these numbers say that the tools work, not how well "
            "they do on pictures from the sea. One seed; run it with another seed to see how much that matters.",
        ),
        bars=PageBars(
            title="Test accuracy",
            bars=tuple(
                PageBar(label=row[0], value=figure["accuracy"], text=row[1], ours=row is rows[0])
                for row, figure in zip(rows, figures, strict=True)
            ),
        ),
        table=PageTable(
            columns=("net", "accuracy", "balanced", "log loss", "parameters", "seconds"),
            rows=rows,
            right=("accuracy", "balanced", "log loss", "parameters", "seconds"),
            ours=0,
        ),
        figures=_figures(result, confusion, embeddings=embeddings, sheet=sheet, labels=labels),
        commands=_commands(result),
        footer=f"{record.device}; " + ", ".join(f"{name} {number}" for name, number in record.versions.items()),
    )
    write_page(result.report, report)


def _figures(
    result: QuickstartResult, confusion: np.ndarray, *, embeddings: int, sheet: Any, labels: tuple[str, ...]
) -> tuple[PageFigure, ...]:
    network, run = result.runs[0]
    neighbours = (
        f"Framed: a picture of each of the commonest kinds; beside it the nearest of all {embeddings} test pictures, "
        f"by the cosine of their feature vectors. {100 * result.neighbours_agree:.0f}% of the nearest are of the same "
        "kind."
    )
    return (
        PageFigure(picture=sheet, title="Nearest neighbours", caption=neighbours),
        PageFigure(picture=draw_curves(run.history), title=f"Training of {network.title}"),
        PageFigure(
            picture=draw_confusion(confusion, labels, title="test pictures"),
            title="What is taken for what",
            caption="Rows are true kinds, columns are answers.",
        ),
        PageFigure(picture=draw_filters(result.filters.first_bank.numpy()), title="The first filters"),  # type: ignore[union-attr]
    )


def _commands(result: QuickstartResult) -> tuple[PageCommand, ...]:
    return (
        PageCommand(text=f"zoo info {result.published}", about="what was published"),
        PageCommand(text=f"zoo embed photos/ --filters {BASE} -o photos.parquet", about="a vector for each picture"),
        PageCommand(
            text=f"zoo train image-folder --data photos/ --filters {BASE}",
            about="fine-tune on your own pictures, a folder a kind",
        ),
    )

"""The quickstart: fetch ImageNet's filters, fine-tune them on plankton, compare, publish, fetch back, search."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
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
from zoo.training import Run
from zoo_quickstart.comparison import BASE, CUT, EPOCHS, PICTURES, SIDE, ComparedRow, Say, compare, describe_epochs
from zoo_quickstart.page import PageBar, PageBars, PageCommand, PageContent, PageFigure, PageTable, write_page

NEW = "vgg16-my-plankton"
REAL = "Real: the weights, learnt by VGG16 from ImageNet's 1.3 million photographs."
DRAWN = "Drawn: every picture; nothing is downloaded."


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickstartResult:
    """The results."""

    report: Path
    rows: tuple[ComparedRow, ...]  # fine-tuned, frozen, by hand, from scratch, small
    finetuned: Run
    published: Path
    filters: Filters
    neighbours_agree: float  # share of the nearest neighbours that have their query's label


def run_quickstart(
    out: Path,
    *,
    seed: int = 0,
    pictures: int = PICTURES,
    epochs: int = EPOCHS,
    progress: Progress = silent,
    say: Say = lambda text: None,
) -> QuickstartResult:
    """Run the quickstart and write its report.

    Args:
        out: a folder that does not exist or is empty.
        seed: of the drawing and of every training.
        pictures: how many are drawn, 88 at least; about two thirds are trained on.
        epochs: of every net that is trained; those from scratch gain from more.
        say: called with a line of text for each step.

    Raises:
        FileError: the folder is taken.
    """
    check_output(out, overwrite=None, folder=True)
    base = fetch(BASE, cut=CUT, progress=progress)
    say(f"1. Fetched {BASE} by name: {len(base.manifest.files) + 1} files, every hash verified.")
    options = {"kinds": "other", "pictures": pictures, "seed": seed}
    Plankton(**options).prepare(out / "plankton", progress)
    data = open_dataset("plankton", out / "plankton", options=options)
    names = data.targets["label"].names  # type: ignore[union-attr]
    say(f"2. Drew {len(data.dataset)} pictures of {len(names)} kinds of plankton.")
    finetuned, rows = compare(data, out, options, seed=seed, epochs=epochs, progress=progress, say=say)
    folder = out / NEW
    filters = _publish_and_fetch(
        finetuned, folder, f"{BASE} fine-tuned on {len(names)} kinds of drawn plankton", progress
    )
    error = check_golden(filters)
    number = 3 + len(rows)
    say(
        f"{number}. Published it to {folder}, fetched it back as {NEW!r}, verified it; golden features {error:.0e} off."
    )
    tests = [data.dataset[index] for index in data.dataset.splits["test"]]
    embeddings = filters.embed([sample.path or "" for sample in tests], progress=progress)
    labels = [names[sample.targets["label"]] for sample in tests]
    sheet, agree = _neighbours(tests, embeddings, labels)
    sheet.save(out / "neighbours.png")
    say(
        f"{number + 1}. Embedded {len(embeddings)} test pictures: {100 * agree:.0f}% of nearest neighbours are of the "
        "same kind."
    )
    result = QuickstartResult(
        report=out / "report.html",
        rows=rows,
        finetuned=finetuned,
        published=folder,
        filters=filters,
        neighbours_agree=agree,
    )
    _write_report(result, embeddings=len(embeddings), sheet=sheet, labels=names)
    return result


def _publish_and_fetch(run: Run, folder: Path, about: str, progress: Progress) -> Filters:
    """The run's filters as they come back by their new name, from a registry beside their folder."""
    registry = folder.parent / "registry.toml"
    published = zoo.push(run, to=folder, license="cc-by-4.0", about=about, progress=progress)
    add_entry(entry_of(published.manifest, published.digest, f"./{folder.name}"), registry)
    with _with_registry(registry):
        verify(fetch(NEW, progress=progress), progress=progress)
        return load(NEW)


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
    ours, record = result.rows[0], result.finetuned.record
    equal = describe_epochs(result.finetuned.recipe.training.epochs)
    best = max((row for row in result.rows if not row.pretrained), key=lambda row: row.metrics["accuracy"])
    lead = 100 * (ours.metrics["accuracy"] - best.metrics["accuracy"])
    rows = tuple(
        (
            row.title,
            f"{100 * row.metrics['accuracy']:.1f}%",
            f"{100 * row.metrics['balanced_accuracy']:.1f}%",
            f"{row.metrics['log_loss']:.3f}",
            f"{row.parameters:,}",
            "–" if row.rate is None else f"{row.rate:g}",
            f"{row.seconds:.0f}",
        )
        for row in result.rows
    )
    report = PageContent(
        title="ImageNet's filters on plankton",
        headline=rows[0][1],
        meaning=f"of {record.splits.test} test pictures named rightly by {ours.title}; "
        f"{lead:+.1f} points against the best that begins without ImageNet: {best.title}.",
        paragraphs=(
            f"{REAL} {DRAWN} So these numbers say that the tools work, not how well they do on pictures from the sea. "
            "One seed; run it with another seed to see how much that matters.",
            f"{BASE} was cut after {CUT}. All learnt from the same {record.splits.train} pictures of {len(labels)} "
            f"kinds at {SIDE} x {SIDE} pixels, and chose the epoch, or the strength of the regression, on "
            f"{record.splits.val} validation pictures. {equal} Nets from scratch improve further with more epochs.",
        ),
        bars=PageBars(
            title="Test accuracy",
            bars=tuple(
                PageBar(label=cells[0], value=row.metrics["accuracy"], text=cells[1], ours=row.pretrained)
                for cells, row in zip(rows, result.rows, strict=True)
            ),
        ),
        table=PageTable(
            columns=("features", "accuracy", "balanced", "log loss", "parameters", "rate", "seconds"),
            rows=rows,
            right=("accuracy", "balanced", "log loss", "parameters", "rate", "seconds"),
            ours=0,
        ),
        figures=_figures(result, embeddings=embeddings, sheet=sheet, labels=labels),
        commands=_commands(result),
        footer=f"{record.device}; " + ", ".join(f"{name} {number}" for name, number in record.versions.items()),
    )
    write_page(result.report, report)


def _figures(
    result: QuickstartResult, *, embeddings: int, sheet: Any, labels: tuple[str, ...]
) -> tuple[PageFigure, ...]:
    bank: Any = result.filters.first_bank
    confusion = np.array(result.rows[0].metrics["confusion"], dtype=np.int64)
    neighbours = (
        f"Framed: a picture of each of the commonest kinds; beside it the nearest of all {embeddings} test pictures, "
        f"by the cosine of their feature vectors. {100 * result.neighbours_agree:.0f}% of the nearest are of the same "
        "kind."
    )
    return (
        PageFigure(picture=sheet, title="Nearest neighbours", caption=neighbours),
        PageFigure(picture=draw_curves(result.finetuned.history), title=f"Training of {result.rows[0].title}"),
        PageFigure(
            picture=draw_confusion(confusion, labels, title="test pictures"),
            title="What is taken for what",
            caption="Rows are true kinds, columns are answers.",
        ),
        PageFigure(picture=draw_filters(bank.numpy()), title="The first filters, learnt from photographs"),
    )


def _commands(result: QuickstartResult) -> tuple[PageCommand, ...]:
    return (
        PageCommand(text=f"zoo info {result.published}", about="what was published"),
        PageCommand(
            text=f"zoo embed photos/ --filters {BASE} --cut {CUT} -o photos.parquet", about="a vector for each picture"
        ),
        PageCommand(
            text=f"zoo train image-folder --data photos/ --filters {BASE} --cut {CUT}",
            about="fine-tune on your own pictures, a folder a kind",
        ),
    )

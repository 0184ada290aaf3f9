"""`zoo evaluate` and `zoo predict`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import (
    PATH,
    out_option,
    output_options,
    parse_pairs,
    print_json,
    print_table,
    progress_bars,
    say,
    say_skipped,
)
from zoo.errors import FileError, UsageError, printable
from zoo.files import temporary_folder

if TYPE_CHECKING:
    from zoo.contracts import PredictionTable
    from zoo.models import Model
    from zoo.progress import Progress
    from zoo.training import Run


@click.command()
@click.argument("run", type=PATH)
@click.option("--data", "root", metavar="DIR", help="Another folder of the same dataset; as in training by default.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "seen", "test", "all"]),
    default="test",
    help="The split to score; seen: new pictures of groups that were trained on.",
)
@out_option("--confusion", help="Draw the confusion matrix into this PNG file.")
@output_options
def evaluate(
    run: Path, root: str | None, split: str, confusion: Path | None, device: str | None, as_json: bool, quiet: bool
) -> None:
    """Score the finished RUN (a folder that `zoo train` wrote) on a split of its dataset.

    Log loss is the mean of -log of the probability given to the true class: lower is better, 0 is perfect.

    \b
    zoo evaluate runs/plankton --confusion confusion.png
    """
    from zoo.evaluation import evaluate as score_run
    from zoo.training import open_run

    opened = open_run(run)
    with progress_bars(quiet=quiet) as progress:
        metrics = score_run(opened, root=root, split=split, device=device, progress=progress)
    if confusion:
        _draw_confusion(opened.load_model(), metrics, confusion, split)
    if as_json:
        print_json({"run": str(run), "split": split, "figures": metrics})
        return
    for number, (head, values) in enumerate(metrics.items()):
        if number:
            click.echo()
        single = {key: value for key, value in values.items() if isinstance(value, float)}
        print_table(("metric", head), [(key.replace("_", " "), f"{value:.4f}") for key, value in single.items()])
        if "recall" in values and "confusion" in values:
            _print_classes(opened, head, values)


def _print_classes(run: Run, head: str, values: Any) -> None:
    entry = next(one for one in run.record.model.heads if one.name == head)
    support = [int(sum(row)) for row in values["confusion"]]
    rows = [
        (name, count, f"{recall:.3f}" if count else "-", f"{precision:.3f}")
        for name, count, recall, precision in zip(
            entry.target.names, support, values["recall"], values["precision"], strict=True
        )
    ]
    click.echo()
    print_table(("class", "pictures", "recall", "precision"), rows, right=("pictures", "recall", "precision"))


def _draw_confusion(model: Model, metrics: Any, path: Path, split: str) -> None:
    import numpy as np

    from zoo.contracts import Categories
    from zoo.plots import draw_confusion, save_png

    for head, values in metrics.items():
        target = model.head(head).target
        if isinstance(target, Categories) and "confusion" in values:
            picture = draw_confusion(
                np.array(values["confusion"], dtype=np.int64), target.names, title=f"{head}, {split}"
            )
            say(f"Drawn into {save_png(picture, path)}")
            return
    raise UsageError("This run has no head with classes, so there is no confusion to draw.")


@click.command()
@click.argument("what", metavar="RUN|NAME")
@click.argument("pictures", nargs=-1, metavar="[PICTURES]…", type=PATH)
@click.option("--dataset", metavar="NAME", help="Instead of PICTURES: all of a dataset, with what it says of them.")
@click.option("--data", "root", metavar="DIR", help="The folder that the dataset reads, if any.")
@out_option("-o", "--out", help="The file; its suffix says the format. By default stdout.")
@click.option("--format", "kind", metavar="NAME", help="csv (default), kaggle or another of `zoo list formats`.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the format, or of the dataset; of a CSV of files path=COLUMN. Repeatable.",
)
@click.option("--head", help="The head whose predictions are written, where there are several.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out pictures that cannot be read.")
@output_options
def predict(
    what: str,
    pictures: tuple[Path, ...],
    dataset: str | None,
    root: str | None,
    out: Path | None,
    kind: str | None,
    settings: tuple[str, ...],
    head: str | None,
    skip_unreadable: bool,
    device: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Predict the classes of PICTURES (files, folders, or a CSV of files) with a RUN or published filters with a head.

    The table has a row for each picture: its path, the likeliest class, the second, and their probabilities. JSON,
    Parquet and --format kaggle have a probability for each class. A CSV with a column `path` keeps its other columns.

    \b
    zoo predict runs/plankton photos/ -o answers.csv
    zoo predict runs/plankton --dataset image-folder --data photos/ --set labels=labels.csv -o answers.csv
    """
    from zoo.evaluation import open_format, predict as ask
    from zoo.models import load_model

    if bool(pictures) == bool(dataset) or (root and not dataset):
        raise UsageError("Name either PICTURES, or --dataset NAME (with --data, where it reads a folder).")
    options = parse_pairs(settings, option="--set")
    kind = kind or ("json" if as_json and not out else None)
    open_asked = _asked_for(pictures, dataset, root, options, kind, out)
    writer = open_format(kind, out, options)
    if Path(what).parent != Path() and Path(what).parent.is_dir() and not Path(what).exists():
        raise FileError(what, "there is no such run", "Name a folder that `zoo train` wrote, or published filters.")
    model = load_model(what)
    with progress_bars(quiet=quiet) as progress:
        asked = open_asked(progress)
        answers = ask(model, asked, device=device, skip_unreadable=skip_unreadable, progress=progress)
    say_skipped(answers.skipped)
    table = answers.as_table(head)
    if out:
        writer.write(table, out)
        say(f"{len(answers.images)} pictures in {out}")
    elif sys.stdout.isatty() and not kind and not as_json:
        _print_predictions(table)
        say("Next: the same with -o answers.csv")
    else:
        with temporary_folder() as folder:
            part = folder / "stdout"
            writer.write(table, part)
            content = part.read_bytes()
        click.echo(printable(content.decode(errors="replace")) if sys.stdout.isatty() else content, nl=False)


def _asked_for(
    pictures: tuple[Path, ...],
    dataset: str | None,
    root: str | None,
    options: dict[str, str],
    kind: str | None,
    out: Path | None,
) -> Callable[[Progress], Any]:
    """What opens the pictures; what it takes of the options is removed from them: the rest is the format's."""
    from zoo.builtin import PictureTable
    from zoo.data import open_dataset
    from zoo.evaluation import open_format
    from zoo.plugins import describe_options

    if dataset:
        of_format = describe_options(type(open_format(kind, out).format))
        chosen = {name: options.pop(name) for name in list(options) if name not in of_format}
        return lambda progress: open_dataset(dataset, root, options=chosen, progress=progress)
    if len(pictures) == 1 and pictures[0].suffix.lower() in (".csv", ".tsv"):
        column = options.pop("path", None)
        return lambda progress: PictureTable(pictures[0], path=column)
    return lambda progress: list(pictures)


def _print_predictions(table: PredictionTable) -> None:
    columns = {"image": table.names, **table.summary}
    numbers = [title for title, cells in columns.items() if not isinstance(cells[0], str)]
    cells = [[one if isinstance(one, str) else f"{one:.3f}" for one in column] for column in columns.values()]
    print_table(list(columns), list(zip(*cells, strict=True)), right=numbers)

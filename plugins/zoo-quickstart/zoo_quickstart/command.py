"""`zoo quickstart`."""

from __future__ import annotations

import time
from itertools import chain, count
from pathlib import Path

import click

from zoo.cli import json_option, print_json, print_table, progress_bars, quiet_option, say


@click.command()
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The folder; quickstart by default, or quickstart-2, …."
)
@click.option("--seed", type=int, default=0, help="The seed of pictures and trainings.")
@click.option("--pictures", type=click.IntRange(min=88), help="How many are drawn; 400 by default.")
@click.option("--epochs", type=click.IntRange(min=1), help="Of every net that is trained; 8 by default.")
@json_option
@quiet_option
def quickstart(
    out: Path | None, seed: int, pictures: int | None, epochs: int | None, as_json: bool, quiet: bool
) -> None:
    """Tour: fetch ImageNet's filters, fine-tune them on plankton, compare, publish, fetch back, search.

    The weights are real, the pictures are drawn by the program, and nothing is downloaded. It takes about a
    minute and a half on two cores and ends with a report, an HTML page.
    """
    started = time.monotonic()
    say("Fetch, fine-tune, compare, publish and search; about a minute and a half on two idle cores.")
    from zoo_quickstart.comparison import BASE, EPOCHS, PICTURES, describe_epochs
    from zoo_quickstart.tour import DRAWN, REAL, run_quickstart

    say(f"{REAL} {DRAWN}", "")
    with progress_bars(quiet=quiet) as progress:
        result = run_quickstart(
            out or _free_folder(),
            seed=seed,
            pictures=pictures or PICTURES,
            epochs=epochs or EPOCHS,
            progress=progress,
            say=say,
        )
    seconds = time.monotonic() - started
    if as_json:
        print_json(
            {
                "report": str(result.report),
                "published": str(result.published),
                "seconds": seconds,
                "neighbours_agree": result.neighbours_agree,
                "arms": [
                    {"title": row.title, "seconds": row.seconds, "rate": row.rate, **row.metrics} for row in result.rows
                ],
            }
        )
        return
    say("")
    print_table(
        ("features", "accuracy", "balanced", "log loss", "rate", "seconds"),
        [
            (
                row.title,
                f"{100 * row.metrics['accuracy']:.1f}%",
                f"{100 * row.metrics['balanced_accuracy']:.1f}%",
                f"{row.metrics['log_loss']:.3f}",
                "-" if row.rate is None else f"{row.rate:g}",
                f"{row.seconds:.0f}",
            )
            for row in result.rows
        ],
        right=("accuracy", "balanced", "log loss", "rate", "seconds"),
    )
    say("", describe_epochs(epochs or EPOCHS))
    say(f"Done in {seconds:.0f} s. The report with pictures: {result.report}")
    say(f"Next: zoo train image-folder --data photos/   (your pictures, a folder a class; starts from {BASE})")
    say("      zoo embed photos/ -o photos.parquet")


def _free_folder() -> Path:
    """`quickstart`, `quickstart-2`, …: the first that does not exist."""
    numbered = (Path(f"quickstart-{number}") for number in count(2))
    return next(path for path in chain([Path("quickstart")], numbered) if not path.exists())

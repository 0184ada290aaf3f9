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
@json_option
@quiet_option
def quickstart(out: Path | None, seed: int, as_json: bool, quiet: bool) -> None:
    """Tour: fetch filters, fine-tune them on new plankton classes, compare, publish, fetch back, search.

    The pictures are drawn by the program and nothing is downloaded. It takes one to two minutes on two cores and ends
    with a report, an HTML page.
    """
    started = time.monotonic()
    say("Fetch, fine-tune, compare, publish and search, on drawn plankton; one to two minutes on two cores.", "")
    from zoo_quickstart.tour import run_quickstart

    with progress_bars(quiet=quiet) as progress:
        result = run_quickstart(out or _free_folder(), seed=seed, progress=progress, say=say)
    seconds = time.monotonic() - started
    results = [(network.title, run.metrics["test"]["classify"], run.record.seconds) for network, run in result.runs]
    if as_json:
        print_json(
            {
                "report": str(result.report),
                "published": str(result.published),
                "seconds": seconds,
                "neighbours_agree": result.neighbours_agree,
                "arms": [{"title": title, "seconds": spent, **metrics} for title, metrics, spent in results],
            }
        )
        return
    say("")
    print_table(
        ("net", "accuracy", "balanced", "log loss", "seconds"),
        [
            (
                title,
                f"{100 * metrics['accuracy']:.1f}%",
                f"{100 * metrics['balanced_accuracy']:.1f}%",
                f"{metrics['log_loss']:.3f}",
                f"{spent:.0f}",
            )
            for title, metrics, spent in results
        ],
        right=("accuracy", "balanced", "log loss", "seconds"),
    )
    say("", f"Done in {seconds:.0f} s. The report with pictures: {result.report}")
    say("Next: zoo train image-folder --data photos/ --filters vgg16-plankton   (your pictures, a folder a class)")
    say("      zoo embed photos/ --filters vgg16-plankton -o photos.parquet")


def _free_folder() -> Path:
    """`quickstart`, `quickstart-2`, …: the first that does not exist."""
    numbered = (Path(f"quickstart-{number}") for number in count(2))
    return next(path for path in chain([Path("quickstart")], numbered) if not path.exists())

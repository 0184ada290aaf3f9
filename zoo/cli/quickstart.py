"""`zoo quickstart`."""

from __future__ import annotations

import time
from itertools import chain, count
from pathlib import Path

import click

from zoo.cli.console import json_option, print_json, print_table, progress_bars, quiet_option, say


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The folder; quickstart, or the first that is free.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the drawing and of every training.")
@json_option
@quiet_option
def quickstart(out: Path | None, seed: int, as_json: bool, quiet: bool) -> None:
    """Fetch filters, fine-tune them on drawn plankton of other kinds, compare, publish, fetch back, search.

    Everything is drawn and trained here; nothing is downloaded. Takes about a minute on two cores.
    """
    started = time.monotonic()
    say("Fetch, fine-tune, compare, publish and search, on drawn plankton; about a minute on two cores.\n")
    from zoo.quickstart import run_quickstart

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
                "arms": [{"title": title, "seconds": spent, **figures} for title, figures, spent in results],
            }
        )
        return
    say("")
    print_table(
        ("net", "accuracy", "balanced", "log loss", "seconds"),
        [
            (
                title,
                f"{100 * figures['accuracy']:.1f}%",
                f"{100 * figures['balanced_accuracy']:.1f}%",
                f"{figures['log_loss']:.3f}",
                f"{spent:.0f}",
            )
            for title, figures, spent in results
        ],
        right=("accuracy", "balanced", "log loss", "seconds"),
    )
    say(f"\nDone in {seconds:.0f} s. The report with pictures: {result.report}")
    say("Next: zoo train image-folder --data photos/ --filters vgg16-plankton   (your pictures, a folder a kind)")
    say("      zoo embed photos/ --filters vgg16-plankton -o photos.parquet")


def _free_folder() -> Path:
    """`quickstart`, `quickstart-2`, …: the first that does not exist."""
    numbered = (Path(f"quickstart-{number}") for number in count(2))
    return next(path for path in chain([Path("quickstart")], numbered) if not path.exists())

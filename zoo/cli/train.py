"""`zoo train` and `zoo resume`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import PATH, format_metrics, output_options, print_json, progress_bars, say
from zoo.cli.recipes import make_recipe, recipe_options
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.training import Run


@click.command()
@click.argument("what", metavar="DATASET|RECIPE.toml|RUN", required=False)
@click.option("--recipe", "again", metavar="NAME", help="Instead: the recipe that filters or a run were trained by.")
@recipe_options
@click.option(
    "-o",
    "--out",
    type=PATH,
    help="The folder of the run; runs/DATASET by default, further from a RUN runs/DATASET-2, ….",
)
@output_options
def train(
    what: str | None, again: str | None, out: Path | None, device: str | None, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Fine-tune filters on DATASET (a name of `zoo data list`), with the recipe of a file, or a finished RUN further.

    First the heads are trained on frozen features, then the upper blocks along with them. Ctrl-C leaves a checkpoint
    for `zoo resume`. A RUN's heads are kept for the classes that they know by name; RUN/recipe.toml trains as it did.

    \b
    zoo train digits --filters vgg16-plankton
    zoo train image-folder --data photos/ --backbone vgg16 --cut block4
    zoo train plankton --backbone vgg16 --cut block3 --weights hf://owner/name
    zoo train fisheries --head classify --head locate:weight=0.3
    zoo train fisheries --crop runs/locator
    zoo train runs/plankton --data more-photos/
    zoo train --recipe vgg16-plankton --seed 1
    """
    from zoo.training import discard_message, train_recipe

    if (what is None) == (again is None):
        raise UsageError("Say what to train on, a DATASET or a RUN, or --recipe NAME to train those filters again.")
    what = again or what or ""
    recipe = make_recipe(what, given, continues=not again, again=bool(again))
    folder = out or Path("runs") / re.sub("[:/]", "-", recipe.data.dataset)
    if out is None and (Path(what) / "recipe.toml").is_file():  # which most often is the folder that it would be
        numbered = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
        folder = next(free for free in chain([folder], numbered) if not free.exists())
    with _exit_when_stopped(), progress_bars(quiet=quiet) as progress:
        run = train_recipe(recipe, folder, device=device, progress=progress, tell=discard_message if quiet else say)
    _report(run, as_json=as_json)


@click.command()
@click.argument("run", type=PATH)
@click.option("--data", "root", metavar="DIR", help="Where the same pictures are now; where they were by default.")
@output_options
def resume(run: Path, root: str | None, device: str | None, as_json: bool, quiet: bool) -> None:
    """Continue the training of RUN (a folder) that was stopped or killed; the result is as without the stop."""
    from zoo.training import discard_message, resume as go_on

    with _exit_when_stopped(), progress_bars(quiet=quiet) as progress:
        finished = go_on(run, root=root, device=device, progress=progress, tell=discard_message if quiet else say)
    _report(finished, as_json=as_json)


@contextlib.contextmanager
def _exit_when_stopped() -> Iterator[None]:
    """Ctrl-C and SIGTERM are no failure: say how to continue, and exit with status 130."""
    from zoo.training import StoppedError

    try:
        yield
    except StoppedError as stopped:
        say(str(stopped))
        raise SystemExit(130) from stopped


def _report(run: Run, *, as_json: bool) -> None:
    if not run.writes:
        return  # one of several processes; the first reports
    from zoo.plots import draw_run_plots

    draw_run_plots(run.folder, run, run.load_model())
    if as_json:
        print_json({"run": str(run.folder), "figures": run.metrics, "seconds": run.record.seconds})
        return
    say(run.folder, out=True)
    for split, heads in run.metrics.items():
        for head, metrics in heads.items():
            say(f"{split:<10} {head}: {format_metrics(metrics)}")
    say(f"{run.record.seconds:.0f} s on {run.record.device}; pictures: {run.record.splits.how}")
    if skipped := run.record.skipped:
        say(f"{len(skipped)} unreadable pictures were left out, the first: {skipped[0]}")
    say(f"Pictures: {', '.join(path.name for path in sorted(run.folder.glob('*.png')))}")
    if run.uses_true_boxes:
        say("New pictures have no true boxes. For predictions, train with --crop RUN, a run with the head `locate`.")
        return
    say(f"Next: zoo predict {run.folder} photos/ -o answers.csv")
    say(f"      zoo push {run.folder} --repo OWNER/NAME --license LICENCE   (or --to FOLDER)")

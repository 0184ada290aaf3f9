"""`zoo ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import discard_message, output_options, print_json, print_table, printable, progress_bars, say
from zoo.cli.recipes import make_recipe, recipe_options

if TYPE_CHECKING:
    from zoo.evaluation import AblationReport


@click.command()
@click.argument("what", metavar="DATASET|RECIPE.toml|RUN")
@click.option("--without", required=True, metavar="HEAD", help="The head that is ablated, by its name in the recipe.")
@click.option(
    "--seeds", type=click.IntRange(1), default=10, show_default=True, help="Under six nothing can be concluded."
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME",
    help="with, placebo, two-stage or oracle, beside without; repeatable, all that can be by default.",
)
@click.option("--metric", help="The primary metric, of the first other head; accuracy by default.")
@click.option("--keep", is_flag=True, help="Keep the weights of every run, not those of the first seed only.")
@recipe_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="The ablation's folder; ablations/DATASET-HEAD by default."
)
@output_options
def ablate(
    what: str,
    without: str,
    seeds: int,
    variants: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Is a head worth having? Train with and without it from the same seeds, and say how sure the difference is.

    The other variants are a placebo (the head learns shuffled targets) and, where the head learns a box, its rivals:
    cropping to the box of a locator (a first model) before classifying, or to the true box. Stopped or killed, the
    same command goes on; with more --seeds it adds to what is there.

    \b
    zoo ablate fisheries --head classify --head locate --without locate
    zoo ablate recipe.toml --without locate --seeds 20
    """
    from zoo.evaluation import FEWEST_PAIRS, ablate as compare_arms, format_seeds
    from zoo.files import atomic_write
    from zoo.plots import draw_ablation
    from zoo.training import StoppedError

    how = {key: given.pop(key) for key in ("metric", "keep", "device")}
    recipe = make_recipe(what, given)
    folder = out or Path("ablations") / f"{recipe.data.dataset.replace(':', '-')}-{without}"
    if seeds < FEWEST_PAIRS:
        say(f"From {format_seeds(seeds)} nothing can be concluded: at least {FEWEST_PAIRS} are needed.")
    try:
        with progress_bars(quiet=quiet) as progress:
            how |= {"progress": progress, "tell": discard_message if quiet else say}
            report = compare_arms(recipe, folder, without=without, seeds=seeds, variants=variants or None, **how)
    except (StoppedError, KeyboardInterrupt) as stopped:
        say(f"Stopped. Go on with the same command; what is done lies in {folder}.")
        raise SystemExit(130) from stopped
    with atomic_write(folder / "ablation.png") as part:
        draw_ablation(report).save(part, format="PNG")
    if as_json:
        print_json({"ablation": str(folder), **report.as_json()})
        return
    _print_report(report)
    say(f"Tables, every seed and the picture: {folder}/ablation.md, ablation.json, ablation.png")


def _print_report(report: AblationReport) -> None:
    from zoo.evaluation import capitalise, format_split

    for split in report.splits:
        headings, *rows = report.rows(split)
        click.echo(capitalise(format_split(split.split, report.groups)))
        print_table(headings, rows, right=headings[1:-1])
        click.echo(printable(f"{report.sentence(split)}\n"))
    say(report.note())

"""`zoo ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import (
    PATH,
    make_recipe,
    output_options,
    print_json,
    print_table,
    progress_bars,
    recipe_options,
    say,
)

if TYPE_CHECKING:
    from zoo_ablation.report import AblationReport


class _Numbers(click.ParamType):
    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """`1e-4,3e-4` -> (1e-4, 3e-4)."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(one) for one in str(value).split(","))
        except ValueError:
            return self.fail(f"{value!r} is no list of numbers, such as 1e-4,3e-4,1e-3.", param, ctx)


NUMBERS = _Numbers()


@click.command()
@click.argument("what", metavar="DATASET|RECIPE.toml|RUN")
@click.option("--without", required=True, metavar="HEAD", help="The head to test, by its name in the recipe.")
@click.option("--seeds", type=click.IntRange(1), default=10, help="How many seeds; under 6 nothing can be concluded.")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME",
    help="with, placebo, two-stage or oracle, beside without. Repeatable; all that are possible by default.",
)
@click.option("--metric", help="The metric of the first other head that decides; accuracy by default for classes.")
@click.option(
    "--rates",
    type=NUMBERS,
    default=(),
    metavar="NUMBER,…",
    help="Learning rates to choose from, 1e-4,3e-4,1e-3: each variant gets its own, by the validation pictures.",
)
@click.option(
    "--head-weights",
    type=NUMBERS,
    default=(),
    metavar="NUMBER,…",
    help="Likewise weights of the tested head's loss, such as 0.1,0.3,1,3.",
)
@click.option("--tuning-seeds", type=click.IntRange(1), default=2, help="How many of the first seeds choose (2).")
@click.option("--keep", is_flag=True, help="Keep the weights of all runs, not only those of the first seed.")
@recipe_options
@click.option("-o", "--out", type=PATH, help="The folder to write into; ablations/DATASET-HEAD by default.")
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
    """Test whether a head helps: train with and without it from the same seeds, and compare with 95% intervals.

    Other variants: placebo (the head is trained on shuffled targets) and, if the head predicts a box, two-stage
    (pictures are cropped to the box of a first model, then classified) and oracle (cropped to the true box). If
    stopped or killed, run the same command to continue; more --seeds add to what is there.

    \b
    zoo ablate fisheries --head classify --head locate --without locate
    zoo ablate recipe.toml --without locate --seeds 20
    """
    from zoo.plots import save_png
    from zoo.training import StoppedError
    from zoo_ablation.ablation import ablate as compare_variants
    from zoo_ablation.formatting import format_seeds
    from zoo_ablation.plot import draw_ablation
    from zoo_ablation.statistics import FEWEST_PAIRS

    how = {key: given.pop(key) for key in ("metric", "keep", "device", "rates", "head_weights", "tuning_seeds")}
    recipe = make_recipe(what, given)
    folder = out or Path("ablations") / f"{recipe.data.dataset.replace(':', '-')}-{without}"
    if seeds < FEWEST_PAIRS:
        say(f"From {format_seeds(seeds)} nothing can be concluded: at least {FEWEST_PAIRS} are needed.")
    try:
        with progress_bars(quiet=quiet) as progress:
            how |= {"progress": progress} | ({} if quiet else {"tell": say})
            report = compare_variants(recipe, folder, without=without, seeds=seeds, variants=variants or None, **how)
    except (StoppedError, KeyboardInterrupt) as stopped:
        say(f"Stopped. Continue with the same command; finished runs are in {folder}.")
        raise SystemExit(130) from stopped
    save_png(draw_ablation(report), folder / "ablation.png")
    if as_json:
        print_json({"ablation": str(folder), **report.as_json()})
        return
    _print_report(report)
    say(f"Tables, every seed and the picture: {folder}/ablation.md, ablation.json, ablation.png")


def _print_report(report: AblationReport) -> None:
    from zoo_ablation.formatting import capitalise, format_split

    for split in report.splits:
        headings, *rows = report.rows(split)
        say(capitalise(format_split(split.split, report.groups)), out=True)
        print_table(headings, rows, right=headings[1:-1])
        say(report.sentence(split), "", out=True)
    say(report.note())

"""`zoo train` and `zoo resume`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import (
    as_pairs,
    data_options,
    device_option,
    format_figures,
    json_option,
    print_json,
    progress_bars,
    quiet_option,
    say,
)
from zoo.errors import UsageError
from zoo.registry import all_entries

if TYPE_CHECKING:
    from zoo.training.recipe import Recipe
    from zoo.training.runs import Run

DEFAULT_FILTERS = "vgg16-plankton"
TUNING = ("retrain", "head_epochs", "epochs", "batch", "rate", "patience", "augment", "balance", "precision")


@click.command()
@click.argument("what", metavar="DATASET|RECIPE.toml")
@click.option("--backbone", help="A network by name; see `zoo backbones`.")
@click.option("--cut", help="The block after which it is chopped; see `zoo cuts NAME`.")
@click.option(
    "--weights",
    help="imagenet (default), random, a safetensors file, a folder, or any checkpoint of the Hub: "
    "hf://owner/name[@REV][/FILE.safetensors], of which only what lies before the cut is read.",
)
@click.option("--filters", "name", help="Start from published filters; vgg16-plankton where nothing is said.")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="[NAME=]HEAD[:KEY=VALUE,…]",
    help="classify by default; repeatable. Keys: target, weight, and the head's own. The first one of a weight over 0 "
    "picks the best epoch; one of weight 0 learns, and leaves the filters alone.",
)
@data_options
@click.option(
    "--size", type=click.IntRange(16, 2048), help="The pictures' side in pixels; as the filters were made by default."
)
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder; runs/DATASET by default.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Of everything random; 0 by default.")
@click.option("--retrain", help="none, all, or the block to retrain from; the upper half by default.")
@click.option("--head-epochs", type=click.IntRange(0), help="On frozen features, at most.")
@click.option("--epochs", type=click.IntRange(0), help="Of fine-tuning, at most.")
@click.option("--batch", type=click.IntRange(2), help="Pictures a step.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Learning rate of fine-tuning, at the top block.")
@click.option("--patience", type=click.IntRange(1), help="Epochs without improvement before a stage ends.")
@click.option("--augment", type=click.Choice(["none", "light", "strong"]), help="How much pictures are varied.")
@click.option(
    "--balance", metavar="NAME", help="Of several heads: fixed (default), uncertainty, log-sum, or a plugin's."
)
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="bf16 where it is fast by default.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out pictures that cannot be read.")
@device_option
@json_option
@quiet_option
def train(what: str, out: Path | None, device: str | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Fine-tune filters on DATASET (a name of `zoo data list`), or as RECIPE.toml says. Ctrl-C leaves a checkpoint.

    \b
    zoo train digits --filters vgg16-plankton
    zoo train image-folder --data photos/ --backbone vgg16 --cut block4
    zoo train plankton --backbone vgg16 --cut block3 --weights hf://owner/name
    zoo train fisheries --head classify --head locate:weight=0.3
    """
    from zoo.training.finetune import train_recipe

    recipe = _recipe(what, given)
    folder = out or Path("runs") / recipe.data.dataset.replace(":", "-")
    with _exit_when_stopped(), progress_bars(quiet=quiet) as progress:
        run = train_recipe(recipe, folder, device=device, progress=progress, tell=_unheard if quiet else say)
    _report(run, as_json=as_json)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@device_option
@json_option
@quiet_option
def resume(run: Path, device: str | None, as_json: bool, quiet: bool) -> None:
    """Go on with the RUN that was stopped or killed, as if nothing had happened."""
    from zoo.training.finetune import resume as go_on

    with _exit_when_stopped(), progress_bars(quiet=quiet) as progress:
        finished = go_on(run, device=device, progress=progress, tell=_unheard if quiet else say)
    _report(finished, as_json=as_json)


def _unheard(text: str) -> None:
    """For --quiet."""


@contextlib.contextmanager
def _exit_when_stopped() -> Iterator[None]:
    """Ctrl-C and SIGTERM are no failure: say how to go on, and exit as one who was stopped."""
    from zoo.training.loop import StoppedError

    try:
        yield
    except StoppedError as stopped:
        say(str(stopped))
        raise SystemExit(130) from stopped


def _recipe(what: str, given: dict[str, Any]) -> Recipe:
    from zoo.training.recipe import parse_recipe, read_recipe

    overrides = {key: value for key, value in given.items() if value is not None and value is not False and value != ()}
    if what.endswith(".toml"):
        recipe = read_recipe(Path(what))
        content = recipe.model_dump(exclude_none=True)
    else:
        content = {"data": {"dataset": what}, "filters": {}}
    training = content.setdefault("training", {})
    training |= {key: overrides.pop(key) for key in TUNING if key in overrides}
    data = content["data"]
    if "root" in overrides:
        data["root"] = str(Path(overrides.pop("root")).expanduser().resolve())
    if "settings" in overrides:
        data["options"] = {**data.get("options", {}), **as_pairs(overrides.pop("settings"), option="--set")}
    if overrides.pop("skip_unreadable", False):
        data["skip_unreadable"] = True
    if "heads" in overrides:
        content["heads"] = [_head(text) for text in overrides.pop("heads")]
    _set_filters(content["filters"], overrides, what)
    return parse_recipe({**content, **overrides}, where=what)


def _set_filters(filters: dict[str, Any], overrides: dict[str, Any], what: str) -> None:
    from zoo.families import find_backbone

    name, backbone = overrides.pop("name", None), overrides.pop("backbone", None)
    if name and backbone:
        raise UsageError("Say either --filters or --backbone, not both.")
    if name and "weights" in overrides:
        raise UsageError("Say either --filters, which have weights, or --backbone with --weights.")
    if name:
        local = Path(name).expanduser()
        filters.clear()
        filters["name"] = str(local.resolve()) if local.is_dir() else name
    elif backbone:
        find_backbone(backbone)
        if filters.pop("name", None):
            filters.clear()
        filters["backbone"] = backbone
    elif not filters:
        if DEFAULT_FILTERS not in all_entries(problems=[]):
            raise UsageError(
                f"Say what to start from: `zoo train {what} --backbone vgg16 --cut block4`, "
                f"or `pip install zoo-filters` and `zoo train {what} --filters {DEFAULT_FILTERS}`."
            )
        say(f"Starting from the filters {DEFAULT_FILTERS}; --filters or --backbone say otherwise.")
        filters["name"] = DEFAULT_FILTERS
    for key in ("cut", "weights"):
        if key in overrides:
            filters[key] = overrides.pop(key)
    if backbone and "cut" not in filters:
        raise UsageError(f"Say where to chop it: --cut block4. `zoo cuts {backbone}` lists the places.")


def _head(text: str) -> dict[str, Any]:
    """`classify:weight=0.5,hidden=64` -> a recipe's head. A package's name may stand before: `pkg:head:…`.

    `kind=classify:target=kind` calls it otherwise in the model, so that there may be two of one plugin.
    """
    name, _, rest = text.partition(":")
    called, equals, plugin = name.partition("=")
    if equals:
        if not called or not plugin:
            raise UsageError(
                f"--head {text} names no head. Say NAME=HEAD:KEY=VALUE, such as kind=classify:target=kind."
            )
        name = plugin
    if rest and "=" not in rest.split(":")[0]:
        second, _, rest = rest.partition(":")
        name = f"{name}:{second}"
    options: dict[str, Any] = dict(as_pairs([part for part in rest.split(",") if part], option="--head"))
    head: dict[str, Any] = {"plugin": name, **({"name": called} if equals else {})}
    if "target" in options:
        head["target"] = options.pop("target")
    if "weight" in options:
        try:
            head["weight"] = float(options.pop("weight"))
        except ValueError as error:
            raise UsageError(f"The weight in --head {text} is no number.") from error
        if not 0 <= head["weight"] < math.inf:
            raise UsageError(f"The weight in --head {text} must be 0 or more; 0: it learns, the filters do not.")
    return {**head, "options": options}


def _report(run: Run, *, as_json: bool) -> None:
    if not run.writes:
        return  # one of several processes; the first reports
    from zoo.publishing import draw_pictures

    draw_pictures(run.folder, run, run.load_model())
    if as_json:
        print_json({"run": str(run.folder), "figures": run.metrics, "seconds": run.record["seconds"]})
        return
    click.echo(run.folder)
    for split, heads in run.metrics.items():
        for head, figures in heads.items():
            say(f"{split:<10} {head}: {format_figures(figures)}")
    say(f"{run.record['seconds']:.0f} s on {run.record['device']}; pictures: {run.record['splits']['how']}")
    if run.record.get("skipped"):
        skipped = run.record["skipped"]
        say(f"{len(skipped)} unreadable pictures were left out, the first: {skipped[0]}")
    say(f"Pictures: {', '.join(path.name for path in sorted(run.folder.glob('*.png')))}")
    say(f"Next: zoo predict {run.folder} photos/ -o answers.csv")
    say(f"      zoo push {run.folder} --repo OWNER/NAME --license LICENCE   (or --to FOLDER)")

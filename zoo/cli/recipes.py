"""What is trained, as the command line says it: `zoo train` and `zoo ablate` take the same options."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.cli.console import data_options, parse_pairs, say
from zoo.errors import UsageError
from zoo.store import all_entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.training import Recipe

F = TypeVar("F", bound="Callable[..., Any]")

DEFAULT_FILTERS = "vgg16-plankton"
TUNING = ("retrain", "head_epochs", "epochs", "batch", "rate", "patience", "augment", "balance", "precision")


def recipe_options(function: F) -> F:
    """All that overrides or makes a recipe."""
    for option in (
        click.option("--skip-unreadable", is_flag=True, help="Leave out pictures that cannot be read."),
        click.option(
            "--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="bf16 where it is fast by default."
        ),
        click.option(
            "--balance", metavar="NAME", help="Of several heads: fixed (default), uncertainty, log-sum, or a plugin's."
        ),
        click.option("--augment", type=click.Choice(["none", "light", "strong"]), help="Strength of augmentation."),
        click.option("--patience", type=click.IntRange(1), help="Epochs without improvement before a stage ends."),
        click.option(
            "--rate", type=click.FloatRange(0, min_open=True), help="Learning rate of fine-tuning, at the top block."
        ),
        click.option("--batch", type=click.IntRange(2), help="Pictures a step."),
        click.option("--epochs", type=click.IntRange(0), help="Of fine-tuning, at most."),
        click.option("--head-epochs", type=click.IntRange(0), help="On frozen features, at most."),
        click.option("--retrain", help="none, all, or the block to retrain from; the upper half by default."),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Of everything random; 0 by default."),
        click.option(
            "--size",
            type=click.IntRange(16, 2048),
            help="The pictures' side in pixels; as the filters were made by default.",
        ),
        click.option(
            "--crop",
            metavar="RUN|NAME|truth",
            help="Crop every picture first: to the box that a run or published filters with the head locate say, "
            "or to the dataset's own.",
        ),
        click.option(
            "--seen",
            type=click.FloatRange(0, 1, max_open=True),
            metavar="SHARE",
            help="Held out of the training pictures, to score pictures of training groups beside the test's.",
        ),
        click.option("--limit", type=click.IntRange(2), help="Training pictures, at most, drawn by the seed."),
        data_options,
        click.option(
            "--head",
            "heads",
            multiple=True,
            metavar="[NAME=]HEAD[:KEY=VALUE,…]",
            help="classify by default; repeatable. Keys: target, weight, and the head's own. The first one of a weight "
            "over 0 picks the best epoch; one of weight 0 learns, and leaves the filters alone.",
        ),
        click.option("--filters", "name", help="Start from published filters; vgg16-plankton where nothing is said."),
        click.option(
            "--weights",
            help="imagenet (default), random, a safetensors file, a folder, or any checkpoint of the Hub: "
            "hf://owner/name[@REV][/FILE.safetensors], of which only what lies before the cut is read.",
        ),
        click.option("--cut", help="The block after which the network is cut; see `zoo cuts NAME`."),
        click.option("--backbone", help="A network by name; see `zoo backbones`."),
    ):
        function = option(function)
    return function


def make_recipe(what: str, given: dict[str, Any]) -> Recipe:
    """A recipe from a dataset's name, a recipe's file or a run's folder, and the options that were given."""
    from zoo.training import parse_recipe, read_recipe

    overrides = {key: value for key, value in given.items() if value is not None and value is not False and value != ()}
    kept = Path(what) / "recipe.toml"
    if what.endswith(".toml") or kept.is_file():
        recipe = read_recipe(kept if kept.is_file() else Path(what))
        content = recipe.model_dump(exclude_none=True)
    else:
        content = {"data": {"dataset": what}, "filters": {}}
    training = content.setdefault("training", {})
    training |= {key: overrides.pop(key) for key in TUNING if key in overrides}
    data = content["data"]
    if "root" in overrides:
        data["root"] = str(Path(overrides.pop("root")).expanduser().resolve())
    if "settings" in overrides:
        data["options"] = {**data.get("options", {}), **parse_pairs(overrides.pop("settings"), option="--set")}
    if "crop" in overrides:
        local = Path(overrides["crop"]).expanduser()
        overrides["crop"] = str(local.resolve()) if local.is_dir() else overrides["crop"]
    data |= {key: overrides.pop(key) for key in ("limit", "seen", "crop", "skip_unreadable") if key in overrides}
    if "heads" in overrides:
        content["heads"] = [_parse_head(text) for text in overrides.pop("heads")]
    _set_filters(content["filters"], overrides, what)
    return parse_recipe({**content, **overrides}, where=what)


def _set_filters(filters: dict[str, Any], overrides: dict[str, Any], what: str) -> None:
    from zoo.networks import find_backbone

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
        raise UsageError(f"Say where to cut it: --cut block4. `zoo cuts {backbone}` lists the places.")


def _parse_head(text: str) -> dict[str, Any]:
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
    options: dict[str, Any] = dict(parse_pairs([part for part in rest.split(",") if part], option="--head"))
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

"""The options that make a recipe; `zoo train` and `zoo ablate` share them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.cli.console import data_options, parse_pairs, say
from zoo.errors import UsageError
from zoo.store import all_entries, missing_package

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.training import Recipe

F = TypeVar("F", bound="Callable[..., Any]")

DEFAULT_FILTERS = "vgg16-imagenet"
DEFAULT_CUT = "block4"  # on real plankton and real fish better than the whole network, as docs/results.md says
TUNING = ("retrain", "head_epochs", "epochs", "batch", "rate", "patience", "augment", "balance", "precision")


_OPTIONS = (  # in the order of decorators: the last stands first in the help
    click.option("--skip-unreadable", is_flag=True, help="Leave out pictures that cannot be read."),
    click.option(
        "--precision",
        type=click.Choice(["auto", "bf16", "fp32"]),
        help="Of the computation: auto (default) is bf16 where that is fast, else fp32.",
    ),
    click.option(
        "--balance", metavar="NAME", help="How heads' losses are weighted: fixed (default), uncertainty, log-sum, …"
    ),
    click.option(
        "--augment",
        type=click.Choice(["none", "light", "strong"]),
        help="Random flips, turns, zooms and colours; light by default.",
    ),
    click.option("--patience", type=click.IntRange(1), help="Epochs without improvement until a stage ends (6)."),
    click.option(
        "--rate",
        type=click.FloatRange(0, min_open=True),
        help="Learning rate of the top block; by its weights' size by default.",
    ),
    click.option("--batch", type=click.IntRange(2), help="Pictures in a step (64)."),
    click.option(
        "--adapt",
        metavar="lora[:KEY=VALUE,…]",
        help="Leave a vision transformer's weights as they are and train low-rank updates of them, which are "
        "published as a small delta. Keys: rank (8), layers (attention; all).",
    ),
    click.option("--epochs", type=click.IntRange(0), help="Epochs of fine-tuning, at most (15)."),
    click.option("--head-epochs", type=click.IntRange(0), help="Epochs of the heads alone before, at most (30)."),
    click.option("--retrain", help="Blocks to fine-tune: none, all, or this one and above; the upper half by default."),
    click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="The seed of everything random; 0 by default."),
    click.option(
        "--size", type=click.IntRange(16, 2048), help="The pictures' side in pixels; as in training by default."
    ),
    click.option(
        "--crop",
        metavar="RUN|NAME|truth",
        help="Crop pictures to the box that a run or filters with the head locate predict, or to the true box.",
    ),
    click.option(
        "--seen",
        type=click.FloatRange(0, 1, max_open=True),
        metavar="SHARE",
        help="Share of the training pictures (0) to hold out as `seen`: new pictures of known groups.",
    ),
    click.option("--limit", type=click.IntRange(2), help="Pictures to train on, at most; all by default."),
    data_options,
    click.option(
        "--head",
        "heads",
        multiple=True,
        metavar="[NAME=]HEAD[:KEY=VALUE,…]",
        help="What to train on the filters; by default what the dataset's target asks for, classify for classes; see "
        "`zoo list heads`. Keys: target, weight of the loss (1), with=width+height or a table's columns, numbers that "
        "it is given beside the features, and the head's own options. Repeatable: the first one "
        "with a weight over 0 picks the best epoch; one of weight 0 is trained without changing the filters.",
    ),
    click.option("--filters", "name", help="Filters or RUN to start from; vgg16-imagenet up to block4 by default."),
    click.option(
        "--weights",
        help="Weights of the backbone: imagenet (default), random, a safetensors file, a folder, or a checkpoint "
        "of the Hub, hf://owner/name[@REV][/FILE.safetensors]; only the layers before the cut are downloaded.",
    ),
    click.option("--cut", help="Cut the network off after this block or node, such as block4; see `zoo cuts`."),
    click.option("--backbone", help="The network to start from instead (`zoo backbones`); needs --cut."),
)


def recipe_options(function: F) -> F:
    """Add the options that make a recipe or override one."""
    for option in _OPTIONS:
        function = option(function)
    return function


def make_recipe(what: str, given: dict[str, Any], *, continues: bool = False, again: bool = False) -> Recipe:
    """A recipe from a dataset's name, a recipe's file or a run's folder, and the options that were given.

    Args:
        continues: a run's folder means what the run learnt, not only its recipe.
        again: it is the name of filters or a run, whose recipe is meant.
    """
    from zoo.store import open_artifact
    from zoo.training import parse_recipe, read_published_recipe, read_recipe

    overrides = {key: value for key, value in given.items() if value is not None and value is not False and value != ()}
    stored = Path(what) / "recipe.toml"
    if again and not what.endswith(".toml"):
        content = read_published_recipe(open_artifact(what)).model_dump(exclude_none=True)
    elif what.endswith(".toml") or stored.is_file():
        recipe = read_recipe(stored if stored.is_file() else Path(what))
        content = recipe.model_dump(exclude_none=True, exclude_unset=True)  # heads that are not said are picked
    else:
        content = {"data": {"dataset": what}, "filters": {}}
    training = content.setdefault("training", {})
    training |= {key: overrides.pop(key) for key in TUNING if key in overrides}
    if "adapt" in overrides:
        training["adapt"] = _parse_adapter(overrides.pop("adapt"))
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
    if continues and stored.is_file() and not overrides.keys() & {"name", "backbone", "weights"}:
        content["filters"] = {"name": str(Path(what).resolve()), "heads": "cut" not in overrides}
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
        filters |= {"name": default_filters(f"zoo train {what}"), "cut": DEFAULT_CUT}
    for key in ("cut", "weights"):
        if key in overrides:
            filters[key] = overrides.pop(key)
    if backbone and "cut" not in filters:
        raise UsageError(f"Say where to cut it: --cut block4. `zoo cuts {backbone}` lists the places.")


def default_filters(command: str, *, cut: str = DEFAULT_CUT) -> str:
    """What is taken where nothing is said, which a line on stderr says. Raises UsageError: it is not installed."""
    entry = all_entries(problems=[]).get(DEFAULT_FILTERS)
    if entry is None or missing_package(entry):
        raise UsageError(
            f"Nothing says which filters to take, and the default ones, {DEFAULT_FILTERS}, are not installed. "
            f"Run `pip install zoo-filters`, or say `{command} --filters NAME`."
        )
    upto = f" up to {cut}" if cut else ""
    say(f"Taking the filters {DEFAULT_FILTERS}{upto}; --filters says otherwise.")
    return DEFAULT_FILTERS


def _parse_adapter(text: str) -> dict[str, Any]:
    """`lora:rank=4` -> a recipe's adapter."""
    kind, _, rest = text.partition(":")
    options: dict[str, Any] = dict(parse_pairs([part for part in rest.split(",") if part], option="--adapt"))
    return {"kind": kind, **{key: int(value) if value.isdecimal() else value for key, value in options.items()}}


def _parse_head(text: str) -> dict[str, Any]:
    """`classify:weight=0.5,hidden=64` -> a recipe's head. A package's name may stand before: `pkg:head:…`.

    `kind=classify:target=kind` gives it another name in the model, so that there may be two of one plugin.
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
            raise UsageError(f"The weight in --head {text} must be 0 or more; with 0 only the head is trained.")
    if "with" in options:
        head["numbers"] = [part for part in str(options.pop("with")).split("+") if part]
    return {**head, "options": options}

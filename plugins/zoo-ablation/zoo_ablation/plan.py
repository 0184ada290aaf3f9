"""The plan of an ablation, checked before the first training, and the folder that must hold the same plan to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.data import DecodedDataset, OpenDataset, open_dataset
from zoo.errors import FileError, UsageError
from zoo.files import check_output, parse_json, parse_toml, write_json
from zoo.models import assemble
from zoo.progress import Progress
from zoo.store import digest_of
from zoo.training import Recipe, load_starting_filters, recipe_text
from zoo_ablation.primary_metric import PrimaryMetric, find_primary_metric
from zoo_ablation.variants import Variant, choose_variants, find_ablated_head, plan_variants, primary_head_first

SEEN_SHARE = 0.15  # of the training pictures are held out where groups are known
PLAN_FILE = "question.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What every variant's own rate, and the weight of the head in question, are chosen from."""

    rates: tuple[float, ...] = ()  # of fine-tuning; none: the recipe's
    weights: tuple[float, ...] = ()  # of the head in question; none: the recipe's
    seeds: int = 2  # so many of the first

    def as_json(self) -> dict[str, Any]:
        """As the folder keeps it."""
        return {"rates": list(self.rates), "weights": list(self.weights), "seeds": self.seeds}


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationPlan:
    """What an ablation trains and compares."""

    recipe: Recipe
    left_out: str
    variants: tuple[Variant, ...]  # the requested ones
    possible: tuple[Variant, ...]  # keys of all, in the order of tables and plots
    primary_metric: PrimaryMetric
    pictures: str  # the dataset's fingerprint
    start: str  # digest of the filters that the first seed starts from
    splits: tuple[str, ...]  # of a run's metrics: ("seen", "test") or ("test",)
    grid: Grid | None = None
    watched: Mapping[str, PrimaryMetric] = field(default_factory=dict)  # what rates are chosen by, by head

    def as_json(self) -> dict[str, Any]:
        """What must be the same for a folder to be continued."""
        return {
            "recipe": recipe_text(self.recipe),
            "without": self.left_out,
            "pictures": self.pictures,
            "start": self.start,
            "grid": self.grid and self.grid.as_json(),
        }

    def place(self, split: str) -> str:
        """`unseen` of the test pictures, where there are seen groups beside them."""
        return "unseen" if split == "test" and "seen" in self.splits else split


def plan_ablation(
    recipe: Recipe,
    left_out: str,
    *,
    out: Path,
    only: Sequence[str] | None,
    metric: str | None,
    grid: Grid | None = None,
    progress: Progress,
) -> AblationPlan:
    """Check all that can be wrong before the first training.

    The primary head goes before all others, so that it picks the best epoch in every variant. Where the test's groups
    are not trained on, pictures of seen groups are held out.

    Raises:
        UsageError, UnknownNameError: as `zoo_ablation.ablation.ablate` says.
    """
    part = recipe.data
    find_ablated_head(recipe, left_out)
    recipe = primary_head_first(recipe, left_out)
    data = open_dataset(part.dataset, part.root, options=part.options, progress=progress)
    if out.resolve().is_relative_to(data.root):
        raise UsageError(f"{out} lies among the pictures, in {data.root}.", "Choose another `out=`.")
    filters = load_starting_filters(recipe, progress)
    heads = [head.spec() for head in recipe.heads]
    model = assemble(filters, dataset=data.dataset, heads=heads, size=recipe.size, seed=recipe.seed)
    target = model.specs[left_out].target or ""
    primary_metric = find_primary_metric(model, heads[0].name, metric)
    watched = {}
    for name in (heads[0].name, left_out) if grid else ():
        watched[name] = find_primary_metric(model, name, model.head(name).watch or None)
    possible = plan_variants(recipe, left_out, targets=data.targets, target=target)
    wanted = choose_variants(possible, only, target=data.targets[target], name=target)  # before any picture is decoded
    decoded = data.decode(model.size, skip_unreadable=part.skip_unreadable, progress=progress)
    recipe, splits = _hold_out_seen(recipe, data, decoded)
    possible = plan_variants(recipe, left_out, targets=data.targets, target=target)  # from the recipe as it is now
    return AblationPlan(
        recipe=recipe,
        left_out=left_out,
        variants=tuple(variant for variant in possible if variant.key in wanted),
        possible=tuple(possible),
        primary_metric=primary_metric,
        pictures=decoded.fingerprint,
        start=digest_of(filters),
        splits=splits,
        grid=grid,
        watched=watched,
    )


def _hold_out_seen(recipe: Recipe, data: OpenDataset, decoded: DecodedDataset) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe that holds pictures of seen groups out; only where the test's groups are others."""
    part = recipe.data
    splits = recipe.split(data, decoded)
    if not len(splits.test):
        raise UsageError(f"The dataset {data.name!r} has no test pictures, so that nothing can be scored.")
    trained, tested = ({decoded.groups[row] for row in rows.tolist()} for rows in (splits.train, splits.test))
    if None in trained | tested or trained & tested:
        return recipe, ("test",)
    if not len(splits.seen):
        recipe = recipe.model_copy(update={"data": part.model_copy(update={"seen": SEEN_SHARE})})
    return recipe, ("seen", "test")


def open_ablation_folder(place: Path, plan: AblationPlan) -> None:
    """Begin an ablation's folder, or check that it holds the same plan.

    Raises:
        UsageError: something else was asked; the dataset or the filters have changed since.
        FileError: something else lies there.
    """
    asked, path = plan.as_json(), place / PLAN_FILE
    if path.is_file():
        try:
            before = parse_json(path.read_bytes())
            same = parse_toml(before["recipe"]) == parse_toml(asked["recipe"])  # however it is written
            before |= {"recipe": asked["recipe"]} if same else {}
            differ = [key for key in asked if before.get(key) != asked[key]]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise FileError(path, f"it cannot be read ({error})", "Choose another `out=`.") from error
        for key, what in (("pictures", "the dataset has"), ("start", "the filters that it starts from have")):
            if differ == [key]:
                raise UsageError(
                    f"{place}: {what} changed since this ablation began.", "Put them back, or choose another `out=`."
                )
        if differ:
            raise UsageError(
                f"{place}: another ablation lies there (other {', '.join(differ)}).",
                "Choose another `out=`, or the same options.",
            )
        return
    check_output(place, overwrite=None, folder=True)
    write_json(path, asked)

"""The variants of an ablation: what is trained to find out whether a head is worth having."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo import Box, Target
from zoo.errors import UnknownNameError, UsageError
from zoo.training import TRUTH, DataPart, HeadPart, Recipe

WITH, PLACEBO, WITHOUT, TWO_STAGE, ORACLE = "with", "placebo", "without", "two-stage", "oracle"
VARIANTS = (WITHOUT, WITH, PLACEBO, TWO_STAGE, ORACLE)  # in the order of tables and plots
TRAINING_ORDER = (WITH, PLACEBO, WITHOUT, TWO_STAGE, ORACLE)  # the first fills the shared caches
LOCATOR = "locator"  # the first of the two stages, trained alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant: a recipe for every seed."""

    key: str
    title: str  # "classify + locate"
    recipe: Callable[[int, Path], Recipe]  # from a seed and the folder of that seed's locator to a recipe
    locator: Callable[[int], Recipe] | None = None  # from a seed to the recipe of the locator, which is trained first


def find_ablated_head(recipe: Recipe, left_out: str) -> int:
    """Where in the recipe the head in question stands.

    Raises:
        UsageError: the recipe has no such head; no other head is left to score; it is a placebo already.
    """
    names = [head.spec().name for head in recipe.heads]
    if left_out not in names:
        raise UsageError(
            f"The recipe has no head {left_out!r} to leave out; it has {', '.join(names)}.",
            f"Add it: `heads=[{left_out!r}]`, or [[heads]] in the recipe.",
        )
    place = names.index(left_out)
    if not any(head.weight for head in _other_heads(recipe, place)):
        raise UsageError(
            f"Without {left_out!r} no head is left that could be scored.", "Add one: `heads=['classify']`."
        )
    if recipe.heads[place].shuffled:
        raise UsageError(f"The head {left_out!r} is shuffled already: it is the placebo.", "Remove `shuffled`.")
    return place


def primary_head_first(recipe: Recipe, left_out: str) -> Recipe:
    """The recipe with the primary head before all others: it picks the best epoch, in every variant."""
    primary = next(head for head in recipe.heads if head.weight and head.spec().name != left_out)
    return recipe.model_copy(update={"heads": (primary, *(head for head in recipe.heads if head is not primary))})


def _other_heads(recipe: Recipe, place: int) -> tuple[HeadPart, ...]:
    return recipe.heads[:place] + recipe.heads[place + 1 :]


def plan_variants(recipe: Recipe, left_out: str, *, targets: Mapping[str, Target], target: str) -> list[Variant]:
    """All possible variants, in the order of the report; the crops need a box.

    Args:
        recipe: with all its heads, as it would be trained.
        left_out: the name of the head in question.
        targets: of the dataset, by name.
        target: the name of the target that the head is trained on.

    Raises:
        UsageError: as `find_ablated_head`.
    """
    place = find_ablated_head(recipe, left_out)
    head, rest = recipe.heads[place], _other_heads(recipe, place)
    title = " + ".join(one.spec().name for one in rest)
    whole = f"{title} + {left_out}"
    shuffled = head.model_copy(update={"shuffled": True})
    placebo = (*recipe.heads[:place], shuffled, *recipe.heads[place + 1 :])

    def variant(key: str, title: str, heads: tuple[HeadPart, ...]) -> Variant:
        return Variant(key=key, title=title, recipe=lambda seed, _: _with_heads(recipe, heads, seed))

    variants = [variant(WITHOUT, title, rest), variant(WITH, whole, recipe.heads)]
    variants.append(variant(PLACEBO, f"{whole}, shuffled", placebo))
    if isinstance(targets[target], Box) and recipe.data.crop is None:
        alone = (head.model_copy(update={"weight": 1.0}),)
        two_stage = Variant(
            key=TWO_STAGE,
            title=f"{left_out}, crop, then {title}",
            recipe=lambda seed, locator: _with_crop(recipe, rest, seed, str(locator)),
            locator=lambda seed: _with_heads(recipe, alone, seed),
        )
        true = f"true crop, then {title}"
        oracle = Variant(key=ORACLE, title=true, recipe=lambda seed, _: _with_crop(recipe, rest, seed, TRUTH))
        variants += [two_stage, oracle]
    return variants


def choose_variants(
    variants: Sequence[Variant], only: Sequence[str] | None, *, target: Target, name: str
) -> frozenset[str]:
    """The keys of the requested variants, `without` always among them.

    Args:
        variants: all possible ones.
        only: keys of the wanted ones; None: all.
        target: the target of the head in question.
        name: of that target.

    Raises:
        UsageError: a variant that is impossible here; one variant only.
        UnknownNameError: no variant has that name.
    """
    there = [variant.key for variant in variants]
    wanted = there if only is None else [WITHOUT, *only]
    why = "" if isinstance(target, Box) else f" ({name!r} is no box)"
    for key in wanted:
        if key not in VARIANTS:
            raise UnknownNameError("variant", key, VARIANTS)
        if key not in there:
            raise UsageError(f"The variant {key!r} needs boxes to crop to{why}. Variants: {', '.join(there)}.")
    chosen = frozenset(wanted)
    if len(chosen) < 2:
        raise UsageError("One variant is nothing to compare.", f"Name another: `variants=[{WITH!r}]`.")
    return chosen


def _with_heads(recipe: Recipe, heads: tuple[HeadPart, ...], seed: int) -> Recipe:
    return recipe.model_copy(update={"heads": heads, "seed": seed})


def _with_crop(recipe: Recipe, heads: tuple[HeadPart, ...], seed: int, crop: str) -> Recipe:
    data: DataPart = recipe.data.model_copy(update={"crop": crop})
    return _with_heads(recipe, heads, seed).model_copy(update={"data": data})

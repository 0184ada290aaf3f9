"""Each variant's own rate and weight, chosen on the validation pictures of the first seeds.

tuning.json                                 what was chosen, and from what; a variant is added once it is done
tuning/<variant>/<rate>[/<weight>]/<seed>/  runs that are still being compared; the best ones become the variant's own
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError, model_validator

from zoo.errors import FileError, UsageError
from zoo.files import parse_json, write_json
from zoo.training import Recipe, Run
from zoo_ablation.formatting import markdown_table
from zoo_ablation.plan import AblationPlan, Grid
from zoo_ablation.primary_metric import PrimaryMetric
from zoo_ablation.statistics import Better
from zoo_ablation.variants import LOCATOR, TRAINING_ORDER, Variant

TUNING_FILE, TUNING_FOLDER = "tuning.json", "tuning"


class Candidate(BaseModel):
    """A rate of fine-tuning, and a weight of the head in question."""

    model_config = ConfigDict(frozen=True)

    rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)  # None: by the size of the weights
    weight: float | None = Field(
        default=None, gt=0, allow_inf_nan=False
    )  # None: as the recipe has it, or the variant is without that head

    @property
    def name(self) -> str:
        """Of its folder, the rate over the weight."""
        return self.rate_text if self.weight is None else f"{self.rate_text}/{self.weight:g}"

    @property
    def rate_text(self) -> str:
        """The rate, for folders and tables."""
        return "default" if self.rate is None else f"{self.rate:g}"

    def apply(self, recipe: Recipe, head: str) -> Recipe:
        """The recipe with that rate, and with that weight of the head where it has it."""
        weight = {} if self.weight is None else {"weight": self.weight}
        heads = tuple(one.model_copy(update=weight) if one.spec().name == head else one for one in recipe.heads)
        training = recipe.training.model_copy(update={"rate": self.rate})
        return recipe.model_copy(update={"training": training, "heads": heads})


class Trial(BaseModel):
    """A candidate and how it did on the validation pictures, seed by seed."""

    model_config = ConfigDict(frozen=True)

    candidate: Candidate
    values: tuple[FiniteFloat, ...] = Field(min_length=1)


class Tuned(BaseModel):
    """What was chosen for a variant."""

    model_config = ConfigDict(frozen=True)

    chosen: Candidate
    metric: str  # "log_loss"
    seeds: tuple[int, ...] = Field(min_length=1)
    trials: tuple[Trial, ...]

    @model_validator(mode="after")
    def _chosen_was_tried(self) -> Self:
        if self.chosen not in [trial.candidate for trial in self.trials]:
            raise ValueError("what was chosen is none of what was tried")
        return self


class _Job(NamedTuple):
    key: str  # of a variant, or of the locator
    title: str
    recipe: Callable[[int], Recipe]  # from a seed
    metric: PrimaryMetric
    weighed: bool  # its head in question has a weight beside another's


_TUNED = TypeAdapter(dict[str, Tuned])


def tune_variants(
    place: Path, plan: AblationPlan, train: Callable[[Path, Recipe], Run], tell: Callable[[str], None]
) -> dict[str, Tuned]:
    """Choose for every variant, and for the locator of the two stages; what was chosen before stays.

    Args:
        place: the ablation's folder.
        plan: with a grid.
        train: gives the finished run of a folder and a recipe, with its weights.
        tell: called with a line on every choice.

    Raises:
        FileError: tuning.json is damaged.
    """
    grid, tuned = plan.grid, read_tuned(place)
    if grid is None:
        return {}
    seeds = range(plan.recipe.seed, plan.recipe.seed + grid.seeds)
    for job in _list_jobs(place, plan, tuned, train):
        if job.key not in tuned:
            tuned[job.key] = _tune(place, plan, grid, job, seeds, train)
            write_json(place / TUNING_FILE, {key: one.model_dump(mode="json") for key, one in tuned.items()})
            tell(f"{job.title}: {describe_choice(tuned[job.key])}")
        _adopt_runs(place, job.key, tuned[job.key])
    return tuned


def read_tuned(place: Path) -> dict[str, Tuned]:
    """What was chosen so far, by variant. Raises FileError: the file is damaged."""
    path = place / TUNING_FILE
    if not path.is_file():
        return {}
    try:
        return _TUNED.validate_python(parse_json(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        problem = f"it cannot be read ({' '.join(str(error).split())[:200]})"
        raise FileError(path, problem, "Delete it, and rates and weights are chosen anew.") from error


def describe_choice(tuned: Tuned) -> str:
    """`rate 0.0003, weight 0.3 (validation log loss 1.214, of 6 candidates)`."""
    chosen = tuned.chosen
    value = next(np.mean(trial.values) for trial in tuned.trials if trial.candidate == chosen)
    weight = "" if chosen.weight is None else f", weight {chosen.weight:g}"
    said = f"validation {tuned.metric.replace('_', ' ')} {value:.3f}, the best of {len(tuned.trials)}"
    return f"rate {chosen.rate_text}{weight} ({said})"


def tuned_table(tuned: Mapping[str, Tuned], titles: Mapping[str, str]) -> str:
    """A table of what was chosen, with every candidate's value, and a sentence on how; empty where nothing was."""
    if not tuned:
        return ""
    rows = [["variant", "rate", "weight", "validation", "of all that was tried (rate, weight: value)"]]
    for key, one in sorted(tuned.items(), key=lambda item: [*titles, item[0]].index(item[0])):
        weight = "" if one.chosen.weight is None else f"{one.chosen.weight:g}"
        value = {trial.candidate: f"{np.mean(trial.values):.3f}" for trial in one.trials}
        tried = "; ".join(f"{candidate.name.replace('/', ', ')}: {said}" for candidate, said in value.items())
        said = f"{one.metric.replace('_', ' ')} {value[one.chosen]}"
        rows.append([titles.get(key, key), one.chosen.rate_text, weight, said, tried])
    seeds = next(iter(tuned.values())).seeds
    of = f"the mean of the seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"of seed {seeds[0]}"
    how = (
        f"Chosen on the validation pictures, {of}: the rate first, at the recipe's weight; "
        "then the weight, at that rate."
    )
    return f"### Rates and weights\n\n{markdown_table(rows, columns='lrrrl')}\n\n{how}\n"


def check_grid(grid: Grid) -> None:
    """Raises UsageError: a rate or a weight that is not over 0, one twice, or no seed."""
    for name, values in (("rate", grid.rates), ("weight", grid.weights)):
        if bad := [one for one in values if not (np.isfinite(one) and one > 0)]:
            raise UsageError(f"{bad[0]:g} is no {name} to try.", "Name numbers over 0, such as 1e-4,3e-4,1e-3.")
        if len(set(values)) < len(values):
            raise UsageError(f"A {name} stands twice in {', '.join(f'{one:g}' for one in values)}.", "Name each once.")
    if grid.seeds < 1:
        raise UsageError(f"{grid.seeds} seeds cannot choose a rate.", "Use 1 or more.")


def _list_jobs(
    place: Path, plan: AblationPlan, tuned: Mapping[str, Tuned], train: Callable[[Path, Recipe], Run]
) -> Iterator[_Job]:
    """Variants in the order of training; a locator before the variant that crops to what it says."""

    def locator(variant: Variant, seed: int) -> Path:
        """The trained locator of a seed."""
        folder = place / LOCATOR / str(seed)
        if variant.locator is not None:
            train(folder, tuned[LOCATOR].chosen.apply(variant.locator(seed), plan.left_out))
        return folder.resolve()

    for variant in sorted(plan.variants, key=lambda one: TRAINING_ORDER.index(one.key)):
        if variant.locator is not None:
            yield _Job(LOCATOR, f"{plan.left_out} alone", variant.locator, plan.watched[plan.left_out], False)
        weighed = any(one.spec().name == plan.left_out for one in variant.recipe(0, place).heads)
        yield _Job(
            variant.key,
            variant.title,
            lambda seed, variant=variant: variant.recipe(seed, locator(variant, seed)),  # type: ignore[misc]
            plan.watched[plan.primary_metric.head],
            weighed,
        )


def _tune(
    place: Path, plan: AblationPlan, grid: Grid, job: _Job, seeds: range, train: Callable[[Path, Recipe], Run]
) -> Tuned:
    recipes = {seed: job.recipe(seed) for seed in seeds}
    asked = next((one.weight for one in plan.recipe.heads if one.spec().name == plan.left_out), None)

    def score(candidate: Candidate) -> list[float]:
        folder = place / TUNING_FOLDER / job.key / candidate.name
        runs = {
            seed: train(folder / str(seed), candidate.apply(recipe, plan.left_out)) for seed, recipe in recipes.items()
        }
        return [job.metric.value(run, "validation") for run in runs.values()]

    start = Candidate(rate=plan.recipe.training.rate, weight=asked if job.weighed and grid.weights else None)
    chosen, trials = choose_candidate(start, grid, score, better=job.metric.better)
    return Tuned(chosen=chosen, metric=job.metric.metric, seeds=tuple(seeds), trials=tuple(trials))


def choose_candidate(
    start: Candidate, grid: Grid, score: Callable[[Candidate], Sequence[float]], *, better: Better
) -> tuple[Candidate, list[Trial]]:
    """The best rate at the first weight, then the best weight at that rate, by the mean of what `score` says."""
    tried: dict[Candidate, Trial] = {}

    def best(candidates: Sequence[Candidate]) -> Candidate:
        for one in candidates:
            if one not in tried:
                tried[one] = Trial(candidate=one, values=tuple(score(one)))
        sign = 1 if better == "lower" else -1
        return min(candidates, key=lambda one: sign * float(np.mean(tried[one].values)))

    chosen = best([Candidate(rate=rate, weight=start.weight) for rate in grid.rates or (start.rate,)])
    if start.weight is not None:
        chosen = best([Candidate(rate=chosen.rate, weight=weight) for weight in grid.weights])
    return chosen, list(tried.values())


def _adopt_runs(place: Path, key: str, tuned: Tuned) -> None:
    """The chosen candidate's runs become the variant's own; the others go."""
    folder = place / TUNING_FOLDER / key
    for seed in tuned.seeds:
        source, target = folder / tuned.chosen.name / str(seed), place / key / str(seed)
        if source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    shutil.rmtree(folder, ignore_errors=True)

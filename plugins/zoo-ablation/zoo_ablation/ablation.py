"""Ablation of a head: variants with and without it, from the same seeds, weights, batches and pictures.

An ablation is a folder:

question.json        what was asked; the same command continues where it was stopped or killed
tuning.json          every variant's own rate and weight, where they are chosen
<variant>/<seed>/    a run each; the weights of the first seed are kept, those of the others only if wanted
ablation.json        metrics, comparisons, and what they were made with; written anew after every seed
ablation.md          the same as tables and sentences
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.data import remove_decoded
from zoo.errors import UsageError, printable
from zoo.files import as_path, locked, write_atomically, write_json
from zoo.progress import Progress, silent
from zoo.store import RunRecord, as_json
from zoo.training import (
    CHECKPOINT_FILE,
    FeatureCachePool,
    Recipe,
    Run,
    discard_message,
    open_run,
    read_recipe,
    recipe_text,
    resume,
    train_recipe,
)
from zoo_ablation.plan import SEEN_SHARE, AblationPlan, Grid, open_ablation_folder, plan_ablation
from zoo_ablation.report import AblationReport, make_ablation_report
from zoo_ablation.tuning import Tuned, check_grid, tune_variants, tuned_table
from zoo_ablation.variants import LOCATOR, TRAINING_ORDER, Variant

SHARED_CACHES = 6  # of frozen outputs: whole pictures and two sorts of crops, each at the boundary and before the heads
ENVIRONMENT_KEYS = ("device", "threads", "versions")  # of the runs, which should be the same for all

RunsByVariant = Mapping[tuple[str, int], Run]  # by variant and seed


def ablate(
    recipe: Recipe | Path | str,
    out: Path | str,
    *,
    without: str,
    seeds: int = 10,
    variants: Sequence[str] | None = None,
    metric: str | None = None,
    keep: bool = False,
    rates: Sequence[float] = (),
    head_weights: Sequence[float] = (),
    tuning_seeds: int = 2,
    device: str | None = None,
    progress: Progress = silent,
    tell: Callable[[str], None] = discard_message,
) -> AblationReport:
    """Train all variants from all seeds, and compare them seed by seed.

    Where groups are known, a share of the training pictures is held out, so that groups that were trained on are
    scored beside the test's. Said again with the same folder it goes on where it was; more seeds may be asked for.
    The report has all seeds that every requested variant was trained from, and all variants trained from those.

    Args:
        recipe: with all its heads, or its file; its seed is the first.
        out: the ablation's folder.
        without: the head in question, by its name in the model.
        seeds: how many.
        variants: keys of `zoo_ablation.variants.VARIANTS` beside `without`; all that are possible by default.
        metric: of the first other head of a weight over 0; accuracy, else what picks its best epoch, by default.
        keep: keep the weights of all runs.
        rates: of fine-tuning; each variant gets the one that is best on the validation pictures by what its first
            head watches (classes: log loss), and so does the locator of the two stages. The recipe's by default.
        head_weights: likewise of the weight of the head in question, at that rate.
        tuning_seeds: so many of the first seeds choose, by their mean.
        device: where; the GPU where there is one by default.
        progress: called with how far the work is.
        tell: called with a line on every finished run.

    Raises:
        UsageError: the recipe has no such head, or nothing else; no such metric; the folder holds another ablation,
            or its dataset or its filters have changed.
        StoppedError: a signal asked to stop; the same call goes on.
        ZooError: whatever is wrong with the recipe, the data or the disk.
    """
    if seeds < 1:
        raise UsageError(f"{seeds} is no number of seeds.", "Use 10; under six nothing can be concluded.")
    place = as_path(out)
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(as_path(recipe))
    grid = Grid(rates=tuple(rates), weights=tuple(head_weights), seeds=tuning_seeds) if rates or head_weights else None
    if grid is not None:
        check_grid(grid)
    plan = plan_ablation(recipe, without, out=place, only=variants, metric=metric, grid=grid, progress=progress)
    open_ablation_folder(place, plan)
    if "seen" in plan.splits and not recipe.data.seen and plan.recipe.data.seen:
        tell(f"{SEEN_SHARE:.0%} of the training pictures are held out, to compare seen groups with unseen ones.")
    setup = _AblationSetup(
        place=place, plan=plan, keep=keep, device=device, cache_pool=FeatureCachePool(SHARED_CACHES), progress=progress
    )
    with locked(place, wait=False):
        return _run_all(setup, seeds, tell)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AblationSetup:
    place: Path
    plan: AblationPlan
    keep: bool
    device: str | None
    cache_pool: FeatureCachePool
    progress: Progress
    tuned: dict[str, Tuned] = field(default_factory=dict)  # by variant, filled before the first scored run

    def apply(self, key: str, recipe: Recipe) -> Recipe:
        """The recipe of a variant, or of the locator, with the rate and the weight that were chosen for it."""
        return self.tuned[key].chosen.apply(recipe, self.plan.left_out) if key in self.tuned else recipe


def _run_all(setup: _AblationSetup, seeds: int, tell: Callable[[str], None]) -> AblationReport:
    plan, first = setup.plan, setup.plan.recipe.seed
    setup.tuned.update(tune_variants(setup.place, plan, lambda *run: _train(setup, *run, whole=True), tell))
    ordered = sorted(plan.variants, key=lambda variant: TRAINING_ORDER.index(variant.key))
    total, done = seeds * len(ordered), 0
    for seed in range(first, first + seeds):
        setup.cache_pool.clear()  # another seed has other training pictures
        for variant in ordered:
            setup.progress("ablating", done, total, f"seed {seed}: {variant.title}")
            fresh = _find_finished_run(setup.place / variant.key / str(seed)) is None
            run = _run_variant(setup, variant, seed)
            done += 1
            if fresh:
                tell(f"seed {seed}  {variant.title}: {_describe_run(run, plan)}  ({run.record.seconds:.0f} s)")
        report = _write_report(setup)
    setup.progress("ablating", total, total, "")
    return report


def _run_variant(setup: _AblationSetup, variant: Variant, seed: int) -> Run:
    """A finished run of a variant: from the folder, from its checkpoint, or from the start.

    Raises:
        UsageError: the pictures are others than when the ablation began.
    """
    folder, locator = setup.place / variant.key / str(seed), setup.place / LOCATOR / str(seed)
    keep = setup.keep or seed == setup.plan.recipe.seed
    if variant.locator is not None and _find_finished_run(folder, whole=keep) is None:
        _train(setup, locator, setup.apply(LOCATOR, variant.locator(seed)), whole=True)
    run = _train(setup, folder, setup.apply(variant.key, variant.recipe(seed, locator.resolve())), whole=keep)
    if run.record.pictures != setup.plan.pictures:
        raise UsageError(
            f"{folder}: its pictures are not those that the ablation began with.",
            "Put them back and delete that folder, or choose another `out=`.",
        )
    if not keep:
        run = run.drop_weights()
        if variant.locator is not None and (first := _find_finished_run(locator)):
            first.drop_weights()
    if variant.locator is not None:  # crops that no other run will ask for
        remove_decoded(run.record.decoded, run.record.model.input.size)
    return run


def _find_finished_run(folder: Path, *, whole: bool = False) -> Run | None:
    """The finished run in a folder, where there is one; `whole`: with its weights."""
    run = open_run(folder) if (folder / "run.json").is_file() else None
    return run if run and run.done and not (whole and run.record.dropped) else None


def _train(setup: _AblationSetup, folder: Path, recipe: Recipe, *, whole: bool) -> Run:
    if run := _find_finished_run(folder, whole=whole):
        return run
    if (folder / "run.json").is_file() and (folder / CHECKPOINT_FILE).is_file():
        return resume(folder, device=setup.device, progress=setup.progress, cache_pool=setup.cache_pool)
    if folder.exists():
        shutil.rmtree(folder)  # killed before its first checkpoint, or without the weights that are wanted now
    return train_recipe(recipe, folder, device=setup.device, progress=setup.progress, cache_pool=setup.cache_pool)


def _describe_run(run: Run, plan: AblationPlan) -> str:
    primary_metric = plan.primary_metric
    parts = [f"{plan.place(split)} {primary_metric.value(run, split):.3f}" for split in plan.splits]
    return f"{primary_metric.metric.replace('_', ' ')} {', '.join(parts)}"


# ------------------------------------------------------------------------------------------------ the report


def _write_report(setup: _AblationSetup) -> AblationReport:
    """Compare what lies in the folder, and write it down."""
    plan = setup.plan
    runs, seeds, variants = _collect_runs(setup)
    values = {
        plan.place(split): {
            variant.key: [plan.primary_metric.value(runs[variant.key, seed], split) for seed in seeds]
            for variant in variants
        }
        for split in plan.splits
    }
    report = make_ablation_report(
        values,
        variants={variant.key: variant.title for variant in variants},
        seeds=seeds,
        head=plan.primary_metric.head,
        left_out=plan.left_out,
        metric=plan.primary_metric.metric,
        better=plan.primary_metric.better,
        share=plan.primary_metric.share,
    )
    _write_files(setup, runs, report)
    return report


def _collect_runs(setup: _AblationSetup) -> tuple[RunsByVariant, list[int], list[Variant]]:
    """All finished runs; the seeds that all wanted variants have; the variants that have all those seeds."""
    runs = {
        (folder.parent.name, int(folder.name)): run
        for folder in setup.place.glob("*/*")
        if folder.name.isdecimal() and (run := _find_finished_run(folder))
    }
    seeds = sorted({seed for _, seed in runs if all((variant.key, seed) in runs for variant in setup.plan.variants)})
    variants = [variant for variant in setup.plan.possible if all((variant.key, seed) in runs for seed in seeds)]
    return runs, seeds, variants


def _write_files(setup: _AblationSetup, runs: RunsByVariant, report: AblationReport) -> None:
    """The report, and all that it was made with."""
    plan = setup.plan
    record = runs["without", report.seeds[0]].record
    said = as_json(record)
    others = [as_json(run.record) for run in runs.values()]
    made = {
        "recipe": _recipe_without_paths(plan.recipe),
        **{key: said[key] for key in ("dataset", "pictures", "splits", *ENVIRONMENT_KEYS)},
        "tuned": {key: one.model_dump(mode="json") for key, one in setup.tuned.items()},
        "differing": [key for key in ENVIRONMENT_KEYS if any(other[key] != said[key] for other in others)],
        "runs": [
            {"arm": key, "seed": seed, "seconds": run.record.seconds, "figures": _scalar_metrics(run)}
            for (key, seed), run in sorted(runs.items())
        ],
    }
    write_json(setup.place / "ablation.json", {**report.as_json(), "made": made})
    titles = {**{variant.key: variant.title for variant in plan.possible}, LOCATOR: f"{plan.left_out} alone"}
    parts = [report.as_markdown(), tuned_table(setup.tuned, titles)]
    text = f"{chr(10).join(filter(None, parts))}\n{_describe_setup(plan, record, made['differing'])}\n"
    write_atomically(setup.place / "ablation.md", printable(text))


def _scalar_metrics(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """A run's metrics by split and head, without those of single classes."""
    return {
        split: {
            head: {key: value for key, value in figures.items() if isinstance(value, (int, float))}
            for head, figures in heads.items()
        }
        for split, heads in run.metrics.items()
    }


def _recipe_without_paths(recipe: Recipe) -> str:
    """The recipe as others may read it, without the author's folders."""
    part = recipe.data
    crop = Path(part.crop).name if part.crop else None
    return recipe_text(recipe.model_copy(update={"data": part.model_copy(update={"root": None, "crop": crop})}))


def _describe_setup(plan: AblationPlan, record: RunRecord, differing: Sequence[str]) -> str:
    order = ("train", "val", *plan.splits)
    said = ", ".join(f"{getattr(record.splits, name):,} {plan.place(name)}" for name in order)
    model, side = record.model, record.model.input.size
    mixed = f" Not all runs agree in: {', '.join(differing)}." if differing else ""
    return (
        f"`{record.dataset.called}`: {said} pictures of {side} x {side} pixels; "
        f"`{model.backbone}` up to `{model.cut.name}`, weights: {Path(record.weights).name}; "
        f"at most {plan.recipe.training.epochs} epochs; {record.device}, "
        f"torch {record.versions['torch']}.{mixed}"
    )

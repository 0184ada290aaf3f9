"""Is a head worth having? The same seeds, weights, batches and pictures with and without it, and its rivals.

An ablation is a folder:

question.json        what was asked; the same command goes on where it was stopped or killed
<arm>/<seed>/        a run each; the weights of the first seed are kept, those of the others only if wanted
ablation.json        figures, comparisons, and what they were made with; written anew after every seed
ablation.md          the same as tables and sentences
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.data.decoded import drop_decoded
from zoo.errors import FileError, UsageError
from zoo.evaluation.arms import LOCATOR, ORDER, Arm
from zoo.evaluation.question import SEEN, Question, ask, open_folder
from zoo.evaluation.verdicts import AblationReport, report_ablation
from zoo.files import write_whole
from zoo.progress import Progress, silent
from zoo.training.finetune import resume, train_recipe
from zoo.training.kept import Shelf
from zoo.training.recipe import Recipe, recipe_text
from zoo.training.record import RunRecord, as_json
from zoo.training.runs import CHECKPOINT, Run, open_run
from zoo.training.stages import unheard

SHELVES = 6  # of frozen outputs: whole pictures, two sorts of crops, each before the heads and below the boundary
MADE_WITH = ("device", "threads", "versions")  # of runs: best the same for all

Runs = Mapping[tuple[str, int], Run]  # by arm and seed


def ablate(
    recipe: Recipe,
    out: Path | str,
    *,
    without: str,
    seeds: int = 10,
    arms: Sequence[str] | None = None,
    metric: str | None = None,
    keep: bool = False,
    device: str | None = None,
    progress: Progress = silent,
    tell: Callable[[str], None] = unheard,
) -> AblationReport:
    """Train all arms from all seeds, and compare them seed by seed.

    Where groups are known, a share of the training pictures is held out, so that groups that were learnt from are
    scored beside the test's. Said again with the same folder it goes on where it was; more seeds may be asked for.
    The report has all seeds that all arms asked for were trained from, and all arms that were trained from those.

    Args:
        recipe: with all its heads; its seed is the first.
        out: the ablation's folder.
        without: the head in question, by its name in the model.
        seeds: how many.
        arms: keys of `zoo.evaluation.arms.ARMS` beside `without`; all that can be by default.
        metric: of the first other head of a weight over 0; accuracy, else what picks its best epoch, by default.
        keep: keep the weights of all runs.
        device: where; the GPU where there is one by default.
        progress: told how far the work is.
        tell: told in a line how every run went.

    Raises:
        UsageError: the recipe has no such head, or nothing else; no such metric; the folder holds another ablation,
            or its dataset or its filters have changed.
        StoppedError: a signal asked to stop; the same call goes on.
        ZooError: whatever is wrong with the recipe, the data or the disk.
    """
    if seeds < 1:
        raise UsageError(f"{seeds} seeds are none.", "Ask for 10; under six nothing can be concluded.")
    place = Path(out)
    question = ask(recipe, without, out=place, only=arms, metric=metric, progress=progress)
    open_folder(place, question)
    if "seen" in question.splits and not recipe.data.seen and question.recipe.data.seen:
        tell(f"{SEEN:.0%} of the training pictures are held out, to compare seen groups with unseen ones.")
    work = _Work(place=place, question=question, keep=keep, device=device, shelf=Shelf(SHELVES), progress=progress)
    try:
        with FileLock(place / ".lock", timeout=0):
            return _run_all(work, seeds, tell)
    except Timeout as error:
        raise FileError(place, "another `zoo ablate` works here", "Wait for it, or choose another `out=`.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    place: Path
    question: Question
    keep: bool
    device: str | None
    shelf: Shelf
    progress: Progress


def _run_all(work: _Work, seeds: int, tell: Callable[[str], None]) -> AblationReport:
    question, first = work.question, work.question.recipe.seed
    ordered = sorted(question.arms, key=lambda arm: ORDER.index(arm.key))
    total, done = seeds * len(ordered), 0
    for seed in range(first, first + seeds):
        work.shelf.clear()  # another seed has other training pictures
        for arm in ordered:
            work.progress("ablating", done, total, f"seed {seed}: {arm.title}")
            fresh = _standing(work.place / arm.key / str(seed)) is None
            run = _run_arm(work, arm, seed)
            done += 1
            if fresh:
                tell(f"seed {seed}  {arm.title}: {_said(run, question)}  ({run.record.seconds:.0f} s)")
        report = _report(work)
    work.progress("ablating", total, total, "")
    return report


def _run_arm(work: _Work, arm: Arm, seed: int) -> Run:
    """A finished run of an arm: from the folder, from its checkpoint, or from the start.

    Raises:
        UsageError: the pictures are others than when the ablation began.
    """
    folder, locator = work.place / arm.key / str(seed), work.place / LOCATOR / str(seed)
    keep = work.keep or seed == work.question.recipe.seed
    if arm.locator is not None and _standing(folder, whole=keep) is None:
        _train(work, locator, arm.locator(seed), whole=True)
    run = _train(work, folder, arm.recipe(seed, locator.resolve()), whole=keep)
    if run.record.pictures != work.question.pictures:
        raise UsageError(
            f"{folder}: its pictures are others than those that the ablation began with.",
            "Put them back and delete that folder, or choose another `out=`.",
        )
    if not keep:
        run = run.drop_weights()
        if arm.locator is not None and (first := _standing(locator)):
            first.drop_weights()
    if arm.locator is not None:  # crops that no other run will ask for
        drop_decoded(run.record.fingerprint, run.record.model.input.size)
    return run


def _standing(folder: Path, *, whole: bool = False) -> Run | None:
    """The finished run in a folder, where there is one; `whole`: with its weights."""
    run = open_run(folder) if (folder / "run.json").is_file() else None
    return run if run and run.done and not (whole and run.record.dropped) else None


def _train(work: _Work, folder: Path, recipe: Recipe, *, whole: bool) -> Run:
    if run := _standing(folder, whole=whole):
        return run
    if (folder / "run.json").is_file() and (folder / CHECKPOINT).is_file():
        return resume(folder, device=work.device, progress=work.progress, shelf=work.shelf)
    if folder.exists():
        shutil.rmtree(folder)  # killed before its first checkpoint, or without the weights that are wanted now
    return train_recipe(recipe, folder, device=work.device, progress=work.progress, shelf=work.shelf)


def _said(run: Run, question: Question) -> str:
    judge = question.judge
    parts = [f"{question.place(split)} {judge.value(run, split):.3f}" for split in question.splits]
    return f"{judge.metric.replace('_', ' ')} {', '.join(parts)}"


# ------------------------------------------------------------------------------------------------ the report


def _report(work: _Work) -> AblationReport:
    """Compare what lies in the folder, and write it down."""
    question = work.question
    runs, seeds, arms = _collect(work)
    values = {
        question.place(split): {
            arm.key: [question.judge.value(runs[arm.key, seed], split) for seed in seeds] for arm in arms
        }
        for split in question.splits
    }
    report = report_ablation(
        values,
        arms={arm.key: arm.title for arm in arms},
        seeds=seeds,
        head=question.judge.head,
        left_out=question.left_out,
        metric=question.judge.metric,
        better=question.judge.better,
        share=question.judge.share,
    )
    _write(work, runs, report)
    return report


def _collect(work: _Work) -> tuple[Runs, list[int], list[Arm]]:
    """All finished runs; the seeds of which all wanted arms are; the arms that are of all those seeds."""
    runs = {
        (folder.parent.name, int(folder.name)): run
        for folder in work.place.glob("*/*")
        if folder.name.isdecimal() and (run := _standing(folder))
    }
    seeds = sorted({seed for _, seed in runs if all((arm.key, seed) in runs for arm in work.question.arms)})
    arms = [arm for arm in work.question.possible if all((arm.key, seed) in runs for seed in seeds)]
    return runs, seeds, arms


def _write(work: _Work, runs: Runs, report: AblationReport) -> None:
    """The report, and all that it was made with."""
    question = work.question
    record = runs["without", report.seeds[0]].record
    said = as_json(record)
    others = [as_json(run.record) for run in runs.values()]
    made = {
        "recipe": _private(question.recipe),
        **{key: said[key] for key in ("dataset", "pictures", "splits", *MADE_WITH)},
        "differing": [key for key in MADE_WITH if any(other[key] != said[key] for other in others)],
        "runs": [
            {"arm": key, "seed": seed, "seconds": run.record.seconds, "figures": _single(run)}
            for (key, seed), run in sorted(runs.items())
        ],
    }
    write_whole(work.place / "ablation.json", json.dumps({**report.as_json(), "made": made}, indent=1) + "\n")
    text = f"{report.as_markdown()}\n{_made_in_words(question, record, made['differing'])}\n"
    write_whole(work.place / "ablation.md", text)


def _single(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """A run's figures by split and head, without those of single classes."""
    return {
        split: {
            head: {key: value for key, value in figures.items() if isinstance(value, (int, float))}
            for head, figures in heads.items()
        }
        for split, heads in run.metrics.items()
    }


def _private(recipe: Recipe) -> str:
    """The recipe as others may read it, without the author's folders."""
    part = recipe.data
    crop = Path(part.crop).name if part.crop else None
    return recipe_text(recipe.model_copy(update={"data": part.model_copy(update={"root": None, "crop": crop})}))


def _made_in_words(question: Question, record: RunRecord, differing: Sequence[str]) -> str:
    order = ("train", "val", *question.splits)
    said = ", ".join(f"{getattr(record.splits, name):,} {question.place(name)}" for name in order)
    model, side = record.model, record.model.input.size
    mixed = f" Not all runs agree in: {', '.join(differing)}." if differing else ""
    return (
        f"`{record.dataset.name}`: {said} pictures of {side} x {side} pixels; "
        f"`{model.backbone}` up to `{model.cut.name}`, weights: {Path(record.weights).name}; "
        f"at most {question.recipe.training.epochs} epochs; {record.device}, {record.threads} threads, "
        f"torch {record.versions['torch']}.{mixed}"
    )

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
from typing import Any

from filelock import FileLock, Timeout

from zoo.data.datasets import OpenDataset, open_dataset
from zoo.data.decoded import Decoded, drop_decoded
from zoo.errors import FileError, UsageError, ZooError
from zoo.evaluation.arms import LOCATOR, ORDER, Arm, find_left_out, plan_arms
from zoo.evaluation.judging import Judge, find_judge
from zoo.evaluation.verdicts import AblationReport, report_ablation
from zoo.files import write_whole
from zoo.model import assemble
from zoo.progress import Progress, silent
from zoo.training.finetune import resume, start_from, train_recipe
from zoo.training.kept import Shelf
from zoo.training.recipe import Recipe, recipe_text
from zoo.training.runs import CHECKPOINT, Run, open_run
from zoo.training.stages import unheard

SEEN = 0.15  # of the training pictures are held out where groups are known
SHELVES = 6  # of frozen outputs: whole pictures, two sorts of crops, each before the heads and below the boundary


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an ablation asks."""

    recipe: Recipe
    left_out: str
    arms: tuple[Arm, ...]
    judge: Judge
    fingerprint: str  # of the dataset
    splits: tuple[str, ...]  # of a run's figures: ("seen", "test") or ("test",)

    def as_json(self) -> dict[str, Any]:
        """What must be the same for a folder to go on."""
        return {
            "recipe": recipe_text(self.recipe),
            "without": self.left_out,
            "fingerprint": self.fingerprint,
        }


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
            or its dataset has changed.
        StoppedError: a signal asked to stop; the same call goes on.
        ZooError: whatever is wrong with the recipe, the data or the disk.
    """
    if seeds < 1:
        raise UsageError(f"{seeds} seeds are none. Ask for 10; under six nothing can be concluded.")
    place = Path(out)
    question = _ask(recipe, without, arms, metric, progress)
    _open_folder(place, question)
    try:
        with FileLock(place / ".lock", timeout=0):
            return _run_all(place, question, seeds, keep=keep, device=device, progress=progress, tell=tell)
    except Timeout as error:
        raise FileError(place, "another `zoo ablate` works here", "Wait for it, or choose another --out.") from error


def _ask(recipe: Recipe, left_out: str, only: Sequence[str] | None, metric: str | None, progress: Progress) -> Question:
    """Check all that can be wrong before the first training, and hold pictures of seen groups out."""
    part = recipe.data
    find_left_out(recipe, left_out)
    data = open_dataset(part.dataset, part.root, options=part.options, progress=progress)
    filters = start_from(recipe, progress)
    specs = [head.spec() for head in recipe.heads]
    model = assemble(filters, dataset=data.dataset, heads=specs, size=recipe.size, seed=recipe.seed)
    learnt = model.specs[left_out].target or ""
    judged = next(head.spec().name for head in recipe.heads if head.weight and head.spec().name != left_out)
    judge = find_judge(model, judged, metric)
    plan_arms(recipe, left_out, targets=data.targets, learnt=learnt, only=only)  # before any picture is decoded
    decoded = data.decode(model.size, skip_unreadable=part.skip_unreadable, progress=progress)
    recipe, splits = _with_seen(recipe, data, decoded)
    arms = plan_arms(recipe, left_out, targets=data.targets, learnt=learnt, only=only)
    return Question(
        recipe=recipe,
        left_out=left_out,
        arms=tuple(arms),
        judge=judge,
        fingerprint=data.fingerprint(),
        splits=splits,
    )


def _with_seen(recipe: Recipe, data: OpenDataset, decoded: Decoded) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe that holds pictures of seen groups out, where the test's groups are others."""
    part = recipe.data
    splits = data.split(decoded, seed=recipe.seed, seen=part.seen, limit=part.limit)
    if not len(splits.test):
        raise UsageError(f"The dataset {data.name!r} has no test pictures, so that nothing can be judged.")
    if len(splits.seen):
        return recipe, ("seen", "test")
    learnt, tested = ({decoded.groups[row] for row in rows.tolist()} for rows in (splits.train, splits.test))
    if None in learnt | tested or learnt & tested:
        return recipe, ("test",)
    return recipe.model_copy(update={"data": part.model_copy(update={"seen": SEEN})}), ("seen", "test")


def _open_folder(place: Path, question: Question) -> None:
    """Begin the folder, or see that the same was asked before."""
    asked, path = question.as_json(), place / "question.json"
    if path.is_file():
        try:
            before = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise FileError(path, f"it cannot be read ({error})", "Choose another --out.") from error
        differ = [key for key in asked if before.get(key) != asked[key]]
        if differ == ["fingerprint"]:
            raise UsageError(
                f"{place}: the dataset has changed since this ablation began. Put it back, or choose another --out."
            )
        if differ:
            raise UsageError(
                f"{place}: another ablation lies there ({', '.join(differ)} differ). "
                "Choose another --out, or ask the same."
            )
        return
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise FileError(place, "it is there already and is not empty", "Choose another --out.")
    write_whole(path, json.dumps(asked, indent=1) + "\n")


def _run_all(
    place: Path,
    question: Question,
    seeds: int,
    *,
    keep: bool,
    device: str | None,
    progress: Progress,
    tell: Callable[[str], None],
) -> AblationReport:
    shelf, first = Shelf(SHELVES), question.recipe.seed
    ordered = sorted(question.arms, key=lambda arm: ORDER.index(arm.key))
    total, done = seeds * len(ordered), 0
    runs: dict[tuple[str, int], Run] = {}
    report: AblationReport | None = None
    for seed in range(first, first + seeds):
        for arm in ordered:
            progress("ablating", done, total, f"seed {seed}: {arm.title}")
            fresh = not _finished(place / arm.key / str(seed))
            run = runs[arm.key, seed] = _run_arm(
                place, arm, seed, shelf=shelf, keep=keep or seed == first, device=device, progress=progress
            )
            done += 1
            if fresh:
                tell(f"seed {seed}  {arm.title}: {_said(run, question)}  ({run.record['seconds']:.0f} s)")
        report = _report(question, runs, range(first, seed + 1))
        _write(place, question, runs, report)
    progress("ablating", total, total, "")
    if report is None:
        raise ZooError("No seed was run.")
    return report


def _run_arm(
    place: Path, arm: Arm, seed: int, *, shelf: Shelf, keep: bool, device: str | None, progress: Progress
) -> Run:
    """A finished run of an arm: from the folder, from its checkpoint, or from the start."""
    folder, locator = place / arm.key / str(seed), place / LOCATOR / str(seed)
    if arm.locator is not None and not _finished(folder):
        _train(locator, arm.locator(seed), shelf, device, progress)
    run = _train(folder, arm.recipe(seed, locator.resolve()), shelf, device, progress)
    if not keep:
        run = run.drop_weights()
        if arm.locator is not None and _finished(locator):
            open_run(locator).drop_weights()
    if arm.locator is not None:  # crops that no other run will ask for
        drop_decoded(run.record["fingerprint"], run.record["model"]["input"]["size"])
    return run


def _finished(folder: Path) -> bool:
    return (folder / "run.json").is_file() and open_run(folder).done


def _train(folder: Path, recipe: Recipe, shelf: Shelf, device: str | None, progress: Progress) -> Run:
    if _finished(folder):
        return open_run(folder)
    if (folder / "run.json").is_file() and (folder / CHECKPOINT).is_file():
        return resume(folder, device=device, progress=progress, shelf=shelf)
    if folder.exists():
        shutil.rmtree(folder)  # killed before its first checkpoint
    return train_recipe(recipe, folder, device=device, progress=progress, shelf=shelf)


def _said(run: Run, question: Question) -> str:
    judge = question.judge
    parts = [f"{_place(split, question)} {judge.value(run, split):.3f}" for split in question.splits]
    return f"{judge.metric.replace('_', ' ')} {', '.join(parts)}"


def _place(split: str, question: Question) -> str:
    """`unseen` of the test pictures, where there are seen groups beside them."""
    return "unseen" if split == "test" and "seen" in question.splits else split


def _report(question: Question, runs: Mapping[tuple[str, int], Run], seeds: Sequence[int]) -> AblationReport:
    judge = question.judge
    values = {
        _place(split, question): {
            arm.key: [judge.value(runs[arm.key, seed], split) for seed in seeds] for arm in question.arms
        }
        for split in question.splits
    }
    return report_ablation(
        values,
        arms={arm.key: arm.title for arm in question.arms},
        seeds=list(seeds),
        head=judge.head,
        left_out=question.left_out,
        metric=judge.metric,
        better=judge.better,
        share=judge.share,
    )


def _write(place: Path, question: Question, runs: Mapping[tuple[str, int], Run], report: AblationReport) -> None:
    """The report, and all that it was made with."""
    record = next(iter(runs.values())).record
    made = {
        "recipe": recipe_text(question.recipe),
        **{key: record[key] for key in ("dataset", "fingerprint", "splits", "device", "threads", "versions")},
        "runs": [
            {"arm": key, "seed": seed, "seconds": run.record["seconds"], "figures": run.metrics}
            for (key, seed), run in sorted(runs.items())
        ],
    }
    write_whole(place / "ablation.json", json.dumps({**report.as_json(), "made": made}, indent=1) + "\n")
    write_whole(place / "ablation.md", report.as_markdown())

"""What an ablation asks, checked before the first training; and the folder that must ask the same to go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data.datasets import OpenDataset, open_dataset
from zoo.data.decoded import Decoded
from zoo.errors import FileError, UsageError
from zoo.evaluation.arms import Arm, choose_arms, find_left_out, judged_first, plan_arms
from zoo.evaluation.judging import Judge, find_judge
from zoo.files import write_whole
from zoo.model import assemble
from zoo.progress import Progress
from zoo.training.finetune import start_from
from zoo.training.recipe import Recipe, recipe_text
from zoo.weights import digest_of

SEEN = 0.15  # of the training pictures are held out where groups are known
FILE = "question.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an ablation asks."""

    recipe: Recipe
    left_out: str
    arms: tuple[Arm, ...]  # that are wanted
    possible: tuple[Arm, ...]  # all, as they are shown
    judge: Judge
    pictures: str  # the dataset's fingerprint
    start: str  # digest of the filters that the first seed begins with
    splits: tuple[str, ...]  # of a run's figures: ("seen", "test") or ("test",)

    def as_json(self) -> dict[str, Any]:
        """What must be the same for a folder to go on."""
        return {
            "recipe": recipe_text(self.recipe),
            "without": self.left_out,
            "pictures": self.pictures,
            "start": self.start,
        }

    def place(self, split: str) -> str:
        """`unseen` of the test pictures, where there are seen groups beside them."""
        return "unseen" if split == "test" and "seen" in self.splits else split


def ask(
    recipe: Recipe,
    left_out: str,
    *,
    out: Path,
    only: Sequence[str] | None,
    metric: str | None,
    progress: Progress,
) -> Question:
    """Check all that can be wrong before the first training.

    The judged head goes before all others, so that it picks the best epoch in every arm. Where the test's groups
    are not learnt from, pictures of seen groups are held out.

    Raises:
        UsageError, UnknownNameError: as `zoo.evaluation.ablation.ablate` says.
    """
    part = recipe.data
    find_left_out(recipe, left_out)
    recipe = judged_first(recipe, left_out)
    data = open_dataset(part.dataset, part.root, options=part.options, progress=progress)
    if out.resolve().is_relative_to(data.root):
        raise UsageError(f"{out} lies among the pictures, in {data.root}.", "Choose another `out=`.")
    filters = start_from(recipe, progress)
    heads = [head.spec() for head in recipe.heads]
    model = assemble(filters, dataset=data.dataset, heads=heads, size=recipe.size, seed=recipe.seed)
    learnt = model.specs[left_out].target or ""
    judge = find_judge(model, heads[0].name, metric)
    possible = plan_arms(recipe, left_out, targets=data.targets, learnt=learnt)
    wanted = choose_arms(possible, only, learnt=data.targets[learnt], name=learnt)  # before any picture is decoded
    decoded = data.decode(model.size, skip_unreadable=part.skip_unreadable, progress=progress)
    recipe, splits = _with_seen(recipe, data, decoded)
    possible = plan_arms(recipe, left_out, targets=data.targets, learnt=learnt)  # of the recipe as it is now
    return Question(
        recipe=recipe,
        left_out=left_out,
        arms=tuple(arm for arm in possible if arm.key in wanted),
        possible=tuple(possible),
        judge=judge,
        pictures=data.fingerprint(),
        start=digest_of(filters),
        splits=splits,
    )


def _with_seen(recipe: Recipe, data: OpenDataset, decoded: Decoded) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe that holds pictures of seen groups out; only where the test's groups are others."""
    part = recipe.data
    splits = recipe.split(data, decoded)
    if not len(splits.test):
        raise UsageError(f"The dataset {data.name!r} has no test pictures, so that nothing can be judged.")
    learnt, tested = ({decoded.groups[row] for row in rows.tolist()} for rows in (splits.train, splits.test))
    if None in learnt | tested or learnt & tested:
        return recipe, ("test",)
    if not len(splits.seen):
        recipe = recipe.model_copy(update={"data": part.model_copy(update={"seen": SEEN})})
    return recipe, ("seen", "test")


def open_folder(place: Path, question: Question) -> None:
    """Begin an ablation's folder, or see that the same was asked before.

    Raises:
        UsageError: something else was asked; the dataset or the filters have changed since.
        FileError: something else lies there.
    """
    asked, path = question.as_json(), place / FILE
    if path.is_file():
        try:
            before = json.loads(path.read_text())
            differ = [key for key in asked if before.get(key) != asked[key]]
        except (OSError, ValueError, AttributeError) as error:
            raise FileError(path, f"it cannot be read ({error})", "Choose another `out=`.") from error
        for key, what in (("pictures", "the dataset has"), ("start", "the filters that it starts from have")):
            if differ == [key]:
                raise UsageError(
                    f"{place}: {what} changed since this ablation began.", "Put them back, or choose another `out=`."
                )
        if differ:
            raise UsageError(
                f"{place}: another ablation lies there (other {', '.join(differ)}).",
                "Choose another `out=`, or ask the same.",
            )
        return
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise FileError(place, "it is there already and is not empty", "Choose another `out=`.")
    write_whole(path, json.dumps(asked, indent=1) + "\n")

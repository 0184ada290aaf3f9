"""Finished runs to be compared: whether they can be, and which pictures they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo import Box, Categories
from zoo.data import DecodedDataset, OpenDataset
from zoo.errors import UnknownNameError, UsageError
from zoo.models import Model
from zoo.training import Run, check_pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRun:
    """A run with its model, and the head whose classes are explained."""

    name: str  # the folder's own, or its path where another has that name too
    run: Run
    model: Model
    head: str

    @property
    def target(self) -> str:
        """What the head names."""
        return self.model.specs[self.head].target or ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The head's."""
        target = self.model.head(self.head).target
        return target.names if isinstance(target, Categories) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedImages:
    """How many pictures of the split are left out, by reason."""

    elsewhere: int = 0  # in the first run's split, and not in every other's: their seeds drew others
    empty: int = 0  # known to show nothing
    unboxed: int = 0  # of their box nothing is known, or nothing that can be used
    unlabelled: int = 0  # of their class nothing is known


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """As many of the last parts of different folders' paths as tell them apart: `with/0` and `without/0`."""
    parts = [folder.resolve().parts for folder in folders]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-count:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def load_runs(runs: Sequence[Run], head: str | None) -> list[LoadedRun]:
    """Load the models of runs that can be compared.

    Args:
        runs: one or several.
        head: which; None: the first of each that gives a logit a class.

    Raises:
        FileError: a run that is not done.
        UnknownNameError: a run has no such head.
        UsageError: none; the same run twice; other pictures, cropped ones, another question.
    """
    _check_runs(runs)
    loaded_runs = []
    for run, name in zip(runs, distinct_names([run.folder for run in runs]), strict=True):
        model = run.load_model()
        loaded_runs.append(LoadedRun(name=name, run=run, model=model, head=_find_head(run, model, head)))
    first = loaded_runs[0]
    for loaded_run in loaded_runs[1:]:
        if loaded_run.target != first.target:
            raise UsageError(
                f"{first.run.folder} names the {first.target!r} and {loaded_run.run.folder} the {loaded_run.target!r}: "
                "they are not asked the same. Name a head that both have: `head=`."
            )
    return loaded_runs


def _check_runs(runs: Sequence[Run]) -> None:
    if not runs:
        raise UsageError("There is no run to look with. Name a folder that `zoo train` wrote.")
    places = [run.folder.resolve() for run in runs]
    for number, run in enumerate(runs):
        if places[number] in places[:number]:
            raise UsageError(f"The run {run.folder} is named twice. Name each once.")
        if getattr(run.recipe.data, "crop", None):
            raise UsageError(
                f"{run.folder}: this run sees pictures cropped to a box, in which that box says little. "
                "Name runs of whole pictures."
            )
        if run.record.fingerprint != runs[0].record.fingerprint:
            first, other = runs[0].recipe.data.dataset, run.recipe.data.dataset
            found = f"{first!r} and {other!r}" if first != other else f"{first!r} with other options or other files"
            raise UsageError(
                f"{runs[0].folder} and {run.folder} were not trained on the same pictures: {found}. "
                "Compare runs of one dataset."
            )


def _find_head(run: Run, model: Model, name: str | None) -> str:
    """The named head, or the first that gives a logit a class."""
    if name is not None and name not in model.specs:
        raise UnknownNameError(f"head of {run.folder}", name, model.specs)
    heads = {one: model.head(one) for one in model.specs}
    fitting = [one for one, head in heads.items() if isinstance(head.target, Categories) and head.gives_logits]
    if name in fitting or (name is None and fitting):
        return name or fitting[0]
    which = "no head of this run gives" if name is None else f"the head {name!r} does not give"
    remedy = f"Pass `head={fitting[0]!r}`." if fitting else "Train a run with --head classify."
    listed = format_targets({one: head.target for one, head in heads.items()})
    raise UsageError(
        f"{run.folder}: saliency is of a class, and {which} one logit a class. Its heads: {listed}. {remedy}"
    )


def format_targets(targets: Mapping[str, object]) -> str:
    """`label (Categories), box (Box)`."""
    return ", ".join(f"{name} ({type(target).__name__})" for name, target in targets.items()) or "none"


def find_box(data: OpenDataset, name: str | None) -> str:
    """The target that is a box: the named one, else the only one. Raises UsageError."""
    boxes = [one for one, target in data.targets.items() if isinstance(target, Box)]
    if name in boxes or (name is None and len(boxes) == 1):
        return name or boxes[0]
    if name is not None:
        problem = f"has no box called {name!r}"
    else:
        problem = "has several boxes: say which by `box=`" if boxes else "has no box to compare saliency with"
    raise UsageError(f"The dataset {data.name!r} {problem}. Its targets: {format_targets(data.targets)}.")


def check_classes(loaded_runs: Sequence[LoadedRun], data: OpenDataset) -> None:
    """Refuse a dataset whose classes are not those of the training. Raises UsageError."""
    for one in loaded_runs:
        if data.targets.get(one.target) != one.model.head(one.head).target:
            raise UsageError(
                f"{one.run.folder}: the head {one.head!r} was trained on {one.target!r} with other classes than the "
                f"dataset in {data.root} has. Name the folder that it was trained on: `root=`."
            )


def shared_rows(
    loaded_runs: Sequence[LoadedRun], data: OpenDataset, decoded: Mapping[int, DecodedDataset], split: str
) -> tuple[Tensor, int]:
    """The pictures that lie in the split of every run.

    Args:
        loaded_runs: the runs.
        data: their dataset.
        decoded: by the side in pixels that models take.
        split: its name.

    Returns:
        Rows int64 (N,) of the first run's decoded pictures, and how many of its split are in no other's.

    Raises:
        UsageError: a run has no such split, the pictures have changed since, or the runs share none.
    """
    sets: list[set[int]] = []
    for one in loaded_runs:
        table, recipe = decoded[one.model.size], one.run.recipe
        if split not in data.dataset.splits:  # a split drawn of others could hold some that were trained on
            check_pictures(one.run, data, table, remedy="Put them back, or train anew.")
        named = recipe.split(data, table).by_name
        if split not in named:
            raise UsageError(
                f"{one.run.folder} has no split {split!r} with pictures.", f"Pass `split=`, one of {', '.join(named)}."
            )
        sets.append(set(table.index[named[split]].tolist()))
    shared = set.intersection(*sets)
    if not shared:
        seeds = ", ".join(str(one.run.recipe.seed) for one in loaded_runs)
        raise UsageError(
            f"No picture is in the split {split!r} of all these runs (their seeds: {seeds}). Compare runs of one seed."
        )
    keep = [number in shared for number in decoded[loaded_runs[0].model.size].index.tolist()]
    return torch.tensor(keep).nonzero().flatten(), len(sets[0]) - len(shared)


def usable_rows(
    rows: Tensor, table: DecodedDataset, *, box: str, label: str | None, split: str, elsewhere: int = 0
) -> tuple[Tensor, ExcludedImages]:
    """The rows with a box, and with a class where `label` names a target; and what is left out.

    Raises:
        UsageError: none is left.
    """
    boxes, known = table.targets[box][rows], table.known[box][rows]
    x1, y1, x2, y2 = boxes.clamp(0, 1).unbind(dim=1)
    boxed = known & boxes.isfinite().all(dim=1) & (x2 > x1) & (y2 > y1)
    empty = known & boxes.isnan().all(dim=1)
    labelled = table.targets[label][rows] >= 0 if label else torch.ones_like(boxed)
    left_out = ExcludedImages(
        elsewhere=elsewhere,
        empty=int(empty.sum()),
        unboxed=int((~boxed & ~empty).sum()),
        unlabelled=int((boxed & ~labelled).sum()),
    )
    kept = rows[boxed & labelled]
    if not len(kept):
        raise UsageError(
            f"No picture of the split {split!r} has what is needed: of {len(rows)}, {left_out.empty} show nothing, of "
            f"{left_out.unboxed} no {box} is known, of {left_out.unlabelled} no class. Pass another `split=`."
        )
    return kept, left_out

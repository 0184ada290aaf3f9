"""The training targets of every head, and checks of them before anything is trained."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.contracts import Box
from zoo.data import DecodedDataset, OpenDataset, generator_for
from zoo.errors import UsageError, ZooError
from zoo.models import Model

SHUFFLE_STREAM = 77  # of the random stream: distinct from those of batches and views


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTargets:
    """The training targets of one head, one for every decoded picture."""

    values: Tensor  # as `DecodedDataset.targets` has them
    known: Tensor  # bool (N,)


def make_head_targets(
    model: Model, decoded: DecodedDataset, *, shuffled: Collection[str], rows: Tensor, seed: int
) -> dict[str, HeadTargets]:
    """The training targets of all heads.

    Args:
        model: for its heads' targets.
        decoded: the pictures.
        shuffled: heads that are trained on another training picture's target, none on its own: a placebo. They as
            a whole stay what they are, and have nothing to do with the pictures any more.
        rows: the training pictures; all others keep their own targets.
        seed: of the shuffling.
    """
    head_targets = {}
    for name, spec in model.specs.items():
        values, known = decoded.targets[spec.target or ""], decoded.known[spec.target or ""]
        if name in shuffled:
            members = rows[known[rows]]
            turned = members[torch.randperm(len(members), generator=generator_for(seed, SHUFFLE_STREAM))]
            values = values.clone()
            values[turned] = values[turned.roll(1)]
        head_targets[name] = HeadTargets(values=values, known=known)
    return head_targets


def check_targets(model: Model, data: OpenDataset) -> None:
    """Raises UsageError where a dataset has other classes than a model's heads."""
    for name, spec in model.specs.items():
        if data.targets.get(spec.target or "") != model.head(name).target:
            raise UsageError(
                f"The head {name!r} was made for {spec.target!r} with other classes than those in {data.root}.",
                "`zoo train RUN` with `root=` fits a run's heads to them; in Python, zoo.assemble puts on new ones.",
            )


def check_boxes(model: Model, decoded: DecodedDataset) -> None:
    """Refuse invalid boxes among the targets that a head is trained on.

    A box may reach over the picture's edge. Four NaN, like None, say that there is nothing in the picture.

    Raises:
        ZooError: a box with some NaN or infinite, without width or height, or outside the picture; all counted,
            the first named.
    """
    boxed = {spec.target or "" for name, spec in model.specs.items() if isinstance(model.head(name).target, Box)}
    for name in sorted(boxed):
        boxes = decoded.targets[name]
        finite = boxes.isfinite().all(dim=1)
        x1, y1, x2, y2 = boxes.unbind(dim=1)
        inside = (x2 > x1) & (y2 > y1) & (x2 > 0) & (y2 > 0) & (x1 < 1) & (y1 < 1)
        wrong = (decoded.known[name] & ~boxes.isnan().all(dim=1) & ~(finite & inside)).nonzero().flatten()
        if len(wrong):
            row = int(wrong[0])
            where = decoded.paths[row] or f"picture {int(decoded.index[row])}"
            said = ", ".join(f"{value:.4g}" for value in boxes[row].to(torch.float64).tolist())
            raise ZooError(
                f"{len(wrong)} boxes of {name!r} cannot be trained on. The first, of {where}, is ({said}) of the "
                "picture's width and height; x1 < x2 and y1 < y2 are needed, inside it.",
                "Correct them; None says there is no box.",
            )

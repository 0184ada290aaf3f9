"""What every head is taught, and what is wrong with it, said before anything is trained on it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.contracts import Box
from zoo.data.batches import generator_for
from zoo.data.decoded import Decoded
from zoo.errors import ZooError
from zoo.model import Model

PLACEBO = 77  # of the seeds: apart from those of batches and views


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What one head learns from: its target of every decoded picture."""

    values: Tensor  # as `Decoded.targets` has them
    known: Tensor  # bool (N,)


def plan_lessons(
    model: Model, decoded: Decoded, *, shuffled: Collection[str], rows: Tensor, seed: int
) -> dict[str, Lesson]:
    """The lessons of all heads.

    Args:
        model: for its heads' targets.
        decoded: the pictures.
        shuffled: heads that are taught another training picture's target, none its own: a placebo. The targets as
            a whole stay what they are, and have nothing to do with the pictures any more.
        rows: the training pictures; all others keep their own targets.
        seed: of the shuffling.
    """
    lessons = {}
    for name, spec in model.specs.items():
        values, known = decoded.targets[spec.target or ""], decoded.known[spec.target or ""]
        if name in shuffled:
            members = rows[known[rows]]
            turned = members[torch.randperm(len(members), generator=generator_for(seed, PLACEBO))]
            values = values.clone()
            values[turned] = values[turned.roll(1)]
        lessons[name] = Lesson(values=values, known=known)
    return lessons


def check_boxes(model: Model, decoded: Decoded) -> None:
    """Refuse boxes that are none, of the targets that a head learns.

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
                f"{len(wrong)} boxes of {name!r} cannot be learnt. The first, of {where}, is ({said}) of the picture's "
                "width and height; x1 < x2 and y1 < y2 are needed, inside it.",
                "Mend them; None says there is no box.",
            )

"""Train, validation and test splits: by group where groups are known, else by class; drawn by the seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.contracts import SPLITS
from zoo.data.decoded import DecodedDataset
from zoo.errors import UsageError, ZooError


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Rows of the decoded pictures, disjoint."""

    train: Tensor  # int64
    val: Tensor
    test: Tensor
    how: str  # in words, for the run's record
    seen: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """Held-out pictures of training groups, to be compared with the test's groups, which are not trained on."""

    @property
    def by_name(self) -> dict[str, Tensor]:
        """Those that hold pictures."""
        named = {"train": self.train, "val": self.val, "seen": self.seen, "test": self.test}
        return {name: rows for name, rows in named.items() if len(rows)}


def draw_splits(
    decoded: DecodedDataset,
    given: Mapping[str, Sequence[int]],
    *,
    strata: Tensor | None,
    seed: int,
    val: float = 0.15,
    test: float = 0.15,
    seen: float = 0.0,
    limit: int | None = None,
) -> Splits:
    """Keep the dataset's own splits and draw what is missing.

    Args:
        decoded: the pictures, with their groups.
        given: the dataset's own splits, in the dataset's indices.
        strata: int64 (N,), the class of each picture (-1: unknown), so that every split has every class.
        val: the share of the training pictures to validate with, where there is no split of that name.
        test: the share of all to test with, likewise.
        seen: the share of every class's training pictures to hold out, so that groups that were trained on can
            be compared with the test's, where there is no split of that name.
        limit: training pictures, at most; which ones is drawn, the shares of the classes stay.

    Raises:
        ZooError: too few pictures to split.
        UsageError: `seen` where no groups are known.
    """
    named = _rows_of(decoded, given)
    rest = _unassigned(decoded, named)
    missing = [name for name in ("test", "val") if name not in named]
    groups = {decoded.groups[row] for row in rest.tolist()} - {None}
    whole = len(groups) > max(1, len(missing))  # one group for every side, or none of it
    drawn: dict[str, Tensor] = {}
    how = []
    for name, share, salt in (("test", test, seed), ("val", val, seed + 1)):
        title = "validation" if name == "val" else name
        if name in named:
            drawn[name], way = named[name], "as the dataset has it"
        else:
            rest, drawn[name], way = _split_off(rest, share, decoded, strata, salt, whole=whole)
        how.append(f"{title} {way}")
    held = named.get("seen", rest[:0])
    if "seen" in named:
        how.append("seen groups as the dataset has them")
    elif seen:
        if not groups:
            raise UsageError("No groups are known, so that none can be held out as seen.", "Leave out `seen=`.")
        held = _draw_stratified(rest, seen, strata, torch.Generator().manual_seed(seed + 2))
        rest = _remove_rows(rest, held, len(decoded))
        how.append(f"seen groups by class ({len(held)} pictures)")
    if limit is not None and limit < len(rest):
        rest = _draw_limited(rest, limit, strata, torch.Generator().manual_seed(seed + 3))
        how.append(f"training limited to {len(rest)} pictures")
    if not len(rest) or not len(drawn["val"]):
        raise ZooError(
            f"{len(decoded)} pictures are too few to split into training and validation.",
            "Add pictures, at least two for each class.",
        )
    return Splits(train=rest, val=drawn["val"], test=drawn["test"], seen=held, how="; ".join(how))


def _rows_of(decoded: DecodedDataset, given: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """The dataset's own splits as rows of the decoded pictures, under the core's names."""
    rows = {int(index): row for row, index in enumerate(decoded.index)}
    return {
        SPLITS.get(name, name): torch.tensor([rows[int(one)] for one in indices if int(one) in rows], dtype=torch.int64)
        for name, indices in given.items()
    }


def _unassigned(decoded: DecodedDataset, named: Mapping[str, Tensor]) -> Tensor:
    """The rows to draw from, of which something is known: the split `train`, else what is in no split."""
    rest = named.get("train")
    if rest is None:
        taken = torch.cat([*named.values(), torch.empty(0, dtype=torch.int64)])
        rest = _remove_rows(torch.arange(len(decoded)), taken, len(decoded))
    return rest[torch.stack(list(decoded.known.values())).any(dim=0)[rest]] if decoded.known else rest


def _remove_rows(rows: Tensor, taken: Tensor, count: int) -> Tensor:
    """The rows that are not taken, of `count` pictures."""
    mask = torch.ones(count, dtype=torch.bool)
    mask[taken] = False
    return rows[mask[rows]]


def _split_off(
    rows: Tensor, share: float, decoded: DecodedDataset, strata: Tensor | None, seed: int, *, whole: bool
) -> tuple[Tensor, Tensor, str]:
    """Rows -> (kept, taken, in words)."""
    generator = torch.Generator().manual_seed(seed)
    groups = {decoded.groups[row] for row in rows.tolist()}
    if whole:
        taken = _draw_groups(rows, share, decoded, strata, generator)
        way = f"by group ({len({decoded.groups[row] for row in taken.tolist()})} of {len(groups)})"
    else:
        taken = _draw_stratified(rows, share, strata, generator)
        way = "by class, at random" if strata is not None else "at random"
        way += f" (there are only {len(groups)} groups)" if groups - {None} else ""
    return _remove_rows(rows, taken, len(decoded)), taken, way


def _draw_groups(
    rows: Tensor, share: float, decoded: DecodedDataset, strata: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Whole groups, about the share of the rows; of 20 draws the one that takes the fewest classes away.

    A picture without a group is a group of its own. At least one group is taken, and one is left.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for row in rows.tolist():
        members[decoded.groups[row] or f"\0{row}"].append(row)
    names = sorted(members)
    wanted = share * len(rows)
    best: tuple[float, list[int]] = (float("inf"), [])
    for _ in range(20):
        taken: list[int] = []
        for position in torch.randperm(len(names), generator=generator).tolist():
            group = members[names[position]]
            if len(taken) + len(group) / 2 <= wanted:
                taken += group
        taken = taken or min((members[name] for name in names), key=len)
        fault = abs(len(taken) - wanted) / len(rows) + _count_lost_classes(rows, taken, strata)
        if fault < best[0]:
            best = (fault, taken)
    return torch.tensor(sorted(best[1]), dtype=torch.int64)


def _count_lost_classes(rows: Tensor, taken: Sequence[int], strata: Tensor | None) -> int:
    """How many classes would have no row left."""
    if strata is None:
        return 0
    left = set(strata[torch.tensor(sorted(set(rows.tolist()) - set(taken)), dtype=torch.int64)].tolist())
    return len(set(strata[rows].tolist()) - left)


def _draw_stratified(rows: Tensor, share: float, strata: Tensor | None, generator: torch.Generator) -> Tensor:
    """The share of every class, at least one of a class that has two or more."""
    classes = strata[rows] if strata is not None else torch.zeros(len(rows), dtype=torch.int64)
    kinds, counts = classes.unique(return_counts=True)
    wanted = [min(max(round(share * count), 1), count - 1) if count >= 2 else round(share) for count in counts.tolist()]
    return _draw_of_each(rows, classes, kinds, wanted, generator)


def _draw_limited(rows: Tensor, limit: int, strata: Tensor | None, generator: torch.Generator) -> Tensor:
    """So many of the rows, of every class one at least, their shares kept as far as whole pictures can.

    Raises:
        UsageError: there are more classes than that.
    """
    classes = strata[rows] if strata is not None else torch.zeros(len(rows), dtype=torch.int64)
    kinds, counts = classes.unique(return_counts=True)
    if limit < len(kinds):
        raise UsageError(f"A limit of {limit} pictures cannot cover all {len(kinds)} classes.", "Raise it.")
    wanted = counts.double() * limit / len(rows)
    taken = wanted.floor().long().clamp(min=1)
    while (missing := limit - int(taken.sum())) != 0:  # one by one, where the share is furthest off
        off = wanted - taken if missing > 0 else torch.where(taken > 1, taken - wanted, -torch.inf)
        taken[int(off.argmax())] += 1 if missing > 0 else -1
    return _draw_of_each(rows, classes, kinds, taken.tolist(), generator)


def _draw_of_each(
    rows: Tensor, classes: Tensor, kinds: Tensor, counts: Sequence[int], generator: torch.Generator
) -> Tensor:
    """So many rows of each class, sorted."""
    parts = [rows[:0]]
    for kind, count in zip(kinds, counts, strict=True):
        members = rows[classes == kind]
        parts.append(members[torch.randperm(len(members), generator=generator)[:count]])
    return torch.cat(parts).sort().values

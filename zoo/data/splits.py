"""Train, validation and test: by group where groups are known, else by class, always from the seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.data.decoded import Decoded
from zoo.errors import ZooError

ALIASES = {"valid": "val", "validation": "val"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Rows of the decoded pictures, disjoint."""

    train: Tensor  # int64
    val: Tensor
    test: Tensor
    how: str  # in words, for the run's record


def draw_splits(
    decoded: Decoded,
    given: Mapping[str, Sequence[int]],
    *,
    strata: Tensor | None,
    seed: int,
    val: float = 0.15,
    test: float = 0.15,
) -> Splits:
    """Keep the dataset's own splits and draw what is missing.

    Args:
        decoded: the pictures, with their groups.
        given: the dataset's own splits, in the dataset's indices.
        strata: int64 (N,), the class of each picture (-1: unknown), so that every split has every class.
        seed: of the drawing.
        val: the share of the training pictures to validate with, where there is no split of that name.
        test: the share of all to test with, likewise.

    Raises:
        ZooError: too few pictures to split.
    """
    rows_by_index = {int(index): row for row, index in enumerate(decoded.index)}
    named = {
        ALIASES.get(name, name): torch.tensor(
            [rows_by_index[int(index)] for index in indices if int(index) in rows_by_index], dtype=torch.int64
        )
        for name, indices in given.items()
    }
    known = torch.stack(list(decoded.known.values())).any(dim=0) if decoded.known else torch.ones(len(decoded)).bool()
    if "train" in named:
        rest = named["train"]
    else:
        taken = torch.cat([*named.values(), torch.empty(0, dtype=torch.int64)])
        rest = torch.tensor(sorted(set(range(len(decoded))) - set(taken.tolist())), dtype=torch.int64)
    rest = rest[known[rest]]
    missing = [name for name in ("test", "val") if name not in named]
    groups = {decoded.groups[row] for row in rest.tolist()} - {None}
    whole = len(groups) > max(1, len(missing))  # one group for every side, or none of it
    drawn: dict[str, Tensor] = {}
    how = []
    for name, share, salt in (("test", test, seed), ("val", val, seed + 1)):
        title = "validation" if name == "val" else name
        if name in named:
            drawn[name] = named[name]
            how.append(f"{title} as the dataset has it")
            continue
        rest, drawn[name], way = _part(rest, share, decoded, strata, salt, whole=whole)
        how.append(f"{title} {way}")
    tested, validated = drawn["test"], drawn["val"]
    if not len(rest) or not len(validated):
        raise ZooError(
            f"{len(decoded)} pictures are too few to split into training and validation. "
            "Add pictures, at least two a class."
        )
    return Splits(train=rest, val=validated, test=tested, how="; ".join(how))


def _part(
    rows: Tensor, share: float, decoded: Decoded, strata: Tensor | None, seed: int, *, whole: bool
) -> tuple[Tensor, Tensor, str]:
    """Rows -> (kept, taken, in words)."""
    generator = torch.Generator().manual_seed(seed)
    groups = {decoded.groups[row] for row in rows.tolist()}
    if whole:
        taken = _whole_groups(rows, share, decoded, strata, generator)
        way = f"by group ({len({decoded.groups[row] for row in taken.tolist()})} of {len(groups)})"
    else:
        taken = _stratified(rows, share, strata, generator)
        way = "by class, at random" if strata is not None else "at random"
        way += f" (there are only {len(groups)} groups)" if groups - {None} else ""
    mask = torch.ones(len(decoded), dtype=torch.bool)
    mask[taken] = False
    return rows[mask[rows]], taken, way


def _whole_groups(
    rows: Tensor, share: float, decoded: Decoded, strata: Tensor | None, generator: torch.Generator
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
        fault = abs(len(taken) - wanted) / len(rows) + _lost_classes(rows, taken, strata)
        if fault < best[0]:
            best = (fault, taken)
    return torch.tensor(sorted(best[1]), dtype=torch.int64)


def _lost_classes(rows: Tensor, taken: Sequence[int], strata: Tensor | None) -> int:
    """How many classes would have no row left."""
    if strata is None:
        return 0
    left = set(strata[torch.tensor(sorted(set(rows.tolist()) - set(taken)), dtype=torch.int64)].tolist())
    return len(set(strata[rows].tolist()) - left)


def _stratified(rows: Tensor, share: float, strata: Tensor | None, generator: torch.Generator) -> Tensor:
    """The share of every class, at least one of a class that has two or more."""
    classes = strata[rows] if strata is not None else torch.zeros(len(rows), dtype=torch.int64)
    taken: list[Tensor] = [rows[:0]]
    for one in classes.unique():
        members = rows[classes == one]
        count = round(share * len(members))
        if len(members) >= 2:
            count = min(max(count, 1), len(members) - 1)
        taken.append(members[torch.randperm(len(members), generator=generator)[:count]])
    return torch.cat(taken).sort().values

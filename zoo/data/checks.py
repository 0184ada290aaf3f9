"""What is wrong with a dataset: pictures that cannot be read, rare classes, exact duplicates."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from zoo.contracts import Categories, Dataset, Sample
from zoo.data.datasets import open_dataset
from zoo.data.decoded import map_in_order
from zoo.data.fingerprints import shorten
from zoo.errors import PluginError, ZooError, ZooWarning
from zoo.progress import Progress, silent

FEW = 10  # pictures of a class; with fewer the report has a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """What was found in a dataset."""

    pictures: int
    groups: int
    splits: str
    smallest: str  # "31x40"
    largest: str
    classes: Mapping[str, Mapping[str, int]]  # by target, pictures a class
    faults: tuple[str, ...]  # faults that stop a training
    warnings: tuple[str, ...]  # warnings that do not

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def examine_dataset(
    name: str, root: Path | str | None, *, options: Mapping[str, Any], progress: Progress = silent
) -> DatasetReport:
    """Decode every picture of a dataset; what opening it warns of is in the report."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ZooWarning)
        data = open_dataset(name, root, options=options, progress=progress)
    dataset = data.dataset
    faults: list[str] = []
    sizes: list[tuple[int, int]] = []
    groups: dict[str, Counter[tuple[str, int]]] = defaultdict(Counter)  # pictures by target and class
    counts: dict[str, Counter[int]] = {target: Counter() for target in dataset.targets}
    duplicates: dict[str, list[tuple[str, Any]]] = defaultdict(list)

    for index, found in enumerate(map_in_order(partial(_examine, dataset), range(len(dataset)))):
        progress("examining pictures", index + 1, len(dataset))
        if isinstance(found, str):
            faults.append(found)
            continue
        sample, size, digest = found
        sizes.append(size)
        group = groups[sample.group or ""]
        for target, value in sample.targets.items():
            if target not in dataset.targets:
                raise PluginError(
                    f"{sample.path or f'Picture {index}'}: the target {target!r} is not one of the dataset's: "
                    f"{', '.join(dataset.targets)}.",
                    "Correct the plugin.",
                )
            if isinstance(dataset.targets[target], Categories) and value is not None:
                counts[target][int(value)] += 1
                group[target, int(value)] += 1
        duplicates[digest].append((sample.path or str(index), dict(sample.targets)))
    classes, rare = _count_classes(dataset.targets, counts)
    ordered_sizes = sorted(sizes, key=lambda size: size[0] * size[1]) or [(0, 0)]
    return DatasetReport(
        pictures=len(sizes),
        groups=len(groups.keys() - {""}),
        splits=", ".join(f"{split} {len(rows)}" for split, rows in dataset.splits.items()),
        smallest="x".join(map(str, ordered_sizes[0])),
        largest="x".join(map(str, ordered_sizes[-1])),
        classes=classes,
        faults=tuple(faults + [line for line, fatal in rare if fatal]),
        warnings=(
            *(str(one.message) for one in caught if issubclass(one.category, ZooWarning)),
            *(line for line, fatal in rare if not fatal),
            *_describe_groups(dataset.targets, groups),
            *_describe_duplicates(duplicates),
        ),
    )


def _examine(dataset: Dataset, index: int) -> tuple[Sample, tuple[int, int], str] | str:
    """A sample without its pixels, as many wait; width and height; a digest of the pixels. Or what is wrong with it."""
    try:
        sample = dataset[index]
        height, width = sample.image.shape[-2:]
        digest = hashlib.sha256(sample.image.permute(1, 2, 0).contiguous().numpy().data).hexdigest()
        return replace(sample, image=torch.empty(0)), (width, height), digest
    except PluginError:
        raise
    except ZooError as error:
        return str(error)


def _count_classes(
    targets: Mapping[str, Any], counts: Mapping[str, Counter[int]]
) -> tuple[dict[str, dict[str, int]], list[tuple[str, bool]]]:
    classes: dict[str, dict[str, int]] = {}
    lines: list[tuple[str, bool]] = []
    for target, kind in targets.items():
        if not isinstance(kind, Categories):
            continue
        classes[target] = {one: counts[target][index] for index, one in enumerate(kind.names)}
        single = [one for one, count in classes[target].items() if count < 2]
        few = [one for one, count in classes[target].items() if 2 <= count < FEW]
        if single:
            lines.append((f"classes with fewer than two pictures: {', '.join(single)}", True))
        if few:
            lines.append((f"classes with fewer than {FEW} pictures: {', '.join(few)}", False))
    return classes, lines


def _describe_groups(targets: Mapping[str, Any], groups: Mapping[str, Counter[tuple[str, int]]]) -> Iterator[str]:
    """Groups that tell the class, and classes that one group has alone: a split by group parts what it must not."""
    for name, kind in targets.items():
        pairs = [(group, index) for group, found in groups.items() for target, index in found if target == name]
        where = {index: group for group, index in pairs}
        of_groups, of_classes = Counter(group for group, _ in pairs), Counter(index for _, index in pairs)
        several = [group for group in of_groups if group and groups[group].total() > 1]
        pure = [group for group in several if of_groups[group] == 1]
        if pure:
            yield f"{len(pure)} of {len(several)} groups hold one class of {name!r} only: {shorten(pure)}"
        if alone := [kind.names[one] for one, count in of_classes.items() if count == 1 and where[one]]:
            yield f"classes of one group only, which a split by group either trains on or tests: {shorten(alone)}"


def _describe_duplicates(duplicates: Mapping[str, list[tuple[str, Any]]]) -> list[str]:
    same = [group for group in duplicates.values() if len(group) > 1]
    if not same:
        return []
    mixed = [group for group in same if len({repr(sorted(labels.items(), key=str)) for _, labels in group}) > 1]
    lines = [f"{len(same)} pictures are there more than once, for instance {same[0][0][0]} and {same[0][1][0]}"]
    if mixed:
        instance = f"for instance {mixed[0][0][0]} and {mixed[0][1][0]}"
        lines.append(f"{len(mixed)} of these carry different labels, {instance}")
    return lines

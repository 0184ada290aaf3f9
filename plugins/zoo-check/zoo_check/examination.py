"""All checks of a dataset, one after another, on one reading of its pictures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo import Dataset
from zoo.data import OpenDataset, as_open_dataset, open_dataset
from zoo.errors import ZooWarning
from zoo.progress import Progress, silent
from zoo_check.contents import (
    count_classes,
    find_classes_by_group,
    find_impossible_boxes,
    find_odd,
    find_small_classes,
    find_unreadable,
)
from zoo_check.copies import describe_copies
from zoo_check.duplicates import find_copies
from zoo_check.leaks import find_leaks
from zoo_check.report import DatasetReport, Finding, KnownPicture, rank_findings
from zoo_check.shortcuts import describe_shortcuts, find_shortcuts
from zoo_check.survey import Survey, survey_dataset


def examine_dataset(
    data: OpenDataset | Dataset | Path | str,
    root: Path | str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> DatasetReport:
    """Read every picture of a dataset once and say what is wrong with it.

    Args:
        data: a dataset's name, a folder of pictures by class, a `zoo.Dataset`, or an opened one.
        root: the folder that a dataset by name reads.
        options: of a dataset by name, which it is then; of any dataset `exclude` names a list of pictures to leave out.
        seed: of folds, and of the pictures that are compared where there are many.
        progress: called with how far the work is.

    Raises:
        ZooError: it cannot be opened.
        PluginError: it breaks its contract.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ZooWarning)
        if isinstance(data, str) and (root is not None or options is not None):
            opened = open_dataset(data, root, options=options, progress=progress)
        else:
            opened = as_open_dataset(data)
        opening = [str(one.message) for one in caught if issubclass(one.category, ZooWarning)]
    survey = survey_dataset(opened, progress=progress)
    findings = [*_find(survey, seed, progress), *(_as_warning(line) for line in opening)]
    order = survey.sizes.prod(axis=1).argsort(kind="stable")
    smallest, largest = (
        ("x".join(map(str, survey.sizes[row])) for row in (order[0], order[-1])) if len(order) else ("0x0",) * 2
    )
    return DatasetReport(
        data=opened,
        pictures=len(survey),
        groups=len(set(survey.groups) - {""}),
        splits=", ".join(f"{split} {len(rows)}" for split, rows in opened.dataset.splits.items()),
        smallest=smallest,
        largest=largest,
        classes=count_classes(survey),
        findings=rank_findings(findings),
        known=_know(survey, findings),
    )


def _find(survey: Survey, seed: int, progress: Progress) -> Iterator[Finding]:
    yield from find_unreadable(survey)
    if len(survey):
        yield from describe_copies(survey, find_copies(survey, progress=progress))
        yield from find_leaks(survey, seed=seed, progress=progress)
        yield from find_impossible_boxes(survey)
        yield from describe_shortcuts(find_shortcuts(survey, seed=seed))
    yield from find_small_classes(count_classes(survey))
    yield from find_classes_by_group(survey)
    yield from find_odd(survey)


def _as_warning(line: str) -> Finding:
    return Finding(kind="dataset", severity="warning", count=1, text=line)


def _know(survey: Survey, findings: list[Finding]) -> dict[str, KnownPicture]:
    """What is known of the pictures that findings name."""
    wanted = {name for finding in findings for together in finding.sets for name in together}
    known = {name: KnownPicture(index=index) for index, name in enumerate(survey.names) if name in wanted}
    for row in range(len(survey)):
        if (name := survey.name(row)) in wanted:
            known[name] = KnownPicture(
                index=int(survey.index[row]),
                label=survey.labels_of(row),
                split=str(survey.splits[row]),
                group=survey.groups[row],
            )
    return known

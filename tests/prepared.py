"""Datasets prepared in silence, or with what they warn of."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TypeVar

import zoo
from zoo.errors import ZooWarning

D = TypeVar("D", bound=zoo.Dataset)


def prepared(dataset: D, root: Path, *, unsaid: str | None = None) -> D:
    """The dataset, prepared; a warning is an error, but those that match `unsaid` are passed over."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=ZooWarning)
        if unsaid is not None:
            warnings.filterwarnings("ignore", message=unsaid)
        dataset.prepare(root)
    return dataset


def prepared_with_warnings(dataset: D, root: Path) -> tuple[D, str]:
    """The dataset, prepared, and its warnings, a line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset.prepare(root)
    return dataset, "\n".join(str(one.message) for one in caught)

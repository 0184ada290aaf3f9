"""A dataset without the pictures that a list names, such as the one that `zoo data check` writes."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

from zoo.contracts import Dataset, Sample
from zoo.errors import FileError, ZooWarning
from zoo.files import as_path
from zoo.progress import Progress, silent


def name_samples(dataset: Dataset, root: Path) -> list[str]:
    """What each sample is called in lists, without decoding any.

    Its file below the dataset's folder, with forward slashes; `a.jpg#2` is the second sample of one file, and `#7` the
    one of index 7 where the dataset does not name its files.
    """
    named = dataset.files()
    if named is None:
        return [f"#{index}" for index in range(len(dataset))]
    seen: Counter[str] = Counter()
    names = []
    for path, _ in named:
        name = str(path).removeprefix(f"{root}{os.sep}").replace(os.sep, "/")
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


def find_list(given: str, root: Path) -> Path:
    """The file as seen from here, else from the dataset's folder. Raises FileError: there is neither."""
    places = (as_path(given).resolve(), root / given)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileError(given, "there is no such list", "Check `exclude=`; `zoo data check` writes one.")
    return found


def read_list(path: Path) -> list[str]:
    """The column `path` of a CSV. Raises FileError: it cannot be read, or has no such column."""
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
        return [name.removeprefix("'") for row in rows if (name := row["path"])]
    except (KeyError, TypeError, csv.Error) as error:
        raise FileError(path, "not a CSV with a column `path`", "Let `zoo data check` write it.") from error
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror})", "Check the path.") from error


class RemainingDataset(Dataset):
    """Some of a dataset's samples, in its order.

    Args:
        dataset: prepared.
        keep: whether each of its samples remains.
    """

    def __init__(self, dataset: Dataset, keep: Sequence[bool]) -> None:
        self.dataset, self.targets = dataset, dataset.targets
        self.license, self.title = dataset.license, dataset.title
        self.symmetry = dataset.symmetry  # type: ignore[misc]  # a class's own, here the wrapped one's
        self.needs_folder = dataset.needs_folder  # type: ignore[misc]
        self._keep = keep
        self._index = [index for index, keeps in enumerate(keep) if keeps]

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """The wrapped one is prepared already."""

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self._index[index]]

    def files(self) -> Iterable[tuple[Path, Any]] | None:
        """The wrapped one's, of what remains."""
        named = self.dataset.files()
        return None if named is None else compress(named, self._keep)

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """The wrapped one's, in the new indices."""
        place = {index: row for row, index in enumerate(self._index)}
        return {
            name: [place[int(one)] for one in rows if int(one) in place] for name, rows in self.dataset.splits.items()
        }


def exclude_listed(dataset: Dataset, root: Path, path: Path) -> tuple[Dataset, str]:
    """The dataset without what a list names, and a mark that tells what that was where its files do not.

    Names that the dataset has not are a `ZooWarning`.

    Raises:
        FileError: the list cannot be read, or names none of the pictures, or all of them.
    """
    listed = set(read_list(path))
    names = name_samples(dataset, root)
    keep = [name not in listed for name in names]
    left = len(names) - sum(keep)
    if listed and not left:
        problem = f"none of the {len(listed)} pictures that it names is in {root}"
        raise FileError(path, problem, "Check `root=` and `exclude=`; paths are relative to the folder.")
    if not any(keep):
        raise FileError(path, f"it names all {left} pictures", "Remove those from it that are to stay.")
    if left < len(listed):
        text = f"{path}: {len(listed) - left} of {len(listed)} pictures that it names are not in {root}."
        warnings.warn(ZooWarning(text), stacklevel=3)
    mark = "" if dataset.files() is not None else hashlib.sha256(repr(keep).encode()).hexdigest()
    return RemainingDataset(dataset, keep), mark

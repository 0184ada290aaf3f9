"""The pictures that are labelled: files below one folder; nothing outside of it is ever opened."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data import find_images
from zoo.embedding import EmbeddingSpace, EmbeddingTable, open_table
from zoo.errors import UNSAFE, FileError, one_line

TABLES = (".parquet", ".npy", ".safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFolder:
    """Pictures by their paths below a folder, with forward slashes, in order."""

    root: Path  # resolved
    files: Mapping[str, Path]
    groups: Mapping[str, str | None]
    labels: Mapping[str, str | None]  # what a file of embeddings says, the truth of a simulation
    skipped: tuple[str, ...] = ()  # a line each

    @property
    def paths(self) -> Sequence[str]:
        """In order."""
        return tuple(self.files)

    def locate(self, path: str) -> Path:
        """The file of a picture. Raises FileError: there is none, or a link leads out of the folder."""
        found = self.files.get(path)
        if found is None:
            raise FileError(path, "there is no such picture", "Open the page anew.")
        whole = found.resolve()
        if not whole.is_relative_to(self.root) or not whole.is_file():
            raise FileError(path, "it is gone, or lies outside of the folder", "Put it back into the folder.")
        return whole


def open_folder(folder: Path) -> PictureFolder:
    """All pictures below a folder.

    Raises:
        FileError: there is no such folder, or no picture in it.
    """
    root = folder.resolve()
    files, skipped = {}, []
    for path in find_images(root):
        name = path.relative_to(root).as_posix()
        if not path.resolve().is_relative_to(root):
            skipped.append(f"{one_line(name)}: it is a link that leads out of the folder.")
        elif UNSAFE.search(name) or "\n" in name or "\t" in name:
            skipped.append(f"{one_line(name)}: its name has control characters.")
        else:
            files[name] = path
    if not files:
        raise FileError(folder, "there are no pictures in it", "Name a folder of pictures.")
    return PictureFolder(root=root, files=files, groups={}, labels={}, skipped=tuple(skipped))


def open_embedded(path: Path) -> tuple[PictureFolder, EmbeddingTable, np.ndarray]:
    """The pictures of a file that `zoo embed` wrote, the file, and the rows (N) of those that are there.

    Paths are taken from here, else from beside the file; the folder is the one that all of them lie in.

    Raises:
        FileError: the file is missing or damaged; none of its pictures is there.
    """
    table = open_table(path)
    found: dict[Path, tuple[int, str | None, str | None]] = {}
    skipped = []
    for number, row in table.rows():
        place = next((one for one in (Path(row.path), path.parent / row.path) if one.is_file()), None)
        if place is None or UNSAFE.search(row.path):
            skipped.append(f"{one_line(row.path)}: there is no such file.")
        else:
            found.setdefault(place.resolve(), (number, row.label, row.group))
    if not found:
        raise FileError(path, "none of its pictures is there", "Run it where `zoo embed` ran, or name their folder.")
    root = Path(os.path.commonpath([one.parent for one in found]))
    names = {one.relative_to(root).as_posix(): one for one in found}
    folder = PictureFolder(
        root=root,
        files=names,
        groups={name: found[one][2] for name, one in names.items()},
        labels={name: found[one][1] for name, one in names.items()},
        skipped=tuple(skipped),
    )
    return folder, table, np.array([found[one][0] for one in names.values()])


def same_space(one: EmbeddingSpace, other: EmbeddingSpace) -> bool:
    """Whether two vectors may be compared."""
    return one.identity == other.identity

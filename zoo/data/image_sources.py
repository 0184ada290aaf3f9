"""Where images come from: files, a dataset's samples, or tensors in memory; streamed, or had by their number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from zoo.contracts import Categories, Dataset
from zoo.data.datasets import OpenDataset
from zoo.data.decoded import map_in_order, read_sample
from zoo.data.images import read_image, resize
from zoo.data.listing import ImageEntry, Listing
from zoo.errors import PluginError, UsageError, ZooError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedImage:
    """One image, and what is known of it."""

    image: Tensor  # uint8 (3, H, W)
    path: str
    label: str | None = None
    group: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)  # what else a table says of it, by column


@runtime_checkable
class ImageSource(Protocol):
    """Images in a stable order; `load` is called from several threads."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """A text that is the same for the same images in the same order."""

    def entries(self, start: int = 0) -> Iterator[ImageEntry]:
        """The images from number `start` on, none of them opened, one at a time in memory."""

    def load(self, entry: ImageEntry, smallest: int) -> LoadedImage:
        """Decode one; neither side of what is smaller then than the file falls under `smallest` pixels.

        Raises:
            ZooError: it cannot be read.
        """


class ImageFiles:
    """The files of a listing."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing

    def __len__(self) -> int:
        return len(self.listing)

    def fingerprint(self) -> str:
        """The sha256 of the paths."""
        return self.listing.identity

    def entries(self, start: int = 0) -> Iterator[ImageEntry]:
        """Paths and labels; only one of these iterators is used at a time."""
        return self.listing.entries(start)

    def load(self, entry: ImageEntry, smallest: int) -> LoadedImage:
        """Decode one file, a large JPEG at a fraction of its size."""
        return LoadedImage(image=read_image(entry.path, smallest=smallest), path=entry.path, label=entry.label)


class DatasetImages:
    """Samples of a prepared dataset, with the class name of the first classified target, and the group.

    Args:
        dataset: prepared.
        indices: which samples; all by default.
        root: its folder: where a sample's path is relative to it, it is written so that the file can be found.
        identity: a text that changes with the dataset, its `stamp`.
    """

    def __init__(
        self,
        dataset: Dataset,
        indices: Sequence[int] | None = None,
        *,
        name: str = "dataset",
        root: Path | str | None = None,
        identity: str = "",
    ) -> None:
        self.dataset, self.name, self.root = dataset, name, None if root is None else Path(root)
        self.indices = range(len(dataset)) if indices is None else indices
        self._identity = identity or name
        classified = ((key, target) for key, target in dataset.targets.items() if isinstance(target, Categories))
        self._target = next(classified, None)

    def __len__(self) -> int:
        return len(self.indices)

    def fingerprint(self) -> str:
        """The dataset's, and the sha256 of the indices."""
        return f"{self._identity}:{_digest(self.indices)}"

    def entries(self, start: int = 0) -> Iterator[ImageEntry]:
        """Indices."""
        for index in islice(self.indices, start, None):
            yield ImageEntry(f"{self.name}-{index}", number=int(index))

    def load(self, entry: ImageEntry, smallest: int) -> LoadedImage:
        """Decode one sample, at its whole size. Raises PluginError: it is no uint8 (3, H, W)."""
        sample = read_sample(self.dataset, entry.number)
        label = None
        if self._target is not None and (value := sample.targets.get(self._target[0])) is not None:
            label = self._target[1].names[int(value)]
        path = sample.path or entry.path
        if self.root is not None and (self.root / path).is_file():
            path = str(self.root / path)
        return LoadedImage(image=sample.image, path=path, label=label, group=sample.group, metadata=sample.metadata)


class TensorImages:
    """Images in memory, or mapped from a file.

    Args:
        images: uint8 (N, 3, H, W).
        rows: which of them, int64 (M,); all by default.
    """

    def __init__(self, images: Tensor, rows: Tensor | None = None) -> None:
        self.images = images
        self.rows = torch.arange(len(images)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def fingerprint(self) -> str:
        """The sha256 of the pixels."""
        return hashlib.sha256(self.images[self.rows].numpy().tobytes()).hexdigest()

    def entries(self, start: int = 0) -> Iterator[ImageEntry]:
        """Rows."""
        for row in self.rows[start:].tolist():
            yield ImageEntry(f"row-{row}", number=row)

    def load(self, entry: ImageEntry, smallest: int) -> LoadedImage:
        """One row."""
        return LoadedImage(image=self.images[entry.number], path=entry.path)


class SomeImages:
    """Some images of a source; which ones is in memory."""

    def __init__(self, source: ImageSource, entries: Sequence[ImageEntry]) -> None:
        self.source, self.chosen = source, entries

    def __len__(self) -> int:
        return len(self.chosen)

    def fingerprint(self) -> str:
        """The source's, and the sha256 of what was chosen."""
        return f"{self.source.fingerprint()}:{_digest(self.chosen)}"

    def entries(self, start: int = 0) -> Iterator[ImageEntry]:
        """The chosen ones."""
        return islice(self.chosen, start, None)

    def load(self, entry: ImageEntry, smallest: int) -> LoadedImage:
        """As the source does."""
        return self.source.load(entry, smallest)


class ImageReader:
    """The images of a source by their number, again and again, resized to one size.

    Args:
        source: its entries are kept in memory; see `choose_images`.
        size: the side that images are resized to, in pixels.
    """

    def __init__(self, source: ImageSource, *, size: int) -> None:
        self.source, self.size = source, size
        self.entries = list(source.entries())
        self.skipped: list[str] = []  # what could not be read so far, a line each

    def __len__(self) -> int:
        return len(self.entries)

    def read(self, numbers: Sequence[int]) -> tuple[list[int], Tensor]:
        """Some of them, decoded by threads; one that cannot be read is left out, and listed in `skipped`.

        Returns:
            The numbers of those that can be read, and uint8 (N, 3, S, S).
        """
        results = list(map_in_order(self._one, numbers))
        self.skipped += [text for text in results if isinstance(text, str) and text not in self.skipped]
        kept = [number for number, result in zip(numbers, results, strict=True) if isinstance(result, Tensor)]
        images = [result for result in results if isinstance(result, Tensor)]
        return kept, torch.stack(images) if images else torch.empty(0, 3, self.size, self.size, dtype=torch.uint8)

    def first(self) -> Tensor:
        """The first image that can be read, uint8 (3, S, S). Raises ZooError where there is none."""
        for number in range(len(self)):
            if (found := self.read([number]))[0]:
                return found[1][0]
        raise self.none_read()

    def none_read(self) -> ZooError:
        """The error where not one of them can be read."""
        return ZooError(f"None of the {len(self)} pictures can be read. The first: {self.skipped[0]}")

    def _one(self, number: int) -> Tensor | str:
        try:
            return resize(self.source.load(self.entries[number], self.size).image, self.size)
        except PluginError:
            raise
        except ZooError as error:
            return str(error)


def open_images(given: Any) -> ImageSource:
    """A folder, a file, a pattern, several of them, or a prepared dataset -> a source.

    Raises:
        FileError: no such file, a folder without images.
        UsageError: nothing was named.
    """
    if isinstance(given, (Dataset, OpenDataset)):
        return DatasetImages(given if isinstance(given, Dataset) else given.dataset)
    if isinstance(given, ImageSource):
        return given
    listing = Listing()
    listing.add_named([given] if isinstance(given, (str, Path)) else given)
    if not len(listing):
        raise UsageError("No pictures were named.")
    return ImageFiles(listing)


def choose_images(source: ImageSource, limit: int) -> ImageSource:
    """At most `limit` of a source, evenly spread over it; all of them for 0."""
    if not 0 < limit < len(source):
        return source
    wanted = set(spread(len(source), limit))
    return SomeImages(source, [entry for number, entry in enumerate(source.entries()) if number in wanted])


def spread(count: int, limit: int) -> list[int]:
    """At most `limit` of the numbers 0 to count - 1, evenly spread; all of them for 0."""
    if not 0 < limit < count:
        return list(range(count))
    return [place * count // limit for place in range(limit)]


def _digest(chosen: Sequence[Any]) -> str:
    return hashlib.sha256(",".join(map(str, chosen)).encode(errors="surrogateescape")).hexdigest()

"""Pictures to look with, by number: of a folder, of a dataset, or in memory; all as the filters are fed them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from zoo.contracts import Dataset
from zoo.errors import FileError, ZooError
from zoo.images import find_images, read_image, resize


class Album(Protocol):
    """Pictures that can be had by their number, again and again."""

    def __len__(self) -> int:
        """How many there are, those that cannot be read included."""

    def read(self, numbers: Sequence[int]) -> tuple[list[int], Tensor]:
        """Some of them, squashed to the filters' size.

        Returns:
            The numbers of those that can be read, and uint8 (N, 3, S, S).
        """

    @property
    def skipped(self) -> list[str]:
        """What could not be read so far, a line each."""


class TensorAlbum:
    """Pictures in memory, or mapped from a file.

    Args:
        images: uint8 (N, 3, S, S).
        rows: which of them, int64 (M,); all by default.
    """

    def __init__(self, images: Tensor, rows: Tensor | None = None) -> None:
        self.images = images
        self.rows = torch.arange(len(images)) if rows is None else rows
        self.skipped: list[str] = []

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, numbers: Sequence[int]) -> tuple[list[int], Tensor]:
        """As every album."""
        return list(numbers), self.images[self.rows[list(numbers)]]


class FileAlbum:
    """Picture files, decoded by threads when they are asked for.

    Args:
        paths: files.
        size: the side that they are squashed to, in pixels.
    """

    def __init__(self, paths: Sequence[Path], *, size: int) -> None:
        self.paths, self.size = tuple(paths), size
        self.skipped: list[str] = []

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, numbers: Sequence[int]) -> tuple[list[int], Tensor]:
        """As every album; a file that cannot be read is left out, and told of in `skipped`."""
        return _gather(self, numbers)

    def picture(self, number: int) -> Tensor:
        """One of them. Raises FileError."""
        return resize(read_image(self.paths[number], smallest=self.size), self.size)


class DatasetAlbum:
    """Some pictures of a dataset.

    Args:
        dataset: prepared.
        indices: which of them.
        size: the side that they are squashed to, in pixels.
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int], *, size: int) -> None:
        self.dataset, self.indices, self.size = dataset, tuple(indices), size
        self.skipped: list[str] = []

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, numbers: Sequence[int]) -> tuple[list[int], Tensor]:
        """As every album."""
        return _gather(self, numbers)

    def picture(self, number: int) -> Tensor:
        """One of them. Raises FileError."""
        return resize(self.dataset[self.indices[number]].image, self.size)


def open_folder(folder: Path, *, size: int, limit: int = 0) -> FileAlbum:
    """All pictures below a folder.

    Args:
        folder: searched all the way down.
        size: the side that they are squashed to, in pixels.
        limit: at most so many, evenly spread over them; 0: all.

    Raises:
        FileError: there is no such folder, or there are no pictures in it.
    """
    if not folder.is_dir():
        raise FileError(folder, "there is no such folder", "Check the path.")
    paths = list(find_images(folder))
    if not paths:
        raise FileError(folder, "there are no pictures in this folder", "Name a folder of JPEG or PNG files.")
    return FileAlbum([paths[number] for number in spread(len(paths), limit)], size=size)


def spread(count: int, limit: int) -> list[int]:
    """At most `limit` of the numbers 0 to count - 1, evenly spread; all of them for 0."""
    if not 0 < limit < count:
        return list(range(count))
    return [place * count // limit for place in range(limit)]


def first_readable(album: Album) -> Tensor:
    """The first picture that can be read, uint8 (3, S, S). Raises ZooError where there is none."""
    for number in range(len(album)):
        if (found := album.read([number]))[0]:
            return found[1][0]
    raise ZooError(f"None of the {len(album)} pictures can be read. The first: {album.skipped[0]}")


def draw_noise(size: int, *, count: int = 48, seed: int = 0) -> TensorAlbum:
    """Noise whose spectrum falls with the frequency, as that of natural pictures does: where there are none."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.fft.rfft2(torch.randn(count, 3, size, size, generator=generator))
    across, down = torch.fft.rfftfreq(size)[None, :], torch.fft.fftfreq(size)[:, None]
    waves = torch.fft.irfft2(spectrum / torch.hypot(across, down).clamp_min(1 / size), s=(size, size))
    waves = waves.mean(1, keepdim=True) + 0.3 * waves
    waves = waves / waves.std(dim=(1, 2, 3), keepdim=True)
    return TensorAlbum(((0.5 + 0.25 * waves).clamp(0, 1) * 255).round().to(torch.uint8))


def _gather(album: FileAlbum | DatasetAlbum, numbers: Sequence[int]) -> tuple[list[int], Tensor]:
    def one(number: int) -> Tensor | str:
        try:
            return album.picture(number)
        except ZooError as error:
            return error.problem

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(one, numbers))
    album.skipped += [text for text in results if isinstance(text, str) and text not in album.skipped]
    kept = [number for number, result in zip(numbers, results, strict=True) if isinstance(result, Tensor)]
    images = [result for result in results if isinstance(result, Tensor)]
    return kept, torch.stack(images) if images else torch.empty(0, 3, album.size, album.size, dtype=torch.uint8)

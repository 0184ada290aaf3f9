"""Where pictures come from: a listing of files, or a dataset's samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from zoo.contracts import Categories, Dataset
from zoo.embedding.listing import Listed, Listing
from zoo.errors import PluginError
from zoo.images import read_image, resize


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture, ready for the network, and what is known of it."""

    image: Tensor  # uint8 (3, S, S)
    path: str
    label: str | None = None
    group: str | None = None


class Pictures(Protocol):
    """A sequence of pictures in a stable order; `load` is called from several threads."""

    def __len__(self) -> int: ...

    @property
    def identity(self) -> str:
        """A text that is the same for the same pictures in the same order."""

    def tokens(self, start: int = 0) -> Iterator[Any]:
        """What `load` takes, one a picture, from number `start` on."""

    def name(self, token: Any) -> str:
        """The picture's path, before it is opened."""

    def load(self, token: Any, size: int) -> Picture:
        """Decode one and squash it to (3, size, size). Raises ZooError where it cannot be read."""


class FilePictures:
    """The files of a listing."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing

    def __len__(self) -> int:
        return len(self.listing)

    @property
    def identity(self) -> str:
        """The sha256 of the paths."""
        return self.listing.identity

    def tokens(self, start: int = 0) -> Iterator[Listed]:
        """Paths and labels."""
        return self.listing.tokens(start)

    def name(self, token: Listed) -> str:
        """The path."""
        return token[0]

    def load(self, token: Listed, size: int) -> Picture:
        """Decode one file, a large JPEG at a fraction of its size."""
        path, label = token
        return Picture(image=resize(read_image(path, smallest=size), size), path=path, label=label)


class DatasetPictures:
    """Samples of a prepared dataset, with the class name of the first classified target, and the group.

    Args:
        dataset: prepared.
        indices: which samples; all by default.
        name: what the dataset is called.
        root: its folder: where a sample's path is relative to it, it is written so that the file can be found.
        identity: a text that changes with the dataset, its `fingerprint`.
    """

    def __init__(
        self,
        dataset: Dataset,
        indices: Sequence[int] | None = None,
        *,
        name: str = "dataset",
        root: Path | None = None,
        identity: str = "",
    ) -> None:
        self.dataset, self.title, self.root = dataset, name, root
        self.indices = range(len(dataset)) if indices is None else indices
        chosen = hashlib.sha256(",".join(map(str, self.indices)).encode()).hexdigest()
        self._identity = f"{identity or name}:{chosen}"
        self._target = next(
            ((key, target) for key, target in dataset.targets.items() if isinstance(target, Categories)), None
        )

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def identity(self) -> str:
        """The dataset's, and the sha256 of the indices."""
        return self._identity

    def tokens(self, start: int = 0) -> Iterator[int]:
        """Indices."""
        return (int(self.indices[number]) for number in range(start, len(self.indices)))

    def name(self, token: int) -> str:
        """What a picture is called that was not opened."""
        return f"{self.title}-{token}"

    def load(self, token: int, size: int) -> Picture:
        """Decode one sample."""
        sample = self.dataset[token]
        if sample.image.dtype != torch.uint8 or sample.image.ndim != 3 or sample.image.shape[0] != 3:
            raise PluginError(
                f"The dataset's picture {token} is {sample.image.dtype} {tuple(sample.image.shape)}, "
                "not uint8 (3, H, W).",
                "Mend the plugin: zoo.read_image gives what is needed.",
            )
        label = None
        if self._target is not None and (value := sample.targets.get(self._target[0])) is not None:
            label = self._target[1].names[int(value)]
        path = sample.path or self.name(token)
        if self.root is not None and (self.root / path).is_file():
            path = str(self.root / path)
        return Picture(image=resize(sample.image, size), path=path, label=label, group=sample.group)

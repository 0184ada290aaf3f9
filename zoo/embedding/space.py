"""The space of a vector (filters, cut, pooling, size): vectors of two spaces are never compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from zoo.errors import FileError, UsageError
from zoo.files import parse_json
from zoo.plugins import installed_versions

EMBEDDING_FORMAT = "1"
PACKAGES = ("python", "filterzoo", "torch", "torchvision", "numpy", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSpace:
    """What a vector depends on, besides its picture.

    Two spaces are the same where manifest, cut, pool and size are; the rest is for people, and for loading the filters.
    """

    filters: str  # their name
    manifest: str  # its hash, "sha256:…"; of the weights themselves, "weights:…", where they are not published
    cut: str  # where they stop, "block3"
    pool: str  # "mean", "gem", "max" or "map"
    size: int  # pixels: the side that pictures are resized to
    source: str = ""  # what loads them where the name does not: "hf://…", a folder
    shape: tuple[int, ...] = ()  # of one vector: (D,), or (C, h, w) for a map, which is written flat

    @property
    def identity(self) -> tuple[str, str, str, int]:
        """What must be equal for two vectors to be compared."""
        return (self.manifest, self.cut, self.pool, self.size)

    @property
    def width(self) -> int:
        """D: how many numbers a vector has."""
        return prod(self.shape)

    def __str__(self) -> str:
        kind, _, digits = self.manifest.partition(":")
        return f"{self.filters} ({kind}:{digits[:12]}) at {self.cut}, {self.pool}, {self.size} px"

    def check_same_space(self, other: EmbeddingSpace, *, mine: str, others: str) -> None:
        """Raises UsageError, naming both, where the two are not the same space."""
        if self.identity != other.identity:
            raise UsageError(
                f"Vectors of two spaces cannot be compared: {mine} is of {self}, and {others} is of {other}.",
                "Embed both with the same filters, cut, pooling and size.",
            )

    def as_metadata(self, *, listing: str = "") -> dict[str, str]:
        """As texts, for a file's metadata.

        Args:
            listing: the sha256 of the list of pictures, so that a finished file is known again.
        """
        return {
            "zoo.format": EMBEDDING_FORMAT,
            "zoo.filters": self.filters,
            "zoo.manifest": self.manifest,
            "zoo.cut": self.cut,
            "zoo.pool": self.pool,
            "zoo.size": str(self.size),
            "zoo.source": self.source,
            "zoo.shape": json.dumps(list(self.shape)),
            "zoo.versions": json.dumps(installed_versions(PACKAGES)),
            "zoo.list": listing,
        }


def read_space(metadata: Mapping[str, str], path: Path) -> EmbeddingSpace:
    """What a file's metadata says. Raises FileError where `zoo embed` did not write it."""
    again = "Write it again with `zoo embed`."
    if "zoo.format" not in metadata:
        raise FileError(path, "it does not name the filters of its vectors", "Name a file that `zoo embed` wrote.")
    if metadata["zoo.format"] != EMBEDDING_FORMAT:
        newer = f"its format is {metadata['zoo.format']!r}, and this version reads {EMBEDDING_FORMAT!r}"
        raise FileError(path, newer, "Upgrade filterzoo, or write it again with `zoo embed`.")
    try:
        return EmbeddingSpace(
            filters=metadata["zoo.filters"],
            manifest=metadata["zoo.manifest"],
            cut=metadata["zoo.cut"],
            pool=metadata["zoo.pool"],
            size=int(metadata["zoo.size"]),
            source=metadata.get("zoo.source", ""),
            shape=tuple(int(side) for side in parse_json(metadata["zoo.shape"])),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise FileError(path, f"the description of its filters is damaged ({error})", again) from error

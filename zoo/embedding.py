"""Pictures -> vectors, streamed: decoding, network and result overlap, memory stays bounded by the vectors."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.devices import pick_device, pick_precision
from zoo.errors import FileError, UsageError, ZooError
from zoo.files import writing
from zoo.images import find_images, read_image, resize
from zoo.progress import Progress, silent

BATCH = 16
AHEAD = 4  # batches decoded but not yet computed, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """A vector for every picture."""

    vectors: np.ndarray  # (N, D) float32
    paths: tuple[str, ...]  # (N)
    skipped: tuple[str, ...] = ()  # what could not be read, a line each
    filters: str = ""  # the filters' name
    digest: str = ""  # their manifest's sha256, where published
    cut: str = ""  # where they stopped
    size: int = 0  # the side that pictures were squashed to, in pixels

    def __len__(self) -> int:
        return len(self.paths)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The vectors, so that numpy takes embeddings for an array."""
        return np.array(self.vectors, dtype=dtype) if copy or dtype else self.vectors

    def most_similar(self, picture: int | str | np.ndarray, k: int = 5) -> list[tuple[str, float]]:
        """The nearest pictures by cosine, itself left out.

        Args:
            picture: an index, a path among `paths`, or a vector (D,).
            k: how many.

        Returns:
            (path, cosine in -1 to 1), the nearest first.

        Raises:
            UsageError: no such picture here, or k is not in 1 to N.
        """
        return [(self.paths[row], cosine) for row, cosine in self.nearest(picture, k)]

    def nearest(self, picture: int | str | np.ndarray, k: int = 5) -> list[tuple[int, float]]:
        """As `most_similar`, with rows in place of paths."""
        itself = -1
        if isinstance(picture, str):
            if picture not in self.paths:
                raise UsageError(f"{picture!r} is not among the {len(self)} embedded pictures.")
            picture = self.paths.index(picture)
        if isinstance(picture, (int, np.integer)):
            itself = int(picture)
            if not 0 <= itself < len(self):
                raise UsageError(f"There is no picture {itself}; there are {len(self)}, counted from 0.")
            picture = self.vectors[itself]
        most = len(self) - (itself >= 0)
        if not 1 <= k <= most:
            raise UsageError(f"k cannot be {k}; there are {most} other pictures.")
        lengths = np.linalg.norm(self.vectors, axis=1) * max(float(np.linalg.norm(picture)), 1e-12)
        cosines = self.vectors @ picture / np.maximum(lengths, 1e-12)
        if itself >= 0:
            cosines[itself] = -np.inf
        rows = np.argsort(-cosines, kind="stable")[:k]
        return [(int(row), float(cosines[row])) for row in rows]

    def save(self, path: Path | str) -> Path:
        """Write a Parquet table (path, vector) with the filters' identity, or the bare array as `.npy`."""
        path = Path(path)
        if path.suffix not in (".parquet", ".npy"):
            raise UsageError(f"{path}: embeddings are written as .parquet or .npy.")
        with writing(path) as part:
            if path.suffix == ".npy":
                with part.open("wb") as opened:
                    np.save(opened, self.vectors)
            else:
                _write_parquet(self, part)
        return path


def embed_pictures(
    network: nn.Module,
    pictures: Path | str | Sequence[Path | str],
    *,
    size: int,
    name: str = "",
    digest: str = "",
    cut: str = "",
    device: str | None = None,
    precision: str = "auto",
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Embeddings:
    """A vector for every picture: the mean of its feature map.

    Args:
        network: pictures (N, 3, S, S) float in 0 to 1 -> features (N, C, h, w); filters, that is.
        pictures: a folder (searched all the way down), a file, or a list of files.
        size: the side that pictures are squashed to, in pixels.
        name: what the filters are called.
        digest: of their manifest; with cut and size, so that vectors of other filters are not taken for theirs.
        cut: where they stop.
        device: where; the GPU where there is one by default.
        precision: `auto`, `bf16` or `fp32`.
        skip_unreadable: list what cannot be read in `skipped`, instead of stopping.
        progress: told how far the work is.

    Raises:
        FileError: a picture that cannot be read, a folder without pictures.
    """
    paths = list_pictures(pictures)
    where = pick_device(device)
    dtype = pick_precision(where, precision)
    copied = copy.deepcopy(network).to(where, dtype).to(memory_format=torch.channels_last).eval()
    vectors: list[Tensor] = []
    kept: list[str] = []
    skipped: list[str] = []
    with torch.inference_mode():
        for names, images, faults in _decoded(paths, size):
            if faults and not skip_unreadable:
                raise ZooError(faults[0])
            skipped += faults
            if images is not None:
                batch = images.to(device=where, dtype=dtype, memory_format=torch.channels_last) / 255
                vectors.append(copied(batch).float().mean(dim=(2, 3)).cpu())
                kept += names
            progress("embedding", len(kept) + len(skipped), len(paths))
    if not vectors:
        raise ZooError(f"None of the {len(paths)} pictures can be read. The first: {skipped[0]}")
    return Embeddings(
        vectors=torch.cat(vectors).numpy(),
        paths=tuple(kept),
        skipped=tuple(skipped),
        filters=name,
        digest=digest,
        cut=cut,
        size=size,
    )


def list_pictures(pictures: Path | str | Sequence[Path | str]) -> list[Path]:
    """Files, and all picture files below folders. Raises FileError where there are none."""
    given = [pictures] if isinstance(pictures, (str, Path)) else list(pictures)
    found: list[Path] = []
    for one in map(Path, given):
        if one.is_dir():
            inside = list(find_images(one))
            if not inside:
                raise FileError(one, "there are no pictures in this folder", "Name a folder of JPEG or PNG files.")
            found += inside
        elif one.exists():
            found.append(one)
        else:
            raise FileError(one, "there is no such file or folder", "Check the path.")
    if not found:
        raise UsageError("No pictures were named.")
    return found


def _decoded(paths: Sequence[Path], side: int) -> Iterator[tuple[list[str], Tensor | None, list[str]]]:
    """Batches of (paths, uint8 (N, 3, side, side), faults), decoded ahead by threads, in order."""

    def one(path: Path) -> Tensor | str:
        try:
            return resize(read_image(path, smallest=side), side)
        except ZooError as error:
            return str(error)

    batches = (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:

        def submit(batch: Sequence[Path]) -> list[tuple[Path, Future[Any]]]:
            return [(path, pool.submit(one, path)) for path in batch]

        waiting = [submit(batch) for batch in islice(batches, AHEAD)]
        while waiting:
            results = [(path, future.result()) for path, future in waiting.pop(0)]
            waiting += [submit(batch) for batch in islice(batches, 1)]
            good = [(str(path), image) for path, image in results if isinstance(image, Tensor)]
            images = torch.stack([image for _, image in good]) if good else None
            yield [path for path, _ in good], images, [text for _, text in results if isinstance(text, str)]


def _write_parquet(embeddings: Embeddings, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = embeddings.vectors.shape[1]
    flat = pa.array(embeddings.vectors.reshape(-1), type=pa.float32())
    table = pa.table(
        {
            "path": pa.array(embeddings.paths, type=pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, width),
        }
    )
    pq.write_table(
        table.replace_schema_metadata(
            {
                "zoo.filters": embeddings.filters,
                "zoo.manifest": embeddings.digest,
                "zoo.cut": embeddings.cut,
                "zoo.size": str(embeddings.size),
                "zoo.pool": "mean",
            }
        ),
        path,
    )

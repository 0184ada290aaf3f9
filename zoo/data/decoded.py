"""Every picture decoded once: a mapped uint8 array beside a table of what is known of each."""

from __future__ import annotations

import math
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from zoo.contracts import Box, Categories, Dataset, Multilabel, Number, Sample, Target
from zoo.data.fingerprints import FileState, read_digest
from zoo.data.images import resize
from zoo.errors import FileError, PluginError, ZooError
from zoo.files import file_errors, locked, read_sealed, temporary_folder, write_sealed, zoo_home
from zoo.progress import Progress, silent

T = TypeVar("T")

DECODERS = os.cpu_count() or 1
AHEAD = 64  # pictures decoded but not yet written, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedDataset:
    """A dataset's pictures at one size, with targets as tensors."""

    images: Tensor  # uint8 (N, 3, S, S), mapped from the cache
    targets: Mapping[str, Tensor]  # (N,) int64, (N, 4) float in 0 to 1, (N,) float, (N, K) float
    known: Mapping[str, Tensor]  # bool (N,): whether the target is known at all
    groups: tuple[str | None, ...]
    paths: tuple[str | None, ...]
    index: Tensor  # int64 (N,): the sample's index in the dataset
    skipped: tuple[str, ...]  # pictures that could not be read, a line each
    fingerprint: str  # the same for the same pictures and labels, wherever they lie
    identity: str = ""  # what the cache is called by
    files: tuple[FileState, ...] = ()  # with digests
    numbers: Mapping[str, Tensor] = field(default_factory=dict)
    """By name, float32 (N,), NaN where unknown: `width` and `height` in pixels, and a table's columns."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """The pictures' side in pixels."""
        return int(self.images.shape[-1])


def decode(
    dataset: Dataset,
    *,
    size: int,
    identity: str,
    files: Sequence[FileState] = (),
    root: Path = Path(),
    cache: Path | None = None,
    skip_unreadable: bool = False,
    begin: Callable[[], object] | None = None,
    progress: Progress = silent,
) -> DecodedDataset:
    """Decode and resize all pictures, or map them from the cache of an earlier call.

    Args:
        dataset: prepared.
        size: the side in pixels.
        identity: 64 hex digits that change when anything does that is decoded.
        files: the dataset's; their content is read along with the pictures.
        root: the folder that they lie in.
        cache: the folder of all caches; `ZOO_HOME/decoded` by default.
        skip_unreadable: leave out pictures that cannot be read, instead of stopping.
        begin: called first where anything has to be decoded.

    Raises:
        ZooError: pictures that cannot be read, all counted, the first named; an empty dataset.
    """
    place = _cache_folder(identity, size, cache)
    decoded = _open_cache(place, dataset.targets, identity)
    if decoded is None:
        if not len(dataset):
            raise ZooError("The dataset is empty.", "Check its folder, `root=`.")
        if begin is not None:
            begin()
        _write_cache(place, dataset, files, root, size=size, skip_unreadable=skip_unreadable, progress=progress)
        decoded = _open_cache(place, dataset.targets, identity)
        if decoded is None:
            raise FileError(place, "what was written there cannot be read back", "Check the disk, and try again.")
    elif decoded.skipped and not skip_unreadable:
        raise _unreadable_error(decoded.skipped, len(dataset))
    return decoded


def read_sample(dataset: Dataset, index: int) -> Sample:
    """Decode one sample. Raises FileError: it cannot be read; PluginError: its image is no uint8 (3, H, W)."""
    sample = dataset[index]
    if sample.image.dtype != torch.uint8 or sample.image.ndim != 3 or sample.image.shape[0] != 3:
        raise PluginError(
            f"The dataset's picture {index} is {sample.image.dtype} {tuple(sample.image.shape)}, not uint8 (3, H, W).",
            "Correct the plugin: zoo.read_image gives what is needed.",
        )
    return sample


def _cache_folder(identity: str, size: int, cache: Path | None = None) -> Path:
    return (cache or zoo_home() / "decoded") / f"{identity[:32]}-{size}"


def remove_decoded(identity: str, size: int) -> None:
    """Remove what `decode` keeps of a dataset at one size; who has it open keeps it until it is done."""
    shutil.rmtree(_cache_folder(identity, size), ignore_errors=True)


def _write_cache(
    place: Path,
    dataset: Dataset,
    files: Sequence[FileState],
    root: Path,
    *,
    size: int,
    skip_unreadable: bool,
    progress: Progress,
) -> None:
    """Write the cache under a temporary name, then rename it: it is there whole or not at all."""
    with file_errors(place), temporary_folder(place.parent) as part:
        table: dict[str, Any] = {"index": [], "groups": [], "paths": [], "skipped": [], "targets": []}
        numbers: list[dict[str, float]] = []
        total = len(dataset)
        states = list(files)
        with (part / "images.raw").open("wb") as pixels:
            for index, (sample, picture, fault) in enumerate(_decode_samples(dataset, size, states, root)):
                if sample is None or picture is None:
                    table["skipped"].append(fault)
                else:
                    pixels.write(picture.numpy().tobytes())
                    table["index"].append(index)
                    table["groups"].append(sample.group)
                    table["paths"].append(sample.path)
                    table["targets"].append(targets_as_json(sample, dataset.targets))
                    numbers.append(numbers_of(sample.metadata, *sample.image.shape[:0:-1]))
                progress("decoding pictures", index + 1, total)
            os.fsync(pixels.fileno())
        if table["skipped"] and not skip_unreadable:
            raise _unreadable_error(table["skipped"], total)
        if not table["index"]:
            raise ZooError(f"None of the {total} pictures can be read. The first: {table['skipped'][0]}")
        columns = dict.fromkeys(name for row in numbers for name in row)
        table["numbers"] = {name: [row.get(name) for row in numbers] for name in columns}
        rest = (read_digest(file, root) for file in states[total:])  # there may be more files than pictures
        write_sealed(part / "table.json", {**table, "files": [*states[:total], *rest]})
        with locked(place):
            if _open_cache(place, dataset.targets, "") is None:  # else another process was quicker
                shutil.rmtree(place, ignore_errors=True)
                part.replace(place)


def _decode_samples(
    dataset: Dataset, size: int, files: list[FileState], root: Path
) -> Iterator[tuple[Sample | None, Tensor | None, str]]:
    """Samples in order, decoded by threads, at most `AHEAD` waiting; `files` get their digests on the way."""

    def one(index: int) -> tuple[Sample | None, Tensor | None, str]:
        if index < len(files):
            files[index] = read_digest(files[index], root)
        try:
            sample = read_sample(dataset, index)
            return sample, resize(sample.image, size), ""
        except PluginError:
            raise
        except ZooError as error:
            return None, None, error.problem

    yield from map_in_order(one, range(len(dataset)))


def map_in_order(work: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
    """`map` over threads, in order, never more than `AHEAD` results waiting."""
    with ThreadPoolExecutor(DECODERS) as pool:
        yield from in_order(pool, work, items, ahead=AHEAD)


def in_order(pool: ThreadPoolExecutor, work: Callable[[Any], T], items: Iterable[Any], *, ahead: int) -> Iterator[T]:
    """`map` in order with at most `ahead` results begun and not yet taken: who takes slowly holds the readers back."""
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _unreadable_error(skipped: Sequence[str], total: int) -> ZooError:
    return ZooError(
        f"{len(skipped)} of {total} pictures cannot be read. The first: {skipped[0]}",
        "Replace or remove them (`zoo data check` lists all), or pass `skip_unreadable=True`.",
    )


def targets_as_json(sample: Sample, targets: Mapping[str, Target]) -> dict[str, Any]:
    """A sample's targets as JSON; a missing one is left out, "no box" is null, of labels those that it has are listed.

    Raises:
        PluginError: a target that the dataset does not list, or a value that is not of the target's kind.
    """
    height, width = sample.image.shape[-2:]
    where = sample.path or "a picture"
    made: dict[str, Any] = {}
    for name, value in sample.targets.items():
        target = targets.get(name)
        if target is None:
            raise PluginError(f"{where}: a target {name!r} that the dataset does not list ({', '.join(targets)}).")
        if value is None:
            made |= {name: None} if isinstance(target, Box) else {}
            continue
        try:
            numbers = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
        except (TypeError, ValueError, RuntimeError):
            numbers = []
        if isinstance(target, Box) and len(numbers) == 4 and all(map(math.isnan, numbers)):
            made[name] = None
            continue
        if not _fits(numbers, target):
            raise PluginError(f"{where}: the target {name!r} is {value!r:.80}, not {_describe_value(target)}.")
        if isinstance(target, Box):
            made[name] = [c / side for c, side in zip(numbers, (width, height, width, height), strict=True)]
        elif isinstance(target, Multilabel):
            made[name] = [label for label, has in enumerate(numbers) if has]
        else:
            made[name] = int(numbers[0]) if isinstance(target, Categories) else numbers[0]
    return made


def numbers_of(metadata: Mapping[str, str], width: int, height: int) -> dict[str, float]:
    """What is known of a picture in numbers: its size in pixels, and the columns of its table that read as numbers."""
    found = {"width": float(width), "height": float(height)}
    for name, text in metadata.items():
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            found[name] = number
    return found


def _fits(numbers: Sequence[float], target: Target) -> bool:
    count = {Box: 4, Multilabel: len(getattr(target, "names", ()))}.get(type(target), 1)
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        return False
    if isinstance(target, Multilabel):
        return {*numbers} <= {0, 1}
    return not isinstance(target, Categories) or numbers[0] in range(len(target.names))


def _describe_value(target: Target) -> str:
    if isinstance(target, Categories):
        return f"the number of a class, 0 to {len(target.names) - 1}"
    if isinstance(target, Multilabel):
        return f"{len(target.names)} numbers, each 0 or 1"
    return "a finite number" if isinstance(target, Number) else "the four finite numbers x1, y1, x2, y2"


def _open_cache(place: Path, targets: Mapping[str, Target], identity: str) -> DecodedDataset | None:
    """What `_write_cache` wrote; None where it is not there, or is damaged."""
    table = read_sealed(place / "table.json")
    if table is None or "numbers" not in table:  # of a version before there were any
        return None
    count = len(table["index"])
    size = int(place.name.rpartition("-")[2])
    try:
        pixels = np.memmap(place / "images.raw", dtype=np.uint8, mode="c", shape=(count, 3, size, size))
    except (OSError, ValueError):  # not there, or too short
        return None
    rows = table["targets"]
    return DecodedDataset(
        images=torch.from_numpy(pixels),
        targets={name: _target_column(rows, name, target) for name, target in targets.items()},
        known={name: torch.tensor([name in row for row in rows]) for name in targets},
        groups=tuple(table["groups"]),
        paths=tuple(table["paths"]),
        numbers={
            name: torch.tensor([math.nan if one is None else one for one in column])
            for name, column in table["numbers"].items()
        },
        index=torch.tensor(table["index"]),
        skipped=tuple(table["skipped"]),
        fingerprint=identity,
        identity=identity,
        files=tuple(FileState(*row) for row in table["files"]),
    )


def _target_column(rows: Sequence[Mapping[str, Any]], name: str, target: Target) -> Tensor:
    if isinstance(target, Categories):
        return torch.tensor([row.get(name, -1) for row in rows])
    if isinstance(target, Number):
        return torch.tensor([row.get(name, float("nan")) for row in rows])
    if isinstance(target, Multilabel):
        column = torch.full((len(rows), len(target.names)), float("nan"))
        for labels, row in zip(column, rows, strict=True):
            if name in row:
                labels.zero_()[row[name]] = 1
        return column
    nothing = [float("nan")] * 4
    return torch.tensor([row.get(name) or nothing for row in rows])

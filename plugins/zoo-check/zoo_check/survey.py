"""Every picture of a dataset read once: a thumbnail, a digest, its light and border, and what is known of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from zoo import Box, Categories, Sample
from zoo.data import OpenDataset, map_in_order, name_samples
from zoo.errors import PluginError, ZooError
from zoo.progress import Progress, silent
from zoo_check.capture import TITLE, read_capture_times
from zoo_check.columns import TIME, is_grouping
from zoo_check.shrinking import SIDE, shrink

COLOUR_SIDE = 8  # pixels of the thumbnails in colour; those in grey have `SIDE`
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
TOGETHER = 32  # pictures that a thread reads before it hands them on
BORDER = 8  # numbers of a border: the level and the deviation of each side
NOTHING = np.empty(0, dtype=np.float32)
OVER = 0.005  # of a side: so far rounded numbers of a box may reach over the edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The pictures of a dataset that can be read, row by row, and those that cannot."""

    data: OpenDataset
    names: tuple[str, ...]  # of all samples, by their index
    index: np.ndarray  # int64 (N,): the sample of each row
    digests: np.ndarray  # V16 (N,), of the pixels and the size
    sizes: np.ndarray  # int64 (N, 2): width and height in pixels
    thumbnails: np.ndarray  # uint8 (N, 32, 32), grey
    colours: np.ndarray  # uint8 (N, 8, 8, 3)
    borders: np.ndarray  # float32 (N, 8): grey level and deviation of the upper, lower, left and right edge, 0 to 255
    labels: Mapping[str, np.ndarray]  # by classified target, int64 (N,), -1 where unknown
    groups: tuple[str, ...]  # (N,), empty where unknown
    splits: np.ndarray  # str (N,): the dataset's own split, empty where there is none or it is `unlabelled`
    columns: Mapping[str, tuple[str, ...]]  # of the table, (N,), empty where a picture has none
    unreadable: tuple[tuple[str, str], ...]  # name, and what is wrong
    boxes: tuple[tuple[str, str], ...]  # name, and what is wrong with its box

    def __len__(self) -> int:
        return len(self.index)

    def name(self, row: int) -> str:
        """What the picture of a row is called."""
        return self.names[int(self.index[row])]

    def labels_of(self, row: int) -> str:
        """Its classes, as people read them."""
        found = []
        for target, column in self.labels.items():
            kind = self.data.targets[target]
            if column[row] >= 0 and isinstance(kind, Categories):
                found.append(kind.names[column[row]])
        return ", ".join(found)

    @property
    def brightness(self) -> np.ndarray:
        """The mean grey level of each picture, 0 to 255, (N,)."""
        return self.thumbnails.reshape(len(self), -1).mean(axis=1)

    @property
    def contrast(self) -> np.ndarray:
        """The deviation of each thumbnail's grey levels, (N,)."""
        return self.thumbnails.reshape(len(self), -1).std(axis=1)


@dataclass(slots=True)
class _Read:
    """What one picture gave."""

    index: int
    digest: bytes
    size: tuple[int, int]
    small: np.ndarray  # float32 (32, 32, 3)
    edges: np.ndarray  # uint8 (P, 3): the upper, lower, left and right edge
    labels: dict[str, int]
    group: str
    columns: Mapping[str, str]
    boxes: tuple[str, ...]


def survey_dataset(data: OpenDataset, *, progress: Progress = silent) -> Survey:
    """Read every picture once, by threads; what stays in memory is about 2 kB a picture.

    Raises:
        PluginError: the dataset breaks its contract.
    """
    count = len(data.dataset)
    names = name_samples(data.dataset, data.root)
    thumbnails = np.empty((count, SIDE, SIDE), dtype=np.uint8)
    colours = np.empty((count, COLOUR_SIDE, COLOUR_SIDE, 3), dtype=np.uint8)
    borders = np.empty((count, BORDER), dtype=np.float32)
    read: list[_Read] = []
    unreadable: list[tuple[str, str]] = []
    parts = [range(start, min(start + TOGETHER, count)) for start in range(0, count, TOGETHER)]
    done = 0
    for part in map_in_order(lambda part: [_read_or_say(data, index) for index in part], parts):
        good = [one for one in part if isinstance(one, _Read)]
        unreadable += [(names[one[0]], one[1]) for one in part if isinstance(one, tuple)]
        if good:
            place = slice(len(read), len(read) + len(good))
            thumbnails[place], colours[place] = _as_thumbnails(np.stack([one.small for one in good]))
            borders[place] = _measure_borders(good)
        for one in good:
            one.small = one.edges = NOTHING  # they are in their places
        read += good
        done += len(part)
        progress("examining pictures", done, count)
    numbers = thumbnails[: len(read)], colours[: len(read)], borders[: len(read)]
    return _as_survey(data, names, read, numbers, unreadable)


def _as_survey(
    data: OpenDataset,
    names: Sequence[str],
    read: Sequence[_Read],
    numbers: tuple[np.ndarray, np.ndarray, np.ndarray],
    unreadable: Sequence[tuple[str, str]],
) -> Survey:
    targets = [name for name, target in data.targets.items() if isinstance(target, Categories)]
    return Survey(
        data=data,
        names=tuple(names),
        index=np.array([one.index for one in read], dtype=np.int64),
        digests=np.array([one.digest for one in read], dtype="V16"),
        sizes=np.array([one.size for one in read], dtype=np.int64).reshape(-1, 2),
        thumbnails=numbers[0],
        colours=numbers[1],
        borders=numbers[2],
        labels={name: np.array([one.labels.get(name, -1) for one in read], dtype=np.int64) for name in targets},
        groups=tuple(one.group for one in read),
        splits=_split_column(data, [one.index for one in read]),
        columns=_read_columns(data, read),
        unreadable=tuple(unreadable),
        boxes=tuple((names[one.index], fault) for one in read for fault in one.boxes),
    )


def _read_columns(data: OpenDataset, read: Sequence[_Read]) -> dict[str, tuple[str, ...]]:
    """What the table says of groups and times; where it says no times, those that cameras wrote into the files."""
    titles = dict.fromkeys(title for one in read for title in one.columns)
    columns = {title: tuple(one.columns.get(title, "") for one in read) for title in titles}
    if not any(map(TIME.fullmatch, titles)) and (named := data.dataset.files()) is not None:
        paths = [path for path, _ in named]
        if times := read_capture_times([paths[one.index] for one in read]):
            columns[TITLE] = times
    return columns


def _as_thumbnails(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures float32 (N, 32, 32, 3) -> uint8 in grey (N, 32, 32), and in colour (N, 8, 8, 3)."""
    step = SIDE // COLOUR_SIDE
    means = small.reshape(-1, COLOUR_SIDE, step, COLOUR_SIDE, step, 3).mean(axis=(2, 4))
    return (small @ LUMA + 0.5).astype(np.uint8), (means + 0.5).astype(np.uint8)


def _measure_borders(read: Sequence[_Read]) -> np.ndarray:
    """Grey level of the upper, lower, left and right edge, then their deviations. Shapes: float32 (N, 8)."""
    lengths = np.array([length for one in read for length in (one.size[0], one.size[0], one.size[1], one.size[1])])
    grey = np.concatenate([one.edges for one in read]) @ LUMA
    starts = lengths.cumsum() - lengths
    means = np.add.reduceat(grey, starts) / lengths
    variances = np.add.reduceat(grey * grey, starts) / lengths - means**2
    return np.hstack([means.reshape(-1, 4), np.sqrt(np.maximum(variances, 0)).reshape(-1, 4)])


def _read_or_say(data: OpenDataset, index: int) -> _Read | tuple[int, str]:
    try:
        return _read(data, index)
    except PluginError:
        raise
    except ZooError as error:
        return index, error.problem


def _read(data: OpenDataset, index: int) -> _Read:
    sample = data.dataset[index]
    pixels = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())  # (H, W, 3)
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(pixels.data)
    digest.update(f"{width}x{height}".encode())
    return _Read(
        index=index,
        digest=digest.digest()[:16],
        size=(width, height),
        small=shrink(pixels),
        edges=np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]),
        labels=_read_labels(data, sample, index),
        group=sample.group or "",
        columns={title: text for title, text in sample.metadata.items() if is_grouping(title)},
        boxes=tuple(_check_boxes(data, sample, width, height)),
    )


def _read_labels(data: OpenDataset, sample: Sample, index: int) -> dict[str, int]:
    labels: dict[str, int] = {}
    for target, value in sample.targets.items():
        if target not in data.targets:
            raise PluginError(
                f"{sample.path or f'Picture {index}'}: the target {target!r} is not one of the dataset's: "
                f"{', '.join(data.targets)}.",
                "Correct the plugin.",
            )
        kind = data.targets[target]
        if isinstance(kind, Categories) and value is not None:
            labels[target] = int(value)
            if not 0 <= labels[target] < len(kind.names):
                raise PluginError(
                    f"{sample.path or f'Picture {index}'}: the target {target!r} is {value!r}, not the number of a "
                    f"class, 0 to {len(kind.names) - 1}.",
                    "Correct the plugin.",
                )
    return labels


def _check_boxes(data: OpenDataset, sample: Sample, width: int, height: int) -> Iterator[str]:
    for target, value in sample.targets.items():
        if not isinstance(data.targets[target], Box) or value is None:
            continue
        try:
            numbers = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
        except (TypeError, ValueError, RuntimeError):
            numbers = []
        if len(numbers) == 4 and all(map(math.isnan, numbers)):
            continue  # it is known that there is none
        if fault := _find_box_fault(numbers, width, height):
            yield fault


def _find_box_fault(numbers: Sequence[float], width: int, height: int) -> str | None:
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        return f"not four finite numbers ({', '.join(f'{number:g}' for number in numbers)})"
    x1, y1, x2, y2 = numbers
    said = f"{x1:g}, {y1:g}, {x2:g}, {y2:g} in {width} x {height} pixels"
    if x2 <= x1 or y2 <= y1:
        return f"without width or height ({said})"
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return f"wholly outside the picture ({said})"
    reach = max(-x1 / width, -y1 / height, x2 / width - 1, y2 / height - 1)
    return f"over the picture's edge ({said})" if reach > OVER else None


def _split_column(data: OpenDataset, index: Sequence[int]) -> np.ndarray:
    """The split of each row as training takes it: what is in none is trained on where there is no `train`."""
    own = {name: rows for name, rows in data.dataset.splits.items() if len(rows)}
    column = np.full(len(data.dataset), "" if "train" in own or not own else "train", dtype="U16")
    for name, rows in own.items():
        column[np.asarray(rows, dtype=np.int64)] = (
            "" if name in ("unlabelled", "seen") else name
        )  # seen: of groups trained on
    return column[np.asarray(index, dtype=np.int64)]

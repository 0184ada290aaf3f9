"""Predictions for pictures: the likeliest classes, class probabilities, boxes, numbers."""

from __future__ import annotations

import copy
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo import __version__
from zoo.contracts import Box, Categories, Dataset, Head, Multilabel, PredictionTable
from zoo.data import ImageSource, OpenDataset, Window, find_window, map_in_order, numbers_of, open_images, resize
from zoo.errors import UsageError, ZooError
from zoo.evaluation.formats import open_format
from zoo.files import check_output, temporary_folder
from zoo.models import Model, join_side_maps, load_model
from zoo.progress import Progress, silent
from zoo.training import EVALUATION_BATCH, Arithmetic

BOX_COLUMNS = ("x1", "y1", "x2", "y2", "presence")
BEST_COLUMNS = (("class", "probability"), ("second", "second_probability"))  # of a head with classes
WHOLE = 2**30  # pixels of a side: no JPEG is decoded at a fraction of its size

# Path, metadata, size in pixels, the part that is taken.
_Found = tuple[str, Mapping[str, str], tuple[int, int], Window]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """A model's predictions, one for each picture."""

    images: tuple[str, ...]  # (N) paths as given
    names: tuple[str, ...] = ()  # (N) the paths below the one folder that was given; where not given, the images
    sizes: tuple[tuple[int, int], ...]  # (N) width and height in pixels
    answers: Mapping[str, np.ndarray]  # by head: (N, K) probabilities, (N, 4 or 5) boxes in pixels, (N,) numbers
    columns: Mapping[str, tuple[str, ...]]  # by head: the names of the answer's columns
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # (N) by column, what a table says of them
    summaries: Mapping[str, Mapping[str, Sequence[str | float]]] = field(default_factory=dict)  # (N) by head, column
    skipped: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)  # as `PredictionTable` has it

    def save(
        self,
        path: Path | str,
        *,
        format: str | None = None,
        head: str | None = None,
        options: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write them to a file, a row a picture, whole or not at all.

        Args:
            path: its suffix says which format, `.csv`, `.parquet`, `.json` or what a plugin brings.
            format: the format's name, whatever the suffix.
            head: whose answers; all heads' side by side by default, their columns prefixed where there are several.
            options: the format's own.
            overwrite: replace a file that is there.

        Raises:
            FileError: the file is there already.
            UsageError: no format has that suffix, no such head, or an option that the format has not.
            UnknownNameError: no such format.
        """
        path = Path(path)
        check_output(path, overwrite=overwrite, argument="path")
        open_format(format, path, options).write(self.as_table(head), path)
        return path

    def as_csv(self, head: str | None = None) -> str:
        """The text of the format `csv`: a header, then a line a picture."""
        with temporary_folder() as folder:
            return self.save(folder / "csv", format="csv", head=head).read_text("utf-8", "surrogateescape")

    def as_table(self, head: str | None = None) -> PredictionTable:
        """As a format is given them; one head's, or all heads' side by side.

        The summary has what a head says in short (`class` and `probability` of the likeliest of several classes, then
        `second` and `second_probability`), else its columns; and then what a table said of the pictures. A column
        begins with its head's name and a colon where heads are several, or where it would be there twice.
        """
        if head is not None and head not in self.answers:
            raise UsageError(f"There is no head {head!r}; there are {', '.join(self.answers)}.")
        summary: dict[str, tuple[str | float, ...]] = {}
        columns: dict[str, np.ndarray] = {}
        for name in [head] if head else self.answers:
            start = f"{name}:" if head is None and len(self.answers) > 1 else ""
            answer = self.answers[name].reshape(len(self.images), -1).astype(np.float32)
            short = self.summaries.get(name, {})
            summary |= {start + title: tuple(values) for title, values in short.items()}
            for column, numbers in zip(self.columns[name], answer.T, strict=True):
                title = start + column if start + column not in {"image", *summary} else f"{name}:{start}{column}"
                columns[title] = numbers
                summary |= {} if short else {title: tuple(numbers.tolist())}
        for title, cells in self.given.items():
            summary[f"table:{title}" if title in {"image", *summary, *columns} else title] = cells
        values = np.stack(list(columns.values()), axis=1)
        values.setflags(write=False)
        return PredictionTable(
            images=self.images,
            names=self.names or self.images,
            summary=summary,
            columns=tuple(columns),
            values=values,
            sizes=self.sizes,
            metadata=self.metadata,
        )


def predict(
    model: Model | Path | str,
    pictures: Path | str | Sequence[Path | str] | Dataset | OpenDataset,
    *,
    device: str | None = None,
    precision: str = "auto",
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Predictions:
    """Predict picture files, in order.

    Args:
        model: with its heads; or what `zoo.load_model` takes.
        pictures: a folder, a file, a pattern, or several of them; or a prepared dataset, whose metadata come along.
        device: where; the GPU where there is one by default.
        precision: `auto`, `bf16` or `fp32`.
        skip_unreadable: leave out what cannot be read, instead of stopping.
        progress: called with how far the work is.
    """
    model = model if isinstance(model, Model) else load_model(model)
    if model.crop is not None and model.crop.locator is None:
        raise UsageError(
            "This model was trained on pictures cropped to their true boxes, and a new picture has none.",
            "Train one whose recipe says crop = RUN, a run with the head locate.",
        )
    source = open_images(pictures)
    arithmetic = Arithmetic.on(device, precision)
    ask = _make_predictor(model, arithmetic)
    find_crop = _make_window_finder(model, Arithmetic(device=arithmetic.device, dtype=torch.float32))  # as in training

    read, total = _make_reader(source, model.size, find_crop), len(source)
    images: list[Tensor] = []  # of the batch that is being filled
    found: list[_Found] = []
    skipped: list[str] = []
    answers: dict[str, list[Tensor]] = {name: [] for name in model.heads}

    def flush() -> None:
        columns = _number_columns(model, found[-len(images) :])
        for name, answer in ask(torch.stack(images), columns).items():
            answers[name].append(answer)
        images.clear()

    for index, result in enumerate(map_in_order(read, range(total))):
        if isinstance(result, ZooError):
            if not skip_unreadable:
                raise result
            skipped.append(result.problem)
        else:
            images.append(result[0])
            found.append(result[1])
        if len(images) == EVALUATION_BATCH or (images and index + 1 == total):
            flush()
        progress("predicting", index + 1, total)
    if not found:
        raise ZooError(f"None of the {total} pictures can be read. The first: {skipped[0]}")
    gathered = {name: torch.cat(parts).numpy() for name, parts in answers.items()}
    predictions = _gather(model, found, gathered, skipped)
    return replace(predictions, names=_names_below(pictures, predictions.images))


def _names_below(pictures: Any, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths below the one folder that was given; as they are where files, several folders or a dataset were."""
    only = pictures[0] if isinstance(pictures, Sequence) and len(pictures) == 1 else pictures
    if isinstance(only, (str, Path)) and (folder := Path(only).expanduser()).is_dir():
        return tuple(os.path.relpath(path, folder) for path in paths)
    return paths


def _gather(
    model: Model,
    found: Sequence[_Found],
    answers: Mapping[str, np.ndarray],
    skipped: Sequence[str],
) -> Predictions:
    """What was answered, with boxes in pixels of the whole pictures."""
    images, metadata, sizes, windows = zip(*found, strict=True)
    given = dict.fromkeys(title for one in metadata for title in one)
    for boxes in (answers[name] for name in answers if isinstance(model.head(name).target, Box)):
        _scale_to_pixels(boxes, np.array(windows, dtype=np.float32))
    return Predictions(
        images=images,
        sizes=sizes,
        answers=answers,
        columns={name: _column_names(model, name, answer) for name, answer in answers.items()},
        given={title: tuple(one.get(title, "") for one in metadata) for title in given},
        summaries={name: _summarise(model.head(name), answer) for name, answer in answers.items()},
        skipped=tuple(skipped),
        metadata={
            "filters": model.filters.name,
            "manifest": model.filters.identity,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "filterzoo": __version__,
        },
    )


def _summarise(head: Head, answers: np.ndarray) -> Mapping[str, Sequence[str | float]]:
    """What the head says in short, by column, (N); by default the two likeliest of its classes."""
    if (said := head.summary(answers)) is not None or not isinstance(head.target, Categories):
        return said or {}
    order, rows = np.argsort(-answers, axis=1, kind="stable"), np.arange(len(answers))
    found: dict[str, Sequence[str | float]] = {}
    for place, (title, probability) in zip(order.T, BEST_COLUMNS, strict=False):
        found[title] = [head.target.names[k] for k in place]
        found[probability] = answers[rows, place].tolist()
    return found


def _make_reader(
    source: ImageSource, side: int, find_crop: Callable[[Tensor], Window]
) -> Callable[[int], tuple[Tensor, _Found] | ZooError]:
    """A picture's number -> the picture as the model takes it, and what else is known of it."""
    entries = list(source.entries())

    def read(index: int) -> tuple[Tensor, _Found] | ZooError:
        try:
            loaded = source.load(entries[index], WHOLE)
        except ZooError as error:
            return error
        height, width = loaded.image.shape[1:]
        left, top, right, bottom = window = find_crop(loaded.image)
        resized = resize(loaded.image[:, top:bottom, left:right], side)
        return resized, (loaded.path, loaded.metadata, (width, height), window)

    return read


def _scale_to_pixels(boxes: np.ndarray, windows: np.ndarray) -> None:
    """Boxes (N, 4 or 5) in shares of the windows (N, 4) -> in pixels of the pictures, in place."""
    start, end = np.tile(windows[:, :2], 2), np.tile(windows[:, 2:], 2)
    boxes[:, :4] = start + boxes[:, :4] * (end - start)


def _number_columns(model: Model, found: Sequence[_Found]) -> dict[str, Tensor]:
    """The numbers that the model's heads want, by name, (N,), NaN where unknown; those that no picture has are out."""
    wanted = {one.name for spec in model.specs.values() for one in spec.numbers}
    if not wanted:
        return {}
    rows = []
    for _, metadata, _, (left, top, right, bottom) in found:
        numbers = numbers_of(metadata, right - left, bottom - top)
        rows.append({name: numbers.get(name, math.nan) for name in wanted if name in numbers or name in metadata})
    names = {name for row in rows for name in row}
    return {name: torch.tensor([row.get(name, math.nan) for row in rows]) for name in names}


def _make_predictor(model: Model, arithmetic: Arithmetic) -> Callable[..., dict[str, Tensor]]:
    """Pictures (N, 3, S, S) uint8 and columns -> answers by head, on the CPU; the model itself is left where it is."""
    filters = arithmetic.frozen(model.filters)
    heads = {name: copy.deepcopy(model.head(name)).to(arithmetic.device).eval() for name in model.heads}

    def ask(images: Tensor, columns: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        with torch.no_grad():
            batch = arithmetic.ready(images.to(arithmetic.device) / 255)
            features = arithmetic.run(filters, batch).float()
            beside = model.beside(columns or {})
            joined = {name: join_side_maps(features, beside.get(name)) for name in heads}
            outputs = {name: head(head.reduce(joined[name])) for name, head in heads.items()}
            return {name: answer.float().cpu() for name, answer in model.answer(outputs).items()}

    return ask


def _make_window_finder(model: Model, arithmetic: Arithmetic) -> Callable[[Tensor], Window]:
    """Picture (3, H, W) uint8 -> the part of it that the model is given; all of it where nothing is cropped."""
    crop = model.crop
    if crop is None or crop.locator is None:
        return lambda image: (0, 0, image.shape[2], image.shape[1])
    head, margin, side = crop.head, crop.margin, crop.locator.size
    locate, lock = _make_predictor(crop.locator, arithmetic), threading.Lock()

    def find_crop(image: Tensor) -> Window:
        with lock:  # one network at a time: several at once would compete for the cores
            box = locate(resize(image, side).unsqueeze(0))[head][0]
        height, width = image.shape[-2:]
        found = crop.in_pixels(box, width, height)
        return (0, 0, width, height) if found is None else find_window(found, width, height, margin=margin)

    return find_crop


def _column_names(model: Model, name: str, answer: np.ndarray) -> tuple[str, ...]:
    target = model.head(name).target
    if isinstance(target, (Categories, Multilabel)):
        return target.names
    if isinstance(target, Box):
        return BOX_COLUMNS[: answer.shape[1]]
    return (model.specs[name].target or name,)

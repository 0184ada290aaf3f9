"""Predictions for pictures: a table of class probabilities in the competitions' form."""

from __future__ import annotations

import copy
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo import __version__
from zoo.contracts import Box, Categories, Multilabel, PredictionTable
from zoo.data import Window, find_window, map_in_order, open_images, read_image, resize
from zoo.errors import UsageError, ZooError
from zoo.evaluation.formats import open_format
from zoo.models import Model, load_model
from zoo.progress import Progress, silent
from zoo.training import EVALUATION_BATCH, Arithmetic

BOX_COLUMNS = ("x1", "y1", "x2", "y2", "presence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """A model's predictions, one for each picture."""

    images: tuple[str, ...]  # (N) paths as given
    sizes: tuple[tuple[int, int], ...]  # (N) width and height in pixels
    answers: Mapping[str, np.ndarray]  # by head: (N, K) probabilities, (N, 4 or 5) boxes in pixels, (N,) numbers
    columns: Mapping[str, tuple[str, ...]]  # by head: the names of the answer's columns
    skipped: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)  # `filters`: the model's name; `filterzoo`: the version

    def save(
        self,
        path: Path | str,
        *,
        format: str | None = None,
        head: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write them to a file, a row a picture, whole or not at all.

        Args:
            path: its suffix says which format, `.csv`, `.parquet`, `.json` or what a plugin brings.
            format: the format's name, whatever the suffix.
            head: whose answers; all heads' side by side by default, their columns prefixed where there are several.
            options: the format's own.

        Raises:
            UsageError: no format has that suffix, no such head, or an option that the format has not.
            UnknownNameError: no such format.
        """
        path = Path(path)
        open_format(format, path, options).write(self.as_table(head), path)
        return path

    def as_csv(self, head: str | None = None) -> str:
        """The text of the format `csv`, the competitions' form: a header `image,<classes>`, then a line a picture."""
        with tempfile.TemporaryDirectory() as folder:
            return self.save(Path(folder, "csv"), format="csv", head=head).read_text("utf-8", "surrogateescape")

    def as_table(self, head: str | None = None) -> PredictionTable:
        """As a format is given them; one head's, or all heads' side by side."""
        columns, values = self.table(head)
        values = values.astype(np.float32)
        values.setflags(write=False)
        return PredictionTable(
            images=self.images, columns=tuple(columns), values=values, sizes=self.sizes, metadata=self.metadata
        )

    def table(self, head: str | None = None) -> tuple[list[str], np.ndarray]:
        """Column names, and numbers (N, columns): one head's, or all heads' side by side."""
        if head is not None and head not in self.answers:
            raise UsageError(f"There is no head {head!r}; there are {', '.join(self.answers)}.")
        chosen = [head] if head else list(self.answers)
        prefix = len(chosen) > 1
        columns = [f"{name}:{column}" if prefix else column for name in chosen for column in self.columns[name]]
        parts = [self.answers[name].reshape(len(self.images), -1) for name in chosen]
        return columns, np.concatenate(parts, axis=1)


def predict(
    model: Model | Path | str,
    pictures: Path | str | Sequence[Path | str],
    *,
    device: str | None = None,
    precision: str = "auto",
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Predictions:
    """Predict picture files, in order.

    Args:
        model: with its heads; or what `zoo.load_model` takes.
        pictures: a folder, a file, a pattern, or several of them.
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
    paths = [entry.path for entry in open_images(pictures).entries()]
    arithmetic = Arithmetic.on(device, precision)
    ask = _make_predictor(model, arithmetic)
    find_crop = _make_window_finder(model, Arithmetic(device=arithmetic.device, dtype=torch.float32))  # as in training

    read = _make_reader(paths, model.size, find_crop)
    images: list[Tensor] = []  # of the batch that is being filled
    found: list[tuple[str, tuple[int, int], Window]] = []
    skipped: list[str] = []
    answers: dict[str, list[Tensor]] = {name: [] for name in model.heads}

    def flush() -> None:
        for name, answer in ask(torch.stack(images)).items():
            answers[name].append(answer)
        images.clear()

    for index, result in enumerate(map_in_order(read, range(len(paths)))):
        if isinstance(result, ZooError):
            if not skip_unreadable:
                raise result
            skipped.append(result.problem)
        else:
            images.append(result[0])
            found.append((paths[index], *result[1:]))
        if len(images) == EVALUATION_BATCH or (images and index + 1 == len(paths)):
            flush()
        progress("predicting", index + 1, len(paths))
    if not found:
        raise ZooError(f"None of the {len(paths)} pictures can be read. The first: {skipped[0]}")
    return _gather(model, found, {name: torch.cat(parts).numpy() for name, parts in answers.items()}, skipped)


def _gather(
    model: Model,
    found: Sequence[tuple[str, tuple[int, int], Window]],
    answers: Mapping[str, np.ndarray],
    skipped: Sequence[str],
) -> Predictions:
    """What was answered, with boxes in pixels of the whole pictures."""
    names, sizes, windows = zip(*found, strict=True)
    for boxes in (answers[name] for name in answers if isinstance(model.head(name).target, Box)):
        _scale_to_pixels(boxes, np.array(windows, dtype=np.float32))
    return Predictions(
        images=names,
        sizes=sizes,
        answers=answers,
        columns={name: _column_names(model, name, answer) for name, answer in answers.items()},
        skipped=tuple(skipped),
        metadata={"filters": model.filters.name, "filterzoo": __version__},
    )


def _make_reader(
    paths: Sequence[str], side: int, find_crop: Callable[[Tensor], Window]
) -> Callable[[int], tuple[Tensor, tuple[int, int], Window] | ZooError]:
    """A path's number -> its picture as the model takes it, its own size in pixels, and the part that was taken."""

    def read(index: int) -> tuple[Tensor, tuple[int, int], Window] | ZooError:
        try:
            image = read_image(paths[index])
        except ZooError as error:
            return error
        left, top, right, bottom = window = find_crop(image)
        return resize(image[:, top:bottom, left:right], side), (image.shape[2], image.shape[1]), window

    return read


def _scale_to_pixels(boxes: np.ndarray, windows: np.ndarray) -> None:
    """Boxes (N, 4 or 5) in shares of the windows (N, 4) -> in pixels of the pictures, in place."""
    start, end = np.tile(windows[:, :2], 2), np.tile(windows[:, 2:], 2)
    boxes[:, :4] = start + boxes[:, :4] * (end - start)


def _make_predictor(model: Model, arithmetic: Arithmetic) -> Callable[[Tensor], dict[str, Tensor]]:
    """Pictures (N, 3, S, S) uint8 -> answers by head, on the CPU; the model itself is left where it is."""
    filters = arithmetic.frozen(model.filters)
    heads = {name: copy.deepcopy(model.head(name)).to(arithmetic.device).eval() for name in model.heads}

    def ask(images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            batch = arithmetic.ready(images.to(arithmetic.device) / 255)
            features = arithmetic.run(filters, batch).float()
            outputs = {name: head(head.reduce(features)) for name, head in heads.items()}
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

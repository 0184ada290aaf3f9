"""Predictions for pictures: the likeliest classes, class probabilities, boxes, numbers."""

from __future__ import annotations

import copy
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from zoo.models import Model
from zoo.progress import Progress, silent
from zoo.training import EVALUATION_BATCH, Arithmetic

BOX_COLUMNS = ("x1", "y1", "x2", "y2", "presence")
BEST_COLUMNS = (("class", "probability"), ("second", "second_probability"))  # of a head with classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """A model's predictions, one for each picture."""

    images: tuple[str, ...]  # (N) paths as given
    names: tuple[str, ...] = ()  # (N) the paths below the one folder that was given; where not given, the images
    sizes: tuple[tuple[int, int], ...]  # (N) width and height in pixels
    answers: Mapping[str, np.ndarray]  # by head: (N, K) probabilities, (N, 4 or 5) boxes in pixels, (N,) numbers
    columns: Mapping[str, tuple[str, ...]]  # by head: the names of the answer's columns
    classified: tuple[str, ...] = ()  # the heads whose answer is one of several classes
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
        """The text of the format `csv`: a header, then a line a picture."""
        with tempfile.TemporaryDirectory() as folder:
            return self.save(Path(folder, "csv"), format="csv", head=head).read_text("utf-8", "surrogateescape")

    def as_table(self, head: str | None = None) -> PredictionTable:
        """As a format is given them; one head's, or all heads' side by side.

        Its summary has, of a head that names one of several classes, `class` and `probability` of the likeliest, then
        `second` and `second_probability`; of another head its columns.
        """
        columns, values = self.table(head)
        values = values.astype(np.float32)
        values.setflags(write=False)
        return PredictionTable(
            images=self.images,
            names=self.names or self.images,
            summary=self._summarise(head),
            columns=tuple(columns),
            values=values,
            sizes=self.sizes,
            metadata=self.metadata,
        )

    def table(self, head: str | None = None) -> tuple[list[str], np.ndarray]:
        """Column names, and numbers (N, columns): one head's, or all heads' side by side.

        A column begins with its head's name and a colon where heads are several, or where a class has a name that
        the summary needs.
        """
        if head is not None and head not in self.answers:
            raise UsageError(f"There is no head {head!r}; there are {', '.join(self.answers)}.")
        chosen = [head] if head else list(self.answers)
        parts = [self.answers[name].reshape(len(self.images), -1) for name in chosen]
        return [title for name in chosen for title in self._titles(name, head)], np.concatenate(parts, axis=1)

    def _start(self, name: str, head: str | None) -> str:
        return f"{name}:" if head is None and len(self.answers) > 1 else ""

    def _titles(self, name: str, head: str | None) -> list[str]:
        start = self._start(name, head)
        taken = {"image", *(start + title for pair in BEST_COLUMNS for title in pair)}
        titles = [start + column for column in self.columns[name]]
        return [f"{name}:{title}" if title in taken else title for title in titles]

    def _summarise(self, head: str | None) -> dict[str, tuple[str | float, ...]]:
        summary: dict[str, tuple[str | float, ...]] = {}
        for name in [head] if head else self.answers:
            answer, columns, start = self.answers[name], self.columns[name], self._start(name, head)
            if name not in self.classified:
                numbers = answer.reshape(len(self.images), -1).T.tolist()
                summary |= dict(zip(self._titles(name, head), map(tuple, numbers), strict=True))
                continue
            order = np.argsort(-answer, axis=1, kind="stable")
            for place, (title, probability) in enumerate(BEST_COLUMNS[: len(columns)]):
                best = order[:, place]
                summary[start + title] = tuple(columns[k] for k in best)
                summary[start + probability] = tuple(answer[np.arange(len(best)), best].tolist())
        return summary


def predict(
    model: Model,
    pictures: Path | str | Sequence[Path | str],
    *,
    device: str | None = None,
    precision: str = "auto",
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Predictions:
    """Predict picture files, in order.

    Args:
        model: with its heads.
        pictures: a folder, a file, a pattern, or several of them.
        device: where; the GPU where there is one by default.
        precision: `auto`, `bf16` or `fp32`.
        skip_unreadable: leave out what cannot be read, instead of stopping.
        progress: called with how far the work is.
    """
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
    gathered = {name: torch.cat(parts).numpy() for name, parts in answers.items()}
    return replace(_gather(model, found, gathered, skipped), names=_names_below(pictures, [path for path, *_ in found]))


def _names_below(pictures: Path | str | Sequence[Path | str], paths: Sequence[str]) -> tuple[str, ...]:
    """The paths below the one folder that was given; as they are where files or several folders were."""
    given = [pictures] if isinstance(pictures, (str, Path)) else pictures
    folder = Path(given[0]).expanduser()
    below = len(given) == 1 and folder.is_dir()
    return tuple(os.path.relpath(path, folder) for path in paths) if below else tuple(paths)


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
        classified=tuple(name for name in answers if isinstance(model.head(name).target, Categories)),
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

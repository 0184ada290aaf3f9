"""Cropping before training: to the box that a locator (a first model) predicts, or to the true box."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.contracts import Box, Sample, Target
from zoo.data import DecodedDataset, OpenDataset, Splits
from zoo.errors import FileError, PluginError, UsageError, ZooWarning
from zoo.models import Cropper, load_model
from zoo.progress import Progress, silent
from zoo.store import RECORD_FILE, CropRecord, digest_of
from zoo.training.inputs import Arithmetic
from zoo.training.recipe import DataPart
from zoo.training.runs import Run, open_run
from zoo.training.scoring import model_outputs

TRUTH = "truth"
SCORED_SPLITS = ("seen", "test")
VERSION = 1  # version of how boxes become crops: after a change, old decoded pictures are not used


@dataclass(frozen=True, slots=True, kw_only=True)
class Cropping:
    """How a run's pictures are cropped, and what its record says of it."""

    crop: Cropper
    record: CropRecord
    skip_unreadable: bool = False
    run: Run | None = None  # of the locator, where it is a run

    def apply(self, data: OpenDataset, device: torch.device, progress: Progress = silent) -> OpenDataset:
        """The dataset's pictures, cropped; a locator runs where they were not decoded before.

        Raises:
            UsageError: the true boxes are asked for, and the dataset has none.
        """
        crop = self.crop
        if crop.locator is None:
            target = _box_target(data.targets, crop.head, of=f"the dataset {data.name!r}")
            return data.cropped(_TrueBoxes(target), margin=crop.margin, mark=f"{TRUTH}:{target}")
        located = _PredictedBoxes(data, crop, device, skip_unreadable=self.skip_unreadable, progress=progress)
        mark = f"{VERSION}:{self.record.weights}:{crop.head}"
        return data.cropped(located, margin=crop.margin, mark=mark, begin=located.locate)


def find_cropping(part: DataPart, targets: Mapping[str, Target]) -> Cropping | None:
    """What a recipe's `crop` names.

    Args:
        part: of the recipe.
        targets: of the dataset, by name.

    Raises:
        UsageError: the run or the filters have no head that predicts a box; they crop themselves.
        ZooError: no such run, no such name; not finished, or not to be fetched.
    """
    if part.crop is None:
        return None
    if part.crop == TRUTH:
        target = _box_target(targets, "", of=f"the dataset {part.dataset!r}")
        crop = Cropper(locator=None, head=target, margin=part.margin)
        return Cropping(crop=crop, record=CropRecord(by=TRUTH, head=target, margin=part.margin))
    place, run = Path(part.crop).expanduser(), None
    if part.crop.lower() == TRUTH:
        raise UsageError(f"crop = {part.crop!r} names no run.", f"Say crop = {TRUTH!r} for the true boxes.")
    if (place / RECORD_FILE).is_file():
        run = open_run(place)
    elif place.parent != Path() and place.parent.is_dir() and not place.exists():
        raise FileError(place, "there is no such run", "Name a folder that `zoo train` wrote, or published filters.")
    locator = load_model(part.crop)
    if locator.crop is not None:
        raise UsageError(f"crop = {part.crop!r} crops its pictures itself.", "Name one trained on whole pictures.")
    boxed = [name for name in locator.heads if isinstance(locator.head(name).target, Box)]
    if not boxed:
        raise UsageError(
            f"crop = {part.crop!r} has no head that predicts a box, only {', '.join(locator.heads)}.",
            "Train one with `heads=['locate']`.",
        )
    published = locator.filters.published if run is None else None
    crop = Cropper(locator=locator, head=boxed[0], margin=part.margin)
    record = CropRecord(
        by=part.crop,
        head=boxed[0],
        margin=part.margin,
        source=published.source.text if published else None,
        manifest=published.digest if published else None,
        weights=digest_of(locator),
    )
    return Cropping(crop=crop, record=record, skip_unreadable=part.skip_unreadable, run=run)


def warn_of_leakage(
    cropping: Cropping, data: OpenDataset, decoded: DecodedDataset, splits: Splits, *, pictures: str
) -> dict[str, int] | None:
    """How many pictures of the scored splits the locator was trained on, by split; warns where there are any.

    Args:
        cropping: with the locator's run, where it is one.
        data: cropped or whole.
        decoded: of this run.
        splits: of this run.
        pictures: the fingerprint of the whole pictures.

    Returns:
        None where nobody can know: published filters, or other pictures.
    """
    run = cropping.run
    if run is None or run.record.pictures != pictures:
        return None
    theirs = run.recipe.split(data, decoded)
    known = set(torch.cat([theirs.train, theirs.val]).tolist())
    found = {name: len(known & set(rows.tolist())) for name, rows in splits.by_name.items() if name in SCORED_SPLITS}
    if any(found.values()):
        said = ", ".join(f"{count} of the split {name!r}" for name, count in found.items() if count)
        warnings.warn(
            f"The locator {run.folder} was trained on pictures that this run is scored on: {said}. The metrics on "
            "them are too good. Train the locator with the same `seed=` and `seen=`.",
            ZooWarning,
            stacklevel=2,
        )
    return found


def _box_target(targets: Mapping[str, Target], wanted: str, *, of: str) -> str:
    boxed = [name for name, target in targets.items() if isinstance(target, Box)]
    if wanted in boxed:
        return wanted
    if not boxed or wanted:
        listed = ", ".join(f"{name} ({type(target).__name__})" for name, target in targets.items()) or "none"
        raise UsageError(f"crop = {TRUTH!r} needs true boxes, and {of} has none. Its targets: {listed}.")
    return boxed[0]


class _TrueBoxes:
    """The box that the dataset knows; the whole picture where there is none.

    Raises:
        PluginError: a box is invalid.
    """

    def __init__(self, target: str) -> None:
        self.target = target

    def __call__(self, index: int, sample: Sample) -> Sequence[float] | None:
        value = sample.targets.get(self.target)
        if value is None:
            return None
        box = torch.as_tensor(value, dtype=torch.float64).flatten()
        if bool(box.isnan().all()):
            return None
        x1, y1, x2, y2 = box.tolist()
        height, width = sample.image.shape[-2:]
        inside = max(x1, 0) < min(x2, width) and max(y1, 0) < min(y2, height)
        if not (inside and bool(box.isfinite().all())):
            said = ", ".join(f"{value:.4g}" for value in box.tolist())
            where = sample.path or f"picture {index}"
            raise PluginError(f"{where}: its {self.target} is ({said}), no box inside the picture.", "Correct it.")
        return x1, y1, x2, y2


class _PredictedBoxes:
    """The box that a locator predicts, of all pictures at once; None where it finds nothing.

    In float32 on every device: the crops are kept, and are the same whatever the training computes with.
    """

    def __init__(
        self, data: OpenDataset, crop: Cropper, device: torch.device, *, skip_unreadable: bool, progress: Progress
    ) -> None:
        self.data, self.crop, self.device = data, crop, device
        self.skip_unreadable, self.progress = skip_unreadable, progress
        self.lock = threading.Lock()
        self.boxes: dict[int, Tensor] | None = None

    def __call__(self, index: int, sample: Sample) -> Sequence[float] | None:
        box = self.locate().get(index)
        height, width = sample.image.shape[-2:]
        return None if box is None else self.crop.in_pixels(box, width, height)

    def locate(self) -> dict[int, Tensor]:
        """Boxes and presence by the sample's index, computed at the first call. Raises ZooError as `decode` does."""
        with self.lock:
            if self.boxes is None:
                self.boxes = self._locate_all()
            return self.boxes

    def _locate_all(self) -> dict[int, Tensor]:
        model = self.crop.locator
        if model is None:
            return {}
        decoded = self.data.decode(model.size, skip_unreadable=self.skip_unreadable, progress=self.progress)
        rows = torch.arange(len(decoded))
        precise = Arithmetic(device=self.device, dtype=torch.float32)
        outputs = model_outputs(model.to(self.device), decoded, rows, arithmetic=precise, progress=self.progress)
        boxes = model.answer({self.crop.head: outputs[self.crop.head]})[self.crop.head]
        return dict(zip(decoded.index.tolist(), boxes, strict=True))

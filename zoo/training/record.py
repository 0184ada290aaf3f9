"""What a run's folder says of the run: run.json, history.json and metrics.json, checked where they are read.

Keys that are not known come from a later version: they are passed over, and kept where run.json is written again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from zoo.contracts import Cut, Input
from zoo.errors import FileError
from zoo.files import parse_json, write_atomically
from zoo.store import HeadEntry

RECORD_FILE = "run.json"
REMEDY = "Put a copy back, or delete the folder and train again."

Metrics = dict[str, dict[str, dict[str, Any]]]  # by split, head and name: a number, or numbers by class

T = TypeVar("T")
R = TypeVar("R", bound="LocatorRecord")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="allow")


class HeadRecord(HeadEntry):
    """A head, as it is published."""

    model_config = ConfigDict(extra="ignore")


class ModelRecord(_Part):
    """Enough to build the model again without weights."""

    model_config = ConfigDict(extra="ignore")  # a cut and an input take no further keys

    name: str
    backbone: str  # the full name, "torchvision/vgg16"
    backbone_package: str
    cut: Cut
    input: Input
    heads: tuple[HeadRecord, ...]


class BaseRecord(_Part):
    """The published filters that a run started from."""

    name: str
    license: str | None = None
    dataset_license: str | None = None


class DatasetRecord(_Part):
    """What a run was trained on."""

    name: str
    package: str  # empty: made in Python, no plugin brings it
    version: str = ""
    options: dict[str, Any] = {}
    license: str | None = None


class CropRecord(_Part):
    """How a run's pictures were cropped first."""

    by: str  # as the recipe names it; "truth": the dataset's own boxes
    head: str  # of the locator; of the true boxes, the dataset's target
    margin: float
    source: str | None = None  # of a published locator
    manifest: str | None = None
    weights: str | None = None  # the locator's digest; None: the true boxes
    learnt: dict[str, int] | None = None  # scored pictures that the locator was trained on, by split


class SplitsRecord(_Part):
    """How many pictures each split has."""

    train: int
    val: int
    test: int
    seen: int = 0
    how: str  # in words


class LocatorRecord(_Part):
    """run.json of a run's locator: what its tensors belong to."""

    status: Literal["training", "stopped", "done"]
    model: ModelRecord
    weights: str  # "random", or where they came from


class RunRecord(LocatorRecord):
    """run.json: what a run was made of."""

    base: BaseRecord | None = None
    base_manifest: str | None = None
    dataset: DatasetRecord
    root: str  # the folder of the pictures
    fingerprint: str  # of the pictures as the model sees them
    pictures: str  # of the pictures; the same for whole and for cropped ones
    crop: CropRecord | None = None
    device: str
    device_type: str
    threads: int
    versions: dict[str, str]
    seconds: float
    splits: SplitsRecord
    skipped: tuple[str, ...] = ()  # unreadable pictures
    dropped: bool = False  # the weights were removed


class Epoch(TypedDict):
    """An epoch's metrics."""

    stage: str
    epoch: int  # 0: before the first
    train_loss: float | None
    validation: dict[str, dict[str, float]]  # by head
    seconds: float
    best: bool
    cosines: NotRequired[dict[str, float]]  # between the heads' gradients, by pair


_METRICS = TypeAdapter(dict[str, dict[str, dict[str, int | float | list[int | float] | list[list[int | float]]]]])
_HISTORY = TypeAdapter(list[Epoch])


def read_record(folder: Path, kind: type[R]) -> R:
    """Read a folder's run.json. Raises FileError: there is none, or it is damaged."""
    if not (folder / RECORD_FILE).exists():
        raise FileError(folder, "no run lies here", "Name a folder that `zoo train` wrote.")
    return _read(folder / RECORD_FILE, TypeAdapter(kind))


def write_record(folder: Path, record: LocatorRecord) -> None:
    """Write a folder's run.json, whole or not at all."""
    write_atomically(folder / RECORD_FILE, json.dumps(as_json(record), indent=1) + "\n")


def as_json(record: LocatorRecord) -> dict[str, Any]:
    """A record as run.json holds it: what is None is left out."""
    return record.model_dump(mode="json", exclude_unset=True)


def read_metrics(path: Path) -> Metrics:
    """A metrics.json; empty where there is none. Raises FileError where it is damaged."""
    return _read(path, _METRICS) if path.exists() else {}


def read_history(path: Path) -> list[Epoch]:
    """A history.json; empty where there is none. Raises FileError where it is damaged."""
    return _read(path, _HISTORY) if path.exists() else []


def _read(path: Path, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_json(json.dumps(parse_json(path.read_bytes(), finite=False)), strict=True)
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", REMEDY) from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        message = " ".join(fault["msg"].split())[:200]
        raise FileError(path, f"it is damaged ({f'{place}: ' * bool(place)}{message})", REMEDY) from error
    except ValueError as error:
        raise FileError(path, f"it is damaged ({error})", REMEDY) from error

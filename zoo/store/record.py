"""What a run's folder says of the run: run.json, history.json and metrics.json; and the folder as a source of filters.

Keys that are not known come from a later version: they are passed over, and kept where run.json is written again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from zoo.contracts import Cut, Input
from zoo.errors import FileError, MissingFileError
from zoo.files import parse_json, sha256_of, write_json
from zoo.store.local_source import FolderSource
from zoo.store.manifest import (
    HEADS_FILE,
    MANIFEST_FILE,
    MANIFEST_LIMIT,
    MODEL_FILE,
    OWN_LOCATOR,
    RECORD_FILE,
    CropEntry,
    CutEntry,
    FileEntry,
    HeadEntry,
    InputEntry,
    Lineage,
    Manifest,
    manifest_to_bytes,
)
from zoo.store.safetensors_header import read_header

RECIPE_FILE = "recipe.toml"
FILTERS_FILE = "filters.safetensors"
FACTORS_FILE = "factors.safetensors"  # of an adapter, which the filters hold already
METRICS_FILE = "metrics.json"
LOCATOR_FOLDER = "locator"
IN_RUN = {MANIFEST_FILE: RECORD_FILE, MODEL_FILE: FILTERS_FILE}  # published names that are others in a run's folder
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
    """The published filters, or the run, that a run started from."""

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
    title: str = ""

    @property
    def called(self) -> str:
        """What people read of it: a folder of the user's is no `image-folder`."""
        return self.title or self.name.rpartition(":")[2]


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
    weights: str  # "random", or where they came from; of runs that went on from one another, the first's


class RunRecord(LocatorRecord):
    """run.json: what a run was made of."""

    base: BaseRecord | None = None
    base_manifest: str | None = None
    dataset: DatasetRecord
    root: str  # the folder of the pictures
    start: str | None = None  # digest of the first weights
    fingerprint: str  # of the pictures as the model sees them
    pictures: str  # of the pictures; the same for whole and for cropped ones
    decoded: str = ""  # what the cache of the decoded pictures was called by
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
_PICTURES = TypeAdapter(list[tuple[str, str, int, int, str]])


def read_record(folder: Path, kind: type[R]) -> R:
    """Read a folder's run.json. Raises FileError: there is none, or it is damaged."""
    if not (folder / RECORD_FILE).exists():
        raise FileError(folder, "no run lies here", "Name a folder that `zoo train` wrote.")
    return _read(folder / RECORD_FILE, TypeAdapter(kind))


def find_locator(folder: Path) -> Path:
    """Where a run keeps what says where to crop. Raises FileError: it is gone."""
    place = folder / LOCATOR_FOLDER
    if not (place / RECORD_FILE).is_file():
        raise FileError(place, "what says where to crop is missing", "Train again.")
    return place


def write_record(folder: Path, record: LocatorRecord) -> None:
    """Write a folder's run.json, whole or not at all."""
    write_json(folder / RECORD_FILE, as_json(record))


def as_json(record: LocatorRecord) -> dict[str, Any]:
    """A record as run.json holds it: what is None is left out."""
    return record.model_dump(mode="json", exclude_unset=True)


def read_metrics(path: Path) -> Metrics:
    """A metrics.json; empty where there is none. Raises FileError where it is damaged."""
    return _read(path, _METRICS) if path.exists() else {}


def read_history(path: Path) -> list[Epoch]:
    """A history.json; empty where there is none. Raises FileError where it is damaged."""
    return _read(path, _HISTORY) if path.exists() else []


def read_pictures(path: Path) -> list[tuple[str, str, int, int, str]] | None:
    """A pictures.json, the fields of each file; None where there is none. Raises FileError where it is damaged."""
    return _read(path, _PICTURES) if path.exists() else None


def _read(path: Path, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_json(json.dumps(parse_json(path.read_bytes(), finite=False)), strict=True)
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", REMEDY) from error
    except ValueError as error:
        raise _damaged_error(path, error) from error


def _damaged_error(path: Path, error: ValueError) -> FileError:
    said = str(error)
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        said = f"{f'{place}: ' * bool(place)}{' '.join(fault['msg'].split())[:200]}"
    return FileError(path, f"it is damaged ({said})", REMEDY)


# ------------------------------------------------------------------------------------------------ as a source


class RunSource(FolderSource):
    """A finished run's folder, with the names that published files have; what config.json says is made of run.json."""

    def local_path(self, name: str) -> Path:
        return FolderSource.local_path(self, IN_RUN.get(name, name))

    def read(self, name: str, *, limit: int) -> bytes:
        if name != MANIFEST_FILE:
            return FolderSource.read(self, name, limit=limit)
        try:
            return manifest_to_bytes(self._describe())
        except MissingFileError as error:
            raise FileError(self.folder, f"a part of this run is missing ({error.problem})", REMEDY) from error
        except ValidationError as error:  # what a run's record may be, and a manifest not
            raise _damaged_error(self.folder / RECORD_FILE, error) from error

    def names(self) -> list[str]:
        names = (HEADS_FILE, METRICS_FILE, MODEL_FILE, RECIPE_FILE)
        return [MANIFEST_FILE, *(name for name in names if (self.folder / IN_RUN.get(name, name)).is_file())]

    def _describe(self) -> Manifest:
        """Raises FileError: the run is not done, or its weights were not kept."""
        is_locator = not (self.folder / RECIPE_FILE).is_file()
        record = read_record(self.folder, LocatorRecord if is_locator else RunRecord)
        if record.status != "done":
            raise FileError(self.folder, "this run is not done", f"Run `zoo resume {self.folder}`.")
        lineage, crop = Lineage(weights=record.weights), None
        if isinstance(record, RunRecord):
            if record.dropped:
                remedy = "Take the first seed's, or say `zoo ablate … --keep`."
                raise FileError(self.folder, "this run's weights were not kept", remedy)
            lineage, crop = _lineage_of(record), self._crop(record.crop)
        model, paths = record.model, {name: self.local_path(name) for name in self.names()[1:]}
        return Manifest(
            name=model.name,
            license=lineage.base_license or "",
            backbone=model.backbone,
            backbone_package=model.backbone_package,
            cut=CutEntry(**{key: getattr(model.cut, key) for key in CutEntry.model_fields}),
            input=InputEntry(size=model.input.size, mean=model.input.mean, std=model.input.std),
            heads=model.heads,
            crop=crop,
            lineage=lineage,
            header_sha256=read_header(self, MODEL_FILE).digest,
            heads_header_sha256=read_header(self, HEADS_FILE).digest,
            files={name: FileEntry(size=path.stat().st_size, sha256=sha256_of(path)) for name, path in paths.items()},
        )

    def _crop(self, crop: CropRecord | None) -> CropEntry | None:
        if crop is None:
            return None
        if not crop.weights:
            return CropEntry(margin=crop.margin)
        inner = RunSource(find_locator(self.folder)).read(MANIFEST_FILE, limit=MANIFEST_LIMIT)
        digest = f"sha256:{hashlib.sha256(inner).hexdigest()}"
        return CropEntry(locator=OWN_LOCATOR, manifest=digest, head=crop.head, margin=crop.margin)


def _lineage_of(record: RunRecord) -> Lineage:
    base = record.base
    return Lineage(
        base=base.name if base else None,
        base_manifest=record.base_manifest,
        base_license=base.license if base else None,
        weights=record.weights,
        dataset=record.dataset.called,
        dataset_fingerprint=record.fingerprint,
        dataset_license=record.dataset.license,
    )

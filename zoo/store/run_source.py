"""A finished run's folder as a source of filters: what config.json would say is made of its run.json."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import FileError, MissingFileError
from zoo.files import sha256_of
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
    InputEntry,
    Lineage,
    Manifest,
    manifest_to_bytes,
)
from zoo.store.record import (
    FILTERS_FILE,
    METRICS_FILE,
    RECIPE_FILE,
    REMEDY,
    CropRecord,
    LocatorRecord,
    RunRecord,
    find_locator,
    read_record,
)
from zoo.store.safetensors_header import read_header

NAMES = {MANIFEST_FILE: RECORD_FILE, MODEL_FILE: FILTERS_FILE}  # published -> in a run's folder, where they differ


class RunSource(FolderSource):
    """The folder of a run, with the names that published files have; it is not moved, and nothing is written."""

    def local_path(self, name: str) -> Path:
        return FolderSource.local_path(self, NAMES.get(name, name))

    def read(self, name: str, *, limit: int) -> bytes:
        if name != MANIFEST_FILE:
            return FolderSource.read(self, name, limit=limit)
        try:
            return manifest_to_bytes(self._describe())
        except MissingFileError as error:
            raise FileError(self.folder, f"a part of this run is missing ({error.problem})", REMEDY) from error

    def names(self) -> list[str]:
        return [MANIFEST_FILE, *self._files()]

    def _files(self) -> Sequence[str]:
        optional = (name for name in (RECIPE_FILE, METRICS_FILE) if (self.folder / name).is_file())
        return (HEADS_FILE, MODEL_FILE, *optional)

    def _describe(self) -> Manifest:
        """Raises FileError: the run is not done, or its weights were not kept."""
        has_recipe = (self.folder / RECIPE_FILE).is_file()
        record = read_record(self.folder, RunRecord if has_recipe else LocatorRecord)
        if record.status != "done":
            raise FileError(self.folder, "this run is not done", f"Run `zoo resume {self.folder}`.")
        lineage, crop = Lineage(weights=record.weights), None
        if isinstance(record, RunRecord):
            if record.dropped:
                remedy = "Take the first seed's, or say `zoo ablate … --keep`."
                raise FileError(self.folder, "this run's weights were not kept", remedy)
            lineage, crop = _lineage(record), record.crop
        model, paths = record.model, {name: self.local_path(name) for name in self._files()}
        return Manifest(
            name=model.name,
            license=lineage.base_license or "",
            backbone=model.backbone,
            backbone_package=model.backbone_package,
            cut=CutEntry(**{key: getattr(model.cut, key) for key in CutEntry.model_fields}),
            input=InputEntry(size=model.input.size, mean=model.input.mean, std=model.input.std),
            heads=model.heads,
            crop=self._crop(crop) if crop else None,
            lineage=lineage,
            header_sha256=read_header(self, MODEL_FILE).digest,
            heads_header_sha256=read_header(self, HEADS_FILE).digest,
            files={name: FileEntry(size=path.stat().st_size, sha256=sha256_of(path)) for name, path in paths.items()},
        )

    def _crop(self, crop: CropRecord) -> CropEntry:
        if not crop.weights:
            return CropEntry(margin=crop.margin)
        inner = RunSource(find_locator(self.folder)).read(MANIFEST_FILE, limit=MANIFEST_LIMIT)
        digest = f"sha256:{hashlib.sha256(inner).hexdigest()}"
        return CropEntry(locator=OWN_LOCATOR, manifest=digest, head=crop.head, margin=crop.margin)


def _lineage(record: RunRecord) -> Lineage:
    base = record.base
    return Lineage(
        base=base.name if base else None,
        base_manifest=record.base_manifest,
        base_license=base.license if base else None,
        weights=record.weights,
        dataset=record.dataset.name,
        dataset_fingerprint=record.fingerprint,
        dataset_license=record.dataset.license,
    )

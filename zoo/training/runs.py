"""A run: the folder that a training writes, and all that can be read back from it.

recipe.toml            what was asked for
run.json               what it was made of: versions, device, dataset, splits, classes, status
pictures.json          every picture's name, size and hash, and what was known of it
history.json           every epoch's metrics
metrics.json           the metrics on validation and test pictures, once done
filters.safetensors    the trained filters, once done
factors.safetensors    of a run with an adapter, its low-rank updates, which the filters hold already
heads.safetensors      the trained heads, once done
checkpoint.safetensors the state to go on from, until done
locator/               of a run whose pictures are cropped first: run.json and the tensors of the locator
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data import FileState
from zoo.errors import FileError
from zoo.files import as_path, check_output, locked, temporary_folder, write_atomically
from zoo.models import (
    Cropper,
    Filters,
    Model,
    add_heads,
    assign_tensors,
    describe_head,
    find_required_backbone,
    load_model,
)
from zoo.networks import find_backbone
from zoo.plugins import installed_versions
from zoo.store import (
    FACTORS_FILE,
    FILTERS_FILE,
    HEADS_FILE,
    LOCATOR_FOLDER,
    METRICS_FILE,
    RECIPE_FILE,
    RECORD_FILE,
    Epoch,
    HeadRecord,
    LocatorRecord,
    Metrics,
    ModelRecord,
    RunRecord,
    find_locator,
    read_history,
    read_metrics,
    read_pictures,
    read_record,
    write_record,
    write_tensors,
)
from zoo.training.recipe import Recipe, read_recipe, recipe_text

CHECKPOINT_FILE = "checkpoint.safetensors"
HISTORY = "history.json"
PICTURES = "pictures.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training's folder."""

    folder: Path
    recipe: Recipe
    record: RunRecord  # run.json
    writes: bool = True  # False in all but the first of several processes

    @property
    def done(self) -> bool:
        """Whether the training came to its end."""
        return self.record.status == "done"

    @property
    def metrics(self) -> Metrics:
        """Metrics by split and head; empty until done. Raises FileError where the file is damaged."""
        return read_metrics(self.folder / METRICS_FILE)

    @property
    def history(self) -> list[Epoch]:
        """Every epoch's metrics. Raises FileError where the file is damaged."""
        return read_history(self.folder / HISTORY)

    @property
    def pictures(self) -> list[FileState] | None:
        """What it was trained on, file by file; None: nothing was kept. Raises FileError where that is damaged."""
        found = read_pictures(self.folder / PICTURES)
        return None if found is None else [FileState(*one) for one in found]

    def note(self, **facts: Any) -> Run:
        """Add facts to run.json; returns the run with its new record."""
        record = self.record.model_copy(update=facts)
        if self.writes:
            write_record(self.folder, record)
        return replace(self, record=record)

    def load_model(self) -> Model:
        """The trained model.

        Raises:
            FileError: the run is not done.
            MissingPluginError: a head or the backbone comes from a package that is not installed.
        """
        return load_model(os.path.join(".", self.folder))  # noqa: PTH118  # Path drops the dot that tells it from a name

    @property
    def uses_true_boxes(self) -> bool:
        """Whether its pictures are cropped to the true boxes; new pictures have none."""
        return self.record.crop is not None and not self.record.crop.weights

    def drop_weights(self) -> Run:
        """Remove the tensors and keep all metrics; returns the run with its new record."""
        if self.record.dropped:
            return self
        run = self.note(dropped=True)
        for name in (FILTERS_FILE, HEADS_FILE, FACTORS_FILE):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / LOCATOR_FOLDER, ignore_errors=True)
        return run

    def crop(self) -> Cropper | None:
        """What its pictures are cropped to first."""
        facts = self.record.crop
        if facts is None:
            return None
        locator = load_model(find_locator(self.folder).resolve()) if facts.weights else None
        return Cropper(locator=locator, head=facts.head, margin=facts.margin)


def create_run(
    folder: Path,
    recipe: Recipe,
    record: RunRecord,
    pictures: Sequence[FileState],
    *,
    locator: Model | None = None,
    writes: bool = True,
) -> Run:
    """Start a run's folder, which appears whole. Raises FileError where there is something already."""
    if writes:
        with locked(folder), temporary_folder(folder.parent) as part:
            check_run_folder(folder)
            place = folder if folder.exists() else part / "run"
            if locator is not None:
                save_model(place / LOCATOR_FOLDER, locator)
            write_atomically(place / RECIPE_FILE, recipe_text(recipe))
            write_atomically(place / PICTURES, json.dumps(pictures))
            write_record(place, record)
            if place != folder:
                place.replace(folder)
    return Run(folder=folder, recipe=recipe, record=record, writes=writes)


def check_run_folder(folder: Path) -> None:
    """Say so, before any work is done, where a folder is taken."""
    if (folder / RECORD_FILE).is_file():
        done = read_record(folder, RunRecord).status == "done"
        remedy = "Choose another `out=`" if done else f"Go on with `zoo resume {folder}`, or choose another `out=`"
        raise FileError(folder, "there is a run already", f"{remedy}.")
    check_output(folder, overwrite=None, folder=True)


def name_run(folder: Path) -> str:
    """What the filters of a run are called: as its folder, with the characters that a name may have."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).lstrip("_.-")[:96] or "run"


def open_run(folder: Path | str) -> Run:
    """Open a run's folder. Raises FileError where it is none."""
    folder = as_path(folder)
    return Run(folder=folder, record=read_record(folder, RunRecord), recipe=read_recipe(folder / RECIPE_FILE))


def save_model(folder: Path, model: Model) -> None:
    """Write a model that another run needs into a folder of that run's."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / FILTERS_FILE, model.filters.module.state_dict())
    write_tensors(folder / HEADS_FILE, model.heads.state_dict())
    write_record(folder, LocatorRecord(status="done", model=describe_model(model), weights=model.filters.weights))


def describe_model(model: Model) -> ModelRecord:
    """What run.json says of a model, enough to build it again without weights."""
    filters = model.filters
    return ModelRecord(
        name=filters.name,
        backbone=filters.backbone,
        backbone_package=find_backbone(filters.backbone).plugin.package,
        cut=filters.cut,
        input=replace(filters.input, size=model.size),
        heads=tuple(HeadRecord(**describe_head(model, name).model_dump()) for name in model.heads),
    )


def build_model(record: LocatorRecord, filters: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> Model:
    """A model from run.json's description and its tensors. Raises MissingPluginError."""
    said = record.model
    backbone = find_required_backbone(said.backbone, package=said.backbone_package, needed_by=f"{said.name!r}")
    module = backbone.truncated(said.cut, fresh=False)
    assign_tensors(module, filters, where=said.name)
    built = Filters(
        module, backbone=said.backbone, cut=said.cut, input=said.input, weights=record.weights, name=said.name
    )
    return add_heads(built, said.heads, heads)


def package_versions() -> dict[str, str]:
    """Python and the packages that results depend on."""
    packages = ("python", "filterzoo", "torch", "torchvision", "accelerate", "torchmetrics", "numpy", "pillow")
    return installed_versions(packages)


def count_threads() -> int:
    """How many threads torch computes with; on the CPU the same bits need the same number."""
    return torch.get_num_threads()

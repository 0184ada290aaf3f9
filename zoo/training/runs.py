"""A run: the folder that a training writes, and all that can be read back from it.

recipe.toml            what was asked for
run.json               what it was made of: versions, device, dataset, splits, classes, status
history.json           every epoch's figures
metrics.json           the figures on validation and test pictures, once done
filters.safetensors    the trained filters, once done
heads.safetensors      the trained heads, once done
checkpoint.safetensors the state to go on from, until done
locator/               of a run whose pictures are cropped first: run.json and the tensors of what says where
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.contracts import Cut, Input
from zoo.errors import FileError
from zoo.families import find_backbone
from zoo.files import write_whole
from zoo.filters import Filters, fill, required_backbone
from zoo.loading import with_heads
from zoo.manifest import HeadEntry
from zoo.model import Crop, Model, describe_head
from zoo.sources import FolderSource
from zoo.training.recipe import Recipe, read_recipe, recipe_text
from zoo.weights import read_tensors, write_tensors

CHECKPOINT = "checkpoint.safetensors"
FILTERS = "filters.safetensors"
HEADS = "heads.safetensors"
LOCATOR = "locator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training's folder."""

    folder: Path
    recipe: Recipe
    record: Mapping[str, Any]  # run.json
    writes: bool = True  # False in all but the first of several processes

    @property
    def done(self) -> bool:
        """Whether the training came to its end."""
        return self.record.get("status") == "done"

    @property
    def metrics(self) -> dict[str, Any]:
        """Figures by split and head; empty until done."""
        path = self.folder / "metrics.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Every epoch's figures."""
        path = self.folder / "history.json"
        return json.loads(path.read_text()) if path.is_file() else []

    def note(self, **facts: Any) -> Run:
        """Add facts to run.json; gives back the run that knows them."""
        record = {**self.record, **facts}
        if self.writes:
            write_whole(self.folder / "run.json", json.dumps(record, indent=1) + "\n")
        return replace(self, record=record)

    def load_model(self) -> Model:
        """The trained model.

        Raises:
            FileError: the run is not done.
            MissingPluginError: a head or the backbone comes from a package that is not installed.
        """
        if not self.done:
            raise FileError(self.folder, "this run is not done", f"Run `zoo resume {self.folder}`.")
        if self.record.get("dropped"):
            raise FileError(
                self.folder, "this run's weights were not kept", "Take the first seed's, or say `zoo ablate … --keep`."
            )
        model = _read_model(self.folder, self.record)
        model.crop = self.crop()
        return model

    @property
    def told_boxes(self) -> bool:
        """Whether its pictures are cropped to the true boxes, which new pictures have not."""
        return bool(self.record.get("crop")) and not self.record["crop"].get("weights")

    def drop_weights(self) -> Run:
        """Remove the tensors and keep all figures; gives back the run that knows it."""
        if self.record.get("dropped"):
            return self
        run = self.note(dropped=True)
        for name in (FILTERS, HEADS):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / LOCATOR, ignore_errors=True)
        return run

    def crop(self) -> Crop | None:
        """What its pictures are cropped to first."""
        facts = self.record.get("crop")
        if not facts:
            return None
        locator = None
        if (self.folder / LOCATOR / "run.json").is_file():
            locator = _read_model(self.folder / LOCATOR, _read_record(self.folder / LOCATOR))
        elif facts.get("weights"):
            raise FileError(self.folder / LOCATOR, "what says where to crop is missing", "Train again.")
        return Crop(locator=locator, head=facts["head"], margin=facts["margin"])


def create_run(folder: Path, recipe: Recipe, record: Mapping[str, Any], *, writes: bool = True) -> Run:
    """Start a run's folder. Raises FileError where there is something already."""
    if not writes:
        return Run(folder=folder, recipe=recipe, record=record, writes=False)
    refuse_existing(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "recipe.toml", recipe_text(recipe))
    return Run(folder=folder, recipe=recipe, record={}).note(**record)


def refuse_existing(folder: Path) -> None:
    """Say so, before any work is done, where a folder is taken."""
    if (folder / "run.json").is_file():
        done = json.loads((folder / "run.json").read_text()).get("status") == "done"
        remedy = "Choose another --out" if done else f"Go on with `zoo resume {folder}`, or choose another --out"
        raise FileError(folder, "there is a run already", f"{remedy}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileError(folder, "it is there already and is not empty", "Choose another --out.")


def open_run(folder: Path | str) -> Run:
    """Open a run's folder. Raises FileError where it is none."""
    folder = Path(folder)
    return Run(folder=folder, record=_read_record(folder), recipe=read_recipe(folder / "recipe.toml"))


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    except FileNotFoundError as error:
        raise FileError(folder, "no run lies here", "Name a folder that `zoo train` wrote.") from error
    except (OSError, ValueError) as error:
        raise FileError(folder / "run.json", f"it cannot be read ({error})", "Train again.") from error
    return record


def keep_model(folder: Path, model: Model) -> None:
    """Write a model that another run needs into a folder of that run's."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / FILTERS, model.filters.module.state_dict())
    write_tensors(folder / HEADS, model.heads.state_dict())
    record = {"status": "done", "model": describe_model(model), "weights": model.filters.weights}
    write_whole(folder / "run.json", json.dumps(record, indent=1) + "\n")


def _read_model(folder: Path, record: Mapping[str, Any]) -> Model:
    source = FolderSource(folder)
    return build_model(record, read_tensors(source, FILTERS), read_tensors(source, HEADS))


def describe_model(model: Model) -> dict[str, Any]:
    """What run.json says of a model, enough to build it again without weights."""
    filters = model.filters
    return {
        "name": filters.name,
        "backbone": filters.backbone,
        "backbone_package": find_backbone(filters.backbone).plugin.package,
        "cut": asdict(filters.cut),
        "input": asdict(replace(filters.input, size=model.size)),
        "heads": [describe_head(model, name).model_dump(mode="json") for name in model.heads],
    }


def build_model(record: Mapping[str, Any], filters: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> Model:
    """A model from run.json's description and its tensors. Raises MissingPluginError."""
    described = record["model"]
    backbone = required_backbone(
        described["backbone"], package=described["backbone_package"], needed_by=f"{described['name']!r}"
    )
    cut = Cut(**described["cut"])
    given = described["input"]
    feed = Input(size=given["size"], mean=tuple(given["mean"]), std=tuple(given["std"]))
    module = backbone.truncated(cut, fresh=False)
    fill(module, filters, where=described["name"])
    built = Filters(
        module,
        backbone=described["backbone"],
        cut=cut,
        input=feed,
        weights=record["weights"],
        name=described["name"],
    )
    entries = [HeadEntry.model_validate_json(json.dumps(facts)) for facts in described["heads"]]
    return with_heads(built, entries, heads)


def versions() -> dict[str, str]:
    """Python and the packages that figures depend on."""
    found = {"python": platform.python_version()}
    for package in ("filterzoo", "torch", "torchvision", "accelerate", "torchmetrics", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def thread_count() -> int:
    """How many threads torch computes with; on the CPU the same bits need the same number."""
    return torch.get_num_threads()

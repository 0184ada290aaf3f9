"""A recipe: the whole description of a fine-tuning, a TOML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zoo.errors import FileError, MissingPluginError, UnknownNameError, UsageError
from zoo.files import parse_toml
from zoo.models import HeadSpec, pick_head
from zoo.plugins import installed_versions
from zoo.store import CARD_FILE, MANIFEST_LIMIT, RECIPE_FILE, Artifact, SideNumber

if TYPE_CHECKING:
    from zoo.contracts import Target
    from zoo.data import DecodedDataset, OpenDataset, Splits


class _RecipePart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataPart(_RecipePart):
    """Which pictures."""

    dataset: str
    root: str | None = None  # the folder; None: the dataset's own
    options: dict[str, Any] = Field(default_factory=dict)
    skip_unreadable: bool = False
    limit: int | None = Field(default=None, ge=2)  # training pictures, at most, drawn by the seed
    seen: float = Field(default=0.0, ge=0, lt=1)  # share of them held out, to compare seen groups with the test's
    # To the box of a locator, a RUN or NAME; "truth": to the dataset's own box.
    crop: str | None = Field(default=None, min_length=1)
    margin: float = Field(default=0.1, ge=0, le=2)  # around the crop, a share of the box's longer side on every side


class FiltersPart(_RecipePart):
    """What to start from: published filters by name, or a backbone with weights and a cut."""

    name: str | None = None
    backbone: str | None = None
    weights: str = "imagenet"
    cut: str | None = None
    heads: bool = False  # keep the heads of `name` too, for the classes that they know by name

    @property
    def is_random(self) -> bool:
        """Whether the weights are drawn."""
        return self.name is None and self.weights == "random"

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.heads and (self.name is None or self.cut is not None):
            raise ValueError("heads are kept with a name, and without a cut")
        if (self.name is None) == (self.backbone is None):
            raise ValueError("say either name (published filters) or backbone, not both and not neither")
        if self.backbone is not None and self.cut is None:
            raise ValueError(f"a backbone needs a cut; run `zoo cuts {self.backbone}`")
        return self


class HeadPart(_RecipePart):
    """One head."""

    plugin: str
    name: str | None = None  # its name in the model; None: the plugin's
    target: str | None = None
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)  # 0: is trained, without changing the filters
    shuffled: bool = False  # a placebo: trained on another training picture's target
    # Beside the features: width, height, columns of a table.
    numbers: tuple[str, ...] | None = Field(default=None, strict=False)
    options: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, spec: HeadSpec) -> Self:
        """A model's head as a recipe says it."""
        return cls(
            plugin=spec.plugin,
            name=spec.called if spec.called != replace(spec, called=None).name else None,
            target=spec.target,
            weight=spec.weight,
            numbers=tuple(one.name for one in spec.numbers) or None,
            options=dict(spec.options),
        )

    def spec(self) -> HeadSpec:
        """As models take it."""
        return HeadSpec(
            plugin=self.plugin,
            target=self.target,
            weight=self.weight,
            options=self.options,
            called=self.name,
            numbers=tuple(SideNumber(name=name) for name in self.numbers or ()),
        )


class AdapterPart(_RecipePart):
    """A small update that is trained in place of the filters' weights."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(default=8, ge=1, le=1024)
    layers: Literal["attention", "all"] = "attention"  # all: the linear layers of the MLPs too


class TrainingPart(_RecipePart):
    """How it is trained. Rates are for AdamW with a cosine schedule after a linear warm-up."""

    retrain: str = "auto"  # none | all | a block, from which on the filters are retrained | auto: the upper half
    head_epochs: int = Field(default=30, ge=0)  # on frozen features, at most
    epochs: int = Field(default=15, ge=0)  # of fine-tuning, at most
    batch: int = Field(default=64, ge=2)
    head_rate: float = Field(default=3e-3, gt=0)  # of the heads on frozen features
    rate: float | None = Field(default=None, gt=0)  # of fine-tuning, at the top block; None: by its weights' size
    layer_decay: float = Field(default=0.7, gt=0, le=1)  # of the rate, a block further down
    weight_decay: float = Field(default=0.05, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)  # share of the steps
    ema: float = Field(default=0.99, ge=0, lt=1)  # decay a step of the averaged weights; 0: none
    patience: int = Field(default=6, ge=1)  # epochs without improvement before a stage ends
    clip: float = Field(default=1.0, gt=0)  # of the gradient's norm
    augment: Literal["none", "light", "strong"] = "light"
    balance: str = "fixed"  # how several heads' losses become one: fixed | uncertainty | log-sum | a plugin's
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    memory: float = Field(default=2.0, gt=0)  # GB of frozen features kept in memory, at most; the rest goes to a file
    checkpoint_seconds: float = Field(default=30.0, ge=0)
    adapt: AdapterPart | None = None  # train this instead of the weights, in the blocks that `retrain` names, or in all

    @model_validator(mode="after")
    def _something_to_adapt(self) -> Self:
        if self.adapt and self.retrain == "none":
            raise ValueError("an adapter is trained in the filters, and retrain='none' leaves them as they are")
        return self


class Recipe(_RecipePart):
    """The whole recipe."""

    format: Literal[1] = 1
    seed: int = Field(default=0, ge=0, lt=2**31)
    size: int | None = Field(default=None, ge=16, le=2048)  # the pictures' side; None: as the filters were made
    data: DataPart
    filters: FiltersPart
    heads: tuple[HeadPart, ...] = Field(default=(HeadPart(plugin="classify"),), min_length=1, strict=False)
    training: TrainingPart = TrainingPart()

    def split(self, data: OpenDataset, decoded: DecodedDataset) -> Splits:
        """The rows that it trains on, validates and scores; always the same for the same pictures."""
        return data.split(decoded, seed=self.seed, seen=self.data.seen, limit=self.data.limit)

    def with_heads_for(self, targets: Mapping[str, Target]) -> Recipe:
        """The same with the head that a dataset's targets call for, where it names none."""
        if "heads" in self.model_fields_set:
            return self
        return self.model_copy(update={"heads": (HeadPart(plugin=pick_head(targets)),)})

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if self.training.adapt and self.filters.is_random:
            raise ValueError("an adapter needs learnt weights, and these are random; say weights or a name")
        if not any(head.weight for head in self.heads):
            raise ValueError("the weight of every head is 0, so that nothing is trained; give one of them another")
        return self


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe file.

    Raises:
        FileError: missing, no TOML (the line is named), unknown keys or wrong types; all faults at once.
    """
    try:
        return _decode_recipe(path.read_bytes(), path)
    except FileNotFoundError as error:
        raise FileError(path, "there is no such recipe", "Check the path, or name a dataset.") from error
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error})", "Name a TOML file.") from error


def read_published_recipe(published: Artifact) -> Recipe:
    """The recipe that published filters, or a run, carry.

    Raises:
        UsageError: no training made them.
        MissingPluginError: they were made with a package that is not installed.
        FileError, IntegrityError: it is damaged.
    """
    manifest = published.manifest
    raw = published.read_file(RECIPE_FILE, limit=MANIFEST_LIMIT)
    if raw is None:
        card = published.read_file(CARD_FILE, limit=MANIFEST_LIMIT) or b""
        script = re.search(r"[\w/.-]+\.py\b", card.decode("utf-8", "replace"))
        raise UsageError(
            f"{manifest.name} has no training recipe: it was converted from {manifest.lineage.weights}.",
            f"Its card says how{f': {script[0]} makes it again' if script else ''}.",
        )
    for package in sorted(manifest.created_with.keys() - installed_versions(manifest.created_with).keys()):
        raise MissingPluginError("package", package, package=package, needed_by=f"The recipe of {manifest.name}")
    return _decode_recipe(raw, f"{published.source.text}/{RECIPE_FILE}")


def _decode_recipe(raw: bytes, where: Path | str) -> Recipe:
    try:
        content = parse_toml(raw.decode())
    except UnicodeDecodeError as error:
        raise FileError(where, f"it cannot be read ({error})", "Name a TOML file.") from error
    except ValueError as error:
        raise FileError(where, f"no valid TOML: {' '.join(str(error).split())[:200]}", "Correct that line.") from error
    return parse_recipe(content, where=where)


def parse_recipe(content: Mapping[str, Any], *, where: Path | str) -> Recipe:
    """Check a recipe's content. Raises FileError with all faults."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise FileError(where, describe_faults(error), "Correct the recipe.") from error


def describe_faults(error: ValidationError) -> str:
    """All that is wrong with a part of a recipe, in one line."""
    return "; ".join(_describe_fault(fault) for fault in error.errors())


def _describe_fault(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        parts = {"data": DataPart, "filters": FiltersPart, "heads": HeadPart, "training": TrainingPart}
        owner: Any = parts.get(str(fault["loc"][0])) if len(fault["loc"]) > 1 else Recipe
        owner = AdapterPart if fault["loc"][:2] == ("training", "adapt") else owner
        known = (owner or Recipe).model_fields
        return str(
            UnknownNameError("key", place, [".".join([*map(str, fault["loc"][:-1]), name]) for name in known])
        ).rstrip(".")
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place or 'the recipe'}: {message[0].lower()}{message[1:]} (got {fault['input']!r:.60})"


def recipe_text(recipe: Recipe) -> str:
    """The recipe as TOML; reading it gives an equal recipe."""
    import tomlkit

    return tomlkit.dumps(recipe.model_dump(exclude_none=True))

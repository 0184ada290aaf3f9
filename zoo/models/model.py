"""Model: filters with heads on top."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zoo.contracts import TARGETS, Categories, FeatureShape, Head, Multilabel, Number, Target
from zoo.data import as_open_dataset
from zoo.errors import PluginError, UnknownNameError, UsageError
from zoo.models.building import build_filters
from zoo.models.filters import Filters, load
from zoo.models.side_numbers import join_side_maps, side_maps
from zoo.networks import backbones, find_backbone
from zoo.plugins import check_options, find_plugin, find_plugins
from zoo.store import HeadEntry, SideNumber, all_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSpec:
    """A head as recipes and manifests describe it."""

    plugin: str  # "classify", or "package:classify"
    target: str | None = None  # the dataset's target; None: the only one of the kind that the head learns
    weight: float = 1.0  # of its loss in the sum
    options: Mapping[str, Any] = field(default_factory=dict)
    called: str | None = None  # its name in the model; None: the plugin's
    numbers: tuple[SideNumber, ...] = ()  # that it is given beside the features

    @property
    def name(self) -> str:
        """How the head is called in a model."""
        return self.called or self.plugin.rpartition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cropper:
    """Crops every picture before a model is given it (the model is the second of two stages)."""

    locator: Model | None  # predicts the box; None: the true box, which only a dataset knows
    head: str  # of the locator, or the dataset's target
    margin: float  # a share of the box's longer side, on every side

    def in_pixels(self, box: Tensor, width: int, height: int) -> tuple[float, float, float, float] | None:
        """A predicted box in a picture's pixels; None where there is nothing to be seen.

        Shapes: box (4) or (5), x1, y1, x2, y2 in 0 to 1, and how likely it is that there is anything.
        """
        if len(box) > 4 and float(box[4]) < 0.5:
            return None
        x1, y1, x2, y2 = box[:4].tolist()
        return (x1 * width, y1 * height, x2 * width, y2 * height) if x2 > x1 and y2 > y1 else None


class HasTargets(Protocol):
    """A dataset, opened or in hand."""

    @property
    def targets(self) -> Mapping[str, Target]:
        """What is known of the pictures, by name."""


class Model(nn.Module):
    """Filters plus heads.

    Args:
        filters: whose features the heads are given.
        heads: by name.
        specs: how each head was asked for, with its target's name filled in.
        size: the pictures' side in pixels.
    """

    def __init__(
        self, filters: Filters, heads: Mapping[str, Head], specs: Mapping[str, HeadSpec], *, size: int
    ) -> None:
        super().__init__()
        self.filters = filters
        self.heads = nn.ModuleDict(dict(heads))
        self.specs = dict(specs)
        self.size = size
        self.temperatures: dict[str, float] = {}
        self.crop: Cropper | None = None
        """What pictures are cropped to first; `zoo predict` does it, `forward` is given the crops."""

    def head(self, name: str) -> Head:
        """One head, typed."""
        head = self.heads[name]
        if not isinstance(head, Head):
            raise PluginError(f"{name!r} is no zoo.Head.")
        return head

    def forward(self, images: Tensor, columns: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Raw outputs by head.

        Shapes: images (N, 3, H, W) uint8 or float in 0 to 1, columns as `beside` takes them -> (N, …) each.
        """
        return self.apply_heads(self.filters(images), self.beside(columns or {}))

    def apply_heads(self, features: Tensor, beside: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Raw outputs by head. Shapes: features (N, C, h, w), `beside` as that gives it -> (N, …) each."""
        heads = ((name, self.head(name)) for name in self.heads)
        return {name: head(head.reduce(join_side_maps(features, beside.get(name)))) for name, head in heads}

    def beside(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the heads that were trained with numbers are given beside the features, by head.

        Shapes: columns (N,) float by name, NaN where unknown -> (N, K) float.

        Raises:
            UsageError: a head needs a column that is not there.
        """
        wanting = ((name, spec.numbers) for name, spec in self.specs.items() if spec.numbers)
        return {name: side_maps(numbers, columns, head=name) for name, numbers in wanting}

    def answer(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Predictions in the targets' own terms, calibrated by the temperatures where they were fitted."""
        return {name: self.head(name).predict(raw / self.temperatures.get(name, 1.0)) for name, raw in outputs.items()}

    @torch.no_grad()
    def predict(self, images: Tensor, columns: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Predictions by head. Shapes: images (N, 3, H, W) uint8 or float in 0 to 1, columns as `beside` takes them."""
        return self.answer(self.eval()(images, columns))


def pick_head(targets: Mapping[str, Target]) -> str:
    """The head where none is asked for: `classify` where there are classes, else the only one that learns a target.

    Raises UsageError where no installed head does, or several.
    """
    kinds = {type(target): name for name, target in targets.items()}
    if Categories in kinds:
        return "classify"
    found = find_heads(kinds)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{name} ({kind.__name__})" for kind, name in kinds.items()) or "none"
    heads = f"{', '.join(found)} learn them" if found else "no installed head learns them"
    remedy = "Say which: `heads=`." if found else "Install a package that brings one."
    raise UsageError(f"The dataset has no classes. Its targets: {listed}; {heads}.", remedy)


def find_heads(kinds: Collection[type[Target]]) -> list[str]:
    """The installed heads that learn targets of one of these kinds, by name."""
    found: list[str] = []
    for plugin in find_plugins("head"):
        with contextlib.suppress(PluginError):  # `zoo plugins` says what is wrong with it
            if getattr(plugin.load(), "learns", None) in kinds:
                found.append(plugin.full_name if plugin.name in found else plugin.name)
    return found


def build_head(spec: HeadSpec, *, targets: Mapping[str, Target], shape: FeatureShape) -> tuple[Head, HeadSpec]:
    """Find a head by name and build it for a dataset's target.

    Returns:
        The head, and the spec with the target's name filled in.

    Raises:
        UnknownNameError: no such head.
        UsageError: the dataset has no such target, or one of another kind; a wrong option.
    """
    factory = find_plugin("head", spec.plugin).load()
    if not (isinstance(factory, type) and issubclass(factory, Head)):
        raise PluginError(f"The head {spec.plugin!r} is no zoo.Head.", "Upgrade or uninstall its package.")
    fitting = [name for name, target in targets.items() if isinstance(target, factory.learns)]
    listed = ", ".join(f"{name} ({type(target).__name__})" for name, target in targets.items()) or "none"
    if spec.target is None:
        if len(fitting) != 1:
            which = (
                "none of that kind"
                if not fitting
                else f"several. Say which: `heads=[HeadSpec(plugin={spec.plugin!r}, target=…)]`"
            )
            raise UsageError(
                f"The head {spec.plugin!r} learns {factory.learns.__name__}, and the dataset has {which}. "
                f"Its targets: {listed}."
            )
        name = fitting[0]
    elif spec.target in fitting:
        name = spec.target
    else:
        raise UsageError(
            f"The head {spec.plugin!r} learns {factory.learns.__name__}; the dataset has no such target "
            f"called {spec.target!r}. Its targets: {listed}."
        )
    target = targets[name]
    if isinstance(target, Categories) and len(target.names) < 2:
        raise UsageError(f"The target {name!r} has one class only ({target.names[0]!r}); there is nothing to learn.")
    options = check_options(factory, spec.options, of=f"the head {spec.plugin!r}")
    return factory(shape, target, **options), HeadSpec(
        plugin=spec.plugin, target=name, weight=spec.weight, options=options, called=spec.called, numbers=spec.numbers
    )


def describe_head(model: Model, name: str) -> HeadEntry:
    """A head as manifests and runs describe it, enough to build it again without weights."""
    head, spec = model.head(name), model.specs[name]
    target = head.target
    numbers = {"numbers": spec.numbers} if spec.numbers else {}
    kind = next(kind for kind, made in TARGETS.items() if isinstance(target, made))
    names = target.names if isinstance(target, (Categories, Multilabel)) else ()
    return HeadEntry.model_validate(
        {
            "name": name,
            "plugin": spec.plugin,
            "package": find_plugin("head", spec.plugin).package,
            "target_name": spec.target,
            "target": {"kind": kind, "names": names, "unit": target.unit if isinstance(target, Number) else ""},
            "options": dict(spec.options),
            "weight": spec.weight,
            "shape": {"channels": head.shape.channels, "height": head.shape.height, "width": head.shape.width},
            "temperature": model.temperatures.get(name),
            **numbers,
        }
    )


def assemble(
    backbone: Filters | str | Path,
    *,
    dataset: HasTargets | Mapping[str, Target] | str | Path,
    cut: str | None = None,
    weights: str = "imagenet",
    heads: Sequence[str | HeadSpec] = ("classify",),
    size: int | None = None,
    seed: int = 0,
) -> Model:
    """Put heads on a truncated backbone.

    Args:
        backbone: a backbone's name, filters as `zoo.load` takes them, or in hand.
        dataset: a prepared dataset, a dataset's name, a folder of pictures by class, or targets by name.
        cut: where to truncate; needed for a backbone.
        weights: of a backbone: `imagenet`, `random`, a file or a source.
        heads: names, or specs with weights and options.
        size: the pictures' side in pixels.
        seed: of whatever is drawn.
    """
    if isinstance(backbone, Filters):
        filters = backbone if cut is None else backbone.truncate(cut)
    elif _is_backbone(backbone := str(backbone)):
        if cut is None:
            raise UsageError(f"Say where to cut {backbone!r}: cut='block4'.", f"Run `zoo cuts {backbone}`.")
        filters = build_filters(backbone, cut=cut, weights=weights, size=size, seed=seed)
    else:
        try:
            filters = load(backbone, cut=cut)
        except UnknownNameError as error:
            if error.name != backbone:
                raise
            known = [*backbones(), *all_entries(problems=[])]
            raise UnknownNameError("backbone or set of filters", backbone, known, listing="zoo backbones") from error
    side = size or filters.input.size
    data = as_open_dataset(dataset) if isinstance(dataset, str | Path) else dataset
    targets: Mapping[str, Target] = data if isinstance(data, Mapping) else data.targets
    specs = [HeadSpec(plugin=head) if isinstance(head, str) else head for head in heads]
    _check_names([spec.name for spec in specs])
    shape = filters.feature_shape(side)
    built: dict[str, Head] = {}
    filled: dict[str, HeadSpec] = {}
    with torch.random.fork_rng(devices=[]):
        for spec in specs:
            torch.manual_seed(_seed_of(seed, spec.name))  # its own: another head beside it changes nothing
            wide = replace(shape, channels=shape.channels + len(spec.numbers))
            built[spec.name], filled[spec.name] = build_head(spec, targets=targets, shape=wide)
    return Model(filters, built, filled, size=side)


def _seed_of(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:7], "big")


def _check_names(names: Sequence[str]) -> None:
    """Refuse heads of one name, and names that files and torch cannot hold."""
    if not names:
        raise UsageError("A model needs at least one head.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        first, second = (f"HeadSpec(plugin={twice!r}, target=…, called={name!r})" for name in ("first", "second"))
        raise UsageError(
            f"The head {twice!r} is there twice.",
            f"Two of a kind need names, and targets of their own: `heads=[{first}, {second}]`.",
        )
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,96}", name) or hasattr(nn.ModuleDict(), name):
            raise UsageError(f"A head cannot be called {name!r}.", "Use letters, digits, dashes, such as `species`.")


def _is_backbone(name: str) -> bool:
    try:
        find_backbone(name)
    except UnknownNameError:
        return False
    return True

"""Models that were published, or described by a run: heads built again and filled with their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.contracts import TARGETS, Box, Categories, FeatureShape, Head, Multilabel, Number, Target
from zoo.errors import IntegrityError, MissingPluginError, UnknownNameError, UsageError, ZooError
from zoo.models.checkpoint import list_some
from zoo.models.filters import Filters, load
from zoo.models.model import Cropper, HeadSpec, Model, build_head
from zoo.plugins import find_plugin
from zoo.store import OWN_LOCATOR, Artifact, HeadEntry, open_artifact, read_head_tensors

# What a head may raise when it is built with invalid options.
BUILD_ERRORS = (RuntimeError, MemoryError, OverflowError, ValueError, TypeError, ZeroDivisionError)


def add_heads(filters: Filters, entries: Sequence[HeadEntry], tensors: Mapping[str, Tensor]) -> Model:
    """Filters with the heads that were described, filled with their tensors, `<head>.<parameter>`.

    Raises:
        MissingPluginError: a head comes from a package that is not installed.
        IntegrityError: the tensors do not fit.
    """
    heads: dict[str, Head] = {}
    specs: dict[str, HeadSpec] = {}
    for entry in entries:
        spec = HeadSpec(
            plugin=entry.plugin,
            target=entry.target_name,
            weight=entry.weight,
            options=entry.options,
            called=entry.name,
            numbers=entry.numbers,
        )
        try:
            find_plugin("head", spec.plugin)
        except UnknownNameError as error:
            raise MissingPluginError(
                "head", spec.plugin, package=entry.package, needed_by=f"{filters.name!r}"
            ) from error
        made = TARGETS[entry.target.kind]
        target: Target
        if made in (Categories, Multilabel):
            target = made(entry.target.names)
        else:
            target = Number(entry.target.unit) if made is Number else Box()
        shape = FeatureShape(channels=entry.shape.channels, height=entry.shape.height, width=entry.shape.width)
        _check_shapes(filters, entry, spec, target, shape, tensors)
        try:
            heads[entry.name], specs[entry.name] = build_head(spec, targets={entry.target_name: target}, shape=shape)
        except BUILD_ERRORS as error:
            raise _build_error(filters, entry, error) from error
    try:
        model = Model(filters, heads, specs, size=filters.input.size)
    except KeyError as error:  # torch's own attributes cannot be names
        raise IntegrityError(f"{filters.name}: a head cannot have that name ({error}).", "Do not use it.") from error
    try:
        model.heads.load_state_dict(dict(tensors))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise IntegrityError(
            f"{filters.name}: the heads' weights do not fit: {reason}.", "Fetch them again."
        ) from error
    model.temperatures = {entry.name: entry.temperature for entry in entries if entry.temperature is not None}
    return model.eval()


def _check_shapes(
    filters: Filters,
    entry: HeadEntry,
    spec: HeadSpec,
    target: Target,
    shape: FeatureShape,
    tensors: Mapping[str, Tensor],
) -> None:
    """Hold a described head against its tensors before it is built: its options may ask for any amount of memory.

    A head that computes with its tensors while it is made cannot be built on the meta device, and is not held
    against anything here.

    Raises:
        IntegrityError: the head as described has other tensors than were published.
    """
    try:
        with torch.device("meta"):
            meta_head, _ = build_head(spec, targets={entry.target_name: target}, shape=shape)
    except NotImplementedError:
        return
    except BUILD_ERRORS as error:
        if "meta" in str(error):
            return
        raise _build_error(filters, entry, error) from error
    prefix = f"{entry.name}."
    wanted = {name: tuple(tensor.shape) for name, tensor in meta_head.state_dict().items()}
    given = {name.removeprefix(prefix): tuple(one.shape) for name, one in tensors.items() if name.startswith(prefix)}
    if wanted != given:
        differ = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
        first = differ[0]
        raise IntegrityError(
            f"{filters.name}: the heads' weights do not fit: {prefix}{first} is {_format_shape(given.get(first))}, and "
            f"the head as described needs {_format_shape(wanted.get(first))} ({len(differ)} differ).",
            "Fetch them again.",
        )


def _format_shape(shape: tuple[int, ...] | None) -> str:
    return "not there" if shape is None else f"({', '.join(map(str, shape))})"


def _build_error(filters: Filters, entry: HeadEntry, error: BaseException) -> IntegrityError:
    reason = " ".join(str(error).split())[:120]
    return IntegrityError(
        f"{filters.name}: the head {entry.name!r} cannot be built as described: {reason}.", "Do not use it."
    )


def load_model(name: str | Path, **where: Any) -> Model:
    """Load published filters together with their heads.

    Args:
        name: as `zoo.load` takes it.
        where: likewise.

    Raises:
        ZooError: they were published without heads.
        MissingPluginError: a head comes from a package that is not installed; the filters alone load all the same.
    """
    if where.get("cut"):
        raise UsageError(f"The heads of {str(name)!r} need all its layers.", "Load the filters alone with zoo.load.")
    filters = load(name, **where)
    published = filters.published
    if published is None or not published.manifest.heads:
        raise ZooError(
            f"{filters.name!r} was published without heads.", "Use its features: `zoo embed`, or train a head."
        )
    model = add_heads(filters, published.manifest.heads, read_head_tensors(published))
    if published.manifest.crop is not None:
        model.crop = _load_cropper(published, {**where, "revision": None})
    return model


def keep_heads(model: Model, before: Model) -> list[str]:
    """Give a model's heads the weights that another's have; classes are matched by name, and new ones begin fresh.

    Returns:
        A text for each head: `head classify kept for 4 of 5 classes, new: copepod`.
    """
    return [f"head {name} {_keep_head(name, model, before)}" for name in model.heads]


@torch.no_grad()
def _keep_head(name: str, model: Model, before: Model) -> str:
    head, old = model.head(name), before.head(name) if name in before.heads else None
    if old is None or type(old) is not type(head):
        return "new"
    tensors, given, larger = head.state_dict(), old.state_dict(), head.state_dict()
    names, known = (getattr(one.target, "names", ()) for one in (head, old))
    if isinstance(head.target, (Categories, Multilabel)):  # with one class more, the sides that stand for classes grow
        with torch.random.fork_rng(devices=[]):
            target = type(head.target)((*names, "\0"))
            larger = type(head)(head.shape, target, **model.specs[name].options).state_dict()
    shared = [one for one in names if one in known]
    rows = {key: [order.index(one) for one in shared] for key, order in (("ours", names), ("theirs", known))}
    copies = []
    for key, tensor in tensors.items():
        sides = [(size, size != more) for size, more in zip(tensor.shape, larger[key].shape, strict=True)]
        if key not in given or [*given[key].shape] != [len(known) if grows else size for size, grows in sides]:
            return "new"
        ours, theirs = (np.ix_(*(rows[who] if grows else range(size) for size, grows in sides)) for who in rows)
        copies.append((tensor, ours, given[key][theirs]))
    for tensor, ours, values in copies:
        tensor[ours] = values
    fresh, gone = ([one for one in order if one not in shared] for order in (names, known))
    said = f"kept for {len(shared)} of {len(names)} classes" if names else "kept"
    return said + (f", new: {list_some(fresh)}" if fresh else "") + (f", gone: {list_some(gone)}" if gone else "")


def _load_cropper(published: Artifact, where: Mapping[str, Any]) -> Cropper:
    """What published heads' pictures are cropped to first: other published filters, held against their hash."""
    manifest, entry = published.manifest, published.manifest.crop
    if entry is None or entry.locator is None or entry.head is None:
        return Cropper(locator=None, head="", margin=entry.margin if entry else 0.0)
    place, folder = entry.locator, published.folder
    if folder is not None and place == OWN_LOCATOR:
        place = str(folder / place)
    first = open_artifact(place, **where)
    if first.digest != entry.manifest or first.manifest.crop is not None:
        raise IntegrityError(
            f"{manifest.name}: its pictures are cropped first by {entry.locator}, and what lies there is not what it "
            f"was made with.",
            f"Load the filters alone: zoo.load({manifest.name!r}).",
        )
    locator = load_model(place, **where)
    if entry.head not in locator.heads or not isinstance(locator.head(entry.head).target, Box):
        raise IntegrityError(f"{manifest.name}: {entry.locator} has no head {entry.head!r} that says a box.")
    return Cropper(locator=locator, head=entry.head, margin=entry.margin)

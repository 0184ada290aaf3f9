"""Filters -> PNG files of what they see: first filters, patches, dreams, maps of a picture, drift from the base."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from zoo.data.image_sources import ImageReader, ImageSource
from zoo.errors import FileError
from zoo.filters import Filters
from zoo.looking.activations import Maps, activate
from zoo.looking.colours import Palette
from zoo.looking.dreams import STEPS, Dreams, dream
from zoo.looking.drift import Drift, measure_drift
from zoo.looking.layers import Layer, find_layers
from zoo.looking.noise import draw_noise
from zoo.looking.patches import Strongest, find_strongest
from zoo.pictures.drift import DriftBar, draw_drift
from zoo.pictures.files import save_png
from zoo.pictures.grid import draw_filters
from zoo.pictures.looks import ChannelRow, MapRow, draw_channels, draw_maps
from zoo.pictures.sheet import draw_sheet
from zoo.progress import Progress, silent

PATCHES = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be looked at, and how long it may take."""

    layers: tuple[str, ...] = ()  # blocks or nodes' paths; the last layer of every block where none are named
    channels: int = 8  # of a layer
    steps: int = STEPS  # of a dream
    most: float = math.inf  # GFLOP for the dreams of one layer
    reveal: bool = True  # whether anything of the pictures may be drawn: patches, and the maps of one
    title: str | None = None  # what the filters are called in the pictures; their name by default
    largest: int | None = None  # bytes of a file
    seed: int = 0
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was drawn."""

    folder: Path
    files: tuple[str, ...]
    layers: tuple[Strongest, ...] = ()  # the channels that were chosen, and their patches
    dreams: tuple[Dreams, ...] = ()
    maps: tuple[Maps, ...] = ()
    drift: Drift | None = None
    pictures: int = 0  # that were looked at
    skipped: tuple[str, ...] = ()  # that could not be read, a line each
    notes: tuple[str, ...] = ()  # what could not be drawn, and why


@dataclass(slots=True)
class _Desk:
    """Where the files are made."""

    filters: Filters
    folder: Path
    wishes: Wishes
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def show_filters(
    filters: Filters,
    folder: Path | str,
    *,
    wishes: Wishes | None = None,
    images: ImageSource | None = None,
    picture: Tensor | None = None,
    base: Filters | None = None,
    progress: Progress = silent,
) -> Shown:
    """Draw all that can be drawn of filters.

    filters.png           the first layer
    dreams-<layer>.png    what its channels would like best
    patches-<layer>.png   the same dreams, each beside the nine patches of pictures that excite the channel most
    activations.png       the maps of one picture, layer by layer
    drift.png             what fine-tuning changed

    Args:
        filters: to look at.
        folder: to write into; made where it is missing.
        wishes: layers, how many channels, how long.
        images: to look with; without them there are no patches, and channels are chosen by noise.
        picture: uint8 (3, S, S), for the maps; the first of the images by default.
        base: the filters that these were made from.
        progress: told how far the work is.

    Raises:
        FileError: it cannot be written there.
        UnknownNameError: a layer that they do not have.
        ZooError: none of the pictures can be read; the base has no layer in common.
    """
    wishes = wishes or Wishes()
    desk = _Desk(filters=filters, folder=Path(folder), wishes=wishes)
    if desk.folder.exists() and not desk.folder.is_dir():
        raise FileError(desk.folder, "this is a file", "Name a folder with `folder=`.")
    layers = find_layers(filters, wishes.layers)
    shown = Shown(folder=desk.folder, files=())
    _draw_first(desk)
    reader = None if images is None else ImageReader(images, size=filters.input.size)
    looked = _look_for(desk, layers, reader, progress)
    if looked is not None:
        chosen, palette, count = looked
        dreams = [_dream_of(desk, one, palette, progress) for one in chosen]
        shown = replace(shown, layers=tuple(chosen), dreams=tuple(dreams), pictures=count)
    if picture is None and reader is not None and wishes.reveal:
        picture = reader.first()
    if picture is not None:
        maps = activate(filters, picture, find_layers(filters) if wishes.layers else layers, device=wishes.device)
        shown = replace(shown, maps=maps)
        _keep(desk, "activations.png", _maps_sheet(desk, picture, maps))
    if base is not None:
        drift = measure_drift(filters, base, reader, device=wishes.device, progress=progress)
        shown = replace(shown, drift=drift)
        _keep(desk, "drift.png", _drift_sheet(desk, drift))
    skipped = tuple(reader.skipped) if reader else ()
    return replace(shown, files=tuple(desk.files), notes=tuple(desk.notes), skipped=skipped)


def _draw_first(desk: _Desk) -> None:
    """The first layer's filters, where there is a convolution."""
    bank = desk.filters.first_bank
    if bank is None:
        desk.notes.append(f"{desk.filters.name} has no convolution: there are no first filters to draw.")
        return
    _keep(desk, "filters.png", draw_filters(bank.numpy()))


def _look_for(
    desk: _Desk, layers: Sequence[Layer], images: ImageReader | None, progress: Progress
) -> tuple[list[Strongest], Palette | None, int] | None:
    """Choose the channels, by pictures or by noise; tokens, which have no place, are left out and told of."""
    wishes = desk.wishes
    placed = [layer for layer in layers if layer.field is not None]
    tokens = [layer.name for layer in layers if layer.field is None]
    if tokens:
        which = tokens[0] if len(tokens) == 1 else f"{tokens[0]} to {tokens[-1]}"
        desk.notes.append(
            f"{which} of {desk.filters.name}: tokens that each see the whole picture; there are no patches or dreams."
        )
    if not placed:
        return None
    size = desk.filters.input.size
    seen = find_strongest(
        desk.filters,
        placed,
        images if images is not None else ImageReader(draw_noise(size, seed=wishes.seed), size=size),
        channels=wishes.channels,
        patches=PATCHES if images is not None and wishes.reveal else 0,
        device=wishes.device,
        progress=progress,
    )
    if images is None:
        return list(seen.layers), None, 0
    return list(seen.layers), seen.palette, seen.pictures


def _dream_of(desk: _Desk, strongest: Strongest, palette: Palette | None, progress: Progress) -> Dreams:
    """Dream for the chosen channels of a layer, and draw them alone and beside their patches."""
    layer, filters, wishes = strongest.layer, desk.filters, desk.wishes
    dreams = dream(
        filters,
        layer,
        strongest.channels,
        palette=palette,
        steps=wishes.steps,
        most=wishes.most,
        seed=wishes.seed,
        device=wishes.device,
        progress=progress,
    )
    labels = [f"channel {channel}" for channel in dreams.channels]
    _keep(desk, f"dreams-{_plain(layer.name)}.png", draw_sheet(list(dreams.pictures), labels, columns=4))
    if strongest.patches.shape[1]:
        rows = [
            ChannelRow(label=label, dream=picture, patches=tuple(patches))
            for label, picture, patches in zip(labels, dreams.pictures, strongest.patches, strict=True)
        ]
        side = strongest.patches.shape[2]
        sees = f"a cell sees {side} x {side} of {filters.input.size} x {filters.input.size} pixels"
        note = f"{len(rows)} of {layer.cut.channels} channels, those that vary most from picture to picture; {sees}"
        title = _titled(desk, f"what {layer.name} looks for")
        _keep(desk, f"patches-{_plain(layer.name)}.png", draw_channels(rows, title=title, note=note))
    return dreams


def _maps_sheet(desk: _Desk, picture: Tensor, maps: Sequence[Maps]) -> Image.Image:
    rows = []
    for one in maps:
        height, width = one.mean.shape
        captions = ("mean of all", *(f"channel {channel}" for channel in one.channels))
        note = f"{one.layer.cut.channels} channels, {height} x {width}"
        rows.append(MapRow(label=one.layer.name, note=note, maps=(one.mean, *one.strongest), captions=captions))
    title = _titled(desk, "one picture through the layers")
    note = "the mean over the channels, and the four channels that answer most; dark: least, pale: most"
    return draw_maps(picture.permute(1, 2, 0).numpy(), rows, title=title, note=note)


def _drift_sheet(desk: _Desk, drift: Drift) -> Image.Image:
    known = f"linear CKA on {drift.pictures:,} pictures; 1: alike" if drift.pictures else "no pictures, so no CKA"
    missing = f"; {drift.missing} layers are not in both" if drift.missing else ""
    return draw_drift(
        [DriftBar(name=layer.name, change=layer.change, cka=layer.cka) for layer in drift.layers],
        drift.before,
        drift.after,
        captions=[
            f"filter {number}: {100 * distance:.2g}%"
            for number, distance in zip(drift.moved, drift.distances, strict=True)
        ],
        title=_titled(desk, f"drift from {drift.base}"),
        note=f"what fine-tuning changed; {known}{missing}",
        first=drift.first or "the first layer",
    )


def _keep(desk: _Desk, name: str, image: Image.Image) -> None:
    desk.files.append(save_png(image, desk.folder / name, largest=desk.wishes.largest).name)


def _titled(desk: _Desk, said: str) -> str:
    name = desk.filters.name if desk.wishes.title is None else desk.wishes.title
    return f"{name}: {said}" if name else said[0].upper() + said[1:]


def _plain(name: str) -> str:
    """A layer's name as a part of a file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)

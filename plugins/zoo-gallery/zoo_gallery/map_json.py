"""The map's data in the page: one JSON text, and thumbnails in chunks that are read after it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import one_line
from zoo_gallery.layout import MapLayout
from zoo_gallery.map_images import MapImages

MAP_SCALE = 10_000  # places and cosines are written as whole numbers of this part
THUMBNAILS_PER_CHUNK = 250  # thumbnails


@dataclass(frozen=True, slots=True, kw_only=True)
class MapData:
    """What the page's script reads."""

    facts: str  # JSON, safe inside a script element
    chunks: tuple[str, ...]  # thumbnails in base64, one a line
    pictures: int
    title: str
    note: str  # how the map was made
    skipped: tuple[str, ...]


def make_map_data(map_images: MapImages, layout: MapLayout, rows: np.ndarray, cosines: np.ndarray) -> MapData:
    """Put a map together.

    Args:
        map_images: N pictures.
        layout: their places.
        rows: int (N, k), every picture's nearest.
        cosines: float (N, k), theirs.
    """
    places = np.rint(layout.places * MAP_SCALE).astype(int)
    labels, label = _number_names(map_images.labels)
    groups, group = _number_names(map_images.groups)
    facts = {
        "fine": MAP_SCALE,
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "paths": [one_line(path) for path in map_images.paths],
        "labels": labels,
        "label": label,
        "groups": groups,
        "group": group,
        "k": int(rows.shape[1]),
        "near": rows.ravel().tolist(),
        "cosines": np.rint(cosines.ravel() * MAP_SCALE).astype(int).tolist(),
        "dimensions": int(map_images.vectors.shape[1]),
    }
    return MapData(
        facts=escape_for_script(json.dumps(facts, separators=(",", ":"))),
        chunks=tuple(_encode_chunks(map_images.thumbnails)),
        pictures=len(map_images),
        title=one_line(map_images.about),
        note=_describe_map(map_images, layout),
        skipped=tuple(one_line(line) for line in map_images.skipped),
    )


def escape_for_script(text: str) -> str:
    """JSON that cannot end the element it stands in, nor begin a comment there."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _number_names(names: Sequence[str | None]) -> tuple[list[str], list[int]]:
    """The names that occur, the most frequent first, and each picture's number among them, -1 for none."""
    counts = Counter(name for name in names if name is not None)
    order = sorted(counts, key=lambda name: (-counts[name], name))
    number = {name: place for place, name in enumerate(order)}
    return [one_line(name) for name in order], [-1 if name is None else number[name] for name in names]


def _encode_chunks(thumbnails: Sequence[bytes]) -> Iterator[str]:
    for start in range(0, len(thumbnails), THUMBNAILS_PER_CHUNK):
        yield "\n".join(base64.b64encode(one).decode() for one in thumbnails[start : start + THUMBNAILS_PER_CHUNK])


def _describe_map(map_images: MapImages, layout: MapLayout) -> str:
    some = (
        f"{len(map_images):,} of {map_images.total:,}" if len(map_images) < map_images.total else f"{len(map_images):,}"
    )
    pool = f", pooled by {map_images.pool}" if map_images.pool not in ("mean", "map") else ""
    width = map_images.vectors.shape[1]
    return f"{some} pictures, {width:,} numbers each, at {one_line(map_images.cut)}{pool}. {layout.note}"

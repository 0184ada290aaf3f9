"""The map's data as a page holds them: one JSON text, and thumbnails in chunks that are read after it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.gallery.describing import printable
from zoo.gallery.layout import Layout
from zoo.gallery.materials import Materials

FINE = 10_000  # places and cosines are written as whole numbers of this part
CHUNK = 250  # thumbnails


@dataclass(frozen=True, slots=True, kw_only=True)
class MapData:
    """What the page's script reads."""

    facts: str  # JSON, safe inside a script element
    chunks: tuple[str, ...]  # thumbnails in base64, one a line
    pictures: int
    title: str
    note: str  # how the map was made
    skipped: tuple[str, ...]


def map_data(materials: Materials, layout: Layout, rows: np.ndarray, cosines: np.ndarray) -> MapData:
    """Put a map together.

    Args:
        materials: N pictures.
        layout: their places.
        rows: int (N, k), every picture's nearest.
        cosines: float (N, k), theirs.
    """
    places = np.rint(layout.places * FINE).astype(int)
    labels, label = _numbered(materials.labels)
    groups, group = _numbered(materials.groups)
    facts = {
        "fine": FINE,
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "paths": [printable(path) for path in materials.paths],
        "labels": labels,
        "label": label,
        "groups": groups,
        "group": group,
        "k": int(rows.shape[1]),
        "near": rows.ravel().tolist(),
        "cosines": np.rint(cosines.ravel() * FINE).astype(int).tolist(),
        "dimensions": int(materials.vectors.shape[1]),
    }
    return MapData(
        facts=in_script(json.dumps(facts, separators=(",", ":"))),
        chunks=tuple(_chunks(materials.thumbnails)),
        pictures=len(materials),
        title=printable(materials.about),
        note=_note(materials, layout),
        skipped=tuple(printable(line) for line in materials.skipped),
    )


def in_script(text: str) -> str:
    """JSON that cannot end the element it stands in, nor begin a comment there."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _numbered(names: Sequence[str | None]) -> tuple[list[str], list[int]]:
    """The names that occur, the most frequent first, and each picture's number among them, -1 for none."""
    counts = Counter(name for name in names if name is not None)
    order = sorted(counts, key=lambda name: (-counts[name], name))
    number = {name: place for place, name in enumerate(order)}
    return [printable(name) for name in order], [-1 if name is None else number[name] for name in names]


def _chunks(thumbnails: Sequence[bytes]) -> Iterator[str]:
    for start in range(0, len(thumbnails), CHUNK):
        yield "\n".join(base64.b64encode(one).decode() for one in thumbnails[start : start + CHUNK])


def _note(materials: Materials, layout: Layout) -> str:
    some = f"{len(materials):,} of {materials.total:,}" if len(materials) < materials.total else f"{len(materials):,}"
    pool = f", pooled by {materials.pool}" if materials.pool not in ("mean", "map") else ""
    width = materials.vectors.shape[1]
    return f"{some} pictures, {width:,} numbers each, at {printable(materials.cut)}{pool}. {layout.note}"

"""All parts of a gallery -> a folder with its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import FileError
from zoo.files import write_whole
from zoo.filters import Filters
from zoo.gallery.describing import Description, describe
from zoo.gallery.layout import Layout, lay_out, nearest_of_all
from zoo.gallery.looks import Looks
from zoo.gallery.mapping import MapData, map_data
from zoo.gallery.materials import Materials
from zoo.gallery.page import render
from zoo.progress import Progress, silent
from zoo.training.runs import Run

FILE = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """What was written."""

    page: Path
    size: int  # bytes
    pictures: int  # on the map; 0: there is none
    method: str  # of the map, "UMAP" or "PCA"; empty without one
    description: Description
    notes: tuple[str, ...] = ()  # what is missing, and why


def write_gallery(
    filters: Filters,
    folder: Path | str,
    *,
    materials: Materials | None = None,
    looks: Looks | None = None,
    run: Run | None = None,
    use: str = "",
    method: str = "auto",
    seed: int = 0,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> Gallery:
    """Write `index.html`: it stands by itself, needs no server and no network, and may load nothing.

    Args:
        filters: to show.
        folder: to write into; made where it is missing.
        materials: pictures for the map; without them there is none.
        looks: the filters' pictures.
        run: the training that they come from, for its figures.
        use: what they were loaded by.
        method: of the map; see `lay_out`.
        seed: of the map.
        notes: what is missing, for the page's foot.
        progress: told how far it is.

    Raises:
        FileError: it cannot be written there.
        UsageError: the run is of other filters; UMAP was asked for and is not installed.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileError(folder, "this is a file", "Name a folder with --out.")
    looks = looks or Looks(files={})
    description = describe(filters, use=use, run=run)
    layout: Layout | None = None
    data: MapData | None = None
    if materials is not None:
        layout = lay_out(materials.vectors, method=method, seed=seed, progress=progress)
        data = map_data(materials, layout, *nearest_of_all(materials.vectors, progress=progress))
    said = (*description.notes, *looks.notes, *notes)
    content = render(description, looks, data, notes=said)
    write_whole(folder / FILE, content)
    return Gallery(
        page=folder / FILE,
        size=len(content.encode()),
        pictures=len(materials) if materials else 0,
        method=layout.method if layout else "",
        description=description,
        notes=said,
    )

"""Writing the gallery: a folder with its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.files import check_output, write_atomically
from zoo.models import Filters
from zoo.progress import Progress, silent
from zoo.training import Run
from zoo_gallery.description import FiltersDescription, describe_filters
from zoo_gallery.layout import MapLayout, find_nearest_of_all, lay_out_map
from zoo_gallery.map_images import MapImages
from zoo_gallery.map_json import MapData, make_map_data
from zoo_gallery.page import render_gallery
from zoo_gallery.plots import FilterPlots

PAGE_FILE = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenGallery:
    """What was written."""

    page: Path
    size: int  # bytes
    pictures: int  # on the map; 0: there is none
    method: str  # of the map, "UMAP" or "PCA"; empty without one
    description: FiltersDescription
    notes: tuple[str, ...] = ()  # what is missing, and why


def write_gallery(
    filters: Filters,
    folder: Path | str,
    *,
    map_images: MapImages | None = None,
    plots: FilterPlots | None = None,
    run: Run | None = None,
    use: str = "",
    method: str = "auto",
    seed: int = 0,
    notes: Sequence[str] = (),
    overwrite: bool = False,
    progress: Progress = silent,
) -> WrittenGallery:
    """Write `index.html`: it stands by itself, needs no server and no network, and may load nothing.

    Args:
        filters: to show.
        folder: to write into; made where it is missing.
        map_images: pictures for the map; without them there is none.
        plots: the filters' plots.
        run: the training that they come from, for its figures.
        use: what they were loaded by.
        method: of the map; see `lay_out_map`.
        seed: of the map.
        notes: what is missing, for the page's foot.
        overwrite: replace the page in a folder that is not empty.
        progress: told how far it is.

    Raises:
        FileError: it cannot be written there, or is not empty.
        UsageError: the run is of other filters; fewer than 16 pictures for UMAP.
    """
    folder = Path(folder)
    check_output(folder, overwrite=overwrite, folder=True, argument="folder")
    plots = plots or FilterPlots(files={})
    description = describe_filters(filters, use=use, run=run)
    layout: MapLayout | None = None
    data: MapData | None = None
    if map_images is not None:
        layout = lay_out_map(map_images.vectors, method=method, seed=seed, progress=progress)
        data = make_map_data(map_images, layout, *find_nearest_of_all(map_images.vectors, progress=progress))
    said = (*description.notes, *plots.notes, *notes)
    content = render_gallery(description, plots, data, notes=said)
    write_atomically(folder / PAGE_FILE, content)
    return WrittenGallery(
        page=folder / PAGE_FILE,
        size=len(content.encode()),
        pictures=len(map_images) if map_images else 0,
        method=layout.method if layout else "",
        description=description,
        notes=said,
    )

"""The filters' plots on a page: published beside them, drawn by `zoo show`, or drawn now."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from zoo.data import ImageSource
from zoo.errors import FileError, ZooError, one_line
from zoo.files import temporary_folder
from zoo.models import Filters
from zoo.plots import FilterSheetOptions, draw_filters, draw_run_plots, save_png, show_filters
from zoo.progress import Progress, silent
from zoo.training import Run
from zoo_gallery.description import LARGEST_FILE

MOST_PIXELS = 40_000_000  # of a picture, at most
KINDS = (  # file names begin with these; shown in this order
    ("filters", "First filters", "The weights of the first layer, each filter from its least to its greatest."),
    ("patches-", "Top patches of {}", "A row a channel: its visualisation, then its top patches."),
    ("dreams-", "Feature visualisations of {}", "Pictures that excite one channel each as much as they can."),
    ("activations", "One picture through the layers", ""),
    ("drift", "What fine-tuning changed", ""),
    ("curves", "Curves", "Every epoch's figures."),
    ("confusion", "Confusion", "Rows: what a picture is. Columns: what it was taken for."),
)
SELF_TITLED = ("patches-", "activations", "drift", "curves", "confusion")  # say their title themselves
TRAINING = ("curves", "confusion")  # shown after the map of pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterPlots:
    """PNG files by name, and what could not be read."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    @property
    def deep(self) -> bool:
        """Whether there is more than the first layer: patches or feature visualisations."""
        return any(name.startswith(("patches-", "dreams-")) for name in self.files)

    def over(self, other: FilterPlots) -> FilterPlots:
        """Both; where both have a file, this one's."""
        return FilterPlots(files={**other.files, **self.files}, notes=(*other.notes, *self.notes))


def find_artifact_plots(filters: Filters) -> FilterPlots:
    """The pictures that were published with the filters, each as its hash says."""
    published = filters.published
    if published is None:
        return FilterPlots(files={})
    found, notes = {}, []
    for name in published.manifest.files:
        if _plot_kind(name) is None:
            continue
        try:
            content = published.read_file(name, limit=LARGEST_FILE)
        except ZooError as error:
            notes.append(str(error))
            continue
        if content is not None:
            found[name] = content
    return _check_plots(found, notes)


def read_plots(folder: Path) -> FilterPlots:
    """The pictures that `zoo show -o FOLDER` wrote. Raises FileError: there are none."""
    names = sorted(path.name for path in folder.glob("*.png") if _plot_kind(path.name)) if folder.is_dir() else []
    if not names:
        raise FileError(folder, "there are no pictures of filters", "Write them with `zoo show NAME -o FOLDER`.")
    found = {name: (folder / name).read_bytes() for name in names if (folder / name).stat().st_size <= LARGEST_FILE}
    return _check_plots(found, [])


def draw_plots(
    filters: Filters,
    *,
    images: ImageSource | None = None,
    run: Run | None = None,
    options: FilterSheetOptions | None = None,
    deep: bool = True,
    progress: Progress = silent,
) -> FilterPlots:
    """Draw what `zoo show` draws, and what a run's publishing draws.

    Args:
        filters: to look at.
        images: for patches; without them channels are chosen by noise.
        run: a finished training, for its curves and confusion.
        options: layers, channels, steps.
        deep: draw patches and feature visualisations; they take a while.
        progress: told how far it is.
    """
    notes: tuple[str, ...] = ()
    with temporary_folder() as place:
        if run is not None:
            draw_run_plots(place, run, run.load_model())
        if deep:
            shown = show_filters(filters, place, options=options, images=images, overwrite=True, progress=progress)
            notes = shown.notes
        else:
            _draw_first_filters(filters, place)
        found = {path.name: path.read_bytes() for path in sorted(place.glob("*.png"))}
    return _check_plots(found, notes)


def order_plots(plots: FilterPlots, *, training: bool) -> list[tuple[str, str, str, bytes]]:
    """(file, title, caption, PNG), in the page's order; visualisations beside patches are not shown twice."""
    shown = []
    for start, title, caption in KINDS:
        if start.startswith(TRAINING) != training:
            continue
        for name in sorted(plots.files):
            what = one_line(name.removeprefix(start).removesuffix(".png").strip("-"))
            if name.startswith(start) and not (start == "dreams-" and f"patches-{what}.png" in plots.files):
                whole = title.format(what) if "{}" in title else f"{title}, {what}" if what else title
                shown.append((name, whole, caption, plots.files[name]))
    return shown


def _draw_first_filters(filters: Filters, folder: Path) -> None:
    if (bank := filters.first_bank) is not None:
        save_png(draw_filters(bank.numpy()), folder / "filters.png")


def _plot_kind(name: str) -> str | None:
    known = name.endswith(".png") and "/" not in name
    return next((start for start, _, _ in KINDS if known and name.startswith(start)), None)


def _check_plots(found: Mapping[str, bytes], notes: Iterable[str]) -> FilterPlots:
    """Only what is a PNG of a sensible size goes into a page."""
    kept, said = {}, list(notes)
    for name, content in found.items():
        try:
            with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
                fine = opened.width * opened.height <= MOST_PIXELS
        except Exception:  # damaged files make decoders raise SyntaxError, struct.error and more
            fine = False
        if fine:
            kept[name] = content
        else:
            said.append(f"{one_line(name)} is no PNG of a sensible size, and is left out.")
    return FilterPlots(files=kept, notes=tuple(said))

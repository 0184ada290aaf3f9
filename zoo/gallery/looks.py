"""The filters' pictures on a page: published beside them, drawn by `zoo show`, or made now."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from zoo.data.image_sources import ImageSource
from zoo.errors import FileError, ZooError
from zoo.filters import Filters
from zoo.gallery.describing import LARGEST, printable, read_published
from zoo.pictures.files import save_png
from zoo.pictures.grid import draw_filters
from zoo.progress import Progress, silent
from zoo.publishing import draw_pictures
from zoo.showing.sheets import Wishes, show_filters
from zoo.training.runs import Run

PIXELS = 40_000_000  # of a picture, at most
KINDS = (  # file names begin with these; shown in this order
    ("filters", "First filters", "The weights of the first layer, each filter from its least to its greatest."),
    ("patches-", "What {} looks for", "A row a channel: what it would like best, and the patches that excite it most."),
    ("dreams-", "What {} would like best", "Pictures that excite one channel each as much as they can."),
    ("activations", "One picture through the layers", ""),
    ("drift", "What fine-tuning changed", ""),
    ("curves", "Curves", "Every epoch's figures."),
    ("confusion", "Confusion", "Rows: what a picture is. Columns: what it was taken for."),
)
TITLED = ("patches-", "activations", "drift", "curves", "confusion")  # say their title themselves
TRAINING = ("curves", "confusion")  # shown after the map of pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """PNG files by name, and what could not be read."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    @property
    def deep(self) -> bool:
        """Whether there is more than the first layer: patches or dreams."""
        return any(name.startswith(("patches-", "dreams-")) for name in self.files)

    def over(self, other: Looks) -> Looks:
        """Both; where both have a file, this one's."""
        return Looks(files={**other.files, **self.files}, notes=(*other.notes, *self.notes))


def find_looks(filters: Filters) -> Looks:
    """The pictures that were published with the filters, each as its hash says."""
    published = filters.published
    if published is None:
        return Looks(files={})
    found, notes = {}, []
    for name in published.manifest.files:
        if _kind(name) is None:
            continue
        try:
            content = read_published(published, name)
        except ZooError as error:
            notes.append(str(error))
            continue
        if content is not None:
            found[name] = content
    return _checked(found, notes)


def read_looks(folder: Path) -> Looks:
    """The pictures that `zoo show -o FOLDER` wrote. Raises FileError: there are none."""
    names = sorted(path.name for path in folder.glob("*.png") if _kind(path.name)) if folder.is_dir() else []
    if not names:
        raise FileError(folder, "there are no pictures of filters", "Write them with `zoo show NAME -o FOLDER`.")
    found = {name: (folder / name).read_bytes() for name in names if (folder / name).stat().st_size <= LARGEST}
    return _checked(found, [])


def make_looks(
    filters: Filters,
    *,
    images: ImageSource | None = None,
    run: Run | None = None,
    wishes: Wishes | None = None,
    deep: bool = True,
    progress: Progress = silent,
) -> Looks:
    """Draw what `zoo show` draws, and what a run's publishing draws.

    Args:
        filters: to look at.
        images: for patches; without them channels are chosen by noise.
        run: a finished training, for its curves and confusion.
        wishes: layers, channels, steps.
        deep: draw patches and dreams; they take their time.
        progress: told how far it is.
    """
    notes: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory() as place:
        if run is not None:
            draw_pictures(Path(place), run, run.load_model())
        if deep:
            shown = show_filters(filters, place, wishes=wishes, images=images, progress=progress)
            notes = shown.notes
        else:
            _draw_first(filters, Path(place))
        found = {path.name: path.read_bytes() for path in sorted(Path(place).glob("*.png"))}
    return _checked(found, notes)


def ordered(looks: Looks, *, training: bool) -> list[tuple[str, str, str, bytes]]:
    """(file, title, caption, PNG), in the page's order; dreams that stand beside patches are not shown twice."""
    shown = []
    for start, title, caption in KINDS:
        if start.startswith(TRAINING) != training:
            continue
        for name in sorted(looks.files):
            what = printable(name.removeprefix(start).removesuffix(".png").strip("-"))
            if name.startswith(start) and not (start == "dreams-" and f"patches-{what}.png" in looks.files):
                whole = title.format(what) if "{}" in title else f"{title}, {what}" if what else title
                shown.append((name, whole, caption, looks.files[name]))
    return shown


def _draw_first(filters: Filters, folder: Path) -> None:
    if (bank := filters.first_bank) is not None:
        save_png(draw_filters(bank.numpy()), folder / "filters.png")


def _kind(name: str) -> str | None:
    known = name.endswith(".png") and "/" not in name
    return next((start for start, _, _ in KINDS if known and name.startswith(start)), None)


def _checked(found: Mapping[str, bytes], notes: Iterable[str]) -> Looks:
    """Only what is a PNG of a sensible size goes into a page."""
    kept, said = {}, list(notes)
    for name, content in found.items():
        try:
            with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
                fine = opened.width * opened.height <= PIXELS
        except Exception:  # damaged files make decoders raise SyntaxError, struct.error and more
            fine = False
        if fine:
            kept[name] = content
        else:
            said.append(f"{printable(name)} is no PNG of a sensible size, and is left out.")
    return Looks(files=kept, notes=tuple(said))

"""Data -> the page: one HTML file whose own policy lets it load nothing and run nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from importlib.resources import files

from PIL import Image

from zoo.errors import one_line
from zoo.plots import DENSITY, page_style, render_page
from zoo_gallery.description import MOST_CLASSES, FiltersDescription
from zoo_gallery.map_json import MapData
from zoo_gallery.plots import SELF_TITLED, FilterPlots, order_plots

PACKAGE = __name__.rpartition(".")[0]
NARROW_FIGURE = 620  # CSS pixels: figures up to this stand side by side
MOST_LISTED = 20  # pictures that could not be read, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """A picture of the filters as the page shows it; sizes in CSS pixels."""

    file: str
    title: str
    caption: str
    png: str  # in base64
    width: int
    height: int
    says_title: bool  # itself, so that the page need not

    @property
    def wide(self) -> bool:
        """Across the page; the others stand side by side."""
        return self.width > NARROW_FIGURE


def render_gallery(
    description: FiltersDescription, plots: FilterPlots, data: MapData | None, *, notes: tuple[str, ...] = ()
) -> str:
    """The whole page. All text that is not ours is escaped."""
    style, script = page_style() + _read_asset("page.css"), _read_asset("page.js")
    return render_page(
        "gallery.html.j2",
        package=PACKAGE,
        style=style,
        style_pin=_policy_hash(style),
        script=script,
        script_pin=_policy_hash(script),
        said=description,
        data=data,
        plots=_render_plots(plots, training=False),
        training=_render_plots(plots, training=True),
        columns=list(dict.fromkeys(key for score in description.scores for key, _ in score.figures)),
        listed=MOST_CLASSES,
        notes=[one_line(note) for note in notes],
        told=MOST_LISTED,
    )


def _read_asset(name: str) -> str:
    return files(PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _render_plots(plots: FilterPlots, *, training: bool) -> list[_Figure]:
    return [_render_plot(*one) for one in order_plots(plots, training=training)]


def _render_plot(file: str, title: str, caption: str, content: bytes) -> _Figure:
    with Image.open(io.BytesIO(content)) as opened:
        width, height = (round(side / DENSITY) for side in opened.size)
    png = base64.b64encode(content).decode()
    says_title = file.startswith(SELF_TITLED)
    return _Figure(file=file, title=title, caption=caption, png=png, width=width, height=height, says_title=says_title)

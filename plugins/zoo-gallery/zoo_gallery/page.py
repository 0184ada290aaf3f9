"""Data -> the page: one HTML file whose own policy lets it load nothing and run nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import io
from html import escape
from importlib.resources import files

from PIL import Image

from zoo.plots import DENSITY, page_style
from zoo_gallery.description import MOST_CLASSES, FiltersDescription, HeadMetrics, make_printable
from zoo_gallery.map_json import MapData
from zoo_gallery.plots import SELF_TITLED, FilterPlots, order_plots

NARROW_FIGURE = 620  # CSS pixels: figures up to this stand side by side
LEGIBLE_SCALE = 0.6  # of a figure's own size; were it narrower, it is scrolled
MOST_LISTED = 20  # pictures that could not be read, by name

PAGE_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
{data}
<script>{script}</script>
{thumbnails}
</body>
</html>
"""


def render_page(
    description: FiltersDescription, plots: FilterPlots, data: MapData | None, *, notes: tuple[str, ...] = ()
) -> str:
    """The whole page. All text that is not ours is escaped."""
    style = f"{page_style()}{_read_asset('page.css')}"
    script = _read_asset("page.js")
    parts = [
        _render_header(description),
        _render_map(data) if data else "",
        _render_plots(plots, "The filters", training=False),
        _render_training(description, plots),
        _render_usage(description),
        _render_footer(data, notes),
    ]
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_policy_hash(script)}'; style-src '{_policy_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return PAGE_TEMPLATE.format(
        policy=policy,
        title=escape(f"{description.name}: gallery"),
        style=style,
        script=script,
        body="\n".join(part for part in parts if part),
        data=f'<script type="application/json" id="gallery-data">{data.facts}</script>' if data else "",
        thumbnails="\n".join(
            f'<script type="text/plain" class="thumbnails">{chunk}</script>' for chunk in (data.chunks if data else ())
        ),
    )


def _read_asset(name: str) -> str:
    return files("zoo_gallery").joinpath(name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _render_header(said: FiltersDescription) -> str:
    headline = (
        f'<p class="headline"><strong>{escape(said.headline)}</strong> <span>{escape(said.meaning)}</span></p>'
        if said.headline
        else ""
    )
    about = f"<p><bdi>{escape(said.about)}</bdi></p>" if said.about else ""
    facts = "".join(
        f"<div><dt>{escape(title)}</dt><dd><bdi>{escape(text)}</bdi></dd></div>" for title, text in said.facts
    )
    return f'<header><h1>{escape(said.name)}</h1>{headline}{about}<dl class="facts">{facts}</dl></header>'


def _render_map(data: MapData) -> str:
    return MAP_TEMPLATE.format(title=escape(data.title), note=escape(data.note), count=f"{data.pictures:,}")


MAP_TEMPLATE = """\
<section class="atlas" aria-labelledby="map-title">
<h2 id="map-title">The map: <bdi>{title}</bdi></h2>
<p class="caption lead">{note}</p>
<div class="tools">
<label class="search"><span>Search</span>
<input id="search" type="search" placeholder="label or path" autocomplete="off" spellcheck="false"></label>
<label class="by"><span>Colour</span> <select id="colour"></select></label>
<div class="zoom" role="group" aria-label="Zoom">
<button type="button" id="zoom-out" aria-label="Zoom out">&minus;</button>
<button type="button" id="zoom-in" aria-label="Zoom in">+</button>
<button type="button" id="zoom-reset">Whole map</button>
</div>
</div>
<div class="board">
<div class="stage">
<canvas id="map" tabindex="0" role="application" aria-roledescription="map of pictures"
aria-label="Map of {count} pictures" aria-describedby="map-help"></canvas>
<div id="tip" hidden aria-hidden="true"></div>
<noscript><p>The map needs JavaScript; nothing is loaded from anywhere.</p></noscript>
</div>
<div class="side">
<div id="panel" class="panel" role="region" aria-label="Nearest pictures" hidden>
<div class="chosen"><img id="chosen" alt=""><div id="chosen-text"></div>
<button type="button" id="close" aria-label="Close">&times;</button></div>
<p class="caption" id="near-title"></p>
<ol id="near"></ol>
</div>
<div class="legend" id="legend-box" role="group" aria-label="Legend">
<div class="legend-head"><strong id="legend-title">Labels</strong>
<span><button type="button" id="all">All</button><button type="button" id="none">None</button></span></div>
<ul id="legend"></ul>
</div>
</div>
</div>
<p id="status" class="status" role="status" aria-live="polite"></p>
<p class="caption" id="map-help">Scroll or pinch to zoom, drag to move, click a picture for its nearest. Keys, with the
map in focus: arrows go from picture to picture, Shift and arrows move the map, <kbd>+</kbd> <kbd>&minus;</kbd>
<kbd>0</kbd> zoom, <kbd>Enter</kbd> shows the nearest, <kbd>Esc</kbd> closes.</p>
</section>"""


def _render_plots(plots: FilterPlots, title: str, *, training: bool) -> str:
    shown = "".join(_render_plot(*one) for one in order_plots(plots, training=training))
    return f'<h2 class="part">{escape(title)}</h2><div class="figures">{shown}</div>' if shown else ""


def _render_plot(name: str, title: str, caption: str, content: bytes) -> str:
    with Image.open(io.BytesIO(content)) as opened:
        width, height = (round(side / DENSITY) for side in opened.size)
    least = "wide" if width > NARROW_FIGURE else "small"
    quiet = ' class="hidden"' if name.startswith(SELF_TITLED) else ""
    data = base64.b64encode(content).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="{least}" id="{escape(name)}"><h3{quiet}><bdi>{escape(title)}</bdi></h3>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(title)}" width="{width}" height="{height}"></div>'
        f"{below}</figure>"
    )


def _render_training(said: FiltersDescription, plots: FilterPlots) -> str:
    figures = _render_plots(plots, "The training", training=True)
    return figures + (_render_metrics(said.scores) if said.scores else "")


def _render_metrics(scores: tuple[HeadMetrics, ...]) -> str:
    columns = list(dict.fromkeys(key for score in scores for key, _ in score.figures))
    header = "".join(f'<th scope="col" class="right">{escape(column)}</th>' for column in columns)
    rows = "".join(
        f"<tr><td>{escape(score.split)}: {escape(score.head)}</td>"
        + "".join(f'<td class="right">{_format_value(dict(score.figures), column)}</td>' for column in columns)
        + "</tr>"
        for score in scores
    )
    table = f'<table><thead><tr><th scope="col">pictures</th>{header}</tr></thead><tbody>{rows}</tbody></table>'
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="Scores">{table}</div>'
    return f"<section><h3>Scores</h3>{scroll}</section>"


def _format_value(figures: dict[str, float], column: str) -> str:
    return f"{figures[column]:.4f}" if column in figures else "-"


def _render_usage(said: FiltersDescription) -> str:
    cut = f', cut="{said.cut}"' if said.cut else ""
    stop = f" --cut {said.cut}" if said.cut else ""
    python = (
        f'import zoo\nfilters = zoo.load("{said.use}"{cut})\n'
        f'vectors = filters.embed("photos/").vectors  # (N, {said.width})'
    )
    shell = f"zoo embed photos/ --filters {said.use}{stop} -o photos.parquet"
    classes = ""
    if said.classes:
        more = f" and {len(said.classes) - MOST_CLASSES} more" if len(said.classes) > MOST_CLASSES else ""
        listed = ", ".join(f"<bdi>{escape(name)}</bdi>" for name in said.classes[:MOST_CLASSES])
        summary = f"<summary>The {len(said.classes)} classes</summary>"
        classes = f'<details>{summary}<p class="caption">{listed}{more}</p></details>'
    return (
        '<section><h2>Use them</h2><ul class="commands">'
        f"<li><p>In Python:</p><pre><code>{escape(python)}</code></pre></li>"
        f"<li><p>In a shell:</p><pre><code>{escape(shell)}</code></pre></li></ul>{classes}</section>"
    )


def _render_footer(data: MapData | None, notes: tuple[str, ...]) -> str:
    lines = [f"<p><bdi>{escape(make_printable(note))}</bdi></p>" for note in notes]
    if data and data.skipped:
        told = "".join(f"<li><bdi>{escape(line)}</bdi></li>" for line in data.skipped[:MOST_LISTED])
        more = f"<li>{len(data.skipped) - MOST_LISTED} more</li>" if len(data.skipped) > MOST_LISTED else ""
        lines.append(
            f"<details><summary>{len(data.skipped)} pictures could not be read, and are left out</summary>"
            f"<ul>{told}{more}</ul></details>"
        )
    return f"<footer>{''.join(lines)}<p>Made by zoo gallery. This page loads nothing and sends nothing.</p></footer>"

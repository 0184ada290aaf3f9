"""The plot of an ablation: every seed through all variants, and the paired differences below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.errors import UsageError
from zoo.plots import (
    ACCENT,
    DPI,
    INK,
    MUTED,
    PAPER,
    WARM,
    fit_text,
    new_figure,
    render_figure,
    style_axes,
    text_width,
    write_at,
)
from zoo_ablation.formatting import capitalise, format_p_equation, format_seeds, format_split

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zoo_ablation.report import AblationReport, SplitMetrics, VariantMetrics
    from zoo_ablation.statistics import PairedComparison

WIDTH = 1500
HEIGHT = 930  # of a row of splits
HEIGHT_ALONE = 800  # of a split that has the whole width
HEADER_HEIGHT = 110  # above all
SPLITS_PER_ROW = 2  # splits in a row
BOLD = 1.2  # how much wider bold letters are, at most
SMALL, TEXT, TITLE = 8.5, 9.5, 11.5  # points
SEED_DOTS: dict[str, Any] = {"color": "#a9b6bd", "marker": "o", "markersize": 3.4, "markeredgewidth": 0, "zorder": 2}
SEED_OFFSET = 16  # pixels from a mean difference back to those of the seeds
TEXT_LINES = 4  # of a variant's title
COLOURS = {"helps": ACCENT, "harms": WARM, "no difference found": MUTED, "too few seeds": MUTED}


def draw_ablation(report: AblationReport) -> Image.Image:
    """Draw a panel a split: the variants across, a thin line through them for every seed, a thick mark at each mean.

    Below are the mean paired differences to the first variant with their 95% intervals, in green where it helps, in red
    where it harms, hollow where nothing can be concluded. All splits share the scale of the differences.

    Args:
        report: from `zoo_ablation.report.make_ablation_report`.

    Returns:
        RGB, 1,500 pixels wide.

    Raises:
        UsageError: there are no splits, or no variants.
    """
    if not report.splits or not report.splits[0].variants:
        raise UsageError("There is nothing to draw: the ablation has no splits or no variants.", "Run it first.")
    across = min(SPLITS_PER_ROW, len(report.splits))
    rows = -(-len(report.splits) // across)
    height = HEADER_HEIGHT + (HEIGHT if across > 1 else HEIGHT_ALONE) * rows
    below = (0, 0, 1, 1 - HEADER_HEIGHT / height)
    figure = new_figure(WIDTH, height, w_pad=0.1, h_pad=0.08, hspace=0.02, wspace=0.03, rect=below)
    panels = figure.subplots(2 * rows, across, squeeze=False, height_ratios=[1.4, 1] * rows)
    reach = _difference_limits(report)
    for place in range(rows * across):
        row, column = divmod(place, across)
        upper, lower = panels[2 * row, column], panels[2 * row + 1, column]
        if place >= len(report.splits):
            upper.axis("off")
            lower.axis("off")
            continue
        split = report.splits[place]
        _draw_seeds(upper, report, split, room=WIDTH / across - 90)
        _draw_differences(lower, report, split, reach=reach, room=(WIDTH / across - 80) / len(split.variants) - 6)
        if column:
            lower.set_ylabel("")
    _write_header(figure, report, height)
    return render_figure(figure)


def _write_header(figure: Figure, report: AblationReport, height: int) -> None:
    left = 24 / WIDTH
    title = fit_text(f"Does {report.left_out} help {report.head}?", 28, WIDTH / BOLD)
    figure.text(left, 1 - 22 / height, title, fontsize=13.5, color=INK, fontweight="bold", va="top", parse_math=False)
    below = "each seed's difference and their mean"
    if any(variant.against and variant.against.low is not None for variant in report.splits[0].variants):
        below = "each seed's difference, their mean and its 95% interval"
    seeds = format_seeds(len(report.seeds))
    note = f"{capitalise(report.units.name)} of {seeds}: a thin line each, the bar is their mean. Below: {below}."
    figure.text(left, 1 - 66 / height, note, fontsize=TEXT, color=MUTED, va="top", parse_math=False)


def _draw_seeds(axes: Axes, report: AblationReport, split: SplitMetrics, *, room: float) -> None:
    scale = 100 if report.share else 1
    places = range(len(split.variants))
    fine = 0.9 if len(report.seeds) <= 12 else 0.45
    for number in range(len(report.seeds)):
        line = [scale * variant.values[number] for variant in split.variants]
        axes.plot(places, line, linewidth=1, alpha=fine, **SEED_DOTS)
    for place, variant in enumerate(split.variants):
        colour = _verdict_colour(variant)
        axes.hlines(scale * variant.mean, place - 0.24, place + 0.24, color=colour, linewidth=3.4, zorder=4)
        text = report.units.level(variant.mean) + ("%" if report.share else "")
        _label(axes, text, place, scale * max(variant.values), colour=colour)
    told = fit_text(_describe_verdict(report, split), round(TEXT * DPI / 72), room)
    colour = _verdict_colour(_main_variant(split))
    axes.set_title(
        fit_text(capitalise(format_split(split.split, report.groups)), round(TITLE * DPI / 72), room / BOLD),
        loc="left", fontsize=TITLE, color=INK, fontweight="bold", pad=26, parse_math=False,
    )  # fmt: skip
    write_at(axes, told, (0, 1), (0, 10), size=TEXT, color=colour, xycoords="axes fraction")
    _style_axes(axes, len(split.variants), unit="%" if report.share else "")
    axes.set_xticks(list(places), [""] * len(split.variants))
    axes.margins(y=0.12)


def _draw_differences(
    axes: Axes, report: AblationReport, split: SplitMetrics, *, reach: tuple[float, float], room: float
) -> None:
    axes.axhline(0, color=INK, linewidth=1, zorder=1)
    for place, variant in enumerate(split.variants):
        if variant.against is None:
            centred = {"ha": "center", "va": "bottom", "linespacing": 1.2}
            write_at(axes, "compared\nwith this", (place, 0), (0, 5), size=SMALL, color=MUTED, **centred)
            continue
        own = [one * (100 if report.share else 1) for one in split.differences(variant)]
        axes.plot([place - SEED_OFFSET / room] * len(own), own, linestyle="none", alpha=0.8, **SEED_DOTS)
        _draw_difference(axes, report, variant.against, place)
    _style_axes(axes, len(split.variants), unit="")
    axes.set_ylim(*reach)
    axes.set_ylabel("difference, points" if report.share else "difference", fontsize=SMALL, color=MUTED)
    titles = [_wrap_title(variant.title, room) for variant in split.variants]
    axes.set_xticks(range(len(titles)), titles, fontsize=SMALL, color=INK, parse_math=False, linespacing=1.25)


def _draw_difference(axes: Axes, report: AblationReport, found: PairedComparison, place: int) -> None:
    scale = 100 if report.share else 1
    colour, value = COLOURS[found.verdict], scale * found.difference
    if found.low is not None and found.high is not None:
        axes.vlines(place, scale * found.low, scale * found.high, color=colour, linewidth=2.2, zorder=3)
    axes.plot(
        [place], [value], "o", color=colour, markersize=5, markeredgewidth=1.6, zorder=4,
        markerfacecolor=colour if found.clear else PAPER,
    )  # fmt: skip
    _label(axes, report.units.signed(found.difference), place, value, colour=colour, beside=True)


def _label(axes: Axes, text: str, across: float, up: float, *, colour: str, beside: bool = False) -> None:
    where = {"ha": "left", "va": "center"} if beside else {"ha": "center", "va": "bottom"}
    box = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 0.5}
    style = {"color": colour, "fontweight": "bold", "zorder": 5, "bbox": box, **where}
    write_at(axes, text, (across, up), (9, 0) if beside else (0, 7), size=SMALL, **style)


def _style_axes(axes: Axes, variants: int, *, unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(-0.45, variants - 0.45)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}{unit}"))
    style_axes(axes, SMALL)
    axes.tick_params(axis="x", pad=6)
    axes.spines["bottom"].set_visible(False)


def _difference_limits(report: AblationReport) -> tuple[float, float]:
    """The scale of the differences of all splits, with 0 and some room."""
    scale = 100 if report.share else 1
    ends = [0.0]
    for split in report.splits:
        for variant in split.variants:
            ends += [scale * one for one in split.differences(variant)]
            if variant.against:
                ends += [scale * end for end in (variant.against.low, variant.against.high) if end is not None]
    low, high = min(ends), max(ends)
    room = 0.14 * (high - low) or 1.0
    return low - room, high + room


def _main_variant(split: SplitMetrics) -> VariantMetrics:
    return split.variant("with") or next((variant for variant in split.variants if variant.against), split.variants[0])


def _describe_verdict(report: AblationReport, split: SplitMetrics) -> str:
    """The verdict on the head in question, short enough for a panel."""
    variant = _main_variant(split)
    found = variant.against
    if found is None:
        return ""
    subject = report.left_out if variant.key == "with" else variant.title
    change = report.units.change(found.difference)
    if found.low is None or found.high is None:
        return f"too few seeds to conclude anything ({change} so far)"
    between = f"{report.units.number(found.low)} to {report.units.number(found.high)}, {format_p_equation(found.p)}"
    if found.clear:
        return f"{subject} {found.verdict}: {change} ({between})"
    return f"no difference found: {change} ({between})"


def _verdict_colour(variant: VariantMetrics) -> str:
    return COLOURS[variant.against.verdict] if variant.against else INK


def _wrap_title(title: str, room: float) -> str:
    """The title in lines of at most `room` pixels, four of them at most."""
    pixels = round(SMALL * DPI / 72)
    lines: list[str] = []
    for word in title.split():
        if lines and text_width(f"{lines[-1]} {word}", pixels) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > TEXT_LINES:
        lines = [*lines[: TEXT_LINES - 1], lines[TEXT_LINES - 1] + "…"]
    return "\n".join(fit_text(line, pixels, room) for line in lines)

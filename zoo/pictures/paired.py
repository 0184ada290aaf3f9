"""What an ablation found: every seed through all arms, and the paired differences below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from zoo.errors import UsageError
from zoo.evaluation.wording import capital, p_told, place_in_words, seeds_in_words
from zoo.pictures.style import ACCENT, DOTS, INK, MUTED, PAPER, RULE, WARM, fitted, rendered, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zoo.evaluation.paired import Comparison
    from zoo.evaluation.verdicts import AblationReport, ArmFigures, SplitFigures

WIDTH = 1500
HEIGHT = 930  # of a row of splits
HEIGHT_ALONE = 800  # of a split that has the whole width
HEAD = 110  # above all
BESIDE = 2  # splits in a row
BOLD = 1.2  # how much wider bold letters are, at most
SMALL, TEXT, TITLE = 8.5, 9.5, 11.5  # points
SEED = "#a9b6bd"  # the line of one seed
BEFORE = 16  # pixels from a mean difference back to those of the seeds
TEXT_LINES = 4  # of an arm's title
COLOURS = {"helps": ACCENT, "harms": WARM, "no difference found": MUTED, "too few seeds": MUTED}


def draw_paired(report: AblationReport) -> Image.Image:
    """Draw a panel a split: the arms across, a thin line through them for every seed, a thick mark at each mean.

    Below are the mean paired differences to the first arm with their 95% intervals, in green where it helps, in red
    where it harms, hollow where nothing can be concluded. All splits share the scale of the differences.

    Args:
        report: from `zoo.evaluation.verdicts.report_ablation`.

    Returns:
        RGB, 1,500 pixels wide.

    Raises:
        UsageError: there are no splits, or no arms.
    """
    if not report.splits or not report.splits[0].arms:
        raise UsageError("There are no arms to draw: the ablation has no splits or no arms.", "Run it first.")
    from matplotlib import figure as drawing
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    across = min(BESIDE, len(report.splits))
    rows = -(-len(report.splits) // across)
    height = HEAD + (HEIGHT if across > 1 else HEIGHT_ALONE) * rows
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08, hspace=0.02, wspace=0.03, rect=(0, 0, 1, 1 - HEAD / height))
    figure = drawing.Figure(figsize=(WIDTH / DOTS, height / DOTS), dpi=DOTS, facecolor=PAPER, layout=layout)
    panels = figure.subplots(2 * rows, across, squeeze=False, height_ratios=[1.4, 1] * rows)
    reach = _reach(report)
    for place in range(rows * across):
        row, column = divmod(place, across)
        upper, lower = panels[2 * row, column], panels[2 * row + 1, column]
        if place >= len(report.splits):
            upper.axis("off")
            lower.axis("off")
            continue
        split = report.splits[place]
        _draw_seeds(upper, report, split, room=WIDTH / across - 90)
        _draw_differences(lower, report, split, reach=reach, room=(WIDTH / across - 80) / len(split.arms) - 6)
        if column:
            lower.set_ylabel("")
    _write_head(figure, report, height)
    return rendered(figure)


def _write_head(figure: Figure, report: AblationReport, height: int) -> None:
    left = 24 / WIDTH
    title = fitted(f"Does {report.left_out} help {report.head}?", 28, WIDTH / BOLD)
    figure.text(left, 1 - 22 / height, title, fontsize=13.5, color=INK, fontweight="bold", va="top", parse_math=False)
    below = "each seed's difference and their mean"
    if any(arm.against and arm.against.low is not None for arm in report.splits[0].arms):
        below = "each seed's difference, their mean and its 95% interval"
    seeds = seeds_in_words(len(report.seeds))
    note = f"{capital(report.units.name)} of {seeds}: a thin line each, the bar is their mean. Below: {below}."
    figure.text(left, 1 - 66 / height, note, fontsize=TEXT, color=MUTED, va="top", parse_math=False)


def _draw_seeds(axes: Axes, report: AblationReport, split: SplitFigures, *, room: float) -> None:
    scale = 100 if report.share else 1
    places = range(len(split.arms))
    fine = 0.9 if len(report.seeds) <= 12 else 0.45
    for number in range(len(report.seeds)):
        line = [scale * arm.values[number] for arm in split.arms]
        axes.plot(
            places, line, color=SEED, linewidth=1, alpha=fine, marker="o", markersize=3.4, markeredgewidth=0, zorder=2
        )
    for place, arm in enumerate(split.arms):
        colour = _colour(arm)
        axes.hlines(scale * arm.mean, place - 0.24, place + 0.24, color=colour, linewidth=3.4, zorder=4)
        text = report.units.level(arm.mean) + ("%" if report.share else "")
        _label(axes, text, place, scale * max(arm.values), colour=colour)
    told = _told(report, split)
    axes.set_title(
        fitted(capital(place_in_words(split.split, report.groups)), round(TITLE * DOTS / 72), room / BOLD),
        loc="left", fontsize=TITLE, color=INK, fontweight="bold", pad=26, parse_math=False,
    )  # fmt: skip
    axes.annotate(
        fitted(told, round(TEXT * DOTS / 72), room), (0, 1), (0, 10), xycoords="axes fraction",
        textcoords="offset points", fontsize=TEXT, color=_colour(_main(split)), parse_math=False,
        annotation_clip=False,
    )  # fmt: skip
    _dress(axes, len(split.arms), unit="%" if report.share else "")
    axes.set_xticks(list(places), [""] * len(split.arms))
    axes.margins(y=0.12)


def _draw_differences(
    axes: Axes, report: AblationReport, split: SplitFigures, *, reach: tuple[float, float], room: float
) -> None:
    axes.axhline(0, color=INK, linewidth=1, zorder=1)
    for place, arm in enumerate(split.arms):
        if arm.against is None:
            axes.annotate(
                "compared\nwith this", (place, 0), (0, 5), textcoords="offset points", ha="center", va="bottom",
                fontsize=SMALL, color=MUTED, linespacing=1.2,
            )  # fmt: skip
            continue
        own = [one * (100 if report.share else 1) for one in split.differences(arm)]
        axes.plot(
            [place - BEFORE / room] * len(own),
            own,
            "o",
            color=SEED,
            markersize=3.4,
            markeredgewidth=0,
            alpha=0.8,
            zorder=2,
        )
        _draw_difference(axes, report, arm.against, place)
    _dress(axes, len(split.arms), unit="")
    axes.set_ylim(*reach)
    axes.set_ylabel("difference, points" if report.share else "difference", fontsize=SMALL, color=MUTED)
    titles = [_wrapped(arm.title, room) for arm in split.arms]
    axes.set_xticks(range(len(titles)), titles, fontsize=SMALL, color=INK, parse_math=False, linespacing=1.25)


def _draw_difference(axes: Axes, report: AblationReport, found: Comparison, place: int) -> None:
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
    axes.annotate(
        text, (across, up), (9, 0) if beside else (0, 7), textcoords="offset points", zorder=5,
        ha="left" if beside else "center", va="center" if beside else "bottom",
        fontsize=SMALL, color=colour, fontweight="bold", annotation_clip=False,
        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 0.5},
    )  # fmt: skip


def _dress(axes: Axes, arms: int, *, unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(-0.45, arms - 0.45)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}{unit}"))
    axes.tick_params(axis="y", labelsize=SMALL, colors=MUTED, length=0)
    axes.tick_params(axis="x", length=0, pad=6)
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def _reach(report: AblationReport) -> tuple[float, float]:
    """The scale of the differences of all splits, with 0 and some room."""
    scale = 100 if report.share else 1
    ends = [0.0]
    for split in report.splits:
        for arm in split.arms:
            ends += [scale * one for one in split.differences(arm)]
            if arm.against:
                ends += [scale * end for end in (arm.against.low, arm.against.high) if end is not None]
    low, high = min(ends), max(ends)
    room = 0.14 * (high - low) or 1.0
    return low - room, high + room


def _main(split: SplitFigures) -> ArmFigures:
    return split.arm("with") or next((arm for arm in split.arms if arm.against), split.arms[0])


def _told(report: AblationReport, split: SplitFigures) -> str:
    """The verdict on the head in question, short enough for a panel."""
    arm = _main(split)
    found = arm.against
    if found is None:
        return ""
    subject = report.left_out if arm.key == "with" else arm.title
    change = report.units.change(found.difference)
    if found.low is None or found.high is None:
        return f"too few seeds to conclude anything ({change} so far)"
    between = f"{report.units.number(found.low)} to {report.units.number(found.high)}, {p_told(found.p)}"
    if found.clear:
        return f"{subject} {found.verdict}: {change} ({between})"
    return f"no difference found: {change} ({between})"


def _colour(arm: ArmFigures) -> str:
    return COLOURS[arm.against.verdict] if arm.against else INK


def _wrapped(title: str, room: float) -> str:
    """The title in lines of at most `room` pixels, four of them at most."""
    pixels = round(SMALL * DOTS / 72)
    lines: list[str] = []
    for word in title.split():
        if lines and width_of(f"{lines[-1]} {word}", pixels) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > TEXT_LINES:
        lines = [*lines[: TEXT_LINES - 1], lines[TEXT_LINES - 1] + "…"]
    return "\n".join(_fit(lines, pixels, room))


def _fit(lines: Sequence[str], pixels: int, room: float) -> list[str]:
    return [fitted(line, pixels, room) for line in lines]

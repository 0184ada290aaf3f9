"""The plot of a probe: the score of each cut, its interval, and its cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.errors import UsageError
from zoo.plots import ACCENT, INK, MUTED, PAPER, WARM, fit_text, new_figure, render_figure, style_axes, write_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo_probe.candidates import CandidateScore
    from zoo_probe.probing import Probe

CUT_WIDTH, LEGEND_WIDTH = 190, 210  # pixels of a cut, and of a name in the legend
TITLE, TEXT = 25, 18  # pixels: letters of 12 and 8.5 points
CUT_STYLE: dict[str, Any] = {"linewidth": 1.6, "elinewidth": 1.3, "capsize": 4, "zorder": 3}
CUT_STYLE |= {"marker": "o", "markersize": 6, "markerfacecolor": PAPER, "markeredgewidth": 1.6}


def draw_probe(probe: Probe) -> Image.Image:
    """Draw the scores of all cuts with their 95% intervals, the baselines, and each cut's cost below its name.

    The recommended cut is filled and named. Random weights at the same cuts are grey; raw pixels are a dashed
    line, hand features a dotted one.

    Args:
        probe: from `zoo_probe.probe`.

    Returns:
        RGB, from 1,100 pixels wide.

    Raises:
        UsageError: there are no cuts.
    """
    if not probe.cuts:
        raise UsageError("There are no cuts to draw.", "Probe a network that has some.")
    width = max(1100, 330 + CUT_WIDTH * len(probe.cuts))
    figure = new_figure(width, 720, w_pad=0.14, h_pad=0.12)
    axes = figure.subplots()
    names = [one.title for one in probe.cuts]
    _draw_cuts(axes, probe.cuts, colour=ACCENT, label=fit_text(probe.filters, TEXT, LEGEND_WIDTH))
    _draw_random(axes, probe, names)
    _draw_without_net(axes, probe)
    _mark_recommended(axes, probe, names.index(probe.recommended))
    _style_axes(axes, probe, width)
    return render_figure(figure)


def _draw_cuts(
    axes: Axes, results: Sequence[CandidateScore], *, colour: str, label: str, places: Sequence[float] | None = None
) -> None:
    across = list(range(len(results))) if places is None else list(places)
    scores = [one.score for one in results]
    reach = [[one.score - one.low for one in results], [one.high - one.score for one in results]]
    axes.errorbar(across, scores, yerr=reach, label=label, color=colour, **CUT_STYLE)


def _draw_random(axes: Axes, probe: Probe, names: Sequence[str]) -> None:
    random = [one for one in probe.baselines if one.kind == "random"]
    if random:
        places = [names.index(one.cut.name) + 0.07 for one in random if one.cut]
        _draw_cuts(axes, random, colour=MUTED, label="random weights", places=places)


def _draw_without_net(axes: Axes, probe: Probe) -> None:
    dashes = {"pixels": (0, (5, 3)), "hand": (0, (1, 2))}
    for one in probe.baselines:
        if one.kind in dashes:
            axes.axhspan(one.low, one.high, color=WARM, alpha=0.09, linewidth=0, zorder=1)
            axes.axhline(one.score, color=WARM, linewidth=1.4, linestyle=dashes[one.kind], label=one.title, zorder=2)


def _mark_recommended(axes: Axes, probe: Probe, place: int) -> None:
    chosen = probe.cuts[place]
    axes.plot([place], [chosen.score], "o", color=ACCENT, markersize=10, zorder=4)
    write_at(axes, "recommended", (place, chosen.high), (0, 9), size=9, color=ACCENT, fontweight="bold", ha="center")


def _style_axes(axes: Axes, probe: Probe, width: int) -> None:
    room = (width - 200 - LEGEND_WIDTH) / len(probe.cuts) - 24
    costs = [
        fit_text(one.title, TEXT, room)
        + (f"\n{one.cut.gflop:.3g} GFLOP\n{one.cut.megabytes:.3g} MB" if one.cut else "")
        for one in probe.cuts
    ]
    axes.set_xticks(range(len(costs)), costs, fontsize=8.5, color=INK, linespacing=1.5)
    axes.set_xlim(-0.5, len(costs) - 0.5)
    axes.margins(y=0.16)
    what = "mean accuracy of k-NN and LDA" if probe.measure == "accuracy" else "R² of ridge regression"
    names = (probe.filters, probe.title or probe.dataset)
    filters, dataset = (fit_text(one, TITLE, (width - 480) / 2, bold=True) for one in names)
    title = f"Where to cut {filters} for {dataset}"
    axes.set_title(title, loc="left", fontsize=12, color=INK, fontweight="bold", pad=40)
    said = f"{what}, intervals: {probe.intervals}\n{probe.pictures:,} pictures at {probe.size} px, {probe.folds}"
    write_at(axes, said, (0, 1), (0, 10), size=8.5, color=MUTED, xycoords="axes fraction", linespacing=1.4)
    style_axes(axes, 8.5, share=probe.measure == "accuracy")
    axes.tick_params(axis="x", pad=8)
    axes.legend(
        frameon=False, fontsize=8.5, labelcolor=INK, handlelength=2.2, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )

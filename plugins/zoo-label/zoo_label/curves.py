"""The curves of a simulation: as JSON, and drawn."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

from zoo.plots import ACCENT, INK, MUTED, WARM, new_figure, render_figure, style_axes, write_at
from zoo_label.simulation import WITHIN, Simulation, mean_curve, summarise

COLOURS = {"random": MUTED, "cluster": WARM, "typical": "#7a5ea8", "margin": "#c08a1e", "mixed": ACCENT}
AXES = {"labels": "pictures labelled", "seconds": "hours by the time model"}


def curves_as_json(simulation: Simulation, **facts: Any) -> dict[str, Any]:
    """All that was simulated, with what stands beside it; what is not known, or infinite, is null."""
    content = {
        **facts,
        "pictures": simulation.pictures,
        "kinds": simulation.kinds,
        "groups": simulation.groups,
        "within": WITHIN,
        "time_model_seconds": simulation.times.assumptions(),
        "rows": summarise(simulation),
        "curves": {
            strategy: {axis: mean_curve(simulation.of(strategy), axis) for axis in AXES}
            for strategy in simulation.strategies
        },
        "each": [
            {"strategy": one.strategy, "seed": one.seed, "full": one.full}
            | {axis: one.needed(axis) for axis in ("labels", "answers", "seconds")}
            for one in simulation.curves
        ],
    }
    return dict(_finite(content))


def _finite(content: Any) -> Any:
    """Numbers to five digits, and null for those that are none."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    if isinstance(content, float):
        return float(f"{content:.5g}") if math.isfinite(content) else None
    return content


def draw_curves(simulation: Simulation, title: str) -> Image.Image:
    """Accuracy over labels, and over the modelled hours, with 95% bands; RGB, 1,400 pixels wide."""
    figure = new_figure(1400, 640, w_pad=0.12, h_pad=0.1)
    panels = figure.subplots(1, 2, sharey=True)
    full = sum(one.full for one in simulation.curves) / len(simulation.curves)
    for panel, (axis, said) in zip(panels, AXES.items(), strict=True):
        scale = 3600 if axis == "seconds" else 1
        for strategy in simulation.strategies:
            rows, colour = mean_curve(simulation.of(strategy), axis), COLOURS[strategy]
            across = [row[axis] / scale for row in rows]
            panel.plot(across, [row["mean"] for row in rows], color=colour, linewidth=1.8, label=strategy)
            panel.fill_between(
                across,
                [row["low"] for row in rows],
                [row["high"] for row in rows],
                color=colour,
                alpha=0.1,
                linewidth=0,
            )
        panel.axhline(full - WITHIN, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        panel.set_xscale("log")
        style_axes(panel, 8.5, share=True)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.tick_params(axis="x", labelsize=8.5, colors=MUTED)
        panel.set_xlabel(said, fontsize=8.5, color=INK)
    panels[0].set_title(title, loc="left", fontsize=12, color=INK, fontweight="bold", pad=26)
    notes = ("accuracy on groups that nobody labelled", "dashed: two points below all labels")
    for panel, note in zip(panels, notes, strict=True):
        write_at(panel, note, (0, 1), (0, 8), size=8.5, color=MUTED, xycoords="axes fraction")
    panels[1].legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="lower right")
    return render_figure(figure)

"""The plots of a finished run: first filters, confusion matrices, curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.contracts import Categories
from zoo.models import Model
from zoo.plots.confusion import draw_confusion
from zoo.plots.curves import draw_curves
from zoo.plots.grid import draw_filters
from zoo.plots.png import save_png
from zoo.training import Run


def draw_run_plots(folder: Path, run: Run, model: Model) -> None:
    """Draw a finished run's first filters, confusion and curves into a folder, as PNG."""
    if (bank := model.filters.first_bank) is not None:
        save_png(draw_filters(bank.numpy()), folder / "filters.png")
    split = "test" if run.metrics.get("test") else "validation"
    figures = run.metrics.get(split) or {}
    classified = [name for name in model.heads if "confusion" in figures.get(name, {})]
    for name in classified:
        target = model.head(name).target
        if isinstance(target, Categories):
            matrix = np.array(figures[name]["confusion"], dtype=np.int64)
            file = "confusion.png" if name == classified[0] else f"confusion-{name}.png"
            save_png(draw_confusion(matrix, target.names, title=f"{name}, {split} pictures"), folder / file)
    if run.history:
        save_png(draw_curves(run.history), folder / "curves.png")

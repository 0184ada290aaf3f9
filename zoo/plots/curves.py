"""Training curves, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from zoo.errors import UsageError
from zoo.plots.style import ACCENT, INK, MUTED, PAPER, RULE, fit_text, new_figure, render_figure, style_axes, write_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (ACCENT, "#7a5ea8", "#b07a1f", "#3c6fb0")  # of the heads
WIDTH = 1500  # pixels
LOSS_TITLE = "loss"
COSINE_TITLE = "do the heads' gradients agree?"
PREFERRED_METRICS = ("accuracy", "iou", "mae")  # of a head's metrics, the one to draw; else its first that is no loss


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    title: str
    colour: str
    points: tuple[tuple[int, float], ...]  # (epoch over all stages, value)


def draw_curves(history: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Draw losses, each head's main metric, and of several heads the cosines of their gradients, stage after stage.

    Args:
        history: as a run's `history.json`: `stage`, `epoch` (0: before the first), `train_loss` (or None),
            `validation` ({head: {metric: value}}), `best` and perhaps `cosines` ({pair: -1 to 1}), an entry an epoch.

    Returns:
        RGB, 1,500 by 570 pixels.

    Raises:
        UsageError: there are no epochs.
    """
    if not history:
        raise UsageError("There are no epochs to draw: the history is empty.", "Train first, with `epochs=1` or more.")
    epochs, starts = _number_epochs(history)
    losses = [_Line(title="training", colour=INK, points=_known_points(epochs, [e.get("train_loss") for e in history]))]
    merits = []
    heads = list(dict.fromkeys(head for entry in history for head in entry.get("validation", {})))
    for number, head in enumerate(heads):
        figures = [entry.get("validation", {}).get(head, {}) for entry in history]
        names = list(dict.fromkeys(name for figure in figures for name in figure))
        colour, which = COLOURS[number % len(COLOURS)], f" {head}" if len(heads) > 1 else ""
        loss = next((name for name in names if "loss" in name), None)
        if loss:
            points = _known_points(epochs, [figure.get(loss) for figure in figures])
            losses.append(_Line(title=f"validation{which}", colour=colour, points=points))
        merit = next((name for name in (*PREFERRED_METRICS, *names) if name in names and "loss" not in name), None)
        if merit:
            points = _known_points(epochs, [figure.get(merit) for figure in figures])
            merits.append(_Line(title=f"{merit.replace('_', ' ')}{which}", colour=colour, points=points))
    best = next((epoch for epoch, entry in zip(epochs[::-1], history[::-1], strict=True) if entry.get("best")), None)
    figure = new_figure(WIDTH, 570, wspace=0.06, w_pad=0.12, h_pad=0.1)
    pulls = _cosine_lines(history, epochs)
    left, right, *more = figure.subplots(1, 3 if pulls else 2)
    _draw_panel(left, LOSS_TITLE, losses, starts, last=epochs[-1], best=best)
    trained = [value for line in losses for epoch, value in line.points if epoch > 0]
    if trained:  # the loss of heads that have learnt nothing may be many times as large, and runs out of the panel
        room = 0.2 * (max(trained) - min(trained)) or 0.1
        left.set_ylim(min(trained) - room, max(trained) + room)
    _draw_panel(right, "on validation pictures", merits, starts, last=epochs[-1], best=best)
    for axes in more:
        axes.axhline(0, color=MUTED, linewidth=1, zorder=0)
        _draw_panel(axes, COSINE_TITLE, pulls, starts, last=epochs[-1], best=best)
        axes.set_ylabel("cosine of their gradients", fontsize=9, color=MUTED)
        furthest = max(0.1, *(1.2 * abs(value) for line in pulls for _, value in line.points))
        axes.set_ylim(-furthest, furthest)
    return render_figure(figure)


def _cosine_lines(history: Sequence[Mapping[str, Any]], epochs: Sequence[int]) -> list[_Line]:
    """A line for each two heads: the cosine between their gradients at the last layer that they share."""
    pairs = list(dict.fromkeys(pair for entry in history for pair in entry.get("cosines", {})))
    return [
        _Line(
            title=pair.replace("/", " and "),
            colour=COLOURS[number % len(COLOURS)],
            points=_known_points(epochs, [entry.get("cosines", {}).get(pair) for entry in history]),
        )
        for number, pair in enumerate(pairs)
    ]


def _number_epochs(history: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[tuple[int, str]]]:
    """Epochs counted through all stages, and where each stage starts."""
    epochs: list[int] = []
    starts: list[tuple[int, str]] = []
    offset, stage = 0, None
    for entry in history:
        if entry.get("stage") != stage:
            stage, offset = entry.get("stage"), epochs[-1] if epochs else 0
            starts.append((offset, str(stage or "")))
        epochs.append(offset + int(entry["epoch"]))
    return epochs, starts


def _known_points(epochs: Sequence[int], values: Sequence[float | None]) -> tuple[tuple[int, float], ...]:
    return tuple((epoch, value) for epoch, value in zip(epochs, values, strict=True) if value is not None)


def _draw_panel(
    axes: Axes, title: str, lines: Sequence[_Line], starts: Sequence[tuple[int, str]], *, last: int, best: int | None
) -> None:
    room = WIDTH / len(axes.figure.axes) - 110  # pixels
    axes.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold", pad=22)
    for line in lines:
        if line.points:
            across, up = zip(*line.points, strict=True)
            label = fit_text(line.title, 18, 0.5 * room)
            axes.plot(across, up, color=line.colour, linewidth=1.8, label=label, solid_capstyle="round")
            if len(across) == 1:
                axes.plot(across, up, "o", color=line.colour, markersize=4, clip_on=False)
    values = [value for line in lines for _, value in line.points]
    axes.set_xlim(0, max(last, 1))
    axes.margins(y=0.12)
    is_metric = title not in (LOSS_TITLE, COSINE_TITLE)
    if is_metric:
        for line in lines:
            _mark_best(axes, line, best)
    for (start, name), (end, _) in zip(starts, [*starts[1:], (last, "")], strict=True):
        if len(starts) > 1:
            name = fit_text(name, 17, 0.9 * room * (end - start) / max(last, 1) - 10)
            axes.axvline(start, color=RULE, linewidth=1, zorder=0)
            write_at(axes, name, (start, 1), (3, 4), size=8, color=MUTED, xycoords=("data", "axes fraction"))
    axes.locator_params(axis="x", integer=True, nbins=8)
    axes.set_xlabel("epoch", fontsize=9, color=MUTED)
    style_axes(axes, 8.5, share=is_metric and bool(values) and min(values) >= 0 and max(values) <= 1)
    axes.tick_params(axis="x", labelsize=8.5, colors=MUTED)
    if values:
        axes.legend(frameon=False, fontsize=8.5, labelcolor="linecolor", handlelength=1.2)


def _mark_best(axes: Axes, line: _Line, best: int | None) -> None:
    value = dict(line.points).get(best) if best is not None else None
    if best is None or value is None:
        return
    axes.plot([best], [value], "o", color=line.colour, markersize=6, markeredgecolor=PAPER, zorder=3, clip_on=False)
    text = f"{100 * value:.1f}%" if 0 <= value <= 1 else f"{value:.3g}"
    end = axes.get_xlim()[1]
    side = "left" if best < 0.15 * end else "right" if best > 0.85 * end else "center"
    rises = line.points[-1][1] >= line.points[0][1]
    write_at(axes, f"kept: {text}", (best, value), (0, -14 if rises else 8), size=8.5, color=line.colour, ha=side)

"""A sketch: what a kind's function draws on. Layers of ink in body lengths, not pixels yet.

Ink is a share of light held back, 0 (clear water) to 1 (opaque). Layers add up, as tissue does in a
shadowgraph; shapes within one layer do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from zoo_plankton.curves import Curve

Shapes = Curve | Sequence[Curve]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Shapes of one ink."""

    shapes: tuple[Curve, ...]
    ink: float  # 0 to 1; below 0 it takes ink away
    width: float | None = None  # of the lines, in body lengths; None: filled outlines
    soft: float = 0.0  # blur, in body lengths


@dataclass(slots=True)
class Sketch:
    """The layers of one individual, in the order of drawing."""

    layers: list[Layer] = field(default_factory=list)
    frame: Curve | None = None  # what the picture must show; None: all ink

    def fill(self, shapes: Shapes, ink: float, *, soft: float = 0.0) -> None:
        """Filled outlines."""
        self.layers.append(Layer(shapes=_many(shapes), ink=ink, soft=soft))

    def line(self, curves: Shapes, ink: float, *, width: float = 0.01, soft: float = 0.0) -> None:
        """Open curves of one width."""
        self.layers.append(Layer(shapes=_many(curves), ink=ink, width=width, soft=soft))

    def clear(self, shapes: Shapes, ink: float, *, soft: float = 0.0) -> None:
        """Take ink away inside filled outlines: a vacuole, a bubble, a bite."""
        self.fill(shapes, -ink, soft=soft)

    def body(self, outline: Curve, ink: float, *, edge: float = 0.0, width: float = 0.015, soft: float = 0.0) -> None:
        """A filled outline with a rim that is darker by `edge`."""
        self.fill(outline, ink, soft=soft)
        if edge > 0:
            self.line(np.concatenate([outline, outline[:1]]), edge, width=width)

    def placed(self, matrix: NDArray[np.float64]) -> Sketch:
        """The sketch with every point turned, mirrored and scaled by a (2, 2) matrix; widths keep their unit."""
        layers = [replace(layer, shapes=tuple(shape @ matrix.T for shape in layer.shapes)) for layer in self.layers]
        return Sketch(layers, None if self.frame is None else self.frame @ matrix.T)

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The corners (2,), (2,) of the box around the frame, else around all ink."""
        shapes = [shape for layer in self.layers if layer.ink > 0 for shape in layer.shapes]
        points = np.concatenate(shapes) if self.frame is None else self.frame
        return points.min(axis=0), points.max(axis=0)

    def rasterise(self, size: tuple[int, int], scale: float, origin: NDArray[np.float64]) -> NDArray[np.float32]:
        """Rasterise with antialiasing.

        Args:
            size: width and height of the picture in pixels.
            scale: pixels a body length.
            origin: the picture's upper left corner, (2,), in body lengths.

        Returns:
            float32 (height, width), the light held back, 0 to 1.
        """
        fine = 3 if max(size) < 110 else 2
        plate = Image.new("L", (size[0] * fine, size[1] * fine))
        for layer in self.layers:
            _add(plate, layer, scale * fine, origin)
        return np.asarray(plate.reduce(fine), dtype=np.float32) / np.float32(255)


def _many(shapes: Shapes) -> tuple[Curve, ...]:
    return (shapes,) if isinstance(shapes, np.ndarray) else tuple(shapes)


def _add(plate: Image.Image, layer: Layer, scale: float, origin: NDArray[np.float64]) -> None:
    """Draw one layer into its own box of the plate."""
    if not layer.shapes:
        return
    placed = [(shape - origin) * scale for shape in layer.shapes]
    width = 0 if layer.width is None else max(1, round(layer.width * scale))
    blur = float(layer.soft * scale)
    reach = width + 1 + int(blur * 2.5)
    every = np.concatenate(placed)
    low = np.maximum(np.floor(every.min(axis=0)) - reach, 0).astype(int)
    high = np.minimum(np.ceil(every.max(axis=0)) + reach + 1, plate.size).astype(int)
    if (high <= low).any():
        return
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    patch = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    pen = ImageDraw.Draw(patch)
    value = int(min(abs(layer.ink), 1) * 255)
    for shape in placed:
        points = (shape - low).ravel().tolist()
        if width:
            pen.line(points, fill=value, width=width, joint="curve" if width > 3 else None)
        else:
            pen.polygon(points, fill=value)
    if blur > 0.4:
        patch = patch.filter(ImageFilter.GaussianBlur(blur))
    combine = ImageChops.subtract if layer.ink < 0 else ImageChops.add
    plate.paste(combine(plate.crop(box), patch), box)

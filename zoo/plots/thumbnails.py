"""Pictures -> small JPEGs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

TINY = 48  # pixels: smaller pictures are enlarged by whole pixels, so that they stay sharp


def encode_thumbnail(image: Tensor, side: int, *, enlarged: int, **jpeg: Any) -> bytes:
    """A JPEG of the whole picture in its proportions, its longer side `side` pixels or less.

    Args:
        image: uint8 (3, H, W).
        side: in pixels.
        enlarged: to how many pixels at least a tiny picture is.
        jpeg: how Pillow writes it, `quality=`.
    """
    picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
    longest = max(picture.size)
    if longest < TINY:
        times = -(-enlarged // longest)
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    elif longest > side:
        width, height = (max(1, round(length * side / longest)) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    held = io.BytesIO()
    picture.save(held, "JPEG", **jpeg)
    return held.getvalue()

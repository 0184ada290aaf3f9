"""What tests of plots share: a picture's border, and names that are hard to set."""

from __future__ import annotations

import numpy as np
from PIL import Image

NAMES = {
    "formula": "Calanus_$copepodite$_stage_V_\\frac{of}_a_very_long_name_from_the_Barents_Sea_2026",
    "path": "/home/station/projects/2026/plankton/checkpoints/deep/in/the/tree/resnet50_imagenet_v2.safetensors",
    "Cyrillic": "Веслоногие рачки Баренцева моря в планктонных пробах зимней экспедиции " * 2,
    "Chinese": "浮游动物桡足类幼体北冰洋样本二〇二六年冬季航次" * 4,
    "lines": "a\nb\tc\x07 " * 20,
}


def border(image: Image.Image, pixels: int = 4) -> np.ndarray:
    """The outermost pixels of a picture, (N, 3)."""
    whole = np.asarray(image)
    edges = (whole[:pixels], whole[-pixels:], whole[:, :pixels], whole[:, -pixels:])
    return np.concatenate([edge.reshape(-1, 3) for edge in edges])

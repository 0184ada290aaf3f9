"""Picture files -> uint8 RGB tensors, whatever their format, mode and depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from zoo.errors import FileError
from zoo.files import as_path

LARGEST = 178_956_970  # pixels; Pillow refuses larger pictures as decompression bombs
UNREADABLE = "Replace or remove it, or pass `skip_unreadable=True`."


def read_image(path: Path | str, *, smallest: int | None = None) -> Tensor:
    """Decode one picture to RGB: grey, palette, CMYK, RGBA (over white) and 16 bit (scaled) included.

    Args:
        smallest: where given, a JPEG may be decoded at a fraction of its size (1/2, 1/4, 1/8) as long as
            neither side falls under this many pixels: 3 times faster for large photographs.

    Returns:
        uint8 (3, H, W), turned as its EXIF orientation says.

    Raises:
        FileError: missing, empty, truncated, no picture, or larger than 178 megapixels.
    """
    path = as_path(path)
    try:
        with Image.open(path) as opened:
            if smallest is not None:
                opened.draft(None, (smallest, smallest))
            opened.load()
            return torch.from_numpy(_as_rgb(_upright(opened))).permute(2, 0, 1)
    except FileNotFoundError as error:
        raise FileError(path, "there is no such file", "Check the path.") from error
    except Image.DecompressionBombError as error:
        raise FileError(path, f"more than {LARGEST // 10**6} megapixels are too many", "Make it smaller.") from error
    except Exception as error:  # damaged files make decoders raise struct.error, IndexError, KeyError and more
        empty = path.is_file() and path.stat().st_size == 0
        problem = "the file is empty" if empty else f"not a readable picture ({error})".replace(f" '{path}'", "")
        raise FileError(path, problem, UNREADABLE) from error


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF says; as it lies where the EXIF is damaged, which is no fault of the pixels."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # struct.error, SyntaxError, TypeError, by the kind of damage
        return picture


def _as_rgb(picture: Image.Image) -> np.ndarray:
    """uint8 (H, W, 3), a writable copy."""
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        deep = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0.0, neginf=0.0)
        grey = np.clip(deep * (255.0 / _white(deep, picture.mode)), 0, 255).round().astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _white(deep: np.ndarray, mode: str) -> float:
    """The value that is white: 1 (floats only), 255, 65535, or more where a picture goes beyond."""
    highest = float(deep.max(initial=0))
    if mode == "F" and highest <= 1:
        return 1.0
    return 255.0 if highest <= 255 else max(highest, 65535.0)


def resize(image: Tensor, size: int) -> Tensor:
    """Resize to a square with antialiasing; the aspect ratio is not preserved.

    Shapes: image uint8 (3, H, W) -> uint8 (3, size, size).
    """
    if image.shape[-2:] == (size, size):
        return image
    batch = image.unsqueeze(0).contiguous(memory_format=torch.channels_last)
    small = functional.interpolate(batch, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return small.squeeze(0).contiguous()

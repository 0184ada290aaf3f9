"""Picture files -> uint8 RGB tensors, whatever their format, mode and depth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from zoo.errors import FileError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".pgm", ".ppm"})
LARGEST = 200_000_000  # pixels; more is taken for a decompression bomb


def find_images(folder: Path) -> Iterator[Path]:
    """All picture files below a folder, sorted; hidden files and macOS leftovers (`._x.jpg`) are passed over."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in SUFFIXES and path.is_file():
            yield path


def read_image(path: Path | str, *, smallest: int | None = None) -> Tensor:
    """Decode one picture to RGB: grey, palette, CMYK, RGBA (over white) and 16 bit (scaled) included.

    Args:
        path: the file.
        smallest: where given, a JPEG may be decoded at a fraction of its size (1/2, 1/4, 1/8) as long as
            neither side falls under this many pixels: 3 times faster for large photographs.

    Returns:
        uint8 (3, H, W), turned as its EXIF orientation says.

    Raises:
        FileError: missing, empty, truncated, no picture, or larger than 200 megapixels.
    """
    path = Path(path)
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > LARGEST:
                raise FileError(path, f"{opened.width}x{opened.height} pixels is too large", "Make it smaller.")
            if smallest is not None:
                opened.draft(None, (smallest, smallest))
            picture = ImageOps.exif_transpose(opened)
            return torch.from_numpy(_as_rgb(picture)).permute(2, 0, 1)
    except FileNotFoundError as error:
        raise FileError(path, "there is no such file", "Check the path.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        empty = path.is_file() and path.stat().st_size == 0
        problem = "the file is empty" if empty else f"not a readable picture ({error})".replace(f" '{path}'", "")
        raise FileError(path, problem, "Replace or remove it, or pass --skip-unreadable.") from error


def _as_rgb(picture: Image.Image) -> np.ndarray:
    """uint8 (H, W, 3), a writable copy."""
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        deep = np.asarray(picture, dtype=np.float32)
        top = 65535.0 if deep.max(initial=0) > 255 else 255.0
        grey = np.clip(deep * (255.0 / top), 0, 255).round().astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def resize(image: Tensor, size: int) -> Tensor:
    """Squash to a square with antialiasing.

    Shapes: image uint8 (3, H, W) -> uint8 (3, size, size).
    """
    if image.shape[-2:] == (size, size):
        return image
    batch = image.unsqueeze(0).contiguous(memory_format=torch.channels_last)
    small = functional.interpolate(batch, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return small.squeeze(0).contiguous()

"""Pictures -> PNG files of a bounded size, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from zoo.files import write_atomically

LARGEST_PNG = 500_000  # bytes, of a picture that is published
COMPRESSION = 6  # of zlib, whose 9 takes several times as long


def save_png(image: Image.Image, path: Path, *, largest: int | None = None) -> Path:
    """Write a PNG; one that would be too large gets 256 colours, then fewer pixels.

    Args:
        image: RGB.
        largest: bytes; None: as many as it takes.

    Raises:
        FileError: it cannot be written there.
    """
    content = encode_png(image)
    largest = len(content) if largest is None else largest
    if len(content) > largest:
        content = encode_png(image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE))
    small = image
    while len(content) > largest and min(small.size) > 64:
        small = small.resize((small.width * 4 // 5, small.height * 4 // 5), Image.Resampling.LANCZOS)
        content = encode_png(small.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE))
    write_atomically(path, content)
    return path


def encode_png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=COMPRESSION)
    return buffer.getvalue()

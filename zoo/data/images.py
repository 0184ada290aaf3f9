"""Picture files -> uint8 RGB tensors, whatever their format, mode, depth and size."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from zoo.data.image_files import RAW, is_image, reads_heic, remedy_for
from zoo.errors import FileError, UsageError, ZooError
from zoo.files import as_path, temporary_folder, zoo_home

MOST_PIXELS = 178_956_970  # of a picture, unless ZOO_MAX_PIXELS says another number
LARGE = 1 << 25  # pixels: larger pictures are decoded one at a time, for each takes up to 7 bytes a pixel
STRIP = 1 << 22  # pixels that are turned to RGB at once
GREY_DEPTHS = ("I;16", "I;16B", "I;16L", "I", "F")  # modes of more than 8 bits
UNREADABLE = "Replace or remove it, or pass `skip_unreadable=True`."

_one_large = threading.Lock()


def read_image(path: Path | str, *, smallest: int | None = None) -> Tensor:
    """Decode one picture to RGB: grey, palette, CMYK, RGBA (over white) and 16 bit (scaled) included.

    Args:
        smallest: where given, a JPEG may be decoded at a fraction of its size (1/2, 1/4, 1/8) as long as
            neither side falls under this many pixels: 3 times faster for large photographs. Other pictures of more
            than 33 megapixels are then reduced as they are read.

    Returns:
        uint8 (3, H, W), turned as its EXIF orientation says.

    Raises:
        FileError: missing, empty, truncated, no picture, of a format that is not read, or larger than the 178
            megapixels that are allowed; the environment variable ZOO_MAX_PIXELS allows more.
    """
    path = as_path(path)
    if path.suffix.lower() in RAW and path.is_file():  # many hold a tiny preview, which is not the picture
        raise FileError(path, "the raw data of a camera are not read", remedy_for([path.suffix]))
    try:
        with _open(path) as opened:
            _check_size(path, *opened.size)
            if smallest is not None and opened.format in ("JPEG", "MPO"):
                opened.draft(None, (smallest, smallest))
            large = opened.width * opened.height > LARGE
            with _one_large if large else contextlib.nullcontext():
                if large and opened.format == "TIFF":  # which else asks Pillow for memory, within its limit
                    opened.im = Image.new(opened.mode, getattr(opened, "_tile_size", opened.size)).im
                opened.load()
                factor = min(opened.size) // smallest if large and smallest else 1
                return torch.from_numpy(_as_rgb(_upright(opened), factor=max(1, factor))).permute(2, 0, 1)
    except ZooError:
        raise
    except FileNotFoundError as error:
        raise FileError(path, "there is no such file", "Check the path.") from error
    except Exception as error:  # damaged files make decoders raise struct.error, IndexError, KeyError and more
        empty = path.is_file() and path.stat().st_size == 0
        problem = "the file is empty" if empty else f"not a readable picture ({error})".replace(f" '{path}'", "")
        remedy = UNREADABLE if empty or is_image(path.name) else remedy_for([path.suffix])
        raise FileError(path, problem, remedy) from error


def read_packed_image(content: bytes, name: str, *, of: Path) -> Tensor:
    """Decode a picture that an archive holds, as `read_image` does: it lies in zoo's own folder meanwhile.

    Args:
        content: the picture's file.
        name: in the archive; its suffix counts.
        of: the archive.

    Raises:
        FileError: as from `read_image`, of the picture in the archive.
    """
    suffix = PurePosixPath(name).suffix
    with temporary_folder(zoo_home()) as folder:
        part = folder / f"picture{suffix if suffix[1:].isalnum() and suffix.isascii() else ''}"
        part.write_bytes(content)
        try:
            return read_image(part)
        except FileError as error:
            problem = error.problem.removeprefix(f"{part}: ").removesuffix(".")
            raise FileError(of / name, problem, error.remedy) from error


def _open(path: Path) -> Image.Image:
    """As `Image.open`, with HEIC, and without Pillow's own two limits of the size, which are the whole process's."""
    with path.open("rb") as file:
        start = file.read(16)
    for load in (Image.preinit, Image.init):
        load()
        for factory, accept in list(Image.OPEN.values()):
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
                accepted = accept is None or accept(start)
                if accepted and not isinstance(accepted, str):
                    return factory(str(path), str(path))  # type: ignore[arg-type]  # it opens the file itself
    if start[4:8] == b"ftyp" and start[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        if not reads_heic():
            raise FileError(path, "a HEIC picture, which needs pillow-heif", remedy_for([".heic"]))
        from pillow_heif import HeifImageFile  # here: an extra, and not registered with Pillow for everybody

        return HeifImageFile(str(path))
    raise UnidentifiedImageError(f"cannot identify image file '{path}'")


def _check_size(path: Path, width: int, height: int) -> None:
    given = os.environ.get("ZOO_MAX_PIXELS") or str(MOST_PIXELS)
    if not given.isdecimal():
        raise UsageError(f"ZOO_MAX_PIXELS={given} is no number of pixels.", f"Set it to {MOST_PIXELS}, or to nothing.")
    if width * height > int(given):
        problem = f"{width} x {height} pixels are more than the {int(given):,} that are allowed"
        raise FileError(path, problem, f"Make it smaller, or set ZOO_MAX_PIXELS={width * height} in the environment.")


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF says; as it lies where the EXIF is damaged, which is no fault of the pixels."""
    with contextlib.suppress(Exception):  # struct.error, SyntaxError, TypeError, by the kind of damage
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _as_rgb(picture: Image.Image, *, factor: int) -> np.ndarray:
    """uint8 (H / factor, W / factor, 3), a writable copy, made of one strip after another."""
    rows = max(1, STRIP // (picture.width * factor)) * factor
    is_deep = picture.mode in GREY_DEPTHS
    highest = max(float(_deep(strip).max(initial=0)) for strip in _strips(picture, rows)) if is_deep else 255.0
    white = _white(highest, picture.mode)
    pixels = np.empty((-(-picture.height // factor), -(-picture.width // factor), 3), dtype=np.uint8)
    for number, strip in enumerate(_strips(picture, rows)):
        top = number * rows // factor
        strip = _strip_as_rgb(strip, white)
        pixels[top : top + rows // factor] = np.asarray(strip if factor == 1 else strip.reduce(factor))
    return pixels


def _strips(picture: Image.Image, rows: int) -> Iterator[Image.Image]:
    if rows >= picture.height:
        yield picture
        return
    for top in range(0, picture.height, rows):
        yield picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _strip_as_rgb(strip: Image.Image, white: float) -> Image.Image:
    if strip.mode in GREY_DEPTHS:
        grey = np.clip(_deep(strip) * (255.0 / white), 0, 255).round().astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if strip.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in strip.info:
        layered = strip.convert("RGBA")
        strip = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return strip.convert("RGB")


def _deep(picture: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0.0, neginf=0.0)


def _white(highest: float, mode: str) -> float:
    """The value that is white: 1 (floats only), 255, 65535, or more where a picture goes beyond."""
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


def read_size(path: Path) -> tuple[int, int] | None:
    """Width and height as the picture stands upright, read from its header; None: it cannot be read."""
    try:
        with Image.open(path) as opened:
            width, height = opened.size
            lying = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:  # damaged files make decoders raise many kinds; reading the sample will say what it is
        return None
    return (height, width) if lying else (width, height)

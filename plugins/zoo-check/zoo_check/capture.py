"""When pictures were taken, as cameras write it into their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from zoo.data import map_in_order, spread

TITLE = "DateTimeOriginal"  # of the column that is made of it
EXIF, ORIGINAL = 0x8769, 0x9003  # where in a picture's metadata it stands
SUFFIXES = (".jpg", ".jpeg", ".tif", ".tiff")
PROBED = 24  # files, evenly spread; where none of them has a time, no other is opened


def read_capture_times(paths: Sequence[Path]) -> tuple[str, ...]:
    """`2026:05:01 10:00:00` of each file, empty where there is none; () where cameras wrote nothing."""
    if not any(map(_read_time, (paths[place] for place in spread(len(paths), PROBED)))):
        return ()
    return tuple(map_in_order(_read_time, paths))


def _read_time(path: Path) -> str:
    if path.suffix.lower() not in SUFFIXES:
        return ""
    try:
        with Image.open(path) as opened:
            return str(opened.getexif().get_ifd(EXIF).get(ORIGINAL, ""))
    except Exception:  # damaged files make decoders raise many kinds; that the picture cannot be read is said elsewhere
        return ""

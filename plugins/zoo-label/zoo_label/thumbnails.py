"""Small pictures for the page, made when they are first looked at and kept in one file."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from pathlib import Path

from zoo.data import read_image
from zoo.files import zoo_home
from zoo.plots import encode_thumbnail

SIDE = 160  # pixels of a thumbnail's longer side
LARGE_SIDE = 1400  # of a picture that is looked at by itself
QUALITY = 84


class ThumbnailCache:
    """Thumbnails of the pictures of one folder, by path, size and time of the file.

    Args:
        root: the folder of pictures; the file lies under `ZOO_HOME`.
    """

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(str(root).encode(errors="surrogateescape")).hexdigest()[:16]
        self.path = zoo_home() / "label" / f"{name}.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._base = self._open()

    def _open(self) -> sqlite3.Connection:
        """The file; one that is damaged is begun anew, for all in it can be made again."""
        for again in (True, False):
            base = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                base.execute("PRAGMA journal_mode=WAL")
                base.execute("PRAGMA synchronous=OFF")
                base.execute("CREATE TABLE IF NOT EXISTS thumbnails (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
            except sqlite3.DatabaseError:
                base.close()
                if not again:
                    raise
                self.path.unlink(missing_ok=True)
            else:
                break
        return base

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    def thumbnail(self, path: Path) -> bytes:
        """A JPEG of the whole picture, its longer side 160 pixels. Raises ZooError: it cannot be read."""
        state = path.stat()
        name = f"{SIDE} {state.st_size} {state.st_mtime_ns} {path}".encode(errors="surrogateescape").decode("latin-1")
        with self._lock:
            row = self._base.execute("SELECT content FROM thumbnails WHERE name = ?", (name,)).fetchone()
        if row is not None:
            return bytes(row[0])
        made = shrink(path, SIDE)
        with self._lock:
            self._base.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?)", (name, made))
        return made


def shrink(path: Path, side: int) -> bytes:
    """A JPEG of a picture file, decoded and encoded anew, in its proportions. Raises ZooError: it cannot be read."""
    return encode_thumbnail(read_image(path, smallest=side), side, enlarged=SIDE // 2, quality=QUALITY)

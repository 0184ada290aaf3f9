"""Sources on this disk: folders, and folders of installed packages."""

from __future__ import annotations

import os
import stat
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import FetchError, FileError, IntegrityError, MissingFileError
from zoo.progress import Progress, silent
from zoo.store.registry import package_folders
from zoo.store.source import ByteRange, Source, check_file_name, read_byte_ranges, read_small_file


class _DiskSource(Source):
    """A source whose files lie on this disk: they are read from where `local_path` says."""

    @abstractmethod
    def local_path(self, name: str) -> Path: ...

    def size(self, name: str) -> int:
        return self.local_path(name).stat().st_size

    def fetch(self, name: str, *, progress: Progress = silent, again: bool = False) -> Path:
        return self.local_path(name)

    def read(self, name: str, *, limit: int) -> bytes:
        return read_small_file(self.local_path(name), limit=limit)

    def read_ranges(self, name: str, ranges: Sequence[ByteRange], *, progress: Progress = silent) -> list[memoryview]:
        return read_byte_ranges(self.local_path(name), ranges)


@dataclass(frozen=True, slots=True)
class FolderSource(_DiskSource):
    """A folder of this machine. A symlink that leaves it is refused."""

    folder: Path

    @property
    def text(self) -> str:
        return str(Path(os.path.abspath(self.folder)))  # noqa: PTH100 (Path.absolute keeps the `..`)

    def local_path(self, name: str) -> Path:
        check_file_name(name, self.text)
        root = _real(self.folder)
        try:
            found = root.is_dir()
        except OSError as error:  # a name that is too long for the disk
            raise FileError(self.text[:200], f"it cannot be read ({error.strerror})", "Check the path.") from error
        if not found:
            raise FileError(self.text, "there is no such folder", "Check the path.")
        path = root / name
        real = _real(path)
        if not real.is_relative_to(root) and not _in_hub_cache(root, real):
            raise IntegrityError(f"{self.text}: {name!r} is a link that leaves the folder.", "Do not use these files.")
        try:
            kind = path.stat().st_mode
        except FileNotFoundError as error:
            raise MissingFileError(self.text, name) from error
        except OSError as error:
            raise FileError(path, f"it cannot be read ({error.strerror or error})", "Check the path.") from error
        if not stat.S_ISREG(kind):
            raise FileError(path, "it is not a file", "Replace it by the file of that name.")
        return path

    def names(self) -> list[str]:
        try:
            return sorted(path.name for path in self.folder.iterdir() if path.is_file())
        except OSError as error:
            problem = f"it cannot be listed ({error.strerror or error})"
            raise FileError(self.text, problem, "Check the path.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource(_DiskSource):
    """A folder inside an installed package; nothing of the package is imported."""

    module: str  # "zoo_filters"
    inner: str  # "vgg16-plankton", "" for the package's own folder

    @property
    def text(self) -> str:
        return f"package:{self.module}/{self.inner}" if self.inner else f"package:{self.module}"

    @property
    def folder(self) -> FolderSource:
        """The folder as it lies on this disk. Raises FetchError where the package is not installed."""
        folders = package_folders(self.module)
        package = self.module.partition(".")[0].replace("_", "-")
        if not folders:
            raise FetchError(f"{self.text}: the package {package} is not installed.", f"Run `pip install {package}`.")
        for folder in folders:
            if (folder / self.inner).is_dir():
                return FolderSource(folder=folder / self.inner)
        raise FetchError(
            f"{self.text}: the package {package} has no folder {self.inner!r}.",
            f"Run `pip install --upgrade {package}`.",
        )

    def local_path(self, name: str) -> Path:
        return self.folder.local_path(name)

    def names(self) -> list[str]:
        return self.folder.names()


def _real(path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))  # Path.resolve raises at links in a circle before Python 3.13 only
    except ValueError as error:  # a null byte, half a surrogate pair
        raise FileError(ascii(str(path)), f"it is no path ({error})", "Check the path.") from error


def _in_hub_cache(root: Path, real: Path) -> bool:
    """Whether a link of a snapshot leads into its own `blobs`, as the Hub's client makes them; all links resolved."""
    return root.parent.name == "snapshots" and real.parent == root.parents[1] / "blobs"

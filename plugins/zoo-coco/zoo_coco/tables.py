"""Tables and the pictures that they name: JSON, CSV, and paths that never leave the folder."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import FileError
from zoo.files import parse_json

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
MISSING = frozenset({"NA", "NaN", "nan"})  # how Camtrap DP, R and pandas write a cell that holds nothing
TRIED = 50  # names by which it is found out where the pictures lie

LEADS_OUT = "a path that leads out of the folder; its picture was left out"
ABSENT = "a picture that is not there; it was left out"


def find_table(root: Path, named: str, *, what: str) -> Path:
    """The one JSON of a folder. Raises FileError: there is none, or there are several."""
    if named:
        return root / named
    found = _tables_in(root)
    if not found:
        raise FileError(
            root, f"there is no JSON in it, and {what} is one", "Put it there, or name it: `options={'table': 'FILE'}`."
        )
    return _only(root, found)


def find_split_tables(root: Path, named: str, *, what: str) -> list[tuple[Path, str | None]]:
    """The JSON of a folder, of its `annotations`, or one in each of the folders `train`, `valid` and `test`.

    Returns:
        The tables, with the splits that their folders are called by.

    Raises:
        FileError: there is none, or there are several.
    """
    if named or _tables_in(root):
        return [(find_table(root, named, what=what), None)]
    if found := _tables_in(root / "annotations"):
        return [(_only(root, found), None)]
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name.lower() in SPLITS)
    tables = [(_only(root, found), SPLITS[folder.name.lower()]) for folder in folders if (found := _tables_in(folder))]
    if not tables:
        problem = f"there is no JSON in it, in its `annotations` or its `train`, and {what} is one"
        raise FileError(root, problem, "Put it there, or name it: `options={'table': 'FILE'}`.")
    return list(tables)


def _tables_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def _only(root: Path, found: Sequence[Path]) -> Path:
    if len(found) > 1:
        names = [path.relative_to(root).as_posix() for path in found]
        listed = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        raise FileError(
            root, f"there are {len(found)} tables in it ({listed})", f"Say which: `options={{'table': {names[0]!r}}}`."
        )
    return found[0]


def read_json(table: Path, *, what: str, lists: Sequence[str] = ()) -> dict[str, Any]:
    """An object that has those lists. Raises FileError."""
    remedy = f"Replace it by {what}, or name another: `options={{'table': 'FILE'}}`."
    try:
        content = parse_json(table.read_bytes(), finite=False)
    except FileNotFoundError as error:
        raise FileError(
            table, "there is no such table", "Check `options={'table': …}`: it is relative to the folder."
        ) from error
    except (OSError, ValueError) as error:
        raise FileError(table, f"it cannot be read as {what} ({error})", remedy) from error
    if not isinstance(content, dict):
        raise FileError(table, f"not {what}: it holds a {type(content).__name__}, and no object", remedy)
    if missing := [name for name in lists if not isinstance(content.get(name), list)]:
        has = ", ".join(list(content)[:8]) or "nothing"
        raise FileError(table, f"not {what}: it has no list `{missing[0]}`, only {has}", remedy)
    return content


def read_csv(
    table: Path, needed: Iterable[str], *, encoding: str = "utf-8-sig", delimiter: str = ","
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV with their line numbers, cells by column; what is missing is "". Raises FileError."""
    remedy = "Save it as CSV in UTF-8, with a header."
    try:
        opener = gzip.open if table.suffix == ".gz" else open
        with opener(table, "rt", encoding=encoding, newline="") as opened:
            reader = csv.reader(opened, delimiter=delimiter)
            header = [title.strip() for title in next(reader, [])]
            if lost := [name for name in needed if name not in header]:
                has = ", ".join(filter(None, header)) or "nothing"
                raise FileError(table, f"its header has no {', no '.join(lost)}, only {has}", "Add the columns.")
            for row in reader:
                cells = ("" if cell in MISSING else cell.strip() for cell in row)
                if row:
                    yield reader.line_num, dict.fromkeys(header, "") | dict(zip(header, cells, strict=False))
    except FileNotFoundError as error:
        raise FileError(table, "there is no such table", "Put it there.") from error
    except (OSError, EOFError, UnicodeDecodeError, LookupError, TypeError, csv.Error) as error:
        raise FileError(table, f"not a readable CSV ({error})", remedy) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFolder:
    """Where pictures lie, below the folder that the user named."""

    root: Path
    below: str = ""  # relative to the root, with forward slashes; "": the root itself

    @classmethod
    def find(cls, root: Path, named: str, names: Iterable[str], *, near: Sequence[Path]) -> PictureFolder:
        """The folder that was named, else of the likely ones that in which most of the first names are.

        Args:
            root: the folder that the user named.
            named: one below it; "": not said.
            names: of pictures, as a table has them.
            near: the likely folders, the likeliest first.

        Raises:
            FileError: there is no such folder, or it is not below the root.
        """
        if named:
            place = (root / named).resolve()
            if not place.is_dir() or not place.is_relative_to(root.resolve()):
                raise FileError(root / named, f"there is no such folder below {root}", "Check `options={'images': …}`.")
            return cls(root=root, below=_below(root.resolve(), place))
        some = [name for name, _ in zip(names, range(TRIED), strict=False)]
        folders = [cls(root=root, below=_below(root, folder)) for folder in near if folder.is_dir()]
        return max(folders, key=lambda folder: sum(folder.locate(name)[0] is not None for name in some))

    def locate(self, said: str) -> tuple[str | None, str | None]:
        """A picture's path relative to the root, or what is wrong with what a table says of it."""
        plain = said.replace("\\", "/").removeprefix(f"{self.root.as_posix()}/{self.below}".rstrip("/") + "/")
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if not parts or plain.startswith("/") or ".." in parts or parts[0].endswith(":"):
            return None, LEADS_OUT
        path = "/".join([*filter(None, [self.below]), *parts])
        return (path, None) if os.path.isfile(f"{self.root}/{path}") else (None, ABSENT)  # noqa: PTH113  # of any length


def _below(root: Path, folder: Path) -> str:
    return "" if folder == root else folder.relative_to(root).as_posix()

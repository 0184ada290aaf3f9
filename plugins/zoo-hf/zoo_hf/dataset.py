"""The family of datasets `hf`: any dataset of pictures on the Hugging Face Hub, `hf/OWNER/NAME`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pyarrow as pa
from torch import Tensor

import zoo
from zoo.errors import FileError, UsageError, ZooWarning
from zoo.files import temporary_folder, zoo_home
from zoo.progress import Progress, silent
from zoo_hf.repository import Pinned, fetch, find_pinned, key_of, open_split

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
SPLITS = {name: name for name in ("train", "val", "test")} | {"validation": "val", "valid": "val", "dev": "val"}
SCALARS = re.compile(r"bool|u?int\d+|float\d+|(large_)?string|date\d+|timestamp.*")


class HubDataset(zoo.Dataset):
    """Datasets of the Hugging Face Hub, fetched when they are first opened and then pinned to that commit.

    Parquet, Arrow and folders of pictures are read, by the library `datasets`, and no code of a repository ever runs.
    The Arrow files, with a record of the commit, lie in `--data DIR`, else in a folder of zoo's own: what was fetched
    once is the same from then on, and needs no network. Columns of texts and numbers are metadata.

    Args:
        name: of the repository, `owner/name`.
        config: which of its configurations; the only or the default one where nothing is said.
        revision: a branch, tag or commit; `main`.
        image: the column of pictures; the only one of that kind, or `image`.
        label: the column of classes; the only one of that kind, or `label`. One of texts or whole numbers may be named.
        group: a column whose values are never divided between splits.
        split: which of the Hub's splits are read, with commas; by default all that are called train, validation or
            test. Others that are named here count as training.

    Raises:
        UsageError: no repository can be called so.
    """

    family: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        name: str,
        *,
        config: str = "",
        revision: str = "",
        image: str = "",
        label: str = "",
        group: str = "",
        split: str = "",
    ) -> None:
        if not NAME.fullmatch(name) or ".." in name:
            raise UsageError(f"hf/{name} is no name of a dataset on the Hub.", "Say hf/OWNER/NAME.")
        self.name, self.title = name, name
        self.asked = {
            "config": config,
            "revision": revision,
            "image": image,
            "label": label,
            "group": group,
            "split": split,
        }
        self.targets: Mapping[str, zoo.Target] = {}
        self.commit = ""  # that is read
        self._root = Path()
        self._reads_files = False  # whether pictures are files of the Hub's cache, not bytes in the table
        self._image = self._label = ""
        self._parts: Mapping[str, pa.Table] = {}  # by the Hub's split, the columns that are read
        self._rows: Sequence[tuple[str, int]] = ()
        self._number: Mapping[Any, int] = {}  # by what the column of classes holds

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "asked": self.asked, "root": self._root if self.commit else None}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["name"], **state["asked"])  # type: ignore[misc]  # another process maps the files anew
        if state["root"] is not None:
            self.prepare(state["root"])

    def download(self, root: Path, progress: Progress = silent) -> None:
        """Fetch it, unless it is there. Raises FetchError."""
        self._find(root, progress)

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Map the Arrow files, which are fetched where they are not there; no picture is decoded.

        Raises:
            FetchError: the Hub cannot be reached, or has no such dataset, configuration or revision.
            FileError: it is of a form that is not read, or damaged.
            UsageError: it has no such column or split, or no pictures; the library `datasets` is not installed.
        """
        pinned = self._find(root, progress)
        wanted = self._choose_splits(list(pinned.files))
        opened = {split: open_split(root, pinned.files[split]) for split in wanted}
        features = next(iter(opened.values())).features
        self._image = self._choose("image", features, "Image", "pictures")
        if not self._image:
            raise UsageError(
                f"hf/{self.name} has no column of pictures: {_columns(features)}.", "Name it, `image=COLUMN`."
            )
        self._label = self._choose("label", features, "ClassLabel", "classes")
        group = self.asked["group"]
        if group and group not in features:
            raise self._no_column("group", features)
        kept = [
            name for name, kind in features.items() if name in (self._image, self._label, group) or _is_scalar(kind)
        ]
        self._parts = {split: part.data.table.select(kept) for split, part in opened.items()}
        self._rows = [(split, row) for split, part in self._parts.items() for row in range(part.num_rows)]
        self._root, self.commit, self.license = root.resolve(), pinned.commit, pinned.license
        self._reads_files = pinned.reader == "imagefolder"
        self._number = self._find_classes(features)
        names = getattr(features.get(self._label), "names", None) or [str(one) for one in self._number]
        self.targets = {"label": zoo.Categories(tuple(names))} if self._label else {}
        if not self._label:
            said = f"hf/{self.name}: no column is known to hold classes: {_columns(features)}"
            warnings.warn(ZooWarning(f"{said}; the pictures are unlabelled. Name one, `label=COLUMN`."), stacklevel=2)

    def _find(self, root: Path, progress: Progress) -> Pinned:
        config, revision = self.asked["config"], self.asked["revision"]
        found = find_pinned(root, key_of(self.name, config, revision))
        if found is None:
            progress(f"fetching {self.name}", 0, 1)
            found = fetch(root, self.name, config=config, revision=revision)
            progress(f"fetching {self.name}", 1, 1)
        return found

    def _choose_splits(self, there: Sequence[str]) -> list[str]:
        asked = [one.strip() for one in self.asked["split"].split(",") if one.strip()]
        if unknown := [one for one in asked if one not in there]:
            problem = f"hf/{self.name} has no split {unknown[0]!r}, but {', '.join(there)}."
            raise UsageError(problem, f"Say `split={there[0]}`, or leave it out.")
        known = asked or [one for one in there if one in SPLITS]
        if not known:
            raise UsageError(f"hf/{self.name} has the splits {', '.join(there)}.", "Say which are read, `split=NAME`.")
        if left := [one for one in there if one not in known and not asked]:
            said = f"hf/{self.name}: the splits {', '.join(left)} are not read"
            warnings.warn(ZooWarning(f"{said}; name them with `split=` where they are to be trained on."), stacklevel=3)
        return known

    def _choose(self, option: str, features: Mapping[str, Any], kind: str, what: str) -> str:
        """The column that an option names, else the only one of a kind, else the one that is called as the option."""
        if asked := self.asked[option]:
            fits = asked in features and (
                type(features[asked]).__name__ == kind or (option == "label" and _is_scalar(features[asked]))
            )
            if not fits:
                raise self._no_column(option, features)
            return asked
        found = [name for name, one in features.items() if type(one).__name__ == kind]
        if len(found) > 1 and option not in found:
            problem = f"hf/{self.name} has several columns of {what}: {', '.join(found)}."
            raise UsageError(problem, f"Say which, `{option}={found[0]}`.")
        return option if option in found else found[0] if found else ""

    def _no_column(self, option: str, features: Mapping[str, Any]) -> UsageError:
        problem = f"`{option}={self.asked[option]}` fits no column of hf/{self.name}: {_columns(features)}."
        return UsageError(problem, f"Name another with `{option}=`.")

    def _find_classes(self, features: Mapping[str, Any]) -> dict[Any, int]:
        if not self._label:
            return {}
        if names := getattr(features[self._label], "names", None):
            return {number: number for number in range(len(names))}
        values = {one for part in self._parts.values() for one in part.column(self._label).unique().to_pylist()}
        return {one: number for number, one in enumerate(sorted(values - {None, ""}))}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> zoo.Sample:
        """Decode one picture. Raises FileError where it cannot be read."""
        split, row = self._rows[index]
        (cells,) = self._parts[split].slice(row, 1).to_pylist()
        cell, called = cells.pop(self._image) or {}, self._called(split, row)
        number = self._number.get(cells.pop(self._label, None)) if self._label else None
        group = cells.get(self.asked["group"]) if self.asked["group"] else None
        metadata = {name: str(value) for name, value in cells.items() if value is not None}
        file = PurePosixPath((cell.get("path") or "").replace("\\", "/")).name
        return zoo.Sample(
            image=self._decode(cell, called),
            targets={} if number is None else {"label": number},
            group=None if group is None else str(group),
            path=called,
            metadata={**({"file": file} if file else {}), **metadata},
        )

    def _decode(self, cell: Mapping[str, Any], called: str) -> Tensor:
        content, path = cell.get("bytes"), cell.get("path")
        if content is None and path and self._reads_files:  # a table's path could be any file of this machine
            return zoo.read_image(path)
        if content is None:
            raise FileError(called, "there is no picture in the table", "Leave it out: `skip_unreadable=True`.")
        with temporary_folder(zoo_home()) as folder:
            part = folder / "picture"
            part.write_bytes(content)
            try:
                return zoo.read_image(part)
            except FileError as error:
                problem = error.problem.removeprefix(f"{part}: ").removesuffix(".")
                raise FileError(called, problem, error.remedy) from error

    def _called(self, split: str, row: int) -> str:
        return f"{self.name}@{self.commit[:12]}/{split}/{row:06d}"

    def files(self) -> Iterator[tuple[Path, Any]]:
        """Every picture by its commit, split and row, and what is known of it: a commit always holds the same."""
        for split, part in self._parts.items():
            columns = [name for name in (self._label, self.asked["group"]) if name]
            known = (
                zip(*(part.column(name).to_pylist() for name in columns), strict=True)
                if columns
                else [()] * part.num_rows
            )
            for row, said in enumerate(known):
                yield self._root / f"{self.name}@{self.commit}" / split / str(row), [*map(str, said)]

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """The Hub's, by zoo's names; none where there is only one."""
        found: dict[str, list[int]] = {}
        for index, (split, _) in enumerate(self._rows):
            found.setdefault(SPLITS.get(split, "train"), []).append(index)
        return found if len(found) > 1 else {}


def _is_scalar(kind: Any) -> bool:
    return type(kind).__name__ in ("Value", "ClassLabel") and bool(SCALARS.fullmatch(str(getattr(kind, "dtype", ""))))


def _columns(features: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} ({type(kind).__name__})" for name, kind in features.items())

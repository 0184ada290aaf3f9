"""The dataset that needs no code: a folder per class, or a CSV of files and labels."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from zoo.builtin.label_table import REQUIRED, LabelledFile, read_label_table
from zoo.contracts import SPLITS, Categories, Dataset, Multilabel, Number, Sample, Target
from zoo.data import LeftOut, find_images, is_image, read_image, shorten
from zoo.errors import FileError, UsageError, ZooWarning
from zoo.progress import Progress, silent


class ImageFolder(Dataset):
    """Pictures in folders, with the target `label`; from a CSV also a number or several labels, named by their columns.

    The folder holds one folder a class, `root/<class>/…/picture.jpg`; or first the splits, then the classes,
    `root/{train,val,test}/<class>/…`; or anything at all, with a CSV that says which file is what.

    Args:
        labels: the CSV, relative to the folder. Its header names the columns `path` and `label`, and may name
            `group` and `split`; commas, semicolons and tabs are understood. A row without a label, or with NA, is
            unlabelled; other columns are kept beside the picture.
        path: what the CSV's column of files is called, where it is called otherwise: `path=File`.
        label: likewise of labels, `label=Taxon`.
        group: likewise of groups, the boat or the camera; without a CSV the level of the folders that are groups:
            `level=2`, `group=1` of `2023/Copepod/1.jpg` is a Copepod of the group 2023.
        split: likewise of splits.
        number: the CSV's column of numbers to learn, a target of that name: `number=length,unit=mm`. NA: unknown.
        unit: of the number.
        several: the CSV's column of any number of labels a picture, `Copepod; Egg`, a target of that name. An empty
            cell: none of them; NA: unknown. Where a number or several labels are named there need be no `label`.
        level: how deep the class folders lie, 1 in the folder itself; 2 of `2023/Copepod/1.jpg`.
        title: what cards and reports call the pictures; the folder's name by default.
        turns: True where a picture means the same however it is turned or mirrored (plankton, cells, satellites);
            False where only left and right may be exchanged.

    Raises:
        UsageError: a level under 1, or a column without a CSV.
    """

    needs_folder: ClassVar[bool] = True

    def __init__(
        self,
        *,
        labels: str | None = None,
        path: str | None = None,
        label: str | None = None,
        group: int | str | None = None,
        split: str | None = None,
        number: str | None = None,
        unit: str = "",
        several: str | None = None,
        level: int | None = None,
        title: str = "",
        turns: bool = False,
    ) -> None:
        self.labels, self.title = labels, title
        named = {"path": path, "label": label, "group": group, "split": split, "number": number, "several": several}
        self._number, self._unit, self._several = number, unit, several
        self._named_targets = [key for key in ("number", "several") if named[key]]  # fields of `LabelledFile`
        self._columns = {key: None if name is None else str(name) for key, name in named.items()}
        self._level, self._group = level, group if isinstance(group, int) else None
        if labels is None and (strays := [f"{key}={name}" for key, name in named.items() if isinstance(name, str)]):
            problem = f"{', '.join(strays)}: there is no table with such columns."
            raise UsageError(problem, "Name it with `options={'labels': 'FILE.csv'}`.")
        if any(one is not None and one < 1 for one in (level, self._group)):
            raise UsageError(f"level={level}, group={group}: levels are counted from 1.", "Pass 1 or more.")
        if turns:
            self.symmetry = "turns"  # type: ignore[misc]  # a promise of the class, a choice of this one
        self.targets: dict[str, Target] = {}
        self._root = Path()
        self._files: Sequence[LabelledFile] = ()
        self._classes: dict[str, int] = {}
        self._labels: tuple[str, ...] = ()  # of the target `several`

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """List the files and check the labels; no picture is opened.

        What stops nobody, empty class folders and pictures that lie in none, is a `ZooWarning`.

        Raises:
            FileError: the folder is missing or empty, has no classes, or its CSV does not fit; what to do is said.
        """
        if not root.is_dir():
            raise FileError(root, "there is no such folder", "Check `root=`.")
        if self.labels is not None:
            needed = ("path", *self._named_targets) if self._named_targets else REQUIRED
            files = read_label_table(root, self.labels, self._columns, needed=needed)
        else:
            files = _read_folders(root, self._level, self._group, progress)
        classes = _checked_classes(root, files) if not self._named_targets or any(file.label for file in files) else []
        self._root, self._files = root, files
        self._classes = {name: index for index, name in enumerate(classes)}
        self.targets = self._find_targets(root, files)

    def _find_targets(self, root: Path, files: Sequence[LabelledFile]) -> dict[str, Target]:
        found: dict[str, Target] = {"label": Categories(tuple(self._classes))} if self._classes else {}
        if self._number:
            found[self._number] = Number(self._unit)
            if all(file.number is None for file in files):
                raise FileError(root, f"the column {self._number!r} has no number", "Name another: `number=COLUMN`.")
        if self._several:
            self._labels = tuple(sorted({name for file in files for name in file.several or ()}))
            found[self._several] = Multilabel(self._labels)
            if not self._labels:
                raise FileError(root, f"the column {self._several!r} has no label", "Name another: `several=COLUMN`.")
        return found

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """Decode one picture; its `path` is relative to the folder. Raises FileError where it cannot be read."""
        file = self._files[index]
        targets: dict[str, Any] = {} if file.label is None else {"label": self._classes[file.label]}
        if self._number and file.number is not None:
            targets[self._number] = file.number
        if self._several and file.several is not None:
            targets[self._several] = [float(name in file.several) for name in self._labels]
        image = read_image(self._root / file.path)
        return Sample(image=image, targets=targets, group=file.group, path=file.path, metadata=file.metadata)

    def files(self) -> Iterator[tuple[Path, Any]]:
        """Where the pictures lie, and what the folders or the CSV say of them."""
        keys = ("label", "group", "split", *self._named_targets)
        return ((self._root / file.path, [getattr(file, key) for key in keys]) for file in self._files)

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """The splits that the folders or the CSV name; none where they name none."""
        found: dict[str, list[int]] = {}
        for index, file in enumerate(self._files):
            if file.split is not None:
                found.setdefault(file.split, []).append(index)
        return found


def _read_folders(root: Path, level: int | None, group: int | None, progress: Progress) -> list[LabelledFile]:
    """Every picture of every class folder."""
    folders = _folders(root)
    if not folders:
        raise _no_classes(root)
    split_folders = [folder for folder in folders if _holds_classes(folder)]
    if split_folders:
        _refuse_mixture(root, split_folders, folders)
    tops: list[tuple[str | None, Path]] = [(SPLITS[top.name.lower()], top) for top in split_folders] or [(None, root)]
    above: list[Path] = []
    places = [(split, top, folder) for split, top in tops for folder in _class_folders(top, level or 1, above)]
    files, left_out, deeper, full = [], LeftOut(), set[str](), set[str]()
    for done, (split, top, folder) in enumerate(places, start=1):
        for path in find_images(folder, left_out=left_out):
            inside = path.relative_to(top).parts
            named = inside[group - 1] if group and group < len(inside) else None
            files.append(
                LabelledFile(path=path.relative_to(root).as_posix(), label=folder.name, group=named, split=split)
            )
            full.add(folder.name)
            deeper |= {inside[level or 1]} if len(inside) > (level or 1) + 1 else set()
        progress("listing pictures", done, len(places))
    left_out.warn()
    if not files:
        raise _no_classes(root, level or 1)
    if deeper and level is None:
        _warn(
            root,
            f"the classes are {shorten(sorted(full), 4)}; their folders hold folders: {shorten(sorted(deeper), 4)}. "
            "Where those are the classes say `options={'level': 2}`, and `options={'group': 1}` where the upper ones "
            "are boats, sites or years that are not to be divided; else say `options={'level': 1}`",
        )
    if loose := [str(folder.relative_to(root)) for folder in above if _has_pictures(folder)]:
        _warn(root, f"pictures that lie in no class folder are left out (in {shorten(loose)})")
    if empty := sorted({folder.name for _, _, folder in places} - full):
        _warn(root, f"no pictures in the class folders {shorten(empty)}, which are left out")
    return files


def _warn(root: Path, said: str) -> None:
    warnings.warn(f"{root}: {said}.", ZooWarning, stacklevel=2)


def _class_folders(top: Path, level: int, above: list[Path]) -> list[Path]:
    """The folders so many levels down; those that are passed on the way are added to `above`."""
    if not level:
        return [top]
    above.append(top)
    return [found for folder in _folders(top) for found in _class_folders(folder, level - 1, above)]


def _folders(parent: Path) -> list[Path]:
    hidden = (".", "__MACOSX")
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith(hidden))


def _has_pictures(folder: Path) -> bool:
    """Whether pictures lie in the folder itself."""
    return any(is_image(path.name) and not path.name.startswith(".") for path in folder.iterdir())


def _holds_classes(folder: Path) -> bool:
    """Whether a folder is a split: called so, with folders but no pictures directly inside (a class may be `train`)."""
    return folder.name.lower() in SPLITS and bool(_folders(folder)) and not _has_pictures(folder)


def _refuse_mixture(root: Path, split_folders: list[Path], folders: list[Path]) -> None:
    splits = [folder.name for folder in split_folders]
    others = [folder.name for folder in folders if folder not in split_folders and any(find_images(folder))]
    if others:
        raise FileError(
            root,
            f"beside the splits {shorten(splits)} lie pictures in {shorten(others)}",
            "Move those away, or give them class folders inside a split.",
        )
    if not any(SPLITS[name.lower()] == "train" for name in splits):
        raise FileError(root, f"there is {shorten(splits)}, but no `train`", "Add it, or name the folder inside.")


def _no_classes(root: Path, level: int = 1) -> FileError:
    if level > 1:
        return FileError(root, f"there are no pictures in folders {level} levels down", "Check `options={'level': …}`.")
    if _has_pictures(root):
        return FileError(
            root,
            "pictures lie in it, but no class folders",
            "Make one folder for each class, or name a CSV of path and label with `options={'labels': 'FILE.csv'}`.",
        )
    return FileError(
        root, "there are no pictures in it", "Put them into one folder for each class: root/<class>/picture.jpg."
    )


def _checked_classes(root: Path, files: Sequence[LabelledFile]) -> list[str]:
    """The classes by name. Raises FileError naming all classes that cannot be used."""
    counts = Counter(file.label for file in files if file.label is not None)
    if single := sorted(name for name, count in counts.items() if count == 1):
        problem = f"one picture only, too few to learn and to test, of {shorten(single)}"
        raise FileError(root, problem, "Add pictures, or remove these classes.")
    if len(counts) < 2:
        only = f"the only class is {shorten(counts)}" if counts else "there are no labels"
        raise FileError(root, only, "Two classes or more are needed: add a folder or a label for another.")
    return sorted(counts)

"""The dataset that needs no code: a folder per class, or a CSV of files and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from zoo.builtin.label_table import LabelledFile, read_label_table
from zoo.contracts import SPLITS, Categories, Dataset, Sample, Target
from zoo.data import LeftOut, find_images, is_image, read_image
from zoo.errors import FileError
from zoo.progress import Progress, silent


class ImageFolder(Dataset):
    """Pictures in folders, one target: `label`.

    The folder holds one folder a class, `root/<class>/…/picture.jpg`; or first the splits, then the classes,
    `root/{train,val,test}/<class>/…`; or anything at all, with a CSV that says which file is what.

    Args:
        labels: the CSV, relative to the folder. Its header names the columns `path` and `label`, and may name
            `group` and `split`; commas, semicolons and tabs are understood.
        turns: True where a picture means the same however it is turned or mirrored (plankton, cells, satellites);
            False where only left and right may be exchanged.
    """

    needs_folder: ClassVar[bool] = True

    def __init__(self, *, labels: str | None = None, turns: bool = False) -> None:
        self.labels = labels
        if turns:
            self.symmetry = "turns"  # type: ignore[misc]  # a promise of the class, a choice of this one
        self.targets: Mapping[str, Target] = {}
        self._root = Path()
        self._files: Sequence[LabelledFile] = ()
        self._classes: dict[str, int] = {}

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """List the files and check the labels; no picture is opened.

        Raises:
            FileError: the folder is missing or empty, has no classes, or its CSV does not fit; what to do is said.
        """
        if not root.is_dir():
            raise FileError(root, "there is no such folder", "Check `root=`.")
        if self.labels is not None:
            files, names = read_label_table(root, self.labels), set[str]()
        else:
            files, names = _read_folders(root, progress)
        classes = _checked_classes(root, files, names)
        self._root, self._files = root, files
        self._classes = {name: index for index, name in enumerate(classes)}
        self.targets = {"label": Categories(tuple(classes))}

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """Decode one picture; its `path` is relative to the folder. Raises FileError where it cannot be read."""
        file = self._files[index]
        targets = {} if file.label is None else {"label": self._classes[file.label]}
        return Sample(image=read_image(self._root / file.path), targets=targets, group=file.group, path=file.path)

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """The splits that the folders or the CSV name; none where they name none."""
        found: dict[str, list[int]] = {}
        for index, file in enumerate(self._files):
            if file.split is not None:
                found.setdefault(file.split, []).append(index)
        return found


def _read_folders(root: Path, progress: Progress) -> tuple[list[LabelledFile], set[str]]:
    """Every picture of every class folder, and the names of all class folders, the empty ones included."""
    folders = _folders(root)
    if not folders:
        raise _no_classes(root)
    split_folders = [folder for folder in folders if _holds_classes(folder)]
    if split_folders:
        _refuse_mixture(root, split_folders, folders)
        places: list[tuple[str | None, Path]] = [
            (SPLITS[top.name.lower()], folder) for top in split_folders for folder in _folders(top)
        ]
    else:
        places = [(None, folder) for folder in folders]
    files, left_out = [], LeftOut()
    for done, (split, folder) in enumerate(places, start=1):
        files += [
            LabelledFile(path=path.relative_to(root).as_posix(), label=folder.name, split=split)
            for path in find_images(folder, left_out=left_out)
        ]
        progress("listing pictures", done, len(places))
    left_out.warn()
    if not files:
        raise _no_classes(root)
    return files, {folder.name for _, folder in places}


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
            f"beside the splits {_listed(splits)} lie pictures in {_listed(others)}",
            "Move those away, or give them class folders inside a split.",
        )
    if not any(SPLITS[name.lower()] == "train" for name in splits):
        raise FileError(root, f"there is {_listed(splits)}, but no `train`", "Add it, or name the folder inside.")


def _no_classes(root: Path) -> FileError:
    if _has_pictures(root):
        return FileError(
            root,
            "pictures lie in it, but no class folders",
            "Make one folder for each class, or name a CSV of path and label with `options={'labels': 'FILE.csv'}`.",
        )
    return FileError(
        root, "there are no pictures in it", "Put them into one folder for each class: root/<class>/picture.jpg."
    )


def _checked_classes(root: Path, files: Sequence[LabelledFile], folders: set[str]) -> list[str]:
    """The classes by name. Raises FileError naming all classes that cannot be used."""
    counts = Counter(file.label for file in files if file.label is not None)
    empty = sorted(folders - set(counts))
    single = sorted(name for name, count in counts.items() if count == 1)
    faults = []
    if empty:
        faults.append(f"no pictures in the class folders {_listed(empty)}")
    if single:
        faults.append(f"one picture only, too few to learn and to test, of {_listed(single)}")
    if faults:
        raise FileError(root, "; ".join(faults), "Add pictures, or remove these classes.")
    if len(counts) < 2:
        only = f"the only class is {_listed(counts)}" if counts else "there are no labels"
        raise FileError(root, only, "Two classes or more are needed: add a folder or a label for another.")
    return sorted(counts)


def _listed(names: Iterable[str], most: int = 12) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

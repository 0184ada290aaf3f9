"""The family of datasets `torchvision`: torchvision's own, by torchvision's names, loaded by torchvision."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

import zoo
from zoo.errors import FetchError, FileError, UsageError, describe_cause
from zoo.files import temporary_folder
from zoo.progress import Progress, silent
from zoo_torchvision.cifar import Cifar
from zoo_torchvision.sets import NAMES, SETS

NOWHERE = "N/A"  # the first class of EMNIST's letters, which no picture has


class TorchvisionDataset(zoo.Dataset):
    """torchvision's own datasets, with their own splits.

    They are downloaded by `zoo data make torchvision/NAME -o DIR` and by nothing else; `--data DIR` is the folder that
    torchvision calls `root`, and what torchvision downloaded there before is read as it is. Nothing is unpickled.

    Args:
        name: torchvision's, such as CIFAR10.
        variant: what torchvision offers several of: EMNIST's `split`, DTD's `partition`, FGVCAircraft's
            `annotation_level`, Imagenette's `size`, CIFAR100's `fine` or `coarse` labels; the first by default.

    Raises:
        UsageError: the set has no such variant.
    """

    family: ClassVar[Sequence[str]] = NAMES

    def __init__(self, name: str, *, variant: str = "") -> None:
        self.name, self.set = name, SETS[name]
        if variant and variant not in self.set.variants:
            listed = ", ".join(self.set.variants) or "none"
            raise UsageError(f"variant={variant!r}: those of {name} are {listed}.", "Leave `variant=` out, or say one.")
        self.variant = variant or next(iter(self.set.variants), "")
        self.symmetry = self.set.symmetry  # type: ignore[misc]  # a promise of the class, a choice of this one
        self.title = name
        self.targets: Mapping[str, zoo.Target] = {}
        self._root = Path()
        self._parts: Sequence[tuple[str, Any]] = ()  # by split torchvision's datasets
        self._pictures: Sequence[tuple[int, int]] = ()  # the part, and the number in it
        self._files: Sequence[tuple[Path, int]] = ()  # of each the file and label, where each has a file of its own
        self._first = 0  # the label of the first class

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "variant": self.variant, "root": self._root}  # another process opens it anew

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["name"], variant=state["variant"])  # type: ignore[misc]
        if state["root"] != Path():
            self.prepare(state["root"])

    def download(self, root: Path, progress: Progress = silent) -> None:
        """Have torchvision download and unpack it beside, and put it into its place when it is whole.

        Raises:
            FetchError: torchvision cannot download it.
            FileError: the folder cannot be written.
        """
        with contextlib.suppress(FileError):
            self._open_all(root)
            return  # it is there
        with temporary_folder(root) as part:
            for done, arguments in enumerate(self.set.splits.values()):
                progress("torchvision downloads", done, len(self.set.splits))
                try:
                    with _quiet():
                        self._fetch(part, arguments)
                except Exception as error:  # RuntimeError, URLError, ValueError, ImportError, by the kind of failure
                    remedy = f"Check the network, or put its files there by hand: {', '.join(self.set.files)}."
                    problem = f"torchvision cannot download {self.name}: {describe_cause(error)}."
                    raise FetchError(problem, remedy) from error
            for path in _files_below(part, self.set.files):
                place = root / path.relative_to(part)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)

    def _fetch(self, root: Path, arguments: Mapping[str, Any]) -> None:
        if self.name.startswith("CIFAR"):  # whose class would unpickle what it fetches
            from torchvision.datasets.utils import download_and_extract_archive

            factory = _factory(self.name)
            if not (root / factory.base_folder).is_dir():
                download_and_extract_archive(factory.url, str(root), filename=factory.filename, md5=factory.tgz_md5)
        else:
            _factory(self.name)(str(root), **self._arguments(arguments), download=True)

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Let torchvision look at its files; pictures that are files of their own are not opened.

        Raises:
            FileError: it is not there, or not all of it; or torchvision would unpickle something.
        """
        for pattern in self.set.unpickled:
            for path in sorted(root.glob(pattern)):
                raise FileError(path, "an old copy, which torchvision would unpickle", "Remove it: `raw/` is read.")
        parts = self._open_all(root)
        names = self._class_names(parts[0][1])
        self._first = int(names[0] == NOWHERE)
        self.targets = {"label": zoo.Categories(names[self._first :])}
        self._root, self._parts = root, parts
        files: list[tuple[Path, int]] = []
        numbers: list[tuple[int, int]] = []
        for part, (_, dataset) in enumerate(parts):
            entries = self._entries(dataset)
            order: Sequence[int] = range(len(dataset))
            if entries is not None:
                order = sorted(order, key=lambda one: str(entries[one][0]))  # SUN397's come in the disk's order
                files += [entries[one] for one in order]
            numbers += [(part, one) for one in order]
            progress("listing pictures", part + 1, len(parts))
        self._pictures, self._files = numbers, files

    def _open_all(self, root: Path) -> list[tuple[str, Any]]:
        return [(split, self._open(root, arguments)) for split, arguments in self.set.splits.items()]

    def _open(self, root: Path, arguments: Mapping[str, Any]) -> Any:
        """torchvision's dataset of one split. Raises FileError: it is not there."""
        factory, given = _factory(self.name), self._arguments(arguments)
        missing = [name for name in self.set.files if not (root / name).exists()]
        if len(missing) == len(self.set.files):
            raise FileError(root, f"there is no {missing[0]}, of torchvision's {self.name}", self._remedy)
        try:
            if self.name.startswith("CIFAR"):
                return Cifar(factory, root, **given)
            if "loader" in inspect.signature(factory).parameters:
                given["loader"] = str  # a picture's path in place of the picture
            return factory(str(root), **given)
        except FileError:
            raise
        except Exception as error:  # RuntimeError where it is incomplete; OSError, ValueError, KeyError, by the damage
            problem = f"this is not torchvision's {self.name}, or not all of it ({describe_cause(error)})"
            raise FileError(root, problem, self._remedy) from error

    @property
    def _remedy(self) -> str:
        return f"Run `zoo data make torchvision/{self.name} -o DIR`, and name that folder with `root=DIR`."

    def _arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        variant = int(self.variant) if self.variant.isdecimal() else self.variant
        return {**arguments, **({self.set.argument: variant} if self.set.argument else {})}

    def _class_names(self, dataset: Any) -> tuple[str, ...]:
        own = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
        return tuple(one if isinstance(one, str) else ", ".join(one) for one in own or self.set.classes)

    def _entries(self, dataset: Any) -> list[tuple[Path, int]] | None:
        """The file and the label of every picture; None where a file holds many."""
        if "loader" in inspect.signature(type(dataset)).parameters:
            return [(Path(path), label) for path, label in (dataset[one] for one in range(len(dataset)))]
        if self.name in ("Caltech101", "Caltech256"):
            return [(Path(dataset[one][0].filename), label) for one, label in enumerate(dataset.y)]
        found = [getattr(dataset, name, None) for name in self.set.entries]
        if not found or any(one is None for one in found):
            return None
        rows = zip(*found, strict=True) if len(found) > 1 else found[0] or ()
        return [(Path(path), label) for path, label in rows]

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> zoo.Sample:
        """Decode one picture. Raises FileError where it cannot be read."""
        part, number = self._pictures[index]
        split, dataset = self._parts[part]
        if self._files:
            path, label = self._files[index]
            image = zoo.read_image(path)
            called = path.relative_to(self._root).as_posix()
        else:
            picture, label = dataset[number]
            image, called = _as_tensor(picture, turned=self.set.turned), self._called(split, number)
        if self.set.banner:
            image = image[:, : -self.set.banner].contiguous()
        known = label is not None and label >= self._first
        targets = {"label": int(label) - self._first} if known else {}
        return zoo.Sample(image=image, targets=targets, group=self._group(split, called), path=called)

    def _called(self, split: str, number: int) -> str:
        return f"{self.name}/{split or 'all'}/{number:06d}"

    def _group(self, split: str, called: str) -> str | None:
        folder, _, file = called.rpartition("/")
        return f"{folder.rpartition('/')[2]}/{file.partition('_')[0]}" if self.set.tracks and split == "train" else None

    def files(self) -> Iterator[tuple[Path, Any]]:
        """Where the pictures lie with their labels and splits; of those that share files, the files come after them."""
        for index, (part, number) in enumerate(self._pictures):
            split = self._parts[part][0]
            if self._files:
                yield self._files[index][0], [self._files[index][1], split]
            else:
                yield self._root / self._called(split, number), split
        if not self._files:
            for path in _files_below(self._root, self.set.files):
                yield path, None

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """torchvision's own; none where it has none."""
        found: dict[str, list[int]] = {}
        for index, (part, _) in enumerate(self._pictures):
            if split := self._parts[part][0]:
                found.setdefault(split, []).append(index)
        return found


def _factory(name: str) -> Any:
    from torchvision import datasets  # here: what lists plugins does without it

    return getattr(datasets, name)


def _as_tensor(picture: Image.Image, *, turned: bool) -> torch.Tensor:
    if turned:
        picture = picture.transpose(Image.Transpose.TRANSPOSE)
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()


def _files_below(root: Path, names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        place = root / name
        yield from sorted(path for path in ([place] if place.is_file() else place.rglob("*")) if path.is_file())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """torchvision prints as it downloads: its bars go where ours go, to a terminal or nowhere; the rest beside them."""
    with contextlib.ExitStack() as stack:
        to = sys.stderr if sys.stderr.isatty() else stack.enter_context(Path(os.devnull).open("w"))
        stack.enter_context(contextlib.redirect_stdout(to))
        stack.enter_context(contextlib.redirect_stderr(to))
        yield

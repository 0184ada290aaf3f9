"""Datasets by name: the plugin, its options checked, its folder prepared."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.contracts import Categories, Dataset, Target
from zoo.data.crops import CroppedDataset, FindBox
from zoo.data.decoded import DecodedDataset, decode
from zoo.data.exclusion import exclude_listed, find_list
from zoo.data.fingerprints import FileState, fingerprint_of_samples, list_files, shorten
from zoo.data.splits import Splits, draw_splits
from zoo.errors import FileError, MissingPluginError, PluginError, UnknownNameError, UsageError, ZooError, ZooWarning
from zoo.files import as_path, zoo_home
from zoo.plugins import Plugin, check_options, describe_options, find_plugin
from zoo.progress import Progress, silent

EXCLUDE = "exclude"  # the one option that every dataset has


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDataset:
    """A prepared dataset, and all that is needed to open it again."""

    dataset: Dataset
    name: str  # the plugin's name, as the user gave it
    package: str  # empty for a dataset that no plugin brought
    version: str
    root: Path
    options: Mapping[str, Any]
    mark: str = ""  # digest of the crops applied since, part of the fingerprint
    begin: Callable[[], object] | None = None  # called before pictures are decoded

    @property
    def targets(self) -> Mapping[str, Target]:
        """What is known of the pictures, by name."""
        return self.dataset.targets

    @property
    def title(self) -> str:
        """What the pictures are called where the plugin's name would say nothing; empty: it does."""
        return self.dataset.title or (self.root.name if self.dataset.needs_folder else "")

    def stamp(self) -> str:
        """64 hex digits that change when the plugin, an option or a file's time does; in hand, when a picture does."""
        return self._identify(self._list_files(), self.version)

    def fingerprint(self, files: Iterable[FileState]) -> str:
        """64 hex digits that change when a picture or what is known of it does; the files are a decoded dataset's."""
        return self._identify([file._replace(time=0) for file in files])

    def _list_files(self) -> list[FileState]:
        if self.package:
            return list_files(self.dataset, self.root)
        return [FileState(self.name, fingerprint_of_samples(self.dataset), 0, 0)]

    def _identify(self, files: Sequence[FileState], version: str = "") -> str:
        told = self.dataset.files() is not None  # the files tell all
        options = [] if told else sorted((key, one) for key, one in self.options.items() if key != EXCLUDE)
        said = [self.name, version, options, self.mark, len(self.dataset), repr(sorted(self.targets.items()))]
        return hashlib.sha256(json.dumps([*said, files], default=str).encode()).hexdigest()

    def decode(self, size: int, *, skip_unreadable: bool = False, progress: Progress = silent) -> DecodedDataset:
        """All pictures at that side, from the cache where they were decoded before."""
        files = self._list_files()
        decoded = decode(
            self.dataset,
            size=size,
            identity=self._identify(files, self.version),
            files=files,
            root=self.root,
            skip_unreadable=skip_unreadable,
            begin=self.begin,
            progress=progress,
        )
        return replace(decoded, fingerprint=self.fingerprint(decoded.files))

    def split(self, decoded: DecodedDataset, *, seed: int, seen: float = 0.0, limit: int | None = None) -> Splits:
        """Training, validation, seen and test rows (`draw_splits`); refuses classes that would be on one side only."""
        strata = first_categories(self.dataset, decoded)
        _refuse_single_picture_classes(self.dataset, decoded)
        splits = draw_splits(decoded, self.dataset.splits, strata=strata, seed=seed, seen=seen, limit=limit)
        _warn_of_untrained_classes(self.dataset, decoded, splits)
        return splits

    def cropped(
        self, find: FindBox, *, margin: float, mark: str, begin: Callable[[], object] | None = None
    ) -> OpenDataset:
        """The same pictures, each cut down to a square around a box.

        Args:
            find: says the box of a sample, in pixels, None: the whole picture.
            margin: as `CroppedDataset` takes it.
            mark: what the boxes depend on, for the fingerprint.
            begin: called before pictures are decoded.
        """
        mark = hashlib.sha256(f"{self.mark}\0{mark}\0{margin}".encode()).hexdigest()
        return replace(self, dataset=CroppedDataset(self.dataset, find, margin=margin), mark=mark, begin=begin)


def find_dataset(name: str) -> tuple[Plugin, type[Dataset], tuple[str, ...]]:
    """A dataset's plugin and class, and what else it is made with: of `family/member` the member. Makes nothing.

    Raises:
        UnknownNameError: no such dataset, or no such member of a family.
        UsageError: a family, and no member is named.
        PluginError: what the package brings is no dataset.
    """
    base, _, member = name.partition("/")
    plugin = find_plugin("dataset", base)
    factory = plugin.load()
    if not (isinstance(factory, type) and issubclass(factory, Dataset)):
        raise PluginError(f"The dataset {name!r} of {plugin.package} is no zoo.Dataset.", "Upgrade or uninstall it.")
    known = factory.family
    if known is not None and not member:
        hint = f": {shorten(known)}" if known else ""
        raise UsageError(
            f"{name!r} is a family of datasets{hint}.", f"Say which, {base}/{known[0] if known else 'NAME'}."
        )
    if member and (known is None or (known and member not in known)):
        raise UnknownNameError("dataset", name, [f"{base}/{one}" for one in known or ()], listing="zoo data list")
    return plugin, factory, (member,) if member else ()


def open_dataset(
    name: str,
    root: Path | str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    package: str | None = None,
    progress: Progress = silent,
) -> OpenDataset:
    """Find a dataset by name and prepare it.

    Args:
        name: the plugin's, `plankton` or `package:plankton`; of a family one of its members, `torchvision/CIFAR10`.
        root: the folder it lies in; None: one of its own under `ZOO_HOME`, filled by the dataset itself.
        options: the plugin's; `exclude` of any dataset is a CSV whose column `path` names pictures to leave out.
        package: the distribution that brings it, where a run knows: what to install where it is missing.

    Raises:
        UnknownNameError: no such dataset.
        MissingPluginError: likewise, and its package is known.
        UsageError: unknown or ill-typed options; a folder is needed; the name is a folder's.
        FileError: the folder is missing, empty, or holds something else.
    """
    try:
        plugin, factory, members = find_dataset(name)
    except UnknownNameError as error:
        if package is None and Path(name).is_dir():
            remedy = f"For its pictures say image-folder and `root={name!r}`."
            raise UsageError(f"{name} is a folder, and not the name of a dataset.", remedy) from error
        if package is None:
            raise
        raise MissingPluginError("dataset", name, package=package, needed_by="This run") from error
    given = dict(options or {})
    listed = given.pop(EXCLUDE, None) if EXCLUDE not in describe_options(factory) else None
    checked = check_options(factory, given, of=f"the dataset {name!r}")
    dataset: Dataset = factory(*members, **checked)
    mark = hashlib.sha256(json.dumps(sorted(checked.items()), default=str).encode()).hexdigest()[:8]
    called = "--".join([plugin.name, *members]).replace("/", "--")
    own = zoo_home() / "datasets" / (f"{called}-{mark}" if checked else called)
    if root is None and factory.needs_folder:
        raise UsageError(f"The dataset {name!r} reads a folder of pictures.", "Name it with `root=DIR`.")
    place = own if root is None else as_path(root).resolve()
    if place != own:  # a run's record names the dataset's own folder too, which may hold nothing
        is_archive = place.is_file() and place.name.lower().endswith(tuple(factory.archives))
        if not place.is_dir() and not is_archive:
            raise FileError(place, "there is no such folder", "Check `root=`.")
        if not is_archive and not any(place.iterdir()):
            raise FileError(place, "the folder is empty", f"Put pictures there, or run `zoo data make {name}`.")
    dataset.prepare(place, progress)
    if not len(dataset):
        raise ZooError(f"{place}: the dataset {name!r} finds no pictures there.", f"Run `zoo data check {name}`.")
    opened = OpenDataset(
        dataset=dataset, name=name, package=plugin.package, version=plugin.version, root=place, options=checked
    )
    return opened if listed is None else _exclude(opened, str(listed))


def _exclude(opened: OpenDataset, listed: str) -> OpenDataset:
    path = find_list(listed, opened.root)
    dataset, mark = exclude_listed(opened.dataset, opened.root, path)
    return replace(opened, dataset=dataset, mark=mark, options={**opened.options, EXCLUDE: str(path)})


def as_open_dataset(data: OpenDataset | Dataset | Path | str) -> OpenDataset:
    """A dataset in hand, which no plugin brought, or one by name, or a folder of pictures by class, opened.

    Raises:
        UnknownNameError: neither a dataset nor a folder is called so.
        FileError, UsageError: as `open_dataset` says.
    """
    if isinstance(data, OpenDataset):
        return data
    if isinstance(data, Dataset):
        name = type(data).__name__.lower()
        return OpenDataset(dataset=data, name=name, package="", version="", root=Path().resolve(), options={})
    if not _is_dataset(str(data)) and (folder := as_path(data)).is_dir():
        return open_dataset("image-folder", folder)
    return open_dataset(str(data))


def _is_dataset(text: str) -> bool:
    try:
        find_dataset(text)
    except UnknownNameError:
        return False
    except ZooError:  # it is one, and opening it says what is wrong
        return True
    return True


def first_categories(dataset: Dataset, decoded: DecodedDataset) -> Tensor | None:
    """The first classified target, int64 (N,), -1 where unknown; None where there is none."""
    return next((decoded.targets[name] for name, _ in _classified(dataset)), None)


def _classified(dataset: Dataset) -> Iterator[tuple[str, Categories]]:
    return ((name, target) for name, target in dataset.targets.items() if isinstance(target, Categories))


def _refuse_single_picture_classes(dataset: Dataset, decoded: DecodedDataset) -> None:
    for name, target in _classified(dataset):
        column = decoded.targets[name]
        counts = column[column >= 0].bincount(minlength=len(target.names)).tolist()
        single = [one for one, count in zip(target.names, counts, strict=True) if count == 1]
        if single:
            raise ZooError(
                f"{len(single)} classes of {name!r} have one picture only, which cannot be both trained on and tested: "
                f"{shorten(single)}.",
                "Add pictures, or remove these classes.",
            )


def _warn_of_untrained_classes(dataset: Dataset, decoded: DecodedDataset, splits: Splits) -> None:
    """A split by group may leave a class to the test alone, all of them where every class is a group of its own."""
    for name, target in _classified(dataset):
        column = decoded.targets[name]
        trained = {-1, *column[splits.train].tolist()}
        if lost := sorted({*column[splits.val].tolist(), *column[splits.test].tolist()} - trained):
            hint = " Where the groups are the classes themselves, name others or none." * ("by group" in splits.how)
            warnings.warn(
                f"{len(lost)} classes of {name!r} are validated or tested, and none of their pictures is trained on: "
                f"{shorten([target.names[one] for one in lost])} ({splits.how}).{hint}",
                ZooWarning,
                stacklevel=3,
            )

"""Published sets of single organisms, whatever their layout, as a dataset: classes, groups, splits."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import zoo
from zoo.data import shorten
from zoo.errors import FileError, UnknownNameError, UsageError, ZooWarning
from zoo.progress import Progress, silent
from zoo_zooplankton.places import AGAIN, Place
from zoo_zooplankton.problems import Problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture, as its place or its tables say it."""

    path: str  # in the place
    label: str | None  # None: not known
    group: str | None = None
    split: str | None = None  # as published: train, val, test
    row: int = -1  # in the tables


class PublishedSet(zoo.Dataset):
    """What the datasets of this package share: the target `label`, archives read where they are, splits by group.

    Args:
        published: True: the published split, even where it divides groups (a line says how many); False: splits are
            drawn, by group; None: the published one only where no groups are known.
        omit: classes that are left out, with commas.
        fewest: pictures that a class needs to be learnt; those of other classes are unlabelled.

    Raises:
        UsageError: fewest under 2.
    """

    symmetry = "turns"
    needs_folder: ClassVar[bool] = True
    archives: ClassVar[Sequence[str]] = (".zip", ".tar", ".tar.gz", ".tgz")  # the last two to say what to do

    def __init__(self, *, published: bool | None, omit: str, fewest: int) -> None:
        if fewest < 2:
            problem = f"fewest={fewest}: a class needs one picture to learn from and one to test with."
            raise UsageError(problem, "Pass 2 or more.")
        self.published, self.fewest = published, fewest
        self.omit = tuple(name.strip() for name in omit.split(",") if name.strip())
        self.targets: Mapping[str, zoo.Target] = {}
        self._place: Place | None = None
        self._pictures: Sequence[Picture] = ()
        self._number: Mapping[str, int] = {}
        self._takes_published = False

    @abstractmethod
    def _list(self, place: Place, problems: Problems, progress: Progress) -> list[Picture]:
        """All pictures of the set. Raises FileError: it is another, or its tables cannot be used."""

    def _describe(self, picture: Picture) -> Mapping[str, str]:
        """What else is known of a picture, text by name."""
        return {}

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Read the tables and look the pictures up; none is opened.

        What stops nobody is a `ZooWarning` a sort.

        Raises:
            FileError: no such set, tables that cannot be used, or no published split where it is asked for.
            UnknownNameError: a class to be left out that there is not.
        """
        place, problems = Place(root, progress), Problems()
        pictures = self._list(place, problems, progress)
        if not pictures:
            raise FileError(root, f"none of its pictures can be used: {problems}", AGAIN)
        known = {one.label for one in pictures if one.label is not None}
        for name in self.omit:
            if name not in known:
                raise UnknownNameError("class", name, known)
        pictures = [one for one in pictures if one.label not in self.omit]
        self._takes_published = self._choose_split(root, pictures)
        self._place, self._pictures = place, pictures
        self._number = {name: number for number, name in enumerate(self._find_classes(root, pictures))}
        self.targets = {"label": zoo.Categories(tuple(self._number))} if self._number else {}
        self.title = root.stem if root.is_file() else ""
        problems.warn()

    def _choose_split(self, root: Path, pictures: Sequence[Picture]) -> bool:
        """Whether the published split is taken, with a line where related pictures are on two sides."""
        has_groups = any(one.group is not None for one in pictures)
        has_split = any(one.split is not None for one in pictures)
        taken = has_split and not has_groups if self.published is None else self.published
        if taken and not has_split:
            raise FileError(root, "no published split lies with it", "Leave `published=` out.")
        if taken and has_groups:
            sides = defaultdict(set)
            for one in pictures:
                if one.group is not None and one.split is not None:
                    sides[one.group].add(one.split)
            if divided := sum(len(found) > 1 for found in sides.values()):
                said = f"the published split has {divided} of {len(sides)} groups on several sides: it flatters"
                warnings.warn(ZooWarning(f"{root}: {said}."), stacklevel=3)
        elif not has_groups:
            said = "nothing says which pictures are of one sample: they may lie on both sides of a split"
            warnings.warn(ZooWarning(f"{root}: {said}."), stacklevel=3)
        return taken

    def _find_classes(self, root: Path, pictures: Sequence[Picture]) -> list[str]:
        """The classes with enough pictures, by name; none where there is only one."""
        counts = Counter(one.label for one in pictures if one.label is not None)
        names = sorted(name for name, count in counts.items() if count >= self.fewest)
        if len(names) < 2:
            said = f"{len(names)} of {len(counts)} classes have {self.fewest} pictures or more"
            raise FileError(root, f"{said}, and two are needed to learn", "Check the folder, `root=`, and `fewest=`.")
        if rare := sorted(set(counts) - set(names)):
            said = f"{root}: {len(rare)} of {len(counts)} classes have fewer than {self.fewest} pictures"
            warnings.warn(ZooWarning(f"{said} and are not learnt: {shorten(rare)}."), stacklevel=3)
        return names

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> zoo.Sample:
        """Decode one picture; its `path` is relative to the place. Raises FileError where it cannot be read."""
        picture = self._pictures[index]
        if self._place is None:
            raise UsageError("The set is not open yet.", "Call prepare first.")
        number = self._number.get(picture.label or "")
        return zoo.Sample(
            image=self._place.read_picture(picture.path),
            targets={} if number is None else {"label": number},
            group=picture.group,
            path=picture.path,
            metadata=self._describe(picture),
        )

    def files(self) -> Iterator[tuple[Path, Any]]:
        """Where the pictures lie and what is known of each, with what an archive's directory says; the tables."""
        if self._place is not None:
            for one in self._pictures:
                label = one.label if one.label in self._number else None
                split = one.split if self._takes_published else None
                yield self._place.root / one.path, [label, one.group, split, self._place.checksum(one.path)]
            for name in self._place.tables:
                yield self._place.root / name, self._place.checksum(name)

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """The published ones where they are taken; the `unlabelled`, where others have a class."""
        known: dict[str, list[int]] = {}
        for index, one in enumerate(self._pictures):
            split = one.split if self._takes_published else None
            if (split := split if one.label in self._number else "unlabelled") is not None:
                known.setdefault(split, []).append(index)
        return known


def unite(pictures: Sequence[Picture], problems: Problems) -> list[Picture]:
    """Pictures by their file's name, which is the same in every release: of several of one class the first.

    One that lies in several classes is left out: nobody says which is right.
    """
    found: dict[str, list[Picture]] = {}
    for one in pictures:
        found.setdefault(one.path.rpartition("/")[2], []).append(one)
    kept = []
    for twins in found.values():
        if len({one.label for one in twins}) > 1:
            where = " and ".join(dict.fromkeys(one.path for one in twins))
            problems.add("pictures that lie in several classes, which were left out", where)
            continue
        for again in twins[1:]:
            problems.add("pictures that are there twice, of which the first counts", again.path)
        kept.append(twins[0])
    return kept

"""The dataset `fisheries`: read where there is any, drawn where there is none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import zoo
from zoo.data import read_size
from zoo.errors import FileError, UsageError, ZooWarning
from zoo.progress import Progress, silent
from zoo_fisheries.art.kinds import KINDS
from zoo_fisheries.boats import Origin, guess_boats, hold_out, read_table
from zoo_fisheries.boxes import ABSENT, Corners, Listed, Several, choose_box, choose_entries, read_box_files
from zoo_fisheries.drawn.making import BOATS, draw_set, find_record
from zoo_fisheries.drawn.plan import Options, plan
from zoo_fisheries.layout import Picture, is_empty, list_pictures
from zoo_fisheries.problems import Problem, summarise

UNLISTED = "the picture stands in no line of the table of boats; its boat is taken as unknown"
UNMATCHED = "the table of boats names a picture that is not there"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPicture:
    """One picture and what is known of it."""

    picture: Picture
    origin: Origin
    box: Corners | None = None
    box_known: bool = False  # with no box: it is known that there is none


class Fisheries(zoo.Dataset):
    """Fish on boat decks: the kind, and the box around the fish.

    A folder with The Nature Conservancy's pictures is read, with the community's box files wherever they lie below
    it. An empty one is filled with a synthetic set in the same layout; the options say which.

    Args:
        pictures: how many are drawn.
        boats: on how many boats, each with its own deck, camera and habits; a quarter of them is the test split.
        width: of the drawn pictures, pixels; the competition's are 1280.
        confound: 0 (every boat catches all kinds) to 1 (a boat hardly catches more than two).
        hidden: 0 to 1, how much gear and how many hands lie on the fish.
        seed: of the drawing, 0 or more.
        several: which box counts where a picture has several: the largest, or the union of all.
        seen: the share of the training boats' pictures that is held out as the split `seen`, so that boats that
            were learnt from can be compared with those that never were; needs splits (a drawn set, or the table's).
        groups: which boat a picture is from: `auto` (boats.csv where the folder has it, else `look`), `look`
            (guessed by size and look), `none`, or a CSV with the columns image and boat, relative to the folder.

    Raises:
        UsageError: options that cannot be drawn.
    """

    symmetry = "turns"

    def __init__(
        self,
        *,
        pictures: int = 1200,
        boats: int = 12,
        width: int = 320,
        confound: float = 0.3,
        hidden: float = 0.3,
        seed: int = 0,
        several: Several = "largest",
        seen: float = 0.0,
        groups: str = "auto",
    ) -> None:
        self.options = Options(pictures=pictures, boats=boats, width=width, confound=confound, hidden=hidden, seed=seed)
        self.options.check()
        if not 0 <= seen < 1:
            raise UsageError(f"seen={seen:g} is no share under 1. Pass 0.15, or 0 for none.")
        self.several: Several = several
        self.seen = seen
        self.groups = groups
        self.problems: tuple[str, ...] = ()
        self._labelled_pictures: Sequence[LabelledPicture] = ()

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Read what lies below `root`, or draw a set there; of real pictures only the headers are read.

        What is wrong with boxes, names and boats, and stops nobody, is a `ZooWarning` a sort; `problems` has all.

        Raises:
            FileError: neither the known layout nor an empty folder, or a set drawn with other options.
        """
        recorded, finished = find_record(root)
        drawn = recorded is not None or is_empty(root)
        if drawn:
            self._draw(root, recorded, finished, progress)
            self.license = "cc0-1.0"  # of real pictures the publisher must say it
        pictures, problems = list_pictures(root)
        self._labelled_pictures = self._match_targets(root, pictures, problems, progress)
        found = {picture.kind for picture in pictures}
        names = tuple(kind for kind in KINDS if kind in found)
        self._number = {name: number for number, name in enumerate(names)}
        self.targets = {"label": zoo.Categories(names), "box": zoo.Box()}
        self.problems = tuple(map(str, problems))
        for line in summarise(problems):
            warnings.warn(line, ZooWarning, stacklevel=2)

    def _draw(self, root: Path, recorded: Options | None, finished: bool, progress: Progress) -> None:
        if finished and recorded != self.options:
            raise FileError(
                root,
                f"it holds a set drawn with {recorded}, not {self.options}",
                "Ask for that one, or name another folder with `root=`.",
            )
        if not finished:
            draw_set(root, self.options, progress)
        planned = [root / one.path for one in plan(self.options)]
        if missing := [path for path in planned if not path.is_file()]:
            problem = f"{len(missing)} of its {len(planned)} drawn pictures are missing ({missing[0].name}, …)"
            raise FileError(root, problem, "Delete the folder, and it is drawn again.")

    def _match_targets(
        self, root: Path, pictures: Sequence[Picture], problems: list[Problem], progress: Progress
    ) -> list[LabelledPicture]:
        """Boxes and boats to the pictures."""
        listed, faults = read_box_files(root)
        problems += faults
        sizes: dict[Path, tuple[int, int]] = {}
        labelled = [picture for picture in pictures if picture.kind is not None]
        for done, picture in enumerate(labelled, start=1):
            if (size := read_size(picture.path)) is not None:
                sizes[picture.path] = size
            progress("reading headers", done, len(labelled))
        table = self._find_origins(root, sizes, problems, progress)
        kinds = [picture.kind for picture in pictures]
        known = [table.get(one.path.name, Origin(boat=None)) if one.kind else Origin(boat=None) for one in pictures]
        origins = hold_out(known, kinds, share=self.seen, seed=self.options.seed)
        labelled_pictures = []
        for picture, origin in zip(pictures, origins, strict=True):
            found: tuple[bool, Corners | None] = (False, None)
            if picture.kind is not None and (listed or picture.kind == "NoF"):
                found = self._find_box(picture, sizes.get(picture.path), listed, problems)
            labelled_pictures.append(LabelledPicture(picture=picture, origin=origin, box=found[1], box_known=found[0]))
        problems += _absent(labelled, listed)
        return labelled_pictures

    def _find_box(
        self, picture: Picture, size: tuple[int, int] | None, listed: Listed, problems: list[Problem]
    ) -> tuple[bool, Corners | None]:
        """Whether a picture's box is known, and the box."""
        kind, name = picture.kind or "", picture.path.name
        entries = choose_entries(kind, name, listed, problems)
        if kind == "NoF":
            return True, None
        if entries is None or size is None:
            return False, None
        box = choose_box(entries, size, where=f"{kind}/{name}", several=self.several, problems=problems)
        return box is not None, box

    def _find_origins(
        self, root: Path, sizes: Mapping[Path, tuple[int, int]], problems: list[Problem], progress: Progress
    ) -> Mapping[str, Origin]:
        """The boats, by the pictures' names."""
        table = root / BOATS if self.groups == "auto" else root / self.groups
        if self.groups == "none":
            return {}
        if self.groups == "look" or (self.groups == "auto" and not table.is_file()):
            return guess_boats(list(sizes), list(sizes.values()), progress)
        origins = read_table(table)
        names = {path.name for path in sizes}
        problems += [Problem(sort=UNLISTED, where=name) for name in sorted(names - set(origins))]
        problems += [Problem(sort=UNMATCHED, where=name) for name in sorted(set(origins) - names)]
        return origins

    def __len__(self) -> int:
        return len(self._labelled_pictures)

    def __getitem__(self, index: int) -> zoo.Sample:
        labelled_picture = self._labelled_pictures[index]
        path, kind = labelled_picture.picture.path, labelled_picture.picture.kind
        targets: dict[str, Any] = {} if kind is None else {"label": self._number[kind]}
        if labelled_picture.box_known:
            targets["box"] = None if labelled_picture.box is None else torch.tensor(labelled_picture.box)
        return zoo.Sample(
            image=zoo.read_image(path), targets=targets, group=labelled_picture.origin.boat, path=str(path)
        )

    def files(self) -> Iterator[tuple[Path, Any]]:
        """Where the pictures lie, and what is known of each."""
        for one in self._labelled_pictures:
            picture, origin = one.picture, one.origin
            yield picture.path, [picture.kind, one.box_known, one.box, origin.boat, origin.split]

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """What the table of boats says; the test stages' pictures are `unlabelled`."""
        known: dict[str, list[int]] = {}
        for index, labelled_picture in enumerate(self._labelled_pictures):
            split = "unlabelled" if labelled_picture.picture.kind is None else labelled_picture.origin.split
            if split is not None:
                known.setdefault(split, []).append(index)
        return known


def _absent(labelled: Sequence[Picture], listed: Listed) -> list[Problem]:
    """The names in box files that no picture has."""
    names = {picture.path.name for picture in labelled}
    lost = ((name, kinds) for name, kinds in listed.items() if name not in names)
    return [Problem(sort=ABSENT, where=f"{next(iter(kinds.values()))[0].file}, {name}") for name, kinds in lost]

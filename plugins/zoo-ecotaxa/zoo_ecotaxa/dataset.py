"""The dataset `ecotaxa`: an export of EcoTaxa, its objects with their validated categories."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import zoo
from zoo.data import shorten
from zoo.errors import ZooWarning
from zoo.progress import Progress, silent
from zoo_ecotaxa.faults import Faults
from zoo_ecotaxa.objects import Label, Picture, choose_pictures, parse_statuses, read_tables
from zoo_ecotaxa.places import Place, open_place
from zoo_ecotaxa.tables import Table

SAMPLE = "sample_id"


class EcoTaxa(zoo.Dataset):
    """An EcoTaxa export with pictures, as a zip or unpacked: `ecotaxa_*.tsv` and what they name.

    Every column but the picture's name is kept as the sample's metadata, decimals with points and dates as ISO.

    Args:
        status: which objects are read: validated, predicted, dubious, unclassified (which have no status), several of
            them with commas, or all.
        label: what the class is: the `category` as EcoTaxa shows it (`Copepoda<Maxillopoda`), its whole `hierarchy`
            as a path (for the head `hierarchy`), or its `id`.
        group: the column whose values are never divided between splits, or `none`.
        images: of an object with several the `first` by img_rank, or `all`.
        fewest: objects that a class needs to be learnt; those of other classes are unlabelled.

    Raises:
        UsageError: an unknown status, or fewest under 2.
    """

    symmetry = "turns"
    needs_folder: ClassVar[bool] = True
    archives: ClassVar[Sequence[str]] = (".zip",)

    def __init__(
        self,
        *,
        status: str = "validated",
        label: Label = "category",
        group: str = SAMPLE,
        images: Literal["first", "all"] = "first",
        fewest: int = 2,
    ) -> None:
        if fewest < 2:
            problem = f"fewest={fewest}: a class needs one object to learn from and one to test with."
            raise zoo.UsageError(problem, "Pass 2 or more.")
        self.statuses, self.label, self.group = parse_statuses(status), label, group
        self.images, self.fewest = images, fewest
        self.targets: Mapping[str, zoo.Target] = {}
        self._place: Place | None = None
        self._tables: Sequence[Table] = ()
        self._pictures: Sequence[Picture] = ()
        self._number: Mapping[str, int] = {}

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Read all tables and look the pictures up; none is opened.

        Classes of too few objects, and an export that does not name its samples, are a `ZooWarning` each.

        Raises:
            FileError: neither a zip nor a folder of an export; tables or rows at fault, all kinds at once.
        """
        faults = Faults()
        place = open_place(root)
        tables = read_tables(place, faults, progress)
        group = None if self.group == "none" else self.group
        if group == SAMPLE and not any(SAMPLE in table.header for table in tables):
            said = f"{root}: no table has {SAMPLE}, so that one sample's objects may lie on both sides of a split."
            warnings.warn(ZooWarning(said), stacklevel=2)
            group = None
        pictures = choose_pictures(
            place,
            tables,
            statuses=self.statuses,
            label=self.label,
            group=group,
            every=self.images == "all",
            faults=faults,
        )
        faults.check(root)
        self._place, self._tables, self._pictures = place, tables, pictures
        self._number = {name: number for number, name in enumerate(self._find_classes(root))}
        self.targets = {"label": zoo.Categories(tuple(self._number))} if self._number else {}
        self.title = root.stem if root.is_file() else ""

    def _find_classes(self, root: Path) -> list[str]:
        """The classes with enough objects, by name; none where there is only one."""
        objects = {(self._cell(one, SAMPLE), self._cell(one, "object_id")): one.label for one in self._pictures}
        counts = Counter(label for label in objects.values() if label is not None)
        names = sorted(name for name, count in counts.items() if count >= self.fewest)
        rare = sorted(set(counts) - set(names))
        if "validated" in self.statuses and (rare or len(names) < 2):  # others are here to be predicted
            said = f"{root}: {len(names)} of {len(counts)} classes have {self.fewest} objects or more"
            left = (
                f", the others are not learnt: {shorten(rare)}" if len(names) > 1 else ", and two are needed to learn"
            )
            warnings.warn(ZooWarning(f"{said}{left}."), stacklevel=3)
        return names if len(names) > 1 else []

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> zoo.Sample:
        """Decode one picture; its `path` is relative to the export. Raises FileError where it cannot be read."""
        picture = self._pictures[index]
        table, place = self._tables[picture.table], self._place
        if place is None:
            raise zoo.UsageError("The export is not open yet.", "Call prepare first.")
        number = self._number.get(picture.label or "")
        cells = zip(table.header, table.rows[picture.row], strict=True)
        return zoo.Sample(
            image=place.read_picture(picture.path),
            targets={} if number is None else {"label": number},
            group=picture.group,
            path=picture.path,
            metadata={title: cell for title, cell in cells if title and title != "img_file_name"},
        )

    def files(self) -> Iterator[tuple[Path, Any]]:
        """Where the pictures lie and what is known of each; of a zip's with the checksums of its directory."""
        if self._place is not None:
            for one in self._pictures:
                known = [one.label if one.label in self._number else None, one.group, self._place.checksum(one.path)]
                yield self._place.root / one.path, known

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """The `unlabelled`, where others have a class; the core draws the rest, by group."""
        unlabelled = [index for index, one in enumerate(self._pictures) if one.label not in self._number]
        return {"unlabelled": unlabelled} if self._number and unlabelled else {}

    def _cell(self, picture: Picture, column: str) -> str:
        table = self._tables[picture.table]
        return table.rows[picture.row][table.header.index(column)] if column in table.header else ""

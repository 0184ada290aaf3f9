"""The dataset `seanoe`: ZooScanNet and its siblings, a table of objects with their taxa beside `imgs/`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zoo.data import is_image
from zoo.errors import FileError
from zoo.progress import Progress
from zoo_zooplankton.pictures import Picture, PublishedSet
from zoo_zooplankton.places import Place, find_named, leads_out
from zoo_zooplankton.problems import Problems
from zoo_zooplankton.tables import Measures, Table, read_table

Label = Literal["level1", "level2", "lineage", "plankton"]
COLUMNS: Mapping[Label, tuple[str, ...]] = {  # the second is that of releases before 2024
    "level1": ("taxon_level1", "taxon"),
    "level2": ("taxon_level2",),
    "lineage": ("lineage_level1", "lineage"),
    "plankton": ("plankton",),
}
SAMPLES = ("sample_id", "sample_name", "sample", "profile_id", "profile", "acq_id")  # what groups may be called
TAXA = ("taxa.csv.gz", "taxa.csv")
PATH, ID, SET = "img_path", "objid", "set"
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
YES, NO = ("true", "t", "1", "yes"), ("false", "f", "0", "no")
EXPECTED = "Name the folder or archive that holds taxa.csv.gz and imgs/, as SEANOE hands it out"
TWICE = "objects that stand in the table twice, of which the first counts"
AS_TWO = "objects that stand in the table as two taxa, which are not labelled"
ABSENT = "objects whose picture is not there, which were left out"


class Seanoe(PublishedSet):
    """ZooScanNet, ZooCAMNet, FlowCAMNet, UVP6Net, ISIISNet: taxa.csv.gz, features_native.csv.gz and imgs/.

    Every column of the table of taxa is kept as the sample's metadata, and every feature as `object_area` and the like.

    Args:
        label: what the class is: the taxon of `level1` (fine) or of `level2` (coarse), its whole `lineage` as a path
            (for the head `hierarchy`), or whether it is `plankton`.
        features: the table of measures that goes along: ZooProcess's `native` ones, `skimage`, or `none`.
        group: the column whose values are never divided between splits; by default one that names samples, of which
            the published tables have none; `none`: there are no groups.
        published: True: the published split, even where it divides groups (a line says how many); False: splits are
            drawn; None: the published one only where no groups are known.
        omit: classes that are left out, with commas: `detritus,artefact`.
        fewest: pictures that a class needs to be learnt; those of other classes are unlabelled.

    Raises:
        UsageError: fewest under 2.
    """

    def __init__(
        self,
        *,
        label: Label = "level1",
        features: Literal["native", "skimage", "none"] = "native",
        group: str = "",
        published: bool | None = None,
        omit: str = "",
        fewest: int = 2,
    ) -> None:
        super().__init__(published=published, omit=omit, fewest=fewest)
        self.label, self.features, self.group = label, features, group
        self._taxa: Table | None = None
        self._measures: Measures | None = None
        self._rows = np.empty(0, dtype=np.int64)  # of the measures, by the row of the taxa; -1: none

    def _list(self, place: Place, problems: Problems, progress: Progress) -> list[Picture]:
        name = _find_taxa(place)
        texts = (ID, SET, PATH, *SAMPLES, self.group, *(one for some in COLUMNS.values() for one in some))
        table = read_table(place, name, texts=texts)
        column = table.find(*COLUMNS[self.label])
        if column is None or table.find(ID) is None:
            missing = ID if table.find(ID) is None else " or ".join(COLUMNS[self.label])
            listed = ", ".join(table.columns.column_names[:12])
            have = [key for key, names in COLUMNS.items() if table.find(*names)]
            remedy = f"Say `options={{'label': '{have[0]}'}}`." if have and missing != ID else f"{EXPECTED}."
            raise FileError(table.where, f"its header has no {missing}; it begins with {listed}", remedy)
        groups = self._read_groups(table)
        base = name.rpartition("/")[0]
        taxa = table.texts(table.find(*COLUMNS["level1"]))
        objects = [one.removesuffix(".0") for one in table.texts(ID)]
        labels = [_as_label(text, self.label) for text in table.texts(column)]
        splits = table.texts(table.find(SET))
        paths = _find_pictures(place, base, table.texts(table.find(PATH)), taxa, objects)
        found: dict[str, Picture] = {}
        for row, (path, number) in enumerate(zip(paths, objects, strict=True)):
            progress("looking pictures up", row + 1, len(objects))
            if path is None:
                problems.add(ABSENT, f"{number or 'no objid'} of {taxa[row] or 'no taxon'}")
                continue
            split = _as_split(splits[row], problems)
            one = Picture(path=path, label=labels[row] or None, group=groups[row] or None, split=split, row=row)
            if (earlier := found.setdefault(path, one)) is not one:
                problems.add(TWICE if earlier.label == one.label else AS_TWO, number)
                found[path] = earlier if earlier.label == one.label else replace(earlier, label=None)
        _check_strays(place, base, found, problems)
        self._taxa = table
        self._read_features(place, base, objects)
        if "zooscannet" in f"{place.root.name}/{base}".lower():
            self.license = "cc-by-nc-4.0"
        return [*found.values()]

    def _read_groups(self, table: Table) -> list[str]:
        if self.group == "none":
            return [""] * len(table)
        column = table.find(self.group) if self.group else table.find(*SAMPLES)
        if self.group and column is None:
            listed = ", ".join(table.columns.column_names[:12])
            remedy = "Name another, `options={'group': 'COLUMN'}`, or `none`."
            raise FileError(table.where, f"the groups are in no column {self.group!r}; there is {listed}", remedy)
        return table.texts(column)

    def _read_features(self, place: Place, base: str, objects: Sequence[str]) -> None:
        """The measures, joined by the object's number."""
        wanted = (f"features_{self.features}.csv.gz", f"features_{self.features}.csv")
        names = [] if self.features == "none" else find_named(place.names, wanted)
        names = [name for name in names if name.rpartition("/")[0] == base]
        if not names:
            self._measures = None
            return
        table = read_table(place, names[0], texts=(ID,))
        if table.find(ID) is None:
            raise FileError(table.where, f"its header has no {ID}", "Say `options={'features': 'none'}`.")
        known = pa.array([one.removesuffix(".0") for one in table.texts(ID)])
        rows = pc.fill_null(pc.index_in(pa.array(objects), known), -1)
        self._measures = table.numbers(without=(ID,))
        self._rows = np.asarray(rows)

    def _describe(self, picture: Picture) -> Mapping[str, str]:
        said = self._taxa.describe(picture.row, without=(PATH,)) if self._taxa else {}
        if self._measures is not None and (row := int(self._rows[picture.row])) >= 0:
            said |= self._measures.describe(row)
        return said


def _check_strays(place: Place, base: str, found: Mapping[str, Picture], problems: Problems) -> None:
    top = posixpath.join(base, "imgs/")
    for name in place.names:
        if name.startswith(top) and name not in found and is_image(name):
            problems.add("pictures that the table does not name, which were left out", name)


def _find_taxa(place: Place) -> str:
    found = find_named(place.names, TAXA)
    if not found:
        raise FileError(place.root, "there is no taxa.csv.gz in it", f"{EXPECTED}.")
    if len({name.rpartition("/")[0] for name in found}) > 1:
        listed = " and ".join(found[:2])
        raise FileError(place.root, f"it holds several sets, {listed}", "Name the folder of one, `root=`.")
    return found[0]


def _find_pictures(
    place: Place, base: str, said: Sequence[str], taxa: Sequence[str], objects: Sequence[str]
) -> Iterator[str | None]:
    """The file of every object: where the table says, below the table, below `imgs/`, or from the top; else by its id.

    Releases without a column of paths call a picture `imgs/<taxon>/<objid>` with any suffix.
    """
    by_id = {name.rpartition(".")[0]: name for name in place.names if is_image(name)} if not any(said) else {}
    for path, taxon, number in zip(said, taxa, objects, strict=True):
        path = path.replace("\\", "/").lstrip("/")
        if not path:
            yield by_id.get(posixpath.join(base, "imgs", taxon, number))
        elif leads_out(path):
            yield None
        else:
            tried = (posixpath.join(base, path), posixpath.join(base, "imgs", path), path)
            yield next((one for one in map(posixpath.normpath, tried) if one in place.names), None)


def _as_label(text: str, label: Label) -> str:
    """A lineage as the head of that name reads it, `living > Copepoda`; a boolean in words."""
    if label == "lineage":
        return " > ".join(step.strip() for step in re.split("[/>]", text) if step.strip())
    if label == "plankton":
        return "plankton" if text.lower() in YES else "other" if text.lower() in NO else ""
    return text


def _as_split(text: str, problems: Problems) -> str | None:
    split = SPLITS.get(text.lower())
    if text and split is None:
        problems.add("objects of an unknown set, which count for none", text)
    return split

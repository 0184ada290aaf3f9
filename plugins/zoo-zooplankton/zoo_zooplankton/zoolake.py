"""The dataset `zoolake`: Eawag's lake plankton, `zooplankton_0p5x/<class>/<folder>/*.jpeg`, published split too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from zoo.data import is_image
from zoo.errors import FileError
from zoo.progress import Progress
from zoo_zooplankton.names import Taken, parse_spc
from zoo_zooplankton.pictures import Picture, PublishedSet, unite
from zoo_zooplankton.places import Place
from zoo_zooplankton.problems import Problems
from zoo_zooplankton.tables import Measures, read_table

Group = Literal["day", "frame", "none"]
PICTURES = "zooplankton_0p5x"
LISTS = {f"{split}_filenames.txt": split for split in ("train", "val", "test")}
EXPECTED = f"Name the folder or zip that holds data/{PICTURES}/<class>/"
NOT_NAMED = "pictures that are not called as the camera calls them, SPC-EAWAG-0P5X-…, and have no group"


class ZooLake(PublishedSet):
    """ZooLake: lake plankton by class, taken by Eawag's Dual Scripps Plankton Camera.

    A picture's name says when it was taken, in which frame and where in it; that is metadata, with the numbers of its
    class's `features.tsv` where one is there, as `object_area` and the like.

    Args:
        group: what is never divided between splits: a `day`, a `frame` of the camera, or `none`.
        published: take the published split, which was drawn at random and divides days (a line says how many).
        omit: classes that are left out, with commas: `unknown,dirt`.
        fewest: pictures that a class needs to be learnt; those of other classes are unlabelled.

    Raises:
        UsageError: fewest under 2.
    """

    def __init__(self, *, group: Group = "day", published: bool = False, omit: str = "", fewest: int = 2) -> None:
        super().__init__(published=published, omit=omit, fewest=fewest)
        self.license = "cc0-1.0"
        self.group = group
        self._features: Mapping[str, tuple[Measures, int]] = {}  # by a picture's file name, the table and the row

    def _list(self, place: Place, problems: Problems, progress: Progress) -> list[Picture]:
        top = _find_top(place)
        splits = _read_lists(place, problems)
        names = [name for name in place.names if name.startswith(top) and is_image(name)]
        found, listed = [], 0
        for done, name in enumerate(names, start=1):
            inside = name.removeprefix(top).split("/")
            if len(inside) < 2:
                problems.add("pictures that lie in no class folder, which were left out", name)
                continue
            taken = parse_spc(inside[-1])
            if taken is None:
                problems.add(NOT_NAMED, name)
            split = splits.pop("/".join(inside[-3:]), None)
            listed += split is not None
            found.append(Picture(path=name, label=inside[0], group=self._group_of(taken), split=split))
            progress("reading names", done, len(names))
        for name in splits:
            problems.add("pictures that the published split names and that are not there", name)
        if listed:
            for one in found:
                if one.split is None:
                    problems.add("pictures that are in none of the published lists", one.path)
        self._features = _read_features(place, top)
        return unite(found, problems)

    def _group_of(self, taken: Taken | None) -> str | None:
        if taken is None or self.group == "none":
            return None
        return taken.day if self.group == "day" else taken.sample

    def _describe(self, picture: Picture) -> Mapping[str, str]:
        file = picture.path.rpartition("/")[2]
        taken = parse_spc(file)
        measures, row = self._features.get(file, (None, -1))
        return {**(taken.facts if taken else {}), **(measures.describe(row) if measures else {})}


def _find_top(place: Place) -> str:
    """What stands before the class in the pictures' names."""
    if place.root.name == PICTURES:
        return ""
    for name in place.names:
        parts = name.split("/")
        if PICTURES in parts[:-1]:
            return "/".join(parts[: parts.index(PICTURES) + 1]) + "/"
    raise FileError(place.root, f"there is no {PICTURES} in it", f"{EXPECTED}.")


def _read_lists(place: Place, problems: Problems) -> dict[str, str]:
    """The published split by the last three parts of a picture's name; what is above was another machine's."""
    splits: dict[str, str] = {}
    for name in place.names:
        if split := LISTS.get(name.rpartition("/")[2]):
            for line in place.read(name).decode("utf-8-sig", errors="replace").splitlines():
                path = "/".join(line.strip().strip("'\"").replace("\\", "/").split("/")[-3:])
                if path and splits.setdefault(path, split) != split:
                    splits[path] = ""
    for path in [path for path, split in splits.items() if not split]:
        problems.add("pictures that are in several of the published lists, which count for none", path)
        del splits[path]
    return splits


def _read_features(place: Place, top: str) -> dict[str, tuple[Measures, int]]:
    """The measures of every class's features.tsv and the row in them, by the picture's file name."""
    found: dict[str, tuple[Measures, int]] = {}
    for name in place.names:
        if name.startswith(top) and name.rpartition("/")[2].lower() == "features.tsv":
            table = read_table(place, name, texts=("url", "timestamp", "filename"))
            column = table.find("url", "filename", "image_filename")
            measures = table.numbers(without=("timestamp",))
            for row, said in enumerate(table.texts(column)):
                file = said.replace("\\", "/").rpartition("/")[2]
                found.setdefault(file, (measures, row))
    found.pop("", None)
    return found

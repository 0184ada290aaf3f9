"""The dataset `whoi`: pictures of an Imaging FlowCytobot (IFCB) by class, such as WHOI-Plankton's years."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from zoo.data import is_image
from zoo.errors import FileError
from zoo.progress import Progress
from zoo_zooplankton.names import Taken, parse_ifcb
from zoo_zooplankton.pictures import Picture, PublishedSet, unite
from zoo_zooplankton.places import Place
from zoo_zooplankton.problems import Problems

Group = Literal["sample", "day", "year", "none"]
NOT_NAMED = "pictures that are not called as an IFCB calls them, IFCB1_2006_158_000036_00003.png, and have no group"
EXPECTED = "Name a folder of <year>/<class>/*.png, of <class>/*.png, or of the years' zips"
OTHER_YEAR = "pictures of another year than their folder's; their own counts"


class Whoi(PublishedSet):
    """An IFCB's pictures by class, year by year or all together: WHOI-Plankton, zipped or not.

    A picture's class is the folder that it lies in, whatever is above; the classes of all years are one. Its name says
    when, by which instrument and in which sample it was taken: that is kept as metadata.

    Args:
        group: what is never divided between splits: a `sample` of some millilitres, a `day` (blooms last for days),
            a `year`, or `none`.
        omit: classes that are left out, with commas: `mix,detritus`.
        fewest: pictures that a class needs to be learnt; those of other classes are unlabelled.

    Raises:
        UsageError: fewest under 2.
    """

    def __init__(self, *, group: Group = "day", omit: str = "", fewest: int = 2) -> None:
        super().__init__(published=False, omit=omit, fewest=fewest)
        self.group = group

    def _list(self, place: Place, problems: Problems, progress: Progress) -> list[Picture]:
        found = []
        names = [name for name in place.names if is_image(name)]
        for done, name in enumerate(names, start=1):
            folder, _, file = name.rpartition("/")
            label = folder.rpartition("/")[2]
            taken = parse_ifcb(file)
            if not label:
                problems.add("pictures that lie in no class folder, which were left out", name)
                continue
            if taken is None:
                problems.add(NOT_NAMED, name)
            elif _year_above(folder) not in (None, f"{taken.time.year}"):
                problems.add(OTHER_YEAR, name)
            found.append(Picture(path=name, label=label, group=self._group_of(taken)))
            progress("reading names", done, len(names))
        if not found:
            problem = f"there are no pictures in class folders ({problems})"
            raise FileError(place.root, problem, f"{EXPECTED}.")
        return unite(found, problems)

    def _group_of(self, taken: Taken | None) -> str | None:
        if taken is None or self.group == "none":
            return None
        return {"sample": taken.sample, "day": taken.day, "year": f"{taken.time.year}"}[self.group]

    def _describe(self, picture: Picture) -> Mapping[str, str]:
        taken = parse_ifcb(picture.path.rpartition("/")[2])
        return taken.facts if taken else {}


def _year_above(folder: str) -> str | None:
    """The year of a class folder, where one above is called so."""
    years = [part for part in folder.split("/")[:-1] if part.isdigit() and len(part) == 4]
    return years[-1] if years else None

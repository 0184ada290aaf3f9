"""The dataset `coco`: COCO and COCO Camera Traps, as detection sets and LILA's camera traps come."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.data import read_size
from zoo.errors import FileError
from zoo.progress import Progress
from zoo_coco.annotated import AnnotatedDataset, AnnotatedPicture, Annotation, Boxes
from zoo_coco.boxes import Corners, read_box
from zoo_coco.names import is_empty
from zoo_coco.problems import Problems
from zoo_coco.tables import PictureFolder, find_split_tables, read_json

Group = Literal["auto", "location", "sequence", "none"]

WHAT = "a COCO table"
GROUPED_BY = {"location": "location", "sequence": "seq_id"}
OF_PICTURE = frozenset({"file_name", "width", "height"})  # what is no metadata, for it is used
OF_ANNOTATION = frozenset({"image_id", "category_id", "bbox", "bbox_relative", "segmentation", "iscrowd"})

CORRUPT = "the table calls the picture corrupt; it was left out"
MALFORMED = "an entry without its ids or its file's name; it was set aside"
TWICE = "a picture that the table has twice; its first entry counts"
REPEATED = "an annotation that the table has twice, word for word; it counts once"
SAME_ID = "two annotations of one id that are not the same; both count"
STRAY = "an annotation of a picture that the table has not; it was set aside"
UNKNOWN = "an annotation of a category that the table has not; it was set aside"
CROWD = "a box round a crowd; it was set aside"
SIZELESS = "a box in pixels of a picture whose size is not known, for it cannot be read; it was set aside"
BY_SEQUENCE = (
    "a label of a whole sequence, of which this picture may show nothing (`options={'sequence_labels': 'drop'}`)"
)
DROPPED = "a label of a whole sequence; it was set aside"


@dataclass(slots=True, kw_only=True)
class _Found:
    """A picture of the table that is there, while annotations are gathered."""

    path: str
    entry: Mapping[str, Any]
    annotations: list[Annotation] = field(default_factory=list)
    size: tuple[float, float] | None = None


class Coco(AnnotatedDataset):
    """Pictures with boxes or labels as COCO or COCO Camera Traps have them: the kind and the box.

    The table is the one JSON of the folder or of its `annotations`; or one in each of `train`, `valid` and `test`,
    which are the splits then. A picture whose category is `empty` has no box, and that is known; one without an
    annotation is unlabelled.

    Args:
        table: the JSON, relative to the folder, where there are several.
        images: the folder that file names are relative to; found by where the pictures are by default.
        boxes: of several boxes in a picture the `largest` counts, or `each` is a sample of its own.
        margin: with `boxes=each`, what the window round a box shows beside it, a share of the box's longer side.
        whole: with `boxes=each`, the whole picture in place of a window.
        group: what is never divided between training and test: the camera's `location`, the `sequence`, or `none`;
            `auto`: the location where there is one, else the sequence.
        sequence_labels: labels that were given to a sequence, not to the picture: `keep` or `drop` them.
        least: classes of fewer samples are not learnt.
    """

    def __init__(
        self,
        *,
        table: str = "",
        images: str = "",
        boxes: Boxes = "largest",
        margin: float = 0.5,
        whole: bool = False,
        group: Group = "auto",
        sequence_labels: Literal["keep", "drop"] = "keep",
        least: int = 2,
    ) -> None:
        super().__init__(boxes=boxes, margin=margin, whole=whole, least=least)
        self.table, self.images, self.group, self.sequence_labels = table, images, group, sequence_labels

    def _read(self, root: Path, problems: Problems, progress: Progress) -> list[AnnotatedPicture]:
        pictures: list[AnnotatedPicture] = []
        for table, split in find_split_tables(root, self.table, what=WHAT):
            content = read_json(table, what=WHAT, lists=("images", "categories"))
            reader = _TableReader(root=root, table=table, drops=self.sequence_labels == "drop", problems=problems)
            reader.read_categories(content["categories"])
            folder = self._find_folder(root, table, content["images"])
            reader.read_images(content["images"], folder, progress)
            annotations = content.get("annotations")
            reader.read_annotations(annotations if isinstance(annotations, list) else [])
            key = self._group_key(table, content["images"])
            pictures += [_as_picture(one, split, key) for one in reader.found.values()]
        return pictures

    def _find_folder(self, root: Path, table: Path, images: Iterable[Any]) -> PictureFolder:
        names = (one["file_name"] for one in images if isinstance(one, dict) and isinstance(one.get("file_name"), str))
        inside = table.parent if table.parent.is_relative_to(root) else root
        near = (inside, root, inside / "images", root / "images")
        return PictureFolder.find(root, self.images, names, near=near)

    def _group_key(self, table: Path, images: Sequence[Any]) -> str | None:
        """The field of a picture that names its group."""
        if self.group == "none":
            return None
        wanted = list(GROUPED_BY.values()) if self.group == "auto" else [GROUPED_BY[self.group]]
        for key in wanted:
            if any(isinstance(one, dict) and _as_id(one.get(key)) for one in images):
                return key
        if self.group == "auto":
            return None
        raise FileError(
            table, f"no picture has a `{wanted[0]}`", "Leave `group` out, or pass `options={'group': 'none'}`."
        )


def _as_picture(found: _Found, split: str | None, key: str | None) -> AnnotatedPicture:
    return AnnotatedPicture(
        path=found.path,
        annotations=found.annotations,
        group=_as_id(found.entry.get(key)) if key else None,
        split=split,
        size=found.size,
        facts={name: value for name, value in found.entry.items() if name not in OF_PICTURE},
    )


@dataclass(kw_only=True)
class _TableReader:
    """One table, read in the order categories, images, annotations."""

    root: Path
    table: Path
    drops: bool  # labels of whole sequences
    problems: Problems
    found: dict[str, _Found] = field(default_factory=dict)  # by path
    _by_id: dict[str, _Found | None] = field(default_factory=dict)  # None: left out
    _categories: dict[str, tuple[str, bool, Mapping[str, Any]]] = field(
        default_factory=dict
    )  # name, is empty, the rest

    def _where(self, kind: str, number: int) -> str:
        return f"{self.table.name}, {kind}[{number}]"

    def read_categories(self, categories: Sequence[Any]) -> None:
        """Raises FileError: one without id or name, or two of one id."""
        for number, one in enumerate(categories):
            key = _as_id(one.get("id")) if isinstance(one, dict) else None
            name = one.get("name") if isinstance(one, dict) else None
            if key is None or not isinstance(name, str) or not name.strip():
                problem = f"categories[{number}] is {one!s:.80}, without an id or a name"
                raise FileError(self.table, problem, 'Write it as {"id": 1, "name": "fox"}.')
            name = name.strip()
            if key in self._categories and self._categories[key][0] != name:
                problem = f"the category {key} is both {self._categories[key][0]} and {name}"
                raise FileError(self.table, problem, "Give each category an id of its own.")
            more = {f"category_{title}": value for title, value in one.items() if title not in ("id", "name")}
            self._categories[key] = name, is_empty(name), more

    def read_images(self, images: Sequence[Any], folder: PictureFolder, progress: Progress) -> None:
        """Raises FileError: one id for two pictures."""
        names: dict[str, str] = {}
        for number, entry in enumerate(images):
            key = _as_id(entry.get("id")) if isinstance(entry, dict) else None
            name = entry.get("file_name") if isinstance(entry, dict) else None
            if key is None or not isinstance(name, str) or not name:
                self.problems.add(MALFORMED, self._where("images", number))
                continue
            if names.setdefault(key, name) != name:
                problem = f"the picture {key} is both {names[key]} and {name}"
                raise FileError(self.table, problem, "Give each picture an id of its own.")
            if key in self._by_id:
                self.problems.add(TWICE, name)
                continue
            self._by_id[key] = self._find(entry, name, folder)
            progress("looking for pictures", number + 1, len(images))

    def _find(self, entry: Mapping[str, Any], name: str, folder: PictureFolder) -> _Found | None:
        if entry.get("corrupt") in (True, 1, "true", "True"):
            self.problems.add(CORRUPT, name)
            return None
        path, fault = folder.locate(name)
        if path is None:
            self.problems.add(str(fault), name)
            return None
        if path in self.found:
            self.problems.add(TWICE, name)
            return self.found[path]
        sides = [_as_side(entry.get(side)) for side in ("width", "height")]
        size = (sides[0], sides[1]) if sides[0] and sides[1] else None
        self.found[path] = _Found(path=path, entry=entry, size=size)
        return self.found[path]

    def read_annotations(self, annotations: Sequence[Any]) -> None:
        """Give the pictures their annotations."""
        seen: dict[str, Any] = {}
        for number, entry in enumerate(annotations):
            picture_id = _as_id(entry.get("image_id")) if isinstance(entry, dict) else None
            category_id = _as_id(entry.get("category_id")) if isinstance(entry, dict) else None
            where = self._where("annotations", number)
            if picture_id is None or category_id is None:
                self.problems.add(MALFORMED, where)
            elif picture_id not in self._by_id:
                self.problems.add(STRAY, f"{where} ({picture_id})")
            elif category_id not in self._categories:
                self.problems.add(UNKNOWN, f"{where} ({category_id})")
            elif (found := self._by_id[picture_id]) and not self._is_repeated(entry, seen, where):
                self._annotate(found, entry, category_id)

    def _is_repeated(self, entry: Mapping[str, Any], seen: dict[str, Any], where: str) -> bool:
        key = _as_id(entry.get("id"))
        if key is None or seen.setdefault(key, entry) is entry:
            return False
        self.problems.add(REPEATED if seen[key] == entry else SAME_ID, f"{where} ({key})")
        return bool(seen[key] == entry)

    def _annotate(self, found: _Found, entry: Mapping[str, Any], category_id: str) -> None:
        if entry.get("iscrowd") == 1:
            self.problems.add(CROWD, found.path)
            return
        if entry.get("sequence_level_annotation") in (True, 1, "true", "True"):
            self.problems.add(DROPPED if self.drops else BY_SEQUENCE, found.path)
            if self.drops:
                return
        name, is_nothing, more = self._categories[category_id]
        facts = {title: value for title, value in entry.items() if title not in OF_ANNOTATION}
        box = None if is_nothing else self._read_box(found, entry)
        found.annotations.append(Annotation(label=name, box=box, is_nothing=is_nothing, facts={**facts, **more}))

    def _read_box(self, found: _Found, entry: Mapping[str, Any]) -> Corners | None:
        said = entry.get("bbox")
        if said in (None, []):
            box, fault = read_box(entry.get("bbox_relative"), (1, 1))
        else:
            if found.size is None:
                found.size = read_size(Path(os.path.join(self.root, found.path)))  # noqa: PTH118
            if found.size is None:
                self.problems.add(SIZELESS, found.path)
                return None
            box, fault = read_box(said, found.size)
        if fault:
            self.problems.add(fault, found.path)
        return box


def _as_id(value: Any) -> str | None:
    """An id as text: 7, 7.0 and "7" are one; None: there is none."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return str(int(value)) if value == int(value) else str(value)


def _as_side(value: Any) -> float | None:
    try:
        side = float(value)
    except (TypeError, ValueError):
        return None
    return side if math.isfinite(side) and side > 0 else None

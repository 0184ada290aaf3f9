"""The dataset `megadetector`: what MegaDetector and its like found in pictures, as boxes to learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.data import is_image
from zoo.errors import FileError, UsageError
from zoo.progress import Progress
from zoo_coco.annotated import AnnotatedDataset, AnnotatedPicture, Annotation, Boxes
from zoo_coco.boxes import read_box
from zoo_coco.problems import Problems
from zoo_coco.tables import PictureFolder, find_table, read_csv, read_json

WHAT = "results of MegaDetector"
CONFIDENCE = 0.2  # where neither the user nor the file says another
EMPTY = "empty"
PATHS, LABELS, GROUPS = (
    ("path", "file", "filename", "image"),
    ("label", "classification", "class"),
    ("group", "location"),
)

FAILED = "MegaDetector could not read the picture; it was left out"
UNSAID = "an entry without detections, and without a failure that says why; it was left out"
MALFORMED = "an entry without its file, or a detection without category and confidence; it was set aside"
NO_PICTURE = "a video, or another file that is no picture; it was left out"
TWICE = "a picture that the results have twice; its first entry counts"
UNNAMED = "a detection of a category that the results do not name; it counts as none"
UNLISTED = "a picture that stands in no line of the table of labels; its label is not known"

FindLabel = Callable[[str, str, Mapping[str, Any]], str | None]  # path, category's name, detection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What the table of labels says of a picture."""

    label: str | None
    group: str | None


class MegaDetectorResults(AnnotatedDataset):
    """Pictures with the boxes that MegaDetector found, from its JSON of results.

    Args:
        table: the JSON, relative to the folder, where there are several.
        images: the folder that files are relative to; found by where the pictures are by default.
        confidence: detections under it are passed over; by default what the file calls typical, else 0.2.
        labels: whose names are learnt: `category` (animal, person, vehicle; empty where nothing was found),
            `classification` (the likeliest of each detection), `folder` (what the picture's folder is called), or a
            CSV of paths and labels, relative to the folder. The last two are the names of animals only.
        group: the level of the folders that are cameras or sites, 1 for `A` of `A/B/1.jpg`; 0: none are known. A CSV's
            column `group` or `Location` goes before.
        boxes: of several boxes in a picture the `largest` counts, or `each` is a sample of its own.
        margin: with `boxes=each`, what the window round a box shows beside it, a share of the box's longer side.
        whole: with `boxes=each`, the whole picture in place of a window.
        least: classes of fewer samples are not learnt.

    Raises:
        UsageError: a confidence outside 0 to 1, or a level under 0.
    """

    def __init__(
        self,
        *,
        table: str = "",
        images: str = "",
        confidence: float | None = None,
        labels: str = "category",
        group: int = 0,
        boxes: Boxes = "largest",
        margin: float = 0.5,
        whole: bool = False,
        least: int = 2,
    ) -> None:
        super().__init__(boxes=boxes, margin=margin, whole=whole, least=least)
        if confidence is not None and not 0 <= confidence <= 1:
            raise UsageError(f"confidence={confidence:g} is no probability.", "Pass 0 to 1, such as 0.2.")
        if group < 0:
            raise UsageError(f"group={group} is no level of folders.", "Pass 1 for the first, or 0 for no groups.")
        self.table, self.images, self.labels, self.group = table, images, labels, group
        self.confidence = confidence

    def _read(self, root: Path, problems: Problems, progress: Progress) -> list[AnnotatedPicture]:
        table = find_table(root, self.table, what=f"the JSON with {WHAT}")
        content = read_json(table, what=WHAT, lists=("images",))
        categories = _read_names(table, content, "detection_categories")
        kinds = (
            _read_names(table, content, "classification_categories") if "classification_categories" in content else {}
        )
        entries: list[Any] = content["images"]
        names = (one["file"] for one in entries if isinstance(one, dict) and isinstance(one.get("file"), str))
        near = (table.parent if table.parent.is_relative_to(root) else root, root, root / "images")
        folder = PictureFolder.find(root, self.images, names, near=near)
        lines = self._read_labels(root, folder)
        least = _typical_confidence(content) if self.confidence is None else self.confidence
        find_label = self._label_finder(categories, kinds, lines)
        pictures: dict[str, AnnotatedPicture] = {}
        for number, entry in enumerate(entries):
            progress("reading detections", number + 1, len(entries))
            where = f"{table.name}, images[{number}]"
            path = _find_picture(entry, where, folder, problems)
            if path is None:
                continue
            if path in pictures:
                problems.add(TWICE, path)
                continue
            found = list(_read_detections(entry, path, categories, least, find_label, problems))
            if lines is not None and path not in lines:
                problems.add(UNLISTED, path)
            pictures[path] = self._as_picture(path, entry, found, lines)
        return list(pictures.values())

    def _as_picture(
        self, path: str, entry: Mapping[str, Any], found: list[Annotation], lines: Mapping[str, _Line] | None
    ) -> AnnotatedPicture:
        if not found:
            if self.labels in ("category", "classification"):
                found = [Annotation(label=EMPTY, is_nothing=True)]
            elif label := _name_of(path, lines):  # the animal may have been missed
                found = [Annotation(label=label)]
        folders = PurePosixPath(path).parts[:-1]
        group = folders[self.group - 1] if 0 < self.group <= len(folders) else None
        line = lines.get(path) if lines else None
        facts = {name: value for name, value in entry.items() if name not in ("file", "detections", "failure")}
        return AnnotatedPicture(path=path, annotations=found, group=line.group or group if line else group, facts=facts)

    def _read_labels(self, root: Path, folder: PictureFolder) -> Mapping[str, _Line] | None:
        """The table of labels by the pictures' paths; None: labels come from elsewhere."""
        if self.labels in ("category", "classification", "folder"):
            return None
        table = root / self.labels
        lines: dict[str, _Line] = {}
        if not table.is_file():
            remedy = "Pass category, classification, folder, or a CSV that is there: `options={'labels': 'FILE.csv'}`."
            raise FileError(table, "there is no such table of labels", remedy)
        for number, row in read_csv(table, ()):
            said = {title.casefold(): cell for title, cell in row.items()}
            path, label, group = (
                next((said[one] for one in names if one in said), None) for names in (PATHS, LABELS, GROUPS)
            )
            if path is None or label is None:
                raise FileError(table, f"its columns are {', '.join(row)}", "Give it the columns path and label.")
            found = folder.locate(path)[0] or path
            line = _Line(label=label or None, group=group or None)
            if lines.setdefault(found, line).label != line.label:
                problem = f"line {number}: {path} is both {lines[found].label} and {line.label}"
                raise FileError(table, problem, "Correct one of the lines.")
        return lines

    def _label_finder(
        self, categories: Mapping[str, str], kinds: Mapping[str, str], lines: Mapping[str, _Line] | None
    ) -> FindLabel:
        if self.labels == "category":
            return lambda path, category, detection: category
        if self.labels == "classification":
            return lambda path, category, detection: _likeliest(detection, kinds)
        are_told = "animal" in categories.values()  # people and vehicles keep their names
        return lambda path, category, detection: (
            category if are_told and category != "animal" else _name_of(path, lines)
        )


def _name_of(path: str, lines: Mapping[str, _Line] | None) -> str | None:
    """By the table of labels, else by the folder; None: not known."""
    if lines is not None:
        return lines[path].label if path in lines else None
    return PurePosixPath(path).parent.name or None


def _read_names(table: Path, content: Mapping[str, Any], key: str) -> dict[str, str]:
    said = content.get(key)
    if not isinstance(said, dict) or not all(isinstance(one, str) and one.strip() for one in said.values()):
        problem = f"not {WHAT}: `{key}` is {said!s:.60}, and no names by number"
        raise FileError(table, problem, "Replace it, or name another: `options={'table': 'FILE'}`.")
    return {number: name.strip() for number, name in said.items()}


def _typical_confidence(content: Mapping[str, Any]) -> float:
    info = content.get("info")
    metadata = info.get("detector_metadata") if isinstance(info, dict) else None
    said = metadata.get("typical_detection_threshold") if isinstance(metadata, dict) else None
    return float(said) if isinstance(said, int | float) and 0 <= said <= 1 else CONFIDENCE


def _find_picture(entry: Any, where: str, folder: PictureFolder, problems: Problems) -> str | None:
    """The path of an entry that can be used."""
    file = entry.get("file") if isinstance(entry, dict) else None
    if not isinstance(file, str) or not file:
        problems.add(MALFORMED, where)
        return None
    if entry.get("failure"):
        problems.add(FAILED, f"{file} ({entry['failure']!s:.40})")
        return None
    if not is_image(file):
        problems.add(NO_PICTURE, file)
        return None
    if not isinstance(entry.get("detections"), list):
        problems.add(UNSAID, file)
        return None
    path, fault = folder.locate(file)
    if path is None:
        problems.add(str(fault), file)
    return path


def _read_detections(
    entry: Mapping[str, Any],
    path: str,
    categories: Mapping[str, str],
    least: float,
    find_label: FindLabel,
    problems: Problems,
) -> Sequence[Annotation]:
    found = []
    for one in entry["detections"]:
        confidence = one.get("conf") if isinstance(one, dict) else None
        if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
            problems.add(MALFORMED, path)
            continue
        if confidence < least:
            continue
        category = categories.get(str(one.get("category")))
        if category is None:
            problems.add(UNNAMED, path)
            continue
        box, fault = read_box(one.get("bbox"), (1, 1))
        if fault:
            problems.add(fault, path)
        facts = {name: value for name, value in one.items() if name not in ("bbox", "category")}
        found.append(Annotation(label=find_label(path, category, one), box=box, facts={"detection": category, **facts}))
    return found


def _likeliest(detection: Mapping[str, Any], kinds: Mapping[str, str]) -> str | None:
    """The name of the likeliest classification; None: there is none."""
    said = detection.get("classifications")
    pairs = [
        (one[1], str(one[0]))
        for one in (said if isinstance(said, list) else [])
        if isinstance(one, list) and len(one) == 2 and isinstance(one[1], int | float) and str(one[0]) in kinds
    ]
    return kinds[max(pairs, key=lambda pair: pair[0])[1]] if pairs else None

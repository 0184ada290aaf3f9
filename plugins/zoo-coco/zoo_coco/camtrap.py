"""The dataset `camtrap-dp`: a Camera Trap Data Package (Camtrap DP 1.0), as Agouti and GBIF hand it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from zoo.errors import FileError
from zoo.files import parse_json
from zoo.progress import Progress
from zoo_coco.annotated import AnnotatedDataset, AnnotatedPicture, Annotation, Boxes
from zoo_coco.boxes import NO_NUMBERS, Corners, read_box
from zoo_coco.problems import Problems
from zoo_coco.tables import PictureFolder, read_csv

PACKAGE = "datapackage.json"
NEEDED = {
    "deployments": ("deploymentID",),
    "media": ("mediaID", "deploymentID", "filePath"),
    "observations": ("mediaID", "observationType"),
}
BOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")
UNKNOWN_TYPES = ("unknown", "unclassified")

TWICE = "an id that the table has twice; its first line counts"
STRAY = "an observation of a medium that media.csv has not; it was set aside"
NOWHERE = "a medium of a deployment that deployments.csv has not; the deployment's id is its group"
NO_PICTURE = "a video or a sound; it was left out"
IS_A_LINK = "a medium that lies on the Web and is not here by its file's name; it was left out"
POINT = "a point (bboxX and bboxY alone) where a box is due; it was set aside"
BY_OTHERS = "an observation that was made by another method; it was set aside (`options={'method': 'any'}` takes all)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    """Where a table of the package lies, and how it is written."""

    tables: tuple[Path, ...]
    encoding: str = "utf-8-sig"
    delimiter: str = ","

    def rows(self, needed: Iterable[str]) -> Iterable[tuple[str, dict[str, str]]]:
        for table in self.tables:
            for line, row in read_csv(table, needed, encoding=self.encoding, delimiter=self.delimiter):
                yield f"{table.name}, line {line}", row


class CamtrapPackage(AnnotatedDataset):
    """Pictures of a Camtrap DP: the species, or `blank`, `human`, `vehicle`, and the box where there is one.

    Only observations of media count, not those of whole events. Groups are the deployments' locations.

    Args:
        method: whose observations count: a `human`'s, a `machine`'s, or `any`; one that does not say it always counts.
        images: the folder with the pictures, which `filePath` or, where that is a link, `fileName` is relative to;
            found by where the pictures are by default.
        boxes: of several boxes in a picture the `largest` counts, or `each` is a sample of its own.
        margin: with `boxes=each`, what the window round a box shows beside it, a share of the box's longer side.
        whole: with `boxes=each`, the whole picture in place of a window.
        least: classes of fewer samples are not learnt.
    """

    def __init__(
        self,
        *,
        method: Literal["human", "machine", "any"] = "human",
        images: str = "",
        boxes: Boxes = "largest",
        margin: float = 0.5,
        whole: bool = False,
        least: int = 2,
    ) -> None:
        super().__init__(boxes=boxes, margin=margin, whole=whole, least=least)
        self.method, self.images = method, images

    def _read(self, root: Path, problems: Problems, progress: Progress) -> list[AnnotatedPicture]:
        package = _read_package(root)
        self.license = _license_of(package)
        tables = {name: _find_resource(root, package, name) for name in NEEDED}
        deployments = _by_id(tables["deployments"].rows(NEEDED["deployments"]), "deploymentID", problems)
        media = _by_id(tables["media"].rows(NEEDED["media"]), "mediaID", problems)
        observed = self._read_observations(tables["observations"], media, problems)
        near = (root, root / "media", root / "images")
        said = (name for row in media.values() for name in _names_of(row))
        folder = PictureFolder.find(root, self.images, said, near=near)
        pictures: dict[str, AnnotatedPicture] = {}
        for done, (key, row) in enumerate(media.items(), start=1):
            progress("looking for pictures", done, len(media))
            if (path := _find_picture(row, folder, problems)) is None:
                continue
            if path in pictures:
                problems.add(TWICE, f"{path} ({key})")
                continue
            deployment = deployments.get(row["deploymentID"])
            if deployment is None:
                problems.add(NOWHERE, f"{key} ({row['deploymentID']})")
            facts = {name: cell for name, cell in ((deployment or {}) | row).items() if cell and name != "filePath"}
            group = (deployment or {}).get("locationID") or row["deploymentID"] or None
            pictures[path] = AnnotatedPicture(path=path, annotations=observed.get(key, ()), group=group, facts=facts)
        return list(pictures.values())

    def _read_observations(
        self, table: _Resource, media: Mapping[str, Any], problems: Problems
    ) -> dict[str, list[Annotation]]:
        """Annotations by medium."""
        found: dict[str, list[Annotation]] = {}
        ids: set[str] = set()
        events = 0
        for where, row in table.rows(NEEDED["observations"]):
            key, medium = row.get("observationID", ""), row["mediaID"]
            if key and key in ids:
                problems.add(TWICE, f"{where} ({key})")
                continue
            ids.add(key)
            if row.get("observationLevel") == "event" or not medium:
                events += 1
            elif self.method != "any" and row.get("classificationMethod") not in (None, "", self.method):
                problems.add(BY_OTHERS, f"{where} ({row['classificationMethod']})")
            elif medium not in media:
                problems.add(STRAY, f"{where} ({medium})")
            else:
                found.setdefault(medium, []).append(_as_annotation(row, where, problems))
        if events and not found:
            problem = (
                f"all of its {events} observations are of events, or were set aside ({problems.counts() or 'none was'})"
            )
            remedy = "Ask for an export with observations of media, or pass `options={'method': 'any'}`."
            raise FileError(table.tables[0], problem, remedy)
        return found


def _as_annotation(row: Mapping[str, str], where: str, problems: Problems) -> Annotation:
    kind = row["observationType"]
    label = row.get("scientificName") or None if kind == "animal" else kind or None
    facts = {name: cell for name, cell in row.items() if cell and name not in (*BOX, "mediaID", "deploymentID")}
    if kind == "blank":
        return Annotation(label=label, is_nothing=True, facts=facts)
    label = None if kind in UNKNOWN_TYPES else label
    return Annotation(label=label, box=_read_box(row, where, problems), facts=facts)


def _read_box(row: Mapping[str, str], where: str, problems: Problems) -> Corners | None:
    cells = [row.get(name, "") for name in BOX]
    if not any(cells):
        return None
    if all(cells[:2]) and not any(cells[2:]):
        problems.add(POINT, where)
        return None
    try:
        box, fault = read_box([float(cell) for cell in cells], (1, 1))
    except ValueError:
        box, fault = None, NO_NUMBERS
    if fault:
        problems.add(fault, where)
    return box


def _read_package(root: Path) -> dict[str, Any]:
    """What datapackage.json says. Raises FileError."""
    path, remedy = root / PACKAGE, "Name the folder that a Camtrap DP was unpacked to."
    try:
        content = parse_json(path.read_bytes(), finite=False)
    except FileNotFoundError as error:
        raise FileError(root, f"there is no {PACKAGE} in it, so that it is no Camtrap DP", remedy) from error
    except (OSError, ValueError) as error:
        raise FileError(path, f"it cannot be read as a data package ({error})", "Replace it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("resources"), list):
        raise FileError(path, "no data package: it has no list `resources`", remedy)
    profile = content.get("profile")
    if isinstance(profile, str) and profile.startswith("http") and "camtrap-dp" not in profile:
        raise FileError(path, f"its profile is {profile:.100}, no Camtrap DP", remedy)
    return content


def _license_of(package: Mapping[str, Any]) -> str:
    """The licence of the pictures as a word of the Hub's, where the package names it; else ""."""
    said = package.get("licenses")
    licenses = [one for one in (said if isinstance(said, list) else []) if isinstance(one, dict)]
    names = [one.get("name") for one in licenses if one.get("scope") == "media"]
    return names[0].lower() if len(names) == 1 and isinstance(names[0], str) else ""


def _find_resource(root: Path, package: Mapping[str, Any], name: str) -> _Resource:
    """A table of the package. Raises FileError: it is not listed, or lies elsewhere."""
    listed = [one for one in package["resources"] if isinstance(one, dict) and one.get("name") == name]
    said = listed[0].get("path") if listed else f"{name}.csv"
    paths: Sequence[Any] = said if isinstance(said, list) else [said]
    for path in paths:
        plain = isinstance(path, str) and PurePosixPath(path)
        if not plain or plain.is_absolute() or ".." in plain.parts or "://" in str(path):
            problem = f"the table {name} lies at {path!s:.80}, outside the package"
            raise FileError(root / PACKAGE, problem, f"Put it beside {PACKAGE}, and write its name there.")
    first = listed[0] if listed else {}
    encoding, dialect = first.get("encoding"), first.get("dialect")
    delimiter = dialect.get("delimiter") if isinstance(dialect, dict) else None
    return _Resource(
        tables=tuple(root / path for path in paths),
        encoding=encoding if isinstance(encoding, str) and encoding.lower() not in ("utf-8", "utf8") else "utf-8-sig",
        delimiter=delimiter if isinstance(delimiter, str) and len(delimiter) == 1 else ",",
    )


def _by_id(rows: Iterable[tuple[str, dict[str, str]]], key: str, problems: Problems) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for where, row in rows:
        if found.setdefault(row[key], row) is not row:
            problems.add(TWICE, f"{where} ({row[key]})")
    return found


def _names_of(row: Mapping[str, str]) -> list[str]:
    """What a picture may be called, the likeliest first; a link is no path."""
    names = [row["filePath"], row.get("fileName", "")]
    return [name for name in names if name and "://" not in name]


def _find_picture(row: Mapping[str, str], folder: PictureFolder, problems: Problems) -> str | None:
    name = row.get("fileName") or row["filePath"]
    if row.get("fileMediatype", "").startswith(("video/", "audio/")):
        problems.add(NO_PICTURE, name)
        return None
    places = [folder.locate(one) for one in _names_of(row)]
    for path, _ in places:
        if path is not None:
            return path
    problems.add(IS_A_LINK if "://" in row["filePath"] else str(places[0][1] if places else IS_A_LINK), name)
    return None

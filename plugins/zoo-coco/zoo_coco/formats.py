"""The formats `megadetector` and `camtrap-dp`: what a model says of pictures, in the words of camera traps."""

from __future__ import annotations

import csv
import os
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.errors import UsageError, ZooWarning
from zoo.evaluation import for_spreadsheet
from zoo.files import format_json
from zoo_coco.names import is_empty, observation_type, scientific_name

VERSION = "1.6"  # of MegaDetector's format
CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}  # MegaDetector's own
CATEGORY_OF = {"human": "2", "vehicle": "3"}
WHOLE = (0.0, 0.0, 1.0, 1.0)
BOX = ("x1", "y1", "x2", "y2")
PRESENT = 0.5  # from so likely on there is something in the box

OBSERVATION = (  # Camtrap DP 1.0, in the order of its schema
    *("observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel"),
    *("observationType", "cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior", "individualID"),
    *("individualPositionRadius", "individualPositionAngle", "individualSpeed"),
    *("bboxX", "bboxY", "bboxWidth", "bboxHeight"),
    *("classificationMethod", "classifiedBy", "classificationTimestamp", "classificationProbability"),
    *("observationTags", "observationComments"),
)
REQUIRED = ("deploymentID", "eventStart", "eventEnd")  # which the pictures alone do not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """A table of predictions, of N pictures, in terms of classes and boxes."""

    names: tuple[str, ...]  # (K) classes; () where the model names none
    probabilities: np.ndarray  # (N, K)
    best: tuple[str, ...]  # (N) what the head says in short; () likewise
    certain: tuple[float, ...]  # (N) and how sure it is
    boxes: np.ndarray | None  # (N, 4) x, y, width, height in 0 to 1; None where the model has no boxes
    presence: np.ndarray | None  # (N) how likely it is that there is something

    def box(self, row: int) -> tuple[float, ...] | None:
        """The box of a picture, rounded; None: there is none, or it has no area."""
        if self.boxes is None:
            return None
        x, y, width, height = (round(float(side), 6) for side in self.boxes[row])
        return (x, y, min(width, 1 - x), min(height, 1 - y)) if width > 0 and height > 0 else None

    def confidence(self, row: int) -> float:
        """How likely it is that there is anything in a picture; 1 where nothing speaks against it."""
        if self.presence is not None:
            return float(self.presence[row])
        empty = [place for place, name in enumerate(self.names) if is_empty(name)]
        return min(max(1.0 - float(self.probabilities[row, empty].sum()), 0.0), 1.0)


def _read_answers(table: zoo.PredictionTable, *, of: str) -> _Answers:
    """Raises UsageError: the model neither names classes nor finds boxes, or several heads do."""
    starts = [name.removesuffix("class") for name in table.summary if name == "class" or name.endswith(":class")]
    named = [one for one in starts if isinstance(table.summary.get(f"{one}probability", ("",))[0], float)]
    boxed = [name.removesuffix("x1") for name in table.columns if name == "x1" or name.endswith(":x1")]
    boxed = [one for one in boxed if all(f"{one}{side}" in table.columns for side in BOX)]
    if not named and not boxed:
        has = ", ".join(table.columns[:5])
        remedy = "Choose another head, or the format csv."
        raise UsageError(f"The format {of!r} needs classes or a box, and these predictions have {has}.", remedy)
    if several := next((starts for starts in (named, boxed) if len(starts) > 1), None):
        heads = ", ".join(start.rstrip(":") for start in several)
        raise UsageError(f"Several heads name a class, or find a box: {heads}.", "Say whose is written, `head=NAME`.")
    place = {name: number for number, name in enumerate(table.columns)}
    start = named[0] if named else ""
    classes = [name for name in table.columns if named and name.startswith(start)]
    presence = f"{boxed[0]}presence" if boxed else ""
    return _Answers(
        names=tuple(name.removeprefix(start) for name in classes),
        probabilities=table.values[:, [place[name] for name in classes]],
        best=tuple(map(str, table.summary[f"{start}class"])) if named else (),
        certain=tuple(map(float, table.summary[f"{start}probability"])) if named else (),
        boxes=_as_shares(table, [place[f"{boxed[0]}{side}"] for side in BOX]) if boxed else None,
        presence=table.values[:, place[presence]] if presence in place else None,
    )


def _as_shares(table: zoo.PredictionTable, columns: list[int]) -> np.ndarray:
    """Corners in pixels -> x, y, width, height in 0 to 1, float64 (N, 4)."""
    corners = table.values[:, columns].astype(np.float64) / np.tile(np.array(table.sizes, dtype=np.float64), 2)
    corners = np.nan_to_num(corners).clip(0, 1)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


class MegaDetectorJson(zoo.Format):
    """Results as MegaDetector's, which Timelapse and other tools for camera traps read.

    A picture has one detection, of an animal, a person or a vehicle by the likeliest class: its box where the model has
    a head with boxes, else the whole picture; its classes as classifications, the likeliest first. `conf` is how likely
    it is that there is something: the head's `presence`, else 1 less the class `empty`.

    Args:
        top: how many classifications are kept; 0: all.
        digits: after the point.
    """

    def __init__(self, *, top: int = 5, digits: int = 4) -> None:
        if top < 0 or not 1 <= digits <= 15:
            raise UsageError(f"top={top}, digits={digits} say nothing.", "Pass a top of 0 or more, and 1 to 15 digits.")
        self.top, self.digits = top, digits

    def write(self, predictions: zoo.PredictionTable, path: Path) -> None:
        """Raises UsageError: the model neither names classes nor finds boxes."""
        answers = _read_answers(predictions, of="megadetector")
        known = predictions.metadata
        model = " ".join(filter(None, [known.get("filters", ""), known.get("manifest", "")])) or "zoo"
        time = known.get("time", "").replace("T", " ").removesuffix("Z")
        info = {"format_version": VERSION}
        for role, work in (("detector", "detection"), *[("classifier", "classification")] * bool(answers.names)):
            info[role] = model
            if time:
                info[f"{work}_completion_time"] = time
        content: dict[str, Any] = {"info": info, "detection_categories": CATEGORIES}
        if answers.names:
            content["classification_categories"] = {str(place): name for place, name in enumerate(answers.names)}
        content["images"] = [
            {"file": name.replace(os.sep, "/"), "detections": [self._detection(answers, row)]}
            for row, name in enumerate(predictions.names)
        ]
        path.write_text(format_json(content) + "\n", encoding="utf-8")

    def _detection(self, answers: _Answers, row: int) -> dict[str, Any]:
        said: dict[str, Any] = {
            "category": "1",
            "conf": round(answers.confidence(row), self.digits),
            "bbox": [round(side, self.digits) for side in answers.box(row) or WHOLE],
        }
        if answers.names:
            shares = answers.probabilities[row]
            order = np.argsort(-shares, kind="stable")[: self.top or None].tolist()
            said["category"] = CATEGORY_OF.get(observation_type(answers.names[order[0]]), "1")
            said["classifications"] = [[str(place), round(float(shares[place]), self.digits)] for place in order]
        return said


class CamtrapObservations(zoo.Format):
    """The table observations.csv of Camtrap DP 1.0: one observation a picture, made by a machine.

    `mediaID`, `deploymentID`, `timestamp` (or `eventStart` and `eventEnd`) and `eventID` are those of the CSV that was
    predicted, such as media.csv itself; a picture is its own `mediaID` otherwise. Classes called `empty` or `blank`,
    `human` or `person`, `vehicle` and `unknown` are types of observations, all others are animals.

    Args:
        deployment: the deploymentID of pictures whose table does not say it.
        raw: leave texts as they are that a spreadsheet would take for formulas.
    """

    def __init__(self, *, deployment: str = "", raw: bool = False) -> None:
        self.deployment, self.raw = deployment, raw

    def write(self, predictions: zoo.PredictionTable, path: Path) -> None:
        """What the standard asks for and nobody said is a `ZooWarning`. Raises UsageError, as `megadetector` does."""
        said = predictions if self.raw else for_spreadsheet(predictions)
        answers = _read_answers(said, of="camtrap-dp")
        known = predictions.metadata
        machine = " ".join(filter(None, [known.get("filters", ""), known.get("manifest", "")])) or "zoo"
        mark = known.get("manifest", "").rpartition(":")[2][:8] or "zoo"
        rows, seen = [], Counter[str]()
        for place, name in enumerate(said.names):
            row = dict.fromkeys(OBSERVATION, "") | self._given(said, place)
            row["mediaID"] = row["mediaID"] or name
            seen[row["mediaID"]] += 1
            number = f":{seen[row['mediaID']]}" if seen[row["mediaID"]] > 1 else ""
            row |= {
                "observationID": f"{row['mediaID']}:{mark}{number}",
                "observationLevel": "media",
                "classificationMethod": "machine",
                "classifiedBy": machine,
                "classificationTimestamp": known.get("time", ""),
                **_observe(answers, place),
            }
            rows.append(row)
        _warn_of_gaps(rows)
        with path.open("w", encoding="utf-8", errors="replace", newline="") as opened:
            writer = csv.DictWriter(opened, OBSERVATION, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def _given(self, said: zoo.PredictionTable, place: int) -> dict[str, str]:
        """What the table that was predicted says of a picture."""

        def cell(*titles: str) -> str:
            texts = [said.summary[title][place] for title in titles if title in said.summary]
            return next((text for text in texts if isinstance(text, str) and text), "")

        start = cell("eventStart", "timestamp")
        return {
            "mediaID": cell("mediaID"),
            "deploymentID": cell("deploymentID") or self.deployment,
            "eventID": cell("eventID"),
            "eventStart": start,
            "eventEnd": cell("eventEnd") or start,
        }


def _observe(answers: _Answers, row: int) -> dict[str, str]:
    """The columns that say what is in a picture, and where."""
    name = answers.best[row] if answers.best else ""
    there = answers.confidence(row)
    if answers.best:
        kind, certain = observation_type(name), answers.certain[row]
    else:
        kind, certain = ("animal", there) if there >= PRESENT else ("blank", 1 - there)
    said = {
        "observationType": kind,
        "scientificName": scientific_name(name) if kind == "animal" else "",
        "classificationProbability": f"{min(max(certain, 0.0), 1.0):.6g}",
    }
    box = answers.box(row)
    if kind != "blank" and box and there >= PRESENT:
        said |= {f"bbox{title}": f"{side:.6f}" for title, side in zip(("X", "Y", "Width", "Height"), box, strict=True)}
    return said


def _warn_of_gaps(rows: list[dict[str, str]]) -> None:
    counts = {name: sum(not row[name] for row in rows) for name in REQUIRED}
    if gaps := [f"{name} ({count} of {len(rows)})" for name, count in counts.items() if count]:
        remedy = "Predict from media.csv: `zoo predict RUN media.csv --set path=filePath --format camtrap-dp`."
        warnings.warn(
            f"Camtrap DP asks for {', '.join(gaps)}, which nobody said; the cells are empty. {remedy}",
            ZooWarning,
            stacklevel=3,
        )

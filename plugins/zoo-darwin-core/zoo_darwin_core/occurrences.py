"""Columns of the occurrences and of their pictures: what they are called, who named them and how sure that is."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

import zoo
from zoo.errors import one_line
from zoo_darwin_core.columns import make_unique, public_name

PREDICTED, VALIDATED = "PredictedByMachine", "ValidatedByHuman"
ECOTAXA_PERSON, ECOTAXA_DATE = "object_annotation_person_name", "object_annotation_date"
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg"), "image/jpeg"),
    **dict.fromkeys((".tif", ".tiff"), "image/tiff"),
    **{f".{kind}": f"image/{kind}" for kind in ("png", "gif", "bmp", "webp")},
}
NAMED = ("second", "likeliest")  # classes that a head names beside its answer


def find_machine(metadata: Mapping[str, str]) -> str:
    """Who a machine's names are from: `vgg16-plankton (zoo 0.2.0)`."""
    tool = f"zoo {metadata['filterzoo']}" if "filterzoo" in metadata else "zoo"
    return f"{metadata['filters']} ({tool})" if metadata.get("filters") else tool


def name_occurrences(names: Sequence[str], given: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Ids of the occurrences, each once, of a table or else the pictures' names; and those names, fit to be read."""
    files = [public_name(name) for name in names]
    said = [one_line(one or file) for one, file in zip(given or [""] * len(files), files, strict=True)]
    return make_unique(said), files


def list_media(
    ids: Sequence[str], files: Sequence[str], address: str, dates: Sequence[str] | None
) -> dict[str, Sequence[str]]:
    """Simple Multimedia: a row a picture; its address where the pictures are public."""
    below = address.rstrip("/")
    return {
        "coreid": ids,
        "type": ["StillImage"] * len(ids),
        "format": [FORMATS.get(PurePosixPath(file).suffix.lower(), "") for file in files],
        "identifier": [f"{below}/{quote(os.fsencode(file))}" if below else "" for file in files],
        "title": files,
        "created": dates or [""] * len(ids),
    }


def identify(predictions: zoo.PredictionTable, start: str, by_person: Sequence[bool]) -> dict[str, list[str]]:
    """Who named each picture, when and by what; a person's name goes before the machine's, which becomes a remark.

    Args:
        predictions: N pictures.
        start: what the columns of the head that names a class begin with.
        by_person: (N) whether a person named it.
    """
    known, summary, count = predictions.metadata, predictions.summary, len(predictions.names)
    empty = ("",) * count
    people, days = (summary.get(title, empty) for title in (ECOTAXA_PERSON, ECOTAXA_DATE))
    classes, remarks = summary[f"{start}class"], _remarks(summary, start, count)
    machine, time, manifest = find_machine(known), known.get("time", ""), known.get("manifest", "")
    found: dict[str, list[str]] = {
        "identifiedBy": [str(who) if person else machine for person, who in zip(by_person, people, strict=True)],
        "dateIdentified": [str(day) if person else time for person, day in zip(by_person, days, strict=True)],
        "identificationReferences": ["" if person else manifest for person in by_person],
        "identificationVerificationStatus": [VALIDATED if person else PREDICTED for person in by_person],
        "identificationRemarks": [
            f"{machine} said {name}" + f", {remark}" * bool(remark) if person else remark
            for person, name, remark in zip(by_person, classes, remarks, strict=True)
        ],
        "dynamicProperties": [_properties(summary, start, place) for place in range(count)],
    }
    return found


def _remarks(summary: Mapping[str, Sequence[str | float]], start: str, count: int) -> list[str]:
    """`probability 0.913`, as far as a head says it."""
    shares = summary.get(f"{start}probability", ("",) * count)
    return [f"probability {share:.3g}" if isinstance(share, float) else "" for share in shares]


def _properties(summary: Mapping[str, Sequence[str | float]], start: str, place: int) -> str:
    """All numbers that the heads gave, and the classes that they named beside their answer, as JSON."""
    row = {title: cells[place] for title, cells in summary.items()}
    beside = {f"{start}{name}" for name in NAMED}
    kept = {
        title: float(f"{cell:.6g}") if isinstance(cell, float) else one_line(cell)
        for title, cell in row.items()
        if title in beside or (isinstance(cell, float) and math.isfinite(cell))
    }
    return json.dumps(kept, ensure_ascii=False) if kept else ""

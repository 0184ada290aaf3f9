"""Columns of the pictures' table in Darwin Core's words: when and where a picture was taken, and what it is called."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath

# Terms that a table may have as columns; what the archive itself says of identifications and taxa is not among them.
TERMS = (
    *("modified", "language", "rightsHolder", "accessRights", "references", "institutionID", "collectionID"),
    *("institutionCode", "collectionCode", "ownerInstitutionCode", "informationWithheld", "dataGeneralizations"),
    *("occurrenceID", "catalogNumber", "recordNumber", "recordedBy", "recordedByID", "individualCount"),
    *("organismQuantity", "organismQuantityType", "sex", "lifeStage", "reproductiveCondition", "behavior"),
    *("establishmentMeans", "preparations", "disposition", "otherCatalogNumbers", "occurrenceRemarks"),
    *("organismID", "materialSampleID", "eventID", "parentEventID", "fieldNumber", "eventDate", "eventTime", "year"),
    *("month", "day", "verbatimEventDate", "habitat", "samplingProtocol", "sampleSizeValue", "sampleSizeUnit"),
    *("samplingEffort", "fieldNotes", "eventRemarks", "locationID", "higherGeography", "continent", "waterBody"),
    *("islandGroup", "island", "country", "countryCode", "stateProvince", "county", "municipality", "locality"),
    *("verbatimLocality", "minimumElevationInMeters", "maximumElevationInMeters", "verbatimElevation"),
    *("minimumDepthInMeters", "maximumDepthInMeters", "verbatimDepth", "locationRemarks", "decimalLatitude"),
    *("decimalLongitude", "geodeticDatum", "coordinateUncertaintyInMeters", "coordinatePrecision"),
    *("verbatimCoordinates", "footprintWKT", "georeferencedBy", "georeferenceRemarks"),
)
OTHERS = {  # what EcoTaxa, Camtrap DP and people call them, the likeliest first
    "occurrenceID": ("object_id", "observationID", "mediaID"),
    "eventID": ("sample_id",),
    "parentEventID": ("deploymentID",),
    "eventDate": ("timestamp", "eventStart", "datetime", "date"),
    "recordedBy": ("setupBy",),
    "decimalLatitude": ("object_lat", "latitude", "lat"),
    "decimalLongitude": ("object_lon", "longitude", "lon", "lng"),
    "coordinateUncertaintyInMeters": ("coordinateUncertainty",),
    "minimumDepthInMeters": ("object_depth_min", "depth"),
    "maximumDepthInMeters": ("object_depth_max", "depth"),
    "locality": ("locationName", "location"),
}
MISSING = frozenset({"", "na", "nan"})  # in lower case
_COMMA = re.compile(r"-?\d+,\d+")
_NUMBERS = ("decimal", "minimum", "maximum", "coordinateUncertainty")

Columns = Mapping[str, Sequence[str | float]]


def read_columns(summary: Columns, count: int) -> dict[str, list[str]]:
    """Darwin Core's terms that a table says of `count` pictures, each with a cell that is not empty."""
    texts = [title for title, cells in summary.items() if any(isinstance(cell, str) for cell in cells)]
    given = {title.lower(): title for title in reversed(texts)}  # of two that read alike the first
    found: dict[str, list[str]] = {}
    for term in TERMS:
        titles = [given[one.lower()] for one in (term, *OTHERS.get(term, ())) if one.lower() in given]
        if titles and any(cells := [_first(summary, titles, place, term) for place in range(count)]):
            found[term] = cells
    if "object_date" in given and "eventDate" not in found:
        times = summary.get(given.get("object_time", ""), [""] * count)
        days = summary[given["object_date"]]
        found["eventDate"] = [_as_moment(str(day), str(time)) for day, time in zip(days, times, strict=True)]
    return found


def is_missing(cell: str) -> bool:
    """Whether a cell holds nothing: empty, or NA as R and pandas write it."""
    return cell.strip().lower() in MISSING


def public_name(name: str) -> str:
    """What a picture is called where others read it: without the way through its owner's disk."""
    path = PurePosixPath(name.replace(os.sep, "/"))
    leads_out = path.is_absolute() or bool(PureWindowsPath(name).drive) or ".." in path.parts
    return path.name if leads_out else path.as_posix()


def make_unique(names: Sequence[str]) -> list[str]:
    """The same names, with `:2`, `:3` … behind those that were there before."""
    taken, counts, found = {*names}, Counter[str](), []
    for name in names:
        counts[name] += 1
        own = name
        while counts[name] > 1 and (own := f"{name}:{counts[name]}") in taken:
            counts[name] += 1
        taken.add(own)
        found.append(own)
    return found


def _first(summary: Columns, titles: Sequence[str], place: int, term: str) -> str:
    """The first cell of those columns that holds something; decimals with points."""
    cells = (str(summary[title][place]).strip() for title in titles)
    cell = next((one for one in cells if not is_missing(one)), "")
    return cell.replace(",", ".") if term.startswith(_NUMBERS) and _COMMA.fullmatch(cell) else cell


def _as_moment(day: str, time: str) -> str:
    """EcoTaxa's 20140420 and 42000, which are UTC -> 2014-04-20T04:20:00Z."""
    if is_missing(day):
        return ""
    date = re.sub(r"(\d{4})(\d\d)(\d\d)", r"\1-\2-\3", day)
    digits = time.replace(":", "").zfill(6)
    known = not is_missing(time) and re.fullmatch(r"([01]\d|2[0-3])[0-5]\d[0-5]\d", digits)
    return f"{date}T{digits[:2]}:{digits[2:4]}:{digits[4:]}Z" if known else date

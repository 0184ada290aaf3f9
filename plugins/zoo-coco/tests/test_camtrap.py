"""The dataset `camtrap-dp`: a Camera Trap Data Package 1.0, with its traps."""

from __future__ import annotations

import csv
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from zoo_coco import CamtrapPackage

from zoo.errors import FileError, ZooWarning
from zoo.testing import check_dataset

DEPLOYMENTS = "deploymentID,locationID,locationName,latitude,longitude,deploymentStart,deploymentEnd,habitat"
MEDIA = "mediaID,deploymentID,captureMethod,timestamp,filePath,filePublic,fileName,fileMediatype,exifData"
OBSERVATIONS = (
    "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,scientificName,"
    "count,lifeStage,bboxX,bboxY,bboxWidth,bboxHeight,classificationMethod,classifiedBy"
)
TIME = "2020-05-30T04:57:37+02:00"


def deployment(number: int, location: str) -> list[str]:
    return [f"d{number}", location, "a brook", "51.496", "4.774", TIME, TIME, "heath, with ponds"]


def medium(number: int, **more: str) -> list[str]:
    cells = [f"m{number}", f"d{number // 2}", "activityDetection", TIME, f"media/{number}.jpg", "true", f"{number}.jpg"]
    row = dict(zip(MEDIA.split(","), [*cells, "image/jpeg", '{"EXIF":{"ISO":200}}'], strict=True))
    return list((row | more).values())


def observation(
    number: int, kind: str, name: str = "", box: tuple[Any, ...] = ("", "", "", ""), **more: str
) -> list[str]:
    cells = [f"o{number}", f"d{number // 2}", f"m{number}", "e1", TIME, TIME, "media", kind, name, "1", "adult"]
    row = dict(zip(OBSERVATIONS.split(","), [*cells, *map(str, box), "human", "A. Nonymous"], strict=True))
    return list((row | more).values())


FOX, DUCK = "Vulpes vulpes", "Anas platyrhynchos"
WHERE = [deployment(0, "L1"), deployment(1, "L1"), deployment(2, ""), deployment(3, "L4")]
FILES = [medium(number) for number in range(8)]
SEEN = [
    *(observation(0, "animal", FOX, (0.25, 0.5, 0.25, 0.25)), observation(1, "animal", FOX)),
    *(observation(2, "animal", DUCK, (0, 0, 1, 1)), observation(3, "animal", DUCK)),
    *(observation(4, "blank"), observation(5, "blank"), observation(6, "human"), observation(7, "unknown")),
]
PROFILE = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0/camtrap-dp-profile.json"
PACKAGE = {
    "profile": PROFILE,
    "licenses": [{"name": "CC0-1.0", "scope": "data"}, {"name": "CC-BY-4.0", "scope": "media"}],
    "resources": [{"name": name, "path": f"{name}.csv"} for name in ("deployments", "media", "observations")],
}


def write(
    root: Path,
    *,
    deployments: list[list[str]] = WHERE,
    media: list[list[str]] = FILES,
    observations: list[list[str]] = SEEN,
    package: Any = PACKAGE,
) -> Path:
    (root / "media").mkdir(parents=True, exist_ok=True)
    for number in range(8):
        Image.new("RGB", (80, 40), (number, 0, 0)).save(root / "media" / f"{number}.jpg")
    if package is not None:
        (root / "datapackage.json").write_text(package if isinstance(package, str) else json.dumps(package))
    for name, header, rows in (
        ("deployments", DEPLOYMENTS, deployments),
        ("media", MEDIA, media),
        ("observations", OBSERVATIONS, observations),
    ):
        with (root / f"{name}.csv").open("w", newline="") as opened:
            csv.writer(opened).writerows([header.split(","), *rows])
    return root


def read(root: Path, **options: Any) -> CamtrapPackage:
    found = CamtrapPackage(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        found.prepare(root)
    return found


def label(found: CamtrapPackage, index: int) -> str | None:
    number = found[index].targets.get("label")
    return None if number is None else found.targets["label"].names[number]


def test_a_package_gives_species_boxes_and_locations(tmp_path):
    found = read(write(tmp_path, observations=[*SEEN[:7], observation(7, "human")]))
    assert found.targets["label"].names == (DUCK, FOX, "blank", "human")
    assert [label(found, at) for at in range(8)] == [FOX, FOX, DUCK, DUCK, "blank", "blank", "human", "human"]
    assert found[0].targets["box"].tolist() == [20.0, 20.0, 40.0, 30.0]
    assert "box" not in found[1].targets
    assert found[4].targets["box"] is None
    assert [found[at].group for at in (0, 3, 5, 7)] == ["L1", "L1", "d2", "L4"]
    assert found[0].path == "media/0.jpg"
    assert found.license == "cc-by-4.0"
    assert found.problems == ()


def test_all_else_that_the_tables_say_is_metadata(tmp_path):
    said = read(write(tmp_path))[0].metadata
    wanted = {"mediaID": "m0", "deploymentID": "d0", "timestamp": TIME, "habitat": "heath, with ponds", "count": "1"}
    assert wanted.items() <= said.items()
    assert (said["exifData"], said["classifiedBy"]) == ('{"EXIF":{"ISO":200}}', "A. Nonymous")
    assert not {"bboxX", "filePath"} & set(said)


def test_it_keeps_the_contract(tmp_path):
    for options in ({}, {"boxes": "each"}, {"method": "any"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZooWarning)
            assert check_dataset(CamtrapPackage(**options), write(tmp_path))


def test_frictionless_takes_what_the_tests_write_for_such_tables(tmp_path):
    pytest.importorskip("frictionless")
    from frictionless import Resource

    root = write(tmp_path)
    rows = {name: Resource(path=f"{name}.csv", basepath=str(root)).read_rows() for name in ("media", "observations")}
    theirs = {row["mediaID"]: row["filePath"] for row in rows["media"]}
    wanted = [(theirs[row["mediaID"]], row["scientificName"]) for row in rows["observations"] if row["scientificName"]]
    found = read(root)
    ours = [(found[at].path, label(found, at)) for at in range(8) if label(found, at) in (FOX, DUCK)]
    assert ours == wanted


def test_a_human_is_believed_unless_a_machine_is_asked(tmp_path):
    machine = observation(0, "animal", DUCK, (0, 0, 0.5, 0.5), observationID="x", classificationMethod="machine")
    silent = observation(1, "animal", DUCK, observationID="y", mediaID="m7", classificationMethod="")
    root = write(tmp_path, observations=[*SEEN[:7], machine, silent])
    with pytest.warns(
        ZooWarning, match=r"by another method; it was set aside .*: observations.csv, line 9 \(machine\)"
    ):
        (found := CamtrapPackage()).prepare(root)
    assert (label(found, 0), label(found, 7)) == (FOX, DUCK)
    assert label(read(root, method="any"), 0) == DUCK  # the largest box
    assert read(root, method="machine")[0].targets["box"].tolist() == [0.0, 0.0, 40.0, 20.0]


def test_links_are_found_by_the_names_of_their_files(tmp_path):
    link = "https://multimedia.example.org/assets/{}/file"
    media = [medium(number, filePath=link.format(number)) for number in range(8)]
    found = read(write(tmp_path, media=media))
    assert found[3].path == "media/3.jpg"
    media[3] = medium(3, filePath=link.format(3), fileName="elsewhere.jpg")
    with pytest.warns(
        ZooWarning, match=r"A medium that lies on the Web and is not here .*: elsewhere.jpg \(1 in all\)"
    ):
        CamtrapPackage().prepare(write(tmp_path, media=media))


def test_another_delimiter_encoding_and_compressed_parts_are_read(tmp_path):
    import gzip

    root = write(tmp_path)
    text = (root / "observations.csv").read_text().replace("A. Nonymous", "Zoë")
    head, *lines = text.splitlines(keepends=True)
    (root / "observations.csv").unlink()
    (root / "one.csv.gz").write_bytes(gzip.compress("".join([head, *lines[:4]]).encode("latin-1")))
    (root / "two.csv.gz").write_bytes(gzip.compress("".join([head, *lines[4:]]).encode("latin-1")))
    (root / "deployments.csv").write_text(
        (root / "deployments.csv").read_text().replace('"', "").replace(",", ";").replace("; ", ", ")
    )
    resources = [
        {"name": "deployments", "path": "deployments.csv", "dialect": {"delimiter": ";"}},
        {"name": "observations", "path": ["one.csv.gz", "two.csv.gz"], "encoding": "latin-1"},
    ]
    (root / "datapackage.json").write_text(json.dumps({"resources": resources}))
    found = read(root)
    assert found[0].metadata["classifiedBy"] == "Zoë"
    assert (found[0].group, found[0].metadata["habitat"], len(found)) == ("L1", "heath, with ponds", 8)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"observations": [*SEEN, observation(9, "animal", FOX)]},
            r"of a medium that media.csv has not; .*line 10 \(m9\)",
        ),
        ({"observations": [*SEEN, SEEN[0]]}, r"an id that the table has twice; .*observations.csv, line 10 \(o0\)"),
        (
            {"media": [*FILES, medium(0, filePath="media/1.jpg")]},
            r"an id that the table has twice; .*media.csv, line 10 \(m0\)",
        ),
        ({"media": [*FILES, medium(0, mediaID="again")]}, r"an id that the table has twice; .*media/0.jpg \(again\)"),
        ({"deployments": WHERE[:3]}, r"a medium of a deployment that deployments.csv has not; .*m6 \(d3\), m7"),
        (
            {"media": [*FILES, medium(9, filePath="a.mp4", fileMediatype="video/mp4")]},
            r"a video or a sound; it was left out",
        ),
        ({"media": [*FILES, medium(9, filePath="../a.jpg", fileName="")]}, r"a path that leads out of the folder"),
        ({"media": [*FILES, medium(9)]}, r"a picture that is not there; it was left out: 9.jpg"),
        (
            {"observations": [*SEEN[:7], observation(7, "animal", FOX, (0.1, 0.2, "", ""))]},
            r"a point \(bboxX and bboxY alone",
        ),
        ({"observations": [*SEEN[:7], observation(7, "animal", FOX, (0.1, 0.2, "x", 1))]}, r"not made of four finite"),
        ({"observations": [*SEEN[:7], observation(7, "animal", FOX, (0.1, 0.2, "", 1))]}, r"not made of four finite"),
        ({"observations": [*SEEN[:7], observation(7, "animal", FOX, (0.1, 0.2, -1, 1))]}, r"a box without width"),
        ({"observations": [*SEEN[:7], observation(7, "animal", FOX, (0.9, 0.2, 0.5, 0.5))]}, r"it was clipped"),
    ],
)
def test_a_line_that_cannot_be_used_is_counted(changed, message, tmp_path):
    with pytest.warns(ZooWarning) as caught:
        (found := CamtrapPackage()).prepare(write(tmp_path, **changed))
    said = [str(one.message) for one in caught]
    assert any(re.search(message, line, re.IGNORECASE) for line in said), said
    assert label(found, 0) == FOX
    assert len(found) == 8


def test_observations_of_events_alone_are_said(tmp_path):
    rows = [observation(number, "animal", FOX, observationLevel="event", mediaID="") for number in range(3)]
    with pytest.raises(
        FileError, match=r"all of its 3 observations are of events, .* Ask for an export with observations of media"
    ):
        read(write(tmp_path, observations=rows))
    mixed = read(write(tmp_path, observations=[*SEEN, *([f"e{one[0]}", *one[1:]] for one in rows)]))
    assert len(mixed) == 8


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (None, "there is no datapackage.json in it, so that it is no Camtrap DP. Name the folder"),
        ("{", "it cannot be read as a data package"),
        ("[]", "no data package: it has no list `resources`"),
        (
            PACKAGE | {"profile": "https://example.org/tabular.json"},
            "its profile is https://example.org/tabular.json, no Camtrap DP",
        ),
        (
            PACKAGE | {"resources": [{"name": "media", "path": "../media.csv"}]},
            "the table media lies at ../media.csv, outside",
        ),
        (
            PACKAGE | {"resources": [{"name": "media", "path": "/etc/passwd"}]},
            "the table media lies at /etc/passwd, outside",
        ),
        (
            PACKAGE | {"resources": [{"name": "media", "path": "https://e.org/m.csv"}]},
            "lies at https://e.org/m.csv, outside",
        ),
        (PACKAGE | {"resources": [{"name": "media", "data": []}]}, "the table media lies at None, outside"),
        (PACKAGE | {"resources": [{"name": "media", "path": "m.csv"}]}, "m.csv: there is no such table. Put it there"),
        (
            PACKAGE | {"resources": [{"name": "media", "path": "deployments.csv"}]},
            "its header has no mediaID, no filePath, only",
        ),
        (
            PACKAGE | {"resources": [{"name": "media", "path": "media.csv", "encoding": "klingon"}]},
            "not a readable CSV",
        ),
    ],
)
def test_a_package_that_cannot_be_used_is_said_in_a_line(package, message, tmp_path):
    with pytest.raises(FileError, match=re.escape(message)) as caught:
        read(write(tmp_path, package=package))
    assert "\n" not in str(caught.value)

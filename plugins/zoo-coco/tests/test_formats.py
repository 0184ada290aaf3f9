"""The formats `megadetector` and `camtrap-dp`, read back by readers that are not ours."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from zoo_coco import CamtrapObservations, MegaDetectorJson, MegaDetectorResults

import zoo
from zoo.builtin import PictureTable
from zoo.data import open_dataset
from zoo.errors import UsageError, ZooWarning
from zoo.testing import check_format

TIME = "2026-01-02T03:04:05Z"
MANIFEST = "sha256:" + "0123456789abcdef" * 4
CLASSES = ("empty", "Vulpes vulpes", "person")
TAKEN = "2020-05-30T04:57:37+02:00"


def column(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    constraints = {"required": False} | {key: value for key, value in more.items() if key != "format"}
    return {"name": name, "type": kind, "constraints": constraints} | {
        key: more[key] for key in more if key == "format"
    }


def moment(name: str, *, required: bool = True) -> dict[str, Any]:
    return column(name, "datetime", format="%Y-%m-%dT%H:%M:%S%z", required=required)


TYPES = ["animal", "human", "vehicle", "blank", "unknown", "unclassified"]
SCHEMA = {  # observations-table-schema.json of Camtrap DP 1.0, but for its texts
    "fields": [
        column("observationID", required=True, unique=True),
        column("deploymentID", required=True),
        *(column("mediaID"), column("eventID"), moment("eventStart"), moment("eventEnd")),
        column("observationLevel", required=True, enum=["media", "event"]),
        column("observationType", required=True, enum=TYPES),
        column("cameraSetupType", enum=["setup", "calibration"]),
        *(column("scientificName"), column("count", "integer", minimum=1)),
        column("lifeStage", enum=["adult", "subadult", "juvenile"]),
        *(column("sex", enum=["female", "male"]), column("behavior"), column("individualID")),
        column("individualPositionRadius", "number", minimum=0),
        column("individualPositionAngle", "number", minimum=-90, maximum=90),
        column("individualSpeed", "number", minimum=0),
        *(column(f"bbox{one}", "number", minimum=0, maximum=1) for one in "XY"),
        *(column(f"bbox{one}", "number", minimum=1e-15, maximum=1) for one in ("Width", "Height")),
        *(column("classificationMethod", enum=["human", "machine"]), column("classifiedBy")),
        moment("classificationTimestamp", required=False),
        column("classificationProbability", "number", minimum=0, maximum=1),
        *(column("observationTags"), column("observationComments")),
    ],
    "missingValues": [""],
    "primaryKey": "observationID",
}

RESULTS = {  # MegaDetector's format, as its page describes it
    "type": "object",
    "required": ["info", "detection_categories", "images"],
    "properties": {
        "info": {"required": ["format_version"], "properties": {"format_version": {"pattern": r"^\d+\.\d+$"}}},
        "detection_categories": {
            "patternProperties": {r"^\d+$": {"type": "string", "minLength": 1}},
            "additionalProperties": False,
        },
        "classification_categories": {
            "patternProperties": {r"^\d+$": {"type": "string", "minLength": 1}},
            "additionalProperties": False,
        },
        "images": {
            "items": {
                "required": ["file", "detections"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "string", "minLength": 1},
                    "detections": {
                        "type": "array",
                        "items": {
                            "required": ["category", "conf", "bbox"],
                            "additionalProperties": False,
                            "properties": {
                                "category": {"enum": ["1", "2", "3"]},
                                "conf": {"type": "number", "minimum": 0, "maximum": 1},
                                "bbox": {
                                    **{"type": "array", "minItems": 4, "maxItems": 4},
                                    "items": {"type": "number", "minimum": 0, "maximum": 1},
                                },
                                "classifications": {
                                    "items": {
                                        **{"type": "array", "minItems": 2, "maxItems": 2},
                                        "prefixItems": [{"type": "string", "pattern": r"^\d+$"}, {"type": "number"}],
                                    }
                                },
                            },
                        },
                    },
                },
            }
        },
    },
}


def predicted(*, heads: int = 2, **texts: tuple[str, ...]) -> zoo.PredictionTable:
    """What a model with `classify` and `locate` says of three pictures, or one with the first alone."""
    start = "classify:" if heads == 2 else ""
    shares = np.array([[0.1, 0.7, 0.2], [0.9, 0.06, 0.04], [0.0, 0.25, 0.75]], dtype=np.float32)
    boxes = np.array([[8, 10, 40, 30, 0.875], [0, 0, 9, 9, 0.25], [-4, 0, 90, 50, 1]], dtype=np.float32)
    best = shares.argmax(axis=1)
    summary: dict[str, Any] = {
        f"{start}class": tuple(CLASSES[one] for one in best),
        f"{start}probability": tuple(shares.max(axis=1).tolist()),
    }
    columns, values = [f"{start}{one}" for one in CLASSES], [shares]
    if heads == 2:
        titles = [f"locate:{one}" for one in ("x1", "y1", "x2", "y2", "presence")]
        columns, values = columns + titles, [*values, boxes]
        summary |= dict(zip(titles, map(tuple, boxes.T.tolist()), strict=True))
    return zoo.PredictionTable(
        images=("a/1.jpg", "a/b/2.jpg", "a/3.jpg"),
        names=("1.jpg", "b/2.jpg", "3.jpg"),
        summary=summary | texts,
        columns=tuple(columns),
        values=np.concatenate(values, axis=1),
        sizes=((80, 40),) * 3,
        metadata={"filters": "vgg16-traps", "manifest": MANIFEST, "time": TIME, "filterzoo": "0.2.0"},
    )


MEDIA = {"mediaID": ("m1", "m2", "m3"), "deploymentID": ("d1", "d1", "d2"), "timestamp": (TAKEN,) * 3}


def write(made: zoo.Format, table: zoo.PredictionTable, path: Path) -> Path:
    made.write(table, path)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.parametrize("factory", [CamtrapObservations, MegaDetectorJson])
def test_they_keep_the_contract(factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        assert check_format(factory)


# ------------------------------------------------------------------------------------------------ MegaDetector


@pytest.mark.parametrize("heads", [1, 2])
def test_results_are_valid_by_the_pages_rules(heads, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    content = json.loads(write(MegaDetectorJson(), predicted(heads=heads), tmp_path / "md.json").read_text())
    jsonschema.Draft202012Validator(RESULTS).validate(content)
    for image in content["images"]:
        for detection in image["detections"]:
            shares = [share for _, share in detection["classifications"]]
            assert shares == sorted(shares, reverse=True)
            assert isinstance(detection["conf"], float)
            assert {number for number, _ in detection["classifications"]} <= set(content["classification_categories"])
    assert content["info"]["format_version"] == "1.6"
    assert content["info"]["classifier"] == f"vgg16-traps {MANIFEST}"
    assert content["info"]["detection_completion_time"] == "2026-01-02 03:04:05"


def test_boxes_are_shares_of_the_picture_and_classes_have_numbers(tmp_path):
    images = json.loads(write(MegaDetectorJson(top=2), predicted(), tmp_path / "md.json").read_text())["images"]
    assert [one["file"] for one in images] == ["1.jpg", "b/2.jpg", "3.jpg"]
    assert images[0]["detections"] == [
        {"category": "1", "conf": 0.875, "bbox": [0.1, 0.25, 0.4, 0.5], "classifications": [["1", 0.7], ["2", 0.2]]}
    ]
    assert images[2]["detections"][0]["bbox"] == [0, 0, 1, 1]  # what reaches outside is cut off
    assert images[2]["detections"][0]["category"] == "2"  # a person


def test_without_boxes_the_whole_picture_is_one_and_empty_speaks_against_it(tmp_path):
    images = json.loads(write(MegaDetectorJson(top=0), predicted(heads=1), tmp_path / "md.json").read_text())["images"]
    assert [one["detections"][0]["bbox"] for one in images] == [[0, 0, 1, 1]] * 3
    assert [one["detections"][0]["conf"] for one in images] == pytest.approx([0.9, 0.1, 1.0])
    assert len(images[0]["detections"][0]["classifications"]) == 3


def test_our_own_dataset_reads_what_was_written(tmp_path):
    table = predicted()
    for name in table.names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (80, 40)).save(tmp_path / name)
    write(MegaDetectorJson(), replace(table, names=table.names), tmp_path / "md.json")
    found = MegaDetectorResults(confidence=0.5, labels="classification")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        found.prepare(tmp_path)
    assert found[0].targets["box"].tolist() == pytest.approx([8.0, 10.0, 40.0, 30.0])
    assert found[1].targets["box"] is None


# ------------------------------------------------------------------------------------------------ Camtrap DP


@pytest.mark.parametrize("heads", [1, 2])
def test_observations_are_valid_by_the_published_schema(heads, tmp_path):
    pytest.importorskip("frictionless")
    from frictionless import Resource, Schema

    with warnings.catch_warnings():
        warnings.simplefilter("error", ZooWarning)
        write(CamtrapObservations(), predicted(heads=heads, **MEDIA), tmp_path / "observations.csv")
    resource = Resource(path="observations.csv", basepath=str(tmp_path), schema=Schema.from_descriptor(SCHEMA))
    report = resource.validate()
    assert report.valid, report.flatten(["type", "note"])
    rows = Resource(path="observations.csv", basepath=str(tmp_path), schema=Schema.from_descriptor(SCHEMA)).read_rows()
    assert [row["observationType"] for row in rows] == ["animal", "blank", "human"]
    assert [row["scientificName"] for row in rows] == ["Vulpes vulpes", None, None]
    assert [row["mediaID"] for row in rows] == ["m1", "m2", "m3"]
    assert [float(row["classificationProbability"]) for row in rows] == pytest.approx([0.7, 0.9, 0.75])
    box = [None if (side := rows[0][f"bbox{one}"]) is None else float(side) for one in ("X", "Y", "Width", "Height")]
    assert box == ([None] * 4 if heads == 1 else pytest.approx([0.1, 0.25, 0.4, 0.5]))
    assert rows[1]["bboxX"] is None  # a blank picture has none


def test_the_schema_of_this_test_refuses_what_the_standard_does(tmp_path):
    pytest.importorskip("frictionless")
    from frictionless import Resource, Schema

    with pytest.warns(
        ZooWarning, match=r"asks for deploymentID \(3 of 3\), eventStart \(3 of 3\), eventEnd \(3 of 3\), which"
    ):
        write(CamtrapObservations(), predicted(), tmp_path / "observations.csv")
    resource = Resource(path="observations.csv", basepath=str(tmp_path), schema=Schema.from_descriptor(SCHEMA))
    assert {"constraint-error"} == {kind for (kind,) in resource.validate().flatten(["type"])}


def test_who_classified_when_and_by_what_is_said(tmp_path):
    row = rows_of(write(CamtrapObservations(), predicted(**MEDIA), tmp_path / "o.csv"))[0]
    assert row["classifiedBy"] == f"vgg16-traps {MANIFEST}"
    assert (row["classificationMethod"], row["classificationTimestamp"]) == ("machine", TIME)
    assert (row["observationID"], row["observationLevel"], row["eventStart"]) == ("m1:01234567", "media", TAKEN)


def test_pictures_without_a_table_are_their_own_media_and_have_the_deployment_that_is_said(tmp_path):
    table = predicted(timestamp=(TAKEN,) * 3)
    rows = rows_of(write(CamtrapObservations(deployment="d7"), table, tmp_path / "o.csv"))
    assert [row["mediaID"] for row in rows] == ["1.jpg", "b/2.jpg", "3.jpg"]
    assert {row["deploymentID"] for row in rows} == {"d7"}


def test_observations_of_one_medium_have_ids_of_their_own(tmp_path):
    table = predicted(**MEDIA | {"mediaID": ("m1", "m1", "m1")})
    ids = [row["observationID"] for row in rows_of(write(CamtrapObservations(), table, tmp_path / "o.csv"))]
    assert ids == ["m1:01234567", "m1:01234567:2", "m1:01234567:3"]


def test_a_label_that_nests_is_its_last_part_and_unsure_is_unknown(tmp_path):
    texts = {"classify:class": ("Mammalia > Canidae > Vulpes vulpes", "(unsure)", "vehicle")}
    rows = rows_of(write(CamtrapObservations(), predicted(**MEDIA, **texts), tmp_path / "o.csv"))
    assert [row["scientificName"] for row in rows] == ["Vulpes vulpes", "", ""]
    assert [row["observationType"] for row in rows] == ["animal", "unknown", "vehicle"]


def test_a_head_with_boxes_alone_says_animal_or_blank(tmp_path):
    whole = predicted(**MEDIA)
    table = replace(
        whole,
        summary={name: cells for name, cells in whole.summary.items() if not name.startswith("classify:")},
        columns=("x1", "y1", "x2", "y2", "presence"),
        values=whole.values[:, 3:],
    )
    rows = rows_of(write(CamtrapObservations(), table, tmp_path / "o.csv"))
    assert [row["observationType"] for row in rows] == ["animal", "blank", "animal"]
    assert [float(row["classificationProbability"]) for row in rows] == [0.875, 0.75, 1.0]
    content = json.loads(write(MegaDetectorJson(), table, tmp_path / "md.json").read_text())
    assert "classification_categories" not in content
    assert set(content["images"][0]["detections"][0]) == {"category", "conf", "bbox"}


def test_texts_of_strangers_are_no_formulas_unless_raw(tmp_path):
    table = predicted(**MEDIA, **{"classify:class": ("=1+1", "\x1b[2Jfox", "deer")})
    names = [row["scientificName"] for row in rows_of(write(CamtrapObservations(raw=True), table, tmp_path / "o.csv"))]
    assert names[0] == "=1+1"
    safe = [row["scientificName"] for row in rows_of(write(CamtrapObservations(), table, tmp_path / "o.csv"))]
    assert safe[0] == "'=1+1"
    assert "\x1b" not in safe[1]


@pytest.mark.parametrize(("factory", "name"), [(CamtrapObservations, "camtrap-dp"), (MegaDetectorJson, "megadetector")])
def test_predictions_of_a_number_are_refused(factory, name, tmp_path):
    table = replace(
        predicted(heads=1), summary={"length": (1.0, 2.0, 3.0)}, columns=("length",), values=np.ones((3, 1), np.float32)
    )
    with pytest.raises(
        UsageError, match=rf"The format '{name}' needs classes or a box, and these predictions have length"
    ):
        write(factory(), table, tmp_path / "out")


@pytest.mark.parametrize("factory", [CamtrapObservations, MegaDetectorJson])
def test_of_several_heads_that_name_a_class_one_is_asked_for(factory, tmp_path):
    one = predicted()
    more = {"stage:class": ("pup",) * 3, "stage:probability": (0.5,) * 3, "table:class": ("old",) * 3}
    with pytest.raises(
        UsageError, match=r"Several heads name a class, or find a box: classify, stage. Say whose is wr"
    ):
        write(factory(), replace(one, summary={**one.summary, **more}), tmp_path / "out")


def test_options_that_say_nothing_are_refused():
    with pytest.raises(UsageError, match=r"top=-1, digits=4 say nothing. Pass"):
        MegaDetectorJson(top=-1)


# ------------------------------------------------------------------------------------------------ a real model


def test_a_models_predictions_of_a_package_are_written_in_both(tmp_path):
    """From a table of boxes to a model, and from its media.csv to a table of observations."""
    pytest.importorskip("zoo_boxes")
    pytest.importorskip("frictionless")
    from frictionless import Resource, Schema

    images, things = [], []
    for number in range(8):
        Image.new("RGB", (64, 48), (30 * number, 0, 0)).save(tmp_path / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 48})
        things.append({"id": number, "image_id": number, "category_id": 1 + number % 2, "bbox": [8, 8, 24, 24]})
    kinds = [{"id": 1, "name": "Vulpes vulpes"}, {"id": 2, "name": "Meles meles"}]
    (tmp_path / "coco.json").write_text(json.dumps({"images": images, "annotations": things, "categories": kinds}))
    lines = ["mediaID,deploymentID,timestamp,filePath", *(f"m{at},d1,{TAKEN},{at}.png" for at in range(8))]
    (tmp_path / "media.csv").write_text("\n".join(lines))
    data = open_dataset("coco", tmp_path)
    torch.manual_seed(0)
    model = zoo.assemble("vgg11", cut="block2", weights="random", heads=["classify", "locate"], dataset=data, size=32)
    answers = zoo.predict(model, tmp_path)
    assert set(answers.metadata) == {"filters", "manifest", "time", "filterzoo"}
    assert answers.metadata["manifest"].startswith("weights:")
    answers.save(tmp_path / "out.json", format="megadetector")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [one["file"] for one in content["images"]] == [f"{at}.png" for at in range(8)]
    assert sorted(content["classification_categories"].values()) == ["Meles meles", "Vulpes vulpes"]
    answers = zoo.predict(model, PictureTable(tmp_path / "media.csv", path="filePath"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZooWarning)
        answers.save(tmp_path / "observations.csv", format="camtrap-dp")
    schema = Schema.from_descriptor(SCHEMA)
    resource = Resource(path="observations.csv", basepath=str(tmp_path), schema=schema)
    assert resource.validate().valid
    rows = rows_of(tmp_path / "observations.csv")
    assert [row["mediaID"] for row in rows] == [f"m{at}" for at in range(8)]
    assert {row["scientificName"] for row in rows} <= {"Meles meles", "Vulpes vulpes"}

"""The dataset `megadetector`: results of MegaDetector as boxes to learn from."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from zoo_coco import MegaDetectorResults

from zoo.errors import FileError, UsageError, ZooWarning
from zoo.testing import check_dataset

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


def found(*detections: tuple[str, float, list[float]], **more: Any) -> list[dict[str, Any]]:
    return [{"category": category, "conf": conf, "bbox": box, **more} for category, conf, box in detections]


BOX, SMALL = [0.25, 0.25, 0.5, 0.5], [0.0, 0.0, 0.125, 0.25]
IMAGES = [
    {"file": "fox/site1/0.png", "detections": found(("1", 0.926, BOX), ("2", 0.9, SMALL))},
    {"file": "fox/site1/1.png", "detections": found(("1", 0.3, SMALL), ("1", 0.15, BOX))},
    {"file": "deer\\site2\\2.png", "detections": found(("2", 0.8, BOX)), "failure": None},
    {"file": "deer/site2/3.png", "detections": found(("2", 0.25, SMALL))},
    {"file": "deer/site3/4.png", "detections": []},
    {"file": "deer/site3/5.png", "detections": found(("1", 0.05, BOX))},
]


def results(images: list[Any], **more: Any) -> dict[str, Any]:
    return {"info": {"format_version": "1.4"}, "detection_categories": CATEGORIES, "images": images, **more}


def write(root: Path, content: Any) -> Path:
    for one in IMAGES:
        path = root / one["file"].replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 40), (int(path.stem), 0, 0)).save(path)
    (root / "md.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def read(root: Path, **options: Any) -> MegaDetectorResults:
    dataset = MegaDetectorResults(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        dataset.prepare(root)
    return dataset


def labels(dataset: MegaDetectorResults) -> list[str | None]:
    names = dataset.targets["label"].names
    told = [dataset[at].targets.get("label") for at in range(len(dataset))]
    return [None if one is None else names[one] for one in told]


def test_detections_are_boxes_with_their_categories(tmp_path):
    dataset = read(write(tmp_path, results(IMAGES)))
    assert labels(dataset) == ["animal", "animal", "person", "person", "empty", "empty"]
    assert dataset[0].targets["box"].tolist() == [20.0, 10.0, 60.0, 30.0]
    assert dataset[4].targets["box"] is None
    assert dataset[0].metadata == {"detection": "animal", "conf": "0.926"}
    assert dataset[2].path == "deer/site2/2.png"
    assert dataset[0].group is None


def test_it_keeps_the_contract(tmp_path):
    root = write(tmp_path, results(IMAGES))
    for options in ({}, {"boxes": "each"}, {"labels": "folder", "group": 2}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZooWarning)
            assert check_dataset(MegaDetectorResults(**options), root)


def test_the_confidence_is_the_users_else_the_files_else_two_tenths(tmp_path):
    root = write(tmp_path, results(IMAGES))
    assert labels(read(root, confidence=0.01))[5] == "animal"
    assert labels(read(root, confidence=0.28))[3] == "empty"
    info = {"format_version": "1.4", "detector_metadata": {"typical_detection_threshold": 0.28}}
    assert labels(read(write(tmp_path, results(IMAGES) | {"info": info})))[3] == "empty"


def test_each_detection_is_a_sample_with_its_window(tmp_path):
    dataset = read(write(tmp_path, results(IMAGES)), boxes="each", margin=0)
    assert len(dataset) == 7
    assert dataset[1].image.shape == (3, 10, 10)
    assert dataset[1].targets["box"].tolist() == [0.0, 0.0, 10.0, 10.0]


def test_folders_name_animals_and_not_people(tmp_path):
    dataset = read(write(tmp_path, results(IMAGES)), labels="folder", boxes="each", group=2)
    assert labels(dataset) == ["site1", "person", "site1", "person", "person", "site3", "site3"]
    assert [dataset[at].group for at in (0, 3, 6)] == ["site1", "site2", "site3"]
    assert "box" not in dataset[6].targets  # the animal may have been missed: its box is not known


def test_a_csv_names_animals_and_groups(tmp_path):
    root = write(tmp_path, results(IMAGES))
    lines = ["path,label,Location", *(f"{one['file']},{one['file'][:3]},L{at}" for at, one in enumerate(IMAGES[:5]))]
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    with pytest.warns(ZooWarning, match=r"stands in no line of the table of labels; .*: deer/site3/5.png \(1 in all\)"):
        (dataset := MegaDetectorResults(labels="labels.csv", group=1, least=2)).prepare(root)
    assert labels(dataset) == ["fox", "fox", "person", "person", None, None]
    assert [dataset[at].group for at in (0, 5)] == ["L0", "deer"]
    (root / "labels.csv").write_text("\n".join([*lines, "fox/site1/0.png,wolf,L0"]))
    with pytest.raises(FileError, match=r"line 7: fox/site1/0.png is both fox and wolf. Correct one"):
        read(root, labels="labels.csv")
    (root / "labels.csv").write_text("picture,kind\n1,2\n")
    with pytest.raises(FileError, match=r"its columns are picture, kind. Give it the columns path and label"):
        read(root, labels="labels.csv")
    with pytest.raises(FileError, match=r"kinds: there is no such table of labels. Pass category"):
        read(root, labels="kinds")


def test_the_likeliest_classification_is_a_label(tmp_path):
    kinds = {"0": "fox", "1": "elk"}
    images = [
        {"file": IMAGES[0]["file"], "detections": found(("1", 0.9, BOX), classifications=[["1", 0.2], ["0", 0.7]])},
        {"file": IMAGES[1]["file"], "detections": found(("1", 0.9, BOX), classifications=[["0", 0.9]])},
        {"file": IMAGES[2]["file"], "detections": found(("1", 0.9, BOX), classifications=[["1", 0.9]])},
        {"file": IMAGES[3]["file"], "detections": found(("1", 0.9, BOX), classifications=[["1", 0.9], ["9", 1.0]])},
        {"file": IMAGES[4]["file"], "detections": found(("1", 0.9, BOX))},
    ]
    dataset = read(write(tmp_path, results(images, classification_categories=kinds)), labels="classification")
    assert labels(dataset) == ["fox", "fox", "elk", "elk", None]
    assert dataset[0].metadata["classifications"] == '[["1", 0.2], ["0", 0.7]]'


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            {"file": "fox/site1/0.png", "failure": "Failure image access", "detections": None},
            r"could not read the picture; it was left out: fox/site1/0.png \(Failure image access\) \(1 in all\)",
        ),
        ({"file": "deer/site3/4.png"}, r"an entry without detections, and without a failure"),
        ({"file": "a.mp4", "frame_rate": 20, "detections": []}, r"a video, or another file that is no picture"),
        ({"file": "gone.png", "detections": []}, r"a picture that is not there"),
        ({"file": "../md.png", "detections": []}, r"a path that leads out of the folder"),
        ({"file": "/data/fox/site1/0.png", "detections": []}, r"a path that leads out of the folder"),
        ({"detections": []}, r"an entry without its file, .*: md.json, images\[6\]"),
        (IMAGES[0], r"a picture that the results have twice"),
    ],
)
def test_an_entry_that_cannot_be_used_is_counted(added, message, tmp_path):
    with pytest.warns(ZooWarning) as caught:
        (dataset := MegaDetectorResults()).prepare(write(tmp_path, results([*IMAGES, added])))
    assert any(re.search(message, str(one.message), re.IGNORECASE) for one in caught), [
        str(one.message) for one in caught
    ]
    assert len(dataset) == 6


@pytest.mark.parametrize(
    ("detection", "message"),
    [
        ({"category": "1", "conf": 0.9, "bbox": [0.2, 0.2, -0.1, 0.1]}, "a box without width or height"),
        ({"category": "1", "conf": 0.9, "bbox": [1.2, 0.2, 0.1, 0.1]}, "a box wholly outside its picture"),
        ({"category": "1", "conf": 0.9, "bbox": "all"}, "a box that is not made of four finite numbers"),
        ({"category": "7", "conf": 0.9, "bbox": BOX}, "a detection of a category that the results do not name"),
        ({"category": "1", "conf": 9, "bbox": BOX}, "or a detection without category and confidence"),
        ({"category": "1", "bbox": BOX}, "or a detection without category and confidence"),
        ("fox", "or a detection without category and confidence"),
    ],
)
def test_a_detection_that_cannot_be_used_is_counted(detection, message, tmp_path):
    images = [*IMAGES[:5], {"file": IMAGES[5]["file"], "detections": [detection]}]
    with pytest.warns(ZooWarning) as caught:
        MegaDetectorResults().prepare(write(tmp_path, results(images)))
    assert any(message in str(one.message).lower() for one in caught), [str(one.message) for one in caught]


def test_absolute_paths_below_the_folder_are_taken(tmp_path):
    images = [one | {"file": f"{tmp_path}/{one['file']}".replace("\\", "/")} for one in IMAGES]
    assert read(write(tmp_path, results(images)))[0].path == "fox/site1/0.png"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{}]", "not results of MegaDetector: it holds a list, and no object. Replace it"),
        ('{"images": 3}', "it has no list `images`, only images"),
        ('{"images": []', "it cannot be read as results of MegaDetector"),
        (
            results(IMAGES) | {"detection_categories": ["animal"]},
            r"`detection_categories` is \['animal'\], and no names",
        ),
        (
            results(IMAGES, classification_categories={"1": ""}),
            "`classification_categories` is {'1': ''}, and no names",
        ),
        (results([]), "none of the pictures can be used"),
    ],
)
def test_results_that_cannot_be_used_are_said_in_a_line(content, message, tmp_path):
    with pytest.raises(FileError, match=message) as caught:
        read(write(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"confidence": 1.5}, "confidence=1.5 is no probability"), ({"group": -1}, "group=-1 is no level of folders")],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        MegaDetectorResults(**options)

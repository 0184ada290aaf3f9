"""From an export to a run, its predictions for what is not validated, and back into the reader."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from command_line import CommandLine
from zoo_ecotaxa import EcoTaxa

FEW = ("--size", 16, "--epochs", 6, "--rate", 0.01, "--batch", 16, "--seed", 0, "-q")
SMALL = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", *FEW)


@pytest.fixture
def command(monkeypatch, capsys) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def rows(make) -> list[dict[str, object]]:
    rows = make.objects(samples=5, each=5)
    for row in rows[::7]:
        row |= {"object_annotation_status": "", "object_annotation_category": "", "object_annotation_hierarchy": ""}
    return rows


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened, delimiter="\t"))


def test_what_an_export_leaves_open_is_predicted_and_read_again_as_predicted(make, write, rows, command, tmp_path):
    pictures = make.pictures(make.objects(samples=5, each=5))
    root = write({"ecotaxa_all.tsv": make.tsv(rows, comma=True), **pictures})
    run, said = tmp_path / "run", tmp_path / "x.tsv"
    trained = command("train", "ecotaxa", "--data", root, *SMALL, "-o", run)
    assert trained.status == 0, trained.err
    assert "by group" in trained.err

    opened = ("--dataset", "ecotaxa", "--data", root, "--set", "status=predicted,dubious,unclassified")
    predicted = command("predict", run, *opened, "--format", "ecotaxa", "--set", "score=object_zoo_score", "-o", said)
    assert predicted.status == 0, predicted.err

    left = {str(row["object_id"]): row for row in rows if row["object_annotation_status"] != "validated"}
    types, *table = read(said)
    assert {types[title] for title in ("object_id", "sample_id", "object_annotation_status")} == {"[t]"}
    assert {types[title] for title in ("object_lat", "object_area", "object_zoo_score")} == {"[f]"}
    assert [one["object_id"] for one in table] == list(left)
    for one in table:
        row = left[one["object_id"]]
        assert one["object_annotation_status"] == "predicted"
        assert one["object_lat"] == str(row["object_lat"])
        assert (one["object_date"], one["sample_ship"]) == (row["object_date"], "météor")
        assert (one["sample_id"], one["acq_id"], one["object_time"]) == (row["sample_id"], row["acq_id"], "042000")
        assert 0 < float(one["object_zoo_score"]) <= 1
        assert "process_pixel" not in one  # there is no process_id, which EcoTaxa asks for

    again = write({"ecotaxa_zoo.tsv": said.read_bytes(), **pictures}, "again.zip")
    dataset = EcoTaxa(status="predicted", group="sample_id")
    dataset.prepare(again)
    assert len(dataset) == len(left)
    samples = [dataset[number] for number in range(len(dataset))]
    assert [one.metadata["object_id"] for one in samples] == list(left)
    assert [one.metadata["object_annotation_category"] for one in samples] == [
        one["object_annotation_category"] for one in table
    ]
    right = [one["object_annotation_category"] == make.category(one["object_id"]) for one in table]
    assert sum(right) / len(right) > 0.8  # three shades of grey


def test_a_head_that_backs_off_is_trained_on_the_hierarchy_and_imported_by_name(make, write, rows, command, tmp_path):
    root = write({"ecotaxa_all.tsv": make.tsv(make.objects(5, 5)), **make.pictures(make.objects(5, 5))})
    run, said = tmp_path / "run", tmp_path / "x.tsv"
    words = ("--set", "label=hierarchy", "--head", "hierarchy:sure=0.51", *SMALL, "-o", run)
    trained = command("train", "ecotaxa", "--data", root, *words)
    assert trained.status == 0, trained.err
    opened = ("--dataset", "ecotaxa", "--data", root, "--set", "status=predicted")
    assert command("predict", run, *opened, "--format", "ecotaxa", "-o", said).status == 0
    named = {one["object_annotation_category"] for one in read(said)[1:]}
    known = {"Copepoda<Maxillopoda", "Maxillopoda<Crustacea", "Crustacea<living", "Chaetognatha<living", "living", ""}
    assert named <= known | {"detritus<not-living", "not-living"}
    assert named & {"Copepoda<Maxillopoda", "Chaetognatha<living", "detritus<not-living"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name either PICTURES, or --dataset NAME"),
        (("photos", "--dataset", "ecotaxa"), "Name either PICTURES, or --dataset NAME"),
        (("photos", "--data", "x.zip"), "Name either PICTURES, or --dataset NAME"),
        (("--dataset", "ecotaxi"), "No dataset is called 'ecotaxi'. Did you mean 'ecotaxa'?"),
        (("--dataset", "ecotaxa"), "The dataset 'ecotaxa' reads a folder of pictures. Name it with --data DIR."),
        (
            ("--dataset", "ecotaxa", "--data", "ZIP", "--set", "statsu=all"),
            "Did you mean 'status'? The options of the d",
        ),
        (
            ("--dataset", "ecotaxa", "--data", "ZIP", "--set", "digits=all"),
            "The option 'digits' of the format 'csv' cann",
        ),
        (("--dataset", "ecotaxa", "--data", "none.zip"), "none.zip: there is no such folder. Check --data."),
    ],
    ids=range(8),
)
def test_what_predict_is_not_told_is_asked_for_in_one_line(make, write, rows, command, words, said):
    root = write({"ecotaxa_all.tsv": make.tsv(rows), **make.pictures(rows)}) if "ZIP" in words else ""
    answer = command("predict", "vgg16-plankton", *(root if word == "ZIP" else word for word in words))
    assert said in answer.fault

"""Predictions as a table that EcoTaxa imports: its byte order mark, its types, its names of categories."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from zoo_ecotaxa import EcoTaxaTable

import zoo
from zoo.testing import check_format

TABLE = zoo.PredictionTable(
    images=("s0/a.png", "s0/b.png", "s1/a.png"),
    names=("s0/a.png", "s0/b.png", "s1/a.png"),
    summary={
        "class": ("Copepoda<Maxillopoda", "detritus", "detritus"),
        "probability": (0.75, 0.5, 1.0),
        "object_id": ("12", "-13", "=14"),
        "img_rank": ("0", "0", "1"),
        "object_lat": ("43.5", "", "NA"),
        "object_date": ("2014-04-20", "", "2014-04-21"),
        "object_time": ("04:20:00", "420", "NA"),
        "object_label": ("a\tb", "c\nd", 'e "f"'),
        "object_annotation_category": ("old", "old", "old"),
        "object_annotation_person_name": ("Ada", "Ada", "Ada"),
        "object_empty": ("", "NA", ""),
        "sample_id": ("s0", "s0", "s1"),
        "sample_volume": ("1.5", "1.5", "2"),
        "acq_pixel": ("1", "1", "1"),
        "complement_info": ("x", "x", "x"),
    },
    columns=("Copepoda<Maxillopoda", "detritus"),
    values=np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]], dtype=np.float32),
    sizes=((32, 24),) * 3,
)


def written(table: zoo.PredictionTable, folder: Path, **options: object) -> list[list[str]]:
    path = folder / "x.tsv"
    EcoTaxaTable(**options).write(table, path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.reader(opened, delimiter="\t"))


def test_it_keeps_the_contract():
    assert "suffixes: none" in check_format(EcoTaxaTable)


def test_a_row_is_an_object_with_its_predicted_category_and_what_ecotaxa_has_room_for(tmp_path):
    header, types, *rows = written(TABLE, tmp_path)
    assert dict(zip(header, types, strict=True)) == {
        "img_file_name": "[t]",
        "img_rank": "[f]",
        "object_id": "[t]",
        "object_annotation_category": "[t]",
        "object_annotation_status": "[t]",
        "object_score": "[f]",
        "object_lat": "[f]",
        "object_date": "[t]",
        "object_time": "[t]",
        "object_label": "[t]",
        "sample_id": "[t]",
        "sample_volume": "[t]",
    }
    said = [dict(zip(header, row, strict=True)) for row in rows]
    assert [one["object_annotation_category"] for one in said] == ["Copepoda<Maxillopoda", "detritus", "detritus"]
    assert {one["object_annotation_status"] for one in said} == {"predicted"}
    assert [one["object_date"] for one in said] == ["20140420", "", "20140421"]
    assert [one["object_time"] for one in said] == ["042000", "420", ""]
    assert [one["object_lat"] for one in said] == ["43.5", "", ""]
    assert [one["object_score"] for one in said] == ["0.75", "0.5", "1"]
    assert [one["object_label"] for one in said] == ["a b", "c d", 'e "f"']
    assert [one["object_id"] for one in said] == ["12", "-13", "'=14"]


def test_options_leave_columns_out_and_texts_as_they_are(tmp_path):
    header, _, *rows = written(TABLE, tmp_path, score="", others=False, raw=True)
    assert header == [
        *("img_file_name", "img_rank", "object_id", "object_annotation_category", "object_annotation_status"),
    ]
    assert rows[2][2] == "=14"
    assert written(TABLE, tmp_path, score="object_zoo")[0][5] == "object_zoo"
    with pytest.raises(zoo.UsageError, match=r"score='score': EcoTaxa takes columns of objects. Call it object_…."):
        EcoTaxaTable(score="score")


def test_a_path_of_the_hierarchy_is_its_last_step_with_its_parent_and_what_is_unsure_is_unclassified(tmp_path):
    said = ("living > Maxillopoda > Copepoda", "living", "(unsure)")
    header, _, *rows = written(replace(TABLE, summary={"class": said}), tmp_path)
    place = header.index("object_annotation_category")
    assert [row[place : place + 2] for row in rows] == [
        ["Copepoda<Maxillopoda", "predicted"],
        ["living", "predicted"],
        ["", ""],
    ]


def test_classes_that_are_ids_are_written_as_ids(tmp_path):
    header, types, *rows = written(replace(TABLE, summary={"class": ("45074", "85", "85")}), tmp_path)
    place = header.index("object_annotation_category_id")
    assert "object_annotation_category" not in header
    assert (types[place], [row[place] for row in rows]) == ("[f]", ["45074", "85", "85"])


def test_pictures_of_a_folder_are_objects_called_as_their_files(tmp_path):
    header, _, *rows = written(replace(TABLE, summary={"class": ("a", "b", "b")}), tmp_path)
    place = header.index("object_id")
    assert [row[place] for row in rows] == ["s0/a", "b", "s1/a"]


def test_predictions_that_name_no_class_or_several_are_refused(tmp_path):
    with pytest.raises(zoo.UsageError, match=r"These predictions name no class, and EcoTaxa takes one. Choose"):
        EcoTaxaTable().write(replace(TABLE, summary={"x1": (0.0, 0.0, 0.0)}), tmp_path / "x.tsv")
    two = {"kind:class": ("a",) * 3, "stage:class": ("b",) * 3}
    with pytest.raises(
        zoo.UsageError, match=r"Several heads name a class: kind, stage. Say whose is written, `head=NAME`"
    ):
        EcoTaxaTable().write(replace(TABLE, summary=two), tmp_path / "x.tsv")
    one = {"kind:class": ("a",) * 3, "kind:probability": (0.5,) * 3, "locate:x1": (1.0,) * 3}
    header, _, first, *_ = written(replace(TABLE, summary=one), tmp_path)
    assert (first[header.index("object_annotation_category")], first[header.index("object_score")]) == ("a", "0.5")


def test_pandas_reads_it_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    EcoTaxaTable().write(TABLE, tmp_path / "x.tsv")
    frame = pandas.read_csv(tmp_path / "x.tsv", sep="\t", encoding="utf-8-sig", skiprows=[1], dtype={"object_id": str})
    assert frame["object_annotation_category"].tolist() == ["Copepoda<Maxillopoda", "detritus", "detritus"]
    assert frame["object_score"].tolist() == [0.75, 0.5, 1.0]
    assert frame["object_lat"].iloc[0] == 43.5
    assert frame["object_lat"].isna().tolist() == [False, True, True]
    assert frame["object_id"].tolist() == ["12", "-13", "'=14"]

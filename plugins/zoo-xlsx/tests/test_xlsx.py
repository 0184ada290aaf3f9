"""Workbooks, read back by openpyxl and by pandas: texts are texts, numbers are numbers."""

from __future__ import annotations

import csv
import math
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from zoo_xlsx import Xlsx, format as format_module

import zoo
from zoo.errors import UsageError, ZooWarning
from zoo.plugins import find_plugin
from zoo.testing import check_plugin

HOSTILE = ("=1+1", "+49", "-Calanus", "@SUM(A1)", "#N/A", "'quoted", 'a,"b"', "<b>&amp;</b>", "Ä/ß", "1-2", "  wide  ")
VALUES = np.linspace(0, 1, 2 * len(HOSTILE), dtype=np.float32).reshape(-1, 2)
TABLE = zoo.PredictionTable(
    images=tuple(f"/home/ada/{name}.png" for name in HOSTILE),
    names=tuple(f"{name}.png" for name in HOSTILE),
    summary={
        "class": HOSTILE,
        "probability": tuple(VALUES.max(axis=1).tolist()),
        "object_id": tuple(f"{number:03}" for number in range(len(HOSTILE))),
        "object_lat": ("43.5", "-7.25", "NA", "", *("0",) * (len(HOSTILE) - 4)),
        "haul": ("007", *("12",) * (len(HOSTILE) - 1)),
        "barcode": ("1234567890123456", *("1",) * (len(HOSTILE) - 1)),
        "=cmd": ("2014-04-20",) * len(HOSTILE),
    },
    columns=("Calanus", "=Oithona"),
    values=VALUES,
    sizes=((20, 16),) * len(HOSTILE),
    metadata={
        "filters": "vgg16-plankton",
        "manifest": "sha256:0123",
        "time": "2026-01-02T03:04:05Z",
        "filterzoo": "0.2.0",
    },
)


def opened(table: zoo.PredictionTable, folder: Path, **options: bool) -> openpyxl.Workbook:
    Xlsx(**options).write(table, folder / "a.xlsx")
    return openpyxl.load_workbook(folder / "a.xlsx")


def columns_of(sheet: openpyxl.worksheet.worksheet.Worksheet) -> dict[str, list[object]]:
    return {column[0]: list(column[1:]) for column in zip(*sheet.iter_rows(values_only=True), strict=True)}


def test_it_keeps_the_contract():
    assert "suffixes: .xlsx" in check_plugin(find_plugin("format", "xlsx"))


def test_no_text_is_a_formula_an_error_or_a_number(tmp_path):
    sheet = opened(TABLE, tmp_path)["predictions"]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "inlineStr", "n"}
    said = columns_of(sheet)
    assert said["class"] == list(HOSTILE)
    assert said["image"] == [f"{name}.png" for name in HOSTILE]
    assert said["=cmd"] == ["2014-04-20"] * len(HOSTILE)
    kept = {cell.value: cell.quotePrefix for cell in sheet["B"]}  # what a person edits stays a text, too
    assert kept["=1+1"]
    assert kept["#N/A"]
    assert not kept['a,"b"']
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        assert not [name for name in book.namelist() if b"<f" in book.read(name) and "sheet" in name]


def test_numbers_are_numbers_and_ids_are_not(tmp_path):
    said = columns_of(opened(TABLE, tmp_path)["predictions"])
    assert np.array(said["probability"], np.float32).tolist() == list(TABLE.summary["probability"])
    assert said["object_lat"] == [43.5, -7.25, "NA", None, *[0] * (len(HOSTILE) - 4)]
    assert said["object_id"][0] == "000"
    assert said["haul"][:2] == ["007", "12"]
    assert said["barcode"][0] == "1234567890123456"  # a spreadsheet knows 15 digits
    assert columns_of(opened(TABLE, tmp_path, numbers=False)["predictions"])["object_lat"][0] == "43.5"


def test_pandas_reads_it_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    Xlsx(classes=True).write(TABLE, tmp_path / "a.xlsx")
    sheets = pandas.read_excel(tmp_path / "a.xlsx", sheet_name=None, keep_default_na=False)
    assert list(sheets) == ["predictions", "probabilities", "run"]
    frame = sheets["predictions"]
    assert frame["class"].tolist() == list(HOSTILE)
    assert frame["probability"].astype("float32").tolist() == list(TABLE.summary["probability"])
    shares = sheets["probabilities"]
    assert shares.columns.tolist() == ["image", "Calanus", "=Oithona"]
    assert np.array_equal(shares[["Calanus", "=Oithona"]].to_numpy(np.float32), VALUES)
    assert dict(sheets["run"].to_numpy()) == {
        "pictures": len(HOSTILE),
        "filters": "vgg16-plankton",
        "manifest": "sha256:0123",
        "time": "2026-01-02T03:04:05Z",
        "filterzoo": "0.2.0",
    }


def test_the_header_is_frozen_bold_and_has_a_filter(tmp_path):
    sheet = opened(TABLE, tmp_path)["predictions"]
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == f"A1:H{len(HOSTILE) + 1}"
    assert [cell.font.bold for cell in sheet[1]] == [True] * 8
    assert not sheet["A2"].font.bold


def test_what_steers_a_terminal_or_breaks_xml_is_one_line(tmp_path):
    names = ("a\nb.png", "\x1b[2Jc\x00\uffff.png", "d\udcff.png")
    table = replace(TABLE, images=names, names=names, summary={"cl\nass": names, "cl ass": names}, values=VALUES[:3])
    said = columns_of(opened(table, tmp_path)["predictions"])
    assert said["image"] == ["a b.png", "\ufffd[2Jc\ufffd\ufffd.png", "d\ufffd.png"]
    assert list(said) == ["image", "cl ass", "cl ass_"]


def test_numbers_that_are_none_are_empty_and_a_head_need_not_say_a_probability(tmp_path):
    summary = {"class": ("a", "b", ""), "length": (math.nan, math.inf, 1234567.891)}
    table = replace(TABLE, images=("1", "2", "3"), names=("1", "2", "3"), summary=summary, values=VALUES[:3])
    said = columns_of(opened(table, tmp_path)["predictions"])
    assert said["length"] == [None, None, 1234567.891]
    assert said["class"] == ["a", "b", None]


def test_no_pictures_are_a_header(tmp_path):
    none = dict.fromkeys(TABLE.summary, ())
    book = opened(
        replace(TABLE, images=(), names=(), summary=none, values=VALUES[:0], sizes=()), tmp_path, classes=True
    )
    assert [cell.value for cell in book["predictions"][1]] == ["image", *TABLE.summary]
    assert book["predictions"].max_row == book["probabilities"].max_row == 1
    assert book["run"]["B2"].value == 0


def test_the_same_predictions_are_the_same_bytes_at_any_time_and_place(tmp_path, monkeypatch):
    Xlsx().write(TABLE, tmp_path / "a.xlsx")
    first = (tmp_path / "a.xlsx").read_bytes()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        Xlsx().write(TABLE, tmp_path / "a.xlsx")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (tmp_path / "a.xlsx").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        assert {info.date_time[0] for info in book.infolist()} == {1980}
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").properties.created.isoformat() == "2026-01-02T03:04:05"


def test_what_a_sheet_cannot_hold_is_said(tmp_path, monkeypatch):
    long = replace(TABLE, summary={"note": ("x" * 40_000, *HOSTILE[1:])})
    with pytest.warns(
        ZooWarning, match=r"A cell is longer than the 32,767 characters of a sheet's, and cut. The format"
    ):
        said = columns_of(opened(long, tmp_path)["predictions"])
    assert (len(said["note"][0]), said["note"][0][-1]) == (32_767, "…")
    wide = replace(TABLE, summary={f"c{number}": HOSTILE for number in range(16_384)})
    with pytest.raises(
        UsageError, match=r"'predictions' would have 12 rows and 16,385 columns; a workbook holds 1,048,576"
    ):
        Xlsx().write(wide, tmp_path / "b")
    monkeypatch.setattr(format_module, "ROWS", 11)
    with pytest.raises(
        UsageError, match=r"would have 12 rows and 8 columns; .* Choose the format csv or parquet, or pr"
    ):
        Xlsx().write(TABLE, tmp_path / "b")


def test_a_runs_predictions_of_a_table_are_a_workbook(command, run, photos, tmp_path):
    lines = [
        f"{path.relative_to(photos)},{number}.5,00{number}" for number, path in enumerate(sorted(photos.rglob("*.png")))
    ]
    (photos / "new.csv").write_text("\n".join(["path,depth,haul_id", *lines]))
    answer = command("predict", run, photos / "new.csv", "-o", tmp_path / "out.xlsx", "--set", "classes=true")
    assert (answer.status, answer.out) == (0, ""), answer.err
    assert "20 pictures in" in answer.err
    csv_file = tmp_path / "out.csv"
    assert command("predict", run, photos / "new.csv", "-o", csv_file, "--set", "raw=true").status == 0
    with csv_file.open(newline="") as same:
        rows = list(csv.DictReader(same))
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    said = columns_of(book["predictions"])
    assert list(said) == list(rows[0])
    for title in ("image", "class", "second", "haul_id"):
        assert said[title] == [row[title] for row in rows]
    for title in ("probability", "depth"):
        assert said[title] == pytest.approx([float(row[title]) for row in rows], rel=1e-5)
    assert {*said["class"]} <= {"=Oithona", "Calanus"}
    shares = columns_of(book["probabilities"])
    assert [a + b for a, b in zip(shares["=Oithona"], shares["Calanus"], strict=True)] == pytest.approx([1] * 20)
    facts = dict(book["run"].iter_rows(values_only=True))
    assert facts["manifest"].startswith("sha256:")
    assert facts["pictures"] == 20
    assert "xlsx" in command("list", "formats").out

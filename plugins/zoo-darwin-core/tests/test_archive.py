"""Darwin Core archives, read back by python-dwca-reader: who named what, when and where, and how sure that is."""

from __future__ import annotations

import json
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from zoo_darwin_core import DarwinCoreArchive

import zoo
from zoo.errors import FileError, UsageError, ZooWarning
from zoo.plugins import find_plugin
from zoo.testing import check_plugin

DWC = "http://rs.tdwg.org/dwc/terms/"
DC = "http://purl.org/dc/terms/"
MANIFEST = "sha256:" + "0123456789abcdef" * 4
VALUES = np.array([[0.913, 0.087], [0.5, 0.5], [0.25, 0.75]], dtype=np.float32)
TABLE = zoo.PredictionTable(
    images=("/home/ada/p/a.jpg", "/home/ada/p/b/c.png", "/home/ada/p/d.jpg"),
    names=("a.jpg", "b/c.png", "d.jpg"),
    summary={
        "class": ("Calanus_finmarchicus", "Oithona", "Oithona"),
        "probability": tuple(VALUES.max(axis=1).tolist()),
        "second": ("Oithona", "Calanus_finmarchicus", "Calanus_finmarchicus"),
        "second_probability": tuple(VALUES.min(axis=1).tolist()),
        "eventDate": ("2026-01-01", "2026-01-02", "2026-01-03"),
        "decimalLatitude": ("43.5", "-7,25", "0"),
        "decimalLongitude": ("7", "8", "9"),
        "locality": ("Villefranche", "NA", "a\tb\nc"),
        "scientificName": ("an", "earlier", "name"),
        "note": ("x", "y", "z"),
    },
    columns=("Calanus_finmarchicus", "Oithona"),
    values=VALUES,
    sizes=((20, 16),) * 3,
    metadata={"filters": "vgg16-plankton", "manifest": MANIFEST, "time": "2026-02-03T04:05:06Z", "filterzoo": "0.2.0"},
)
SAID = {"creator": "Lovelace, Ada", "email": "ada@example.org", "license": "cc-by-4.0"}


def read(path: Path) -> SimpleNamespace:
    """Rows by term's short name, the pictures of each, and the metadata, as python-dwca-reader has them."""
    reader = pytest.importorskip("dwca.read")
    with reader.DwCAReader(str(path)) as archive:
        assert archive.descriptor.core.type == f"{DWC}Occurrence"
        assert archive.orphaned_extension_rows() == {"multimedia.txt": {}}
        rows, media = [], []
        for row in archive:
            rows.append({term.rpartition("/")[2]: cell for term, cell in row.data.items()})
            assert row.id == rows[-1]["occurrenceID"]
            (picture,) = row.extensions
            assert picture.rowtype == "http://rs.gbif.org/terms/1.0/Multimedia"
            media.append({term.removeprefix(DC): cell for term, cell in picture.data.items()})
        return SimpleNamespace(rows=rows, media=media, eml=archive.metadata, terms=archive.descriptor.core.terms)


def written(table: zoo.PredictionTable, folder: Path, **options: object) -> SimpleNamespace:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        DarwinCoreArchive(**options).write(table, folder / "a.zip")
    return read(folder / "a.zip")


def classes(table: zoo.PredictionTable, *names: str) -> zoo.PredictionTable:
    return replace(table, summary={**table.summary, "class": names})


def test_it_keeps_the_contract():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        assert "suffixes: .dwca, .dwca.zip" in check_plugin(find_plugin("format", "dwca"))


def test_an_occurrence_says_that_a_machine_named_it_by_what_and_how_sure_it_was(tmp_path):
    first = written(TABLE, tmp_path, dataset="Tows", **SAID).rows[0]
    assert json.loads(first.pop("dynamicProperties")) == {
        "probability": 0.913,
        "second": "Oithona",
        "second_probability": 0.087,
    }
    assert first == {
        "occurrenceID": "a.jpg",
        "basisOfRecord": "MachineObservation",
        "occurrenceStatus": "present",
        "eventDate": "2026-01-01",
        "locality": "Villefranche",
        "decimalLatitude": "43.5",
        "decimalLongitude": "7",
        "scientificName": "Calanus finmarchicus",
        "verbatimIdentification": "Calanus_finmarchicus",
        "identifiedBy": "vgg16-plankton (zoo 0.2.0)",
        "dateIdentified": "2026-02-03T04:05:06Z",
        "identificationReferences": MANIFEST,
        "identificationVerificationStatus": "PredictedByMachine",
        "identificationRemarks": "probability 0.913",
        "datasetName": "Tows",
        "license": "http://creativecommons.org/licenses/by/4.0/legalcode",
    }


def test_every_term_is_one_of_darwin_core_or_dublin_core(tmp_path):
    terms = pytest.importorskip("dwca.darwincore.terms").TERMS
    said = written(TABLE, tmp_path, dataset="Tows", media="https://example.org/p", **SAID)
    newer = {f"{DWC}verbatimIdentification"}  # than the reader's list
    assert said.terms <= {*terms} | newer
    assert f"{DC}license" in said.terms


def test_pictures_are_multimedia_with_an_address_where_they_are_public(tmp_path):
    said = written(TABLE, tmp_path)
    assert said.media[1] == {
        "type": "StillImage",
        "format": "image/png",
        "identifier": "",
        "title": "b/c.png",
        "created": "2026-01-02",
    }
    assert "associatedMedia" not in said.rows[0]
    odd = replace(TABLE, names=('ü "1"?.jpg', "b/c.png", "d\udcff.jpg"))
    said = written(odd, tmp_path, media="https://example.org/p/")
    assert [one["identifier"] for one in said.media] == [
        "https://example.org/p/%C3%BC%20%221%22%3F.jpg",
        "https://example.org/p/b/c.png",
        "https://example.org/p/d%FF.jpg",
    ]
    assert said.rows[0]["associatedMedia"] == said.media[0]["identifier"]
    with pytest.raises(UsageError, match=r"media='photos/' is no address. Say where the pictures are public, https"):
        DarwinCoreArchive(media="photos/")


def test_decimals_get_points_na_is_empty_and_cells_are_one_line(tmp_path):
    rows = written(TABLE, tmp_path).rows
    assert [row["decimalLatitude"] for row in rows] == ["43.5", "-7.25", "0"]
    assert [row["locality"] for row in rows] == ["Villefranche", "", "a b c"]
    assert {row["scientificName"] for row in rows} == {"Calanus finmarchicus", "Oithona"}  # not the table's
    assert "note" not in rows[0]


def test_tables_of_ecotaxa_and_of_camera_traps_are_understood(tmp_path):
    summary = {name: TABLE.summary[name] for name in ("class", "probability")}
    ecotaxa = {
        "object_id": ("o1", "o2", "o2"),
        "object_lat": ("1.5", "2.5", "3.5"),
        "object_lon": ("-1.5", "-2.5", "-3.5"),
        "object_date": ("2014-04-20", "20140421", "NA"),
        "object_time": ("42000", "99:99", "042000"),
        "object_depth_min": ("10", "", "NA"),
        "sample_id": ("s1", "s1", "s2"),
    }
    rows = written(replace(TABLE, summary=summary | ecotaxa), tmp_path).rows
    assert [row["occurrenceID"] for row in rows] == ["o1", "o2", "o2:2"]
    assert [row["eventDate"] for row in rows] == ["2014-04-20T04:20:00Z", "2014-04-21", ""]
    assert [row["minimumDepthInMeters"] for row in rows] == ["10", "", ""]
    assert [row["eventID"] for row in rows] == ["s1", "s1", "s2"]
    assert [row["decimalLongitude"] for row in rows] == ["-1.5", "-2.5", "-3.5"]
    traps = {
        "mediaID": ("m1", "m2", "m3"),
        "deploymentID": ("d1",) * 3,
        "timestamp": ("2020-05-30T04:57:37+02:00",) * 3,
        "Latitude": ("51",) * 3,
    }
    first = written(replace(TABLE, summary=summary | traps), tmp_path).rows[0]
    assert (first["occurrenceID"], first["parentEventID"], first["decimalLatitude"]) == ("m1", "d1", "51")
    assert first["eventDate"] == "2020-05-30T04:57:37+02:00"


def test_names_without_a_table_do_not_tell_where_they_lay(tmp_path):
    table = replace(TABLE, names=("/home/ada/a.jpg", "../b.jpg", "/home/ada/a.jpg"))
    said = written(table, tmp_path)
    assert [row["occurrenceID"] for row in said.rows] == ["a.jpg", "b.jpg", "a.jpg:2"]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert not [name for name in archive.namelist() if b"/home" in archive.read(name)]


# ------------------------------------------------------------------------------------------------ taxa


def test_of_a_path_the_last_step_is_the_name_and_the_others_are_the_classification(tmp_path):
    rows = written(classes(TABLE, "living > Maxillopoda > Copepoda", "Copepoda<Maxillopoda", "Oithona"), tmp_path).rows
    assert [row["scientificName"] for row in rows] == ["Copepoda", "Copepoda", "Oithona"]
    assert [row["higherClassification"] for row in rows] == ["living | Maxillopoda", "Maxillopoda", ""]


def test_pictures_of_no_taxon_are_left_out_and_said(tmp_path):
    with pytest.warns(ZooWarning) as said:
        DarwinCoreArchive(**SAID).write(classes(TABLE, "Oithona", "detritus<not-living", "empty"), tmp_path / "a.zip")
    assert [str(one.message) for one in said] == [
        "2 of 3 pictures show no taxon, and were left out: detritus<not-living (1), empty (1)."
    ]
    (row,) = read(tmp_path / "a.zip").rows
    assert (row["occurrenceID"], row["eventDate"]) == ("a.jpg", "2026-01-01")
    with pytest.raises(
        UsageError, match=r"None of the 3 pictures shows a taxon: empty \(2\), \(unsure\) \(1\). Say which"
    ):
        written(classes(TABLE, "empty", "(unsure)", "empty"), tmp_path)


def test_a_table_of_the_users_says_what_the_classes_are(tmp_path):
    taxa = tmp_path / "taxa.csv"
    lines = [
        "class,scientificName,scientificNameID,taxonRank,class",
        "Calanus_finmarchicus,Calanus finmarchicus,urn:lsid:marinespecies.org:taxname:104464,species,Copepoda",
        "Oithona,,,,",
    ]
    taxa.write_text("\n".join(lines), encoding="utf-8-sig")
    (row,) = written(TABLE, tmp_path, taxa=str(taxa)).rows
    assert row["scientificNameID"] == "urn:lsid:marinespecies.org:taxname:104464"
    assert (row["taxonRank"], row["class"]) == ("species", "Copepoda")
    with pytest.raises(
        UsageError, match=r"taxa.csv has no row for 2 of the classes: a, b. Add them; a row without a scie"
    ):
        written(classes(TABLE, "b", "Oithona", "a"), tmp_path, taxa=str(taxa))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"its columns are nothing, and scientificName must be one, each once. Write a column of classes"),
        (b"name,aphiaID\na,1\n", r"its columns are name, aphiaID, and scientificName must be one"),
        (b"name,scientificName,AphiaID\na,b,1\n", r"'AphiaID' is no Darwin Core term of a taxon"),
        (b"name,scientificName\na,b\na,c\n", r"it has the class 'a' twice. Keep one of the rows"),
        (b"name,scientificName\n\xff,b\n", r"not a readable CSV \(.*\). Save it as CSV in UTF-8"),
    ],
    ids=range(5),
)
def test_a_wrong_table_of_taxa_is_one_line(content, said, tmp_path):
    (tmp_path / "taxa.csv").write_bytes(content)
    with pytest.raises(FileError, match=said):
        DarwinCoreArchive(taxa=str(tmp_path / "taxa.csv"))
    with pytest.raises(FileError, match=r"none.csv: there is no such table of taxa. Check `options=\{'taxa'"):
        DarwinCoreArchive(taxa=str(tmp_path / "none.csv"))


def test_what_a_person_validated_goes_before_the_machines_name(tmp_path):
    people = {
        "object_annotation_category": ("Acartia", "Oithona", ""),
        "object_annotation_status": ("validated", "predicted", ""),
        "object_annotation_person_name": ("Ada Lovelace", "robot", ""),
        "object_annotation_date": ("2014-05-01", "2014-05-02", ""),
    }
    rows = written(
        replace(TABLE, summary=TABLE.summary | people), tmp_path, validated="object_annotation_category"
    ).rows
    assert [row["identificationVerificationStatus"] for row in rows] == [
        "ValidatedByHuman",
        *["PredictedByMachine"] * 2,
    ]
    assert [row["scientificName"] for row in rows] == ["Acartia", "Oithona", "Oithona"]
    assert [row["identifiedBy"] for row in rows][:2] == ["Ada Lovelace", "vgg16-plankton (zoo 0.2.0)"]
    assert (rows[0]["dateIdentified"], rows[0]["identificationReferences"]) == ("2014-05-01", "")
    assert rows[0]["identificationRemarks"] == "vgg16-plankton (zoo 0.2.0) said Calanus_finmarchicus, probability 0.913"
    with pytest.raises(
        UsageError, match=r"validated='species': the pictures' table has no such column; there is class, "
    ):
        written(TABLE, tmp_path, validated="species")


# ------------------------------------------------------------------------------------------------ heads


def test_of_several_heads_one_names_the_class_and_numbers_of_all_are_kept(tmp_path):
    summary = {
        "kind:class": TABLE.summary["class"],
        "kind:probability": TABLE.summary["probability"],
        "locate:x1": (1.0, float("nan"), 3.5),
        "table:class": ("old",) * 3,
    }
    rows = written(replace(TABLE, summary=summary), tmp_path).rows
    assert [json.loads(row["dynamicProperties"]) for row in rows] == [
        {"kind:probability": 0.913, "locate:x1": 1.0},
        {"kind:probability": 0.5},
        {"kind:probability": 0.75, "locate:x1": 3.5},
    ]
    with pytest.raises(UsageError, match=r"Several heads name a class: kind, stage. Say whose is written, `head=NAME`"):
        written(replace(TABLE, summary=summary | {"stage:class": ("egg",) * 3}), tmp_path)
    with pytest.raises(
        UsageError, match=r"These predictions name no class, and a Darwin Core archive takes one. Choose"
    ):
        written(replace(TABLE, summary={"length": (1.0, 2.0, 3.0)}), tmp_path)


def test_a_head_need_not_say_a_probability_nor_a_model_its_name(tmp_path):
    rows = written(replace(TABLE, summary={"class": TABLE.summary["class"]}, metadata={}), tmp_path).rows
    assert {row["identifiedBy"] for row in rows} == {"zoo"}
    assert not {"identificationRemarks", "dynamicProperties", "dateIdentified"} & {*rows[0]}


def test_no_pictures_are_two_headers(tmp_path):
    none = dict.fromkeys(TABLE.summary, ())
    empty = replace(TABLE, images=(), names=(), summary=none, values=VALUES[:0], sizes=())
    assert written(empty, tmp_path).rows == []


# ------------------------------------------------------------------------------------------------ the whole


def test_the_metadata_say_who_publishes_by_which_licence_and_what_gave_the_names(tmp_path):
    eml = written(TABLE, tmp_path, title='Tows <of> "2026" & more', **SAID).eml
    assert eml.tag == "{https://eml.ecoinformatics.org/eml-2.2.0}eml"
    assert [one.tag for one in eml.find("dataset")] == [
        *(
            "title",
            "creator",
            "pubDate",
            "language",
            "abstract",
            "intellectualRights",
            "licensed",
            "contact",
            "methods",
        ),
    ]
    assert eml.findtext("dataset/title") == 'Tows <of> "2026" & more'
    assert eml.findtext("dataset/creator/individualName/surName") == "Lovelace"
    assert eml.findtext("dataset/contact/electronicMailAddress") == "ada@example.org"
    assert eml.findtext("dataset/pubDate") == "2026-02-03"
    assert eml.findtext("dataset/licensed/identifier") == "CC-BY-4.0"
    assert eml.find("dataset/intellectualRights/para/ulink").get("url").endswith("/by/4.0/legalcode")
    method = eml.findtext("dataset/methods/methodStep/description/para")
    assert method == (
        f"The names were given by vgg16-plankton (zoo 0.2.0) on 2026-02-03T04:05:06Z; its manifest is {MANIFEST}."
    )
    assert written(TABLE, tmp_path, creator="A Lab").eml.findtext("dataset/creator/organizationName") == "A Lab"


def test_what_gbif_asks_for_and_nobody_said_is_one_line(tmp_path):
    summary = TABLE.summary | {"eventDate": ("2026", "", "NA")}
    with pytest.warns(ZooWarning) as said:
        DarwinCoreArchive().write(replace(TABLE, summary=summary), tmp_path / "a.zip")
    assert [str(one.message) for one in said] == [
        "GBIF asks for eventDate (2 of 3), a creator, a license, which nobody said. Predict a CSV of the pictures with "
        "those columns, and pass `options={'license': …}` and its like."
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DarwinCoreArchive(**SAID).write(TABLE, tmp_path / "a.zip")


def test_the_same_predictions_are_the_same_bytes_and_the_parts_are_described(tmp_path):
    for name in ("a", "b"):
        DarwinCoreArchive(**SAID).write(TABLE, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert archive.namelist() == ["meta.xml", "eml.xml", "occurrence.txt", "multimedia.txt"]
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
        meta = ET.fromstring(archive.read("meta.xml"))
        header = archive.read("occurrence.txt").decode().splitlines()[0].split("\t")
    core = meta.find("{http://rs.tdwg.org/dwc/text/}core")
    fields = {int(one.get("index")): one.get("term") for one in core.iter("{http://rs.tdwg.org/dwc/text/}field")}
    assert [fields[place].rpartition("/")[2] for place in range(len(fields))] == header
    assert core.get("fieldsTerminatedBy") == "\\t"


def test_names_of_strangers_break_neither_tables_nor_xml(tmp_path):
    names = ('a\tb\n".jpg', "<&>/\x1b]0;x\x07.jpg", "=1+1.jpg")
    table = replace(
        classes(TABLE, "=cmd|' /C calc'!A0", "Oithona & 'co'", 'a\tb\r\n"c"'),
        names=names,
        metadata=TABLE.metadata | {"filters": "<b>&\ufffe\x00"},
    )
    said = written(table, tmp_path, title="\uffff]]>")
    assert [row["scientificName"] for row in said.rows] == ["'=cmd|' /C calc'!A0", "Oithona & 'co'", 'a b "c"']
    assert [row["occurrenceID"] for row in said.rows] == ['a b ".jpg', "<&>/\ufffd]0;x\ufffd.jpg", "'=1+1.jpg"]
    assert said.eml.findtext("dataset/title") == "\ufffd]]>"
    assert written(table, tmp_path, raw=True).rows[2]["occurrenceID"] == "=1+1.jpg"


# ------------------------------------------------------------------------------------------------ a real run


def test_a_runs_predictions_of_a_table_are_an_archive(command, run, photos, tmp_path):
    lines = [
        f"{path.relative_to(photos)},2026-01-0{1 + number % 9},{number}.5,7"
        for number, path in enumerate(sorted(photos.rglob("*.png")))
    ]
    (photos / "new.csv").write_text("\n".join(["path,eventDate,lat,lon", *lines]))
    out = tmp_path / "out.dwca.zip"
    options = [word for pair in (f"{name}={value}" for name, value in SAID.items()) for word in ("--set", pair)]
    answer = command("predict", run, photos / "new.csv", *options, "-o", out)
    assert answer.status == 0, answer.err
    assert answer.err.splitlines() == [f"20 pictures in {out}"]
    said = read(out)
    assert len(said.rows) == 20
    assert {row["scientificName"] for row in said.rows} <= {"Calanus", "Oithona"}
    assert {row["identificationReferences"][:7] for row in said.rows} == {"sha256:"}
    assert {row["eventDate"] for row in said.rows} == {f"2026-01-0{day}" for day in range(1, 10)}
    asked = ("predict", run, photos, "--format", "dwca")
    assert "GBIF asks for eventDate (20 of 20), decimalLatitude (20 of 20)" in command(*asked, "-o", tmp_path / "b").err
    assert read(tmp_path / "b").rows[0]["occurrenceID"] == "Calanus/0.png"
    assert "`" not in command(*asked, "--set", "license=gpl", "-o", tmp_path / "c").fault
    assert not (tmp_path / "c").exists()


def test_an_export_of_ecotaxa_is_handed_over_with_what_people_validated(command, run, photos, tmp_path):
    pytest.importorskip("zoo_ecotaxa")
    rows = ["img_file_name\tobject_id\tobject_lat\tobject_date\tobject_time\tsample_id\tobject_annotation_category\t"]
    rows[0] += "object_annotation_status\tobject_annotation_person_name"
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        person = ("Acartia", "validated", "Ada") if number % 4 == 0 else ("Oithona", "predicted", "")
        cells = (path.relative_to(photos), f"o{number}", "43,5", "20140420", "042000", f"s{number % 2}", *person)
        rows.append("\t".join(map(str, cells)))
    (photos / "ecotaxa_export.tsv").write_text("\n".join(rows), encoding="utf-8-sig")
    opened = ("--dataset", "ecotaxa", "--data", photos, "--set", "status=all")
    asked = ("--format", "dwca", "--set", "validated=object_annotation_category", "-o", tmp_path / "out.zip")
    answer = command("predict", run, *opened, *asked)
    assert answer.status == 0, answer.err
    said = read(tmp_path / "out.zip").rows
    people = [row for row in said if row["identificationVerificationStatus"] == "ValidatedByHuman"]
    assert [row["occurrenceID"] for row in people] == [f"o{number}" for number in range(0, 20, 4)]
    assert {(row["scientificName"], row["identifiedBy"]) for row in people} == {("Acartia", "Ada")}
    machine = [row for row in said if row not in people]
    assert {row["scientificName"] for row in machine} <= {"Calanus", "Oithona"}
    assert {(row["decimalLatitude"], row["eventDate"], row["eventID"]) for row in machine} == {
        ("43.5", "2014-04-20T04:20:00Z", "s0"),
        ("43.5", "2014-04-20T04:20:00Z", "s1"),
    }

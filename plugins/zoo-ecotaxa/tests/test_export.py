"""Exports with every trap of the format are read; what is none, or hostile, is one line."""

from __future__ import annotations

import pickle
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from zoo_ecotaxa import EcoTaxa, places

import zoo
from zoo.errors import FileError, UsageError, ZooWarning
from zoo.testing import check_dataset

COPEPODA = "Copepoda<Maxillopoda"


def opened(root: Path, **options: object) -> EcoTaxa:
    dataset = EcoTaxa(**options)
    dataset.prepare(root)
    return dataset


def names_of(dataset: EcoTaxa) -> list[str | None]:
    """The class of every sample."""
    return [
        dataset.targets["label"].names[sample.targets["label"]] if sample.targets else None
        for sample in map(dataset.__getitem__, range(len(dataset)))
    ]


@pytest.fixture
def rows(make) -> list[dict[str, object]]:
    return make.objects()


@pytest.fixture
def export(make, write, rows) -> Path:
    """A zip with two tables at its top, a folder a sample, as a general export has them."""
    halves = rows[:24], rows[24:]
    tables = {f"ecotaxa_export_{number}.tsv": make.tsv(half) for number, half in enumerate(halves)}
    return write({**tables, **make.pictures(rows)})


# ------------------------------------------------------------------------------------------------ what is read


def test_the_validated_objects_of_all_tables_are_read_with_their_classes_and_samples(export):
    dataset = opened(export)
    assert len(dataset) == 36
    assert dataset.targets == {"label": zoo.Categories(("Chaetognatha", COPEPODA, "detritus"))}
    assert names_of(dataset)[:3] == [COPEPODA] * 3
    sample = dataset[35]
    assert (sample.group, sample.path, tuple(sample.image.shape)) == ("s3", "s3/s3_22.png", (3, 16, 20))
    assert float(sample.image.float().mean()) == pytest.approx(230, abs=5)


def test_every_other_column_is_metadata(export):
    assert dict(opened(export)[35].metadata) == {
        "img_rank": "0",
        "object_id": "s3_22",
        "object_lat": "46.5",
        "object_lon": "-7.25",
        "object_date": "2014-04-23",
        "object_time": "042000",
        "object_annotation_status": "validated",
        "object_annotation_person_name": "Ada",
        "object_annotation_category": "detritus",
        "object_annotation_hierarchy": "not-living>detritus",
        "object_area": "518.5",
        "sample_id": "s3",
        "sample_ship": "météor",
        "process_pixel": "10.6",
        "acq_id": "acq3",
        "acq_sub_part": "1",
    }


@pytest.mark.parametrize(
    "written",
    [
        {"types": True},
        {"comma": True},
        {"comma": True, "types": True},
        {"encoding": "utf-8"},
        {"encoding": "latin-1"},
        {"encoding": "utf-16", "types": True},
    ],
    ids=str,
)
def test_every_way_of_writing_a_table_says_the_same(make, write, rows, export, written):
    other = write({"ecotaxa_x.tsv": make.tsv(rows, **written), **make.pictures(rows)}, "other.zip")
    assert [dict(opened(other)[number].metadata) for number in (0, 35)] == [
        dict(opened(export)[number].metadata) for number in (0, 35)
    ]


def test_cells_that_a_spreadsheet_dropped_at_the_end_are_empty_and_a_misspelt_type_declares_nothing(make, write, rows):
    for row in rows[3:]:
        row["acq_sub_part"] = ""
    content = make.tsv(rows, types=True).replace(b'"[f]"', b'"[float]"', 1).replace(b'\t""\n', b"\n")
    dataset = opened(write({"ecotaxa_x.tsv": content, **make.pictures(rows)}))
    assert [dataset[number].metadata["acq_sub_part"] for number in (0, 35)] == ["1", ""]
    assert dataset[0].metadata["object_lat"] == "43.5"


def test_texts_that_look_like_decimals_stay(make, write, rows):
    for number, row in enumerate(rows):
        row |= {"object_tags": f"{number},5" if number else "none", "object_label": "1,5", "object_id": f"{number},5"}
    files = {"ecotaxa_x.tsv": make.tsv(rows, types=True), **make.pictures(rows)}
    said = opened(write(files))[1].metadata
    assert (said["object_tags"], said["object_label"], said["object_id"]) == ("1,5", "1,5", "1,5")


def test_an_unpacked_export_and_a_backup_with_tables_beside_their_pictures_are_the_same_pictures(make, write, rows):
    files = {**make.pictures(rows)}
    for sample in range(4):
        inside = [row | {"img_file_name": Path(str(row["img_file_name"])).name} for row in rows]
        files[f"s{sample}/ecotaxa_s{sample}.tsv"] = make.tsv(
            [row for row in inside if row["sample_id"] == f"s{sample}"]
        )
    folder, zipped = opened(write(files, "folder")), opened(write(files))
    assert [folder[n].path for n in range(36)] == [zipped[n].path for n in range(36)]
    assert zipped[0].path == "s0/s0_00.png"
    assert all(torch.equal(folder[n].image, zipped[n].image) for n in range(0, 36, 7))


def test_pictures_are_found_from_the_top_with_backslashes_and_never_beside_what_macos_left(make, write, rows):
    backslashed = [row | {"img_file_name": str(row["img_file_name"]).replace("/", "\\")} for row in rows]
    files = {"tables/ecotaxa_1.tsv": make.tsv(backslashed), "__MACOSX/._ecotaxa_1.tsv": b"x", **make.pictures(rows)}
    for name in ("a.zip", "a"):
        assert opened(write(files, name))[0].path == "s0/s0_00.png"


def test_dates_are_iso_however_they_are_written(make, write, rows):
    for row, date in zip(rows, ("2014-04-20", "20140420", "20140420.0", "2014-04-20T12:30", "", "NA"), strict=False):
        row["object_date"] = date
    dataset = opened(write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)}), status="all", group="object_date")
    assert [dataset[number].metadata["object_date"] for number in range(6)] == ["2014-04-20"] * 4 + ["", "NA"]
    assert [dataset[number].group for number in range(6)] == ["2014-04-20"] * 4 + [None, None]


def test_of_several_pictures_the_lowest_rank_is_the_object_and_all_may_be_asked_for(make, write, rows):
    second = [row | {"img_rank": 0, "img_file_name": f"more/{row['object_id']}.png"} for row in rows]
    rows = [row | {"img_rank": 1} for row in rows]
    files = {"ecotaxa_x.tsv": make.tsv([*rows, *second]), **make.pictures([*rows, *second])}
    root = write(files)
    first, every = opened(root), opened(root, images="all")
    assert (len(first), len(every)) == (36, 72)
    assert all(str(first[number].path).startswith("more/") for number in range(36))
    assert {one.group for one in map(every.__getitem__, range(72))} == {"s0", "s1", "s2", "s3"}


def test_rows_that_stand_in_two_tables_are_one_object(make, write, rows):
    files = {f"ecotaxa_{n}.tsv": make.tsv(rows) for n in range(2)} | make.pictures(rows)
    assert len(opened(write(files), images="all")) == 36


@pytest.mark.parametrize(
    ("status", "count"),
    [("predicted", 12), ("validated,predicted", 48), ("all", 48), ("Predicted , dubious", 12)],
)
def test_the_status_says_which_objects_are_read(export, status, count):
    assert len(opened(export, status=status)) == count


def test_objects_without_a_status_are_unclassified_and_have_no_label(make, write, rows):
    for row in rows[:5]:
        row |= {"object_annotation_status": "", "object_annotation_category": ""}
    rows[5]["object_annotation_status"] = "V"
    dataset = opened(write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)}), status="all")
    assert len(dataset) == 48
    assert names_of(dataset)[:6] == [None] * 5 + ["Chaetognatha"]
    assert dataset.splits == {"unlabelled": [0, 1, 2, 3, 4]}


def test_a_class_is_a_path_of_the_hierarchy_or_an_id_where_asked(make, write, rows, export):
    assert opened(export, label="hierarchy").targets["label"].names == (
        "living > Chaetognatha",
        "living > Crustacea > Maxillopoda > Copepoda",
        "not-living > detritus",
    )
    for row in rows:
        row["object_annotation_category_id"] = {"detritus": "85,0", "Chaetognatha": "11758"}.get(
            str(row["object_annotation_category"]), "45074.0"
        )
    root = write({"ecotaxa_x.tsv": make.tsv(rows, types=True), **make.pictures(rows)}, "ids.zip")
    assert opened(root, label="id").targets["label"].names == ("11758", "45074", "85")


def test_classes_of_one_object_are_unlabelled_and_said(make, write, rows):
    rows[0]["object_annotation_category"] = "Oithona<Oithonidae"
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)})
    with pytest.warns(ZooWarning, match=r"3 of 4 classes have 2 objects or more, the others are not learnt: Oithona<O"):
        dataset = opened(root)
    assert dataset.splits == {"unlabelled": [0]}
    with pytest.warns(ZooWarning, match=r"0 of 4 classes have 20 objects or more, and two are needed to learn"):
        assert opened(root, fewest=20).targets == {}


def test_an_export_that_names_no_samples_is_read_and_said(make, write, rows):
    rows = [{title: cell for title, cell in row.items() if title != "sample_id"} for row in rows]
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)})
    with pytest.warns(ZooWarning, match="no table has sample_id"):
        assert opened(root)[0].group is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert opened(root, group="none")[0].group is None


# ------------------------------------------------------------------------------------------------ the contract


@pytest.mark.parametrize("name", ["export.zip", "folder"])
def test_it_keeps_the_contract_and_a_worker_process_reads_the_same(make, write, rows, name):
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)}, name)
    assert "36 pictures" in check_dataset(EcoTaxa(), root)
    dataset = opened(root)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[7].image, dataset[7].image)


def test_nothing_of_a_zip_stays_on_the_disk(export, home):
    dataset = zoo.open_dataset("ecotaxa", export)
    assert dataset.dataset[0].image.shape == (3, 16, 20)
    assert list(home.rglob("*")) == []


def test_a_zip_is_known_again_by_its_pictures_and_not_when_one_changes(make, write, rows, export, tmp_path):
    def fingerprint(root: Path) -> str:
        return zoo.open_dataset("ecotaxa", root).decode(16).fingerprint

    copy = tmp_path / "elsewhere.zip"
    copy.write_bytes(export.read_bytes())
    assert fingerprint(copy) == fingerprint(export)
    stamp = zoo.open_dataset("ecotaxa", export).stamp()
    pictures = make.pictures(rows) | {"s0/s0_00.png": make.png(3)}
    write({"ecotaxa_x.tsv": make.tsv(rows), **pictures}, "export.zip")
    assert zoo.open_dataset("ecotaxa", export).stamp() != stamp
    assert fingerprint(copy) != fingerprint(export)


def test_splits_keep_samples_apart(export):
    data = zoo.open_dataset("ecotaxa", export)
    decoded = data.decode(16)
    splits = data.split(decoded, seed=0).by_name
    sides = [{decoded.groups[row] for row in rows.tolist()} for rows in splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 4


# ------------------------------------------------------------------------------------------------ wrong tables


def faulty(make, write, rows, **options: object) -> str:
    with pytest.raises(FileError) as caught:
        opened(write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)}), **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"object_annotation_status": "maybe"},
            r"1 row with an unknown status \('maybe', line 2 of ecotaxa_x.tsv\). A st",
        ),
        (
            {"object_date": "20141345"},
            r"1 row whose date is none \('20141345', line 2, .*\). Write dates as 20140420 or",
        ),
        ({"object_id": ""}, r"1 row without an object_id \(line 2 of ecotaxa_x.tsv\). Give every object its own."),
        (
            {"img_rank": "first"},
            r"1 row whose img_rank is no number \('first', line 2 .*\). Number an object's pictures",
        ),
        (
            {"object_annotation_category": ""},
            r"line 2 is validated, but object_annotation_category says nothing. Say `opt",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_row_at_fault_is_named_with_the_remedy(make, write, rows, change, said):
    rows[0] |= change
    assert re.search(said, faulty(make, write, rows))


def test_all_kinds_of_faults_are_said_at_once(make, write, rows):
    pictures = make.pictures(rows[4:])
    rows[20]["img_file_name"] = "../../secret.png"
    rows[21]["img_file_name"] = "/etc/passwd.png"
    rows[22]["img_file_name"] = ""
    rows[30] |= {"object_id": "s2_20", "object_annotation_category": "Chaetognatha"}
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **pictures}, "export")
    with pytest.raises(FileError) as caught:
        opened(root)
    assert str(caught.value).startswith(
        f"{root}: 3 rows of missing pictures (the first: 's0/s0_00.png', line 2 of ecotaxa_x.tsv); "
        "2 rows whose picture leads out of the export (the first: '../../secret.png', line 22 of ecotaxa_x.tsv); "
        "1 row without a picture (line 24 of ecotaxa_x.tsv); "
        "1 row of another class than an earlier one of the same object "
        "(s2_20 is Chaetognatha in line 32 of ecotaxa_x.tsv, and detritus in line "
    )
    assert "\n" not in str(caught.value)


def test_an_object_of_two_classes_is_refused(make, write, rows):
    rows[1] |= {"object_id": rows[0]["object_id"], "object_annotation_category": "detritus"}
    said = faulty(make, write, rows)
    assert "s0_00 is Copepoda<Maxillopoda in line 2 of ecotaxa_x.tsv, and detritus in line 3 of ecotaxa_x.tsv" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its header has no object_id and no img_file_name; it begins with nothing. Name the zip that EcoTaxa"),
        (b"object_id\tobject_lat\na\t1\n", "its header has no img_file_name; it begins with object_id, object_lat."),
        (b"object_id\timg_file_name\tOBJECT_ID \n", "its header has object_id twice. Rename or remove one"),
        (b"object_id\timg_file_name\n", "no object is validated; there are no rows. Export again."),
        (b"object_id\timg_file_name\n[t]\t[t]\n", "no object is validated; there are no rows. Export again."),
        (
            b"object_id\timg_file_name\na\tb\tc\n",
            "1 row with a cell under no title ('c', line 2 of ecotaxa_x.tsv). Name every column, and",
        ),
        (b'object_id\timg_file_name\n"a\tb\n', "not a table separated by tabs (unexpected end of data)."),
        (b"object_id\timg_file_name\na\0b\tc\n", "not a table separated by tabs (it holds no text)."),
        (
            b"object_id\timg_file_name\na\tb.png\n",
            "no object is validated; there are 1 unclassified. Read others, `opt",
        ),
    ],
    ids=range(9),
)
def test_a_wrong_table_is_one_line(write, content, said):
    root = write({"ecotaxa_x.tsv": content, "b": b""})
    with pytest.raises(FileError) as caught:
        opened(root, group="none")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_without_a_table_names_what_is_there(make, write, tmp_path, rows):
    files = {"data.tsv": make.tsv(rows)}
    with pytest.raises(FileError, match=r"there is no ecotaxa_\*.tsv in it. Name the zip that EcoTaxa exported"):
        opened(write(files))
    with pytest.raises(FileError, match=r"there is no ecotaxa_\*.tsv in it. Name the zip itself, `root=.*/export.zip`"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"status": "verified"}, r"status='verified' is none of validated, predicted, dubious, unclassified.* Try"),
        ({"status": ""}, r"status='' is none of"),
        ({"fewest": 1}, r"fewest=1: a class needs one object to learn from and one to test with. Pass 2 or more."),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        EcoTaxa(**options)


def test_a_group_or_a_status_that_is_not_there_is_named(export):
    with pytest.raises(
        FileError, match=r"the groups are in no column 'haul'; there is object_id, sample_id, acq_id. Na"
    ):
        opened(export, group="haul")
    with pytest.raises(FileError, match=r"no object is dubious; there are 36 validated, 12 predicted. Read others"):
        opened(export, status="dubious")
    with pytest.raises(
        FileError, match=r"object_annotation_category_id says nothing. Say `options=\{'label': 'category'"
    ):
        opened(export, label="id")


# ------------------------------------------------------------------------------------------------ hostile zips


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """The zip with its bytes changed."""
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "C:\\evil.png", "a/../../evil.png", "..\\evil.png"])
def test_a_zip_that_names_files_outside_itself_is_refused_whole(make, write, rows, tmp_path, name):
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows), name: make.png(1)})
    with pytest.raises(
        FileError, match=r"it names a file outside itself, .*evil.png'. No export does. Download the exp"
    ):
        opened(root)
    assert not list(tmp_path.parent.glob("evil.png"))


def test_a_picture_or_a_table_that_unpacks_to_too_much_is_refused_before_it_is(make, write, rows, monkeypatch):
    pictures = make.pictures(rows)
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **pictures})
    monkeypatch.setattr(places, "LARGEST_PICTURE", 100)
    dataset = opened(root)
    with pytest.raises(
        FileError, match=r"s0_00.png: it unpacks to \d+ bytes, more than the 100 that are read of a zip"
    ):
        dataset[0]
    monkeypatch.setattr(places, "SMALL_TABLES", 1000)
    bomb = write({"ecotaxa_x.tsv": make.tsv(rows) + b"\n" * 10_000_000}, "bomb.zip")
    with pytest.raises(
        FileError, match=r"its tables unpack to 10,\d+,\d+ bytes, more than the .* Unpack the zip yourself"
    ):
        opened(bomb)


def test_sizes_that_lie_are_found(make, write, rows):
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)})
    with zipfile.ZipFile(root) as opened_zip:
        info = opened_zip.getinfo("s0/s0_00.png")

    def lie(content: bytes) -> bytes:
        place = content.rindex(struct.pack("<L", info.CRC)) + 8  # in the directory: CRC, packed size, size
        assert content[place : place + 4] == struct.pack("<L", info.file_size)
        return content[:place] + struct.pack("<L", info.file_size - 9) + content[place + 4 :]

    dataset = opened(rewritten(root, lie))
    with pytest.raises(FileError, match=r"s0_00.png: the zip cannot be read \(.*\). Download the export again."):
        dataset[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-30], "the zip cannot be read (File is not a zip file). Download the export again."),
        (lambda content: b"", "the zip cannot be read (File is not a zip file)"),
        (lambda content: b"PK\x03\x04" + bytes(500), "the zip cannot be read"),
    ],
    ids=["cut", "empty", "zeros"],
)
def test_what_is_no_whole_zip_is_one_line(export, change, said):
    with pytest.raises(FileError) as caught:
        opened(rewritten(export, change))
    assert said in str(caught.value)


def test_encrypted_odd_and_linked_members_are_refused(make, write, rows):
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **make.pictures(rows)})
    dataset = opened(root)
    members = dataset._place._members
    members["s0/s0_00.png"].flag_bits |= 1
    with pytest.raises(FileError, match=r"it is encrypted. Unpack the zip yourself, and name its folder."):
        dataset[0]
    members["s0/s0_01.png"].compress_type = zipfile.ZIP_LZMA
    with pytest.raises(FileError, match=r"it is compressed by method 14, which is not read. Unpack"):
        dataset[1]
    with zipfile.ZipFile(root, "a") as opened_zip, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a duplicate: the later one counts
        link = zipfile.ZipInfo("s0/s0_02.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        opened_zip.writestr(link, "/etc/hostname")
    with pytest.raises(FileError, match=r"export.zip/s0/s0_02.png: not a readable picture"):
        opened(root)[2]


def test_a_damaged_picture_is_named_by_its_place_in_the_zip_and_may_be_left_out(make, write, rows):
    pictures = make.pictures(rows) | {"s0/s0_00.png": b"no picture"}
    root = write({"ecotaxa_x.tsv": make.tsv(rows), **pictures})
    with pytest.raises(FileError, match=r"export.zip/s0/s0_00.png: not a readable picture"):
        opened(root)[0]
    assert len(zoo.open_dataset("ecotaxa", root).decode(16, skip_unreadable=True)) == 35


def test_other_files_and_other_datasets_take_no_zip(export, tmp_path):
    other = tmp_path / "export.tar"
    other.write_bytes(export.read_bytes())
    with pytest.raises(FileError, match="there is no such folder"):
        zoo.open_dataset("ecotaxa", other)
    with pytest.raises(FileError, match="there is no such folder"):
        zoo.open_dataset("image-folder", export)

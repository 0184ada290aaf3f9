"""SEANOE's tables with every trap, from a folder, a zip and a tar."""

from __future__ import annotations

import gzip
import pickle
import re
from pathlib import Path

import pytest
import torch
from prepared import prepared, prepared_with_warnings
from zoo_zooplankton import Seanoe

import zoo
from zoo.errors import FileError, UnknownNameError, UsageError, ZooWarning
from zoo.testing import check_dataset

NO_SAMPLES = "nothing says which pictures are of one sample"
pytestmark = pytest.mark.filterwarnings(f"ignore:.*{NO_SAMPLES}")


def opened(root: Path, **options: object) -> Seanoe:
    return prepared(Seanoe(**options), root, unsaid=f".*{NO_SAMPLES}")


def names_of(dataset: Seanoe) -> list[str | None]:
    names = dataset.targets["label"].names
    samples = map(dataset.__getitem__, range(len(dataset)))
    return [names[one.targets["label"]] if one.targets else None for one in samples]


@pytest.fixture
def rows(make) -> list[dict[str, object]]:
    return make.objects()


@pytest.fixture
def root(make, write, rows) -> Path:
    return write(make.seanoe(rows), "ZooScanNet_data.tar")


# ------------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("name", ["set", "set.zip", "ZooScanNet_data.tar"])
@pytest.mark.parametrize("top", ["", "ZooScanNet/", "./ZooScanNet/"])
def test_tables_and_pictures_are_found_whatever_they_lie_in(make, write, rows, name, top):
    dataset = opened(write(make.seanoe(rows, top), name))
    assert len(dataset) == 16
    assert dataset.targets == {"label": zoo.Categories(("Calanidae", "Oithonidae", "detritus", "egg<other"))}
    sample = dataset[15]
    assert names_of(dataset)[15] == "detritus"
    assert tuple(sample.image.shape) == (3, 16, 20)
    assert float(sample.image.float().mean()) == pytest.approx(230, abs=5)
    assert sample.path == f"{top.removeprefix('./')}imgs/detritus/{rows[15]['objid']}.png"


def test_an_archive_in_a_folder_is_read_where_it_is_unless_it_was_unpacked_beside(make, write, rows):
    write(make.seanoe(rows, ""), "folder/set.zip")
    dataset = opened(write({}, "folder"))
    assert dataset[0].path.startswith("set.zip/imgs/")
    write(make.seanoe(rows[:8], ""), "folder/set")
    assert [one for one in map(opened(write({}, "folder")).__getitem__, range(8)) if "set.zip" in one.path] == []


def test_columns_are_metadata_and_features_are_numbers_that_leave_the_pictures_own_size(make, root, rows):
    said = dict(opened(root)[2].metadata)
    assert said == {
        "objid": str(rows[2]["objid"]),
        "taxon_level1": "Calanidae",
        "lineage_level1": "/living/Eukaryota/Metazoa/Arthropoda/Copepoda/Calanidae",
        "taxon_level2": "Copepoda",
        "plankton": "TRUE",
        "set": "val",
        "object_area": "502",
        "object_perim.": "80.25",
        "object_width": "12",
        "object_%area": "61.5",
        "object_skew": "-0.5",
    }
    numbers = zoo.open_dataset("seanoe", root).decode(16).numbers
    assert numbers["width"].tolist() == [20.0] * 16  # of the picture, and not the object's 12
    assert numbers["object_area"].tolist() == [500.0 + number for number in range(16)]
    assert int(numbers["object_skew"].isnan().sum()) == 1  # NA


def test_features_are_joined_by_the_object_and_may_be_left_out_or_lack_objects(make, write, rows):
    files = make.seanoe(rows) | {
        "ZooScanNet/features_native.csv.gz": gzip.compress(make.table(make.features(rows)[:10])),
        "ZooScanNet/features_skimage.csv": make.table([{"objid": row["objid"], "solidity": 0.5} for row in rows]),
    }
    root = write(files)
    assert "object_area" not in opened(root)[0].metadata
    assert opened(root)[15].metadata["object_area"] == "515"
    assert opened(root, features="skimage")[0].metadata["object_solidity"] == "0.5"
    assert not [key for key in opened(root, features="none")[15].metadata if key.startswith("object_")]


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("level2", ("Copepoda", "detritus", "egg")),
        ("plankton", ("other", "plankton")),
        (
            "lineage",
            (
                "living > Eukaryota > Metazoa > Arthropoda > Copepoda > Calanidae",
                "living > Eukaryota > Metazoa > Arthropoda > Copepoda > Oithonidae",
                "living > Eukaryota > other > egg",
                "not-living > detritus",
            ),
        ),
    ],
)
def test_a_class_is_a_coarser_taxon_a_path_or_whether_it_is_plankton(root, label, names):
    assert opened(root, label=label).targets["label"].names == names


def test_older_releases_name_a_taxon_and_no_picture(make, write, rows):
    files = make.seanoe(rows)
    old = [
        {"objid": f"{row['objid']}.0", "taxon": row["taxon_level1"], "lineage": row["lineage_level1"]} for row in rows
    ]
    files["ZooScanNet/taxa.csv.gz"] = gzip.compress(make.table(old))
    dataset = opened(write(files), label="lineage")
    assert len(dataset) == 16
    assert len(dataset.targets["label"].names) == 4
    assert dataset[0].metadata["object_area"] == "500"
    assert dataset.splits == {}
    root = write(files, "again")
    with pytest.raises(
        FileError, match=r"has no taxon_level2; it begins with objid, taxon, lineage.*'label': 'level1'"
    ):
        opened(root, label="level2")


@pytest.mark.parametrize("form", ["plain", "semicolons", "latin-1", "byte order mark"])
def test_a_table_that_was_saved_anew_says_the_same(make, write, rows, form):
    rows[0] |= {"taxon_level2": "Copépode"}
    separator = ";" if form == "semicolons" else ","
    encoding = {"latin-1": "latin-1", "byte order mark": "utf-8-sig"}.get(form, "utf-8")
    files = make.seanoe(rows)
    del files["ZooScanNet/taxa.csv.gz"]
    root = write(files | {"ZooScanNet/taxa.csv": make.table(rows, separator=separator, encoding=encoding)})
    assert opened(root)[0].metadata["taxon_level2"] == "Copépode"


# ------------------------------------------------------------------------------------------------ splits and groups


def test_without_samples_the_published_split_is_taken_and_a_line_says_what_it_may_divide(root):
    with pytest.warns(ZooWarning, match=NO_SAMPLES):
        dataset = zoo.open_dataset("seanoe", root).dataset
    assert {name: len(rows) for name, rows in dataset.splits.items()} == {"train": 8, "val": 4, "test": 4}
    assert opened(root, published=False).splits == {}


def test_a_column_of_samples_is_the_group_and_related_pictures_are_never_on_two_sides(make, write, rows):
    for number, row in enumerate(rows):
        row["sample_id"] = f"tow{number % 4 + number // 8 * 4}"
    root = write(make.seanoe(rows))
    dataset = opened(root)
    assert dataset.splits == {}
    data = zoo.open_dataset("seanoe", root)
    decoded = data.decode(16)
    splits = data.split(decoded, seed=0)
    sides = [{decoded.groups[row] for row in rows.tolist()} for rows in splits.by_name.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 8
    with pytest.warns(
        ZooWarning, match="published split has 0 of 8|has [1-9] of 8 groups on several sides: it flatters"
    ):
        Seanoe(published=True).prepare(
            write(make.seanoe([row | {"sample_id": f"tow{n // 2}"} for n, row in enumerate(rows)]), "b")
        )
    assert opened(root, group="none").splits.keys() == {"train", "val", "test"}
    assert opened(root, group="taxon_level2")[0].group == "Copepoda"
    with pytest.raises(FileError, match=r"groups are in no column 'haul'; there is objid, taxon_level1"):
        opened(root, group="haul")


def test_a_published_split_that_is_not_there_is_said(make, write, rows):
    for row in rows:
        del row["set"]
    with pytest.raises(FileError, match="no published split lies with it"):
        opened(write(make.seanoe(rows)), published=True)


# ------------------------------------------------------------------------------------------------ traps


def test_what_is_wrong_with_rows_and_pictures_is_left_out_and_said_a_line_a_sort(make, write, rows):
    files = make.seanoe(rows)
    gone = rows[0]
    del files[f"ZooScanNet/{gone['img_path']}"]
    more = [rows[5], rows[9] | {"taxon_level1": "detritus"}, rows[2] | {"objid": 7, "img_path": "../../etc/x.png"}]
    rows[3]["set"] = "holdout"
    files["ZooScanNet/taxa.csv.gz"] = gzip.compress(make.table([*rows, *more]))
    files["ZooScanNet/imgs/detritus/1.png"] = make.picture(9)
    files["ZooScanNet/imgs/detritus/._1.png"] = files["ZooScanNet/imgs/.DS_Store"] = b"x"
    dataset, said = prepared_with_warnings(Seanoe(), write(files))
    assert re.search(
        rf"picture is not there, which were left out: {gone['objid']} of Calanidae, 7 of Calanidae \(2", said
    )
    assert f"stand in the table twice, of which the first counts: {rows[5]['objid']} (1 in all)" in said
    assert f"stand in the table as two taxa, which are not labelled: {rows[9]['objid']} (1 in all)" in said
    assert "objects of an unknown set, which count for none: holdout (1 in all)" in said
    assert "that the table does not name, which were left out: ZooScanNet/imgs/detritus/1.png (1 in all)" in said
    assert len(dataset) == 15
    assert names_of(dataset).count(None) == 1
    assert dataset.splits["unlabelled"] == [8]


def test_objects_without_a_taxon_are_unlabelled_and_rare_or_unwanted_taxa_are_said(make, write, rows):
    rows[0]["taxon_level1"] = "NA"
    files = make.seanoe([*rows[1:], rows[0] | {"taxon_level1": "Calanidae"}])
    files["ZooScanNet/taxa.csv.gz"] = gzip.compress(make.table(rows))
    root = write(files)
    dataset = opened(root, omit="egg<other, detritus")
    assert dataset.splits["unlabelled"] == [0]
    assert set(names_of(dataset)) == {None, "Calanidae", "Oithonidae"}
    with pytest.raises(UnknownNameError, match=r"No class is called 'detritos'\. Did you mean 'detritus'"):
        opened(root, omit="detritos")
    with pytest.warns(ZooWarning, match="1 of 4 classes have fewer than 4 pictures and are not learnt: Calanidae"):
        Seanoe(fewest=4).prepare(root)
    with pytest.raises(FileError, match="0 of 4 classes have 5 pictures or more, and two are needed"):
        Seanoe(fewest=5).prepare(root)
    with pytest.raises(UsageError, match="fewest=1"):
        Seanoe(fewest=1)


def test_the_licence_of_zooscannet_is_known_and_of_others_it_is_not(make, write, rows):
    assert opened(write(make.seanoe(rows))).license == "cc-by-nc-4.0"
    assert opened(write(make.seanoe(rows, "UVP6Net/"), "b")).license == ""


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": b"x"}, "there is no taxa.csv.gz in it. Name the folder or archive that holds taxa.csv.gz"),
        ({"a/taxa.csv.gz": b"", "b/taxa.csv.gz": b""}, "it holds several sets, a/taxa.csv.gz and b/taxa.csv.gz"),
        ({"taxa.csv.gz": b"no gzip"}, "taxa.csv.gz: it cannot be unpacked"),
        ({"taxa.csv.gz": gzip.compress(b"objid,taxon\n")}, "the table has a header, but no rows"),
        ({"taxa.csv.gz": gzip.compress(b"objid,objid\n1,2\n")}, "its header has 'objid' twice"),
        ({"taxa.csv.gz": gzip.compress(b"objid,taxon\n1\n")}, "it is no table (CSV parse error"),
        ({"taxa.csv.gz": gzip.compress(b"name,taxon\n1,a\n")}, "its header has no objid; it begins with name, taxon"),
        ({"taxa.csv.gz": gzip.compress(bytes(1 << 27))}, "it unpacks to more than 67,108,864 bytes"),
        (
            {"taxa.csv.gz": gzip.compress(b"objid,taxon\n1,a\n")},
            "none of its pictures can be used: objects whose picture",
        ),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("name", ["set", "set.zip", "set.tar"])
def test_what_is_no_set_is_one_line(write, files, said, name):
    with pytest.raises(FileError, match=re.escape(said)) as caught:
        opened(write(files, name))
    assert "\n" not in str(caught.value)


def test_hostile_and_damaged_archives_are_refused_and_nothing_is_written(make, write, rows, tmp_path, home):
    for name in ("out.zip", "out.tar"):
        with pytest.raises(FileError, match=r"names a file outside itself, '\.\./evil\.csv'"):
            opened(write({"../evil.csv": b"x"}, name))
    with pytest.raises(FileError, match=r"a tar that is compressed as a whole is not read in place. Unpack it"):
        opened(write(make.seanoe(rows), "set.tgz"))
    whole = write(make.seanoe(rows), "cut.tar")
    dataset = opened(whole)
    whole.write_bytes(whole.read_bytes()[:9000])
    with pytest.raises(FileError):
        [dataset[number] for number in range(16)]
    for name in ("bad.zip", "bad.tar"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 nothing else")
        with pytest.raises(FileError, match=rf"{name}: it cannot be read"):
            opened(tmp_path / name)
    assert list(home.rglob("*")) == []


# ------------------------------------------------------------------------------------------------ the contract


@pytest.mark.parametrize("name", ["set", "set.zip", "set.tar"])
def test_it_keeps_the_contract_and_a_worker_process_reads_the_same(make, write, rows, name):
    root = write(make.seanoe(rows), name)
    assert "16 pictures" in check_dataset(Seanoe(), root)
    dataset = opened(root)
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[7].image, dataset[7].image)


def test_a_set_is_known_again_by_pictures_and_tables(make, write, rows):
    def fingerprint(root: Path) -> str:
        return zoo.open_dataset("seanoe", root).decode(16).fingerprint

    first = fingerprint(write(make.seanoe(rows), "a/set"))
    assert fingerprint(write(make.seanoe(rows), "b/set")) == first
    changed = make.seanoe(rows) | {
        "ZooScanNet/features_native.csv.gz": gzip.compress(make.table(make.features(rows)[1:]))
    }
    assert fingerprint(write(changed, "c/set")) != first
    rows[0]["taxon_level1"] = "Oithonidae"
    assert (
        fingerprint(write(make.seanoe(rows) | {f"ZooScanNet/{rows[0]['img_path']}": make.picture(40, 1)}, "d/set"))
        != first
    )

"""Pictures of an IFCB: years above or not, zips, names old and new, and every trap."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prepared import prepared, prepared_with_warnings
from zoo_zooplankton import Whoi
from zoo_zooplankton.names import parse_ifcb

import zoo
from zoo.errors import FileError
from zoo.testing import check_dataset

SHADES = {"Chaetoceros": 60, "detritus": 150, "mix": 220}


def opened(root: Path, **options: object) -> Whoi:
    return prepared(Whoi(**options), root)


def warned(root: Path, **options: object) -> tuple[Whoi, str]:
    return prepared_with_warnings(Whoi(**options), root)


def years(make, numbers=(2006, 2007, 2013), *, above: bool = True, each: int = 6) -> dict[str, bytes]:
    """WHOI-Plankton's releases; in 2013 another instrument took over, which calls its pictures otherwise."""
    files = {}
    for year in numbers:
        for kind, shade in SHADES.items():
            for number in range(each):
                day, roi = 158 + number // 2, 10 * list(SHADES).index(kind) + number
                new = f"D{year}0607T0000{number:02d}_IFCB010_{roi:05d}.png"
                name = new if year == 2013 else f"IFCB1_{year}_{day:03d}_000036_{roi:05d}.png"
                files[f"{year}/" * above + f"{kind}/{name}"] = make.picture(shade, year * 100 + roi)
    return files


def test_the_classes_of_all_years_are_one_and_names_say_when_and_where(make, write):
    dataset = opened(write(years(make)))
    assert len(dataset) == 54
    assert dataset.targets == {"label": zoo.Categories(("Chaetoceros", "detritus", "mix"))}
    assert dict(dataset[0].metadata) == {
        "time": "2006-06-07T00:00:36+00:00",
        "camera": "IFCB1",
        "sample": "IFCB1_2006_158_000036",
        "roi": "0",
    }
    assert (dataset[0].group, dataset[0].path) == ("2006-06-07", "2006/Chaetoceros/IFCB1_2006_158_000036_00000.png")
    assert dataset[53].metadata["sample"] == "D20130607T000005_IFCB010"
    assert dataset[53].metadata["time"] == "2013-06-07T00:00:05+00:00"
    assert dataset.splits == {}


@pytest.mark.parametrize("name", ["set", "set.zip", "set.tar"])
@pytest.mark.parametrize("above", [True, False])
def test_years_above_the_classes_are_nothing_but_folders(make, write, name, above):
    dataset = opened(write(years(make, above=above), name))
    assert {one.group for one in map(dataset.__getitem__, range(54))} == {
        *(f"{year}-06-0{day}" for year in (2006, 2007) for day in (7, 8, 9)),
        "2013-06-07",
    }


def test_the_nine_zips_are_read_where_they_are_beside_years_that_are_unpacked(make, write):
    for year in (2006, 2007):
        write(years(make, [year]), f"folder/{year}.zip")
    root = write(years(make, [2007, 2013]), "folder")
    dataset = opened(root)  # 2007 lies there unpacked: its zip is passed over
    paths = [dataset[number].path for number in range(54)]
    assert sum(path.startswith("2006.zip/2006/") for path in paths) == 18
    assert sum(path.startswith("2007/") for path in paths) == 18
    assert not any("2007.zip" in path for path in paths)


@pytest.mark.parametrize(
    ("group", "groups"),
    [("sample", 6 + 6), ("day", 6 + 1), ("year", 3), ("none", 0)],
)
def test_a_group_is_a_sample_a_day_or_a_year(make, write, group, groups):
    dataset, _ = warned(write(years(make)), group=group)
    found = {one.group for one in map(dataset.__getitem__, range(54))} - {None}
    assert len(found) == groups


def test_pictures_of_one_day_are_never_on_two_sides(make, write):
    data = zoo.open_dataset("whoi", write(years(make)))
    decoded = data.decode(16)
    splits = data.split(decoded, seed=3)
    sides = [{decoded.groups[row] for row in rows.tolist()} for rows in splits.by_name.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 7
    assert "by group" in splits.how


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("IFCB5_2012_366_235959_01234.png", "2012-12-31T23:59:59+00:00"),
        ("IFCB1_2006_158_000036_00003", "2006-06-07T00:00:36+00:00"),
        ("D20130402T165134_IFCB010_00023.png", "2013-04-02T16:51:34+00:00"),
        ("IFCB1_2006_367_000036_00003.png", None),
        ("IFCB1_2006_000_000036_00003.png", None),
        ("IFCB1_2006_158_250036_00003.png", None),
        ("D20131302T165134_IFCB010_00023.png", None),
        ("IFCB1_1006_158_000036_00003.png", None),
        ("257738613.png", None),
    ],
)
def test_a_name_says_a_time_or_none(name, time):
    taken = parse_ifcb(name)
    assert (taken.facts["time"] if taken else None) == time


def test_every_trap_is_left_out_or_said(make, write):
    files = years(make, each=4)
    files |= {
        "2007/Chaetoceros/IFCB1_2006_158_000036_00000.png": files["2006/Chaetoceros/IFCB1_2006_158_000036_00000.png"],
        "2006/mix/IFCB1_2006_158_000036_00001.png": make.picture(200),
        "2006/detritus/unnamed.png": make.picture(1),
        "top.png": make.picture(1),
        "2006/detritus/._IFCB1_2006_158_000036_00010.png": b"x",
        "2006/.DS_Store": b"x",
        "__MACOSX/2006/detritus/IFCB1_2006_158_000036_00010.png": b"x",
    }
    dataset, said = warned(write(files))
    assert (
        "that are there twice, of which the first counts: 2007/Chaetoceros/IFCB1_2006_158_000036_00000.png (1" in said
    )
    assert re.search(r"lie in several classes, which were left out: 2006/Chaetoceros/\S+00001.png and 2006/mix/", said)
    assert "have no group: 2006/detritus/unnamed.png (1 in all)" in said
    assert "lie in no class folder, which were left out: top.png (1 in all)" in said
    assert "of another year than their folder's; their own counts: 2007/Chaetoceros/" in said
    paths = [dataset[number].path for number in range(len(dataset))]
    assert len(paths) == 36 - 1 + 1
    assert not [path for path in paths if path.endswith("_00001.png") and path.startswith("2006")]
    assert [one.group for one in map(dataset.__getitem__, range(36)) if one.path.endswith("unnamed.png")] == [None]


def test_a_class_that_is_most_of_all_may_be_left_out(make, write):
    dataset = opened(write(years(make)), omit="mix")
    assert dataset.targets["label"].names == ("Chaetoceros", "detritus")
    assert len(dataset) == 36


def test_a_folder_without_classes_is_one_line(write):
    with pytest.raises(
        FileError, match=r"there are no pictures in class folders \(there are none\)\. Name a folder of <y"
    ):
        opened(write({"readme.txt": b"x"}))


@pytest.mark.parametrize("name", ["set", "set.zip", "set.tar"])
def test_it_keeps_the_contract(make, write, name):
    assert "54 pictures" in check_dataset(Whoi(), write(years(make), name))

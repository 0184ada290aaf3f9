"""ZooLake: the published lists, names that hold time and frame, and every trap."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import CommandLine
from prepared import prepared, prepared_with_warnings
from zoo_zooplankton import ZooLake
from zoo_zooplankton.names import parse_spc

import zoo
from zoo.errors import FileError
from zoo.testing import check_dataset

KINDS = {"aphanizomenon": 60, "bosmina": 140, "cyclops": 220}
LISTS = "data/zoolake_train_test_val_separated"


def opened(root: Path, **options: object) -> ZooLake:
    return prepared(ZooLake(**options), root)


def warned(root: Path, **options: object) -> tuple[ZooLake, str]:
    return prepared_with_warnings(ZooLake(**options), root)


def lake(make, *, days: int = 5, each: int = 2) -> dict[str, bytes]:
    """ZooLake with its lists, drawn picture by picture across the days."""
    files, lists = {}, {"train": [], "val": [], "test": []}
    for number, (kind, shade) in enumerate(KINDS.items()):
        for day in range(days):
            for one in range(each):
                inside = f"{kind}/training_data/{make.lake(number, day, 10 * number + one)}"
                files[f"data/zooplankton_0p5x/{inside}"] = make.picture(shade, day * 100 + one, form="jpeg")
                turn = (day * each + one) % 10
                where = "val" if turn == 4 else "test" if turn == 9 else "train"
                lists[where].append(f"/local/somebody/data/zooplankton_0p5x/{inside}\n")
    return files | {f"{LISTS}/{name}_filenames.txt": "".join(lines).encode() for name, lines in lists.items()}


@pytest.mark.parametrize("name", ["set", "set.zip", "set.tar"])
def test_pictures_have_their_class_day_frame_and_place_in_it(make, write, name):
    dataset = opened(write(lake(make), name))
    assert len(dataset) == 30
    assert dataset.targets == {"label": zoo.Categories(("aphanizomenon", "bosmina", "cyclops"))}
    assert dataset.license == "cc0-1.0"
    assert dataset[0].group == "2019-10-08"
    assert dict(dataset[29].metadata) == {
        "time": "2019-10-12T14:02:52+00:00",
        "camera": "EAWAG-0P5X",
        "sample": "EAWAG-0P5X-1570888972901178-001629",
        "roi": "21",
        "left": "1226",
        "top": "2176",
    }


@pytest.mark.parametrize("below", ["data", "data/zooplankton_0p5x"])
def test_a_folder_further_down_is_found_too(make, write, below):
    assert len(opened(write(lake(make)) / below)) == 30


def test_pictures_of_one_day_are_never_on_two_sides_unless_the_published_split_is_asked_for(make, write):
    root = write(lake(make))
    data = zoo.open_dataset("zoolake", root)
    decoded = data.decode(16)
    splits = data.split(decoded, seed=0)
    sides = [{decoded.groups[row] for row in rows.tolist()} for rows in splits.by_name.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 5
    dataset, said = warned(root, published=True)
    assert {name: len(rows) for name, rows in dataset.splits.items()} == {"train": 24, "val": 3, "test": 3}
    assert "the published split has 2 of 5 groups on several sides: it flatters." in said
    frames, _ = warned(root, group="frame")
    assert len({one.group for one in map(frames.__getitem__, range(30))}) == 30
    assert warned(root, group="none")[0][0].group is None


def test_measures_beside_a_class_are_numbers(make, write):
    files = lake(make)
    names = [name.rpartition("/")[2] for name in files if "/bosmina/" in name]
    rows = [{"url": f"http://camera/{name}", "area": 7 + n, "width": 3, "timestamp": 1} for n, name in enumerate(names)]
    files["data/zooplankton_0p5x/bosmina/features.tsv"] = make.table(rows, separator="\t")
    root = write(files)
    numbers = zoo.open_dataset("zoolake", root).decode(16).numbers
    assert numbers["object_area"].isnan().sum() == 20
    assert numbers["object_area"][10:20].tolist() == [7.0 + number for number in range(10)]
    assert numbers["width"].tolist() == [20.0] * 30
    assert set(numbers) == {"width", "height", "roi", "left", "top", "object_area", "object_width"}


def test_every_trap_of_the_lists_and_names_is_said(make, write):
    files = lake(make)
    pictures = [name for name in files if name.endswith(".jpeg")]
    lost = files.pop(pictures[0])
    files |= {
        "data/zooplankton_0p5x/cyclops/validation/" + pictures[1].rpartition("/")[2]: lost,  # another class
        "data/zooplankton_0p5x/cyclops/validation/" + pictures[-1].rpartition("/")[2]: lost,  # twice
        "data/zooplankton_0p5x/bosmina/stray.jpeg": lost,  # in no subfolder, of no name
        "data/zooplankton_0p5x/loose.jpeg": lost,
        "data/zooplankton_0p5x/bosmina/.DS_Store": b"x",
    }
    files[f"{LISTS}/test_filenames.txt"] += (
        b"a\\zooplankton_0p5x\\" + pictures[2].split("0p5x/")[1].replace("/", "\\").encode()
    )
    dataset, said = warned(write(files), published=True)
    paths = {dataset[number].path for number in range(len(dataset))}
    assert re.search(
        r"in several classes, which were left out: \S+aphanizomenon/\S+ and \S+cyclops/validation/\S+ \(1", said
    )
    assert re.search(r"there twice, of which the first counts: \S+cyclops/validation/\S+ \(1 in all\)", said)
    assert "have no group: data/zooplankton_0p5x/bosmina/stray.jpeg (1 in all)" in said
    assert "in no class folder, which were left out: data/zooplankton_0p5x/loose.jpeg (1 in all)" in said
    assert re.search(
        r"the published split names and that are not there: aphanizomenon/training_data/\S+ \(1 in all", said
    )
    assert re.search(r"in several of the published lists, which count for none: aphanizomenon/\S+ \(1 in all\)", said)
    assert re.search(r"that are in none of the published lists: ", said)
    assert len(paths) == 30 - 2 + 1
    assert sum(map(len, dataset.splits.values())) == 27


def test_without_its_lists_there_is_no_published_split(make, write):
    files = {name: content for name, content in lake(make).items() if name.endswith(".jpeg")}
    assert len(opened(write(files))) == 30
    with pytest.raises(FileError, match="no published split lies with it"):
        opened(write(files), published=True)
    with pytest.raises(
        FileError, match=r"there is no zooplankton_0p5x in it\. Name the folder or zip that holds data/"
    ):
        opened(write({"x.txt": b""}, "other"))


@pytest.mark.parametrize(
    "name",
    ["SPC-EAWAG-0P5X-0000000000000001-1-2-3-4-5-6-7.jpeg", "SPC-EAWAG-0P5X-15705433729-1-2-3-4-5-6-7.jpeg", "x.jpeg"],
)
def test_a_name_that_says_no_time_says_nothing(name):
    assert parse_spc(name) is None


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_it_keeps_the_contract(make, write, name):
    assert "30 pictures" in check_dataset(ZooLake(), write(lake(make), name))


def test_a_head_is_trained_with_numbers_of_the_names_beside_the_pictures_size(
    make, write, monkeypatch, capsys, tmp_path
):
    command = CommandLine(monkeypatch, capsys)
    small = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", 16, "--epochs", 2, "-q")
    words = (
        "--data",
        write(lake(make), "set.zip"),
        "--head",
        "classify:with=width+height+top",
        *small,
        "-o",
        tmp_path / "run",
    )
    trained = command("train", "zoolake", *words)
    assert trained.status == 0, trained.err
    assert "by group" in trained.err

"""A folder per class, or a CSV of files and labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from zoo.builtin.image_folder import ImageFolder
from zoo.contracts import Categories
from zoo.errors import FileError


def _draw(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 8), (20 * number % 256, 100, 50)).save(path)
    return root


def _prepared(root: Path, **options: object) -> ImageFolder:
    dataset = ImageFolder(**options)
    dataset.prepare(root)
    return dataset


def _labelled(root: Path, table: str, *, encoding: str = "utf-8") -> ImageFolder:
    (root / "labels.csv").write_text(table, encoding=encoding)
    return _prepared(root, labels="labels.csv")


def _labels(dataset: ImageFolder) -> list[tuple[str | None, int | None]]:
    return [(sample.path, sample.targets.get("label")) for sample in (dataset[i] for i in range(len(dataset)))]


# ----------------------------------------------------------------------------------------------- folders


def test_a_folder_is_a_class_and_classes_are_sorted_by_name(tmp_path: Path) -> None:
    dataset = _prepared(_draw(tmp_path, "worm/1.png", "worm/2.jpg", "alga/deep/3.tif", "alga/4.bmp"))
    assert dataset.targets == {"label": Categories(("alga", "worm"))}
    assert _labels(dataset) == [("alga/4.bmp", 0), ("alga/deep/3.tif", 0), ("worm/1.png", 1), ("worm/2.jpg", 1)]
    assert dataset.splits == {}
    assert dataset[0].image.shape == (3, 8, 10)


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    dataset = _prepared(_draw(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png"))
    before = _labels(dataset)
    dataset.prepare(tmp_path)
    assert _labels(dataset) == before


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_folders_called_train_val_and_test_are_splits(tmp_path: Path, name: str) -> None:
    root = _draw(tmp_path, "train/a/1.png", "train/b/1.png", f"{name}/a/2.png", f"{name}/b/2.png", "test/a/3.png")
    dataset = _prepared(root)
    assert dataset.targets == {"label": Categories(("a", "b"))}
    paths = {split: [dataset[i].path for i in rows] for split, rows in dataset.splits.items()}
    assert paths == {
        "train": ["train/a/1.png", "train/b/1.png"],
        "val": [f"{name}/a/2.png", f"{name}/b/2.png"],
        "test": ["test/a/3.png"],
    }


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    dataset = _prepared(_draw(tmp_path, "train/1.png", "train/2.png", "car/1.png", "car/2.png"))
    assert dataset.targets == {"label": Categories(("car", "train"))}


def test_hidden_files_and_other_files_are_passed_over(tmp_path: Path) -> None:
    root = _draw(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png", "a/.3.png", ".git/4.png", "__MACOSX/5.png")
    (root / "a" / "notes.txt").write_text("seen at noon")
    assert len(_prepared(root)) == 4


def test_a_class_folder_may_be_a_link(tmp_path: Path) -> None:
    elsewhere = _draw(tmp_path / "elsewhere", "1.png", "2.png")
    root = _draw(tmp_path / "root", "a/1.png", "a/2.png")
    (root / "b").symlink_to(elsewhere, target_is_directory=True)
    assert len(_prepared(root)) == 4


def test_pictures_mean_the_same_turned_only_where_that_is_said() -> None:
    assert ImageFolder().symmetry == "mirror"
    assert ImageFolder(turns=True).symmetry == "turns"
    assert ImageFolder.symmetry == "mirror"


def test_a_picture_that_cannot_be_read_is_named_when_it_is_reached(tmp_path: Path) -> None:
    root = _draw(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    (root / "a" / "2.png").write_bytes((root / "a" / "2.png").read_bytes()[:40])
    dataset = _prepared(root)
    assert dataset[0].image.shape == (3, 8, 10)
    with pytest.raises(FileError, match=r"a/2\.png: not a readable picture"):
        dataset[1]


# ---------------------------------------------------------------------------------- folders that are at fault


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), r"there are no pictures in it\. Put them into one folder for each class: root/<class>/picture\.jpg"),
        (
            ("1.png", "2.png"),
            r"no class folders\. Make one folder for each class, or name .* `options={'labels': 'FILE\.csv'}`",
        ),
        (("a/1.png", "a/2.png"), r"the only class is a\. Two classes or more are needed"),
        (
            ("a/1.png", "a/2.png", "b/1.png", "c/1.png"),
            r"one picture only, too few to learn and to test, of b, c\. Add pictures, or remove these classes",
        ),
        (
            ("train/a/1.png", "train/b/1.png", "spare/1.png"),
            r"beside the splits train lie pictures in spare\. Move those away",
        ),
        (("val/a/1.png", "test/b/1.png"), r"there is test, val, but no `train`\. Add it"),
    ],
)
def test_a_folder_that_cannot_be_learnt_from_says_what_to_do(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(FileError, match=message):
        _prepared(_draw(tmp_path, *names))


def test_empty_and_single_classes_are_named_all_at_once(tmp_path: Path) -> None:
    root = _draw(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    (root / "c").mkdir()
    (root / "d").mkdir()
    with pytest.raises(FileError, match=r"no pictures in the class folders c, d; one picture only, .*, of b\."):
        _prepared(root)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no such folder\. Check `root=`\."):
        _prepared(tmp_path / "nowhere")


# ---------------------------------------------------------------------------------------------------- tables

FOUR = ("1.png", "2.png", "x/3.png", "x/4.png")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["path label", "file label", "filename classification", "Image Label"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_is_read_whatever_its_separator_and_header(
    tmp_path: Path, separator: str, header: str, encoding: str
) -> None:
    lines = [header, "1.png b", "2.png a", "x/3.png a", "x/4.png b", ""]
    dataset = _labelled(_draw(tmp_path, *FOUR), "\n".join(lines).replace(" ", separator), encoding=encoding)
    assert dataset.targets == {"label": Categories(("a", "b"))}
    assert _labels(dataset) == [("1.png", 1), ("2.png", 0), ("x/3.png", 0), ("x/4.png", 1)]


def test_a_table_may_name_groups_and_splits(tmp_path: Path) -> None:
    dataset = _labelled(
        _draw(tmp_path, *FOUR, "5.png"),
        "path,label,group,split\n1.png,a,boat,train\n2.png,b,,train\nx\\3.png,a,boat,Validation\n"
        "x/4.png,b,buoy,test\n5.png,,buoy,unlabelled\n",
    )
    assert [dataset[i].group for i in range(5)] == ["boat", None, "boat", "buoy", "buoy"]
    assert dataset.splits == {"train": [0, 1], "val": [2], "test": [3], "unlabelled": [4]}
    assert dataset[4].targets == {}


def test_a_row_that_stands_there_twice_is_one_picture(tmp_path: Path) -> None:
    rows = "path,label\n1.png,a\n1.png,a\n2.png,a\nx/3.png,b\n\nx/4.png,b\n"
    assert len(_labelled(_draw(tmp_path, *FOUR), rows)) == 4


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,label\n1.png,a\n", r"its header has no `path`, only name, label\. The first line must name"),
        ("species\n", r"its header has no `path` and no `label`, only species\."),
        ("", r"its header has no `path` and no `label`, only nothing\."),
        ("path,label\n", r"the table has a header, but no rows\. Add a row for each picture\."),
        (
            "path,label\n1.png,a\n7.png,a\n8.png,b\n",
            r"2 rows of missing files \(the first: 7\.png, line 3\)\. Correct the table; paths are relative to ",
        ),
        ("path,label\n1.png,\n2.png,a\n", r"1 row with an empty label \(the first: line 2\)\."),
        ("path,label\n,a\n2.png,a\n", r"1 row without a path \(the first: line 2\)"),
        ("path,label\n1.png,a\n1.png,b\n", r"1\.png is both a and b, line 3"),
        (
            "path,label,split\n1.png,a,dev\n",
            r"unknown split \(the first: 'dev', line 2\).* A split is train, val",
        ),
        (
            "path,label\n1.png,\n9.png,b\n",
            r"1 row with an empty label \(.*\); 1 row of missing files \(the first: 9\.png, line 3\)",
        ),
        ("path,label\n1.png,a\n2.png,a\nx/3.png,b\n", r"one picture only, .* of b\. Add pictures"),
        ("path,label\n1.png,a\n2.png,a\n", r"the only class is a\. Two classes or more"),
        ("path,label,split\n1.png,,unlabelled\n", r"there are no labels\. Two classes or more"),
    ],
)
def test_a_table_that_does_not_fit_says_what_and_where(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        _labelled(_draw(tmp_path, *FOUR), table)


def test_a_missing_table_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"labels\.csv: there is no such table\. Say labels=FILE\.csv"):
        _prepared(_draw(tmp_path, *FOUR), labels="labels.csv")


def test_a_table_in_another_encoding_says_how_to_save_it(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"not a readable CSV .* Save it as CSV in UTF-8\."):
        _labelled(_draw(tmp_path, *FOUR), "path,label\n1.png,Köcher\n", encoding="latin-1")


def test_a_folder_given_as_the_table_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"it cannot be read \(Is a directory\)\. Check the path\."):
        _prepared(_draw(tmp_path, *FOUR), labels="x")

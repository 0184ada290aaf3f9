"""A folder per class, or a CSV of files and labels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from zoo.builtin.image_folder import ImageFolder
from zoo.contracts import Categories, Multilabel, Number
from zoo.data import open_dataset
from zoo.errors import FileError, UsageError, ZooWarning


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


def _labelled(root: Path, table: str, *, encoding: str = "utf-8", **options: object) -> ImageFolder:
    (root / "labels.csv").write_text(table, encoding=encoding)
    return _prepared(root, labels="labels.csv", **options)


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


YEARS = ("2023/Copepod/1.png", "2023/Salp/2.png", "2024/Copepod/3.JPG", "2024/Salp/4.png")


def test_folders_in_class_folders_are_warned_of_with_the_way_to_the_classes(tmp_path: Path) -> None:
    said = r"the classes are 2023, 2024; their folders hold folders: Copepod, Salp\. .* `options={'level': 2}`"
    with pytest.warns(ZooWarning, match=said):
        _prepared(_draw(tmp_path, *YEARS))


def test_the_level_of_the_class_folders_and_of_the_groups_may_be_said(tmp_path: Path) -> None:
    dataset = _prepared(_draw(tmp_path, *YEARS), level=2, group=1)
    assert _labels(dataset) == list(zip(YEARS, (0, 1, 0, 1), strict=True))
    assert dataset.targets == {"label": Categories(("Copepod", "Salp"))}
    assert [dataset[i].group for i in range(4)] == ["2023", "2023", "2024", "2024"]


def test_levels_are_counted_below_the_splits(tmp_path: Path) -> None:
    names = [f"{split}/{name}" for split in ("train", "test") for name in YEARS]
    dataset = _prepared(_draw(tmp_path, *names), level=2, group=1)
    assert dataset.splits == {"train": [4, 5, 6, 7], "test": [0, 1, 2, 3]}
    assert dataset[0].group == "2023"


@pytest.mark.filterwarnings("error::zoo.errors.ZooWarning")
def test_who_says_the_level_is_not_warned(tmp_path: Path) -> None:
    assert _prepared(_draw(tmp_path, *YEARS), level=1).targets == {"label": Categories(("2023", "2024"))}


def test_pictures_in_no_class_folder_are_warned_of(tmp_path: Path) -> None:
    root = _draw(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png", "loose.png")
    with pytest.warns(ZooWarning, match=r"pictures that lie in no class folder are left out \(in \.\)"):
        assert len(_prepared(root)) == 4


def test_an_empty_class_folder_is_warned_of_and_left_out(tmp_path: Path) -> None:
    root = _draw(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    (root / "c").mkdir()
    with pytest.warns(ZooWarning, match="no pictures in the class folders c, which are left out"):
        assert _prepared(root).targets == {"label": Categories(("a", "b"))}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 0}, "levels are counted from 1"),
        ({"group": 0}, "levels are counted from 1"),
        ({"label": "Taxon"}, r"label=Taxon: there is no table with such columns\. Name it with `options={'labels': "),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ImageFolder(**options)


def test_a_folder_of_pictures_is_called_as_it_is_or_as_the_user_says(tmp_path: Path) -> None:
    root = _draw(tmp_path / "photos", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    assert open_dataset("image-folder", root).title == "photos"
    assert open_dataset("image-folder", root, options={"title": "Bay of Kiel"}).title == "Bay of Kiel"


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
        ("path,label\n,a\n2.png,a\n", r"1 row without a path \(the first: line 2\)"),
        ("path,label\n1.png,a\n1.png,b\n", r"1\.png is both a and b, line 3"),
        (
            "path,label,split\n1.png,a,dev\n",
            r"unknown split \(the first: 'dev', line 2\).* A split is train, val",
        ),
        (
            "path,label\n,a\n9.png,b\n",
            r"1 row without a path \(.*\); 1 row of missing files \(the first: 9\.png, line 3\)",
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


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_table_as_windows_saves_it_is_read(tmp_path: Path, encoding: str) -> None:
    rows = "path;label\n1.png;Köcher\n2.png;Köcher\nx/3.png;b\nx/4.png;b\n"
    dataset = _labelled(_draw(tmp_path, *FOUR), rows, encoding=encoding)
    assert dataset.targets == {"label": Categories(("Köcher", "b"))}


def test_a_workbook_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"PK\3\4\0\0")
    with pytest.raises(FileError, match=r"not a readable CSV .* Save it as CSV in UTF-8\."):
        _prepared(tmp_path, labels="labels.csv")


def test_columns_may_be_named_and_the_others_are_kept_beside_the_picture(tmp_path: Path) -> None:
    dataset = _labelled(
        _draw(tmp_path, *FOUR),
        "Group;My File;Taxon name;Depth (m);Site\n"
        "g;1.png;a;1,5;s1\ng;2.png;b;;s1\ng;x/3.png;a;3;s2\ng;x/4.png;b;4;s2\n",
        path="my file",
        label="Taxon name",
        group="Site",
    )
    assert [sample.targets["label"] for sample in map(dataset.__getitem__, range(4))] == [0, 1, 0, 1]
    assert dataset[0].group == "s1"
    assert dataset[1].metadata == {"Group": "g", "Depth (m)": ""}


def test_the_sets_of_the_plankton_families_are_read_as_they_lie(tmp_path: Path) -> None:
    whoi = _draw(
        tmp_path / "whoi", *(f"{year}/{kind}/{year}.png" for year in (2006, 2007) for kind in ("mix", "pennate"))
    )
    assert _labels(_prepared(whoi, level=2)) == [
        *(("2006/mix/2006.png", 0), ("2006/pennate/2006.png", 1)),
        *(("2007/mix/2007.png", 0), ("2007/pennate/2007.png", 1)),
    ]
    lake = _draw(tmp_path / "lake", *(f"{kind}/000{day}/SPC.jpeg" for kind in ("daphnia", "rotifer") for day in (1, 2)))
    assert [label for _, label in _labels(_prepared(lake, level=1))] == [0, 0, 1, 1]
    files = [f"imgs/{kind}/{number}.png" for kind in ("Acartiidae", "detritus") for number in range(3)]
    splits = ("train", "val", "test")
    rows = [
        f"{number},a,living > a,{name.split('/')[1]},True,{splits[number % 3]},{name}"
        for number, name in enumerate(files)
    ]
    table = "\n".join(["objid,taxon_level1,lineage_level1,taxon_level2,plankton,set,img_path", *rows])
    seanoe = _labelled(_draw(tmp_path / "seanoe", *files), table, path="img_path", label="taxon_level2", split="set")
    assert [label for _, label in _labels(seanoe)] == [0, 0, 0, 1, 1, 1]
    assert seanoe.splits == {"train": [0, 3], "val": [1, 4], "test": [2, 5]}


def test_a_column_that_was_named_is_not_taken_for_another(tmp_path: Path) -> None:
    rows = "path,group\n1.png,a\n2.png,a\nx/3.png,b\nx/4.png,b\n"
    assert _labelled(_draw(tmp_path, *FOUR), rows, label="group")[0].group is None


def test_a_named_column_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"its header has no `Taxon`, only path, label\..*`options={'label': 'COLUMN'}`"
    ):
        _labelled(_draw(tmp_path, *FOUR), "path,label\n1.png,a\n", label="Taxon")


@pytest.mark.parametrize("nothing", ["", "NA", "NaN"])
def test_a_row_without_a_label_is_an_unlabelled_picture(tmp_path: Path, nothing: str) -> None:
    rows = f"path,label\n1.png,a\n2.png,a\nx/3.png,b\nx/4.png,b\n5.png,{nothing}\n"
    dataset = _labelled(_draw(tmp_path, *FOUR, "5.png"), rows)
    assert dataset.targets == {"label": Categories(("a", "b"))}
    assert dataset[4].targets == {}
    assert dataset.splits == {"unlabelled": [4]}


@pytest.mark.parametrize("place", ["C:\\Users\\ann\\photos\\", "/mnt/old/photos/", "photos/"])
def test_paths_of_another_system_are_read_from_the_folders_name_on(tmp_path: Path, place: str) -> None:
    root = _draw(tmp_path / "photos", *FOUR)
    rows = "".join(f"{place}{name},{label}\n" for name, label in zip(FOUR, "aabb", strict=True))
    assert [path for path, _ in _labels(_labelled(root, f"path,label\n{rows}"))] == list(FOUR)


def test_files_are_found_however_their_names_are_written(tmp_path: Path) -> None:
    root = _draw(tmp_path, "K\u00f6cher/1.JPG", "2.png", "x/3.png", "x/4.png")
    rows = f"path,label\nKo\u0308cher/1.jpg,a\n{root}/2.png,a\n./x/3.png,b\nX\\4.PNG,b\n"
    assert [path for path, _ in _labels(_labelled(root, rows))] == ["Köcher/1.JPG", "2.png", "x/3.png", "x/4.png"]


def test_a_folder_given_as_the_table_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"it cannot be read \(Is a directory\)\. Check the path\."):
        _prepared(_draw(tmp_path, *FOUR), labels="x")


def test_a_number_and_several_labels_are_columns_of_a_table(tmp_path: Path) -> None:
    for name in "abcd":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    rows = ["path;length;seen;haul", "a.png;1,5;Copepod; h1", "b.png;NA;;h1", "c.png;2.25;Egg;h2", "d.png;3;NA;h2"]
    (tmp_path / "t.csv").write_text("\n".join(rows).replace("Copepod; h1", '"Copepod; Egg";h1') + "\n")
    data = ImageFolder(labels="t.csv", number="length", unit="mm", several="seen", group="haul")
    data.prepare(tmp_path)
    assert data.targets == {"length": Number("mm"), "seen": Multilabel(("Copepod", "Egg"))}
    assert [data[index].targets for index in range(4)] == [
        {"length": 1.5, "seen": [1.0, 1.0]},
        {"seen": [0.0, 0.0]},
        {"length": 2.25, "seen": [0.0, 1.0]},
        {"length": 3.0},
    ]
    assert [data[index].group for index in range(4)] == ["h1", "h1", "h2", "h2"]
    assert data[0].metadata == {"length": "1,5"}  # the true number, to stand beside what is predicted
    assert data.splits == {}


def test_a_table_with_labels_and_numbers_has_both_targets_and_rows_with_neither_are_unlabelled(tmp_path: Path) -> None:
    for name in "abcde":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("path,label,mm\na.png,fin,1\nb.png,fin,2\nc.png,tail,\nd.png,tail,4\ne.png,NA,NA\n")
    data = ImageFolder(labels="t.csv", number="mm")
    data.prepare(tmp_path)
    assert set(data.targets) == {"label", "mm"}
    assert data.splits == {"unlabelled": [4]}


@pytest.mark.parametrize(
    ("cells", "options", "said"),
    [
        ("a.png,long,x\nb.png,2,y\n", {"number": "mm"}, "1 row whose number is none (the first: 'long', line 2)"),
        ("a.png,inf,x\nb.png,2,y\n", {"number": "mm"}, "1 row whose number is none (the first: 'inf', line 2)"),
        ("a.png,NA,x\nb.png,,y\n", {"number": "mm"}, "the column 'mm' has no number"),
        ("a.png,1,\nb.png,2,NA\n", {"several": "seen"}, "the column 'seen' has no label"),
        ("a.png,1,x\nb.png,2,y\n", {"number": "cm"}, "its header has no `cm`"),
        ("a.png,1,x\nb.png,2,y\n", {}, "its header has no `label`"),
    ],
)
def test_numbers_and_labels_that_are_none_are_refused_with_the_place(tmp_path, cells, options, said) -> None:
    for name in "ab":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("path,mm,seen\n" + cells)
    with pytest.raises(FileError, match=re.escape(said)):
        ImageFolder(labels="t.csv", **options).prepare(tmp_path)

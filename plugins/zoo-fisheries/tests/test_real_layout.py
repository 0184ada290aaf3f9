"""The Nature Conservancy's layout with the community's box files, and their traps."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from zoo_fisheries import Fisheries
from zoo_fisheries.drawn.making import BOATS

import zoo
from zoo.errors import FileError, UnknownNameError, ZooWarning


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))


def _save(path: Path, size: tuple[int, int] = (80, 40), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)


def _box(x: Any, y: Any, width: Any, height: Any) -> dict[str, Any]:
    return {"class": "rect", "x": x, "y": y, "width": width, "height": height}


def _label(root: Path, kind: str, boxes: dict[str, list], *, name: str | None = None) -> None:
    entries = [{"class": "image", "filename": file, "annotations": some} for file, some in boxes.items()]
    path = root / (name or f"{kind.lower()}_labels.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries))


def _read(root: Path, **options: Any) -> Fisheries:
    fish = Fisheries(**({"groups": "none"} | options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        fish.prepare(root)
    return fish


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two albacores, a shark and an empty deck."""
    place = tmp_path / "fish"
    for number, kind in enumerate(("ALB", "ALB", "SHARK", "NoF"), start=1):
        _save(place / "train" / kind / f"img_{number:05}.jpg", seed=number)
    _label(place, "ALB", {"img_00001.jpg": [_box(10, 5, 30, 20)], "img_00002.jpg": [_box(1.5, 2, 3, 4)]})
    _label(place, "SHARK", {"img_00003.jpg": [_box(0, 0, 80, 40)]})
    return place


def test_pictures_kinds_and_boxes_are_read(root: Path) -> None:
    fish = _read(root)
    assert fish.targets["label"].names == ("ALB", "NoF", "SHARK")
    assert [fish[index].targets["label"] for index in range(4)] == [0, 0, 1, 2]
    assert torch.equal(fish[0].targets["box"], torch.tensor([10.0, 5.0, 40.0, 25.0]))
    assert torch.equal(fish[1].targets["box"], torch.tensor([1.5, 2.0, 4.5, 6.0]))
    assert fish.problems == ()
    assert fish.license == ""


def test_a_copy_is_the_same_dataset_and_another_box_is_not(root: Path, tmp_path: Path) -> None:
    def fingerprint(folder: Path) -> str:
        return zoo.open_dataset("fisheries", folder, options={"groups": "none"}).decode(16).fingerprint

    copy = shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copy)  # with new times
    (copy / "train" / "Thumbs.db").write_bytes(b"")
    assert fingerprint(copy) == fingerprint(root)
    _label(copy, "SHARK", {"img_00003.jpg": [_box(0, 0, 70, 40)]})
    assert fingerprint(copy) != fingerprint(root)


def test_no_fish_is_a_known_absence_and_not_a_missing_target(root: Path) -> None:
    fish = _read(root)
    assert fish[2].targets == {"label": 1, "box": None}


def test_without_box_files_boxes_of_fish_are_unknown_and_the_absence_is_known(root: Path) -> None:
    for path in root.glob("*.json"):
        path.unlink()
    fish = _read(root)
    assert [("box" in fish[index].targets) for index in range(4)] == [False, False, True, False]
    assert fish.problems == ()


def test_box_files_may_lie_anywhere_and_name_their_pictures_with_a_folder(root: Path) -> None:
    (root / "alb_labels.json").unlink()
    named = {"../data/train/ALB/img_00001.jpg": [_box(1, 2, 3, 4)], "ALB\\img_00002.jpg": [_box(5, 6, 7, 8)]}
    _label(root, "ALB", named, name="annotations/boxes/ALB_labels.json")
    fish = _read(root)
    assert fish[0].targets["box"].tolist() == [1, 2, 4, 6]
    assert fish[1].targets["box"].tolist() == [5, 6, 12, 14]
    assert fish.problems == ()


def test_test_stages_are_unlabelled(root: Path) -> None:
    _save(root / "test_stg1" / "img_00005.jpg")
    _save(root / "test_stg2" / "test_stg2" / "image_00001.jpg")
    fish = _read(root)
    assert fish.splits == {"unlabelled": [4, 5]}
    assert fish[4].targets == {}


def test_an_archive_that_unpacked_one_folder_too_deep_is_read(tmp_path: Path) -> None:
    _save(tmp_path / "train" / "train" / "YFT" / "img_00001.jpg")
    assert len(_read(tmp_path)) == 1


def test_the_largest_of_several_boxes_counts(root: Path) -> None:
    _label(root, "ALB", {"img_00001.jpg": [_box(1, 1, 5, 5), _box(20, 10, 30, 20), _box(0, 0, 9, 9)]})
    fish = _read(root)
    assert fish[0].targets["box"].tolist() == [20, 10, 50, 30]
    assert "ALB/img_00001.jpg: the picture has several boxes; the largest counts." in fish.problems


def test_the_union_of_several_boxes_counts_where_that_is_asked_for(root: Path) -> None:
    _label(root, "ALB", {"img_00001.jpg": [_box(1, 1, 5, 5), _box(20, 10, 30, 20)]})
    assert _read(root, several="union")[0].targets["box"].tolist() == [1, 1, 50, 30]


# ------------------------------------------------------------------------------------------------ traps


@pytest.mark.parametrize(
    ("box", "kept", "said"),
    [
        (_box(-5, -2, 20, 10), [0, 0, 15, 8], "a box that reached outside its picture; it was clipped"),
        (_box(70, 30, 50, 50), [70, 30, 80, 40], "a box that reached outside its picture; it was clipped"),
        (_box(90, 10, 5, 5), None, "a box wholly outside its picture; it was set aside"),
        (_box(-30, 10, 20, 5), None, "a box wholly outside its picture; it was set aside"),
        (_box(10, 10, 0, 5), None, "a box without width or height; it was set aside"),
        (_box(10, 10, 5, -5), None, "a box without width or height; it was set aside"),
        (_box(float("nan"), 10, 5, 5), None, "a box that is not made of finite numbers; it was set aside"),
        (_box(10, 10, float("inf"), 5), None, "a box that is not made of finite numbers; it was set aside"),
        (_box("left", 10, 5, 5), None, "a box that is not made of finite numbers; it was set aside"),
        (_box(None, 10, 5, 5), None, "a box that is not made of finite numbers; it was set aside"),
        ({"x": 1, "y": 2, "width": 3}, None, "a box that is not made of finite numbers; it was set aside"),
        (7, None, "a box that is not made of finite numbers; it was set aside"),
        ({"x": 3.0, "y": 4.0}, None, "two points (head and tail) where a box is due; it was set aside"),
    ],
)
def test_a_faulty_box_is_said_in_one_line(root: Path, box: Any, kept: list | None, said: str) -> None:
    _label(root, "ALB", {"img_00001.jpg": [box], "img_00002.jpg": [_box(1, 2, 3, 4)]})
    fish = _read(root)
    found = fish[0].targets.get("box")
    assert found is None if kept is None else found.tolist() == kept
    assert f"ALB/img_00001.jpg: {said}." in fish.problems
    if kept is None:
        assert "box" not in fish[0].targets  # unknown, not absent
        assert "ALB/img_00001.jpg: the picture has no valid box; its box is taken as unknown." in fish.problems


def test_a_faulty_box_beside_a_good_one_leaves_the_good_one(root: Path) -> None:
    _label(root, "ALB", {"img_00001.jpg": [_box(0, 0, -1, 5), _box(1, 2, 3, 4)]})
    assert _read(root)[0].targets["box"].tolist() == [1, 2, 4, 6]


def test_a_file_of_points_throughout_is_an_error_that_says_so(root: Path) -> None:
    points = [{"x": 1.0, "y": 2.0}, {"x": 30.0, "y": 20.0}]
    _label(root, "ALB", {"img_00001.jpg": points, "img_00002.jpg": points})
    with pytest.raises(FileError, match=r"alb_labels\.json: it holds points \(head and tail\), not boxes. Replace it"):
        _read(root)


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not a box file"), ('{"a": 1}', "it holds no list"), ("\xff", "not a box file")]
)
def test_a_file_that_is_no_box_file_is_an_error(root: Path, text: str, said: str) -> None:
    (root / "alb_labels.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=said):
        _read(root)


def test_a_malformed_entry_is_said_and_the_others_are_read(root: Path) -> None:
    content = [{"annotations": []}, 3, {"filename": "img_00001.jpg", "annotations": [_box(1, 2, 3, 4)]}]
    (root / "alb_labels.json").write_text(json.dumps(content))
    fish = _read(root)
    assert fish[0].targets["box"].tolist() == [1, 2, 4, 6]
    assert sum("an entry without a filename" in line for line in fish.problems) == 2
    assert fish.problems[0].startswith("alb_labels.json, entry 1: ")


def test_a_picture_in_no_box_file_is_said_and_its_box_is_unknown(root: Path) -> None:
    _label(root, "ALB", {"img_00001.jpg": [_box(1, 2, 3, 4)]})
    fish = _read(root)
    assert "box" not in fish[1].targets
    assert fish.problems == ("ALB/img_00002.jpg: the picture stands in no box file; its box is taken as unknown.",)


def test_a_picture_without_annotations_is_said_and_its_box_is_unknown(root: Path) -> None:
    _label(root, "ALB", {"img_00001.jpg": [], "img_00002.jpg": [_box(1, 2, 3, 4)]})
    fish = _read(root)
    assert "box" not in fish[0].targets
    assert "ALB/img_00001.jpg: the picture has no valid box; its box is taken as unknown." in fish.problems


def test_of_a_picture_in_two_box_files_its_own_kinds_boxes_count(root: Path) -> None:
    _label(root, "SHARK", {"img_00003.jpg": [_box(0, 0, 80, 40)], "img_00001.jpg": [_box(0, 0, 80, 40)]})
    fish = _read(root)
    assert fish[0].targets["box"].tolist() == [10, 5, 40, 25]
    assert any(
        line.startswith("ALB/img_00001.jpg: the picture stands in box files of several") for line in fish.problems
    )


def test_a_picture_in_another_kinds_box_file_only_has_an_unknown_box(root: Path) -> None:
    _label(root, "ALB", {"img_00002.jpg": [_box(1, 2, 3, 4)]})
    _label(root, "SHARK", {"img_00003.jpg": [_box(0, 0, 80, 40)], "img_00001.jpg": [_box(0, 0, 80, 40)]})
    fish = _read(root)
    assert "box" not in fish[0].targets
    assert any("in another kind's box file only" in line for line in fish.problems)


def test_a_picture_that_stands_twice_in_one_file_has_all_its_boxes(root: Path) -> None:
    entries = [{"filename": "img_00001.jpg", "annotations": [_box(0, 0, side, side)]} for side in (9, 20)]
    (root / "alb_labels.json").write_text(json.dumps(entries))
    fish = _read(root)
    assert fish[0].targets["box"].tolist() == [0, 0, 20, 20]
    assert (
        "alb_labels.json, img_00001.jpg: the picture stands twice in one box file; all its boxes count."
        in fish.problems
    )


def test_a_name_without_a_picture_is_said(root: Path) -> None:
    _label(root, "SHARK", {"img_00003.jpg": [_box(0, 0, 80, 40)], "img_09999.jpg": [_box(0, 0, 8, 4)]})
    assert "shark_labels.json, img_09999.jpg: a box file names a picture that is not there." in _read(root).problems


def test_a_box_on_a_picture_of_no_fish_is_set_aside_and_said(root: Path) -> None:
    _label(root, "NoF", {"img_00004.jpg": [_box(0, 0, 8, 4)]}, name="NoF_labels.json")
    fish = _read(root)
    assert fish[2].targets["box"] is None
    assert "NoF/img_00004.jpg: the picture of no fish has a box; that was set aside." in fish.problems


def test_a_box_file_of_no_kind_is_said(root: Path) -> None:
    _label(root, "COD", {"img_00001.jpg": [_box(0, 0, 8, 4)]})
    assert "cod_labels.json: the file is named after none of the eight kinds; it was not read." in _read(root).problems


def test_a_folder_of_no_kind_and_a_loose_picture_are_said(root: Path) -> None:
    _save(root / "train" / "COD" / "img_00008.jpg")
    _save(root / "train" / "COD" / "img_00009.jpg")
    _save(root / "train" / "img_00010.jpg")
    fish = _read(root)
    assert len(fish) == 4
    assert sum(line.startswith("train/COD: the folder is named after none") for line in fish.problems) == 1
    assert any(line.startswith("train/img_00010.jpg: the picture lies in no kind's folder") for line in fish.problems)


def test_problems_are_warned_of_in_one_line_a_sort_with_their_number(root: Path) -> None:
    for number in range(10, 15):
        _save(root / "train" / "ALB" / f"img_{number:05}.jpg")
    fish = Fisheries(groups="none")
    with pytest.warns(ZooWarning) as said:
        fish.prepare(root)
    (line,) = [str(one.message) for one in said]
    assert line.startswith("The picture stands in no box file; its box is taken as unknown: ALB/img_00010.jpg, ")
    assert line.endswith(" and 2 more (5 in all).")


def test_a_picture_on_its_side_has_its_box_clipped_to_its_upright_size(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40)).save(root / "train" / "ALB" / "img_00001.jpg", exif=exif)
    _label(root, "ALB", {"img_00001.jpg": [_box(0, 0, 200, 200)], "img_00002.jpg": [_box(1, 2, 3, 4)]})
    sample = _read(root)[0]
    assert sample.image.shape == (3, 80, 40)
    assert sample.targets["box"].tolist() == [0, 0, 40, 80]


def test_a_picture_that_cannot_be_read_is_an_error_when_it_is_asked_for(root: Path) -> None:
    (root / "train" / "ALB" / "img_00001.jpg").write_bytes(b"no picture")
    fish = _read(root)
    with pytest.raises(FileError, match=r"img_00001\.jpg: not a readable picture"):
        fish[0]


def test_only_headers_are_read_before_a_sample_is_asked_for(root: Path) -> None:
    path = root / "train" / "ALB" / "img_00001.jpg"
    path.write_bytes(path.read_bytes()[:700])  # the header, and hardly a pixel
    assert _read(root).problems == ()


def test_any_other_folder_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    _save(tmp_path / "holiday" / "1.jpg")
    with pytest.raises(FileError, match=r"this is no set of Fisheries Monitoring. Expected train/ALB/\*.jpg"):
        _read(tmp_path)
    assert not (tmp_path / "train").exists()


def test_a_train_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train" / "ALB").mkdir(parents=True)
    with pytest.raises(FileError, match="there is no picture of any kind in it"):
        _read(tmp_path)


# ------------------------------------------------------------------------------------------------ boats


def test_a_table_gives_boats_and_splits(root: Path) -> None:
    lines = (
        "image,boat,split",
        "train/ALB/img_00001.jpg,A,train",
        "img_00002.jpg,B,seen",
        "img_00003.jpg,A,validation",
    )
    (root / BOATS).write_text("\n".join((*lines, "img_00004.jpg,C,test")) + "\n")
    fish = _read(root, groups="auto")
    assert [fish[index].group for index in range(4)] == ["A", "B", "C", "A"]
    assert fish.splits == {"train": [0], "seen": [1], "test": [2], "val": [3]}


def test_a_table_may_have_another_name_and_no_splits(root: Path) -> None:
    (root / "mine.csv").write_text("Filename,Group\nimg_00001.jpg,A\nimg_00002.jpg,\n")
    fish = _read(root, groups="mine.csv")
    assert [fish[index].group for index in range(4)] == ["A", None, None, None]
    assert fish.splits == {}


def test_pictures_that_the_table_lacks_and_lines_without_a_picture_are_said(root: Path) -> None:
    (root / BOATS).write_text("image,boat\nimg_00001.jpg,A\nimg_00002.jpg,A\nimg_00003.jpg,A\nimg_00077.jpg,B\n")
    assert _read(root, groups="auto").problems == (
        "img_00004.jpg: the picture stands in no line of the table of boats; its boat is taken as unknown.",
        "img_00077.jpg: the table of boats names a picture that is not there.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,ship\na,b\n", r"its columns are name, ship. Give it the columns image and boat"),
        ("image,boat\n", "there is no picture in it"),
        ("image,boat\nimg_00001.jpg,A\nimg_00001.jpg,B\n", "img_00001.jpg stands in it twice"),
        ("\xff\xfe", "not a table"),
    ],
)
def test_a_table_that_cannot_be_understood_is_an_error(root: Path, text: str, said: str) -> None:
    (root / BOATS).write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=said):
        _read(root, groups="auto")


def test_a_table_that_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(FileError, match=r"mine\.csv: not a table"):
        _read(root, groups="mine.csv")


def test_an_unknown_split_in_the_table_is_an_error(root: Path) -> None:
    (root / BOATS).write_text("image,boat,split\nimg_00001.jpg,A,training\n")
    with pytest.raises(UnknownNameError, match="No split is called 'training'"):
        _read(root, groups="auto")


def test_boats_are_guessed_by_size_and_look_where_nobody_says_them(tmp_path: Path) -> None:
    drawn = Fisheries(pictures=72, boats=5, width=160, hidden=0.2)
    drawn.prepare(tmp_path / "fish")
    (tmp_path / "fish" / "drawn.json").unlink()
    (tmp_path / "fish" / BOATS).rename(tmp_path / "truth.csv")
    guessed = _read(tmp_path / "fish", groups="auto")
    truth = dict(line.split(",")[:2] for line in (tmp_path / "truth.csv").read_text().splitlines()[1:])
    groups: dict[str, list[str]] = {}
    for index in range(len(guessed)):
        sample = guessed[index]
        groups.setdefault(sample.group, []).append(truth[Path(sample.path).name])
    pure = sum(max(map(boats.count, boats)) for boats in groups.values())
    assert pure / len(guessed) > 0.95
    assert len(groups) < 18
    assert all("x" in group for group in groups)


def test_a_guess_is_made_once_and_can_be_handed_back(root: Path, tmp_path: Path) -> None:
    first = _read(root, groups="look")
    (table,) = (tmp_path / "home" / "boats").glob("*.csv")
    said: list[str] = []
    again = Fisheries(groups="look")
    again.prepare(root, lambda what, *_: said.append(what))
    assert "guessing boats" not in said
    handed = _read(root, groups=str(table))
    for index in range(4):
        assert first[index].group == again[index].group == handed[index].group
    assert {first[index].group.split("-")[0] for index in range(4)} == {"80x40"}

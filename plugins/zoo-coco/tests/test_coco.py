"""The dataset `coco`: COCO and COCO Camera Traps, with the traps of both."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from zoo_coco import Coco

import zoo
from zoo.data import open_dataset
from zoo.errors import FileError, UsageError, ZooWarning
from zoo.testing import check_dataset

WIDTH, HEIGHT = 80, 40
CATEGORIES = [{"id": 0, "name": "empty"}, {"id": 1, "name": "fox"}, {"id": 2, "name": "deer", "supercategory": "big"}]


def draw(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT), blue: int = 0) -> None:
    """A picture of which every pixel is another: red counts columns, green rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]].astype(np.uint8)
    Image.fromarray(np.stack([columns, rows, np.full_like(rows, blue)], axis=2)).save(path)


def image(number: int, **more: Any) -> dict[str, Any]:
    said = {"id": f"i{number}", "file_name": f"cam/{number}.png", "width": WIDTH, "height": HEIGHT}
    return said | {"location": f"site{number // 2}", "seq_id": f"s{number}"} | more


def thing(picture: int, category: int, box: Any = None, **more: Any) -> dict[str, Any]:
    said = {"id": f"a{picture}-{category}-{box}", "image_id": f"i{picture}", "category_id": category}
    return said | ({} if box is None else {"bbox": box}) | more


def table(images: list[Any], annotations: list[Any], categories: list[Any] | None = None) -> dict[str, Any]:
    return {"images": images, "annotations": annotations, "categories": categories or CATEGORIES}


PICTURES = [image(number) for number in range(6)]
THINGS = [
    *(thing(0, 1, [10, 5, 20, 20]), thing(1, 2, [0, 0, 40, 40]), thing(2, 1, [30, 10, 10, 20])),
    *(thing(3, 2, [8, 8, 8, 8]), thing(4, 0), thing(5, 0)),
]


def write(root: Path, content: Any, name: str = "traps.json", pictures: int = 6) -> Path:
    for number in range(pictures):
        draw(root / "cam" / f"{number}.png", blue=number)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def read(root: Path, **options: Any) -> Coco:
    found = Coco(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        found.prepare(root)
    return found


def test_a_camera_trap_table_gives_kinds_boxes_and_locations(tmp_path):
    found = read(write(tmp_path, table(PICTURES, THINGS)))
    assert found.targets["label"].names == ("deer", "empty", "fox")
    assert len(found) == 6
    assert found.problems == ()
    first, empty = found[0], found[4]
    assert (first.targets["label"], first.group, first.path) == (2, "site0", "cam/0.png")
    assert first.targets["box"].tolist() == [10.0, 5.0, 30.0, 25.0]
    assert first.image.shape == (3, HEIGHT, WIDTH)
    assert (empty.targets["label"], empty.targets["box"]) == (1, None)  # it is known that there is none
    assert found.splits == {}


def test_pycocotools_reads_the_same_boxes_and_kinds(tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO

    root = write(tmp_path, table(PICTURES, [*THINGS, thing(0, 2, [50.5, 3.25, 20.5, 30])]))
    theirs = COCO(root / "traps.json")
    wanted = {
        (theirs.imgs[one["image_id"]]["file_name"], theirs.cats[one["category_id"]]["name"], *one.get("bbox", ()))
        for one in theirs.anns.values()
    }
    ours = read(root, boxes="each", whole=True)
    said = set()
    for sample in (ours[at] for at in range(len(ours))):
        box = sample.targets["box"]
        sides = () if box is None else (*box[:2].tolist(), *(box[2:] - box[:2]).tolist())
        said.add((sample.path, ours.targets["label"].names[sample.targets["label"]], *sides))
    assert said == wanted


def test_it_keeps_the_contract(tmp_path):
    lines = [*THINGS, thing(0, 2, [50, 3, 20, 30])]
    for options in ({}, {"boxes": "each"}, {"boxes": "each", "whole": True}, {"group": "sequence"}):
        found = Coco(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZooWarning)
            assert check_dataset(found, write(tmp_path, table(PICTURES, lines)))
        assert len(list(found.files())) == len(found)
        json.dumps([known for _, known in found.files()])


def test_it_is_found_by_name_and_options_change_its_identity(tmp_path):
    root = write(tmp_path, table(PICTURES, THINGS))
    one, other, third = (
        open_dataset("coco", root, options=options)
        for options in ({}, {"boxes": "each"}, {"boxes": "each", "margin": "0.25"})
    )
    assert one.title == tmp_path.name
    assert len({data.stamp() for data in (one, other, third)}) == 3


def test_of_several_boxes_the_largest_counts_and_that_is_said(tmp_path):
    root = write(tmp_path, table(PICTURES, [*THINGS, thing(0, 2, [40, 5, 30, 30])]))
    with pytest.warns(ZooWarning, match=r"several boxes; the largest counts .*: cam/0.png \(1 in all\)"):
        (found := Coco()).prepare(root)
    assert found.targets["label"].names[found[0].targets["label"]] == "deer"
    assert found[0].targets["box"].tolist() == [40.0, 5.0, 70.0, 35.0]


def test_each_box_is_a_sample_cut_out_with_what_is_round_it(tmp_path):
    root = write(tmp_path, table(PICTURES, [*THINGS, thing(0, 2, [50, 10, 10, 10])]))
    found = read(root, boxes="each", margin=0.25)
    assert len(found) == 7
    sample = found[1]
    assert sample.image.shape == (3, 15, 15)
    left, top = sample.image[:2, 0, 0].tolist()  # the window's corner in the whole picture
    assert (left, top) == (48, 8)
    assert sample.targets["box"].tolist() == [2.0, 2.0, 12.0, 12.0]
    assert found[5].image.shape == (3, HEIGHT, WIDTH)  # an empty picture has no window
    whole = read(root, boxes="each", whole=True)
    assert whole[1].image.shape == (3, HEIGHT, WIDTH)
    assert whole[1].targets["box"].tolist() == [50.0, 10.0, 60.0, 20.0]


def test_a_window_at_the_edge_stays_in_the_picture_with_its_box(tmp_path):
    things = [*THINGS[1:], thing(0, 1, [72, 30, 8, 10])]
    sample = read(write(tmp_path, table(PICTURES, things)), boxes="each")[0]
    assert sample.image.shape == (3, 20, 20)
    assert sample.image[:2, -1, -1].tolist() == [79, 39]
    assert sample.targets["box"].tolist() == [12.0, 10.0, 20.0, 20.0]


def test_ids_are_one_as_numbers_and_as_texts(tmp_path):
    images = [image(number) | {"id": number} for number in range(6)]
    things = [
        one | {"image_id": at if at % 2 else str(at), "category_id": str(one["category_id"])}
        for at, one in enumerate(THINGS)
    ]
    found = read(write(tmp_path, table(images, things)))
    assert [found[at].targets["label"] for at in range(6)] == [2, 0, 2, 0, 1, 1]
    assert found.problems == ()


def test_relative_boxes_and_missing_sizes_are_read(tmp_path):
    images = [{key: value for key, value in one.items() if key not in ("width", "height")} for one in PICTURES]
    things = [thing(0, 1, bbox_relative=[0.25, 0.5, 0.25, 0.25]), *THINGS[1:]]
    found = read(write(tmp_path, table(images, things)))
    assert found[0].targets["box"].tolist() == [20.0, 20.0, 40.0, 30.0]
    assert found[1].targets["box"].tolist() == [0.0, 0.0, 40.0, 40.0]


def test_pictures_that_were_made_smaller_take_their_boxes_along(tmp_path):
    images = [image(number, width=WIDTH * 4, height=HEIGHT * 4) for number in range(6)]
    things = [thing(0, 1, [40, 20, 80, 80]), *THINGS[1:]]
    assert read(write(tmp_path, table(images, things)))[0].targets["box"].tolist() == [10.0, 5.0, 30.0, 25.0]


def test_a_picture_of_another_shape_than_its_table_says_is_refused(tmp_path):
    images = [image(0, width=HEIGHT, height=WIDTH), *PICTURES[1:]]
    found = read(write(tmp_path, table(images, THINGS)))
    with pytest.raises(FileError, match=r"0.png: its table says 40 x 80 pixels, and it has 80 x 40, .* Correct width"):
        found[0]


def test_all_else_that_the_table_says_is_metadata(tmp_path):
    images = [image(0, datetime="2020-05-30 02:57:37", frame_num=1, corrupt=False, rights_holder=None), *PICTURES[1:]]
    things = [*THINGS, thing(1, 2, [0, 0, 41, 40], count=3, sex="f", segmentation=[[1, 2, 3]])]
    found = read(write(tmp_path, table(images, things)))
    assert found[0].metadata == {
        **{"id": "i0", "annotation_id": "a0-1-[10, 5, 20, 20]", "location": "site0", "seq_id": "s0"},
        **{"datetime": "2020-05-30 02:57:37", "frame_num": "1", "corrupt": "false"},
    }
    assert found[1].metadata["count"] == "3"
    assert found[1].metadata["category_supercategory"] == "big"
    assert "segmentation" not in found[1].metadata


@pytest.mark.parametrize(
    ("group", "wanted"), [("auto", "site1"), ("location", "site1"), ("sequence", "s2"), ("none", None)]
)
def test_groups_are_locations_or_sequences(group, wanted, tmp_path):
    assert read(write(tmp_path, table(PICTURES, THINGS)), group=group)[2].group == wanted


def test_without_locations_sequences_are_the_groups_and_numbers_are_names(tmp_path):
    bare = [{key: value for key, value in one.items() if key != "location"} for one in PICTURES]
    root = write(tmp_path, table([one | {"seq_id": 7} for one in bare], THINGS))
    assert read(root)[2].group == "7"
    with pytest.raises(FileError, match=r"no picture has a `location`. Leave `group` out"):
        read(root, group="location")


def test_labels_of_sequences_are_counted_and_may_be_dropped(tmp_path):
    things = [one | {"sequence_level_annotation": True} if at in (1, 3) else one for at, one in enumerate(THINGS)]
    root = write(tmp_path, table(PICTURES, [*things, thing(1, 1, [0, 0, 9, 9])]))
    with pytest.warns(ZooWarning, match=r"label of a whole sequence, .*: cam/1.png, cam/3.png \(2 in all\)"):
        (found := Coco()).prepare(root)
    assert found.targets["label"].names[found[1].targets["label"]] == "deer"
    dropped = read(root, sequence_labels="drop")
    assert dropped.targets["label"].names == ("empty", "fox")
    assert dropped.splits == {"unlabelled": [3]}


def test_pictures_without_annotations_are_unlabelled(tmp_path):
    found = read(write(tmp_path, table(PICTURES, THINGS[:5])))
    assert found.splits == {"unlabelled": [5]}
    assert found[5].targets == {}


def test_splits_are_folders_with_a_table_each(tmp_path):
    for split, numbers in (("train", (0, 1, 2, 3)), ("valid", (4, 5))):
        for number in numbers:
            draw(tmp_path / split / f"{number}.png")
        images = [image(number, file_name=f"{number}.png", id=number) for number in numbers]
        things = [thing(number, 1 + number % 2, [1, 2, 3, 4], image_id=number, id=number) for number in numbers]
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(table(images, things)))
    found = read(tmp_path, group="none")
    assert found.splits == {"train": [0, 1, 2, 3], "val": [4, 5]}
    assert found[4].path == "valid/4.png"


def test_a_table_in_annotations_finds_the_pictures_wherever_they_lie(tmp_path):
    root = write(tmp_path, table(PICTURES, THINGS), "annotations/instances.json")
    assert read(root)[0].path == "cam/0.png"
    images = [image(number, file_name=f"{number}.png") for number in range(6)]
    (root / "annotations" / "instances.json").write_text(json.dumps(table(images, THINGS)))
    assert read(root, images="cam")[0].path == "cam/0.png"
    with pytest.raises(
        FileError, match=r"none of the pictures can be used: a picture that is not there \(6\). Name their folder"
    ):
        read(root)
    for outside in ("..", "/", "nowhere"):
        with pytest.raises(FileError, match=r"there is no such folder below .* Check `options={'images'"):
            read(root, images=outside)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (thing(0, 1, [10, 5, -20, 20]), r"a box without width or height; it was set aside: cam/0.png"),
        (thing(0, 1, [10, 5, 0, 20]), r"a box without width or height"),
        (thing(0, 1, [90, 5, 10, 10]), r"a box wholly outside its picture; it was set aside"),
        (thing(0, 1, [70, 5, 20, 10]), r"a box that reached outside its picture; it was clipped"),
        (thing(0, 1, [70, 5, "wide", 10]), r"a box that is not made of four finite numbers"),
        (thing(0, 1, [70, 5, 10]), r"a box that is not made of four finite numbers"),
        (thing(0, 1, [70, 5, float("nan"), 10]), r"a box that is not made of four finite numbers"),
        (thing(0, 1, [0, 0, 80, 40], iscrowd=1), r"a box round a crowd"),
        (thing(9, 1, [1, 1, 8, 8]), r"an annotation of a picture that the table has not; .*annotations\[6\] \(i9\)"),
        (thing(0, 9, [1, 1, 8, 8]), r"an annotation of a category that the table has not; .*annotations\[6\] \(9\)"),
        (thing(0, True, [1, 1, 8, 8]), r"an entry without its ids"),
        ("a fox", r"an entry without its ids .* traps.json, annotations\[6\]"),
        (THINGS[0], r"an annotation that the table has twice, word for word; it counts once"),
        (THINGS[0] | {"bbox": [1, 1, 2, 2]}, r"two annotations of one id that are not the same; both count"),
        (thing(0, 0), r"the picture is said to be empty and not to be; what is in it counts: cam/0.png"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_counted(added, message, tmp_path):
    root = write(tmp_path, table(PICTURES, [*THINGS, added]))
    with pytest.warns(ZooWarning) as caught:
        (found := Coco()).prepare(root)
    said = [str(one.message) for one in caught]
    assert any(re.search(message, line, re.IGNORECASE) for line in said), said
    assert all("\n" not in line for line in said)
    assert found.problems
    assert found.targets["label"].names[found[0].targets["label"]] == "fox"
    assert torch.isfinite(found[0].targets["box"]).all()


def test_a_thing_whose_box_is_impossible_keeps_its_kind_and_has_an_unknown_box(tmp_path):
    found = read(write(tmp_path, table(PICTURES, [thing(0, 1, [10, 5, -20, 20]), *THINGS[1:]])))
    assert found[0].targets == {"label": 2}


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (image(9), r"a picture that is not there; it was left out: cam/9.png \(1 in all\)"),
        (image(0, id="again", file_name="cam\\0.png"), r"a picture that the table has twice"),
        (image(0), r"a picture that the table has twice"),
        (image(9, corrupt=True, file_name="cam/5.png"), r"the table calls the picture corrupt"),
        (image(9, file_name="../secret.png"), r"a path that leads out of the folder; .*: \.\./secret.png"),
        (image(9, file_name="/etc/passwd"), r"a path that leads out of the folder; .*: /etc/passwd"),
        (image(9, file_name="C:\\secret.png"), r"a path that leads out of the folder"),
        (image(9, file_name="cam/../../secret.png"), r"a path that leads out of the folder"),
        (image(9, file_name="x" * 5000), r"a picture that is not there"),
        (image(9, file_name="cam/\0.png"), r"a picture that is not there"),
        (image(9, file_name=7), r"an entry without its ids or its file's name; .* traps.json, images\[6\]"),
        ({"file_name": "cam/5.png"}, r"an entry without its ids"),
    ],
)
def test_a_picture_that_cannot_be_used_is_counted(added, message, tmp_path):
    draw(tmp_path / "secret.png")
    root = write(tmp_path / "traps", table([*PICTURES, added], [*THINGS, thing(9, 1, [1, 1, 8, 8])]))
    with pytest.warns(ZooWarning) as caught:
        (found := Coco()).prepare(root)
    said = [str(one.message) for one in caught]
    assert any(re.search(message, line, re.IGNORECASE) for line in said), said
    assert len(found) == 6
    assert all(path.resolve().is_relative_to(root) for path, _ in found.files())


def test_several_kinds_without_boxes_cannot_be_told_apart(tmp_path):
    root = write(
        tmp_path, table(PICTURES, [thing(0, 1), thing(0, 2), thing(1, 1), thing(1, 1, None, id="b"), *THINGS[2:]])
    )
    with pytest.warns(ZooWarning, match=r"several kinds and no box to tell them apart; it was left out: cam/0.png"):
        (found := Coco(least=2)).prepare(root)
    assert found[0].path == "cam/1.png"
    assert found.targets["label"].names[found[0].targets["label"]] == "fox"


def test_rare_classes_are_not_learnt_and_one_class_leaves_the_boxes(tmp_path):
    root = write(tmp_path, table(PICTURES, [*THINGS[:4], thing(4, 1, [1, 1, 8, 8]), thing(5, 0)]))
    with pytest.warns(ZooWarning, match=r"class of fewer than 2 samples; its name is not learnt: empty \(1 in all\)"):
        (found := Coco()).prepare(root)
    assert found.targets["label"].names == ("deer", "fox")
    assert (len(found), found[5].targets) == (6, {"box": None})
    rarer = read(root, least=4)
    assert set(rarer.targets) == {"box"}
    assert len(rarer) == 6
    only = [one for one in THINGS if one["category_id"] == 1]
    with pytest.warns(ZooWarning, match="only class, of which nothing can be learnt; the boxes are left: fox"):
        (found := Coco()).prepare(write(tmp_path, table(PICTURES[:1] + PICTURES[2:3], only)))
    assert set(found.targets) == {"box"}
    assert found.splits == {}
    with pytest.raises(
        FileError, match=r"the only class is fox: nothing can be learnt .* check the table and the options"
    ):
        read(write(tmp_path, table(PICTURES, [thing(0, 1), thing(1, 1)])))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [', r"traps.json: it cannot be read as a COCO table \(.*\). Replace it by a COCO table, or name"),
        ("[" * 100_000, "it cannot be read as a COCO table .*nested too deeply"),
        ("[]", "not a COCO table: it holds a list, and no object"),
        ('{"images": []}', "not a COCO table: it has no list `categories`, only images"),
        ('{"info": 1, "categories": []}', "it has no list `images`, only info, categories"),
        (table(PICTURES, [], [{"id": 1}]), r"categories\[0\] is {'id': 1}, without an id or a name. Write it as"),
        (
            table(PICTURES, [], [{"id": 1, "name": "fox"}, {"id": "1", "name": "deer"}]),
            "the category 1 is both fox and deer. Give each",
        ),
        (table([*PICTURES, image(5, file_name="cam/4.png")], THINGS), "the picture i5 is both cam/5.png and cam/4.png"),
        (table([], []), "none of the pictures can be used"),
        (table(PICTURES, []), r"there are no labels and no boxes: nothing can be learnt"),
    ],
)
def test_a_table_that_cannot_be_used_is_said_in_a_line(content, message, tmp_path):
    with pytest.raises(FileError, match=message) as caught:
        read(write(tmp_path, content))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2500


def test_which_table_is_asked_where_there_are_several_or_none(tmp_path):
    root = write(tmp_path, table(PICTURES, THINGS))
    write(tmp_path, table(PICTURES, THINGS), "other.json")
    with pytest.raises(
        FileError,
        match=r"there are 2 tables in it \(other.json, traps.json\). Say which: `options={'table': 'other.json'}`",
    ):
        read(root)
    assert len(read(root, table="traps.json")) == 6
    with pytest.raises(FileError, match=r"there is no such table. Check `options={'table'"):
        read(root, table="gone.json")
    (tmp_path / "bare").mkdir()
    with pytest.raises(FileError, match=r"there is no JSON in it, .* Put it there, or name it: `options={'table'"):
        read(tmp_path / "bare")
    with pytest.raises(FileError, match=r"there is no such folder. Check `root=`"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": -1}, "margin=-1 is no share"),
        ({"margin": float("nan")}, "margin=nan is no share"),
        ({"least": 1}, "least=1 is too few to learn and to test. Pass 2"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        Coco(**options)


def test_image_folder_reads_the_csv_of_pytorch_wildlife(tmp_path):
    lines = ["path,classification,label,Location,Photo_time"]
    for number in range(4):
        draw(tmp_path / "imgs" / f"{number}.png")
        lines.append(
            f"imgs/{number}.png,{number % 2},{('fox', 'deer')[number % 2]},site{number // 2},2020-05-30 02:57:37"
        )
    (tmp_path / "annotations.csv").write_text("\n".join(lines) + "\n")
    options = {"labels": "annotations.csv", "group": "Location"}
    found = open_dataset("image-folder", tmp_path, options=options).dataset
    sample = found[1]
    assert found.targets["label"] == zoo.Categories(("deer", "fox"))
    assert (sample.targets["label"], sample.group) == (0, "site0")
    assert sample.metadata["Photo_time"] == "2020-05-30 02:57:37"

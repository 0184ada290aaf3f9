"""The dataset `windows`: a table of windows, classes and boxes, and its traps."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from zoo_fisheries import Windows
from zoo_fisheries.partition import draw_partition

from zoo.data import open_dataset
from zoo.errors import FileError, UsageError
from zoo.testing import check_dataset

HEADER = "image,label,wx1,wy1,wx2,wy2,x1,y1,x2,y2,group"
WHOLE = "image,label,x1,y1,x2,y2"
LINES = [
    "a.png,fish,10,5,30,25,12,8,28,20,run1",
    "a.png,shark,50.4,0,80,29.6,48,-3,70,12,run1",
    "b.png,fish,0,0,40,40,5,5,35,35,run2",
    "b.png,shark,0,0,40,40,5,5,35,35,run3",
]


def _write(place: Path, lines: list[str], header: str = HEADER, folder: str = "images") -> Path:
    """A table, and two pictures of which every pixel is another: red counts columns, green rows."""
    (place / folder).mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0:40, 0:80].astype(np.uint8)
    for name, blue in (("a.png", 0), ("b.png", 255)):
        Image.fromarray(np.stack([columns, rows, np.full_like(rows, blue)], axis=2)).save(place / folder / name)
    (place / "windows.csv").write_text("\n".join([header, *lines]) + "\n")
    return place


def _read(place: Path, **options) -> Windows:
    found = Windows(**options)
    found.prepare(place)
    return found


def test_a_window_is_cut_out_and_its_box_goes_along(tmp_path):
    found = _read(_write(tmp_path, LINES))
    sample = found[0]
    assert found.targets["label"].names == ("fish", "shark")
    assert sample.image.shape == (3, 20, 20)
    assert sample.image[:, 0, 0].tolist() == [10, 5, 0]  # the window's corner in the whole picture
    assert sample.image[:, -1, -1].tolist() == [29, 24, 0]
    assert sample.targets["label"] == 0
    assert torch.equal(sample.targets["box"], torch.tensor([2.0, 3.0, 18.0, 15.0]))
    assert (sample.group, sample.path, sample.metadata) == ("run1", "a.png", {"line": "2"})


def test_a_box_that_reaches_over_the_window_is_clipped_and_corners_are_rounded(tmp_path):
    sample = _read(_write(tmp_path, LINES))[1]
    assert sample.image.shape == (3, 30, 30)
    assert sample.image[0, 0, 0] == 50
    assert sample.targets["box"].tolist() == [0.0, 0.0, 20.0, 12.0]


def test_a_window_may_be_a_rounded_pixel_over_the_edge(tmp_path):
    sample = _read(_write(tmp_path, [*LINES, "a.png,fish,-0.6,0,80.7,40.4,1,1,9,9,run4"]))[4]
    assert sample.image.shape == (3, 40, 80)


def test_without_window_columns_whole_pictures_are_read(tmp_path):
    lines = ["a.png,fish,12,8,28,20", "b.png,shark,5,5,90,35", "c.png,fish,1,1,2,2", "d.png,shark,1,1,2,2"]
    place = _write(tmp_path, lines, WHOLE, folder=".")
    for name in ("c.png", "d.png"):
        Image.new("RGB", (8, 8)).save(place / name)
    found = _read(place)
    assert found[1].image.shape == (3, 40, 80)
    assert found[1].targets["box"].tolist() == [5.0, 5.0, 80.0, 35.0]
    assert found[1].group is None


def test_columns_may_stand_in_any_order_and_others_are_passed_over(tmp_path):
    order = random.Random(1).sample(range(11), 11)
    turn = [",".join([*(line.split(",")[at] for at in order), "dull"]) for line in [HEADER, *LINES]]
    one = _read(_write(tmp_path / "one", LINES))
    other = _read(_write(tmp_path / "other", turn[1:], "\ufeff" + turn[0].upper()))
    for at in range(4):
        assert torch.equal(one[at].image, other[at].image)
        assert torch.equal(one[at].targets["box"], other[at].targets["box"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["c.png,fish,0,0,9,9,1,1,8,8,r"], "line 6: there is no picture c.png in .*images. Put it there"),
        (["../x.png,fish,0,0,9,9,1,1,8,8,r"], r"line 6: \.\./x\.png leads out of .* Name pictures relative"),
        (["/etc/x.png,fish,0,0,9,9,1,1,8,8,r"], "line 6: /etc/x.png leads out of"),
        (
            [f"{'long' * 100},fish,0,0,9,9,1,1,8,8,r"],
            "line 6: 'longlong.* is no path that can be read. Correct the cell",
        ),
        (["a.png,fish,0,0,9,9,1,one,8,8,r"], "line 6: y1 is 'one', no number. Give pixels"),
        (["a.png,fish,0,0,,9,1,1,8,8,r"], "line 6: wx2 is '', no number"),
        (["a.png,fish,0,0,9,inf,1,1,8,8,r"], r"line 6: the window is not finite \(0, 0, 9, inf\)"),
        (["a.png,fish,0,0,9,9,nan,1,8,8,r"], "line 6: the box is not finite"),
        (["a.png,fish,9,0,9,9,1,1,8,8,r"], "line 6: the window 9,0 to 9,9 has no width or no height"),
        (["a.png,fish,0,0,9,9,8,1,1,8,r"], r"line 6: the box 8,1 to 1,8 has no width .* corner \(x1,y1\) first"),
        (
            ["a.png,fish,60,0,90,30,61,1,70,8,r"],
            r"line 6: the window 60,0,90,30 reaches outside a.png \(80 x 40 pixels\). .* resized",
        ),
        (["a.png,fish,0,0,9,9,20,20,30,30,r"], r"line 6: the box 20,20,30,30 lies outside its window \(0,0 to 9,9\)"),
        (["a.png,,0,0,9,9,1,1,8,8,r"], "line 6: no label. Fill the cell in"),
        ([",fish,0,0,9,9,1,1,8,8,r"], "line 6: no image"),
        (["a.png,fish,0,0,9,9,1,1,8,8"], "line 6: 10 cells under 11 columns. Quote cells"),
        (
            ["c.png,fish,0,0,9,9,1,1,8,8,r", "", "a.png,,0,0,9,9,1,1,8,8,r"],
            r"line 6: there is no picture c.png in .* \(1 more lines have faults, the last 8\)",
        ),
        (["a.png,ray,0,0,9,9,1,1,8,8,r"], "one line only, too few to learn and to test, of ray"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_what_to_do(lines, message, tmp_path):
    with pytest.raises(FileError, match=message) as caught:
        _read(_write(tmp_path, [*LINES, *lines]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        ("image,label,x1,y1,x2", [], "its header has no y2; it has image, label, x1, y1, x2. The first line must name"),
        ("image,label,wx1,wy1,x1,y1,x2,y2", [], "its header has no wx2, no wy2"),
        ("image,label,label,x1,y1,x2,y2", [], "its header has label twice. Rename"),
        ("", [], "it has nothing"),
        (HEADER, [], "it has a header, but no lines"),
        (HEADER, [LINES[0], LINES[2]], "the only class is fish. Add lines of another"),
        (WHOLE, ["a.png,fish,1,1,2,2", "a.png,shark,3,3,4,4"], "line 3: a.png is on line 2 too, .* Give the lines win"),
        (WHOLE, ["a.png,fish,90,1,99,2"], r"line 2: the box 90,1,99,2 lies outside its picture \(0,0 to 80,40\)"),
    ],
)
def test_a_table_that_cannot_be_used_is_said(header, lines, message, tmp_path):
    with pytest.raises(FileError, match=message):
        _read(_write(tmp_path, lines, header))


def test_no_table_and_no_text_are_said(tmp_path):
    place = _write(tmp_path, LINES)
    (place / "windows.csv").write_bytes(b"image\xff\xfe")
    with pytest.raises(FileError, match=r"not a table .* Save it as CSV in UTF-8"):
        _read(place)
    with pytest.raises(FileError, match=r"boxes\.csv: there is no such table. Make one with the columns image,label"):
        _read(place, table="boxes.csv")
    with pytest.raises(UsageError, match="split=-1 is no number to draw from"):
        Windows(split=-1)


def test_a_damaged_picture_is_found_when_it_is_read(tmp_path):
    place = _write(tmp_path, LINES)
    (place / "images" / "b.png").write_bytes(b"no picture")
    found = _read(place)
    assert found[0].image.shape == (3, 20, 20)
    with pytest.raises(FileError, match=r"b\.png"):
        found[2]


def _many(tmp_path: Path) -> Path:
    """Seven groups of each of two classes, of unequal sizes, and one of both."""
    lines = [
        f"a.png,{kind},0,0,20,20,1,1,9,9,{kind}{group}"
        for kind in ("fish", "shark")
        for group in range(7)
        for _ in range(group + 2)
    ]
    return _write(tmp_path, [*lines, *(f"b.png,{kind},0,0,20,20,1,1,9,9,both" for kind in ("fish", "shark"))])


def test_a_split_divides_no_group_and_has_every_class_on_every_side(tmp_path):
    place = _many(tmp_path)
    found = _read(place, split=0)
    sides = found.splits
    assert sorted(at for rows in sides.values() for at in rows) == list(range(len(found)))
    groups = {side: {found[at].group for at in rows} for side, rows in sides.items()}
    assert not (groups["train"] & groups["val"] | groups["train"] & groups["test"] | groups["val"] & groups["test"])
    for side, share in (("train", 0.6), ("val", 0.15), ("test", 0.25)):
        assert {found[at].targets["label"] for at in sides[side]} == {0, 1}
        assert len(sides[side]) / len(found) == pytest.approx(share, abs=0.08)
    assert _read(place, split=0).splits == sides
    assert _read(place, split=1).splits != sides
    assert _read(place).splits == {}


def test_what_the_split_says_is_part_of_the_pictures_identity(tmp_path):
    place = _many(tmp_path)
    prints = {open_dataset("windows", place, options=options).stamp() for options in ({}, {"split": 0}, {"split": 1})}
    assert len(prints) == 3


def test_three_groups_of_a_class_are_one_for_each_side():
    labels = ["a"] * 30 + ["b"] * 30
    groups = [f"{label}{at % 3}" for at, label in enumerate(labels)]
    sides = draw_partition(labels, groups, seed=3)
    assert all({labels[at] for at in rows} == {"a", "b"} for rows in sides.values())


def test_too_few_groups_to_divide_are_said():
    with pytest.raises(UsageError, match=r"2 groups cannot be divided among train, val, test\. Add groups"):
        draw_partition(["a", "b", "a"], ["one", "two", "one"], seed=0)


def test_it_keeps_the_contract_of_datasets(tmp_path):
    place = _many(tmp_path)
    assert "splits: train" in " ".join(check_dataset(Windows(split=0), place))

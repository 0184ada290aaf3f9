"""Submissions, read back by pandas: the sample's columns, its rows, their order."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from zoo_kaggle import KaggleLabels, KaggleProbabilities

import zoo
from zoo.errors import FileError, UsageError, ZooWarning
from zoo.plugins import find_plugin
from zoo.testing import check_plugin

FISH = ("ALB", "BET", "DOL", "LAG", "NoF", "OTHER", "SHARK", "YFT")  # the header of Fisheries Monitoring
IMAGES = ("fish/test_stg1/img_00005.jpg", "fish/test_stg1/img_00007.jpg", "fish/test_stg2/image_00001.jpg")


def table(classes: Sequence[str] = FISH, images: Sequence[str] = IMAGES, head: str = "") -> zoo.PredictionTable:
    """Pictures whose likeliest classes are the first, the second …, in turn."""
    count, place = len(images), np.arange(len(images)) % len(classes)
    values = np.full((count, len(classes)), 0.1 / max(len(classes) - 1, 1), np.float32)
    values[np.arange(count), place] = 0.9
    summary: Mapping[str, tuple[str | float, ...]] = {
        f"{head}class": tuple(classes[one] for one in place),
        f"{head}probability": tuple(values.max(axis=1).tolist()),
    }
    return zoo.PredictionTable(
        images=tuple(images),
        names=tuple(name.partition("/")[2] for name in images),
        summary=summary,
        columns=tuple(head + name for name in classes),
        values=values,
        sizes=((1280, 720),) * count,
    )


def sample(folder: Path, *lines: str) -> str:
    (folder / "sample.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    return str(folder / "sample.csv")


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as opened:
        return list(csv.reader(opened))


def written(made: zoo.Format, said: zoo.PredictionTable, folder: Path) -> list[list[str]]:
    made.write(said, folder / "submission.csv")
    return rows_of(folder / "submission.csv")


@pytest.mark.parametrize("name", ["kaggle-labels", "kaggle-probabilities"])
def test_they_keep_the_contract(name):
    assert "suffixes: none" in check_plugin(find_plugin("format", name))


# ------------------------------------------------------------------------------------------------ probabilities


def test_without_a_sample_the_columns_are_the_models_and_stage_two_keeps_its_folder(tmp_path):
    rows = written(KaggleProbabilities(), table(), tmp_path)
    assert rows[0] == ["image", *FISH]
    assert [row[0] for row in rows[1:]] == ["img_00005.jpg", "img_00007.jpg", "test_stg2/image_00001.jpg"]
    assert [sum(map(float, row[1:])) for row in rows[1:]] == pytest.approx([1] * 3, abs=1e-5)
    assert rows[1][1] == "0.9"


def test_the_samples_columns_and_rows_and_the_order_of_both_are_kept(tmp_path):
    classes = [f"class_{number:03}" for number in range(121)]  # as many as the National Data Science Bowl's
    images = [f"test/{number}.jpg" for number in (3, 1, 2, 10)]
    shuffled = [*classes[60:], *classes[:60]]
    uniform = ",".join(["0.00826446280992"] * 121)
    path = sample(tmp_path, ",".join(["image", *shuffled]), *(f"{number}.jpg,{uniform}" for number in (1, 10, 2, 3)))
    pandas = pytest.importorskip("pandas")
    KaggleProbabilities(sample=path).write(table(classes, images), tmp_path / "submission.csv")
    said, asked = (pandas.read_csv(one, index_col="image") for one in (tmp_path / "submission.csv", path))
    assert said.columns.tolist() == asked.columns.tolist() == shuffled
    assert said.index.tolist() == asked.index.tolist() == ["1.jpg", "10.jpg", "2.jpg", "3.jpg"]
    assert said.idxmax(axis=1).tolist() == ["class_001", "class_003", "class_002", "class_000"]
    assert said.sum(axis=1).tolist() == pytest.approx([1] * 4, abs=1e-4)


def test_a_sample_of_both_stages_finds_its_pictures(tmp_path):
    path = sample(tmp_path, ",".join(["image", *FISH]), "test_stg2/image_00001.jpg", "img_00007.jpg", "img_00005.jpg")
    rows = written(KaggleProbabilities(sample=path), table(), tmp_path)
    assert [row[0] for row in rows[1:]] == ["test_stg2/image_00001.jpg", "img_00007.jpg", "img_00005.jpg"]
    assert [row.index("0.9") for row in rows[1:]] == [3, 2, 1]
    alone = replace(table(images=("image_00001.jpg",)), images=("/data/test_stg2/image_00001.jpg",))
    path = sample(tmp_path, ",".join(["image", *FISH]), "test_stg2/image_00001.jpg")
    assert len(written(KaggleProbabilities(sample=path), alone, tmp_path)) == 2


def test_pictures_that_were_not_predicted_stop_it_or_are_filled_in(tmp_path):
    path = sample(tmp_path, ",".join(["image", *FISH]), "img_00005.jpg", "img_00006.jpg", "img_00007.jpg")
    remedy = r"Predict all test pictures, or have the others filled in, `options=\{'fill': 'true'\}`"
    with pytest.raises(
        UsageError, match=rf"1 of the 3 pictures of sample.csv were not predicted: img_00006.jpg. {remedy}"
    ):
        written(KaggleProbabilities(sample=path), table(), tmp_path)
    with pytest.warns(ZooWarning) as said:
        rows = written(KaggleProbabilities(sample=path, fill=True), table(), tmp_path)
    assert [str(one.message) for one in said] == [
        "sample.csv: 1 pictures were not predicted, and are filled in: img_00006.jpg.",
        "sample.csv: 1 pictures are not in it, and were left out: fish/test_stg2/image_00001.jpg.",
    ]
    assert sum(map(float, rows[2][1:])) == pytest.approx(1, abs=1e-4)
    assert float(rows[2][1]) == pytest.approx((0.9 + 2 * 0.1 / 7) / 3, abs=1e-5)


def test_classes_that_only_one_of_both_knows(tmp_path):
    path = sample(tmp_path, ",".join(["image", *FISH[:-1]]), "img_00005.jpg")
    with pytest.raises(
        UsageError, match=r"sample.csv has no column for 1 of the model's 8 classes: YFT. Name the sample"
    ):
        written(KaggleProbabilities(sample=path), table(images=IMAGES[:1]), tmp_path)
    path = sample(tmp_path, ",".join(["image", *FISH]), "img_00005.jpg")
    with pytest.warns(ZooWarning, match=r"sample.csv: 1 classes are unknown to the model, and 0 throughout: YFT"):
        rows = written(KaggleProbabilities(sample=path), table(FISH[:-1], IMAGES[:1]), tmp_path)
    assert rows[1][-1] == "0"


def test_a_name_that_may_be_two_pictures_is_refused(tmp_path):
    path = sample(tmp_path, ",".join(["image", *FISH]), "img_00005.jpg")
    twins = table(images=("train/ALB/img_00005.jpg", "test_stg1/img_00005.jpg"))
    said = r"'img_00005.jpg' of sample.csv may be several of the pictures: train/ALB/img_00005.jpg and test_stg1/img_0"
    with pytest.raises(UsageError, match=said):
        written(KaggleProbabilities(sample=path), twins, tmp_path)
    assert [row[0] for row in written(KaggleProbabilities(), twins, tmp_path)[1:]] == [
        "ALB/img_00005.jpg",
        "img_00005.jpg",
    ]


def test_of_several_heads_the_one_that_names_a_class_is_submitted(tmp_path):
    one = table(head="kind:")
    boxes = np.ones((3, 4), np.float32)
    both = replace(
        one,
        columns=(*one.columns, *(f"locate:{side}" for side in ("x1", "y1", "x2", "y2"))),
        values=np.concatenate([one.values, boxes], axis=1),
        summary={**one.summary, "locate:x1": (1.0,) * 3, "table:class": ("old",) * 3},
    )
    assert written(KaggleProbabilities(), both, tmp_path)[0] == ["image", *FISH]
    for made in (KaggleProbabilities(), KaggleLabels()):
        two = replace(both, summary={**both.summary, "stage:class": ("egg",) * 3})
        with pytest.raises(
            UsageError, match=r"Several heads name a class: kind, stage. Say whose is written, `head=NAME`"
        ):
            written(made, two, tmp_path)
        none = replace(both, summary={"locate:x1": (1.0,) * 3})
        with pytest.raises(UsageError, match=r"These predictions name no class, and a submission takes one. Choose"):
            written(made, none, tmp_path)


def test_probabilities_that_are_no_numbers_are_refused(tmp_path):
    said = table()
    broken = np.where(said.values == said.values.max(), np.nan, said.values)
    with pytest.raises(UsageError, match=r"Some of the probabilities are no numbers. Train the run again"):
        written(KaggleProbabilities(), replace(said, values=broken), tmp_path)


# ------------------------------------------------------------------------------------------------ labels


def test_labels_are_the_likeliest_classes_under_the_samples_titles(tmp_path):
    assert written(KaggleLabels(), table(), tmp_path) == [
        ["id", "label"],
        ["img_00005.jpg", "ALB"],
        ["img_00007.jpg", "BET"],
        ["test_stg2/image_00001.jpg", "DOL"],
    ]
    assert written(KaggleLabels(id="Id", label="Category"), table(), tmp_path)[0] == ["Id", "Category"]
    path = sample(tmp_path, "image_id,species", "img_00007,0", "img_00005,0", "image_00001,0")
    pandas = pytest.importorskip("pandas")
    KaggleLabels(sample=path).write(table(), tmp_path / "s.csv")
    frame = pandas.read_csv(tmp_path / "s.csv")
    assert frame.columns.tolist() == ["image_id", "species"]
    assert frame.to_numpy().tolist() == [["img_00007", "BET"], ["img_00005", "ALB"], ["image_00001", "DOL"]]


def test_a_picture_that_was_not_predicted_gets_the_commonest_label(tmp_path):
    path = sample(tmp_path, "id,label", "img_00005.jpg,", "img_00006.jpg,", "img_00007.jpg,", "image_00001.jpg,")
    said = replace(table(), summary={"class": ("ALB", "YFT", "YFT")})
    with pytest.warns(ZooWarning, match="1 pictures were not predicted"):
        rows = written(KaggleLabels(sample=path, fill=True), said, tmp_path)
    assert [row[1] for row in rows[1:]] == ["ALB", "YFT", "YFT", "YFT"]


def test_a_head_that_backs_off_gives_its_likeliest_label(tmp_path):
    said = replace(table(), summary={"class": ("(unsure)",) * 3, "likeliest": ("a > b", "a > c", "d")})
    assert [row[1] for row in written(KaggleLabels(), said, tmp_path)[1:]] == ["a > b", "a > c", "d"]


def test_a_sample_of_many_columns_asks_for_probabilities(tmp_path):
    path = sample(tmp_path, ",".join(["image", *FISH]), "img_00005.jpg")
    with pytest.raises(
        UsageError, match=r"sample.csv has 9 columns, and this format two. Choose the format kaggle-prob"
    ):
        KaggleLabels(sample=path)


# ------------------------------------------------------------------------------------------------ both


def test_names_and_classes_of_strangers_are_quoted_and_no_formulas_unless_raw(tmp_path):
    said = table(("=1+1", 'a,"b"', "c\nd"), ("x/=2.png", "x/a,b.png", 'x/"c"\n.png'))
    rows = written(KaggleProbabilities(), said, tmp_path)
    assert rows[0] == ["image", "'=1+1", 'a,"b"', "c d"]
    assert [row[0] for row in rows[1:]] == ["'=2.png", "a,b.png", '"c" .png']
    assert [row[1] for row in written(KaggleLabels(raw=True), said, tmp_path)[1:]] == ["=1+1", 'a,"b"', "c\nd"]


@pytest.mark.parametrize("made", [KaggleProbabilities(), KaggleLabels()], ids=["probabilities", "labels"])
def test_no_pictures_are_a_header(made, tmp_path):
    assert len(written(made, table(images=()), tmp_path)) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), r"its header is nothing, not a name and columns, each once. Name a sample submission"),
        (("image", "1.jpg"), r"its header is image, not a name and columns, each once"),
        (("image,a,a", "1.jpg,0,1"), r"its header is image,a,a, not a name and columns, each once"),
        (("image,a",), r"it has a header, but names no pictures"),
        (("image,a", "1.jpg,0", "1.jpg,1"), r"it has '1.jpg' twice. Download it again"),
    ],
    ids=range(5),
)
def test_what_is_no_sample_is_one_line(lines, said, tmp_path):
    with pytest.raises(FileError, match=said):
        KaggleProbabilities(sample=sample(tmp_path, *lines))


def test_a_sample_that_is_not_there_or_no_text_is_one_line(tmp_path):
    with pytest.raises(FileError, match=r"none.csv: there is no such sample submission. Check `options=\{'sample'"):
        KaggleLabels(sample=str(tmp_path / "none.csv"))
    (tmp_path / "x.csv").write_bytes(b"image,\xff\xfe")
    with pytest.raises(FileError, match=r"x.csv: not a readable CSV \(.*\). Download it again"):
        KaggleLabels(sample=str(tmp_path / "x.csv"))
    with pytest.raises(UsageError, match=r"digits=0: a number has 1 to 17"):
        KaggleProbabilities(digits=0)


# ------------------------------------------------------------------------------------------------ a real run


def test_a_runs_predictions_fit_the_sample(command, run, photos, tmp_path):
    names = sorted(path.name for path in (photos / "Calanus").iterdir())
    path = sample(tmp_path, "image,Oithona,Calanus", *(f"{name},0.5,0.5" for name in reversed(names)))
    asked = ("predict", run, photos / "Calanus", "--format", "kaggle-probabilities", "--set", f"sample={path}")
    answer = command(*asked, "-o", tmp_path / "out.csv")
    assert answer.status == 0, answer.err
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(tmp_path / "out.csv", index_col="image")
    assert frame.index.tolist() == names[::-1]
    assert frame.columns.tolist() == ["Oithona", "Calanus"]
    assert frame.sum(axis=1).tolist() == pytest.approx([1] * 10, abs=1e-4)
    labels = command("predict", run, photos / "Calanus", "--format", "kaggle-labels").out.splitlines()
    assert labels[0] == "id,label"
    assert labels[1:] == [f"{name},{frame.loc[name].idxmax()}" for name in names]
    (photos / "Calanus" / names[0]).unlink()
    assert "--set fill=true" in command(*asked, "-o", tmp_path / "less.csv").fault
    assert not (tmp_path / "less.csv").exists()

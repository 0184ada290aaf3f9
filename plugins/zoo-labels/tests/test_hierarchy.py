"""Labels that nest: the tree, the head that backs off in it, and all commands with it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from command_line import CommandLine
from PIL import Image
from zoo_labels import HierarchyHead, LabelTree
from zoo_labels.tree import distance

import zoo
from zoo.plugins import find_plugin
from zoo.testing import check_plugin

NAMES = ("Copepoda > Calanoida > Calanus", "Copepoda > Calanoida > Metridia", "Copepoda > Oithona", "Copepoda", "Snow")
SHAPE = zoo.FeatureShape(channels=6, height=4, width=4)
ROWS = np.array(
    [
        [0.90, 0.05, 0.02, 0.01, 0.02],  # a Calanus
        [0.45, 0.45, 0.05, 0.03, 0.02],  # one of the Calanoida
        [0.30, 0.20, 0.25, 0.15, 0.10],  # a copepod
        [0.20, 0.10, 0.10, 0.10, 0.50],  # who knows
        [0.00, 0.02, 0.03, 0.85, 0.10],  # a copepod of which no more is known
    ],
    np.float32,
)


def head_for(**options) -> HierarchyHead:
    torch.manual_seed(0)
    return HierarchyHead(SHAPE, zoo.Categories(NAMES), **options)


def test_the_answer_is_the_deepest_node_that_is_sure():
    said = head_for(sure=0.8).summary(ROWS)
    assert said["class"] == [NAMES[0], "Copepoda > Calanoida", "Copepoda", "(unsure)", "Copepoda"]
    assert said["probability"] == pytest.approx([0.90, 0.90, 0.90, 1.0, 0.90], abs=1e-6)
    assert said["likeliest"] == [NAMES[0], NAMES[0], NAMES[0], "Snow", "Copepoda"]
    assert said["likeliest_probability"] == pytest.approx([0.90, 0.45, 0.30, 0.50, 0.85], abs=1e-6)


def test_the_surer_it_must_be_the_higher_it_answers():
    depths = []
    for sure in (0.55, 0.7, 0.8, 0.95):
        tree = head_for(sure=sure).tree
        depths.append(sum(len(tree.path(int(node))) for node in tree.answer(ROWS, sure)))
    assert depths == sorted(depths, reverse=True)
    assert depths[0] > depths[-1]


def test_the_metrics_are_steps_in_the_tree():
    metrics = head_for(sure=0.8).metrics()
    truth = torch.tensor([0, 1, 4, 4, 2])
    metrics.update(torch.from_numpy(ROWS[:2]), truth[:2])
    metrics.update(torch.from_numpy(ROWS[2:]), truth[2:])
    found = metrics.compute()
    # likeliest: right; a sister of the truth; a Calanus for Snow; right; Copepoda for an Oithona
    assert float(found["distance"]) == pytest.approx((0 + 2 + 4 + 0 + 1) / 5)
    # answers: right; one step above; Copepoda for Snow; nothing for Snow; one step above
    assert float(found["distance_answer"]) == pytest.approx((0 + 1 + 2 + 1 + 1) / 5)
    assert float(found["right_answer"]) == pytest.approx(4 / 5)
    assert float(found["depth_answer"]) == pytest.approx((3 + 2 + 1 + 0 + 1) / 5)
    assert float(found["accuracy"]) == pytest.approx(2 / 5)


def test_distances_go_up_to_what_is_shared_and_down():
    assert distance(("a", "b"), ("a", "b")) == 0
    assert distance(("a", "b", "c"), ("a", "d")) == 3
    assert distance((), ("a", "d")) == 2


@pytest.mark.parametrize("names", [("a > > b", "c"), ("a > b", "a>b"), ("a", " > b")])
def test_labels_that_make_no_tree_are_refused(names):
    with pytest.raises(zoo.UsageError, match=r"make no tree: .* Write them as"):
        HierarchyHead(SHAPE, zoo.Categories(names))


@pytest.mark.parametrize("sure", [0.5, 1.01, -1.0])
def test_how_sure_is_over_a_half_and_up_to_one(sure):
    with pytest.raises(zoo.UsageError, match=r"over 0.5 and up to 1"):
        head_for(sure=sure)


def test_the_loss_of_the_levels_is_that_of_the_sums_and_is_finite_at_extremes():
    generator = torch.Generator().manual_seed(0)
    logits, truth = torch.randn(7, 5, generator=generator), torch.tensor([0, 1, 2, 3, 4, 0, 2])
    plain = torch.nn.functional.cross_entropy(logits, truth)
    assert head_for().loss(logits, truth) == pytest.approx(float(plain))
    shares = logits.softmax(dim=1)
    above = 0.0
    for row, label in zip(shares, truth.tolist(), strict=True):
        above -= float(row[:4].sum().log()) * (label < 4) + float(row[:2].sum().log()) * (label < 2)
    assert float(head_for(levels=0.5).loss(logits, truth)) == pytest.approx(float(plain) + 0.5 * above / 7, rel=1e-5)
    far = torch.tensor([[1e4, -1e4, 0.0, 0.0, -1e4]], requires_grad=True)
    loss = head_for(levels=1.0).loss(far, torch.tensor([4]))
    loss.backward()
    assert torch.isfinite(loss)
    assert bool(torch.isfinite(far.grad).all())


def test_names_without_steps_are_a_tree_of_one_level():
    tree = LabelTree(("a", "b"))
    assert tree.nodes == (("a",), ("b",))
    assert [tree.name(int(node)) for node in tree.answer(np.array([[0.9, 0.1], [0.6, 0.4]]), 0.8)] == ["a", "(unsure)"]


@pytest.fixture
def table(tmp_path):
    """Sixty pictures: red or orange (warm), or blue; and labels.csv with the paths."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    colours = {"warm > red": (200, 40, 40), "warm > orange": (200, 110, 40), "blue": (40, 40, 200)}
    rows = []
    for number in range(60):
        label = list(colours)[number % 3]
        noise = rng.integers(0, 40, (32, 32, 3))
        Image.fromarray((np.array(colours[label]) + noise).astype(np.uint8)).save(folder / f"{number}.png")
        rows.append([f"{number}.png", label])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows])
    return folder


def test_a_run_evaluates_predicts_and_publishes_with_answers_of_the_tree(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    command, run, said = CommandLine(monkeypatch, capsys), tmp_path / "run", tmp_path / "said.csv"

    few = ("--size", "32", "--epochs", "6", "--rate", "0.01", "--batch", "16", "--seed", "0")
    start = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--set", "labels=labels.csv")
    assert (
        command(
            "train",
            "image-folder",
            "--data",
            str(table),
            *start,
            "--head",
            "hierarchy:sure=0.9",
            *few,
            "--out",
            str(run),
        ).status
        == 0
    )
    figures = json.loads((run / "metrics.json").read_text())["test"]["hierarchy"]
    assert figures["distance"] <= 2
    assert 0 <= figures["right_answer"] <= 1
    assert command("evaluate", str(run)).status == 0
    assert command("predict", str(run), str(table / "0.png"), str(table / "2.png"), "-o", str(said)).status == 0
    with said.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]][:5] == ["image", "class", "probability", "likeliest", "likeliest_probability"]
    assert {row["class"] for row in rows} <= {"warm", "warm > red", "warm > orange", "blue", "(unsure)"}
    assert (
        command("push", str(run), "--to", str(tmp_path / "card"), "--license", "cc0-1.0", "--no-pictures").status == 0
    )
    again = zoo.load_model(tmp_path / "card")
    assert isinstance(again.head("hierarchy"), HierarchyHead)
    assert again.head("hierarchy").sure == 0.9


def test_the_head_is_found_and_keeps_its_contract():
    assert list(check_plugin(find_plugin("head", "hierarchy")))

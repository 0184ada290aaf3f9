"""Two stages: pictures cropped to a box before a second net names them."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from command_line import CommandLine
from drawn_boxes import DrawnBoxes
from drawn_plugin import installed_datasets
from hub_server import HubServer
from PIL import Image

import zoo
from zoo.data.crops import CroppedDataset, crop_sample, find_window
from zoo.data.datasets import open_dataset
from zoo.data.images import resize
from zoo.errors import FileError, IntegrityError, PluginError, UsageError, ZooError, ZooWarning
from zoo.evaluation.run_metrics import evaluate
from zoo.hub import client
from zoo.models.model import Cropper
from zoo.store.manifest import CropEntry, Manifest
from zoo.training.finetune import resume, train_recipe
from zoo.training.loop import StoppedError
from zoo.training.recipe import TrainingPart, parse_recipe
from zoo.training.run_data import reopen_dataset
from zoo.training.runs import open_run

CONTENT = {
    "size": 32,
    "data": {"dataset": "drawn", "options": {"empty": 0.0}},
    "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
    "training": {"epochs": 2, "batch": 32, "checkpoint_seconds": 0.0},
}
LOCATE, NAME = [{"plugin": "locate"}], [{"plugin": "classify"}]


def recipe(heads, **data):
    options = {} if "dataset" in data else CONTENT["data"]["options"]
    part = {**CONTENT["data"], "options": options, **data}
    return parse_recipe({**CONTENT, "heads": heads, "data": part}, where="the test")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A home of this file's own, and `drawn` installed; a locator and the second of two stages."""
    place = tmp_path_factory.mktemp("crops")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ZOO_HOME", str(place / "home"))
        with installed_datasets(place / "site", patched, drawn="drawn_boxes:DrawnBoxes"):
            training = TrainingPart(epochs=12, batch=16, rate=2e-3)
            locator = train_recipe(recipe(LOCATE).model_copy(update={"training": training}), place / "locator")
            second = train_recipe(recipe(NAME, crop=str(place / "locator")), place / "second")
            yield {"place": place, "locator": locator, "second": second}


@pytest.fixture(autouse=True)
def same_home(places, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(places["place"] / "home"))


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def pictures(tmp_path):
    """Ten pictures on disk, of any proportions."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(10):
        pixels = DrawnBoxes()[index].image.permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


# ------------------------------------------------------------------------------------------------ windows


@pytest.mark.parametrize(
    ("box", "margin", "window"),
    [
        ((40, 30, 60, 40), 0.0, (40, 25, 60, 45)),
        ((40, 30, 60, 40), 0.5, (30, 15, 70, 55)),
        ((0, 0, 20, 10), 0.0, (0, 0, 20, 20)),
        ((90, 40, 100, 50), 0.5, (80, 35, 100, 55)),
        ((-10, -10, 20, 10), 0.0, (0, 0, 20, 20)),
        ((0, 0, 100, 20), 0.0, (0, 0, 100, 60)),
        ((0, 0, 100, 60), 1.0, (0, 0, 100, 60)),
        ((50, 30, 50.2, 30.1), 0.0, (46, 26, 54, 34)),
    ],
    ids=["square", "margin", "corner", "at the edge", "over the edge", "wider than high", "all of it", "tiny"],
)
def test_a_window_is_a_square_around_the_box_and_inside_the_picture(box, margin, window):
    assert find_window(box, 100, 60, margin=margin) == window


@pytest.mark.parametrize("seed", range(20))
def test_a_window_always_lies_in_the_picture_and_holds_what_can_be_held_of_the_box(seed):
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(1, 400, 2))
    x, y = np.sort(rng.uniform(-0.3, 1.3, 2)) * width, np.sort(rng.uniform(-0.3, 1.3, 2)) * height
    left, top, right, bottom = find_window((x[0], y[0], x[1], y[1]), width, height, margin=float(rng.uniform(0, 1)))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert left <= max(x[0], 0) + 1 or x[0] >= width
    assert right >= min(x[1], width) - 1 or x[1] <= 0


def test_a_crop_moves_the_box_along():
    sample = zoo.Sample(
        image=torch.arange(3 * 60 * 100, dtype=torch.int64).remainder(251).to(torch.uint8).view(3, 60, 100),
        targets={"label": 1, "box": torch.tensor([40.0, 30, 60, 40])},
    )
    cut = crop_sample(sample, (35, 25, 65, 55), DrawnBoxes.targets)
    assert torch.equal(cut.image, sample.image[:, 25:55, 35:65])
    assert cut.targets["box"].tolist() == [5, 5, 25, 15]
    assert cut.targets["label"] == 1


def test_a_box_outside_the_crop_is_no_box_any_more():
    sample = zoo.Sample(image=torch.zeros(3, 60, 100, dtype=torch.uint8), targets={"box": torch.tensor([1.0, 1, 9, 9])})
    assert crop_sample(sample, (20, 20, 60, 60), DrawnBoxes.targets).targets == {"box": None}


def test_a_picture_without_a_box_stays_whole():
    plain, cropped = DrawnBoxes(), CroppedDataset(DrawnBoxes(), lambda index, sample: None, margin=0.1)
    assert torch.equal(cropped[3].image, plain[3].image)
    assert len(cropped) == len(plain)


@pytest.mark.parametrize("presence", [0.49, 0.51])
def test_a_locator_that_sees_nothing_leaves_the_picture_whole(presence):
    crop = Cropper(locator=None, head="locate", margin=0.1)
    found = crop.in_pixels(torch.tensor([0.25, 0.5, 0.5, 1.0, presence]), 200, 100)
    assert found == (None if presence < 0.5 else (50, 50, 100, 100))


# ------------------------------------------------------------------------------------------------ training


def test_the_second_stage_learns_from_crops(places):
    data = open_dataset("drawn", options={"empty": 0.0})
    whole = data.decode(32)
    record = places["second"].record
    assert record.pictures == whole.fingerprint
    assert record.crop.by == str(places["place"] / "locator")
    assert record.fingerprint != whole.fingerprint
    assert record.splits == places["locator"].record.splits
    assert len(whole) == 90


def test_true_boxes_fill_the_crop(places, tmp_path):
    run = train_recipe(recipe(NAME, crop="truth", margin=0.0), tmp_path / "run")
    crop = run.crop()
    assert crop is not None
    assert crop.locator is None
    shown = reopen_dataset(run).decode(32)
    boxes = shown.targets["box"][~shown.targets["box"].isnan().any(dim=1)]
    sides = torch.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], dim=1)
    assert float(sides.amax(dim=1).min()) > 0.9


def test_another_margin_is_another_decoded_set(places, tmp_path):
    one = train_recipe(recipe(NAME, crop="truth", margin=0.0), tmp_path / "one")
    other = train_recipe(recipe(NAME, crop="truth", margin=0.3), tmp_path / "other")
    assert one.record.fingerprint != other.record.fingerprint


def test_evaluating_a_two_stage_run_gives_its_own_figures_again(places):
    again = evaluate(places["second"])
    for key, value in places["second"].metrics["test"]["classify"].items():
        if isinstance(value, float):
            assert again["classify"][key] == pytest.approx(value, abs=1e-6)


def test_a_two_stage_run_goes_on_after_a_stop_bit_for_bit(places, tmp_path, monkeypatch):
    asked = recipe(NAME, crop=str(places["place"] / "locator"))
    straight = train_recipe(asked, tmp_path / "straight")

    def stop(text):
        if text.startswith("fine-tuning 1/"):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError):
        train_recipe(asked, tmp_path / "stopped", tell=stop)
    gone = resume(tmp_path / "stopped")
    assert gone.metrics == straight.metrics


def test_the_run_keeps_its_locator(places, tmp_path):
    train_recipe(recipe(LOCATE), tmp_path / "locator")
    run = train_recipe(recipe(NAME, crop=str(tmp_path / "locator")), tmp_path / "run")
    shutil.rmtree(tmp_path / "locator")
    crop = run.load_model().crop
    assert crop is not None
    assert crop.locator is not None


# ------------------------------------------------------------------------------------------------ prediction


def test_predict_runs_both_nets(places, pictures):
    model = places["second"].load_model()
    both = zoo.predict(model, pictures)
    model.crop = None
    alone = zoo.predict(model, pictures)
    assert both.images == alone.images
    assert not np.allclose(both.answers["classify"], alone.answers["classify"])


def test_predict_crops_as_training_did(places, pictures):
    model = places["second"].load_model()
    locator = places["locator"].load_model()
    answers = zoo.predict(model, pictures, precision="fp32").answers["classify"]
    boxes = zoo.predict(locator, pictures, precision="fp32").answers["locate"]
    for index, box in enumerate(boxes):
        image = zoo.read_image(pictures / f"{index}.png")
        height, width = image.shape[1:]
        left, top, right, bottom = (
            find_window(box[:4], width, height, margin=0.1) if box[4] >= 0.5 else (0, 0, width, height)
        )
        expected = model.predict(resize(image[:, top:bottom, left:right], 32).unsqueeze(0))["classify"]
        assert answers[index] == pytest.approx(expected[0].numpy(), abs=1e-3)


def test_boxes_predicted_on_crops_are_said_in_the_whole_pictures_pixels(places, pictures, tmp_path):
    heads = [{"plugin": "classify"}, {"plugin": "locate"}]
    run = train_recipe(recipe(heads, crop=str(places["place"] / "locator")), tmp_path / "run")
    model = run.load_model()
    found = zoo.predict(model, pictures)
    for box, (width, height) in zip(found.answers["locate"], found.sizes, strict=True):
        assert 0 <= box[0] <= box[2] <= width + 1e-3
        assert 0 <= box[1] <= box[3] <= height + 1e-3
    starts = found.answers["locate"][:, :2].min(axis=1)
    assert float(starts.max()) > 3  # a crop somewhere in the picture, not in its corner


def test_a_model_of_true_crops_cannot_answer_for_new_pictures(places, pictures, tmp_path):
    run = train_recipe(recipe(NAME, crop="truth"), tmp_path / "run")
    with pytest.raises(UsageError, match="cropped to their true boxes, and a new picture has none"):
        zoo.predict(run.load_model(), pictures)


def test_the_command_line_crops(places, command, pictures, tmp_path):
    answer = command(
        *("train", "drawn", "--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", 32),
        *("--set", "empty=0", "--epochs", 1, "--crop", places["place"] / "locator", "--limit", 40),
        *("--out", tmp_path / "run", "-q"),
    )
    assert answer.status == 0, answer.err
    assert open_run(tmp_path / "run").record.splits.train == 40
    asked = command("predict", tmp_path / "run", pictures, "-q")
    assert asked.status == 0, asked.err
    assert asked.out.startswith("image,class,probability,second,second_probability\n")
    assert asked.out.count("\n") == 11


# ------------------------------------------------------------------------------------------------ publishing


@pytest.fixture
def hub(tmp_path, monkeypatch):
    token = "hf_" + "x" * 34  # not a real one
    with HubServer(tmp_path / "hub", token=token) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", token)
        monkeypatch.setattr(client, "BACK_OFF", 0.02)
        yield server


def test_both_stages_are_published_fetched_and_used(places, hub, pictures, tmp_path):
    zoo.push(places["locator"], repo="tester/locator", license="cc0-1.0")
    run = train_recipe(recipe(NAME, crop="tester/locator"), tmp_path / "run")
    assert run.metrics == places["second"].metrics  # the same net says the same boxes
    zoo.push(run, repo="tester/second", license="cc0-1.0")
    fetched = zoo.load_model("tester/second")
    assert fetched.crop is not None
    assert fetched.crop.locator is not None
    mine, theirs = (zoo.predict(model, pictures).answers["classify"] for model in (run.load_model(), fetched))
    assert np.array_equal(mine, theirs)
    card = (zoo.fetch("tester/second").folder / "README.md").read_text()
    assert "cropped first to the boxes of `tester/locator`, with a margin of 0.1" in card


def test_a_locator_that_was_published_anew_is_not_taken_for_the_old_one(places, hub, tmp_path):
    zoo.push(places["locator"], repo="tester/locator", license="cc0-1.0")
    run = train_recipe(recipe(NAME, crop="tester/locator"), tmp_path / "run")
    published = zoo.push(run, to=tmp_path / "second", license="cc0-1.0")
    manifest = json.loads((tmp_path / "second" / "config.json").read_text())
    assert manifest["crop"]["manifest"].startswith("sha256:")
    manifest["crop"]["manifest"] = "sha256:" + "0" * 64
    (tmp_path / "second" / "config.json").write_text(json.dumps(manifest))
    assert published.manifest.crop is not None
    with pytest.raises(IntegrityError, match=r"not what it was made with\. Load the filters alone"):
        zoo.load_model(tmp_path / "second")
    assert zoo.load(tmp_path / "second").cut.name == "block2"


def test_a_locator_on_this_disk_only_must_be_published_first(places, tmp_path):
    with pytest.raises(UsageError, match=r"cropped by 'locator', which is not on the Hub\. Push that first"):
        zoo.push(places["second"], to=tmp_path / "out", license="cc0-1.0")
    assert not (tmp_path / "out").exists()
    alone = zoo.push(places["second"], to=tmp_path / "alone", license="cc0-1.0", heads=False)
    assert alone.manifest.crop is None
    assert str(places["place"]) not in (tmp_path / "alone" / "recipe.toml").read_text()


@pytest.mark.parametrize(
    "facts",
    [
        {"locator": "/etc", "manifest": "sha256:" + "0" * 64, "head": "locate"},
        {"locator": "hf://a/b", "manifest": None, "head": "locate"},
        {"locator": None, "margin": math.inf},
        {"locator": None, "margin": -1.0},
    ],
    ids=["a folder", "no hash", "infinite margin", "negative margin"],
)
def test_odd_crops_in_a_manifest_are_refused(facts):
    with pytest.raises(ValueError, match=r"crop|locator|margin|manifest"):
        CropEntry(**facts)
    assert Manifest.model_fields["crop"].default is None


# ------------------------------------------------------------------------------------------------ refusals


class Plain(zoo.Dataset):
    """Labels only."""

    targets = {"label": zoo.Categories(("dark", "light"))}  # noqa: RUF012

    def prepare(self, root, progress=None):
        """Nothing."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        shade = 200 * (index % 2) + index % 7
        return zoo.Sample(image=torch.full((3, 32, 32), shade, dtype=torch.uint8), targets={"label": index % 2})


class Broken(DrawnBoxes):
    """One box is upside down."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        wrong = {**sample.targets, "box": torch.tensor([5.0, 9, 9, 4])}
        return replace(sample, targets=wrong) if index == 7 else sample


def test_true_crops_need_a_box_and_name_the_targets(tmp_path, monkeypatch):
    with (
        installed_datasets(tmp_path / "site", monkeypatch, plain="test_crops:Plain"),
        pytest.raises(UsageError, match=r"the dataset 'plain' has none\. Its targets: label \(Categories\)"),
    ):
        train_recipe(recipe(NAME, dataset="plain", crop="truth"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_locator_needs_a_head_that_says_a_box(places, tmp_path):
    train_recipe(recipe(NAME), tmp_path / "names")
    with pytest.raises(
        UsageError, match=r"has no head that predicts a box, only classify\. Train one with `heads=\['locate'\]`"
    ):
        train_recipe(recipe(NAME, crop=str(tmp_path / "names")), tmp_path / "run")


def test_a_locator_that_crops_itself_is_refused(places, tmp_path):
    run = train_recipe(recipe(LOCATE, crop=str(places["place"] / "locator")), tmp_path / "twice")
    with pytest.raises(UsageError, match=r"crops its pictures itself\. Name one trained on whole pictures"):
        train_recipe(recipe(NAME, crop=str(run.folder)), tmp_path / "run")


def test_a_locator_that_is_nowhere_is_said(places, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ZooError, match="runs/nothing"):
        train_recipe(recipe(NAME, crop="runs/nothing"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_true_box_that_is_none_is_named(tmp_path, monkeypatch):
    with (
        installed_datasets(tmp_path / "site", monkeypatch, broken="test_crops:Broken"),
        pytest.raises(PluginError, match=r"^drawn-007\.png: its box is \(5, 9, 9, 4\), no box inside the picture"),
    ):
        train_recipe(recipe(NAME, dataset="broken", crop="truth", skip_unreadable=True), tmp_path / "run")


class Unreadable(DrawnBoxes):
    """One picture is no picture."""

    calls = 0

    def __getitem__(self, index):
        type(self).calls += 1
        if index == 7:
            raise FileError("drawn-007.png", "not a readable picture", "Replace or remove it.")
        return super().__getitem__(index)


def test_a_picture_that_cannot_be_read_stops_the_locator_once(places, tmp_path, monkeypatch):
    with (
        installed_datasets(tmp_path / "site", monkeypatch, unreadable="test_crops:Unreadable"),
        pytest.raises(ZooError, match=r"1 of 90 pictures cannot be read\. The first: drawn-007\.png"),
    ):
        train_recipe(recipe(NAME, dataset="unreadable", crop=str(places["place"] / "locator")), tmp_path / "run")
    assert import_module("test_crops").Unreadable.calls == 90


def test_a_locator_that_has_learnt_the_test_pictures_is_warned_of(places, tmp_path):
    other = recipe(NAME, crop=str(places["place"] / "locator")).model_copy(update={"seed": 1})
    with pytest.warns(ZooWarning, match="was trained on pictures that this run is scored on: .* of the split 'test'"):
        run = train_recipe(other, tmp_path / "run")
    assert run.record.crop.learnt["test"] > 0
    assert places["second"].record.crop.learnt == {"test": 0}


def test_truth_is_written_small(tmp_path):
    with pytest.raises(UsageError, match=r"crop = 'Truth' names no run\. Say crop = 'truth' for the true boxes"):
        train_recipe(recipe(NAME, crop="Truth"), tmp_path / "run")


def test_a_run_with_a_typing_error_is_not_looked_for_on_the_hub(places, tmp_path):
    with pytest.raises(FileError, match="there is no such run"):
        train_recipe(recipe(NAME, crop=str(places["place"] / "locatr")), tmp_path / "run")


def test_scores_on_true_crops_are_no_results_of_the_card(tmp_path):
    run = train_recipe(recipe(NAME, crop="truth"), tmp_path / "run")
    zoo.push(run, to=tmp_path / "out", license="cc0-1.0")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "model-index" not in card
    assert "cropped first to their true boxes" in card
    assert zoo.load_model(tmp_path / "out").crop is not None


def test_a_run_whose_locator_was_removed_says_so(places, tmp_path):
    run = train_recipe(recipe(NAME, crop=str(places["place"] / "locator")), tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "locator")
    with pytest.raises(FileError, match="what says where to crop is missing"):
        run.load_model()

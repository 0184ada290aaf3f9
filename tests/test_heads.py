"""Several heads at once: what is learnt, how losses become one step, whether heads pull together, what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import warnings

import numpy as np
import pytest
import torch
from command_line import CommandLine
from drawn_boxes import DrawnBoxes
from PIL import Image
from safetensors.torch import load_file

import zoo
from zoo.builtin.balancers import Fixed, LogSum, Uncertainty
from zoo.data.augmentation import Augmentation
from zoo.data.batches import generator_for
from zoo.devices import pick_precision
from zoo.errors import FileError, PluginError, UnknownNameError, UsageError, ZooError, ZooWarning
from zoo.models.model import HeadSpec
from zoo.plugins import clear_plugin_cache
from zoo.training.balancing import build_balancer, describe_cosines, gradient_cosines, last_weight_matrix
from zoo.training.checkpoints import load_checkpoint
from zoo.training.finetune import resume, train_recipe
from zoo.training.inputs import Arithmetic, FeatureInputs, ImageInputs
from zoo.training.loop import StoppedError
from zoo.training.recipe import parse_recipe, read_recipe, recipe_text
from zoo.training.targets import make_head_targets

NAME, LOCATE = HeadSpec(plugin="classify"), HeadSpec(plugin="locate", weight=0.3)
SMALL = {"epochs": 2, "head_epochs": 2, "batch": 32, "checkpoint_seconds": 0.0}


def model_of(dataset, *heads, start="vgg11", **changes):
    """A small net with heads, fresh or on published filters."""
    where = {"cut": "block2", "weights": "random", "size": 32} if start == "vgg11" else {"size": 32}
    return zoo.assemble(start, heads=heads or (NAME, LOCATE), dataset=dataset, **{**where, **changes})


def train(out, *heads, dataset=None, start="vgg11", **training):
    dataset = dataset or DrawnBoxes()
    return zoo.train(model_of(dataset, *heads, start=start), dataset, out=out, **{**SMALL, **training})


def saved(run):
    return {**load_file(run.folder / "filters.safetensors"), **load_file(run.folder / "heads.safetensors")}


def differing(one, other):
    first, second = saved(one), saved(other)
    return sorted(name for name in first.keys() & second.keys() if not torch.equal(first[name], second[name]))


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The drawn dataset as a package would bring it, called `drawn`."""
    info = tmp_path / "site" / "zoo_drawn-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-drawn\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[zoo.datasets]\ndrawn = drawn_boxes:DrawnBoxes\n[zoo.balancers]\nodd = drawn_boxes:DrawnBoxes\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    clear_plugin_cache()
    yield
    monkeypatch.undo()
    clear_plugin_cache()


# ------------------------------------------------------------------------------------------------ learning


def test_both_heads_have_figures_in_every_epoch_and_at_the_end(tmp_path):
    run = train(tmp_path / "run")
    assert all(entry["validation"].keys() == {"classify", "locate"} for entry in run.history)
    assert {"iou", "iou_over_half", "presence_accuracy"} <= run.metrics["test"]["locate"].keys()
    assert "log_loss" in run.metrics["validation"]["classify"]


def test_progress_shows_both_heads(tmp_path):
    dataset, notes = DrawnBoxes(), []

    def listen(what, done, total=None, note=""):
        notes.append(note)

    zoo.train(model_of(dataset), dataset, out=tmp_path / "run", progress=listen, **SMALL)
    assert any("classify: log loss" in note and "locate: iou" in note for note in notes)


def test_targets_may_be_missing_here_and_there(tmp_path):
    run = train(tmp_path / "run", dataset=DrawnBoxes(empty=0.4, unboxed=0.7), batch=4)
    assert run.metrics["validation"].keys() == {"classify", "locate"}
    assert all(np.isfinite(entry["train_loss"]) for entry in run.history[1:])


def test_a_batch_without_any_box_teaches_the_others(tmp_path):
    run = train(tmp_path / "run", dataset=DrawnBoxes(unboxed=1.0))
    assert run.metrics["test"].keys() == {"classify"}


def test_validation_pictures_without_any_box_cannot_pick_the_best_epoch(tmp_path):
    with pytest.raises(ZooError, match="The head 'locate' cannot be scored on the validation pictures"):
        train(tmp_path / "run", LOCATE, NAME, dataset=DrawnBoxes(empty=1.0))


def test_two_heads_of_one_plugin_have_names(tmp_path):
    class Twice(DrawnBoxes):
        """Two labels."""

        targets = {"label": zoo.Categories(("a", "b", "c")), "side": zoo.Categories(("left", "right"))}  # noqa: RUF012

        def __getitem__(self, index):
            sample = super().__getitem__(index)
            side = {} if (box := sample.targets["box"]) is None else {"side": int(box[0] > 20)}
            known = {key: value for key, value in sample.targets.items() if key == "label"}
            return zoo.Sample(image=sample.image, targets={**known, **side})

    heads = (
        HeadSpec(plugin="classify", target="label", called="kind"),
        HeadSpec(plugin="classify", target="side", called="side"),
    )
    run = train(tmp_path / "run", *heads, dataset=Twice())
    assert run.metrics["test"].keys() == {"kind", "side"}
    assert [(head.name, head.target) for head in run.recipe.heads] == [("kind", "label"), ("side", "side")]
    assert read_recipe(run.folder / "recipe.toml") == run.recipe
    assert list(run.load_model().heads) == ["kind", "side"]


def test_a_head_of_weight_0_learns_and_leaves_the_bits_of_the_rest_alone(tmp_path):
    alone = train(tmp_path / "alone", NAME)
    watched = train(tmp_path / "watched", NAME, HeadSpec(plugin="locate", weight=0.0))
    assert differing(alone, watched) == []
    figures = [entry["validation"]["locate"]["iou"] for entry in watched.history]
    assert figures[-1] != figures[0]
    assert "cosines" not in watched.history[-1]


def test_a_head_of_weight_0_does_not_pick_the_best_epoch(tmp_path):
    watched = train(tmp_path / "watched", HeadSpec(plugin="locate", weight=0.0), NAME, epochs=4)
    best = [entry["validation"]["classify"]["log_loss"] for entry in watched.history if entry["best"]]
    assert best == sorted(best, reverse=True)


# ------------------------------------------------------------------------------------------------ balancing


def test_fixed_weights_give_the_weighted_sum():
    losses = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert float(Fixed({"a": 1.0, "b": 0.5}).combine(losses)) == 3.5


def test_uncertainty_begins_as_the_weighted_sum_and_settles_where_its_paper_says():
    balancer = Uncertainty({"a": 1.0, "b": 0.5})
    losses = {"a": torch.tensor(2.0), "b": torch.tensor(0.1)}
    assert balancer.combine(losses).item() == pytest.approx(2.05)
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        balancer.combine(losses).backward()
        optimizer.step()
    variances = balancer.log_variances.exp().tolist()
    assert variances == pytest.approx([4.0, 0.2], rel=0.01)  # twice the loss each


def test_the_log_sum_cares_for_shares_and_not_for_sizes():
    small, large = torch.tensor(0.1, requires_grad=True), torch.tensor(10.0, requires_grad=True)
    LogSum({"a": 1.0, "b": 1.0}).combine({"a": small, "b": large}).backward()
    assert float(small.grad * small) == pytest.approx(float(large.grad * large), rel=1e-4)


def test_a_loss_of_nothing_has_a_finite_logarithm():
    assert np.isfinite(float(LogSum({"a": 1.0}).combine({"a": torch.tensor(0.0)})))


@pytest.mark.parametrize("balance", ["fixed", "uncertainty", "log-sum"])
def test_a_stopped_run_with_two_heads_goes_on_bit_for_bit(balance, tmp_path):
    whole = train(tmp_path / "whole", balance=balance)
    steps = 0

    def stop_at_the_third(what, done, total=None, note=""):
        nonlocal steps
        steps += what == "fine-tuning"
        if steps == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    dataset = DrawnBoxes()
    with pytest.raises(StoppedError):
        zoo.train(
            model_of(dataset), dataset, out=tmp_path / "stopped", balance=balance, progress=stop_at_the_third, **SMALL
        )
    gone_on = resume(tmp_path / "stopped", dataset=dataset)
    assert differing(whole, gone_on) == []
    assert [entry["cosines"] for entry in gone_on.history[1:]] == [entry["cosines"] for entry in whole.history[1:]]


def test_learnt_weights_are_in_checkpoints_and_published_nowhere(tmp_path):
    dataset = DrawnBoxes()

    def stop(what, done, total=None, note=""):
        if what == "fine-tuning" and done == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError):
        zoo.train(model_of(dataset), dataset, out=tmp_path / "run", balance="uncertainty", progress=stop, **SMALL)
    tensors, _ = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert tensors["balancer/log_variances"].shape == (2,)
    assert bool((tensors["balancer/log_variances"] != 0).all())
    run = resume(tmp_path / "run", dataset=dataset)
    assert not [name for name in saved(run) if "variance" in name]


def test_what_was_learnt_of_the_weights_goes_on_from_stage_to_stage(tmp_path):
    dataset, seen = DrawnBoxes(), []

    def look(what, done, total=None, note=""):
        if what == "fine-tuning" and done == 1:
            tensors, _ = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
            seen.append(tensors["balancer/log_variances"])

    model = model_of(dataset, start="vgg16-plankton")
    zoo.train(model, dataset, out=tmp_path / "run", balance="uncertainty", progress=look, **{**SMALL, "epochs": 1})
    assert bool((seen[0] != 0).all())


def test_an_unknown_balancer_is_named_before_anything_is_written(tmp_path):
    with pytest.raises(UnknownNameError, match=r"No balancer is called 'log-sun'\. Did you mean 'log-sum'"):
        train(tmp_path / "run", balance="log-sun")
    assert not (tmp_path / "run").exists()


def test_a_balancer_that_is_none_is_refused(installed):
    with pytest.raises(PluginError, match=r"The balancer 'odd' is no zoo\.Balancer"):
        build_balancer("odd", model_of(DrawnBoxes()))


# ------------------------------------------------------------------------------------------------ pulling together


def test_heads_that_want_the_same_have_a_cosine_of_1_and_opposed_ones_of_minus_1():
    layer = torch.nn.Conv2d(3, 2, 1)
    seen = layer(torch.rand(4, 3, 2, 2)).sum()
    cosines = gradient_cosines({"a": seen, "b": 5 * seen, "c": -seen}, layer.weight)
    assert cosines == pytest.approx({"a/b": 1.0, "a/c": -1.0, "b/c": -1.0})
    assert layer.weight.grad is None


def test_heads_that_look_at_different_channels_do_not_touch():
    layer = torch.nn.Conv2d(3, 2, 1)
    seen = layer(torch.rand(4, 3, 2, 2))
    assert gradient_cosines({"a": seen[:, 0].sum(), "b": seen[:, 1].sum()}, layer.weight) == {"a/b": 0.0}


def test_a_head_that_feels_nothing_of_the_layer_is_left_out():
    layer, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    losses = {"a": layer(torch.rand(4, 3)).sum(), "b": other(torch.rand(4, 3)).sum()}
    assert gradient_cosines(losses, layer.weight) == {}


def test_gradients_are_compared_at_the_last_weights_that_are_shared():
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 5, 1), torch.nn.BatchNorm2d(5))
    assert last_weight_matrix(list(layers.parameters())) is layers[1].weight


def test_every_epoch_of_shared_training_says_whether_the_heads_pull_together(tmp_path):
    run = train(tmp_path / "run", start="vgg16-plankton")
    shared = [entry for entry in run.history if entry["stage"] == "filters" and entry["epoch"]]
    assert all(-1 <= entry["cosines"]["classify/locate"] <= 1 for entry in shared)
    assert not [entry for entry in run.history if entry["stage"] == "heads" and "cosines" in entry]  # nothing is shared


def test_one_head_has_nobody_to_pull_with(tmp_path):
    run = train(tmp_path / "run", NAME)
    assert not [entry for entry in run.history if "cosines" in entry]


def test_cosines_are_said_with_names_where_there_are_several():
    assert describe_cosines({"a/b": 0.123}) == "gradient cosine +0.12"
    assert describe_cosines({"a/b": 0.1, "a/c": -0.2}) == "a and b gradient cosine +0.10  a and c gradient cosine -0.20"
    assert describe_cosines({}) == ""


# ------------------------------------------------------------------------------------------------ boxes


def test_boxes_follow_their_pictures_into_a_batch(home):
    class Frames(zoo.Dataset):
        """A bright rectangle on black, with its box."""

        targets = {"box": zoo.Box()}  # noqa: RUF012

        def prepare(self, root, progress=None):
            """Nothing."""

        def __len__(self):
            return 8

        def __getitem__(self, index):
            image = torch.zeros(3, 64, 64, dtype=torch.uint8)
            image[:, 20 + index : 36, 24:44] = 255
            return zoo.Sample(image=image, targets={"box": torch.tensor([24.0, 20 + index, 44, 36])})

    model = model_of(Frames(), HeadSpec(plugin="locate"), size=64)
    from zoo.data import as_open_dataset

    decoded = as_open_dataset(Frames()).decode(64)
    plain = Arithmetic(device=torch.device("cpu"), dtype=torch.float32)
    augmentation = Augmentation(mirror=True, turns=True, zoom=0.2, shift=0.1, light=0.2)
    head_targets = make_head_targets(model, decoded, shuffled=(), rows=torch.arange(8), seed=0)
    feed = ImageInputs(
        model,
        None,
        decoded,
        torch.arange(0),
        augmentation=augmentation,
        head_targets=head_targets,
        arithmetic=plain,
        limit=1e9,
        progress=zoo.silent,
    )
    views, moved = feed.train(torch.arange(8), generator_for(3))
    assert isinstance(views, torch.Tensor)
    for view, box in zip(views, moved["locate"] * 64, strict=True):
        dark, light = view.amin(), view.amax()
        rows, columns = ((view[0] - dark) > (light - dark) / 2).nonzero().unbind(dim=1)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == pytest.approx([float(side) for side in found], abs=1.01)


@pytest.mark.parametrize(
    "box",
    [[float("nan"), 1, 5, 5], [float("inf"), 1, 5, 5], [5, 1, 5, 9], [9, 1, 5, 9], [-9, 1, -3, 9], [99, 1, 120, 9]],
    ids=["partly NaN", "infinite", "no width", "right before left", "left of the picture", "right of the picture"],
)
def test_a_box_that_is_none_is_named(box, tmp_path):
    class Broken(DrawnBoxes):
        """One wrong box."""

        def __getitem__(self, index):
            sample = super().__getitem__(index)
            wrong = {**sample.targets, "box": torch.tensor(box)} if index == 7 else sample.targets
            return zoo.Sample(image=sample.image, targets=wrong, path=sample.path)

    with pytest.raises(
        ZooError, match=r"drawn-007\.png(, is \(|: the target 'box' is tensor.* not the four finite numbers)"
    ):
        train(tmp_path / "run", dataset=Broken())
    assert not (tmp_path / "run").exists()


def test_four_nan_say_that_there_is_nothing(tmp_path):
    class Nothing(DrawnBoxes):
        """Empty pictures are told by NaN."""

        def __getitem__(self, index):
            sample = super().__getitem__(index)
            known = {**sample.targets, "box": sample.targets["box"]}
            if known["box"] is None:
                known["box"] = torch.full((4,), float("nan"))
            return zoo.Sample(image=sample.image, targets=known)

    assert train(tmp_path / "run", dataset=Nothing(empty=0.3)).done


# ------------------------------------------------------------------------------------------------ frozen features


def features_of(dataset, folder, *, limit):
    model = model_of(dataset, NAME, LOCATE)
    from zoo.data import as_open_dataset

    decoded = as_open_dataset(dataset).decode(32)
    where = Arithmetic(device=torch.device("cpu"), dtype=pick_precision(torch.device("cpu")))
    return FeatureInputs(
        model, decoded, torch.arange(80), arithmetic=where, limit=limit, folder=folder, progress=zoo.silent
    )


def test_features_over_the_limit_lie_in_a_file_and_are_the_same(tmp_path):
    dataset, rows = DrawnBoxes(), torch.tensor([3, 70, 12])
    cache = features_of(dataset, tmp_path, limit=1e9).plain(rows)
    with pytest.warns(
        ZooWarning, match=r"take 0\.\d+ GB, more than the 0\.001 GB that stay in memory: they lie in a file"
    ):
        mapped = features_of(dataset, tmp_path, limit=1e6)
    assert mapped.cache.folder == tmp_path
    assert all(torch.equal(cache[name], mapped.plain(rows)[name]) for name in ("classify", "locate"))


def test_the_file_of_features_has_no_name_and_leaves_nothing_behind(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        feed = features_of(DrawnBoxes(), tmp_path, limit=1e3)
    assert list(tmp_path.iterdir()) == []
    assert feed.plain(torch.arange(3))


def test_features_within_the_limit_need_no_file(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZooWarning)
        assert features_of(DrawnBoxes(), tmp_path, limit=1e9).cache.folder is None


def test_a_run_is_the_same_with_its_features_in_a_file(tmp_path):
    one = train(tmp_path / "one", start="vgg16-plankton", epochs=0)
    with pytest.warns(ZooWarning, match="stay in memory"):
        other = train(tmp_path / "other", start="vgg16-plankton", epochs=0, memory=0.001)
    assert differing(one, other) == []


def test_a_folder_that_cannot_take_the_features_is_named(tmp_path):
    warnings.simplefilter("ignore", ZooWarning)  # pytest puts the filters back
    (tmp_path / "nowhere").write_text("a file")
    with pytest.raises(FileError, match="nowhere: it cannot be written or read"):
        features_of(DrawnBoxes(), tmp_path / "nowhere", limit=1e3)


# ------------------------------------------------------------------------------------------------ published and asked


@pytest.fixture(scope="module")
def two_headed(tmp_path_factory):
    """A run with two heads, and pictures to ask it about."""
    place = tmp_path_factory.mktemp("two")
    os.environ.setdefault("ZOO_HOME", str(place / "home"))
    dataset = DrawnBoxes()
    run = train(place / "run", dataset=dataset, epochs=6, rate=1e-3)
    (place / "photos").mkdir()
    for index in range(12):
        pixels = dataset[index].image.permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(place / "photos" / f"{index:02d}.png")
    return run, place / "photos"


def test_predictions_are_boxes_in_the_pictures_own_pixels(two_headed):
    run, photos = two_headed
    answers = zoo.predict(run.load_model(), photos)
    boxes = answers.answers["locate"]
    assert answers.columns["locate"] == ("x1", "y1", "x2", "y2", "presence")
    assert boxes.shape == (12, 5)
    for (width, height), (x1, y1, x2, y2, presence) in zip(answers.sizes, boxes, strict=True):
        assert 0 <= x1 < x2 <= width + 1e-3
        assert 0 <= y1 < y2 <= height + 1e-3
        assert 0 <= presence <= 1
    assert boxes[:, :4].max() > 2  # pixels, no shares


def test_a_table_has_the_columns_of_both_heads(two_headed):
    run, photos = two_headed
    rows = list(csv.reader(io.StringIO(zoo.predict(run.load_model(), photos).as_csv())))
    assert rows[0] == [
        "image",
        *("classify:class", "classify:probability", "classify:second", "classify:second_probability"),
        *("locate:x1", "locate:y1", "locate:x2", "locate:y2", "locate:presence"),
    ]
    assert {len(row) for row in rows} == {10}


def test_both_heads_are_published_and_answer_as_before(two_headed, tmp_path):
    run, photos = two_headed
    zoo.push(run, to=tmp_path / "published", license="cc0-1.0")
    before, after = zoo.predict(run.load_model(), photos), zoo.predict(zoo.load_model(tmp_path / "published"), photos)
    for head in ("classify", "locate"):
        np.testing.assert_array_equal(before.answers[head], after.answers[head])
    manifest = json.loads((tmp_path / "published" / "config.json").read_text())
    assert [(head["name"], head["package"], head["weight"]) for head in manifest["heads"]] == [
        ("classify", "filterzoo", 1.0),
        ("locate", "zoo-boxes", 0.3),
    ]


def test_the_command_line_trains_evaluates_and_asks_two_heads(installed, command, tmp_path):
    start = ["--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", "32", "--epochs", "2"]
    heads = ["--head", "classify", "--head", "locate:weight=0.3,l1=2"]
    done = command("train", "drawn", *start, *heads, "--balance", "uncertainty", "--out", tmp_path / "run")
    assert done.status == 0, done.err
    lines = [line for line in done.err.splitlines() if line.startswith("fine-tuning ")]
    assert len(lines) == 2
    assert all("classify: log loss" in line and "locate: iou" in line and "gradient cosine" in line for line in lines)
    recipe = read_recipe(tmp_path / "run" / "recipe.toml")
    assert recipe.training.balance == "uncertainty"
    assert [(head.plugin, head.weight) for head in recipe.heads] == [("classify", 1.0), ("locate", 0.3)]
    assert zoo.open_run(tmp_path / "run").load_model().specs["locate"].options == {"l1": 2.0}
    scored = command("evaluate", tmp_path / "run")
    assert "iou over half" in scored.out
    assert "log loss" in scored.out
    Image.fromarray(DrawnBoxes()[0].image.permute(1, 2, 0).numpy()).save(tmp_path / "one.png")
    asked = command("predict", tmp_path / "run", tmp_path / "one.png", "--head", "locate")
    assert asked.out.splitlines()[0] == "image,x1,y1,x2,y2,presence"


def test_quiet_says_nothing_of_epochs(installed, command, tmp_path):
    start = ["--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", "32", "--epochs", "1"]
    done = command("train", "drawn", *start, "--quiet", "--out", tmp_path / "run")
    assert "fine-tuning" not in done.err


# ------------------------------------------------------------------------------------------------ what is refused


START = ("train", "drawn", "--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", "32")


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (["locate:target=bx"], "no such target called 'bx'. Its targets: label (Categories), box (Box)"),
        (["classify", "classify"], "The head 'classify' is there twice. Two of a kind need names"),
        (["a=classify", "a=locate"], "The head 'a' is there twice."),
        (["=classify"], "--head =classify names no head. Say NAME=HEAD:KEY=VALUE"),
        (["a b=classify"], "A head cannot be called 'a b'. Use letters"),
        (["items=classify"], "A head cannot be called 'items'. Use letters"),
        (["classify:weight=-1"], "The weight in --head classify:weight=-1 must be 0 or more"),
        (["classify:weight=nan"], "The weight in --head classify:weight=nan must be 0 or more"),
        (["classify:weight=0", "locate:weight=0"], "the weight of every head is 0, so that nothing is trained"),
        (["locate:l1=0,giou=0"], "The head 'locate' cannot weigh its parts by l1=0, giou=0, presence=0.5"),
        (["locate:giou=-1"], "0 or more, and l1 or giou over 0"),
        (["locate:hidden=0"], "cannot be 0 channels wide"),
    ],
)
def test_odd_heads_are_said_in_one_line(heads, message, installed, command):
    words = [word for head in heads for word in ("--head", head)]
    assert message in command(*START, *words).fault


def test_a_head_whose_target_the_dataset_has_not_names_the_targets(shapes, command):
    words = ["train", "image-folder", "--data", shapes, *START[2:], "--head", "classify", "--head", "locate"]
    fault = command(*words).fault
    assert fault == (
        "The head 'locate' learns Box, and the dataset has none of that kind. Its targets: label (Categories)."
    )


def test_negative_weights_in_python_are_said_in_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"This cannot be trained: weight: .* \(got -1\.0\)") as caught:
        train(tmp_path / "run", NAME, HeadSpec(plugin="locate", weight=-1.0))
    assert "\n" not in str(caught.value)


def test_a_recipe_with_named_heads_and_a_balance_comes_back_as_it_was_written(tmp_path):
    content = {
        "data": {"dataset": "drawn"},
        "filters": {"name": "vgg16-plankton"},
        "heads": [
            {"plugin": "classify", "name": "kind", "target": "label"},
            {"plugin": "locate", "weight": 0.3, "options": {"l1": 2.0}},
        ],
        "training": {"balance": "log-sum", "memory": 0.5},
    }
    recipe = parse_recipe(content, where="the test")
    (tmp_path / "recipe.toml").write_text(recipe_text(recipe))
    assert read_recipe(tmp_path / "recipe.toml") == recipe


def test_a_recipe_trains_named_heads(installed, tmp_path):
    content = {
        "size": 32,
        "data": {"dataset": "drawn"},
        "filters": {"backbone": "vgg11", "cut": "block1", "weights": "random"},
        "heads": [{"plugin": "classify", "name": "kind"}, {"plugin": "zoo-boxes:locate", "weight": 0.3}],
        "training": {"epochs": 1, "batch": 32},
    }
    run = train_recipe(parse_recipe(content, where="the test"), tmp_path / "run")
    assert run.metrics["test"].keys() == {"kind", "locate"}

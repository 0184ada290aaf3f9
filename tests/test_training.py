"""Fine-tuning: it learns, it stops and goes on as if nothing had happened, and it says what is wrong."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import zoo
from zoo.errors import FileError, UnknownNameError, UsageError, ZooError
from zoo.training.checkpoints import load_checkpoint, save_checkpoint
from zoo.training.finetune import resume, train_recipe
from zoo.training.loop import StoppedError
from zoo.training.recipe import parse_recipe, read_recipe, recipe_text
from zoo.training.scoring import fit_temperature

SMALL = {"head_epochs": 4, "epochs": 3, "batch": 16, "checkpoint_seconds": 0.0}


def recipe_for(folder: Path, **changes):
    training = {**SMALL, **changes.pop("training", {})}
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(folder)},
        "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
        "training": training,
        **changes,
    }
    return parse_recipe(content, where="the test")


def saved(run) -> dict[str, torch.Tensor]:
    return {**load_file(run.folder / "filters.safetensors"), **load_file(run.folder / "heads.safetensors")}


def assert_same_bits(one, other):
    first, second = saved(one), saved(other)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def stop_when_tuning(what, done, total=None, note=""):
    """A progress listener that asks this process to stop at the first step of fine-tuning."""
    if what == "fine-tuning":
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_net_learns_shapes_from_scratch(shapes, tmp_path):
    run = train_recipe(recipe_for(shapes, training={"epochs": 12, "rate": 1e-3}), tmp_path / "run")
    assert run.metrics["test"]["classify"]["accuracy"] > 0.8


def test_an_untrained_net_is_never_the_best_epoch(shapes, tmp_path):
    run = train_recipe(recipe_for(shapes, training={"epochs": 1, "rate": 1.0}), tmp_path / "run")
    figures = [entry["validation"]["classify"]["log_loss"] for entry in run.history]
    assert figures[1] > figures[0]  # so high a rate makes it worse
    assert [entry["best"] for entry in run.history] == [False, True]


def test_the_same_seed_gives_the_same_bits(shapes, tmp_path):
    one = train_recipe(recipe_for(shapes), tmp_path / "one")
    other = train_recipe(recipe_for(shapes), tmp_path / "other")
    assert_same_bits(one, other)


def test_another_seed_gives_other_weights(shapes, tmp_path):
    one = train_recipe(recipe_for(shapes), tmp_path / "one")
    other = train_recipe(recipe_for(shapes, seed=1), tmp_path / "other")
    assert not torch.equal(saved(one)["features.0.weight"], saved(other)["features.0.weight"])


def test_frozen_blocks_keep_their_weights_and_upper_blocks_do_not(shapes, tmp_path):
    base = train_recipe(recipe_for(shapes), tmp_path / "base")
    published = zoo.push(base, to=tmp_path / "published", license="apache-2.0")
    tuned = train_recipe(
        recipe_for(shapes, filters={"name": str(published.folder)}, training={"retrain": "block2"}),
        tmp_path / "tuned",
    )
    before, after = saved(base), saved(tuned)
    assert torch.equal(before["features.0.weight"], after["features.0.weight"])
    assert tuned.record.base_manifest == published.digest


def test_retrain_none_trains_the_heads_only(shapes, tmp_path):
    base = train_recipe(recipe_for(shapes), tmp_path / "base")
    zoo.push(base, to=tmp_path / "published", license="apache-2.0")
    tuned = train_recipe(
        recipe_for(shapes, filters={"name": str(tmp_path / "published")}, training={"retrain": "none"}),
        tmp_path / "tuned",
    )
    before, after = load_file(base.folder / "filters.safetensors"), load_file(tuned.folder / "filters.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {entry["stage"] for entry in tuned.history} == {"heads"}


def test_frozen_batch_norm_keeps_its_statistics(shapes, tmp_path):
    filters = {"backbone": "vgg11_bn", "cut": "block3", "weights": "random"}
    base = train_recipe(recipe_for(shapes, filters=filters), tmp_path / "base")
    zoo.push(base, to=tmp_path / "published", license="apache-2.0")
    tuned = train_recipe(
        recipe_for(shapes, filters={"name": str(tmp_path / "published")}, training={"retrain": "block3"}),
        tmp_path / "tuned",
    )
    before, after = saved(base), saved(tuned)
    assert torch.equal(before["features.1.running_mean"], after["features.1.running_mean"])
    assert torch.equal(before["features.5.running_var"], after["features.5.running_var"])


def test_a_stopped_run_goes_on_bit_for_bit(shapes, tmp_path):
    whole = train_recipe(recipe_for(shapes), tmp_path / "whole")
    steps = 0

    def stop_at_the_seventh(what, done, total=None, note=""):
        nonlocal steps
        steps += what == "fine-tuning"
        if steps == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError, match="zoo resume"):
        train_recipe(recipe_for(shapes), tmp_path / "stopped", progress=stop_at_the_seventh)
    assert (tmp_path / "stopped" / "checkpoint.safetensors").is_file()
    assert_same_bits(whole, resume(tmp_path / "stopped"))


def test_resume_of_a_finished_run_does_nothing(shapes, tmp_path):
    run = train_recipe(recipe_for(shapes), tmp_path / "run")
    before = (run.folder / "filters.safetensors").stat().st_mtime_ns
    assert resume(run.folder).done
    assert (run.folder / "filters.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.parametrize("begin", ["scratch", "filters"])
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(begin, shapes, tmp_path):
    if begin == "scratch":
        recipe = recipe_for(shapes, filters={"backbone": "vgg11_bn", "cut": "block2", "weights": "random"})
    else:  # heads on cached features first, then the last block above a frozen prefix
        recipe = recipe_for(shapes, filters={"name": "vgg16-plankton"}, training={"retrain": "block3"})
    (tmp_path / "recipe.toml").write_text(recipe_text(recipe))
    zoo_command = [sys.executable, "-m", "zoo"]

    def start(*words):
        return subprocess.Popen([*zoo_command, *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    assert start("train", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "whole")).wait() == 0
    dice, kills = random.Random(0), 0
    killed = tmp_path / "killed"
    process = start("train", str(tmp_path / "recipe.toml"), "--out", str(killed))
    while kills < 12:
        begun = time.monotonic()
        while not (killed / "checkpoint.safetensors").is_file() and process.poll() is None:
            time.sleep(0.02)
        time.sleep(dice.uniform(0.0, 1.5) + (6.0 if time.monotonic() - begun < 0.1 else 0.0))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
        process = start("resume", str(killed))
    assert process.wait() == 0
    assert kills >= 1
    assert_same_bits(zoo.open_run(tmp_path / "whole"), zoo.open_run(killed))


@pytest.mark.slow
def test_two_processes_train_one_net(shapes, tmp_path):
    (tmp_path / "recipe.toml").write_text(recipe_text(recipe_for(shapes, training={"epochs": 12, "rate": 1e-3})))
    words = ["-m", "zoo", "train", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, *words], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    run = zoo.open_run(tmp_path / "run")
    assert run.metrics["test"]["classify"]["accuracy"] > 0.8
    assert sum(map(sum, run.metrics["test"]["classify"]["confusion"])) == run.record.splits.test


def test_resume_refuses_a_dataset_that_has_changed(shapes, tmp_path):
    import shutil

    folder = shutil.copytree(shapes, tmp_path / "pictures")

    with pytest.raises(StoppedError):
        train_recipe(recipe_for(folder), tmp_path / "run", progress=stop_when_tuning)
    next((folder / "bar").iterdir()).unlink()
    with pytest.raises(UsageError, match="has changed since"):
        resume(tmp_path / "run")


def test_a_damaged_checkpoint_is_named(shapes, tmp_path):
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(shapes), tmp_path / "run", progress=stop_when_tuning)
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(b"nonsense")
    with pytest.raises(FileError, match=r"checkpoint\.safetensors: no readable checkpoint"):
        resume(tmp_path / "run")


def test_a_run_does_not_overwrite_another(shapes, tmp_path):
    train_recipe(recipe_for(shapes), tmp_path / "run")
    with pytest.raises(FileError, match="there is a run already"):
        train_recipe(recipe_for(shapes), tmp_path / "run")


def test_training_works_with_missing_targets(shapes, tmp_path):
    class Partly(zoo.Dataset):
        """Two targets; the second is known of every third picture."""

        targets = {"shape": zoo.Categories(("a", "b")), "shade": zoo.Categories(("c", "d"))}  # noqa: RUF012

        def prepare(self, root, progress=None):
            """Nothing."""

        def __len__(self):
            return 60

        def __getitem__(self, index):
            image = torch.full((3, 32, 32), 40 + 160 * (index % 2), dtype=torch.uint8)
            targets = {"shape": index % 2}
            if index % 3 == 0:
                targets["shade"] = index // 3 % 2
            return zoo.Sample(image=image, targets=targets)

    from zoo.models.model import HeadSpec

    heads = [HeadSpec(plugin="classify", target="shade")]
    model = zoo.assemble("vgg11", cut="block1", weights="random", heads=heads, dataset=Partly(), size=32)
    run = zoo.train(model, Partly(), out=tmp_path / "run", epochs=2, batch=16)
    assert "classify" in run.metrics["validation"]


def test_python_trains_a_model_in_hand(shapes, tmp_path):
    data = zoo.open_dataset("image-folder", shapes)
    model = zoo.assemble("vgg11", cut="block2", weights="random", dataset=data.dataset, size=32)
    run = zoo.train(model, data, out=tmp_path / "run", epochs=2)
    assert run.done
    assert read_recipe(run.folder / "recipe.toml") == run.recipe


def test_a_block_that_does_not_exist_cannot_be_retrained(shapes, tmp_path):
    with pytest.raises(UnknownNameError, match="block to retrain from"):
        train_recipe(recipe_for(shapes, training={"retrain": "blok2"}), tmp_path / "run")


def test_a_handful_of_right_answers_makes_no_net_sure_of_everything():
    logits = 4 * torch.nn.functional.one_hot(torch.arange(12) % 3, 3).float()
    assert 0.5 < fit_temperature(logits, torch.arange(12) % 3) < 1
    assert fit_temperature(logits.repeat(500, 1), torch.arange(12).repeat(500) % 3) < 0.5


def test_overconfident_logits_are_cooled():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2000, 3, generator=generator)
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(2 * logits, labels) == pytest.approx(2, rel=0.15)


def test_a_run_does_not_lie_among_its_pictures(shapes):
    with pytest.raises(UsageError, match="lies among the pictures"):
        train_recipe(recipe_for(shapes), shapes / "run")
    assert not (shapes / "run").exists()


def test_a_figure_that_is_never_finite_is_no_success(shapes, tmp_path):
    with pytest.raises(ZooError, match="Lower the rate"):
        train_recipe(recipe_for(shapes, training={"rate": 1e30, "clip": 1e30, "warmup": 0.0}), tmp_path / "run")
    assert not (tmp_path / "run" / "filters.safetensors").exists()


def test_a_checkpoint_that_says_something_else_than_was_written_is_named(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"average/a": torch.ones(3), "average/b": torch.ones(4)}, {"stage": 1})
    assert load_checkpoint(path)[1] == {"stage": 1}
    for was, now in ((b'\\"stage\\": 1', b'\\"stage\\": 7'), (b"average/a", b"average/c"), (b"sealed", b"sea1ed")):
        raw = path.read_bytes()
        assert was in raw
        (tmp_path / "other").write_bytes(raw.replace(was, now, 1))
        with pytest.raises(FileError, match="no readable checkpoint"):
            load_checkpoint(tmp_path / "other")


def test_checkpoints_hold_no_pickle(shapes, tmp_path):
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(shapes), tmp_path / "run", progress=stop_when_tuning)
    tensors, state = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert any(name.startswith("optimizer/") for name in tensors)
    assert json.loads(json.dumps(state))["stage"] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"data": {"dataset": "x"}, "filters": {"backbone": "vgg16", "cut": "b"}, "epocs": 3},
            "No key is called 'epocs'",
        ),
        ({"data": {"dataset": 3}, "filters": {"backbone": "vgg16", "cut": "b"}}, "data.dataset"),
        ({"data": {"dataset": "x"}, "filters": {}}, "say either name"),
        ({"data": {"dataset": "x"}, "filters": {"backbone": "vgg16"}}, "zoo cuts vgg16"),
        ({"data": {"dataset": "x"}, "filters": {"name": "y"}, "training": {"rate": -1.0}}, "training.rate"),
        (
            {"data": {"dataset": "x"}, "filters": {"name": "y"}, "training": {"ratte": 1.0}},
            "Did you mean 'training.rate'",
        ),
        ({"filters": {"name": "y"}}, "data"),
    ],
)
def test_a_wrong_recipe_is_said_in_one_line(content, message):
    with pytest.raises(FileError) as caught:
        parse_recipe(content, where="recipe.toml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_no_toml_names_the_line(tmp_path):
    (tmp_path / "recipe.toml").write_text("format = 1\nseed = = 2\n")
    with pytest.raises(FileError, match="line 2"):
        read_recipe(tmp_path / "recipe.toml")


def test_a_recipe_comes_back_as_it_was_written(shapes, tmp_path):
    recipe = recipe_for(shapes, heads=[{"plugin": "classify", "options": {"hidden": 8, "pool": "max"}}])
    (tmp_path / "recipe.toml").write_text(recipe_text(recipe))
    assert read_recipe(tmp_path / "recipe.toml") == recipe


def test_classes_with_one_picture_are_named(shapes, tmp_path):
    import shutil

    folder = shutil.copytree(shapes, tmp_path / "pictures")
    (folder / "lonely").mkdir()
    shutil.copy(next((folder / "bar").iterdir()), folder / "lonely" / "one.png")
    with pytest.raises(ZooError, match="lonely"):
        train_recipe(recipe_for(folder), tmp_path / "run")


def test_unreadable_pictures_stop_a_training_unless_they_are_to_be_skipped(shapes, tmp_path):
    import shutil

    folder = shutil.copytree(shapes, tmp_path / "pictures")
    (folder / "bar" / "zero.png").write_bytes(b"")
    broken = (folder / "disc" / "disc-000.png").read_bytes()
    (folder / "disc" / "half.png").write_bytes(broken[: len(broken) // 2])
    with pytest.raises(ZooError, match=r"2 of 122 pictures cannot be read.*zero\.png"):
        train_recipe(recipe_for(folder), tmp_path / "run")
    skipping = recipe_for(folder, data={"dataset": "image-folder", "root": str(folder), "skip_unreadable": True})
    run = train_recipe(skipping, tmp_path / "skipped")
    assert len(run.record.skipped) == 2


def test_a_folder_of_every_kind_of_picture_trains(shapes, tmp_path):
    from PIL import Image

    writers = {
        "jpg": lambda picture: picture,
        "png": lambda picture: picture.convert("P"),
        "tif": lambda picture: picture.convert("CMYK"),
        "bmp": lambda picture: picture.convert("L"),
        "webp": lambda picture: picture.convert("RGBA"),
        "tiff": lambda picture: Image.fromarray(np.asarray(picture.convert("L"), dtype=np.uint16) * 257),
    }
    for kind in ("bar", "disc"):
        (tmp_path / "mixed" / kind).mkdir(parents=True)
        for number, file in enumerate(sorted((shapes / kind).iterdir())[:24]):
            suffix = list(writers)[number % len(writers)]
            with Image.open(file) as picture:
                writers[suffix](picture).save(tmp_path / "mixed" / kind / f"{number}.{suffix}")
    run = train_recipe(recipe_for(tmp_path / "mixed"), tmp_path / "run")
    assert run.record.splits.train + run.record.splits.val + run.record.splits.test == 48

"""Fine-tuning: it learns, it stops and goes on as if nothing had happened, and it says what is wrong."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_shapes
from PIL import Image, ImageDraw
from safetensors.torch import load_file

import zoo
from zoo.errors import FileError, UnknownNameError, UsageError, ZooError, ZooWarning
from zoo.evaluation.metrics import category_metrics
from zoo.evaluation.run_metrics import evaluate
from zoo.files import locked, machine_id
from zoo.models.building import build_filters
from zoo.models.loading import keep_heads
from zoo.models.model import HeadSpec
from zoo.training.checkpoints import load_checkpoint, save_checkpoint
from zoo.training.finetune import resume, train_recipe
from zoo.training.loop import StoppedError
from zoo.training.recipe import TrainingPart, parse_recipe, read_recipe, recipe_text
from zoo.training.schedule import choose_rate
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


def test_a_trained_head_standardises_by_the_plain_training_pictures_of_the_weights_that_are_kept(shapes, tmp_path):
    recipe = recipe_for(shapes, training={"epochs": 2, "rate": 1e-2, "augment": "strong"})
    run = train_recipe(recipe, tmp_path / "run")
    data = zoo.open_dataset("image-folder", shapes)
    decoded = data.decode(32)
    rows = recipe.split(data, decoded).train
    filters = run.load_model().filters
    with torch.no_grad():
        pooled = filters(decoded.images[rows]).mean(dim=(2, 3))
    kept = saved(run)
    torch.testing.assert_close(kept["classify.layers.0.running_mean"], pooled.mean(dim=0), rtol=0.05, atol=0.02)


def test_the_default_rate_goes_by_the_size_of_the_weights(shapes, tmp_path):
    filters = build_filters("vgg11", cut="block2", weights="random", size=32)
    options = TrainingPart()
    rate = choose_rate(options, filters, fresh=False)
    top = filters["features.3"]
    assert rate == pytest.approx(0.007 * float(top.pow(2).mean().sqrt()), rel=0.02)
    with torch.no_grad():
        for one in filters.module.parameters():
            one.mul_(10)
    assert choose_rate(options, filters, fresh=False) == pytest.approx(10 * rate, rel=0.02)
    assert choose_rate(options, filters, fresh=True) == 3e-4
    assert choose_rate(TrainingPart(rate=0.5), filters, fresh=False) == 0.5


def test_the_rate_that_was_chosen_stands_in_the_run(shapes, tmp_path):
    assert train_recipe(recipe_for(shapes), tmp_path / "run").recipe.training.rate == 3e-4


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


def test_a_run_without_a_checkpoint_starts_from_the_beginning(shapes, tmp_path):
    whole = train_recipe(recipe_for(shapes), tmp_path / "whole")
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(shapes), tmp_path / "run", progress=stop_when_tuning)
    (tmp_path / "run" / "history.json").unlink()  # as after a full disk, or a kill right at the start
    (tmp_path / "run" / "checkpoint.safetensors").unlink()
    (tmp_path / "run" / f".zoo-{machine_id()}-4194303-abc.part").mkdir()  # of a process that has ended
    told: list[str] = []
    assert_same_bits(whole, resume(tmp_path / "run", tell=told.append))
    assert told[:2] == [
        f"{tmp_path / 'run'} has no checkpoint yet: its training starts from the beginning.",
        "Starting from random weights: filters up to block2; all heads new.",
    ]
    assert not list((tmp_path / "run").glob(".*"))


def test_first_weights_that_cannot_be_made_again_are_not_replaced_by_others(shapes, tmp_path):
    data = zoo.open_dataset("image-folder", shapes)
    model = zoo.assemble("vgg11", cut="block1", weights="random", dataset=data, size=32, seed=5)
    run = zoo.train(model, data, out=tmp_path / "run", epochs=1, batch=16)
    run.note(status="training")
    with pytest.raises(FileError, match=r"no checkpoint, and what it started from is gone or has changed\. Train anew"):
        resume(run.folder)


def test_a_run_goes_on_where_its_pictures_are_now(shapes, tmp_path):
    pictures, moved = shutil.copytree(shapes, tmp_path / "pictures"), tmp_path / "moved"
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(pictures), tmp_path / "run", progress=stop_when_tuning)
    pictures.rename(moved)
    run = resume(tmp_path / "run", root=moved)
    assert run.done
    assert Path(run.record.root) == moved
    assert evaluate(run)["classify"]["accuracy"] == run.metrics["test"]["classify"]["accuracy"]


def test_other_pictures_are_not_gone_on_with(shapes, tmp_path):
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(shapes), tmp_path / "run", progress=stop_when_tuning)
    other = write_shapes(tmp_path / "other", each=8, seed=1)
    with pytest.raises(UsageError, match=r"these are not the pictures of .* 96 gone"):
        resume(tmp_path / "run", root=other)


@pytest.fixture(scope="module")
def learnt(shapes, tmp_path_factory):
    """A run that knows the shapes."""
    recipe = recipe_for(shapes, training={"epochs": 12, "rate": 1e-3})
    return train_recipe(recipe, tmp_path_factory.mktemp("learnt") / "shapes")


def with_crosses(shapes: Path, folder: Path) -> Path:
    """The same pictures, and a fourth kind."""
    shutil.copytree(shapes, folder)
    (folder / "cross").mkdir()
    rng = np.random.default_rng(7)
    for number in range(40):
        picture = Image.fromarray(rng.integers(0, 80, (48, 48, 3), dtype=np.uint8))
        pen, (x, y) = ImageDraw.Draw(picture), rng.uniform(18, 30, 2)
        pen.rectangle((x - 2, y - 12, x + 2, y + 12), fill="white")
        pen.rectangle((x - 12, y - 2, x + 12, y + 2), fill="white")
        picture.save(folder / "cross" / f"cross-{number:03d}.png")
    return folder


def go_on(run, folder: Path, out: Path, told: list[str], *, heads: bool = True):
    recipe = recipe_for(folder, filters={"name": str(run.folder), "heads": heads}, training={"epochs": 0})
    return train_recipe(recipe, out, tell=told.append)


def test_a_run_learns_one_more_class_and_says_what_it_starts_from(shapes, learnt, tmp_path):
    folder, told = with_crosses(shapes, tmp_path / "four"), []
    more = go_on(learnt, folder, tmp_path / "more", told)
    anew = go_on(learnt, folder, tmp_path / "anew", told, heads=False)
    assert told[0] == (
        f"Starting from {learnt.folder}: filters up to block2; head classify kept for 3 of 4 classes, new: cross."
    )
    assert f"Starting from {learnt.folder}: filters up to block2; all heads new." in told
    ours, theirs = (run.metrics["validation"]["classify"] for run in (more, anew))
    assert ours["accuracy"] >= max(theirs["accuracy"], 0.7)
    assert ours["log_loss"] < theirs["log_loss"]
    assert more.record.base_manifest == zoo.fetch(learnt.folder).digest


def test_classes_that_are_renamed_gone_or_in_another_order_are_matched_by_name(shapes, learnt, tmp_path):
    folder = tmp_path / "renamed"
    for kind, name in (("bar", "rod"), ("disc", "disc")):
        shutil.copytree(shapes / kind, folder / name)
    model = zoo.assemble(zoo.load(learnt.folder), dataset=zoo.open_dataset("image-folder", folder))
    fresh = model.head("classify").layers[-1].weight.detach().clone()
    before = zoo.load_model(learnt.folder)
    assert keep_heads(model, before) == ["head classify kept for 1 of 2 classes, new: rod, gone: bar, ring"]
    now, known = (one.head("classify").layers[-1].weight for one in (model, before))
    assert torch.equal(now[0], known[1])  # disc
    assert torch.equal(now[1], fresh[1])  # rod
    reordered = zoo.assemble(zoo.load(learnt.folder), dataset={"label": zoo.Categories(("ring", "bar", "disc"))})
    assert keep_heads(reordered, before) == ["head classify kept for 3 of 3 classes"]
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    before.temperatures.clear()
    assert torch.equal(reordered.predict(images)["classify"], before.predict(images)["classify"][:, [2, 0, 1]])


def test_a_hidden_layer_as_wide_as_there_are_classes_is_not_taken_for_classes():
    filters = build_filters("vgg11", cut="block1", weights="random", size=32)
    heads = [HeadSpec(plugin="classify", options={"hidden": 3})]
    one, other = (
        zoo.assemble(filters, dataset={"label": zoo.Categories(tuple(names))}, heads=heads, seed=seed)
        for seed, names in enumerate(("abc", "cba"))
    )
    keep_heads(other, one)
    assert torch.equal(one.head("classify").layers[1].weight, other.head("classify").layers[1].weight)
    assert torch.equal(one.head("classify").layers[3].weight, other.head("classify").layers[3].weight[[2, 1, 0]])


def test_a_model_with_other_classes_than_the_pictures_is_not_trained(shapes, learnt, tmp_path):
    data = zoo.open_dataset("image-folder", with_crosses(shapes, tmp_path / "four"))
    with pytest.raises(UsageError, match="other classes than"):
        zoo.train(learnt.load_model(), data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


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
    folder = shutil.copytree(shapes, tmp_path / "pictures")

    with pytest.raises(StoppedError):
        train_recipe(recipe_for(folder), tmp_path / "run", progress=stop_when_tuning)
    (folder / "bar" / "bar-003.png").unlink()
    shutil.copy(folder / "disc" / "disc-000.png", folder / "disc" / "twin.png")
    (folder / "ring" / "ring-001.png").write_bytes((folder / "ring" / "ring-002.png").read_bytes())
    said = r"1 added \(disc/twin\.png\); 1 gone \(bar/bar-003\.png\); 1 changed or labelled anew \(ring/ring-001\.png\)"
    with pytest.raises(UsageError, match=said):
        resume(tmp_path / "run")


def test_resume_knows_pictures_again_that_were_copied_beside_what_systems_leave(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(folder), tmp_path / "run", progress=stop_when_tuning)
    shutil.rmtree(folder)
    folder = shutil.copytree(shapes, tmp_path / "moved", copy_function=shutil.copy)  # with new times
    for name in (".DS_Store", "Thumbs.db", "bar/._bar-000.png", "notes.txt"):
        (folder / name).write_bytes(b"left behind")
    assert resume(tmp_path / "run", root=folder).done


def test_a_run_of_an_earlier_version_goes_by_how_many_pictures_there_are(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    run = train_recipe(recipe_for(folder, training={"epochs": 1, "head_epochs": 0}), tmp_path / "run")
    run.note(fingerprint="0" * 64)
    (run.folder / "pictures.json").unlink()
    with pytest.warns(ZooWarning, match="an earlier version kept no list of its pictures; as many are there as then"):
        assert evaluate(zoo.open_run(run.folder))["classify"]["log_loss"] > 0
    shutil.copytree(folder / "disc", folder / "disc" / "more")
    with pytest.raises(UsageError, match=r"as they were then: there are more or fewer\. Score all of them"):
        evaluate(zoo.open_run(run.folder))


def test_a_damaged_list_of_pictures_is_named(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    run = train_recipe(recipe_for(folder, training={"epochs": 1, "head_epochs": 0}), tmp_path / "run")
    (folder / "disc" / "disc-000.png").unlink()
    (run.folder / "pictures.json").write_bytes(b"nonsense")
    with pytest.raises(FileError, match=r"pictures\.json: it is damaged"):
        evaluate(zoo.open_run(run.folder))


def test_a_newer_version_of_a_datasets_package_is_no_other_dataset(shapes, tmp_path):
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(shapes), tmp_path / "run", progress=stop_when_tuning)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["dataset"]["version"] = "0.0.1"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert resume(tmp_path / "run").done


def test_a_damaged_checkpoint_is_named(shapes, tmp_path):
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(shapes), tmp_path / "run", progress=stop_when_tuning)
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(b"nonsense")
    with pytest.raises(FileError, match=r"checkpoint\.safetensors: no readable checkpoint .* Remove it, and"):
        resume(tmp_path / "run")


def test_a_run_does_not_overwrite_another(shapes, tmp_path):
    train_recipe(recipe_for(shapes), tmp_path / "run")
    with pytest.raises(FileError, match="there is a run already"):
        train_recipe(recipe_for(shapes), tmp_path / "run")


def test_a_run_that_another_process_trains_is_left_to_it(shapes, tmp_path):
    with pytest.raises(StoppedError):
        train_recipe(recipe_for(shapes), tmp_path / "run", progress=stop_when_tuning)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with locked(tmp_path / "run"), pytest.raises(FileError, match=r"run: another process is writing it\. Wait for it"):
        resume(tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


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
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    (folder / "lonely").mkdir()
    shutil.copy(next((folder / "bar").iterdir()), folder / "lonely" / "one.png")
    with pytest.raises(ZooError, match="lonely"):
        train_recipe(recipe_for(folder), tmp_path / "run")


def test_unreadable_pictures_stop_a_training_unless_they_are_to_be_skipped(shapes, tmp_path):
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


@pytest.mark.parametrize(("classes", "scored"), [(2, False), (5, False), (6, True)])
def test_top_five_is_scored_only_where_it_says_something(classes, scored):
    assert ("top5" in category_metrics(classes)) == scored

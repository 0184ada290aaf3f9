"""`zoo ablate`: paired arms, resumable, and honest about what it can tell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import drawn_boxes
import pytest
import torch
from command_line import CommandLine
from drawn_boxes import DrawnBoxes
from drawn_plugin import installed_datasets
from PIL import Image
from zoo_ablation.ablation import ablate
from zoo_ablation.primary_metric import find_primary_metric
from zoo_ablation.variants import plan_variants

import zoo
from zoo.errors import FileError, UnknownNameError, UsageError
from zoo.files import locked
from zoo.models.model import HeadSpec
from zoo.training.finetune import train_recipe
from zoo.training.loop import StoppedError
from zoo.training.recipe import parse_recipe
from zoo.training.runs import open_run
from zoo.training.targets import make_head_targets

HEADS = [{"plugin": "classify"}, {"plugin": "locate", "weight": 0.5}]
CONTENT = {
    "size": 32,
    "data": {"dataset": "drawn", "options": {"empty": 0.0}},
    "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
    "heads": HEADS,
    "training": {"epochs": 2, "batch": 32, "rate": 2e-3},
}
TARGETS = DrawnBoxes.targets


def recipe(**changes):
    return parse_recipe({**CONTENT, **changes}, where="the test")


@pytest.fixture(scope="module")
def home_of_all(tmp_path_factory):
    return tmp_path_factory.mktemp("ablations")


@pytest.fixture(autouse=True)
def installed(home_of_all, tmp_path, monkeypatch):
    """The drawn datasets as a package brings them, decoded once for all tests."""
    monkeypatch.setenv("ZOO_HOME", str(home_of_all / "home"))
    names = {"drawn": "drawn_boxes:DrawnBoxes", "boats": "drawn_boxes:Boats", "hinted": "hinted:Hinted"}
    with installed_datasets(tmp_path / "site", monkeypatch, **names):
        yield tmp_path / "site"


@pytest.fixture(scope="module")
def whole(home_of_all, tmp_path_factory):
    """An ablation of all five arms from two seeds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ZOO_HOME", str(home_of_all / "home"))
        site = tmp_path_factory.mktemp("site") / "site"
        told = []
        with installed_datasets(site, patched, drawn="drawn_boxes:DrawnBoxes"):
            report = ablate(recipe(), home_of_all / "whole", without="locate", seeds=2, tell=told.append)
        return report, home_of_all / "whole", told


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


# ------------------------------------------------------------------------------------------------ arms


def test_all_arms_are_trained_and_compared(whole):
    report, folder, told = whole
    assert [variant.key for variant in report.splits[0].variants] == [
        "without",
        "with",
        "placebo",
        "two-stage",
        "oracle",
    ]
    assert [len(variant.values) for variant in report.splits[0].variants] == [2] * 5
    assert len(told) == 10
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        *("locator", "oracle", "placebo", "two-stage", "with", "without")
    ]


def test_figures_are_those_of_the_runs(whole):
    report, folder, _ = whole
    for variant in report.splits[0].variants:
        found = [open_run(folder / variant.key / str(seed)).metrics["test"]["classify"]["accuracy"] for seed in (0, 1)]
        assert list(variant.values) == found


def test_every_arm_has_the_same_pictures_in_every_split(whole):
    _, folder, _ = whole
    for seed in ("0", "1"):
        splits = {open_run(run).record.splits.model_dump_json() for run in folder.glob(f"*/{seed}")}
        assert len(splits) == 1


def test_arms_begin_with_the_same_weights():
    start = {"cut": "block2", "weights": "random", "size": 32, "dataset": DrawnBoxes(), "seed": 3}
    locate = HeadSpec(plugin="locate")
    alone = zoo.assemble("vgg11", heads=["classify"], **start)
    after = zoo.assemble("vgg11", heads=["classify", locate], **start)
    before = zoo.assemble("vgg11", heads=[locate, "classify"], **start)
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name])
        assert torch.equal(tensor, before.state_dict()[name])


def test_the_placebo_learns_other_pictures_boxes_and_no_others(tmp_path):
    model = zoo.assemble(
        "vgg11", cut="block2", weights="random", size=32, heads=["classify", "locate"], dataset=DrawnBoxes()
    )
    from zoo.data.datasets import open_dataset

    data = open_dataset("drawn", options={"empty": 0.3, "unboxed": 0.2})
    decoded = data.decode(32)
    splits = data.split(decoded, seed=0)
    head_targets = make_head_targets(model, decoded, shuffled=["locate"], rows=splits.train, seed=5)
    true, taught = decoded.targets["box"].nan_to_num(-1), head_targets["locate"].values.nan_to_num(-1)
    known = splits.train[decoded.known["box"][splits.train]]
    assert torch.equal(head_targets["classify"].values, decoded.targets["label"])
    assert torch.equal(true[splits.val], taught[splits.val])
    assert torch.equal(true[splits.test], taught[splits.test])
    assert sorted(true[known].tolist()) == sorted(taught[known].tolist())
    boxed = (true[known] >= 0).any(dim=1)
    same = (true[known] == taught[known]).all(dim=1)
    assert int(same.sum()) <= int((~boxed).sum())  # only "nothing there" may meet its like
    again = make_head_targets(model, decoded, shuffled=["locate"], rows=splits.train, seed=5)["locate"].values
    other = make_head_targets(model, decoded, shuffled=["locate"], rows=splits.train, seed=6)["locate"].values
    assert torch.equal(taught, again.nan_to_num(-1))
    assert not torch.equal(taught, other.nan_to_num(-1))


def test_a_placebo_run_says_so_in_its_recipe(whole):
    _, folder, _ = whole
    assert "shuffled = true" in (folder / "placebo" / "0" / "recipe.toml").read_text()
    assert [head.shuffled for head in open_run(folder / "placebo" / "1").recipe.heads] == [False, True]


def test_the_two_stages_share_the_seed_and_the_splits(whole):
    _, folder, _ = whole
    first, second = open_run(folder / "locator" / "1"), open_run(folder / "two-stage" / "1")
    assert [head.plugin for head in first.recipe.heads] == ["locate"]
    assert [head.plugin for head in second.recipe.heads] == ["classify"]
    assert first.recipe.seed == second.recipe.seed == 1
    assert second.record.crop.by == str(first.folder)


def test_a_head_of_no_box_has_three_arms(tmp_path):
    heads = (*recipe().heads, recipe(heads=[{"plugin": "classify", "name": "again"}]).heads[0])
    asked = recipe().model_copy(update={"heads": heads})
    variants = plan_variants(asked, "again", targets=TARGETS, target="label")
    assert [variant.key for variant in variants] == ["without", "with", "placebo"]
    assert [variant.title for variant in variants] == [
        "classify + locate",
        "classify + locate + again",
        "classify + locate + again, shuffled",
    ]


def test_weights_of_the_first_seed_are_kept_and_no_others(whole):
    _, folder, _ = whole
    assert all(open_run(folder / variant / "0").load_model() for variant in ("with", "without", "two-stage", "oracle"))
    with pytest.raises(
        FileError, match=r"this run's weights were not kept\. Take the first seed's, or say `zoo ablate"
    ):
        open_run(folder / "with" / "1").load_model()
    assert not list(folder.glob("*/1/*.safetensors"))


def test_arms_share_the_decoded_pictures_and_crops_of_locators_go(whole, home_of_all):
    _, folder, _ = whole
    decoded = {path.name for path in (home_of_all / "home" / "decoded").iterdir()}
    prints = {run.parent.name: open_run(run).record.decoded[:32] + "-32" for run in folder.glob("*/0")}
    assert {prints["with"], prints["oracle"]} <= decoded
    assert prints["with"] == prints["without"] == prints["placebo"] == prints["locator"]
    assert prints["two-stage"] not in decoded


def test_frozen_features_are_computed_once_for_all_arms_of_a_seed(tmp_path):
    heads = [{"plugin": "classify"}, {"plugin": "locate"}]
    asked = recipe(
        heads=heads,
        filters={"name": "vgg16-plankton", "cut": "block2"},
        training={"head_epochs": 1, "epochs": 1, "batch": 32, "retrain": "block2"},
    )
    seen = []

    def listen(what, done, total=None, note=""):
        if done == total and what in ("computing frozen features", "computing the frozen blocks"):
            seen.append(what)

    ablate(asked, tmp_path / "out", without="locate", seeds=1, variants=["with", "placebo"], progress=listen)
    assert sorted(seen) == ["computing frozen features", "computing the frozen blocks"]


def test_sharing_frozen_features_changes_no_bit(tmp_path):
    asked = recipe(
        filters={"name": "vgg16-plankton", "cut": "block2"},
        training={"head_epochs": 2, "epochs": 1, "batch": 32, "retrain": "block2"},
    )
    ablate(asked, tmp_path / "out", without="locate", seeds=1, variants=["with"])
    alone = train_recipe(asked.model_copy(update={"heads": asked.heads[:1]}), tmp_path / "alone")
    assert open_run(tmp_path / "out" / "without" / "0").metrics == alone.metrics


# ------------------------------------------------------------------------------------------------ groups


def test_seen_groups_are_held_out_where_groups_are_known(tmp_path):
    content = recipe(data={"dataset": "boats", "options": {"empty": 0.0}})
    report = ablate(content, tmp_path / "out", without="locate", seeds=1, variants=["with"])
    assert [split.split for split in report.splits] == ["seen", "unseen"]
    run = open_run(tmp_path / "out" / "with" / "0")
    assert run.record.splits.seen > 0
    assert run.metrics["seen"]["classify"]["accuracy"] == report.splits[0].variants[1].values[0]
    assert run.metrics["test"]["classify"]["accuracy"] == report.splits[1].variants[1].values[0]


def test_groups_that_are_learnt_from_are_not_called_unseen(installed, tmp_path, monkeypatch):
    with installed_datasets(tmp_path / "more", monkeypatch, shared="drawn_boxes:Shared"):
        asked = recipe(data={"dataset": "shared", "options": {"empty": 0.0}, "seen": 0.2})
        report = ablate(asked, tmp_path / "out", without="locate", seeds=1, variants=["with"])
    assert [split.split for split in report.splits] == ["test"]


def test_without_groups_there_are_test_pictures_only(whole):
    assert [split.split for split in whole[0].splits] == ["test"]


# ------------------------------------------------------------------------------------------------ going on


def test_the_same_call_again_trains_nothing(whole):
    report, folder, _ = whole
    told = []
    again = ablate(recipe(), folder, without="locate", seeds=2, tell=told.append)
    assert told == []
    assert again == report


def test_more_seeds_add_to_what_is_there(home_of_all, whole, tmp_path):
    report, folder, _ = whole
    told = []
    more = ablate(recipe(), folder, without="locate", seeds=3, variants=["with"], tell=told.append)
    assert [line.split("  ")[0] for line in told] == ["seed 2", "seed 2"]
    assert more.seeds == (0, 1, 2)
    assert [variant.key for variant in more.splits[0].variants] == ["without", "with"]
    for seed in ("with", "without"):
        shutil.rmtree(folder / seed / "2")
    assert ablate(recipe(), folder, without="locate", seeds=2) == report


def test_fewer_seeds_and_arms_take_nothing_from_the_report(whole):
    report, folder, _ = whole
    assert ablate(recipe(), folder, without="locate", seeds=1, variants=["oracle"]) == report
    assert len(json.loads((folder / "ablation.json").read_text())["made"]["runs"]) == 12  # locators too


def test_weights_that_were_dropped_are_trained_again_where_they_are_wanted(tmp_path):
    report = ablate(recipe(), tmp_path / "out", without="locate", seeds=2, variants=["two-stage"])
    assert not list((tmp_path / "out").glob("*/1/*.safetensors"))
    assert ablate(recipe(), tmp_path / "out", without="locate", seeds=2, variants=["two-stage"], keep=True) == report
    assert open_run(tmp_path / "out" / "two-stage" / "1").load_model().crop is not None


def test_the_judged_head_picks_the_best_epoch_wherever_it_stands(tmp_path):
    one = ablate(recipe(), tmp_path / "one", without="locate", seeds=1, variants=["with"])
    turned = ablate(recipe(heads=HEADS[::-1]), tmp_path / "turned", without="locate", seeds=1, variants=["with"])
    assert one.splits == turned.splits
    assert [head.plugin for head in open_run(tmp_path / "turned" / "with" / "0").recipe.heads] == ["classify", "locate"]


def test_a_stopped_ablation_goes_on_with_the_same_figures(whole, tmp_path):
    report, _, _ = whole
    asked = recipe(training={**CONTENT["training"], "checkpoint_seconds": 0.0})
    calls = []

    def listen(what, done, total=None, note=""):
        calls.append(what)
        if calls.count("fine-tuning") == 9 and what == "fine-tuning":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError):
        ablate(asked, tmp_path / "out", without="locate", seeds=2, progress=listen)
    assert json.loads((tmp_path / "out" / "placebo" / "0" / "run.json").read_text())["status"] == "stopped"
    assert ablate(asked, tmp_path / "out", without="locate", seeds=2).splits == report.splits


@pytest.mark.slow
def test_an_ablation_that_is_killed_again_and_again_ends_with_the_same_figures(whole, tmp_path, installed):
    report, _, _ = whole
    content = json.dumps({**CONTENT, "training": {**CONTENT["training"], "checkpoint_seconds": 0.0}})
    script = (
        "import json, sys\nfrom zoo_ablation.ablation import ablate\nfrom zoo.training.recipe import parse_recipe\n"
        f"asked = parse_recipe(json.loads({content!r}), where='the test')\n"
        f"ablate(asked, {str(tmp_path / 'out')!r}, without='locate', seeds=2)\n"
    )
    tests = str(Path(drawn_boxes.__file__).parent)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), tests])}
    for attempt in range(12):
        process = subprocess.Popen([sys.executable, "-c", script], env=env)
        try:
            process.wait(timeout=4.0 + 0.7 * attempt)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    asked = parse_recipe(json.loads(content), where="the test")
    assert ablate(asked, tmp_path / "out", without="locate", seeds=2).splits == report.splits


def test_two_at_once_in_one_folder_are_refused(whole):
    _, folder, _ = whole
    with locked(folder), pytest.raises(FileError, match=r"another process is writing it\. Wait for it"):
        ablate(recipe(), folder, without="locate", seeds=2)


# ------------------------------------------------------------------------------------------------ the proof


@pytest.mark.slow
def test_a_signal_that_is_there_is_found_and_a_placebo_is_not(tmp_path):
    asked = parse_recipe(
        {
            "size": 16,
            "data": {"dataset": "hinted"},
            "filters": {"backbone": "digits/mnist-convnet", "weights": "random", "cut": "block2"},
            "heads": [
                {"plugin": "classify", "target": "label"},
                {"plugin": "classify", "name": "hint", "target": "hint"},
            ],
            "training": {"epochs": 20, "batch": 64, "rate": 3e-3, "augment": "none", "patience": 20},
        },
        where="the test",
    )
    report = ablate(asked, tmp_path / "out", without="hint", seeds=10)
    (split,) = report.splits
    with_hint, placebo = split.variant("with"), split.variant("placebo")
    assert with_hint is not None
    assert placebo is not None
    assert with_hint.against is not None
    assert placebo.against is not None
    assert split.against_placebo is not None
    assert with_hint.against.verdict == "helps"
    assert with_hint.against.difference > 0.05
    assert placebo.against.verdict != "helps"
    assert split.against_placebo.verdict == "helps"
    assert "it is what the head learns" in report.sentence(split)


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_line_ablates_and_draws(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        *("ablate", "drawn", "--set", "empty=0", "--backbone", "vgg11", "--cut", "block2", "--weights", "random"),
        *("--head", "classify", "--head", "locate:weight=0.5", "--size", 32, "--epochs", 1, "--batch", 32),
        *("--without", "locate", "--seeds", 2, "--variant", "with"),
    ]
    answer = command(*words)
    assert answer.status == 0, answer.err
    assert "From 2 seeds nothing can be concluded: at least 6 are needed." in answer.err
    assert "seed 1  classify + locate: accuracy test 0." in answer.err
    assert "classify + locate" in answer.out
    assert "too few seeds" in answer.out
    folder = tmp_path / "ablations" / "drawn-locate"
    with Image.open(folder / "ablation.png") as picture:
        assert picture.width == 1500
    assert (folder / "ablation.md").read_text().startswith("### On test pictures")
    content = json.loads((folder / "ablation.json").read_text())
    assert [run["arm"] for run in content["made"]["runs"]] == ["with", "with", "without", "without"]
    as_json = command(*words, "--json", "-q")
    assert json.loads(as_json.out)["splits"] == content["splits"]


def test_a_runs_folder_is_a_recipe(whole, command, tmp_path):
    _, folder, _ = whole
    answer = command("ablate", folder / "with" / "0", "--without", "locate", "--seeds", 1, "--variant", "with", "-q",
                     "--out", tmp_path / "out", "--metric", "log_loss")  # fmt: skip
    assert answer.status == 0, answer.err
    assert "log loss" in answer.out


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--without", "boxes"],
            "The recipe has no head 'boxes' to leave out; it has classify, locate. Add it: --head",
        ),
        (["--without", "locate", "--head", "locate"], "Without 'locate' no head is left that could be scored"),
        (["--without", "locate", "--variant", "oracel"], "No variant is called 'oracel'. Did you mean 'oracle'?"),
        (
            ["--without", "locate", "--variant", "without"],
            "One variant is nothing to compare. Name another: --variant with.",
        ),
        (
            ["--without", "classify", "--variant", "oracle"],
            "needs boxes to crop to ('label' is no box). Variants: without, with, placebo",
        ),
        (["--without", "locate", "--metric", "acuracy"], "Did you mean 'accuracy'?"),
        (["--without", "locate", "--head", "classify", "--head", "classify"], "The recipe has no head 'locate'"),
    ],
    ids=["no such head", "nothing left", "no such arm", "one arm", "no crop without a box", "no such metric", "no box"],
)
def test_odd_questions_are_answered_in_one_line(words, message, command, tmp_path):
    heads = [] if "--head" in words else ["--head", "classify", "--head", "locate"]
    answer = command(
        *("ablate", "drawn", "--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", 32),
        *(*heads, *words, "--out", tmp_path / "out"),
    )
    assert message in answer.fault
    assert not (tmp_path / "out").exists()


def test_another_question_in_the_same_folder_is_refused(whole):
    _, folder, _ = whole
    with pytest.raises(UsageError, match=r"another ablation lies there \(other recipe\)\. Choose another `out=`"):
        ablate(recipe(size=48), folder, without="locate", seeds=2)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("all of it")
    with pytest.raises(FileError, match=r"it is there already and is not empty\. Choose another `out=`"):
        ablate(recipe(), tmp_path / "out", without="locate", seeds=2)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "all of it"


def test_a_dataset_that_has_changed_is_said(whole):
    _, folder, _ = whole
    path = folder / "question.json"
    before = path.read_text()
    for key, what in (("pictures", "the dataset has"), ("start", "the filters that it starts from have")):
        path.write_text(json.dumps({**json.loads(before), key: "0" * 64}))
        with pytest.raises(UsageError, match=f"{what} changed since this ablation began. Put them back"):
            ablate(recipe(), folder, without="locate", seeds=2)
    path.write_text(before)


def test_a_recipe_that_is_written_otherwise_is_the_same(whole):
    _, folder, _ = whole
    path = folder / "question.json"
    before = path.read_text()
    said = json.loads(before)
    path.write_text(json.dumps({**said, "recipe": f"# by hand\n{said['recipe']}"}))
    ablate(recipe(), folder, without="locate", seeds=2)
    path.write_text(before)


def test_a_run_on_other_pictures_is_not_compared(tmp_path):
    ablate(recipe(), tmp_path / "out", without="locate", seeds=1, variants=["with"])
    path = tmp_path / "out" / "with" / "0" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pictures": "0" * 64}))
    with pytest.raises(UsageError, match="its pictures are not those that the ablation began with"):
        ablate(recipe(), tmp_path / "out", without="locate", seeds=1, variants=["with"])


def test_an_ablation_does_not_lie_among_the_pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    DrawnBoxes()[0]
    Image.new("RGB", (8, 8)).save(folder / "one.png")
    asked = recipe(data={"dataset": "drawn", "root": str(folder)})
    with pytest.raises(UsageError, match="lies among the pictures"):
        ablate(asked, folder / "out", without="locate", seeds=1)
    assert [path.name for path in folder.iterdir()] == ["one.png"]


def test_the_judge_knows_which_way_is_better():
    model = zoo.assemble(
        "vgg11", cut="block2", weights="random", size=32, heads=["classify", "locate"], dataset=DrawnBoxes()
    )
    found = {name: find_primary_metric(model, "classify", name) for name in (None, "log_loss", "balanced_accuracy")}
    assert (found[None].metric, found[None].better, found[None].share) == ("accuracy", "higher", True)
    assert (found["log_loss"].better, found["log_loss"].share) == ("lower", False)
    assert (found["balanced_accuracy"].better, found["balanced_accuracy"].share) == ("higher", True)
    assert find_primary_metric(model, "locate", None).metric == "iou"
    with pytest.raises(UnknownNameError, match="No metric of the head 'classify' is called 'recall'"):
        find_primary_metric(model, "classify", "recall")


def test_shuffled_heads_cannot_be_asked_for_again():
    asked = recipe(heads=[HEADS[0], {**HEADS[1], "shuffled": True}])
    with pytest.raises(UsageError, match="'locate' is shuffled already: it is the placebo"):
        plan_variants(asked, "locate", targets=TARGETS, target="box")

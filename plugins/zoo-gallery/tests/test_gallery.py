"""The gallery: the map and its neighbours, what goes into the page, and the page itself in a browser."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from chromium import Browser, find_chromium
from command_line import CommandLine
from PIL import Image
from zoo_gallery.description import HeadMetrics, describe_filters
from zoo_gallery.layout import MapLayout, find_nearest_of_all, lay_out_map
from zoo_gallery.map_images import MapImages, gather_images, gather_table, shorten_paths
from zoo_gallery.map_json import escape_for_script, make_map_data
from zoo_gallery.page import render_gallery
from zoo_gallery.plots import FilterPlots, find_artifact_plots, order_plots, read_plots
from zoo_gallery.thumbnails import make_thumbnail, thumbnail_side
from zoo_gallery.writing import write_gallery

import zoo
from zoo.data import open_images, read_image
from zoo.errors import FileError, UsageError, ZooError
from zoo.training import Run, parse_recipe, train_recipe

HOSTILE = (
    "</script><script>window.__pwned = 1</script>",
    "<img src=x onerror='window.__pwned = 2'>",
    "\"><svg onload=window.__pwned=3>' `${window.__pwned=4}`",
    "turned \u202egnp.exe",
    "bell \x07 and null \x00 &amp; \ud800",
)


@pytest.fixture(scope="module")
def filters() -> zoo.Filters:
    return zoo.load("vgg16-plankton", cut="block1")


@pytest.fixture(scope="module")
def map_images(filters, shapes) -> MapImages:
    made = gather_images(filters, open_images(shapes), about="the folder shapes")
    groups = tuple(f"camera {number % 2}" for number in range(len(made)))
    return dataclasses.replace(made, groups=groups)


@pytest.fixture(scope="module")
def page(filters, map_images, tmp_path_factory) -> Path:
    plots = find_artifact_plots(filters)
    return write_gallery(
        filters,
        tmp_path_factory.mktemp("gallery"),
        map_images=map_images,
        plots=plots,
        use="vgg16-plankton",
        method="pca",
    ).page


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    find_chromium()
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def browser(chromium, page):
    """The page, freshly opened in a window that holds the whole map."""
    chromium.open(page, height=1500)
    return chromium


@pytest.fixture
def zoo_command(monkeypatch, capsys) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def on_screen(browser: Browser, picture: int) -> tuple[float, float]:
    """Where a picture lies in the window."""
    box = "map.getBoundingClientRect()"
    found = browser.run(f"(() => {{const b = {box}, p = map.map.place({picture}); return [b.x + p[0], b.y + p[1]]}})()")
    return found[0], found[1]


def alone(browser: Browser) -> int:
    """The picture that is furthest from its next one on the map, so that pointing at it cannot miss."""
    places = np.array(browser.run("Array.from({length: map.map.count}, (_, i) => map.map.place(i))"))
    far = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.diag(np.full(len(places), np.inf))
    return int(far.min(axis=1).argmax())


def shown(browser: Browser, name: str) -> bool:
    return browser.run(f"!document.getElementById('{name}').hidden")


def of_canvas(browser: Browser, fact: str) -> float:
    return float(browser.run(f"map.dataset.{fact}"))


# ------------------------------------------------------------------------------------------------ the map


def test_the_map_by_pca_is_the_plane_of_most_variance():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(30, 8)) * 0.05 + np.eye(8)[kind] for kind in range(2)])
    made = lay_out_map(vectors, method="pca")
    assert made.method == "PCA"
    assert abs(made.places[:30, 0].mean() - made.places[30:, 0].mean()) > 0.6


def test_the_map_fits_its_square():
    made = lay_out_map(np.random.default_rng(0).normal(size=(50, 9)), method="pca")
    assert made.places.min() == 0
    assert made.places.max() == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_pictures_have_a_map_too(count):
    made = lay_out_map(np.random.default_rng(0).normal(size=(count, 4)))
    assert made.places.shape == (count, 2)
    assert np.isfinite(made.places).all()


def test_equal_and_empty_vectors_have_a_map():
    for vectors in (np.ones((5, 3)), np.zeros((5, 3)), np.full((5, 3), np.nan)):
        assert np.isfinite(lay_out_map(vectors, method="pca").places).all()


def test_no_vectors_are_an_error():
    with pytest.raises(UsageError, match="Embed some pictures first"):
        lay_out_map(np.empty((0, 4)))


def test_an_unknown_kind_of_map_is_an_error():
    with pytest.raises(UsageError, match="There is auto, umap, pca"):
        lay_out_map(np.ones((3, 3)), method="tsne")


def test_umap_of_too_few_pictures_is_an_error():
    with pytest.raises(UsageError, match="UMAP needs 16 pictures"):
        lay_out_map(np.eye(5), method="umap")


@pytest.mark.slow
def test_the_map_by_umap_is_the_same_for_the_same_seed():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(40, 8)) * 0.1 + np.eye(8)[kind] for kind in range(3)])
    made = [lay_out_map(vectors, method="auto", seed=seed) for seed in (0, 0, 1)]
    assert made[0].method == "UMAP"
    assert np.array_equal(made[0].places, made[1].places)
    assert not np.array_equal(made[0].places, made[2].places)


def test_neighbours_are_numpys_cosines():
    vectors = np.random.default_rng(0).normal(size=(1500, 6)).astype(np.float32)
    rows, cosines = find_nearest_of_all(vectors, 5)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = units[[0, 1400]] @ units.T
    expected[[0, 1], [0, 1400]] = -2
    assert np.array_equal(rows[[0, 1400]], np.argsort(-expected, axis=1)[:, :5])
    assert np.allclose(cosines[[0, 1400]], -np.sort(-expected, axis=1)[:, :5], atol=1e-6)


def test_there_are_no_more_neighbours_than_pictures():
    rows, cosines = find_nearest_of_all(np.eye(3), 12)
    assert rows.shape == cosines.shape == (3, 2)
    assert find_nearest_of_all(np.eye(1), 12)[0].shape == (1, 0)


# ------------------------------------------------------------------------------------------------ materials


def test_a_folder_gives_vectors_labels_and_thumbnails(map_images):
    assert len(map_images) == map_images.total == 120
    assert map_images.vectors.shape == (120, 64)
    assert set(map_images.labels) == {"bar", "disc", "ring"}
    assert Image.open(io.BytesIO(map_images.thumbnails[0])).format == "JPEG"


def test_thumbnails_are_of_the_pictures_beside_them(map_images, shapes):
    for number in (0, 60, 119):
        small = np.asarray(Image.open(io.BytesIO(map_images.thumbnails[number])).convert("RGB"), dtype=float)
        whole = read_image(shapes / map_images.paths[number]).permute(1, 2, 0).numpy()
        assert abs(small.mean() - whole.mean()) < 3


def test_broken_pictures_are_left_out_and_listed(filters, tmp_path):
    for name in "abc":
        Image.new("RGB", (20, 20), "red").save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    made = gather_images(filters, open_images(tmp_path), about="pictures")
    assert made.paths == ("a.png", "c.png")
    assert len(made.skipped) == 1
    assert "b.png" in made.skipped[0]


def test_a_folder_of_broken_pictures_is_an_error(filters, tmp_path):
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(ZooError, match="None of the 1 pictures can be read"):
        gather_images(filters, open_images(tmp_path), about="pictures")


def test_of_many_pictures_some_are_taken_evenly(filters, shapes):
    made = gather_images(filters, open_images(shapes), about="shapes", limit=12)
    assert len(made) == 12
    assert made.total == 120
    assert {label: made.labels.count(label) for label in made.labels} == {"bar": 4, "disc": 4, "ring": 4}


def test_a_file_of_embeddings_makes_the_same_map(filters, map_images, shapes, tmp_path):
    filters.embed(shapes).save(tmp_path / "shapes.parquet")
    made = gather_table(filters, tmp_path / "shapes.parquet", limit=50)
    assert len(made) == 50
    places = [map_images.paths.index(path) for path in made.paths]
    assert np.array_equal(made.vectors, map_images.vectors[places])


def test_embeddings_of_another_cut_are_refused(filters, shapes, tmp_path):
    zoo.load("vgg16-plankton", cut="block2").embed(shapes / "bar").save(tmp_path / "bars.parquet")
    with pytest.raises(UsageError, match="Vectors of two spaces cannot be compared"):
        gather_table(filters, tmp_path / "bars.parquet")


def test_embeddings_whose_pictures_are_gone_are_an_error(filters, tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    filters.embed(tmp_path).save(tmp_path / "a.parquet")
    (tmp_path / "a.png").unlink()
    with pytest.raises(ZooError, match="None of the 1 pictures can be read"):
        gather_table(filters, tmp_path / "a.parquet")


def test_paths_lose_the_folder_that_they_share():
    assert shorten_paths(["/home/me/a/x.png", "/home/me/b/y.png"]) == ("a/x.png", "b/y.png")
    assert shorten_paths(["/home/me/x.png"]) == ("x.png",)
    assert shorten_paths(["digits-1", "digits-2"]) == ("digits-1", "digits-2")
    assert shorten_paths(["/home/me/x.png", "b/y.png"]) == ("x.png", "b/y.png")


def test_thumbnails_grow_smaller_where_there_are_many():
    assert [thumbnail_side(count) for count in (100, 5000, 9000, 90_000)] == [160, 128, 96, 64]


def test_tiny_pictures_are_enlarged_by_whole_pixels():
    tiny = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 8, 6), dtype=np.uint8))
    assert Image.open(io.BytesIO(make_thumbnail(tiny, 160))).size == (48, 64)


# ------------------------------------------------------------------------------------------------ the page as text


def test_the_page_may_load_nothing_but_pictures_inside_it(page):
    text = page.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none'; img-src data:; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"""\b(src|href|action)\s*=\s*["'](?!data:)""", text)
    assert not re.search(r"<[^>]+\son[a-z]+\s*=", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL))


def test_the_page_tells_what_the_filters_are(page):
    text = page.read_text()
    for said in ("vgg16-plankton", "block1", "cc-by-4.0", "69.9%", "17 classes", "vgg16-imagenet"):
        assert said in text
    assert 'zoo.load("vgg16-plankton", cut="block1")' in text
    assert "zoo embed photos/ --filters vgg16-plankton --cut block1" in text


def test_a_path_is_never_what_the_page_tells_to_load(filters, tmp_path):
    page = write_gallery(filters, tmp_path, use="/home/me/secret/filters").page
    assert "secret" not in page.read_text()


def test_the_published_pictures_are_in_the_page(page):
    text = page.read_text()
    assert [name for name in ("filters.png", "curves.png", "confusion.png") if f'id="{name}"' in text] == [
        "filters.png",
        "curves.png",
        "confusion.png",
    ]


def test_without_pictures_there_is_a_page_without_a_map(filters, tmp_path):
    made = write_gallery(filters, tmp_path, notes=("There is no map.",))
    assert made.pictures == 0
    assert 'id="map"' not in made.page.read_text()
    assert "There is no map." in made.page.read_text()


def test_scores_have_as_many_decimals_as_each_other(filters):
    scores = tuple(
        HeadMetrics(split="test", head=name, figures=(("accuracy", value),))
        for name, value in (("a", 0.93), ("b", 0.9256))
    )
    text = render_gallery(dataclasses.replace(describe_filters(filters), scores=scores), FilterPlots(files={}), None)
    assert re.findall(r'<td class="right">([^<]+)', text) == ["0.9300", "0.9256"]


def test_a_file_in_the_folders_place_is_an_error(filters, tmp_path):
    (tmp_path / "here").write_text("")
    with pytest.raises(FileError, match="this is a file"):
        write_gallery(filters, tmp_path / "here")


def test_json_cannot_leave_its_element():
    text = escape_for_script(json.dumps(HOSTILE))
    assert "<" not in text
    assert tuple(json.loads(text)) == HOSTILE


def test_what_is_no_png_stays_out_of_the_page(tmp_path):
    (tmp_path / "filters.png").write_bytes(b"<script>")
    Image.new("RGB", (9, 9)).save(tmp_path / "drift.png")
    plots = read_plots(tmp_path)
    assert set(plots.files) == {"drift.png"}
    assert "filters.png" in plots.notes[0]


def test_a_folder_without_filters_pictures_is_an_error(tmp_path):
    with pytest.raises(FileError, match="zoo show NAME -o FOLDER"):
        read_plots(tmp_path)


def test_dreams_that_stand_beside_patches_are_not_shown_twice():
    plots = FilterPlots(
        files=dict.fromkeys(("dreams-block2.png", "patches-block2.png", "dreams-block1.png", "filters.png"), b"")
    )
    assert [name for name, *_ in order_plots(plots, training=False)] == [
        "filters.png",
        "patches-block2.png",
        "dreams-block1.png",
    ]


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_writes_a_page_for_a_folder(zoo_command, shapes, tmp_path):
    words = (
        "gallery",
        "vgg16-plankton",
        "--cut",
        "block1",
        "--images",
        shapes,
        "--limit",
        9,
        "--map",
        "pca",
        "--quick",
    )
    answer = zoo_command(*words, "-o", tmp_path / "out", "--json")
    facts = json.loads(answer.out)
    assert facts["page"] == str(tmp_path / "out" / "index.html")
    assert (facts["pictures"], facts["map"], facts["skipped"]) == (9, "PCA", [])
    assert Path(facts["page"]).stat().st_size == facts["bytes"]


def test_the_command_takes_the_cut_of_a_file_of_embeddings(zoo_command, filters, shapes, tmp_path):
    filters.embed(shapes / "bar").save(tmp_path / "bars.parquet")
    words = ("gallery", "vgg16-plankton", "--in", tmp_path / "bars.parquet", "--map", "pca", "--quick")
    answer = zoo_command(*words, "-o", tmp_path / "out")
    assert answer.status == 0
    assert "at block1" in (tmp_path / "out" / "index.html").read_text()


def test_the_command_refuses_embeddings_of_another_cut(zoo_command, filters, shapes, tmp_path):
    filters.embed(shapes / "bar").save(tmp_path / "bars.parquet")
    answer = zoo_command("gallery", "vgg16-plankton", "--cut", "block2", "--in", tmp_path / "bars.parquet", "--quick")
    assert "Vectors of two spaces cannot be compared" in answer.fault


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--images", "a", "--in", "b.parquet"), "Name one of them"),
        (("--split", "test"), "say which with --dataset NAME"),
        (("--images", "nowhere"), "no such file or folder"),
        (("--dataset", "digits", "--split", "holdout"), "No split of 'digits' is called 'holdout'"),
        (("--images", ".", "--run", "nowhere"), "no run lies here"),
    ],
)
def test_the_command_says_what_is_wrong_in_a_line(zoo_command, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in zoo_command("gallery", "vgg16-plankton", "--quick", *words).fault


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory) -> Run:
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"backbone": "vgg11", "cut": "block1", "weights": "random"},
        "training": {"epochs": 1, "head_epochs": 1, "batch": 16},
    }
    return train_recipe(parse_recipe(content, where="the test"), tmp_path_factory.mktemp("runs") / "run")


def test_a_run_brings_its_curves_its_confusion_and_its_figures(run, zoo_command, tmp_path):
    folder = zoo.push(run, to=tmp_path / "vgg11-shapes", license="apache-2.0").folder
    words = ("gallery", folder, "--run", run.folder, "--quick", "-o", tmp_path / "out")
    assert zoo_command(*words).status == 0
    text = (tmp_path / "out" / "index.html").read_text()
    assert all(f'id="{name}.png"' in text for name in ("curves", "confusion", "filters"))
    assert "pictures are named rightly, among 3 classes" in text
    assert str(tmp_path) not in text
    assert str(run.folder) not in text


def test_a_run_of_other_filters_is_refused(run, filters, tmp_path):
    with pytest.raises(UsageError, match="Name the run that these filters come from"):
        write_gallery(filters, tmp_path, run=run)


@pytest.mark.slow
def test_a_dataset_brings_its_labels_and_its_test_split(zoo_command, tmp_path):
    words = ("gallery", "vgg16-plankton", "--cut", "block1", "--dataset", "digits", "--split", "test", "--map", "pca")
    answer = zoo_command(*words, "--quick", "-o", tmp_path / "out", "--json")
    text = (tmp_path / "out" / "index.html").read_text()
    assert json.loads(answer.out)["pictures"] > 100
    assert "digits, the test split" in text
    assert '"labels":["' in text


@pytest.mark.slow
def test_patches_and_dreams_are_made_where_there_are_none(zoo_command, shapes, tmp_path):
    words = ("gallery", "vgg16-imagenet", "--cut", "block1", "--images", shapes, "--limit", 9, "--map", "pca")
    assert zoo_command(*words, "-o", tmp_path / "out").status == 0
    assert 'id="patches-block1.png"' in (tmp_path / "out" / "index.html").read_text()


# ------------------------------------------------------------------------------------------------ in a browser


def test_the_page_opens_from_a_file_without_a_complaint_or_a_request(browser):
    browser.wait("Number(map.dataset.zoom) === 1")
    assert browser.faults == []
    assert browser.run("[...document.images].every(one => !one.src || (one.complete && one.naturalWidth > 0))")


def test_pointing_at_a_picture_shows_it(browser, map_images):
    picture = alone(browser)
    browser.mouse("mouseMoved", *on_screen(browser, picture))
    assert shown(browser, "tip")
    assert map_images.paths[picture] in browser.run("tip.textContent")
    browser.wait("tip.querySelector('img').naturalWidth > 20")
    browser.mouse("mouseMoved", 5, 5)
    assert not shown(browser, "tip")


def test_a_click_opens_the_nearest_in_the_order_of_the_cosines(browser, map_images):
    picture = alone(browser)
    browser.click(*on_screen(browser, picture))
    assert shown(browser, "panel")
    units = map_images.vectors.astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = units @ units[picture]
    cosines[picture] = -2
    listed = browser.run("[...near.querySelectorAll('button')].map(one => Number(one.dataset.picture))")
    assert len(listed) == 12
    assert np.allclose(cosines[listed], np.sort(cosines)[::-1][:12], atol=1e-6)
    said = browser.run("[...near.querySelectorAll('.score')].map(one => Number(one.textContent))")
    assert np.allclose(said, cosines[listed], atol=6e-4)


def test_a_click_on_a_neighbour_walks_on(browser):
    browser.click(*on_screen(browser, alone(browser)))
    following = browser.run("near.querySelector('button').dataset.picture")
    browser.run("near.querySelector('button').click()")
    browser.settle()
    assert of_canvas(browser, "opened") == float(following)
    assert browser.run("near.contains(document.activeElement)")


def test_escape_closes_and_the_map_has_the_focus_again(browser):
    browser.click(*on_screen(browser, alone(browser)))
    browser.run("near.querySelector('button').focus()")
    browser.press("Escape")
    assert not shown(browser, "panel")
    assert browser.run("document.activeElement.id") == "map"


def test_a_click_beside_all_pictures_closes(browser):
    browser.click(*on_screen(browser, alone(browser)))
    box = browser.run("(() => {const b = map.getBoundingClientRect(); return [b.x + 3, b.y + 3]})()")
    browser.click(*box)
    assert not shown(browser, "panel")


def test_arrows_go_from_picture_to_picture_and_enter_opens(browser, map_images):
    browser.run("map.focus()")
    browser.press("ArrowRight")
    first = int(of_canvas(browser, "current"))
    before = on_screen(browser, first)
    browser.press("ArrowRight")
    second = int(of_canvas(browser, "current"))
    assert on_screen(browser, second)[0] > before[0]
    assert shown(browser, "tip")
    assert map_images.paths[second] in browser.run("document.getElementById('status').textContent")
    browser.press("Enter")
    assert of_canvas(browser, "opened") == second


def test_the_focus_reaches_every_part_by_tab_and_can_be_seen(browser):
    browser.click(*on_screen(browser, alone(browser)))
    browser.run("document.getElementById('search').focus()")
    reached = ["search"]
    for _ in range(26):
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.id || document.activeElement.closest('[id]').id"))
        assert browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none", reached[-1]
    assert list(dict.fromkeys(reached))[:10] == [
        *("search", "colour", "zoom-out", "zoom-in", "zoom-reset", "map", "close", "near", "all", "none"),
    ]
    assert "legend" in reached


def test_the_wheel_zooms_in_until_thumbnails_are_drawn(browser):
    assert of_canvas(browser, "thumbnails") == 0
    where = on_screen(browser, alone(browser))
    for _ in range(6):
        browser.mouse("mouseWheel", *where, deltaX=0, deltaY=-200)
    assert of_canvas(browser, "zoom") > 4
    browser.wait("Number(map.dataset.thumbnails) > 0")


def test_what_is_under_the_pointer_stays_there_while_zooming(browser):
    picture = alone(browser)
    where = on_screen(browser, picture)
    browser.mouse("mouseWheel", *where, deltaX=0, deltaY=-120)
    assert of_canvas(browser, "zoom") > 1
    assert np.allclose(on_screen(browser, picture), where, atol=1)


def test_dragging_moves_the_map(browser):
    browser.run("map.focus()")
    browser.press("+", "+", "+")
    picture = alone(browser)
    before = on_screen(browser, picture)
    box = browser.run(
        "(() => {const b = map.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]})()"
    )
    browser.mouse("mousePressed", *box, button="left", clickCount=1)
    browser.mouse("mouseMoved", box[0] + 30, box[1] + 20, button="left", buttons=1)
    browser.mouse("mouseReleased", box[0] + 30, box[1] + 20, button="left", clickCount=1)
    assert np.allclose(np.subtract(on_screen(browser, picture), before), (30, 20), atol=1)
    assert not shown(browser, "panel")


def test_keys_zoom_and_zero_shows_the_whole_map(browser):
    browser.run("map.focus()")
    browser.press("+", "+")
    assert of_canvas(browser, "zoom") == pytest.approx(2.25, abs=0.01)
    browser.press("-")
    assert of_canvas(browser, "zoom") == pytest.approx(1.5, abs=0.01)
    browser.press("0")
    assert of_canvas(browser, "zoom") == 1


def test_zooming_glides_to_its_end_where_motion_is_welcome(chromium, page):
    chromium.open(page, height=1500, moving=True)
    chromium.run("map.focus()")
    chromium.press("+")
    assert 1 <= of_canvas(chromium, "zoom") < 1.5
    chromium.wait("map.dataset.zoom === '1.500'", 5)
    chromium.press("0")
    chromium.wait("map.dataset.zoom === '1.000'", 5)


def test_a_line_of_the_legend_switches_its_class_off_and_on(browser, map_images):
    picture = alone(browser)
    where = on_screen(browser, picture)
    line = f"[...legend.querySelectorAll('button')].find(one => one.title === '{map_images.labels[picture]}')"
    browser.run(f"{line}.click()")
    assert browser.run(f"{line}.getAttribute('aria-pressed')") == "false"
    assert "80 of 120" in browser.run("document.getElementById('status').textContent")
    browser.mouse("mouseMoved", *where)
    assert browser.run("tip.dataset.picture") != str(picture)
    browser.run(f"{line}.click()")
    browser.mouse("mouseMoved", where[0] + 1, where[1])
    assert browser.run("tip.dataset.picture") == str(picture)


def test_pointing_at_a_line_of_the_legend_lights_its_class_alone(browser, map_images):
    picture = alone(browser)
    line = f"[...legend.querySelectorAll('button')].find(one => one.title !== '{map_images.labels[picture]}')"
    browser.run(f"{line}.focus()")
    browser.mouse("mouseMoved", *on_screen(browser, picture))
    assert browser.run("tip.dataset.picture ?? ''") != str(picture)
    browser.run("document.activeElement.blur()")
    browser.mouse("mouseMoved", *np.add(on_screen(browser, picture), 1))
    assert browser.run("tip.dataset.picture") == str(picture)


def test_the_map_needs_nobody_to_see_colours(page):
    colours = re.search(r"COLOURS = \[([^\]]+)", page.read_text())[1].replace('"', "").split(", ")
    assert len(set(colours)) == 10
    linear = np.array([[int(one[place : place + 2], 16) / 255 for place in (1, 3, 5)] for one in colours]) ** 2.2
    blind = {  # Machado, Oliveira and Fernandes (2009), wholly without one kind of cone
        "red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    }
    for matrix in blind.values():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[~np.eye(10, dtype=bool)]
        assert apart.min() > 0.08


def test_colour_by_group_lists_the_groups(browser):
    browser.run("colour.value = 'group'; colour.dispatchEvent(new Event('change'))")
    assert browser.run("[...legend.querySelectorAll('.name')].map(one => one.textContent)") == ["camera 0", "camera 1"]


def test_pictures_without_labels_have_no_legend(chromium, filters, map_images, tmp_path):
    nothing = (None,) * len(map_images)
    bare = dataclasses.replace(map_images, labels=nothing, groups=nothing)
    chromium.open(write_gallery(filters, tmp_path, map_images=bare, method="pca").page)
    assert chromium.run("getComputedStyle(document.getElementById('legend-box')).display") == "none"
    assert "nothings" not in chromium.run("document.body.innerText")


def test_pictures_without_a_label_are_no_label_of_their_own(chromium, filters, map_images, tmp_path):
    some = dataclasses.replace(map_images, labels=(None, *map_images.labels[1:]))
    chromium.open(write_gallery(filters, tmp_path, map_images=some, method="pca").page)
    assert chromium.run("document.getElementById('legend-title').textContent") == "3 labels"


def test_search_counts_and_enter_goes_to_a_find(browser, map_images):
    browser.run("document.getElementById('search').focus()")
    browser.press(*"ring-003")
    assert browser.run("document.getElementById('status').textContent") == "1 of 120 pictures match."
    browser.press("Enter")
    assert map_images.paths[int(of_canvas(browser, "current"))] == "ring/ring-003.png"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_needs_no_scrolling_to_the_side(chromium, page, dark):
    chromium.open(page, width=390, height=844, dark=dark)
    assert chromium.run("document.documentElement.scrollWidth") == 390
    assert chromium.faults == []
    tops = chromium.run("['.stage', '.side'].map(one => document.querySelector(one).getBoundingClientRect().top)")
    assert tops[0] < tops[1]


def test_touch_opens_a_picture_and_two_fingers_zoom(chromium, page):
    chromium.open(page, width=390, height=844)
    chromium.run("document.querySelector('.stage').scrollIntoView()")
    chromium.settle()
    where = on_screen(chromium, alone(chromium))
    chromium.touch(where)
    chromium.touch(kind="touchEnd")
    chromium.wait("!panel.hidden")
    chromium.touch((150, 200), (200, 200))
    for step in range(1, 5):
        chromium.touch((150 - 20 * step, 200), (200 + 20 * step, 200), kind="touchMove")
    chromium.touch(kind="touchEnd")
    assert of_canvas(chromium, "zoom") > 2
    assert chromium.run("document.documentElement.scrollWidth") == 390


def test_dark_and_light_are_two_pages_to_look_at(chromium, page):
    grounds = []
    for dark in (False, True):
        chromium.open(page, dark=dark)
        grounds.append(chromium.run("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]


def test_names_of_strangers_are_text_and_nothing_else(chromium, filters, map_images, tmp_path):
    count = len(map_images)
    hostile = dataclasses.replace(
        map_images,
        labels=tuple(HOSTILE[number % len(HOSTILE)] for number in range(count)),
        groups=tuple(HOSTILE[number % 3] for number in range(count)),
        paths=tuple(f"{number}/{HOSTILE[number % len(HOSTILE)]}" for number in range(count)),
        about=HOSTILE[0],
        skipped=HOSTILE,
    )
    made = write_gallery(filters, tmp_path, map_images=hostile, method="pca", notes=HOSTILE)
    chromium.open(made.page)
    chromium.run("document.querySelector('.atlas').scrollIntoView()")
    chromium.settle()
    chromium.click(*on_screen(chromium, alone(chromium)))
    chromium.run("colour.value = 'group'; colour.dispatchEvent(new Event('change'))")
    chromium.settle()
    assert chromium.run("typeof window.__pwned") == "undefined"
    assert chromium.faults == []
    assert chromium.run("legend.textContent").count("onerror") == 1
    assert chromium.run("document.querySelectorAll('img:not([src^=\"data:image/\"]), svg[onload]').length") == 0


def test_what_strangers_say_of_their_filters_is_text_and_nothing_else(chromium, filters, tmp_path):
    said = dataclasses.replace(
        describe_filters(filters),
        name=HOSTILE[0],
        about=HOSTILE[1],
        facts=tuple((text, text) for text in HOSTILE[:3]),
        classes=HOSTILE[:4],
        scores=(HeadMetrics(split=HOSTILE[0], head=HOSTILE[2], figures=((HOSTILE[1], 1.0),)),),
        headline=HOSTILE[1],
        meaning=HOSTILE[0],
    )
    (tmp_path / "index.html").write_text(render_gallery(said, FilterPlots(files={}), None))
    chromium.open(tmp_path / "index.html")
    assert chromium.run("typeof window.__pwned") == "undefined"
    assert chromium.faults == []
    assert chromium.run("document.querySelector('h1').textContent") == HOSTILE[0]


@pytest.mark.slow
def test_very_many_pictures_are_a_map_too(chromium, filters, map_images, tmp_path):
    count = 150_000
    nothing = (None,) * count
    many = dataclasses.replace(
        map_images,
        vectors=np.zeros((count, 1), dtype=np.float32),
        thumbnails=(),
        paths=("a.jpg",) * count,
        labels=nothing,
        groups=nothing,
    )
    layout = MapLayout(places=np.random.default_rng(0).random((count, 2), dtype=np.float32), method="PCA", note="")
    none = np.empty((count, 0))
    (tmp_path / "index.html").write_text(
        render_gallery(
            describe_filters(filters), FilterPlots(files={}), make_map_data(many, layout, none.astype(np.int32), none)
        )
    )
    chromium.open(tmp_path / "index.html")
    assert chromium.faults == []
    assert chromium.run("map.map.count") == count


@pytest.mark.slow
def test_five_thousand_pictures_are_one_page_that_is_quick(chromium, filters, map_images, tmp_path):
    rng = np.random.default_rng(0)
    count = 5000
    noisy = Image.fromarray(rng.integers(0, 256, (96, 72, 3), dtype=np.uint8)).resize((96, 72))
    held = io.BytesIO()
    noisy.save(held, "JPEG", quality=60)
    many = dataclasses.replace(
        map_images,
        vectors=rng.normal(size=(count, 64)).astype(np.float32),
        thumbnails=(held.getvalue(),) * count,
        paths=tuple(f"{number}.jpg" for number in range(count)),
        labels=tuple(f"kind {number % 44}" for number in range(count)),
        groups=(None,) * count,
        total=count,
    )
    made = write_gallery(filters, tmp_path, map_images=many, method="pca")
    assert made.size < 40e6
    chromium.open(made.page)
    assert chromium.run("map.map.count") == count
    chromium.run("map.focus()")
    began = time.monotonic()
    chromium.press("+", "+", "+", "+", "+")
    assert time.monotonic() - began < 5
    assert chromium.faults == []

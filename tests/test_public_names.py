"""Every public function takes a name or a path, as text or `Path`, with `~`, wherever `zoo.embed` does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.contracts import PredictionTable

OLD = Path(__file__).parent / "data" / "version-0.1"
NAMES = re.findall(r"(\w+) as \1\b", Path(zoo.__file__).with_suffix(".pyi").read_text())

At = Callable[[str], Path | str]  # what lies in the home folder, as a user says it


TAKES: dict[str, Callable[[At], object]] = {
    "assemble": lambda at: zoo.assemble(at("filters"), dataset=at("photos")),
    "backbones": lambda at: zoo.backbones(),
    "cuts": lambda at: zoo.cuts("vgg16"),
    "embed": lambda at: zoo.embed(at("filters"), at("photos")),
    "fetch": lambda at: zoo.fetch(at("filters")),
    "find": lambda at: zoo.find("old-digits"),
    "find_images": lambda at: list(zoo.find_images(at("photos"))),
    "load": lambda at: zoo.load(at("filters")),
    "load_model": lambda at: zoo.load_model(at("filters")),
    "open_dataset": lambda at: zoo.open_dataset("image-folder", at("photos")),
    "open_run": lambda at: zoo.open_run(at("run")),
    "predict": lambda at: zoo.predict(at("filters"), at("photos")),
    "push": lambda at: zoo.push(at("run"), to=at("pushed"), license="apache-2.0", pictures="none"),
    "read_embeddings": lambda at: zoo.read_embeddings(at("vectors.npy")),
    "read_image": lambda at: zoo.read_image(at("photos/a/0.png")),
    "resume": lambda at: zoo.resume(at("run")),
    "similar": lambda at: zoo.similar(at("photos/a/0.png"), at("vectors.npy"), k=1),
    "train": lambda at: zoo.train(at("filters"), at("photos"), out=at("trained"), head_epochs=1, epochs=0),
}
NO_PATHS = {"pooled", "silent", "truncate"}  # takes a tensor; told of progress; takes a network in hand


@pytest.fixture
def home_folder(tmp_path, monkeypatch) -> Path:
    """A user's home: pictures by class, published filters, a run, embeddings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ZOO_REGISTRY", str(OLD / "registry.toml"))
    rng = np.random.default_rng(0)
    for kind in "abc":
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 256, (18, 18, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{number}.png")
    for name in ("filters", "run"):
        shutil.copytree(OLD / name, tmp_path / name)
    zoo.load("old-digits").embed(tmp_path / "photos").save(tmp_path / "vectors.npy")
    return tmp_path


def test_every_public_function_stands_in_the_table():
    objects = {
        name for name in NAMES if isinstance(getattr(zoo, name), type) or name in ("Progress", "Target", "silent")
    }
    assert objects | TAKES.keys() | NO_PATHS == set(NAMES) | {"silent"}
    assert PredictionTable.__name__ in objects


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("name", TAKES)
def test_a_name_or_a_path_is_taken_as_text_and_as_a_path(name, kind, home_folder):
    before = {path.name for path in home_folder.glob("[!.]*")}
    TAKES[name](lambda place: kind(f"~/{place}"))
    made = {"push": {"pushed"}, "train": {"trained"}}.get(name, set())
    assert {path.name for path in home_folder.glob("[!.]*")} - before == made
    assert not Path("~").exists()


@pytest.mark.parametrize("name", ["predict", "embed"])
def test_a_name_of_the_registries_is_taken_too(name, home_folder):
    found = {
        "predict": lambda: zoo.predict("old-digits", home_folder / "photos").images,
        "embed": lambda: zoo.embed("old-digits", home_folder / "photos").paths,
    }[name]
    assert len(found()) == 24


@pytest.mark.parametrize("given", ["x" * 300, "a\0b", "~nobody-of-that-name/x"])
def test_what_is_no_path_is_refused_in_a_line(given):
    for call in (zoo.open_run, zoo.resume, zoo.read_embeddings, lambda text: zoo.open_dataset("image-folder", text)):
        with pytest.raises(zoo.ZooError) as caught:
            call(given)
        assert "\n" not in str(caught.value)


def test_a_network_by_name_is_refused_in_a_line():
    with pytest.raises(zoo.UsageError, match=r"A torch\.nn\.Module is needed, not 'vgg16'"):
        zoo.truncate("vgg16", "block3")

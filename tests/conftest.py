"""Real pictures on disk, a home of the tests' own, and no network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zoo.plugins import clear_plugin_cache

KINDS = ("bar", "disc", "ring")


def draw_shape(kind: str, rng: np.random.Generator) -> Image.Image:
    """A bright shape on a dark, noisy ground, 40 to 56 pixels a side."""
    side = int(rng.integers(40, 57))
    picture = Image.fromarray(rng.integers(0, 80, (side, side, 3), dtype=np.uint8))
    pen = ImageDraw.Draw(picture)
    x, y = rng.uniform(side * 0.35, side * 0.65, 2)
    radius = side * rng.uniform(0.18, 0.3)
    colour = tuple(int(level) for level in rng.integers(130, 256, 3))
    box = (x - radius, y - radius, x + radius, y + radius)
    if kind == "disc":
        pen.ellipse(box, fill=colour)
    elif kind == "ring":
        pen.ellipse(box, outline=colour, width=4)
    else:
        pen.rectangle((x - radius, y - 3, x + radius, y + 3), fill=colour)
    return picture


def write_shapes(folder: Path, *, each: int, seed: int = 0) -> Path:
    """A folder per class of drawn shapes."""
    rng = np.random.default_rng(seed)
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            draw_shape(kind, rng).save(folder / kind / f"{kind}-{number:03d}.png")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """Every test has its own ZOO_HOME, no registry of the user's, and no way to the real Hub."""
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("ZOO_HOME", str(place))
    monkeypatch.setenv("HF_HOME", str(place / "hf"))
    monkeypatch.delenv("ZOO_REGISTRY", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return place


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Write installed packages: a module, and beside it the metadata that pip would have left."""
    place = tmp_path / "installed"
    place.mkdir()
    before = set(sys.modules)

    def write(
        package: str, points: str, *, module: str = "", code: str = "", version: str = "1.2", header: str = ""
    ) -> None:
        info = place / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{header}\n")
        (info / "entry_points.txt").write_text(points)
        if module:
            (place / f"{module}.py").write_text(code)
        clear_plugin_cache()

    monkeypatch.syspath_prepend(str(place))
    yield write
    monkeypatch.undo()
    clear_plugin_cache()
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(place) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """120 pictures of three kinds."""
    return write_shapes(tmp_path_factory.mktemp("shapes") / "pictures", each=40)

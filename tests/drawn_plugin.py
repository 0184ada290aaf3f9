"""Datasets of the tests as a pip-installed package would bring them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.plugins import clear_plugin_cache


@contextlib.contextmanager
def installed_datasets(site: Path, monkeypatch: pytest.MonkeyPatch, **datasets: str) -> Iterator[None]:
    """Announce `name="module:Class"` as the datasets of a package, for as long as the block runs."""
    info = site / "zoo_drawn-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-drawn\nVersion: 1.0\n")
    lines = [f"{name} = {where}" for name, where in datasets.items()]
    (info / "entry_points.txt").write_text("\n".join(["[zoo.datasets]", *lines]) + "\n")
    with monkeypatch.context() as patched:
        patched.syspath_prepend(str(site))
        clear_plugin_cache()
        yield
    clear_plugin_cache()

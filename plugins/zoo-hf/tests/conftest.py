"""Datasets as they lie on the Hub, small, on the tests' own server; the real client and library ask for them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub.constants
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import HubServer
from PIL import Image

KINDS = ("dark", "light")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("ZOO_HOME", str(place))
    return place


@pytest.fixture
def hub(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A server, and the client and the library turned to it: they read the environment once, when they are imported."""
    with HubServer(tmp_path / "hub") as server:
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", server.url)
        pattern = server.url + "/datasets/{repo_id}/resolve/{revision}/{path}"
        monkeypatch.setattr(datasets.config, "HUB_DATASETS_URL", pattern)
        monkeypatch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", False)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hf"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        yield server


def png(shade: int, size: tuple[int, int] = (16, 12)) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full(size[::-1], shade, np.uint8)).save(content, "png")
    return content.getvalue()


def shade(label: int, number: int) -> int:
    return 60 + 120 * label + number


FEATURES: Mapping[str, Any] = {
    "image": {"_type": "Image"},
    "label": {"names": list(KINDS), "_type": "ClassLabel"},
    "site": {"dtype": "string", "_type": "Value"},
    "depth": {"dtype": "float32", "_type": "Value"},
    "points": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "List"},
}


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "image": {"bytes": png(shade(number % 2, first + number)), "path": f"{first + number:03d}.png"},
            "label": number % 2,
            "site": f"s{number // 2 % 4}",
            "depth": number / 2 if number else None,
            "points": [1.0, 2.0],
        }
        for number in range(count)
    ]


def parquet(found: Sequence[Mapping[str, Any]], features: Mapping[str, Any] = FEATURES) -> bytes:
    """As `push_to_hub` writes it: what the columns are stands in the schema."""
    kinds = {"float32": pa.float32(), "string": pa.string(), "int64": pa.int64()}
    types = {
        "Image": lambda _: pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "ClassLabel": lambda _: pa.int64(),
        "Value": lambda one: kinds[one["dtype"]],
        "List": lambda _: pa.list_(pa.float32()),
    }
    schema = pa.schema([(name, types[one["_type"]](one)) for name, one in features.items()])
    said = {"huggingface": json.dumps({"info": {"features": features}})}
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in found], schema).replace_schema_metadata(said), content)
    return content.getvalue()


def shades(train: int = 16, test: int = 8) -> dict[str, bytes]:
    """A repository of Parquet, two shards of training and one of testing."""
    return {
        "README.md": b"---\nlicense: cc-by-4.0\npretty_name: Shades\n---\n# Shades\n",
        "data/train-00000-of-00002.parquet": parquet(rows(train // 2)),
        "data/train-00001-of-00002.parquet": parquet(rows(train - train // 2, train // 2)),
        "data/test-00000-of-00001.parquet": parquet(rows(test, 40)),
    }


@pytest.fixture
def make() -> SimpleNamespace:
    """The functions above, for tests, which cannot import this file."""
    return SimpleNamespace(png=png, shade=shade, rows=rows, parquet=parquet, shades=shades, features=FEATURES)

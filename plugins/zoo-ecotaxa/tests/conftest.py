"""Exports as EcoTaxa writes them, small."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

Rows = Sequence[Mapping[str, object]]
SHADES = {"Copepoda<Maxillopoda": 60, "Chaetognatha": 150, "detritus": 230}
HIERARCHY = {
    "Copepoda<Maxillopoda": "living>Crustacea>Maxillopoda>Copepoda",
    "Chaetognatha": "living>Chaetognatha",
    "detritus": "not-living>detritus",
}


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("ZOO_HOME", str(place))
    return place


def tsv(rows: Rows, *, types: bool = False, encoding: str = "utf-8-sig", comma: bool = False) -> bytes:
    """As EcoTaxa's export has it: texts in quotes, numbers without, a byte order mark; each in another way if asked."""
    columns = list(dict.fromkeys(title for row in rows for title in row))
    numeric = {title for title in columns if all(isinstance(row.get(title, 0.0), float) for row in rows)}
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", quotechar='"', lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(columns)
    if types:
        writer.writerow("[f]" if title in numeric else "[t]" for title in columns)
    for row in rows:
        cells = (row.get(title, "") for title in columns)
        writer.writerow(str(one).replace(".", ",") if comma and isinstance(one, float) else one for one in cells)
    return text.getvalue().encode(encoding)


def png(shade: int, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(-20, 21, (16, 20)) + shade
    content = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "png")
    return content.getvalue()


def objects(samples: int = 4, each: int = 4) -> list[dict[str, object]]:
    """Rows of several samples; of every class one object in four is predicted, the rest validated."""
    rows = []
    for sample in range(samples):
        for kind, category in enumerate(SHADES):
            for number in range(each):
                name = f"s{sample}_{kind}{number}"
                rows.append(
                    {
                        "img_file_name": f"s{sample}/{name}.png",
                        "img_rank": 0,
                        "object_id": name,
                        "object_lat": 43.5 + sample,
                        "object_lon": -7.25,
                        "object_date": f"2014042{sample}",
                        "object_time": "042000",
                        "object_annotation_status": "predicted" if number == each - 1 else "validated",
                        "object_annotation_person_name": "Ada",
                        "object_annotation_category": category,
                        "object_annotation_hierarchy": HIERARCHY[category],
                        "object_area": 516.5 + number,
                        "sample_id": f"s{sample}",
                        "sample_ship": "météor",
                        "process_pixel": 10.6,
                        "acq_id": f"acq{sample}",
                        "acq_sub_part": "1",
                    }
                )
    return rows


def pictures(rows: Rows) -> dict[str, bytes]:
    return {
        str(row["img_file_name"]): png(SHADES.get(str(row["object_annotation_category"]), 99), seed)
        for seed, row in enumerate(rows)
    }


def category(object_id: str) -> str:
    """The true one of an object of `objects`, by its name."""
    return list(SHADES)[int(object_id.partition("_")[2][0])]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files by name into a zip, or a folder where the name has no suffix."""

    def write(files: Mapping[str, bytes], name: str = "export.zip") -> Path:
        place = tmp_path / name
        if not place.suffix:
            for inside, content in files.items():
                (place / inside).parent.mkdir(parents=True, exist_ok=True)
                (place / inside).write_bytes(content)
            return place
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as opened:
            for inside, content in files.items():
                opened.writestr(inside, content)
        return place

    return write


@pytest.fixture
def make() -> SimpleNamespace:
    """The functions above, for tests, which cannot import this file."""
    return SimpleNamespace(tsv=tsv, png=png, objects=objects, pictures=pictures, category=category)

"""Small sets as they are handed out: files by name, written into a folder, a zip or a tar."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("ZOO_HOME", str(place))
    return place


def picture(shade: int, seed: int = 0, *, form: str = "png", size: tuple[int, int] = (20, 16)) -> bytes:
    """A grey picture, width by height."""
    pixels = np.random.default_rng(seed).integers(-20, 21, size[::-1]) + shade
    content = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, form)
    return content.getvalue()


def table(rows: Sequence[Mapping[str, object]], *, separator: str = ",", encoding: str = "utf-8") -> bytes:
    """As R's write_csv has it: NA where nothing is known."""
    columns = list(dict.fromkeys(title for row in rows for title in row))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(title, "NA") for title in columns] for row in rows)
    return text.getvalue().encode(encoding)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files by name into what the name says: a zip, a tar, or a folder where it has no suffix."""

    def write(files: Mapping[str, bytes], name: str = "set") -> Path:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".zip":
            with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as opened:
                for inside, content in files.items():
                    opened.writestr(inside, content)
        elif place.suffix in (".tar", ".tgz"):
            with tarfile.open(place, "w:gz" if place.suffix == ".tgz" else "w") as opened:
                for inside, content in files.items():
                    info = tarfile.TarInfo(inside)
                    info.size = len(content)
                    opened.addfile(info, io.BytesIO(content))
        else:
            for inside, content in files.items():
                (place / inside).parent.mkdir(parents=True, exist_ok=True)
                (place / inside).write_bytes(content)
        return place

    return write


# ------------------------------------------------------------------------------------------------ SEANOE

TAXA = {  # level 1: its lineage and level 2
    "Calanidae": ("/living/Eukaryota/Metazoa/Arthropoda/Copepoda/Calanidae", "Copepoda"),
    "Oithonidae": ("/living/Eukaryota/Metazoa/Arthropoda/Copepoda/Oithonidae", "Copepoda"),
    "egg<other": ("/living/Eukaryota/other/egg", "egg"),
    "detritus": ("/not-living/detritus", "detritus"),
}
SETS = ("train", "train", "val", "test")


def objects(each: int = 4) -> list[dict[str, object]]:
    """Rows of taxa.csv.gz as the releases of 2024 have them."""
    rows = []
    for taxon, (lineage, coarse) in TAXA.items():
        for number in range(each):
            objid = 31230000 + 100 * len(rows) + number
            rows.append(
                {
                    "objid": objid,
                    "taxon_level1": taxon,
                    "lineage_level1": lineage,
                    "taxon_level2": coarse,
                    "plankton": str(taxon != "detritus").upper(),
                    "set": SETS[number % 4],
                    "img_path": f"imgs/{taxon}/{objid}.png",
                }
            )
    return rows


def features(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows of features_native.csv.gz, in another order than the objects."""
    return [
        {
            "objid": row["objid"],
            "area": 500 + number,
            "perim.": 80.25,
            "width": 12,
            "%area": 61.5,
            "skew": "NA" if number == 3 else -0.5,
        }
        for number, row in reversed(list(enumerate(rows)))
    ]


def seanoe(rows: Sequence[Mapping[str, object]], top: str = "ZooScanNet/") -> dict[str, bytes]:
    """A set's files: tables, pictures, and what else lies beside them."""
    shades = dict(zip(TAXA, (40, 100, 160, 230), strict=True))
    pictures = {str(row["img_path"]): picture(shades[str(row["taxon_level1"])], int(str(row["objid"]))) for row in rows}
    return {
        f"{top}taxa.csv.gz": gzip.compress(table(rows), mtime=0),
        f"{top}features_native.csv.gz": gzip.compress(table(features(rows)), mtime=0),
        f"{top}inventory.tsv": b"lineage_level1\ttaxon_level1\tn\n",
        **{top + name: content for name, content in pictures.items()},
    }


# ------------------------------------------------------------------------------------------------ names

DAY = 86_400_000_000  # microseconds


def lake(class_number: int, day: int, roi: int) -> str:
    """A picture's name as Eawag's camera writes it; day 0 is the 8th of October 2019."""
    stamp = 1570543372901157 + day * DAY + roi
    return f"SPC-EAWAG-0P5X-{stamp}-3725350526242-001629-{roi:03d}-{1224 + class_number}-2176-20-16.jpeg"


@pytest.fixture
def make() -> SimpleNamespace:
    """The functions above, for tests, which cannot import this file."""
    return SimpleNamespace(picture=picture, table=table, objects=objects, features=features, seanoe=seanoe, lake=lake)

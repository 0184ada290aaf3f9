"""A drawn set with faults that are known: which ones stands in `PLANTED`."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

KINDS = ("bar", "bow", "cross", "disc", "fork", "ring", "square", "star")
GROUPS, TEST_GROUPS = 100, 25
BASE = 1930  # pictures without a fault
PLANTED = {
    "duplicate": 20,
    "near-duplicate": 20,
    "contradiction": 10,
    "leak-groups": 15,
    "unreadable": 5,
    "shortcut-brightness": 2,  # classes
}
BRIGHT, DARK, SHIFT = "cross", "ring", 50  # the classes with a shortcut, and by how many grey levels


@dataclass(slots=True)
class PlantedSet:
    """Where it lies, and which pictures are at fault."""

    folder: Path
    pictures: int
    faults: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)


def draw(kind: str, rng: np.random.Generator, *, side: int = 48) -> Image.Image:
    """A shape of any colour, size and place on a cloudy ground; nothing but the shape tells the kind."""
    width, height = (int(length) for length in rng.integers(side * 3 // 4, side * 5 // 4, 2))
    level = rng.uniform(85, 150)
    clouds = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    ground = level + 0.25 * (np.asarray(clouds, dtype=np.float64) - 128) + rng.normal(0, 4, (height, width, 3))
    mask = Image.new("L", (width, height))
    _draw_shape(ImageDraw.Draw(mask), kind, rng, width, height)
    weight = np.asarray(mask.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float64)[:, :, None] / 255
    shade = rng.choice([-1, 1]) * rng.uniform(35, 60) + rng.normal(0, 10, 3)
    return Image.fromarray(np.clip(ground + weight * shade, 0, 255).astype(np.uint8))


def _draw_shape(pen: ImageDraw.ImageDraw, kind: str, rng: np.random.Generator, width: int, height: int) -> None:
    x, y = rng.uniform(0.35, 0.65) * width, rng.uniform(0.35, 0.65) * height
    radius, turn = min(width, height) * rng.uniform(0.2, 0.33), rng.uniform(0, 2 * np.pi)

    def arm(angle: float, reach: float = 1.0) -> tuple[float, float]:
        return x + reach * radius * np.cos(turn + angle), y + reach * radius * np.sin(turn + angle)

    thick = max(2, round(radius / 3))
    if kind in ("disc", "ring"):
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, fill=255 if kind == "disc" else 0, outline=255, width=thick)
    elif kind in ("square", "bow"):
        corners = [arm(quarter * np.pi / 2) for quarter in range(4)]
        pen.polygon(corners if kind == "square" else [corners[0], corners[2], corners[1], corners[3]], fill=255)
    else:
        angles = {
            "bar": (0, np.pi),
            "cross": (0, 1.57, 3.14, 4.71),
            "fork": (0, 2.1, 4.2),
            "star": (0, 1.26, 2.51, 3.77, 5.03),
        }
        for angle in angles[kind]:
            pen.line([(x, y), arm(angle)], fill=255, width=thick)


def write_set(folder: Path, *, planted: bool, seed: int = 0) -> PlantedSet:
    """Draw the set, `labels.csv` beside it: 1,930 pictures, and 70 more with the faults of `PLANTED`."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    rows: list[list[str]] = []
    for number in range(BASE):
        kind, group = KINDS[number % len(KINDS)], int(rng.integers(GROUPS))
        picture = draw(kind, np.random.default_rng([seed, number]))
        if planted and kind in (BRIGHT, DARK):
            shift = SHIFT if kind == BRIGHT else -SHIFT
            picture = picture.point(lambda level, shift=shift: min(max(level + shift, 0), 255))
        _save(folder, rows, picture, f"{number:04}.png", kind, group)
    made = PlantedSet(folder=folder, pictures=BASE)
    if planted:
        _plant(made, rows, np.random.default_rng([seed, 1]))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group", "split"), *rows])
    return made


def _save(folder: Path, rows: list[list[str]], picture: Image.Image, name: str, kind: str, group: int) -> None:
    picture.save(folder / name)
    rows.append([name, kind, f"haul {group}", "test" if group < TEST_GROUPS else "train"])


def _plant(made: PlantedSet, rows: list[list[str]], rng: np.random.Generator) -> None:
    chosen = iter([rows[place] for place in rng.permutation(BASE)])
    for kind in ("duplicate", "near-duplicate", "contradiction"):
        made.faults[kind] = []
        for number in range(PLANTED[kind]):
            path, label, group, split = next(chosen)
            exact = kind == "duplicate" or (kind == "contradiction" and number % 2 == 0)
            name = f"{kind}-{number:02}.{'png' if exact else 'jpg'}"
            content = (made.folder / path).read_bytes()
            (made.folder / name).write_bytes(content if exact else change(Image.open(made.folder / path), rng))
            other = KINDS[(KINDS.index(label) + 1) % len(KINDS)] if kind == "contradiction" else label
            rows.append([name, other, group, split])
            made.faults[kind].append((path, name))
    made.faults["leak-groups"] = []
    for number, group in enumerate(rng.permutation(np.arange(TEST_GROUPS, GROUPS))[: PLANTED["leak-groups"]]):
        kind = [one for one in KINDS if one not in (BRIGHT, DARK)][number % 6]
        draw(kind, np.random.default_rng([7, number])).save(made.folder / f"leak-{number:02}.png")
        rows.append([f"leak-{number:02}.png", kind, f"haul {group}", "test"])
        made.faults["leak-groups"].append((f"leak-{number:02}.png",))
    made.faults["unreadable"] = []
    for number in range(PLANTED["unreadable"]):
        path, label, group, split = next(chosen)
        content = (made.folder / path).read_bytes()
        name = f"broken-{number}.png"
        (made.folder / name).write_bytes(
            (b"", b"no picture", content[: len(content) // 2], content[:60], content[8:])[number]
        )
        rows.append([name, label, group, split])
        made.faults["unreadable"].append((name,))
    made.pictures += sum(
        len(made.faults[kind]) for kind in ("duplicate", "near-duplicate", "contradiction", "leak-groups")
    )


def change(picture: Image.Image, rng: np.random.Generator) -> bytes:
    """The same picture as others would have saved it: resized, brighter or darker, compressed."""
    scale = rng.uniform(0.7, 1.6)
    size = (round(picture.width * scale), round(picture.height * scale))
    made = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    made = ImageEnhance.Brightness(made).enhance(rng.uniform(0.8, 1.15))
    held = io.BytesIO()
    made.save(held, "JPEG", quality=int(rng.integers(60, 95)))
    return held.getvalue()

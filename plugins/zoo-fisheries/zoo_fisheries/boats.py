"""Which boat a picture is from: as a table says, or guessed by size and look.

The competition never said. Its pictures come from a few dozen fixed cameras, and those of one camera have one
size and one deck. The guess joins pictures of one size whose coarse structure is alike. It may take one boat
by day and by night for two, and two like decks for one: look at it, and hand a corrected table back.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.errors import FileError, UnknownNameError
from zoo.files import write_atomically, zoo_home
from zoo.progress import Progress, silent

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "seen": "seen"}
ACROSS, DOWN = 48, 27  # cells that a look is made of
ALIKE = 0.8  # the largest distance of looks, 0 (the same) to 2, at which groups are still joined
REMEDY = "Give it the columns image and boat, and maybe split."


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is known of a picture's origin."""

    boat: str | None
    split: str | None = None


def read_table(path: Path) -> dict[str, Origin]:
    """Read a CSV of pictures and boats, by the picture's name (the last part of what it says).

    Raises:
        FileError: no such table, another header, or a picture that stands in it twice with two boats.
        UnknownNameError: a split that does not exist.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as opened:
            rows = [
                {(key or "").strip().lower(): value.strip() for key, value in row.items() if isinstance(value, str)}
                for row in csv.DictReader(opened)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(path, f"not a table ({error})", REMEDY) from error
    table: dict[str, Origin] = {}
    for row in rows:
        image, boat = row.get("image") or row.get("filename"), row.get("boat") or row.get("group")
        if image is None or boat is None:
            raise FileError(path, f"its columns are {', '.join(row)}", REMEDY)
        if split := row.get("split"):
            if split not in SPLITS:
                raise UnknownNameError("split", split, SPLITS)
            split = SPLITS[split]
        name = PurePosixPath(image.replace("\\", "/")).name
        origin = Origin(boat=boat or None, split=split or None)
        if table.setdefault(name, origin) != origin:
            raise FileError(path, f"{name} stands in it twice, with two boats or splits", "Remove one of the lines.")
    if not table:
        raise FileError(path, "there is no picture in it", REMEDY)
    return table


def hold_out(origins: Sequence[Origin], kinds: Sequence[str | None], *, share: float, seed: int) -> list[Origin]:
    """Move a share of every kind's training pictures to the split `seen`: of boats that are learnt from, yet new.

    Args:
        berths: of all pictures.
        kinds: likewise.
        share: 0 to 1.
        seed: of the choice.
    """
    held = list(origins)
    rng = np.random.default_rng([seed, 0x5EE])
    for kind in sorted({kind for kind in kinds if kind is not None}):
        members = [at for at, origin in enumerate(held) if kinds[at] == kind and origin.split == "train"]
        for at in rng.permutation(members)[: round(share * len(members))].tolist():
            held[int(at)] = Origin(boat=held[int(at)].boat, split="seen")
    return held


def guess_boats(
    pictures: Sequence[Path], sizes: Sequence[tuple[int, int]], progress: Progress = silent
) -> dict[str, Origin]:
    """Group pictures by size and look; kept under `ZOO_HOME/boats`, so that it is done once.

    Args:
        pictures: the files.
        sizes: their widths and heights.
        progress: told how far the work is.

    Returns:
        By the picture's name, boats named after their size: `1280x720-03`.
    """
    kept = zoo_home() / "boats" / f"{_cache_key(pictures)}.csv"
    if kept.is_file():
        return read_table(kept)
    by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
    structures = np.zeros((len(pictures), 2 * (ACROSS - 1) * (DOWN - 1)), dtype=np.float32)
    for index, (path, size) in enumerate(zip(pictures, sizes, strict=True)):
        by_size[size].append(index)
        structures[index] = describe_structure(path)
        progress("guessing boats", index + 1, len(pictures))
    boats: dict[str, Origin] = {}
    for size, members in sorted(by_size.items()):
        for index, number in zip(members, _cluster(structures[members]), strict=True):
            boats[pictures[index].name] = Origin(boat=f"{size[0]}x{size[1]}-{number + 1:02}")
    write_atomically(kept, _as_table(boats))
    return boats


def describe_structure(path: Path) -> NDArray[np.float32]:
    """The coarse structure of a picture: the direction of light and dark in each of its cells, of length 1 in all.

    Brightness, contrast and colour cast leave it alone, so that the hour of the day counts for less than the deck.
    A picture that cannot be read has a look of zeros.
    """
    try:
        with Image.open(path) as opened:
            opened.draft("L", (ACROSS * 2, DOWN * 2))
            small = opened.convert("L").resize((ACROSS, DOWN), Image.Resampling.BOX)
    except Exception:  # damaged files make decoders raise many kinds; reading the sample will say what it is
        return np.zeros(2 * (ACROSS - 1) * (DOWN - 1), dtype=np.float32)
    levels = np.log1p(np.asarray(small, dtype=np.float32))
    across, down = np.diff(levels, axis=1)[1:], np.diff(levels, axis=0)[:, 1:]
    slopes = np.stack([across, down])
    slopes /= np.sqrt((slopes**2).sum(axis=0, keepdims=True)) + 0.1  # edges count, not how strong they are
    flat = slopes.ravel()
    return flat / (np.linalg.norm(flat) + 1e-6)


def _cluster(structures: NDArray[np.float32]) -> NDArray[np.int64]:
    """Groups of like looks, numbered from the largest on."""
    if len(structures) < 2:
        return np.zeros(len(structures), dtype=np.int64)
    from sklearn.cluster import AgglomerativeClustering

    distances = np.clip(1 - structures @ structures.T, 0, 2)
    model = AgglomerativeClustering(n_clusters=None, distance_threshold=ALIKE, metric="precomputed", linkage="average")
    found = model.fit_predict(distances)
    counts = np.bincount(found)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[found]


def _cache_key(pictures: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{ACROSS} {DOWN} {ALIKE}".encode())
    for path in pictures:
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _as_table(boats: Mapping[str, Origin]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("image", "boat"))
    table.writerows((name, origin.boat) for name, origin in boats.items())
    return text.getvalue()

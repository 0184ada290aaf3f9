"""A folder of photographs to vectors, end to end: ours beside timm's and torchvision's usual code.

JPEGs of 1280 x 720 pixels go through VGG16 up to block3 on the CPU, and a vector of 256 numbers each is written to a
file. The clock starts when the imports are done and the network is loaded, and stops when the file is there. `--many`
measures our memory instead: fresh processes on 1,000 and on 50,000 pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import PEERS, Promise, Table, describe_machine, interleave, median, parser, tell, told_by
from fixtures import publish_block3, write_checkpoints, write_photograph

CLASSES = 4
SIDE_OF_MANY = 32


def main() -> None:
    """Measure and tell."""
    arguments = _arguments()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        env = {**os.environ, "ZOO_HOME": str(folder / "home"), "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
        os.environ.update(env)
        files = write_checkpoints(folder)
        _give_features(files["timm"], files["torchvision"])
        filters = publish_block3(folder / "made", files["torchvision"])
        photographs = _photographs(folder / "photographs", arguments.different)
        measure = _measure_memory if arguments.many else _measure_speed
        tables, promises, raw = measure(arguments, folder, photographs, filters=filters, files=files)
    tell(tables, promises, machine=machine, raw=raw, path=arguments.json)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__, rounds=3)
    made.add_argument("--pictures", type=int, default=600, help="in the folder (default %(default)s)")
    made.add_argument("--different", type=int, default=200, help="of these; the others are links (default %(default)s)")
    made.add_argument("--sizes", type=int, nargs="+", default=[96, 224], help="sides in pixels (default 96 224)")
    made.add_argument("--many", action="store_true", help="measure memory")
    made.add_argument(
        "--counts", type=int, nargs="+", default=[1000, 50_000], help="pictures, with --many (default 1000 50000)"
    )
    return made.parse_args()


def _give_features(timm: Path, torchvision: Path) -> None:
    """Put torchvision's convolutions into timm's checkpoint, under the same names, so that vectors can be compared."""
    from safetensors.torch import load_file, save_file

    kept = {name: tensor for name, tensor in load_file(torchvision).items() if name.startswith("features.")}
    save_file(load_file(timm) | kept, timm)


def _photographs(folder: Path, count: int) -> list[Path]:
    return [write_photograph(folder / f"{seed:04d}.jpg", seed=seed) for seed in range(count)]


def _linked(folder: Path, photographs: list[Path], count: int) -> Path:
    """A folder of so many pictures in some class folders, hard links to the photographs."""
    for number in range(count):
        place = folder / f"class{number % CLASSES}" / f"{number:06d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(photographs[number % len(photographs)], place)
    return folder


def _measure_speed(
    arguments: argparse.Namespace, folder: Path, photographs: list[Path], *, filters: Path, files: dict[str, Path]
) -> tuple[list[Table], list[Promise], dict[str, Any]]:
    """Ours, timm and torchvision in turn, for each size."""
    pictures = _linked(folder / "pictures", photographs, arguments.pictures)
    tables, promises, raw = [], [], {}
    for side in arguments.sizes:
        outs = {name: folder / f"{name}-{side}.npy" for name in ("ours", "ours_fp32", "timm", "torchvision")}
        weights = {"ours": filters, "ours_fp32": filters, "timm": files["timm"], "torchvision": files["torchvision"]}
        contenders = {}
        for name, out in outs.items():
            script = PEERS / f"embed_folder_{name.partition('_')[0]}.py"
            words = [sys.executable, script, pictures, weights[name], out, side]
            words += ["fp32"] if name == "ours_fp32" else []
            contenders[name] = partial(told_by, [str(word) for word in words])
        runs = interleave(contenders, rounds=arguments.rounds, warm_up=0)
        rates = {name: median([run["pictures"] / run["seconds"] for run in told]) for name, told in runs.items()}
        vectors = {name: np.load(out).astype(np.float64) for name, out in outs.items()}
        rows = []
        for name, told in runs.items():
            cosine, off = _compared(vectors["ours"], vectors[name])
            peak = median([run["peak"] for run in told])
            used = median([1000 * run["processor"] / run["pictures"] for run in told])
            rows.append(
                (name, rates[name], rates["ours"] / rates[name], used, peak, f"{cosine:.6f}", f"{100 * off:.2f}%")
            )
            if name in ("timm", "torchvision"):
                promises += [
                    Promise(text=f"ours over {name}, {side} px", wanted=3, measured=rates["ours"] / rates[name]),
                    Promise(text=f"lowest cosine with {name}'s, {side} px", wanted=0.9999, measured=cosine),
                ]
        columns = ("", "pictures/s", "ours / this", "processor ms", "peak MiB", "lowest cosine", "furthest off")
        tables.append(
            Table(title=f"{arguments.pictures} JPEGs of 1280 x 720, at {side} px", columns=columns, rows=tuple(rows))
        )
        raw[str(side)] = runs
    return tables, promises, raw


def _compared(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """The lowest cosine of two vectors of one picture, and the largest distance over the length."""
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    distances = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    return float(cosines.min()), float(distances.max())


def _measure_memory(
    arguments: argparse.Namespace, folder: Path, photographs: list[Path], *, filters: Path, files: dict[str, Path]
) -> tuple[list[Table], list[Promise], dict[str, Any]]:
    """Our highest resident size, by the number of pictures."""
    runs = {}
    for count in arguments.counts:
        pictures = _linked(folder / f"many-{count}", photographs, count)
        out = folder / f"many-{count}.parquet"
        words = [sys.executable, PEERS / "embed_folder_ours.py", pictures, filters, out, SIDE_OF_MANY]
        runs[str(count)] = told_by([str(word) for word in words])
    rows = [(count, run["pictures"] / run["seconds"], run["peak"]) for count, run in runs.items()]
    peaks = [run["peak"] for run in runs.values()]
    table = Table(
        title=f"Memory, at {SIDE_OF_MANY} px", columns=("pictures", "pictures/s", "peak MiB"), rows=tuple(rows)
    )
    grown = Promise(
        text="peak of the most pictures over the fewest", wanted=1.1, measured=peaks[-1] / peaks[0], most=True
    )
    return [table], [grown], runs


if __name__ == "__main__":
    main()

"""Two small sets of real pictures as a folder a kind, for franken.py: digits and Fashion-MNIST; a picture is a group.

    python benchmarks/small_sets.py digits --out DIR
    python benchmarks/small_sets.py fashion-mnist --out DIR      # after: apt install dataset-fashion-mnist
    python benchmarks/franken.py --data DIR --size 64 --per-class 20 --seeds 10 --json docs/results-digits.json

The digits are scikit-learn's (E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998,
CC BY 4.0), 8 x 8 pixels; Fashion-MNIST is Zalando's (MIT), 28 x 28 pixels. Taken are the first --each pictures of
every kind, of Fashion-MNIST's test pictures.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package
FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def read_digits() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Pictures uint8 (1797, 8, 8), labels (1797,) and the ten names."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * (255 / 16)).astype(np.uint8), data.target, tuple("0123456789")


def read_fashion(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Test pictures uint8 (10000, 28, 28), labels (10000,) and the ten names."""
    pictures = np.frombuffer(gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return pictures.reshape(-1, 28, 28), labels, FASHION


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=["digits", "fashion-mnist"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=120, help="pictures of a kind (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of Fashion-MNIST (default %(default)s)")
    options = parser.parse_args()
    pictures, labels, names = read_digits() if options.name == "digits" else read_fashion(options.folder)
    rows = []
    for kind, name in enumerate(names):
        (options.out / name).mkdir(parents=True)
        for number in np.flatnonzero(labels == kind)[: options.each]:
            place = f"{name}/{number}.png"
            Image.fromarray(pictures[number]).save(options.out / place)
            rows.append((place, name, number))
    with (options.out / "groups.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "group"), *rows])
    print(f"{len(rows)} pictures of {len(names)} kinds in {options.out}")


if __name__ == "__main__":
    main()

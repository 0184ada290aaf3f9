"""CIFAR-10 and CIFAR-100 from the batches that torchvision downloads, without unpickling them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.errors import FileError
from zoo_torchvision.pickles import RefusedPickleError, read_pickle

AGAIN = "Download it again: `zoo data make`, into another folder."
KEYS = {"fine": ("fine_labels", "fine_label_names"), "coarse": ("coarse_labels", "coarse_label_names")}


class Cifar:
    """As torchvision's class of that name: pictures with labels, and the names of the classes.

    Args:
        factory: torchvision's class, which says what the files are called.
        root: the folder that they lie below.
        train: the training's pictures, else the test's.
        labels: of CIFAR-100 the `fine` or the `coarse` ones.

    Raises:
        FileError: a file is missing, damaged, or holds anything but pictures.
    """

    def __init__(self, factory: Any, root: Path, *, train: bool, labels: str = "") -> None:
        of, names = KEYS.get(labels, ("labels", "label_names"))
        folder = root / factory.base_folder
        self.classes: Sequence[str] = _read(folder / factory.meta["filename"], {names: list})[names]
        batches = [
            _read(folder / name, {"data": np.ndarray, of: list})
            for name, _ in (factory.train_list if train else factory.test_list)
        ]
        for batch in batches:
            _check(folder, batch["data"], batch[of], len(self.classes))
        self.data = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        self.targets: list[int] = [label for batch in batches for label in batch[of]]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self.data[index].transpose(1, 2, 0)), self.targets[index]


def _read(path: Path, wanted: dict[str, type]) -> dict[str, Any]:
    try:
        found = read_pickle(path.read_bytes())
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror})", AGAIN) from error
    except RefusedPickleError as error:
        raise FileError(path, f"it is none of CIFAR's files: {error}", AGAIN) from error
    if not isinstance(found, dict) or not all(isinstance(found.get(key), kind) for key, kind in wanted.items()):
        raise FileError(path, f"it has no {' and no '.join(wanted)}", AGAIN)
    return found


def _check(folder: Path, data: np.ndarray, labels: list[Any], classes: int) -> None:
    fits = data.ndim == 2 and data.shape == (len(labels), 3072)
    if not fits or not all(isinstance(one, int) and 0 <= one < classes for one in labels):
        problem = (
            f"a batch has {len(labels)} labels of {classes} classes, and pictures {data.shape} in place of (N, 3072)"
        )
        raise FileError(folder, problem, AGAIN)

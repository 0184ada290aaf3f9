"""torchvision's datasets as they lie on disk, small: every set's true layout, a shade a class."""

from __future__ import annotations

import bz2
import csv
import hashlib
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

EACH = 2  # pictures of a class and split


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("ZOO_HOME", str(place))
    return place


def shade(label: int) -> int:
    return 20 + 30 * label


def pixels(label: int, size: int, channels: int = 0) -> np.ndarray:
    return np.full((size, size, channels) if channels else (size, size), shade(label), dtype=np.uint8)


def save(path: Path, label: int, size: tuple[int, int] = (24, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade(label),) * 3).save(path, quality=95)
    return path


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


# ------------------------------------------------------------------------------------------------ packed


def idx(array: np.ndarray) -> bytes:
    """As MNIST's files are written."""
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    head = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def mnist(root: Path, name: str, labels: list[int], names: dict[str, tuple[str, str]], first: int = 0) -> None:
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for images, said in names.values():
        (raw / images).write_bytes(idx(np.stack([pixels(label - first, 28) for label in labels])))
        values = np.array(labels, dtype=np.uint8)
        if said.endswith("int"):
            values = np.tile(np.array(labels, dtype=np.int32)[:, None], (1, 8))
        (raw / said).write_bytes(idx(values))


def of_mnist(name: str, first: int = 0, classes: int = 3, prefix: dict[str, str] | None = None) -> Callable[..., None]:
    prefix = prefix or {"train": "train", "test": "t10k"}
    kind = "labels-idx2-int" if name == "QMNIST" else "labels-idx1-ubyte"
    names = {key: (f"{said}-images-idx3-ubyte", f"{said}-{kind}") for key, said in prefix.items()}
    return lambda root, _: mnist(root, name, [*range(first, first + classes)] * EACH, names, first)


def python2_pickle(content: dict[str, object]) -> bytes:
    """A dictionary of texts, lists and one array as Python 2's cPickle wrote CIFAR, opcode by opcode."""

    def text(said: str) -> bytes:
        return b"U" + bytes([len(said)]) + said.encode("latin-1")

    def number(value: int) -> bytes:
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)

    def value(said: object) -> bytes:
        if isinstance(said, str):
            return text(said)
        if isinstance(said, np.ndarray):
            raw = said.tobytes()
            made = b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\t"
            kind = (
                b"cnumpy\ndtype\nq\nU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            )
            shape = number(said.shape[0]) + number(said.shape[1]) + b"\x86"
            return made + b"(K\x01" + shape + kind + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
        items = b"".join(text(one) if isinstance(one, str) else number(one) for one in said)  # type: ignore[union-attr]
        return b"]q\x05(" + items + b"e"

    return b"\x80\x02}q\x01(" + b"".join(text(key) + value(said) for key, said in content.items()) + b"u."


def cifar(root: Path, _: object, *, factory: type = datasets.CIFAR10, classes: int = 3) -> None:
    folder = root / factory.base_folder
    folder.mkdir(parents=True)
    key = "labels" if factory is datasets.CIFAR10 else "fine_labels"
    for name, _ in (*factory.train_list, *factory.test_list):
        labels = [*range(classes)] * EACH
        data = np.stack([pixels(label, 32, 3).transpose(2, 0, 1).reshape(-1) for label in labels])
        said = {"batch_label": name, key: labels, "data": data, "filenames": [f"{n}.png" for n in range(len(labels))]}
        if factory is datasets.CIFAR100:
            said["coarse_labels"] = [label // 2 for label in labels]
        (folder / name).write_bytes(python2_pickle(said))
    names = [f"kind{number}" for number in range(classes)]
    meta = (
        {"label_names": names}
        if factory is datasets.CIFAR10
        else {"fine_label_names": names, "coarse_label_names": ["a", "b"]}
    )
    (folder / factory.meta["filename"]).write_bytes(python2_pickle(meta))


def svhn(root: Path, patch: pytest.MonkeyPatch) -> None:
    said = {}
    for split, (url, name, _) in datasets.SVHN.split_list.items():
        labels = [10, 1, 2] * EACH  # ten is the digit 0
        picture = np.stack([pixels(label % 10, 32, 3) for label in labels], axis=-1)
        savemat(root / name, {"X": picture, "y": np.array(labels, dtype=np.uint8)[:, None]})
        said[split] = [url, name, md5(root / name)]
    patch.setattr(datasets.SVHN, "split_list", said)


def stl(root: Path, patch: pytest.MonkeyPatch) -> None:
    folder = root / "stl10_binary"
    folder.mkdir()
    labels = [1, 2, 3] * EACH
    for split in ("train", "test", "unlabeled"):
        data = np.stack([pixels(label - 1, 96, 3).transpose(2, 1, 0) for label in labels])
        (folder / f"{split}_X.bin").write_bytes(data.tobytes())
        (folder / f"{split}_y.bin").write_bytes(bytes(labels))
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\n")
    for name in ("train_list", "test_list"):
        patch.setattr(datasets.STL10, name, [[one, md5(folder / one)] for one, _ in getattr(datasets.STL10, name)])


def usps(root: Path, _: object) -> None:
    for name in ("usps.bz2", "usps.t.bz2"):
        level = [f"{shade(label) / 255 * 2 - 1:.6f}" for label in range(3)]
        lines = [f"{label + 1} " + " ".join(f"{n}:{level[label]}" for n in range(1, 257)) for label in [0, 1, 2] * EACH]
        (root / name).write_bytes(bz2.compress("\n".join(lines).encode()))


def semeion(root: Path, patch: pytest.MonkeyPatch) -> None:
    rows = [
        " ".join(
            ["1.0000"] * 40 * label + ["0.0000"] * (256 - 40 * label) + ["1" if n == label else "0" for n in range(10)]
        )
        for label in [0, 1, 2] * EACH
    ]
    (root / "semeion.data").write_text("".join(f"{row}\n" for row in rows))
    patch.setattr(datasets.SEMEION, "md5_checksum", md5(root / "semeion.data"))


def fer(root: Path, patch: pytest.MonkeyPatch) -> None:
    (root / "fer2013").mkdir()
    path = root / "fer2013" / "fer2013.csv"
    with path.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["emotion", "pixels", "Usage"])
        for use in ("Training", "PublicTest"):
            writer.writerows([label, " ".join([str(shade(label))] * 48 * 48), use] for label in [0, 1, 2] * EACH)
    resources = {**datasets.FER2013._RESOURCES, "fer": ("fer2013.csv", md5(path))}
    patch.setattr(datasets.FER2013, "_RESOURCES", resources)


def pcam(root: Path, _: object) -> None:
    h5py = pytest.importorskip("h5py")
    (root / "pcam").mkdir()
    for split in ("train", "test", "valid"):
        labels = [0, 1] * EACH
        with h5py.File(root / "pcam" / f"camelyonpatch_level_2_split_{split}_x.h5", "w") as opened:
            opened["x"] = np.stack([pixels(label, 96, 3) for label in labels])
        with h5py.File(root / "pcam" / f"camelyonpatch_level_2_split_{split}_y.h5", "w") as opened:
            opened["y"] = np.array(labels, dtype=np.uint8).reshape(-1, 1, 1, 1)


# ------------------------------------------------------------------------------------------------ files


def trees(folders: list[str], names: list[str], suffix: str = "jpg") -> Callable[..., None]:
    """A folder a class below each of some."""

    def write(root: Path, _: object) -> None:
        for folder in folders:
            for label, name in enumerate(names):
                for number in range(1, EACH + 1):
                    save(root / folder / name / f"image_{number:04d}.{suffix}", label)

    return write


def caltech101(root: Path, _: object) -> None:
    trees(["caltech101/101_ObjectCategories"], ["Faces", "ant", "crab"])(root, _)
    save(root / "caltech101/101_ObjectCategories/BACKGROUND_Google/image_0001.jpg", 7)


def caltech256(root: Path, _: object) -> None:
    for label, name in enumerate(["001.ak47", "002.american-flag", "003.backpack"]):
        for number in range(1, EACH + 1):
            save(root / "caltech256/256_ObjectCategories" / name / f"{label + 1:03d}_{number:04d}.jpg", label)


def dtd(root: Path, _: object) -> None:
    labels = root / "dtd/dtd/labels"
    labels.mkdir(parents=True)
    for number, split in enumerate(("train", "val", "test")):
        names = [f"{name}/{name}_{number}{one}.jpg" for name in ("banded", "dotted", "woven") for one in range(EACH)]
        for name in names:
            save(root / "dtd/dtd/images" / name, ("banded", "dotted", "woven").index(name.partition("/")[0]))
        for partition in (1, 2):
            text = "\n".join(names if partition == 1 else names[::2])
            (labels / f"{split}{partition}.txt").write_text(text + "\n")


def flowers(root: Path, patch: pytest.MonkeyPatch) -> None:
    folder = root / "flowers-102"
    labels = [1, 2, 3] * EACH * 3
    for number, label in enumerate(labels, start=1):
        save(folder / f"jpg/image_{number:05d}.jpg", label - 1)
    numbers = np.arange(1, len(labels) + 1).reshape(3, -1)
    savemat(folder / "imagelabels.mat", {"labels": np.array([labels])})
    savemat(folder / "setid.mat", {"trnid": [numbers[0]], "valid": [numbers[1]], "tstid": [numbers[2]]})
    known = datasets.Flowers102._file_dict
    files = {key: (name, md5(folder / name) if key != "image" else said) for key, (name, said) in known.items()}
    patch.setattr(datasets.Flowers102, "_file_dict", files)


def food(root: Path, _: object) -> None:
    (root / "food-101/meta").mkdir(parents=True)
    names = ("apple_pie", "bibimbap", "waffles")
    for start, split in ((0, "train"), (100, "test")):
        said = {name: [f"{name}/{start + one}" for one in range(EACH)] for name in names}
        for label, name in enumerate(names):
            for one in said[name]:
                save(root / f"food-101/images/{one}.jpg", label)
        (root / f"food-101/meta/{split}.json").write_text(json.dumps(said))


def gtsrb(root: Path, _: object) -> None:
    rows = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    for label in range(3):
        for track in range(2):
            for frame in range(EACH):
                save(root / f"gtsrb/GTSRB/Training/{label:05d}/{track:05d}_{frame:05d}.ppm", label)
        save(root / f"gtsrb/GTSRB/Final_Test/Images/{label:05d}.ppm", label)
        rows.append(f"{label:05d}.ppm;24;20;1;1;20;18;{label}")
    (root / "gtsrb/GT-final_test.csv").write_text("\n".join(rows))


def pets(root: Path, _: object) -> None:
    (root / "oxford-iiit-pet/annotations").mkdir(parents=True)
    names = ("Abyssinian", "american_bulldog", "Bengal")
    for start, split in ((0, "trainval"), (100, "test")):
        rows = []
        for label, name in enumerate(names):
            for one in range(EACH):
                save(root / f"oxford-iiit-pet/images/{name}_{start + one}.jpg", label)
                rows.append(f"{name}_{start + one} {label + 1} 1 1")
        (root / f"oxford-iiit-pet/annotations/{split}.txt").write_text("\n".join(rows) + "\n")


def aircraft(root: Path, _: object) -> None:
    data = root / "fgvc-aircraft-2013b/data"
    for level, names in (
        ("variant", ("707-320", "A300 B4", "Yak-42")),
        ("family", ("Boeing 707", "Airbus A300", "Yak-42")),
    ):
        for start, split in enumerate(("train", "val", "test")):
            rows = []
            for label, name in enumerate(names):
                for one in range(EACH):
                    number = f"{start}{label}{one:05d}"
                    picture = Image.new("RGB", (60, 60), "white")
                    picture.paste(Image.new("RGB", (60, 40), (shade(label),) * 3))
                    (data / "images").mkdir(parents=True, exist_ok=True)
                    picture.save(data / f"images/{number}.jpg", quality=95)
                    rows.append(f"{number} {name}")
            (data / f"images_{level}_{split}.txt").write_text("\n".join(rows) + "\n")
        plural = {"variant": "variants", "family": "families"}[level]
        (data / f"{plural}.txt").write_text("\n".join(names) + "\n")


def cars(root: Path, _: object) -> None:
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    kinds = [("fname", "O"), ("class", "u1")]
    for split, place in (
        ("train", folder / "devkit/cars_train_annos.mat"),
        ("test", folder / "cars_test_annos_withlabels.mat"),
    ):
        rows = [(f"{label}{one:04d}.jpg", label + 1) for label in range(3) for one in range(EACH)]
        for name, label in rows:
            save(folder / f"cars_{split}" / name, label - 1)
        savemat(place, {"annotations": np.array(rows, dtype=kinds)})
    names = np.array(["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Audi TT"], dtype=object)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": names})


def sun(root: Path, _: object) -> None:
    names = ("/a/abbey", "/b/bus_interior", "/c/church/indoor")
    for label, name in enumerate(names):
        for one in range(EACH):
            save(root / f"SUN397{name}/sun_a{label}{one}.jpg", label)
    (root / "SUN397/ClassName.txt").write_text("\n".join(names) + "\n")


KINDS = ["kind_a", "kind_b", "kind_c"]
WRITERS: dict[str, Callable[..., None]] = {
    "CIFAR10": cifar,
    "CIFAR100": lambda root, patch: cifar(root, patch, factory=datasets.CIFAR100),
    "Caltech101": caltech101,
    "Caltech256": caltech256,
    "Country211": trees(["country211/train", "country211/valid", "country211/test"], ["AD", "CL", "FR"]),
    "DTD": dtd,
    "EMNIST": of_mnist("EMNIST", prefix={"train": "emnist-balanced-train", "test": "emnist-balanced-test"}),
    "EuroSAT": trees(["eurosat/2750"], ["AnnualCrop", "Forest", "River"]),
    "FER2013": fer,
    "FGVCAircraft": aircraft,
    "FashionMNIST": of_mnist("FashionMNIST"),
    "Flowers102": flowers,
    "Food101": food,
    "GTSRB": gtsrb,
    "Imagenette": trees(["imagenette2/train", "imagenette2/val"], ["n01440764", "n02102040", "n02979186"], "jpeg"),
    "KMNIST": of_mnist("KMNIST"),
    "MNIST": of_mnist("MNIST"),
    "OxfordIIITPet": pets,
    "PCAM": pcam,
    "QMNIST": of_mnist("QMNIST", prefix={"train": "qmnist-train", "test": "qmnist-test"}),
    "RenderedSST2": trees(
        [f"rendered-sst2/{one}" for one in ("train", "valid", "test")], ["negative", "positive"], "png"
    ),
    "SEMEION": semeion,
    "STL10": stl,
    "SUN397": sun,
    "SVHN": svhn,
    "StanfordCars": cars,
    "USPS": usps,
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a set into a folder of its own; checksums that torchvision knows are those of these files."""

    def write(name: str, folder: str = "") -> Path:
        root = tmp_path / (folder or name)
        root.mkdir(parents=True, exist_ok=True)
        WRITERS[name](root, monkeypatch)
        return root

    return write


@pytest.fixture
def make() -> SimpleNamespace:
    """What tests, which cannot import this file, use of it."""
    return SimpleNamespace(
        shade=shade,
        idx=idx,
        pixels=pixels,
        save=save,
        md5=md5,
        python2_pickle=python2_pickle,
        writers=WRITERS,
        of_mnist=of_mnist,
    )


def as_bytes(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "png")
    return content.getvalue()

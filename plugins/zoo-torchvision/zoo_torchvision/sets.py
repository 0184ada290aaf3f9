"""Which of torchvision's datasets are served, and what torchvision's classes do not say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSet:
    """One of torchvision's classes, as the adapter makes it."""

    files: tuple[str, ...]  # files and folders of its own, below the folder that torchvision calls root
    splits: Mapping[str, Mapping[str, Any]]  # by zoo's name the arguments of each; one without a name: it has none
    classes: tuple[str, ...] = ()  # where torchvision's class has no names
    argument: str = ""  # that `variant` is passed as
    variants: tuple[str, ...] = ()  # the first is the default
    symmetry: Literal["none", "mirror", "turns"] = "mirror"
    entries: tuple[str, ...] = ()  # attributes of paths and labels where torchvision takes no loader
    banner: int = 0  # rows at the bottom of every picture that show no picture
    turned: bool = False  # pictures lie with rows and columns exchanged
    tracks: bool = False  # files of the training are called <track>_<frame>: a track is a group
    unpickled: tuple[str, ...] = field(default=())  # patterns of files that torchvision would unpickle: refused


def _halves(**others: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {"train": {"train": True}, "test": {"train": False}, **others}


def _named(train: str = "train", val: str = "", test: str = "test") -> dict[str, Mapping[str, Any]]:
    return {ours: {"split": theirs} for ours, theirs in (("train", train), ("val", val), ("test", test)) if theirs}


def _mnist(name: str, **others: Any) -> ServedSet:
    said = {
        "files": (f"{name}/raw",),
        "splits": _halves(),
        "symmetry": "none",
        "unpickled": (f"{name}/processed/*.pt",),
    }
    return ServedSet(**{**said, **others})


EMNIST = ("balanced", "byclass", "bymerge", "letters", "digits", "mnist")
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
WHOLE: Mapping[str, Mapping[str, Any]] = {"": {}}

SETS: Mapping[str, ServedSet] = {
    "CIFAR10": ServedSet(files=("cifar-10-batches-py",), splits=_halves()),
    "CIFAR100": ServedSet(
        files=("cifar-100-python",), splits=_halves(), argument="labels", variants=("fine", "coarse")
    ),
    "Caltech101": ServedSet(files=("caltech101/101_ObjectCategories",), splits=WHOLE),
    "Caltech256": ServedSet(files=("caltech256/256_ObjectCategories",), splits=WHOLE),
    "Country211": ServedSet(files=("country211",), splits=_named(val="valid")),
    "DTD": ServedSet(
        files=("dtd/dtd",), splits=_named(val="val"), argument="partition", variants=tuple(map(str, range(1, 11)))
    ),
    "EMNIST": _mnist("EMNIST", argument="split", variants=EMNIST, turned=True),
    "EuroSAT": ServedSet(files=("eurosat/2750",), splits=WHOLE, symmetry="turns"),
    "FER2013": ServedSet(files=("fer2013",), splits=_named(), classes=EMOTIONS),
    "FGVCAircraft": ServedSet(
        files=("fgvc-aircraft-2013b",),
        splits=_named(val="val"),
        argument="annotation_level",
        variants=("variant", "family", "manufacturer"),
        banner=20,  # with the photographer's name
    ),
    "FashionMNIST": _mnist("FashionMNIST", symmetry="mirror"),
    "Flowers102": ServedSet(
        files=("flowers-102",), splits=_named(val="val"), classes=tuple(f"flower {n}" for n in range(1, 103))
    ),
    "Food101": ServedSet(files=("food-101",), splits=_named()),
    "GTSRB": ServedSet(
        files=("gtsrb",),
        splits=_named(),
        classes=tuple(f"{number:05d}" for number in range(43)),  # as the folders are called
        symmetry="none",
        entries=("_samples",),
        tracks=True,
    ),
    "Imagenette": ServedSet(
        files=("imagenette2", "imagenette2-320", "imagenette2-160"),
        splits=_named(val="val", test=""),
        argument="size",
        variants=("full", "320px", "160px"),
    ),
    "KMNIST": _mnist("KMNIST"),
    "MNIST": _mnist("MNIST"),
    "OxfordIIITPet": ServedSet(
        files=("oxford-iiit-pet",), splits=_named(train="trainval"), entries=("_images", "_labels")
    ),
    "PCAM": ServedSet(files=("pcam",), splits=_named(val="val"), classes=("normal", "tumor"), symmetry="turns"),
    "QMNIST": _mnist("QMNIST"),
    "RenderedSST2": ServedSet(files=("rendered-sst2",), splits=_named(val="val"), symmetry="none"),
    "SEMEION": ServedSet(files=("semeion.data",), splits=WHOLE, classes=DIGITS, symmetry="none"),
    "STL10": ServedSet(files=("stl10_binary",), splits=_named()),
    "SUN397": ServedSet(files=("SUN397",), splits=WHOLE),
    "SVHN": ServedSet(files=("train_32x32.mat", "test_32x32.mat"), splits=_named(), classes=DIGITS, symmetry="none"),
    "StanfordCars": ServedSet(files=("stanford_cars",), splits=_named()),
    "USPS": ServedSet(files=("usps.bz2", "usps.t.bz2"), splits=_halves(), classes=DIGITS, symmetry="none"),
}
NAMES: Sequence[str] = tuple(SETS)

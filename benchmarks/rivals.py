"""Honest rivals for every table: hand features, HOG with an SVM, an MNIST-style net, random frozen and scratch nets.

    python benchmarks/rivals.py --digits
    python benchmarks/rivals.py --data DIR --per-class 40 --size 64     # a folder of pictures by class, with groups.csv

The first three take pictures uint8 (N, S, S, 3) with labels; what they may choose (C, the rate, the epoch) is chosen
on the validation pictures, and the test pictures are looked at once. The last two are recipes for `train_recipe`, whose
rate `with_best_rate` chooses likewise.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from hog import hog_features
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor, nn
from torch.nn import functional
from zoo_probe.rivals import hand_features

import zoo
from zoo.training.finetune import train_recipe
from zoo.training.recipe import DataPart, FiltersPart, Recipe, TrainingPart
from zoo.training.runs import Run

PENALTIES = tuple(float(10.0**power) for power in range(-3, 4))  # C of the logistic regression
MARGINS = tuple(float(10.0**power) for power in np.arange(-4, 1.5, 0.5))  # C of the SVM
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
BATCH = 64
SHIFT = 1 / 16  # of the side, at most, in training


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some pictures."""

    pictures: np.ndarray  # uint8 (N, S, S, 3)
    labels: np.ndarray  # int64 (N,) from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalScore:
    """What a rival reaches on the test pictures, and what it was allowed to choose."""

    title: str
    accuracy: float  # 0 to 1
    log_loss: float | None  # None: it gives no probabilities
    chosen: dict[str, float]
    tried: dict[str, float] = field(default_factory=dict)  # by what was tried: the value on validation
    right: list[bool] = field(default_factory=list)  # of each test picture, for paired differences


# ------------------------------------------------------------------------------------------------ without a net


def score_hand(train: Part, val: Part, test: Part, *, seed: int = 0) -> RivalScore:
    """Logistic regression on the thirty hand features; C by log loss on validation."""
    x, v, t = (hand_features(part.pictures) for part in (train, val, test))
    classes = np.unique(train.labels)

    def fit(penalty: float) -> tuple[float, np.ndarray]:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=3000, random_state=seed))
        model.fit(x, train.labels)
        return log_loss(model.predict_proba(v), classes, val.labels), model.predict_proba(t)

    penalty, tried, found = best_of(PENALTIES, fit)
    return score_probabilities(
        "hand features (30), logistic regression", found, classes, test.labels, chosen={"C": penalty}, tried=tried
    )


def score_hog_svm(train: Part, val: Part, test: Part, *, seed: int = 0) -> RivalScore:
    """A linear SVM on HOG (Dalal and Triggs 2005); C by accuracy on validation."""
    x, v, t = (hog_features(part.pictures) for part in (train, val, test))

    def fit(margin: float) -> tuple[float, np.ndarray]:
        model = LinearSVC(C=margin, max_iter=5000, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of a large C; it is judged by validation
            model.fit(x, train.labels)
        return -float((model.predict(v) == val.labels).mean()), model.predict(t)

    margin, tried, found = best_of(MARGINS, fit)
    right = found == test.labels
    return RivalScore(
        title="HOG, linear SVM",
        accuracy=float(right.mean()),
        log_loss=None,
        chosen={"C": margin},
        tried=tried,
        right=right.tolist(),
    )


def score_probabilities(
    title: str,
    found: np.ndarray,
    classes: np.ndarray,
    labels: np.ndarray,
    *,
    chosen: dict[str, float],
    tried: dict[str, float],
) -> RivalScore:
    """A rival by its probabilities (N, K) of the classes (K,) that it learnt, for pictures of the labels (N,)."""
    right = classes[found.argmax(axis=1)] == labels
    return RivalScore(
        title=title,
        accuracy=float(right.mean()),
        log_loss=log_loss(found, classes, labels),
        chosen=chosen,
        tried=tried,
        right=right.tolist(),
    )


def best_of(
    values: Iterable[float], fit: Callable[[float], tuple[float, np.ndarray]]
) -> tuple[float, dict[str, float], np.ndarray]:
    """The value of the lowest validation figure (the first of equal ones), all figures, and what it gives on test."""
    found = {value: fit(value) for value in values}
    best = min(found, key=lambda value: found[value][0])
    return best, {f"{value:g}": figure for value, (figure, _) in found.items()}, found[best][1]


def log_loss(probabilities: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> float:
    """The mean of -log p of the true class; a class that was not in training has the least p, 1e-7."""
    at = np.searchsorted(classes, labels)
    known = (at < len(classes)) & (classes[np.minimum(at, len(classes) - 1)] == labels)
    p = np.where(known, probabilities[np.arange(len(labels)), np.minimum(at, len(classes) - 1)], 0.0)
    return float(-np.log(np.clip(p, 1e-7, 1)).mean())


# ------------------------------------------------------------------------------------------------ MNIST-style net


class MnistNet(nn.Module):
    """Three convolutions with batch norm and pooling, and the flatten head of the classic MNIST examples.

    Where the map is larger than 16 x 16 after the third pooling it is averaged down to that. Shapes: images
    (N, 3, S, S), 0 to 1 -> logits (N, K).
    """

    def __init__(self, classes: int, side: int, *, widths: Sequence[int] = (32, 64, 128), hidden: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm2d(3, affine=False)]  # standardises the pictures
        before, left = 3, side
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            if left > 4:
                layers.append(nn.MaxPool2d(2))
                left //= 2
            before = width
        if left > 16:
            layers.append(nn.AdaptiveAvgPool2d(16))
            left = 16
        layers += [nn.Flatten(), nn.Dropout(0.25), nn.Linear(before * left**2, hidden, bias=False)]
        layers += [nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images)
        return found


def score_mnist_net(
    train: Part,
    val: Part,
    test: Part,
    *,
    seed: int = 0,
    rates: Sequence[float] = RATES,
    epochs: int = 40,
    flips: bool = True,
    device: str = "cpu",
) -> RivalScore:
    """The MNIST-style net from scratch; the rate and the epoch by log loss on validation.

    Args:
        flips: pictures may be mirrored and turned upside down in training: not where up means something, as in digits.
    """
    classes = np.unique(train.labels)
    stack = {name: _as_tensors(part, classes, device) for name, part in (("train", train), ("val", val))}
    pictures = _as_tensors(test, classes, device)[0]

    def fit(rate: float) -> tuple[float, np.ndarray]:
        figure, model = _train_net(*stack["train"], *stack["val"], len(classes), seed, rate, epochs, flips)
        return figure, _probabilities(model, pictures).cpu().numpy()

    rate, tried, found = best_of(rates, fit)
    return score_probabilities(
        "MNIST-style net, flatten head, batch norm", found, classes, test.labels, chosen={"rate": rate}, tried=tried
    )


def _as_tensors(part: Part, classes: np.ndarray, device: str) -> tuple[Tensor, Tensor]:
    """Pictures uint8 (N, 3, S, S), and places among the classes; a class unseen in training has place -1."""
    at = np.searchsorted(classes, part.labels).clip(max=len(classes) - 1)
    labels = np.where(classes[at] == part.labels, at, -1)
    pictures = torch.from_numpy(np.ascontiguousarray(part.pictures)).permute(0, 3, 1, 2)
    return pictures.to(device), torch.from_numpy(labels).to(device)


def _train_net(
    pictures: Tensor,
    labels: Tensor,
    val_pictures: Tensor,
    val_labels: Tensor,
    classes: int,
    seed: int,
    rate: float,
    epochs: int,
    flips: bool,
) -> tuple[float, nn.Module]:
    """AdamW, one warm-up and a cosine; the epoch with the least log loss on validation is kept."""
    torch.manual_seed(seed)
    model = MnistNet(classes, pictures.shape[-1]).to(pictures.device)
    steps = epochs * math.ceil(len(labels) / BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(steps, 2), pct_start=0.1)
    best, kept = math.inf, copy.deepcopy(model.state_dict())
    known = val_labels >= 0
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(labels)).split(BATCH):
            if len(rows) == 1:
                continue  # no variance to normalise by
            images = _vary(pictures[rows.to(pictures.device)].float() / 255, flips)
            loss = functional.cross_entropy(model(images), labels[rows.to(labels.device)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        found = _probabilities(model, val_pictures)[known]
        figure = float(functional.nll_loss(found.clamp_min(1e-7).log(), val_labels[known]))
        if figure < best:
            best, kept = figure, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return best, model


def _vary(images: Tensor, flips: bool) -> Tensor:
    """Shifted by up to a sixteenth of the side, the border repeated, and mirrored, each picture on its own."""
    count, side = len(images), images.shape[-1]
    most = round(SHIFT * side)
    wide = functional.pad(images, (most,) * 4, mode="replicate")
    places = torch.randint(0, 2 * most + 1, (count, 2, 1)) + torch.arange(side)  # rows and columns of every picture
    if flips:
        places = torch.where(torch.rand(count, 2, 1) < 0.5, places, places.flip(2))
    rows, columns = places.to(images.device).unbind(dim=1)
    numbers = torch.arange(count, device=images.device)[:, None, None]
    return wide[numbers, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@torch.inference_mode()
def _probabilities(model: nn.Module, pictures: Tensor) -> Tensor:
    model.eval()
    return torch.cat([model(part.float() / 255).softmax(dim=1) for part in pictures.split(256)])


# ------------------------------------------------------------------------------------------------ recipes


def random_frozen(
    data: DataPart, *, size: int, seed: int, cut: str = "block4", backbone: str = "vgg16", epochs: int = 30
) -> Recipe:
    """Random filters that are never trained, under a head that is."""
    filters = FiltersPart(backbone=backbone, weights="random", cut=cut)
    return Recipe(
        seed=seed, size=size, data=data, filters=filters, training=TrainingPart(retrain="none", head_epochs=epochs)
    )


def from_scratch(
    data: DataPart,
    *,
    size: int,
    seed: int,
    cut: str = "block4",
    backbone: str = "vgg16_bn",
    epochs: int = 40,
    rate: float = 1e-3,
    batch: int = 32,
) -> Recipe:
    """The same truncated net with batch norm, all of it trained from random weights."""
    filters = FiltersPart(backbone=backbone, weights="random", cut=cut)
    training = TrainingPart(epochs=epochs, patience=epochs, rate=rate, batch=batch, retrain="all")
    return Recipe(seed=seed, size=size, data=data, filters=filters, training=training)


def with_best_rate(recipe: Recipe, rates: Sequence[float], folder: Path) -> tuple[float, Run]:
    """Train a recipe at every rate, and give the rate with the least log loss on validation, and its run."""
    runs = {}
    for rate in rates:
        training = recipe.training.model_copy(update={"rate": rate})
        runs[rate] = train_recipe(recipe.model_copy(update={"training": training}), folder / f"rate-{rate:g}")
    best = min(runs, key=lambda rate: runs[rate].metrics["validation"]["classify"]["log_loss"])
    return best, runs[best]


# ------------------------------------------------------------------------------------------------ try them


def split_digits(seed: int) -> tuple[Part, Part, Part]:
    """Scikit-learn's 1,797 digits of 8 x 8 pixels, four times enlarged: 1,197, 240 and 360 at random."""
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = np.rint(found.images * (255 / 16)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    pictures, labels = np.repeat(grey[..., None], 3, axis=3), found.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    return tuple(Part(pictures=pictures[rows], labels=labels[rows]) for rows in np.split(order, [1197, 1437]))  # type: ignore[return-value]


def split_folder(folder: Path, *, size: int, per_class: int, kinds: int, seed: int) -> tuple[Part, Part, Part]:
    """The largest kinds of a folder with groups.csv, split by group as `zoo train` does."""
    options = {"labels": "groups.csv"} if (folder / "groups.csv").is_file() else {}
    data = zoo.open_dataset("image-folder", folder, options=options)
    decoded = data.decode(size)
    target = next(iter(data.targets))
    column, rng = decoded.targets[target], np.random.default_rng(seed)
    largest = column[column >= 0].bincount().argsort(descending=True)[:kinds].tolist()
    splits = data.split(decoded, seed=seed)
    parts = []
    for rows, most in ((splits.train, per_class), (splits.val, None), (splits.test, None)):
        kept = []
        for one in largest:
            members = rng.permutation(rows[column[rows] == one].numpy())
            kept.append(members[:most])
        chosen = torch.from_numpy(np.concatenate(kept))
        pictures = decoded.images[chosen].permute(0, 2, 3, 1).numpy()
        labels = np.searchsorted(np.sort(largest), column[chosen].numpy())
        parts.append(Part(pictures=pictures, labels=labels.astype(np.int64)))
    return parts[0], parts[1], parts[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--digits", action="store_true")
    parser.add_argument("--data", type=Path, help="a folder of pictures by class")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--per-class", type=int, default=50)
    parser.add_argument("--kinds", type=int, default=8, help="the largest so many (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.digits == (options.data is not None):
        parser.error("say either --digits or --data DIR")
    how = {"size": options.size, "per_class": options.per_class, "kinds": options.kinds, "seed": options.seed}
    parts = split_digits(options.seed) if options.digits else split_folder(options.data, **how)
    print(
        "pictures: "
        + ", ".join(
            f"{len(part.labels)} {name}" for name, part in zip(("train", "validation", "test"), parts, strict=True)
        )
    )
    net = {"rates": options.rates, "epochs": options.epochs, "flips": not options.digits}
    found = []
    for score, more in ((score_hand, {}), (score_hog_svm, {}), (score_mnist_net, net)):
        begun = time.perf_counter()
        one = score(*parts, seed=options.seed, **more)  # type: ignore[operator]
        loss = "-" if one.log_loss is None else f"{one.log_loss:.3f}"
        seconds = time.perf_counter() - begun
        print(f"{one.title:<45} {100 * one.accuracy:5.1f}%  log loss {loss:>6}  {one.chosen}  {seconds:.0f} s")
        print(f"  tried: {one.tried}", flush=True)
        found.append(one)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")


if __name__ == "__main__":
    main()

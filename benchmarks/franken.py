"""E1, the first claim on real pictures: VGG16 with ImageNet's weights, cut, against every honest rival.

    python benchmarks/franken.py --data DIR --json docs/results-plankton-real.json
    python benchmarks/franken.py --data DIR --trained --device cuda --json docs/results-plankton-real.json

DIR holds pictures by class and groups.csv (image,label,group). For every seed the groups are dealt anew: 30% to test,
15% to validate, the rest to train, of which --per-class pictures of each kind are drawn; no group is on two sides.
Everything that a row may choose (C, the rate, the epoch, the cut) it chooses on the validation pictures. Rows of frozen
filters are logistic regressions on mean-pooled features. With --trained the nets are trained too: the upper part from
ImageNet's weights, and the same net with batch norm from scratch, each at the best of the same rates.

A difference is the mean over the seeds, its 95% interval is Nadeau and Bengio's corrected t ("Inference for the
generalization error", 2003), since the seeds' splits overlap: two seeds share 30% of the test groups. (coverage.py
simulates how often the interval holds the truth.) Every finished row is kept in --folder, and a run that was stopped
goes on from there.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import describe_machine
from rivals import Part, best_of, log_loss, score_hand, score_hog_svm, score_mnist_net
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from zoo_probe.features import measure_cut_costs, pool_features, randomly_initialized

import zoo
from zoo.training import Arithmetic
from zoo.training.finetune import train_recipe
from zoo.training.recipe import DataPart, FiltersPart, Recipe, TrainingPart

START = "vgg16-imagenet"
BLOCKS = ("block1", "block2", "block3", "block4", "block5")
PENALTIES = tuple(10.0**power for power in range(-4, 2))
TEST_SHARE, VAL_SHARE = 0.30, 0.15
OVERLAP = TEST_SHARE / (1 - TEST_SHARE)  # Nadeau and Bengio's ratio, of groups: what a deal may test on or not
MOST_TEST, MOST_VAL, FEWEST = 30, 20, 5  # pictures of a kind in test and validation, and the fewest in either
RANDOM_NETS = 3  # differently drawn random filters, by turns
FROZEN = "ImageNet, cut chosen on validation, frozen"
CHOSEN = "ImageNet, chosen on validation, frozen or retrained"
NET_SIDE = 32  # pixels, of the MNIST-style net
NET_RATES = (1e-3, 3e-3, 1e-2)
RATES = (3e-5, 1e-4, 3e-4, 1e-3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """All pictures of a dataset."""

    images: np.ndarray  # uint8 (N, S, S, 3)
    labels: np.ndarray  # int64 (N,)
    groups: np.ndarray  # int64 (N,)
    names: tuple[str, ...]  # of the kinds
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Rows of the pictures, no group on two sides."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.train, self.val, self.test


def deal(pictures: Pictures, per_class: int, *, seed: int, kinds: np.ndarray) -> Split | None:
    """Groups to test, validation and training, then pictures of every kind; None: no deal out of 300 was possible."""
    rng = np.random.default_rng(seed)
    known = np.unique(pictures.groups)
    for _ in range(300):
        order = rng.permutation(known)
        ends = np.round(np.cumsum([TEST_SHARE, VAL_SHARE]) * len(order)).astype(int)
        test, val, train = (np.isin(pictures.groups, part) for part in np.split(order, ends))
        parts = []
        wants = ((train, per_class, per_class), (val, FEWEST, MOST_VAL), (test, FEWEST, MOST_TEST))
        for side, fewest, most in wants:
            members = [rng.permutation(np.flatnonzero(side & (pictures.labels == kind)))[:most] for kind in kinds]
            if min(map(len, members)) < fewest:
                break
            parts.append(np.sort(np.concatenate(members)))
        else:
            return Split(train=parts[0], val=parts[1], test=parts[2])
    return None


def choose_kinds(pictures: Pictures, per_class: int) -> np.ndarray:
    """Kinds with at least 1.8 times as many pictures as are trained on, from ten groups or more."""
    counts = np.bincount(pictures.labels)
    spread = np.array([len(np.unique(pictures.groups[pictures.labels == kind])) for kind in range(len(counts))])
    return np.flatnonzero((counts >= 1.8 * per_class) & (spread >= 10))


def read_pictures(folder: Path, size: int) -> tuple[Pictures, Any]:
    """The pictures of a folder with groups.csv, and the same as zoo decoded them."""
    data = zoo.open_dataset("image-folder", folder, options={"labels": "groups.csv"})
    decoded = data.decode(size)
    with (folder / "groups.csv").open(newline="") as file:
        paths = [row["image"] for row in csv.DictReader(file)]
    groups = np.unique([str(one) for one in decoded.groups], return_inverse=True)[1]
    found = Pictures(
        images=decoded.images.permute(0, 2, 3, 1).numpy(),
        labels=decoded.targets["label"].numpy(),
        groups=groups,
        names=tuple(data.targets["label"].names),  # type: ignore[union-attr]
        paths=tuple(paths[int(index)] for index in decoded.index),
    )
    return found, decoded


# ------------------------------------------------------------------------------------------------ rows


def score_features(features: np.ndarray, labels: np.ndarray, split: Split) -> dict[str, Any]:
    """Logistic regression on features that are computed already; C by log loss on validation."""
    x, v, t = (features[rows] for rows in split.parts)
    classes = np.unique(labels[split.train])

    def fit(penalty: float) -> tuple[float, np.ndarray]:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=300))
        model.fit(x, labels[split.train])
        return log_loss(model.predict_proba(v), classes, labels[split.val]), model.predict_proba(t)

    penalty, tried, found = best_of(PENALTIES, fit)
    right = classes[found.argmax(axis=1)] == labels[split.test]
    loss = log_loss(found, classes, labels[split.test])
    return {"accuracy": float(right.mean()), "log_loss": loss, "validation": min(tried.values()), "C": penalty}


def frozen_features(
    decoded: Any, size: int, device: str | None, place: Path, say: Callable[[str], None]
) -> dict[str, np.ndarray]:
    """Mean-pooled features of all pictures at every block: of ImageNet's weights, and of random ones."""
    stored = place / f"features-{size}.npz"
    if stored.is_file():
        with np.load(stored) as file:
            return dict(file)
    filters, arithmetic = zoo.load(START), Arithmetic.on(device)
    cuts = measure_cut_costs(filters, size=size)
    rows, found = torch.arange(len(decoded)), {}
    nets = {"ImageNet": filters, **{f"random{n}": randomly_initialized(filters, seed=n) for n in range(RANDOM_NETS)}}
    for name, net in nets.items():
        say(f"features of {name}")
        pooled = pool_features(net, cuts, decoded, rows, arithmetic=arithmetic, progress=zoo.silent)
        found |= {f"{name} {block}": one for block, one in pooled.items()}
    np.savez(stored, **found)
    return found


def cheap_rows(
    pictures: Pictures, small: np.ndarray, features: Mapping[str, np.ndarray], split: Split, seed: int, epochs: int
) -> dict[str, dict[str, Any]]:
    """All rows but those of trained VGG16s."""
    rows: dict[str, dict[str, Any]] = {}
    parts = [Part(pictures=pictures.images[one], labels=pictures.labels[one]) for one in split.parts]
    little = [Part(pictures=small[one], labels=pictures.labels[one]) for one in split.parts]
    scores = (
        score_hand(*parts, seed=seed),
        score_hog_svm(*parts, seed=seed),
        score_mnist_net(*little, seed=seed, epochs=epochs, rates=NET_RATES),
    )
    for score in scores:
        rows[score.title] = {"accuracy": score.accuracy, "log_loss": score.log_loss, **score.chosen}
    for block in BLOCKS:
        rows[f"random weights, {block}, frozen"] = score_features(
            features[f"random{seed % RANDOM_NETS} {block}"], pictures.labels, split
        )
        rows[f"ImageNet, {block}, frozen"] = score_features(features[f"ImageNet {block}"], pictures.labels, split)
    best = min(BLOCKS, key=lambda block: rows[f"ImageNet, {block}, frozen"]["validation"])
    rows[FROZEN] = rows[f"ImageNet, {best}, frozen"] | {"cut": best}
    return rows


def trained_recipe(folder: Path, labels: Path, title: str, *, size: int, seed: int, rate: float) -> Recipe:
    """The recipe of a trained row: `ImageNet, block4, retrained` or `from scratch with batch norm, block4`."""
    start, cut, _ = title.split(", ")
    scratch = start != "ImageNet"
    filters = (
        FiltersPart(backbone="vgg16_bn", weights="random", cut=cut) if scratch else FiltersPart(name=START, cut=cut)
    )
    epochs = 40 if scratch else 12
    training = TrainingPart(epochs=epochs, patience=epochs, rate=rate, batch=32)
    data = DataPart(dataset="image-folder", root=str(folder), options={"labels": str(labels)})
    return Recipe(seed=seed, size=size, data=data, filters=filters, training=training)


TRAINED = ("ImageNet, block3, retrained", "ImageNet, block4, retrained", "ImageNet, block5, retrained")
SCRATCH = ("scratch with batch norm, block4, all trained",)


def trained_row(
    folder: Path, pictures: Pictures, split: Split, title: str, *, size: int, seed: int, rates: Sequence[float]
) -> dict[str, Any]:
    """A VGG16 that is trained, at the rate that is best on validation."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        table = Path(place, "labels.csv")
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "label", "split"])
            for name, rows in zip(("train", "val", "test"), split.parts, strict=True):
                writer.writerows([pictures.paths[row], pictures.names[pictures.labels[row]], name] for row in rows)
        for rate in rates:
            recipe = trained_recipe(folder, table, title, size=size, seed=seed, rate=rate)
            run = train_recipe(recipe, Path(place, f"run-{rate:g}"))
            found[rate] = {name: run.metrics[name]["classify"] for name in ("validation", "test")}
    rate = min(found, key=lambda one: found[one]["validation"]["log_loss"])
    return {
        "accuracy": found[rate]["test"]["accuracy"],
        "log_loss": found[rate]["test"]["log_loss"],
        "validation": found[rate]["validation"]["log_loss"],
        "rate": rate,
        "tried": {f"{one:g}": value["validation"]["log_loss"] for one, value in found.items()},
    }


# ------------------------------------------------------------------------------------------------ together


def corrected_interval(differences: Sequence[float], *, ratio: float) -> tuple[float, float, float]:
    """The mean and its 95% interval by Nadeau and Bengio's corrected t.

    Args:
        differences: one a seed, on splits that overlap.
        ratio: r / (1 - r), where two seeds share a part r of their test data.
    """
    values = np.asarray(differences)
    count = len(values)
    half = student.ppf(0.975, count - 1) * math.sqrt((1 / count + ratio) * values.var(ddof=1))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def summarise(rows: Mapping[str, Sequence[Mapping[str, Any]]], *, champion: str, ratio: float) -> list[dict[str, Any]]:
    """Every row with its mean, and how much better the champion is on the same splits."""
    said = []
    for title, seeds in rows.items():
        accuracy = [one["accuracy"] for one in seeds]
        losses = [one["log_loss"] for one in seeds if one["log_loss"] is not None]
        entry: dict[str, Any] = {
            "row": title,
            "seeds": len(seeds),
            "accuracy": float(np.mean(accuracy)),
            "each": accuracy,
            "log_loss": float(np.mean(losses)) if losses else None,
        }
        best = rows[champion][: len(seeds)]
        if title != champion and len(seeds) > 1:
            gaps = [theirs["accuracy"] - own for theirs, own in zip(best, accuracy, strict=True)]
            entry["champion_over"] = corrected_interval(gaps, ratio=ratio)
        for key in ("cut", "rate", "C"):
            if any(key in one for one in seeds):
                entry[key] = [one.get(key) for one in seeds]
        said.append(entry)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--per-class", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--net-epochs", type=int, default=40, help="of the MNIST-style net (default %(default)s)")
    parser.add_argument("--trained", action="store_true", help="train VGG16s too")
    parser.add_argument("--only", nargs="+", default=[*TRAINED, *SCRATCH], metavar="TITLE", help="trained rows")
    parser.add_argument("--trained-size", type=int, help="pixels, of the trained rows; --size by default")
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES), help="of trained rows")
    parser.add_argument("--scratch-rates", type=float, nargs="+", help="of nets from scratch; --rates by default")
    parser.add_argument("--device")
    parser.add_argument("--folder", type=Path, default=Path("runs/franken"), help="where finished rows are kept")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True)

    pictures, decoded = read_pictures(options.data, options.size)
    small, _ = read_pictures(options.data, NET_SIDE)
    place = options.folder / options.data.name
    place.mkdir(parents=True, exist_ok=True)
    features = frozen_features(decoded, options.size, options.device, place, say)
    sections = []
    for per_class in options.per_class:
        kinds = choose_kinds(pictures, per_class)
        rows: dict[str, list[dict[str, Any]]] = {}
        for seed in range(options.seeds):
            split = deal(pictures, per_class, seed=seed, kinds=kinds)
            if split is None:
                raise SystemExit(f"No deal gives {per_class} training pictures of {len(kinds)} kinds. Ask for fewer.")
            for title, row in _once(
                place / f"cheap-{per_class}-{seed}-{options.size}.json",
                lambda one=split, of=seed: cheap_rows(pictures, small.images, features, one, of, options.net_epochs),
            ).items():
                rows.setdefault(title, []).append(row)
            for title in options.only if options.trained else ():
                side = options.trained_size or options.size
                name = f"{title.replace(', ', '-').replace(' ', '-')}-{per_class}-{seed}-{side}.json"
                row = _once(
                    place / name,
                    lambda one=split, of=seed, what=title, at=side: trained_row(
                        options.data, pictures, one, what, size=at, seed=of, rates=options.rates
                    ),
                )
                rows.setdefault(title, []).append(row)
                say(f"{per_class} a class, seed {seed}: {title} {100 * row['accuracy']:.1f}%")
            say(f"{per_class} a class, seed {seed} of {options.seeds}")
        champion = FROZEN
        starts = [title for title in (FROZEN, *TRAINED) if title in rows]
        if len(starts) > 1:
            champion = CHOSEN
            rows[CHOSEN] = [
                min(tried, key=lambda one: one["validation"])
                for tried in zip(*(rows[title] for title in starts), strict=True)
            ]
        sections.append(
            {
                "per_class": per_class,
                "kinds": [pictures.names[kind] for kind in kinds],
                "pictures": {name: len(one) for name, one in zip(("train", "val", "test"), split.parts, strict=True)},
                "rows": summarise(rows, champion=champion, ratio=OVERLAP),
            }
        )
        print(table(sections[-1], champion), flush=True)
    content = {
        "data": options.data.name,
        "size": options.size,
        "trained_size": options.trained_size or options.size,
        "seeds": options.seeds,
        "rates": options.rates,
        "scratch_rates": options.scratch_rates or options.rates,
        "machine": describe_machine(device=options.device or "cpu"),
        "seconds": round(time.monotonic() - begun),
        "sections": sections,
    }
    options.json.write_text(json.dumps(content, indent=1) + "\n")


def _once(path: Path, compute: Callable[[], Any]) -> Any:
    """What a file holds, computed where it is not there yet."""
    if not path.is_file():
        found = compute()
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found))
        part.replace(path)
    return json.loads(path.read_text())


def table(section: Mapping[str, Any], champion: str) -> str:
    """The rows as Markdown, the best first."""
    lines = [f"| net | test accuracy | log loss | {champion} is better by |", "|---|---:|---:|---:|"]
    for row in sorted(section["rows"], key=lambda one: -one["accuracy"]):
        loss = "" if row["log_loss"] is None else f"{row['log_loss']:.2f}"
        gap = ""
        if "champion_over" in row:
            mean, low, high = (100 * value for value in row["champion_over"])
            gap = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        lines.append(f"| {row['row']} | {100 * row['accuracy']:.1f}% | {loss} | {gap} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Experiment E2: does `zoo probe` foretell what fine-tuning gives? At 14 filter-cuts, on four kinds of pictures.

    python benchmarks/cuts.py --plankton DIR --fish DIR --json docs/choosing-a-cut.json --page docs/choosing-a-cut.md
    python benchmarks/cuts.py --plankton DIR --fish DIR --windows DIR --drawn 3000 --device cuda --size 96 \
        --kinds 15 --per-class 40 --val 20 --test 30 --epochs 20 --seeds 3 --json cuts.json

Filter-cuts: ImageNet's VGG16 and one with random weights at five blocks, and vgg16-plankton at its four; on real
plankton, which that learnt from, vgg16-fish instead. The groups are dealt anew for every seed, no group on two sides;
--per-class pictures of each of the --kinds largest kinds are trained on. A filter-cut is worth the test accuracy
after `zoo train`'s own fine-tuning at its own rate. The probe sees training and validation pictures only. Compared with
that worth, by Kendall's tau-b and by Spearman: the probe's score, LogME, depth and the number of parameters. The regret
is what the cut that is chosen loses against the best cut of the same filters, in points of test accuracy.

Every finished row is kept in --folder, and a run that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zoo_probe
from common import describe_machine
from franken import Pictures, Split, choose_kinds, deal
from PIL import Image
from scipy.stats import kendalltau, spearmanr

import zoo
from zoo.data.datasets import OpenDataset
from zoo.store import find
from zoo.training.finetune import train_recipe
from zoo.training.recipe import DataPart, FiltersPart, Recipe, TrainingPart

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
IMAGENET, RANDOM, PLANKTON, FISH = "vgg16-imagenet", "random weights", "vgg16-plankton", "vgg16-fish"
CUTS = {IMAGENET: 5, RANDOM: 5, PLANKTON: 4, FISH: 4}  # blocks
CHOOSERS = ("probe", "logme", "depth", "parameters")
TITLES = {"probe": "probe", "logme": "LogME", "depth": "depth", "parameters": "parameters"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Some pictures to choose a cut for."""

    name: str
    open: Callable[[], OpenDataset]


def main() -> None:
    options = parse()
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True)

    settings = (options.size, options.kinds, options.per_class, options.val, options.test, options.epochs)
    place = options.folder.resolve() / "-".join(map(str, settings))
    place.mkdir(parents=True, exist_ok=True)
    sections = [study(case, options, place, say) for case in cases(options)]
    said = how(options)
    print("\n".join([as_tables(sections), "", said]))
    if options.json:
        content = {"how": said, "machine": describe_machine(device=options.device or "cpu"), "cases": sections}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.page:
        fill_page(options.page, f"{as_tables(sections)}\n\n{said}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plankton", type=Path, metavar="DIR", help="real plankton by kind, with groups.csv")
    parser.add_argument("--fish", type=Path, metavar="DIR", help="real fish by species, with groups.csv")
    parser.add_argument("--windows", type=Path, metavar="DIR", help="real fish with windows.csv")
    parser.add_argument("--drawn", type=int, default=900, help="drawn plankton pictures (default %(default)s)")
    parser.add_argument("--size", type=int, default=48, help="pixels (default %(default)s)")
    parser.add_argument("--kinds", type=int, default=8, help="the largest so many (default %(default)s)")
    parser.add_argument("--per-class", type=int, default=15, help="trained on, of a kind (default %(default)s)")
    parser.add_argument("--val", type=int, default=6, help="of a kind, at most (default %(default)s)")
    parser.add_argument("--test", type=int, default=25, help="of a kind, at most (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=5, help="of fine-tuning (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device")
    parser.add_argument("--folder", type=Path, default=Path("runs/cuts"), help="where finished rows are kept")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="a page with the figures' markers, which are filled")
    return parser.parse_args()


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """The four kinds of pictures, and the windows where they are at hand."""
    by_kind: dict[str, object] = {"labels": "groups.csv"}
    drawn: dict[str, object] = {"kinds": "other", "pictures": options.drawn}
    yield Case(name="digits", open=lambda: zoo.open_dataset("digits"))
    yield Case(name="drawn plankton", open=lambda: zoo.open_dataset("plankton", options=drawn))
    if options.plankton:
        yield Case(
            name="plankton-real", open=lambda: zoo.open_dataset("image-folder", options.plankton, options=by_kind)
        )
    if options.fish:
        yield Case(
            name="fish-species-real", open=lambda: zoo.open_dataset("image-folder", options.fish, options=by_kind)
        )
    if options.windows:
        yield Case(name="fish windows", open=lambda: zoo.open_dataset("windows", options.windows))


# ------------------------------------------------------------------------------------------------ one kind of pictures


def study(case: Case, options: argparse.Namespace, place: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Every filter-cut probed and fine-tuned on these pictures, and what agrees with what."""
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    picks: list[dict[str, str]] = []
    filters = [IMAGENET, RANDOM, FISH if case.name == "plankton-real" else PLANKTON]
    pins = {one: "drawn" if one == RANDOM else find(one).manifest[7:15] for one in filters}
    counts: dict[str, int] = {}
    for seed in range(options.seeds):
        folder = place / f"{case.name.replace(' ', '-')}-{seed}"
        if not (folder / "labels.csv").is_file():
            write_pictures(case.open(), options, seed, folder)
        counts = count_pictures(folder)
        asked = [one for one in filters if one != RANDOM]
        probes = {one: once(folder / f"probe-{one}-{pins[one]}.json", ask(folder, one, seed, options)) for one in asked}
        picks.append({one: probe["recommended"] for one, probe in probes.items()})
        for one in filters:
            for cut in (f"block{number + 1}" for number in range(CUTS[one])):
                path = folder / f"tuned-{one.replace(' ', '-')}-{pins[one]}-{cut}.json"
                tuned = once(path, partial(fine_tune, folder, one, cut, seed, options))
                row = {**scores_of(probes, one, cut), **tuned}
                rows.setdefault((one, cut), []).append(row)
                say(f"{case.name}, seed {seed}, {one}, {cut}: probe {row['probe']:.3f}, {100 * row['accuracy']:.1f}%")
    return {
        "case": case.name,
        "pictures": counts,
        "rows": [{"filters": one, "cut": cut, **mean_of(found)} for (one, cut), found in rows.items()],
        "agreement": agreement(rows),
        "regret": regret(rows, picks),
    }


def write_pictures(data: OpenDataset, options: argparse.Namespace, seed: int, folder: Path) -> None:
    """Deal the groups, and write the chosen pictures with their labels, groups and sides into a folder."""
    decoded = data.decode(options.size)
    known = [str(row) if group is None else f"group {group}" for row, group in enumerate(decoded.groups)]
    pictures = Pictures(
        images=decoded.images.permute(0, 2, 3, 1).numpy(),
        labels=decoded.targets["label"].numpy(),
        groups=np.unique(known, return_inverse=True)[1],
        names=tuple(data.targets["label"].names),  # type: ignore[union-attr]
        paths=tuple(f"{row}.png" for row in range(len(decoded))),
    )
    kinds = choose_kinds(pictures, options.per_class)
    largest = np.bincount(pictures.labels, minlength=len(pictures.names))[kinds].argsort(kind="stable")[::-1]
    kinds = np.sort(kinds[largest[: options.kinds]])
    split = deal(pictures, options.per_class, seed=seed, kinds=kinds)
    if split is None:
        raise SystemExit(f"No deal gives {options.per_class} training pictures of {len(kinds)} kinds. Ask for fewer.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    grouped = any(group is not None for group in decoded.groups)
    lines = [["image", "label", "split", *(["group"] if grouped else [])]]
    for side, row in chosen_rows(split, pictures.labels, options, seed):
        Image.fromarray(pictures.images[row]).save(folder / pictures.paths[row])
        name = pictures.names[pictures.labels[row]]
        lines.append([pictures.paths[row], name, side, *([known[row]] if grouped else [])])
    with (folder / "labels.part").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    (folder / "labels.part").replace(folder / "labels.csv")


def chosen_rows(split: Split, labels: np.ndarray, options: argparse.Namespace, seed: int) -> Iterator[tuple[str, int]]:
    """Sides with their rows: of a kind at most so many as are asked for."""
    rng = np.random.default_rng(seed)
    most = (options.per_class, options.val, options.test)
    for side, rows, fewest in zip(("train", "val", "test"), split.parts, most, strict=True):
        for kind in np.unique(labels[rows]):
            yield from ((side, int(row)) for row in rng.permutation(rows[labels[rows] == kind])[:fewest])


def count_pictures(folder: Path) -> dict[str, int]:
    """Kinds, groups, and pictures of each side."""
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sides = {side: sum(row["split"] == side for row in rows) for side in ("train", "val", "test")}
    return {"kinds": len({row["label"] for row in rows}), "groups": len({row.get("group") for row in rows}), **sides}


# ------------------------------------------------------------------------------------------------ one row


def ask(folder: Path, filters: str, seed: int, options: argparse.Namespace) -> Callable[[], dict[str, Any]]:
    """The probe of some filters, which scores the same network with random weights too."""
    data = zoo.open_dataset("image-folder", folder, options={"labels": "labels.csv"})
    return lambda: zoo_probe.probe(
        data, filters, size=options.size, per_class=None, seed=seed, device=options.device
    ).as_dict()


def scores_of(probes: dict[str, dict[str, Any]], filters: str, cut: str) -> dict[str, float]:
    """What the probe says of a cut."""
    probe = probes[IMAGENET if filters == RANDOM else filters]
    title = f"{cut}, random weights" if filters == RANDOM else cut
    found = next(one for one in (*probe["cuts"], *probe["baselines"]) if one["title"] == title)
    said = {"probe": found["score"], "logme": found["logme"], "gflop": found["gflop"]}
    return {**said, "depth": float(cut.removeprefix("block")), "parameters": float(found["parameters"])}


def fine_tune(folder: Path, filters: str, cut: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """What `zoo train` gives at its own rate, on the test pictures."""
    part = FiltersPart(backbone="vgg16", weights="random", cut=cut) if filters == RANDOM else None
    recipe = Recipe(
        seed=seed,
        size=options.size,
        data=DataPart(dataset="image-folder", root=str(folder), options={"labels": "labels.csv"}),
        filters=part or FiltersPart(name=filters, cut=cut),
        training=TrainingPart(epochs=options.epochs, patience=options.epochs, batch=16),
    )
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        scores = train_recipe(recipe, Path(place, "run"), device=options.device).metrics["test"]["classify"]
    return {name: scores[name] for name in ("accuracy", "log_loss")} | {"seconds": time.perf_counter() - begun}


def once(path: Path, compute: Callable[[], Any]) -> Any:
    """What a file holds, computed where it is not there yet."""
    if not path.is_file():
        part = path.with_suffix(".part")
        part.write_text(json.dumps(compute()))
        part.replace(path)
    return json.loads(path.read_text())


# ------------------------------------------------------------------------------------------------ together


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The means over the seeds, and each seed's accuracy."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return {**means, "each": [row["accuracy"] for row in rows]}


def agreement(rows: dict[tuple[str, str], list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Rank correlations with the accuracy after fine-tuning, over all filter-cuts."""
    means = [mean_of(found) for found in rows.values()]
    worth = [one["accuracy"] for one in means]
    return {
        name: {
            "tau_b": float(kendalltau([one[name] for one in means], worth).statistic),
            "spearman": float(spearmanr([one[name] for one in means], worth).statistic),
        }
        for name in CHOOSERS
    }


def regret(
    rows: dict[tuple[str, str], list[dict[str, float]]], picks: Sequence[dict[str, str]]
) -> dict[str, dict[str, Any]]:
    """By filters: how far the chosen cut is below the best cut after fine-tuning, 0 to 1, the mean over the seeds."""
    found: dict[str, dict[str, Any]] = {}
    for filters in picks[0]:
        own = {cut: [row["accuracy"] for row in some] for (name, cut), some in rows.items() if name == filters}
        logme = {cut: [row["logme"] for row in some] for (name, cut), some in rows.items() if name == filters}
        best = max(own, key=lambda cut: np.mean(own[cut]))
        chosen = {
            "recommended": [one[filters] for one in picks],
            "logme": [max(own, key=lambda cut: logme[cut][seed]) for seed in range(len(picks))],
            "deepest": [max(own)] * len(picks),
        }
        found[filters] = {"best": best, "cuts": chosen} | {
            name: float(np.mean([np.mean(own[best]) - np.mean(own[cut]) for cut in cuts]))
            for name, cuts in chosen.items()
        }
    return found


def as_tables(sections: Sequence[dict[str, Any]]) -> str:
    """Markdown: the agreement, the regret, then every filter-cut."""
    names = [one["case"] for one in sections]
    head = f"| {{}} | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"
    lines = ["### Rank correlation with fine-tuning, tau-b (Spearman)", "", head.format("by")]
    for name in CHOOSERS:
        found = [one["agreement"][name] for one in sections]
        cells = [f"{one['tau_b']:.2f} ({one['spearman']:.2f})" for one in found]
        lines.append(f"| {TITLES[name]} | {' | '.join(cells)} |")
    lines += ["", "### Regret in points: below the best cut of the same filters", "", head.format("filters, chosen by")]
    for filters in (IMAGENET, PLANKTON, FISH):
        for name, title in (("recommended", "`zoo probe`"), ("logme", "LogME"), ("deepest", "the deepest cut")):
            cells = [regret_cell(one["regret"].get(filters), name) for one in sections]
            lines.append(f"| {filters}, {title} | {' | '.join(cells)} |")
    lines += ["", "### Every filter-cut: probe's score, and test accuracy after fine-tuning, in percent", ""]
    lines.append(head.format("filters, cut"))
    for filters, cuts in CUTS.items():
        for cut in (f"block{number + 1}" for number in range(cuts)):
            cells = [cell(one["rows"], filters, cut) for one in sections]
            lines.append(f"| {filters}, {cut} | {' | '.join(cells)} |")
    return "\n".join(lines)


def regret_cell(found: dict[str, Any] | None, chosen_by: str) -> str:
    if found is None:
        return "not judged"
    return f"{100 * found[chosen_by]:.1f} ({', '.join(dict.fromkeys(found['cuts'][chosen_by]))})"


def cell(rows: Sequence[dict[str, Any]], filters: str, cut: str) -> str:
    found = [row for row in rows if (row["filters"], row["cut"]) == (filters, cut)]
    return f"{100 * found[0]['probe']:.1f} → {100 * found[0]['accuracy']:.1f}" if found else "not judged"


def how(options: argparse.Namespace) -> str:
    return (
        f"{options.size} x {options.size} pixels; of at most {options.kinds} kinds {options.per_class} pictures each "
        f"to train on, at most {options.val} to validate with and {options.test} to test; heads first, then "
        f"{options.epochs} epochs of fine-tuning at the default rate, batches of 16; {options.seeds} "
        f"{'seed' if options.seeds == 1 else 'seeds'}, groups dealt anew for each."
    )


def fill_page(page: Path, figures: str) -> None:
    """Put the figures between the page's markers. Raises SystemExit where it has none."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no {BEGIN} and {END}.")
    page.write_text(f"{before}{begin}\n{figures}\n{end}{after}")


if __name__ == "__main__":
    main()

"""Similarity search by filters on real pictures: is what is found of the query's kind, though of another day or track?

    python benchmarks/alike.py --data plankton-real --set labels=groups.csv --json docs/alike.json --page docs/alike.md
    python benchmarks/alike.py --dataset windows --data fish-real --sheet docs/similar.png --json docs/alike.json

Every picture is a query, and the pictures of its own group do not count: what is near in time or place is alike for
that reason. Filters and random filters are compared as `zoo similar` does, by the cosine of mean-pooled features;
raw pixels less their mean; hand features standardised, as they have thirty units. A run writes its own section of
the JSON, and the page's tables are made of all sections.

Then the score of `zoo probe` for two sets of features side by side, against the better one of the two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from zoo_probe.candidates import Candidate, CandidateComparison, make_probe_setup
from zoo_probe.features import pool_features, randomly_initialized, shrink_pixels
from zoo_probe.intervals import mean_interval
from zoo_probe.rivals import HAND_FEATURES, hand_features
from zoo_probe.scores import score_features
from zoo_probe.tasks import PER_CLASS, make_probe_task

import zoo
from zoo.data import DecodedDataset, OpenDataset, sequential_batches
from zoo.devices import describe_device
from zoo.models import Filters
from zoo.plots import save_png
from zoo.plots.contact_sheet import draw_neighbours
from zoo.progress import silent

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
FILTERS, BLOCKS, NEAREST = "vgg16-imagenet", ("block3", "block4", "block5"), 10
REFERENCE = f"{FILTERS} block4"  # the cut that is taken where nothing is said, and no row is chosen by its score
CHANCE, PIXELS = "chance", "raw pixels 16 x 16, less their mean"
HAND = f"hand features ({len(HAND_FEATURES)}), standardised"
SHEET_BYTES, SHOWN = 290_000, 5  # of the PNG; neighbours of a query


# ------------------------------------------------------------------------------------------------ features


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Pictures at one size, with what is known of them."""

    name: str
    data: OpenDataset
    decoded: DecodedDataset
    rows: torch.Tensor  # int64 (N,), of the decoded ones
    kinds: np.ndarray  # str (N,)
    groups: np.ndarray  # int64 (N,) from 0


def open_pictures(asked: argparse.Namespace) -> Pictures:
    """Those with a kind and a group."""
    data = zoo.open_dataset(asked.dataset, asked.data, options=dict(one.split("=", 1) for one in asked.set))
    decoded = data.decode(asked.size)
    target = data.targets["label"]
    if not isinstance(target, zoo.Categories):
        raise SystemExit(f"{asked.dataset} has no kinds.")
    names = np.array(target.names)
    kinds = names[decoded.targets["label"].numpy()]
    groups = np.array([str(group) for group in decoded.groups])
    keep = decoded.known["label"].numpy() & np.array([group is not None for group in decoded.groups])
    rows = torch.from_numpy(np.flatnonzero(keep))
    numbers = np.unique(groups[keep], return_inverse=True)[1].reshape(-1)
    title = asked.title or Path(asked.data).resolve().name
    return Pictures(name=title, data=data, decoded=decoded, rows=rows, kinds=kinds[keep], groups=numbers)


def compute_features(pictures: Pictures, asked: argparse.Namespace, *, rivals: bool = True) -> dict[str, np.ndarray]:
    """By title, float32 (all decoded pictures, C); random filters' titles end in their seed."""
    setup = make_probe_setup(device=asked.device, precision=asked.precision, seed=0, progress=silent)
    rows = torch.arange(len(pictures.decoded))
    found: dict[str, np.ndarray] = {}

    def add(filters: Filters, name: str, key: str, suffix: str = "") -> None:
        cuts = [cut for cut in filters.cuts if cut.name in BLOCKS]
        how: dict[str, Any] = {"arithmetic": setup.arithmetic, "progress": say, "what": name}
        kept = keep_features(
            asked.features,
            [pictures.decoded.fingerprint, asked.size, key, str(setup.arithmetic.dtype)],
            lambda: pool_features(filters, cuts, pictures.decoded, rows, **how),
        )
        found.update({f"{name} {block}{suffix}": kept[block] for block in kept})

    for name in (FILTERS, *asked.filters):
        filters = zoo.load(name)
        add(filters, name, filters.published.digest if filters.published else name)
        if name == FILTERS and rivals:
            for seed in range(asked.seeds):
                add(randomly_initialized(filters, seed=seed), "random filters", f"random {seed}", f", seed {seed}")
    if rivals:
        shown = (pictures.decoded.images[part].permute(0, 2, 3, 1).numpy() for part in sequential_batches(rows, 256))
        found[HAND] = standardise(np.concatenate([hand_features(part) for part in shown]))
        pixels = shrink_pixels(pictures.decoded, rows)
        found[PIXELS] = pixels - pixels[pictures.rows.numpy()].mean(axis=0)
    return found


def keep_features(
    folder: Path | None, key: Sequence[object], work: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """What the work gives, from the folder where it was done before."""
    if folder is None:
        return work()
    path = folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".part").open("wb") as opened:
            np.savez(opened, **work())  # type: ignore[arg-type]
        path.with_suffix(".part").rename(path)
    with np.load(path) as opened:
        return dict(opened)


def standardise(features: np.ndarray) -> np.ndarray:
    """Each column less its mean, over its deviation."""
    centred: np.ndarray = features - features.mean(axis=0)
    return centred / np.maximum(centred.std(axis=0), 1e-6)


def say(what: str, done: int, total: int | None = None, note: str = "") -> None:
    """Now and then."""
    if done == total or done % 512 == 0:
        print(f"{what}: {done:,} of {total or 0:,}", flush=True)


# ------------------------------------------------------------------------------------------------ neighbours


def find_neighbours(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The nearest by cosine of other groups. Shapes: (N, C), (N,) -> int64 (N, 10)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosines = unit @ unit.T
    cosines[groups[:, None] == groups[None, :]] = -np.inf
    near = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
    order = np.argsort(-np.take_along_axis(cosines, near, axis=1), axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1)


def score_neighbours(vectors: np.ndarray, pictures: Pictures) -> np.ndarray:
    """Whether the nearest is of the query's kind, and the share of the ten nearest. Shapes: -> float64 (N, 2)."""
    near = find_neighbours(vectors, pictures.groups)
    right = pictures.kinds[near] == pictures.kinds[:, None]
    return np.column_stack([right[:, 0], right.mean(axis=1)]).astype(np.float64)


def count_others(pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of other groups, and those among them of the query's kind. Shapes: two of (N,)."""
    kinds = np.unique(pictures.kinds, return_inverse=True)[1].reshape(-1)
    apart = len(kinds) - np.bincount(pictures.groups)[pictures.groups]
    both = np.unique(np.column_stack([kinds, pictures.groups]), axis=0, return_inverse=True, return_counts=True)
    own = np.bincount(kinds)[kinds] - both[2][both[1].reshape(-1)]
    return apart, own


def measure_mean(values: np.ndarray, pictures: Pictures, *, over: str) -> dict[str, Any]:
    """The mean over pictures, or over kinds of each kind's mean, and its 95% interval over groups.

    The mean over kinds is one of ratios; its interval is that of its linear form, in which a picture counts by how far
    it is from its kind's mean, over the kind's share of the pictures.

    Shapes: values (N,) float, of all pictures.
    """
    if over == "kinds":
        kinds = np.unique(pictures.kinds, return_inverse=True)[1].reshape(-1)
        members = np.bincount(kinds)
        means = np.bincount(kinds, weights=values) / members
        values = means.mean() + (values - means[kinds]) * len(values) / (len(members) * members[kinds])
    return {"value": float(values.mean()), "interval": list(mean_interval(values, pictures.groups))}


def measure_neighbours(pictures: Pictures, features: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A row for each set of features (the mean over its seeds), and for chance."""
    apart, own = count_others(pictures)
    asks = own > 0  # a kind that lies in one group can never be found in another
    asking = replace(
        pictures,
        kinds=pictures.kinds[asks],
        groups=np.unique(pictures.groups[asks], return_inverse=True)[1].reshape(-1),
    )
    taken = pictures.rows.numpy()
    scores: dict[str, list[np.ndarray]] = {}
    even: dict[str, list[np.ndarray]] = {}
    for title, vectors in features.items():
        base = title.partition(", seed ")[0]
        scores.setdefault(base, []).append(score_neighbours(vectors[taken], pictures)[asks])
        even.setdefault(base, []).append(score_neighbours(standardise(vectors[taken]), pictures)[asks])
    scores[CHANCE] = [np.repeat((own / apart)[asks, None], 2, axis=1)]
    reference = np.mean(scores[REFERENCE], axis=0)
    rows: dict[str, Any] = {}
    for title, parts in scores.items():
        mean = np.mean(parts, axis=0)
        row: dict[str, Any] = {"seeds": len(parts)}
        for column, name in enumerate(("at 1", "at 10")):
            for over in ("kinds", "pictures"):
                row[f"{name}, {over}"] = measure_mean(mean[:, column], asking, over=over)
            if title != REFERENCE:
                less = reference[:, column] - mean[:, column]
                row[f"block4 less this, {name}, kinds"] = measure_mean(less, asking, over="kinds")
        row["by seed, at 1, kinds"] = [measure_mean(part[:, 0], asking, over="kinds")["value"] for part in parts]
        if title in even:
            standard = np.mean(even[title], axis=0)[:, 0]
            row["standardised, at 1, kinds"] = measure_mean(standard, asking, over="kinds")
        rows[title] = row
    members = np.unique(asking.kinds, return_counts=True)[1]
    return {
        "queries": int(asks.sum()),
        "kinds": len(members),
        "least": int(members.min()),
        "most": int(members.max()),
        "kinds under 50": int((members < 50).sum()),
        "groups": int(asking.groups.max()) + 1,
        "rows": rows,
    }


# ------------------------------------------------------------------------------------------------ side by side


def measure_pairs(pictures: Pictures, features: Mapping[str, np.ndarray], asked: argparse.Namespace) -> dict[str, Any]:
    """The probe's score of single sets of features, and of two beside each other less the better one."""
    pairs = [(f"{FILTERS} block3", REFERENCE), (REFERENCE, f"{FILTERS} block5"), (REFERENCE, HAND)]
    for name in asked.filters:
        own = [title for title in features if title.startswith(f"{name} ")]
        pairs += [(REFERENCE, own[BLOCKS.index("block4")] if len(own) > 1 else own[0])] if own else []
    twin = "random filters block4, seed 0"
    pairs += [(REFERENCE, twin)] if twin in features else []
    task = make_probe_task(pictures.data, pictures.decoded, target="label", per_class=asked.per_class, seed=asked.seed)
    rows = task.rows.numpy()
    candidates: dict[str, Candidate] = {}

    def score(title: str, vectors: np.ndarray) -> None:
        if title not in candidates:
            print(f"probing {title}", flush=True)
            found = score_features(vectors[rows], task, seed=asked.seed)
            candidates[title] = Candidate(title=title, kind="cut", feature_scores=found)

    for one, other in pairs:
        score(one, features[one])
        score(other, features[other])
        score(f"{one} + {other}", np.concatenate([standardise(features[one]), standardise(features[other])], axis=1))
    table = CandidateComparison(list(candidates.values()), task.groups)
    titles = list(candidates)
    results = {title: table.result(number) for number, title in enumerate(titles)}
    told = []
    for one, other in pairs:
        better = max(one, other, key=lambda title: results[title].score)
        gap = table.gap(titles.index(f"{one} + {other}"), titles.index(better))
        told.append({"one": one, "other": other, "better": better, **asdict(gap)})
    scores = {
        title: {"score": one.score, "interval": [one.low, one.high], "knn": one.knn, "lda": one.lda}
        for title, one in results.items()
    }
    return {
        "pictures": len(rows), "kinds": len(task.names), "per class": asked.per_class,
        "folds": task.how, "notes": list(task.notes), "scores": scores, "pairs": told,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ the contact sheet


def draw_sheet(pictures: Pictures, vectors: np.ndarray, path: Path, *, seed: int) -> dict[str, Any]:
    """A query of every kind, drawn by the seed, with its nearest of other groups; and what the nearest are worth."""
    near = find_neighbours(vectors[pictures.rows.numpy()], pictures.groups)
    rng = np.random.default_rng(seed)
    queries = [int(rng.choice(np.flatnonzero(pictures.kinds == kind))) for kind in np.unique(pictures.kinds)]
    shown = [[query, *near[query, :SHOWN].tolist()] for query in queries]

    def image(row: int) -> np.ndarray:
        index = int(pictures.decoded.index[pictures.rows[row]])
        drawn: np.ndarray = pictures.data.dataset[index].image.permute(1, 2, 0).numpy()
        return drawn

    sheet = draw_neighbours(
        [image(row[0]) for row in shown],
        [[image(one) for one in row[1:]] for row in shown],
        captions=[[str(pictures.kinds[one]) for one in row] for row in shown],
        agree=[[bool(pictures.kinds[one] == pictures.kinds[row[0]]) for one in row[1:]] for row in shown],
        titles=("query", "nearest first, of other shots"),
    )
    save_png(sheet, path, largest=SHEET_BYTES)
    right = (pictures.kinds[near] == pictures.kinds[:, None]).astype(np.float64)
    return {
        "pictures": len(near), "kinds": len(queries), "groups": int(pictures.groups.max()) + 1,
        "at 1, kinds": measure_mean(right[:, 0], pictures, over="kinds"),
        "at 10, kinds": measure_mean(right.mean(axis=1), pictures, over="kinds"),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ the page


def share(one: Mapping[str, Any]) -> str:
    """A value in per cent."""
    return f"{100 * one['value']:.1f}"


def percent(one: Mapping[str, Any]) -> str:
    """A value with its interval, in per cent."""
    low, high = one["interval"]
    return f"{share(one)} [{100 * low:.1f}, {100 * high:.1f}]"


def points(one: Mapping[str, Any] | None) -> str:
    """A difference with its interval, in points."""
    if one is None:
        return ""
    low, high = one["interval"]
    return f"{100 * one['value']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def render_section(name: str, section: Mapping[str, Any]) -> list[str]:
    """The tables of one set of pictures."""
    found, pairs = section["neighbours"], section["pairs"]
    lines = [
        f"**{name}**: {found['queries']:,} pictures of {found['kinds']} kinds, {found['least']} to {found['most']}",
        f"each ({found['kinds under 50']} kinds under 50), {found['groups']} {section['group']}; {section['how']}.",
        "",
        "| vectors | nearest, kinds | of ten, kinds | nearest, pictures | of ten, pictures | block4 less this: "
        "nearest | of ten | standardised: nearest, kinds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for title, row in found["rows"].items():
        shown = f"{title} (mean of {row['seeds']})" if title.startswith("random") else title
        told = percent if title != CHANCE else share  # chance does not vary
        cells = [told(row[key]) for key in ("at 1, kinds", "at 10, kinds")]
        cells += [share(row[key]) for key in ("at 1, pictures", "at 10, pictures")]
        cells += [points(row.get(f"block4 less this, at {many}, kinds")) for many in (1, 10)]
        even = row.get("standardised, at 1, kinds")
        lines.append(" | ".join(["| " + shown, *cells, share(even) if even else ""]) + " |")
    lines += [
        "",
        f"Side by side, by the probe's score on {pairs['pictures']:,} of these pictures, {pairs['kinds']} kinds, "
        f"at most {pairs['per class']} each, {pairs['folds']}:",
        "",
        "| one | other | side by side | less the better one |",
        "|---|---|---:|---:|",
    ]
    for pair in pairs["pairs"]:
        both, *single = (
            {"value": pairs["scores"][title]["score"], "interval": pairs["scores"][title]["interval"]}
            for title in (f"{pair['one']} + {pair['other']}", pair["one"], pair["other"])
        )
        gap = points({"value": pair["difference"], "interval": [pair["low"], pair["high"]]})
        first, second = (
            f"{title}: {100 * one['value']:.1f}"
            for title, one in zip((pair["one"], pair["other"]), single, strict=True)
        )
        lines.append(f"| {first} | {second} | {percent(both)} | {gap} |")
    return [*lines, ""]


def write_page(path: Path, content: Mapping[str, Any]) -> None:
    """The tables of all sections, between the page's markers."""
    text = path.read_text()
    lines = [line for name, section in content["sets"].items() for line in render_section(name, section)]
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    path.write_text("\n".join([before, "", *lines, after]).replace("\n\n\n", "\n\n"))


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="the folder of the pictures")
    parser.add_argument("--dataset", default="image-folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="the dataset's options")
    parser.add_argument("--title", help="of the section; the folder's name by default")
    parser.add_argument("--group", default="groups", help="what a group is, for the page: days, tracks")
    parser.add_argument("--filters", nargs="+", default=[], metavar="NAME", help=f"beside {FILTERS}")
    parser.add_argument("--seeds", type=int, default=3, help="of random filters (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of folds and queries (default %(default)s)")
    parser.add_argument("--size", type=int, default=96, help="pixels (default %(default)s)")
    parser.add_argument("--per-class", type=int, default=PER_CLASS, help="pictures side by side (default %(default)s)")
    parser.add_argument("--device")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--features", type=Path, metavar="FOLDER", help="keep features there for the next time")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw queries with their nearest; nothing else")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="put the tables of all sections of --json between its markers")
    return parser.parse_args()


def main() -> None:
    """Measure or draw, and tell."""
    asked = read_arguments()
    pictures = open_pictures(asked)
    content = json.loads(asked.json.read_text()) if asked.json and asked.json.is_file() else {}
    content = {"sets": content.get("sets", {}), "sheet": content.get("sheet", {})}
    how = describe_how(asked)
    if asked.sheet:
        vectors = compute_features(pictures, asked, rivals=False)[REFERENCE]
        content["sheet"] = {
            "set": pictures.name,
            "how": how,
            **draw_sheet(pictures, vectors, asked.sheet, seed=asked.seed),
        }
        print(json.dumps(content["sheet"], indent=1))
    else:
        features = compute_features(pictures, asked)
        section = {
            "group": asked.group,
            "how": how,
            "neighbours": measure_neighbours(pictures, features),
            "pairs": measure_pairs(pictures, features, asked),
        }
        content["sets"][pictures.name] = section
        print("\n".join(render_section(pictures.name, section)))
    if asked.json:
        asked.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if asked.page:
        write_page(asked.page, content)


def describe_how(asked: argparse.Namespace) -> str:
    """Size, precision, device and versions, in a line."""
    arithmetic = make_probe_setup(device=asked.device, precision=asked.precision, seed=0, progress=silent).arithmetic
    precision = "bf16" if arithmetic.dtype == torch.bfloat16 else "fp32"
    device = "CPU" if arithmetic.device.type == "cpu" else describe_device(arithmetic.device)
    return f"{asked.size} px, {precision}, {device}, torch {torch.__version__.partition('+')[0]}, seed {asked.seed}"


if __name__ == "__main__":
    main()

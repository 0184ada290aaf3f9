"""Are filters trained on drawings worth anything? Frozen features on real pictures against random and ImageNet filters.

    zoo train plugins/zoo-fractals/recipes/vgg16-fractals.toml --out runs/vgg16-fractals
    zoo train plugins/zoo-fractals/recipes/vgg16-dead-leaves.toml --out runs/vgg16-dead-leaves
    python benchmarks/fractals.py --data DIR --set plankton-real --set fish-species-real --json docs/fractals.json \
        --filters runs/vgg16-fractals --filters runs/vgg16-dead-leaves --filters vgg16-imagenet

Features and scores are those of `zoo probe`, folds by group (groups.csv). Random filters are the same network
(VGG16 with batch norm; fresh statistics change nothing), drawn with each of the seeds. Differences are paired picture
by picture; their 95% intervals are over drawn groups and, of random filters, drawn seeds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from common import describe_machine
from zoo_probe.candidates import ProbeSetup, score_cuts, score_without_filters
from zoo_probe.features import measure_cut_costs
from zoo_probe.tasks import make_probe_task

from zoo.data import open_dataset
from zoo.models import Filters, as_filters, build_filters
from zoo.progress import silent
from zoo.training import Arithmetic

CUTS = ("block1", "block2", "block3", "block4")
RANDOM, PIXELS = "random", "raw pixels"
Scores = dict[str, np.ndarray]  # by "NAME block4", or "NAME block4 SEED": float (N,), the mean is the score


def score_set(
    place: Path, filters: list[str], *, size: int, per_class: int, seeds: int
) -> tuple[Scores, np.ndarray, dict]:
    """Per-picture scores by row, the pictures' groups, and what they are."""
    data = open_dataset("image-folder", place, options={"labels": "groups.csv"})
    decoded = data.decode(size)
    task = make_probe_task(data, decoded, target="label", per_class=per_class, seed=0)
    setup = ProbeSetup(arithmetic=Arithmetic.on("cpu"), seed=0, progress=silent)

    def measure(what: Filters, name: str, ending: str = "") -> Scores:
        found = score_cuts(what, measure_cut_costs(what, CUTS, size=size), decoded, task, setup)
        print(f"{place.name}: {name}{ending}", *(f"{100 * one.feature_scores.score:.1f}" for one in found), flush=True)
        return {f"{name} {one.title}{ending}": one.feature_scores.per_sample for one in found}

    pixels = next(one for one in score_without_filters(decoded, task, setup) if one.kind == "pixels")
    rows: Scores = {f"{PIXELS} -": pixels.feature_scores.per_sample}
    for name in filters:
        rows |= measure(as_filters(name), Path(name).name)
    for seed in range(seeds):
        drawn = build_filters("vgg16_bn", cut=CUTS[-1], weights="random", seed=seed, size=size)
        rows |= measure(drawn, RANDOM, f" {seed}")
    facts = {"pictures": len(task.rows), "classes": len(task.names), "folds": task.how, "notes": list(task.notes)}
    return rows, task.groups, facts


def resample_means(scores: np.ndarray, groups: np.ndarray, *, seed: int, draws: int = 2000) -> np.ndarray:
    """Means over groups drawn with replacement, the same for all columns: their differences are paired.

    Shapes: scores (N, M) float, groups (N,) int from 0 -> (draws, M) float.
    """
    sums = np.zeros((int(groups.max()) + 1, scores.shape[1] + 1))
    np.add.at(sums, groups, np.column_stack([scores, np.ones(len(scores))]))
    times = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=draws)
    totals = times @ sums
    return totals[:, :-1] / totals[:, -1:]


def compare(rows: Scores, groups: np.ndarray, filters: list[str], *, seeds: int) -> list[dict]:
    """A row for every network and cut: its score, and its lead over random filters there and at their best cut."""
    names = list(rows)
    means = dict(zip(names, resample_means(np.column_stack([*rows.values()]), groups, seed=0).T, strict=True))
    draws = len(means[names[0]])
    chosen = np.random.default_rng(1).integers(seeds, size=(draws, seeds))
    twins = {cut: [f"{RANDOM} {cut} {seed}" for seed in range(seeds)] for cut in CUTS}
    at = {cut: np.column_stack([rows[twin] for twin in twins[cut]]) for cut in CUTS}
    drawn = {}
    for cut in CUTS:
        by_seed = np.column_stack([means[twin] for twin in twins[cut]])
        drawn[cut] = np.take_along_axis(by_seed, chosen, axis=1).mean(axis=1)
    strongest = max(CUTS, key=lambda cut: at[cut].mean())
    table = []
    for name, cut in [(PIXELS, "-"), *((Path(name).name, cut) for name in filters for cut in CUTS)]:
        key = f"{name} {cut}"
        leads = {}
        for what, other in (("there", cut), ("best", strongest)):
            if other in at:
                interval = np.quantile(means[key] - drawn[other], (0.025, 0.975)).tolist()
                leads[what] = {"difference": float(rows[key].mean() - at[other].mean()), "interval": interval}
        table.append({"name": name, "cut": cut, "score": float(rows[key].mean()), "over_random": leads})
    for cut in CUTS:
        by_seed = at[cut].mean(axis=0)
        table.append({"name": RANDOM, "cut": cut, "score": float(by_seed.mean()), "by_seed": by_seed.tolist()})
    return table


def as_markdown(results: dict[str, dict], seeds: int) -> str:
    """One table for all sets."""
    lines = ["| set | filters | cut | score | over random, same cut | over random, its best cut |"]
    lines.append("|---|---|---|---:|---|---|")
    for place, result in results.items():
        for row in result["rows"]:
            cells = ["", ""]
            for number, what in enumerate(("there", "best")):
                if lead := row.get("over_random", {}).get(what):
                    low, high = (100 * value for value in lead["interval"])
                    cells[number] = f"{100 * lead['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"
            if "by_seed" in row:
                cells[0] = f"{seeds} seeds, sd {100 * np.std(row['by_seed'], ddof=1):.1f}"
            lines.append(f"| {place} | {row['name']} | {row['cut']} | {100 * row['score']:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", dest="sets", action="append", required=True)
    parser.add_argument("--filters", action="append", required=True, help="a name or a run")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--per-class", type=int, default=50)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    how = {"size": given.size, "per_class": given.per_class, "seeds": given.seeds}
    results: dict[str, dict] = {}
    for place in given.sets:
        rows, groups, facts = score_set(given.data / place, given.filters, **how)
        results[place] = {**facts, "rows": compare(rows, groups, given.filters, seeds=given.seeds)}
    print(as_markdown(results, given.seeds))
    if given.json:
        said = {"machine": describe_machine(), "how": how, "filters": [Path(name).name for name in given.filters]}
        given.json.write_text(json.dumps({**said, "sets": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How often do 95% intervals hold the truth? Over few groups, as `zoo probe` prints them, and over paired seeds.

    python benchmarks/coverage.py --json coverage.json

Groups: right answers are beta-binomial, so that pictures of a group are alike (the intraclass correlation); groups of
20 pictures, or of lognormal sizes (sd 1, mean 20). An accuracy, and the difference of two classifiers that answer 60%
of the pictures alike. "percentile" is the cluster bootstrap that was printed before; "now" is what is printed. Seeds:
normal, heavy-tailed and skewed differences for `zoo ablate`'s comparison; "BCa" is what was printed before. Deals:
the seeds of franken.py, which share pictures: how much they do is the ratio in Nadeau and Bengio's interval.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from franken import MOST_TEST, OVERLAP, Pictures, corrected_interval, deal
from scipy import stats
from zoo_ablation.statistics import compare_paired
from zoo_probe.intervals import mean_interval, share_interval

GROUPS, CORRELATIONS, ACCURACIES = (5, 12, 58), (0.05, 0.2, 0.5), (0.3, 0.6, 0.9)
DRAWS = 1000  # of the percentile bootstrap
MEAN_SIZE = 20
APART, GAP = 0.4, 0.1  # share of pictures that both classifiers answer on their own, and by how much one is worse there
PAIRS = (6, 10, 20)
KINDS, WIDTH, PER_KIND = 20, 16, 20  # of drawn datasets that are dealt: kinds, features, training pictures of a kind
RATIOS = {"seeds alone": 0.0, "test groups": OVERLAP, "pictures drawn": MOST_TEST / PER_KIND}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2000, help="of each row (default %(default)s)")
    parser.add_argument("--seed-simulations", type=int, default=600, help="of paired seeds (default %(default)s)")
    parser.add_argument("--deal-simulations", type=int, default=300, help="of deals (default %(default)s)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng, of_seeds, of_deals = (np.random.default_rng(seed) for seed in range(3))
    groups = [
        group_row(
            rng, options.simulations, what=what, groups=count, equal=equal, correlation=correlation, accuracy=accuracy
        )
        for what in ("accuracy", "difference")
        for count in GROUPS
        for equal in (True, False)
        for correlation in CORRELATIONS
        for accuracy in ACCURACIES
    ]
    seeds = [seed_row(of_seeds, options.seed_simulations, shape, pairs) for shape in SHAPES for pairs in PAIRS]
    deals = [
        deal_row(of_deals, options.deal_simulations, deals=count, groups=groups, alike=alike)
        for groups in (80, 160)
        for alike in (0.3, 1.0)
        for count in PAIRS
    ]
    summary = summarise(groups)
    print(table(summary))
    print()
    print(table(seeds))
    print()
    print(table(deals))
    if options.json:
        content = {
            "how": f"{options.simulations} simulations a row of groups, {options.seed_simulations} of seeds, "
            f"{options.deal_simulations} of deals, seeds 0 to 2",
            "summary": summary,
            "groups": groups,
            "seeds": seeds,
            "deals": deals,
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def group_row(
    rng: np.random.Generator, many: int, *, what: str, groups: int, equal: bool, correlation: float, accuracy: float
) -> dict[str, Any]:
    """Coverage of both methods in one setting, and their mean half widths in points."""
    sizes = draw_sizes(rng, many, groups, equal=equal)
    if what == "accuracy":
        truth, hits, other = accuracy, draw_hits(rng, sizes, accuracy, correlation), np.zeros_like(sizes)
    else:
        truth, alone = APART * GAP, rng.binomial(sizes, APART)
        hits, other = (draw_hits(rng, alone, share, correlation) for share in (accuracy, accuracy - GAP))
    sums = hits - other
    now = np.array([interval(what, hits[one], other[one], sizes[one]) for one in range(many)])
    times = rng.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)
    before = np.quantile((times @ sums.T) / (times @ sizes.T), [0.025, 0.975], axis=0).T
    row: dict[str, Any] = {"what": what, "groups": groups, "sizes": "equal" if equal else "unequal"}
    row |= {"correlation": correlation, "accuracy": accuracy}
    for name, ends in (("percentile", before), ("now", now)):
        row[name] = float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean())
        row[f"{name}, half width"] = float(np.diff(ends, axis=1).mean() / 2)
    return row


def draw_sizes(rng: np.random.Generator, many: int, groups: int, *, equal: bool) -> np.ndarray:
    """Pictures of each group. Shapes: int (many, groups)."""
    if equal:
        return np.full((many, groups), MEAN_SIZE)
    drawn = rng.lognormal(np.log(MEAN_SIZE) - 0.5, 1.0, (many, groups))
    return np.maximum(1, np.rint(drawn)).astype(int)


def draw_hits(rng: np.random.Generator, sizes: np.ndarray, accuracy: float, correlation: float) -> np.ndarray:
    """Right answers of each group, beta-binomial. Shapes: int (many, groups), twice."""
    precision = (1 - correlation) / correlation
    return rng.binomial(sizes, rng.beta(accuracy * precision, (1 - accuracy) * precision, sizes.shape))


def interval(what: str, hits: np.ndarray, other: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """What the probe prints. Shapes: int (groups,): right answers of the classifier, of the other, pictures."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(groups)) - np.repeat(sizes.cumsum() - sizes, sizes)
    values = (place < hits[groups]).astype(float) - (place < other[groups])
    return share_interval(values, groups) if what == "accuracy" else mean_interval(values, groups)


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over correlations and accuracies: the mean coverage, and the least with its setting."""
    found = []
    for what in ("accuracy", "difference"):
        for groups in GROUPS:
            for sizes in ("equal", "unequal"):
                some = [row for row in rows if (row["what"], row["groups"], row["sizes"]) == (what, groups, sizes)]
                line: dict[str, Any] = {"what": what, "groups": groups, "sizes": sizes}
                for name in ("percentile", "now"):
                    least = min(some, key=lambda row: row[name])
                    line[f"{name}, mean"] = float(np.mean([row[name] for row in some]))
                    line[f"{name}, least"] = least[name]
                line["least now at"] = f"accuracy {least['accuracy']}, correlation {least['correlation']}"
                found.append(line)
    return found


SHAPES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t of 3 degrees": lambda rng, shape: rng.standard_t(3, size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "lognormal": lambda rng, shape: rng.lognormal(0, 0.75, size=shape) - np.exp(0.75**2 / 2),
}


def seed_row(rng: np.random.Generator, many: int, shape: str, pairs: int) -> dict[str, Any]:
    """Coverage of the comparison of paired seeds and of the t interval, where there is no effect; wrong verdicts."""
    values = SHAPES[shape](rng, (many, pairs))
    zeros = [0.0] * pairs
    told = [compare_paired(row.tolist(), zeros, better="higher", seed=one) for one, row in enumerate(values)]
    ends = np.array([(one.low, one.high) for one in told], dtype=float)
    before = np.array([widened_bca(row, seed=one) for one, row in enumerate(values)])
    row: dict[str, Any] = {"differences": shape, "pairs": pairs}
    for name, (low, high) in (("BCa", before.T), ("now", ends.T)):
        row[name] = float(((low <= 0) & (high >= 0)).mean())
        row[f"{name}, half width"] = float(np.median(high - low) / 2 / values.std())
    return {**row, "false verdicts now": float(np.mean([one.clear for one in told]))}


def widened_bca(differences: np.ndarray, *, seed: int) -> tuple[float, float]:
    """The bias-corrected and accelerated bootstrap at Hesterberg's level for few pairs."""
    pairs = len(differences)
    tail = stats.norm.sf(stats.t.isf(0.025, pairs - 1) * (pairs / (pairs - 1)) ** 0.5)
    how = {"method": "BCa", "confidence_level": 1 - 2 * tail, "n_resamples": DRAWS, "rng": seed}
    low, high = stats.bootstrap((differences,), np.mean, **how).confidence_interval
    return float(low), float(high)


def deal_row(rng: np.random.Generator, many: int, *, deals: int, groups: int, alike: float) -> dict[str, Any]:
    """Coverage of Nadeau and Bengio's interval of a difference over deals of a dataset, by the ratio that it is given.

    Args:
        many: datasets.
        deals: of each, as franken.py deals.
        groups: of each dataset.
        alike: standard deviation of what the pictures of a group have in common; a picture's own is 1.
    """
    means = np.random.default_rng(1).normal(size=(KINDS, WIDTH)) * 0.6
    gaps = np.array([dataset_gaps(rng, means, deals=deals, groups=groups, alike=alike) for _ in range(many)])
    truth = gaps.mean()
    row: dict[str, Any] = {"deals": deals, "groups": groups, "alike": str(alike)}
    for name, ratio in RATIOS.items():
        ends = np.array([corrected_interval(one.tolist(), ratio=ratio)[1:] for one in gaps])
        row[name] = float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean())
        row[f"{name}, half width"] = float(np.diff(ends, axis=1).mean() / 2)
    return row


def dataset_gaps(rng: np.random.Generator, means: np.ndarray, *, deals: int, groups: int, alike: float) -> np.ndarray:
    """How much better all features are than half of them, by nearest mean, in every deal of one drawn dataset."""
    sizes = draw_sizes(rng, 1, groups, equal=False)[0] + 5
    group = np.repeat(np.arange(groups), sizes)
    kind = np.concatenate([rng.choice(KINDS, size, p=rng.dirichlet(np.full(KINDS, 2.0))) for size in sizes])
    common = alike * rng.normal(size=(groups, KINDS, WIDTH))
    features = means[kind] + common[group, kind] + rng.normal(size=(len(kind), WIDTH))
    none = np.zeros((0, 1, 1, 3), np.uint8)
    pictures = Pictures(images=none, labels=kind, groups=group, names=tuple(map(str, range(KINDS))), paths=())
    found: list[float] = []
    for seed in range(deals):
        split = deal(pictures, PER_KIND, seed=seed, kinds=np.arange(KINDS))
        if split is None:
            return dataset_gaps(rng, means, deals=deals, groups=groups, alike=alike)
        right = []
        for used in (features, features[:, : WIDTH // 2]):
            centres = np.stack([used[split.train][kind[split.train] == one].mean(axis=0) for one in range(KINDS)])
            far = ((used[split.test][:, None] - centres) ** 2).sum(axis=2)
            right.append((far.argmin(axis=1) == kind[split.test]).mean())
        found.append(right[0] - right[1])
    return np.array(found)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    for row in rows:
        cells = [f"{100 * value:.1f}" if isinstance(value, float) else str(value) for value in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

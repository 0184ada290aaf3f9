"""In which order a simulated annotator is shown pictures; each strategy stops after every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from zoo_label.annotator import START, Annotation
from zoo_label.clusters import find_clusters, typical_first

FIRST = 50  # typical pictures that `mixed` begins with

Strategy = Callable[[Annotation], Iterator[None]]


def label_at_random(pool: Annotation) -> Iterator[None]:
    """One by one in random order."""
    for picture in pool.rng.permutation(pool.rest).tolist():
        pool.name_one(picture)
        yield


def label_typical(pool: Annotation) -> Iterator[None]:
    """One by one, the picture nearest to the centre of each cluster first; then of twice as many clusters."""
    count = FIRST
    while len(pool.rest):
        rest, seed = pool.rest, int(pool.rng.integers(1 << 30))
        for picture in typical_first(pool.features, rest, min(count, len(rest)), seed=seed).tolist():
            pool.name_one(picture)
            yield
        count *= 2


def label_rows(pool: Annotation) -> Iterator[None]:
    """Whole rows, the purest first, as the page shows them; what was taken out is clustered again."""
    while len(pool.rest):
        waiting = find_clusters(pool.features, pool.rest, seed=int(pool.rng.integers(1 << 30)))
        while waiting:
            waiting += pool.name_row(waiting.pop(0))
            yield


def label_by_margin(pool: Annotation) -> Iterator[None]:
    """One by one: some at random, then those whose two likeliest kinds are closest."""
    for picture in pool.rng.permutation(pool.rest)[:START].tolist():
        pool.name_one(picture)
        yield
    yield from _margins(pool)


def label_mixed(pool: Annotation) -> Iterator[None]:
    """One by one: typical pictures first, then by margin (Hacohen and others 2022; arXiv 2401.14555)."""
    seed = int(pool.rng.integers(1 << 30))
    for picture in typical_first(pool.features, pool.rest, min(FIRST, len(pool.rest)), seed=seed).tolist():
        pool.name_one(picture)
        yield
    yield from _margins(pool)


def _margins(pool: Annotation) -> Iterator[None]:
    while len(pool.rest):
        beliefs, rest = pool.beliefs(), pool.rest
        for picture in rest[np.argsort(beliefs.margin[rest], kind="stable")][: pool.batch].tolist():
            pool.name_one(picture)
            yield


STRATEGIES: dict[str, Strategy] = {
    "random": label_at_random,
    "cluster": label_rows,
    "typical": label_typical,
    "margin": label_by_margin,
    "mixed": label_mixed,
}

"""Clusters of embeddings, as rows that can be named whole; and what all distances are measured in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.embedding import normalise_rows

SIZE = 40  # pictures of a row, about
FEWEST, MOST = 2, 400  # rows
COMPONENTS = 64  # principal components that are clustered
WHOLE = 256  # pictures; fewer are clustered by all their numbers, which is as quick
SAMPLE = 20_000  # pictures that clusters are found on; the others go to the nearest
PARTS = 4  # of a row that is split


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A row of pictures, the most typical first."""

    key: int
    pictures: np.ndarray  # int (n)
    purity: float  # how much nearer its pictures are to its own centre than to the next one's, 0 to 1


def standardise(vectors: np.ndarray, ready: np.ndarray) -> np.ndarray:
    """The signed square root of each number, less its mean, over its deviation, both of the pictures that are ready.

    The root tames the few large numbers of pooled maps (Perronnin, Sánchez and Mensink 2010).

    Shapes: vectors (N, D) float32, ready bool (N) -> (N, D) float32.
    """
    if not ready.any():
        return np.zeros_like(vectors)
    roots = np.sign(vectors) * np.sqrt(np.abs(vectors))
    mean, deviation = roots[ready].mean(axis=0), roots[ready].std(axis=0)
    roots -= mean
    roots /= np.where(deviation > 0, deviation, 1)
    return np.asarray(roots, dtype=np.float32)


def find_clusters(
    features: np.ndarray, pictures: np.ndarray, *, seed: int = 0, count: int | None = None
) -> list[Cluster]:
    """k-means on the first principal components of unit vectors; the purest row first.

    Args:
        features: standardised, (N, D) float32.
        pictures: int (n), those to be clustered.
        seed: of the centres that it begins with.
        count: of rows; by default one for every forty pictures.
    """
    if not len(pictures):
        return []
    count = count or int(np.clip(len(pictures) // SIZE, FEWEST, MOST))
    places = _reduce(normalise_rows(features[pictures]), seed)
    centres = _find_centres(places, min(count, len(pictures)), seed)
    distances = _distances(places, centres)
    own = distances.argmin(axis=1)
    nearest = np.partition(distances, 1, axis=1)[:, :2] if len(centres) > 1 else np.c_[distances, distances + 1]
    gain = 1 - nearest[:, 0] / np.maximum(nearest[:, 1], 1e-9)
    found = []
    for key in range(len(centres)):
        mine = np.flatnonzero(own == key)
        if len(mine):
            order = mine[np.argsort(distances[mine, key], kind="stable")]
            found.append(Cluster(key=key, pictures=pictures[order], purity=float(gain[mine].mean())))
    return sorted(found, key=lambda one: (-one.purity, one.key))


def split_cluster(features: np.ndarray, cluster: Cluster, *, first_key: int, seed: int = 0) -> list[Cluster]:
    """A row as several smaller ones; of fewer than two pictures as it is."""
    if len(cluster.pictures) < 2:
        return [cluster]
    parts = find_clusters(features, np.sort(cluster.pictures), seed=seed, count=min(PARTS, len(cluster.pictures)))
    return [
        Cluster(key=first_key + number, pictures=one.pictures, purity=one.purity) for number, one in enumerate(parts)
    ]


def typical_first(features: np.ndarray, pictures: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """The most typical picture of each of so many clusters, of the largest cluster first: int (at most count).

    For the first labels, as Hacohen, Dekel and Weinshall (2022, "Active learning on a budget") choose them.
    """
    clusters = find_clusters(features, pictures, seed=seed, count=count)
    clusters.sort(key=lambda one: (-len(one.pictures), one.key))
    return np.array([one.pictures[0] for one in clusters], dtype=np.int64)


def _reduce(units: np.ndarray, seed: int) -> np.ndarray:
    """Unit vectors (n, D) -> their first principal components (n, at most 64)."""
    if units.shape[1] <= COMPONENTS or len(units) < WHOLE:
        return units
    sample = units[_sample(len(units), seed)]
    centred = sample - sample.mean(axis=0)
    _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return np.asarray((units - sample.mean(axis=0)) @ vectors[:, -COMPONENTS:], dtype=np.float32)


def _find_centres(places: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if count >= len(np.unique(places, axis=0)):
        return np.unique(places, axis=0)
    sample = places[_sample(len(places), seed)]
    large = len(sample) * count > 1_000_000
    made = MiniBatchKMeans if large else KMeans
    options = {"batch_size": 4096, "max_iter": 20} if large else {"max_iter": 50}
    return np.asarray(made(count, n_init=1, random_state=seed, **options).fit(sample).cluster_centers_)


def _sample(count: int, seed: int) -> np.ndarray:
    if count <= SAMPLE:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, SAMPLE, replace=False))


def _distances(places: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Euclidean, (n, k) float32."""
    squares = (places**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None] - 2 * places @ centres.T
    return np.sqrt(np.maximum(squares, 0))

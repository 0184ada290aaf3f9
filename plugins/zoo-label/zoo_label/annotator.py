"""An annotator who knows the truth, and how long everything takes such a person: a model, not a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from zoo_label.clusters import Cluster, split_cluster
from zoo_label.head import Beliefs, FittedHead, believe, fit_head

MAJORITY = 0.6  # of a row from which on it is named whole; others are split
SMALLEST = 4  # pictures of a row; fewer are named one by one
START = 20  # labels before the first head


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeModel:
    """Seconds that a person is assumed to need."""

    come: float = 0.7  # to the next row
    glance: float = 0.25  # at one picture of a row
    look: float = 1.2  # at one picture by itself
    click: float = 1.0  # to take one out of a row
    key: float = 0.5  # to name what is selected
    new: float = 4.0  # to type the name of a kind for the first time

    def assumptions(self) -> dict[str, float]:
        """By name, for a report."""
        return asdict(self)


class Annotation:
    """A pool of pictures that is being labelled by somebody who is never wrong.

    Args:
        features: standardised, (N, D) float32.
        truth: int (N).
        times: the model.
        rng: of the strategy.
    """

    def __init__(self, features: np.ndarray, truth: np.ndarray, times: TimeModel, rng: np.random.Generator) -> None:
        self.features, self.truth, self.times, self.rng = features, truth, times, rng
        self.codes = np.full(len(truth), -1)
        self.seconds, self.answers = 0.0, 0
        self._known: set[int] = set()
        self._beliefs, self._fitted = Beliefs.none(len(truth)), 0

    @property
    def labels(self) -> int:
        """How many pictures are labelled."""
        return int((self.codes >= 0).sum())

    @property
    def rest(self) -> np.ndarray:
        """The unlabelled pictures, int."""
        return np.flatnonzero(self.codes < 0)

    def head(self) -> FittedHead | None:
        """Fitted to all labels so far."""
        rows = np.flatnonzero(self.codes >= 0)
        return fit_head(self.features, rows, self.codes[rows])

    def beliefs(self) -> Beliefs:
        """What the head says of all; fitted anew once there are a tenth more labels."""
        if self.labels >= self._fitted + self.batch:
            self._beliefs, self._fitted = (
                believe(self.head(), self.features, np.ones(len(self.codes), bool)),
                self.labels,
            )
        return self._beliefs

    @property
    def batch(self) -> int:
        """Labels between two fits: ten, later a tenth of what there is."""
        return max(10, self._fitted // 10)

    def name_one(self, picture: int) -> None:
        """Look at one picture and press its key."""
        self.codes[picture] = self.truth[picture]
        self.answers += 1
        self.seconds += self.times.look + self._press(int(self.truth[picture]))

    def name_row(self, cluster: Cluster) -> list[Cluster]:
        """Look at a row: name it whole, take out what does not belong; or split it, which gives smaller rows."""
        self.seconds += self.times.come + self.times.glance * len(cluster.pictures)
        kinds, counts = np.unique(self.truth[cluster.pictures], return_counts=True)
        kind, count = int(kinds[counts.argmax()]), int(counts.max())
        if count >= MAJORITY * len(cluster.pictures):
            others = len(cluster.pictures) - count
            self.codes[cluster.pictures[self.truth[cluster.pictures] == kind]] = kind
            self.answers += 1 + others
            self.seconds += self._press(kind) + self.times.click * others
            return []
        self.answers += 1
        self.seconds += self.times.key
        if len(cluster.pictures) < SMALLEST:
            for picture in cluster.pictures.tolist():
                self.name_one(picture)
            return []
        return split_cluster(self.features, cluster, first_key=0, seed=int(self.rng.integers(1 << 30)))

    def _press(self, kind: int) -> float:
        first = kind not in self._known
        self._known.add(kind)
        return self.times.new if first else self.times.key


def chosen_kinds(truth: Sequence[str | None]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes int (N), -1 where there is no truth, and their names."""
    names = sorted({one for one in truth if one is not None})
    place = {name: number for number, name in enumerate(names)}
    return np.array([-1 if one is None else place[one] for one in truth]), tuple(names)

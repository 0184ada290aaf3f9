"""One labelling: the journal, the pictures' features, and what the head believes; used by several threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo_label.actions import Action
from zoo_label.agreement import Agreement, measure_agreement
from zoo_label.checking import Estimate, draw_order, estimate_rest, next_to_check
from zoo_label.clusters import Cluster, find_clusters, split_cluster, standardise
from zoo_label.head import Beliefs, FittedHead, believe, fit_head
from zoo_label.journal import Journal, Receipt
from zoo_label.labels import JUNK_CODE, UNSURE_CODE, replay
from zoo_label.pictures import PictureFolder

HALF = 0.5  # of a check's pictures: once more are labelled, a new check begins


@dataclass(slots=True, kw_only=True)
class EmbeddingState:
    """How far the embedding is."""

    done: int = 0
    total: int = 0
    skipped: list[str] = field(default_factory=list)
    fault: str = ""  # what stopped it


class Labelling:
    """All that a page, or a test, needs.

    Args:
        journal: with or without these pictures.
        pictures: what is labelled.
        person: who labels.
        filters: the hash of the filters that the features are of.
        filters_name: what they are called.
        seed: of clusters.
    """

    def __init__(
        self,
        journal: Journal,
        pictures: PictureFolder,
        *,
        person: str,
        filters: str = "",
        filters_name: str = "",
        seed: int = 0,
    ) -> None:
        self.journal, self.pictures, self.person = journal, pictures, person
        self.filters, self.filters_name, self.seed = filters, filters_name, seed
        groups = [pictures.groups.get(path) for path in pictures.paths]
        self.numbers = np.array(journal.add_pictures(pictures.paths, groups), dtype=np.int64)  # by place in the folder
        self.lock = threading.RLock()
        self.embedding = EmbeddingState(total=len(self.numbers))
        self.ready = np.zeros(len(journal.paths), dtype=bool)
        self.beliefs = Beliefs.none(len(journal.paths))
        self.head: FittedHead | None = None
        self.fits = 0  # how often the head was fitted
        self.estimate: Estimate | None = None
        self.clusters: list[Cluster] = []
        self.clustered = 0  # how many pictures were embedded then
        self._vectors: np.ndarray | None = None
        self._features: np.ndarray | None = None
        self._place = {path: int(number) for path, number in zip(pictures.paths, self.numbers, strict=True)}
        self.present = np.zeros(len(journal.paths), dtype=bool)
        self.present[self.numbers] = True
        if journal.fact("seed") is None:
            journal.note("seed", "0")
        self.order = draw_order(journal.paths, journal.fact("seed") or "")
        self._populations: dict[int, np.ndarray] = {}
        self.complete = False  # whether all pictures that can be read are embedded

    # -------------------------------------------------------------------------------------------- features

    def take_vectors(self, paths: Sequence[str], vectors: np.ndarray) -> None:
        """Vectors of some pictures, (n, D) float32, as they come."""
        with self.lock:
            if self._vectors is None:
                self._vectors = np.zeros((len(self.ready), vectors.shape[1]), dtype=np.float32)
            here = [self._place[path] for path in paths]
            self._vectors[here] = vectors
            self.ready[here] = True
            self._features = None

    def finish_vectors(self) -> None:
        """All vectors are there; pictures without one cannot be read, and are shown no more."""
        with self.lock:
            self.present &= self.ready
            self.complete = True

    @property
    def features(self) -> np.ndarray:
        """Standardised by all pictures that are ready, (N, D) float32; those of the others mean nothing."""
        with self.lock:
            if self._vectors is None:
                return np.zeros((len(self.ready), 1), dtype=np.float32)
            if self._features is None:
                self._features = standardise(self._vectors, self.ready)
            return self._features

    # -------------------------------------------------------------------------------------------- labels

    @property
    def codes(self) -> np.ndarray:
        """The labels of the pictures that were here at the start, int (N)."""
        return self.journal.labels.codes[: len(self.ready)]

    @property
    def rest(self) -> np.ndarray:
        """The unlabelled pictures, int."""
        return np.flatnonzero(self.present & (self.codes < 0))

    def act(self, action: Action, *, seen: int | None = None) -> Receipt:
        """Write an action, as `Journal.append`."""
        return self.journal.append(action, seen=seen)

    def action(self, verb: Any, **facts: Any) -> Action:
        """An action of this person with these filters."""
        return Action(verb=verb, person=self.person, filters=self.filters, **facts)

    def agreement(self) -> Agreement | None:
        """Of all second answers so far; unsure and junk are answers too."""
        pairs = [one for one in self.journal.labels.seconds.values() if one.first >= 0]
        return measure_agreement([one.first for one in pairs], [one.second for one in pairs])

    # -------------------------------------------------------------------------------------------- the head

    def fit(self) -> None:
        """Fit the head to all labels, and believe anew; takes well under a second for 10,000 pictures."""
        self.journal.sync()
        with self.lock:
            features, ready, codes = self.features, self.ready.copy(), self.codes.copy()
        rows = np.flatnonzero(ready & (codes >= JUNK_CODE))
        head = fit_head(features, rows, codes[rows])
        beliefs = believe(head, features, ready & self.present)
        estimate = self._estimate(head, codes)
        with self.lock:
            changed = estimate is not None and (self.estimate is None or estimate.checked != self.estimate.checked)
            self.head, self.beliefs, self.estimate = head, beliefs, estimate
            self.fits += 1
        if changed and estimate is not None:
            content = {**asdict(estimate), "labels": int((codes >= 0).sum()), "name": self.filters_name}
            self.journal.measure(self.filters, content)

    # -------------------------------------------------------------------------------------------- checks

    def _starts(self) -> list[int]:
        return [int(one) for one in (self.journal.fact("checks") or "").split()]

    def population(self, start: int) -> np.ndarray:
        """What was unlabelled after an action, bool (N); of what is undone meanwhile as it stood then."""
        if start not in self._populations:
            before = [one for one in self.journal.actions if one.number <= start]
            codes = replay(before, len(self.ready)).codes
            self._populations[start] = self.present & (codes < 0)
        return self._populations[start]

    def to_check(self, most: int) -> np.ndarray:
        """The next pictures to check; a new check begins where there is none, or half of the last is labelled.

        None before all pictures are embedded: which were first was chance, but who comes later is drawn from all.
        """
        with self.lock:
            if not self.complete:
                return np.empty(0, dtype=np.int64)
            starts, labelled = self._starts(), self.codes >= 0
            rest = self.present & ~labelled
            if not starts or rest.sum() < HALF * self.population(starts[-1]).sum():
                starts.append(self.journal.number)
                self.journal.note("checks", " ".join(map(str, starts)))
            return next_to_check(self.order, self.population(starts[-1]), labelled, most)

    def _estimate(self, head: FittedHead | None, codes: np.ndarray) -> Estimate | None:
        """By the check whose interval is the narrowest."""
        ways = self.journal.ways()[: len(codes)] == "check"
        found = [
            estimate_rest(head, order=self.order, population=self.population(start), codes=codes, checked=ways)
            for start in self._starts()
        ]
        return min((one for one in found if one is not None), key=lambda one: one.width, default=None)

    # -------------------------------------------------------------------------------------------- rows

    def cluster_again(self) -> None:
        """Cluster what is unlabelled, anew."""
        with self.lock:
            features, ready, rest = self.features, self.ready.copy(), self.rest
        found = find_clusters(features, rest[ready[rest]], seed=self.seed)
        with self.lock:
            self.clusters, self.clustered = found, int(ready.sum())

    def split(self, key: int) -> None:
        """Put smaller rows in a row's place."""
        with self.lock:
            place = next((number for number, one in enumerate(self.clusters) if one.key == key), None)
            if place is None:
                return
            old, codes = self.clusters[place], self.codes
            left = Cluster(key=key, pictures=old.pictures[codes[old.pictures] < 0], purity=old.purity)
            first = max(one.key for one in self.clusters) + 1
            parts = split_cluster(self.features, left, first_key=first, seed=self.seed)
            self.clusters[place : place + 1] = parts

    def counts(self) -> dict[str, int]:
        """Pictures: all, named, unsure, junk, left."""
        codes = self.codes[self.present]
        return {
            "all": len(codes),
            "named": int((codes > JUNK_CODE).sum()),
            "unsure": int((codes == UNSURE_CODE).sum()),
            "junk": int((codes == JUNK_CODE).sum()),
            "left": int((codes < 0).sum()),
        }

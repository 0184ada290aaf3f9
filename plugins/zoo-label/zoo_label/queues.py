"""Which pictures to look at next: the doubtful, the new, the similar; and labels that look wrong."""

from __future__ import annotations

import numpy as np

from zoo.embedding import normalise_rows
from zoo_label.head import Beliefs, FittedHead

CANDIDATES = 2_000  # unlabelled pictures whose neighbours are looked at
REFERENCES = 4_000  # labelled pictures that neighbours are looked for among
NEIGHBOURS = 10
WRONG = 0.5  # from this probability of another kind on, a label is to be looked at again


def most_similar(features: np.ndarray, ready: np.ndarray, picture: int, most: int) -> np.ndarray:
    """The pictures most like one, by the cosine of standardised vectors, itself left out: int (at most `most`)."""
    wanted = normalise_rows(features[picture : picture + 1])[0]
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features))
    cosines = np.where(ready, features @ wanted / np.maximum(lengths, 1e-9), -2)
    cosines[picture] = -2
    order = np.argsort(-cosines, kind="stable")[:most]
    return order[cosines[order] > -2]


def most_doubtful(
    features: np.ndarray, beliefs: Beliefs, codes: np.ndarray, rest: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unlabelled pictures whose proposal has the least margin, or whose labelled neighbours say otherwise.

    Args:
        features: standardised, (N, D) float32.
        beliefs: of all pictures.
        codes: int (N), of labels; negative where there is none.
        rest: int (n), unlabelled pictures.
        most: how many.

    Returns:
        Pictures, the most doubtful first, and the share of their ten nearest labelled pictures that disagree.
    """
    rest = rest[beliefs.codes[rest] >= 0]
    candidates = rest[np.argsort(beliefs.margin[rest], kind="stable")][:CANDIDATES]
    disagree = _disagreement(features, beliefs.codes[candidates], codes, candidates)
    order = np.argsort(beliefs.margin[candidates] - disagree / 2, kind="stable")[:most]
    return candidates[order], disagree[order]


def _disagreement(features: np.ndarray, believed: np.ndarray, codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    labelled = _spread(np.flatnonzero(codes >= 0), REFERENCES)
    if not len(labelled) or not len(wanted):
        return np.zeros(len(wanted), dtype=np.float32)
    cosines = normalise_rows(features[wanted]) @ normalise_rows(features[labelled]).T
    count = min(NEIGHBOURS, len(labelled))
    nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    return np.asarray((codes[labelled][nearest] != believed[:, None]).mean(axis=1), dtype=np.float32)


def most_novel(features: np.ndarray, codes: np.ndarray, rest: np.ndarray, most: int) -> np.ndarray:
    """Unlabelled pictures that are least like any labelled one, by the cosine to the nearest: int (at most `most`)."""
    labelled = _spread(np.flatnonzero(codes >= 0), REFERENCES)
    rest = _spread(rest, 5 * REFERENCES)
    if not len(labelled) or not len(rest):
        return rest[:most]
    near = (normalise_rows(features[rest]) @ normalise_rows(features[labelled]).T).max(axis=1)
    return rest[np.argsort(near, kind="stable")][:most]


def suspicious_labels(head: FittedHead | None, codes: np.ndarray, most: int) -> np.ndarray:
    """Labelled pictures that the head would call otherwise had it not seen them, the surest first."""
    if head is None:
        return np.empty(0, dtype=np.int64)
    sure = head.left_out.max(axis=1)
    wrong = np.flatnonzero((head.left_out_kinds() != codes[head.rows]) & (sure > WRONG))
    return np.asarray(head.rows[wrong[np.argsort(-sure[wrong], kind="stable")]][:most])


def _spread(numbers: np.ndarray, most: int) -> np.ndarray:
    """At most so many of some numbers, evenly spread."""
    if len(numbers) <= most:
        return numbers
    return numbers[np.arange(most) * len(numbers) // most]

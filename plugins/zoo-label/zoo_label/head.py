"""The head that proposes labels: ridge regression on standardised embeddings, fitted anew after every answer.

Least squares have two virtues here. All ridge strengths come out of one eigendecomposition, the smaller of pictures by
pictures and numbers by numbers, so that a fit takes well under a second at 10,000 pictures of 512 numbers. And what the
head would say of a named picture had it never seen it is known without fitting again (Allen's PRESS: the residual over
one less its leverage). Ridge strength and confidence are set by these left-out scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, special

STRENGTHS = np.logspace(-2.5, 0.5, 7)  # of the ridge, in mean eigenvalues
CONFIDENCES = np.logspace(0, 1.8, 13)  # factors of the scores before the softmax
INTERCEPT = 3.0  # the constant column, large beside numbers of variance 1, so that it is hardly shrunk
BALANCE = 0.5  # a kind's pictures weigh by this power of how rare it is: 0 all alike, 1 all kinds alike
BLOCK = 16_384  # rows that are scored at once


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedHead:
    """A head of K kinds, fitted to n named pictures of D numbers."""

    kinds: np.ndarray  # int (K) codes of the kinds
    weights: np.ndarray  # float32 (D + 1, K), the last row for the constant
    factor: float  # of the scores, before the softmax
    rows: np.ndarray  # int (n) the pictures that it was fitted to
    left_out: np.ndarray  # float32 (n, K) probabilities of these pictures as if each had not been seen

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Shapes: standardised features (N, D) float32 -> (N, K) float32, rows sum to 1."""
        scores = features @ self.weights[:-1] + INTERCEPT * self.weights[-1]
        return np.asarray(special.softmax(self.factor * scores, axis=1), dtype=np.float32)

    def left_out_kinds(self) -> np.ndarray:
        """What it would have called the pictures that it was fitted to: codes (n)."""
        return self.kinds[self.left_out.argmax(axis=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """What a head says of N pictures."""

    codes: np.ndarray  # int32 (N) the likeliest kind; -1 where nothing is believed
    confidence: np.ndarray  # float32 (N) its probability
    margin: np.ndarray  # float32 (N) over the next kind's

    @classmethod
    def none(cls, count: int) -> Beliefs:
        """Nothing is believed."""
        zeros = np.zeros(count, dtype=np.float32)
        return cls(codes=np.full(count, -1, dtype=np.int32), confidence=zeros, margin=zeros)


def fit_head(features: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> FittedHead | None:
    """Fit a head to some pictures.

    Args:
        features: standardised, (N, D) float32.
        rows: int (n), the named ones.
        codes: int (n), their kinds.

    Returns:
        None where there are fewer than two kinds.
    """
    kinds, targets = np.unique(codes, return_inverse=True)
    if len(kinds) < 2:
        return None
    counts = np.bincount(targets)
    root = np.sqrt((len(rows) / (len(kinds) * counts)) ** BALANCE)[targets].astype(np.float32)[:, None]
    design = np.empty((len(rows), features.shape[1] + 1), dtype=np.float32)
    np.multiply(features[rows], root, out=design[:, :-1])
    design[:, -1:] = INTERCEPT * root
    wanted = np.zeros((len(rows), len(kinds)), dtype=np.float32)
    wanted[np.arange(len(rows)), targets] = 1
    left, values, right = _decompose(design)
    projected = left.T @ (wanted * root)  # float32 (r, K)
    shares = values[None, :] / (values[None, :] + STRENGTHS[:, None] * values.mean())  # (strengths, rank)
    squares, errors, found = left**2, [], []
    for share in shares:
        scores = _left_out(left, squares, share, projected, wanted * root) / root
        found.append(scores)
        errors.append(float((((scores - wanted) * root) ** 2).sum()))
    best = int(np.argmin(errors))
    factor = _fit_factor(found[best], targets)
    return FittedHead(
        kinds=kinds,
        weights=np.asarray(right @ ((shares[best] / np.sqrt(values))[:, None] * projected), dtype=np.float32),
        factor=factor,
        rows=rows,
        left_out=np.asarray(special.softmax(factor * found[best], axis=1), dtype=np.float32),
    )


def believe(head: FittedHead | None, features: np.ndarray, ready: np.ndarray) -> Beliefs:
    """What a head says of all pictures whose features are there.

    Shapes: features (N, D) float32, ready bool (N).
    """
    made = Beliefs.none(len(features))
    if head is None:
        return made
    for start in range(0, len(features), BLOCK):
        part = slice(start, start + BLOCK)
        chances = head.probabilities(features[part])
        two = np.sort(np.partition(chances, -2, axis=1)[:, -2:], axis=1)
        here = ready[part]
        made.codes[part] = np.where(here, head.kinds[chances.argmax(axis=1)], -1)
        made.confidence[part] = np.where(here, two[:, 1], 0)
        made.margin[part] = np.where(here, two[:, 1] - two[:, 0], 0)
    return made


def _decompose(design: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left vectors (n, r), squared singular values (r) and right vectors (D, r), by the smaller Gram matrix."""
    wide = design.shape[0] < design.shape[1]
    gram = design @ design.T if wide else design.T @ design
    values, vectors = linalg.eigh(gram.astype(np.float64), check_finite=False, driver="evd")
    values, vectors = values[values > values[-1] * 1e-7], vectors[:, values > values[-1] * 1e-7].astype(np.float32)
    other = (design.T if wide else design) @ vectors / np.sqrt(values).astype(np.float32)
    return (vectors, values, other) if wide else (other, values, vectors)


def _left_out(
    left: np.ndarray, squares: np.ndarray, share: np.ndarray, projected: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """The weighted scores of each picture by the head that was fitted without it, (n, K)."""
    share = share.astype(np.float32)[:, None]
    leverage = np.minimum(squares @ share, 0.999)
    return np.asarray(wanted - (wanted - left @ (share * projected)) / (1 - leverage), dtype=np.float32)


def _fit_factor(scores: np.ndarray, targets: np.ndarray) -> float:
    """The factor of the scores at which the softmax has the least log loss."""
    rows = np.arange(len(targets))
    losses = [-special.log_softmax(factor * scores, axis=1)[rows, targets].mean() for factor in CONFIDENCES]
    return float(CONFIDENCES[int(np.argmin(losses))])

"""LogME: the log evidence of a Bayesian linear model from the features to the targets; higher is better.

LogME: Practical assessment of pre-trained models for transfer learning, You et al., 2021.
"""

from __future__ import annotations

import numpy as np

MOST_ITERATIONS = 100  # of the fixed point, at most; it needs about five
TOLERANCE = 1e-6  # relative change of the ratio of precisions, below which it has converged
TINY = 1e-12


def logme(features: np.ndarray, targets: np.ndarray) -> float:
    """The greatest log evidence a picture, the mean over the targets' columns; higher is better.

    For a column y and features F (N, D) the weights are drawn from N(0, 1/α) and the noise from N(0, 1/β):

        (1/N) [D/2 ln α + N/2 ln β - ½ Σ ln(α + β σ²) - β/2 ‖F m - y‖² - α/2 ‖m‖² - N/2 ln 2π]

    with σ the singular values of F, m the posterior mean, and α, β found by the fixed point of MacKay; one singular
    value decomposition serves all columns.

    Shapes: features (N, D) float, targets (N,) or (N, K) float, one-hot for classes.
    """
    y = targets.reshape(len(targets), -1).astype(np.float64)
    count, width = features.shape
    basis, values, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    kept = values > TINY * max(values[0], TINY)
    basis, energy = basis[:, kept], values[kept, None] ** 2  # (N, R), (R, 1)
    inside = (basis.T @ y) ** 2  # (R, K)
    outside = np.maximum((y**2).sum(axis=0) - inside.sum(axis=0), 0.0)
    alpha, beta = np.ones(y.shape[1]), np.ones(y.shape[1])
    for _ in range(MOST_ITERATIONS):
        ratio = alpha / beta
        weight, residual = _posterior(energy, inside, outside, ratio)
        effective = (energy / (energy + ratio)).sum(axis=0)
        alpha = effective / np.maximum(weight, TINY)
        beta = (count - effective) / np.maximum(residual, TINY)
        if np.all(np.abs(alpha / beta - ratio) <= TOLERANCE * ratio):
            break
    weight, residual = _posterior(energy, inside, outside, alpha / beta)
    logs = np.log(alpha + beta * energy).sum(axis=0) + (width - len(energy)) * np.log(alpha)
    evidence = (
        width / 2 * np.log(alpha) + count / 2 * np.log(beta) - logs / 2
        - beta / 2 * residual - alpha / 2 * weight - count / 2 * np.log(2 * np.pi)
    )  # fmt: skip
    return float((evidence / count).mean())


def _posterior(
    energy: np.ndarray, inside: np.ndarray, outside: np.ndarray, ratio: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """‖m‖² and ‖F m - y‖² of every column, (K,) each."""
    weight = (energy * inside / (energy + ratio) ** 2).sum(axis=0)
    residual = outside + (inside * (ratio / (energy + ratio)) ** 2).sum(axis=0)
    return weight, residual

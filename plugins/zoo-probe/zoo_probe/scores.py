"""Features -> per-sample scores, out of fold: from classifiers that were not trained on the sample.

The mean of the per-sample scores is the score, and those of two cuts on the
same pictures can be compared in pairs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zoo_probe.evidence import logme
from zoo_probe.tasks import ProbeTask

PCA_DIMENSIONS = 64
RIDGE_PENALTIES = np.logspace(-2, 5, 15)  # the best is chosen inside each training part


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureScores:
    """The scores of one set of features."""

    per_sample: np.ndarray  # float64 (N,): the mean is the score
    logme: float
    knn: float | None = None  # accuracy, 0 to 1
    lda: float | None = None
    r2: float | None = None  # of boxes and numbers; under 0: worse than their mean

    @property
    def score(self) -> float:
        """The mean of k-NN's and LDA's accuracy, 0 to 1; R² for boxes and numbers."""
        return float(self.per_sample.mean())


def score_features(
    features: np.ndarray, task: ProbeTask, *, seed: int = 0, step: Callable[[], None] = lambda: None
) -> FeatureScores:
    """Score features under the task's folds.

    In every fold, on its training part only: standardise, PCA to 64 dimensions (fewer where there are fewer channels
    or pictures), then k-NN by cosine, nearer ones weighing more, and linear discriminant analysis whose covariance is
    shrunk as Ledoit and Wolf (2004) say; ridge regression for boxes and numbers. LogME is on all pictures, likewise
    standardised and reduced, with a constant column.

    Args:
        features: float (N, C), finite.
        task: labels or values, and folds, of the same N pictures.
        seed: of PCA where it is a randomised one.
        step: called after every fold.
    """
    from sklearn import config_context

    with config_context(assume_finite=True, skip_parameter_validation=True):  # checked already; 15% of the time
        return _cross_validate(features, task, seed=seed, step=step)


def _cross_validate(features: np.ndarray, task: ProbeTask, *, seed: int, step: Callable[[], None]) -> FeatureScores:
    truth = task.labels if task.labels is not None else task.values
    if truth is None:
        raise ValueError("a task has labels or values")
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for number in range(task.folds):
        held = task.fold == number
        train, test = _reduce_dimensions(features[~held], features[held], seed=seed)
        if task.labels is not None:
            near, linear = _classify(train, truth[~held], test, truth[held], task.neighbours)
        else:
            near = linear = _regress(train, truth[~held], test, truth[held], truth)
        parts.append((held, near, linear))
        step()
    first, second = np.empty(len(features)), np.empty(len(features))
    for held, near, linear in parts:
        first[held], second[held] = near, linear
    per_sample = (first + second) / 2
    whole, _ = _reduce_dimensions(features, features[:1], seed=seed)
    evidence = logme(np.column_stack([whole, np.ones(len(whole))]), _target_columns(task, truth))
    if task.labels is None:
        return FeatureScores(per_sample=per_sample, logme=evidence, r2=float(per_sample.mean()))
    return FeatureScores(per_sample=per_sample, logme=evidence, knn=float(first.mean()), lda=float(second.mean()))


def _target_columns(task: ProbeTask, truth: np.ndarray) -> np.ndarray:
    """One-hot classes, or standardised values. Shapes: (N, K) float."""
    if task.labels is not None:
        return np.eye(len(task.names))[truth]
    return (truth - truth.mean(axis=0)) / truth.std(axis=0)


def _reduce_dimensions(train: np.ndarray, test: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardised and reduced as the training part says. Shapes: (N, C), (M, C) -> (N, D), (M, D) float64."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    width = min(PCA_DIMENSIONS, train.shape[1], len(train) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # features that are all the same have no variance to explain
        reducer = PCA(width, random_state=seed).fit(scaler.transform(train))
    return tuple(reducer.transform(scaler.transform(part)).astype(np.float64) for part in (train, test))


def _classify(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, neighbours: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which test pictures k-NN and LDA classify correctly. Shapes: (M,) float of zeros and ones, twice."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import normalize

    near = KNeighborsClassifier(neighbours, weights="distance", algorithm="brute")  # of unit vectors: as by cosine
    near.fit(normalize(train), labels)
    linear = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with one picture in the training part
        linear.fit(train, labels)
    return tuple(
        (model.predict(part) == truth).astype(np.float64) for model, part in ((near, normalize(test)), (linear, test))
    )


def _regress(
    train: np.ndarray, values: np.ndarray, test: np.ndarray, truth: np.ndarray, everything: np.ndarray
) -> np.ndarray:
    """1 - squared error over the variance, the mean over the columns; over all pictures its mean is R². (M,)."""
    from sklearn.linear_model import RidgeCV

    scale = max(float(train.std()), 1e-12)
    model = RidgeCV(RIDGE_PENALTIES).fit(train / scale, values)
    guess = model.predict(test / scale).reshape(truth.shape)
    sample_scores: np.ndarray = (1 - (guess - truth) ** 2 / everything.var(axis=0)).mean(axis=1)
    return sample_scores

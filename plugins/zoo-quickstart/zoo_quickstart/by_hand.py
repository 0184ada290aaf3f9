"""The rival without a net: thirty features made by hand, and logistic regression."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from zoo_probe import hand_features

from zoo.data import DecodedDataset, Splits
from zoo.evaluation import category_metrics

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # C of the logistic regression


@dataclass(frozen=True, slots=True, kw_only=True)
class HandScore:
    """What the features made by hand reach."""

    metrics: dict[str, Any]  # on the test pictures, by the names of the head `classify`
    parameters: int
    seconds: float
    penalty: float  # the C of the least log loss on validation


def score_by_hand(decoded: DecodedDataset, splits: Splits, target: str, *, seed: int = 0) -> HandScore:
    """Fit a logistic regression on the training pictures' hand features, and score it on the test pictures.

    Args:
        decoded: the pictures.
        splits: rows to learn from, to choose C on, and to score; every picture's class is known.
        target: the name of the classes.
        seed: of the regression.
    """
    begun = time.monotonic()
    labels = decoded.targets[target]
    classes = int(labels.max()) + 1
    features = {name: _features(decoded, rows) for name, rows in splits.by_name.items()}
    best: tuple[float, float, Any] | None = None
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000, random_state=seed))
        model.fit(features["train"], labels[splits.train].numpy())
        loss = _score(_probabilities(model, features["val"], classes), labels[splits.val], classes)["log_loss"]
        if best is None or loss < best[0]:
            best = (loss, penalty, model)
    _, penalty, model = best  # type: ignore[misc]
    return HandScore(
        metrics=_score(_probabilities(model, features["test"], classes), labels[splits.test], classes),
        parameters=model[-1].coef_.size + model[-1].intercept_.size,
        seconds=time.monotonic() - begun,
        penalty=penalty,
    )


def _features(decoded: DecodedDataset, rows: Tensor) -> np.ndarray:
    """Shapes: rows (N,) -> float32 (N, 30)."""
    return hand_features(decoded.images[rows].permute(0, 2, 3, 1).numpy())


def _probabilities(model: Any, features: np.ndarray, classes: int) -> Tensor:
    """A class without a training picture has none. Shapes: (N, 30) -> (N, classes)."""
    found = np.zeros((len(features), classes))
    found[:, model[-1].classes_] = model.predict_proba(features)
    return torch.from_numpy(found).float()


def _score(probabilities: Tensor, labels: Tensor, classes: int) -> dict[str, Any]:
    metrics = category_metrics(classes)
    metrics.update(probabilities, labels)
    return {name: value.item() if value.ndim == 0 else value.tolist() for name, value in metrics.compute().items()}

"""The head `hierarchy`: one of several labels that nest, and an answer higher up where it is unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo_labels.tree import LabelTree

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class HierarchyHead(zoo.Head):
    """Classes whose names are paths, `Copepoda > Calanoida`; the probability of a node is the sum of what it holds.

    The net is a softmax over all labels, summed upwards, which few other hierarchical classifiers beat (Valmadre 2022,
    "Hierarchical classification at multiple operating points"). What it answers is the deepest node that is likely
    enough (after Deng et al. 2012, "Hedging your bets"), `Copepoda` where no order is.

    Args:
        shape: of the features of one picture.
        target: the labels; names without `>` make a tree of one level, and the head names or says nothing.
        sure: how likely the answer must be, over 0.5 and up to 1. Probabilities are calibrated after training.
        levels: weight of the log loss of the nodes above the labels, each level alike; 0: that of the labels alone.
        pool: the map's mean, its maximum, or both side by side.
        dropout: before the last layer, 0 to 1.
    """

    learns = zoo.Categories
    watch: ClassVar[str] = "log_loss"
    gives_logits: ClassVar[bool] = True

    def __init__(
        self,
        shape: zoo.FeatureShape,
        target: zoo.Categories,
        *,
        sure: float = 0.8,
        levels: float = 0.0,
        pool: Literal["mean", "max", "both"] = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(shape, target)
        if not 0.5 < sure <= 1:
            raise zoo.UsageError(f"sure={sure}: over 0.5 and up to 1.", "Try sure=0.8.")
        try:
            self.tree = LabelTree(target.names)
        except ValueError as error:
            raise zoo.UsageError(
                f"The labels make no tree: {error}.", "Write them as `Copepoda > Calanoida`."
            ) from error
        self.sure, self.levels, self.pool = sure, levels, pool
        width = shape.channels * (2 if pool == "both" else 1)
        last = nn.Linear(width, len(target.names))
        self.layers = nn.Sequential(nn.BatchNorm1d(width, affine=False), nn.Dropout(dropout), last)
        members = torch.from_numpy(self.tree.members)
        upper = members[members.sum(dim=1) > 1]
        self.register_buffer("upper", upper, persistent=False)  # bool (nodes of two labels or more, labels)

    def reduce(self, features: Tensor) -> Tensor:
        """Pool the map. Shapes: features (N, C, H, W) -> (N, C), or (N, 2C) for both."""
        return zoo.pooled(features, self.pool)

    def forward(self, reduced: Tensor) -> Tensor:
        """Shapes: (N, C) float -> logits (N, K), before softmax."""
        return self.layers(reduced)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the labels, and of the nodes above them. Shapes: logits (N, K), target (N,) -> scalar."""
        log_shares = functional.log_softmax(output.float(), dim=1)
        found = functional.nll_loss(log_shares, target)
        if self.levels and len(self.upper):
            nodes = log_shares[:, None].masked_fill(~self.upper, -torch.inf).logsumexp(dim=2)  # (N, nodes)
            above = self.upper[:, target].T  # (N, nodes): those that the truth lies in
            found = found - self.levels * torch.where(above, nodes, 0).sum() / len(target)
        return found

    def predict(self, output: Tensor) -> Tensor:
        """Shapes: logits (N, K) -> probabilities of the labels (N, K) float32."""
        return output.float().softmax(dim=1)

    def summary(self, answers: np.ndarray) -> Mapping[str, Sequence[str | float]]:
        """`class`, the deepest node that is sure, its `probability`, and the `likeliest` label of all with its own."""
        nodes = self.tree.answer(answers, self.sure)
        shares = answers @ self.tree.members.T.astype(answers.dtype)
        best = answers.argmax(axis=1)
        rows = np.arange(len(answers))
        return {
            "class": [self.tree.name(int(node)) for node in nodes],
            "probability": np.where(nodes < 0, 1, shares[rows, nodes]).clip(0, 1).tolist(),
            "likeliest": [self.tree.labels[k] for k in best],
            "likeliest_probability": answers[rows, best].tolist(),
        }

    def metrics(self) -> MetricCollection:
        """Those of classes, and the distances in the tree of the likeliest label and of the answer."""
        from zoo_labels.metrics import hierarchy_metrics

        return hierarchy_metrics(self.tree, self.sure)

"""Labels that nest, written as paths from the top: `Copepoda > Calanoida > Calanus`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

SEPARATOR = ">"
UNSURE = "(unsure)"  # the top of every tree: nothing is said


class LabelTree:
    """The tree that the paths of some labels span; spaces round the separator do not count.

    A label may lie above others: `Copepoda` beside `Copepoda > Calanoida` means a copepod of which no more is known.

    Args:
        labels: the paths, as they were given.

    Raises:
        ValueError: a path with an empty step, or the same path twice.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.paths = tuple(tuple(step.strip() for step in label.split(SEPARATOR)) for label in labels)
        if empty := next((label for label, path in zip(labels, self.paths, strict=True) if "" in path), None):
            raise ValueError(f"{empty!r} has an empty step")
        if len(set(self.paths)) < len(self.paths):
            twice = next(path for path in self.paths if self.paths.count(path) > 1)
            raise ValueError(f"{join(twice)!r} is there twice")
        nodes = {path[:depth] for path in self.paths for depth in range(1, len(path) + 1)}
        self.nodes = tuple(sorted(nodes, key=lambda node: (len(node), node)))
        """Every path and all that lie above one, the upper ones first; without the top."""

    @cached_property
    def members(self) -> np.ndarray:
        """Which labels are a node or lie below it. Shapes: bool (nodes, labels)."""
        return np.array([[path[: len(node)] == node for path in self.paths] for node in self.nodes])

    def answer(self, probabilities: np.ndarray, sure: float) -> np.ndarray:
        """The deepest node of at least that probability, which is the sum over the labels that it holds; -1: the top.

        Shapes: float (N, labels) -> int (N,), into `nodes`.

        Args:
            probabilities: rows of sum 1.
            sure: over 0.5, so that the nodes that reach it lie on one line.
        """
        reaches = probabilities @ self.members.T >= sure
        deepest = len(self.nodes) - 1 - reaches[:, ::-1].argmax(axis=1)
        return np.where(reaches.any(axis=1), deepest, -1)

    def path(self, node: int) -> tuple[str, ...]:
        """The steps to a node; none to the top, -1."""
        return () if node < 0 else self.nodes[node]

    def name(self, node: int) -> str:
        """What tables call a node: the label where it is one, else its path."""
        path = self.path(node)
        if not path:
            return UNSURE
        return self.labels[self.paths.index(path)] if path in self.paths else join(path)


def join(path: Sequence[str]) -> str:
    """The text of a path."""
    return f" {SEPARATOR} ".join(path)


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Steps in the tree from one path to another: up to what they share, and down."""
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    return len(one) + len(other) - 2 * shared

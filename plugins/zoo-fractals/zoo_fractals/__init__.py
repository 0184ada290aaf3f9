"""Drawn pictures that filters can learn from without anybody's permission, and a head for several labels a picture."""

from zoo_fractals.dataset import DeadLeaves, Fractals
from zoo_fractals.multilabel import MultilabelHead

__all__ = ["DeadLeaves", "Fractals", "MultilabelHead"]

"""Drawn pictures that filters can learn from without anybody's permission."""

from zoo_fractals.dataset import DeadLeaves, Fractals

__all__ = ["DeadLeaves", "Fractals"]

"""The tour of zoo: fetch ImageNet's filters, fine-tune them on plankton, compare, publish, fetch back, search."""

from __future__ import annotations

from zoo_quickstart.comparison import COMPARED_NETWORKS, HAND_TITLE, SIDE, ComparedNetwork, ComparedRow
from zoo_quickstart.tour import QuickstartResult, run_quickstart

__all__ = [
    "COMPARED_NETWORKS",
    "HAND_TITLE",
    "SIDE",
    "ComparedNetwork",
    "ComparedRow",
    "QuickstartResult",
    "run_quickstart",
]

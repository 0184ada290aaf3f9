"""The tour of zoo: fetch filters, fine-tune them on new classes, compare, publish, fetch back, search."""

from __future__ import annotations

from zoo_quickstart.tour import COMPARED_NETWORKS, SIDE, ComparedNetwork, QuickstartResult, run_quickstart

__all__ = ["COMPARED_NETWORKS", "SIDE", "ComparedNetwork", "QuickstartResult", "run_quickstart"]

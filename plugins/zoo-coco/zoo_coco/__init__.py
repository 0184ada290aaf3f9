"""Pictures with boxes, and camera traps: COCO, COCO Camera Traps, MegaDetector's results and Camtrap DP.

    zoo train coco --data traps/ --set boxes=each
    zoo predict runs/coco media.csv --set path=filePath --format camtrap-dp -o observations.csv

The names are imported when they are first used: listing the formats needs no reader.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo_coco.camtrap import CamtrapPackage
    from zoo_coco.coco import Coco
    from zoo_coco.formats import CamtrapObservations, MegaDetectorJson
    from zoo_coco.megadetector import MegaDetectorResults

_PUBLIC = {
    "CamtrapObservations": "zoo_coco.formats",
    "CamtrapPackage": "zoo_coco.camtrap",
    "Coco": "zoo_coco.coco",
    "MegaDetectorJson": "zoo_coco.formats",
    "MegaDetectorResults": "zoo_coco.megadetector",
}

__all__ = ["CamtrapObservations", "CamtrapPackage", "Coco", "MegaDetectorJson", "MegaDetectorResults"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'zoo_coco' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)

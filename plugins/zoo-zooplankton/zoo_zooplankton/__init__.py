"""Published sets of plankton pictures, as they are handed out: SEANOE's, ZooLake, WHOI-Plankton."""

from zoo_zooplankton.seanoe import Seanoe
from zoo_zooplankton.whoi import Whoi
from zoo_zooplankton.zoolake import ZooLake

__all__ = ["Seanoe", "Whoi", "ZooLake"]

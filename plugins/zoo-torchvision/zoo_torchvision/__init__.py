"""torchvision's own datasets in zoo: `torchvision/CIFAR10`, `torchvision/Flowers102` …"""

from zoo_torchvision.dataset import TorchvisionDataset
from zoo_torchvision.sets import SETS

__all__ = ["SETS", "TorchvisionDataset"]

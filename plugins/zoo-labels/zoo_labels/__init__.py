"""Heads for more than one name a picture: several labels at once, and labels that nest."""

from zoo_labels.hierarchy import HierarchyHead
from zoo_labels.multilabel import MultilabelHead
from zoo_labels.tree import LabelTree

__all__ = ["HierarchyHead", "LabelTree", "MultilabelHead"]

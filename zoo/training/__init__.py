"""Recipes, the training loop, its schedule and checkpoints, and runs: the folders that a training writes.

From a recipe, or a model in hand, to a finished run that can be resumed bit for bit.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

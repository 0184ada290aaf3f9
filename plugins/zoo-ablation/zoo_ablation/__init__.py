"""Ablation of a head: is it worth having? Variants with and without it, from the same seeds, compared in pairs.

report = zoo_ablation.ablate(recipe, "ablations/fisheries-locate", without="locate")
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

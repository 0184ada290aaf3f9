"""Datasets by name, picture files, the decoded cache, splits, augmentation, batches, and lists of what is left out.

From a folder of pictures to uint8 batches with their targets.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Where to cut a network, and which filters serve a dataset: each scored on its pictures without any training.

found = zoo_probe.probe("photos/", backbone="vgg16")
found.recommended, found.train  # the cut, and the command that trains it
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

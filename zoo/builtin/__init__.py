"""The plugins that come with the core: datasets, heads, backbones, balancers and formats.

They are announced through the same entry points as those of other packages.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""What filters respond to: their strongest patches, feature visualisations, maps, and drift from the base.

Numbers and tensors only; `zoo.plots` draws them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

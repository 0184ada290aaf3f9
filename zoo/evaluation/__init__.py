"""Metrics, predictions, and the choice of a cut or of filters (`selection`).

What finished runs and published filters are worth on pictures, and how sure that is.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

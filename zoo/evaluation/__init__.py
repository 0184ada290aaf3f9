"""Metrics and predictions of finished runs and published filters.

What they are worth on a split of their dataset, and what they say of pictures, written in any format.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

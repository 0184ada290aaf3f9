"""Backbones by name, the places where they can be cut, and truncated networks.

Nothing here knows of weights on a disk or on the Hub: networks are built, traced, measured and cut.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

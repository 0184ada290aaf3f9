"""Filters (a truncated backbone with weights and preprocessing), and models (filters with heads on top).

Loading them from published files, starting them from other weights, and golden features to check them by.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

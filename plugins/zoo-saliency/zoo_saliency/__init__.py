"""Saliency of finished runs of zoo: Grad-CAM, and the share of it that lies inside the true box.

found = zoo_saliency.saliency(["runs/plain", "runs/both"])
found.results[0].share.mean, found.even
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

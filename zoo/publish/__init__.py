"""A run to a published folder, and the folder to a repository of the Hub, with card, lineage and checks.

Licences are checked, private paths and secrets are found, before anything is sent.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Published filters as files: names and where they lie, manifests, safetensors, verification, what is cached.

A name leads to an entry of a registry, the entry to a source, the source to verified files on this disk.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

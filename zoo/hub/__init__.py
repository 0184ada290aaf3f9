"""Transport to and from the Hugging Face Hub: downloads, byte ranges, uploads, search, and its cache on this disk.

The only package that imports `huggingface_hub`, and only when it is needed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

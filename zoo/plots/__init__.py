"""Everything that is drawn with matplotlib or Pillow, and the report page.

Functions take values and give images; files appear whole, as PNG of a bounded size.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

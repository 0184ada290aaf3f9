"""Pictures to vectors, streamed into memory or into a file; exact nearest neighbours among them.

Memory stays bounded whatever the number of pictures; a long embedding resumes after a kill.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""A plugin-based model zoo of feature filters: truncate, fine-tune, share and fetch them by name.

    import zoo
    filters = zoo.load("vgg16-plankton")
    vectors = filters.embed("photos/").vectors

The public names are imported when they are first used, so that `import zoo` costs nothing.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The command line: a file for each family of commands; the only package that prints and exits.

What a command of another package needs of it is exported here: options, tables, JSON, progress bars, and the choice
of a dataset's pictures.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

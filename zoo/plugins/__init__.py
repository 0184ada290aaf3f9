"""Plugins: found in the metadata of installed packages, imported when they are used, their options checked.

Discovery imports nothing, so that a broken package harms nobody but its users, and a package that requires another
version of the core is named before it is imported.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

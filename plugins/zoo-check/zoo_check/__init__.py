"""What is wrong with a set of pictures before anything is trained on it.

report = zoo_check.examine_dataset("image-folder", "photos/")
report.findings, report.excluded  # what was found, and what `exclude=` would leave out
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

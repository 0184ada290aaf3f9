"""From a folder of pictures to labels in an afternoon: a page to name clusters by keys, and what lies behind it.

journal = zoo_label.Journal(Path("labels.sqlite"))
journal.labels.kinds()                        # {"Copepod": 612, …}
head = zoo_label.fit_head(features, rows, codes)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

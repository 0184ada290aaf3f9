"""Filters of zoo as a page: facts, plots, and a map of pictures by their vectors, for any browser.

filters = zoo.load("vgg16-plankton")
images = zoo_gallery.gather_images(filters, zoo.data.open_images("photos"), about="the folder photos")
zoo_gallery.write_gallery(filters, "gallery", map_images=images, plots=zoo_gallery.draw_plots(filters))
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

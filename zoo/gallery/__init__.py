"""A page that shows filters: what they are, what they look for, and a map of pictures as they see them."""

from zoo.gallery.layout import METHODS, Layout, lay_out, nearest_of_all
from zoo.gallery.looks import Looks, find_looks, make_looks, read_looks
from zoo.gallery.making import Gallery, write_gallery
from zoo.gallery.materials import Materials, gather_images, gather_table

__all__ = [
    "METHODS",
    "Gallery",
    "Layout",
    "Looks",
    "Materials",
    "find_looks",
    "gather_images",
    "gather_table",
    "lay_out",
    "make_looks",
    "nearest_of_all",
    "read_looks",
    "write_gallery",
]

"""A head that says where in a picture a thing is."""

from zoo_boxes.locate import Locate

__all__ = ["Locate"]

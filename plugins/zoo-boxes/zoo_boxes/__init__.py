"""A head that predicts the box of a thing in a picture."""

from zoo_boxes.locate import Locate

__all__ = ["Locate"]

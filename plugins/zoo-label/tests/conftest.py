"""The core's fixtures, which lie on pytest's path."""

from conftest import home, shapes

__all__ = ["home", "shapes"]

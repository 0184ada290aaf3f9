"""The core's fixtures, which lie on pytest's path."""

from conftest import home, packages, shapes

__all__ = ["home", "packages", "shapes"]

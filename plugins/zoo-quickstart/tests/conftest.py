"""The core's fixtures, which lie on pytest's path."""

from conftest import home

__all__ = ["home"]

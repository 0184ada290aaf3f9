"""Filters and runs -> PNG files of what they see."""

from zoo.showing.sheets import Shown, Wishes, show_filters

__all__ = ["Shown", "Wishes", "show_filters"]

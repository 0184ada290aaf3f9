"""Handwritten digits, and the small network that everybody starts with."""

from zoo_digits.dataset import Digits
from zoo_digits.network import DigitNets

__all__ = ["DigitNets", "Digits"]

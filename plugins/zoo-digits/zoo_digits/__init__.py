"""Handwritten digits, and the small convolutional network of the Keras examples."""

from zoo_digits.dataset import Digits
from zoo_digits.network import DigitNets

__all__ = ["DigitNets", "Digits"]
